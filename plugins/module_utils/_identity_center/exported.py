# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns an Identity Center that is there into the parameters of the module that would have made it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._engine.kind import STACK_TAG, Observed
from .._kinds.account_assignment import accounts_in
from .._kinds.identity_store_group import without_mark
from .._kinds.permission_set import managed_name
from .center import ALL


@dataclass(frozen=True)
class Found:
    """What there is.

    :param groups: as ListGroups has them.
    :param members: the names of the users in groups, by the groups' ids.
    :param permission_sets: as the kind ``permission_set`` observes them.
    :param assignments: as the kind ``account_assignment`` observes them.
    """

    groups: Sequence[Mapping[str, Any]] = ()
    members: Mapping[str, Sequence[str]] = field(default_factory=dict)
    permission_sets: Sequence[Observed] = ()
    assignments: Sequence[Observed] = ()


@dataclass(frozen=True)
class Export:
    """What to declare.

    :param parameters: of the module ``identity_center``, without what is as by default.
    :param adopt: the addresses that a first run has to take over.
    :param left_out: sentences about what can't be declared.
    """

    parameters: Mapping[str, Any]
    adopt: Sequence[str] = ()
    left_out: Sequence[str] = ()


def exported(found: Found, accounts: Mapping[str, str]) -> Export:
    """Return what declares all groups, permission sets and assignments to groups.

    Where an identity provider brings groups, the source is external, and no group is declared but by assignments.

    :param accounts: the names of the organization's accounts in use by their ids.
    """
    external = any(group.get("ExternalIds") for group in found.groups)
    names = {group["GroupId"]: str(group.get("DisplayName", "")) for group in found.groups}
    sets = {item.id: item for item in found.permission_sets}
    assignments, left_out = _assignments(found.assignments, names, sets, accounts)
    parameters: dict[str, Any] = {
        "identity_source": "external" if external else "internal",
        "groups": [] if external else [_group(group, found.members) for group in _by_name(found.groups)],
        "permission_sets": [_permission_set(item) for item in sorted(sets.values(), key=_name)],
        "assignments": assignments,
    }
    adopt = [f"permission_set.{_name(item)}" for item in sets.values() if STACK_TAG not in item.tags]
    if not external:
        unmarked = [group for group in found.groups if without_mark(group) == group.get("Description", "")]
        adopt += [f"identity_store_group.{group['DisplayName']}" for group in unmarked]
    return Export(parameters, sorted(adopt), left_out)


def _name(item: Observed) -> str:
    return str(item.properties["name"])


def _by_name(groups: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(groups, key=lambda group: str(group["DisplayName"]))


def _group(group: Mapping[str, Any], members: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    declared: dict[str, Any] = {"name": group["DisplayName"]}
    if description := without_mark(group):
        declared["description"] = description
    if group["GroupId"] in members:
        declared["members"] = sorted(members[group["GroupId"]])
    return declared


def _permission_set(item: Observed) -> dict[str, Any]:
    properties = item.properties
    declared: dict[str, Any] = {
        "name": properties["name"],
        "description": properties.get("description"),
        "session_duration": properties["session_duration"],
        "relay_state": properties["relay_state"],
        "managed_policies": sorted(managed_name(policy) for policy in properties["managed_policies"]),
        "customer_managed_policies": sorted(
            properties["customer_managed_policy_references"], key=lambda policy: (policy["path"], policy["name"])
        ),
        "inline_policy": properties["inline_policy"],
        "permissions_boundary": _boundary(properties["permissions_boundary"]),
        "tags": {key: value for key, value in item.tags.items() if not key.startswith(("aws:", "innovate:"))},
    }
    return {name: value for name, value in declared.items() if value and (name, value) != ("session_duration", "PT1H")}


def _boundary(boundary: Mapping[str, Any]) -> dict[str, Any]:
    if boundary.get("managed_policy_arn"):
        return {"managed_policy": managed_name(boundary["managed_policy_arn"])}
    reference = boundary.get("customer_managed_policy_reference")
    return {"customer_managed_policy": dict(reference)} if reference else {}


def _assignments(
    found: Iterable[Observed], groups: Mapping[str, str], sets: Mapping[str, Observed], accounts: Mapping[str, str]
) -> tuple[list[dict[str, Any]], list[str]]:
    declared, left_out = [], []
    for item in found:
        properties = item.properties
        permission_set = _name(sets[properties["permission_set_arn"]])
        ids = set(accounts_in(properties["account_ids"]))
        principal = properties["principal_id"]
        if properties["principal_type"] != "GROUP":
            left_out.append(
                f"permission set '{permission_set}' is assigned to the user {principal} in {len(ids)} accounts: only "
                "groups are declared, so put the user into a group first, or the assignment goes with the first run"
            )
        elif principal not in groups:
            left_out.append(
                f"permission set '{permission_set}' is assigned to the group {principal}, which is gone: the "
                "assignment goes with the first run"
            )
        else:
            everywhere = len(ids) > 1 and ids >= accounts.keys()
            targets = [ALL] if everywhere else sorted(accounts[number] for number in ids if number in accounts)
            closed = sorted(ids - accounts.keys())
            if closed:
                left_out.append(
                    f"permission set '{permission_set}' is assigned to group '{groups[principal]}' in the accounts "
                    f"{', '.join(closed)}, which aren't in use any more: that goes with the first run"
                )
            if targets:
                declared.append({"group": groups[principal], "permission_set": permission_set, "targets": targets})
    return sorted(declared, key=lambda item: (item["group"], item["permission_set"])), left_out
