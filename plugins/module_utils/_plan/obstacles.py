# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in the way of a teardown, and what of it the same run takes away before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def remaining(plans: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return a sentence for each obstacle that nothing of a run takes away.

    :param plans: results of stacks' modules in check mode, each with ``host``, ``stack``, ``account``, ``changes`` and
        ``obstacles``: rows of ``text``, ``stack`` and ``id``, the stack and what of it has to go (anything, if empty).
    """
    plans = list(plans)
    going: dict[tuple[str, str, str], set[str]] = {}
    for plan in plans:
        key = (plan["host"], plan["account"]["region"], plan["stack"])
        ids = {str(change["id"]) for change in plan["changes"] if change["action"] in ("delete", "replace")}
        going.setdefault(key, set()).update(ids)
    found = []
    for plan in plans:
        for obstacle in plan.get("obstacles") or ():
            ids = going.get((plan["host"], plan["account"]["region"], obstacle["stack"]), set())
            if not (obstacle["id"] in ids if obstacle["id"] else ids):
                found.append(f"{plan['host']}: {obstacle['text']}")
    return list(dict.fromkeys(found))
