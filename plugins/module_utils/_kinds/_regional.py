# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any kind in several Regions of one stack: what an account has in each Region is one declaration and one module call.

A kind knows one Region, its session's. Here it gets a property that says which, and a session for each.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any, ClassVar, TypeVar

from .._engine.kind import Kind, Observed, Obstacle, Pending, Property, Scope, Wanted
from ._once import once
from ._session import Session

REGION = "region"
REGION_NAME = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
"""What the name of a Region looks like, such as ``eu-central-1``."""

_Kept = TypeVar("_Kept")


def regional(kind: type[Kind], *, also: Iterable[str] = ()) -> type[Kind]:
    """Return a kind with one more property, the Region, which can't be changed.

    Every resource of it has to declare its Region. Where a key identifies one, it does so in its Region; a kind without
    a key and without tags has one thing in each.

    :param also: Regions to look in, beside those of which something is declared: where the stack had something once.
    """
    described = {name: value for base in reversed(kind.__mro__) for name, value in vars(base).items()}
    inherited = {
        name: described[name]
        for name in Kind.__annotations__
        if name in described and name not in ("properties", "key", "closed_in")
    }
    own = {
        **inherited,
        "__doc__": kind.__doc__,
        "properties": {
            REGION: Property("str", required=True, immutable=True, doc="The Region it is in."),
            **kind.properties,
        },
        "key": (REGION, *kind.key) if kind.key or not kind.taggable else (),
        "inner": kind(),
        "also": tuple(also),
    }
    return type(f"{kind.__name__}InRegions", (_Regional,), own)


class _Regional(Kind):
    """Hands everything on to the kind, with the Region's session and without the Region among the properties."""

    inner: ClassVar[Kind]
    also: ClassVar[tuple[str, ...]]

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """Ask in all Regions side by side."""

        def one(region: str) -> list[Observed]:
            local = once(session, scope, f"the scope in {region}", lambda: _local(scope, region))
            return [_placed(item, region) for item in self.inner.observe(session.at(region), local)]

        regions = dict.fromkeys([*scope.names(self.name, REGION), *self.also])
        return [item for found in session.each(one, regions) for item in found]

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        region = wanted[REGION]
        return _placed(self.inner.create(session.at(region), _unplaced(wanted), token), region)

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        there = session.at(observed.place)
        return _placed(self.inner.update(there, _bare(observed), _unplaced(wanted), changed), observed.place)

    def delete(self, session: Session, observed: Observed) -> None:
        self.inner.delete(session.at(observed.place), _bare(observed))

    def tag(self, session: Session, observed: Observed, tags: Mapping[str, str]) -> None:
        self.inner.tag(session.at(observed.place), _bare(observed), tags)

    def ready(self, session: Session, observed: Observed) -> Observed | Pending | None:
        found = self.inner.ready(session.at(observed.place), _bare(observed))
        return _placed(found, observed.place) if isinstance(found, Observed) else found

    def gone(self, session: Session, observed: Observed) -> bool | Pending:
        return self.inner.gone(session.at(observed.place), _bare(observed))

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        return self.inner.check(_without(properties))

    def refuse(self, observed: Observed, properties: Mapping[str, Any]) -> list[str]:
        return self.inner.refuse(_bare(observed), _without(properties))

    def loses(self, observed: Observed, properties: Mapping[str, Any]) -> list[str]:
        return self.inner.loses(_bare(observed), _without(properties))

    def is_foreign(self, observed: Observed, mentioned: AbstractSet[str]) -> bool:
        return self.inner.is_foreign(_bare(observed), mentioned)

    def obstacles(self, session: Session, leaving: Sequence[Observed]) -> list[Obstacle]:
        found = [
            self.inner.obstacles(session.at(region), [_bare(item) for item in items])
            for region, items in _by_region(leaving, lambda item: item.place)
        ]
        return [obstacle for several in found for obstacle in several]

    def preflight(self, session: Session, wanted: Sequence[Mapping[str, Any]]) -> list[str]:
        found = [
            [f"{region}: {problem}" for problem in self.inner.preflight(session.at(region), list(map(_without, items)))]
            for region, items in _by_region(wanted, lambda item: str(item[REGION]))
        ]
        return [problem for several in found for problem in several]


def _by_region(items: Iterable[_Kept], region_of: Any) -> Iterator[tuple[str, list[_Kept]]]:
    groups: dict[str, list[_Kept]] = defaultdict(list)
    for item in items:
        groups[region_of(item)].append(item)
    yield from groups.items()


def _local(scope: Scope, region: str) -> Scope:
    """Return what is declared in one Region; what has none (roles of IAM) is declared for all."""
    return Scope(
        scope.stack,
        {
            kind: [_without(item) for item in items if item.get(REGION, region) == region]
            for kind, items in scope.declared.items()
        },
    )


def _without(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in properties.items() if name != REGION}


def _unplaced(wanted: Wanted) -> Wanted:
    return replace(wanted, properties=_without(wanted.properties))


def _placed(observed: Observed, region: str) -> Observed:
    """Say where something is. An address that its name implies is one in each Region: the key tells whose it is."""
    address = f"{observed.address}@{region}" if observed.address and not observed.place else observed.address
    return replace(observed, address=address, properties={REGION: region, **observed.properties}, place=region)


def _bare(observed: Observed) -> Observed:
    return replace(observed, properties=_without(observed.properties))
