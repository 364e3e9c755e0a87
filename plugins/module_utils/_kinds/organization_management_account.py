# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The management account's place in the organization."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from .._engine.errors import EngineError
from .._engine.kind import Kind, Observed, Property, Scope, Wanted
from . import _organizations
from ._session import Session


class OrganizationManagementAccount(Kind):
    """The account that the organization belongs to: it exists before all else and is only placed and tagged.

    https://docs.aws.amazon.com/organizations/latest/APIReference/API_MoveAccount.html
    """

    name = "organization_management_account"
    central = True
    properties: ClassVar[Mapping[str, Property]] = {
        "organization_id": Property("str", required=True, immutable=True, doc="The organization."),
        "parent_id": Property("str", doc="The root or unit it is in; AWS recommends the root."),
    }
    attributes = ("arn", "account_name", "email", "status")
    key = ("organization_id",)
    preexisting = True
    tag = _organizations.tag

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """Describe the caller's own account, where it is declared."""
        if not scope.declared.get(self.name):
            return []
        found = self._found(session)
        return [found] if found is not None else []

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Place and tag the account of a new organization."""
        found = self._found(session)
        if found is None:
            raise EngineError(f"account {session.account_id} is not in an organization yet: run this again in a minute")
        self.tag(session, found, wanted.tags)
        return self.update(session, found, wanted, frozenset({"parent_id"}))

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Move the account."""
        here, there = observed.properties["parent_id"], wanted.get("parent_id")
        if there and here != there:
            _organizations.move(session, observed.id, here, there)
        return observed

    def _found(self, session: Session) -> Observed | None:
        account = session.call(
            _organizations.SERVICE,
            "describe_account",
            missing=[_organizations.NOT_IN_USE],
            AccountId=session.account_id,
        ).get("Account")
        if account is None:
            return None
        return Observed(
            id=account["Id"],
            properties={
                # arn:aws:organizations::<management account>:account/<organization>/<account>
                "organization_id": account["Arn"].split("/")[-2],
                "parent_id": _organizations.parent_of(session, account),
            },
            attributes={
                "arn": account["Arn"],
                "account_name": account["Name"],
                "email": account["Email"],
                "status": account.get("State") or account["Status"],
            },
            tags=_organizations.tags_of(session, account["Id"]),
        )
