# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a list of kinds, names and properties into resources, and finds the kinds that a stack owned before."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .._engine.errors import EngineError
from .._engine.kind import ADDRESS_TAG, Kind
from .._engine.resource import Ref, Resource, parse_references
from .._engine.validate import validate
from .._kinds._iam import PATH, path_of
from .._kinds._once import tagged
from .._kinds._session import Session
from .._kinds.registry import KINDS

_STACK = re.compile(r"[a-z0-9][a-z0-9-]{0,47}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_UNTAGGED = ("iam_instance_profile", "iam_oidc_provider", "iam_policy", "iam_role")
"""The tagging API doesn't know what IAM has in other Regions than us-east-1, nor roles anywhere; it is asked itself."""
_COMPANIONS = {"kms_key": "kms_alias"}
"""Kinds without tags, by the kind that they come with."""


def stack_of(name: str) -> str:
    """Return the stack's whole name. No other module's stacks begin so: their resources can't be taken for orphans."""
    return f"resources-{name}"


def declared_resources(name: str, items: Sequence[Mapping[str, Any]]) -> tuple[list[Resource], list[str]]:
    """Return the resources of a list of ``kind``, ``name``, ``properties`` and ``depends_on``, and what is wrong.

    Only resources of known kinds are returned. What is in IAM lives under the stack's path unless it says otherwise.
    """
    problems = []
    if not _STACK.fullmatch(name):
        problems.append(
            f"name: {name!r} is not 1 to 48 lower-case letters, digits and hyphens, beginning with no hyphen"
        )
    resources = []
    for item in items:
        resource = Resource(item["kind"], item["name"])
        if not _NAME.fullmatch(resource.name):
            problems.append(f"{resource.address}: a name is 1 to 100 letters, digits, hyphens and underscores")
        kind = KINDS.get(resource.kind)
        if kind is None:
            problems += validate([resource], KINDS)
            continue
        properties: Mapping[str, Any] = item.get("properties") or {}
        try:
            properties = parse_references(properties, KINDS)
        except EngineError as error:
            problems += [f"{resource.address}: {problem}" for problem in error.problems]
        if kind.properties.get("path") is PATH:
            properties = {"path": path_of(stack_of(name)), **properties}
        depends_on = tuple(item.get("depends_on") or ())
        resources.append(
            Resource(
                kind.name,
                resource.name,
                properties,
                depends_on,
                hint="apply the stack that owns it first, or correct the name",
            )
        )
    return resources, problems


def kinds_of(resources: Iterable[Resource]) -> list[Kind]:
    """Return the kinds of resources."""
    return [KINDS[name] for name in sorted({resource.kind for resource in resources})]


def owned_kinds(session: Session, stack: str) -> list[Kind]:
    """Return the kinds of what a stack owns now, by the addresses in its tags: one call, not one for each kind."""
    addresses = [tags.get(ADDRESS_TAG, "") for tags in tagged(session, stack).values()]
    names = {address.partition(".")[0] for address in addresses}
    names |= {_COMPANIONS[name] for name in names if name in _COMPANIONS} | {*_UNTAGGED}
    return [KINDS[name] for name in sorted(names) if name in KINDS]


def outputs_of(resources: Iterable[Resource]) -> dict[str, Any]:
    """Return for each address its id and attributes, as references."""
    return {
        resource.address: {
            attribute: Ref(resource.address, attribute) for attribute in ("id", *KINDS[resource.kind].attributes)
        }
        for resource in resources
    }
