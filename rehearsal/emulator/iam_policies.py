# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides a request by policies, as IAM does: a pure function of the request and of the documents that concern it.

Order and meaning: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

import base64
import binascii
import datetime
import ipaddress
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

Document = Mapping[str, Any]
Values = Sequence[str]


@dataclass(frozen=True)
class Policy:
    """A document and where it is from: its ARN is told where it denies something; empty for what has none."""

    document: Document
    arn: str = ""


@dataclass
class Request:
    """What is to be decided.

    :param action: ``ec2:RunInstances``.
    :param resource: an ARN, or ``*`` for actions that know no resources.
    :param keys: condition keys with their values; a function is called when a condition first asks for the key. A key
        ``aws:ResourceTag/`` with a slash at its end is a function of what follows. A value of None is no value.
    """

    action: str
    resource: str = "*"
    keys: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._keys = {name.lower(): value for name, value in self.keys.items()}

    def values(self, name: str) -> Values | None:
        """A key's values, or None where the request doesn't have it. Keys know no case, names of tags do."""
        lowered = name.lower()
        found = self._keys.get(lowered)
        if found is None and "/" in name:
            prefix, _, rest = name.partition("/")
            found = self._keys.get(f"{prefix.lower()}/")
            if found is not None:
                return _values(found(rest))
        if callable(found):
            found = self._keys[lowered] = found()
        return _values(found)


@dataclass(frozen=True)
class Policies:
    """All policies that concern a request.

    :param identity: those of the user or role.
    :param boundary: the permissions boundary; None where there is none.
    :param session: the session policies of AssumeRole; None where none was given.
    :param service_control: a list for each level from the root to the account; empty for the management account.
    :param resource: the resource's own policy; None where it has none.
    :param resource_decides: the identity's policies have a say only as far as the resource's policy hands the decision
        to them (keys of KMS, other accounts' resources).
    """

    identity: Sequence[Policy] = ()
    boundary: Policy | None = None
    session: Sequence[Policy] | None = None
    service_control: Sequence[Sequence[Policy]] = ()
    resource: Policy | None = None
    resource_decides: bool = False


@dataclass(frozen=True)
class Decision:
    """``why`` ends AWS's sentence: ``because no identity-based policy allows the ec2:RunInstances action``."""

    allowed: bool
    why: str = ""


_ALLOWED = Decision(True)


@dataclass(frozen=True)
class Caller:
    """Who asks, as the element Principal of a policy names them.

    :param arns: of the session, then of its role; or of the user.
    :param account: empty for a service.
    :param service: a service principal, such as ``ec2.amazonaws.com``.
    :param federated: ARN of the identity provider.
    """

    arns: tuple[str, ...] = ()
    account: str = ""
    service: str = ""
    federated: str = ""


def decide(request: Request, policies: Policies, caller: Caller) -> Decision:
    """Whether a request is allowed, and if it isn't, which type of policy stands against it.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html has the sentences.
    """
    for policy, kind in _all(policies):
        if any(_applies(statement, request, caller, kind) for statement in statements(policy.document, "Deny")):
            return Decision(False, f"with an explicit deny in {kind}" + (f": {policy.arn}" if policy.arn else ""))

    def none(kind: str) -> Decision:
        return Decision(False, f"because no {kind} allows the {request.action} action")

    for level in policies.service_control:
        if not _any_allows(level, request, caller):
            return none("service control policy")
    direct, delegated = _by_resource(policies.resource, request, caller)
    by_identity = _any_allows(policies.identity, request, caller)
    if not (direct or (by_identity and (delegated or not policies.resource_decides))):
        return none("resource-based policy" if policies.resource_decides and by_identity else "identity-based policy")
    if direct == "session" and not by_identity:
        return _ALLOWED  # what a resource's policy gives to a user or a session itself is bounded by nothing
    if policies.boundary is not None and not _any_allows([policies.boundary], request, caller):
        return none("permissions boundary")
    if policies.session is not None and not _any_allows(policies.session, request, caller):
        return none("session policy")
    return _ALLOWED


def trust_allows(document: Document, request: Request, caller: Caller) -> tuple[bool, bool, bool]:
    """What a role's trust policy says: whether it names the caller, its account only, and whether it denies."""
    policy = Policy(document)
    denied = any(_applies(item, request, caller, "a trust policy") for item in statements(document, "Deny"))
    direct, delegated = _by_resource(policy, request, caller, trust=True)
    return bool(direct), delegated, denied


def _all(policies: Policies) -> Iterator[tuple[Policy, str]]:
    for level in policies.service_control:
        yield from ((policy, "a service control policy") for policy in level)
    if policies.resource is not None:
        yield policies.resource, "a resource-based policy"
    yield from ((policy, "an identity-based policy") for policy in policies.identity)
    if policies.boundary is not None:
        yield policies.boundary, "a permissions boundary"
    yield from ((policy, "a session policy") for policy in policies.session or ())


