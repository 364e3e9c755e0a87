# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The resources of an account's baseline."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._engine.resource import Ref, Resource
from .._kinds._regional import REGION_NAME
from .boundary import boundary_document

STACK = "account-baseline"
PATH = f"/innovate/{STACK}/"

_OWN = "organization_lookup.own"
_ALIAS = re.compile(r"[a-z0-9](?:[a-z0-9]|-(?!-)){1,61}[a-z0-9]")
_MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_TOPIC = re.compile(r"arn:aws[\w-]*:sns:[a-z0-9-]+:\d{12}:[\w-]{1,256}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ROLE = re.compile(r"[\w+=,.@-]{1,64}")
_MOST_POLICY = 6144
_SHARING = "/ssm/documents/console/public-sharing-permission"
_HOST_MANAGEMENT = "/ssm/managed-instance/default-ec2-instance-management-role"
_FREQUENCIES = ("One_Hour", "Three_Hours", "Six_Hours", "Twelve_Hours", "TwentyFour_Hours")


@dataclass(frozen=True)
class Recording:
    """What AWS Config records, and where it delivers to.

    :param bucket: its name; it may be another account's.
    :param global_region: the Region in which what belongs to none is recorded; empty for the first.
    """

    bucket: str
    prefix: str = ""
    kms_key_arn: str = ""
    sns_topic_arn: str = ""
    frequency: str = "CONTINUOUS"
    delivery_frequency: str = "TwentyFour_Hours"
    global_region: str = ""


@dataclass(frozen=True)
class Notice:
    """When somebody is told of the costs: at so many percent of the budget.

    :param forecasted: of what the month will come to, rather than of what it has.
    """

    percent: float
    forecasted: bool = False
    emails: Sequence[str] = ()
    sns_topic_arn: str = ""


@dataclass(frozen=True)
class Spending:
    """A budget.

    :param amount: a month, in US dollars.
    """

    amount: float
    notices: Sequence[Notice] = ()
    name: str = "account"


@dataclass(frozen=True)
class Deployer:
    """The role that playbooks deploy with.

    :param policies: policy documents, each attached as a managed policy of its own.
    :param principals: ARNs of who may assume it; none for whoever in the management account has leave to.
    :param protected_roles: names of further roles that it can't change.
    """

    name: str = "innovate-deploy"
    policies: Sequence[Any] = ()
    managed_policies: Sequence[str] = ()
    principals: Sequence[str] = ()
    protected_roles: Sequence[str] = ()
    session_seconds: int = 3600


@dataclass(frozen=True)
class Baseline:
    """What the module ``account_baseline`` was told.

    :param keep_default_vpcs: Regions whose default VPC stays.
    """

    regions: Sequence[str]
    alias: str = ""
    keep_default_vpcs: Sequence[str] = ()
    snapshot_sharing: str = "block-all-sharing"
    metadata_hop_limit: int = 2
    password_policy: Mapping[str, Any] = field(default_factory=dict)
    host_management_role: str = ""
    analyzer: str = "account"
    recording: Recording | None = None
    spending: Spending | None = None
    deployer: Deployer | None = None


def problems_of(baseline: Baseline) -> list[str]:
    """Return every mistake in what was asked for."""
    return [
        *_wrong_regions(baseline),
        *_wrong_names(baseline),
        *_wrong_recording(baseline),
        *_wrong_spending(baseline),
        *_wrong_deployer(baseline),
    ]


def account_baseline_resources(baseline: Baseline) -> tuple[list[Resource], list[str], dict[str, Any]]:
    """Return the resources, what is wrong with the parameters, and the module's outputs."""
    problems = problems_of(baseline)
    if problems:
        return [], problems, {}
    regions = list(baseline.regions)
    resources = [Resource("organization_lookup", "own", {"name": "own"}), *_of_account(baseline)]
    for region in regions:
        resources += _of_region(baseline, region)
    outputs: dict[str, Any] = {
        "ebs_kms_key_arns": {region: Ref(f"kms_key.ebs-{region}", "arn") for region in regions},
        "deploy_role_arn": Ref("iam_role.deploy", "arn") if baseline.deployer else None,
    }
    return resources, [], outputs


def _of_account(baseline: Baseline) -> Iterator[Resource]:
    yield Resource("s3_account_public_access_block", "own", {})
    yield Resource("iam_password_policy", "own", dict(baseline.password_policy))
    if baseline.alias:
        yield Resource("iam_account_alias", "own", {"account_alias": baseline.alias})
    if baseline.recording:
        yield Resource("iam_service_linked_role", "config", {"aws_service_name": "config.amazonaws.com"})
    if baseline.spending:
        spending = baseline.spending
        notifications = [_notification(item) for item in spending.notices]
        properties = {"budget_name": spending.name, "amount": spending.amount, "notifications": notifications}
        yield Resource("budget", "own", properties)
    if baseline.deployer:
        yield from _of_deployer(baseline.deployer)


def _of_region(baseline: Baseline, region: str) -> Iterator[Resource]:
    here = {"region": region}
    yield Resource("ec2_default_vpc", region, {**here, "present": region in baseline.keep_default_vpcs})
    yield Resource(
        "ec2_account_settings",
        region,
        {
            **here,
            "snapshot_block_public_access": baseline.snapshot_sharing,
            "instance_metadata_defaults": {
                "http_tokens": "required",
                "http_put_response_hop_limit": baseline.metadata_hop_limit,
            },
        },
    )
    key = f"ebs-{region}"
    yield Resource(
        "kms_key", key, {**here, "description": "New EBS volumes of this account", "policy": _volume_key_policy(region)}
    )
    yield Resource(
        "kms_alias", key, {**here, "alias_name": "alias/innovate-ebs", "target_key_id": Ref(f"kms_key.{key}")}
    )
    yield Resource("ebs_default_encryption", region, {**here, "kms_key_id": Ref(f"kms_key.{key}", "arn")})
    settings = {"document-sharing": (_SHARING, "Disable")}
    if baseline.host_management_role:
        settings["host-management"] = (_HOST_MANAGEMENT, baseline.host_management_role)
    for name, (setting, value) in settings.items():
        properties = {**here, "setting_id": setting, "setting_value": value}
        yield Resource("ssm_service_setting", f"{name}-{region}", properties)
    if baseline.analyzer:
        yield Resource("access_analyzer", region, {**here, "analyzer_name": baseline.analyzer})
    if baseline.recording:
        yield from _of_recording(baseline.recording, region, baseline.recording.global_region or baseline.regions[0])


def _of_recording(recording: Recording, region: str, global_region: str) -> Iterator[Resource]:
    here = {"region": region}
    yield Resource(
        "config_recorder",
        region,
        {
            **here,
            "role_arn": Ref("iam_service_linked_role.config", "arn"),
            # Users, roles and policies would be recorded, and paid for, once in each Region.
            "recording_group": {"all_supported": True, "include_global_resource_types": region == global_region},
            "recording_mode": {"recording_frequency": recording.frequency},
        },
    )
    yield Resource(
        "config_delivery_channel",
        region,
        {
            **here,
            "configuration_recorder_name": Ref(f"config_recorder.{region}", "name"),
            "s3_bucket_name": recording.bucket,
            "s3_key_prefix": recording.prefix,
            "s3_kms_key_arn": recording.kms_key_arn,
            "sns_topic_arn": recording.sns_topic_arn,
            "delivery_frequency": recording.delivery_frequency,
        },
    )


def _of_deployer(deployer: Deployer) -> Iterator[Resource]:
    boundary = boundary_document(deployer.name, PATH, deployer.protected_roles)
    yield Resource(
        "iam_policy",
        "deploy-boundary",
        {
            "policy_name": f"{deployer.name}-boundary",
            "path": PATH,
            "policy_document": boundary,
            "description": "What the deploy role may never do",
        },
    )
    numbers = range(1, len(deployer.policies) + 1)
    for number, document in zip(numbers, deployer.policies, strict=True):
        properties = {"policy_name": f"{deployer.name}-{number}", "path": PATH, "policy_document": document}
        yield Resource("iam_policy", f"deploy-{number}", properties)
    principals: list[Any] = list(deployer.principals) or [Ref(_OWN, "management_account_principal")]
    trust = {"Effect": "Allow", "Principal": {"AWS": principals}, "Action": "sts:AssumeRole"}
    yield Resource(
        "iam_role",
        "deploy",
        {
            "role_name": deployer.name,
            # Modules find it by its name alone.
            "path": "/",
            "description": "Deploys the platform, within its boundary",
            "max_session_duration": deployer.session_seconds,
            "permissions_boundary": Ref("iam_policy.deploy-boundary", "arn"),
            "assume_role_policy_document": {"Version": "2012-10-17", "Statement": [trust]},
            "managed_policy_arns": [
                *deployer.managed_policies,
                *(Ref(f"iam_policy.deploy-{number}", "arn") for number in numbers),
            ],
        },
    )


def _notification(notice: Notice) -> dict[str, Any]:
    subscribers = [{"subscription_type": "EMAIL", "address": address} for address in notice.emails]
    if notice.sns_topic_arn:
        subscribers.append({"subscription_type": "SNS", "address": notice.sns_topic_arn})
    return {
        "notification_type": "FORECASTED" if notice.forecasted else "ACTUAL",
        "comparison_operator": "GREATER_THAN",
        "threshold": notice.percent,
        "threshold_type": "PERCENTAGE",
        "subscribers": subscribers,
    }


def _volume_key_policy(region: str) -> dict[str, Any]:
    """Return what AWS's own key for volumes has: who makes volumes in this account may encrypt them.

    Auto Scaling and the node groups of EKS start instances by roles of their own, which would need a grant each
    (https://docs.aws.amazon.com/autoscaling/ec2/userguide/key-policy-requirements-EBS-encryption.html).
    """
    through_ec2 = {
        "StringEquals": {
            "kms:CallerAccount": Ref(_OWN, "account_id"),
            "kms:ViaService": f"ec2.{region}.{'amazonaws.com.cn' if region.startswith('cn-') else 'amazonaws.com'}",
        }
    }
    using = [
        "kms:CreateGrant",
        "kms:Decrypt",
        "kms:DescribeKey",
        "kms:Encrypt",
        "kms:GenerateDataKey*",
        "kms:ReEncrypt*",
    ]
    everybody: dict[str, Any] = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Resource": "*"}
    own = {"AWS": Ref(_OWN, "account_principal")}
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": own, "Action": "kms:*", "Resource": "*"},
            {**everybody, "Action": using, "Condition": through_ec2},
        ],
    }


