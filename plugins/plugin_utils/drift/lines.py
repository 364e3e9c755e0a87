# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drift report in short, as lines of a terminal or a log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

COUNTED = ("changed", "missing", "unowned")


def headline(document: Mapping[str, Any]) -> str:
    """Return the one line that says how much drifted, and whether that is too much."""
    totals = document["totals"]
    words = [f"{totals[name]} {name}" for name in COUNTED if totals[name]]
    words += [f"{totals['not_compared']} not compared"] if totals["not_compared"] else []
    compared = f"{totals['resources']} resources of {totals['stacks']} stacks compared"
    if not words:
        return f"No drift: {compared}"
    verdict = "the run fails" if document["failed"] else "below the threshold"
    return f"Drift: {', '.join(words)}; {compared}; {verdict} (fail_at: {document['fail_at']})"


def lines(document: Mapping[str, Any]) -> list[str]:
    """Return a line for each finding: account, stack, category, address, what of it differs, and who changed it."""
    found = []
    for account in document["accounts"]:
        for failure in account["not_compared"]:
            found += [f"{account['name']}: not compared: {problem}" for problem in failure["problems"]]
        for stack in account["stacks"]:
            for item in stack["items"]:
                if item["category"] == "follows":
                    continue
                names = [value["name"] for value in item["values"]] if item["category"] == "changed" else []
                what = f": {', '.join(names)}" if names else ""
                label = item["address"] or item["id"]
                if item["action"] == "tagged" and item["address"]:
                    label = f"{item['address']} ({item['id']})"
                by = f" ({item['events'][0]['who']}, {item['events'][0]['time']})" if item["events"] else ""
                found.append(f"{account['name']} {stack['stack']} {item['category']} {label}{what}{by}")
    return found
