# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that the emulated AWS holds, read off its own memory: nothing has to be known, listed or tagged to be found.

Two worlds that came about differently are compared by it, so what is different each time is left out or replaced:
times, generated ids and names, passwords. Each thing becomes a line of text; one that is there twice, two such lines.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

from moto.core.base_backend import BackendDict, BaseBackend

from rehearsal.emulator.world import World

#: What everybody has from the beginning, by the thousand, and what is a record of what happened.
_OURS = ("moto.", "rehearsal.")
_LEFT_OUT = frozenset(
    {
        "AWSManagedPolicy",
        "AccessKey",
        "Ami",
        "AssumedRole",
        "ClusterFacts",
        "Creation",
        "Delivery",
        "Image",
        "InstanceTypeOfferingBackend",
        "Launch",
        "Provisioning",
        "Transition",
        "Update",
        "World",
    }
)
_SERVICES_LEFT_OUT = frozenset({"sts", "moto_api", "events-log", "ec2-capacity", "iot"})
#: Members that differ each time, or that say only how the thing is kept in memory.
_VOLATILE = re.compile(
    r"(^|_)(at|time|timestamp|date|created|modified|password|secret_string|secret_binary|joined|ready|backup|rebooted|"
    r"token|nonce|unique_?id|key_material|raw_|last_|next_|version_?id|etag|request_?id|private_ip|dns_name)|"
    r"(At|Time|Date|Token|Password|Fingerprint|Endpoint|Timestamp)$",
)
_REPLACED: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "<uuid>"),
    (re.compile(r"\b([a-z]+(?:-[a-z]+)?)-0?[0-9a-f]{8,17}\b"), r"<\1>"),
    (re.compile(r"\b(o|ou|r|p|car)-[a-z0-9]{4,32}(-[a-z0-9]{8,32})?\b"), r"<\1>"),
    (re.compile(r"\bA[A-Z0-9]{19,20}\b"), "<iam>"),
    (re.compile(r"\ba-[a-z0-9]{17}\b"), "<association>"),
    (re.compile(r"\bdb-[A-Z0-9]{26}\b"), "<dbi>"),
    (re.compile(r"\b02:00:00(:[0-9a-f]{2}){3}\b"), "<mac>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?[.0-9]*(Z|[+-]\d\d:?\d\d)?"), "<time>"),
    (re.compile(r"\b[0-9A-Fa-f]{20,64}\b"), "<hex>"),
    (re.compile(r"(:secret:[^\s\"]+)-[A-Za-z0-9]{6}(?![^\s\"])"), r"\1-<random>"),
    (re.compile(r"\b127\.\d+\.\d+\.\d+\b"), "<loopback>"),
    (re.compile(r"\b\d+\.\d+\.\d+\.\d+(?![\d/])"), "<ip>"),
)

Line = tuple[str, str, str, str, str]
"""Service, account's name, Region, type, text."""