def _wrong_regions(baseline: Baseline) -> Iterator[str]:
    if not baseline.regions:
        yield "regions is empty: name every Region that is enabled in the account"
    for region, times in Counter(baseline.regions).items():
        if not REGION_NAME.fullmatch(region):
            yield f"regions: {region!r} is not a Region's name such as eu-central-1"
        elif times > 1:
            yield f"regions: {region} is named {times} times: name it once"
    for region in baseline.keep_default_vpcs:
        if region not in baseline.regions:
            yield f"keep_default_vpcs: {region} is not among the regions: add it there, or take it out here"


def _wrong_names(baseline: Baseline) -> Iterator[str]:
    if baseline.alias and (not _ALIAS.fullmatch(baseline.alias) or baseline.alias.isdigit()):
        yield (
            f"alias {baseline.alias!r} can't be an account's alias: use 3 to 63 lower-case letters, digits and single "
            "hyphens, not only digits"
        )
    if not 1 <= baseline.metadata_hop_limit <= 64:
        yield f"metadata_hop_limit {baseline.metadata_hop_limit} is not between 1 and 64"
    if baseline.host_management_role.startswith("arn:"):
        yield (
            f"host_management_role {baseline.host_management_role!r} is an ARN: name the role with its path, such as "
            "service-role/AWSSystemsManagerDefaultEC2InstanceManagementRole"
        )
    policy = baseline.password_policy
    length, age = policy.get("minimum_password_length"), policy.get("max_password_age")
    if isinstance(length, int) and not 6 <= length <= 128:
        yield f"password_policy: minimum_password_length {length} is not between 6 and 128"
    if isinstance(age, int) and not 0 <= age <= 1095:
        yield f"password_policy: max_password_age {age} is not between 0 and 1095 days"
    if policy.get("hard_expiry") and age == 0:
        yield "password_policy: hard_expiry means nothing where passwords don't expire: give a max_password_age"


