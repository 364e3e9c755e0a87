# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an apply does in a small cloud: side by side where it can, on past failures, and again after a kill."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.innovate.platform.plugins.module_utils._engine import apply as engine
from ansible_collections.innovate.platform.plugins.module_utils._engine.apply import Outcome, apply, client_token
from ansible_collections.innovate.platform.plugins.module_utils._engine.errors import EngineError, Unclear
from ansible_collections.innovate.platform.plugins.module_utils._engine.kind import Observed, State, Wanted
from ansible_collections.innovate.platform.plugins.module_utils._engine.observe import observe, preflight, side_by_side
from ansible_collections.innovate.platform.plugins.module_utils._engine.plan import Options, Plan, make_plan, scope_of
from ansible_collections.innovate.platform.plugins.module_utils._engine.resource import Join, Ref, Resource
from tests.unit.small_cloud import KINDS, STACK, Cloud, seen, together

NET = Resource("net", "main", {"cidr": "10.0.0.0/16"})
SUB = Resource("sub", "a", {"net_id": Ref("net.main"), "cidr": "10.0.1.0/24"})
STORE = Resource("store", "db", {"title": "db", "net_id": Ref("net.main", "arn")})


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_FIRST_PAUSE", 0.001)
    monkeypatch.setattr(engine, "_LONGEST_PAUSE", 0.002)
    monkeypatch.setattr(engine, "_LOOKS", (0.001, 0.001))


def planned(cloud: Cloud, resources: Sequence[Resource], **options: Any) -> Plan:
    found = observe(cloud, KINDS, scope_of(STACK, resources, KINDS))
    return make_plan(resources, KINDS, found, Options(STACK, identity="here", **options))


def applied(cloud: Cloud, resources: Sequence[Resource], **options: Any) -> Outcome:
    made = planned(cloud, resources, **options)
    assert made.problems == ()
    return apply(made, KINDS, cloud)


def changing(cloud: Cloud, resources: Sequence[Resource], **options: Any) -> dict[str, str]:
    return {change.address: change.action for change in planned(cloud, resources, **options).changing}


def test_a_second_run_changes_nothing_and_absent_leaves_nothing() -> None:
    cloud = Cloud()
    resources = [STORE, SUB, NET]
    assert len(applied(cloud, resources).done) == 3
    assert changing(cloud, resources) == {}
    assert applied(cloud, resources).done == []
    applied(cloud, resources, absent=True, allow_destroy=("*",))
    assert cloud.things == {}


def test_references_are_resolved_by_what_was_assigned() -> None:
    cloud = Cloud()
    sub = Resource("sub", "a", {"net_id": Ref("net.main"), "cidr": "c", "peer": Join((Ref("net.main", "arn"), "/x"))})
    outcome = applied(cloud, [sub, NET])
    net = outcome.observed["net.main"]
    assert outcome.observed["sub.a"].properties["net_id"] == net.id
    assert outcome.observed["sub.a"].properties["peer"] == f"arn:{net.id}/x"


def test_what_is_made_carries_its_owner() -> None:
    cloud = Cloud()
    applied(cloud, [NET], tags={"team": "a"})
    (thing,) = cloud.things.values()
    assert thing.tags == {"team": "a", "innovate:stack": STACK, "innovate:address": "net.main"}


def test_independent_branches_run_at_the_same_time() -> None:
    cloud = Cloud(gate=together(4))
    outcome = applied(cloud, [Resource("net", f"n{number}", {"cidr": str(number)}) for number in range(4)])
    assert outcome.errors == {}


def test_what_needs_another_waits_until_it_is_ready() -> None:
    cloud = Cloud(slow={"net": 5})
    applied(cloud, [SUB, NET])
    assert cloud.log == ["create net.main", "create sub.a"]
    assert cloud.polls["net-1"] == 6


def test_a_wait_holds_up_only_those_that_need_it() -> None:
    passed = threading.Event()
    cloud = Cloud(slow={"store": 10**9})

    def progress(address: str, state: str, seconds: float, status: str) -> None:
        # The store becomes ready only after both others are made.
        if {"create net.main", "create sub.a"} <= set(cloud.log):
            cloud.slow["store"] = 0
            passed.set()

    made = planned(cloud, [Resource("store", "db", {"title": "db"}), NET, SUB])
    outcome = apply(made, KINDS, cloud, progress)
    assert outcome.errors == {}
    assert passed.is_set()


