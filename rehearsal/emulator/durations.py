# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long AWS takes for what it doesn't do at once, in minutes.

AWS publishes few figures and guarantees none; its pages speak of "several minutes". Where there is none, the figure is
what people's logs of apply tools show, rounded to what is usual. What isn't here (IAM, KMS, log groups, subnets,
gateway endpoints, access entries) is there at once or within seconds.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Duration:
    """Minutes, and where the figure comes from."""

    minutes: float
    source: str


_LOGS = "https://github.com/DevopsArtFactory/terraform-provisioning/pull/46"
_EKS = "https://docs.aws.amazon.com/eks/latest/userguide"
_RDS = "https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide"

DURATIONS: dict[str, Duration] = {
    "account": Duration(
        1, "CreateAccount is asynchronous and may take minutes (Organizations API reference); usual: 1"
    ),
    "eks-cluster": Duration(10, f"{_EKS}/create-cluster.html: several minutes; 8.5 in {_LOGS}; usual: 8 to 12"),
    "eks-nodegroup": Duration(3, f"{_EKS}/create-managed-node-group.html: several minutes; usual: 2 to 4"),
    "eks-fargate": Duration(2, f"{_EKS}/fargate-profile.html gives none; usual: 1 to 3"),
    "eks-addon": Duration(
        1, f"{_EKS}/creating-an-add-on.html: several minutes at most; usual: under 1 once nodes are there"
    ),
    "eks-update": Duration(3, f"{_EKS}/update-cluster.html: several minutes; a version takes 8 to 12"),
    "rds-instance": Duration(8, f"{_RDS}/USER_CreateDBInstance.html: several minutes; usual with encryption: 5 to 10"),
    "rds-instance-multi-az": Duration(13, f"{_RDS}/USER_CreateDBInstance.html: several minutes; usual: 10 to 15"),
    "rds-modify": Duration(3, f"{_RDS}/Overview.DBInstance.Modifying.html gives none; usual: 2 to 10"),
    "rds-snapshot": Duration(
        3, f"{_RDS}/USER_CreateSnapshot.html: depends on what changed; usual for little data: 2 to 5"
    ),
    "ebs-snapshot": Duration(
        2, "EBS user guide: depends on how much has changed, minutes to hours; usual for a few gigabytes: 1 to 3"
    ),
    "natgateway": Duration(2, "EC2 API reference, CreateNatGateway: pending for a few minutes; usual: 1.5 to 2"),
    "vpc-endpoint": Duration(2, "an interface endpoint is pending until its interfaces are there; usual: 1 to 3"),
    "delete": Duration(
        1, "one figure for what goes: NAT gateways 1, node groups and clusters 3, databases 5 are usual"
    ),
    "identity-center": Duration(
        0.2, "IAM Identity Center: assigning and provisioning are asynchronous; usual for one account: 5 to 20 s"
    ),
    "instance": Duration(0.5, "EC2, instance lifecycle: pending for seconds; usual: 0.3 to 0.5"),
    "instance-boot": Duration(
        0.5, "from running to Ready of an EKS node; usual for Bottlerocket and AL2023: 0.4 to 0.7"
    ),
    "quota": Duration(1, "Service Quotas: small increases are granted within minutes"),
    "interface-release": Duration(1, "EC2: what a managed service leaves is deleted within minutes"),
}
