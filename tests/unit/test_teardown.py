# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Consent to a teardown, what stands in its way, and what is left after it: the parts that ask nobody."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.innovate.platform.plugins.filter.left_lines import left_lines
from ansible_collections.innovate.platform.plugins.module_utils._engine.kind import ADDRESS_TAG, STACK_TAG, Observed
from ansible_collections.innovate.platform.plugins.module_utils._kinds._cluster_made import Balancer, cluster_of
from ansible_collections.innovate.platform.plugins.module_utils._kinds.registry import KINDS
from ansible_collections.innovate.platform.plugins.module_utils._leftovers.judgement import judged
from ansible_collections.innovate.platform.plugins.module_utils._leftovers.listing import Found
from ansible_collections.innovate.platform.plugins.module_utils._leftovers.survey import ASKED
from ansible_collections.innovate.platform.plugins.module_utils._plan.obstacles import remaining
from ansible_collections.innovate.platform.plugins.module_utils._run.lock import PREFIX
from ansible_collections.innovate.platform.plugins.plugin_utils.consent import Environment, not_consented, problems_of

DESTROYED = ["db_instance.main"]
DEV = Environment("dev", allowed=True, destroyed=DESTROYED)
STAGE = Environment("stage", allowed=True, destroyed=DESTROYED)
PROD = Environment("prod", allowed=False, destroyed=DESTROYED, protected=True)

CONSENT: dict[str, tuple[list[Environment], Any, list[str], list[str]]] = {
    "its name": ([DEV], "dev", [], []),
    "a list": ([STAGE, DEV], ["dev", "stage"], [], []),
    "names with commas": ([STAGE, DEV], "stage, dev", [], []),
    "an account for two hosts": ([DEV, DEV], "dev", [], []),
    "nothing": ([DEV], None, [], ["environment dev would be taken down"]),
    "nothing but spaces": ([DEV], "  ", [], ["environment dev would be taken down"]),
    "no list": ([DEV], {"dev": True}, [], ["environment dev would be taken down"]),
    "another case": ([DEV], "Dev", [], ["confirm names Dev"]),
    "yes": ([DEV], True, [], ["confirm names True"]),
    "one too few": ([DEV, STAGE], "dev", [], ["the inventories have dev, stage"]),
    "one too many": ([DEV], "dev,stage", [], ["the inventories have dev, nothing was done"]),
    "no environment": ([], "dev", [], ["none of these inventories has an environment"]),
    "prod": ([PROD], "prod", [], ["prod may not be taken down", "the cluster of prod is protected"]),
    "an extra variable": ([DEV], "dev", ["teardown_allowed"], ["teardown_allowed is for the inventory to say"]),
    "an inventory that says nothing": ([Environment("dev", destroyed=DESTROYED)], "dev", [], ["may not be taken down"]),
    "no database named": ([Environment("dev", allowed=True)], "dev", [], ["while its database stays"]),
    "a pattern": ([Environment("dev", allowed=True, destroyed=["db_*"])], "dev", [], []),
    "texts of the command line": ([Environment("dev", "yes", "db_instance.main", "false")], "dev", [], []),
    "another direction": ([DEV], "dev", ["platform_state"], ["leave -e platform_state out"]),
    "a protected cluster": ([Environment("dev", True, DESTROYED, "True")], "dev", [], ["dev is protected"]),
}


@pytest.mark.parametrize(("environments", "confirm", "extra", "sentences"), CONSENT.values(), ids=CONSENT)
def test_a_teardown_takes_what_was_typed_and_what_the_inventory_says(
    environments: list[Environment], confirm: Any, extra: list[str], sentences: list[str]
) -> None:
    found = problems_of(environments, confirm, extra)
    assert len(found) == len(sentences), found
    for sentence, problem in zip(sentences, found, strict=True):
        assert sentence in problem


@pytest.mark.parametrize(
    ("consent", "environments", "extra", "confirmed", "sentences"),
    [
        ("none", [PROD], [], [], []),
        ("allowed", [DEV], [], [], []),
        ("allowed", [DEV, PROD], [], ["dev", "prod"], ["prod may not be taken down"]),
        ("allowed", [DEV], ["teardown_allowed"], [], ["teardown_allowed is for the inventory to say"]),
        ("confirmed", [DEV], [], ["dev"], []),
        ("confirmed", [DEV, STAGE], [], ["dev"], ["nobody was asked whether environment stage is to go"]),
        ("confirmed", [PROD], [], ["prod"], ["prod may not be taken down"]),
        ("confirmed", [], [], [], []),
    ],
)
def test_consent_is_asked_for_once_more_before_the_first_deletion(
    consent: str, environments: list[Environment], extra: list[str], confirmed: list[str], sentences: list[str]
) -> None:
    found = not_consented(consent, environments, extra, confirmed)
    assert len(found) == len(sentences), found
    for sentence, problem in zip(sentences, found, strict=True):
        assert sentence in problem


