# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the plan makes of what is declared and what is there: a pure function, table by table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from ansible_collections.innovate.platform.plugins.module_utils._engine.apply import client_token
from ansible_collections.innovate.platform.plugins.module_utils._engine.errors import EngineError
from ansible_collections.innovate.platform.plugins.module_utils._engine.kind import (
    ADDRESS_TAG,
    STACK_TAG,
    Observed,
    Property,
    Wanted,
)
from ansible_collections.innovate.platform.plugins.module_utils._engine.plan import (
    Options,
    Plan,
    make_plan,
    same,
    scope_of,
    steps_of,
)
from ansible_collections.innovate.platform.plugins.module_utils._engine.render import billable, documents, rows
from ansible_collections.innovate.platform.plugins.module_utils._engine.resource import (
    Join,
    Ref,
    Resource,
    Unknown,
    parse_references,
)
from ansible_collections.innovate.platform.plugins.module_utils._engine.validate import validate
from tests.unit.small_cloud import KINDS, STACK, seen

NET = Resource("net", "main", {"cidr": "10.0.0.0/16"})
SUB = Resource("sub", "a", {"net_id": Ref("net.main"), "cidr": "10.0.1.0/24"})
STORE = Resource("store", "db", {"title": "db"})
LINK = Resource("link", "x", {"left": "l", "right": "r"})
FRONT = Resource("front", "web", {"image": "two"})
OLD_NET = seen("net-1", "main", cidr="10.0.0.0/16", dns=True)
OLD_SUB = seen("sub-1", "a", net_id="net-1", cidr="10.0.1.0/24")


def plan(resources: Sequence[Resource], there: Sequence[Observed] = (), **options: Any) -> Plan:
    assert validate(resources, KINDS) == []
    observed = {name: [item for item in there if item.id.startswith(f"{name}-")] for name in KINDS}
    return make_plan(resources, KINDS, observed, Options(STACK, **options))


def actions(made: Plan) -> dict[str, str]:
    return {change.address: change.action for change in made.changes}


def order(made: Plan) -> list[str]:
    """The steps in an order that the graph allows, the earliest possible first."""
    steps, before = steps_of(made, KINDS)
    done: list[int] = []
    while len(done) < len(steps):
        free = [index for index in range(len(steps)) if index not in done and before[index] <= set(done)]
        assert free, "the graph has no cycle"
        done.append(free[0])
    return [f"{steps[index].verb} {steps[index].change.address}" for index in done]


def comes_before(made: Plan, first: str, second: str) -> bool:
    """Whether the graph demands that one step ends before another begins."""
    steps, before = steps_of(made, KINDS)
    names = [f"{step.verb} {step.change.address}" for step in steps]
    pending, reached = [names.index(second)], set[int]()
    while pending:
        for index in before[pending.pop()] - reached:
            reached.add(index)
            pending.append(index)
    return names.index(first) in reached


