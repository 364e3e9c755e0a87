# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run does that doesn't wait: it begins what is slow, leaves what needs it, and the next run goes on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from ansible_collections.innovate.platform.plugins.module_utils._engine import apply as engine
from ansible_collections.innovate.platform.plugins.module_utils._engine.apply import Outcome, apply
from ansible_collections.innovate.platform.plugins.module_utils._engine.observe import observe
from ansible_collections.innovate.platform.plugins.module_utils._engine.plan import Options, make_plan, scope_of
from ansible_collections.innovate.platform.plugins.module_utils._engine.resource import Join, Ref, Resource
from tests.unit.small_cloud import KINDS, STACK, Cloud, seen

NEVER = 10**9
NET = Resource("net", "main", {"cidr": "10.0.0.0/16"})
STORE = Resource("store", "db", {"title": "db", "net_id": Ref("net.main")})
LINK = Resource("link", "a", {"left": Ref("store.db"), "right": Ref("net.main")})
FAR = Resource("link", "b", {"left": Ref("link.a"), "right": "x"})
FINDER = Resource("finder", "other", {"title": "other"}, hint="make the other one first")
FOUND = seen("finder-1", title="other")


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_FIRST_PAUSE", 0.001)
    monkeypatch.setattr(engine, "_LONGEST_PAUSE", 0.002)


def applied(cloud: Cloud, resources: Sequence[Resource], *, wait: bool = False, **options: Any) -> Outcome:
    found = observe(cloud, KINDS, scope_of(STACK, resources, KINDS))
    made = make_plan(resources, KINDS, found, Options(STACK, identity="here", wait=wait, **options))
    assert made.problems == ()
    return apply(made, KINDS, cloud)


def labelled(*labels: Any) -> Resource:
    return Resource("net", "main", {"cidr": "10.0.0.0/16", "labels": list(labels), "tags": {"team": "a"}})


@pytest.mark.parametrize(
    ("resources", "slow", "done", "awaits"),
    [
        pytest.param(
            [NET, STORE, LINK, FAR],
            {"store": NEVER},
            ["net.main", "store.db"],
            {"store.db": "store.db", "link.a": "store.db", "link.b": "store.db"},
            id="what is slow is begun, and what needs it is left",
        ),
        pytest.param(
            [NET, STORE, LINK, FAR],
            {"store": 0},
            ["net.main", "store.db", "link.a", "link.b"],
            {},
            id="what is ready at once holds up nothing",
        ),
        pytest.param(
            [NET, STORE],
            {"net": 5},
            ["net.main", "store.db"],
            {},
            id="what isn't slow is awaited",
        ),
        pytest.param(
            [NET, STORE, Resource("sub", "a", {"net_id": Ref("net.main"), "cidr": "c"})],
            {"store": NEVER},
            ["net.main", "store.db", "sub.a"],
            {"store.db": "store.db"},
            id="what needs nothing slow is made",
        ),
        pytest.param(
            [FINDER, Resource("link", "a", {"left": Ref("finder.other"), "right": "x"}), FAR, NET],
            {},
            ["net.main"],
            {"link.a": "finder.other", "link.b": "finder.other"},
            id="what needs something of another stack is left",
        ),
        pytest.param(
            [FINDER, Resource("net", "main", {"cidr": "c"}, depends_on=("finder.other",))],
            {},
            [],
            {"net.main": "finder.other"},
            id="also what needs it by order only",
        ),
        pytest.param(
            [FINDER, labelled("a", Ref("finder.other", "arn"), Join(("x/", Ref("finder.other")))), STORE],
            {"store": NEVER},
            ["net.main", "store.db"],
            {"net.main": "finder.other", "store.db": "store.db"},
            id="an item that can come later doesn't hold up the rest",
        ),
    ],
)
def test_a_run_that_does_not_wait(
    resources: list[Resource], slow: dict[str, int], done: list[str], awaits: dict[str, str]
) -> None:
    cloud = Cloud(slow=slow)
    outcome = applied(cloud, resources)
    assert (outcome.errors, outcome.skipped) == ({}, {})
    assert sorted(change.address for change in outcome.done) == sorted(done)
    assert outcome.awaits == awaits
    # The next run, once everything is there, does exactly the rest.
    cloud.slow = {}
    cloud.things["finder-1"] = FOUND
    rest = applied(cloud, resources, wait=True)
    assert (rest.errors, rest.awaits) == ({}, {})
    assert {change.address for change in rest.done} == {address for address, need in awaits.items() if need != address}
    assert applied(cloud, resources, wait=True).done == []


def test_an_item_that_was_left_is_added_by_the_next_run() -> None:
    cloud = Cloud()
    resources = [FINDER, labelled("a", Ref("finder.other", "arn"))]
    first = applied(cloud, resources)
    assert first.observed["net.main"].properties["labels"] == ["a"]
    again = applied(cloud, resources)
    assert (again.done, again.awaits) == ([], {"net.main": "finder.other"})
    cloud.things["finder-1"] = FOUND
    last = applied(cloud, resources, wait=True)
    assert [(change.action, change.changed) for change in last.done] == [("update", ("labels",))]
    assert last.observed["net.main"].properties["labels"] == ["a", "arn:finder-1"]


def test_what_was_begun_is_neither_made_twice_nor_changed_before_it_is_ready() -> None:
    cloud = Cloud(slow={"store": NEVER})
    applied(cloud, [NET, STORE])
    bigger = Resource("store", "db", {**STORE.properties, "size": 2})
    outcome = applied(cloud, [NET, bigger, LINK])
    assert (outcome.done, outcome.awaits) == ([], {"store.db": "store.db", "link.a": "store.db"})
    assert cloud.log == ["create net.main", "create store.db"]
    cloud.slow = {}
    outcome = applied(cloud, [NET, bigger, LINK])
    assert cloud.log[2:] == ["update store.db", "create link.a"]
    assert outcome.awaits == {}


def test_a_replacement_is_awaited_and_so_is_a_deletion() -> None:
    cloud = Cloud()
    applied(cloud, [NET, STORE])
    cloud.slow = {"store": 3}
    other = Resource("store", "db", {"title": "other", "net_id": Ref("net.main")})
    outcome = applied(cloud, [NET, other], allow_replace=("*",), allow_destroy=("*",))
    assert (outcome.awaits, outcome.observed["store.db"].state) == ({}, "ready")
    outcome = applied(cloud, [NET, other], absent=True, allow_destroy=("*",))
    assert (outcome.errors, outcome.awaits, cloud.things) == ({}, {}, {})


def test_a_failure_is_told_apart_from_what_is_left() -> None:
    cloud = Cloud(slow={"store": NEVER}, failing={"net.main"})
    alone = Resource("store", "alone", {"title": "alone"})
    outcome = applied(cloud, [NET, STORE, alone, Resource("link", "a", {"left": Ref("store.alone"), "right": "x"})])
    assert set(outcome.errors) == {"net.main"}
    assert outcome.skipped == {"store.db": "net.main"}
    assert outcome.awaits == {"store.alone": "store.alone", "link.a": "store.alone"}


@pytest.mark.parametrize(("takes", "most_late", "most_looks"), [(10, 1, 40), (120, 10, 70), (900, 15, 130)])
def test_what_is_ready_is_seen_soon_without_asking_often(
    monkeypatch: pytest.MonkeyPatch, takes: float, most_late: float, most_looks: int
) -> None:
    monkeypatch.undo()
    looks = [0.0]
    while looks[-1] < takes:
        looks.append(looks[-1] + engine.pause_after(looks[-1]))
    assert looks[-1] - takes <= most_late
    assert len(looks) <= most_looks
