# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The resources of IAM Identity Center."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from .._engine.resource import Ref, Resource
from .._engine.words import did_you_mean

STACK = "identity-center"
ALL = "all"
Source = Literal["internal", "external"]

_CENTER = "identity_center_lookup.organization"
_INSTANCE = Ref(_CENTER, "arn")
_STORE = Ref(_CENTER, "identity_store_id")
# Names become part of addresses, which stand in tags and at the end of groups' descriptions.
_NAME = re.compile(r"[\w .:=+@/&'()-]+")
_CHARACTERS = "letters, digits, spaces and _ . : = + @ / & ' ( ) -"
_ACCOUNT_ID = re.compile(r"\d{12}")

_ENABLE = (
    "a person has to enable it in the console of the management account (IAM Identity Center, Enable), in the Region "
    "of this call, since no API can: https://docs.aws.amazon.com/singlesignon/latest/userguide/enable-identity-center.html"
)
_PUSH = (
    "assign the group to AWS at the identity provider, so that SCIM brings it here (it is never created here), or "
    "correct the name"
)
_TARGET = (
    "the organization has neither an account in use nor a unit with accounts of that name: run "
    "playbooks/organization.yml first, or correct it"
)


@dataclass(frozen=True)
class Group:
    """A group of people.

    :param members: user names; None leaves it to others who is in it.
    """

    name: str
    description: str = ""
    members: Sequence[str] | None = None


@dataclass(frozen=True)
class PermissionSet:
    """What its holders may do in an account.

    :param session_duration: ISO 8601, ``PT1H`` to ``PT12H``.
    :param managed_policies: AWS managed ones, by name or ARN.
    :param customer_managed_policies: ``name`` and ``path`` of policies that each account has.
    :param permissions_boundary: ``managed_policy`` or ``customer_managed_policy``.
    """

    name: str
    description: str = ""
    session_duration: str = "PT1H"
    relay_state: str = ""
    managed_policies: Sequence[str] = ()
    customer_managed_policies: Sequence[Mapping[str, Any]] = ()
    inline_policy: Any = None
    permissions_boundary: Mapping[str, Any] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Assignment:
    """A permission set that a group has in some accounts.

    :param targets: names of accounts, paths of units, or ``all``.
    """

    group: str
    permission_set: str
    targets: Sequence[str] = ()


@dataclass(frozen=True)
class Center:
    """What the module ``identity_center`` was told.

    :param source: whether groups are made here, or brought by an identity provider and only looked up.
    :param accounts: the names of all accounts; None if they aren't known before AWS is asked.
    :param units: the paths of all units; None as above.
    """

    groups: Sequence[Group] = ()
    permission_sets: Sequence[PermissionSet] = ()
    assignments: Sequence[Assignment] = ()
    source: Source = "internal"
    accounts: Sequence[str] | None = None
    units: Sequence[str] | None = None

    @property
    def group_names(self) -> list[str]:
        """All groups: those declared, and those that a provider brings and assignments name."""
        named = [assignment.group for assignment in self.assignments] if self.source == "external" else []
        return list(dict.fromkeys([*(group.name for group in self.groups), *named]))

    @property
    def unit_paths(self) -> list[str]:
        """All known units, those above them too."""
        paths = [path.split("/") for path in self.units or ()]
        return list(dict.fromkeys("/".join(path[: n + 1]) for path in paths for n in range(len(path))))


def problems_of(center: Center) -> list[str]:
    """Return every mistake in what was asked for."""
    return [*_wrong_groups(center), *_wrong_sets(center), *_wrong_assignments(center)]