# What is declared, what is there, options -> what becomes of it.
DECISIONS: dict[str, tuple[list[Resource], list[Observed], dict[str, Any], dict[str, str]]] = {
    "nothing is there": ([NET, SUB], [], {}, {"net.main": "create", "sub.a": "create"}),
    "all is there": ([NET, SUB], [OLD_NET, OLD_SUB], {}, {"net.main": "none", "sub.a": "none"}),
    "a property differs": (
        [Resource("net", "main", {"cidr": "10.0.0.0/16", "dns": False})],
        [OLD_NET],
        {},
        {"net.main": "update"},
    ),
    "a default differs": ([NET], [seen("net-1", "main", cidr="10.0.0.0/16", dns=False)], {}, {"net.main": "update"}),
    "what isn't declared may differ": (
        [NET],
        [seen("net-1", "main", cidr="10.0.0.0/16", dns=True, labels=["a"])],
        {},
        {"net.main": "none"},
    ),
    "a tag is wanted": ([NET], [OLD_NET], {"tags": {"team": "a"}}, {"net.main": "update"}),
    "what is no longer declared": ([NET], [OLD_NET, OLD_SUB], {}, {"net.main": "none", "sub.a": "delete"}),
    "another stack's things are no orphans": (
        [NET],
        [OLD_NET, seen("sub-9", "b", stack="other", net_id="n", cidr="c")],
        {},
        {"net.main": "none"},
    ),
    "a replacement reaches what refers to it": (
        [Resource("net", "main", {"cidr": "10.1.0.0/16"}), SUB],
        [OLD_NET, OLD_SUB],
        {"allow_replace": ("*",)},
        {"net.main": "replace", "sub.a": "replace"},
    ),
    "a failed creation is done again": (
        [NET],
        [seen("net-1", "main", state="failed", cidr="10.0.0.0/16", dns=True)],
        {},
        {"net.main": "replace"},
    ),
    "what is on its way out is made anew": (
        [NET],
        [seen("net-1", "main", state="deleting", cidr="10.0.0.0/16", dns=True)],
        {},
        {"net.main": "create"},
    ),
    "an orphan on its way out is left to go": (
        [],
        [seen("net-1", "main", state="deleting", cidr="10.0.0.0/16", dns=True)],
        {},
        {"net.main": "none"},
    ),
    "taken over by consent": (
        [STORE],
        [seen("store-1", title="db", size=1)],
        {"adopt": ("store.*",)},
        {"store.db": "adopt"},
    ),
    "a new name under the same key": (
        [STORE],
        [seen("store-1", "former", title="db", size=1)],
        {},
        {"store.db": "update"},
    ),
    "of twins the living one": (
        [NET],
        [seen("net-2", "main", state="deleting", cidr="10.0.0.0/16", dns=True), OLD_NET],
        {},
        {"net.main": "none", "net.main#old": "none"},
    ),
    "of twins the one that fits, the other goes": (
        [Resource("net", "main", {"cidr": "10.2.0.0/16"})],
        [OLD_NET, seen("net-2", "main", cidr="10.2.0.0/16", dns=True)],
        {},
        {"net.main": "none", "net.main#old": "delete"},
    ),
    "without tags the key tells": ([LINK], [seen("link-1", left="l", right="r")], {}, {"link.x": "none"}),
    "a look-up is only read": (
        [Resource("finder", "f", {"title": "t"})],
        [seen("finder-1", title="t")],
        {},
        {"finder.f": "read"},
    ),
    "what comes with its parent is configured": (
        [Resource("gate", "g", {"net_id": "net-1", "open": True})],
        [seen("gate-1", net_id="net-1", open=False)],
        {},
        {"gate.g": "update"},
    ),
    "absent deletes all of it": (
        [NET, SUB],
        [OLD_NET, OLD_SUB],
        {"absent": True},
        {"net.main": "delete", "sub.a": "delete"},
    ),
    "absent needs no declaration": (
        [],
        [OLD_NET, OLD_SUB],
        {"absent": True},
        {"net.main": "delete", "sub.a": "delete"},
    ),
    "absent leaves alone what comes with its parent": (
        [Resource("gate", "g", {"net_id": "net-1"})],
        [seen("gate-1", "g", net_id="net-1")],
        {"absent": True},
        {},
    ),
    "absent where nothing is": ([NET, SUB], [], {"absent": True}, {}),
    "data is kept": ([STORE], [seen("store-1", "db", title="db", size=1)], {"absent": True}, {"store.db": "keep"}),
    "data goes by consent": (
        [STORE],
        [seen("store-1", "db", title="db", size=1)],
        {"absent": True, "allow_destroy": ("store.db",)},
        {"store.db": "delete"},
    ),
    "what kept data needs is kept too": (
        [],
        [seen("store-1", "db", title="db", size=1, net_id="net-1"), OLD_NET, OLD_SUB],
        {},
        {"store.db": "keep", "net.main": "keep", "sub.a": "delete"},
    ),
}


@pytest.mark.parametrize(("declared", "there", "options", "expected"), DECISIONS.values(), ids=DECISIONS.keys())
def test_what_becomes_of_it(
    declared: list[Resource], there: list[Observed], options: dict[str, Any], expected: dict[str, str]
) -> None:
    made = plan(declared, there, **options)
    assert made.problems == ()
    addresses: dict[str, str] = {}
    for change in made.changes:
        addresses[f"{change.address}#old" if change.address in addresses else change.address] = change.action
    assert addresses == expected


