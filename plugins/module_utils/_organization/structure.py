# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The resources of an organization."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from .._engine.resource import Ref, Resource
from .._engine.words import did_you_mean
from .._kinds._regional import REGION_NAME
from .guard_rails import GUARD_RAILS, PLATFORM, REGIONS, Group, Settings, merged, placeholders

STACK = "organization"
ROOT = "root"
MOST_LEVELS = 5
"""How deep units may be nested below the root
(https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html)."""

_ROOT = Ref("organization_root.main")
_ORGANIZATION = Ref("organization.main")
# Names become part of the tag innovate:address, whose values can't have other characters.
_NAME = re.compile(r"[\w .:=+@-]+")
_ROLE = re.compile(r"[\w+=,.@-]{1,64}")
_ROLE_ARN = re.compile(r"arn:[\w*-]+:iam::[\d*]+:role/[\w+=,.@/*?-]+")
_ROLE_ARN_OF_ALL = re.compile(r"arn:[\w*-]+:iam::[\d*]+:role/[*?/]+")
_LIBRARY = ", ".join(GUARD_RAILS)
_MOST_ATTACHED = {
    "SERVICE_CONTROL_POLICY": 5,
    "RESOURCE_CONTROL_POLICY": 5,
    "AISERVICES_OPT_OUT_POLICY": 5,
    "CHATBOT_POLICY": 5,
}
_OF_AWS = {"SERVICE_CONTROL_POLICY": "FullAWSAccess", "RESOURCE_CONTROL_POLICY": "RCPFullAWSAccess"}
"""What AWS attaches everywhere itself, which counts."""
_EMAIL = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")


@dataclass(frozen=True)
class Account:
    """A member account, or the management account.

    :param email: the address of the root user; none for the management account, whose address AWS knows.
    :param unit: the path of the unit it is in, such as ``Workloads/Prod``; empty for the root.
    """

    name: str
    email: str = ""
    unit: str = ""
    management: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Policy:
    """A policy and what it is attached to: ``root``, paths of units, names of accounts."""

    name: str
    type: str
    content: Any
    description: str = ""
    targets: Sequence[str] = ()


@dataclass(frozen=True)
class Structure:
    """What the module ``organization`` was told.

    :param units: paths such as ``Workloads/Prod``; what is above is implied.
    :param policy_types: the enabled ones; None leaves them as they are.
    :param trusted_services: service principals; None leaves them as they are.
    :param account_role_name: the role made in new accounts.
    :param guard_rails: of the library, by where they are attached.
    """

    units: Sequence[str] = ()
    accounts: Sequence[Account] = ()
    policies: Sequence[Policy] = ()
    policy_types: Sequence[str] | None = None
    trusted_services: Sequence[str] | None = None
    account_role_name: str = "OrganizationAccountAccessRole"
    guard_rails: Sequence[Group] = ()
    settings: Settings = field(default_factory=Settings)

    @cached_property
    def all_policies(self) -> list[Policy]:
        """The declared policies and those that the guard rails come to."""
        made = [
            Policy(policy.name, policy.type, policy.content, policy.description, group.targets)
            for group in self.guard_rails
            for policy in merged(group, self.settings)
        ]
        return [*self.policies, *made]

    @property
    def paths(self) -> list[str]:
        """All units, those above first."""
        found = [path for unit in self.units for path in _with_parents(unit)]
        return list(dict.fromkeys(sorted(found, key=lambda path: path.count("/"))))


def problems_of(structure: Structure) -> list[str]:
    """Return every mistake in what was asked for."""
    return [
        *_wrong_units(structure),
        *_wrong_accounts(structure),
        *_wrong_guard_rails(structure),
        *_wrong_policies(structure),
        *_too_many_policies(structure),
        *_wrong_role(structure.account_role_name),
        *_twice("policy type", structure.policy_types or ()),
        *_twice("trusted service", structure.trusted_services or ()),
    ]


def organization_resources(structure: Structure) -> tuple[list[Resource], list[str], dict[str, Any]]:
    """Return the resources of an organization, what is wrong with the parameters, and the module's return values."""
    problems = problems_of(structure)
    if problems:
        # What the kind finds wrong in the documents comes in the same answer.
        named = {policy.name: policy for policy in structure.all_policies}.values()
        return [_policy(policy, f"policy {number}") for number, policy in enumerate(named)], problems, {}
    resources = list(_resources(structure))
    outputs = {
        "organization_id": _ORGANIZATION,
        "management_account_id": Ref("organization.main", "management_account_id"),
        "root_id": _ROOT,
        "organizational_unit_ids": {path: _unit(path) for path in structure.paths},
        "account_ids": {account.name: Ref(_address(account)) for account in structure.accounts},
        "policy_ids": {policy.name: Ref(f"organization_policy.{policy.name}") for policy in structure.all_policies},
    }
    return resources, [], outputs


