# Copyright: Innovate platform maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the record to policies: pure functions.

What a request is narrowed by is what the record shows and IAM can ask for (`reference`): the resource's pattern, the
tag that all of a stack's resources carry, the tag that is given at creation, to which service a role is passed, which
policy is attached. Reads aren't narrowed by tags: a plan and a drift report have to see what others have made.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rehearsal.emulator.iam_policies import arn_like
from tools.permissions.code import unrehearsed
from tools.permissions.companions import joined
from tools.permissions.data import OWN, Use
from tools.permissions.reference import reference

#: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html: characters of a managed policy, white
#: space not counted, and how many can be attached to a role without asking for more.
MOST_CHARACTERS = 6144
MOST_POLICIES = 10
#: The roles that the policies are for.
ROLES = {"deploy": "innovate-deploy", "plan": "innovate-plan"}
#: Services whose requests go to one Region, wherever the platform is.
GLOBAL = ("account", "budgets", "ce", "iam", "organizations", "pricing", "route53", "sts")
READS = ("List", "Read")
REQUEST_TAG, RESOURCE_TAG = "aws:RequestTag/innovate:stack", "aws:ResourceTag/innovate:stack"

Conditions = tuple[tuple[str, str, tuple[str, ...]], ...]


@dataclass(frozen=True)
class Grant:
    """Actions on resources under conditions: (operator, key, values)."""

    actions: frozenset[str]
    resources: frozenset[str]
    conditions: Conditions

    def statement(self) -> dict[str, Any]:
        """Return it as a policy has it."""
        made: dict[str, Any] = {
            "Effect": "Allow",
            "Action": _single(sorted(self.actions)),
            "Resource": _single(sorted(self.resources)),
        }
        if self.conditions:
            made["Condition"] = condition(self.conditions)
        return made


def _single(values: list[str]) -> Any:
    return values[0] if len(values) == 1 else values


def condition(conditions: Conditions) -> dict[str, Any]:
    """Return conditions as a policy has them."""
    found: dict[str, Any] = {}
    for operator, key, values in conditions:
        found.setdefault(operator, {})[key] = _single(list(values))
    return found


def conditions_of(use: Use) -> Conditions:
    """Return what a use can be narrowed by, beside its resource."""
    action = reference().actions.get(use.action)
    if action is None or action.access in READS:
        return ()
    kind, given = reference().kind(use.action, use.resource), use.conditions
    found: list[tuple[str, str, tuple[str, ...]]] = []
    for key, name in ((REQUEST_TAG, "aws:RequestTag/${TagKey}"), (RESOURCE_TAG, "aws:ResourceTag/${TagKey}")):
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html: by tags that isn't reliable.
        if key in given and action.has(name, kind) and use.action != "iam:PassRole":
            found.append(("StringLike", key, ("*",)))
    if "ec2:CreateAction" in given and action.has("ec2:CreateAction", kind):
        found.append(("Null", "ec2:CreateAction", ("false",)))  # while it is being made
    for key in ("iam:PassedToService", "iam:AWSServiceName"):
        if key in given:
            found.append(("StringEquals", key, given[key]))
    if use.action == "kms:CreateGrant":
        found.append(("Bool", "kms:GrantIsForAWSResource", ("true",)))
    if "ec2:LaunchTemplate" in given:
        found.append(("ArnLike", "ec2:LaunchTemplate", given["ec2:LaunchTemplate"]))
    # What somebody has attached or switched on by hand has to come off, whatever it is.
    if use.action.startswith("iam:Attach") and "iam:PolicyARN" in given:
        found.append(("ArnLike", "iam:PolicyARN", given["iam:PolicyARN"]))
    return tuple(sorted(found))


