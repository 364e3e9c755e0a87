# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads AWS requests off the wire, for every protocol, by botocore's models.

Independent of moto's parsers, which drop what they don't know: here an unknown member is a ``Problem``.
Protocols: https://smithy.io/2.0/aws/protocols/index.html
"""

from __future__ import annotations

import base64
import binascii
import datetime
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl
from xml.etree import ElementTree

from botocore.utils import parse_timestamp

from rehearsal.emulator.strict import Problem

Path = tuple[str | int, ...]

#: Parameters that belong to the protocol or the signature, not to the operation.
_ENVELOPE = frozenset(
    {
        "Action",
        "Version",
        "AUTHPARAMS",
        "AWSAccessKeyId",
        "Signature",
        "SignatureMethod",
        "SignatureVersion",
        "Timestamp",
        "ContentType",
    }
)


class Unreadable(Exception):
    """The body can't be read at all: not JSON, not XML."""


@dataclass
class Wire:
    """One request's parts: what the decoders need of it."""

    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes
    uri: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Decoded:
    """The operation's parameters by member name, and where the request departed from the model."""

    params: dict[str, Any]
    problems: list[Problem]


def decode(protocol: str, shape: Any, wire: Wire) -> Decoded:
    """Decode one request; ``shape`` is the operation's input shape or None."""
    problems: list[Problem] = []
    if protocol in ("query", "ec2"):
        reader = _Query(problems, ec2=protocol == "ec2")
        flat = {key: values[0] for key, values in wire.query.items()}
        flat.update(parse_qsl(wire.body.decode("utf-8", "replace"), keep_blank_values=True))
        params = reader.top(shape, flat)
    elif protocol == "json":
        params = _Json(problems).structure(shape, _load_json(wire.body), ()) if shape is not None else {}
    elif protocol == "rest-json":
        params = _rest(_Json(problems), shape, wire, problems) if shape is not None else {}
    elif protocol == "rest-xml":
        params = _rest(_Xml(problems), shape, wire, problems) if shape is not None else {}
    else:
        raise Unreadable(f"protocol {protocol}")
    return Decoded(params, problems)


def _load_json(body: bytes) -> Any:
    if not body.strip():
        return {}
    try:
        return json.loads(body)
    except ValueError as error:
        raise Unreadable(str(error)) from error


def _timestamp(value: Any) -> datetime.datetime:
    if isinstance(value, bool):
        raise ValueError(value)
    parsed: datetime.datetime = parse_timestamp(value)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=datetime.UTC)


def _scalar(shape: Any, text: str) -> Any:
    """A scalar from text (query string, form, header, XML). Raises ValueError where it isn't one."""
    kind = shape.type_name
    if kind == "boolean":
        if text.lower() not in ("true", "false"):
            raise ValueError(text)
        return text.lower() == "true"
    if kind in ("integer", "long", "short", "byte", "biginteger"):
        return int(text)
    if kind in ("float", "double", "bigdecimal"):
        return float(text)
    if kind == "timestamp":
        return _timestamp(text)
    if kind == "blob":
        try:
            return base64.b64decode(text)
        except binascii.Error as error:
            raise ValueError(text) from error
    return text


