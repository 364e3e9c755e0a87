# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GuardDuty: detectors, the organization's administrator in each Region, and the members that come of it.

https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_organizations.html

What the administrator configures for all (``ALL``) or for accounts to come (``NEW``) reaches the members at once; an
account that joins is a member as soon as anybody looks.
"""

from __future__ import annotations

import copy
import datetime
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from rehearsal.emulator.errors import AwsError
from rehearsal.emulator.registry import Call, operation, page
from rehearsal.emulator.services import organizations, tagging
from rehearsal.emulator.world import MANAGEMENT_ACCOUNT, World

SERVICE = "guardduty"
PRINCIPAL = "guardduty.amazonaws.com"
#: What every detector looks at.
_FOUNDATION = ("CLOUD_TRAIL", "DNS_LOGS", "FLOW_LOGS")
#: The features with what belongs to each.
FEATURES: dict[str, tuple[str, ...]] = {
    "S3_DATA_EVENTS": (),
    "EKS_AUDIT_LOGS": (),
    "EBS_MALWARE_PROTECTION": (),
    "RDS_LOGIN_EVENTS": (),
    "LAMBDA_NETWORK_LOGS": (),
    "EKS_RUNTIME_MONITORING": ("EKS_ADDON_MANAGEMENT",),
    "RUNTIME_MONITORING": ("EKS_ADDON_MANAGEMENT", "ECS_FARGATE_AGENT_MANAGEMENT", "EC2_AGENT_MANAGEMENT"),
}
#: What a detector made without a word has (https://docs.aws.amazon.com/guardduty/latest/ug/guardduty-features-activation-model.html).
_BY_DEFAULT = ("S3_DATA_EVENTS", "EKS_AUDIT_LOGS", "EBS_MALWARE_PROTECTION", "RDS_LOGIN_EVENTS", "LAMBDA_NETWORK_LOGS")
_Values = dict[tuple[str, str], str]


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _all(value: str) -> _Values:
    return {(name, more): value for name, several in FEATURES.items() for more in ("", *several)}


@dataclass
class Detector:
    """A detector, and what its account as an administrator has it do in others.

    :param features: status by feature and what belongs to it (empty for the feature itself).
    :param enabling: the same for members: ``ALL``, ``NEW`` or ``NONE``.
    :param members: account ids with what their relationship is called; those that were seen already are no new ones.
    """

    id: str
    account: str
    region: str
    enabled: bool
    frequency: str
    tags: dict[str, str]
    features: _Values = field(default_factory=lambda: {**_all("DISABLED"), **{(n, ""): "ENABLED" for n in _BY_DEFAULT}})
    auto_enable: str = "NONE"
    enabling: _Values = field(default_factory=lambda: _all("NONE"))
    members: dict[str, str] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    created: datetime.datetime = field(default_factory=_now)

    @property
    def arn(self) -> str:
        """The ARN."""
        return f"arn:aws:guardduty:{self.region}:{self.account}:detector/{self.id}"


class _Region:
    """GuardDuty in a Region: the administrator, and the detectors by account."""

    def __init__(self) -> None:
        self.admin = ""
        self.detectors: dict[str, Detector] = {}


def _region(world: World, region: str) -> _Region:
    return world.store(SERVICE, "", region, _Region)


def _synced(call: Call) -> _Region:
    """The Region as it is now: members have what the administrator configured."""
    here = _region(call.world, call.region)
    organization = organizations.current(call.world)
    boss = here.detectors.get(here.admin)
    if organization is None or boss is None or boss.auto_enable == "NONE":
        return here
    for node in organization.nodes.values():
        if node.kind != "ACCOUNT" or node.status != "ACTIVE" or node.id == here.admin:
            continue
        new = node.id not in boss.seen
        boss.seen.add(node.id)
        if boss.auto_enable == "ALL" or new:
            boss.members[node.id] = "Enabled"
        if node.id not in boss.members:
            continue
        member = here.detectors.get(node.id)
        if member is None:
            member = here.detectors[node.id] = Detector(
                secrets.token_hex(16), node.id, call.region, True, boss.frequency, {}, _all("DISABLED")
            )
        for key, value in boss.enabling.items():
            if value == "ALL" or (value == "NEW" and new):
                member.features[key] = "ENABLED"
    return here


def _bad(message: str) -> AwsError:
    return AwsError("BadRequestException", f"The request is rejected because {message}", Type="InvalidInputException")


def _detector(call: Call, *, administrator: bool = False) -> Detector:
    here = _synced(call)
    found = here.detectors.get(call.account)
    if found is None or found.id != call["DetectorId"]:
        raise _bad("the input detectorId is not owned by the current account.")
    if administrator and here.admin != call.account:
        raise _bad("the account is not the delegated administrator of the organization.")
    return found


def _given(features: list[dict[str, Any]], value: str) -> _Values:
    found: _Values = {}
    for feature in features:
        name = feature["Name"]
        if name not in FEATURES:
            raise _bad(f"the feature {name} is not offered in this Region.")
        if value in feature:
            found[(name, "")] = feature[value]
        for more in feature.get("AdditionalConfiguration", []):
            if more["Name"] not in FEATURES[name]:
                raise _bad(f"{more['Name']} does not belong to the feature {name}.")
            found[(name, more["Name"])] = more[value]
    runtime = (found.get(("RUNTIME_MONITORING", "")), found.get(("EKS_RUNTIME_MONITORING", "")))
    if all(item not in (None, "DISABLED", "NONE") for item in runtime):
        raise _bad("EKS_RUNTIME_MONITORING and RUNTIME_MONITORING can not be enabled together.")
    return found


def _shown(values: _Values, value: str, since: datetime.datetime | None = None) -> list[dict[str, Any]]:
    times = {"UpdatedAt": since} if since is not None else {}
    return [
        {
            "Name": name,
            value: values[(name, "")],
            **times,
            **(
                {"AdditionalConfiguration": [{"Name": more, value: values[(name, more)], **times} for more in several]}
                if several
                else {}
            ),
        }
        for name, several in FEATURES.items()
    ]


def _paged(call: Call, key: str, items: list[Any]) -> dict[str, Any]:
    some, following = page(items, call.get("NextToken"), call.get("MaxResults", 50), _bad("the token is not valid."))
    return {key: some, **({"NextToken": following} if following else {})}


@operation(SERVICE, "CreateDetector")
def create_detector(call: Call) -> dict[str, Any]:
    """The account's one detector in the Region."""
    here = _synced(call)
    token = call.get("ClientToken")
    there = here.detectors.get(call.account)
    if there is not None:
        if token and call.world.tokens.get((SERVICE, call.account, call.region, token)) == (there.id, None):
            return {"DetectorId": there.id}
        raise _bad("a detector already exists for the current account.")
    made = Detector(
        secrets.token_hex(16),
        call.account,
        call.region,
        call["Enable"],
        call.get("FindingPublishingFrequency", "SIX_HOURS"),
        dict(call.get("Tags", {})),
    )
    made.features.update(_given(call.get("Features", []), "Status"))
    here.detectors[call.account] = made
    if token:
        call.world.tokens[(SERVICE, call.account, call.region, token)] = (made.id, None)
    return {"DetectorId": made.id}


