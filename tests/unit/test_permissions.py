# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what was recorded to policies: what is generalised, narrowed, joined, split, and what no policy may allow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from rehearsal.emulator.iam_policies import Caller, Policies, Policy, Request, decide
from tools import drift_policy
from tools.permissions import data, page, policies
from tools.permissions.code import kinds, unrehearsed
from tools.permissions.companions import COMPANIONS
from tools.permissions.data import Use, generalised, uses
from tools.permissions.reference import reference

ENVIRONMENTS = ("dev", "prod")
OWNED = (("aws:ResourceTag/innovate:stack", ("*",)),)
GIVEN = (("aws:RequestTag/innovate:stack", ("*",)),)


@pytest.mark.parametrize(
    ("action", "arn", "pattern"),
    [
        ("ec2:DeleteVpc", "arn:aws:ec2:eu-central-1:853063363822:vpc/vpc-0123456789abcdef0", "arn:*:ec2:*:*:vpc/*"),
        ("ec2:DescribeVpcs", "*", "*"),
        ("ec2:CreateVpc", "arn:aws:ec2:eu-central-1:853063363822:vpc/*", "arn:*:ec2:*:*:vpc/*"),
        ("eks:DescribeCluster", "arn:aws:eks:eu-central-1:853063363822:cluster/dev", "arn:*:eks:*:*:cluster/*"),
        ("eks:CreateCluster", "arn:aws:eks:eu-central-1:853063363822:cluster/dev", "*"),  # it knows no resources
        ("eks:DeleteNodegroup", "arn:aws:eks:eu-central-1:1:nodegroup/dev/core/*", "arn:*:eks:*:*:nodegroup/*"),
        ("rds:ModifyDBInstance", "arn:aws:rds:eu-central-1:853063363822:db:dev", "arn:*:rds:*:*:db:*"),
        ("rds:CreateDBSubnetGroup", "arn:aws:rds:eu-central-1:1:subgrp:dev-isolated", "arn:*:rds:*:*:subgrp:*"),
        ("iam:CreateRole", "arn:aws:iam::1:role/innovate/eks-dev/eks-dev-node", "arn:*:iam::*:role/innovate/*"),
        ("iam:CreateRole", "arn:aws:iam::853063363822:role/innovate-drift", "arn:*:iam::*:role/innovate-drift"),
        ("sts:AssumeRole", "arn:aws:iam::1:role/OrganizationAccountAccessRole", "arn:*:iam::*:role/{own}"),
        (
            "iam:CreateServiceLinkedRole",
            "arn:aws:iam::853063363822:role/aws-service-role/spot.amazonaws.com/*",
            "arn:*:iam::*:role/aws-service-role/spot.amazonaws.com/*",
        ),
        ("logs:CreateLogGroup", "arn:aws:logs:eu-central-1:1:log-group:/aws/eks/dev/cluster:*", "log-group:/aws/eks/*"),
        ("events:PutRule", "arn:aws:events:eu-central-1:1:rule/karpenter-dev-rebalance", "rule/karpenter-*"),
        ("sqs:CreateQueue", "arn:aws:sqs:eu-central-1:853063363822:dev", "arn:*:sqs:*:*:*"),
        ("ssm:PutParameter", "arn:aws:ssm:eu-central-1:1:parameter/innovate/locks/vpc-dev", "parameter/innovate/*"),
        (
            "organizations:MoveAccount",
            "arn:aws:organizations::1:account/o-a1b2c3d4e5/853063363822",
            "arn:*:organizations::*:account/*",
        ),
    ],
)
def test_ids_and_names_of_environments_become_wildcards(action: str, arn: str, pattern: str) -> None:
    assert generalised(action, arn.replace(":1:", ":123456789012:"), ENVIRONMENTS).endswith(pattern)


def row(action: str, resource: str, account: str = "2" * 12, **more: Any) -> dict[str, Any]:
    caller = f"arn:aws:iam::{account}:role/OrganizationAccountAccessRole"
    return {
        "label": "network",
        "account": account,
        "caller": caller,
        "region": "eu-central-1",
        "action": action,
        "resource": resource,
        "keys": {},
        **more,
    }