REFUSALS: dict[str, tuple[list[Resource], list[Observed], str]] = {
    "an immutable property without consent": (
        [Resource("net", "main", {"cidr": "10.1.0.0/16"})],
        [OLD_NET],
        "net.main: cidr can't be changed in place (10.0.0.0/16 to 10.1.0.0/16): add the address to `allow_replace`",
    ),
    "something exists unowned": ([STORE], [seen("store-1", title="db", size=1)], "add the address to `adopt`"),
    "something exists in another stack": (
        [STORE],
        [seen("store-1", "x", stack="other", title="db", size=1)],
        "belongs to store.x of stack 'other': choose another name",
    ),
    "what the kind refuses": ([STORE], [seen("store-1", "db", title="db", size=9)], "a store can't shrink from 9 to 1"),
    "replacing data": (
        [STORE],
        [seen("store-1", "db", state="failed", title="db", size=1)],
        "replacing it destroys its data: list it in `allow_destroy`",
    ),
}


@pytest.mark.parametrize(("declared", "there", "sentence"), REFUSALS.values(), ids=REFUSALS.keys())
def test_what_is_refused(declared: list[Resource], there: list[Observed], sentence: str) -> None:
    problems = plan(declared, there).problems
    assert len(problems) == 1
    assert sentence in problems[0]


def test_a_refusal_is_no_obstacle_to_taking_it_down() -> None:
    made = plan([STORE], [seen("store-1", "db", title="db", size=9)], absent=True, allow_destroy=("*",))
    assert (made.problems, actions(made)) == ((), {"store.db": "delete"})


def test_a_lookup_that_finds_nothing_is_unknown_and_says_what_to_do() -> None:
    finder = Resource("finder", "f", {"title": "t"}, hint="run playbooks/network.yml first")
    made = plan([finder, Resource("sub", "a", {"net_id": Ref("finder.f"), "cidr": "c"})])
    assert made.missing == ("finder.f: no finder with title t: run playbooks/network.yml first",)
    assert made.changes[-1].properties["net_id"] == Unknown()


def test_what_will_be_assigned_is_unknown_also_within_text() -> None:
    sub = Resource("sub", "a", {"net_id": Ref("net.main"), "cidr": "c", "peer": Join((Ref("net.main", "arn"), "/*"))})
    made = plan([NET, sub])
    properties = made.changes[-1].properties
    assert (str(properties["net_id"]), str(properties["peer"])) == ("(known after apply)", "(known after apply)/*")


def test_what_is_declared_of_another_is_known_before_it_exists() -> None:
    sub = Resource("sub", "a", {"net_id": Ref("net.main"), "cidr": Ref("net.main", "cidr")})
    assert plan([NET, sub]).changes[-1].properties["cidr"] == "10.0.0.0/16"
    assert scope_of(STACK, [NET, sub], KINDS).names("sub", "cidr") == ["10.0.0.0/16"]


def test_a_reference_to_what_is_there_is_known() -> None:
    assert plan([NET, SUB], [OLD_NET]).changes[-1].properties["net_id"] == "net-1"


def test_creation_follows_references_and_deletion_goes_against_them() -> None:
    assert order(plan([SUB, NET])) == ["make net.main", "make sub.a"]
    assert order(plan([SUB, NET], [OLD_NET, OLD_SUB], absent=True)) == ["delete sub.a", "delete net.main"]


def test_orphans_are_deleted_by_what_they_were_seen_to_use() -> None:
    assert order(plan([], [OLD_NET, OLD_SUB])) == ["delete sub.a", "delete net.main"]


def test_independent_things_wait_for_nothing() -> None:
    _steps, before = steps_of(plan([NET, Resource("net", "two", {"cidr": "c"}), STORE]), KINDS)
    assert set().union(*before.values()) == set()


def test_depends_on_orders_what_no_property_refers_to() -> None:
    later = Resource("net", "later", {"cidr": "c"}, depends_on=("store.db",))
    assert comes_before(plan([later, STORE]), "make store.db", "make net.later")


