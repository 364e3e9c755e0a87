# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run from nothing can't be faster than."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.innovate.platform.plugins.module_utils._engine.kind import Kind, Property
from ansible_collections.innovate.platform.plugins.module_utils._engine.resource import Ref, Resource
from ansible_collections.innovate.platform.plugins.module_utils._kinds.registry import KINDS as REGISTERED
from ansible_collections.innovate.platform.plugins.module_utils._run.stack import Stack
from benchmarks.critical_path import Graph, Node, graph_of, longest, minutes_of
from rehearsal.emulator.durations import DURATIONS


def kind(called: str, *, finds: bool = False) -> Kind:
    """A kind that takes all properties that are used here."""
    names = ("needs", "multi_az", "vpc", "tier", "cluster_name", "account_name", "vpc_endpoint_type")
    table = {name: Property("str") for name in names} | {"rules": Property("set", deferrable=True)}
    made = type(called, (Kind,), {"name": called, "properties": table, "lookup": finds, "observe": None})
    return made()


KINDS = {
    **{name: kind(name) for name in ("organization_account", "vpc", "subnet", "nat_gateway", "eks_cluster")},
    **{name: kind(name) for name in ("eks_nodegroup", "eks_addon", "db_instance", "vpc_endpoint")},
    **{name: kind(name, finds=True) for name in ("subnets_lookup", "eks_cluster_lookup", "iam_role_lookup")},
}
ORGANIZATION = [Resource("organization_account", "dev", {"account_name": "dev"})]
NETWORK = [
    Resource("vpc", "main"),
    Resource("subnet", "private-a", {"needs": Ref("vpc.main")}),
    Resource("nat_gateway", "a", {"needs": Ref("vpc.main")}),
]
FIND = Resource("subnets_lookup", "it", {"vpc": "dev", "tier": "private"})
CLUSTER = [
    FIND,
    Resource("eks_cluster", "main", {"needs": Ref("subnets_lookup.it")}),
    Resource("eks_nodegroup", "core", {"needs": Ref("eks_cluster.main")}),
    Resource("eks_addon", "coredns", {"needs": Ref("eks_cluster.main")}, depends_on=("eks_nodegroup.core",)),
]


def database(*, multi_az: bool, **more: Any) -> list[Resource]:
    return [FIND, Resource("db_instance", "main", {"needs": Ref("subnets_lookup.it"), "multi_az": multi_az, **more})]


def graph(**stacks: list[Resource]) -> Graph:
    where = {"organization": ""}
    named = {name.replace("_", "-"): items for name, items in stacks.items()}
    return graph_of({(where.get(name, "dev"), name): (Stack(name, items), KINDS) for name, items in named.items()})


def chain(found: Graph) -> list[str]:
    return [node.address for node in longest(found) if node.minutes]


def test_the_chain_goes_through_accounts_and_look_ups() -> None:
    found = graph(organization=ORGANIZATION, vpc_dev=NETWORK, eks_dev=CLUSTER, postgres_dev=database(multi_az=True))
    assert [node.address for node in longest(found)] == [
        "organization_account.dev",
        "eks_cluster.main",
        "eks_nodegroup.core",
        "eks_addon.coredns",
    ]
    assert sum(node.minutes for node in longest(found)) == 1 + 10 + 3 + 1


@pytest.mark.parametrize(
    ("stacks", "expected"),
    [
        ({"vpc_dev": NETWORK}, ["nat_gateway.a"]),
        ({"eks_dev": CLUSTER[:2], "postgres_dev": database(multi_az=True)}, ["db_instance.main"]),
        ({"eks_dev": CLUSTER[:2], "postgres_dev": database(multi_az=False)}, ["eks_cluster.main"]),
        (
            {
                "eks_dev": CLUSTER[:2],
                "postgres_dev": [
                    Resource("eks_cluster_lookup", "it", {"cluster_name": "dev"}),
                    *database(multi_az=False, cluster_name=Ref("eks_cluster_lookup.it")),
                ],
            },
            ["eks_cluster.main", "db_instance.main"],
        ),
        (
            {
                "eks_dev": CLUSTER[:2],
                "postgres_dev": [
                    Resource("eks_cluster_lookup", "it", {"cluster_name": "dev"}),
                    *database(multi_az=False, rules=[Ref("eks_cluster_lookup.it")]),
                ],
            },
            ["eks_cluster.main"],
        ),
    ],
)
def test_the_longest_chain_counts(stacks: dict[str, list[Resource]], expected: list[str]) -> None:
    assert chain(graph(**stacks)) == expected


def test_of_equal_chains_it_is_the_shorter() -> None:
    one, two, three = (Node("a", "s", name, minutes) for name, minutes in (("one", 1.0), ("two", 0.0), ("three", 1.0)))
    assert longest({one: set(), two: {one}, three: {one, two}}) == [one, three]


def test_what_takes_no_time_is_told_from_what_does() -> None:
    assert minutes_of("vpc_endpoint", {"vpc_endpoint_type": "Gateway"}) == 0
    assert minutes_of("vpc_endpoint", {"vpc_endpoint_type": "Interface"}) == DURATIONS["vpc-endpoint"].minutes
    assert minutes_of("iam_role", {}) == 0


def test_every_slow_kind_has_a_duration() -> None:
    slow = {name for name, item in REGISTERED.items() if item.slow}
    assert {"db_instance", "eks_cluster"} <= slow
    assert [name for name in slow if not minutes_of(name, {"vpc_endpoint_type": "Interface"})] == []
