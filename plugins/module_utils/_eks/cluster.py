# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The resources of a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from .._engine.resource import Ref, Resource
from .catalog import ADDON_DEFAULTS, ADDON_IDENTITIES, ALWAYS, BEFORE_NODES
from .checks import merged, problems_of
from .nodes import node_resources
from .options import CORE, AccessEntry, AddOn, Cluster

_SUBNETS = Ref("subnets_lookup.nodes", "ids")
_NAME = Ref("eks_cluster.main")


def cluster_resources(cluster: Cluster) -> tuple[list[Resource], list[str], dict[str, Any]]:
    """Return the resources of a cluster, what is wrong with the parameters, and the module's return values."""
    problems = problems_of(cluster)
    if problems:
        # What the kinds find wrong beside comes in the same answer, as far as it doesn't hang on the rest.
        others = _control_plane(replace(cluster, name="x"))
        return [resource for resource in others if resource.kind == "log_group"], problems, {}
    resources = [
        _subnets(cluster),
        *_control_plane(cluster),
        *_addons(cluster),
        *node_resources(cluster, _SUBNETS),
        *_access(cluster),
        *_pod_identities(cluster),
        *_fargate(cluster),
        Resource("iam_oidc_provider", "main", {"url": Ref("eks_cluster.main", "oidc_issuer")}),
    ]
    return resources, [], _outputs()


def _outputs() -> dict[str, Any]:
    attributes = (
        "arn",
        "endpoint",
        "certificate_authority",
        "oidc_issuer",
        "cluster_security_group_id",
        "platform_version",
    )
    return {
        "cluster": {
            "name": Ref("eks_cluster.main", "name"),
            "version": Ref("eks_cluster.main", "version"),
            **{name: Ref("eks_cluster.main", name) for name in attributes},
        },
        "oidc_provider_arn": Ref("iam_oidc_provider.main", "arn"),
        "node_role_arn": Ref("iam_role.node", "arn"),
        "kms_key_arn": Ref("kms_key.secrets", "arn"),
    }


def _subnets(cluster: Cluster) -> Resource:
    where = {"vpc": cluster.vpc, "tier": cluster.tier}
    return Resource("subnets_lookup", "nodes", where, hint="run playbooks/network.yml first")


def _role(
    cluster: Cluster,
    name: str,
    description: str,
    service: str,
    managed: Sequence[str] = (),
    policies: Mapping[str, Any] | None = None,
) -> Resource:
    """Return a role for a service; ``managed`` holds names of AWS managed policies, or ARNs."""
    actions = ["sts:AssumeRole", "sts:TagSession"] if service.startswith("pods.") else ["sts:AssumeRole"]
    prefix = f"arn:{cluster.partition}:iam::aws:policy/"
    if cluster.partition == "aws-cn" and service.startswith("ec2."):
        # https://docs.amazonaws.cn/en_us/eks/latest/userguide/create-node-role.html
        service += ".cn"
    return Resource(
        "iam_role",
        name,
        {
            "role_name": f"{cluster.stack}-{name}",
            "path": f"/innovate/{cluster.stack}/",
            "description": description,
            "assume_role_policy_document": {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": actions}],
            },
            "managed_policy_arns": [policy if policy.startswith("arn:") else prefix + policy for policy in managed],
            "policies": dict(policies or {}),
        },
    )


def _control_plane(cluster: Cluster) -> Iterator[Resource]:
    purpose = f"Encrypts the Kubernetes secrets of cluster {cluster.name}"
    # AWS's own period, said so that another one is found.
    yield Resource("kms_key", "secrets", {"description": purpose, "rotation_period_in_days": 365})
    yield Resource(
        "kms_alias", "secrets", {"alias_name": f"alias/{cluster.stack}", "target_key_id": Ref("kms_key.secrets")}
    )
    yield Resource(
        "log_group",
        "control-plane",
        {
            "log_group_name": f"/aws/eks/{cluster.name}/cluster",
            "retention_in_days": cluster.log_retention_in_days,
        },
    )
    # https://docs.aws.amazon.com/eks/latest/userguide/enable-kms.html
    use_key = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["kms:Encrypt", "kms:Decrypt", "kms:ListGrants", "kms:DescribeKey"],
                "Resource": Ref("kms_key.secrets", "arn"),
            }
        ],
    }
    # Its last words would bring back the log group, without retention, after the cluster and the group are deleted.
    keep_gone = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Deny", "Action": "logs:CreateLogGroup", "Resource": "*"}],
    }
    yield _role(
        cluster,
        "cluster",
        f"The control plane of cluster {cluster.name}",
        "eks.amazonaws.com",
        ["AmazonEKSClusterPolicy"],
        {"secrets-key": use_key, "log-group": keep_gone},
    )
    # The CNI's permissions are its pod identity's: nothing else on a node shall have them.
    yield _role(
        cluster,
        "node",
        f"The nodes of cluster {cluster.name}",
        "ec2.amazonaws.com",
        ["AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly"],
    )
    # EKS would make the log group by itself, with logs that are kept for ever.
    yield Resource("eks_cluster", "main", _cluster(cluster), depends_on=("log_group.control-plane",))