def test_a_replaced_thing_goes_before_its_successor_comes_unless_its_kind_says_otherwise() -> None:
    made = plan([Resource("net", "main", {"cidr": "other"}), SUB], [OLD_NET, OLD_SUB], allow_replace=("*",))
    assert order(made) == ["delete sub.a", "delete net.main", "make net.main", "make sub.a"]
    front = plan([FRONT], [seen("front-1", "web", image="one")], allow_replace=("*",))
    assert order(front) == ["make front.web", "delete front.web"]


def test_what_is_no_longer_used_goes_after_its_user_was_updated() -> None:
    user = Resource("sub", "a", {"net_id": "net-1", "cidr": "10.0.1.0/24", "peer": "elsewhere"})
    old = seen("sub-1", "a", net_id="net-1", cidr="10.0.1.0/24", peer="store-1")
    there = [old, seen("store-1", "db", title="db", size=1)]
    assert order(plan([user], there, allow_destroy=("*",))) == ["make sub.a", "delete store.db"]


def test_things_of_the_same_name_do_not_use_each_other() -> None:
    named = {"title": "app", "size": 1}
    store = Observed("app", named, {}, {STACK_TAG: STACK, ADDRESS_TAG: "store.app"})
    net = Observed("app", {"cidr": "c", "dns": True}, {}, {STACK_TAG: STACK, ADDRESS_TAG: "net.app"})
    made = make_plan([], KINDS, {"store": [store], "net": [net]}, Options(STACK))
    assert actions(made) == {"store.app": "keep", "net.app": "delete"}
    using = Observed("app", {**named, "net_id": "app"}, {}, store.tags)
    made = make_plan([], KINDS, {"store": [using], "net": [net]}, Options(STACK))
    assert actions(made) == {"store.app": "keep", "net.app": "keep"}


def test_an_orphan_makes_room_for_a_new_one_of_its_kind() -> None:
    made = plan([Resource("net", "new", {"cidr": "10.0.0.0/16"})], [OLD_NET])
    assert order(made) == ["delete net.main", "make net.new"]


def test_orphans_that_use_each_other_leave_no_cycle() -> None:
    one = seen("sub-1", "one", net_id="n", cidr="1", peer="sub-2")
    two = seen("sub-2", "two", net_id="n", cidr="2", peer="sub-1")
    assert sorted(order(plan([], [one, two]))) == ["delete sub.one", "delete sub.two"]


def test_what_is_still_pending_is_awaited_by_what_needs_it() -> None:
    pending = seen("net-1", "main", state="pending", cidr="10.0.0.0/16", dns=True)
    made = plan([NET, SUB], [pending])
    assert actions(made) == {"net.main": "none", "sub.a": "create"}
    assert order(made) == ["make net.main", "make sub.a"]


SAME: dict[str, tuple[Property, Any, Any, bool]] = {
    "sets have no order": (Property("set"), ["a", "b"], ["b", "a"], True),
    "sets of mappings": (Property("set"), [{"a": 1, "b": 2}], [{"b": 2, "a": 1}], True),
    "a set with one more": (Property("set"), ["a"], ["a", "b"], False),
    "an empty set and none": (Property("set"), [], None, True),
    "lists have an order": (Property("list"), ["a", "b"], ["b", "a"], False),
    "a list with one more": (Property("list"), ["a"], ["a", "b"], False),
    "an empty list and none": (Property("list"), [], None, True),
    "a dict compares what is declared": (Property("dict"), {"a": {"b": 1}}, {"a": {"b": 1, "c": 2}, "d": 3}, True),
    "a dict that lacks something": (Property("dict"), {"a": 1}, {}, False),
    "a dict within a list": (Property("dict"), {"a": [{"b": 1}]}, {"a": [{"b": 1, "c": 2}]}, True),
    "a dict and none": (Property("dict"), {"a": 1}, None, False),
    "a map compares whole": (Property("map"), {"a": 1}, {"a": 1, "b": 2}, False),
    "an empty map and none": (Property("map"), {}, None, True),
    "a document as text": (Property("json"), '{"b": [1], "a": 1}', {"a": 1, "b": [1]}, True),
    "documents that differ": (Property("json"), {"a": 1}, '{"a": 2}', False),
    "unknown is never the same": (Property("str"), Unknown(), "a", False),
    "unknown deep inside": (Property("dict"), {"a": [Unknown()]}, {"a": ["x"]}, False),
    "a comparison of its own": (Property("str", same=lambda a, b: a.lower() == b.lower()), "A", "a", True),
    "nothing declared differs from false": (Property("bool"), False, None, False),
}


