# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who has which permission set of IAM Identity Center in which accounts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from .._engine.kind import Kind, Observed, Pending, Property, Scope, Wanted
from .._engine.resource import is_known
from . import _identity_center
from ._identity_center import MISSING, SERVICE, Found, Instance
from ._session import Session
from ._shapes import violations


def accounts_in(value: Any) -> Iterator[str]:
    """Yield the account ids of a list, some of which may be lists themselves: those of a unit."""
    for item in value or ():
        if isinstance(item, str):
            yield item
        else:
            yield from accounts_in(item)


def _same_accounts(wanted: Any, observed: Any) -> bool:
    return set(accounts_in(wanted)) == set(accounts_in(observed))


class AccountAssignment(Kind):
    """A permission set given to a group or user, in all accounts where they have it.

    https://docs.aws.amazon.com/singlesignon/latest/APIReference/API_CreateAccountAssignment.html

    Everybody who has one of the stack's permission sets and isn't declared loses it. With the last assignment of a
    permission set in an account goes the role there, and another one has another name.
    """

    name = "account_assignment"
    central = True
    properties: ClassVar[Mapping[str, Property]] = {
        "instance_arn": Property("str", required=True, immutable=True, doc="The organization's Identity Center."),
        "permission_set_arn": Property("str", required=True, immutable=True, doc="The permission set."),
        "principal_type": Property(
            "str", default="GROUP", immutable=True, choices=("GROUP", "USER"), doc="Who gets it."
        ),
        "principal_id": Property("str", required=True, immutable=True, doc="The id of the group or user."),
        "account_ids": Property(
            "set", required=True, same=_same_accounts, doc="The accounts; an item may be a list of them."
        ),
    }
    key = ("permission_set_arn", "principal_type", "principal_id")
    taggable = False

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """List who has the stack's permission sets, in all accounts that have a role of one."""
        return self.read(session, scope, _identity_center.permission_sets(session, scope))

    def read(self, session: Session, scope: Scope, sets: Sequence[Found]) -> list[Observed]:
        """Return who has some permission sets."""
        instance = _identity_center.instance(session, scope)
        if instance is None or not sets:
            return []
        # A delegated administrator has no say in the management account.
        hidden = {instance.owner} - {session.account_id}
        pairs = {(item.arn, account) for item in sets for account in item.accounts if account not in hidden}
        found: dict[tuple[str, str, str], list[str]] = defaultdict(list)
        for item in _listed(session, scope, instance, pairs):
            found[item["PermissionSetArn"], item["PrincipalType"], item["PrincipalId"]].append(item["AccountId"])
        names = {item.arn: item.name for item in sets}
        people = {item["GroupId"]: item.get("DisplayName") for item in _identity_center.groups(session, scope)}
        return [
            self._observed(
                instance.arn, *key, accounts, f"{names[key[0]]}@{people.get(key[2]) or key[1].lower()} ({key[2]})"
            )
            for key, accounts in found.items()
        ]

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Ask for all of it; AWS works on ten at a time."""
        key = (wanted["permission_set_arn"], wanted["principal_type"], wanted["principal_id"])
        observed = self._observed(wanted["instance_arn"], *key, [], "")
        return self.update(session, observed, wanted, frozenset({"account_ids"}))

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Give it where it is missing, then take it away where it isn't wanted."""
        there, target = (
            set(accounts_in(value)) for value in (observed.properties["account_ids"], wanted["account_ids"])
        )
        for account in sorted(target - there):
            _begin(session, observed, "create_account_assignment", account)
        for account in sorted(there - target):
            _begin(session, observed, "delete_account_assignment", account, missing=MISSING)
        return observed

    def delete(self, session: Session, observed: Observed) -> None:
        """Take it away everywhere."""
        for account in sorted(accounts_in(observed.properties["account_ids"])):
            _begin(session, observed, "delete_account_assignment", account, missing=MISSING)

    def ready(self, session: Session, observed: Observed) -> Observed | Pending | None:
        """Wait until the roles in the accounts are there, and those that go are gone."""
        state = _identity_center.settled(session, observed.properties["instance_arn"], observed.id)
        return state if isinstance(state, Pending) else observed

    def gone(self, session: Session, observed: Observed) -> bool | Pending:
        """Wait until it is taken away everywhere."""
        return _identity_center.settled(session, observed.properties["instance_arn"], observed.id)

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check against the API's model, and the accounts' ids."""
        problems = violations(SERVICE, "CreateAccountAssignment", properties)
        accounts = properties["account_ids"]
        if is_known(accounts):
            for account in accounts_in(accounts):
                problems += violations(SERVICE, "CreateAccountAssignment", {"target_id": account})
        return problems

    def preflight(self, session: Session, wanted: Sequence[Mapping[str, Any]]) -> list[str]:
        """Refuse what only the management account may do."""
        instance = _identity_center.instance(session) if wanted else None
        if instance is None or instance.owner == session.account_id:
            return []
        return [
            f"a delegated administrator can't assign anything in the management account {instance.owner}: leave it "
            "out, or use credentials of the management account"
            for item in wanted
            if is_known(item["account_ids"]) and instance.owner in accounts_in(item["account_ids"])
        ]

    @classmethod
    def _observed(
        cls, instance: str, arn: str, principal_type: str, principal: str, accounts: Sequence[str], name: str
    ) -> Observed:
        return Observed(
            id=f"{arn}@{principal}",
            properties={
                "instance_arn": instance,
                "permission_set_arn": arn,
                "principal_type": principal_type,
                "principal_id": principal,
                "account_ids": sorted(accounts),
            },
            address=f"{cls.name}.{name}" if name else "",
        )


def _listed(session: Session, scope: Scope, instance: Instance, pairs: set[tuple[str, str]]) -> list[dict[str, str]]:
    """Return who has a permission set in an account, by the way that takes fewer calls.

    One is to ask for each pair. The other, for the management account only, is to ask for each group and user, and then
    for the pairs that nobody who is still there accounts for.
    https://docs.aws.amazon.com/singlesignon/latest/APIReference/API_ListAccountAssignmentsForPrincipal.html
    """

    def of_pair(pair: tuple[str, str]) -> list[dict[str, str]]:
        return session.pages(
            SERVICE,
            "list_account_assignments",
            "AccountAssignments",
            missing=MISSING,
            InstanceArn=instance.arn,
            PermissionSetArn=pair[0],
            AccountId=pair[1],
            MaxResults=100,
        )

    def of_principal(principal: tuple[str, str]) -> list[dict[str, str]]:
        listed = session.pages(
            SERVICE,
            "list_account_assignments_for_principal",
            "AccountAssignments",
            missing=MISSING,
            InstanceArn=instance.arn,
            PrincipalType=principal[0],
            PrincipalId=principal[1],
            MaxResults=100,
        )
        # What a user has by a group is the group's.
        return [item for item in listed if (item["PrincipalType"], item["PrincipalId"]) == principal]

    found: list[dict[str, str]] = []
    for listed in _identity_center.each(of_principal, _principals(session, scope, instance, len(pairs))):
        found += [item for item in listed if (item["PermissionSetArn"], item["AccountId"]) in pairs]
    left = pairs - {(item["PermissionSetArn"], item["AccountId"]) for item in found}
    for listed in _identity_center.each(of_pair, sorted(left)):
        found += listed
    return found


def _principals(session: Session, scope: Scope, instance: Instance, most: int) -> list[tuple[str, str]]:
    """Return all groups and users if they are fewer than ``most`` and may be asked about, else none."""
    if instance.owner != session.account_id:
        return []
    groups = [("GROUP", str(item["GroupId"])) for item in _identity_center.groups(session, scope)]
    if len(groups) + 1 >= most:
        return []
    page = session.call(_identity_center.STORE, "list_users", IdentityStoreId=instance.store, MaxResults=100)
    everybody = [*groups, *(("USER", str(item["UserId"])) for item in page["Users"])]
    return everybody if "NextToken" not in page and len(everybody) < most else []


def _begin(session: Session, observed: Observed, operation: str, account: str, missing: Iterable[str] = ()) -> None:
    properties = observed.properties
    _identity_center.begin(
        session,
        observed.id,
        operation,
        missing=missing,
        InstanceArn=properties["instance_arn"],
        PermissionSetArn=properties["permission_set_arn"],
        PrincipalType=properties["principal_type"],
        PrincipalId=properties["principal_id"],
        TargetId=account,
        TargetType="AWS_ACCOUNT",
    )