def test_a_failed_branch_stops_what_needs_it_and_nothing_else() -> None:
    cloud = Cloud(failing={"net.main"})
    further = Resource("sub", "b", {"net_id": "n", "cidr": "c", "peer": Ref("sub.a")})
    outcome = applied(cloud, [NET, SUB, further, Resource("net", "other", {"cidr": "c"})])
    assert set(outcome.errors) == {"net.main"}
    assert outcome.skipped == {"sub.a": "net.main", "sub.b": "net.main"}
    assert [change.address for change in outcome.done] == ["net.other"]


def test_every_failure_is_reported() -> None:
    cloud = Cloud(failing={"net.a", "net.b"})
    outcome = applied(cloud, [Resource("net", name, {"cidr": name}) for name in "abc"])
    assert set(outcome.errors) == {"net.a", "net.b"}


def test_a_run_after_a_failure_does_the_rest() -> None:
    cloud = Cloud(failing={"sub.a"})
    applied(cloud, [NET, SUB])
    cloud.failing.clear()
    assert changing(cloud, [NET, SUB]) == {"sub.a": "create"}
    applied(cloud, [NET, SUB])
    assert changing(cloud, [NET, SUB]) == {}


def test_a_deletion_that_fails_keeps_what_it_uses() -> None:
    cloud = Cloud()
    applied(cloud, [NET, SUB])
    cloud.failing.add("sub.a")
    outcome = applied(cloud, [NET, SUB], absent=True)
    assert set(outcome.errors) == {"sub.a"}
    assert outcome.skipped == {"net.main": "sub.a"}
    assert sorted(cloud.things) == ["net-1", "sub-2"]


def test_a_replacement_whose_deletion_fails_makes_no_second_one() -> None:
    cloud = Cloud()
    applied(cloud, [NET])
    cloud.failing.add("net.main")
    outcome = applied(cloud, [Resource("net", "main", {"cidr": "other"})], allow_replace=("*",))
    assert set(outcome.errors) == {"net.main"}
    assert (outcome.skipped, outcome.done, list(cloud.things)) == ({}, [], ["net-1"])


def test_a_replacement_is_one_change() -> None:
    cloud = Cloud()
    applied(cloud, [NET, SUB])
    outcome = applied(cloud, [Resource("net", "main", {"cidr": "other"}), SUB], allow_replace=("*",))
    assert sorted((change.action, change.address) for change in outcome.done) == [
        ("replace", "net.main"),
        ("replace", "sub.a"),
    ]
    assert cloud.log[2:] == ["delete sub.a", "delete net.main", "create net.main", "create sub.a"]
    assert changing(cloud, [Resource("net", "main", {"cidr": "other"}), SUB]) == {}


def test_an_update_that_turns_out_to_change_nothing_is_not_counted() -> None:
    cloud = Cloud(things={"net-9": seen("net-9", "main", cidr="10.0.0.0/16", dns=True)})
    sub = Resource("sub", "a", {"net_id": Ref("net.main"), "cidr": "c", "peer": Ref("store.db")})
    applied(cloud, [NET, sub, Resource("store", "db", {"title": "db"})])
    (store,) = [thing for thing in cloud.things if thing.startswith("store")]
    # Its identifier won't be known to the plan, but is the one the subnet has already.
    lost = cloud.things.pop(store)
    made = planned(cloud, [NET, sub, Resource("store", "db", {"title": "db"})])
    assert {change.address: change.action for change in made.changing} == {"store.db": "create", "sub.a": "update"}
    cloud.numbers = iter([int(lost.id.partition("-")[2])])
    cloud.tokens.clear()
    outcome = apply(made, KINDS, cloud)
    assert [change.address for change in outcome.done] == ["store.db"]


def test_tags_alone_are_written_without_an_update() -> None:
    cloud = Cloud()
    applied(cloud, [NET])
    applied(cloud, [NET], tags={"team": "a"})
    assert cloud.log == ["create net.main", "tag net.main"]


def test_what_was_only_begun_is_reported_as_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(KINDS["net"]), "timeout", 0)
    outcome = applied(Cloud(slow={"net": 10**9}), [NET])
    assert set(outcome.errors) == {"net.main"}
    assert [(change.action, change.address) for change in outcome.done] == [("create", "net.main")]


def test_a_replacement_that_only_deleted_is_reported_as_a_deletion() -> None:
    cloud = Cloud()
    applied(cloud, [NET])

    def refuse(address: str) -> None:
        raise EngineError("the quota is used up")

    cloud.gate = refuse
    outcome = applied(cloud, [Resource("net", "main", {"cidr": "other"})], allow_replace=("*",))
    assert set(outcome.errors) == {"net.main"}
    assert [(change.action, change.address) for change in outcome.done] == [("delete", "net.main")]
    assert cloud.things == {}


