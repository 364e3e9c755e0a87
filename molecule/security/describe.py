# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints as JSON what a member of the organization sees of trails and GuardDuty, and what the archive has."""

from __future__ import annotations

import json
from typing import Any

import boto3

REGIONS = ("eu-central-1", "us-east-1")


def inside(accounts: dict[str, str], name: str) -> boto3.Session:
    """Return a session in an account."""
    role = f"arn:aws:iam::{accounts[name]}:role/OrganizationAccountAccessRole"
    made = boto3.client("sts", region_name=REGIONS[0]).assume_role(RoleArn=role, RoleSessionName="describe")
    found = made["Credentials"]
    return boto3.Session(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"], REGIONS[0])


def guardduty(session: boto3.Session, region: str) -> dict[str, str]:
    """Return the status of each feature of GuardDuty; nothing where it isn't switched on."""
    client = session.client("guardduty", region_name=region)
    for detector in client.list_detectors()["DetectorIds"]:
        features: list[dict[str, Any]] = client.get_detector(DetectorId=detector)["Features"]
        return {feature["Name"]: feature["Status"] for feature in features}
    return {}


def main() -> None:
    """Print it."""
    listed = boto3.client("organizations", region_name="us-east-1").list_accounts()["Accounts"]
    accounts = {account["Name"]: account["Id"] for account in listed}
    security, dev = inside(accounts, "security"), inside(accounts, "dev")
    trails = dev.client("cloudtrail").describe_trails()["trailList"]
    s3 = security.client("s3")
    buckets = sorted(bucket["Name"] for bucket in s3.list_buckets()["Buckets"])
    found = {
        "trails": [
            {
                "bucket": trail["S3BucketName"],
                "owner": trail["TrailARN"].split(":")[4],
                "logging": dev.client("cloudtrail").get_trail_status(Name=trail["TrailARN"])["IsLogging"],
                "encrypted": "KmsKeyId" in trail,
                "validated": trail["LogFileValidationEnabled"],
                "insights": trail["HasInsightSelectors"],
            }
            for trail in trails
        ],
        "management": accounts["management"],
        "guardduty": {region: guardduty(dev, region) for region in REGIONS},
        "buckets": buckets,
        "locked": [
            bucket
            for bucket in buckets
            if "Rule" in s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"]
        ],
        "delegated": [
            item["Name"]
            for item in boto3.client("organizations", region_name="us-east-1").list_delegated_administrators()[
                "DelegatedAdministrators"
            ]
        ],
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