class _Query:
    """The query and ec2 protocols: a form with dotted keys, read as a tree."""

    def __init__(self, problems: list[Problem], *, ec2: bool) -> None:
        self.problems = problems
        self.ec2 = ec2

    def top(self, shape: Any, flat: Mapping[str, str]) -> dict[str, Any]:
        tree: dict[str, Any] = {}
        for key, value in flat.items():
            if key in _ENVELOPE or key.startswith("X-Amz-"):
                continue
            node = tree
            for part in key.split("."):
                node = node.setdefault(part, {})
            node[""] = value
        if shape is None:
            return {}
        value = self.structure(shape, tree, ())
        assert isinstance(value, dict)
        return value

    def name(self, member: Any, default: str) -> str:
        how = member.serialization
        if self.ec2:
            if "queryName" in how:
                return str(how["queryName"])
            if "name" in how:
                return str(how["name"])[:1].upper() + str(how["name"])[1:]
            return default
        if member.type_name == "list" and how.get("flattened") and member.member.serialization.get("name"):
            return str(member.member.serialization["name"])
        return str(how.get("locationNameForQueryCompatibility") or how.get("name", default))

    def structure(self, shape: Any, tree: dict[str, Any], path: Path) -> Any:
        result: dict[str, Any] = {}
        left = {key for key in tree if key}
        for member_name, member in shape.members.items():
            wire_name = self.name(member, member_name)
            if "." in wire_name:
                node: Any = tree
                for part in wire_name.split("."):
                    node = node.get(part, {}) if isinstance(node, dict) else {}
                left.discard(wire_name.split(".", maxsplit=1)[0])
            else:
                node = tree.get(wire_name)
                left.discard(wire_name)
            if node:
                result[member_name] = self.value(member, node, (*path, member_name))
        for key in sorted(left):
            self.problems.append(Problem("unknown", (*path, key)))
        return result

    def value(self, shape: Any, node: dict[str, Any], path: Path) -> Any:
        kind = shape.type_name
        if kind == "structure":
            return self.structure(shape, node, path)
        if kind == "list":
            return self.list(shape, node, path)
        if kind == "map":
            return self.map(shape, node, path)
        if "" not in node:
            self.problems.append(Problem("type", path, None, kind))
            return None
        try:
            return _scalar(shape, node[""])
        except ValueError:
            self.problems.append(Problem("type", path, node[""], kind))
            return None

    def _indexed(self, node: dict[str, Any], path: Path) -> list[dict[str, Any]]:
        for key in node:
            if key and not key.isdigit():
                self.problems.append(Problem("unknown", (*path, key)))
        return [node[key] for key in sorted((k for k in node if k.isdigit()), key=int)]

    def list(self, shape: Any, node: dict[str, Any], path: Path) -> list[Any]:
        if not self.ec2 and not shape.serialization.get("flattened"):
            if node.get("") == "":
                return []
            node = node.get(shape.member.serialization.get("name", "member"), {})
        return [
            self.value(shape.member, item, (*path, index)) for index, item in enumerate(self._indexed(node, path), 1)
        ]

    def map(self, shape: Any, node: dict[str, Any], path: Path) -> dict[str, Any]:
        if not shape.serialization.get("flattened"):
            node = node.get("entry", {})
        key_name = shape.key.serialization.get("name", "key")
        value_name = shape.value.serialization.get("name", "value")
        result = {}
        for entry in self._indexed(node, path):
            key = self.value(shape.key, entry.get(key_name, {}), (*path, "key"))
            result[key] = self.value(shape.value, entry.get(value_name, {"": ""}), (*path, str(key)))
        return result


