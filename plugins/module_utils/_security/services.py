# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The resources of the security services: who administers them, and what they do in all accounts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from .._engine.resource import Join, Ref, Resource
from .._kinds._regional import REGION_NAME

DELEGATION_STACK, STACK = "security-delegation", "security"
SERVICES = ("cloudtrail", "guardduty")
Part = Literal["delegation", "services"]
PROTECTIONS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "s3": ("S3_DATA_EVENTS", ()),
    "eks": ("EKS_AUDIT_LOGS", ()),
    "rds": ("RDS_LOGIN_EVENTS", ()),
    "malware": ("EBS_MALWARE_PROTECTION", ()),
    "lambda": ("LAMBDA_NETWORK_LOGS", ()),
    "runtime": ("RUNTIME_MONITORING", ("EKS_ADDON_MANAGEMENT", "ECS_FARGATE_AGENT_MANAGEMENT", "EC2_AGENT_MANAGEMENT")),
}
"""GuardDuty's features with the agents that it manages for them
(https://docs.aws.amazon.com/guardduty/latest/ug/guardduty-features-activation-model.html)."""
INSIGHTS = {"call_rate": "ApiCallRateInsight", "error_rate": "ApiErrorRateInsight"}
DATA_EVENTS = {"s3": "AWS::S3::Object", "lambda": "AWS::Lambda::Function", "dynamodb": "AWS::DynamoDB::Table"}


@dataclass(frozen=True)
class Trail:
    """The organization's trail, in the home Region.

    :param bucket: the log archive's, and ``key_alias`` its key's.
    :param data_events: of which services' content reads and writes are recorded; they cost by the number of events.
    """

    name: str = "organization"
    bucket: str = ""
    key_alias: str = ""
    insights: Sequence[str] = ("call_rate", "error_rate")
    data_events: Sequence[str] = ()


@dataclass(frozen=True)
class GuardDuty:
    """What GuardDuty looks at.

    :param members: ``all`` accounts, those to come included; ``new`` ones only; ``none``.
    """

    members: str = "all"
    protections: Sequence[str] = ("s3", "eks", "rds", "malware", "runtime")
    frequency: str = "FIFTEEN_MINUTES"


@dataclass(frozen=True)
class Security:
    """What the module ``security`` was told.

    :param part: ``delegation`` is for the management account, ``services`` for the one that they are delegated to.
    :param region: the home Region, one of ``regions``.
    :param administrator: the name of the account that the services are delegated to.
    """

    part: Part
    region: str
    regions: Sequence[str]
    administrator: str = ""
    services: Sequence[str] = SERVICES
    trail: Trail = field(default_factory=Trail)
    guardduty: GuardDuty = field(default_factory=GuardDuty)

    @property
    def stack(self) -> str:
        """The stack's name."""
        return DELEGATION_STACK if self.part == "delegation" else STACK


def problems_of(security: Security) -> list[str]:
    """Return every mistake in what was asked for."""
    return [*_general(security), *(_delegation(security) if security.part == "delegation" else _services(security))]


def _general(security: Security) -> Iterator[str]:
    if not security.regions:
        yield "regions is empty: name the Regions in use, the home Region among them"
    elif security.region not in security.regions:
        yield f"the home Region '{security.region}' is not among regions: add it"
    for region in dict.fromkeys(security.regions):
        if not REGION_NAME.fullmatch(region):
            yield f"regions: '{region}' is no Region: they are called like eu-central-1"
    yield from _chosen("services", security.services, SERVICES)
    yield from _twice("regions", security.regions)


def _delegation(security: Security) -> Iterator[str]:
    if not security.administrator:
        yield "administrator_account is missing: name the account that the services are delegated to"
    elif security.administrator == "management":
        yield "administrator_account is the management account: delegate to a member, such as 'security'"


def _services(security: Security) -> Iterator[str]:
    trail, guardduty = security.trail, security.guardduty
    if "cloudtrail" in security.services:
        if not trail.bucket:
            yield "trail.bucket is missing: name the log archive's bucket for CloudTrail"
        if not trail.key_alias:
            yield "trail.key_alias is missing: name the alias of the log archive's key"
        elif not trail.key_alias.startswith("alias/"):
            yield f"trail.key_alias '{trail.key_alias}' is no alias: they begin with alias/"
        yield from _chosen("trail.insights", trail.insights, INSIGHTS)
        yield from _chosen("trail.data_events", trail.data_events, DATA_EVENTS)
    if "guardduty" in security.services:
        yield from _chosen("guardduty.protections", guardduty.protections, PROTECTIONS)
        yield from _chosen("guardduty.members", [guardduty.members], ("all", "new", "none"))


