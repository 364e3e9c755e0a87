# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CloudTrail's trails, those of the whole organization included, and who administers them.

https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/

An organization's trail belongs to the management account, also where a delegated administrator makes it; members see
it and can't change it. Nothing is written to buckets, but bucket and key have to let CloudTrail in:
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-s3-bucket-policy-for-cloudtrail.html
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from moto.kms.models import kms_backends
from moto.s3.models import s3_backends

from rehearsal.emulator.errors import AwsError
from rehearsal.emulator.registry import Call, operation
from rehearsal.emulator.services import organizations, policies, tagging
from rehearsal.emulator.world import MANAGEMENT_ACCOUNT, World

SERVICE = "cloudtrail"
PRINCIPAL = "cloudtrail.amazonaws.com"
MOST_ADMINISTRATORS = 3
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,126}[A-Za-z0-9]")
_DEFAULT_SELECTORS = [{"ReadWriteType": "All", "IncludeManagementEvents": True, "DataResources": []}]


@dataclass
class Trail:
    """A trail. ``members`` are those of CreateTrail that it was made with or updated to."""

    name: str
    account: str
    region: str
    members: dict[str, Any]
    tags: dict[str, str] = field(default_factory=dict)
    logging: bool = False
    started: datetime.datetime | None = None
    stopped: datetime.datetime | None = None
    selectors: list[dict[str, Any]] = field(default_factory=lambda: [dict(item) for item in _DEFAULT_SELECTORS])
    advanced: list[dict[str, Any]] = field(default_factory=list)
    insights: list[dict[str, Any]] = field(default_factory=list)

    @property
    def arn(self) -> str:
        """The ARN, with the account that owns it."""
        return f"arn:aws:cloudtrail:{self.region}:{self.account}:trail/{self.name}"

    @property
    def of_organization(self) -> bool:
        """Whether it is about all accounts."""
        return bool(self.members.get("IsOrganizationTrail"))

    def view(self) -> dict[str, Any]:
        """As DescribeTrails shows it."""
        members = {name: value for name, value in self.members.items() if value not in (None, "")}
        members["LogFileValidationEnabled"] = members.pop("EnableLogFileValidation", False)
        return {
            "IncludeGlobalServiceEvents": True,
            "IsMultiRegionTrail": False,
            "IsOrganizationTrail": False,
            **members,
            "Name": self.name,
            "TrailARN": self.arn,
        }


def _trails(world: World) -> Iterator[Trail]:
    for _account, _region, found in world.stores("cloudtrail-trails"):
        yield from found.values()


def administrators(world: World) -> set[str]:
    """The accounts that administer the organization's trails."""
    organization = organizations.current(world)
    delegated = organization.admins.items() if organization else ()
    return {MANAGEMENT_ACCOUNT, *(account for account, services in delegated if PRINCIPAL in services)}


def _visible(call: Call, trail: Trail) -> bool:
    organization = organizations.current(call.world)
    member = organization is not None and call.account in organization.nodes
    return trail.account == call.account or (trail.of_organization and member)


def _trail(call: Call, name: str, *, changing: bool = False) -> Trail:
    if not name.startswith("arn:") and not _NAME.fullmatch(name):
        raise AwsError("InvalidTrailNameException", f"Trail name {name} is not valid.")
    for trail in _trails(call.world):
        if _visible(call, trail) and name in (trail.arn, trail.name if trail.region == call.region else ""):
            _may_change(call, trail, changing)
            if changing and trail.region != call.region:
                message = f"The home region of trail {trail.name} is {trail.region}."
                raise AwsError("InvalidHomeRegionException", message)
            return trail
    raise AwsError("TrailNotFoundException", f"Unknown trail: {name} for the user: {call.account}")


def _may_change(call: Call, trail: Trail, changing: bool) -> None:
    if changing and trail.of_organization and call.account not in administrators(call.world):
        message = "Only the management account or a delegated administrator can change the organization's trail."
        raise AwsError("NotOrganizationMasterAccountException", message)


