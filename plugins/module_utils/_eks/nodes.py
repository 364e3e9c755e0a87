# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Node groups and their launch templates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .._engine.resource import Ref, Resource
from .catalog import AMI_TYPES, BEFORE_NODES, CORE_TAINT, architecture
from .options import CORE, Cluster, NodeGroup

POOL_LABEL = "innovate.io/pool"


def node_resources(cluster: Cluster, subnets: Ref) -> Iterator[Resource]:
    """Yield a launch template and a node group for each pool; the core one keeps everything else away by its taint."""
    for group in (cluster.core, *cluster.node_groups):
        yield Resource(
            "launch_template",
            group.name,
            {
                "launch_template_name": f"{cluster.stack}-{group.name}",
                "launch_template_data": _template(cluster, group),
            },
        )
        yield Resource(
            "eks_nodegroup",
            group.name,
            _group(cluster, group, subnets),
            depends_on=tuple(f"eks_addon.{name}" for name in BEFORE_NODES),
        )


def _group(cluster: Cluster, group: NodeGroup, subnets: Ref) -> dict[str, Any]:
    taints = [CORE_TAINT] if group.name == CORE else []
    size = group.min_size if group.desired_size is None else group.desired_size
    template = f"launch_template.{group.name}"
    return {
        "cluster_name": Ref("eks_cluster.main"),
        "nodegroup_name": group.name,
        "node_role": Ref("iam_role.node", "arn"),
        "subnets": subnets,
        "instance_types": list(group.instance_types),
        "ami_type": AMI_TYPES[architecture(group.instance_types[0]) or ""],
        "capacity_type": group.capacity_type,
        "launch_template": {"id": Ref(template), "version": Ref(template, "default_version")},
        "version": cluster.kubernetes_version,
        "scaling_config": {"min_size": group.min_size, "max_size": group.max_size, "desired_size": size},
        "labels": {POOL_LABEL: group.name, **group.labels},
        "taints": [*taints, *({name: taint[name] for name in taint if taint[name]} for taint in group.taints)],
        "update_config": {"max_unavailable": 1},
        "node_repair_config": {"enabled": True},
    }


def _template(cluster: Cluster, group: NodeGroup) -> dict[str, Any]:
    """Return what nodes start with: IMDSv2 only (CIS EKS benchmark 5.4 asks for it), an encrypted disk, tags.

    https://docs.aws.amazon.com/eks/latest/best-practices/identity-and-access-management.html
    """
    tags = _tag_list({"Name": f"{cluster.stack}-{group.name}", **cluster.tags})
    return {
        "metadata_options": {
            "http_endpoint": "enabled",
            "http_tokens": "required",
            "http_put_response_hop_limit": cluster.hop_limit,
        },
        "block_device_mappings": [
            {
                "device_name": "/dev/xvda",
                "ebs": {
                    "volume_size": group.disk_size,
                    "volume_type": "gp3",
                    "encrypted": True,
                    "delete_on_termination": True,
                },
            }
        ],
        "tag_specifications": [
            {"resource_type": kind, "tags": tags} for kind in ("instance", "volume", "network-interface")
        ],
    }


def _tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": str(value)} for key, value in tags.items()]
