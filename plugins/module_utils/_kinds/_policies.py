# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policy documents: how they are written and when two of them mean the same."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.policy import compare_policies


def document(policy: Any) -> str:
    """Return a policy as compact JSON text, the form that counts against AWS's size limits."""
    return json.dumps(json.loads(policy) if isinstance(policy, str) else policy, separators=(",", ":"))


def same_policy(wanted: Any, observed: Any) -> bool:
    """Tell whether two policies mean the same; AWS reorders lists and turns account ids into principals' ARNs."""
    if not observed:
        return not wanted
    return not compare_policies(json.loads(document(observed)), json.loads(document(wanted)))
