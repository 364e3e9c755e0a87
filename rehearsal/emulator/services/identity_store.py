# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The identity store of IAM Identity Center: users, groups and who is in them.

https://docs.aws.amazon.com/singlesignon/latest/IdentityStoreAPIReference/

An identity provider writes by SCIM what this API writes: to everybody else the result is the same.
"""

from __future__ import annotations

import datetime
import uuid
from dataclasses import dataclass, field
from typing import Any, NoReturn

from rehearsal.emulator.errors import AwsError
from rehearsal.emulator.registry import Call, operation, page

SERVICE = "identitystore"


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


@dataclass
class Entity:
    """A user or a group; ``attributes`` has the members of the API's structures by name."""

    id: str
    kind: str
    attributes: dict[str, Any]
    revision: int = 1
    created: datetime.datetime = field(default_factory=_now)

    @property
    def arn(self) -> str:
        """Its ARN, which names neither account nor store."""
        return f"arn:aws:identitystore:::{self.kind.lower()}/{self.id}"


@dataclass
class Store:
    """One identity store; memberships are pairs of a group's and a user's id, by their own id."""

    id: str
    users: dict[str, Entity] = field(default_factory=dict)
    groups: dict[str, Entity] = field(default_factory=dict)
    memberships: dict[str, tuple[str, str]] = field(default_factory=dict)


def _store(call: Call) -> Store:
    """The store that a request names, if the caller may ask for it."""
    from rehearsal.emulator.services import identity_center  # noqa: PLC0415 - it needs the stores of this module

    center = identity_center.current(call)
    if center is None or call["IdentityStoreId"].rpartition("/")[2] != center.store.id:
        _missing("IDENTITY_STORE", call["IdentityStoreId"])
    identity_center.authorized(call)
    return center.store


def _missing(kind: str, identifier: str) -> NoReturn:
    raise AwsError(
        "ResourceNotFoundException", f"{kind} not found.", ResourceType=kind, ResourceId=identifier, status=404
    )


def _conflict(message: str) -> NoReturn:
    raise AwsError("ConflictException", message, Reason="UNIQUENESS_CONSTRAINT_VIOLATION", status=409)


def _find(entities: dict[str, Entity], kind: str, identifier: str) -> Entity:
    found = entities.get(identifier.rpartition("/")[2])
    if found is None:
        _missing(kind, identifier)
    return found


def _name(value: Any) -> str:
    return str(value).casefold()


def _paged(call: Call, key: str, items: list[Any]) -> dict[str, Any]:
    some, following = page(items, call.get("NextToken"), call.get("MaxResults", 100))
    return {key: some, **({"NextToken": following} if following else {})}


def _ids(store: Store, entity: Entity) -> dict[str, Any]:
    noun = entity.kind.capitalize()
    return {"IdentityStoreId": store.id, f"{noun}Id": entity.id, f"{noun}Arn": entity.arn}


def _revised(store: Store, entity: Entity) -> dict[str, Any]:
    return {**_ids(store, entity), "Revision": str(entity.revision)}


def _view(store: Store, entity: Entity) -> dict[str, Any]:
    return {**_revised(store, entity), **entity.attributes, "CreatedAt": entity.created, "UpdatedAt": entity.created}


def _listed(call: Call, store: Store, entities: dict[str, Entity]) -> list[dict[str, Any]]:
    """Views of what passes a listing's filter, which knows one attribute for each kind of thing."""
    found = list(entities.values())
    for item in call.get("Filters", []):
        path, value = item["AttributePath"], _name(item["AttributeValue"])
        if path not in ("UserName", "DisplayName"):
            raise AwsError("ValidationException", f"The attribute {path} is not supported in a filter")
        found = [entity for entity in found if _name(entity.attributes.get(path, "")) == value]
    return [_view(store, entity) for entity in found]


def _unique(entities: dict[str, Entity], path: str, value: str, but: str = "") -> None:
    if any(_name(item.attributes.get(path, "")) == _name(value) and item.id != but for item in entities.values()):
        _conflict(f"Duplicate {path}")


