# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EKS, the launch templates of its nodes, and the look-ups of networks."""

from __future__ import annotations

from typing import Any

from ansible_collections.innovate.platform.plugins.module_utils._engine.resource import Ref, Resource
from tests.contract.contract import Case

VPC = Resource("vpc", "main", {"cidr_block": "10.96.0.0/16"})
ZONES = {"one": "a", "two": "b", "three": "c"}
SUBNETS = tuple(
    Resource(
        "subnet",
        name,
        {
            "vpc_id": Ref("vpc.main"),
            "cidr_block": f"10.96.{number}.0/24",
            "availability_zone": f"eu-central-1{zone}",
        },
    )
    for number, (name, zone) in enumerate(ZONES.items())
)
ONE_AND_TWO = [Ref("subnet.one"), Ref("subnet.two")]
ALL_THREE = [Ref(f"subnet.{name}") for name in ZONES]


def role(case: str, name: str, service: str, stack: str = "") -> Resource:
    """Return a role that a service may assume; names of roles are unique in an account, hence the case's name."""
    return Resource(
        "iam_role",
        name,
        {
            "role_name": f"contract-{case}-{name}",
            "path": f"/innovate/{stack or f'contract-{case}'}/",
            "assume_role_policy_document": {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"Service": service},
                        "Action": ["sts:AssumeRole", "sts:TagSession"],
                    }
                ],
            },
        },
    )


def cluster(case: str, name: str = "main") -> Resource:
    """Return the least cluster that others can be tried in."""
    return Resource(
        "eks_cluster",
        name,
        {
            "name": f"{case}-{name}",
            "version": "1.35",
            "role_arn": Ref("iam_role.cluster", "arn"),
            "resources_vpc_config": {"subnet_ids": ONE_AND_TWO},
            "access_config": {"authentication_mode": "API", "bootstrap_cluster_creator_admin_permissions": False},
        },
    )


def network(case: str) -> tuple[Resource, ...]:
    """Return what a cluster needs."""
    return (VPC, *SUBNETS, role(case, "cluster", "eks.amazonaws.com"))


def base(case: str) -> tuple[Resource, ...]:
    """Return a cluster and all that it needs."""
    return (*network(case), cluster(case))


KEY = Resource("kms_key", "secrets", {"description": "contract"})
IN_MAIN = {"cluster_name": Ref("eks_cluster.main")}
IN_OTHER = {"cluster_name": Ref("eks_cluster.other")}
ARCHITECTURE = {"instance_types": ["t4g.medium"], "ami_type": "AL2023_ARM_64_STANDARD"}
TAINT = {"key": "CriticalAddonsOnly", "value": "true", "effect": "NO_SCHEDULE"}
DATA: dict[str, Any] = {
    "metadata_options": {"http_tokens": "required", "http_put_response_hop_limit": 1},
    "block_device_mappings": [
        {"device_name": "/dev/xvda", "ebs": {"encrypted": True, "volume_size": 20, "volume_type": "gp3"}}
    ],
    "tag_specifications": [{"resource_type": "instance", "tags": [{"key": "Name", "value": "contract"}]}],
}
TEMPLATE = Resource(
    "launch_template", "nodes", {"launch_template_name": "contract-nodes", "launch_template_data": DATA}
)
SECURED = Case(
    "eks_cluster",
    {
        **cluster("eks-cluster").properties,
        "name": "contract-cluster",
        "resources_vpc_config": {
            "subnet_ids": ONE_AND_TWO,
            "security_group_ids": [Ref("security_group.one")],
            "endpoint_public_access": True,
            "endpoint_private_access": True,
            "public_access_cidrs": ["198.51.100.0/24"],
        },
        "kubernetes_network_config": {"service_ipv4_cidr": "172.20.0.0/16", "ip_family": "ipv4"},
        "logging": {"cluster_logging": [{"types": ["api", "audit", "authenticator"], "enabled": True}]},
        "encryption_config": [{"resources": ["secrets"], "provider": {"key_arn": Ref("kms_key.secrets", "arn")}}],
        "upgrade_policy": {"support_type": "EXTENDED"},
        "zonal_shift_config": {"enabled": False},
        "deletion_protection": False,
    },
    needs=(
        *network("eks-cluster"),
        role("eks-cluster", "other", "eks.amazonaws.com"),
        KEY,
        *(
            Resource(
                "security_group", name, {"vpc_id": Ref("vpc.main"), "group_name": f"eks-{name}", "description": name}
            )
            for name in ("one", "two")
        ),
    ),
    mutable={
        "resources_vpc_config": {
            "subnet_ids": [Ref("subnet.two"), Ref("subnet.one")],
            "security_group_ids": [Ref("security_group.two")],
            "endpoint_public_access": False,
            "endpoint_private_access": True,
        },
        "logging": {"cluster_logging": [{"types": ["scheduler", "controllerManager"], "enabled": True}]},
        "upgrade_policy": {"support_type": "STANDARD"},
        "zonal_shift_config": {"enabled": True},
        "deletion_protection": True,
    },
    immutable={
        "name": "contract-renamed",
        "role_arn": Ref("iam_role.other", "arn"),
        "kubernetes_network_config": {"service_ipv4_cidr": "172.21.0.0/16", "ip_family": "ipv4"},
    },
    unchanged={
        "version": "EKS goes up only; see test_eks.py",
        "access_config": "EKS goes up only; see test_eks.py",
        "encryption_config": "a key can be added, never changed or taken away; see test_eks.py",
    },
)

