# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Translates between our snake case and the API's own names, and checks values, all by botocore's models.

The models hold enumerations, patterns, lengths and ranges; botocore's own validation looks at none of the first two.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from .._engine.resource import Join, Ref, Unknown


@functools.lru_cache(maxsize=1)
def botocore_session() -> Any:
    """Return the one botocore session of this process: models are found and read once, by clients and checks alike."""
    import botocore.session  # noqa: PLC0415  # made when first used: importing botocore is run time

    return botocore.session.get_session()


@functools.cache
def _model(service: str) -> Any:
    return botocore_session().get_service_model(service)


@functools.cache
def _members(shape: Any) -> dict[str, tuple[str, Any]]:
    """Return a structure's members by their names in snake case: the API's name and the member's shape."""
    from botocore import xform_name  # noqa: PLC0415

    return {str(xform_name(name)): (name, member) for name, member in shape.members.items()}


def request(service: str, operation: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of an operation's input that are among ``properties`` (snake case), in the API's names."""
    shape = _model(service).operation_model(operation).input_shape
    known = _members(shape)
    return {
        known[name][0]: _to_api(known[name][1], value)
        for name, value in properties.items()
        if name in known and value is not None
    }


def to_api(service: str, shape: str, value: Any) -> Any:
    """Return a value with snake-case names in the API's names, by a shape of the service's model."""
    return _to_api(_model(service).shape_for(shape), value)


def from_api(service: str, shape: str, value: Any) -> Any:
    """Return a response's value with its names in snake case; the keys of maps (labels, tags) stay as they are."""
    return _from_api(_model(service).shape_for(shape), value)


def violations(service: str, operation: str, properties: Mapping[str, Any]) -> list[str]:
    """Return what an operation's model has against declared properties. References count as fitting."""
    shape = _model(service).operation_model(operation).input_shape
    known = _members(shape)
    problems: list[str] = []
    for name, value in properties.items():
        if name in known:
            problems += _violations(known[name][1], value, name)
    return problems


def _to_api(shape: Any, value: Any) -> Any:
    if value is None:
        return None
    if shape.type_name == "structure" and isinstance(value, Mapping):
        known = _members(shape)
        return {
            known[name][0]: _to_api(known[name][1], item)
            for name, item in value.items()
            if name in known and item is not None
        }
    if shape.type_name == "list" and isinstance(value, (list, tuple, set, frozenset)):
        return [_to_api(shape.member, item) for item in value]
    if shape.type_name == "map" and isinstance(value, Mapping):
        return {key: _to_api(shape.value, item) for key, item in value.items()}
    return value


def _from_api(shape: Any, value: Any) -> Any:
    if shape.type_name == "structure" and isinstance(value, Mapping):
        known = {api: (name, member) for name, (api, member) in _members(shape).items()}
        return {known[api][0]: _from_api(known[api][1], item) for api, item in value.items() if api in known}
    if shape.type_name == "list" and isinstance(value, list):
        return [_from_api(shape.member, item) for item in value]
    if shape.type_name == "map" and isinstance(value, Mapping):
        return {key: _from_api(shape.value, item) for key, item in value.items()}
    return value


def _violations(shape: Any, value: Any, path: str) -> Iterator[str]:
    if value is None or isinstance(value, (Ref, Join, Unknown)):
        return
    if shape.type_name == "structure":
        yield from _structure(shape, value, path)
    elif shape.type_name == "list":
        yield from _list(shape, value, path)
    elif shape.type_name == "map":
        if not isinstance(value, Mapping):
            yield f"{path}: {value!r} is not a dictionary"
            return
        for key, item in value.items():
            yield from _violations(shape.key, key, f"{path}.{key}")
            yield from _violations(shape.value, item, f"{path}.{key}")
    elif shape.type_name == "string":
        yield from _string(shape, value, path)
    elif shape.type_name in ("integer", "long", "float", "double"):
        whole = shape.type_name in ("integer", "long")
        if _is_nested(path) and (isinstance(value, bool) or not isinstance(value, int if whole else (int, float))):
            yield f"{path}: {value!r} is not {'a whole number' if whole else 'a number'}"
        yield from _bounds(shape, value, path, "")
    elif shape.type_name == "boolean" and _is_nested(path) and not isinstance(value, bool):
        yield f"{path}: {value!r} is not true or false"


def _is_nested(path: str) -> bool:
    """Tell whether a value is inside of a property; of properties themselves the engine knows the types.

    A property may well differ from the model there: documents are strings to the APIs.
    """
    return "." in path or "[" in path


def _structure(shape: Any, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"{path}: {value!r} is not a dictionary"
        return
    known = _members(shape)
    for name, item in value.items():
        if name not in known:
            yield f"{path}: unknown member '{name}': use one of {', '.join(sorted(known))}"
        else:
            yield from _violations(known[name][1], item, f"{path}.{name}")
    for name, (api, _member) in known.items():
        if api in shape.required_members and value.get(name) is None:
            yield f"{path}: the member '{name}' is missing"


def _list(shape: Any, value: Any, path: str) -> Iterator[str]:
    if isinstance(value, (str, Mapping)) or not hasattr(value, "__iter__"):
        yield f"{path}: {value!r} is not a list"
        return
    items = list(value)
    yield from _bounds(shape, len(items), path, " items")
    for index, item in enumerate(items):
        yield from _violations(shape.member, item, f"{path}[{index}]")


def _string(shape: Any, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, str):
        if _is_nested(path):
            yield f"{path}: {value!r} is not a string"
        return
    if shape.enum and value not in shape.enum:
        yield f"{path}: {value!r} is not one of {', '.join(shape.enum)}"
    yield from _bounds(shape, len(value), path, " characters")
    pattern = shape.metadata.get("pattern")
    if pattern and not _matches(pattern, value):
        yield f"{path}: {value!r} does not have the form {pattern}"


def _bounds(shape: Any, size: Any, path: str, unit: str) -> Iterator[str]:
    if isinstance(size, bool) or not isinstance(size, (int, float)):
        return
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and size < least:
        yield f"{path}: {size}{unit} is less than the least allowed, {least}"
    if most is not None and size > most:
        yield f"{path}: {size}{unit} is more than the most allowed, {most}"


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str] | None:
    """Return a model's pattern for Python; Java's and ECMAScript's own spellings that Python lacks are let through."""
    for java, python in ((r"\p{L}", r"^\W\d_"), (r"\p{N}", r"\d"), (r"\p{Z}", r"\s")):
        if java in pattern:
            return None if java == r"\p{L}" else re.compile(pattern.replace(java, python))
    try:
        return re.compile(pattern)
    except re.error:
        return None


def _matches(pattern: str, value: str) -> bool:
    """Tell whether a value has a form. Services match the whole of it, unless the form is a beginning (``^arn:``)."""
    compiled = _compiled(pattern)
    if compiled is None:
        return True
    whole = pattern.endswith(("*", "+", "}", ")", "$", "?"))
    return (compiled.fullmatch(value) if whole else compiled.search(value)) is not None