@operation(SERVICE, "CreateGroup")
def create_group(call: Call) -> dict[str, Any]:
    """A group; names are unique, whatever their case."""
    store = _store(call)
    if not call.get("DisplayName"):
        raise AwsError("ValidationException", "displayName is a required attribute")
    _unique(store.groups, "DisplayName", call["DisplayName"])
    attributes = {name: call[name] for name in ("DisplayName", "Description") if call.get(name)}
    group = Entity(str(uuid.uuid4()), "GROUP", attributes)
    store.groups[group.id] = group
    return _revised(store, group)


@operation(SERVICE, "UpdateGroup")
def update_group(call: Call) -> dict[str, Any]:
    """Each operation sets an attribute, or takes it away where it has no value."""
    store = _store(call)
    group = _find(store.groups, "GROUP", call["GroupId"])
    names = {"displayname": "DisplayName", "description": "Description"}
    for item in call["Operations"]:
        name = names.get(item["AttributePath"].lower())
        if name is None:
            raise AwsError("ValidationException", f"The attribute {item['AttributePath']} is not supported")
        value = item.get("AttributeValue")
        if value in (None, ""):
            if name == "DisplayName":
                raise AwsError("ValidationException", "displayName is a required attribute")
            group.attributes.pop(name, None)
            continue
        if name == "DisplayName":
            _unique(store.groups, name, value, but=group.id)
        group.attributes[name] = value
    group.revision += 1
    return _revised(store, group)


@operation(SERVICE, "DeleteGroup")
def delete_group(call: Call) -> dict[str, Any]:
    """A group goes with its memberships; assignments to it stay, as on AWS."""
    store = _store(call)
    group = _find(store.groups, "GROUP", call["GroupId"])
    del store.groups[group.id]
    store.memberships = {key: pair for key, pair in store.memberships.items() if pair[0] != group.id}
    return {}


@operation(SERVICE, "DescribeGroup")
def describe_group(call: Call) -> dict[str, Any]:
    """One group."""
    store = _store(call)
    return _view(store, _find(store.groups, "GROUP", call["GroupId"]))


@operation(SERVICE, "ListGroups")
def list_groups(call: Call) -> dict[str, Any]:
    """All groups, or the one with a display name."""
    store = _store(call)
    return _paged(call, "Groups", _listed(call, store, store.groups))


@operation(SERVICE, "GetGroupId", "GetUserId")
def get_id(call: Call) -> dict[str, Any]:
    """The id of who has a unique attribute."""
    store = _store(call)
    kind = "GROUP" if call.operation == "GetGroupId" else "USER"
    entities = store.groups if kind == "GROUP" else store.users
    wanted = call["AlternateIdentifier"].get("UniqueAttribute") or {}
    path = {"displayname": "DisplayName", "username": "UserName"}.get(str(wanted.get("AttributePath")).lower())
    for entity in entities.values():
        if path and _name(entity.attributes.get(path, "")) == _name(wanted["AttributeValue"]):
            return _ids(store, entity)
    _missing(kind, str(wanted.get("AttributeValue")))


_USER = ("UserName", "Name", "DisplayName", "NickName", "ProfileUrl", "Emails", "UserType", "Title", "Locale")


@operation(SERVICE, "CreateUser")
def create_user(call: Call) -> dict[str, Any]:
    """A user; the names are required, although the model doesn't say so."""
    store = _store(call)
    names = call.get("Name") or {}
    for path, value in (
        ("userName", call.get("UserName")),
        ("displayName", call.get("DisplayName")),
        ("name.givenName", names.get("GivenName")),
        ("name.familyName", names.get("FamilyName")),
    ):
        if not value:
            raise AwsError("ValidationException", f"{path}: The attribute {path} is required")
    _unique(store.users, "UserName", call["UserName"])
    user = Entity(str(uuid.uuid4()), "USER", {name: call[name] for name in _USER if call.get(name)})
    user.attributes["UserStatus"] = "ENABLED"
    store.users[user.id] = user
    return _revised(store, user)


@operation(SERVICE, "DescribeUser")
def describe_user(call: Call) -> dict[str, Any]:
    """One user."""
    store = _store(call)
    return _view(store, _find(store.users, "USER", call["UserId"]))