def inventory(world: World, accounts: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return what there is, as rows of ``service``, ``account``, ``region``, ``type``, ``text`` and ``count``.

    :param accounts: account ids by name; the ids differ each time.
    """
    names = {identifier: name for name, identifier in accounts.items()}
    with world.lock:
        found = Counter(_lines(world, names))
    fields = ("service", "account", "region", "type", "text")
    return [{**dict(zip(fields, line, strict=True)), "count": count} for line, count in sorted(found.items())]


def _lines(world: World, names: Mapping[str, str]) -> Iterator[Line]:
    for backends in list(BackendDict._instances):
        if backends.service_name in _SERVICES_LEFT_OUT:
            continue
        for account, regions in list(backends.items()):
            name = names.get(account, account)
            for region, backend in list(regions.items()):
                found = Counter(_Walk(names).of(backend))
                if found == _pristine(backends, region, name):
                    continue  # somebody has looked there
                for kind, text in found.elements():
                    yield backends.service_name, name, region, kind, text
    for (service, account, region), state in list(world._stores.items()):
        if service in _SERVICES_LEFT_OUT:
            continue
        where = (service, names.get(account, account), region)
        for kind, text in _Walk(names).of(state):
            yield (*where, kind, text)


_NOBODY = "000000000000"
_pristine_lines: dict[tuple[str, str], Counter[tuple[str, str]]] = {}


def _pristine(backends: Any, region: str, name: str) -> Counter[tuple[str, str]]:
    """What a service holds in an account and Region where nobody has made anything."""
    key = (backends.service_name, region)
    if key not in _pristine_lines:
        _pristine_lines[key] = Counter(_Walk({_NOBODY: "nobody"}).of(backends.backend(region, _NOBODY)))
        for others in list(BackendDict._instances):
            others.pop(_NOBODY, None)
    return Counter(
        {(kind, text.replace("<nobody>", f"<{name}>")): count for (kind, text), count in _pristine_lines[key].items()}
    )


class _Walk:
    """One walk over a backend: each object once, however many ways lead to it."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        self._seen: set[int] = set()
        self._todo: list[Any] = []

    def of(self, root: Any) -> Iterator[tuple[str, str]]:
        self._seen.add(id(root))
        members = {"": root} if isinstance(root, dict) and not isinstance(root, BaseBackend) else _members(root)
        for name, value in members.items():
            if name.startswith("__") or _VOLATILE.search(name):
                continue
            if isinstance(value, dict):
                # What a backend keeps by key without a class of its own, such as the tags of EC2.
                for key, item in list(value.items()):
                    shown = self._plain(item)
                    if shown not in ("", "[]", "{}") and not shown.startswith("<"):
                        yield name or type(root).__name__, f"{self._text(str(key))}: {shown}"
            else:
                self._plain(value)
        while self._todo:
            thing = self._todo.pop()
            members = {
                name: self._value(value)
                for name, value in sorted(_members(thing).items())
                if not name.startswith("__") and not _VOLATILE.search(name)
            }
            if type(thing).__name__ != "TaggingService" or members.get("tags"):
                yield type(thing).__name__, json.dumps(members, sort_keys=True, default=str)

    def _plain(self, value: Any) -> str:
        shown = self._value(value)
        return shown if isinstance(shown, str) else json.dumps(shown, sort_keys=True, default=str)

    def _value(self, value: Any, depth: int = 0) -> Any:  # noqa: PLR0911 - a case per type
        if value is None or isinstance(value, (bool, int)):
            return value
        if isinstance(value, (float, datetime.datetime, datetime.date)):
            return "<time>"
        if isinstance(value, Enum):
            return str(value.value)
        if isinstance(value, bytes):
            return "<bytes>"
        if isinstance(value, str):
            return self._text(value)
        if depth > 12:
            return "<deep>"
        if isinstance(value, Mapping):
            return {
                self._text(str(key)): self._value(item, depth + 1)
                for key, item in list(value.items())
                if not (isinstance(key, str) and _VOLATILE.search(key))
            }
        if isinstance(value, (list, tuple, set, frozenset)) or type(value).__name__ == "deque":
            shown = [self._value(item, depth + 1) for item in list(value)]
            # The order in which things were made is no property of them.
            return sorted(shown, key=lambda item: json.dumps(item, sort_keys=True, default=str))
        kind = type(value)
        if not kind.__module__.startswith(_OURS):
            return f"<{kind.__name__}>"
        if isinstance(value, (BaseBackend, type)) or kind.__name__ in _LEFT_OUT or kind.__name__.endswith("Backend"):
            return f"<{kind.__name__}>"
        if id(value) not in self._seen:
            self._seen.add(id(value))
            self._todo.append(value)
        return f"<{kind.__name__}>"

    def _text(self, text: str) -> str:
        for identifier, name in self._names.items():
            text = text.replace(identifier, f"<{name}>")
        return normalized(text)


def normalized(text: str) -> str:
    """Return a text with what is generated (ids, times, addresses) replaced by what kind of thing it is."""
    for pattern, shown in _REPLACED:
        text = pattern.sub(shown, text)
    return text


def _members(thing: Any) -> dict[str, Any]:
    if dataclasses.is_dataclass(thing):
        return {field.name: getattr(thing, field.name) for field in dataclasses.fields(thing)}
    return dict(getattr(thing, "__dict__", {}))
