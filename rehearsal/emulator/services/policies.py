# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a resource's policy lets an AWS service do something.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html, of which this is what
concerns a service principal: no identity's policy has a say, a Deny wins, what nothing allows is refused.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Callable, Mapping
from typing import Any

_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda value, wanted: value == wanted,
    "StringEqualsIgnoreCase": lambda value, wanted: value.lower() == wanted.lower(),
    "StringLike": fnmatch.fnmatchcase,
    "ArnEquals": fnmatch.fnmatchcase,
    "ArnLike": fnmatch.fnmatchcase,
    "Bool": lambda value, wanted: value.lower() == str(wanted).lower(),
}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _named(principal: Any, service: str) -> bool:
    if principal == "*":
        return True
    if not isinstance(principal, dict):
        return False
    return "*" in _list(principal.get("AWS", [])) or service in _list(principal.get("Service", []))


def _holds(operator: str, wanted: Any, value: str | None) -> bool:
    """One key of a condition; without a value only a negation or IfExists holds."""
    name = operator.removesuffix("IfExists")
    if name == "Null":
        return str(wanted).lower() == str(value is None).lower()
    negated = "Not" in name
    compare = _OPERATORS.get(name.replace("NotEquals", "Equals").replace("NotLike", "Like"))
    if value is None:
        return negated or operator.endswith("IfExists")
    if compare is None:
        return False
    return any(compare(value, str(item)) for item in _list(wanted)) is not negated


def _applies(
    statement: Mapping[str, Any], service: str, action: str, resource: str, context: Mapping[str, str]
) -> bool:
    if not _named(statement.get("Principal"), service):
        return False
    if not any(fnmatch.fnmatchcase(action.lower(), str(item).lower()) for item in _list(statement.get("Action", []))):
        return False
    if not any(fnmatch.fnmatchcase(resource, str(item)) for item in _list(statement.get("Resource", []))):
        return False
    given = {key.lower(): value for key, value in context.items()}
    return all(
        _holds(operator, wanted, given.get(key.lower()))
        for operator, keys in (statement.get("Condition") or {}).items()
        for key, wanted in keys.items()
    )


def allows(policy: Any, service: str, action: str, resource: str, context: Mapping[str, str]) -> bool:
    """Whether a policy (a document or its text) lets a service principal carry out an action on a resource.

    ``context`` has the request's condition keys: ``aws:SourceArn``, ``aws:SourceAccount``, ``aws:SecureTransport``.
    """
    document = json.loads(policy) if isinstance(policy, str) and policy else policy or {}
    effects = {
        statement.get("Effect")
        for statement in _list(document.get("Statement", []))
        if _applies(statement, service, action, resource, context)
    }
    return effects == {"Allow"}
