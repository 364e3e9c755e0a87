# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Security services of an organization. They are tried in the account that they are delegated to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3

from ansible_collections.innovate.platform.plugins.module_utils._engine.resource import Join, Ref, Resource
from ansible_collections.innovate.platform.plugins.module_utils._kinds._session import Session
from tests.contract.contract import Case

REGION = "eu-central-1"
HERE = {"region": REGION}
TRUSTED = ("cloudtrail.amazonaws.com", "config.amazonaws.com", "config-multiaccountsetup.amazonaws.com")
ONE_REGION = "what is in another Region is another thing: test_regional"
ADMINISTRATORS = ("security", "audit")


def organization(session: Session) -> dict[str, str]:
    """Have an organization with two accounts; return their ids by name."""
    session.call("organizations", "create_organization", FeatureSet="ALL")
    for service in TRUSTED:
        session.call("organizations", "enable_aws_service_access", ServicePrincipal=service)
    for name in ADMINISTRATORS:
        session.call("organizations", "create_account", AccountName=name, Email=f"aws+{name}@example.com")

    def made() -> dict[str, str] | None:
        found = session.pages("organizations", "list_accounts", "Accounts")
        return {item["Name"]: item["Id"] for item in found} if len(found) > len(ADMINISTRATORS) else None

    return session.awaited("the accounts", made)


def enter(session: Session, account: str) -> Session:
    """Return a session in another account."""
    role = f"arn:aws:iam::{account}:role/OrganizationAccountAccessRole"
    made = session.call("sts", "assume_role", RoleArn=role, RoleSessionName="contract")["Credentials"]
    endpoint = session.client("sts").meta.endpoint_url

    def connect(service: str, region: str) -> Any:
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=endpoint,
            aws_access_key_id=made["AccessKeyId"],
            aws_secret_access_key=made["SecretAccessKey"],
            aws_session_token=made["SessionToken"],
        )

    return Session(connect, account, session.region, session.partition)


def undelegated(session: Session) -> None:
    """Have an organization in which nothing is delegated."""
    organization(session)


def delegated(*services: tuple[str, str, dict[str, str]]) -> Callable[[Session], Session]:
    """Return what has services delegated to the account ``security``, and goes there."""

    def prepare(session: Session) -> Session:
        account = organization(session)["security"]
        for service, operation, members in services:
            given = {name: value.format(account=account) for name, value in members.items()}
            session.call(service, operation, **given)
        return enter(session, account)

    return prepare


CLOUDTRAIL = ("cloudtrail", "register_organization_delegated_admin", {"MemberAccountId": "{account}"})
GUARDDUTY = ("guardduty", "enable_organization_admin_account", {"AdminAccountId": "{account}"})


def trail_bucket(name: str) -> Resource:
    """Return a bucket that CloudTrail may write into."""
    arn = f"arn:aws:s3:::{name}"
    principal = {"Service": "cloudtrail.amazonaws.com"}
    statements = [
        {"Effect": "Allow", "Principal": principal, "Action": "s3:GetBucketAcl", "Resource": arn},
        {"Effect": "Allow", "Principal": principal, "Action": "s3:PutObject", "Resource": f"{arn}/*"},
    ]
    policy = {"Version": "2012-10-17", "Statement": statements}
    return Resource("s3_bucket", name.rpartition("-")[2], {"bucket": name, "policy": policy})


def trail_key(name: str) -> Resource:
    """Return a key that CloudTrail may encrypt with."""
    own = {"AWS": Join(("arn:aws:iam::", Ref("organization_accounts_lookup.security", "account_id"), ":root"))}
    statements = [
        {"Effect": "Allow", "Principal": own, "Action": "kms:*", "Resource": "*"},
        {
            "Effect": "Allow",
            "Principal": {"Service": "cloudtrail.amazonaws.com"},
            "Action": "kms:GenerateDataKey*",
            "Resource": "*",
        },
    ]
    return Resource("kms_key", name, {"policy": {"Version": "2012-10-17", "Statement": statements}})


def recorded(*categories: str) -> list[dict[str, Any]]:
    """Return advanced event selectors."""
    return [
        {"name": category, "field_selectors": [{"field": "eventCategory", "equals": [category]}]}
        for category in categories
    ]


