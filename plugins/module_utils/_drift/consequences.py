# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells what somebody changed from what only follows from it.

Where a subnet is gone, the plan of its route table has an identifier that nobody knows yet. The table itself is as it
was declared: it would be told as changed, and nobody changed it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .._engine.resource import KNOWN_AFTER_APPLY


def only_follows(change: Mapping[str, Any]) -> bool:
    """Tell whether all that differs in an update or a replacement is values that aren't known yet."""
    if change["action"] not in ("update", "replace") or not change["changed"] or change.get("reason"):
        return False
    before, after = change["before"] or {}, change["after"] or {}
    return all(
        name in after and has_unknown(after[name]) and explained(after[name], before.get(name))
        for name in change["changed"]
    )


def has_unknown(value: Any) -> bool:
    """Tell whether something in a nested value is only known after an apply."""
    if isinstance(value, Mapping):
        return any(has_unknown(item) for item in value.values())
    if isinstance(value, (list, tuple)):
        return any(has_unknown(item) for item in value)
    return isinstance(value, str) and KNOWN_AFTER_APPLY in value


def explained(declared: Any, actual: Any) -> bool:
    """Tell whether a value fits what is declared, with anything (or nothing) where that isn't known yet.

    Of what is declared as a dictionary only the declared members count; of lists the order doesn't.
    """
    if isinstance(declared, str) and KNOWN_AFTER_APPLY in declared:
        if actual is None or declared == KNOWN_AFTER_APPLY:
            return True
        pattern = ".+".join(re.escape(part) for part in declared.split(KNOWN_AFTER_APPLY))
        return isinstance(actual, str) and re.fullmatch(pattern, actual) is not None
    if isinstance(declared, Mapping):
        return isinstance(actual, Mapping) and all(explained(item, actual.get(key)) for key, item in declared.items())
    if isinstance(declared, (list, tuple)):
        return (actual is None and has_unknown(declared)) or (
            isinstance(actual, (list, tuple)) and _same_items(declared, actual)
        )
    return bool(declared == actual)


def _same_items(declared: Sequence[Any], actual: Sequence[Any]) -> bool:
    """Match the items that are known first; what isn't known takes what is left, or nothing where that is gone too."""
    left = list(actual)
    for item in sorted(declared, key=lambda item: (has_unknown(item), item == KNOWN_AFTER_APPLY)):
        match = next((index for index, other in enumerate(left) if _same_item(item, other)), None)
        if match is not None:
            left.pop(match)
        elif not has_unknown(item):
            return False
    return not left


def _same_item(declared: Any, actual: Any) -> bool:
    """Compare items of a list, which are themselves whole: a route to another kind of target is another route."""
    whole = not isinstance(declared, Mapping) or (isinstance(actual, Mapping) and set(actual) <= set(declared))
    return whole and explained(declared, actual)