def _wrong_recording(baseline: Baseline) -> Iterator[str]:
    recording = baseline.recording
    if recording is None:
        return
    if not _BUCKET.fullmatch(recording.bucket):
        yield f"config: bucket {recording.bucket!r} can't be the name of a bucket"
    if recording.prefix.startswith("/") or recording.prefix.endswith("/"):
        yield f"config: prefix {recording.prefix!r} begins or ends with a slash, which AWS Config adds by itself"
    if recording.sns_topic_arn and not _TOPIC.fullmatch(recording.sns_topic_arn):
        yield f"config: sns_topic_arn {recording.sns_topic_arn!r} is not the ARN of a topic"
    if recording.kms_key_arn and ":key/" not in recording.kms_key_arn:
        yield f"config: kms_key_arn {recording.kms_key_arn!r} is not the ARN of a key: AWS Config takes no alias"
    if recording.delivery_frequency not in _FREQUENCIES:
        yield f"config: delivery_frequency {recording.delivery_frequency!r} is not one of {', '.join(_FREQUENCIES)}"
    if recording.global_region and recording.global_region not in baseline.regions:
        yield f"config: global_region {recording.global_region} is not among the regions"


def _wrong_spending(baseline: Baseline) -> Iterator[str]:
    spending = baseline.spending
    if spending is None:
        return
    if spending.amount <= 0:
        yield f"budget: amount {spending.amount:g} is not more than 0"
    if not spending.notices:
        yield "budget: nobody is told when it is used up: give it notifications"
    if len(spending.notices) > 10:
        yield f"budget: {len(spending.notices)} notifications are more than the 10 that a budget has"
    marks = Counter((notice.percent, notice.forecasted) for notice in spending.notices)
    for (percent, forecasted), times in marks.items():
        if times > 1:
            what = "forecasted" if forecasted else "actual"
            yield f"budget: {times} notifications at {percent:g} % of {what} costs: put their addresses into one"
    for notice in spending.notices:
        name = f"budget: the notification at {notice.percent:g} %"
        if not 0 < notice.percent <= 1000:
            yield f"{name} is not between 0 and 1000"
        if not notice.emails and not notice.sns_topic_arn:
            yield f"{name} tells nobody: give it emails or an sns_topic_arn"
        if len(notice.emails) > 10:
            yield f"{name} has {len(notice.emails)} addresses: AWS takes 10, so use a mailing list"
        for address in notice.emails:
            if not _MAIL.fullmatch(address):
                yield f"{name}: {address!r} is not an e-mail address"
        if notice.sns_topic_arn and not _TOPIC.fullmatch(notice.sns_topic_arn):
            yield f"{name}: {notice.sns_topic_arn!r} is not the ARN of a topic"