class _Json:
    """The body of the json and rest-json protocols."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems

    def load(self, body: bytes) -> Any:
        return _load_json(body)

    def body(self, shape: Any, value: Any, path: Path) -> Any:
        return self.value(shape, value, path)

    def structure(self, shape: Any, value: Any, path: Path, skip: frozenset[str] = frozenset()) -> Any:
        if getattr(shape, "is_document_type", False):
            return value
        if not isinstance(value, dict):
            self.problems.append(Problem("type", path, value, "structure"))
            return {}
        result: dict[str, Any] = {}
        known = set()
        for name, member in shape.members.items():
            if name in skip:
                continue
            wire_name = member.serialization.get("name", name)
            known.add(wire_name)
            if value.get(wire_name) is not None:
                result[name] = self.value(member, value[wire_name], (*path, name))
        for key in value.keys() - known - {"__type"}:
            self.problems.append(Problem("unknown", (*path, key)))
        return result

    def value(self, shape: Any, value: Any, path: Path) -> Any:
        kind = shape.type_name
        if kind == "structure":
            return self.structure(shape, value, path)
        if kind == "list" and isinstance(value, list):
            return [self.value(shape.member, item, (*path, index)) for index, item in enumerate(value, 1)]
        if kind == "map" and isinstance(value, dict):
            return {key: self.value(shape.value, item, (*path, key)) for key, item in value.items()}
        if kind == "timestamp":
            try:
                return _timestamp(value)
            except (ValueError, TypeError):
                return value
        if kind == "blob" and isinstance(value, str):
            try:
                return base64.b64decode(value)
            except binascii.Error:
                self.problems.append(Problem("type", path, value, "blob"))
        return value


class _Xml:
    """The body of the rest-xml protocol."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems

    def load(self, body: bytes) -> Any:
        if not body.strip():
            return None
        try:
            return ElementTree.fromstring(body)
        except ElementTree.ParseError as error:
            raise Unreadable(str(error)) from error

    def body(self, shape: Any, node: Any, path: Path) -> Any:
        return {} if node is None else self.value(shape, [node], path)

    @staticmethod
    def _tag(node: Any) -> str:
        return str(node.tag).rpartition("}")[2]

    def structure(self, shape: Any, node: Any, path: Path, skip: frozenset[str] = frozenset()) -> dict[str, Any]:
        if node is None:
            return {}
        groups: dict[str, list[Any]] = {}
        for child in node:
            groups.setdefault(self._tag(child), []).append(child)
        result: dict[str, Any] = {}
        for name, member in shape.members.items():
            if name in skip:
                continue
            how = member.serialization
            if how.get("xmlAttribute"):
                wanted = str(how["name"]).rpartition(":")[2]
                found = [v for k, v in node.attrib.items() if k.rpartition("}")[2] == wanted]
                if found:
                    result[name] = found[0]
                continue
            tag = how.get("name", name)
            if member.type_name == "list" and how.get("flattened"):
                tag = member.member.serialization.get("name", tag) if "name" not in how else tag
                tag = tag if tag in groups else member.member.serialization.get("name", tag)
            if tag in groups:
                result[name] = self.value(member, groups.pop(tag), (*path, name))
        for tag in groups:
            self.problems.append(Problem("unknown", (*path, tag)))
        return result

    def value(self, shape: Any, nodes: list[Any], path: Path) -> Any:
        kind = shape.type_name
        if kind == "list":
            if not shape.serialization.get("flattened"):
                nodes = list(nodes[0])
            return [self.value(shape.member, [node], (*path, index)) for index, node in enumerate(nodes, 1)]
        if kind == "map":
            entries = nodes if shape.serialization.get("flattened") else list(nodes[0])
            result = {}
            for entry in entries:
                parts = {self._tag(child): child for child in entry}
                key = parts.get(shape.key.serialization.get("name", "key"))
                value = parts.get(shape.value.serialization.get("name", "value"))
                if key is not None and value is not None:
                    result[key.text or ""] = self.value(shape.value, [value], (*path, key.text or ""))
            return result
        if kind == "structure":
            return self.structure(shape, nodes[0], path)
        text = nodes[0].text or ""
        try:
            return _scalar(shape, text)
        except ValueError:
            self.problems.append(Problem("type", path, text, kind))
            return None


def _rest(reader: _Json | _Xml, shape: Any, wire: Wire, problems: list[Problem]) -> dict[str, Any]:  # noqa: PLR0912, PLR0915 - a case per place
    """The parts of a REST request: labels of the URI, query string, headers, and the body or payload."""
    params: dict[str, Any] = {}
    located = set()
    lists_query = {key: list(values) for key, values in wire.query.items()}
    lower = {key.lower(): value for key, value in wire.headers.items()}
    catch_all = None
    for name, member in shape.members.items():
        how = member.serialization
        where = how.get("location")
        if where is None:
            continue
        located.add(name)
        wire_name = how.get("name", name)
        texts: list[str] | None = None
        if where == "uri":
            texts = [str(wire.uri[wire_name])] if wire.uri.get(wire_name) is not None else None
        elif where == "querystring":
            if member.type_name == "map":
                catch_all = (name, member)
                continue
            texts = lists_query.pop(wire_name, None)
        elif where == "header":
            texts = [lower[wire_name.lower()]] if wire_name.lower() in lower else None
            if texts and member.type_name == "list":
                texts = [part.strip() for part in texts[0].split(",")]
        elif where == "headers":
            prefix = wire_name.lower()
            found = {key[len(prefix) :]: value for key, value in lower.items() if key.startswith(prefix)}
            if found:
                params[name] = found
            continue
        if texts is None:
            continue
        try:
            if member.type_name == "list":
                params[name] = [_scalar(member.member, text) for text in texts]
            else:
                params[name] = _scalar(member, texts[0])
        except ValueError:
            problems.append(Problem("type", (name,), texts[0], member.type_name))
    if catch_all is not None:
        params[catch_all[0]] = {key: values[0] for key, values in lists_query.items()}
    payload = shape.serialization.get("payload")
    if payload:
        member = shape.members[payload]
        if member.type_name in ("blob", "string"):
            if wire.body:
                params[payload] = wire.body if member.type_name == "blob" else wire.body.decode("utf-8", "replace")
        elif wire.body.strip():
            params[payload] = reader.body(member, reader.load(wire.body), (payload,))
    elif wire.body.strip() and any(name not in located for name in shape.members):
        params.update(reader.structure(shape, reader.load(wire.body), (), frozenset(located)))
    return params
