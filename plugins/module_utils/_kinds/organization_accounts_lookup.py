# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts of the organization by name, by unit, or all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from .._engine.errors import EngineError
from .._engine.kind import Kind, Observed, Property, Scope
from . import _organizations
from ._once import once
from ._session import Session

ALL = "all"


class OrganizationAccountsLookup(Kind):
    """Accounts in use (https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListAccounts.html).

    A delegated administrator's C(all) leaves the management account out, where it has no say.
    """

    name = "organization_accounts_lookup"
    properties: ClassVar[Mapping[str, Property]] = {
        "target": Property(
            "str",
            required=True,
            doc="The name of an account, the path of a unit such as V(Workloads/Prod) with all below it, or V(all).",
        ),
    }
    attributes = ("account_id", "account_ids")
    key = ("target",)
    taggable = False
    lookup = True

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """List the accounts once; units are looked up level by level, where one is named."""
        targets = scope.names(self.name, "target")
        accounts = self._accounts(session, scope) if targets else []
        if not accounts:
            return []
        names = {account["Name"] for account in accounts}
        units = {target: self._unit(session, scope, target) for target in targets if target not in (*names, ALL)}
        return [
            # One account has an id, several have a list of them.
            Observed(target, {"target": target}, {"account_ids": ids, "account_id": ids[0] if len(ids) == 1 else None})
            for target in targets
            if (ids := self._matching(session, accounts, target, units.get(target)))
        ]

    @staticmethod
    def _accounts(session: Session, scope: Scope) -> list[dict[str, Any]]:
        def ask() -> list[dict[str, Any]]:
            listed = session.pages("organizations", "list_accounts", "Accounts", missing=[_organizations.NOT_IN_USE])
            return [item for item in listed if (item.get("State") or item.get("Status")) == "ACTIVE"]

        return once(session, scope, "organizations-accounts-in-use", ask)

    @staticmethod
    def _matching(session: Session, accounts: list[dict[str, Any]], target: str, unit: str | None) -> list[str]:
        if target == ALL:
            # arn:aws:organizations::<management account>:account/<organization>/<account>
            management = accounts[0]["Arn"].split(":")[4]
            hidden = {management} - {session.account_id}
            return sorted(account["Id"] for account in accounts if account["Id"] not in hidden)
        if unit is not None:
            return sorted(account["Id"] for account in accounts if unit in _above(session, account))
        found = [account["Id"] for account in accounts if account["Name"] == target]
        if len(found) > 1:
            raise EngineError(f"the organization has {len(found)} accounts named '{target}': rename one of them")
        return found

    def _unit(self, session: Session, scope: Scope, path: str) -> str | None:
        """Return the id of a unit; units above several are listed once."""
        root = _organizations.observed_root(session, scope)
        above: str | None = root["Id"] if root is not None else None
        for name in path.split("/"):
            if above is None:
                return None
            above = self._below(session, scope, above).get(name)
        return above

    @staticmethod
    def _below(session: Session, scope: Scope, parent: str) -> dict[str, str]:
        def ask() -> dict[str, str]:
            found = session.pages(
                "organizations", "list_organizational_units_for_parent", "OrganizationalUnits", ParentId=parent
            )
            return {unit["Name"]: unit["Id"] for unit in found}

        return once(session, scope, f"organizations-units-{parent}", ask)


def _above(session: Session, account: Mapping[str, Any]) -> set[str]:
    """Return the ids of the units that an account is in, by its paths, or by asking upwards where it has none."""
    paths = account.get("Paths") or ()
    if paths:
        return {part for path in paths for part in path.split("/")}
    found: set[str] = set()
    child = account["Id"]
    while True:
        parent = session.pages("organizations", "list_parents", "Parents", ChildId=child)[0]
        if parent["Type"] == "ROOT":
            return found
        found.add(parent["Id"])
        child = parent["Id"]
