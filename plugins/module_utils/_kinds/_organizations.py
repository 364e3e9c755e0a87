# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kinds of AWS Organizations share.

The service lists level by level, has no filter by tag, and answers a few requests per second
(https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html). So what is declared is found by
its natural key and read with its tags, and what is owned but no longer declared is found by the tagging API.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._engine.errors import EngineError
from .._engine.kind import STACK_TAG, Kind, Observed, Scope
from ._once import once
from ._session import Session
from ._tags import tag_dict, tag_list

SERVICE = "organizations"
NOT_IN_USE = "AWSOrganizationsNotInUseException"
BUSY = (
    "ConcurrentModificationException",
    "FinalizingOrganizationException",
    "PolicyChangesInProgressException",
    "TooManyRequestsException",
)
"""Codes that mean: later. At most five accounts are created at a time, and a new organization is finalized for a while
(https://docs.aws.amazon.com/organizations/latest/userguide/orgs_troubleshoot_general.html)."""
UNKNOWN_YET = (
    "ParentNotFoundException",
    "DestinationParentNotFoundException",
    "PolicyNotFoundException",
    "PolicyTypeNotEnabledException",
    "TargetNotFoundException",
)
"""What has just been made isn't known everywhere at once."""

_HOME = {"aws": "us-east-1", "aws-cn": "cn-northwest-1", "aws-us-gov": "us-gov-west-1"}
"""Where a partition's Organizations are, and thus where the tagging API knows their tags."""

_ADVICE = {
    "ACCOUNT_NUMBER_LIMIT_EXCEEDED": "ask for a higher quota (Service Quotas, AWS Organizations), then run this again",
    "ACCOUNT_CREATION_RATE_LIMIT_EXCEEDED": "no more accounts can be created today: run this again tomorrow",
    "CLOSE_ACCOUNT_QUOTA_EXCEEDED": "no more accounts can be closed within these 30 days",
    "MAX_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED": "merge policies of this type, or attach them to other units",
    "OU_DEPTH_LIMIT_EXCEEDED": "nest organizational units at most five deep",
}


def change(
    session: Session, operation: str, /, *, retry_on: tuple[str, ...] = (), missing: tuple[str, ...] = (), **params: Any
) -> dict[str, Any]:
    """Call an operation that changes something: what is only busy is waited out, and quotas come with advice."""
    try:
        return session.call(
            SERVICE, operation, retry_on=[*BUSY, *retry_on], attempts=12 if retry_on else 30, missing=missing, **params
        )
    except EngineError as error:
        reason = (getattr(error.__cause__, "response", None) or {}).get("Reason", "")
        if reason in _ADVICE:
            raise EngineError([f"{problem} ({reason}): {_ADVICE[reason]}" for problem in error.problems]) from error
        raise


def root(session: Session) -> dict[str, Any] | None:
    """Return the root of the organization, None where there is no organization."""
    return next(iter(session.pages(SERVICE, "list_roots", "Roots", missing=[NOT_IN_USE])), None)


def observed_root(session: Session, scope: Scope) -> dict[str, Any] | None:
    """Return the root, asked for once in an observation."""
    return once(session, scope, "organizations-root", lambda: root(session))


def owned(session: Session, scope: Scope) -> set[str]:
    """Return the ARNs of the accounts, units and policies that the stack owns, asked for once in an observation."""

    def ask() -> set[str]:
        found = session.pages(
            "resourcegroupstaggingapi",
            "get_resources",
            "ResourceTagMappingList",
            region=_HOME.get(session.partition, session.region),
            TagFilters=[{"Key": STACK_TAG, "Values": [scope.stack]}],
            ResourceTypeFilters=[f"{SERVICE}:{name}" for name in ("account", "ou", "policy")],
        )
        return {item["ResourceARN"] for item in found}

    return once(session, scope, "organizations-owned", ask)


def tags_of(session: Session, identifier: str) -> dict[str, str]:
    """Return the tags of an account, unit or policy as they are at this moment; the tagging API lags behind."""
    return tag_dict(
        session.pages(
            SERVICE, "list_tags_for_resource", "Tags", missing=["TargetNotFoundException"], ResourceId=identifier
        )
    )


def tag(_kind: Kind, session: Session, observed: Observed, tags: Mapping[str, str]) -> None:
    """Write tags: the ``tag`` method of the kinds."""
    change(session, "tag_resource", retry_on=UNKNOWN_YET, ResourceId=observed.id, Tags=tag_list(tags))


def move(session: Session, account_id: str, source: str, destination: str) -> None:
    """Move an account from one parent to another; it may be there already."""
    change(
        session,
        "move_account",
        retry_on=UNKNOWN_YET,
        missing=("DuplicateAccountException",),
        AccountId=account_id,
        SourceParentId=source,
        DestinationParentId=destination,
    )


def parent_of(session: Session, account: Mapping[str, Any]) -> str:
    """Return the parent of an account; the paths that a listing gives save a call."""
    for path in account.get("Paths") or ():
        above = [part for part in path.split("/") if part and part != account["Id"]]
        if len(above) > 1:
            return str(above[-1])
    return str(session.pages(SERVICE, "list_parents", "Parents", ChildId=account["Id"])[0]["Id"])


def is_open(account: Mapping[str, Any]) -> bool:
    """Tell whether an account isn't closed; a closed one is listed for 90 days more."""
    return (account.get("State") or account.get("Status")) in ("ACTIVE", "PENDING_ACTIVATION")