def _cluster(cluster: Cluster) -> dict[str, Any]:
    network: dict[str, Any] = {
        "subnet_ids": _SUBNETS,
        # Beside the one that EKS makes there are none.
        "security_group_ids": [],
        "endpoint_private_access": True,
        "endpoint_public_access": cluster.endpoint_public_access,
    }
    if cluster.endpoint_public_access:
        network["public_access_cidrs"] = list(cluster.public_access_cidrs)
    properties = {
        "name": cluster.name,
        "version": cluster.kubernetes_version,
        "role_arn": Ref("iam_role.cluster", "arn"),
        "resources_vpc_config": network,
        "logging": {
            "cluster_logging": [{"types": list(cluster.log_types), "enabled": True}] if cluster.log_types else []
        },
        "encryption_config": [{"resources": ["secrets"], "provider": {"key_arn": Ref("kms_key.secrets", "arn")}}],
        "access_config": {"authentication_mode": "API", "bootstrap_cluster_creator_admin_permissions": False},
        "upgrade_policy": {"support_type": cluster.support_type},
        "deletion_protection": cluster.deletion_protection,
        "bootstrap_self_managed_addons": False,
    }
    if cluster.service_ipv4_cidr:
        properties["kubernetes_network_config"] = {"service_ipv4_cidr": cluster.service_ipv4_cidr}
    return properties


def _addons(cluster: Cluster) -> Iterator[Resource]:
    """Yield the five that every cluster has, and what was asked for; roles come by pod identity."""
    given = {addon.name: addon for addon in cluster.addons}
    wanted = [given.pop(name, AddOn(name)) for name in ALWAYS] + list(given.values())
    for addon in wanted:
        before = [] if addon.name in BEFORE_NODES else [f"eks_nodegroup.{CORE}"]
        if addon.name in ADDON_IDENTITIES:
            account, policy = ADDON_IDENTITIES[addon.name]
            label = f"kube-system-{account}"
            before.append(f"eks_pod_identity_association.{label}")
            purpose = f"The add-on {addon.name} of cluster {cluster.name}"
            yield _role(cluster, addon.name, purpose, "pods.eks.amazonaws.com", [policy])
            yield Resource(
                "eks_pod_identity_association",
                label,
                {
                    "cluster_name": _NAME,
                    "namespace": "kube-system",
                    "service_account": account,
                    "role_arn": Ref(f"iam_role.{addon.name}", "arn"),
                },
            )
        values = merged(ADDON_DEFAULTS.get(addon.name, {}), addon.configuration_values)
        yield Resource(
            "eks_addon",
            addon.name,
            {
                "cluster_name": _NAME,
                "addon_name": addon.name,
                "kubernetes_version": cluster.kubernetes_version,
                **({"addon_version": addon.version} if addon.version else {}),
                **({"configuration_values": values} if values else {}),
            },
            depends_on=tuple(before),
        )


def _access(cluster: Cluster) -> Iterator[Resource]:
    for entry in cluster.access_entries:
        name, principal = _principal(entry)
        if entry.role_name:
            hint = f"correct access_entries, or see to it that the role {entry.role_name} exists"
            yield Resource("iam_role_lookup", name, {"role_name": entry.role_name}, hint=hint)
        yield Resource(
            "eks_access_entry",
            name,
            {
                "cluster_name": _NAME,
                "principal_arn": principal,
                "type": entry.type,
                **({"kubernetes_groups": list(entry.kubernetes_groups)} if entry.type == "STANDARD" else {}),
                "access_policies": [
                    {
                        "policy_arn": policy["name"],
                        "access_scope": (
                            {"type": "namespace", "namespaces": list(policy["namespaces"])}
                            if policy.get("namespaces")
                            else {"type": "cluster"}
                        ),
                    }
                    for policy in entry.policies
                ],
            },
        )


def _principal(entry: AccessEntry) -> tuple[str, str | Ref]:
    """Return what an entry is called, and its principal's ARN."""
    if entry.principal_arn:
        kind, _slash, path = entry.principal_arn.rpartition(":")[2].partition("/")
        return f"{kind}-{path.rpartition('/')[2]}".replace(".", "-"), entry.principal_arn
    name = f"role-{entry.role_name}".replace(".", "-").replace("*", "any")
    return name, Ref(f"iam_role_lookup.{name}", "arn")


def _pod_identities(cluster: Cluster) -> Iterator[Resource]:
    for item in cluster.pod_identities:
        role: str | Ref = item.role_arn or Ref(f"iam_role.{item.label}", "arn")
        if item.makes_role:
            purpose = f"{item.namespace}/{item.service_account} of cluster {cluster.name}"
            managed, policies = item.managed_policy_arns, item.policies
            yield _role(cluster, item.label, purpose, "pods.eks.amazonaws.com", managed, policies)
        yield Resource(
            "eks_pod_identity_association",
            item.label,
            {
                "cluster_name": _NAME,
                "namespace": item.namespace,
                "service_account": item.service_account,
                "role_arn": role,
            },
        )


def _fargate(cluster: Cluster) -> Iterator[Resource]:
    if not cluster.fargate_profiles:
        return
    purpose = f"The Fargate pods of cluster {cluster.name}"
    managed = ["AmazonEKSFargatePodExecutionRolePolicy"]
    yield _role(cluster, "fargate", purpose, "eks-fargate-pods.amazonaws.com", managed)
    for profile in cluster.fargate_profiles:
        yield Resource(
            "eks_fargate_profile",
            profile.name,
            {
                "cluster_name": _NAME,
                "fargate_profile_name": profile.name,
                "pod_execution_role_arn": Ref("iam_role.fargate", "arn"),
                "subnets": _SUBNETS,
                "selectors": [
                    {"namespace": item["namespace"], **({"labels": item["labels"]} if item.get("labels") else {})}
                    for item in profile.selectors
                ],
            },
        )