@operation(SERVICE, "ListDetectors")
def list_detectors(call: Call) -> dict[str, Any]:
    """The detector, if there is one."""
    found = _synced(call).detectors.get(call.account)
    return _paged(call, "DetectorIds", [found.id] if found else [])


@operation(SERVICE, "GetDetector")
def get_detector(call: Call) -> dict[str, Any]:
    """The detector; features are shown all."""
    found = _detector(call)
    role = (
        f"arn:aws:iam::{found.account}:role/aws-service-role/guardduty.amazonaws.com/AWSServiceRoleForAmazonGuardDuty"
    )
    foundation = [{"Name": name, "Status": "ENABLED", "UpdatedAt": found.created} for name in _FOUNDATION]
    return {
        "CreatedAt": found.created.isoformat(),
        "UpdatedAt": found.created.isoformat(),
        "FindingPublishingFrequency": found.frequency,
        "ServiceRole": role,
        "Status": "ENABLED" if found.enabled else "DISABLED",
        "Tags": found.tags,
        "Features": [*foundation, *_shown(found.features, "Status", found.created)],
    }


@operation(SERVICE, "UpdateDetector")
def update_detector(call: Call) -> dict[str, Any]:
    """What isn't given stays. Of a member, only its administrator says what it looks at."""
    found = _detector(call)
    boss = _region(call.world, call.region).detectors.get(_region(call.world, call.region).admin)
    if boss is not None and call.account in boss.members:
        raise _bad("a member account can not change what its administrator manages.")
    given = _given(call.get("Features", []), "Status")
    found.enabled = call.get("Enable", found.enabled)
    found.frequency = call.get("FindingPublishingFrequency", found.frequency)
    found.features.update(given)
    return {}


