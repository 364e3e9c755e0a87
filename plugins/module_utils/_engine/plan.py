# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides what has to happen: a pure function of what is declared and what was observed."""

from __future__ import annotations

import graphlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, Literal

from .kind import ADDRESS_TAG, STACK_TAG, Kind, Observed, Property, Scope
from .resource import Ref, Resource, Unknown, is_known, leaves, substitute
from .validate import with_defaults

Action = Literal["create", "update", "replace", "delete", "adopt", "keep", "none", "read"]
CHANGING: frozenset[Action] = frozenset({"create", "update", "replace", "delete", "adopt"})


@dataclass(frozen=True)
class Options:
    """What the caller consents to, and what all resources of the stack have in common.

    :param adopt: patterns of addresses that may be taken over although they exist without our tags.
    :param allow_replace: patterns of addresses that may be replaced.
    :param allow_destroy: patterns of addresses that may be deleted although they hold data.
    :param identity: tells one world from another (account and region) in client tokens.
    :param wait: whether what is made is awaited; otherwise what is slow is only begun, and what needs it, or a look-up
        that finds nothing, is left for another run. Deletions and replacements are awaited in any case.
    """

    stack: str
    tags: Mapping[str, str] = field(default_factory=dict)
    absent: bool = False
    adopt: tuple[str, ...] = ()
    allow_replace: tuple[str, ...] = ()
    allow_destroy: tuple[str, ...] = ()
    identity: str = ""
    wait: bool = True

    def tags_of(self, address: str, properties: Mapping[str, Any]) -> dict[str, str]:
        """Return the whole set of tags of a resource: the stack's, its own, and the ownership tags."""
        own = {
            name: str(value) if isinstance(value, (int, float)) else value
            for name, value in (properties.get("tags") or {}).items()
        }
        return {**self.tags, **own, STACK_TAG: self.stack, ADDRESS_TAG: address}


@dataclass(frozen=True)
class Change:
    """What becomes of one resource.

    :param properties: what is wanted, with :class:`Unknown` where the value will only be assigned; empty for deletions.
    :param changed: the properties that differ (``tags`` among them).
    :param forced_by: the immutable ones of these, which force a replacement.
    :param reason: why it is kept, or why it is replaced without a property forcing it.
    """

    action: Action
    kind: str
    address: str
    resource: Resource | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    observed: Observed | None = None
    changed: tuple[str, ...] = ()
    forced_by: tuple[str, ...] = ()
    reason: str = ""

    @property
    def existing(self) -> Observed:
        """What is there; only for changes of something that is."""
        if self.observed is None:
            raise ValueError(f"{self.address} is not there")
        return self.observed

    @property
    def declaration(self) -> Resource:
        """What is declared; only for changes of something that is."""
        if self.resource is None:
            raise ValueError(f"{self.address} is not declared")
        return self.resource

    @property
    def is_underway(self) -> bool:
        """Tell whether nothing is to be changed, but AWS isn't done yet with what an earlier run began."""
        return self.action == "none" and self.observed is not None and self.observed.state in ("pending", "deleting")

    def attribute(self, name: str) -> Any:
        """Return what a reference to this resource yields at planning time."""
        declared = self.properties.get(name)
        if declared is not None and name != "id":
            return declared
        if self.observed is not None and self.action in ("none", "update", "adopt", "read"):
            found = self.observed.attribute(name)
            return Unknown() if found is None else found
        return Unknown()


@dataclass(frozen=True)
class Plan:
    """Every resource of a stack with what becomes of it, and what speaks against going on.

    :param problems: refusals; nothing may be applied while there is one.
    :param missing: sentences about look-ups that found nothing: fine in a plan, an error in an apply.
    :param foreign: by kind, what stands in a closed set of the stack's and is nobody's. Nothing is done about it.
    """

    options: Options
    changes: tuple[Change, ...]
    problems: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    foreign: tuple[tuple[str, Observed], ...] = ()

    @property
    def changing(self) -> list[Change]:
        """The changes that change something."""
        return [change for change in self.changes if change.action in CHANGING]


def in_order(resources: Iterable[Resource]) -> list[Resource]:
    """Return resources so that each comes after what it refers to; otherwise in the order of declaration."""
    by_address = {resource.address: resource for resource in resources}
    graph = {address: sorted(resource.needs() & by_address.keys()) for address, resource in by_address.items()}
    return [by_address[address] for address in graphlib.TopologicalSorter(graph).static_order()]


