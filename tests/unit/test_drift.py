# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a drift report tells, and how it looks."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

import pytest

from ansible_collections.innovate.platform.plugins.module_utils._drift.consequences import explained, only_follows
from ansible_collections.innovate.platform.plugins.module_utils._drift.findings import (
    compose,
    unknown_to,
    wanted_events,
)
from ansible_collections.innovate.platform.plugins.module_utils._drift.threshold import exceeded, parse
from ansible_collections.innovate.platform.plugins.module_utils._drift.trail import names_of
from ansible_collections.innovate.platform.plugins.plugin_utils.drift.junit import junit
from ansible_collections.innovate.platform.plugins.plugin_utils.drift.lines import headline, lines
from ansible_collections.innovate.platform.plugins.plugin_utils.drift.page import page, side_by_side, text_of

LATER = "(known after apply)"
ACCOUNT = {"name": "dev", "id": "111111111111", "region": "eu-central-1", "organization": "o-1"}
HOSTILE = "<script>alert('1')</script>&\"</td>"


def change(action: str = "update", address: str = "subnet.a", **more: Any) -> dict[str, Any]:
    before: dict[str, Any] | None = {"map_public_ip_on_launch": True}
    after: dict[str, Any] | None = {"map_public_ip_on_launch": False}
    if action == "create":
        before = None
    if action in ("delete", "keep", "foreign"):
        after = None
    return {
        "action": action,
        "address": address,
        "kind": address.partition(".")[0],
        "id": None if action == "create" else f"{address}-id",
        "changed": ["map_public_ip_on_launch"] if action in ("update", "replace") else [],
        "forced_by": [],
        "reason": "",
        "before": before,
        "after": after,
        **more,
    }


def plan(*changes: dict[str, Any], stack: str = "vpc-dev", host: str = "dev", **more: Any) -> dict[str, Any]:
    known = [{"address": item["address"], "id": item["id"], "arn": None} for item in changes if item["id"]]
    return {"host": host, "stack": stack, "account": ACCOUNT, "changes": list(changes), "known": known, **more}


def report(*plans: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    given = {"failures": [], "surveys": [], "limits": parse("any")[0], **more}
    return compose(plans, given.pop("failures"), given.pop("surveys"), generated="2026-11-22T21:00:00Z", **given)


def items(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [item for account in document["accounts"] for stack in account["stacks"] for item in stack["items"]]


# The threshold


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("any", {"changed": 1, "missing": 1, "unowned": 1}),
        ("none", {}),
        ("missing", {"missing": 1}),
        ("missing,unowned=5", {"missing": 1, "unowned": 5}),
        ("any=3", {"changed": 3, "missing": 3, "unowned": 3}),
        (" Changed , missing ", {"changed": 1, "missing": 1}),
    ],
)
def test_a_threshold_is_read(text: str, limits: dict[str, int]) -> None:
    assert parse(text) == (limits, [])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("chnaged", "did you mean changed?"),
        ("missing=0", "would always fail"),
        ("none,missing", "'none' stands alone"),
        ("missing=x", "nothing that a run could fail at"),
        ("unowned=-1", "nothing that a run could fail at"),
    ],
)
def test_a_wrong_threshold_is_refused(text: str, says: str) -> None:
    assert any(says in problem for problem in parse(text)[1])


def test_a_run_fails_from_the_threshold_on() -> None:
    totals = {"changed": 4, "missing": 0, "unowned": 5}
    assert exceeded({"changed": 5, "missing": 1}, totals) == []
    assert exceeded({"unowned": 5}, totals) == ["5 unowned (the run fails from 5 on)"]


# What only follows