def test_environments_are_one_kind_of_accounts_and_other_callers_are_left_out() -> None:
    accounts = {"management": "1" * 12, "dev": "2" * 12, "prod": "3" * 12}
    rows = [
        row("eks:DescribeCluster", "arn:aws:eks:eu-central-1:222222222222:cluster/dev"),
        row("eks:DescribeCluster", "arn:aws:eks:eu-central-1:333333333333:cluster/prod", "3" * 12),
        row("sqs:ReceiveMessage", "arn:aws:sqs:eu-central-1:2:dev", caller="arn:aws:iam::222222222222:role/karpenter"),
    ]
    (found,) = uses(rows, accounts)
    assert (found.account, found.resource) == ("environment", "arn:*:eks:*:*:cluster/*")


def test_what_some_requests_had_without_a_tag_is_a_row_of_its_own() -> None:
    vpc = "arn:aws:ec2:eu-central-1:222222222222:security-group/sg-0123456789abcdef0"
    rows = [
        row("ec2:RevokeSecurityGroupIngress", vpc),
        row("ec2:RevokeSecurityGroupIngress", vpc, keys={"aws:ResourceTag/innovate:stack": ["vpc-dev"]}),
    ]
    found = uses(rows, {"dev": "2" * 12})
    assert [use.keys for use in found] == [(), OWNED]
    (grant,) = policies.grants(found, "innovate-deploy")
    assert grant.conditions == ()  # a condition would refuse the first


def use(action: str, resource: str = "*", keys: Any = (), **more: Any) -> Use:
    return Use("network", more.get("account", "environment"), action, resource, keys, ("eu-central-1",))


def test_reads_are_not_narrowed_by_tags_and_writes_only_by_keys_that_the_action_knows() -> None:
    assert policies.conditions_of(use("eks:DescribeCluster", "arn:*:eks:*:*:cluster/*", OWNED)) == ()
    owned = ("StringLike", "aws:ResourceTag/innovate:stack", ("*",))
    assert policies.conditions_of(use("eks:DeleteCluster", "arn:*:eks:*:*:cluster/*", OWNED)) == (owned,)
    assert policies.conditions_of(use("kms:CreateAlias", "arn:*:kms:*:*:alias/*", OWNED)) == ()
    given = ("StringLike", "aws:RequestTag/innovate:stack", ("*",))
    assert policies.conditions_of(use("eks:CreateCluster", "*", GIVEN)) == (given,)


def test_roles_are_passed_by_service_and_never_by_their_tags() -> None:
    passed = (*OWNED, ("iam:PassedToService", ("eks.amazonaws.com",)))
    found = policies.conditions_of(use("iam:PassRole", "arn:*:iam::*:role/innovate/*", passed))
    assert found == (("StringEquals", "iam:PassedToService", ("eks.amazonaws.com",)),)


def test_any_policy_may_be_taken_off_a_role_but_not_any_be_attached() -> None:
    keys = (("iam:PolicyARN", ("arn:*:iam::aws:policy/AmazonEKSClusterPolicy",)),)
    role = "arn:*:iam::*:role/innovate/*"
    assert policies.conditions_of(use("iam:DetachRolePolicy", role, keys)) == ()
    assert policies.conditions_of(use("iam:AttachRolePolicy", role, keys)) == (("ArnLike", *keys[0]),)


def test_grants_are_joined_only_where_nobody_gets_more_by_it() -> None:
    cluster, group = "arn:*:eks:*:*:cluster/*", "arn:*:eks:*:*:nodegroup/*"
    (joined,) = policies.grants([use("eks:DeleteCluster", cluster), use("eks:DeleteNodegroup", group)], "r")
    assert joined.resources == {cluster, group}
    rules = [use("events:DeleteRule", f"arn:*:events:*:*:rule/{name}-*") for name in ("karpenter", "other")]
    apart = policies.grants([rules[0], use("events:PutTargets", rules[1].resource)], "r")
    assert len(apart) == 2