def test_a_plan_needs_nothing_typed_but_what_is_typed_has_to_be_right() -> None:
    assert problems_of([DEV], None, [], planning=True) == []
    assert problems_of([DEV], "prod", [], planning=True)


def plan(stack: str, *deleted: str, host: str = "dev", obstacles: list[dict[str, str]] | None = None) -> dict[str, Any]:
    changes = [{"action": "delete", "id": identifier} for identifier in deleted]
    changes.append({"action": "keep", "id": "kept"})
    account = {"name": host, "id": "1", "region": "eu-central-1"}
    return {"host": host, "stack": stack, "account": account, "changes": changes, "obstacles": obstacles or []}


IN_THE_WAY = [{"text": "in use by database dev", "stack": "postgres-dev", "id": "dev"}]


def test_what_the_same_run_takes_away_is_no_obstacle() -> None:
    network = plan("vpc-dev", "vpc-1", obstacles=IN_THE_WAY)
    assert remaining([plan("postgres-dev", "dev"), network]) == []
    assert remaining([network]) == ["dev: in use by database dev"]
    assert remaining([plan("postgres-dev", "sg-1"), network]) == ["dev: in use by database dev"]
    assert remaining([plan("postgres-dev", "dev", host="stage"), network]) == ["dev: in use by database dev"]


def test_what_nobody_owns_is_in_the_way_until_it_is_gone() -> None:
    obstacle = [{"text": "in use by load balancer web", "stack": "", "id": ""}]
    assert remaining([plan("vpc-dev", "vpc-1", obstacles=obstacle)]) == ["dev: in use by load balancer web"]


def test_any_deletion_will_do_where_no_id_is_named() -> None:
    obstacle = [{"text": "instances", "stack": "manifests-dev-karpenter-definitions", "id": ""}]
    cluster = plan("eks-dev", "dev", obstacles=obstacle)
    assert remaining([plan("manifests-dev-karpenter-definitions", "x"), cluster]) == []
    assert remaining([cluster]) == ["dev: instances"]


@pytest.mark.parametrize(
    ("tags", "cluster"),
    [
        ({"eks:eks-cluster-name": "dev"}, "dev"),
        ({"elbv2.k8s.aws/cluster": "dev"}, "dev"),
        ({"aws:eks:cluster-name": "dev"}, "dev"),
        ({"eks:cluster-name": "dev"}, "dev"),
        ({"kubernetes.io/cluster/dev": "owned"}, "dev"),
        ({"kubernetes.io/cluster/dev": "shared"}, ""),
        ({"Name": "dev"}, ""),
    ],
)
def test_controllers_leave_their_clusters_name(tags: dict[str, str], cluster: str) -> None:
    assert cluster_of(tags) == cluster


def test_load_balancers_of_the_first_generation_are_known_by_their_names() -> None:
    begin = "arn:aws:elasticloadbalancing:eu-central-1:111111111111:loadbalancer/"
    assert Balancer("web", f"{begin}web").is_classic
    assert not Balancer("web", f"{begin}app/web/50dc6c495c0c9188").is_classic


def tags(stack: str, address: str) -> dict[str, str]:
    return {STACK_TAG: stack, ADDRESS_TAG: address}