def _require_organization(call: Call) -> str:
    organization = organizations.current(call.world)
    if organization is None or call.account not in organization.nodes:
        raise AwsError("OrganizationsNotInUseException", "The account isn't a member of an organization.")
    if call.account not in administrators(call.world):
        message = "You must be the management account or a delegated administrator of the organization."
        raise AwsError("NotOrganizationMasterAccountException", message)
    if PRINCIPAL not in organization.services:
        message = "CloudTrail has no trusted access to the organization: enable it for cloudtrail.amazonaws.com."
        raise AwsError("CloudTrailAccessNotEnabledException", message)
    return organization.id


def _require_bucket(trail: Trail, organization: str) -> None:
    name = trail.members["S3BucketName"]
    partition, owner = s3_backends.bucket_accounts.get(name, ("aws", ""))
    if not owner:
        raise AwsError("S3BucketDoesNotExistException", f"S3 bucket {name} does not exist!")
    policy = s3_backends[owner][partition].buckets[name].policy
    prefix = f"{trail.members['S3KeyPrefix']}/" if trail.members.get("S3KeyPrefix") else ""
    context = {"aws:SourceArn": trail.arn, "aws:SourceAccount": trail.account, "aws:SecureTransport": "true"}
    if organization:
        context["aws:SourceOrgID"] = organization
    writing = {**context, "s3:x-amz-acl": "bucket-owner-full-control"}
    paths = [f"AWSLogs/{trail.account}/", *([f"AWSLogs/{organization}/"] if organization else [])]
    bucket = f"arn:aws:s3:::{name}"
    text = policy.decode() if isinstance(policy, bytes) else policy
    if not policies.allows(text, PRINCIPAL, "s3:GetBucketAcl", bucket, context) or not all(
        policies.allows(text, PRINCIPAL, "s3:PutObject", f"{bucket}/{prefix}{path}x", writing) for path in paths
    ):
        message = f"Incorrect S3 bucket policy is detected for bucket: {name}"
        raise AwsError("InsufficientS3BucketPolicyException", message)


def _require_key(trail: Trail) -> None:
    arn = trail.members.get("KmsKeyId")
    if not arn:
        return
    parts = arn.split(":")
    if len(parts) < 6:
        raise AwsError("InvalidKmsKeyIdException", f"{arn} is not the ARN of a key.")
    keys = kms_backends[parts[4]][parts[3]].keys
    key = keys.get(parts[5].partition("/")[2])
    if key is None:
        raise AwsError("KmsKeyNotFoundException", f"Key {arn} does not exist.")
    if not key.enabled:
        raise AwsError("KmsKeyDisabledException", f"Key {arn} is disabled.")
    context = {
        "aws:SourceArn": trail.arn,
        "aws:SourceAccount": trail.account,
        "kms:EncryptionContext:aws:cloudtrail:arn": trail.arn,
    }
    if not policies.allows(key.policy, PRINCIPAL, "kms:GenerateDataKey", key.arn, context):
        message = f"Insufficient permissions to access S3 bucket {trail.members['S3BucketName']} or KMS key {arn}."
        raise AwsError("InsufficientEncryptionPolicyException", message)


def _require_sound(call: Call, trail: Trail) -> None:
    if trail.members.get("IsMultiRegionTrail") and trail.members.get("IncludeGlobalServiceEvents") is False:
        message = "Multi-Region trail must include global service events."
        raise AwsError("InvalidParameterCombinationException", message)
    organization = _require_organization(call) if trail.of_organization else ""
    _require_bucket(trail, organization)
    _require_key(trail)


@operation(SERVICE, "CreateTrail")
def create_trail(call: Call) -> dict[str, Any]:
    """A trail, which records nothing yet."""
    if not _NAME.fullmatch(call["Name"]):
        raise AwsError("InvalidTrailNameException", f"Trail name {call['Name']} is not valid.")
    members = {name: value for name, value in call.params.items() if name not in ("Name", "TagsList")}
    owner = MANAGEMENT_ACCOUNT if call.get("IsOrganizationTrail") else call.account
    tags = {tag["Key"]: tag.get("Value", "") for tag in call.get("TagsList", [])}
    trail = Trail(call["Name"], owner, call.region, members, tags)
    _require_sound(call, trail)
    there: dict[str, Trail] = call.world.store("cloudtrail-trails", owner, call.region, dict)
    if trail.name in there:
        message = f"Trail {trail.name} already exists for customer: {owner}"
        raise AwsError("TrailAlreadyExistsException", message)
    there[trail.name] = trail
    return trail.view()