def test_the_access_role_stands_for_the_role_that_gets_the_policy() -> None:
    (grant,) = policies.grants([use("sts:AssumeRole", "arn:*:iam::*:role/{own}")], "innovate-plan")
    assert grant.resources == {"arn:*:iam::*:role/innovate-plan"}


def test_policies_are_split_at_the_limit() -> None:
    statements = [
        {"Effect": "Allow", "Action": [f"ec2:Something{n}" for n in range(400)], "Resource": "*"},
        {"Effect": "Allow", "Action": "ec2:Last", "Resource": "*"},
    ]
    found = policies.packed(statements)
    assert len(found) == 2
    assert all(policies.size(part) <= policies.MOST_CHARACTERS for part in found)
    actions = [name for part in found for item in part for name in page._list(item["Action"])]
    assert sorted(actions) == sorted([*statements[0]["Action"], "ec2:Last"])
    with pytest.raises(ValueError, match="10 can be attached"):
        policies.packed([{**statements[0], "Resource": f"arn:{n}"} for n in range(12)])


# ---- the policies that are committed


def documents(role: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(page.DIRECTORY.glob(f"{role}*.json")):
        if path != drift_policy.POLICY:
            yield path.stem, json.loads(path.read_text())


def allowed(role: str = "") -> Iterator[tuple[str, str, dict[str, Any]]]:
    for name, document in documents(role):
        for statement in document["Statement"]:
            if statement["Effect"] == "Allow":
                yield from ((name, action, statement) for action in page._list(statement["Action"]))


def test_files_are_what_the_record_gives() -> None:
    stale = [path.name for path, text in page.files().items() if not path.exists() or path.read_text() != text]
    assert (stale, page.orphans()) == ([], []), "run `make docs`"


def test_they_fit_into_managed_policies_and_onto_a_role() -> None:
    names = [name for name, _ in documents()]
    assert {"deploy-management-1", "deploy-environment-1", "plan-management-1", "plan-environment-1"} <= {*names}
    for name, document in documents():
        assert len(json.dumps(document, separators=(",", ":"))) <= 6144, name
    heads = [name.rpartition("-")[0] for name in names]
    assert max(map(heads.count, heads)) <= 10


def test_no_action_is_a_wildcard_and_each_is_one_that_aws_knows() -> None:
    assert [(name, action) for name, action, _ in allowed() if action not in reference().actions] == []


def test_nothing_is_changed_on_every_resource_without_a_condition() -> None:
    loose = {
        action
        for _, action, statement in allowed()
        if statement["Resource"] == "*"
        and "Condition" not in statement
        and reference().actions[action].access not in policies.READS
    }
    # IAM knows neither resources nor conditions for these; the last is what an endpoint's private name takes.
    assert loose <= {
        "organizations:CreateOrganization",
        "organizations:DisableAWSServiceAccess",
        "organizations:EnableAWSServiceAccess",
        "route53:AssociateVPCWithHostedZone",
    }


def test_what_plans_changes_nothing_and_reads_no_secret() -> None:
    changing = {a for _, a, _ in allowed("plan") if reference().actions[a].access not in policies.READS}
    assert changing == {"sts:AssumeRole"}
    assert not {a for _, a, _ in allowed("plan")} & {*drift_policy._SECRET}


def judged(role: str, account: str, action: str, resource: str, **keys: str) -> bool:
    given = [Policy(document) for name, document in documents(f"{role}-{account}-")]
    condition_keys = {"aws:RequestedRegion": "eu-central-1", **{k.replace("__", ":"): v for k, v in keys.items()}}
    return decide(Request(action, resource, condition_keys), Policies(given), Caller()).allowed


ROLE = "arn:aws:iam::853063363822:role"
EC2 = "arn:aws:ec2:eu-central-1:853063363822"
IN_STACK = {"aws__ResourceTag/innovate:stack": "vpc-dev"}


@pytest.mark.parametrize(
    ("account", "action", "resource", "keys", "expected"),
    [
        ("environment", "ec2:DeleteVpc", f"{EC2}:vpc/vpc-1", IN_STACK, True),
        ("environment", "ec2:DeleteVpc", f"{EC2}:vpc/vpc-1", {}, False),
        ("environment", "ec2:DeleteVpc", f"{EC2}:vpc/vpc-1", {**IN_STACK, "aws__RequestedRegion": "us-east-1"}, False),
        ("environment", "iam:GetRole", f"{ROLE}/innovate/x", {"aws__RequestedRegion": "us-east-1"}, True),
        ("environment", "iam:CreateRole", f"{ROLE}/innovate/x", {"aws__RequestTag/innovate:stack": "x"}, True),
        ("environment", "iam:CreateRole", f"{ROLE}/mine", {"aws__RequestTag/innovate:stack": "x"}, False),
        ("environment", "iam:PassRole", f"{ROLE}/innovate/x", {"iam__PassedToService": "eks.amazonaws.com"}, True),
        ("environment", "iam:PassRole", f"{ROLE}/innovate/x", {"iam__PassedToService": "lambda.amazonaws.com"}, False),
        ("environment", "iam:PassRole", f"{ROLE}/admin", {"iam__PassedToService": "eks.amazonaws.com"}, False),
        (
            "environment",
            "iam:AttachRolePolicy",
            f"{ROLE}/innovate/x",
            {**IN_STACK, "iam__PolicyARN": "arn:aws:iam::aws:policy/AdministratorAccess"},
            False,
        ),
        ("environment", "iam:CreateUser", "arn:aws:iam::853063363822:user/x", {}, False),
        ("environment", "organizations:LeaveOrganization", "*", {}, False),
        ("management", "sts:AssumeRole", f"{ROLE}/innovate-deploy", {}, True),
        ("management", "sts:AssumeRole", f"{ROLE}/OrganizationAccountAccessRole", {}, False),
        ("management", "organizations:CloseAccount", "arn:aws:organizations::1:account/o-1/2", {}, False),
        ("shared", "ec2:DeleteVpc", f"{EC2}:vpc/vpc-1", IN_STACK, False),
    ],
)
def test_what_the_deploy_role_may(
    account: str, action: str, resource: str, keys: dict[str, str], expected: bool
) -> None:
    assert judged("deploy", account, action, resource, **keys) is expected


def test_everything_that_is_recorded_is_allowed() -> None:
    found = data.load()
    assert {"organization", "access", "network", "cluster", "database", "teardown"} <= {u.playbook for u in found}
    assert page.not_allowed([u for u in found if u.playbook != "drift"], "deploy") == []
    assert page.not_allowed([u for u in found if u.playbook == "plan"], "plan") == []


def test_the_drift_role_may_all_that_a_report_asked() -> None:
    (statement,) = json.loads(drift_policy.POLICY.read_text())["Statement"]
    asked = {u.action for u in data.load() if u.playbook == "drift"} - {"sts:AssumeRole"}
    assert asked
    assert asked - {*statement["Action"]} == set()


# ---- what no run has shown


def test_what_the_code_of_kinds_in_use_names_is_added_by_its_type_and_tag() -> None:
    shown = [use("kms:CreateKey", "*", GIVEN), use("kms:PutKeyPolicy", "arn:*:kms:*:*:key/*", OWNED)]
    found = {u.action: u for u in unrehearsed(shown)}
    assert found["kms:ScheduleKeyDeletion"].resource == "arn:*:kms:*:*:key/*"
    assert found["kms:ScheduleKeyDeletion"].keys == OWNED
    assert "eks:UpdateClusterVersion" not in found  # no cluster is made
    assert "kms:PutKeyPolicy" not in found


def test_every_kind_that_makes_something_is_looked_at() -> None:
    makes = {name for made, _ in kinds() for name in made}
    assert {"ec2:CreateVpc", "eks:CreateCluster", "rds:CreateDBInstance", "iam:CreateRole"} <= makes


def test_companions_are_actions_that_aws_knows() -> None:
    names = {name for item in COMPANIONS for name in (item.action, *item.needs)}
    assert names - reference().actions.keys() == set()