def scope_of(stack: str, resources: Sequence[Resource], kinds: Mapping[str, Kind]) -> Scope:
    """Return what can be said about declared properties before any call: references to literals are resolved."""
    known: dict[str, dict[str, Any]] = {}
    declared: dict[str, list[Mapping[str, Any]]] = defaultdict(list)

    def resolve(ref: Ref) -> Any:
        value = known.get(ref.address, {}).get(ref.attribute)
        return Unknown() if value is None else value

    for resource in in_order(resources):
        known[resource.address] = substitute(with_defaults(resource, kinds[resource.kind]), resolve)
        declared[resource.kind].append(known[resource.address])
    return Scope(stack, declared)


def make_plan(
    resources: Sequence[Resource],
    kinds: Mapping[str, Kind],
    observed: Mapping[str, Sequence[Observed]],
    options: Options,
) -> Plan:
    """Return what has to happen to bring what was observed to what is declared.

    :param resources: validated declarations.
    :param observed: by kind; what is in it may be ours, anyone's, or on its way out.
    """
    matching = _Matching(resources, kinds, observed, options)
    changes: list[Change] = []
    problems: list[str] = []
    missing: list[str] = []
    by_address: dict[str, Change] = {}

    def resolve(ref: Ref) -> Any:
        change = by_address[ref.address]
        if ref.attribute in kinds[change.kind].volatile and set(change.changed) - {"tags"}:
            return Unknown()
        return change.attribute(ref.attribute)

    for resource in in_order(resources):
        kind = kinds[resource.kind]
        properties = substitute(with_defaults(resource, kind), resolve)
        found = matching.find(resource, properties, problems)
        change = _decide(resource, kind, properties, found, options, problems)
        by_address[resource.address] = change
        changes.append(change)
        if kind.lookup and found is None and not options.absent:
            query = ", ".join(f"{name} {properties[name]}" for name in kind.key if name in properties)
            what = kind.name.removesuffix("_lookup").replace("_", " ")
            missing.append(f"{resource.address}: no {what} with {query}: {resource.hint}")

    if options.absent:
        changes = [_removal(change, kinds) for change in changes if change.observed and _is_removable(change, kinds)]
    changes += matching.orphans()
    changes = _guard(changes, kinds, observed, options, problems)
    foreign = tuple(_foreign(changes, kinds, observed, options))
    return Plan(options, tuple(changes), tuple(dict.fromkeys(problems)), tuple(dict.fromkeys(missing)), foreign)


def _foreign(
    changes: Sequence[Change], kinds: Mapping[str, Kind], observed: Mapping[str, Sequence[Observed]], options: Options
) -> Iterator[tuple[str, Observed]]:
    """Yield what is in closed sets of the stack and isn't declared, and carries nobody's tags."""
    closed = [kind for kind in kinds.values() if kind.closed_in is not None and observed.get(kind.name)]
    if not closed:
        return
    there = [change for change in changes if change.observed is not None and not kinds[change.kind].lookup]
    taken = {_identity(change.kind, change.existing) for change in there}
    mentioned = {leaf for change in there for leaf in leaves(change.existing.properties) if isinstance(leaf, str)}
    for kind in closed:
        name, parent = kind.closed_in or ("", "")
        parents = {change.existing.id for change in there if change.kind == parent}
        for item in observed[kind.name]:
            if (
                _identity(kind.name, item) not in taken
                and item.properties.get(name) in parents
                and STACK_TAG not in item.tags
                and item.state != "deleting"
                and not options.absent
                and kind.is_foreign(item, mentioned)
            ):
                yield kind.name, item


def differences(kind: Kind, properties: Mapping[str, Any], tags: Mapping[str, str], observed: Observed) -> list[str]:
    """Return the names of declared properties that differ from what is observed, ``tags`` last."""
    changed = [
        name
        for name, spec in kind.properties.items()
        if not spec.write_only
        and name in properties
        and not same(spec, properties[name], observed.properties.get(name))
    ]
    if kind.taggable and any(observed.tags.get(key) != value for key, value in tags.items()):
        changed.append("tags")
    return changed


def same(spec: Property, wanted: Any, observed: Any) -> bool:
    """Tell whether what is wanted is there. Only what is declared counts; what the API adds is left alone."""
    if not is_known(wanted):
        return False
    if spec.same is not None:
        return spec.same(wanted, observed)
    if spec.type == "set":
        return _as_set(wanted) == _as_set(observed or ())
    if spec.type in ("map", "json"):
        return bool(_canonical(wanted) == _canonical(observed if observed is not None else {}))
    return _covers(wanted, observed)