def _any_allows(policies: Iterable[Policy], request: Request, caller: Caller) -> bool:
    return any(
        _applies(statement, request, caller, "")
        for policy in policies
        for statement in statements(policy.document, "Allow")
    )


def _by_resource(policy: Policy | None, request: Request, caller: Caller, *, trust: bool = False) -> tuple[str, bool]:
    """As what a policy allows a caller (``session``, ``role``), and whether it leaves that to the caller's account."""
    found = {
        _named(statement.get("Principal"), caller)
        for statement in (statements(policy.document, "Allow") if policy is not None else ())
        if _about(statement, request, trust=trust)
    }
    return "session" if "session" in found else "role" if "role" in found else "", "account" in found


def statements(document: Document, effect: str) -> Iterator[Mapping[str, Any]]:
    """The statements of a document that have an effect."""
    found = document.get("Statement", [])
    return (item for item in ([found] if isinstance(found, Mapping) else found) if item.get("Effect") == effect)


def _applies(statement: Mapping[str, Any], request: Request, caller: Caller, kind: str) -> bool:
    if "Principal" in statement and not _named(statement["Principal"], caller):
        return False
    if "NotPrincipal" in statement and _named(statement["NotPrincipal"], caller):
        return False
    return _about(statement, request, trust=kind == "a trust policy")


def _about(statement: Mapping[str, Any], request: Request, *, trust: bool = False) -> bool:
    """Whether a statement is about a request, by actions, resources and conditions. Trust policies have no Resource."""
    if "Action" in statement:
        if not any(like(pattern, request.action, case=False) for pattern in _list(statement["Action"])):
            return False
    elif any(like(pattern, request.action, case=False) for pattern in _list(statement.get("NotAction", "*"))):
        return False
    if not trust:
        if "Resource" in statement:
            if not any(_is_resource(pattern, request) for pattern in _list(statement["Resource"])):
                return False
        elif any(_is_resource(pattern, request) for pattern in _list(statement.get("NotResource", "*"))):
            return False
    conditions = statement.get("Condition") or {}
    return all(
        holds(operator, key, _list(wanted), request)
        for operator, keys in conditions.items()
        for key, wanted in keys.items()
    )


def _named(principal: Any, caller: Caller) -> str:
    """How a Principal names a caller: its ``session``, its ``role``, its ``account``, or not at all (empty)."""
    if principal == "*":
        return "session"
    if not isinstance(principal, Mapping):
        return ""
    own = {str(item) for item in _list(principal.get("AWS", []))}
    if "*" in own or own & {*caller.arns[:1]}:
        return "session"
    if caller.service and caller.service in _list(principal.get("Service", [])):
        return "session"
    if caller.federated and {"*", caller.federated} & {*_list(principal.get("Federated", []))}:
        return "session"
    if own & {*caller.arns[1:]}:
        return "role"
    roots = re.compile(rf"arn:aws[a-z-]*:iam::{caller.account}:root|{caller.account}")
    return "account" if caller.account and any(roots.fullmatch(item) for item in own) else ""


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _values(found: Any) -> Values | None:
    return found if found is None else [str(found)] if isinstance(found, str | int | float) else [*map(str, found)]


# ---- patterns


@cache
def _pattern(text: str, case: bool) -> re.Pattern[str]:
    """A pattern of IAM: ``*`` and ``?``; what a variable had of them comes with NUL before it and stands for itself."""
    out = "".join(
        ".*" if part == "*" else "." if part == "?" else re.escape(part[1:] if part.startswith("\0") else part)
        for part in re.findall(r"\0.|[*?]|[^*?\0]+", text, re.DOTALL)
    )
    return re.compile(out, re.DOTALL if case else re.DOTALL | re.IGNORECASE)


def like(pattern: str, value: str, *, case: bool = True) -> bool:
    """Whether a value fits a pattern with ``*`` and ``?``."""
    return _pattern(pattern, case).fullmatch(value) is not None


def arn_like(pattern: str, arn: str) -> bool:
    """Whether an ARN fits a pattern, part for part: a wildcard doesn't reach over a colon of the first five.

    A pattern that ends early goes on with wildcards: ``arn:aws:sqs`` is ``arn:aws:sqs:*:*:*``
    (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html).
    """
    parts = pattern.split(":", 5)
    given = arn.split(":", 5)
    if parts == ["*"]:
        return True
    if len(given) < 6:
        return like(pattern, arn)
    parts += ["*"] * (6 - len(parts))
    return all(like(part, value) for part, value in zip(parts, given, strict=True))


def _is_resource(pattern: str, request: Request) -> bool:
    text = substituted(pattern, request)
    return text is not None and arn_like(text, request.resource)


_VARIABLE = re.compile(r"\$\{([^},]+)(?:,\s*'([^']*)')?\}")


