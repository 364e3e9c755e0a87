# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
name: left_lines
short_description: What is left after a teardown, as lines for people
version_added: 0.2.0
description:
  - Takes what M(innovate.platform.leftovers) returns and says what is kept, why, and what it costs a month at list
    prices, then what has leaked, then what isn't the platform's.
author:
  - Innovate platform maintainers (@innovate-inc)
positional: region
options:
  _input:
    description: The result of M(innovate.platform.leftovers).
    type: dict
    required: true
  region:
    description: The Region, which decides the prices.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Say what is left
  ansible.builtin.debug:
    msg: "{{ left | innovate.platform.left_lines('eu-central-1') }}"
"""

RETURN = r"""
_value:
  description: The lines.
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.innovate.platform.plugins.plugin_utils.cost.estimate import monthly


def left_lines(left: Mapping[str, Any], region: str) -> list[str]:
    """Return the lines."""
    return [
        *_priced("Kept", left["kept"], region, "nothing"),
        *_priced("Leaked", left["leaked"], region, "nothing"),
        *_others(left["others"]),
    ]


def _priced(title: str, rows: Sequence[Mapping[str, Any]], region: str, nothing: str) -> list[str]:
    if not rows:
        return [f"{title}: {nothing}"]
    found = []
    total, complete = 0.0, True
    for row in rows:
        usd: float | None = 0.0
        unknown: list[str] = []
        if row["properties"] is not None:
            cost = monthly(row["kind"], row["properties"], region)
            usd, unknown = cost["usd"], cost["unknown"]
        total += usd or 0.0
        complete = complete and usd is not None
        price = f"{usd:.2f} USD a month" if usd is not None else f"price unknown: {'; '.join(unknown)}"
        name = row["name"] or row["id"]
        identifier = f" ({row['id']})" if row["id"] not in (name, "") else ""
        found.append(f"- {row['kind']} {name}{identifier}: {row['reason']}; {price}")
    words = "" if complete else "at least "
    return [f"{title}: {len(rows)}, together {words}{total:.2f} USD a month", *found]


def _others(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    if not rows:
        return []
    return [
        f"Not the platform's, and left alone: {len(rows)}",
        *(f"- {row['kind']} {row['name'] or row['id']}" for row in rows),
    ]


class FilterModule:
    """The filter."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        """Return the filter by its name."""
        return {"left_lines": left_lines}