def _resources(structure: Structure) -> Iterator[Resource]:
    services = {} if structure.trusted_services is None else {"service_access_principals": structure.trusted_services}
    types = {} if structure.policy_types is None else {"policy_types": structure.policy_types}
    yield Resource("organization", "main", services)
    yield Resource("organization_root", "main", {"organization_id": _ORGANIZATION, **types})
    for path in structure.paths:
        above, _slash, name = path.rpartition("/")
        yield Resource("organizational_unit", path, {"name": name, "parent_id": _unit(above)})
    for account in structure.accounts:
        yield _account(account, structure.account_role_name)
    for policy in structure.all_policies:
        yield replace(_policy(policy, policy.name), depends_on=(_ROOT.address,))
        for target in policy.targets:
            yield Resource(
                "organization_policy_attachment",
                f"{policy.name}@{target}",
                {"policy_id": Ref(f"organization_policy.{policy.name}"), "target_id": _target(structure, target)},
                # A policy type has to be enabled in the root before its policies can be attached.
                depends_on=(_ROOT.address,),
            )


def _policy(policy: Policy, name: str) -> Resource:
    properties = {"description": policy.description, "type": policy.type, "content": policy.content}
    return Resource("organization_policy", policy.name, {"name": name, **properties})


def _account(account: Account, role_name: str) -> Resource:
    kind, _dot, name = _address(account).partition(".")
    tags = {"tags": dict(account.tags)} if account.tags else {}
    if account.management:
        return Resource(kind, name, {"organization_id": _ORGANIZATION, "parent_id": _unit(account.unit), **tags})
    return Resource(
        kind,
        name,
        {
            "account_name": account.name,
            "email": account.email,
            "parent_id": _unit(account.unit),
            "role_name": role_name,
            **tags,
        },
    )


def _address(account: Account) -> str:
    return f"organization{'_management' if account.management else ''}_account.{account.name}"


def _unit(path: str) -> Ref:
    return Ref(f"organizational_unit.{path}") if path else _ROOT


def _target(structure: Structure, target: str) -> Ref:
    if target == ROOT:
        return _ROOT
    accounts = {account.name: account for account in structure.accounts}
    return Ref(_address(accounts[target])) if target in accounts else _unit(target)


def _with_parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[: count + 1]) for count in range(len(parts))]


def _wrong_units(structure: Structure) -> Iterator[str]:
    yield from _twice("organizational unit", structure.units)
    for path in structure.units:
        parts = path.split("/")
        if not all(part and part == part.strip() for part in parts):
            yield f"organizational unit '{path}': write its path as names with slashes between, such as Workloads/Prod"
            continue
        yield from (f"organizational unit '{path}': {problem}" for part in parts for problem in _wrong_name(part, 128))
        if len(parts) > MOST_LEVELS:
            yield f"organizational unit '{path}' is {len(parts)} levels deep: AWS allows {MOST_LEVELS}"
        if parts[0].lower() == ROOT:
            yield f"organizational unit '{path}': the root is implied, leave '{parts[0]}' out or choose another name"


def _wrong_accounts(structure: Structure) -> Iterator[str]:
    yield from _twice("account", (account.name for account in structure.accounts))
    emails: dict[str, str] = {}
    for account in structure.accounts:
        name = f"account '{account.name}'"
        yield from (f"{name}: {problem}" for problem in _wrong_name(account.name, 50))
        if account.name.lower() == ROOT:
            yield f"{name}: 'root' means the root of the organization, choose another name"
        if account.unit and account.unit not in structure.paths:
            closest = did_you_mean(account.unit, structure.paths)
            yield f"{name}: there is no organizational unit '{account.unit}'{closest}"
        if account.management:
            if account.email:
                yield f"{name}: AWS knows the e-mail address of the management account, leave it out"
            continue
        if not account.email:
            yield f"{name} has no e-mail address: every member account needs its own"
        elif not _EMAIL.fullmatch(account.email) or not 6 <= len(account.email) <= 64:
            yield f"{name}: '{account.email}' is not an e-mail address of 6 to 64 characters"
        other = emails.setdefault(account.email.lower(), account.name)
        if account.email and other != account.name:
            yield (
                f"the e-mail address {account.email} is given to the accounts '{other}' and '{account.name}': "
                "every account needs its own (most mail servers deliver aws+name@... to aws@...)"
            )
    managers = [account.name for account in structure.accounts if account.management]
    if len(managers) > 1:
        yield f"{' and '.join(managers)} are both declared as the management account: an organization has one"


