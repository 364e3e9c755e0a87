# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints as JSON what an organization is, since no collection has a module that tells."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3

organizations = boto3.client("organizations", region_name="us-east-1")


def pages(operation: str, key: str, **parameters: str) -> list[dict[str, Any]]:
    """Return all items of a listing."""
    return list(organizations.get_paginator(operation).paginate(**parameters).build_full_result()[key])


def below(parent: str, path: str) -> Iterator[tuple[str, str]]:
    """Yield the id and path of each unit below a parent."""
    for unit in pages("list_organizational_units_for_parent", "OrganizationalUnits", ParentId=parent):
        name = f"{path}/{unit['Name']}".lstrip("/")
        yield unit["Id"], name
        yield from below(unit["Id"], name)


def main() -> None:
    """Print it."""
    root = pages("list_roots", "Roots")[0]
    units = dict(below(root["Id"], ""))
    policies = [
        policy
        for policy in pages("list_policies", "Policies", Filter="SERVICE_CONTROL_POLICY")
        if not policy["AwsManaged"]
    ]
    found = {
        "units": sorted(units.values()),
        "policy_types": sorted(item["Type"] for item in root["PolicyTypes"] if item["Status"] == "ENABLED"),
        "services": sorted(
            item["ServicePrincipal"]
            for item in pages("list_aws_service_access_for_organization", "EnabledServicePrincipals")
        ),
        "accounts": {
            account["Name"]: {
                "status": account["Status"],
                "email": account["Email"],
                "unit": units.get(pages("list_parents", "Parents", ChildId=account["Id"])[0]["Id"], ""),
                "tags": {
                    tag["Key"]: tag["Value"]
                    for tag in pages("list_tags_for_resource", "Tags", ResourceId=account["Id"])
                },
            }
            for account in pages("list_accounts", "Accounts")
        },
        "policies": {
            policy["Name"]: sorted(
                units.get(target["TargetId"], target["Name"])
                for target in pages("list_targets_for_policy", "Targets", PolicyId=policy["Id"])
            )
            for policy in policies
        },
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