@pytest.mark.parametrize(("spec", "wanted", "observed", "expected"), SAME.values(), ids=SAME.keys())
def test_what_counts_as_the_same(spec: Property, wanted: Any, observed: Any, expected: bool) -> None:
    assert same(spec, wanted, observed) is expected


INVALID: dict[str, tuple[list[Resource], str]] = {
    "an unknown kind": ([Resource("nett", "main", {})], "unknown kind 'nett': did you mean 'net'?"),
    "an unknown property": (
        [Resource("net", "main", {"cidr": "c", "dnss": True})],
        "unknown property 'dnss': did you mean 'dns'?",
    ),
    "a missing property": ([Resource("net", "main", {})], "the property 'cidr' is missing"),
    "an address twice": ([NET, NET], "net.main is declared 2 times"),
    "a wrong type": ([Resource("net", "main", {"cidr": 1})], "net.main.cidr: 1 is not a string"),
    "a truth value for a number": (
        [Resource("store", "a", {"title": "a", "size": True})],
        "True is not a whole number",
    ),
    "a secret isn't shown": (
        [Resource("store", "a", {"title": "a", "pin": "hush"})],
        "store.a.pin: the secret value is not",
    ),
    "a reference to nothing": ([SUB], "sub.a: ${net.main.id} refers to nothing that is declared"),
    "an unknown attribute": (
        [NET, Resource("sub", "a", {"net_id": Ref("net.main", "arm"), "cidr": "c"})],
        "net has no attribute 'arm': did you mean 'arn'?",
    ),
    "a dependency on nothing": (
        [Resource("net", "main", {"cidr": "c"}, depends_on=("net.other",))],
        "net.main depends on net.other, which is not declared",
    ),
    "the same key twice": (
        [STORE, Resource("store", "copy", {"title": "db"})],
        "store.copy and store.db are the same thing (title db)",
    ),
    "a circle": (
        [
            Resource("sub", "a", {"net_id": "n", "cidr": "1", "peer": Ref("sub.b")}),
            Resource("sub", "b", {"net_id": "n", "cidr": "2", "peer": Ref("sub.a")}),
        ],
        "these resources refer to each other in a circle: sub.a -> sub.b -> sub.a",
    ),
    "tags where there are none": (
        [Resource("link", "x", {"left": "l", "right": "r", "tags": {}})],
        "unknown property 'tags'",
    ),
}


@pytest.mark.parametrize(("declared", "sentence"), INVALID.values(), ids=INVALID.keys())
def test_what_is_wrong_with_a_declaration(declared: list[Resource], sentence: str) -> None:
    problems = validate(declared, KINDS)
    assert len(problems) == 1, problems
    assert (
        sentence in problems[0] or sentence.replace("sub.a -> sub.b -> sub.a", "sub.b -> sub.a -> sub.b") in problems[0]
    )


def test_all_mistakes_are_found_together() -> None:
    declared = [
        Resource("nett", "a"),
        Resource("net", "b", {"dnss": 1}),
        Resource("sub", "c", {"net_id": Ref("net.z"), "cidr": 1}),
    ]
    assert len(validate(declared, KINDS)) == 5


PARSED: dict[str, tuple[Any, Any]] = {
    "an id": ("${net.main}", Ref("net.main")),
    "an attribute": ("${net.main.arn}", Ref("net.main", "arn")),
    "within text": ("${net.main.arn}/*", Join((Ref("net.main", "arn"), "/*"))),
    "two of them": ("${net.a}-${sub.b.arn}", Join((Ref("net.a"), "-", Ref("sub.b", "arn")))),
    "at any depth": ({"a": [{"b": "${net.main}"}]}, {"a": [{"b": Ref("net.main")}]}),
    "a variable of IAM": ("arn:aws:s3:::home/${aws:username}", "arn:aws:s3:::home/${aws:username}"),
    "a variable of IAM with dots": ("${aws:PrincipalTag/a.b}", "${aws:PrincipalTag/a.b}"),
    "a word": ("${name}", "${name}"),
    "escaped": ("$${net.main.arn}", "${net.main.arn}"),
    "escaped beside a real one": ("$${x.y} ${net.main}", Join(("${x.y}", " ", Ref("net.main")))),
    "a variable beside a real one": ("${aws:username}/${net.main}", Join(("${aws:username}", "/", Ref("net.main")))),
    "no string": (5, 5),
    "no reference": ("plain $ {text}", "plain $ {text}"),
}


