# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints as JSON who may do what where, and what has become of it in the accounts; no module tells."""

from __future__ import annotations

import json
from typing import Any

import boto3

REGION = "eu-central-1"
sso, store = (boto3.client(name, region_name=REGION) for name in ("sso-admin", "identitystore"))
accounts = {item["Name"]: item["Id"] for item in boto3.client("organizations").list_accounts()["Accounts"]}


def roles(account: str) -> dict[str, list[str]]:
    """Return the AWS managed policies of the roles that Identity Center made in an account, by name without suffix."""
    credentials: dict[str, str] = {}
    if account != boto3.client("sts").get_caller_identity()["Account"]:
        role = f"arn:aws:iam::{account}:role/OrganizationAccountAccessRole"
        made = boto3.client("sts").assume_role(RoleArn=role, RoleSessionName="verify")["Credentials"]
        credentials = {
            "aws_access_key_id": made["AccessKeyId"],
            "aws_secret_access_key": made["SecretAccessKey"],
            "aws_session_token": made["SessionToken"],
        }
    iam = boto3.client("iam", **credentials)
    found = iam.list_roles(PathPrefix=f"/aws-reserved/sso.amazonaws.com/{REGION}/")["Roles"]
    return {
        role["RoleName"].rpartition("_")[0]: sorted(
            policy["PolicyName"]
            for policy in iam.list_attached_role_policies(RoleName=role["RoleName"])["AttachedPolicies"]
        )
        for role in found
    }


def main() -> None:
    """Print it."""
    center = sso.list_instances()["Instances"][0]
    instance = {"InstanceArn": center["InstanceArn"]}
    groups = store.list_groups(IdentityStoreId=center["IdentityStoreId"])["Groups"]
    names = {group["GroupId"]: group["DisplayName"] for group in groups}
    sets: dict[str, Any] = {}
    for arn in sso.list_permission_sets(**instance)["PermissionSets"]:
        about = {"PermissionSetArn": arn, **instance}
        described = sso.describe_permission_set(**about)["PermissionSet"]
        sets[described["Name"]] = {
            "session": described["SessionDuration"],
            "who": {
                account: [
                    names[item["PrincipalId"]]
                    for item in sso.list_account_assignments(AccountId=number, **about)["AccountAssignments"]
                ]
                for account, number in accounts.items()
            },
        }
    rules = boto3.client("events", region_name=REGION).list_rules()["Rules"]
    print(
        json.dumps(
            {
                "groups": sorted(names.values()),
                "sets": sets,
                "roles": {account: roles(number) for account, number in accounts.items()},
                "rules": {rule["Name"]: rule["State"] for rule in rules},
            }
        )
    )


if __name__ == "__main__":
    main()
