# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate between plan and apply: an approval never comes about by accident, and nothing seen isn't nothing to do."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible import constants as C  # noqa: N812  # as Ansible itself names it

from ansible_collections.innovate.platform.plugins.action.plan_gate import begin, decide
from ansible_collections.innovate.platform.plugins.callback.plan import CallbackModule
from ansible_collections.innovate.platform.plugins.module_utils._plan.document import collect, dump, load, unplanned
from ansible_collections.innovate.platform.plugins.plugin_utils import run_directory

NOTHING = {"step": "decide", "plan_out": None, "plan_in": None, "plan_digest": None}


def planned(action: str, address: str = "sqs_queue.a") -> dict[str, Any]:
    row = {"action": action, "address": address, "kind": address.partition(".")[0], "reason": "", "forced_by": []}
    account = {"name": "dev", "id": "111111111111", "region": "eu-central-1", "organization": "o-abc1234567"}
    change = {**row, "changed": [], "before": None, "after": {}, "id": None}
    return {"host": "dev", "stack": "one", "account": account, "applied": False, "changes": [change]}


@pytest.fixture
def callback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CallbackModule:
    monkeypatch.setattr(run_directory, "_made", tmp_path)
    monkeypatch.setattr(run_directory, "_lost", "")
    made = CallbackModule()
    made.v2_playbook_on_start(None)
    return made


def result(outcome: dict[str, Any], action: str = "innovate.platform.resources") -> Any:
    task = SimpleNamespace(action=action, get_name=lambda: "a task")
    return SimpleNamespace(host=SimpleNamespace(get_name=lambda: "dev"), task=task, result=outcome)


def given(**arguments: Any) -> dict[str, Any]:
    return {**NOTHING, **{name: str(value) for name, value in arguments.items()}}


def test_what_was_gathered_is_decided_on(callback: CallbackModule) -> None:
    callback.v2_runner_on_ok(result(planned("create")))
    decision = decide(NOTHING, applying=True)
    assert (decision["problems"], decision["changing"]) == ([], ["dev"])
    assert "approved" not in decision


def test_a_second_playbook_of_a_command_has_a_plan_of_its_own(callback: CallbackModule) -> None:
    callback.v2_runner_on_ok(result(planned("create")))
    callback.v2_runner_on_failed(result({"failed": True, "msg": "no"}), ignore_errors=True)
    callback.v2_playbook_on_start(None)
    decision = decide(NOTHING, applying=True)
    assert (decision["problems"], decision["changing"]) == ([], [])


def test_nobody_gathers_plans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The directory is there, since another callback made it; and that of an outer run is, too.
    monkeypatch.setattr(run_directory, "_made", tmp_path)
    outer = tmp_path / "outer"
    outer.mkdir()
    (outer / run_directory.PLANS).touch()
    monkeypatch.setenv(run_directory.VARIABLE, str(outer))
    for decision in (begin(NOTHING), decide(NOTHING, applying=True)):
        assert "innovate.platform.plan isn't enabled" in decision["problems"][0]


def test_what_was_planned_cannot_be_kept(callback: CallbackModule) -> None:
    def full(*_args: Any, **_more: Any) -> Any:
        raise OSError("no space left")

    with pytest.MonkeyPatch.context() as disk:
        disk.setattr(Path, "open", full)
        callback.v2_runner_on_ok(result(planned("create")))
    assert (
        "could not be kept, so nobody can decide on it: no space left" in decide(NOTHING, applying=True)["problems"][0]
    )


@pytest.mark.parametrize(
    ("action", "problems"), [("innovate.platform.resources", 1), ("ansible.builtin.set_fact", 0)], ids=["ours", "other"]
)
def test_a_hidden_result_is_no_empty_plan(callback: CallbackModule, action: str, problems: int) -> None:
    callback.v2_runner_on_ok(result({"censored": "hidden", "changed": True}, action))
    found = decide(NOTHING, applying=True)["problems"]
    assert len(found) == problems
    assert all("no_log hides" in problem for problem in found)