def identity_center_resources(center: Center) -> tuple[list[Resource], list[str], dict[str, Any]]:
    """Return the resources of Identity Center, what is wrong with the parameters, and the module's return values."""
    problems = problems_of(center)
    if problems:
        # What the kinds find wrong in groups and permission sets comes in the same answer.
        named = {item.name: item for item in center.permission_sets if _NAME.fullmatch(item.name)}
        return [_lookup(), *(_permission_set(item) for item in named.values())], problems, {}
    outputs = {
        "instance_arn": _INSTANCE,
        "identity_store_id": _STORE,
        "group_ids": {name: Ref(_group_address(center, name)) for name in center.group_names},
        "permission_set_arns": {item.name: Ref(f"permission_set.{item.name}") for item in center.permission_sets},
        "role_names": {item.name: Ref(f"permission_set.{item.name}", "role_name") for item in center.permission_sets},
    }
    return list(_resources(center)), [], outputs


def _resources(center: Center) -> Iterator[Resource]:
    yield _lookup()
    groups = {group.name: group for group in center.groups}
    for name in center.group_names:
        yield _group(center, groups.get(name, Group(name)))
    for item in center.permission_sets:
        yield _permission_set(item)
    for target in dict.fromkeys(target for assignment in center.assignments for target in assignment.targets):
        yield Resource("organization_accounts_lookup", target, {"target": target}, hint=_TARGET)
    for assignment in center.assignments:
        yield Resource(
            "account_assignment",
            f"{assignment.permission_set}@{assignment.group}",
            {
                "instance_arn": _INSTANCE,
                "permission_set_arn": Ref(f"permission_set.{assignment.permission_set}"),
                "principal_id": Ref(_group_address(center, assignment.group)),
                "account_ids": [
                    Ref(f"organization_accounts_lookup.{target}", "account_ids") for target in assignment.targets
                ],
            },
        )


def _lookup() -> Resource:
    kind, _dot, name = _CENTER.partition(".")
    return Resource(kind, name, {"name": name}, hint=_ENABLE)


def _group_address(center: Center, name: str) -> str:
    return f"identity_store_group{'_lookup' if center.source == 'external' else ''}.{name}"


def _group(center: Center, group: Group) -> Resource:
    kind = _group_address(center, group.name).partition(".")[0]
    if center.source == "external":
        return Resource(kind, group.name, {"display_name": group.name}, depends_on=(_CENTER,), hint=_PUSH)
    members = {} if group.members is None else {"members": list(group.members)}
    properties = {"identity_store_id": _STORE, "display_name": group.name, "description": group.description}
    return Resource(kind, group.name, {**properties, **members})


def _permission_set(item: PermissionSet) -> Resource:
    optional = {
        "description": item.description,
        "inline_policy": item.inline_policy,
        "permissions_boundary": _boundary(item.permissions_boundary),
        "tags": dict(item.tags),
    }
    return Resource(
        "permission_set",
        item.name,
        {
            "instance_arn": _INSTANCE,
            "name": item.name,
            "session_duration": item.session_duration,
            "relay_state": item.relay_state,
            "managed_policies": list(item.managed_policies),
            "customer_managed_policy_references": [_reference(policy) for policy in item.customer_managed_policies],
            **{name: value for name, value in optional.items() if value},
        },
    )


def _reference(policy: Mapping[str, Any]) -> dict[str, Any]:
    return {**policy, "path": policy.get("path") or "/"}


