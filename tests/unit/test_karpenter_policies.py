# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Karpenter may do in AWS, as the role's own templates say it."""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from jinja2 import Environment, StrictUndefined, meta
from jinja2.nativetypes import NativeEnvironment

from ansible_collections.innovate.platform.plugins.module_utils._engine.validate import validate
from ansible_collections.innovate.platform.plugins.module_utils._kinds.registry import KINDS
from ansible_collections.innovate.platform.plugins.module_utils._resources.declaration import declared_resources

ROLE = Path(__file__).resolve().parents[2] / "roles/karpenter"
LONGEST = "c" * 30
KEY = "arn:aws:kms:eu-central-1:111122223333:key/0a1b"

# What the controller calls: the operations in pkg/aws/sdk.go of v1.14.1, and the permissions that belong to them.
CALLED = {
    "node-lifecycle": (
        "ec2:CreateFleet ec2:CreateLaunchTemplate ec2:CreateTags ec2:DeleteLaunchTemplate ec2:RunInstances "
        "ec2:TerminateInstances"
    ),
    "iam-integration": (
        "iam:AddRoleToInstanceProfile iam:CreateInstanceProfile iam:DeleteInstanceProfile iam:PassRole "
        "iam:RemoveRoleFromInstanceProfile iam:TagInstanceProfile"
    ),
    "resource-discovery": (
        "ec2:DescribeCapacityReservations ec2:DescribeImages ec2:DescribeInstanceStatus "
        "ec2:DescribeInstanceTypeOfferings ec2:DescribeInstanceTypes ec2:DescribeInstances "
        "ec2:DescribeLaunchTemplates ec2:DescribePlacementGroups ec2:DescribeSecurityGroups "
        "ec2:DescribeSpotPriceHistory ec2:DescribeSubnets iam:GetInstanceProfile iam:ListInstanceProfiles "
        "pricing:GetProducts ssm:GetParameter"
    ),
    "eks-integration": "eks:DescribeCluster",
    "interruption": "sqs:DeleteMessage sqs:GetQueueUrl sqs:ReceiveMessage",
}
READING = ("Describe", "Get", "List")
TAGS = ("kubernetes.io/cluster/dev", "karpenter.sh/nodepool", "karpenter.k8s.aws/ec2nodeclass", "eks:eks-cluster-name")


class Variables(dict[str, Any]):
    """The role's variables as Ansible has them: a value is a template, rendered when it is used."""

    def __missing__(self, name: str) -> Any:
        if name not in RAW:
            raise KeyError(name)
        return rendered(RAW[name], self)


