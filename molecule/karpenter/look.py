# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints what stands in AWS for Karpenter as JSON, as boto3 sees it: no collection has modules that tell all of it."""

from __future__ import annotations

import json
import sys
from typing import Any

import boto3


def look(cluster: str, region: str) -> dict[str, Any]:
    """Return what the role made for a cluster, and what Karpenter did."""
    iam, path = boto3.client("iam"), f"/innovate/resources-karpenter-{cluster}/"
    ec2, eks, events, sqs = (boto3.client(name, region_name=region) for name in ("ec2", "eks", "events", "sqs"))
    inside = {"clusterName": cluster}
    clusters = eks.list_clusters()["clusters"]
    entries = eks.list_access_entries(**inside)["accessEntries"] if cluster in clusters else []
    pods = eks.list_pod_identity_associations(**inside)["associations"] if cluster in clusters else []
    policies = iam.list_policies(PathPrefix=path)["Policies"]
    queues = [url for url in sqs.list_queues().get("QueueUrls", []) if url.endswith(f"/{cluster}")]
    owned = [{"Name": f"tag:kubernetes.io/cluster/{cluster}", "Values": ["owned"]}]
    pooled = [*owned, {"Name": "tag-key", "Values": ["karpenter.sh/nodepool"]}]
    live = [{"Name": "instance-state-name", "Values": ["pending", "running", "shutting-down", "stopping"]}]
    reservations = ec2.describe_instances(Filters=[*pooled, *live])["Reservations"]
    instances = [instance for item in reservations for instance in item["Instances"]]
    disks = [disk["Ebs"]["VolumeId"] for item in instances for disk in item["BlockDeviceMappings"]]
    rules = events.list_rules(NamePrefix=f"karpenter-{cluster}-")["Rules"]
    return {
        "roles": [role["RoleName"] for role in iam.list_roles(PathPrefix=path)["Roles"]],
        "spot": [role["RoleName"] for role in iam.list_roles(PathPrefix="/aws-service-role/spot.")["Roles"]],
        "policies": {
            policy["PolicyName"]: iam.get_policy_version(PolicyArn=policy["Arn"], VersionId=policy["DefaultVersionId"])[
                "PolicyVersion"
            ]["Document"]["Statement"]
            for policy in policies
        },
        "entries": [
            eks.describe_access_entry(principalArn=arn, **inside)["accessEntry"] for arn in entries if path in arn
        ],
        "pods": [pod["serviceAccount"] for pod in pods if pod["namespace"] == "kube-system"],
        "queues": [sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"] for url in queues],
        "rules": {rule["Name"]: events.list_targets_by_rule(Rule=rule["Name"])["Targets"] for rule in rules},
        "instances": instances,
        "volumes": ec2.describe_volumes(VolumeIds=disks)["Volumes"] if disks else [],
        "templates": ec2.describe_launch_templates(Filters=pooled)["LaunchTemplates"],
        "profiles": [
            profile["InstanceProfileName"]
            for profile in iam.list_instance_profiles()["InstanceProfiles"]
            if profile["InstanceProfileName"].startswith(f"{cluster}_") or "/karpenter/" in profile["Path"]
        ],
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(look(*sys.argv[1:]), default=str))
