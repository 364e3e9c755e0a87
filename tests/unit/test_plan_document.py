# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a whole run as a document: put together, written, read, compared, and shown."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.innovate.platform.plugins.module_utils._plan.document import (
    AGAIN,
    SCHEMA,
    collect,
    differences,
    digest_of,
    dump,
    load,
    unplanned,
)
from ansible_collections.innovate.platform.plugins.plugin_utils import plan_text


def change(action: str, address: str, **values: Any) -> dict[str, Any]:
    return {
        "action": action,
        "address": address,
        "kind": address.partition(".")[0],
        "id": None,
        "changed": [],
        "forced_by": [],
        "reason": "",
        "before": None,
        "after": None,
        **values,
    }


def result(host: str, stack: str, *changes: dict[str, Any], **values: Any) -> dict[str, Any]:
    account = {"name": host, "id": "111111111111", "region": "eu-central-1", "organization": "o-abc1234567"}
    return {"host": host, "stack": stack, "account": {**account, **values}, "changes": list(changes)}


CREATED = change("create", "vpc.main", after={"cidr_block": "10.10.0.0/16", "id": "(known after apply)"})
UPDATED = change(
    "update",
    "subnet.a",
    changed=["map_public_ip_on_launch", "tags"],
    before={"map_public_ip_on_launch": True, "tags": {}},
    after={"map_public_ip_on_launch": False, "tags": {"team": "a"}},
)
REPLACED = change(
    "replace",
    "eks_cluster.main",
    changed=["role_arn"],
    forced_by=["role_arn"],
    before={"role_arn": "arn:aws:iam::111111111111:role/one-with-a-long-name"},
    after={"role_arn": "(known after apply)"},
)
OPENED = change(
    "update",
    "network_acl.a",
    changed=["entries"],
    before={"entries": [{"rule_number": 100}, {"rule_number": 200}]},
    after={"entries": [{"rule_number": 200}, {"rule_number": 300}]},
)
RETAINED = change("update", "log_group.a", changed=["retention"], before={"retention": 7}, after={"retention": 90})
LONGER = change(
    "update", "role.a", changed=["policy"], before={"policy": "a" * 90 + "bc"}, after={"policy": "a" * 90 + "cb"}
)
DELETED = change("delete", "route_table.b", before={"routes": []})
KEPT = change("keep", "kms_key.main", reason="it holds data: list it in `allow_destroy` to have it deleted")
RESULTS = [
    result("stage", "vpc-stage", CREATED),
    result("dev", "vpc-dev", CREATED, UPDATED, KEPT),
    result("dev", "eks-dev", REPLACED, DELETED, OPENED, RETAINED, LONGER),
    result("prod", "vpc-prod"),
]


def test_a_plan_has_every_change_by_account_and_stack() -> None:
    plan = collect(RESULTS)
    assert [(item["host"], [stack["stack"] for stack in item["stacks"]]) for item in plan["accounts"]] == [
        ("dev", ["vpc-dev", "eks-dev"]),
        ("stage", ["vpc-stage"]),
    ]
    assert plan["totals"] == {"create": 2, "update": 4, "replace": 1, "delete": 1, "adopt": 0, "keep": 1}
    assert plan["organization"] == "o-abc1234567"


def test_the_same_plan_is_the_same_text_in_whatever_order_the_hosts_were_planned() -> None:
    assert dump(collect(RESULTS)) == dump(collect([RESULTS[1], RESULTS[2], RESULTS[0], RESULTS[3]]))


def test_a_stack_that_was_planned_twice_counts_as_it_was_planned_last() -> None:
    assert collect([*RESULTS, result("stage", "vpc-stage")])["totals"]["create"] == 1


def test_what_was_written_is_read_again() -> None:
    plan = collect(RESULTS)
    assert load(dump(plan), "plan.json") == (plan, [])


def edited(plan: dict[str, Any]) -> None:
    plan["accounts"][0]["stacks"][0]["changes"].pop()


def older(plan: dict[str, Any]) -> None:
    plan["schema"] = SCHEMA - 1


def newer(plan: dict[str, Any]) -> None:
    plan["schema"] = SCHEMA + 1