@operation(SERVICE, "DeleteDetector")
def delete_detector(call: Call) -> dict[str, Any]:
    """GuardDuty ends; an administrator lets its members go before, and a member can't do it."""
    found = _detector(call)
    here = _region(call.world, call.region)
    if found.members:
        raise _bad("the current account has associated member accounts.")
    boss = here.detectors.get(here.admin)
    if boss is not None and call.account in boss.members:
        raise _bad("the current account is a member of an administrator.")
    del here.detectors[call.account]
    return {}


@operation(SERVICE, "EnableOrganizationAdminAccount")
def enable_admin(call: Call) -> dict[str, Any]:
    """The management account says, in each Region, who administers GuardDuty. The same account in all of them."""
    organization = organizations.current(call.world)
    if organization is None or call.account != MANAGEMENT_ACCOUNT:
        raise _bad("you must own the organization to make this request.")
    account = call["AdminAccountId"]
    if account not in organization.nodes:
        raise _bad("the account is not a member of the organization.")
    others = {here.admin for _account, _region, here in call.world.stores(SERVICE) if here.admin}
    if others - {account}:
        raise _bad("another account is the delegated administrator of the organization.")
    here = _region(call.world, call.region)
    if here.admin == account:
        raise _bad("the delegated administrator is enabled already.")
    here.admin = account
    # https://docs.aws.amazon.com/organizations/latest/userguide/services-that-can-integrate-guardduty.html
    organization.services.setdefault(PRINCIPAL, _now())
    if account != MANAGEMENT_ACCOUNT:
        organization.admins.setdefault(account, {}).setdefault(PRINCIPAL, _now())
    return {}


@operation(SERVICE, "DisableOrganizationAdminAccount")
def disable_admin(call: Call) -> dict[str, Any]:
    """The Region has no administrator any more; who was a member keeps GuardDuty."""
    organization = organizations.current(call.world)
    here = _region(call.world, call.region)
    if organization is None or call.account != MANAGEMENT_ACCOUNT:
        raise _bad("you must own the organization to make this request.")
    if here.admin != call["AdminAccountId"]:
        raise _bad("the account is not the delegated administrator.")
    boss = here.detectors.get(here.admin)
    if boss is not None:
        boss.members.clear()
        boss.seen.clear()
        boss.auto_enable, boss.enabling = "NONE", _all("NONE")
    here.admin = ""
    account = call["AdminAccountId"]
    if not any(other.admin for _account, _region, other in call.world.stores(SERVICE)):
        organization.admins.get(account, {}).pop(PRINCIPAL, None)
        if not organization.admins.get(account, True):
            organization.admins.pop(account)
    return {}


@operation(SERVICE, "ListOrganizationAdminAccounts")
def list_admins(call: Call) -> dict[str, Any]:
    """The administrator, for the management account."""
    if organizations.current(call.world) is None or call.account != MANAGEMENT_ACCOUNT:
        raise _bad("you must own the organization to make this request.")
    admin = _region(call.world, call.region).admin
    return _paged(call, "AdminAccounts", [{"AdminAccountId": admin, "AdminStatus": "ENABLED"}] if admin else [])


@operation(SERVICE, "DescribeOrganizationConfiguration")
def describe_configuration(call: Call) -> dict[str, Any]:
    """What the administrator has configured for others."""
    found = _detector(call, administrator=True)
    return {
        "AutoEnable": found.auto_enable != "NONE",
        "AutoEnableOrganizationMembers": found.auto_enable,
        "MemberAccountLimitReached": False,
        "Features": _shown(found.enabling, "AutoEnable"),
    }


