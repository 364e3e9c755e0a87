# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Resources and the values they are declared with: literals, references, and what the cloud will only assign later."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import EngineError

KNOWN_AFTER_APPLY = "(known after apply)"


@dataclass(frozen=True)
class Ref:
    """An attribute of another resource, such as ``Ref("vpc.main")`` for its id."""

    address: str
    attribute: str = "id"

    def __str__(self) -> str:
        return f"${{{self.address}.{self.attribute}}}"


@dataclass(frozen=True)
class Join:
    """A string with references in it, such as an ARN built around a bucket's name."""

    parts: tuple[str | Ref, ...]

    def __str__(self) -> str:
        return "".join(str(part) for part in self.parts)


@dataclass(frozen=True)
class Unknown:
    """A value that exists only once something else has been created."""

    text: str = KNOWN_AFTER_APPLY

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Resource:
    """One declared thing.

    :param kind: the name of a kind, such as ``subnet``.
    :param name: unique among its kind in a stack; ``kind.name`` is the address that people see.
    :param properties: the API's own names in snake case; values may hold :class:`Ref` and :class:`Join` at any depth.
    :param depends_on: addresses that must exist first although no property refers to them.
    :param hint: for look-ups, what to do when it isn't there, such as ``run playbooks/network.yml first``.
    """

    kind: str
    name: str
    properties: Mapping[str, Any] = field(default_factory=dict)
    depends_on: tuple[str, ...] = ()
    hint: str = ""

    @property
    def address(self) -> str:
        """The name people see in plans, errors and the ``innovate:address`` tag."""
        return f"{self.kind}.{self.name}"

    def needs(self) -> set[str]:
        """Return the addresses that this resource refers to or depends on."""
        return {ref.address for ref in references(self.properties)} | set(self.depends_on)


def transform(value: Any, leaf: Callable[[Any], Any]) -> Any:
    """Return a copy of a nested value with ``leaf`` applied to everything that is neither mapping nor list."""
    if isinstance(value, Mapping):
        return {key: transform(item, leaf) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [transform(item, leaf) for item in value]
    return leaf(value)


def leaves(value: Any) -> Iterator[Any]:
    """Yield everything in a nested value that is neither mapping nor list."""
    pending = [value]
    while pending:
        item = pending.pop()
        # Texts first: a definition of a kind of objects has tens of thousands of them.
        if isinstance(item, str):
            yield item
        elif isinstance(item, Mapping):
            pending.extend(reversed([*item.values()]))
        elif isinstance(item, (list, tuple, set, frozenset)):
            pending.extend(reversed([*item]))
        else:
            yield item


def references(value: Any) -> Iterator[Ref]:
    """Yield every reference in a nested value."""
    for leaf in leaves(value):
        if isinstance(leaf, Ref):
            yield leaf
        elif isinstance(leaf, Join):
            yield from (part for part in leaf.parts if isinstance(part, Ref))


def is_known(value: Any) -> bool:
    """Tell whether nothing in a nested value is still to be assigned."""
    return not any(isinstance(leaf, (Unknown, Ref, Join)) for leaf in leaves(value))


def substitute(value: Any, resolve: Callable[[Ref], Any]) -> Any:
    """Return a nested value with every reference replaced by what ``resolve`` makes of it."""

    def leaf(item: Any) -> Any:
        if isinstance(item, Ref):
            return resolve(item)
        if isinstance(item, Join):
            parts = [resolve(part) if isinstance(part, Ref) else part for part in item.parts]
            text = "".join(str(part) for part in parts)
            return Unknown(text) if any(isinstance(part, Unknown) for part in parts) else text
        return item

    return transform(value, leaf)


_REFERENCE = re.compile(r"\$(?P<escape>\$)?\{(?P<body>[^{}]*)\}")


def parse_references(value: Any, kinds: Collection[str]) -> Any:
    """Return a nested value with ``${kind.name.attribute}`` in its strings turned into references.

    Only what begins with one of ``kinds`` is a reference, since IAM policies have ``${aws:username}`` of their own;
    ``$${`` stands for a literal ``${``. The attribute may be left out and is then ``id``.
    """
    problems: list[str] = []

    def leaf(item: Any) -> Any:
        if not isinstance(item, str) or "${" not in item:
            return item
        parts: list[str | Ref] = []
        position = 0
        for found in _REFERENCE.finditer(item):
            parts.append(item[position : found.start()])
            position = found.end()
            kind, _dot, rest = found["body"].partition(".")
            if found["escape"]:
                parts.append(found[0][1:])
            elif kind not in kinds:
                if rest and ":" not in found["body"]:
                    problems.append(
                        f"{found[0]} refers to the unknown kind '{kind}': use one of {', '.join(sorted(kinds))}, "
                        f"or write $${{{found['body']}}} if it is meant literally"
                    )
                parts.append(found[0])
            else:
                name, _dot, attribute = rest.partition(".")
                parts.append(Ref(f"{kind}.{name}", attribute or "id"))
        parts.append(item[position:])
        texts = [part for part in parts if part != ""]
        if len(texts) == 1 and isinstance(texts[0], Ref):
            return texts[0]
        if any(isinstance(part, Ref) for part in texts):
            return Join(tuple(texts))
        return "".join(str(part) for part in texts)

    parsed = transform(value, leaf)
    if problems:
        raise EngineError(problems)
    return parsed
