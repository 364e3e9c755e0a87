# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A platform that stands as it is declared, changed by hand in many ways at once, and one report that tells of all."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from rehearsal.rehearse import WITHOUT_KUBERNETES
from rehearsal.state import EmulatorState
from tests.rehearsal.by_hand import CHANGES, Hands, judge
from tests.rehearsal.conftest import Play, Run

DEV = ("organization", "dev")
#: What operations that change nothing begin with.
READING = re.compile(r"(Get|List|Describe|Lookup|AssumeRole)")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reports")


def report_of(play: Play, directory: Path, name: str) -> tuple[Run, dict[str, Any]]:
    files = [
        f"drift_{form}={directory}/{name}.{end}" for form, end in (("html", "html"), ("json", "json"), ("junit", "xml"))
    ]
    given = [word for file in files for word in ("-e", file)]
    run = play("playbooks/drift.yml", *given, *WITHOUT_KUBERNETES, inventories=DEV)
    path = directory / f"{name}.json"
    assert path.exists(), run.text[-4000:]
    return run, json.loads(path.read_text())


@pytest.fixture(scope="module")
def untouched(play: Play, emulator: EmulatorState, directory: Path) -> tuple[Run, dict[str, Any], list[str]]:
    """A report right after the platform has been made, and the calls that it took."""
    applied = play("playbooks/site.yml", *WITHOUT_KUBERNETES, inventories=DEV)
    assert applied.status == 0, applied.text[-4000:]
    mark = emulator.admin("calls?since=0")["mark"]
    run, document = report_of(play, directory, "untouched")
    return run, document, [call["operation"] for call in emulator.admin(f"calls?since={mark}")["calls"]]


@pytest.fixture(scope="module")
def changed(
    play: Play, emulator: EmulatorState, directory: Path, untouched: tuple[Run, dict[str, Any], list[str]]
) -> tuple[Run, dict[str, Any]]:
    known = {
        f"{stack['stack']}/{item['address']}": item["id"]
        for account in untouched[1]["accounts"]
        for stack in account["stacks"]
        for item in stack["known"]
    }
    hands = Hands(emulator, known)
    for change in CHANGES:
        change.do(hands)
    return report_of(play, directory, "changed")


def test_nothing_drifts_while_nobody_touches_it(untouched: tuple[Run, dict[str, Any], list[str]]) -> None:
    run, document, _calls = untouched
    assert [item for account in document["accounts"] for stack in account["stacks"] for item in stack["items"]] == []
    assert (run.status, document["failed"], document["totals"]["not_compared"]) == (0, False, 0)
    assert document["totals"]["resources"] > 80


def test_a_report_changes_nothing(untouched: tuple[Run, dict[str, Any], list[str]]) -> None:
    assert untouched[2]
    assert [operation for operation in untouched[2] if not READING.match(operation)] == []


def test_every_change_by_hand_is_told_and_nothing_else(changed: tuple[Run, dict[str, Any]]) -> None:
    figures = judge(changed[1], CHANGES)
    print(figures)
    assert len(CHANGES) >= 40
    assert (figures.lost, figures.false) == ([], []), str(figures)


def test_drift_ends_the_run_with_a_status_of_its_own_after_the_report_is_written(
    changed: tuple[Run, dict[str, Any]], directory: Path
) -> None:
    run, document = changed
    assert run.status == 2
    assert [message for message in run.messages() if message.startswith("Drift: ")]
    failures = ET.parse(directory / "changed.xml").findall(".//failure")
    assert len(failures) == sum(document["totals"][name] for name in ("changed", "missing", "unowned"))
    page = (directory / "changed.html").read_text()
    assert page.count('<article class="item') >= len(failures)


def test_what_refers_to_something_missing_follows(changed: tuple[Run, dict[str, Any]]) -> None:
    assert changed[1]["totals"]["follows"] >= 1


def test_who_did_it_is_told(changed: tuple[Run, dict[str, Any]]) -> None:
    found = [item for account in changed[1]["accounts"] for stack in account["stacks"] for item in stack["items"]]
    items = [item for item in found if item["category"] != "follows"]
    # Events of the platform itself say who made it, not who changed it.
    told = [item for item in items if any(not event["platform"] for event in item["events"])]
    print(f"{len(told)} of {len(items)} findings say who it was")
    assert len(told) > 0.7 * len(items)
    assert all(event["who"] and event["time"] for item in told for event in item["events"])


@pytest.mark.parametrize(
    ("variable", "says"),
    [
        ("drift_html=/nowhere/drift.html", "the directory /nowhere isn't there"),
        ("drift_fail_at=chnaged", "did you mean changed?"),
    ],
)
def test_what_can_not_be_done_is_said_before_the_work(
    play: Play, emulator: EmulatorState, variable: str, says: str
) -> None:
    mark = emulator.admin("calls?since=0")["mark"]
    run = play("playbooks/drift.yml", "-e", variable, inventories=DEV)
    assert run.status == 2
    assert says in "".join(run.messages())
    assert emulator.admin(f"calls?since={mark}")["calls"] == []
