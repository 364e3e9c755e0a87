# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cluster makes of good and bad parameters."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.innovate.platform.plugins.module_utils._eks.catalog import architecture
from ansible_collections.innovate.platform.plugins.module_utils._eks.cluster import cluster_resources
from ansible_collections.innovate.platform.plugins.module_utils._eks.options import (
    AccessEntry,
    AddOn,
    Cluster,
    FargateProfile,
    NodeGroup,
    PodIdentity,
)
from ansible_collections.innovate.platform.plugins.module_utils._engine.kind import Observed
from ansible_collections.innovate.platform.plugins.module_utils._engine.plan import Options, make_plan
from ansible_collections.innovate.platform.plugins.module_utils._engine.resource import Ref, Resource
from ansible_collections.innovate.platform.plugins.module_utils._engine.validate import validate
from ansible_collections.innovate.platform.plugins.module_utils._kinds.registry import KINDS

ADMIN = ({"name": "AmazonEKSClusterAdminPolicy"},)
ROLE = "arn:aws:iam::123456789012:role/admins"


def cluster(**changes: Any) -> Cluster:
    given = {"name": "dev", "kubernetes_version": "1.35", "vpc": "dev", "region": "eu-central-1"}
    return Cluster(**{**given, **changes})


def group(*types: str, **changes: Any) -> dict[str, Any]:
    return {"node_groups": [NodeGroup(**{"name": "web", "instance_types": types or ("c7g.large",), **changes})]}


def entry(**changes: Any) -> dict[str, Any]:
    return {"access_entries": [AccessEntry(**{"principal_arn": ROLE, "policies": ADMIN, **changes})]}


def pods(namespace: str = "shop", account: str = "orders", **changes: Any) -> PodIdentity:
    return PodIdentity(namespace, account, **{"role_arn": ROLE, **changes})


