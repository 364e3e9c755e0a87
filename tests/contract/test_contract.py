# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind keeps one contract; a kind that has no case here does not exist."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ansible_collections.innovate.platform.plugins.module_utils._engine.errors import EngineError
from ansible_collections.innovate.platform.plugins.module_utils._kinds._session import Session
from ansible_collections.innovate.platform.plugins.module_utils._kinds.registry import KINDS
from tests.contract.contract import Case, World, actions, all_cases

CASES = all_cases()
SUBJECT = "subject"


@pytest.mark.parametrize("name", sorted(KINDS))
def test_a_kind_has_a_case(name: str) -> None:
    assert name in {case.kind for case in CASES}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_case_tries_every_property(case: Case) -> None:
    kind = KINDS[case.kind]
    tried = {*case.mutable, *case.immutable, *case.unchanged}
    compared = {name for name, spec in kind.properties.items() if not spec.write_only}
    together = {
        name
        for other in CASES
        if other.kind == case.kind
        for name in (*other.mutable, *other.immutable, *other.unchanged)
    }
    assert compared - together == set()
    assert all(kind.properties[name].immutable for name in case.immutable)
    assert not any(kind.properties[name].immutable for name in case.mutable)
    assert tried <= set(kind.properties)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_kind_keeps_the_contract(case: Case, session: Session, start_afresh: Callable[[], None]) -> None:
    session = case.begin(session, start_afresh)
    world = World(session, KINDS, case.stack or f"contract-{case}".replace("_", "-")[:60])
    kind = KINDS[case.kind]
    subject = case.subject.address
    everything = [*case.needs, case.subject]
    if kind.lookup:
        assert world.plan([case.subject]).missing, "a look-up that finds nothing says so"
        world.apply([*case.needs])
        found = world.plan(everything).changes[-1]
        assert found.observed is not None, "a look-up finds what is there"
        world.apply([*case.needs], absent=True, allow_destroy=("*",))
        return

    empty = world.plan(everything)
    begins = {resource.address: "create" for resource in everything if not _is_lookup(resource.kind)}
    assert actions(empty) == {**begins, **({subject: "update"} if case.there else {})}
    world.apply(everything)
    assert actions(world.plan(everything)) == {}, "a second run changes nothing"

    for name, value in case.mutable.items():
        world.apply([*case.needs, case.with_property(name, value)], allow_destroy=(subject,))
        drifted = world.plan(everything)
        assert actions(drifted, subject) == {subject: "update"}, name
        changed = next(change.changed for change in drifted.changes if change.address == subject)
        assert name in changed
        world.apply(everything, allow_destroy=(subject,))
        assert actions(world.plan(everything)) == {}, f"{name} is brought back"

    if kind.taggable:
        world.apply(everything, tags={"drift": "by hand"})
        tagged = world.plan(everything, tags={"drift": "declared"})
        assert actions(tagged, subject) == {subject: "update"}, "tags"

    for name, value in case.immutable.items():
        other = [*case.needs, case.with_property(name, value)]
        refused = world.plan(other)
        assert refused.problems, f"{name} is not changed without consent"
        forced = next(change for change in refused.changes if change.address == subject)
        assert (forced.action, name in forced.forced_by) == ("replace", True)
        if not kind.preexisting:
            world.apply(other, allow_replace=(subject,), allow_destroy=(subject,))
            assert actions(world.plan(other)) == {}, f"replaced because of {name}"
            world.apply(everything, allow_replace=(subject,), allow_destroy=(subject,))

    if kind.holds_data:
        kept = world.plan(everything, absent=True)
        assert actions(kept, subject) == {subject: "keep"}, "data is kept unless its destruction is allowed"
    if kind.taggable and not kind.preexisting:
        orphaned = world.plan([*case.needs, case.subject], absent=True, allow_destroy=("*",))
        assert actions(orphaned, subject) == {subject: "delete"}
    world.apply(everything, absent=True, allow_destroy=("*",))
    assert actions(world.plan(everything, absent=True, allow_destroy=("*",))) == {}, "nothing is left"
    with pytest.raises(EngineError, match="unknown property"):
        world.plan([case.with_property("no_such_property", 1)])


def _is_lookup(kind: str) -> bool:
    return KINDS[kind].lookup