def test_tags_written_before_an_update_fails_are_reported() -> None:
    cloud = Cloud()
    applied(cloud, [STORE, NET])
    store = Resource("store", "db", {**STORE.properties, "size": 2})
    made = planned(cloud, [store, NET], tags={"team": "a"})
    note = cloud.note

    def fail(verb: str, address: str) -> None:
        note(verb, address)
        if verb == "update":
            raise EngineError("no")

    cloud.note = fail  # type: ignore[method-assign]
    outcome = apply(made, KINDS, cloud)
    assert set(outcome.errors) == {"store.db"}
    assert sorted(change.address for change in outcome.done) == ["net.main", "store.db"]


def test_an_interruption_begins_nothing_more_and_waits_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = Cloud(slow={"net": 10**9})
    waited: list[int] = []

    def interrupted(*_futures: Any, **_options: Any) -> Any:
        waited.append(1)
        raise KeyboardInterrupt

    monkeypatch.setattr(engine, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        applied(cloud, [Resource("net", f"n{number}", {"cidr": str(number)}) for number in range(60)])
    assert waited == [1]
    assert len(cloud.things) <= engine.WORKERS


def test_something_taken_over_gets_its_owner() -> None:
    cloud = Cloud(things={"store-7": seen("store-7", title="db", size=3)})
    applied(cloud, [Resource("store", "db", {"title": "db", "size": 4})], adopt=("*",))
    assert cloud.log == ["tag store.db", "update store.db"]
    assert cloud.things["store-7"].tags["innovate:address"] == "store.db"
    assert cloud.things["store-7"].properties["size"] == 4


def test_what_is_on_its_way_out_is_awaited_before_it_is_made_anew() -> None:
    cloud = Cloud(slow={"net": 3})
    leaving = seen("net-9", "main", state="deleting", cidr="10.0.0.0/16", dns=True)
    cloud.things["net-9"] = leaving
    made = planned(cloud, [NET])
    del cloud.things["net-9"]
    outcome = apply(made, KINDS, cloud)
    assert outcome.errors == {}
    assert cloud.polls["gone net-9"] == 4


def test_taking_down_waits_for_what_an_earlier_run_began_to_delete() -> None:
    cloud = Cloud(slow={"sub": 3})
    cloud.things["net-1"] = seen("net-1", "main", cidr="10.0.0.0/16", dns=True)
    cloud.things["sub-2"] = seen("sub-2", "a", state="deleting", net_id="net-1", cidr="10.0.1.0/24")
    outcome = applied(cloud, [NET, SUB], absent=True)
    assert cloud.log == ["delete net.main"]
    assert cloud.polls["gone sub-2"] == 4
    assert [change.address for change in outcome.done] == ["net.main"]


def test_what_is_no_longer_declared_is_awaited_as_well_when_an_earlier_run_began_to_delete_it() -> None:
    cloud = Cloud(slow={"sub": 3})
    cloud.things["net-1"] = seen("net-1", "main", cidr="10.0.0.0/16", dns=True)
    cloud.things["sub-2"] = seen("sub-2", "a", state="deleting", net_id="net-1", cidr="10.0.1.0/24")
    outcome = applied(cloud, [])
    assert cloud.polls["gone sub-2"] == 4
    assert [change.address for change in outcome.done] == ["net.main"]


def test_a_dying_twin_does_not_stand_for_what_stays() -> None:
    cloud = Cloud(slow={"net": 2})
    cloud.things["net-1"] = seen("net-1", "main", state="deleting", cidr="10.0.0.0/16", dns=True)
    cloud.things["net-2"] = seen("net-2", "main", cidr="10.0.0.0/16", dns=True)
    outcome = applied(cloud, [NET, SUB])
    assert outcome.observed["sub.a"].properties["net_id"] == "net-2"


def test_a_twin_that_goes_does_not_stand_for_what_stays() -> None:
    old = seen("net-1", "main", cidr="old", dns=True)
    cloud = Cloud(things={"net-1": old, "net-2": seen("net-2", "main", cidr="10.0.0.0/16", dns=True)})
    sub = Resource("sub", "a", {"net_id": Ref("net.main"), "cidr": Ref("net.main", "cidr")})
    outcome = applied(cloud, [NET, sub])
    assert sorted(cloud.log) == ["create sub.a", "delete net.main"]
    assert outcome.observed["sub.a"].properties["net_id"] == "net-2"
    assert outcome.observed["sub.a"].properties["cidr"] == "10.0.0.0/16"


def test_a_token_that_belongs_to_something_deleted_is_salted() -> None:
    cloud = Cloud()
    applied(cloud, [NET])
    applied(cloud, [NET], absent=True)
    outcome = applied(cloud, [NET])
    assert outcome.errors == {}
    assert list(cloud.things) == ["net-2"]
    plain, salted = cloud.tokens
    observed = outcome.observed["net.main"]
    wanted = Wanted("net.main", observed.properties, observed.tags)
    options = Options(STACK, identity="here")
    assert (plain, salted) == (client_token(options, wanted), client_token(options, wanted, "net-1"))


def test_a_token_is_salted_as_often_as_needed() -> None:
    cloud = Cloud()
    for _again in range(4):
        assert applied(cloud, [NET]).errors == {}
        applied(cloud, [NET], absent=True)
    assert len(cloud.tokens) == 4


class Unheard:
    """Creations and updates in a small cloud whose answers are lost, with or without their effect."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, kind: str, *effects: bool, state: State = "ready") -> None:
        self.calls = 0
        real = KINDS[kind].create

        def create(session: Cloud, wanted: Wanted, token: str) -> Observed:
            self.calls += 1
            if self.calls > len(effects):
                return real(session, wanted, token)
            if effects[self.calls - 1]:
                made = real(session, wanted, token)
                properties = {name: value for name, value in made.properties.items() if name != "dns"}
                session.things[made.id] = replace(made, properties=properties, state=state)
            raise Unclear("no answer")

        monkeypatch.setattr(KINDS[kind], "create", create)


@pytest.mark.parametrize(
    ("effects", "calls"), [((True,), 1), ((False,), 2), ((False, True), 2), ((False, False, False), 4)]
)
def test_what_a_creation_without_an_answer_made_is_found_and_not_made_twice(
    monkeypatch: pytest.MonkeyPatch, effects: tuple[bool, ...], calls: int
) -> None:
    cloud = Cloud()
    unheard = Unheard(monkeypatch, "net", *effects)
    outcome = applied(cloud, [SUB, NET])
    assert outcome.errors == {}
    assert unheard.calls == calls
    assert sorted(cloud.things) == ["net-1", "sub-2"]
    assert cloud.things["net-1"].properties["dns"] is True  # the half that was missing is done as well
    assert sorted(change.action for change in outcome.done) == ["create", "create"]
    assert changing(cloud, [SUB, NET]) == {}


def test_what_never_gets_an_answer_fails_with_the_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = Cloud()
    Unheard(monkeypatch, "net", *[False] * 9)
    outcome = applied(cloud, [SUB, NET])
    assert str(outcome.errors["net.main"]) == "no answer"
    assert outcome.skipped == {"sub.a": "net.main"}
    assert cloud.things == {}


def test_half_of_something_that_a_lost_answer_left_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = Cloud()
    Unheard(monkeypatch, "net", True, state="failed")
    outcome = applied(cloud, [NET])
    assert (outcome.errors, sorted(cloud.things)) == ({}, ["net-2"])


def test_what_another_stack_has_is_not_taken_for_what_a_lost_answer_made(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = Cloud()
    cloud.things["net-77"] = seen("net-77", "main", stack="other", cidr="10.0.0.0/16")
    Unheard(monkeypatch, "net", False)
    assert applied(cloud, [NET]).errors == {}
    assert sorted(cloud.things) == ["net-1", "net-77"]


def test_what_carries_no_tags_is_found_by_its_key_whatever_address_its_name_implies(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cloud = Cloud()
    link = Resource("link", "main", {"left": "a", "right": "b"})
    unheard = Unheard(monkeypatch, "link", True)
    monkeypatch.setattr(
        KINDS["link"],
        "observe",
        lambda session, scope: [replace(x, address="link.ab") for x in session.things.values()],
    )
    made = make_plan([link], KINDS, {}, Options(STACK, identity="here"))
    assert apply(made, KINDS, cloud).errors == {}
    assert (unheard.calls, sorted(cloud.things)) == (1, ["link-1"])


def test_what_is_replaced_is_not_taken_for_the_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = Cloud()
    applied(cloud, [Resource("front", "main", {"image": "a"})])
    Unheard(monkeypatch, "front", False)
    outcome = applied(cloud, [Resource("front", "main", {"image": "b"})], allow_replace=("*",))
    assert outcome.errors == {}
    assert [thing.properties["image"] for thing in cloud.things.values()] == ["b"]


def test_an_update_without_an_answer_looks_what_is_left_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = Cloud()
    applied(cloud, [NET])
    real = KINDS["net"].update
    asked: list[frozenset[str]] = []

    def update(session: Cloud, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        asked.append(changed)
        if len(asked) == 1:
            real(session, observed, wanted, frozenset({"dns"}))
            raise Unclear("no answer")
        return real(session, observed, wanted, changed)

    monkeypatch.setattr(KINDS["net"], "update", update)
    both = Resource("net", "main", {"cidr": "10.0.0.0/16", "dns": False, "labels": ["x"]})
    assert applied(cloud, [both]).errors == {}
    assert asked == [{"dns", "labels"}, {"labels"}]
    assert changing(cloud, [both]) == {}


def test_what_is_never_ready_ends_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(KINDS["net"]), "timeout", 0)
    told: list[tuple[str, str]] = []
    cloud = Cloud(slow={"net": 10**9})

    def progress(address: str, state: str, seconds: float, status: str) -> None:
        told.append((address, state))

    outcome = apply(planned(cloud, [NET, SUB]), KINDS, cloud, progress)
    assert str(outcome.errors["net.main"]) == "net.main is not ready after 0 seconds: look at it, then run this again"
    assert outcome.skipped == {"sub.a": "net.main"}


def test_waiting_is_told_in_the_clouds_own_words() -> None:
    told: list[tuple[str, str, str]] = []

    def progress(address: str, state: str, seconds: float, status: str) -> None:
        told.append((address, state, status))

    apply(planned(Cloud(), [NET]), KINDS, Cloud(slow={"net": 3}), progress)
    awaited = [("net.main", "ready", "BUILDING")] * 3
    assert told == [("net.main", "begun", ""), *awaited, ("net.main", "done", "")]
    told.clear()
    apply(planned(Cloud(), [NET]), KINDS, Cloud(failing={"net.main"}), progress)
    assert told == [("net.main", "begun", ""), ("net.main", "failed", "")]


def test_who_may_not_go_on_begins_nothing_more_and_says_so_once() -> None:
    cloud = Cloud()
    halt = lambda: "the lock is lost" if cloud.log else ""  # noqa: E731  # one line
    resources = [NET, SUB, *(Resource("net", f"n{number}", {"cidr": "c"}) for number in range(30))]
    planned_all = planned(cloud, resources)
    outcome = apply(planned_all, KINDS, cloud, halt=halt)
    assert len(cloud.log) < 30
    assert [str(error) for error in outcome.errors.values()] == ["the lock is lost"]
    assert len(outcome.done) + len(outcome.errors) + len(outcome.skipped) == len(resources)


def test_what_another_run_began_is_awaited() -> None:
    cloud = Cloud(slow={"net": 2})
    cloud.things["net-9"] = seen("net-9", "main", state="pending", cidr="10.0.0.0/16", dns=True)
    outcome = applied(cloud, [NET, SUB])
    assert outcome.observed["net.main"].state == "ready"
    assert [change.address for change in outcome.done] == ["sub.a"]


def test_an_attribute_that_never_comes_is_an_error_that_names_it() -> None:
    cloud = Cloud()
    sub = Resource("sub", "a", {"net_id": "n", "cidr": "c", "peer": Ref("store.db", "endpoint")})
    outcome = applied(cloud, [sub, Resource("store", "db", {"title": "db"})])
    assert "${store.db.endpoint} has no value although store.db exists" in str(outcome.errors["sub.a"])


def test_unexpected_errors_are_kept_with_their_address() -> None:
    def explode(address: str) -> None:
        raise ZeroDivisionError(address)

    outcome = applied(Cloud(gate=explode), [NET])
    assert isinstance(outcome.errors["net.main"], ZeroDivisionError)


def test_side_by_side_keeps_the_order_and_collects_all_errors() -> None:
    assert side_by_side(lambda number: number * 2, range(50)) == [number * 2 for number in range(50)]
    assert side_by_side(str, []) == []

    def refuse(number: int) -> None:
        if number % 2:
            raise EngineError(f"{number} is odd")

    with pytest.raises(EngineError) as caught:
        side_by_side(refuse, range(4))
    assert caught.value.problems == ["1 is odd", "3 is odd"]


def test_preflight_asks_only_kinds_that_change_something(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []

    def ask(self: Any, session: Any, wanted: Sequence[Any]) -> list[str]:
        asked.append((self.name, len(wanted)))
        return [f"{self.name} can't be had here"]

    for kind in KINDS.values():
        monkeypatch.setattr(type(kind), "preflight", ask, raising=False)
    there: Observed = seen("net-1", "main", cidr="10.0.0.0/16", dns=True)
    made = planned(Cloud(things={"net-1": there}), [NET, SUB])
    assert preflight(None, KINDS, made) == ["sub can't be had here"]
    assert asked == [("sub", 1)]
