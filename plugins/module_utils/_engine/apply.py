# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries a plan out: independent branches side by side, each wait where something depends on it."""

from __future__ import annotations

import graphlib
import hashlib
import json
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from typing import Any

from .errors import EngineError, Halted, Tombstone, Unclear
from .kind import ADDRESS_TAG, STACK_TAG, Kind, Observed, Pending, Scope, Wanted
from .plan import Change, Options, Plan, Step, differences, steps_of
from .resource import Ref, Unknown, references, substitute

WORKERS = 24
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 15.0
_SHARE = 1 / 12
"""Of the time waited so far, how much may pass before the next look: what is ready is seen at most so much later."""
_LOOKS = (0.5, 2.0, 4.0)
"""Seconds before each look for what a call without an answer has made: listings lag behind by some."""
_DOUBTS = 3
"""How often a call without an answer is made again."""

Progress = Callable[[str, str, float, str], None]
"""Called with an address, what goes on, seconds so far, and the cloud's own word for how it stands, where it is known.

What goes on: ``begun``; ``ready`` or ``gone`` while that is awaited; at the end ``done`` or ``failed``.
"""
Halt = Callable[[], str]
"""Asked before each step; a sentence is the reason why no further one may be begun."""


def _silent(address: str, state: str, seconds: float, status: str) -> None:
    """Tell nobody."""


def _never() -> str:
    return ""


@dataclass
class Outcome:
    """What an apply brought about.

    :param done: the changes carried out, in the order in which they ended; those that failed half-way among them, and
        as a deletion what was to be replaced but is only gone.
    :param errors: by address, what failed.
    :param skipped: by address, the address whose failure stood in the way.
    :param observed: by address, each resource as it is now.
    :param awaits: by address, what was only begun (its own address) or left for another run (the address it needs).
    """

    done: list[Change] = field(default_factory=list)
    errors: dict[str, BaseException] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    observed: dict[str, Observed] = field(default_factory=dict)
    awaits: dict[str, str] = field(default_factory=dict)


def apply(
    plan: Plan,
    kinds: Mapping[str, Kind],
    session: Any,
    progress: Progress = _silent,
    halt: Halt = _never,
) -> Outcome:
    """Carry a plan out as far as it goes. A failed branch does not stop the others; nothing is raised for it."""
    steps, before = steps_of(plan, kinds)
    worker = _Worker(plan, kinds, session, progress, halt)
    sorter = graphlib.TopologicalSorter(before)
    sorter.prepare()
    running: dict[Future[None], int] = {}
    broken: dict[int, str] = {}
    late: dict[int, str] = {}
    halted = ""
    outcome = worker.outcome
    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        try:
            while sorter.is_active():
                for index in sorter.get_ready():
                    cause = next((broken[earlier] for earlier in sorted(before[index]) if earlier in broken), None)
                    awaited = next((late[earlier] for earlier in sorted(before[index]) if earlier in late), None)
                    awaited = awaited or worker.lacks(steps[index])
                    address = steps[index].change.address
                    if cause is not None:
                        broken[index] = cause
                        if address != cause:
                            outcome.skipped.setdefault(address, cause)
                        sorter.done(index)
                    elif awaited is not None:
                        late[index] = awaited
                        outcome.awaits.setdefault(address, awaited)
                        sorter.done(index)
                    else:
                        running[pool.submit(worker.carry_out, steps[index])] = index
                if not running:
                    continue
                finished, _running = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    index = running.pop(future)
                    error = future.exception()
                    address = steps[index].change.address
                    if isinstance(error, Halted) and halted not in ("", address):
                        broken[index] = halted
                        outcome.skipped.setdefault(address, halted)
                    elif error is not None:
                        halted = address if isinstance(error, Halted) else halted
                        broken[index] = address
                        outcome.errors[address] = error
                    elif outcome.awaits.get(address) == address:
                        late[index] = address
                    sorter.done(index)
        except BaseException:
            # Interrupted: nothing more is begun, and nobody waits for minutes until what was begun is ready.
            worker.stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    worker.note_half_replaced()
    return outcome


