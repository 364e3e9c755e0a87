# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What controllers in an EKS cluster have made in AWS, and nobody takes away once the cluster is gone.

Each puts the cluster's name on what it makes:

- Karpenter on instances and launch templates (https://karpenter.sh/docs/concepts/nodeclasses/#spectags), and into the
  path of instance profiles;
- the AWS Load Balancer Controller on load balancers, target groups and security groups
  (https://kubernetes-sigs.github.io/aws-load-balancer-controller/latest/guide/ingress/annotations/#resource-tags);
- Kubernetes' cloud provider on Classic and Network Load Balancers and their security groups.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._engine.errors import EngineError
from . import _eks
from ._session import Session
from ._tags import tag_dict

KARPENTER_CLUSTER = "eks:eks-cluster-name"
NODE_CLAIM = "karpenter.sh/nodeclaim"
NODE_POOL = "karpenter.sh/nodepool"
LOAD_BALANCER_CLUSTER = "elbv2.k8s.aws/cluster"
CLUSTER_PREFIX = "kubernetes.io/cluster/"
_EKS_CLUSTER = "aws:eks:cluster-name"
_NODE_GROUP_CLUSTER = "eks:cluster-name"
_CNI_CLUSTER = "cluster.k8s.amazonaws.com/name"

_ALIVE = ("pending", "running", "stopping", "stopped")
_PATIENCE = 600
_PAUSE = 3.0


@dataclass(frozen=True)
class Balancer:
    """A load balancer that a controller in a cluster has made."""

    name: str
    arn: str

    @property
    def is_classic(self) -> bool:
        """Tell whether it is of the first generation, which is known by its name only."""
        return self.arn.split("loadbalancer/", 1)[-1] == self.name


def cluster_of(tags: Mapping[str, str]) -> str:
    """Return the cluster that something belongs to, by the tags that controllers and EKS write; empty if none."""
    for key in (KARPENTER_CLUSTER, LOAD_BALANCER_CLUSTER, _EKS_CLUSTER, _NODE_GROUP_CLUSTER, _CNI_CLUSTER):
        if tags.get(key):
            return tags[key]
    for key, value in tags.items():
        if key.startswith(CLUSTER_PREFIX) and value == "owned":
            return key.removeprefix(CLUSTER_PREFIX)
    return ""


def karpenter_instances(session: Session, cluster: str) -> list[str]:
    """Return the ids of the instances that Karpenter started for a cluster and that haven't been ended."""
    found = session.pages(
        "ec2",
        "describe_instances",
        "Reservations",
        Filters=[
            {"Name": f"tag:{KARPENTER_CLUSTER}", "Values": [cluster]},
            {"Name": "tag-key", "Values": [NODE_CLAIM, NODE_POOL]},
            {"Name": "instance-state-name", "Values": list(_ALIVE)},
        ],
    )
    return sorted(item["InstanceId"] for reservation in found for item in reservation["Instances"])


def load_balancers(session: Session, cluster: str) -> list[Balancer]:
    """Return the load balancers that controllers in a cluster have made.

    The tagging API goes on listing for a while what is gone, so the services themselves are asked as well.
    """
    marked = [
        Balancer(_balancer_name(arn), arn) for arn in _marked(session, cluster, "elasticloadbalancing:loadbalancer")
    ]
    there: set[str] = set()
    if any(item.is_classic for item in marked):
        found = session.pages("elb", "describe_load_balancers", "LoadBalancerDescriptions")
        there |= {item["LoadBalancerName"] for item in found}
    if any(not item.is_classic for item in marked):
        found = session.pages("elbv2", "describe_load_balancers", "LoadBalancers")
        there |= {item["LoadBalancerArn"] for item in found}
    return [item for item in marked if (item.name if item.is_classic else item.arn) in there]


def balancer_tags(session: Session, arns: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the tags of load balancers and target groups by ARN; DescribeTags takes twenty at once."""
    found: dict[str, dict[str, str]] = {}
    for start in range(0, len(arns), 20):
        answer = session.call("elbv2", "describe_tags", ResourceArns=list(arns[start : start + 20]))
        found |= {item["ResourceArn"]: tag_dict(item.get("Tags")) for item in answer.get("TagDescriptions", [])}
    return found


def classic_tags(session: Session, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the tags of Classic Load Balancers by name."""
    found: dict[str, dict[str, str]] = {}
    for start in range(0, len(names), 20):
        answer = session.call("elb", "describe_tags", LoadBalancerNames=list(names[start : start + 20]))
        found |= {item["LoadBalancerName"]: tag_dict(item.get("Tags")) for item in answer.get("TagDescriptions", [])}
    return found


def sweep(session: Session, cluster: str) -> None:
    """Take away what controllers have made, once none of them runs any more: nobody else would.

    Volumes stay: they hold data.
    """
    _end_instances(session, cluster)
    for balancer in load_balancers(session, cluster):
        if balancer.is_classic:
            session.call("elb", "delete_load_balancer", LoadBalancerName=balancer.name)
        else:
            _lift_protection(session, balancer.arn)
            session.call(
                "elbv2", "delete_load_balancer", missing=["LoadBalancerNotFound"], LoadBalancerArn=balancer.arn
            )
    for arn in _marked(session, cluster, "elasticloadbalancing:targetgroup"):
        session.call(
            "elbv2",
            "delete_target_group",
            retry_on=["ResourceInUse"],
            missing=["TargetGroupNotFound"],
            TargetGroupArn=arn,
        )
    _drop_templates(session, cluster)
    _drop_profiles(session, cluster)


def _marked(session: Session, cluster: str, kind: str) -> list[str]:
    """Return the ARNs of one type that bear a cluster's name in either of the two ways."""
    arns: set[str] = set()
    for key, value in ((LOAD_BALANCER_CLUSTER, cluster), (f"{CLUSTER_PREFIX}{cluster}", "owned")):
        found = session.pages(
            "resourcegroupstaggingapi",
            "get_resources",
            "ResourceTagMappingList",
            TagFilters=[{"Key": key, "Values": [value]}],
            ResourceTypeFilters=[kind],
        )
        arns |= {item["ResourceARN"] for item in found}
    return sorted(arns)


def _balancer_name(arn: str) -> str:
    """Return the name in ``.../app/NAME/ID``, ``.../net/NAME/ID`` or ``.../NAME``."""
    parts = arn.split("loadbalancer/", 1)[-1].split("/")
    return parts[1] if len(parts) > 1 else parts[0]


def _end_instances(session: Session, cluster: str) -> None:
    """Terminate, and wait: until they are gone their network interfaces hold subnets and security groups."""
    running = karpenter_instances(session, cluster)
    if not running:
        return
    missing = ["InvalidInstanceID.NotFound"]
    session.call("ec2", "terminate_instances", missing=missing, InstanceIds=running)
    end = time.monotonic() + _PATIENCE
    while _still_there(session, running):
        if time.monotonic() > end:
            raise EngineError(
                f"instances {', '.join(running)} of Karpenter aren't terminated after {_PATIENCE} seconds: look at "
                "them, then run this again"
            )
        time.sleep(_PAUSE)


def _still_there(session: Session, instances: Iterable[str]) -> bool:
    filters = [
        {"Name": "instance-id", "Values": list(instances)},
        {"Name": "instance-state-name", "Values": [*_ALIVE, "shutting-down"]},
    ]
    return bool(session.pages("ec2", "describe_instances", "Reservations", Filters=filters))


def _lift_protection(session: Session, arn: str) -> None:
    off = [{"Key": "deletion_protection.enabled", "Value": "false"}]
    missing = ["LoadBalancerNotFound"]
    found = session.call("elbv2", "describe_load_balancer_attributes", missing=missing, LoadBalancerArn=arn)
    if {"Key": "deletion_protection.enabled", "Value": "true"} in found.get("Attributes", []):
        session.call("elbv2", "modify_load_balancer_attributes", LoadBalancerArn=arn, Attributes=off)


def _drop_templates(session: Session, cluster: str) -> None:
    filters = [{"Name": f"tag:{KARPENTER_CLUSTER}", "Values": [cluster]}]
    for item in session.pages("ec2", "describe_launch_templates", "LaunchTemplates", Filters=filters):
        session.call(
            "ec2",
            "delete_launch_template",
            missing=["InvalidLaunchTemplateId.NotFound"],
            LaunchTemplateId=item["LaunchTemplateId"],
        )


def profile_path(session: Session, cluster: str) -> str:
    """Return the path of the instance profiles that Karpenter makes for a cluster."""
    return f"/karpenter/{session.region}/{cluster}/"


def _drop_profiles(session: Session, cluster: str) -> None:
    path = profile_path(session, cluster)
    for profile in session.pages("iam", "list_instance_profiles", "InstanceProfiles", PathPrefix=path):
        name = profile["InstanceProfileName"]
        for role in profile.get("Roles", []):
            session.call(
                "iam",
                "remove_role_from_instance_profile",
                missing=["NoSuchEntity"],
                InstanceProfileName=name,
                RoleName=role["RoleName"],
            )
        session.call("iam", "delete_instance_profile", missing=["NoSuchEntity"], InstanceProfileName=name)


def standing(session: Session, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return what EKS says of the clusters of these names that are there."""
    wanted = sorted({name for name in names if name})
    described = session.each(lambda name: _eks.describe_cluster(session, name), wanted)
    return {name: found for name, found in zip(wanted, described, strict=True) if found}


def tags_of(item: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags of anything of EC2; network interfaces have them under another name."""
    return tag_dict(item.get("Tags") or item.get("TagSet"))
