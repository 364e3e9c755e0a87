# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds every mistake in what ``eks_cluster`` was told, before any call."""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .._engine.words import suggest
from .catalog import ACCESS_POLICIES, ADDON_IDENTITIES, KNOWN_ADDONS, architecture
from .options import CORE, AccessEntry, Cluster, NodeGroup, PodIdentity

_NAME = re.compile(r"[a-z][a-z0-9-]{0,29}")
_GROUP_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_VERSION = re.compile(r"1\.[1-9]\d*")
_ADDON_VERSION = re.compile(r"v\d+\.\d+\.\d+-eksbuild\.\d+")
_PRINCIPAL = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:(role|user)/[\w+=,.@/-]+")
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+")
_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_SERVICE_ACCOUNT = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_LABEL_VALUE = re.compile(r"[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?", re.ASCII)
_LABEL = re.compile(r"([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?", re.ASCII)
_WIDEST = 8
_PRIVATE = tuple(ipaddress.IPv4Network(cidr) for cidr in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))


def problems_of(cluster: Cluster) -> list[str]:
    """Return a sentence for each mistake."""
    return [
        *_cluster_problems(cluster),
        *_endpoint_problems(cluster),
        *_node_problems(cluster),
        *_addon_problems(cluster),
        *_access_problems(cluster),
        *_pod_identity_problems(cluster),
        *_fargate_problems(cluster),
    ]


def _twice(what: str, names: Iterable[str]) -> list[str]:
    return [f"{what} {name} is declared {count} times" for name, count in Counter(names).items() if count > 1]


def _cluster_problems(cluster: Cluster) -> Iterator[str]:
    if not _NAME.fullmatch(cluster.name):
        yield f"name {cluster.name!r}: use up to 30 lower-case letters, digits and hyphens, a letter first"
    version = cluster.kubernetes_version
    if not isinstance(version, str):
        yield f"kubernetes_version {version!r} is not a string: write it in quotes, since YAML takes 1.30 for 1.3"
    elif not _VERSION.fullmatch(version):
        yield f"kubernetes_version {version!r} is not a minor version such as '1.35'"
    if not 1 <= cluster.hop_limit <= 2:
        yield f"metadata_hop_limit {cluster.hop_limit}: use 1 (pods can't reach instance metadata) or 2 (they can)"
    if cluster.absent and cluster.deletion_protection:
        yield (
            "deletion_protection is true: declare it false as well to have the cluster deleted; nothing else of it is "
            "deleted before"
        )
    if cluster.service_ipv4_cidr:
        yield from _service_range_problems(cluster.service_ipv4_cidr)


def _service_range_problems(cidr: str) -> Iterator[str]:
    try:
        network = ipaddress.IPv4Network(cidr)
    except ValueError:
        yield f"service_ipv4_cidr {cidr!r} is not an IPv4 range such as 172.20.0.0/16"
        return
    if not 12 <= network.prefixlen <= 24 or not any(network.subnet_of(private) for private in _PRIVATE):
        yield f"service_ipv4_cidr {cidr}: it must be private (RFC 1918) and between /12 and /24"


def _endpoint_problems(cluster: Cluster) -> Iterator[str]:
    if cluster.endpoint_public_access and not cluster.public_access_cidrs:
        yield "endpoint_public_access without public_access_cidrs is open to the world: list who may reach it"
    if cluster.public_access_cidrs and not cluster.endpoint_public_access:
        yield "public_access_cidrs means nothing while endpoint_public_access is false: take it out, or make that true"
    for cidr in cluster.public_access_cidrs:
        try:
            network = ipaddress.ip_network(cidr)
        except ValueError:
            yield f"public_access_cidrs: {cidr!r} is not a range of addresses such as 198.51.100.0/24"
            continue
        if network.prefixlen < _WIDEST:
            yield f"public_access_cidrs: {cidr} is open to the world: list the addresses that may reach the endpoint"
    yield from _twice("public_access_cidrs:", cluster.public_access_cidrs)


def _node_problems(cluster: Cluster) -> Iterator[str]:
    groups = [cluster.core, *cluster.node_groups]
    if any(group.name == CORE for group in cluster.node_groups):
        yield f"node group {CORE!r}: the name belongs to the core node group: use the option core_node_group for it"
    yield from _twice("node group", (group.name for group in cluster.node_groups))
    for group in groups:
        yield from (f"node group {group.name}: {problem}" for problem in _group_problems(group))
    if cluster.core.min_size < 1:
        yield f"node group {CORE}: min_size {cluster.core.min_size}: coredns and the controllers need at least one node"


def _group_problems(group: NodeGroup) -> Iterator[str]:
    if not _GROUP_NAME.fullmatch(group.name):
        yield "the name must be of up to 40 lower-case letters, digits and hyphens"
    if not group.instance_types:
        yield "instance_types is empty"
    by_architecture: dict[str, list[str]] = {}
    for kind in group.instance_types:
        found = architecture(kind)
        if found is None:
            yield f"{kind!r} is not an instance type such as t4g.medium"
        else:
            by_architecture.setdefault(found, []).append(kind)
    if len(by_architecture) > 1:
        shown = " and ".join(f"{', '.join(kinds)} ({name})" for name, kinds in sorted(by_architecture.items()))
        yield f"{shown} are of different architectures, but a group has one machine image: make a group for each"
    yield from _twice("instance type", group.instance_types)
    if group.max_size < 1:
        yield f"max_size {group.max_size} is less than 1"
    if group.min_size > group.max_size:
        yield f"min_size {group.min_size} is more than max_size {group.max_size}"
    elif group.desired_size is not None and not group.min_size <= group.desired_size <= group.max_size:
        bounds = f"min_size {group.min_size} and max_size {group.max_size}"
        yield f"desired_size {group.desired_size} is not between {bounds}"
    yield from _label_problems(group)
    if group.disk_size < 20:
        yield f"disk_size {group.disk_size}: the machine image takes at least 20 GiB"