@pytest.mark.parametrize(("given", "expected"), PARSED.values(), ids=PARSED.keys())
def test_references_are_read_from_strings(given: Any, expected: Any) -> None:
    parsed = parse_references(given, KINDS)
    if isinstance(expected, Join):
        assert isinstance(parsed, Join)
        assert str(parsed) == str(expected)
        assert [part for part in parsed.parts if isinstance(part, Ref)] == [
            p for p in expected.parts if isinstance(p, Ref)
        ]
    else:
        assert parsed == expected


def test_a_reference_to_an_unknown_kind_is_a_mistake() -> None:
    with pytest.raises(EngineError, match=r"refers to the unknown kind 'nett'.*or write \$\$\{nett.main.arn\}"):
        parse_references({"a": "${nett.main.arn}"}, KINDS)


def test_what_was_never_taken_over_is_not_taken_down() -> None:
    made = plan([STORE], [seen("store-1", title="db", size=1)], absent=True, adopt=("*",), allow_destroy=("*",))
    assert (made.changing, made.problems) == ([], ())


def test_what_carries_no_tags_is_not_taken_down_where_its_kind_calls_it_somebody_elses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = seen("link-1", left="l", right="r")
    assert actions(plan([LINK], [there], absent=True)) == {"link.x": "delete"}
    monkeypatch.setattr(type(KINDS["link"]), "refuse", lambda *_arguments: ["it is somebody else's"])
    assert actions(plan([LINK], [there], absent=True)) == {}


def test_tags_are_strings_for_the_cloud_and_nothing_else_for_people() -> None:
    tagged = Resource("net", "main", {"cidr": "c", "tags": {"cost-center": 42}})
    assert plan([tagged]).changes[0].tags["cost-center"] == "42"
    wrong = [
        Resource("net", "a", {"cidr": "a", "tags": {"owner": None}}),
        Resource("net", "b", {"cidr": "b", "tags": {"owner": ["x"]}}),
    ]
    assert validate(wrong, KINDS) == [
        "net.a.tags: None, the value of 'owner', is not a string",
        "net.b.tags: ['x'], the value of 'owner', is not a string",
    ]


def test_a_form_that_no_rule_foresees_is_a_mistake_and_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(KINDS["net"]), "check", lambda _kind, properties: properties["cidr"].missing)
    (problem,) = validate([NET], KINDS)
    assert problem.startswith("net.main: a property has another form than net takes, see its documentation")


def test_a_client_token_is_the_same_for_the_same_and_another_for_anything_else() -> None:
    wanted = Wanted("net.main", {"cidr": "c"}, {"x": "y"})
    options = Options(STACK, identity="1/eu")
    token = client_token(options, wanted)
    assert len(token) == 64
    assert token == client_token(Options(STACK, identity="1/eu"), Wanted("net.main", {"cidr": "c"}, {"x": "y"}))
    others = {
        client_token(Options(STACK, identity="2/eu"), wanted),
        client_token(Options("other", identity="1/eu"), wanted),
        client_token(options, Wanted("net.two", {"cidr": "c"}, {})),
        client_token(options, Wanted("net.main", {"cidr": "d"}, {"x": "y"})),
        client_token(options, Wanted("net.main", {"cidr": "c"}, {"x": "z"})),
        client_token(options, wanted, "salt"),
    }
    assert len(others | {token}) == 7


def test_secrets_are_in_no_plan() -> None:
    declared = [Resource("store", "db", {"title": "db", "password": "hush", "pin": 1234})]
    created = plan(declared)
    changed = plan(declared, [seen("store-1", "db", title="db", size=1, pin=9876)])
    for made in (created, changed):
        shown = str((documents(made.changes, KINDS), rows(made.changes, KINDS)))
        assert "(secret)" in shown
        assert not any(secret in shown for secret in ("hush", "1234", "9876"))


