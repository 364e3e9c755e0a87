# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Permission sets of IAM Identity Center, whole: with their policies, and provisioned where they are assigned."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

from .._engine.kind import Kind, Observed, Obstacle, Pending, Property, Scope, Wanted
from .._engine.plan import differences
from .._engine.resource import is_known
from . import _identity_center
from ._identity_center import MISSING, SERVICE, Found, add, change
from ._policies import document, parsed, policy_problems, same_policy
from ._session import Session
from ._shapes import violations
from ._tags import tag_list

_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")
_MANAGED = re.compile(r"(?:arn:aws[a-z-]*:iam::aws:policy/)?([\w+=,.@/-]+)")
MOST_POLICIES = 20
MOST_INLINE = 10_240
"""Characters other than spaces
(https://docs.aws.amazon.com/singlesignon/latest/userguide/limits.html)."""


def seconds(duration: Any) -> int | None:
    """Return the seconds of an ISO 8601 duration such as ``PT8H``; None if it is none."""
    found = _DURATION.fullmatch(duration) if isinstance(duration, str) else None
    if found is None or not any(found.groups()):
        return None
    return sum(int(number or 0) * unit for number, unit in zip(found.groups(), (86_400, 3600, 60, 1), strict=True))


def managed_name(policy: str) -> str:
    """Return the path and name of an AWS managed policy, whether its ARN or that is given."""
    found = _MANAGED.fullmatch(policy)
    return found[1] if found else policy


def _same_duration(wanted: Any, observed: Any) -> bool:
    return seconds(wanted) == seconds(observed)


def _same_managed(wanted: Any, observed: Any) -> bool:
    return {managed_name(item) for item in wanted} == {managed_name(item) for item in observed or ()}


def _references(items: Any) -> set[tuple[str, str]]:
    return {(item["name"], item.get("path") or "/") for item in items or ()}


def _same_references(wanted: Any, observed: Any) -> bool:
    return _references(wanted) == _references(observed)


def _boundary(value: Any) -> tuple[str, str]:
    """Return the AWS managed policy, or the path and name of one in the accounts, that a boundary is."""
    if not value:
        return "", ""
    if value.get("managed_policy_arn"):
        return "aws", managed_name(value["managed_policy_arn"])
    reference = value["customer_managed_policy_reference"]
    return "account", f"{reference.get('path') or '/'}{reference['name']}"


def _same_boundary(wanted: Any, observed: Any) -> bool:
    return _boundary(wanted) == _boundary(observed)


