# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints what stands of an EKS cluster as JSON, as boto3 sees it: no collection has modules that tell."""

from __future__ import annotations

import json
import sys
from typing import Any

import boto3


def look(name: str, region: str) -> dict[str, Any]:
    """Return the cluster and everything in it; nothing where there is none."""
    eks = boto3.client("eks", region_name=region)
    if name not in eks.list_clusters()["clusters"]:
        return {}
    inside = {"clusterName": name}
    entries = [eks.describe_access_entry(principalArn=arn, **inside)["accessEntry"] for arn in _entries(eks, name)]
    for entry in entries:
        found = eks.list_associated_access_policies(principalArn=entry["principalArn"], **inside)
        entry["policies"] = found["associatedAccessPolicies"]
    pods = eks.list_pod_identity_associations(**inside)["associations"]
    return {
        "cluster": eks.describe_cluster(name=name)["cluster"],
        "addons": [
            eks.describe_addon(addonName=item, **inside)["addon"] for item in eks.list_addons(**inside)["addons"]
        ],
        "nodegroups": [
            eks.describe_nodegroup(nodegroupName=item, **inside)["nodegroup"]
            for item in eks.list_nodegroups(**inside)["nodegroups"]
        ],
        "entries": entries,
        "pods": [
            eks.describe_pod_identity_association(associationId=item["associationId"], **inside)["association"]
            for item in pods
        ],
        "fargate": [
            eks.describe_fargate_profile(fargateProfileName=item, **inside)["fargateProfile"]
            for item in eks.list_fargate_profiles(**inside)["fargateProfileNames"]
        ],
        "providers": [
            item["Arn"] for item in boto3.client("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"]
        ],
    }


def _entries(eks: Any, name: str) -> list[str]:
    return list(eks.list_access_entries(clusterName=name)["accessEntries"])


if __name__ == "__main__":
    sys.stdout.write(json.dumps(look(*sys.argv[1:]), default=str))