def test_a_replacement_that_a_secret_forces_is_refused_in_words() -> None:
    class Vault(type(KINDS["store"])):  # type: ignore[misc]
        name = "vault"
        properties = {"pin": Property("int", secret=True, immutable=True), "size": Property("int", default=1)}  # noqa: RUF012
        key = ()

    kinds = {"vault": Vault()}
    there = {"vault": [seen("vault-1", "v", pin=1, size=1)]}
    made = make_plan([Resource("vault", "v", {"pin": 2})], kinds, there, Options(STACK, allow_destroy=("*",)))
    assert made.problems == (
        "vault.v: pin can't be changed in place: add the address to `allow_replace` to have it replaced",
    )


def test_the_rows_of_a_plan_leave_out_what_stays() -> None:
    made = plan([NET, SUB, STORE], [OLD_NET])
    assert {(row["action"], row["address"], row["id"]) for row in rows(made.changes, KINDS)} == {
        ("create", "sub.a", None),
        ("create", "store.db", None),
    }


def test_a_diff_shows_of_an_update_only_what_changes() -> None:
    made = plan([Resource("net", "main", {"cidr": "10.0.0.0/16", "dns": False})], [OLD_NET])
    assert documents(made.changes, KINDS) == ({"net.main": {"dns": True}}, {"net.main": {"dns": False}})


def test_a_diff_shows_of_tags_only_those_that_differ() -> None:
    made = plan([NET], [OLD_NET], tags={"team": "a"})
    assert documents(made.changes, KINDS) == ({"net.main": {}}, {"net.main": {"tags": {"team": "a"}}})


def box() -> Any:
    class Box(type(KINDS["net"])):  # type: ignore[misc]
        name = "box"
        key = ()
        priced = ("size",)
        properties = {  # noqa: RUF012
            "options": Property("dict"),
            "labels": Property("map"),
            "size": Property("int"),
            "pin": Property("int", secret=True),
        }

    return Box()


def test_a_diff_shows_of_a_property_only_the_members_that_count() -> None:
    kinds = {"box": box()}
    there = {"box": [seen("box-1", "b", options={"a": 1, "b": 2, "c": {"d": 3, "e": 4}}, labels={"x": "1", "y": "2"})]}
    wanted = Resource("box", "b", {"options": {"a": 5, "c": {"d": 6}}, "labels": {"x": "1"}})
    made = make_plan([wanted], kinds, there, Options(STACK))
    assert documents(made.changes, kinds) == (
        {"box.b": {"options": {"a": 1, "c": {"d": 3}}, "labels": {"x": "1", "y": "2"}}},
        {"box.b": {"options": {"a": 5, "c": {"d": 6}}, "labels": {"x": "1"}}},
    )


@pytest.mark.parametrize(
    ("declared", "there", "options", "before", "after"),
    [
        ({"size": 2, "pin": 1}, None, Options(STACK), None, {"size": 2}),
        ({"size": 2, "pin": 2}, {"size": 1, "pin": 1}, Options(STACK), {"size": 1}, {"size": 2}),
        ({"size": 2, "pin": 1}, {"size": 2, "pin": 1}, Options(STACK), {"size": 2}, {"size": 2}),
        ({"pin": 1}, {"size": 2, "pin": 1}, Options(STACK), {"size": 2}, {"size": 2}),
        ({"size": 2}, {"size": 2}, Options(STACK, absent=True), {"size": 2}, None),
        (None, {"size": 2}, Options(STACK), {"size": 2}, None),
    ],
    ids=["create", "update", "none", "unmanaged", "absent", "orphan"],
)
def test_what_decides_a_price_is_told_also_where_nothing_changes(
    declared: dict[str, Any] | None,
    there: dict[str, Any] | None,
    options: Options,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
) -> None:
    kinds = {"box": box()}
    resources = [] if declared is None else [Resource("box", "b", declared)]
    made = make_plan(resources, kinds, {"box": [] if there is None else [seen("box-1", "b", **there)]}, options)
    assert billable(made.changes, kinds) == [{"address": "box.b", "kind": "box", "before": before, "after": after}]