@pytest.mark.parametrize(
    ("declared", "actual", "fits"),
    [
        (LATER, "subnet-1", True),
        ([LATER, "b"], ["a", "b"], True),
        ([LATER, "b"], ["b"], True),
        ([LATER, "b"], ["a", "b", "c"], False),
        ([LATER, "b"], ["a", "c"], False),
        (f"arn:{LATER}:*", "arn:aws:logs:1:*", True),
        (f"arn:{LATER}:*", "arn:aws:logs:1", False),
        ({"a": LATER, "b": 1}, {"a": "x", "b": 1, "c": 2}, True),
        ({"a": LATER, "b": 1}, {"a": "x", "b": 2}, False),
        ([{"to": "0/0", "nat": LATER}], [{"to": "0/0", "nat": "nat-1"}], True),
        ([{"to": "0/0", "nat": LATER}], [{"to": "0/0", "gateway": "igw-1"}], False),
        ([{"to": "0/0", "nat": LATER}], [], True),
        ([{"to": "0/0", "nat": LATER}], None, True),
    ],
)
def test_a_value_that_is_not_known_yet_explains_a_difference(declared: Any, actual: Any, *, fits: bool) -> None:
    assert explained(declared, actual) is fits


def test_what_refers_to_something_missing_is_no_drift() -> None:
    gone = change("create", "subnet.a")
    table = change(
        "update",
        "route_table.a",
        changed=["subnet_ids"],
        before={"subnet_ids": ["subnet-2"]},
        after={"subnet_ids": [LATER, "subnet-2"]},
    )
    document = report(plan(gone, table))
    assert {item["address"]: item["category"] for item in items(document)} == {
        "subnet.a": "missing",
        "route_table.a": "follows",
    }
    assert (document["totals"]["changed"], document["totals"]["follows"], document["totals"]["missing"]) == (0, 1, 1)
    assert document["reasons"] == ["1 missing"]


def test_a_change_beside_what_follows_is_told_and_the_rest_is_marked() -> None:
    mixed = change(
        changed=["a", "b"], before={"a": ["x"], "b": 1}, after={"a": [LATER], "b": 2}, address="route_table.a"
    )
    assert not only_follows(mixed)
    (item,) = items(report(plan(mixed)))
    assert item["category"] == "changed"
    assert {value["name"]: value["follows"] for value in item["values"]} == {"a": True, "b": False}
    assert "follows from what is missing" in page(report(plan(mixed)))


# Findings


@pytest.mark.parametrize(
    ("action", "category"),
    [
        ("create", "missing"),
        ("update", "changed"),
        ("replace", "changed"),
        ("adopt", "changed"),
        ("delete", "unowned"),
        ("keep", "unowned"),
    ],
)
def test_what_a_plan_would_do_says_what_drifted(action: str, category: str) -> None:
    (item,) = items(report(plan(change(action))))
    assert item["category"] == category
    assert item["advice"]


def test_what_stands_in_a_closed_set_is_unowned() -> None:
    stranger = change("foreign", "", kind="eks_access_entry", id="entry-1", arn="arn:aws:eks:r:1:access-entry/x")
    (item,) = items(report(plan(foreign=[stranger])))
    assert (item["category"], item["id"], item["address"]) == ("unowned", "entry-1", "")
    assert "No playbook touches it" in item["advice"]


def test_refusals_come_with_what_they_are_about() -> None:
    document = report(plan(change(), problems=["subnet.a: can't be", "the account is full"]))
    assert items(document)[0]["notes"] == ["can't be"]
    assert document["accounts"][0]["stacks"][0]["notes"] == ["the account is full"]


TAGGED = {"arn": "arn:aws:sqs:r:1:jobs", "type": "sqs", "stack": "vpc-dev", "address": "sqs_queue.jobs", "by": "tags"}


def survey(*tagged: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"host": "dev", "account": ACCOUNT, "tagged": list(tagged), "events": {}, "notes": [], **more}


def test_what_carries_the_tags_of_a_stack_that_does_not_know_it_is_unowned() -> None:
    document = report(plan(), surveys=[survey(TAGGED, {**TAGGED, "arn": "arn:aws:s3:::b", "stack": "old"})])
    assert [item["category"] for item in items(document)] == ["unowned", "unowned"]
    assert [(stack["stack"], stack["declared"]) for stack in document["accounts"][0]["stacks"]] == [
        ("vpc-dev", True),
        ("old", False),
    ]


def test_what_a_plan_knows_is_not_unowned() -> None:
    known = [
        {"address": "a.a", "id": "u", "arn": TAGGED["arn"]},
        {"address": "b.b", "id": "eipalloc-1", "arn": None},
        {"address": "c.c", "id": "jobs", "arn": "arn:aws:events:r:1:rule/jobs"},
    ]
    address = {**TAGGED, "arn": "arn:aws:ec2:r:1:elastic-ip/eipalloc-1"}
    namesake = {**TAGGED, "arn": "arn:aws:states:r:1:stateMachine/jobs"}
    assert unknown_to([plan() | {"known": known}], [TAGGED, address, namesake]) == [namesake]


