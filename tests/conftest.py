# Copyright: Innovate platform maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all tests share.

pyproject.toml puts the checkout and collections/ on the path: `rehearsal`, `tools` and
`ansible_collections.innovate.platform` (the checkout, by its link) are imported as they are in use;
`ansible_collections.amazon.aws` comes from the Python package `ansible` as the other half of the same namespace.
"""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the repository's root."""
    return Path(__file__).resolve().parent.parent