BAD = {
    "a number as version": (
        {"kubernetes_version": 1.35},
        "kubernetes_version 1.35 is not a string: write it in quotes",
    ),
    "a patch version": ({"kubernetes_version": "1.35.2"}, "'1.35.2' is not a minor version such as '1.35'"),
    "no version at all": ({"kubernetes_version": "latest"}, "'latest' is not a minor version"),
    "name with capitals": ({"name": "Dev"}, "name 'Dev': use up to 30 lower-case letters"),
    "too long a name": ({"name": "d" * 31}, "use up to 30 lower-case letters"),
    "public without addresses": (
        {"endpoint_public_access": True},
        "endpoint_public_access without public_access_cidrs is open to the world",
    ),
    "open to the world": (
        {"endpoint_public_access": True, "public_access_cidrs": ["0.0.0.0/0"]},
        "public_access_cidrs: 0.0.0.0/0 is open to the world",
    ),
    "open to half the world": (
        {"endpoint_public_access": True, "public_access_cidrs": ["128.0.0.0/1"]},
        "public_access_cidrs: 128.0.0.0/1 is open to the world",
    ),
    "no addresses": (
        {"endpoint_public_access": True, "public_access_cidrs": ["office"]},
        "public_access_cidrs: 'office' is not a range of addresses such as 198.51.100.0/24",
    ),
    "addresses without use": (
        {"public_access_cidrs": ["198.51.100.0/24"]},
        "public_access_cidrs means nothing while endpoint_public_access is false",
    ),
    "public services": ({"service_ipv4_cidr": "8.8.0.0/16"}, "service_ipv4_cidr 8.8.0.0/16: it must be private"),
    "too many services": ({"service_ipv4_cidr": "10.0.0.0/8"}, "between /12 and /24"),
    "far metadata": ({"hop_limit": 3}, "metadata_hop_limit 3: use 1"),
    "protected and absent": (
        {"absent": True, "deletion_protection": True},
        "deletion_protection is true: declare it false",
    ),
    "mixed architectures": (
        group("m6i.large", "m7g.large", "m6a.large"),
        "node group web: m6i.large, m6a.large (amd64) and m7g.large (arm64) are of different architectures",
    ),
    "no instance type": (group("medium"), "node group web: 'medium' is not an instance type such as t4g.medium"),
    "no instance types": (group(instance_types=()), "node group web: instance_types is empty"),
    "instance type twice": (group("c7g.large", "c7g.large"), "instance type c7g.large is declared 2 times"),
    "group twice": (
        {"node_groups": [NodeGroup("web", ("c7g.large",)), NodeGroup("web", ("c7g.large",))]},
        "node group web is declared 2 times",
    ),
    "group called core": (group(name="core"), "node group 'core': the name belongs to the core node group"),
    "too long a group's name": (group(name="w" * 41), "the name must be of up to 40 lower-case letters"),
    "least above largest": (group(min_size=4), "node group web: min_size 4 is more than max_size 3"),
    "desired too large": (group(desired_size=9), "desired_size 9 is not between min_size 0 and max_size 3"),
    "no node at most": (group(max_size=0), "node group web: max_size 0 is less than 1"),
    "tiny disk": (group(disk_size=8), "node group web: disk_size 8: the machine image takes at least 20 GiB"),
    "no core": (
        {"core": NodeGroup("core", ("t4g.medium",), min_size=0)},
        "node group core: min_size 0: coredns and the controllers need at least one node",
    ),
    "unknown add-on": ({"addons": [AddOn("core-dns")]}, "add-on 'core-dns' is unknown: did you mean coredns?"),
    "add-on twice": ({"addons": [AddOn("coredns"), AddOn("coredns")]}, "add-on coredns is declared 2 times"),
    "add-on's upstream version": (
        {"addons": [AddOn("coredns", "1.11.3")]},
        "add-on coredns: version '1.11.3' does not have the form v1.20.4-eksbuild.2",
    ),
    "nobody": (entry(principal_arn=None), "give either principal_arn or role_name"),
    "two principals": (entry(role_name="admins"), "give either principal_arn or role_name"),
    "a session": (
        entry(principal_arn="arn:aws:sts::123456789012:assumed-role/admins/me"),
        "this is the ARN of a session: give that of its role",
    ),
    "a policy as principal": (
        entry(principal_arn="arn:aws:iam::123456789012:policy/x"),
        "principal_arn must be the ARN of an IAM role or user",
    ),
    "unknown access policy": (
        entry(policies=[{"name": "AmazonEKSClusterAdmin"}]),
        "unknown access policy AmazonEKSClusterAdmin: did you mean AmazonEKSClusterAdminPolicy?",
    ),
    "an entry that allows nothing": (entry(policies=()), "without policies and kubernetes_groups it allows nothing"),
    "principal twice": (
        {"access_entries": [AccessEntry(ROLE, policies=ADMIN), AccessEntry(ROLE, policies=ADMIN)]},
        f"access entry for {ROLE} is declared 2 times",
    ),
    "service account twice": (
        {"pod_identities": [pods(), pods()]},
        "pod identity association for shop/orders is declared 2 times",
    ),
    "a namespace that is none": ({"pod_identities": [pods("Shop")]}, "'Shop' is no namespace"),
    "a service account that is none": ({"pod_identities": [pods(account="my_app")]}, "'my_app' is no service account"),
    "a role by its name": ({"pod_identities": [pods(role_arn="admins")]}, "'admins' is not the ARN of an IAM role"),
    "a label's value with spaces": (group(labels={"team": "a b"}), "label team: 'a b' is no value"),
    "a taint's key with spaces": (
        group(taints=[{"key": "a b", "value": "", "effect": "NO_SCHEDULE"}]),
        "taint 'a b' is no key",
    ),
    "no role for pods": ({"pod_identities": [pods(role_arn=None)]}, "shop/orders: give either role_arn, or managed"),
    "two roles for pods": (
        {"pod_identities": [pods(managed_policy_arns=["ReadOnlyAccess"])]},
        "shop/orders: give either role_arn, or managed",
    ),
    "the add-on's service account": (
        {"pod_identities": [pods("kube-system", "aws-node")]},
        "kube-system/aws-node: the add-on vpc-cni brings its own",
    ),
    "too long a role's name": (
        {"pod_identities": [pods("n" * 40, "s" * 40, role_arn=None, policies={"x": {}})]},
        "more than the 64 allowed: give role_arn",
    ),
    "profile twice": (
        {"fargate_profiles": [FargateProfile("jobs", [{"namespace": "jobs"}])] * 2},
        "Fargate profile jobs is declared 2 times",
    ),
    "a profile of EKS": (
        {"fargate_profiles": [FargateProfile("eks-jobs", [{"namespace": "jobs"}])]},
        "Fargate profile eks-jobs: EKS keeps names that begin with eks- for itself",
    ),
    "a profile for nothing": (
        {"fargate_profiles": [FargateProfile("jobs", [])]},
        "Fargate profile jobs: 0 selectors given, EKS takes one to five",
    ),
}