def test_a_host_that_cannot_be_reached_is_told(callback: CallbackModule) -> None:
    callback.v2_runner_on_unreachable(result({"unreachable": True}))
    assert "can't be reached" in decide(NOTHING, applying=True)["problems"][0]


def test_results_hidden_everywhere_are_refused_at_once(
    callback: CallbackModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(C, "DEFAULT_NO_LOG", True)
    assert "ANSIBLE_NO_LOG" in begin(NOTHING)["problems"][0]


@pytest.mark.parametrize("name", ["plan_in", "plan_out", "plan_digest"])
def test_an_empty_variable_is_no_leave(callback: CallbackModule, name: str) -> None:
    assert begin(given(**{name: " "}))["problems"][0].startswith(f"{name} is empty")


def test_the_approved_plan_is_not_written_over(callback: CallbackModule, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    approved = dump(collect([planned("create")]))
    path.write_text(approved)
    assert "same file" in begin(given(plan_in=path, plan_out=tmp_path / "." / "plan.json"))["problems"][0]
    # Even where nobody asked at the beginning.
    callback.v2_runner_on_ok(result(planned("delete")))
    decision = decide(given(plan_in=path, plan_out=path), applying=True)
    assert "create was approved, now it is delete" in decision["problems"][0]
    assert "approved" not in decision


@pytest.mark.parametrize("by", ["plan_in", "plan_digest"])
def test_each_stack_gets_the_plan_that_was_approved(callback: CallbackModule, tmp_path: Path, by: str) -> None:
    document = collect([planned("create")])
    path = tmp_path / "plan.json"
    path.write_text(dump(document))
    callback.v2_runner_on_ok(result(planned("create")))
    decision = decide(given(**{by: path if by == "plan_in" else document["digest"]}), applying=True)
    kept, problems = load(Path(decision["approved"]).read_text(), "it")
    assert (problems, kept["digest"]) == ([], document["digest"])


@pytest.mark.parametrize(
    ("approved", "now", "allowed"),
    [
        ("create", "update", True),
        ("replace", "create", True),
        ("replace", "update", True),
        ("adopt", "update", True),
        ("update", "create", False),
        ("create", "delete", False),
        ("update", "replace", False),
        ("create", "replace", False),
    ],
)
def test_what_was_left_half_done_is_approved_too(approved: str, now: str, allowed: bool) -> None:
    document = collect([planned(approved)])
    changes = planned(now)["changes"]
    assert (unplanned(document, "111111111111", "eu-central-1", "one", changes) == []) is allowed


BROKEN: dict[str, Any] = {
    "stacks is nothing": lambda plan: plan["accounts"][0].update(stacks=None),
    "an address that is a list": lambda plan: plan["accounts"][0]["stacks"][0]["changes"][0].update(address=["a"]),
    "a host that is a number": lambda plan: plan["accounts"][0].update(host=1),
    "an id that is a number": lambda plan: plan["accounts"][0].update(id=1),
    "a stack without a name": lambda plan: plan["accounts"][0]["stacks"][0].update(stack=None),
    "an account that is a text": lambda plan: plan.update(accounts=["dev"]),
    "a cost that is a number": lambda plan: plan.update(cost=1),
}


@pytest.mark.parametrize("edit", BROKEN.values(), ids=BROKEN)
def test_a_broken_plan_is_refused_in_a_sentence(edit: Any) -> None:
    plan = json.loads(dump(collect([planned("create")], {"before": 0, "after": 9999})))
    edit(plan)
    _document, problems = load(json.dumps(plan), "plan.json")
    assert problems == ["plan.json is not a whole plan: write it anew with plan_out=FILE"]


def test_a_price_that_was_edited_is_seen() -> None:
    plan = json.loads(dump(collect([planned("create")], {"before": 0, "after": 9999})))
    plan["cost"]["after"] = 1
    _document, problems = load(json.dumps(plan), "plan.json")
    assert "the cost isn't the one that was written" in problems[0]
