# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all of the role's declaration comes to: what the filter ``innovate.platform.argocd`` returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .checks import problems_of
from .install import addition_secrets, additions, patches
from .projects import projects
from .root import connection_secrets, connections, root
from .settings import settings_of

_NOTHING: Mapping[str, Any] = {
    "problems": [],
    "additions": [],
    "addition_secrets": [],
    "patches": [],
    "projects": [],
    "connections": [],
    "connection_secrets": [],
    "root": [],
}


def outcome(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the mistakes in the role's variables or, where there are none, all documents."""
    settings = settings_of(variables)
    problems = problems_of(settings)
    if problems:
        return {**_NOTHING, "problems": problems}
    return {
        "problems": [],
        "additions": additions(settings),
        "addition_secrets": addition_secrets(settings),
        "patches": patches(settings),
        "projects": projects(settings),
        "connections": connections(settings),
        "connection_secrets": connection_secrets(settings),
        "root": [root(settings)],
    }