@pytest.mark.parametrize(("changes", "sentence"), BAD.values(), ids=BAD)
def test_a_mistake_gets_a_sentence(changes: dict[str, Any], sentence: str) -> None:
    resources, problems, _outputs = cluster_resources(cluster(**changes))
    assert validate(resources, KINDS) == []
    assert any(sentence in problem for problem in problems), problems


def test_all_mistakes_come_together() -> None:
    mistakes = cluster(
        name="Dev", kubernetes_version=1.3, endpoint_public_access=True, **group("t3a.small", "t4g.small")
    )
    assert len(cluster_resources(mistakes)[1]) == 4


BAD_PROPERTIES = {
    "reserved label": (group(labels={"eks.amazonaws.com/x": "y"}), "begins with a prefix that EKS keeps for itself"),
    "retention that isn't": ({"log_retention_in_days": 100}, "100 is not one of"),
    "system group": (entry(kubernetes_groups=["system:masters"]), "begins with 'system:', which EKS refuses"),
    "policies for nodes": (entry(type="EC2_LINUX"), "access policies go with an entry of type STANDARD or EC2"),
    "unknown log": ({"log_types": ["everything"]}, "'everything' is not one of api, audit"),
    "unknown effect": (group(taints=[{"key": "a", "effect": "NoSchedule"}]), "'NoSchedule' is not one of NO_SCHEDULE"),
}


@pytest.mark.parametrize(("changes", "sentence"), BAD_PROPERTIES.values(), ids=BAD_PROPERTIES)
def test_the_kinds_find_the_rest(changes: dict[str, Any], sentence: str) -> None:
    resources, problems, _outputs = cluster_resources(cluster(**changes))
    found = [*problems, *validate(resources, KINDS)]
    assert any(sentence in problem for problem in found), found


def resources_of(**changes: Any) -> dict[str, Resource]:
    resources, problems, _outputs = cluster_resources(cluster(**changes))
    assert problems == []
    assert validate(resources, KINDS) == []
    return {resource.address: resource for resource in resources}


def test_a_plain_cluster_has_these_resources() -> None:
    assert set(resources_of()) == {
        "subnets_lookup.nodes",
        "kms_key.secrets",
        "kms_alias.secrets",
        "log_group.control-plane",
        "iam_role.cluster",
        "iam_role.node",
        "eks_cluster.main",
        *(f"eks_addon.{name}" for name in ("vpc-cni", "kube-proxy", "eks-pod-identity-agent", "coredns")),
        "eks_addon.aws-ebs-csi-driver",
        "iam_role.vpc-cni",
        "iam_role.aws-ebs-csi-driver",
        "eks_pod_identity_association.kube-system-aws-node",
        "eks_pod_identity_association.kube-system-ebs-csi-controller-sa",
        "launch_template.core",
        "eks_nodegroup.core",
        "iam_oidc_provider.main",
    }