def broken(plan: dict[str, Any]) -> None:
    del plan["accounts"][0]["stacks"]


def resealed_but_broken(plan: dict[str, Any]) -> None:
    plan["accounts"] = [{"host": "dev"}]
    plan["digest"] = digest_of(plan)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (edited, "was changed after it was written"),
        (older, "has schema 0, older than 1"),
        (newer, "has schema 2, another than 1"),
        (broken, "is not a whole plan"),
        (resealed_but_broken, "is not a whole plan"),
    ],
)
def test_a_damaged_plan_is_refused_with_the_reason(damage: Callable[[dict[str, Any]], None], sentence: str) -> None:
    plan = copy.deepcopy(collect(RESULTS))
    damage(plan)
    _document, problems = load(json.dumps(plan), "plan.json")
    assert len(problems) == 1
    assert sentence in problems[0]


@pytest.mark.parametrize(("text", "sentence"), [("{", "no JSON"), ("[]", "`schema` is missing"), ("", "no JSON")])
def test_what_is_no_plan_is_refused(text: str, sentence: str) -> None:
    assert sentence in load(text, "plan.json")[1][0]


VPC = "stage (eu-central-1) vpc-stage vpc.main"


def other_value() -> list[dict[str, Any]]:
    moved = copy.deepcopy(CREATED)
    moved["after"]["cidr_block"] = "10.99.0.0/16"
    return [result("stage", "vpc-stage", moved), *RESULTS[1:]]


@pytest.mark.parametrize(
    ("now", "sentences"),
    [
        (RESULTS, []),
        (RESULTS[1:], [f"{VPC}: create was approved, now there is nothing to do"]),
        (
            [*RESULTS, result("prod", "vpc-prod", DELETED)],
            ["prod (eu-central-1) vpc-prod route_table.b: delete was not approved"],
        ),
        (
            [result("stage", "vpc-stage", change("adopt", "vpc.main")), *RESULTS[1:]],
            [f"{VPC}: create was approved, now it is adopt"],
        ),
        (
            other_value(),
            [f"{VPC}: create was approved with other values: cidr_block after it was 10.10.0.0/16, is 10.99.0.0/16"],
        ),
        (
            [{**item, "account": {**item["account"], "organization": "o-other00000"}} for item in RESULTS],
            [f"the plan was made for organization o-abc1234567, these credentials belong to o-other00000: {AGAIN}"],
        ),
        (
            [{**item, "account": {**item["account"], "id": "222222222222"}} for item in RESULTS],
            [f"the same changes would be made, but in other accounts: {AGAIN}"],
        ),
    ],
)
def test_how_a_plan_differs_from_the_approved_one_is_said(now: list[dict[str, Any]], sentences: list[str]) -> None:
    assert differences(collect(RESULTS), collect(now)) == sentences


@pytest.mark.parametrize(
    ("account", "stack", "changes", "refused"),
    [
        ("111111111111", "vpc-dev", [CREATED, UPDATED], []),
        ("111111111111", "vpc-dev", [UPDATED], []),
        ("111111111111", "vpc-dev", [KEPT], []),
        ("111111111111", "vpc-dev", [DELETED], ["route_table.b"]),
        ("111111111111", "vpc-dev", [change("replace", "vpc.main")], ["vpc.main"]),
        # Begun by a run that was cut short, or didn't wait, and completed now.
        ("111111111111", "vpc-dev", [change("update", "vpc.main")], []),
        ("111111111111", "vpc-dev", [change("update", "route_table.b")], ["route_table.b"]),
        ("111111111111", "other", [CREATED], ["vpc.main"]),
        ("222222222222", "vpc-dev", [CREATED], ["vpc.main"]),
    ],
)
def test_a_stack_does_only_what_was_approved(
    account: str, stack: str, changes: list[dict[str, Any]], refused: list[str]
) -> None:
    problems = unplanned(collect(RESULTS), account, "eu-central-1", stack, changes)
    assert [problem.partition(":")[0] for problem in problems] == refused


def test_an_account_that_was_not_there_is_found_by_its_stack() -> None:
    plan = collect([result("dev", "vpc-dev", CREATED, id=None)])
    assert unplanned(plan, "333333333333", "eu-central-1", "vpc-dev", [CREATED]) == []