CASES = [
    SECURED,
    Case(
        "eks_nodegroup",
        {
            **IN_MAIN,
            **ARCHITECTURE,
            "nodegroup_name": "core",
            "node_role": Ref("iam_role.node", "arn"),
            "subnets": ONE_AND_TWO,
            "launch_template": {"id": Ref("launch_template.nodes"), "version": "1"},
            "version": "1.35",
            "scaling_config": {"min_size": 2, "max_size": 3, "desired_size": 2},
            "labels": {"innovate.io/pool": "core", "tier": "one"},
            "taints": [TAINT],
            "update_config": {"max_unavailable": 1},
            "node_repair_config": {"enabled": False},
        },
        needs=(
            *base("nodegroup"),
            cluster("nodegroup", "other"),
            role("nodegroup", "node", "ec2.amazonaws.com"),
            role("nodegroup", "other", "ec2.amazonaws.com"),
            TEMPLATE,
        ),
        mutable={
            "scaling_config": {"min_size": 3, "max_size": 4, "desired_size": 2 + 1},
            "labels": {"innovate.io/pool": "core", "tier": "two", "more": "yes"},
            "taints": [{**TAINT, "value": "yes"}, {**TAINT, "key": "other", "effect": "NO_EXECUTE"}],
            "update_config": {"max_unavailable": 2},
            "node_repair_config": {"enabled": True},
        },
        immutable={
            **IN_OTHER,
            "nodegroup_name": "other",
            "node_role": Ref("iam_role.other", "arn"),
            "subnets": ALL_THREE,
            "instance_types": ["t4g.large", "t4g.medium"],
            "ami_type": "BOTTLEROCKET_ARM_64",
            "capacity_type": "SPOT",
        },
        unchanged={
            "version": "the nodes go up only; see test_eks.py",
            "launch_template": "a new version of the template; see test_eks.py",
        },
    ),
    Case(
        "eks_nodegroup",
        {
            **IN_MAIN,
            "nodegroup_name": "plain",
            "node_role": Ref("iam_role.node", "arn"),
            "subnets": ONE_AND_TWO,
            "disk_size": 20,
        },
        needs=(*base("nodegroup-plain"), role("nodegroup-plain", "node", "ec2.amazonaws.com")),
        immutable={"disk_size": 30},
        unchanged={"release_version": "goes up only"},
        label="plain",
    ),
    Case(
        "eks_fargate_profile",
        {
            **IN_MAIN,
            "fargate_profile_name": "serverless",
            "pod_execution_role_arn": Ref("iam_role.pods", "arn"),
            "subnets": ONE_AND_TWO,
            "selectors": [{"namespace": "batch", "labels": {"compute": "fargate"}}],
        },
        needs=(
            *base("fargate"),
            cluster("fargate", "other"),
            *(role("fargate", name, "eks-fargate-pods.amazonaws.com") for name in ("pods", "other")),
            *(
                Resource(
                    "route_table", f"private-{name}", {"vpc_id": Ref("vpc.main"), "subnet_ids": [Ref(f"subnet.{name}")]}
                )
                for name in ZONES
            ),
        ),
        immutable={
            **IN_OTHER,
            "fargate_profile_name": "other",
            "pod_execution_role_arn": Ref("iam_role.other", "arn"),
            "subnets": ALL_THREE,
            "selectors": [{"namespace": "batch"}, {"namespace": "jobs"}],
        },
    ),
    Case(
        "eks_addon",
        {
            **IN_MAIN,
            "addon_name": "kube-proxy",
            "kubernetes_version": "1.35",
            "configuration_values": {"resources": {"requests": {"cpu": "50m"}}},
            "service_account_role_arn": Ref("iam_role.one", "arn"),
        },
        needs=(
            *base("addon"),
            cluster("addon", "other"),
            *(role("addon", name, "eks.amazonaws.com") for name in ("one", "two")),
        ),
        mutable={
            "configuration_values": '{"resources": {"requests": {"cpu": "100m"}}}',
            "service_account_role_arn": Ref("iam_role.two", "arn"),
        },
        immutable={**IN_OTHER, "addon_name": "vpc-cni"},
        unchanged={
            "kubernetes_version": "follows the cluster; see test_eks.py",
            "addon_version": "the emulated EKS's versions are no part of a case; see test_eks.py",
        },
    ),
    Case(
        "eks_access_entry",
        {
            **IN_MAIN,
            "principal_arn": Ref("iam_role.people", "arn"),
            "kubernetes_groups": ["developers"],
            "username": "people",
            "access_policies": [
                {"policy_arn": "AmazonEKSViewPolicy"},
                {
                    "policy_arn": "AmazonEKSEditPolicy",
                    "access_scope": {"type": "namespace", "namespaces": ["shop", "blog"]},
                },
            ],
        },
        needs=(
            *base("access"),
            cluster("access", "other"),
            role("access", "people", "ec2.amazonaws.com"),
            role("access", "others", "ec2.amazonaws.com"),
        ),
        mutable={
            "kubernetes_groups": ["developers", "reviewers"],
            "username": "persons",
            "access_policies": [
                {"policy_arn": "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"},
                {"policy_arn": "AmazonEKSEditPolicy", "access_scope": {"type": "namespace", "namespaces": ["shop"]}},
            ],
        },
        immutable={**IN_OTHER, "principal_arn": Ref("iam_role.others", "arn")},
    ),
    Case(
        "eks_access_entry",
        {**IN_MAIN, "principal_arn": Ref("iam_role.node", "arn"), "type": "EC2_LINUX"},
        needs=(*base("access-nodes"), role("access-nodes", "node", "ec2.amazonaws.com")),
        immutable={"type": "EC2_WINDOWS"},
        label="nodes",
    ),
    Case(
        "eks_pod_identity_association",
        {
            **IN_MAIN,
            "namespace": "shop",
            "service_account": "orders",
            "role_arn": Ref("iam_role.orders", "arn"),
            "target_role_arn": Ref("iam_role.target", "arn"),
            "disable_session_tags": False,
        },
        needs=(
            *base("pods"),
            cluster("pods", "other"),
            *(role("pods", name, "pods.eks.amazonaws.com") for name in ("orders", "other", "target")),
        ),
        mutable={
            "role_arn": Ref("iam_role.other", "arn"),
            "target_role_arn": Ref("iam_role.other", "arn"),
            "disable_session_tags": True,
        },
        immutable={**IN_OTHER, "namespace": "blog", "service_account": "posts"},
    ),
    Case(
        "launch_template",
        {"launch_template_name": "contract", "launch_template_data": DATA},
        mutable={
            "launch_template_data": {
                **DATA,
                "metadata_options": {"http_tokens": "required", "http_put_response_hop_limit": 2},
            }
        },
        immutable={"launch_template_name": "contract-renamed"},
    ),
    Case(
        "iam_role_lookup",
        {"role_name": "contract-lookup-admin*"},
        needs=(role("lookup", "admins", "ec2.amazonaws.com", stack="contract-iam-role-lookup"),),
        unchanged={"role_name": "read-only"},
    ),
    Case("vpc_lookup", {"name": "contract"}, needs=(VPC,), unchanged={"name": "read-only"}, stack="vpc-contract"),
    Case(
        "subnets_lookup",
        {"vpc": "tiers", "tier": "private"},
        needs=(
            VPC,
            *(
                Resource("subnet", subnet.name, {**subnet.properties, "tags": {"innovate:tier": tier}})
                for subnet, tier in zip(SUBNETS, ("public", "private", "private"), strict=True)
            ),
        ),
        unchanged={"vpc": "read-only", "tier": "read-only"},
        stack="vpc-tiers",
    ),
]