def substituted(text: str, request: Request) -> str | None:
    """A text with its policy variables replaced; None where the request lacks one and no default is given.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
    """
    if "${" not in text:
        return text
    missing = False

    def value(match: re.Match[str]) -> str:
        nonlocal missing
        name, default = match[1].strip(), match[2]
        if name in ("*", "?", "$"):
            return f"\0{name}"
        values = request.values(name)
        if values is None or len(values) != 1:
            missing |= default is None
            found = default or ""
        else:
            found = values[0]
        return re.sub(r"[*?]", lambda wildcard: f"\0{wildcard[0]}", found)

    result = _VARIABLE.sub(value, text)
    return None if missing else result


# ---- conditions

Compare = Callable[[str, str], bool]


def _number(compare: Callable[[float, float], bool]) -> Compare:
    def numeric(value: str, wanted: str) -> bool:
        try:
            return compare(float(value), float(wanted))
        except ValueError:
            return False

    return numeric


def _instant(text: str) -> float:
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    moment = datetime.datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).timestamp()


def _date(compare: Callable[[float, float], bool]) -> Compare:
    def dated(value: str, wanted: str) -> bool:
        try:
            return compare(_instant(value), _instant(wanted))
        except ValueError:
            return False

    return dated


def _ip(value: str, wanted: str) -> bool:
    try:
        return ipaddress.ip_address(value) in ipaddress.ip_network(wanted, strict=False)
    except ValueError:
        return False


def _binary(value: str, wanted: str) -> bool:
    try:
        return base64.b64decode(value, validate=True) == base64.b64decode(wanted, validate=True)
    except binascii.Error:
        return False


def _plain(text: str) -> str:
    return text.replace("\0", "")


#: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
_OPERATORS: dict[str, Compare] = {
    "stringequals": lambda value, wanted: value == _plain(wanted),
    "stringequalsignorecase": lambda value, wanted: value.lower() == _plain(wanted).lower(),
    "stringlike": lambda value, wanted: like(wanted, value),
    "arnequals": lambda value, wanted: arn_like(wanted, value),
    "arnlike": lambda value, wanted: arn_like(wanted, value),
    "bool": lambda value, wanted: value.lower() == wanted.lower(),
    "binaryequals": _binary,
    "ipaddress": _ip,
    "numericequals": _number(lambda a, b: a == b),
    "numericlessthan": _number(lambda a, b: a < b),
    "numericlessthanequals": _number(lambda a, b: a <= b),
    "numericgreaterthan": _number(lambda a, b: a > b),
    "numericgreaterthanequals": _number(lambda a, b: a >= b),
    "dateequals": _date(lambda a, b: a == b),
    "datelessthan": _date(lambda a, b: a < b),
    "datelessthanequals": _date(lambda a, b: a <= b),
    "dategreaterthan": _date(lambda a, b: a > b),
    "dategreaterthanequals": _date(lambda a, b: a >= b),
}
_NEGATIONS = {
    "stringnotequals": "stringequals",
    "stringnotequalsignorecase": "stringequalsignorecase",
    "stringnotlike": "stringlike",
    "arnnotequals": "arnequals",
    "arnnotlike": "arnlike",
    "numericnotequals": "numericequals",
    "datenotequals": "dateequals",
    "notipaddress": "ipaddress",
}


def holds(operator: str, key: str, wanted: Sequence[Any], request: Request) -> bool:
    """Whether one key of a condition holds.

    Without the key in the request a positive comparison doesn't hold, a negated one does, and any with ``IfExists``
    does; ``ForAllValues`` holds of no values, ``ForAnyValue`` doesn't
    (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html).
    """
    quantifier, _, name = operator.rpartition(":")
    quantifier, name = quantifier.lower(), name.lower()
    values = request.values(key)
    if name == "null":
        return any(str(item).lower() == str(not values).lower() for item in wanted)
    if_exists = name.endswith("ifexists")
    name = name.removesuffix("ifexists")
    negated = name in _NEGATIONS
    compare = _OPERATORS.get(_NEGATIONS.get(name, name))
    if compare is None:
        raise ValueError(f"IAM has no condition operator {operator}")
    if not values:
        return if_exists or (quantifier == "forallvalues") or (negated and quantifier != "foranyvalue")
    texts = [_text(item) for item in wanted]
    patterns = [text for text in (substituted(item, request) for item in texts) if text is not None]

    def fits(value: str) -> bool:
        return any(compare(value, pattern) for pattern in patterns) is not negated

    if quantifier == "forallvalues":
        return all(fits(value) for value in values)
    if quantifier == "foranyvalue":
        return any(fits(value) for value in values)
    # A key of several values under a plain operator: one that fits will do, and for a negation all have to.
    return all(fits(value) for value in values) if negated else any(fits(value) for value in values)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@cache
def parsed(text: str) -> Document:
    """A document from its text; the same text is read once."""
    found: Document = json.loads(text)
    return found