def rendered(value: Any, variables: Variables) -> Any:
    if isinstance(value, Mapping):
        return {key: rendered(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [rendered(item, variables) for item in value]
    if not isinstance(value, str) or "{{" not in value:
        return value
    names = meta.find_undeclared_variables(ENVIRONMENT.parse(value))
    return NativeEnvironment(undefined=StrictUndefined).from_string(value).render(given(names, variables))


def given(names: set[str], variables: Variables) -> dict[str, Any]:
    return {name: variables[name] for name in names if name in variables or name in RAW}


def from_file(name: str, variables: Variables) -> str:
    text = (ROLE / "templates" / name).read_text()
    found = given(meta.find_undeclared_variables(ENVIRONMENT.parse(text)), variables)
    return ENVIRONMENT.from_string(text).render(found, lookup=lambda _plugin, path: from_file(path, variables))


RAW: dict[str, Any] = {
    name: value
    for path in ("defaults/main.yml", "vars/main.yml")
    for name, value in yaml.safe_load((ROLE / path).read_text()).items()
}
ENVIRONMENT = Environment(trim_blocks=True, undefined=StrictUndefined, autoescape=False)
ENVIRONMENT.tests["match"] = lambda value, pattern: re.match(pattern, value) is not None


def resources(**changes: Any) -> list[dict[str, Any]]:
    """Return the list that the role gives to the module ``resources``."""
    facts = {"platform_environment": "dev", "platform_region": "eu-central-1", **changes}
    listed: list[dict[str, Any]] = yaml.safe_load(from_file("resources.yml.j2", Variables(facts)))
    return listed


def policies(**changes: Any) -> dict[str, list[dict[str, Any]]]:
    """Return the statements of the controller's policies."""
    return {
        item["name"]: item["properties"]["policy_document"]["Statement"]
        for item in resources(**changes)
        if item["kind"] == "iam_policy"
    }


def many(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def statements(**changes: Any) -> Iterator[Any]:
    for name, listed in policies(**changes).items():
        for statement in listed:
            yield pytest.param(statement, id=f"{name}-{statement['Sid']}")


def mutating(statement: Mapping[str, Any]) -> bool:
    return any(not action.partition(":")[2].startswith(READING) for action in many(statement["Action"]))


@pytest.mark.parametrize("cluster", ["dev", LONGEST])
def test_what_the_role_declares_is_valid(cluster: str) -> None:
    given = resources(karpenter_cluster=cluster, karpenter_volume_kms_key_arn=KEY)
    declared, problems = declared_resources(f"karpenter-{cluster}", given)
    assert [*problems, *validate(declared, KINDS)] == []


@pytest.mark.parametrize(("policy", "actions"), CALLED.items(), ids=CALLED)
def test_karpenter_may_do_what_it_calls_and_no_more(policy: str, actions: str) -> None:
    allowed = {action for statement in policies()[policy] for action in many(statement["Action"])}
    assert sorted(allowed) == actions.split()


def test_every_policy_is_looked_at() -> None:
    assert sorted(policies()) == sorted(CALLED)
    assert sorted(policies(karpenter_volume_kms_key_arn=KEY)) == sorted([*CALLED, "volume-encryption"])


@pytest.mark.parametrize("statement", list(statements(karpenter_volume_kms_key_arn=KEY)))
def test_nothing_that_changes_something_is_allowed_on_everything(statement: dict[str, Any]) -> None:
    assert statement["Effect"] == "Allow"
    assert not any("*" in action for action in many(statement["Action"]) if not action.startswith("kms:ReEncrypt"))
    if mutating(statement):
        assert "*" not in many(statement["Resource"])


@pytest.mark.parametrize("statement", list(statements()))
def test_what_changes_something_asks_for_the_tags_of_the_cluster(statement: dict[str, Any]) -> None:
    actions = many(statement["Action"])
    free = {
        # Neither makes anything: what is read to start an instance, the role that is handed on, the queue.
        "AllowScopedEC2InstanceAccessActions": "image/*",
        "AllowPassingInstanceRole": "${iam_role.node.arn}",
        "AllowInterruptionQueueActions": "${sqs_queue.interruptions.arn}",
    }
    if statement["Sid"] in free:
        assert any(resource.endswith(free[statement["Sid"]]) for resource in many(statement["Resource"]))
    elif mutating(statement):
        keys = [key for test in statement["Condition"].values() for key in test]
        assert any(key.endswith(f"Tag/{TAGS[0]}") for key in keys), actions
        assert any(key.endswith(f"Tag/{tag}") for key in keys for tag in TAGS[1:3]), actions


def test_only_the_role_of_nodes_is_handed_on_and_to_ec2_only() -> None:
    (statement,) = [item for item in policies()["iam-integration"] if "iam:PassRole" in many(item["Action"])]
    assert statement["Resource"] == "${iam_role.node.arn}"
    assert statement["Condition"] == {
        "StringEquals": {"iam:PassedToService": ["ec2.amazonaws.com", "ec2.amazonaws.com.cn"]}
    }


@pytest.mark.parametrize("cluster", ["dev", LONGEST])
def test_policies_keep_within_iams_size(cluster: str) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html#reference_iam-quotas-entity-length."""
    facts = {"partition": "aws-us-gov", "region": "ap-southeast-1", "account_id": "1" * 12}
    for name, listed in policies(karpenter_cluster=cluster, karpenter_volume_kms_key_arn=KEY).items():
        text = json.dumps({"Version": "2012-10-17", "Statement": listed}, separators=(",", ":"))
        for fact, value in facts.items():
            text = text.replace(f"${{eks_cluster_lookup.cluster.{fact}}}", value)
        assert len(text) <= 6144, name


def test_one_service_account_of_one_cluster_has_the_role() -> None:
    (role,) = [item for item in resources() if (item["kind"], item["name"]) == ("iam_role", "controller")]
    (statement,) = role["properties"]["assume_role_policy_document"]["Statement"]
    assert statement["Principal"] == {"Service": "pods.eks.amazonaws.com"}
    assert statement["Action"] == ["sts:AssumeRole", "sts:TagSession"]
    assert statement["Condition"]["StringEquals"] == {
        "aws:RequestTag/eks-cluster-arn": "${eks_cluster_lookup.cluster.arn}",
        "aws:RequestTag/kubernetes-namespace": "kube-system",
        "aws:RequestTag/kubernetes-service-account": "karpenter",
    }


def test_nodes_have_no_permissions_of_the_network_plugin() -> None:
    (role,) = [item for item in resources() if (item["kind"], item["name"]) == ("iam_role", "node")]
    names = [arn.rpartition("/")[2] for arn in role["properties"]["managed_policy_arns"]]
    assert names == [
        "AmazonEKSWorkerNodePolicy",
        "AmazonEC2ContainerRegistryPullOnly",
        "AmazonSSMManagedInstanceCore",
    ]


def test_policies_that_nodes_shall_have_beside_are_added() -> None:
    arn = "arn:aws:iam::aws:policy/CloudWatchAgentServerPolicy"
    (role,) = [item for item in resources(karpenter_node_policy_arns=[arn]) if item["name"] == "node"]
    assert role["properties"]["managed_policy_arns"][-1] == arn


def test_the_queue_refuses_what_comes_without_tls_and_what_isnt_an_event() -> None:
    (queue,) = [item["properties"] for item in resources() if item["kind"] == "sqs_queue"]
    assert (queue["queue_name"], queue["message_retention_period"]) == ("dev", 300)
    assert queue["sqs_managed_sse_enabled"]
    allow, deny = queue["policy"]["Statement"]
    assert allow["Action"] == "sqs:SendMessage"
    assert allow["Principal"] == {"Service": "events.amazonaws.com"}
    assert fnmatch.fnmatchcase(allow["Condition"]["ArnLike"]["aws:SourceArn"], "arn:*:events:*:*:rule/karpenter-dev-*")
    assert (deny["Effect"], deny["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
    assert allow["Resource"] == deny["Resource"]
    assert fnmatch.fnmatchcase(allow["Resource"], "arn:*:sqs:*:*:dev")


def test_every_kind_of_interruption_has_a_rule() -> None:
    rules = [item["properties"] for item in resources() if item["kind"] == "event_rule"]
    assert {(*rule["event_pattern"]["source"], *rule["event_pattern"]["detail-type"]) for rule in rules} == {
        ("aws.ec2", "EC2 Spot Instance Interruption Warning"),
        ("aws.ec2", "EC2 Instance Rebalance Recommendation"),
        ("aws.ec2", "EC2 Instance State-change Notification"),
        ("aws.ec2", "EC2 Capacity Reservation Instance Interruption Warning"),
        ("aws.health", "AWS Health Event"),
    }
    assert all(rule["targets"] == [{"id": "karpenter", "arn": "${sqs_queue.interruptions.arn}"}] for rule in rules)


def test_in_china_nodes_trust_ec2_of_china() -> None:
    (role,) = [item for item in resources(platform_region="cn-north-1") if item["name"] == "node"]
    (statement,) = role["properties"]["assume_role_policy_document"]["Statement"]
    assert statement["Principal"] == {"Service": "ec2.amazonaws.com.cn"}