@operation(SERVICE, "UpdateTrail")
def update_trail(call: Call) -> dict[str, Any]:
    """What isn't given stays."""
    trail = _trail(call, call["Name"], changing=True)
    given = {name: value for name, value in call.params.items() if name != "Name"}
    changed = Trail(trail.name, trail.account, trail.region, {**trail.members, **given})
    _require_sound(call, changed)
    trail.members = changed.members
    return trail.view()


@operation(SERVICE, "DeleteTrail")
def delete_trail(call: Call) -> dict[str, Any]:
    """A trail less; its files stay."""
    trail = _trail(call, call["Name"], changing=True)
    there: dict[str, Trail] = call.world.store("cloudtrail-trails", trail.account, trail.region, dict)
    del there[trail.name]
    return {}


@operation(SERVICE, "DescribeTrails")
def describe_trails(call: Call) -> dict[str, Any]:
    """The trails that are about this Region; shadows are those whose home is another one or another account's."""
    shadows = call.get("includeShadowTrails", True)
    named = call.get("trailNameList")
    found = [
        trail
        for trail in _trails(call.world)
        if _visible(call, trail)
        and (trail.region == call.region or (trail.members.get("IsMultiRegionTrail") and shadows))
        and (trail.account == call.account or shadows)
        and (not named or trail.name in named or trail.arn in named)
    ]
    return {"trailList": [_described(trail) for trail in found]}


def _described(trail: Trail) -> dict[str, Any]:
    return {
        **trail.view(),
        "HomeRegion": trail.region,
        "HasCustomEventSelectors": bool(trail.advanced) or trail.selectors != _DEFAULT_SELECTORS,
        "HasInsightSelectors": bool(trail.insights),
    }


@operation(SERVICE, "GetTrail")
def get_trail(call: Call) -> dict[str, Any]:
    """One trail."""
    return {"Trail": _described(_trail(call, call["Name"]))}


@operation(SERVICE, "ListTrails")
def list_trails(call: Call) -> dict[str, Any]:
    """The names of all trails that the account sees."""
    found = [trail for trail in _trails(call.world) if _visible(call, trail)]
    return {"Trails": [{"TrailARN": item.arn, "Name": item.name, "HomeRegion": item.region} for item in found]}


@operation(SERVICE, "GetTrailStatus")
def get_trail_status(call: Call) -> dict[str, Any]:
    """Whether it records."""
    trail = _trail(call, call["Name"])
    times = {"StartLoggingTime": trail.started, "StopLoggingTime": trail.stopped}
    return {"IsLogging": trail.logging, **{name: value for name, value in times.items() if value is not None}}


@operation(SERVICE, "StartLogging")
def start_logging(call: Call) -> dict[str, Any]:
    """Record."""
    trail = _trail(call, call["Name"], changing=True)
    trail.logging, trail.started = True, datetime.datetime.now(datetime.UTC)
    return {}


@operation(SERVICE, "StopLogging")
def stop_logging(call: Call) -> dict[str, Any]:
    """Record no more."""
    trail = _trail(call, call["Name"], changing=True)
    trail.logging, trail.stopped = False, datetime.datetime.now(datetime.UTC)
    return {}


@operation(SERVICE, "PutEventSelectors")
def put_event_selectors(call: Call) -> dict[str, Any]:
    """Either kind of selectors takes the other's place."""
    trail = _trail(call, call["TrailName"], changing=True)
    basic, advanced = call.get("EventSelectors", []), call.get("AdvancedEventSelectors", [])
    if bool(basic) == bool(advanced):
        message = "Give either event selectors or advanced event selectors."
        raise AwsError("InvalidEventSelectorsException", message)
    for selector in advanced:
        if not any(item["Field"] == "eventCategory" for item in selector["FieldSelectors"]):
            message = "An advanced event selector needs the field eventCategory."
            raise AwsError("InvalidEventSelectorsException", message)
    trail.selectors, trail.advanced = basic, advanced
    return _selectors(trail)


def _selectors(trail: Trail) -> dict[str, Any]:
    told = {"AdvancedEventSelectors": trail.advanced} if trail.advanced else {"EventSelectors": trail.selectors}
    return {"TrailARN": trail.arn, **told}


@operation(SERVICE, "GetEventSelectors")
def get_event_selectors(call: Call) -> dict[str, Any]:
    """What is recorded."""
    return _selectors(_trail(call, call["TrailName"]))