def test_a_role_that_lost_its_tags_is_told_once() -> None:
    lost = change("create", "iam_role.node", after={"role_name": "node"})
    found = {**TAGGED, "arn": "arn:aws:iam::1:role/innovate/vpc-dev/node", "by": "path"}
    assert unknown_to([plan(lost)], [found]) == []
    assert unknown_to([plan(lost)], [{**found, "arn": "arn:aws:iam::1:role/innovate/vpc-dev/other"}])


FAILURE = {"host": "dev", "task": "Manage the network", "problems": ["no permission"]}


def test_what_could_not_be_compared_fails_the_run_at_any_threshold() -> None:
    document = report(failures=[FAILURE], limits={})
    assert document["failed"]
    assert document["reasons"] == ["1 could not be compared"]
    assert "no permission" in page(document)
    assert lines(document) == ["dev: not compared: no permission"]


def test_what_could_not_be_compared_makes_nothing_unowned() -> None:
    document = report(plan(), failures=[FAILURE], surveys=[survey({**TAGGED, "stack": "postgres-dev"})])
    assert items(document) == []
    assert "not known" in document["accounts"][0]["notes"][0]


def test_the_audit_trail_is_asked_by_ids_and_declared_names() -> None:
    gone = change("create", "log_group.a", after={"log_group_name": "/a", "retention_in_days": 1})
    follows = change(changed=["x"], before={"x": "1"}, after={"x": LATER})
    assert wanted_events([plan(gone, follows)], [TAGGED]) == {
        "vpc-dev/log_group.a": ["/a"],
        f"vpc-dev/{TAGGED['arn']}": [TAGGED["arn"], "jobs"],
    }


def test_the_audit_trail_knows_things_in_clusters_by_their_names() -> None:
    eks = "arn:aws:eks:eu-central-1:111111111111"
    assert "coredns" in names_of([f"{eks}:addon/dev/coredns/0c9e"])
    entry = f"{eks}:access-entry/dev/role/111111111111/Admin/22f1"
    assert "arn:aws:iam::111111111111:role/Admin" in names_of([entry])


def test_who_and_when_come_with_a_finding() -> None:
    event = {"who": "ann (role Admin)", "event": "ModifySubnetAttribute", "time": "2026-11-22T20:00:00Z"}
    document = report(plan(change()), surveys=[survey(events={"vpc-dev/subnet.a": [event]})])
    assert items(document)[0]["events"] == [event]
    assert "ann (role Admin)" in page(document)
    assert "ModifySubnetAttribute" in junit(document)
    assert "ann (role Admin)" in lines(document)[0]


def test_a_stack_that_is_planned_twice_counts_as_it_came_last() -> None:
    assert items(report(plan(change()), plan())) == []


def test_members_that_aws_adds_are_left_out_where_they_mean_nothing() -> None:
    wide = change(changed=["a"], before={"a": {"x": 1, "y": 2}}, after={"a": {"x": 3}})
    (item,) = items(report(plan(wide), compares_members=lambda kind, name: (kind, name) == ("subnet", "a")))
    assert item["values"][0]["actual"] == {"x": 1}
    assert items(report(plan(wide)))[0]["values"][0]["actual"] == {"x": 1, "y": 2}


# Forms


class _Structure(HTMLParser):
    """Fails on tags that aren't closed in order."""

    VOID = ("meta",)

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def parsed(text: str) -> _Structure:
    structure = _Structure()
    structure.feed(text)
    structure.close()
    assert structure.open == []
    return structure