def test_the_control_plane_is_private_logged_encrypted_and_goes_by_access_entries() -> None:
    properties = resources_of()["eks_cluster.main"].properties
    network = properties["resources_vpc_config"]
    assert (network["endpoint_private_access"], network["endpoint_public_access"]) == (True, False)
    assert len(properties["logging"]["cluster_logging"][0]["types"]) == 5
    assert properties["encryption_config"][0]["provider"]["key_arn"] == Ref("kms_key.secrets", "arn")
    access = {"authentication_mode": "API", "bootstrap_cluster_creator_admin_permissions": False}
    assert properties["access_config"] == access
    assert "log_group.control-plane" in resources_of()["eks_cluster.main"].depends_on


def test_nodes_come_after_what_they_need_and_before_what_needs_them() -> None:
    resources = resources_of()
    before = {"eks_addon.vpc-cni", "eks_addon.kube-proxy", "eks_addon.eks-pod-identity-agent"}
    assert before <= set(resources["eks_nodegroup.core"].depends_on)
    for name in ("coredns", "aws-ebs-csi-driver"):
        assert "eks_nodegroup.core" in resources[f"eks_addon.{name}"].depends_on
    assert "eks_pod_identity_association.kube-system-aws-node" in resources["eks_addon.vpc-cni"].depends_on


def test_nodes_demand_session_tokens_and_have_encrypted_disks() -> None:
    data = resources_of(tags={"project": "x"})["launch_template.core"].properties["launch_template_data"]
    assert data["metadata_options"]["http_tokens"] == "required"
    assert data["metadata_options"]["http_put_response_hop_limit"] == 1
    disk = data["block_device_mappings"][0]["ebs"]
    assert (disk["encrypted"], disk["volume_type"]) == (True, "gp3")
    assert {"key": "project", "value": "x"} in data["tag_specifications"][0]["tags"]


def test_only_the_core_nodes_are_tainted_and_coredns_tolerates_that() -> None:
    resources = resources_of(**group("c7g.large"))
    core = resources["eks_nodegroup.core"].properties
    assert core["taints"] == [{"key": "CriticalAddonsOnly", "value": "true", "effect": "NO_SCHEDULE"}]
    assert core["labels"] == {"innovate.io/pool": "core"}
    assert resources["eks_nodegroup.web"].properties["taints"] == []
    values = resources["eks_addon.coredns"].properties["configuration_values"]
    assert "CriticalAddonsOnly" in [toleration["key"] for toleration in values["tolerations"]]


def test_settings_of_an_add_on_are_merged_into_ours() -> None:
    addon = AddOn("aws-ebs-csi-driver", "v1.53.0-eksbuild.1", {"controller": {"replicaCount": 3}})
    properties = resources_of(addons=[addon])["eks_addon.aws-ebs-csi-driver"].properties
    assert properties["configuration_values"]["controller"].keys() == {"tolerations", "replicaCount"}
    assert properties["addon_version"] == "v1.53.0-eksbuild.1"


@pytest.mark.parametrize(
    ("instance_type", "expected"),
    [
        ("t4g.medium", "arm64"),
        ("c7gn.xlarge", "arm64"),
        ("a1.large", "arm64"),
        ("im4gn.large", "arm64"),
        ("t3a.medium", "amd64"),
        ("g4dn.xlarge", "amd64"),
        ("m7i-flex.large", "amd64"),
        ("x2iedn.metal", "amd64"),
        ("nonsense", None),
    ],
)
def test_the_name_of_an_instance_type_tells_its_architecture(instance_type: str, expected: str | None) -> None:
    assert architecture(instance_type) == expected


def test_a_role_by_name_is_looked_up_in_the_account() -> None:
    given = [
        AccessEntry(role_name="AWSReservedSSO_Admin_*", policies=[{"name": "AmazonEKSViewPolicy", "namespaces": ["a"]}])
    ]
    resources = resources_of(access_entries=given)
    properties = resources["eks_access_entry.role-AWSReservedSSO_Admin_any"].properties
    assert properties["principal_arn"] == Ref("iam_role_lookup.role-AWSReservedSSO_Admin_any", "arn")
    scope = {"type": "namespace", "namespaces": ["a"]}
    assert properties["access_policies"] == [{"policy_arn": "AmazonEKSViewPolicy", "access_scope": scope}]


