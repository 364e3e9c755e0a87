# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan has seen beside what it would change: for whoever compares a whole account with its stacks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._engine.kind import Kind
from .._engine.plan import Change, Plan
from .._engine.render import rows


def witnessed(plan: Plan, kinds: Mapping[str, Kind]) -> dict[str, Any]:
    """Return ``known``, what the stack has (address, id, ARN), and ``foreign``, what is among it and is nobody's."""
    there = [change for change in plan.changes if change.observed is not None and not kinds[change.kind].lookup]
    # A row of a deletion shows all that is known of a thing.
    strangers = [Change("delete", kind, "", observed=item) for kind, item in plan.foreign]
    found = [
        {**row, "action": "foreign", "arn": change.existing.attribute("arn")}
        for row, change in zip(rows(strangers, kinds), strangers, strict=True)
    ]
    return {
        "known": [
            {"address": change.address, "id": change.existing.id, "arn": change.existing.attribute("arn")}
            for change in there
        ],
        "foreign": found,
    }
