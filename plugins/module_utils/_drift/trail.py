# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds who changed what, and when, in CloudTrail's event history: 90 days, without a trail of one's own.

One attribute a request, 50 events a page, two requests a second in an account and Region
(https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html). Events come some minutes after
what they tell of.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._engine.errors import EngineError
from .._engine.kind import ADDRESS_TAG, STACK_TAG
from .._kinds._session import Session

PLATFORM_AGENT = "ansible-innovate.platform"
"""What the platform's own calls say in their user agent (``_run/account.py``)."""
INTERVAL = 0.55
"""Seconds between two requests: two in a second are allowed."""
_HOME = {"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}
"""By partition, the Region in which events of the global services are
(https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-concepts.html, global service events)."""
_GLOBAL = ("iam", "organizations", "account", "cloudfront", "route53")
_SERVICES = (
    ("iam_", "iam"),
    ("organization", "organizations"),
    ("eks_", "eks"),
    ("db_", "rds"),
    ("kms_", "kms"),
    ("s3_", "s3"),
    ("sqs_", "sqs"),
    ("ecr_", "ecr"),
    ("event_", "events"),
    ("log_group", "logs"),
    ("secret", "secretsmanager"),
)
"""Services by how the names of their kinds begin; EC2 has all others."""
_EC2_ID = re.compile(r"[a-z]{1,10}-[0-9a-f]{8,17}")

Event = dict[str, Any]
"""``event`` (the API operation), ``service``, ``time`` (ISO 8601, UTC), ``who`` (for people), ``principal`` (ARN or
service), ``role`` (of a session, else empty), ``platform`` (whether this collection did it), ``agent`` (the program),
``source`` (address it came from), ``account``, ``region``, ``id`` (CloudTrail's)."""


@dataclass
class Found:
    """What the event history told.

    :param events: for each finding its events, the last one first; findings without any aren't in it.
    :param notes: sentences on what couldn't be asked.
    """

    events: dict[str, list[Event]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Finding:
    key: str
    service: str
    names: tuple[str, ...]
    region: str


def look_up(
    session: Session,
    wanted: Mapping[str, Sequence[str]],
    *,
    most: int = 3,
    pages: int = 20,
    patience: float = 120.0,
    pause: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Found:
    """Find the last changes of things, in the session's account.

    All recent changes are searched first, in few requests for any number of findings; what they don't mention is asked
    by its names. Services as EKS name no resources in their events. What doesn't exist any more is found by the tags
    that it was made with.

    :param wanted: for each finding, by ``stack/address`` or ``stack/ARN``, its ids, names or ARNs, maybe none.
    :param most: events for each finding. Those of the platform itself are told only where there are no others.
    :param pages: of 50 events, that are searched in a Region at most.
    :param patience: seconds; what isn't asked by then is in the notes.
    """
    findings = [_finding(session, key, names) for key, names in wanted.items()]
    found, until, last = Found(), clock() + patience, 0.0
    history: dict[str, list[dict[str, Any]]] = {}
    seen: dict[str, list[dict[str, Any]]] = {}

    def ask(region: str, attribute: tuple[str, str], most_pages: int) -> list[dict[str, Any]]:
        nonlocal last
        events: list[dict[str, Any]] = []
        page: dict[str, Any] = {"NextToken": None}
        while "NextToken" in page and most_pages > 0:
            if clock() > until:
                raise _Late
            pause(max(0.0, last + INTERVAL - clock()))
            token = {"NextToken": page["NextToken"]} if page["NextToken"] else {}
            page = session.call(
                "cloudtrail",
                "lookup_events",
                region=region,
                LookupAttributes=[{"AttributeKey": attribute[0], "AttributeValue": attribute[1]}],
                MaxResults=50,
                **token,
            )
            last, most_pages = clock(), most_pages - 1
            events += [_body(event) for event in page.get("Events", [])]
            if not page.get("NextToken"):
                page.pop("NextToken", None)
        return events

    unasked = 0
    closed: set[str] = set()
    for finding in (item for item in findings if item.region not in closed):
        try:
            if finding.region not in history:
                history[finding.region] = ask(finding.region, ("ReadOnly", "false"), pages)
            recent = [*_about(history[finding.region], finding)]
            chosen = _chosen(recent, finding, most)
            if not chosen or chosen[0]["platform"]:
                by_name = [event for name in finding.names for event in ask(finding.region, ("ResourceName", name), 1)]
                chosen = _chosen([*recent, *by_name], finding, most)
        except _Late:
            unasked += 1
            continue
        except EngineError as error:
            found.notes.append(f"CloudTrail can't be asked in {finding.region}: {error}")
            closed.add(finding.region)
            continue
        seen[finding.key] = chosen
    if unasked:
        found.notes.append(
            f"CloudTrail was not asked about {unasked} of {len(findings)} findings: it answers two questions a second, "
            f"and {patience:.0f} s are over"
        )
    found.events = {key: events for key, events in seen.items() if events}
    return found


class _Late(Exception):
    """The time is over."""


def _finding(session: Session, key: str, identifiers: Sequence[str]) -> _Finding:
    stack_less = key.partition("/")[2] or key
    service = ""
    for identifier in (*identifiers, stack_less):
        if identifier.startswith("arn:"):
            service = service or identifier.split(":")[2]
    if not service:
        service = next((name for prefix, name in _SERVICES if stack_less.startswith(prefix)), "ec2")
    region = _HOME.get(session.partition, session.region) if service in _GLOBAL else session.region
    return _Finding(key, service, tuple(names_of(identifiers)), region)


def names_of(identifiers: Iterable[str]) -> list[str]:
    """Return the names under which CloudTrail may list what has these ids, names, ARNs or URLs; the surest first."""
    names: dict[str, None] = {}
    for identifier in filter(None, identifiers):
        names[identifier] = None
        if identifier.startswith("arn:") and identifier.count(":") >= 5:
            rest = identifier.split(":", 5)[5].removesuffix(":*")
            kind, *more = re.split("[/:]", rest, maxsplit=1)
            name = more[0] if more else rest
            names[name] = None
            # Paths, and random suffixes of nodegroups, aren't part of the name that the API was told.
            if "/" in name and kind != "log-group":
                names[name.rpartition("/")[2]] = None
            names |= dict.fromkeys(_names_in_clusters(identifier, kind, name.split("/")))
        elif identifier.startswith("https://"):
            names[identifier.rpartition("/")[2]] = None
    return list(names)


def _names_in_clusters(arn: str, kind: str, parts: Sequence[str]) -> list[str]:
    """Return what requests call a thing in a cluster: its name, or an entry's principal, as EKS's ARNs have them.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelastickubernetesservice.html
    """
    if kind in ("addon", "nodegroup", "fargateprofile") and len(parts) == 3:
        return [parts[1]]
    if kind == "access-entry" and len(parts) == 5:
        return [f"arn:{arn.split(':')[1]}:iam::{parts[2]}:{parts[1]}/{parts[3]}"]
    return []


def _body(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event's whole record, with the names of its resources."""
    body: dict[str, Any] = json.loads(event["CloudTrailEvent"])
    body["resource_names"] = [item.get("ResourceName", "") for item in event.get("Resources", [])]
    return body


def _chosen(events: Iterable[Mapping[str, Any]], finding: _Finding, most: int) -> list[Event]:
    """Return the last changes among events that had their effect; the platform's only where there are no others."""
    changes = {
        str(event["eventID"]): told(event)
        for event in events
        if not event.get("readOnly")
        and not event.get("errorCode")
        and event["eventSource"].partition(".")[0] in (finding.service, "tagging")
    }
    ordered = sorted(changes.values(), key=lambda event: str(event["time"]), reverse=True)
    others = [event for event in ordered if not event["platform"]]
    return (others or ordered)[:most]


def _about(history: Sequence[Mapping[str, Any]], finding: _Finding) -> Iterator[Mapping[str, Any]]:
    """Yield the events whose request or answer mentions a finding."""
    names = {*finding.names}
    stack, _separator, address = finding.key.partition("/")
    for event in history:
        if _makes(event, stack, address):
            names |= {text for text in _texts(event.get("responseElements")) if _EC2_ID.fullmatch(text)} - _given(event)
    for event in history:
        mentioned = {*event["resource_names"], *_texts(event.get("requestParameters"))}
        if names & mentioned or _makes(event, stack, address):
            yield event


def _makes(event: Mapping[str, Any], stack: str, address: str) -> bool:
    """Tell whether an event is of a request that gave the tags of a stack's address to what it made."""
    texts = [*_texts(event.get("requestParameters"))]
    return all(word in texts for word in (STACK_TAG, stack, ADDRESS_TAG, address)) and bool(address)


def _given(event: Mapping[str, Any]) -> set[str]:
    """Return what a request named itself: the VPC of a new subnet isn't what was made."""
    return {*_texts(event.get("requestParameters"))}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield str(key)
            yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str):
        yield value


def told(event: Mapping[str, Any]) -> Event:
    """Return what a report tells of CloudTrail's record of an event.

    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html
    """
    identity: Mapping[str, Any] = event.get("userIdentity") or {}
    issuer = (identity.get("sessionContext") or {}).get("sessionIssuer") or {}
    role = str(issuer.get("userName") or "")
    kind = identity.get("type", "")
    if kind == "AssumedRole":
        who = f"{str(identity.get('principalId', '')).partition(':')[2] or '?'} (role {role or '?'})"
    elif kind == "Root":
        who = "the root user"
    elif kind == "AWSService":
        who = str(identity.get("invokedBy", "an AWS service"))
    else:
        who = str(identity.get("userName") or identity.get("principalId") or "unknown")
    agent = str(event.get("userAgent") or "")
    return {
        "event": event["eventName"],
        "service": event["eventSource"].partition(".")[0],
        "time": event["eventTime"],
        "who": who,
        "principal": str(identity.get("arn") or identity.get("invokedBy") or ""),
        "role": role,
        "platform": PLATFORM_AGENT in agent,
        "agent": agent,
        "source": str(event.get("sourceIPAddress") or ""),
        "account": str(event.get("recipientAccountId") or identity.get("accountId") or ""),
        "region": str(event.get("awsRegion") or ""),
        "id": event["eventID"],
    }
