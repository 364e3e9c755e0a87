# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Organizational units."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from .._engine.kind import Kind, Observed, Property, Scope, Wanted
from . import _organizations
from ._session import Session
from ._shapes import request, violations
from ._tags import tag_list


class OrganizationalUnit(Kind):
    """An organizational unit (https://docs.aws.amazon.com/organizations/latest/APIReference/API_CreateOrganizationalUnit.html)."""

    name = "organizational_unit"
    central = True
    properties: ClassVar[Mapping[str, Property]] = {
        "name": Property("str", required=True, doc="Unique under its parent."),
        "parent_id": Property(
            "str", required=True, immutable=True, doc="The root or the unit it is in; AWS can't move it."
        ),
    }
    attributes = ("arn",)
    key = ("parent_id", "name")
    create_before_delete = True
    tag = _organizations.tag

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """List level by level, going down only into units that are declared or the stack's own."""
        root = _organizations.observed_root(session, scope)
        if root is None:
            return []
        ours = _organizations.owned(session, scope)
        names = set(scope.names(self.name, "name"))
        found: list[Observed] = []
        level = [root["Id"]]
        while level:
            units = [
                (parent, unit)
                for parent, children in zip(
                    level, session.each(lambda item: _children(session, item), level), strict=True
                )
                for unit in children
                if unit["Name"] in names or unit["Arn"] in ours
            ]
            tags = session.each(lambda item: _organizations.tags_of(session, item[1]["Id"]), units)
            found += [self._observed(unit, parent, own) for (parent, unit), own in zip(units, tags, strict=True)]
            level = [unit["Id"] for _parent, unit in units]
        return found

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Create the unit with its tags."""
        made = _organizations.change(
            session,
            "create_organizational_unit",
            retry_on=_organizations.UNKNOWN_YET,
            Tags=tag_list(wanted.tags),
            **request(_organizations.SERVICE, "CreateOrganizationalUnit", {**wanted.properties, "tags": None}),
        )
        return self._observed(made["OrganizationalUnit"], wanted["parent_id"], wanted.tags)

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Rename the unit."""
        made = _organizations.change(
            session, "update_organizational_unit", OrganizationalUnitId=observed.id, Name=wanted["name"]
        )
        return self._observed(made["OrganizationalUnit"], observed.properties["parent_id"], wanted.tags)

    def delete(self, session: Session, observed: Observed) -> None:
        """Delete the unit; the management account, which nobody deletes, is moved out of it first."""
        accounts = session.pages(
            _organizations.SERVICE,
            "list_accounts_for_parent",
            "Accounts",
            missing=["ParentNotFoundException"],
            ParentId=observed.id,
        )
        root = _organizations.root(session)
        if root is not None and session.account_id in {account["Id"] for account in accounts}:
            _organizations.move(session, session.account_id, observed.id, root["Id"])
        _organizations.change(
            session,
            "delete_organizational_unit",
            missing=("OrganizationalUnitNotFoundException",),
            OrganizationalUnitId=observed.id,
        )

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check against the API's model."""
        return violations(_organizations.SERVICE, "CreateOrganizationalUnit", {**properties, "tags": None})

    @staticmethod
    def _observed(unit: Mapping[str, Any], parent: str, tags: Mapping[str, str]) -> Observed:
        return Observed(
            id=unit["Id"],
            properties={"name": unit["Name"], "parent_id": parent},
            attributes={"arn": unit["Arn"]},
            tags=tags,
        )


def _children(session: Session, parent: str) -> list[dict[str, Any]]:
    return session.pages(
        _organizations.SERVICE,
        "list_organizational_units_for_parent",
        "OrganizationalUnits",
        missing=["ParentNotFoundException"],
        ParentId=parent,
    )