def test_what_is_left_is_told_apart_each_thing_once() -> None:
    key = Observed("key-1", {"enable_key_rotation": True}, {"arn": "arn:key-1"}, tags("eks-dev", "kms_key.secrets"))
    queue = Observed("queue-1", {"queue_name": "q"}, {"arn": "arn:queue-1"}, tags("eks-dev", "sqs_queue.q"))
    going = Observed("nat-1", {}, {}, tags("vpc-dev", "nat_gateway.a"), state="deleting")
    listed = [
        Found("kms_key", "key-1", "a key", tags("eks-dev", "kms_key.secrets")),
        Found("db_snapshot", "final", "final", tags("postgres-dev", "db_instance.main"), keeps="it holds data"),
        Found("network_interface", "eni-1", "Amazon EKS dev", mark="Amazon EKS dev"),
        Found("ec2_instance", "i-1", "x", mark="EKS cluster dev", properties={"instance_type": "t3.medium"}),
        Found("secret", "arn:secret", "platform-config"),
    ]
    tagged = {
        "arn:aws:ec2:eu-central-1:1:natgateway/nat-9": tags("vpc-dev", "nat_gateway.b"),
        "arn:aws:lambda:eu-central-1:1:function:f": tags("resources-x", "function.f"),
        "arn:aws:sns:eu-central-1:1:topic": {"Name": "somebody's"},
    }
    stacks = {"eks-dev": {"kms_key": [key], "sqs_queue": [queue]}, "vpc-dev": {"nat_gateway": [going]}}
    left = judged(stacks, listed, tagged, ASKED)
    assert {(row["kind"], row["id"]) for row in left.kept} == {
        ("kms_key", "key-1"),
        ("nat_gateway", "nat-1"),
        ("db_snapshot", "final"),
    }
    assert {(row["kind"], row["id"]) for row in left.leaked} == {
        ("sqs_queue", "queue-1"),
        ("network_interface", "eni-1"),
        ("ec2_instance", "i-1"),
        ("lambda", "arn:aws:lambda:eu-central-1:1:function:f"),
    }
    assert {row["id"] for row in left.others} == {"arn:secret", "arn:aws:sns:eu-central-1:1:topic"}
    assert all(row["reason"] for row in (*left.kept, *left.leaked, *left.others))


def test_a_lock_stays_with_its_stack() -> None:
    key = Observed("key-1", {}, {"arn": "arn:key-1"}, tags("eks-dev", "kms_key.secrets"))
    listed = [Found("ssm_parameter", f"{PREFIX}{stack}", stack, mark="its name") for stack in ("eks-dev", "vpc-dev")]
    left = judged({"eks-dev": {"kms_key": [key]}}, listed, {}, ASKED)
    assert [row["id"] for row in left.kept] == ["key-1", f"{PREFIX}eks-dev"]
    assert [row["id"] for row in left.leaked] == [f"{PREFIX}vpc-dev"]


def test_a_lock_stays_with_a_stack_that_is_meant_to_stay() -> None:
    """Its role has no path that tells whose it is, so the stack itself isn't found."""
    listed = [Found("ssm_parameter", f"{PREFIX}resources-access-drift", "drift", mark="its name")]
    assert judged({}, listed, {}, ASKED, ["resources-access-*"]).leaked == []
    assert judged({}, listed, {}, ASKED).leaked != []


def test_what_belongs_to_the_account_stays_with_it() -> None:
    role = Observed("drift", {}, {"arn": "arn:drift"}, tags("resources-access-drift", "iam_role.drift"))
    stacks = {"resources-access-drift": {"iam_role": [role]}}
    assert [row["id"] for row in judged(stacks, [], {}, ASKED).leaked] == ["drift"]
    left = judged(stacks, [], {}, ASKED, ["resources-access-*"])
    assert [row["id"] for row in left.kept] == ["drift"]
    assert left.leaked == []


def test_every_kind_that_an_account_can_have_is_asked() -> None:
    missing = {name for name, kind in KINDS.items() if name not in ASKED and not kind.lookup}
    assert missing == {
        "account_assignment",
        "guardduty_organization_configuration",
        "identity_store_group",
        "organization",
        "organization_account",
        "organization_management_account",
        "organization_policy",
        "organization_policy_attachment",
        "organization_root",
        "organizational_unit",
        "permission_set",
        "service_organization_admin",
    }


def row(kind: str, name: str, properties: dict[str, Any] | None) -> dict[str, Any]:
    return {"kind": kind, "id": name, "name": name, "reason": "because", "properties": properties}


def test_what_is_left_has_its_price() -> None:
    left = {
        "kept": [row("db_snapshot", "final", {"allocated_storage": 20}), row("kms_key", "going", None)],
        "leaked": [],
        "others": [row("secret", "platform-config", {})],
    }
    lines = left_lines(left, "eu-central-1")
    assert lines[0].startswith("Kept: 2, together ")
    assert lines[1].startswith("- db_snapshot final: because; ")
    assert not lines[1].endswith("; 0.00 USD a month")
    assert lines[2] == "- kms_key going: because; 0.00 USD a month"
    assert "Leaked: nothing" in lines
    assert lines[-1] == "- secret platform-config"


def test_a_price_that_nobody_knows_is_said_and_not_in_the_sum() -> None:
    lines = left_lines({"kept": [row("quantum_bit", "q", {})], "leaked": [], "others": []}, "eu-central-1")
    assert lines[0] == "Kept: 1, together at least 0.00 USD a month"
    assert "price unknown: " in lines[1]