def grants(uses: Iterable[Use], own: str) -> list[Grant]:
    """Return the grants that allow all uses and no more than they show.

    :param own: name of the role that gets them, which stands for the role that is assumed in other accounts.
    """
    merged: dict[tuple[str, str], dict[frozenset[tuple[str, str]], set[tuple[str, str, str]]]]
    merged = defaultdict(lambda: defaultdict(set))
    for use in uses:
        found = conditions_of(use)
        names = frozenset((operator, key) for operator, key, _values in found)
        values = {(operator, key, value) for operator, key, values in found for value in values}
        merged[use.action, use.resource.replace(OWN, own)][names] |= values
    by_conditions: dict[Conditions, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for (action, resource), flavours in merged.items():
        for names, given in flavours.items():
            if any(other < names for other in flavours):
                continue  # allowed under fewer conditions already
            rows = tuple(
                (operator, key, tuple(sorted(value for o, k, value in given if (o, k) == (operator, key))))
                for operator, key in sorted(names)
            )
            by_conditions[rows][action].add(resource)
    result = []
    for conditions, actions in by_conditions.items():
        by_resources: dict[frozenset[str], set[str]] = defaultdict(set)
        for action, resources in actions.items():
            by_resources[_widest(resources)].add(action)
        merging = [(set(names), set(resources)) for resources, names in by_resources.items()]
        result += [Grant(frozenset(a), frozenset(r), conditions) for a, r in _joined(merging)]
    return sorted(result, key=lambda grant: (grant.conditions, sorted(grant.actions)))


def _widest(resources: set[str]) -> frozenset[str]:
    """Drop patterns that another one covers."""
    return frozenset(one for one in resources if not any(other != one and _covers(other, one) for other in resources))


def _covers(pattern: str, other: str) -> bool:
    return pattern == "*" or (other != "*" and arn_like(pattern, other))


def _joined(grants_: list[tuple[set[str], set[str]]]) -> list[tuple[set[str], set[str]]]:
    """Join grants where no action gets more by it: the resources that it gains are of types that it doesn't know."""
    waiting = sorted(grants_, key=lambda item: sorted(item[0]))
    joined: list[tuple[set[str], set[str]]] = []
    for actions, resources in waiting:
        for others, theirs in joined:
            gained = [(actions, theirs - resources), (others, resources - theirs)]
            if "*" not in resources | theirs and not any(
                reference().kind(action, resource) for names, more in gained for action in names for resource in more
            ):
                others.update(actions)
                theirs.update(resources)
                break
        else:
            joined.append((set(actions), set(resources)))
    return joined


def other_regions(uses: Iterable[Use]) -> dict[str, Any]:
    """Return the statement that keeps a role to the platform's Regions.

    They are those where something is changed. What asks elsewhere, as CloudTrail's events of IAM are in us-east-1, is
    spared.
    """
    found = [use for use in uses if use.action.partition(":")[0] not in GLOBAL]
    regions = {region for use in found if not _reads(use.action) for region in use.regions}
    spared = sorted({use.action for use in found if not {*use.regions} <= regions})
    services = sorted({use.action.partition(":")[0] for use in uses} & {*GLOBAL})
    return {
        "Sid": "OtherRegions",
        "Effect": "Deny",
        "NotAction": [*(f"{service}:*" for service in services), *spared],
        "Resource": "*",
        "Condition": {"StringNotEquals": {"aws:RequestedRegion": _single(sorted(regions))}},
    }


def _reads(action: str) -> bool:
    known = reference().actions.get(action)
    return known is not None and known.access in READS


def size(statements: Iterable[Mapping[str, Any]]) -> int:
    """Return how many characters of IAM's limit a policy of these statements takes."""
    return len(json.dumps(document(statements), separators=(",", ":")))


def document(statements: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a policy."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def packed(statements: Iterable[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Spread statements over policies that keep IAM's limits, as few as the order allows.

    Raises:
        ValueError: it takes more policies than a role can have.
    """
    bins: list[list[dict[str, Any]]] = []
    for statement in (part for whole in statements for part in _parts(whole)):
        for found in bins:
            if size([*found, statement]) <= MOST_CHARACTERS:
                found.append(statement)
                break
        else:
            bins.append([statement])
    if len(bins) > MOST_POLICIES:
        raise ValueError(f"it takes {len(bins)} policies, {MOST_POLICIES} can be attached: narrow by fewer patterns")
    return bins


def _parts(statement: dict[str, Any]) -> list[dict[str, Any]]:
    if size([statement]) <= MOST_CHARACTERS:
        return [statement]
    actions = statement["Action"]
    half = len(actions) // 2
    return [part for some in (actions[:half], actions[half:]) for part in _parts({**statement, "Action": some})]


@dataclass(frozen=True)
class Policies:
    """The managed policies of a role in a kind of accounts."""

    role: str
    account: str
    documents: list[dict[str, Any]]
    grants: list[Grant] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """File names without their end: ``deploy-management-1``."""
        return [f"{self.role}-{self.account}-{number}" for number, _ in enumerate(self.documents, 1)]


def policies(role: str, account: str, uses: Iterable[Use]) -> Policies:
    """Return the policies of a role (deploy or plan) for what was recorded in a kind of accounts."""
    here = [use for use in uses if use.account == account and use.playbook != "drift"]
    # An apply plans first, so what deploys may all that plans may.
    found = [use for use in here if use.playbook == "plan"] if role == "plan" else here
    given = grants(found, ROLES[role])
    statements = [other_regions(here), *(grant.statement() for grant in given)]
    return Policies(role, account, [document(part) for part in packed(statements)], given)


def all_policies(uses: Iterable[Use]) -> list[Policies]:
    """Return the policies of every role in every kind of accounts."""
    recorded = list(uses)
    rows = joined([*recorded, *unrehearsed(recorded)])
    accounts = sorted({use.account for use in rows})
    return [made for role in ROLES for account in accounts if (made := policies(role, account, rows)).grants]