@operation(SERVICE, "ListUsers")
def list_users(call: Call) -> dict[str, Any]:
    """All users, or the one with a user name."""
    store = _store(call)
    return _paged(call, "Users", _listed(call, store, store.users))


@operation(SERVICE, "DeleteUser")
def delete_user(call: Call) -> dict[str, Any]:
    """A user goes with the memberships."""
    store = _store(call)
    user = _find(store.users, "USER", call["UserId"])
    del store.users[user.id]
    store.memberships = {key: pair for key, pair in store.memberships.items() if pair[1] != user.id}
    return {}


def _membership(store: Store, key: str) -> dict[str, Any]:
    group, user = store.memberships[key]
    return {**_membership_ids(store, key), "GroupId": group, "MemberId": {"UserId": user}}


def _membership_ids(store: Store, key: str) -> dict[str, Any]:
    return {
        "IdentityStoreId": store.id,
        "MembershipId": key,
        "MembershipArn": f"arn:aws:identitystore:::membership/{key}",
    }


def _pair(call: Call, store: Store) -> tuple[str, str]:
    group = _find(store.groups, "GROUP", call["GroupId"])
    return group.id, _find(store.users, "USER", call["MemberId"].get("UserId", "")).id


@operation(SERVICE, "CreateGroupMembership")
def create_group_membership(call: Call) -> dict[str, Any]:
    """A user more in a group."""
    store = _store(call)
    pair = _pair(call, store)
    if pair in store.memberships.values():
        _conflict("Member and Group relationship already exists")
    key = str(uuid.uuid4())
    store.memberships[key] = pair
    return _membership_ids(store, key)


@operation(SERVICE, "DeleteGroupMembership")
def delete_group_membership(call: Call) -> dict[str, Any]:
    """A user less in a group."""
    store = _store(call)
    key = call["MembershipId"].rpartition("/")[2]
    if store.memberships.pop(key, None) is None:
        _missing("GROUP_MEMBERSHIP", key)
    return {}


@operation(SERVICE, "DescribeGroupMembership")
def describe_group_membership(call: Call) -> dict[str, Any]:
    """One membership."""
    store = _store(call)
    key = call["MembershipId"].rpartition("/")[2]
    if key not in store.memberships:
        _missing("GROUP_MEMBERSHIP", key)
    return _membership(store, key)


@operation(SERVICE, "GetGroupMembershipId")
def get_group_membership_id(call: Call) -> dict[str, Any]:
    """The id of a membership."""
    store = _store(call)
    pair = _pair(call, store)
    for key, found in store.memberships.items():
        if found == pair:
            return _membership_ids(store, key)
    _missing("GROUP_MEMBERSHIP", pair[1])


@operation(SERVICE, "ListGroupMemberships")
def list_group_memberships(call: Call) -> dict[str, Any]:
    """Who is in a group."""
    store = _store(call)
    group = _find(store.groups, "GROUP", call["GroupId"])
    found = [_membership(store, key) for key, pair in store.memberships.items() if pair[0] == group.id]
    return _paged(call, "GroupMemberships", found)


@operation(SERVICE, "ListGroupMembershipsForMember")
def list_group_memberships_for_member(call: Call) -> dict[str, Any]:
    """The groups that a user is in."""
    store = _store(call)
    user = _find(store.users, "USER", call["MemberId"].get("UserId", ""))
    found = [_membership(store, key) for key, pair in store.memberships.items() if pair[1] == user.id]
    return _paged(call, "GroupMemberships", found)


@operation(SERVICE, "IsMemberInGroups")
def is_member_in_groups(call: Call) -> dict[str, Any]:
    """Whether a user is in each of some groups."""
    store = _store(call)
    user = _find(store.users, "USER", call["MemberId"].get("UserId", ""))
    pairs = set(store.memberships.values())
    return {
        "Results": [
            {"GroupId": group, "MemberId": {"UserId": user.id}, "MembershipExists": (group, user.id) in pairs}
            for group in call["GroupIds"]
        ]
    }