@operation(SERVICE, "PutInsightSelectors")
def put_insight_selectors(call: Call) -> dict[str, Any]:
    """What unusual activity is looked for; the list is whole, and an empty one ends it."""
    trail = _trail(call, call["TrailName"], changing=True)
    trail.insights = call["InsightSelectors"]
    return {"TrailARN": trail.arn, "InsightSelectors": trail.insights}


@operation(SERVICE, "GetInsightSelectors")
def get_insight_selectors(call: Call) -> dict[str, Any]:
    """The same, or that there is none."""
    trail = _trail(call, call["TrailName"])
    if not trail.insights:
        raise AwsError("InsightNotEnabledException", f"Insights are not enabled on trail {trail.arn}.")
    return {"TrailARN": trail.arn, "InsightSelectors": trail.insights}


@operation(SERVICE, "ListTags")
def list_tags(call: Call) -> dict[str, Any]:
    """Tags of up to twenty trails."""
    found = [_trail(call, arn) for arn in call["ResourceIdList"]]
    listed = [
        {"ResourceId": item.arn, "TagsList": [{"Key": key, "Value": value} for key, value in item.tags.items()]}
        for item in found
    ]
    return {"ResourceTagList": listed}


@operation(SERVICE, "AddTags")
def add_tags(call: Call) -> dict[str, Any]:
    """Tags more, or other values of them."""
    trail = _trail(call, call["ResourceId"], changing=True)
    trail.tags.update({tag["Key"]: tag.get("Value", "") for tag in call["TagsList"]})
    return {}


@operation(SERVICE, "RemoveTags")
def remove_tags(call: Call) -> dict[str, Any]:
    """Tags less."""
    trail = _trail(call, call["ResourceId"], changing=True)
    for tag in call["TagsList"]:
        trail.tags.pop(tag["Key"], None)
    return {}


@operation(SERVICE, "RegisterOrganizationDelegatedAdmin")
def register_admin(call: Call) -> dict[str, Any]:
    """The management account names who else administers trails; three accounts at most."""
    organization = organizations.current(call.world)
    if organization is None:
        raise AwsError("OrganizationsNotInUseException", "The account isn't a member of an organization.")
    if call.account != MANAGEMENT_ACCOUNT:
        raise AwsError("NotOrganizationManagementAccountException", "Only the management account can do this.")
    account = call["MemberAccountId"]
    if account == MANAGEMENT_ACCOUNT:
        message = "The management account can't be a delegated administrator."
        raise AwsError("CannotDelegateManagementAccountException", message)
    if account not in organization.nodes:
        raise AwsError("AccountNotFoundException", f"Account {account} is not in the organization.")
    if PRINCIPAL not in organization.services:
        raise AwsError("CloudTrailAccessNotEnabledException", "CloudTrail has no trusted access to the organization.")
    if account in administrators(call.world):
        raise AwsError("AccountRegisteredException", f"Account {account} is a delegated administrator already.")
    if len(administrators(call.world)) > MOST_ADMINISTRATORS:
        raise AwsError("DelegatedAdminAccountLimitExceededException", "There can be three delegated administrators.")
    organization.admins.setdefault(account, {})[PRINCIPAL] = datetime.datetime.now(datetime.UTC)
    return {}


@operation(SERVICE, "DeregisterOrganizationDelegatedAdmin")
def deregister_admin(call: Call) -> dict[str, Any]:
    """One administrator less; trails that it made stay."""
    organization = organizations.current(call.world)
    if organization is None or call.account != MANAGEMENT_ACCOUNT:
        raise AwsError("NotOrganizationManagementAccountException", "Only the management account can do this.")
    services = organization.admins.get(call["DelegatedAdminAccountId"], {})
    if PRINCIPAL not in services:
        raise AwsError("AccountNotRegisteredException", "The account is no delegated administrator.")
    del services[PRINCIPAL]
    if not services:
        organization.admins.pop(call["DelegatedAdminAccountId"])
    return {}


@tagging.source
def _tagged(call: Call) -> Iterator[tuple[str, dict[str, str]]]:
    for trail in _trails(call.world):
        if (trail.account, trail.region) == (call.account, call.region):
            yield trail.arn, trail.tags