def feature(name: str, value: str, **more: str) -> dict[str, Any]:
    """Return a feature of GuardDuty; ``value`` is a status, or which accounts have it."""
    member = "status" if value in ("ENABLED", "DISABLED") else "auto_enable"
    several = [{"name": key, member: item} for key, item in more.items()]
    return {"name": name, member: value, **({"additional_configuration": several} if several else {})}


DETECTOR = Resource("guardduty_detector", "own", HERE)
SECURITY = Resource("organization_accounts_lookup", "security", {"target": "security"})

CASES = [
    Case(
        "service_organization_admin",
        {**HERE, "service": "guardduty", "account_id": Ref("organization_accounts_lookup.security", "account_id")},
        needs=(SECURITY, Resource("organization_accounts_lookup", "audit", {"target": "audit"})),
        immutable={"account_id": Ref("organization_accounts_lookup.audit", "account_id")},
        unchanged={"region": ONE_REGION, "service": "another service is another thing"},
        prepare=undelegated,
    ),
    Case(
        "service_organization_admin",
        {**HERE, "service": "cloudtrail", "account_id": Ref("organization_accounts_lookup.security", "account_id")},
        needs=(SECURITY,),
        prepare=undelegated,
        label="cloudtrail",
    ),
    Case(
        "cloudtrail_trail",
        {
            "name": "contract",
            "s3_bucket_name": Ref("s3_bucket.one"),
            "s3_key_prefix": "a",
            "is_organization_trail": True,
            "kms_key_id": Ref("kms_key.one", "arn"),
            "insight_types": ["ApiCallRateInsight"],
        },
        needs=(
            SECURITY,
            trail_bucket("contract-trail-one"),
            trail_bucket("contract-trail-two"),
            trail_key("one"),
            trail_key("two"),
        ),
        mutable={
            "s3_bucket_name": Ref("s3_bucket.two"),
            "s3_key_prefix": "b",
            "is_multi_region_trail": False,
            "enable_log_file_validation": False,
            "kms_key_id": Ref("kms_key.two", "arn"),
            "advanced_event_selectors": recorded("Management", "NetworkActivity"),
            "insight_types": ["ApiCallRateInsight", "ApiErrorRateInsight"],
            "is_logging": False,
        },
        immutable={"name": "contract-2"},
        unchanged={
            "is_organization_trail": "what an account alone has, another case has: the owner would be another one",
        },
        prepare=delegated(CLOUDTRAIL),
    ),
    Case(
        "cloudtrail_trail",
        {"name": "contract-alone", "s3_bucket_name": Ref("s3_bucket.alone"), "is_multi_region_trail": False},
        needs=(trail_bucket("contract-trail-alone"),),
        mutable={"include_global_service_events": False},
        label="alone",
    ),
    Case(
        "guardduty_detector",
        {
            **HERE,
            "features": [
                feature("EKS_AUDIT_LOGS", "ENABLED"),
                feature("RUNTIME_MONITORING", "ENABLED", EKS_ADDON_MANAGEMENT="ENABLED"),
            ],
        },
        mutable={
            "enable": False,
            "finding_publishing_frequency": "ONE_HOUR",
            "features": [feature("RUNTIME_MONITORING", "DISABLED", EKS_ADDON_MANAGEMENT="DISABLED")],
        },
        unchanged={"region": ONE_REGION},
    ),
    Case(
        "guardduty_organization_configuration",
        {
            **HERE,
            "detector_id": Ref("guardduty_detector.own"),
            "features": [
                feature("S3_DATA_EVENTS", "ALL"),
                feature("RUNTIME_MONITORING", "ALL", EKS_ADDON_MANAGEMENT="ALL"),
            ],
        },
        needs=(DETECTOR,),
        mutable={
            "auto_enable_organization_members": "NONE",
            "features": [feature("S3_DATA_EVENTS", "NONE"), feature("RDS_LOGIN_EVENTS", "NEW")],
        },
        unchanged={"region": ONE_REGION, "detector_id": "an account has one detector in a Region"},
        prepare=delegated(GUARDDUTY),
    ),
]
