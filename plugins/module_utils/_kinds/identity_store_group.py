# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups of the identity store of IAM Identity Center, with who is in them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from .._engine.errors import EngineError
from .._engine.kind import ADDRESS_TAG, STACK_TAG, Kind, Observed, Property, Scope, Wanted
from . import _identity_center
from ._identity_center import MISSING, STORE
from ._session import Session
from ._shapes import violations

_MARK = re.compile(rf"\s*\[{STACK_TAG}=(?P<stack>\S+) {ADDRESS_TAG}=(?P<address>[^\]]+)\]$")
_MOST = 800
"""Characters of a description, which AWS allows 1,024 of: the mark needs the rest."""


class IdentityStoreGroup(Kind):
    """A group (https://docs.aws.amazon.com/singlesignon/latest/IdentityStoreAPIReference/API_CreateGroup.html).

    Groups carry no tags. Whose one is stands at the end of its description. Where an identity provider brings groups by
    SCIM they are looked up instead. Users are looked up by name and never created.
    """

    name = "identity_store_group"
    central = True
    properties: ClassVar[Mapping[str, Property]] = {
        "identity_store_id": Property("str", required=True, immutable=True, doc="The store that it is in."),
        "display_name": Property("str", required=True, doc="Its name, unique in the store."),
        "description": Property("str", default="", doc="Who belongs into it."),
        "members": Property("set", doc="The user names of all who are in it; whoever else is in it is taken out."),
    }
    attributes = ("arn",)
    key = ("display_name",)
    taggable = False
    marked = True

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """List all groups in one call, and the members of those of which they are declared."""
        declared = {str(item.get("display_name")): item for item in scope.declared.get(self.name, ())}
        found = [
            item
            for item in _identity_center.groups(session, scope)
            if item.get("DisplayName") in declared or _owner(item).get(STACK_TAG) == scope.stack
        ]
        by_address = {f"{self.name}.{name}": item for name, item in declared.items() if item.get("members") is not None}

        def one(group: Mapping[str, Any]) -> Observed:
            about = declared.get(group["DisplayName"], by_address.get(_owner(group).get(ADDRESS_TAG, "")))
            with_members = about is not None and about.get("members") is not None
            members = None
            if with_members:
                names = _identity_center.users(session, scope)
                members = sorted(names.get(user, user) for user in _members(session, group))
            return self._observed(group, members)

        return _identity_center.each(one, found)

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Create the group with its mark, then bring in its members."""
        made = session.call(
            STORE,
            "create_group",
            IdentityStoreId=wanted["identity_store_id"],
            DisplayName=wanted["display_name"],
            Description=_marked(wanted),
        )
        group = {**made, "DisplayName": wanted["display_name"], "Description": _marked(wanted)}
        observed = self._observed(group, [])
        if wanted.get("members"):
            self._bring_in(session, observed, wanted)
        return observed

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Rename it, describe it anew, bring people in and take people out."""
        values = {"displayName": wanted["display_name"]} if "display_name" in changed else {}
        if "description" in changed:
            values["description"] = _marked(wanted)
        operations = [{"AttributePath": path, "AttributeValue": value} for path, value in values.items()]
        if operations:
            session.call(
                STORE,
                "update_group",
                IdentityStoreId=wanted["identity_store_id"],
                GroupId=observed.id,
                Operations=operations,
            )
        if "members" in changed:
            self._bring_in(session, observed, wanted)
        return observed

    def delete(self, session: Session, observed: Observed) -> None:
        """Delete the group; its members stay what they are."""
        session.call(
            STORE,
            "delete_group",
            missing=MISSING,
            IdentityStoreId=observed.properties["identity_store_id"],
            GroupId=observed.id,
        )

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check against the API's model, and that there is room for the mark."""
        given = {name: value for name, value in properties.items() if value != ""}
        problems = violations(STORE, "CreateGroup", given)
        description = properties["description"]
        if isinstance(description, str) and len(description) > _MOST:
            problems.append(f"description has {len(description)} characters, {_MOST} fit")
        members = properties.get("members")
        if isinstance(members, Sequence):
            problems += [f"members: {item!r} is not a user name" for item in members if not isinstance(item, str)]
        return problems

    def preflight(self, session: Session, wanted: Sequence[Mapping[str, Any]]) -> list[str]:
        """Name the users that aren't there."""
        asked = [group for group in wanted if group.get("members")]
        store = _identity_center.instance(session) if asked else None
        if store is None:
            return []
        known = set(_identity_center.user_names(session, store.store).values())
        return [
            f"group '{group['display_name']}': there is no user '{name}' in IAM Identity Center: invite them there "
            "first (people are never created here), or correct the name"
            for group in asked
            for name in group["members"]
            if name not in known
        ]

    @staticmethod
    def _bring_in(session: Session, observed: Observed, wanted: Wanted) -> None:
        store = wanted["identity_store_id"]
        ids = {name: user for user, name in _identity_center.user_names(session, store).items()}
        unknown = sorted(set(wanted["members"]) - ids.keys())
        if unknown:
            raise EngineError(f"there is no user {', '.join(unknown)} in IAM Identity Center: invite them there first")
        there = _members(session, {"IdentityStoreId": store, "GroupId": observed.id})
        target = {ids[name] for name in wanted["members"]}
        for user in sorted(target - there.keys()):
            session.call(
                STORE,
                "create_group_membership",
                IdentityStoreId=store,
                GroupId=observed.id,
                MemberId={"UserId": user},
            )
        for user in sorted(there.keys() - target):
            session.call(
                STORE,
                "delete_group_membership",
                missing=MISSING,
                IdentityStoreId=store,
                MembershipId=there[user],
            )

    @staticmethod
    def _observed(group: Mapping[str, Any], members: Sequence[str] | None) -> Observed:
        owner = _owner(group)
        return Observed(
            id=group["GroupId"],
            properties={
                "identity_store_id": group["IdentityStoreId"],
                "display_name": group["DisplayName"],
                # Without a mark it differs from any that is declared, so that a group which is taken over gets one.
                "description": without_mark(group) if owner else None,
                "members": members,
            },
            attributes={"arn": group.get("GroupArn")},
            tags=owner,
        )


def _owner(group: Mapping[str, Any]) -> dict[str, str]:
    """Return whose a group is, in the form of the ownership tags; empty if it is nobody's."""
    found = _MARK.search(group.get("Description") or "")
    return {STACK_TAG: found["stack"], ADDRESS_TAG: found["address"]} if found else {}


def without_mark(group: Mapping[str, Any]) -> str:
    """Return a group's description without whose it is."""
    return _MARK.sub("", group.get("Description") or "")


def _marked(wanted: Wanted) -> str:
    mark = f"[{STACK_TAG}={wanted.tags[STACK_TAG]} {ADDRESS_TAG}={wanted.tags[ADDRESS_TAG]}]"
    return f"{wanted['description']} {mark}".lstrip()


def _members(session: Session, group: Mapping[str, Any]) -> dict[str, str]:
    """Return the ids of memberships by those of users."""
    found = session.pages(
        STORE,
        "list_group_memberships",
        "GroupMemberships",
        missing=MISSING,
        IdentityStoreId=group["IdentityStoreId"],
        GroupId=group["GroupId"],
        MaxResults=100,
    )
    return {item["MemberId"]["UserId"]: item["MembershipId"] for item in found}