def _chosen(word: str, given: Sequence[str], known: Sequence[str] | Mapping[str, Any]) -> Iterator[str]:
    for item in dict.fromkeys(given):
        if item not in known:
            yield f"{word}: '{item}' is none of {', '.join(known)}"
    yield from _twice(word, given)


def _twice(word: str, given: Sequence[str]) -> Iterator[str]:
    yield from (f"{word}: '{item}' is given {count} times" for item, count in Counter(given).items() if count > 1)


def security_resources(security: Security) -> tuple[list[Resource], list[str], dict[str, Any]]:
    """Return the resources, what is wrong with the parameters, and the module's return values."""
    problems = problems_of(security)
    if problems:
        return [], problems, {}
    if security.part == "delegation":
        return list(_delegated(security)), [], {}
    resources = [
        *(_trail(security) if "cloudtrail" in security.services else ()),
        *(_guardduty(security) if "guardduty" in security.services else ()),
    ]
    outputs = {
        "trail_arn": Ref("cloudtrail_trail.organization", "arn") if "cloudtrail" in security.services else None,
        "detector_ids": {
            region: Ref(f"guardduty_detector.{region}")
            for region in security.regions
            if "guardduty" in security.services
        },
    }
    return resources, [], outputs


def _delegated(security: Security) -> Iterator[Resource]:
    """CloudTrail is delegated once, the others in each Region."""
    account = "organization_accounts_lookup.administrator"
    yield Resource(
        "organization_accounts_lookup",
        "administrator",
        {"target": security.administrator},
        hint="run playbooks/organization.yml first",
    )
    for service in security.services:
        for region in [security.region] if service == "cloudtrail" else security.regions:
            properties = {"region": region, "service": service, "account_id": Ref(account, "account_id")}
            yield Resource("service_organization_admin", f"{service}-{region}", properties)


def _trail(security: Security) -> Iterator[Resource]:
    trail = security.trail
    hint = "run playbooks/organization.yml first"
    yield Resource("organization_lookup", "own", {"name": "own"}, hint=hint)
    yield Resource(
        "kms_alias_lookup",
        "logs",
        {"alias_name": trail.key_alias},
        hint="run playbooks/security.yml, which makes the log archive, first",
    )
    yield Resource(
        "cloudtrail_trail",
        "organization",
        {
            "name": trail.name,
            "s3_bucket_name": trail.bucket,
            "is_organization_trail": True,
            "is_multi_region_trail": True,
            "enable_log_file_validation": True,
            "kms_key_id": Ref("kms_alias_lookup.logs", "key_arn"),
            "insight_types": [INSIGHTS[item] for item in trail.insights],
            "advanced_event_selectors": list(_selectors(trail)),
        },
    )


def _selectors(trail: Trail) -> Iterator[dict[str, Any]]:
    yield {"name": "Management events", "field_selectors": [{"field": "eventCategory", "equals": ["Management"]}]}
    for item in trail.data_events:
        fields: list[dict[str, Any]] = [
            {"field": "eventCategory", "equals": ["Data"]},
            {"field": "resources.type", "equals": [DATA_EVENTS[item]]},
        ]
        if item == "s3":
            # What CloudTrail writes would be recorded, and that again.
            own = Join(("arn:", Ref("organization_lookup.own", "partition"), f":s3:::{trail.bucket}/"))
            fields.append({"field": "resources.ARN", "not_starts_with": [own]})
        yield {"name": f"Data events of {item}", "field_selectors": fields}


def _guardduty(security: Security) -> Iterator[Resource]:
    wanted = security.guardduty
    for region in security.regions:
        yield Resource(
            "guardduty_detector",
            region,
            {
                "region": region,
                "finding_publishing_frequency": wanted.frequency,
                "features": list(_features(wanted, "status", "ENABLED", "DISABLED")),
            },
        )
        yield Resource(
            "guardduty_organization_configuration",
            region,
            {
                "region": region,
                "detector_id": Ref(f"guardduty_detector.{region}"),
                "auto_enable_organization_members": wanted.members.upper(),
                "features": list(_features(wanted, "auto_enable", wanted.members.upper(), "NONE")),
            },
        )


def _features(wanted: GuardDuty, member: str, on: str, off: str) -> Iterator[dict[str, Any]]:
    """Say of each feature whether it is on: what somebody switched on by hand is switched off."""
    for name, (feature, agents) in PROTECTIONS.items():
        value = on if name in wanted.protections else off
        more = [{"name": agent, member: value} for agent in agents]
        yield {"name": feature, member: value, **({"additional_configuration": more} if more else {})}