def _covers(wanted: Any, observed: Any) -> bool:
    if isinstance(wanted, Mapping):
        return isinstance(observed, Mapping) and all(_covers(value, observed.get(key)) for key, value in wanted.items())
    if isinstance(wanted, (list, tuple)):
        observed = observed or []
        return len(wanted) == len(observed) and all(map(_covers, wanted, observed))
    return bool(wanted == observed)


def _canonical(value: Any) -> str:
    return json.dumps(json.loads(value) if isinstance(value, str) else value, sort_keys=True, default=str)


def _as_set(value: Iterable[Any]) -> set[str]:
    return {json.dumps(item, sort_keys=True, default=str) for item in value}


def _allowed(address: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(address, pattern) for pattern in patterns)


class _Matching:
    """Finds for each declared resource what it already is in the cloud, and what is left over."""

    def __init__(
        self,
        resources: Sequence[Resource],
        kinds: Mapping[str, Kind],
        observed: Mapping[str, Sequence[Observed]],
        options: Options,
    ) -> None:
        self._kinds = kinds
        self._observed = observed
        self._options = options
        self._declared = {resource.address for resource in resources}
        self._taken: set[tuple[str, str, str]] = set()

    def find(self, resource: Resource, properties: Mapping[str, Any], problems: list[str]) -> Observed | None:
        """Return the observed thing that a declaration is about, if there is one that is ours to touch."""
        kind = self._kinds[resource.kind]
        there = [item for item in self._observed.get(kind.name, ()) if _identity(kind.name, item) not in self._taken]
        ours = [item for item in there if self._address(kind, item) == resource.address]
        if ours:
            return self._take(kind, min(ours, key=lambda item: self._distance(kind, properties, item)))
        same_key = [item for item in there if self._has_key(kind, properties, item)]
        if not same_key:
            return None
        item = same_key[0]
        if kind.lookup or kind.preexisting or not (kind.taggable or kind.marked):
            return self._take(kind, item)
        owner, address = item.tags.get(STACK_TAG), item.tags.get(ADDRESS_TAG, "")
        if owner == self._options.stack and address not in self._declared and address.startswith(f"{kind.name}."):
            return self._take(kind, item)
        if item.state == "deleting":
            return self._take(kind, item)
        if self._options.absent:
            # What was never taken over isn't taken down either, whatever `adopt` says.
            return None
        if owner is None and _allowed(resource.address, self._options.adopt):
            return self._take(kind, item)
        key = ", ".join(f"{name} {properties[name]}" for name in kind.key)
        if owner is None:
            problems.append(
                f"{resource.address}: {item.id} ({key}) exists already but does not belong to stack "
                f"'{self._options.stack}': add the address to `adopt` to take it over, or choose another name"
            )
        else:
            problems.append(
                f"{resource.address}: {item.id} ({key}) belongs to {address or 'something'} of stack '{owner}': "
                "choose another name"
            )
        return None

    def orphans(self) -> list[Change]:
        """Return deletions of everything of the stack that no declaration is about any more.

        What is being deleted already is among them as unchanged, since what it uses has to wait for it.
        """
        return [
            Change(
                "none" if item.state == "deleting" else "delete",
                name,
                self._address(self._kinds[name], item),
                observed=item,
            )
            for name, items in self._observed.items()
            for item in items
            if _identity(name, item) not in self._taken
            and self._address(self._kinds[name], item)
            and not self._kinds[name].preexisting
            and not self._kinds[name].lookup
        ]

    def _take(self, kind: Kind, item: Observed) -> Observed:
        self._taken.add(_identity(kind.name, item))
        return item

    def _address(self, kind: Kind, item: Observed) -> str:
        """Return the address of what is ours. Two kinds may list the same thing (a VPC's default security group)."""
        if item.address:
            return item.address
        address = item.tags.get(ADDRESS_TAG, "")
        owned = item.tags.get(STACK_TAG) == self._options.stack
        return address if owned and address.startswith(f"{kind.name}.") else ""

    @staticmethod
    def _has_key(kind: Kind, properties: Mapping[str, Any], item: Observed) -> bool:
        return bool(kind.key) and all(
            name in properties and is_known(properties[name]) and properties[name] == item.properties.get(name)
            for name in kind.key
        )

    @staticmethod
    def _distance(kind: Kind, properties: Mapping[str, Any], item: Observed) -> tuple[bool, int, int]:
        """Rank twins left by an interrupted replacement: alive before dying, then by the fewest differences."""
        changed = differences(kind, properties, {}, item)
        return item.state != "ready", sum(kind.properties[name].immutable for name in changed), len(changed)


