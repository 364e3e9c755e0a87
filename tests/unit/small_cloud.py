# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small cloud in memory, with kinds of its own: what the engine is tested with, without any of AWS."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from ansible_collections.innovate.platform.plugins.module_utils._engine.errors import EngineError, Tombstone
from ansible_collections.innovate.platform.plugins.module_utils._engine.kind import (
    ADDRESS_TAG,
    STACK_TAG,
    Kind,
    Observed,
    Pending,
    Property,
    Scope,
    State,
    Wanted,
)


@dataclass
class Cloud:
    """What there is, what was done in which order, and what goes wrong on purpose.

    :param failing: names of things whose creation, update or deletion fails.
    :param slow: by kind, how many polls a new thing takes to be ready, or a deleted one to be gone.
    :param gate: called in every creation, to see which run at the same time.
    """

    things: dict[str, Observed] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    tokens: dict[str, str] = field(default_factory=dict)
    failing: set[str] = field(default_factory=set)
    slow: dict[str, int] = field(default_factory=dict)
    gate: Callable[[str], None] = lambda address: None
    lock: threading.Lock = field(default_factory=threading.Lock)
    numbers: Iterable[int] = field(default_factory=lambda: itertools.count(1))
    polls: dict[str, int] = field(default_factory=dict)

    def note(self, verb: str, address: str) -> None:
        with self.lock:
            self.log.append(f"{verb} {address}")
        if address in self.failing:
            raise EngineError(f"{address} can't be had")

    def due(self, kind: str, identifier: str) -> bool:
        """Whether something has been polled often enough."""
        with self.lock:
            self.polls[identifier] = self.polls.get(identifier, 0) + 1
            return self.polls[identifier] > self.slow.get(kind, 0)


class Fake(Kind):
    """What all kinds of the small cloud do."""

    def observe(self, session: Cloud, scope: Scope) -> Iterable[Observed]:
        return [thing for identifier, thing in session.things.items() if identifier.startswith(f"{self.name}-")]

    def create(self, session: Cloud, wanted: Wanted, token: str) -> Observed:
        session.gate(wanted.address)
        session.note("create", wanted.address)
        if token in session.tokens:
            raise Tombstone(session.tokens[token])
        identifier = f"{self.name}-{next(iter(session.numbers))}"
        session.tokens[token] = identifier
        state: State = "pending" if self.name in session.slow else "ready"
        tags = wanted.tags if self.taggable else {}
        made = Observed(identifier, dict(wanted.properties), {"arn": f"arn:{identifier}"}, tags, state)
        session.things[identifier] = made
        return made

    def update(self, session: Cloud, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        session.note("update", wanted.address)
        there = session.things[observed.id]
        properties = {**there.properties, **{name: wanted[name] for name in changed}}
        session.things[observed.id] = replace(there, properties=properties)
        return session.things[observed.id]

    def delete(self, session: Cloud, observed: Observed) -> None:
        session.note("delete", observed.tags.get(ADDRESS_TAG, observed.id))
        session.things.pop(observed.id, None)

    def tag(self, session: Cloud, observed: Observed, tags: Mapping[str, str]) -> None:
        session.note("tag", tags[ADDRESS_TAG])
        session.things[observed.id] = replace(session.things[observed.id], tags={**observed.tags, **tags})

    def ready(self, session: Cloud, observed: Observed) -> Observed | Pending:
        if not session.due(self.name, observed.id):
            return Pending("BUILDING")
        session.things[observed.id] = replace(session.things[observed.id], state="ready")
        return session.things[observed.id]

    def gone(self, session: Cloud, observed: Observed) -> bool:
        return session.due(self.name, f"gone {observed.id}")


class Net(Fake):
    name = "net"
    properties: ClassVar[Mapping[str, Property]] = {
        "cidr": Property("str", required=True, immutable=True),
        "dns": Property("bool", default=True),
        "labels": Property("set", deferrable=True),
    }
    attributes = ("arn",)


class Sub(Fake):
    name = "sub"
    properties: ClassVar[Mapping[str, Property]] = {
        "net_id": Property("str", required=True, immutable=True),
        "cidr": Property("str", required=True, immutable=True),
        "peer": Property("str"),
    }
    attributes = ("arn",)
    key = ("net_id", "cidr")


class Store(Fake):
    name = "store"
    properties: ClassVar[Mapping[str, Property]] = {
        "title": Property("str", required=True, immutable=True),
        "size": Property("int", default=1),
        "password": Property("str", secret=True, write_only=True),
        "pin": Property("int", secret=True),
        "net_id": Property("str"),
    }
    attributes = ("arn", "endpoint")
    key = ("title",)
    holds_data = True
    slow = True

    def refuse(self, observed: Observed, properties: Mapping[str, Any]) -> list[str]:
        if properties["size"] < observed.properties["size"]:
            return [f"a store can't shrink from {observed.properties['size']} to {properties['size']}"]
        return []


class Link(Fake):
    name = "link"
    properties: ClassVar[Mapping[str, Property]] = {
        "left": Property("str", required=True, immutable=True),
        "right": Property("str", required=True, immutable=True),
        "note": Property("str"),
    }
    key = ("left", "right")
    taggable = False


class Front(Fake):
    name = "front"
    properties: ClassVar[Mapping[str, Property]] = {"image": Property("str", required=True, immutable=True)}
    create_before_delete = True


class Gate(Fake):
    name = "gate"
    properties: ClassVar[Mapping[str, Property]] = {"net_id": Property("str", required=True), "open": Property("bool")}
    key = ("net_id",)
    preexisting = True


class Finder(Fake):
    name = "finder"
    properties: ClassVar[Mapping[str, Property]] = {"title": Property("str", required=True)}
    attributes = ("arn",)
    key = ("title",)
    lookup = True


KINDS: dict[str, Kind] = {kind.name: kind() for kind in (Net, Sub, Store, Link, Front, Gate, Finder)}
STACK = "demo"


def seen(identifier: str, name: str = "", *, state: State = "ready", stack: str = STACK, **properties: Any) -> Observed:
    """Return something of the cloud; with a name it belongs to the stack."""
    kind = identifier.partition("-")[0]
    tags = {STACK_TAG: stack, ADDRESS_TAG: f"{kind}.{name}"} if name else {}
    return Observed(identifier, properties, {"arn": f"arn:{identifier}"}, tags, state)


def together(count: int, seconds: float = 5) -> Callable[[str], None]:
    """Return a gate that opens only when so many creations are in it at once; else they fail after some seconds."""
    barrier = threading.Barrier(count)

    def gate(address: str) -> None:
        try:
            barrier.wait(seconds)
        except threading.BrokenBarrierError:
            raise EngineError(f"{address} was alone") from None

    return gate
