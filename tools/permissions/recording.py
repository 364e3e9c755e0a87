# Copyright: Innovate platform maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs every playbook in the rehearsal and keeps what it demanded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.rehearsal.by_hand import CHANGES, Hands
from tools.permissions.lab import Lab, Step

#: The environment that is changed by hand and taken down.
ENVIRONMENT = "dev"
#: Playbooks in the order in which site.yml imports them; a new one joins by its name.
PLAYBOOKS = ("organization", "access", "network", "cluster", "database")
#: Changes that an apply doesn't bring back by itself: it says what a person has to decide.
UNDECIDED = (
    "a role loses its owner's tags",
    "a service gets access to all accounts",
    "an alias leads to another key",
)


def _report(lab: Lab) -> Path:
    return lab.directory / "drift.json"


def _by_hand(lab: Lab) -> None:
    """Change what stands in many ways, so that the playbooks bring it back by every update that they know."""
    document = json.loads(_report(lab).read_text())
    known = {
        f"{stack['stack']}/{item['address']}": item["id"]
        for account in document["accounts"]
        for stack in account["stacks"]
        for item in stack["known"]
    }
    hands = Hands(lab.emulator, known)
    for change in (change for change in CHANGES if change.what not in UNDECIDED):
        change.do(hands)


def steps(directory: Path) -> list[Step]:
    """Return all that is run, in its order: plan, apply, drift, changes by hand, plan, apply, apply, teardown."""
    consent = {"confirm": ENVIRONMENT, "rds_allow_destroy": ["db_instance.main"]}
    each = [Step(name, name) for name in PLAYBOOKS]
    return [
        Step("plan", "site", check=True),
        *each,
        Step("plan", "site", check=True),
        Step("plan", "access", check=True),
        Step("drift", "drift", variables={"drift_json": str(directory / "drift.json"), "drift_access": True}),
        Step("plan", "site", check=True, before=_by_hand),
        *each,
        Step("site", "site"),
        # What was made by hand is left, which it refuses to call done.
        Step("teardown", "teardown", variables=consent, status=(0, 2)),
    ]


def record(lab: Lab) -> list[dict[str, Any]]:
    """Run everything, and return the rows that the emulator recorded."""
    for step in steps(lab.directory):
        lab.record(step)
    rows = lab.emulator.admin("recording", "DELETE")["rows"]
    return [row for row in rows if row["label"] != "-"]