class _Worker:
    """Carries out single steps; what it shares between threads is guarded by one lock."""

    def __init__(self, plan: Plan, kinds: Mapping[str, Kind], session: Any, progress: Progress, halt: Halt) -> None:
        self._kinds = kinds
        self._session = session
        self._progress = progress
        self._halt = halt
        self._plan = plan
        self._options = plan.options
        self._lock = threading.Lock()
        self._removed: set[str] = set()
        self.stop = threading.Event()
        self.outcome = Outcome()
        # What isn't declared may be a twin: something else under the address of what stays.
        declared = [change for change in plan.changes if change.resource is not None and change.action != "delete"]
        self._declared: dict[str, Mapping[str, Any]] = {change.address: change.properties for change in declared}
        self._kind_of = {change.address: change.kind for change in declared}
        for change in declared:
            if change.observed is not None and change.action in ("none", "read", "update", "adopt", "keep"):
                self.outcome.observed[change.address] = change.observed
        hasty = [] if plan.options.wait else declared
        # A replacement is awaited: of two under one address, the next run would take the old one for what counts.
        self._begun = {item.address for item in hasty if kinds[item.kind].slow and item.action != "replace"}
        self._missing = {item.address for item in hasty if item.action == "read" and item.observed is None}

    def lacks(self, step: Step) -> str | None:
        """Return the address of a look-up that found nothing and without which a step can't be done."""
        resource = step.change.resource
        if step.verb == "delete" or resource is None or not self._missing:
            return None
        later = {name for name, spec in self._kinds[step.change.kind].properties.items() if spec.deferrable}
        needed = {name: value for name, value in resource.properties.items() if name not in later}
        addresses = [*resource.depends_on, *(ref.address for ref in references(needed))]
        return next((address for address in addresses if address in self._missing), None)

    def _defer(self, change: Change) -> Mapping[str, Any]:
        """Return the declared properties without what can come later and refers to what isn't there yet."""
        given = dict(change.declaration.properties)
        for name, spec in self._kinds[change.kind].properties.items():
            missing = [ref.address for ref in references(given.get(name)) if ref.address in self._missing]
            if not spec.deferrable or not missing:
                continue
            with self._lock:
                self.outcome.awaits[change.address] = missing[0]
            if change.observed is not None and change.action != "create":
                given[name] = change.observed.properties.get(name)
            else:
                given[name] = [
                    item for item in given[name] if not self._missing & {r.address for r in references(item)}
                ]
        return given

    def carry_out(self, step: Step) -> None:
        """Do one step, and note what it brought about, also where it failed half-way."""
        touched: list[str] = []
        address, start = step.change.address, time.monotonic()
        reason = self._halt()
        if reason:
            raise Halted(reason)
        self._progress(address, "begun", 0, "")
        try:
            self._carry_out(step, touched)
            self._progress(address, "done", time.monotonic() - start, "")
        except BaseException:
            self._progress(address, "failed", time.monotonic() - start, "")
            if touched and not (step.verb == "delete" and step.change.action == "replace"):
                with self._lock:
                    self.outcome.done.append(step.change)
            raise

    def note_half_replaced(self) -> None:
        """Note as deleted what was to be replaced when only its deletion came about."""
        replaced = {change.address for change in self.outcome.done if change.action == "replace"}
        for change in self._plan.changes:
            if change.action == "replace" and change.address in self._removed - replaced:
                self.outcome.done.append(replace(change, action="delete", reason="the new one could not be made"))

    def _carry_out(self, step: Step, touched: list[str]) -> None:
        change = step.change
        kind = self._kinds[change.kind]
        if step.verb == "delete":
            if change.action == "none":
                self._await_gone(kind, change.existing, change.address)
                return
            kind.delete(self._session, change.existing)
            touched.append("delete")
            if change.action == "replace":
                with self._lock:
                    self._removed.add(change.address)
            self._await_gone(kind, change.existing, change.address)
            if change.action == "delete":
                with self._lock:
                    self.outcome.done.append(change)
            return
        declared = substitute(self._defer(change), self._resolve)
        properties = {**change.properties, **{name: value for name, value in declared.items() if value is not None}}
        wanted = Wanted(change.address, properties, self._options.tags_of(change.address, properties))
        if change.action in ("create", "replace"):
            if change.action == "create" and change.observed is not None:
                self._await_gone(kind, change.observed, change.address)
            observed = self._create(kind, wanted, touched, change.observed)
        else:
            observed = self._update(kind, change.existing, wanted, touched)
        with self._lock:
            self.outcome.observed[change.address] = observed
            if touched and change.action != "none":
                self.outcome.done.append(change)

    def _resolve(self, ref: Ref) -> Any:
        with self._lock:
            observed = self.outcome.observed.get(ref.address)
        found = observed.attribute(ref.attribute) if observed is not None else None
        if found is None and ref.attribute != "id":
            found = self._declared.get(ref.address, {}).get(ref.attribute)
        if found is None or isinstance(found, Unknown):
            raise EngineError(f"{ref} has no value although {ref.address} exists: the API did not return it")
        return found

    def _create(self, kind: Kind, wanted: Wanted, touched: list[str], former: Observed | None) -> Observed:
        salt = ""
        doubts = 0
        while True:
            try:
                observed = kind.create(self._session, wanted, client_token(self._options, wanted, salt))
                touched.append("create")
                return self._await_ready(kind, observed, wanted.address)
            except Tombstone as tombstone:
                touched.clear()
                if tombstone.identifier == salt:
                    raise
                salt = tombstone.identifier
            except Unclear:
                doubts += 1
                found = self._look(kind, wanted, former)
                if found is None and doubts > _DOUBTS:
                    raise
                if found is None:
                    continue
                touched.append("create")
                if found.state != "failed":
                    return self._update(kind, found, wanted, touched)
                if doubts > _DOUBTS:
                    raise
                # Only half of it was made, and the kind can't make the other half.
                kind.delete(self._session, found)
                self._await_gone(kind, found, wanted.address)

    def _look(self, kind: Kind, wanted: Wanted, former: Observed | None) -> Observed | None:
        """Return what a creation that got no answer has made, or None if it seems to have made nothing.

        :param former: what it is to replace; it bears the same address.
        """
        old = former.id if former is not None and kind.create_before_delete else None
        for pause in _LOOKS:
            if self.stop.wait(pause):
                raise EngineError(f"{wanted.address}: whether it was made is not known: interrupted")
            for item in kind.observe(self._session, self._scope(kind, wanted)):
                if item.id != old and item.state != "deleting" and self._is(kind, item, wanted):
                    return item
        return None

    def _scope(self, kind: Kind, wanted: Wanted) -> Scope:
        """Return a new observation's scope, with what has become known of the one that is looked for."""
        declared: dict[str, list[Mapping[str, Any]]] = {}
        for address, properties in self._declared.items():
            known = wanted.properties if address == wanted.address else properties
            declared.setdefault(self._kind_of[address], []).append(known)
        return Scope(self._options.stack, declared)

    def _is(self, kind: Kind, item: Observed, wanted: Wanted) -> bool:
        if item.address == wanted.address:
            return True
        same_key = bool(kind.key) and all(wanted.get(name) == item.properties.get(name) for name in kind.key)
        if not (kind.taggable or kind.marked):
            return same_key
        return item.tags.get(STACK_TAG) == self._options.stack and (
            item.tags.get(ADDRESS_TAG) == wanted.address or same_key
        )

    def _update(self, kind: Kind, observed: Observed, wanted: Wanted, touched: list[str]) -> Observed:
        doubts = 0
        while True:
            try:
                return self._bring(kind, observed, wanted, touched)
            except Unclear:
                # A part of it (a route) may have been made; what is still to be done is seen by looking.
                doubts += 1
                found = self._look(kind, wanted, None)
                if found is None or doubts > _DOUBTS:
                    raise
                observed = found

    def _bring(self, kind: Kind, observed: Observed, wanted: Wanted, touched: list[str]) -> Observed:
        if observed.state == "pending":
            observed = self._await_ready(kind, observed, wanted.address)
            if self.outcome.awaits.get(wanted.address) == wanted.address:
                return observed
        changed = differences(kind, wanted.properties, wanted.tags, observed)
        if "tags" in changed:
            kind.tag(self._session, observed, wanted.tags)
            touched.append("tag")
        properties = frozenset(changed) - {"tags"}
        if properties:
            observed = kind.update(self._session, observed, wanted, properties)
            touched.append("update")
            observed = self._await_ready(kind, observed, wanted.address)
        return observed

    def _await_ready(self, kind: Kind, observed: Observed, address: str) -> Observed:
        if address in self._begun:
            current = kind.ready(self._session, observed)
            if isinstance(current, Observed):
                return current
            with self._lock:
                self.outcome.awaits[address] = address
            return observed
        found: list[Observed] = []

        def poll() -> bool | Pending:
            current = kind.ready(self._session, observed)
            if isinstance(current, Observed):
                found.append(current)
                return True
            return Pending() if current is None else current

        self._await(poll, kind.timeout, address, "ready")
        return found[0]

    def _await_gone(self, kind: Kind, observed: Observed, address: str) -> None:
        self._await(lambda: kind.gone(self._session, observed), kind.timeout, address, "gone")

    def _await(self, poll: Callable[[], bool | Pending], timeout: float, address: str, state: str) -> None:
        """Poll with pauses that grow, so that what is quick is seen quickly and what is slow isn't asked too often."""
        start = time.monotonic()
        while not (answer := poll()):
            passed = time.monotonic() - start
            if passed > timeout:
                raise EngineError(f"{address} is not {state} after {timeout} seconds: look at it, then run this again")
            self._progress(address, state, passed, answer.status if isinstance(answer, Pending) else "")
            if self.stop.wait(pause_after(passed)):
                raise EngineError(f"{address} is not {state} yet: interrupted")


def pause_after(passed: float) -> float:
    """Return the seconds before the next look, after so many seconds of waiting."""
    return min(max(_FIRST_PAUSE, passed * _SHARE), _LONGEST_PAUSE)


def client_token(options: Options, wanted: Wanted, salt: str = "") -> str:
    """Return 64 hexadecimal digits that are the same whenever the same thing is asked for in the same place.

    Everything that is wanted goes in, tags as well, since AWS refuses a token that comes again with other parameters.
    """
    parts = [options.identity, options.stack, wanted.address, wanted.properties, wanted.tags, salt]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