def _wrong_role(name: str) -> Iterator[str]:
    if not _ROLE.fullmatch(name):
        yield f"account_role_name '{name}': use up to 64 letters, digits and _ + = , . @ -"


def _wrong_policies(structure: Structure) -> Iterator[str]:
    yield from _twice("policy", (policy.name for policy in structure.all_policies))
    accounts = {account.name for account in structure.accounts}
    known = {ROOT, *structure.paths, *accounts}
    for policy in structure.all_policies:
        name = f"policy '{policy.name}'"
        yield from (f"{name}: {problem}" for problem in _wrong_name(policy.name, 128))
        if structure.policy_types is not None and policy.targets and policy.type not in structure.policy_types:
            yield f"{name} is attached, but {policy.type} is not among policy_types: add it there"
        yield from _twice(f"{name}: target", policy.targets)
        for target in policy.targets:
            if target not in known:
                closest = did_you_mean(target, known)
                yield f"{name}: target '{target}' is neither root nor a unit's path nor an account{closest}"
            elif target in accounts and target in structure.paths:
                yield f"{name}: target '{target}' is an organizational unit and an account: rename one of them"


def _wrong_guard_rails(structure: Structure) -> Iterator[str]:
    yield from _twice("group of guard rails", (group.name for group in structure.guard_rails))
    for group in structure.guard_rails:
        name = f"guard rails '{group.name}'"
        if not group.rails:
            yield f"{name}: none is named"
        if not group.targets:
            yield f"{name}: they are attached to nothing: name targets"
        yield from _twice(f"{name}:", group.rails)
        for rail in group.rails:
            if rail not in GUARD_RAILS:
                yield f"{name}: the library has no '{rail}'{did_you_mean(rail, GUARD_RAILS) or ': it has ' + _LIBRARY}"
    for target, rails in _rails_by_target(structure).items():
        for rail, groups in rails.items():
            if len(groups) > 1:
                yield f"guard rail '{rail}' comes to '{target}' by {' and '.join(groups)}: once is enough"
    needed = placeholders(rail for group in structure.guard_rails for rail in group.rails)
    settings = structure.settings
    if REGIONS in needed and not settings.regions:
        yield "guard rail 'allowed-regions' needs the Regions in use: name them in guard_rail_regions"
    if PLATFORM in needed and not settings.platform_roles:
        yield "guard rails need to know who looks after the platform: name the roles in guard_rail_platform_roles"
    for region in settings.regions:
        if not REGION_NAME.fullmatch(region):
            yield f"guard_rail_regions: '{region}' is no Region such as eu-central-1"
    for role in settings.platform_roles:
        if not _ROLE_ARN.fullmatch(role):
            yield f"guard_rail_platform_roles: '{role}' is no pattern such as arn:*:iam::*:role/Administrator"
        elif _ROLE_ARN_OF_ALL.fullmatch(role):
            yield f"guard_rail_platform_roles: '{role}' lets everybody through"


def _rails_by_target(structure: Structure) -> dict[str, dict[str, list[str]]]:
    found: dict[str, dict[str, list[str]]] = {}
    for group in structure.guard_rails:
        for target in dict.fromkeys(group.targets):
            for rail in dict.fromkeys(group.rails):
                found.setdefault(target, {}).setdefault(rail, []).append(group.name)
    return found


def _too_many_policies(structure: Structure) -> Iterator[str]:
    """Hold what is attached to each place against what AWS allows.

    https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html
    """
    attached: dict[tuple[str, str], list[str]] = {}
    for policy in structure.all_policies:
        for target in dict.fromkeys(policy.targets):
            attached.setdefault((target, policy.type), []).append(policy.name)
    for (target, kind), names in attached.items():
        most = _MOST_ATTACHED.get(kind, 10)
        own = _OF_AWS.get(kind)
        if len(names) > most - bool(own):
            beside = f" beside {own}" if own else ""
            yield (
                f"'{target}' would have {len(names)} policies of the type {kind} ({', '.join(names)}), AWS allows "
                f"{most - bool(own)}{beside}: attach some of them to a unit above or below"
            )


def _wrong_name(name: str, most: int) -> Iterator[str]:
    if not _NAME.fullmatch(name):
        yield f"'{name}' has characters other than letters, digits, spaces and _ . : = + - @"
    elif len(name) > most:
        yield f"'{name}' has {len(name)} characters, AWS allows {most}"


def _twice(noun: str, names: Iterable[str]) -> Iterator[str]:
    for name, count in Counter(names).items():
        if count > 1:
            yield f"{noun} '{name}' is listed {count} times"