def test_managed_policies_are_those_of_the_partition() -> None:
    for region, partition in (("eu-central-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")):
        arns = resources_of(region=region)["iam_role.node"].properties["managed_policy_arns"]
        assert f"arn:{partition}:iam::aws:policy/AmazonEKSWorkerNodePolicy" in arns
    trust = resources_of(region="cn-north-1")["iam_role.node"].properties["assume_role_policy_document"]
    assert trust["Statement"][0]["Principal"] == {"Service": "ec2.amazonaws.com.cn"}


def there(**properties: Any) -> Observed:
    standing = {
        "version": "1.34",
        "access_config": {"authentication_mode": "API"},
        "encryption_config": None,
        **properties,
    }
    return Observed(
        "dev", standing, {"arn": "arn"}, {"innovate:stack": "eks-dev", "innovate:address": "eks_cluster.main"}
    )


@pytest.mark.parametrize(
    ("standing", "changes", "sentence"),
    [
        ({"version": "1.36"}, {}, "Kubernetes 1.36 can't be taken back to 1.35: declare '1.36' or a later version"),
        (
            {"version": "1.33"},
            {},
            "Kubernetes 1.33 can't become 1.35 at once: EKS goes up by one minor, to '1.34' first",
        ),
        ({"version": "1.9"}, {"version": "1.10"}, ""),
        ({}, {"access_config": {"authentication_mode": "API_AND_CONFIG_MAP"}}, "API can't be taken back to"),
        (
            {"encryption_config": [{"resources": ["secrets"], "provider": {"key_arn": "one"}}]},
            {"encryption_config": [{"resources": ["secrets"], "provider": {"key_arn": "two"}}]},
            "secrets are encrypted by one: EKS can neither change nor take away that key",
        ),
    ],
)
def test_what_eks_has_no_way_to_is_refused(standing: dict[str, Any], changes: dict[str, Any], sentence: str) -> None:
    declared = {
        "name": "dev",
        "version": "1.35",
        "role_arn": "role",
        "resources_vpc_config": {"subnet_ids": ["subnet-1"]},
        **changes,
    }
    found = {"eks_cluster": [there(name="dev", role_arn="role", **standing)]}
    plan = make_plan([Resource("eks_cluster", "main", declared)], KINDS, found, Options("eks-dev"))
    assert [sentence in problem for problem in plan.problems] == ([True] if sentence else [])


def test_a_new_version_of_a_template_reaches_its_node_group_in_the_same_plan() -> None:
    tags = {"innovate:stack": "t"}
    template = Observed(
        "lt-1",
        {"launch_template_name": "a", "launch_template_data": {"image_id": "one"}},
        {"default_version": "1"},
        {**tags, "innovate:address": "launch_template.a"},
    )
    version = {"launch_template": {"id": "lt-1", "version": "1"}}
    nodes = {
        "cluster_name": "c",
        "nodegroup_name": "n",
        "node_role": "r",
        "subnets": ["s"],
        "capacity_type": "ON_DEMAND",
    }
    node_group = Observed(
        "n", {**nodes, **version, "version": "1.35"}, {}, {**tags, "innovate:address": "eks_nodegroup.n"}
    )
    reference = {"id": Ref("launch_template.a"), "version": Ref("launch_template.a", "default_version")}
    declared = [
        Resource("launch_template", "a", {"launch_template_name": "a", "launch_template_data": {"image_id": "two"}}),
        Resource("eks_nodegroup", "n", {**nodes, "launch_template": reference}),
    ]
    plan = make_plan(declared, KINDS, {"launch_template": [template], "eks_nodegroup": [node_group]}, Options("t"))
    assert [(change.action, change.changed) for change in plan.changes] == [
        ("update", ("launch_template_data",)),
        ("update", ("launch_template",)),
    ]