class PermissionSet(Kind):
    """A permission set (https://docs.aws.amazon.com/singlesignon/latest/APIReference/API_CreatePermissionSet.html).

    Its policies are managed whole: one that somebody attaches by hand is drift. Accounts get a change when it is
    provisioned, which is done, and awaited, whenever something changes that an account has.
    """

    name = "permission_set"
    central = True
    properties: ClassVar[Mapping[str, Property]] = {
        "instance_arn": Property("str", required=True, immutable=True, doc="The organization's Identity Center."),
        "name": Property("str", required=True, immutable=True, doc="Its name; roles are named after it."),
        "description": Property("str", doc="What it is for."),
        "session_duration": Property(
            "str", default="PT1H", same=_same_duration, doc="How long a session lasts, C(PT1H) to C(PT12H)."
        ),
        "relay_state": Property("str", default="", doc="The page of the console that a session begins with."),
        "managed_policies": Property(
            "set", default=[], same=_same_managed, doc="AWS managed policies by ARN, or by path and name."
        ),
        "customer_managed_policy_references": Property(
            "set",
            default=[],
            same=_same_references,
            doc="C(name) and C(path) of policies that each account has to have.",
        ),
        "inline_policy": Property("json", default={}, same=same_policy, doc="A policy of its own."),
        "permissions_boundary": Property(
            "dict",
            default={},
            same=_same_boundary,
            doc="C(managed_policy_arn), or C(customer_managed_policy_reference) with C(name) and C(path).",
        ),
        "provisioned": Property("bool", default=True, doc="Whether all accounts that have it have it as it is now."),
    }
    attributes = ("arn", "role_name")
    key = ("name",)

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """Read the permission sets that are declared or the stack's own, with all their policies."""
        return self.read(session, scope, _identity_center.permission_sets(session, scope))

    def read(self, session: Session, scope: Scope, found: Sequence[Found]) -> list[Observed]:
        """Return permission sets with their policies, which are four calls for each."""
        instance = _identity_center.instance(session, scope)
        if instance is None:
            return []
        foreign = instance.owner if instance.owner != session.account_id else ""
        return _identity_center.each(lambda item: _read(session, instance.arn, item, foreign), found)

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Create it with its tags, then give it its policies."""
        described = {
            "Description": wanted.get("description"),
            "SessionDuration": wanted["session_duration"],
            "RelayState": wanted["relay_state"],
        }
        made = change(
            session,
            "create_permission_set",
            attempts=5,
            InstanceArn=wanted["instance_arn"],
            Name=wanted["name"],
            Tags=tag_list(wanted.tags),
            **{name: value for name, value in described.items() if value},
        )["PermissionSet"]
        found = Found(made["PermissionSetArn"], wanted["name"], made, wanted.tags, [], [])
        observed = _observed(wanted["instance_arn"], found, {})
        changed = differences(self, wanted.properties, wanted.tags, observed)
        self._give(session, observed, wanted, frozenset(changed))
        return observed

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Change what differs, then have the accounts that have it brought up to date."""
        about = {"InstanceArn": wanted["instance_arn"], "PermissionSetArn": observed.id}
        if changed & {"description", "session_duration", "relay_state"}:
            # The relay state is cleared unless it is given again.
            properties = {**observed.properties, **wanted.properties}
            described = {
                "Description": properties.get("description"),
                "SessionDuration": properties["session_duration"],
                "RelayState": properties["relay_state"],
            }
            change(
                session, "update_permission_set", **about, **{name: text for name, text in described.items() if text}
            )
        self._give(session, observed, wanted, changed)
        if session.pages(SERVICE, "list_accounts_for_provisioned_permission_set", "AccountIds", **about):
            _identity_center.begin(
                session, observed.id, "provision_permission_set", TargetType="ALL_PROVISIONED_ACCOUNTS", **about
            )
        return observed

    def delete(self, session: Session, observed: Observed) -> None:
        """Delete it, once the accounts have let go of it."""
        change(
            session,
            "delete_permission_set",
            missing=MISSING,
            InstanceArn=observed.properties["instance_arn"],
            PermissionSetArn=observed.id,
        )

    def tag(self, session: Session, observed: Observed, tags: Mapping[str, str]) -> None:
        """Write tags, which roles in accounts don't get."""
        arn = observed.properties["instance_arn"]
        change(session, "tag_resource", InstanceArn=arn, ResourceArn=observed.id, Tags=tag_list(tags))

    def ready(self, session: Session, observed: Observed) -> Observed | Pending | None:
        """Wait until it is provisioned."""
        state = _identity_center.settled(session, observed.properties["instance_arn"], observed.id)
        return state if isinstance(state, Pending) else observed

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check against the API's model, the quotas, and the documents' form."""
        given = {
            name: properties.get(name)
            for name in ("instance_arn", "name", "description", "relay_state")
            if properties.get(name) != ""
        }
        problems = violations(SERVICE, "CreatePermissionSet", given)
        duration = properties["session_duration"]
        if is_known(duration) and not 3600 <= (seconds(duration) or 0) <= 12 * 3600:
            problems.append(f"session_duration: {duration!r} is not between PT1H and PT12H")
        problems += _wrong_policies(properties)
        inline = properties["inline_policy"]
        if inline and is_known(inline):
            wrong = policy_problems("inline_policy", inline)
            size = len(re.sub(r"\s", "", document(parsed(inline))))
            if not wrong and size > MOST_INLINE:
                wrong = [f"inline_policy has {size} characters, {MOST_INLINE} are allowed: split it or shorten it"]
            problems += wrong
        return problems + _wrong_boundary(properties["permissions_boundary"])

    def refuse(self, observed: Observed, properties: Mapping[str, Any]) -> list[str]:
        """Refuse what only the management account may do."""
        changed = differences(self, properties, {}, observed)
        return [_unreachable(observed)] if changed and observed.attributes.get("out_of_reach") else []

    def obstacles(self, session: Session, leaving: Sequence[Observed]) -> list[Obstacle]:
        """Say what only the management account can delete."""
        return [Obstacle(_unreachable(item)) for item in leaving if item.attributes.get("out_of_reach")]

    @staticmethod
    def _give(session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> None:
        """Bring policies to what is wanted. The roles in accounts don't change before it is provisioned."""
        about = {"InstanceArn": wanted["instance_arn"], "PermissionSetArn": observed.id}
        if "managed_policies" in changed:
            there = {managed_name(item) for item in observed.properties["managed_policies"]}
            target = {managed_name(item) for item in wanted["managed_policies"]}
            for name in sorted(there - target):
                arn = _policy_arn(session, name)
                operation = "detach_managed_policy_from_permission_set"
                change(session, operation, missing=MISSING, ManagedPolicyArn=arn, **about)
            for name in sorted(target - there):
                arn = _policy_arn(session, name)
                operation = "attach_managed_policy_to_permission_set"
                add(session, operation, partial(_has_policy, session, about, arn), ManagedPolicyArn=arn, **about)
        if "customer_managed_policy_references" in changed:
            present = _references(observed.properties["customer_managed_policy_references"])
            meant = _references(wanted["customer_managed_policy_references"])
            for reference in _in_api(present - meant):
                operation = "detach_customer_managed_policy_reference_from_permission_set"
                change(session, operation, missing=MISSING, CustomerManagedPolicyReference=reference, **about)
            for reference in _in_api(meant - present):
                operation = "attach_customer_managed_policy_reference_to_permission_set"
                is_there = partial(_has_reference, session, about, reference)
                add(session, operation, is_there, CustomerManagedPolicyReference=reference, **about)
        if "inline_policy" in changed:
            if wanted.get("inline_policy"):
                text = document(parsed(wanted["inline_policy"]))
                change(session, "put_inline_policy_to_permission_set", InlinePolicy=text, **about)
            else:
                change(session, "delete_inline_policy_from_permission_set", missing=MISSING, **about)
        if "permissions_boundary" in changed:
            use, name = _boundary(wanted["permissions_boundary"])
            if use:
                path, _slash, last = name.rpartition("/")
                boundary = (
                    {"ManagedPolicyArn": _policy_arn(session, name)}
                    if use == "aws"
                    else {"CustomerManagedPolicyReference": {"Name": last, "Path": f"{path}/"}}
                )
                change(session, "put_permissions_boundary_to_permission_set", PermissionsBoundary=boundary, **about)
            else:
                change(session, "delete_permissions_boundary_from_permission_set", missing=MISSING, **about)


