# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds every mistake in a declaration before the first call."""

from __future__ import annotations

import difflib
import graphlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from .kind import Kind, Property
from .resource import Join, Ref, Resource, Unknown, is_known, references

_PYTHON_TYPES: Mapping[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "list": (list, tuple),
    "set": (list, tuple, set, frozenset),
    "dict": (Mapping,),
    "map": (Mapping,),
    "json": (Mapping, str, list),
}
_TAGS = Property("map")
_NOUNS = {
    "str": "a string",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "set": "a list",
    "dict": "a dictionary",
    "map": "a dictionary",
    "json": "a document (a dictionary or JSON text)",
}


def validate(resources: Sequence[Resource], kinds: Mapping[str, Kind]) -> list[str]:
    """Return a sentence for each mistake in a declaration; an empty list when there is none."""
    problems = [
        f"{address} is declared {count} times: give each its own name"
        for address, count in Counter(resource.address for resource in resources).items()
        if count > 1
    ]
    by_address = {resource.address: resource for resource in resources}
    for resource in resources:
        kind = kinds.get(resource.kind)
        if kind is None:
            problems.append(f"{resource.address}: unknown kind '{resource.kind}'{_suggest(resource.kind, kinds)}")
            continue
        wrong = list(_properties(resource, kind))
        problems += wrong
        if not wrong:
            problems += [f"{resource.address}: {problem}" for problem in _checked(kind, with_defaults(resource, kind))]
        problems += _references(resource, by_address, kinds)
    problems += _same_keys(resources, kinds)
    problems += _cycles(by_address)
    return list(dict.fromkeys(problems))


def _checked(kind: Kind, properties: Mapping[str, Any]) -> list[str]:
    try:
        return kind.check(properties)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        # Something inside of a property has another form than any rule foresees.
        return [f"a property has another form than {kind.name} takes, see its documentation ({error})"]


def with_defaults(resource: Resource, kind: Kind) -> dict[str, Any]:
    """Return the declared properties with the kind's defaults, without those that are None."""
    defaults = {name: spec.default for name, spec in kind.properties.items() if spec.default is not None}
    declared = {name: value for name, value in resource.properties.items() if value is not None}
    # What is declared comes first: that is what people look for in a plan.
    return {**declared, **{name: value for name, value in defaults.items() if name not in declared}}


def _suggest(word: str, words: Collection[str]) -> str:
    close = difflib.get_close_matches(word, words, n=1)
    return f": did you mean '{close[0]}'?" if close else f": use one of {', '.join(sorted(words))}"


def _properties(resource: Resource, kind: Kind) -> Iterator[str]:
    known = {**kind.properties, **({"tags": _TAGS} if kind.taggable else {})}
    for name, value in resource.properties.items():
        spec = known.get(name)
        if spec is None:
            yield f"{resource.address}: unknown property '{name}'{_suggest(name, known)}"
        elif value is not None:
            yield from (f"{resource.address}.{name}: {problem}" for problem in _value(spec, value))
            if spec is _TAGS and isinstance(value, Mapping):
                yield from (
                    f"{resource.address}.tags: {item!r}, the value of {tag!r}, is not a string"
                    for tag, item in value.items()
                    if item is None or isinstance(item, (Mapping, list, tuple))
                )
    for name, spec in kind.properties.items():
        if spec.required and resource.properties.get(name) is None:
            yield f"{resource.address}: the property '{name}' is missing"


def _value(spec: Property, value: Any) -> Iterator[str]:
    if isinstance(value, (Ref, Join, Unknown)):
        return
    shown = "the secret value" if spec.secret else repr(value)
    wrong_bool = isinstance(value, bool) and spec.type in ("int", "float")
    if wrong_bool or not isinstance(value, _PYTHON_TYPES[spec.type]):
        yield f"{shown} is not {_NOUNS[spec.type]}"
    elif spec.choices:
        given = value if isinstance(value, (list, tuple)) else [value]
        for item in given:
            if is_known(item) and item not in spec.choices:
                yield f"{shown if spec.secret else repr(item)} is not one of {', '.join(map(str, spec.choices))}"


def _references(resource: Resource, by_address: Mapping[str, Resource], kinds: Mapping[str, Kind]) -> Iterator[str]:
    for ref in references(resource.properties):
        target = by_address.get(ref.address)
        if target is None:
            yield f"{resource.address}: {ref} refers to nothing that is declared{_suggest(ref.address, by_address)}"
        elif target.kind in kinds:
            kind = kinds[target.kind]
            names = {"id", *kind.attributes, *kind.properties}
            if ref.attribute not in names:
                yield f"{resource.address}: {ref}: {target.kind} has no attribute '{ref.attribute}'" + _suggest(
                    ref.attribute, names
                )
    for address in resource.depends_on:
        if address not in by_address:
            yield f"{resource.address} depends on {address}, which is not declared{_suggest(address, by_address)}"


def _same_keys(resources: Sequence[Resource], kinds: Mapping[str, Kind]) -> Iterator[str]:
    seen: dict[tuple[str, ...], str] = {}
    for resource in resources:
        kind = kinds.get(resource.kind)
        if kind is None or not kind.key or any(resource.properties.get(name) is None for name in kind.key):
            continue
        identity = (resource.kind, *(str(resource.properties[name]) for name in kind.key))
        if identity in seen and seen[identity] != resource.address:
            names = ", ".join(f"{name} {resource.properties[name]}" for name in kind.key)
            yield f"{resource.address} and {seen[identity]} are the same thing ({names}): declare it once"
        seen.setdefault(identity, resource.address)


def _cycles(by_address: Mapping[str, Resource]) -> Iterator[str]:
    graph = {address: resource.needs() & by_address.keys() for address, resource in by_address.items()}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        yield f"these resources refer to each other in a circle: {' -> '.join(reversed(error.args[1]))}"
