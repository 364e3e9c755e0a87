# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds every mistake in what the role ``karpenter`` was told, before the first change.

The API server would find some of it later than that, Karpenter others only when a pod is waiting for a node.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .._engine.words import suggest
from .catalog import (
    ARCHITECTURES,
    BUDGET_DURATION,
    BUDGET_NODES,
    CAPACITY_TYPES,
    CONSOLIDATION_POLICIES,
    DURATION,
    LABEL_KEY,
    LABEL_VALUE,
    NAME,
    QUANTITY,
    REASONS,
    RESOURCES,
    SIZE,
    TAINT_EFFECTS,
    ZONE,
    architecture,
    family_and_size,
)
from .nodes import OPTIONS, Nodes, Pool, read
from .schedule import cron_problems, window_problems

_CLUSTER = re.compile(r"[a-z][a-z0-9-]{0,29}")
"""As the module ``eks_cluster`` has it: roles, rules and the queue are called after the cluster."""
_ALIAS = re.compile(r"al2023@v\d{8}|bottlerocket@v?\d+\.\d+\.\d+")
_KEY_ARN = re.compile(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[\w-]+")
_SMALLEST_VOLUME, _LARGEST_VOLUME = 20, 16384
_OWN_TAGS = (
    "eks:eks-cluster-name",
    "karpenter.sh/nodepool",
    "karpenter.sh/nodeclaim",
    "karpenter.k8s.aws/ec2nodeclass",
)
_OWN_LABELS = ("karpenter.sh", "karpenter.k8s.aws")
_LISTS = (
    "architectures",
    "capacity_types",
    "instance_families",
    "instance_sizes",
    "instance_types",
    "zones",
    "taints",
    "startup_taints",
    "disruption_budgets",
    "maintenance_windows",
)
_MAPS = ("limits", "labels", "consolidation")


def problems_of(declaration: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each mistake in a declaration."""
    pools = declaration.get("pools")
    if not isinstance(pools, Sequence) or isinstance(pools, str):
        return ["karpenter_node_pools is not a list"]
    shapes = [problem for index, pool in enumerate(pools) for problem in _shape_problems(index, pool)]
    if shapes:
        # The rest is read as it were without pools, so that its mistakes come in the same answer.
        return [*_node_problems(read({**declaration, "pools": []})), *shapes]
    nodes = read(declaration)
    names = Counter(pool.name for pool in nodes.pools)
    return [
        *_node_problems(nodes),
        *(f"node pool {name} is declared {count} times" for name, count in names.items() if count > 1),
        *(f"node pool {pool.name}: {problem}" for pool in nodes.pools for problem in _pool_problems(pool)),
    ]


def _shape_problems(index: int, pool: Any) -> Iterator[str]:
    where = f"karpenter_node_pools[{index}]"
    if not isinstance(pool, Mapping):
        yield f"{where} is not a dictionary"
        return
    for option in pool:
        if option not in OPTIONS:
            yield f"{where}: unknown option {option!r}: {suggest(str(option), OPTIONS)}"
    if not isinstance(pool.get("name"), str):
        yield f"{where}: it has no name, or one that isn't a string"
    for names, kind, what in ((_LISTS, list, "list"), (_MAPS, Mapping, "dictionary")):
        for name in names:
            if pool.get(name) is not None and not isinstance(pool[name], kind):
                yield f"{where}.{name} is not a {what}"
    for name in ("taints", "startup_taints", "disruption_budgets", "maintenance_windows"):
        if isinstance(pool.get(name), list) and not all(isinstance(item, Mapping) for item in pool[name]):
            yield f"{where}.{name}: one of its items is not a dictionary"


def _node_problems(nodes: Nodes) -> Iterator[str]:
    if not _CLUSTER.fullmatch(nodes.cluster):
        yield (
            f"karpenter_cluster {nodes.cluster!r}: use the cluster's name, up to 30 lower-case letters, digits and "
            "hyphens, a letter first"
        )
    family, _at, version = nodes.ami.partition("@")
    if version == "latest":
        yield (
            f"karpenter_ami {nodes.ami!r} replaces all nodes whenever AWS publishes an image: "
            f"pin a version such as {'al2023@v20260930' if family == 'al2023' else 'bottlerocket@1.50.0'}"
        )
    elif not _ALIAS.fullmatch(nodes.ami):
        yield f"karpenter_ami {nodes.ami!r} is neither of the form al2023@v20260930 nor bottlerocket@1.50.0"
    if not _SMALLEST_VOLUME <= nodes.volume_size <= _LARGEST_VOLUME:
        yield (
            f"karpenter_volume_size {nodes.volume_size} is not between {_SMALLEST_VOLUME}, which the image needs, "
            f"and {_LARGEST_VOLUME} GiB"
        )
    if nodes.volume_kms_key_arn and not _KEY_ARN.fullmatch(nodes.volume_kms_key_arn):
        yield f"karpenter_volume_kms_key_arn {nodes.volume_kms_key_arn!r} is not the ARN of a key"
    for name in nodes.tags:
        if name in _OWN_TAGS or str(name).startswith("kubernetes.io/cluster/"):
            yield f"platform_tags: {name!r} is Karpenter's own tag: leave it out"


def _pool_problems(pool: Pool) -> Iterator[str]:
    if not NAME.fullmatch(pool.name):
        yield "a name is up to 63 lower-case letters, digits and hyphens, a letter or digit at both ends"
    yield from _choices("architectures", pool.architectures, ARCHITECTURES, required=True)
    yield from _choices("capacity_types", pool.capacity_types, CAPACITY_TYPES, required=True)
    yield from _instance_problems(pool)
    for zone in pool.zones:
        if not ZONE.fullmatch(str(zone)):
            yield f"{zone!r} is not the name of a zone such as eu-central-1a"
    yield from _limit_problems(pool.limits)
    if pool.weight is not None and (not str(pool.weight).isdecimal() or not 1 <= int(pool.weight) <= 100):
        yield f"weight {pool.weight!r} is not a number between 1 and 100"
    yield from _label_problems(pool.labels)
    for taint in (*pool.taints, *pool.startup_taints):
        yield from _taint_problems(taint)
    if pool.expire_after != "Never" and not DURATION.fullmatch(str(pool.expire_after)):
        yield f"expire_after {pool.expire_after!r} is neither a duration such as 720h nor Never"
    if not DURATION.fullmatch(str(pool.termination_grace_period)):
        yield f"termination_grace_period {pool.termination_grace_period!r} is not a duration such as 24h"
    yield from _consolidation_problems(pool.consolidation)
    for budget in pool.disruption_budgets:
        yield from _budget_problems(budget)
    for problem in window_problems(pool.maintenance_windows):
        yield f"maintenance_windows: {problem}"


def _choices(what: str, given: Sequence[Any], known: Sequence[str], *, required: bool = False) -> Iterator[str]:
    if required and not given:
        yield f"{what} is empty, so nothing fits: name one or more of {', '.join(known)}"
    for item in given:
        if item not in known:
            yield f"{what}: {item!r} is unknown: {suggest(str(item), known)}"


def _instance_problems(pool: Pool) -> Iterator[str]:
    """Yield what is wrong with the choice of instance types, and whether it leaves any, as far as names tell."""
    wrong = []
    for family in pool.instance_families:
        if family_and_size(str(family)):
            wrong.append(f"instance_families: {family!r} is an instance type: name it in instance_types, or its family")
        elif architecture(str(family)) is None:
            wrong.append(f"instance_families: {family!r} is not the name of a family such as m6i or t4g")
    wrong += [
        f"instance_sizes: {size!r} is not a size such as large or 2xlarge"
        for size in pool.instance_sizes
        if not SIZE.fullmatch(str(size))
    ]
    wrong += [
        f"instance_types: {name!r} is not an instance type such as m6i.large"
        for name in pool.instance_types
        if not family_and_size(str(name))
    ]
    yield from wrong
    if wrong or not pool.architectures or not set(pool.architectures) <= set(ARCHITECTURES):
        return
    # A pool for both architectures whose families are all of one is a mistake too.
    for arch in pool.architectures:
        families = [family for family in pool.instance_families if architecture(family) == arch]
        types = [name for name in pool.instance_types if _fits(pool, name, arch)]
        if pool.instance_families and not families:
            yield (
                f"no instance type satisfies it for {arch}: the families {', '.join(pool.instance_families)} "
                f"are of the other architecture; {_example(arch)}"
            )
        elif pool.instance_types and not types:
            yield (
                f"no instance type satisfies it for {arch}: none of {', '.join(pool.instance_types)} is of that "
                "architecture, and of its families and sizes where these are given"
            )


def _example(arch: str) -> str:
    return "families with a g after the generation, such as t4g, are arm64" if arch == "arm64" else "m6i is amd64"


def _fits(pool: Pool, name: str, arch: str) -> bool:
    family, size = family_and_size(name) or ("", "")
    return (
        architecture(family) == arch
        and (not pool.instance_families or family in pool.instance_families)
        and (not pool.instance_sizes or size in pool.instance_sizes)
    )


def _limit_problems(limits: Mapping[str, Any]) -> Iterator[str]:
    if "cpu" not in limits:
        yield "limits has no cpu: without one a runaway workload grows it until the account's quota ends it"
    for name, quantity in limits.items():
        if name not in RESOURCES and "/" not in str(name):
            yield f"limits: {name!r} is not a resource: {suggest(str(name), RESOURCES)}"
        if isinstance(quantity, bool) or not QUANTITY.fullmatch(str(quantity)):
            yield f"limits: {name} {quantity!r} is not a quantity such as 64 or 256Gi"
        elif float(re.match(r"[\d.]+", str(quantity))[0]) == 0:  # type: ignore[index]  # the pattern above fits
            yield f"limits: {name} 0 lets it make no node at all: leave the pool out"


def _label_problems(labels: Mapping[str, Any]) -> Iterator[str]:
    for key, value in labels.items():
        domain = str(key).rpartition("/")[0]
        if domain in _OWN_LABELS or domain.endswith(tuple(f".{own}" for own in _OWN_LABELS)):
            yield f"label {key!r} is Karpenter's own: leave it out"
        elif key in ("kubernetes.io/hostname", "innovate.io/pool"):
            yield f"label {key!r} is set for every node: leave it out"
        elif not LABEL_KEY.fullmatch(str(key)):
            yield f"label {key!r} is not a label's name"
        if not LABEL_VALUE.fullmatch(str(value)):
            yield f"label {key!r} has the value {value!r}: use up to 63 letters, digits and - _ ."


def _taint_problems(taint: Mapping[str, Any]) -> Iterator[str]:
    if not LABEL_KEY.fullmatch(str(taint.get("key", ""))):
        yield f"a taint has the key {taint.get('key')!r}, which is no such name as workload or innovate.io/batch"
    if taint.get("effect") not in TAINT_EFFECTS:
        yield f"taint {taint.get('key')}: effect {taint.get('effect')!r} is not one of {', '.join(TAINT_EFFECTS)}"
    if not LABEL_VALUE.fullmatch(str(taint.get("value") or "")):
        yield f"taint {taint.get('key')}: the value {taint.get('value')!r} may have 63 letters, digits and - _ ."


def _consolidation_problems(consolidation: Mapping[str, Any]) -> Iterator[str]:
    for name in consolidation:
        if name not in ("policy", "after"):
            yield f"consolidation: unknown option {name!r}: {suggest(str(name), ('policy', 'after'))}"
    policy, after = consolidation.get("policy"), consolidation.get("after")
    if policy and policy not in CONSOLIDATION_POLICIES:
        yield f"consolidation: policy {policy!r} is unknown: {suggest(str(policy), CONSOLIDATION_POLICIES)}"
    if after and after != "Never" and not DURATION.fullmatch(str(after)):
        yield f"consolidation: after {after!r} is neither a duration such as 5m nor Never"


def _budget_problems(budget: Mapping[str, Any]) -> Iterator[str]:
    shown = f"budget {budget.get('nodes', '10%')!s}"
    for name in budget:
        if name not in ("nodes", "schedule", "duration", "reasons"):
            yield f"{shown}: unknown option {name!r}"
    if not BUDGET_NODES.fullmatch(str(budget.get("nodes", "10%"))):
        yield f"{shown}: nodes is neither a number such as 1 nor a percentage of up to 100%"
    schedule, duration = budget.get("schedule"), budget.get("duration")
    if bool(schedule) != bool(duration):
        yield f"{shown}: schedule and duration go together"
    if schedule:
        for problem in cron_problems(str(schedule)):
            yield f"{shown}: schedule {schedule!r} is no cron schedule: {problem}"
    if duration and not BUDGET_DURATION.fullmatch(str(duration)):
        yield f"{shown}: duration {duration!r} is not of the form 8h, 90m or 1h30m"
    for reason in budget.get("reasons") or ():
        if reason not in REASONS:
            yield f"{shown}: reason {reason!r} is unknown: {suggest(str(reason), REASONS)}"