def _decide(
    resource: Resource,
    kind: Kind,
    properties: Mapping[str, Any],
    found: Observed | None,
    options: Options,
    problems: list[str],
) -> Change:
    if found is not None and found.foreseen:
        properties = {**properties, **found.foreseen}
    tags = options.tags_of(resource.address, properties)
    base = Change("create", kind.name, resource.address, resource, properties, tags, found)
    if kind.lookup:
        return replace(base, action="read")
    if found is None or (found.state == "deleting" and not options.absent):
        return base
    if options.absent:
        # What carries no tags is found by its name alone; a kind refuses what is somebody else's.
        foreign = not kind.taggable and kind.refuse(found, properties)
        return replace(base, action="none", observed=None if foreign else found)
    changed = tuple(differences(kind, properties, tags, found))
    if found.state == "failed":
        return replace(base, action="replace", changed=changed, reason="its creation failed or was cut short")
    refusals = [f"{resource.address}: {problem}" for problem in kind.refuse(found, properties)]
    problems += refusals
    if changed and not _allowed(resource.address, options.allow_destroy):
        problems += [
            f"{resource.address}: {loss}: declare it as well, or list the address in `allow_destroy`"
            for loss in kind.loses(found, properties)
        ]
    forced = (
        ()
        if refusals
        else tuple(name for name in changed if name in kind.properties and kind.properties[name].immutable)
    )
    if forced and kind.preexisting:
        # It belongs to another parent now; the old one takes its own away with it.
        return replace(base, observed=None)
    if forced:
        if not _allowed(resource.address, options.allow_replace):
            shown = "; ".join(
                f"{name} can't be changed in place"
                + (
                    ""
                    if kind.properties[name].secret
                    else f" ({_brief(found.properties.get(name))} to {_brief(properties[name])})"
                )
                for name in forced
            )
            problems.append(f"{resource.address}: {shown}: add the address to `allow_replace` to have it replaced")
        return replace(base, action="replace", changed=changed, forced_by=forced)
    if (kind.taggable or kind.marked) and not kind.preexisting and STACK_TAG not in found.tags:
        return replace(base, action="adopt", changed=changed)
    return replace(base, action="update" if changed else "none", changed=changed)


def _brief(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=str) if isinstance(value, (Mapping, list, tuple)) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _is_removable(change: Change, kinds: Mapping[str, Kind]) -> bool:
    kind = kinds[change.kind]
    return not (kind.lookup or kind.preexisting)


def _removal(change: Change, kinds: Mapping[str, Kind]) -> Change:
    if change.observed is not None and change.observed.state == "deleting":
        return replace(change, action="none", changed=())
    return Change("delete", change.kind, change.address, change.resource, observed=change.observed)


def _guard(
    changes: Sequence[Change],
    kinds: Mapping[str, Kind],
    observed: Mapping[str, Sequence[Observed]],
    options: Options,
    problems: list[str],
) -> list[Change]:
    """Keep what holds data unless its destruction was allowed, and with it everything it needs."""
    kept: dict[str, str] = {}
    for change in changes:
        holds_data = kinds[change.kind].holds_data or (change.observed is not None and change.observed.holds_data)
        if not holds_data or _allowed(change.address, options.allow_destroy):
            continue
        if change.action == "delete":
            kept[_node(change)] = "it holds data: list it in `allow_destroy` to have it deleted"
        elif change.action == "replace":
            problems.append(f"{change.address}: replacing it destroys its data: list it in `allow_destroy` as well")
    uses = uses_among(changes, kinds)
    pending = list(kept)
    while pending:
        user = pending.pop()
        for used in uses.get(user, ()):
            if used not in kept:
                kept[used] = f"{user.partition('#')[0]} needs it"
                pending.append(used)
    return [
        replace(change, action="keep", reason=kept[_node(change)])
        if change.action == "delete" and _node(change) in kept
        else change
        for change in changes
    ]


def _identity(kind: str, item: Observed) -> tuple[str, str, str]:
    """Return what tells one existing thing from all others."""
    return kind, item.id, item.place


def _node(change: Change) -> str:
    return f"{change.address}#{change.observed.place}{change.observed.id}" if change.observed else f"{change.address}#"


