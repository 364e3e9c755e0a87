# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells what is left in an account apart. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from .._engine.kind import ADDRESS_TAG, STACK_TAG, Kind, Observed
from .._engine.plan import Options, make_plan
from .listing import Found

Row = dict[str, Any]
COMPLETE = (
    "ec2",
    "ecr",
    "eks",
    "elasticloadbalancing",
    "events",
    "iam",
    "kms",
    "logs",
    "rds",
    "s3",
    "secretsmanager",
    "sqs",
    "ssm",
)
"""Services that are listed whole: what the tagging API says of them beyond that is gone, it lags behind by hours."""

LOCKS = "/innovate/locks/"
"""What the names of stacks' locks in Parameter Store begin with."""


@dataclass
class Left:
    """What is left, each as a row of ``kind``, ``id``, ``name``, ``stack``, ``address``, ``reason``, ``properties``.

    :param kept: the platform's, and meant to stay: it holds data, or AWS takes its time.
    :param leaked: the platform's, and nothing says that it should be there.
    :param others: not the platform's.
    """

    kept: list[Row] = field(default_factory=list)
    leaked: list[Row] = field(default_factory=list)
    others: list[Row] = field(default_factory=list)


def judged(
    stacks: Mapping[str, Mapping[str, Sequence[Observed]]],
    listed: Iterable[Found],
    tagged: Mapping[str, Mapping[str, str]],
    kinds: Mapping[str, Kind],
    meant: Sequence[str] = (),
) -> Left:
    """Return what is left of everything that was found, each thing once.

    :param stacks: by stack and kind, what the kinds observe.
    :param listed: what the services list, whoever made it.
    :param tagged: tags by ARN, as the tagging API tells them.
    :param meant: patterns of names of stacks that are meant to be there.
    """

    def is_meant(stack: str) -> bool:
        return any(fnmatchcase(stack, pattern) for pattern in meant)

    left = Left()
    seen: set[str] = set()
    for stack, observed in sorted(stacks.items()):
        plan = make_plan([], kinds, observed, Options(stack, absent=True))
        for change in plan.changes:
            item = change.existing
            identifiers = {item.id, item.attribute("arn")} - {None, ""}
            if identifiers & seen:
                continue
            seen |= identifiers
            kind = kinds[change.kind]
            priced = kind.priced
            row = _row(
                change.kind,
                item.id,
                str(item.tags.get("Name") or change.address.partition(".")[2]),
                stack,
                change.address,
                None if priced is None else {name: item.properties.get(name) for name in priced},
            )
            if change.action == "keep":
                left.kept.append({**row, "reason": change.reason})
            elif change.action == "none":
                left.kept.append({**row, "reason": "AWS is deleting it", "properties": None})
            elif is_meant(stack):
                left.kept.append({**row, "reason": f"stack {stack} is meant to stay"})
            else:
                left.leaked.append({**row, "reason": f"stack {stack} owns it"})
    for found in sorted(listed, key=lambda item: (item.kind, item.id)):
        if found.id in seen:
            continue
        seen.add(found.id)
        address = found.tags.get(ADDRESS_TAG, "")
        row = _row(found.kind, found.id, found.name, found.stack, address, found.properties)
        locked = found.id.removeprefix(LOCKS) if found.id.startswith(LOCKS) else ""
        if locked and (is_meant(locked) or locked in {kept["stack"] for kept in left.kept}):
            # A lock goes with its stack, and something of that is still there.
            row = {**row, "stack": locked, "properties": None}
            left.kept.append({**row, "reason": f"it is the lock of stack {locked}, of which something is kept"})
            continue
        if not (found.stack or found.mark):
            left.others.append({**row, "reason": "nothing says that it is the platform's"})
        elif found.keeps:
            left.kept.append({**row, "reason": found.keeps})
        elif is_meant(found.stack):
            left.kept.append({**row, "reason": f"stack {found.stack} is meant to stay"})
        else:
            left.leaked.append({**row, "reason": f"stack {found.stack} owns it" if found.stack else found.mark})
    _judge_tagged(tagged, seen, left)
    return left


def _judge_tagged(tagged: Mapping[str, Mapping[str, str]], seen: set[str], left: Left) -> None:
    for arn, tags in sorted(tagged.items()):
        service, resource = arn.split(":", 5)[2], arn.split(":", 5)[5]
        if arn in seen or service in COMPLETE:
            continue
        stack = tags.get(STACK_TAG, "")
        row = _row(service, arn, resource, stack, tags.get(ADDRESS_TAG, ""), {})
        if stack:
            left.leaked.append({**row, "reason": f"stack {stack} owns it"})
        else:
            left.others.append({**row, "reason": "nothing says that it is the platform's"})


def _row(kind: str, identifier: str, name: str, stack: str, address: str, properties: Mapping[str, Any] | None) -> Row:
    return {
        "kind": kind,
        "id": identifier,
        "name": name,
        "stack": stack,
        "address": address,
        "properties": None if properties is None else dict(properties),
    }