def shown(results: list[dict[str, Any]]) -> str:
    return "\n".join(text for _kind, text in plan_text.lines(collect(results)))


def test_people_see_every_change_with_what_matters_of_it() -> None:
    assert shown(RESULTS) == (
        """
dev (111111111111, eu-central-1)
  vpc-dev
    + vpc.main  cidr_block 10.10.0.0/16, id (known after apply)
    ~ subnet.a
        map_public_ip_on_launch: true -> false
        tags.team: (none) -> a
    = kms_key.main
        it holds data: list it in `allow_destroy` to have it deleted
  eks-dev
    ± eks_cluster.main  replaced, since role_arn can't be changed in place
        role_arn:
          from arn:aws:iam::111111111111:role/one-with-a-long-name
            to (known after apply) (forces the replacement)
    - route_table.b
    ~ network_acl.a
        entries:
          - {"rule_number": 100}
          + {"rule_number": 300}
    ~ log_group.a  retention: 7 -> 90
    ~ role.a
        policy:
          from …aaaaaaaaaaaaaaabc
            to …aaaaaaaaaaaaaaacb

stage (111111111111, eu-central-1)
  vpc-stage
    + vpc.main  cidr_block 10.10.0.0/16, id (known after apply)

Plan: 2 to create, 4 to update, 1 to replace, 1 to delete, 1 to keep in 2 accounts"""
    )


def test_no_line_is_wider_than_a_terminal() -> None:
    long = {f"property_{number}": "x" * 50 for number in range(20)}
    old = change("update", "role." + "y" * 60, changed=[*long], before=long, after=dict.fromkeys(long, "z" * 90))
    text = shown([result("dev", "vpc-dev", change("create", "vpc.main", after=long), old)])
    assert max(map(len, text.splitlines())) <= 100
    assert "…" in text


def test_nothing_to_change_is_said() -> None:
    assert shown([result("dev", "vpc-dev")]).strip() == "Plan: nothing to change"
    assert shown([result("dev", "vpc-dev", KEPT)]).endswith("Plan: nothing to change; 1 kept")


ESTIMATE = {
    "before": 100.0,
    "after": 1234.5,
    "currency": "USD",
    "as_of": "2026-11-22",
    "unknown": ["dev eks-dev eks_fargate_profile.main: " + "pods are paid by what they ask for " * 4],
    "by_stack": [
        {"account": "dev", "before": 60.0, "after": 1000.0},
        {"account": "dev", "before": 40.0, "after": 200.0},
        {"account": "stage", "before": 0.0, "after": 34.5},
        {"account": "management", "before": 0.0, "after": 0.0},
    ],
}


def test_what_it_costs_is_told_by_account_with_what_is_not_in_the_sum() -> None:
    text = [line for _kind, line in plan_text.cost(ESTIMATE)]
    assert text[:3] == [
        "Cost a month in USD, at list prices, the oldest of 2026-11-22: 100.00 -> 1,234.50",
        "  dev         100.00 ->   1,200.00",
        "  stage         0.00 ->      34.50",
    ]
    assert text[3].startswith("  not in it: dev eks-dev")
    assert max(map(len, text)) <= 100


def test_prices_that_were_read_anew_do_not_make_another_plan() -> None:
    plans = [collect(RESULTS, cost) for cost in (None, {"before": 1.0}, {"before": 2.0})]
    assert len({plan["digest"] for plan in plans}) == 1
    assert load(dump(plans[1]), "plan.json") == (plans[1], [])
    assert differences(plans[1], plans[2]) == []


def test_values_cannot_move_the_cursor_and_titles_fit() -> None:
    hidden = "1\x1b[1A\x1b[2Khidden\r"
    update = change("update", "config.a", changed=["text"], before={"text": "0"}, after={"text": hidden})
    document = collect([result("dev", "a" * 120, update, change("create", "config.b", after={"name": hidden}))])
    shown = [text for _kind, text in plan_text.lines(document)]
    assert all(text.isprintable() and len(text) <= 100 for text in shown)
    assert any("\\x1b[1A" in text for text in shown)