@operation(SERVICE, "UpdateOrganizationConfiguration")
def update_configuration(call: Call) -> dict[str, Any]:
    """Which accounts have GuardDuty and what it looks at there."""
    found = _detector(call, administrator=True)
    if ("AutoEnable" in call.params) == ("AutoEnableOrganizationMembers" in call.params):
        raise _bad("either autoEnable or autoEnableOrganizationMembers has to be given.")
    given = _given(call.get("Features", []), "AutoEnable")
    legacy = "NEW" if call.get("AutoEnable") else "NONE"
    wanted = call.get("AutoEnableOrganizationMembers", legacy)
    if wanted == "NEW" and found.auto_enable != "NEW":
        organization = organizations.current(call.world)
        found.seen |= {node.id for node in organization.nodes.values()} if organization else set()
    found.auto_enable = wanted
    found.enabling.update(given)
    # Members keep what is configured no more.
    _synced(call)
    return {}


@operation(SERVICE, "ListMembers")
def list_members(call: Call) -> dict[str, Any]:
    """The administrator's members."""
    found = _detector(call)
    here = _region(call.world, call.region)
    listed = [
        {
            "AccountId": account,
            "DetectorId": here.detectors[account].id,
            "MasterId": found.account,
            "AdministratorId": found.account,
            "Email": _email(call.world, account),
            "RelationshipStatus": status,
            "UpdatedAt": found.created.isoformat(),
        }
        for account, status in found.members.items()
        if account in here.detectors
    ]
    return _paged(call, "Members", listed)


def _email(world: World, account: str) -> str:
    organization = organizations.current(world)
    node = organization.nodes.get(account) if organization else None
    return node.email if node and node.email else "management@example.com"


@operation(SERVICE, "GetMemberDetectors")
def get_member_detectors(call: Call) -> dict[str, Any]:
    """What GuardDuty looks at in members."""
    found = _detector(call)
    here = _region(call.world, call.region)
    status = {"Status": "ENABLED"}
    sources = {"CloudTrail": status, "DNSLogs": status, "FlowLogs": status, "S3Logs": status}
    known = [account for account in call["AccountIds"] if account in found.members]
    return {
        "MemberDataSourceConfigurations": [
            {
                "AccountId": account,
                "DataSources": copy.deepcopy(sources),
                "Features": _shown(here.detectors[account].features, "Status", found.created),
            }
            for account in known
        ],
        "UnprocessedAccounts": _unprocessed([item for item in call["AccountIds"] if item not in known]),
    }


def _unprocessed(accounts: list[str]) -> list[dict[str, str]]:
    reason = "The request is rejected because the given account ID is not an associated member account."
    return [{"AccountId": account, "Result": reason} for account in accounts]


@operation(SERVICE, "DisassociateMembers", "DeleteMembers")
def disassociate_members(call: Call) -> dict[str, Any]:
    """Members let go; not while all accounts are to be members."""
    found = _detector(call)
    if found.auto_enable == "ALL" and _region(call.world, call.region).admin == call.account:
        raise _bad("the organization has auto-enablement for all members: change that first.")
    strangers = [account for account in call["AccountIds"] if account not in found.members]
    if call.operation == "DeleteMembers":
        strangers = []
    for account in call["AccountIds"]:
        found.members.pop(account, None)
    return {"UnprocessedAccounts": _unprocessed(strangers)}


@operation(SERVICE, "GetAdministratorAccount")
def get_administrator(call: Call) -> dict[str, Any]:
    """Who administers a member."""
    _detector(call)
    here = _region(call.world, call.region)
    boss = here.detectors.get(here.admin)
    if boss is None or call.account not in boss.members:
        return {"Administrator": {}}
    return {"Administrator": {"AccountId": here.admin, "RelationshipStatus": boss.members[call.account]}}


@tagging.source
def _tagged(call: Call) -> Iterator[tuple[str, dict[str, str]]]:
    found = _region(call.world, call.region).detectors.get(call.account)
    if found is not None:
        yield found.arn, found.tags
