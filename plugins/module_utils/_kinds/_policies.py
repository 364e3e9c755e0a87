# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares policy documents by what they mean: AWS writes them back in other words."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.policy import compare_policies

from .._engine.resource import Join, Ref, Unknown

_LATER = (Ref, Join, Unknown)
_MEMBERS = (
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
)


def document(value: Any) -> str:
    """Return a document as compact JSON text, the form that counts against AWS's size limits."""
    return json.dumps(parsed(value), separators=(",", ":"))


def parsed(value: Any) -> Any:
    """Return a document as plain values; text that isn't JSON stays as it is, and nothing stays nothing."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value) if value else None
    except ValueError:
        return value


def same_policy(wanted: Any, observed: Any) -> bool:
    """Tell whether two policies say the same (order, single items and lists, account ids and root ARNs)."""
    wanted, observed = parsed(wanted), parsed(observed)
    if not wanted or not observed:
        return bool(wanted) == bool(observed)
    return not compare_policies(observed, wanted)


def same_policies(wanted: Mapping[str, Any], observed: Mapping[str, Any] | None) -> bool:
    """Tell whether two sets of named policies say the same; one that only one of them has is a difference."""
    observed = observed or {}
    return wanted.keys() == observed.keys() and all(same_policy(wanted[name], observed[name]) for name in wanted)


def same_json(wanted: Any, observed: Any) -> bool:
    """Tell whether two documents that are no policies are equal as values, however they are written."""
    return bool(parsed(wanted) == parsed(observed))


def policy_problems(name: str, value: Any) -> list[str]:
    """Return what IAM's grammar has against a declared policy, which AWS would refuse without saying why.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
    """
    problems = not_json(name, value)
    policy = parsed(value)
    if problems or policy is None or isinstance(policy, _LATER):
        return problems
    if not isinstance(policy, Mapping):
        return [f"{name} is not a JSON object"]
    problems += [
        f"{name}: unknown member '{member}': use Version, Id and Statement"
        for member in policy
        if member not in ("Version", "Id", "Statement")
    ]
    statements = policy.get("Statement")
    if isinstance(statements, Mapping):
        statements = [statements]
    if not isinstance(statements, (list, tuple)) or not statements:
        return [*problems, f"{name}: the member 'Statement' is missing or empty"]
    for index, statement in enumerate(statements):
        problems += [f"{name}.Statement[{index}]{problem}" for problem in _statement_problems(statement)]
    return problems


def _statement_problems(statement: Any) -> Iterator[str]:
    if isinstance(statement, _LATER):
        return
    if not isinstance(statement, Mapping):
        yield f": {statement!r} is not a JSON object"
        return
    for member in statement:
        if member not in _MEMBERS:
            close = difflib.get_close_matches(str(member), _MEMBERS, n=1)
            yield f": unknown member '{member}': " + (
                f"did you mean '{close[0]}'?" if close else f"use {', '.join(_MEMBERS)}"
            )
    effect = statement.get("Effect")
    if not isinstance(effect, _LATER) and effect not in ("Allow", "Deny"):
        yield f".Effect: {effect!r} is neither 'Allow' nor 'Deny'"
    if ("Action" in statement) == ("NotAction" in statement):
        yield " needs either Action or NotAction"


def not_json(name: str, value: Any) -> list[str]:
    """Return what is wrong with a declared document given as text."""
    if isinstance(value, str):
        try:
            json.loads(value)
        except ValueError as error:
            return [f"{name} is not JSON: {error}"]
    return []
