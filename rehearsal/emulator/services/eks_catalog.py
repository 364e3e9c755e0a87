# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What EKS offers: Kubernetes versions, add-ons and access policies.

Sources: https://docs.aws.amazon.com/eks/latest/userguide/kubernetes-versions.html,
https://docs.aws.amazon.com/eks/latest/userguide/workloads-add-ons-available-eks.html,
https://docs.aws.amazon.com/eks/latest/userguide/access-policy-permissions.html
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass


def _day(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC)


@dataclass(frozen=True)
class KubernetesVersion:
    """A version, its latest patch and platform version, and its dates."""

    minor: str
    patch: str
    platform: str
    released: datetime.datetime
    standard_until: datetime.datetime
    extended_until: datetime.datetime

    def status(self) -> str:
        """STANDARD_SUPPORT, EXTENDED_SUPPORT or UNSUPPORTED as of today."""
        now = datetime.datetime.now(datetime.UTC)
        if now < self.standard_until:
            return "STANDARD_SUPPORT"
        return "EXTENDED_SUPPORT" if now < self.extended_until else "UNSUPPORTED"


VERSIONS: dict[str, KubernetesVersion] = {
    version.minor: version
    for version in (
        KubernetesVersion("1.35", "1.35.0", "eks.3", _day("2026-01-27"), _day("2027-03-27"), _day("2028-03-27")),
        KubernetesVersion("1.34", "1.34.3", "eks.12", _day("2025-10-02"), _day("2026-12-02"), _day("2027-12-02")),
        KubernetesVersion("1.33", "1.33.7", "eks.26", _day("2025-05-29"), _day("2026-07-29"), _day("2027-07-29")),
        KubernetesVersion("1.32", "1.32.11", "eks.33", _day("2025-01-23"), _day("2026-03-23"), _day("2027-03-23")),
    )
}
DEFAULT_VERSION = "1.35"


@dataclass(frozen=True)
class AddonKind:
    """An add-on: its versions by Kubernetes version (newest first) and what it is made of.

    ``deployment`` is true where the add-on runs a Deployment, which needs a node before it is healthy.
    """

    name: str
    type: str
    namespace: str
    deployment: bool
    needs_iam: bool
    versions: dict[str, tuple[str, ...]]
    publisher: str = "eks"
    owner: str = "aws"


def _same(*versions: str) -> dict[str, tuple[str, ...]]:
    return dict.fromkeys(VERSIONS, versions)


ADDONS: dict[str, AddonKind] = {
    addon.name: addon
    for addon in (
        AddonKind(
            "vpc-cni",
            "networking",
            "kube-system",
            False,
            True,
            _same("v1.21.1-eksbuild.3", "v1.21.1-eksbuild.1", "v1.20.5-eksbuild.1", "v1.20.4-eksbuild.2"),
        ),
        AddonKind(
            "coredns",
            "networking",
            "kube-system",
            True,
            False,
            {
                "1.35": ("v1.13.2-eksbuild.1", "v1.13.1-eksbuild.1"),
                "1.34": ("v1.13.2-eksbuild.1", "v1.12.4-eksbuild.1", "v1.12.3-eksbuild.1"),
                "1.33": ("v1.12.4-eksbuild.1", "v1.12.2-eksbuild.4", "v1.12.1-eksbuild.2"),
                "1.32": ("v1.11.4-eksbuild.24", "v1.11.4-eksbuild.2", "v1.11.3-eksbuild.1"),
            },
        ),
        AddonKind(
            "kube-proxy",
            "networking",
            "kube-system",
            False,
            False,
            {
                "1.35": ("v1.35.0-eksbuild.2", "v1.35.0-eksbuild.1"),
                "1.34": ("v1.34.3-eksbuild.2", "v1.34.1-eksbuild.2", "v1.34.0-eksbuild.2"),
                "1.33": ("v1.33.7-eksbuild.2", "v1.33.5-eksbuild.2", "v1.33.3-eksbuild.4"),
                "1.32": ("v1.32.11-eksbuild.2", "v1.32.9-eksbuild.2", "v1.32.6-eksbuild.12"),
            },
        ),
        AddonKind(
            "aws-ebs-csi-driver",
            "storage",
            "kube-system",
            True,
            True,
            _same("v1.55.0-eksbuild.1", "v1.54.0-eksbuild.1", "v1.53.0-eksbuild.1"),
        ),
        AddonKind(
            "eks-pod-identity-agent",
            "security",
            "kube-system",
            False,
            False,
            _same("v1.3.10-eksbuild.2", "v1.3.10-eksbuild.1", "v1.3.9-eksbuild.5"),
        ),
        AddonKind(
            "aws-efs-csi-driver",
            "storage",
            "kube-system",
            True,
            True,
            _same("v2.3.0-eksbuild.1", "v2.2.0-eksbuild.1"),
        ),
        AddonKind(
            "snapshot-controller",
            "storage",
            "kube-system",
            True,
            False,
            _same("v8.4.0-eksbuild.1", "v8.3.0-eksbuild.1"),
        ),
        AddonKind(
            "metrics-server",
            "observability",
            "kube-system",
            True,
            False,
            _same("v0.8.1-eksbuild.1", "v0.8.0-eksbuild.6"),
            publisher="k8s-sigs",
            owner="community",
        ),
        AddonKind(
            "amazon-cloudwatch-observability",
            "observability",
            "amazon-cloudwatch",
            True,
            True,
            _same("v4.9.0-eksbuild.1", "v4.8.0-eksbuild.1"),
        ),
        AddonKind(
            "eks-node-monitoring-agent",
            "observability",
            "kube-system",
            False,
            False,
            _same("v1.5.1-eksbuild.1", "v1.4.3-eksbuild.1"),
        ),
    )
}

_POLICY_NAMES = (
    "AmazonEKSAdminPolicy",
    "AmazonEKSAdminViewPolicy",
    "AmazonEKSClusterAdminPolicy",
    "AmazonEKSEditPolicy",
    "AmazonEKSViewPolicy",
    "AmazonEKSSecretReaderPolicy",
    "AmazonEKSAutoNodePolicy",
    "AmazonEKSBlockStoragePolicy",
    "AmazonEKSLoadBalancingPolicy",
    "AmazonEKSNetworkingPolicy",
    "AmazonEKSComputePolicy",
)
ACCESS_POLICIES: dict[str, str] = {f"arn:aws:eks::aws:cluster-access-policy/{name}": name for name in _POLICY_NAMES}
