# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the area knows of EKS by heart: add-ons, access policies, architectures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

BEFORE_NODES = ("vpc-cni", "kube-proxy", "eks-pod-identity-agent")
"""Nodes become ready only with these; none of them needs a node to become active."""
AFTER_NODES = ("coredns", "aws-ebs-csi-driver")
ALWAYS = (*BEFORE_NODES, *AFTER_NODES)
KNOWN_ADDONS = (
    *ALWAYS,
    "adot",
    "amazon-cloudwatch-observability",
    "aws-efs-csi-driver",
    "aws-fsx-csi-driver",
    "aws-guardduty-agent",
    "aws-mountpoint-s3-csi-driver",
    "aws-network-flow-monitoring-agent",
    "aws-privateca-connector-for-kubernetes",
    "aws-secrets-store-csi-driver-provider",
    "cert-manager",
    "eks-node-monitoring-agent",
    "external-dns",
    "fluent-bit",
    "kube-state-metrics",
    "metrics-server",
    "prometheus-node-exporter",
    "snapshot-controller",
)
"""https://docs.aws.amazon.com/eks/latest/userguide/workloads-add-ons-available-eks.html and community-addons.html;
those of AWS Marketplace have an underscore in their names."""
ACCESS_POLICIES = (
    "AmazonEKSAdminPolicy",
    "AmazonEKSClusterAdminPolicy",
    "AmazonEKSAdminViewPolicy",
    "AmazonEKSEditPolicy",
    "AmazonEKSViewPolicy",
    "AmazonEKSSecretReaderPolicy",
    "AmazonEKSAutoNodePolicy",
)
"""https://docs.aws.amazon.com/eks/latest/userguide/access-policy-permissions.html"""
CORE_TAINT = {"key": "CriticalAddonsOnly", "value": "true", "effect": "NO_SCHEDULE"}
_TOLERATIONS = [
    {"key": CORE_TAINT["key"], "operator": "Exists"},
    {"key": "node-role.kubernetes.io/control-plane", "operator": "Exists", "effect": "NoSchedule"},
]
ADDON_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    # NetworkPolicy objects have no effect without this.
    "vpc-cni": {"enableNetworkPolicy": "true"},
    "coredns": {"tolerations": _TOLERATIONS},
    "aws-ebs-csi-driver": {"controller": {"tolerations": _TOLERATIONS}},
}
ADDON_IDENTITIES: Mapping[str, tuple[str, str]] = {
    "vpc-cni": ("aws-node", "AmazonEKS_CNI_Policy"),
    "aws-ebs-csi-driver": ("ebs-csi-controller-sa", "service-role/AmazonEBSCSIDriverPolicy"),
}
"""The service account in kube-system, and the AWS managed policy of its role."""
ARM64 = "arm64"
AMD64 = "amd64"
AMI_TYPES = {ARM64: "AL2023_ARM_64_STANDARD", AMD64: "AL2023_x86_64_STANDARD"}
_INSTANCE_TYPE = re.compile(r"(?P<family>[a-z]+)(?P<generation>\d+)(?P<attributes>[a-z0-9-]*)\.[a-z0-9-]+")


def architecture(instance_type: str) -> str | None:
    """Return the architecture that an instance type's name tells, None if it isn't such a name.

    A g after the generation stands for Graviton; the first generation (a1) has none
    (https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-type-names.html).
    """
    found = _INSTANCE_TYPE.fullmatch(instance_type)
    if found is None:
        return None
    return ARM64 if "g" in found["attributes"] or found["family"] + found["generation"] == "a1" else AMD64