def _policy_arn(session: Session, name: str) -> str:
    return session.arn("iam", f"policy/{name}", region="", account="aws")


def _in_api(references: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"Name": name, "Path": path} for name, path in sorted(references)]


def _managed(session: Session, about: Mapping[str, Any]) -> list[str]:
    operation = "list_managed_policies_in_permission_set"
    found = session.pages(SERVICE, operation, "AttachedManagedPolicies", missing=MISSING, **about)
    return [item["Arn"] for item in found]


def _customer_managed(session: Session, about: Mapping[str, Any]) -> list[dict[str, str]]:
    operation = "list_customer_managed_policy_references_in_permission_set"
    found = session.pages(SERVICE, operation, "CustomerManagedPolicyReferences", missing=MISSING, **about)
    return [_flat(item) for item in found]


def _has_policy(session: Session, about: Mapping[str, Any], arn: str) -> bool:
    return arn in _managed(session, about)


def _has_reference(session: Session, about: Mapping[str, Any], reference: Mapping[str, str]) -> bool:
    return _flat(reference) in _customer_managed(session, about)


def _read(session: Session, instance: str, found: Found, foreign: str) -> Observed:
    about: dict[str, Any] = {"InstanceArn": instance, "PermissionSetArn": found.arn}
    inline = session.call(SERVICE, "get_inline_policy_for_permission_set", missing=MISSING, **about)
    boundary = session.call(SERVICE, "get_permissions_boundary_for_permission_set", missing=MISSING, **about)
    policies = {
        "managed_policies": _managed(session, about),
        "customer_managed_policy_references": _customer_managed(session, about),
        "inline_policy": parsed(inline.get("InlinePolicy")) or {},
        "permissions_boundary": _flat_boundary(boundary.get("PermissionsBoundary") or {}),
    }
    return _observed(instance, found, policies, foreign if foreign in found.accounts else "")