def _label_problems(group: NodeGroup) -> Iterator[str]:
    """Yield what Kubernetes has against labels and taints: a group of nodes that never join would be the answer.

    https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
    """
    pairs = [("label", key, value) for key, value in group.labels.items()]
    pairs += [("taint", taint["key"], taint.get("value") or "") for taint in group.taints]
    for what, key, value in pairs:
        if not _LABEL.fullmatch(key):
            yield f"{what} {key!r} is no key such as team or example.com/team"
        if value and not _LABEL_VALUE.fullmatch(str(value)):
            yield f"{what} {key}: {value!r} is no value: use up to 63 letters, digits and - _ . between them"


def _addon_problems(cluster: Cluster) -> Iterator[str]:
    yield from _twice("add-on", (addon.name for addon in cluster.addons))
    for addon in cluster.addons:
        if addon.name not in KNOWN_ADDONS and "_" not in addon.name:
            yield f"add-on {addon.name!r} is unknown: {suggest(addon.name, KNOWN_ADDONS)}"
        if addon.version is not None and not _ADDON_VERSION.fullmatch(addon.version):
            yield f"add-on {addon.name}: version {addon.version!r} does not have the form v1.20.4-eksbuild.2"


def _access_problems(cluster: Cluster) -> Iterator[str]:
    principals = [entry.principal_arn or f"role {entry.role_name}" for entry in cluster.access_entries]
    yield from _twice("access entry for", principals)
    for entry, principal in zip(cluster.access_entries, principals, strict=True):
        yield from (f"access entry for {principal}: {problem}" for problem in _entry_problems(entry))


def _entry_problems(entry: AccessEntry) -> Iterator[str]:
    if bool(entry.principal_arn) == bool(entry.role_name):
        yield "give either principal_arn or role_name"
    elif entry.principal_arn and ":assumed-role/" in entry.principal_arn:
        yield "this is the ARN of a session: give that of its role"
    elif entry.principal_arn and not _PRINCIPAL.fullmatch(entry.principal_arn):
        yield "principal_arn must be the ARN of an IAM role or user"
    for policy in entry.policies:
        if policy["name"] not in ACCESS_POLICIES:
            yield f"unknown access policy {policy['name']}: {suggest(policy['name'], ACCESS_POLICIES)}"
    yield from _twice("access policy", (policy["name"] for policy in entry.policies))
    if entry.type == "STANDARD" and not entry.policies and not entry.kubernetes_groups:
        yield "without policies and kubernetes_groups it allows nothing: give one of them"


def _pod_identity_problems(cluster: Cluster) -> Iterator[str]:
    own = {("kube-system", account): addon for addon, (account, _policy) in ADDON_IDENTITIES.items()}
    accounts = [f"{item.namespace}/{item.service_account}" for item in cluster.pod_identities]
    yield from _twice("pod identity association for", accounts)
    labels = Counter(
        item.label
        for item in {(item.namespace, item.service_account): item for item in cluster.pod_identities}.values()
    )
    yield from (
        f"pod identity associations: {count} of them come down to the name {label}: rename a service account"
        for label, count in labels.items()
        if count > 1
    )
    for item in cluster.pod_identities:
        where = f"pod identity association for {item.namespace}/{item.service_account}"
        addon = own.get((item.namespace, item.service_account))
        if addon:
            yield f"{where}: the add-on {addon} brings its own: take this one out"
        yield from (f"{where}: {problem}" for problem in _identity_problems(item, cluster))


def _identity_problems(item: PodIdentity, cluster: Cluster) -> Iterator[str]:
    if not _NAMESPACE.fullmatch(item.namespace):
        yield f"{item.namespace!r} is no namespace: use lower-case letters, digits and hyphens"
    if not _SERVICE_ACCOUNT.fullmatch(item.service_account):
        yield f"{item.service_account!r} is no service account: use lower-case letters, digits, hyphens and dots"
    if item.role_arn and not _ROLE.fullmatch(item.role_arn):
        yield f"role_arn {item.role_arn!r} is not the ARN of an IAM role"
    if bool(item.role_arn) == item.makes_role:
        yield "give either role_arn, or managed_policy_arns and policies for a role that is made here"
    name = f"{cluster.stack}-{item.label}"
    if item.makes_role and len(name) > 64:
        yield f"its role would be {name}, which has {len(name)} characters, more than the 64 allowed: give role_arn"


def _fargate_problems(cluster: Cluster) -> Iterator[str]:
    yield from _twice("Fargate profile", (profile.name for profile in cluster.fargate_profiles))
    for profile in cluster.fargate_profiles:
        if profile.name.startswith("eks-"):
            yield f"Fargate profile {profile.name}: EKS keeps names that begin with eks- for itself"
        if not _GROUP_NAME.fullmatch(profile.name):
            yield f"Fargate profile {profile.name!r}: use up to 40 lower-case letters, digits and hyphens"
        if not 1 <= len(profile.selectors) <= 5:
            yield f"Fargate profile {profile.name}: {len(profile.selectors)} selectors given, EKS takes one to five"


def merged(defaults: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return defaults with what was given on top, dictionaries member by member."""
    both = dict(defaults)
    for name, value in given.items():
        there = both.get(name)
        both[name] = merged(there, value) if isinstance(there, Mapping) and isinstance(value, Mapping) else value
    return both