def everything() -> dict[str, Any]:
    hostile = change(
        address=f"subnet.{HOSTILE}",
        changed=["tags", "policy"],
        before={"tags": {HOSTILE: "1"}, "policy": {"Statement": [HOSTILE]}},
        after={"tags": {HOSTILE: "2"}, "policy": "(secret)"},
        reason=HOSTILE,
    )
    event = {"who": HOSTILE, "event": HOSTILE, "time": HOSTILE, "source": HOSTILE}
    events = {f"{HOSTILE}/subnet.{HOSTILE}": [event]}
    return report(
        plan(hostile, change("create", "vpc.main"), stack=HOSTILE, problems=[HOSTILE, f"vpc.main: {HOSTILE}"]),
        failures=[{"host": HOSTILE, "task": HOSTILE, "problems": [HOSTILE]}],
        surveys=[survey({**TAGGED, "stack": HOSTILE, "address": HOSTILE}, notes=[HOSTILE], events=events)],
        fail_at=HOSTILE,
        playbooks={"*": HOSTILE},
    )


def test_everything_on_the_page_is_escaped() -> None:
    text = page(everything())
    assert "<script" not in text
    assert "alert(" in text
    assert not any(tag == "script" for tag, _attributes in parsed(text).seen)


def test_the_page_needs_nothing_else() -> None:
    text = page(everything())
    for tag, attributes in parsed(text).seen:
        assert not {"src", "onclick", "onload", "style"} & set(attributes), tag
        assert str(attributes.get("href") or "#").startswith("#")
    assert "url(" not in text
    assert "@import" not in text
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text


def test_links_lead_to_what_is_on_the_page() -> None:
    seen = parsed(page(report(plan(change()), plan(change(), stack="eks-dev")))).seen
    ids = [attributes["id"] for _tag, attributes in seen if "id" in attributes]
    links = [str(attributes["href"])[1:] for tag, attributes in seen if tag == "a"]
    assert len(ids) == len(set(ids)) == 2
    assert sorted(links) == sorted(str(item) for item in ids)


def test_a_page_without_drift_says_so() -> None:
    text = page(report(plan()))
    parsed(text)
    assert "Everything is as declared" in text
    assert '<article class="item' not in text
    assert headline(report(plan())) == "No drift: 0 resources of 1 stacks compared"


def test_a_page_of_nothing_says_so() -> None:
    text = page(report())
    parsed(text)
    assert "Nothing was compared" in text


def test_a_thousand_findings_are_a_thousand_articles() -> None:
    document = report(plan(*(change(address=f"subnet.{number}") for number in range(1000))))
    assert len(re.findall('<article class="item changed">', page(document))) == 1000
    assert len(ET.fromstring(junit(document)).findall(".//failure")) == 1000


def test_both_sides_are_marked_where_they_differ() -> None:
    declared, actual = side_by_side({"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 3}})
    assert re.findall("<del>(.*?)</del>", declared) == ["  c: 2"]
    assert re.findall("<ins>(.*?)</ins>", actual) == ["  c: 3"]


def test_long_runs_of_equal_lines_are_left_out() -> None:
    declared, _actual = side_by_side(
        [f"{number:03}" for number in range(100)], [f"{number:03}" for number in range(101)]
    )
    assert "98 lines alike" in declared


def test_order_and_spelling_of_documents_make_no_difference() -> None:
    assert text_of([{"b": 1, "a": 2}, {"a": 1}]) == text_of([{"a": 1}, {"a": 2, "b": 1}])
    assert text_of('{"b": [2, 1]}') == text_of({"b": [1, 2]})
    assert text_of("{no document") == ["{no document"]


def test_junit_has_a_case_for_each_resource() -> None:
    known = [{"address": name, "id": name, "arn": None} for name in ("subnet.a", "subnet.b")]
    document = report({**plan(change()), "known": known}, failures=[FAILURE])
    root = ET.fromstring(junit(document))
    cases = {case.get("name"): [child.tag for child in case] for case in root.iter("testcase")}
    assert cases == {"subnet.a": ["failure"], "subnet.b": [], "Manage the network": ["error"]}
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("3", "1", "1")


def test_junit_of_a_stack_without_resources_has_a_case_all_the_same() -> None:
    assert [case.get("name") for case in ET.fromstring(junit(report(plan()))).iter("testcase")] == ["the stack"]


def test_junit_holds_what_xml_can_not() -> None:
    ET.fromstring(junit(everything()))
    broken = change(reason="a\x00b\x1b[31m")
    ET.fromstring(junit(report(plan(broken))))
