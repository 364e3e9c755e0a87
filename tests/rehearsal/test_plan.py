# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan as a person and a pipeline use it: seen, kept, approved, and carried out as it was approved."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rehearsal.rehearse import ROOT, environment
from rehearsal.state import EmulatorState
from tests.rehearsal.conftest import Play, Run

NETWORK = "playbooks/network.yml"
DEV = ("dev",)
READING = re.compile(r"(Get|List|Describe|AssumeRole)")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("plans")


@pytest.fixture(scope="module")
def planned(play: Play, directory: Path) -> Run:
    assert play("playbooks/organization.yml").status == 0
    return play(NETWORK, "--check", "-e", f"plan_out={directory}/plan.json", inventories=DEV)


@pytest.fixture(scope="module")
def plan(planned: Run, directory: Path) -> dict[str, Any]:
    assert planned.status == 0, planned.text[-3000:]
    document: dict[str, Any] = json.loads((directory / "plan.json").read_text())
    return document


def written_since(emulator: EmulatorState, mark: int) -> list[str]:
    calls = emulator.admin(f"calls?since={mark}")["calls"]
    return [call["operation"] for call in calls if not READING.match(call["operation"])]


def mark_of(emulator: EmulatorState) -> int:
    mark: int = emulator.admin("calls?since=0")["mark"]
    return mark


def test_the_file_has_what_the_modules_planned(planned: Run, plan: dict[str, Any]) -> None:
    (account,) = plan["accounts"]
    (stack,) = account["stacks"]
    in_file = {("dev", f"{stack['stack']}:{item['address']}"): item["action"] for item in stack["changes"]}
    assert in_file == planned.changes()
    assert plan["totals"]["create"] == len(in_file)


def test_the_same_plan_makes_the_same_file_and_its_digest_is_printed(
    play: Play, plan: dict[str, Any], directory: Path
) -> None:
    run = play(NETWORK, "--check", "-e", f"plan_out={directory}/again.json", inventories=DEV)
    assert (directory / "again.json").read_bytes() == (directory / "plan.json").read_bytes()
    assert f"Digest: {plan['digest']}" in run.text


REFUSED = {
    "another declaration": (
        "plan_in={plan}",
        {"vpc_nat_gateways": "none"},
        "nat_gateway.nat-a: create was approved, now",
    ),
    "another digest": ("plan_digest=sha256:" + "0" * 64, {}, "was approved, this one has"),
    "no digest": ("plan_digest=abc", {}, "is no digest"),
    "a file that isn't there": ("plan_in={directory}/none.json", {}, "plan_in can't be read"),
    "an edited file": ("plan_in={directory}/edited.json", {}, "was changed after it was written"),
    "an older schema": ("plan_in={directory}/older.json", {}, "has schema 0, older than 1"),
    "another organization's": (
        "plan_in={directory}/foreign.json",
        {},
        "the plan was made for organization o-foreign000",
    ),
    "a directory that isn't there": ("plan_out={directory}/none/plan.json", {}, "isn't there"),
}


@pytest.mark.parametrize(("argument", "variables", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_was_not_approved_is_refused_before_the_first_change(
    play: Play,
    emulator: EmulatorState,
    plan: dict[str, Any],
    directory: Path,
    argument: str,
    variables: dict[str, Any],
    sentence: str,
) -> None:
    from ansible_collections.innovate.platform.plugins.module_utils._plan.document import digest_of  # noqa: PLC0415

    foreign = {**plan, "organization": "o-foreign000"}
    for name, content in {
        "edited": {**plan, "totals": {}},
        "older": {**plan, "schema": 0},
        "foreign": {**foreign, "digest": digest_of(foreign)},
    }.items():
        (directory / f"{name}.json").write_text(json.dumps(content))
    mark = mark_of(emulator)
    given = argument.format(plan=directory / "plan.json", directory=directory)
    run = play(NETWORK, "-e", given, "-e", json.dumps(variables), inventories=DEV)
    assert run.status != 0
    assert any(sentence in message for message in run.messages()), run.messages()
    assert written_since(emulator, mark) == []


def test_what_was_approved_is_carried_out_and_nothing_else(
    play: Play, emulator: EmulatorState, plan: dict[str, Any], planned: Run, directory: Path
) -> None:
    run = play(NETWORK, "-e", f"plan_in={directory}/plan.json", "-e", f"plan_digest={plan['digest']}", inventories=DEV)
    assert (run.status, run.changes()) == (0, planned.changes()), run.text[-3000:]
    mark = mark_of(emulator)
    late = play(NETWORK, "-e", f"plan_in={directory}/plan.json", inventories=DEV)
    assert late.status != 0
    assert any("vpc.main: create was approved, now there is nothing to do" in message for message in late.messages())
    assert written_since(emulator, mark) == []


def test_a_module_refuses_what_its_plan_does_not_have(
    play: Play,
    emulator: EmulatorState,
    plan: dict[str, Any],
    directory: Path,
    playbook_of: Callable[[list[dict[str, Any]]], Path],
) -> None:
    queue = {"kind": "sqs_queue", "name": "jobs", "properties": {"queue_name": "jobs"}}
    parameters = {"name": "jobs", "resources": [queue], "region": "eu-central-1", "account_name": "dev"}
    task = {"innovate.platform.resources": {**parameters, "approved_plan": str(directory / "plan.json")}}
    mark = mark_of(emulator)
    run = play(playbook_of([{"name": "Manage a queue", **task}]))
    assert run.messages() == ["sqs_queue.jobs: create is not in the approved plan: plan again and have that approved"]
    assert written_since(emulator, mark) == []


@pytest.mark.parametrize("color", [{"NO_COLOR": "1"}, {"ANSIBLE_FORCE_COLOR": "1"}], ids=["plain", "coloured"])
def test_people_see_the_plan_in_the_end_whatever_prints_the_rest(
    emulator: EmulatorState, color: dict[str, str]
) -> None:
    done = subprocess.run(
        ["ansible-playbook", "-i", "inventories/dev", NETWORK, "--check", "-e", "vpc_nat_gateways=none"],
        cwd=ROOT,
        env={**environment(emulator), **color, "ANSIBLE_STDOUT_CALLBACK": "minimal"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Plan: " in done.stdout
    assert ("\x1b[" in done.stdout) == ("ANSIBLE_FORCE_COLOR" in color)
