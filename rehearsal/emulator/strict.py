# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks values against the shapes of botocore's service models.

botocore's own client-side validation knows required members, types and minimum lengths only. The models say more:
enumerations, patterns, maximum lengths, ranges and sizes of lists, which the services check on their side
(https://smithy.io/2.0/spec/constraint-traits.html). A request that passes here has the shape that AWS accepts.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import regex  # type: ignore[import-untyped,unused-ignore]

#: Where botocore's model is narrower than the service is: (service, shape) -> constraints that are not checked.
ALLOWANCES: dict[tuple[str, str], frozenset[str]] = {
    # The service takes rules of any partition and inline JSON up to the documented size; the model's pattern
    # excludes characters (tabs, line ends) that the console itself writes.
    ("organizations", "PolicyContent"): frozenset({"pattern"}),
    ("iam", "policyDocumentType"): frozenset({"pattern"}),
    ("sts", "unrestrictedSessionPolicyDocumentType"): frozenset({"pattern"}),
    # Model says 1-63 of a pattern for a new account's e-mail that refuses plus addressing on one side only.
    ("organizations", "Email"): frozenset({"pattern"}),
}

#: Members that the service takes as others of the same structure: (service, structure, member) -> the other one.
STANDS_FOR: dict[tuple[str, str, str], str] = {
    # The model gives the old name queues' attributes. What it takes are messages', as its documentation says.
    ("sqs", "ReceiveMessageRequest", "AttributeNames"): "MessageSystemAttributeNames",
}

_NUMBERS = ("integer", "long", "short", "byte", "float", "double", "bigdecimal", "biginteger")


@dataclass(frozen=True)
class Problem:
    """One way in which a request departs from the model.

    ``kind`` is one of missing, unknown, type, enum, pattern, length, range, size, union. ``path`` is the list of
    member names and (1-based) indexes that leads to the value.
    """

    kind: str
    path: tuple[str | int, ...]
    value: Any = None
    constraint: str = ""

    @property
    def camel(self) -> str:
        """The path as the services that share Amazon's framework print it: ``tags.1.member.key``."""
        parts: list[str] = []
        for part in self.path:
            parts.append(f"{part}.member" if isinstance(part, int) else part[:1].lower() + part[1:])
        return ".".join(parts)

    @property
    def plain(self) -> str:
        """The path with the names as they are: ``TagSpecification.1.Tag.2.Key``."""
        return ".".join(str(part) for part in self.path)


@cache
def _compiled(pattern: str) -> Any:
    try:
        return regex.compile(pattern)
    except regex.error:
        return None


@cache
def _whole(pattern: str) -> bool:
    r"""Whether the services match the pattern against the whole value.

    They do in general. A pattern that ends in a literal or a single character class describes a beginning
    or a part (``^arn:aws``, ``\S``), so it's searched for.
    """
    return pattern.endswith(("*", "+", "}", ")", "$", "?"))


def fits(pattern: str, value: str) -> bool:
    """Whether a value satisfies a model's pattern; patterns that Python can't read are taken as satisfied."""
    compiled = _compiled(pattern)
    if compiled is None:
        return True
    found = compiled.fullmatch(value) if _whole(pattern) else compiled.search(value)
    return found is not None


def _allowed(service: str, shape: Any, constraint: str) -> bool:
    return constraint in ALLOWANCES.get((service, shape.name), ())


def check(service: str, shape: Any, value: Any, path: tuple[str | int, ...] = ()) -> Iterator[Problem]:  # noqa: PLR0912 - one branch per type
    """Every violation of the shape's constraints in a decoded value. Unknown members are the decoder's to find."""
    kind = shape.type_name
    if kind == "structure":
        if getattr(shape, "is_document_type", False):
            return
        if not isinstance(value, dict):
            yield Problem("type", path, value, "structure")
            return
        for name in shape.required_members:
            if name not in value:
                yield Problem("missing", (*path, name))
        if getattr(shape, "is_tagged_union", False) and len(value) != 1:
            yield Problem("union", path, value, "exactly one member")
        for name, member in shape.members.items():
            if name in value:
                meant = shape.members.get(STANDS_FOR.get((service, shape.name, name), ""), member)
                yield from check(service, meant, value[name], (*path, name))
    elif kind == "list":
        if not isinstance(value, list):
            yield Problem("type", path, value, "list")
            return
        yield from _bounds(service, shape, len(value), value, path, "size")
        for index, item in enumerate(value, 1):
            yield from check(service, shape.member, item, (*path, index))
    elif kind == "map":
        if not isinstance(value, dict):
            yield Problem("type", path, value, "map")
            return
        yield from _bounds(service, shape, len(value), value, path, "size")
        for key, item in value.items():
            yield from check(service, shape.key, key, (*path, "key"))
            yield from check(service, shape.value, item, (*path, str(key)))
    elif kind == "string":
        if not isinstance(value, str):
            yield Problem("type", path, value, "string")
            return
        if shape.enum and value not in shape.enum and not _allowed(service, shape, "enum"):
            yield Problem("enum", path, value, "[" + ", ".join(shape.enum) + "]")
        yield from _bounds(service, shape, len(value), value, path, "length")
        pattern = shape.metadata.get("pattern")
        if pattern and not fits(pattern, value) and not _allowed(service, shape, "pattern"):
            yield Problem("pattern", path, value, pattern)
    elif kind in _NUMBERS:
        if isinstance(value, bool) or not isinstance(value, int | float):
            yield Problem("type", path, value, kind)
            return
        yield from _bounds(service, shape, value, value, path, "range")
    elif kind == "boolean":
        if not isinstance(value, bool):
            yield Problem("type", path, value, kind)
    elif kind == "timestamp":
        if not isinstance(value, datetime.datetime):
            yield Problem("type", path, value, kind)
    elif kind == "blob" and isinstance(value, bytes | bytearray):
        yield from _bounds(service, shape, len(value), "<binary>", path, "length")


def _bounds(
    service: str, shape: Any, measure: float, value: Any, path: tuple[str | int, ...], kind: str
) -> Iterator[Problem]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if _allowed(service, shape, kind):
        return
    # Some models carry limits of strings as numbers in quotes, and a few floats.
    if least is not None and measure < float(least):
        yield Problem(kind, path, value, f"greater than or equal to {least}")
    elif most is not None and measure > float(most):
        yield Problem(kind, path, value, f"less than or equal to {most}")


def check_output(shape: Any, value: Any, path: tuple[str | int, ...] = ()) -> Iterator[Problem]:  # noqa: PLR0912 - one branch per type
    """Every departure of a response from its shape: unknown members, wrong types, values outside of enumerations."""
    kind = shape.type_name
    if value is None:
        return
    if kind == "structure" and isinstance(value, dict):
        if getattr(shape, "is_document_type", False):
            return
        for name in value.keys() - shape.members.keys():
            yield Problem("unknown", (*path, name))
        for name in shape.required_members:
            if value.get(name) is None:
                yield Problem("missing", (*path, name))
        for name, member in shape.members.items():
            yield from check_output(member, value.get(name), (*path, name))
    elif kind == "list" and isinstance(value, list):
        for index, item in enumerate(value, 1):
            yield from check_output(shape.member, item, (*path, index))
    elif kind == "map" and isinstance(value, dict):
        for key, item in value.items():
            yield from check_output(shape.value, item, (*path, str(key)))
    elif kind == "string" and isinstance(value, str):
        if shape.enum and value not in shape.enum:
            yield Problem("enum", path, value, "[" + ", ".join(shape.enum) + "]")
    elif kind in ("blob", "timestamp"):
        return
    else:
        expected: Any = {"boolean": bool, "float": (int, float), "double": (int, float)}.get(kind, int)
        if kind not in (*_NUMBERS, "boolean") or not isinstance(value, expected):
            yield Problem("type", path, value, kind)
