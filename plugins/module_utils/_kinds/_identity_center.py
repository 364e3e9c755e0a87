# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kinds of IAM Identity Center share.

The service answers twenty requests a second in all, works on ten assignments at a time, and tells of most things one by
one (https://docs.aws.amazon.com/singlesignon/latest/userguide/limits.html). So what several kinds need is asked once,
and few requests are on their way at the same time.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from .._engine.errors import EngineError
from .._engine.kind import STACK_TAG, Pending, Scope
from .._engine.observe import side_by_side
from . import _organizations
from ._once import once
from ._session import Session, error_code
from ._tags import tag_dict

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

SERVICE = "sso-admin"
STORE = "identitystore"
BUSY = ("ConflictException", "ThrottlingException")
"""Codes that mean: later. Too many assignments are being worked on, or this very one."""
MISSING = ("ResourceNotFoundException",)

_WORKERS = 4
"""With a tenth of a second for an answer, four at a time stay near the rate that the service allows."""


@dataclass(frozen=True)
class Instance:
    """The organization's instance of Identity Center.

    :param owner: the account it lives in, always the management account.
    """

    arn: str
    store: str
    owner: str


def instance(session: Session, scope: Scope | None = None) -> Instance | None:
    """Return the organization's instance, None where it isn't enabled in this Region; asked once in an observation.

    What a member account enabled for itself is listed as well, and has no permission sets
    (https://docs.aws.amazon.com/singlesignon/latest/userguide/identity-center-instances.html).
    """

    def ask() -> Instance | None:
        listed = session.pages(SERVICE, "list_instances", "Instances")
        if not listed:
            return None
        missing = [_organizations.NOT_IN_USE]
        organization = session.call("organizations", "describe_organization", missing=missing).get("Organization", {})
        for item in listed:
            if item["OwnerAccountId"] == organization.get("MasterAccountId"):
                return Instance(item["InstanceArn"], item["IdentityStoreId"], item["OwnerAccountId"])
        return None

    return ask() if scope is None else once(session, scope, "identity-center", ask)


def each(function: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
    """Return what a function makes of each item, a few at a time, in their order."""
    return side_by_side(function, items, workers=_WORKERS)


def change(
    session: Session, operation: str, /, *, missing: Iterable[str] = (), attempts: int = 40, **params: Any
) -> dict[str, Any]:
    """Call an operation that changes something; what is only busy is waited out."""
    return session.call(SERVICE, operation, retry_on=BUSY, attempts=attempts, missing=missing, **params)


def add(session: Session, operation: str, is_there: Callable[[], bool], /, **params: Any) -> None:
    """Call an operation that answers with the same error when it is busy and when what is added is there already.

    It may be there since the answer to a first attempt got lost.
    """
    try:
        session.call(SERVICE, operation, retry_on=["ThrottlingException"], **params)
    except EngineError as error:
        if error_code(error) != "ConflictException":
            raise
        if not is_there():
            change(session, operation, **params)


def groups(session: Session, scope: Scope) -> list[dict[str, Any]]:
    """Return all groups of the identity store, asked for once in an observation."""

    def ask() -> list[dict[str, Any]]:
        found = instance(session, scope)
        if found is None:
            return []
        return session.pages(STORE, "list_groups", "Groups", IdentityStoreId=found.store, MaxResults=100)

    return once(session, scope, "identity-store-groups", ask)


def users(session: Session, scope: Scope) -> dict[str, str]:
    """Return the names of all users by their ids, asked for once in an observation."""

    def ask() -> dict[str, str]:
        found = instance(session, scope)
        return user_names(session, found.store) if found is not None else {}

    return once(session, scope, "identity-store-users", ask)


def user_names(session: Session, store: str) -> dict[str, str]:
    """Return the names of all users of a store by their ids."""
    found = session.pages(STORE, "list_users", "Users", IdentityStoreId=store, MaxResults=100)
    return {user["UserId"]: user.get("UserName", "") for user in found}


@dataclass(frozen=True)
class Found:
    """A permission set with its name and tags.

    :param current: the accounts that have its role as it is now.
    :param outdated: the accounts whose role is still as the permission set was before.
    """

    arn: str
    name: str
    described: Mapping[str, Any]
    tags: Mapping[str, str]
    current: Sequence[str]
    outdated: Sequence[str]

    @property
    def accounts(self) -> list[str]:
        """The accounts that have a role of it."""
        return [*self.current, *self.outdated]


def permission_sets(session: Session, scope: Scope, *, every: bool = False) -> list[Found]:
    """Return the permission sets that are declared by name or the stack's own, asked for once in an observation.

    :param every: those of everybody, for an import.
    """
    return once(session, scope, f"permission-sets-{every}", lambda: _permission_sets(session, scope, every))


def _permission_sets(session: Session, scope: Scope, every: bool) -> list[Found]:
    found = instance(session, scope)
    if found is None:
        return []
    where: dict[str, Any] = {"InstanceArn": found.arn}
    declared = set(scope.names("permission_set", "name"))
    # The tagging API doesn't tell of permission sets, and their listing gives neither name nor tags.
    listed = session.pages(SERVICE, "list_permission_sets", "PermissionSets", MaxResults=100, **where)

    def one(arn: str) -> Found | None:
        about = {**where, "PermissionSetArn": arn}
        # One that is deleted meanwhile has neither tags nor a description.
        tags = tag_dict(
            session.pages(SERVICE, "list_tags_for_resource", "Tags", missing=MISSING, ResourceArn=arn, **where)
        )
        ours = tags.get(STACK_TAG) == scope.stack
        if not (ours or declared or every):
            return None
        described = session.call(SERVICE, "describe_permission_set", missing=MISSING, **about).get("PermissionSet")
        if described is None or not (ours or every or described["Name"] in declared):
            return None
        current, outdated = (
            session.pages(
                SERVICE,
                "list_accounts_for_provisioned_permission_set",
                "AccountIds",
                missing=MISSING,
                ProvisioningStatus=f"LATEST_PERMISSION_SET_{status}",
                **about,
            )
            for status in ("PROVISIONED", "NOT_PROVISIONED")
        )
        return Found(arn, described["Name"], described, tags, current, outdated)

    return [item for item in each(one, listed) if item is not None]


_STATUS = {
    "create_account_assignment": (
        "account_assignment_creation_status",
        "AccountAssignmentCreationRequestId",
        "AccountAssignmentCreationStatus",
        "AccountAssignmentsCreationStatus",
    ),
    "delete_account_assignment": (
        "account_assignment_deletion_status",
        "AccountAssignmentDeletionRequestId",
        "AccountAssignmentDeletionStatus",
        "AccountAssignmentsDeletionStatus",
    ),
    "provision_permission_set": (
        "permission_set_provisioning_status",
        "ProvisionPermissionSetRequestId",
        "PermissionSetProvisioningStatus",
        "PermissionSetsProvisioningStatus",
    ),
}
"""By operation: what its status is called by, the member of a request, of an answer, and of a listing."""


class _Requests:
    """What was asked for and isn't known to be done, by what it is about."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.open: dict[str, list[tuple[str, str]]] = {}


_requests: weakref.WeakKeyDictionary[Session, _Requests] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def _of(session: Session) -> _Requests:
    with _lock:
        return _requests.setdefault(session, _Requests())


def begin(session: Session, about: str, operation: str, /, *, missing: Iterable[str] = (), **params: Any) -> None:
    """Ask for something that takes its time; :func:`settled` tells when it is done.

    :param about: the identifier of what it is done for.
    """
    answer = change(session, operation, missing=missing, **params).get(_STATUS[operation][2])
    if answer is not None:
        requests = _of(session)
        with requests.lock:
            requests.open.setdefault(about, []).append((operation, answer["RequestId"]))


def settled(session: Session, arn: str, about: str) -> bool | Pending:
    """Tell whether all that was asked for is done, or how it stands; raise when some of it failed.

    One request tells of everything that is in progress; only what isn't any more is looked at one by one.

    :param arn: the instance.
    """
    requests = _of(session)
    with requests.lock:
        waiting = [*requests.open.get(about, ())]
    failed: list[str] = []
    for operation in {operation for operation, _request in waiting}:
        name, member, key, listing = _STATUS[operation]
        ours = [request for asked, request in waiting if asked == operation]
        listed = session.pages(
            SERVICE,
            f"list_{name}",
            listing,
            InstanceArn=arn,
            MaxResults=100,
            Filter={"Status": "IN_PROGRESS"},
        )
        underway = {item["RequestId"] for item in listed} & set(ours)
        if underway:
            return Pending(f"IN_PROGRESS ({len(underway)} of {len(ours)})")
        for request in ours:
            status = session.call(SERVICE, f"describe_{name}", **{"InstanceArn": arn, member: request})[key]
            if status["Status"] == "IN_PROGRESS":
                return Pending("IN_PROGRESS")
            if status["Status"] == "FAILED":
                failed.append(_failure(operation, status))
    with requests.lock:
        requests.open.pop(about, None)
    if failed:
        raise EngineError(failed)
    return True


_ATTEMPTS = {
    "create_account_assignment": "could not be assigned",
    "delete_account_assignment": "could not be taken away",
    "provision_permission_set": "could not be provisioned",
}


def _failure(operation: str, status: Mapping[str, Any]) -> str:
    account = status.get("TargetId") or status.get("AccountId")
    where = f" in account {account}" if account else ""
    reason = str(status.get("FailureReason") or "AWS gives no reason").rstrip(".")
    # https://docs.aws.amazon.com/singlesignon/latest/userguide/howtocmp.html
    advice = (
        ": the policies that it refers to by name have to be in each account first, with the same path"
        if " 404 " in reason or "does not exist" in reason
        else ""
    )
    return f"the permission set {_ATTEMPTS[operation]}{where} ({reason}){advice}"
