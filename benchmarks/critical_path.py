# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The longest chain of creation times in what a run from nothing declares: what no order of work can be faster than.

The declarations are those of the modules themselves: a planning run in an empty AWS tells with which parameters each
was called, and the module's own ``main`` makes its resources of them again, here. Within a stack the engine's
``steps_of`` says what comes before what. Between stacks it is what the look-ups find, and every stack needs its
account.
"""

from __future__ import annotations

import importlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from ansible_collections.innovate.platform.plugins.module_utils._engine.plan import Options, make_plan, steps_of
from ansible_collections.innovate.platform.plugins.module_utils._run.stack import Stack
from rehearsal.emulator.durations import DURATIONS

_MODULES = "ansible_collections.innovate.platform.plugins.modules"
#: By kind, what the table of durations calls it.
_CALLED = {
    "organization_account": "account",
    "eks_cluster": "eks-cluster",
    "eks_nodegroup": "eks-nodegroup",
    "eks_fargate_profile": "eks-fargate",
    "eks_addon": "eks-addon",
    "nat_gateway": "natgateway",
}


@dataclass(frozen=True)
class Node:
    """One creation: where, of which stack, and how many of AWS's minutes it takes."""

    account: str
    stack: str
    address: str
    minutes: float


Graph = dict[Node, set[Node]]
"""What must be there before each."""


def minutes_of(kind: str, properties: Mapping[str, Any]) -> float:
    """Return how long AWS takes to create one of a kind; 0 for what is there at once."""
    if kind == "db_instance":
        return DURATIONS["rds-instance-multi-az" if properties.get("multi_az") else "rds-instance"].minutes
    if kind == "vpc_endpoint":
        return DURATIONS["vpc-endpoint"].minutes if properties.get("vpc_endpoint_type") == "Interface" else 0
    return DURATIONS[_CALLED[kind]].minutes if kind in _CALLED else 0


def calls_of(output: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield module and parameters of every call for a stack in what the callback ``ansible.posix.json`` printed."""
    report = json.loads(output[output.index("{") :])
    for play in report["plays"]:
        for task in play["tasks"]:
            for result in task["hosts"].values():
                if "billable" in result:
                    yield str(result["action"]).rpartition(".")[2], result["invocation"]["module_args"]


def declared(module: str, parameters: Mapping[str, Any]) -> tuple[Stack, dict[str, Any]]:
    """Return what a module makes of its parameters: the stack, and the kinds by name."""
    code = importlib.import_module(f"{_MODULES}.{module}")
    caught: list[tuple[Stack, dict[str, Any]]] = []

    def catch(_module: Any, stack: Stack, kinds: Any, **_more: Any) -> None:
        made = [item() if isinstance(item, type) else item for item in kinds]
        caught.append((stack, {kind.name: kind for kind in made}))

    stand_in = SimpleNamespace(params=dict(parameters), region=parameters.get("region"), check_mode=True, warn=print)
    with patch.object(code, "AnsibleAWSModule", lambda **_spec: stand_in), patch.object(code, "run_stack", catch):
        code.main()
    return caught[0]


def graph_of(stacks: Mapping[tuple[str, str], tuple[Stack, Mapping[str, Any]]]) -> Graph:
    """Return everything that is created from nothing, with what it needs.

    :param stacks: by account and name of the stack, its declaration and its kinds.
    """
    graph: Graph = {}
    nodes: dict[tuple[str, str, str], Node] = {}
    looked_up: list[tuple[Node, str, Mapping[str, Any]]] = []
    accounts: dict[str, Node] = {}
    for (account, name), (stack, kinds) in stacks.items():
        plan = make_plan(stack.resources, kinds, {}, Options(name))
        steps, before = steps_of(plan, kinds)
        made = [
            Node(account, name, step.change.address, minutes_of(step.change.kind, step.change.properties))
            for step in steps
        ]
        lookups = {item.address: item for item in plan.changes if item.action == "read"}
        for index, node in enumerate(made):
            graph[node] = {made[earlier] for earlier in before[index]}
            nodes[account, name, node.address] = node
            change = steps[index].change
            if change.kind == "organization_account":
                accounts[str(change.properties["account_name"])] = node
            table = kinds[change.kind].properties
            given = change.declaration.properties
            later = {name: given[name] for name in given if name in table and table[name].deferrable}
            rest = Node(account, name, f"{node.address} (what comes later)", 0)
            for needed in change.declaration.needs() & lookups.keys():
                # What can be added when it is all there holds up nothing that needs the rest.
                early = replace(change.declaration, properties={name: given[name] for name in given.keys() - later})
                if needed not in early.needs():
                    graph.setdefault(rest, {node})
                asks = node if needed in early.needs() else rest
                looked_up.append((asks, lookups[needed].kind, lookups[needed].properties))
    for node, kind, properties in looked_up:
        graph[node] |= set(_found(node.account, kind, properties, nodes))
    for node, before_it in graph.items():
        if node.account in accounts:
            before_it.add(accounts[node.account])
    return graph


def _found(
    account: str, kind: str, properties: Mapping[str, Any], nodes: Mapping[tuple[str, str, str], Node]
) -> Iterator[Node]:
    """Yield what a look-up will find once it is there: nothing where what it finds is nobody's here."""
    stack, prefix = {
        "vpc_lookup": (f"vpc-{properties.get('name')}", "vpc.main"),
        "subnets_lookup": (f"vpc-{properties.get('vpc')}", f"subnet.{properties.get('tier')}-"),
        "eks_cluster_lookup": (f"eks-{properties.get('cluster_name')}", "eks_cluster.main"),
    }.get(kind, ("", "-"))
    for (owner, name, address), node in nodes.items():
        if (owner, name) == (account, stack) and address.startswith(prefix):
            yield node


def longest(graph: Graph) -> list[Node]:
    """Return the chain of creations that takes longest, first one first; of equals, the one with fewer links."""
    ends: dict[Node, tuple[float, int, Node | None]] = {}

    def end(node: Node) -> tuple[float, int, Node | None]:
        if node not in ends:
            earlier = [(end(item)[0], -end(item)[1], item) for item in graph[node]]
            latest = max(earlier, key=lambda item: item[:2], default=None)
            if latest is None:
                ends[node] = (node.minutes, 1, None)
            else:
                ends[node] = (latest[0] + node.minutes, 1 - latest[1], latest[2])
        return ends[node]

    last: Node | None = max(graph, key=lambda item: (end(item)[0], -end(item)[1]))
    chain = []
    while last is not None:
        chain.append(last)
        last = end(last)[2]
    return chain[::-1]


def graph_of_run(output: str) -> Graph:
    """Return the graph of a planning run in an empty AWS, of what ``ansible.posix.json`` printed of it."""
    stacks = {}
    for module, parameters in calls_of(output):
        stack, kinds = declared(module, parameters)
        stacks[parameters.get("account_name") or "", stack.name] = (stack, kinds)
    return graph_of(stacks)


def summed(graph: Graph) -> Mapping[str, float]:
    """Return the minutes of all creations by kind: what they would take one after the other."""
    found: dict[str, float] = defaultdict(float)
    for node in graph:
        if node.minutes:
            found[node.address.partition(".")[0]] += node.minutes
    return found