def _boundary(boundary: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a boundary in the API's names."""
    found: dict[str, Any] = {}
    if boundary and boundary.get("managed_policy"):
        found["managed_policy_arn"] = boundary["managed_policy"]
    if boundary and boundary.get("customer_managed_policy"):
        found["customer_managed_policy_reference"] = _reference(boundary["customer_managed_policy"])
    return found


def _wrong_groups(center: Center) -> Iterator[str]:
    yield from _twice("group", (group.name for group in center.groups))
    for group in center.groups:
        name = f"group '{group.name}'"
        if not _NAME.fullmatch(group.name):
            yield f"{name}: use {_CHARACTERS}"
        elif len(group.name) > 128:
            yield f"{name[:60]}... has {len(group.name)} characters: 128 fit into an address"
        if "[" in group.description or "]" in group.description:
            yield f"{name}: its description has square brackets, between which the owner stands: use others"
        elif len(group.description) > 800:
            yield f"{name}: its description has {len(group.description)} characters, 800 fit"
        if center.source == "external":
            given = [what for what, value in (("members", group.members), ("description", group.description)) if value]
            yield from (
                f"{name}: its {what} come from the identity provider (identity_source is external): leave them out"
                for what in given
            )
        else:
            yield from _twice(f"{name}: member", group.members or ())


def _wrong_sets(center: Center) -> Iterator[str]:
    yield from _twice("permission set", (item.name for item in center.permission_sets))
    for item in center.permission_sets:
        name = f"permission set '{item.name}'"
        if not item.name or not _NAME.fullmatch(item.name):
            yield f"{name}: use up to 32 letters, digits and _ + = , . @ -"
        boundary = item.permissions_boundary
        if boundary is not None and len(_boundary(boundary)) != 1:
            yield f"{name}: a permissions boundary is either a managed_policy or a customer_managed_policy"
        paths = Counter((policy.get("name"), policy.get("path") or "/") for policy in item.customer_managed_policies)
        yield from (
            f"{name}: the customer managed policy {path}{policy} is given {count} times"
            for (policy, path), count in paths.items()
            if count > 1
        )
        if not (item.managed_policies or item.customer_managed_policies or item.inline_policy):
            yield f"{name} allows nothing: give it managed_policies, customer_managed_policies or an inline_policy"


def _wrong_assignments(center: Center) -> Iterator[str]:
    sets = [item.name for item in center.permission_sets]
    pairs = Counter((assignment.group, assignment.permission_set) for assignment in center.assignments)
    yield from (
        f"permission set '{permission_set}' is assigned to group '{group}' {count} times: put all targets into one"
        for (group, permission_set), count in pairs.items()
        if count > 1
    )
    for assignment in center.assignments:
        name = f"assignment of '{assignment.permission_set}' to '{assignment.group}'"
        if assignment.permission_set not in sets:
            yield f"{name}: there is no permission set '{assignment.permission_set}'" + did_you_mean(
                assignment.permission_set, sets
            )
        if assignment.group not in center.group_names:
            yield f"{name}: there is no group '{assignment.group}'{did_you_mean(assignment.group, center.group_names)}"
        if not _NAME.fullmatch(assignment.group):
            yield f"{name}: the group's name has characters other than {_CHARACTERS}"
        yield from _wrong_targets(center, name, assignment.targets)


def _wrong_targets(center: Center, name: str, targets: Sequence[str]) -> Iterator[str]:
    if not targets:
        yield f"{name} names no accounts: give names of accounts, paths of units, or all"
    yield from _twice(f"{name}: target", targets)
    if ALL in targets and len({*targets}) > 1:
        yield f"{name}: all has all accounts, leave the other targets out"
    known = {*(center.accounts or ()), *center.unit_paths}
    for target in dict.fromkeys(targets):
        if _ACCOUNT_ID.fullmatch(target):
            yield f"{name}: target '{target}' is the id of an account: give the account's name"
        elif not target or not all(part and part == part.strip() for part in target.split("/")):
            yield f"{name}: target '{target}' is neither the name of an account nor the path of a unit"
        elif center.accounts is not None and center.units is not None and target not in (*known, ALL):
            yield f"{name}: target '{target}' is neither an account nor a unit of the organization" + did_you_mean(
                target, known
            )
        elif target in (center.accounts or ()) and target in center.unit_paths:
            yield f"{name}: target '{target}' is a unit and an account: rename one of them"


def _twice(noun: str, names: Iterable[str]) -> Iterator[str]:
    """Names in Identity Center are unique whatever their case."""
    spelt: dict[str, list[str]] = {}
    for name in names:
        spelt.setdefault(name.casefold(), []).append(name)
    for several in spelt.values():
        if len(several) > 1:
            forms = " and ".join(f"'{name}'" for name in dict.fromkeys(several))
            verb = "is" if len({*several}) == 1 else "are one name, which is"
            yield f"{noun} {forms} {verb} listed {len(several)} times"