def _wrong_deployer(baseline: Baseline) -> Iterator[str]:
    deployer = baseline.deployer
    if deployer is None:
        return
    if not _ROLE.fullmatch(deployer.name):
        yield f"deploy_role: {deployer.name!r} can't be the name of a role"
    if not 3600 <= deployer.session_seconds <= 43200:
        yield f"deploy_role: session_seconds {deployer.session_seconds} is not between 3600 and 43200"
    if len(deployer.policies) + len(deployer.managed_policies) > 10:
        number = len(deployer.policies) + len(deployer.managed_policies)
        yield f"deploy_role: {number} policies are more than the 10 that a role can have: merge some"
    for number, document in enumerate(deployer.policies, 1):
        if not isinstance(document, Mapping):
            yield f"deploy_role: policy {number} is not a policy document"
            continue
        size = len(json.dumps(document, separators=(",", ":")))
        if size > _MOST_POLICY:
            yield f"deploy_role: policy {number} has {size} characters, and AWS takes {_MOST_POLICY}: split it"
    for arn in (*deployer.principals, *deployer.managed_policies):
        if not arn.startswith("arn:"):
            yield f"deploy_role: {arn!r} is not an ARN"
    if "*" in deployer.principals:
        yield "deploy_role: principals has '*', by which anybody could deploy: name who may"
