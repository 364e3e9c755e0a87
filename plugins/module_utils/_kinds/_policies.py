# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares policy documents by what they mean: AWS writes them back in other words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.policy import compare_policies


def document(value: Any) -> str:
    """Return a document as compact JSON text, the form that counts against AWS's size limits."""
    return json.dumps(parsed(value), separators=(",", ":"))


def parsed(value: Any) -> Any:
    """Return a document as plain values; text that isn't JSON stays as it is, and nothing stays nothing."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value) if value else None
    except ValueError:
        return value


def same_policy(wanted: Any, observed: Any) -> bool:
    """Tell whether two policies say the same (order, single items and lists, account ids and root ARNs)."""
    wanted, observed = parsed(wanted), parsed(observed)
    if not wanted or not observed:
        return bool(wanted) == bool(observed)
    return not compare_policies(observed, wanted)


def same_policies(wanted: Mapping[str, Any], observed: Mapping[str, Any] | None) -> bool:
    """Tell whether two sets of named policies say the same; one that only one of them has is a difference."""
    observed = observed or {}
    return wanted.keys() == observed.keys() and all(same_policy(wanted[name], observed[name]) for name in wanted)


def same_json(wanted: Any, observed: Any) -> bool:
    """Tell whether two documents that are no policies are equal as values, however they are written."""
    return bool(parsed(wanted) == parsed(observed))


def not_json(name: str, value: Any) -> list[str]:
    """Return what is wrong with a declared document given as text."""
    if isinstance(value, str):
        try:
            json.loads(value)
        except ValueError as error:
            return [f"{name} is not JSON: {error}"]
    return []