def uses_among(changes: Sequence[Change], kinds: Mapping[str, Kind]) -> dict[str, set[str]]:
    """Return which existing things use which, by ``address#id``: read off the identifiers in what was observed.

    A name of its own (a bucket's, a role's) is no reference, although something of another kind may be named the same.
    """
    by_identifier: dict[str, set[str]] = defaultdict(set)
    for change in changes:
        if change.observed is not None:
            identifiers = {change.observed.id, change.observed.attribute("arn")}
            for identifier in identifiers - {None, ""}:
                by_identifier[identifier].add(_node(change))
    uses: dict[str, set[str]] = {}
    for change in changes:
        if change.observed is not None:
            node = _node(change)
            own = kinds[change.kind].key
            properties = change.observed.properties
            others = {name: item for name, item in properties.items() if name not in own or item != change.observed.id}
            values = {leaf for leaf in leaves(others) if isinstance(leaf, str)}
            uses[node] = {other for value in values for other in by_identifier.get(value, ()) if other != node}
    for change in changes:
        if change.observed is not None and change.resource is not None:
            needed = change.resource.needs()
            uses[_node(change)] |= {_node(other) for other in changes if other.observed and other.address in needed}
    return uses


@dataclass(frozen=True)
class Step:
    """A piece of work: ``make`` creates, updates or awaits; ``delete`` deletes, or awaits what is being deleted."""

    verb: Literal["make", "delete"]
    change: Change


def steps_of(plan: Plan, kinds: Mapping[str, Kind]) -> tuple[list[Step], dict[int, set[int]]]:
    """Return the steps of a plan and, by index, which steps must come before each. The graph has no cycle.

    Creation follows what is declared. Deletion follows what was observed: users go before what they use, and what is
    no longer used goes after its former user has been updated. Where such an order can't be had (two security groups
    that refer to each other) the later wish is dropped, and the cloud's own refusals are waited out.
    """
    steps: list[Step] = []
    make: dict[str, int] = {}
    gone: dict[str, int] = {}
    for change in plan.changes:
        awaited = change.action == "none" and change.observed is not None and change.observed.state == "pending"
        if change.action in ("create", "update", "adopt", "replace") or awaited:
            make[change.address] = len(steps)
            steps.append(Step("make", change))
        if change.action in ("delete", "replace"):
            gone[_node(change)] = len(steps)
            steps.append(Step("delete", change))
    uses = uses_among(plan.changes, kinds)
    for change in plan.changes:
        # What an earlier run began to delete still holds what it uses.
        leaving = change.action == "none" and change.observed is not None and change.observed.state == "deleting"
        if leaving and any(used in gone for used in uses[_node(change)]):
            gone[_node(change)] = len(steps)
            steps.append(Step("delete", change))
    before: dict[int, set[int]] = {index: set() for index in range(len(steps))}
    for index, step in enumerate(steps):
        if step.verb == "make" and step.change.resource is not None:
            before[index] |= {make[address] for address in step.change.resource.needs() if address in make}
    for change in plan.changes:
        if change.action == "replace":
            old, new = gone[_node(change)], make[change.address]
            later, earlier = (old, new) if kinds[change.kind].create_before_delete else (new, old)
            before[later].add(earlier)
    for later, earlier in [*_releases(plan, kinds, make, gone), *_makes_room(steps, kinds)]:
        if later != earlier and not _reaches(before, earlier, later):
            before[later].add(earlier)
    return steps, before


def _releases(
    plan: Plan, kinds: Mapping[str, Kind], make: Mapping[str, int], gone: Mapping[str, int]
) -> list[tuple[int, int]]:
    """Order each deletion after the steps by which its users let go of it: their own deletion or their update."""
    pairs = []
    by_node = {_node(change): change for change in plan.changes}
    for user, used in uses_among(plan.changes, kinds).items():
        change = by_node[user]
        release = gone.get(user)
        if release is None and change.action in ("update", "adopt"):
            release = make[change.address]
        if release is not None:
            pairs += [(gone[other], release) for other in sorted(used) if other in gone]
    return pairs


def _makes_room(steps: Sequence[Step], kinds: Mapping[str, Kind]) -> list[tuple[int, int]]:
    """Order creations after deletions of the same kind: a unique name or a range of addresses may be in the way."""
    return [
        (index, other)
        for index, step in enumerate(steps)
        if step.verb == "make"
        and step.change.action == "create"
        and kinds[step.change.kind].makes_room
        and not kinds[step.change.kind].create_before_delete
        for other, deletion in enumerate(steps)
        if deletion.verb == "delete" and deletion.change.action == "delete" and deletion.change.kind == step.change.kind
    ]


def _reaches(before: Mapping[int, set[int]], start: int, goal: int) -> bool:
    """Tell whether ``goal`` must already come before ``start``."""
    pending, seen = [start], {start}
    while pending:
        for earlier in before[pending.pop()]:
            if earlier == goal:
                return True
            if earlier not in seen:
                seen.add(earlier)
                pending.append(earlier)
    return False