def _flat(reference: Mapping[str, Any]) -> dict[str, str]:
    return {"name": reference["Name"], "path": reference.get("Path", "/")}


def _flat_boundary(boundary: Mapping[str, Any]) -> dict[str, Any]:
    if boundary.get("ManagedPolicyArn"):
        return {"managed_policy_arn": boundary["ManagedPolicyArn"]}
    reference = boundary.get("CustomerManagedPolicyReference")
    return {"customer_managed_policy_reference": _flat(reference)} if reference else {}


def _observed(instance: str, found: Found, policies: Mapping[str, Any], out_of_reach: str = "") -> Observed:
    return Observed(
        id=found.arn,
        properties={
            "instance_arn": instance,
            "name": found.name,
            "description": found.described.get("Description"),
            "session_duration": found.described.get("SessionDuration", "PT1H"),
            "relay_state": found.described.get("RelayState", ""),
            "managed_policies": [],
            "customer_managed_policy_references": [],
            "inline_policy": {},
            "permissions_boundary": {},
            "provisioned": not found.outdated,
            **policies,
        },
        attributes={
            "arn": found.arn,
            # https://docs.aws.amazon.com/singlesignon/latest/userguide/referencingpermissionsets.html
            "role_name": f"AWSReservedSSO_{found.name}_*",
            "out_of_reach": out_of_reach,
        },
        tags=found.tags,
    )


def _unreachable(observed: Observed) -> str:
    account = observed.attributes["out_of_reach"]
    return (
        f"permission set '{observed.properties['name']}' is assigned in the management account {account}, where a "
        "delegated administrator can't change it: use credentials of the management account"
    )


def _wrong_policies(properties: Mapping[str, Any]) -> list[str]:
    problems = []
    managed = [item for item in properties["managed_policies"] if is_known(item)]
    references = properties["customer_managed_policy_references"]
    for item in managed:
        if not isinstance(item, str) or not _MANAGED.fullmatch(item):
            problems.append(
                f"managed_policies: {item!r} is not an AWS managed policy: give its name or its ARN; those of accounts "
                "belong into customer_managed_policy_references"
            )
    for index, item in enumerate(references):
        path = f"customer_managed_policy_references[{index}]"
        found = violations(
            SERVICE,
            "AttachCustomerManagedPolicyReferenceToPermissionSet",
            {"customer_managed_policy_reference": item},
        )
        problems += [problem.replace("customer_managed_policy_reference", path, 1) for problem in found]
    if not problems:
        names = [managed_name(item) for item in managed]
        problems += [f"managed_policies: {name} is given twice" for name in sorted({*names}) if names.count(name) > 1]
        count = len(managed) + len(references)
        if count > MOST_POLICIES:
            problems.append(f"{count} managed policies are too many: AWS allows {MOST_POLICIES}, its own and others")
    return problems


def _wrong_boundary(value: Any) -> list[str]:
    if not value or not is_known(value):
        return []
    if len(value) != 1:
        return ["permissions_boundary: give either managed_policy_arn or customer_managed_policy_reference"]
    model = {"permissions_boundary": value}
    arn = value.get("managed_policy_arn")
    if isinstance(arn, str):
        if not _MANAGED.fullmatch(arn):
            return [f"permissions_boundary.managed_policy_arn: {arn!r} is not an AWS managed policy"]
        return []
    return violations(SERVICE, "PutPermissionsBoundaryToPermissionSet", model)
