# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a booted instance tells the API server of itself: pure functions from EC2's and EKS' data to Node objects."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rehearsal.emulator.services.instance_types import architecture
from rehearsal.kubernetes.egress import KUBELET

_GIB = 1024 * 1024  # KiB

_EFFECTS = {"NO_SCHEDULE": "NoSchedule", "NO_EXECUTE": "NoExecute", "PREFER_NO_SCHEDULE": "PreferNoSchedule"}


@dataclass(frozen=True)
class Machine:
    """An EC2 instance that is a node. ``kubelet`` is a version such as ``v1.35.0-eks-ac2d5a0``; ``disk`` is in GiB."""

    instance_id: str
    instance_type: str
    zone: str
    zone_id: str
    region: str
    name: str
    address: str
    arch: str
    kubelet: str
    image: str
    disk: int = 20
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Mapping[str, str], ...] = ()
    max_pods: int | None = None
    #: The kubelet's ``kubeReserved``, ``systemReserved`` and ``evictionHard``, where they are given.
    reserved: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def booted(instance: Any, subnet: Any, region: str, patch: str, minor: str, **more: Any) -> Machine:
    """The machine that an instance of the emulated EC2 is in a subnet; ``more`` are Machine's other fields."""
    return Machine(
        instance_id=instance.id,
        instance_type=instance.instance_type,
        zone=subnet.availability_zone,
        zone_id=subnet.availability_zone_id,
        region=region,
        name=instance.private_dns_name,
        address=instance.private_ip,
        arch="arm64" if architecture(instance.instance_type) == "arm64" else "amd64",
        kubelet=kubelet_version(patch, minor),
        **more,
    )


def kubelet_version(patch: str, minor: str) -> str:
    """A kubelet's version as EKS' AMIs tell it: ``v1.35.0-eks-ac2d5a0``."""
    return f"v{patch}-eks-{hashlib.sha256(minor.encode()).hexdigest()[:7]}"


def pods(kind: Mapping[str, Any]) -> int:
    """How many pods an instance type holds with the VPC CNI's default: a secondary address for each.

    https://docs.aws.amazon.com/eks/latest/userguide/choosing-instance-type.html
    """
    network = kind.get("NetworkInfo", {})
    interfaces = int(network.get("MaximumNetworkInterfaces", 3))
    return interfaces * (int(network.get("Ipv4AddressesPerInterface", 6)) - 1) + 2


def millicores(text: str) -> float:
    """A quantity of CPU in thousandths of a core."""
    return float(text[:-1]) if text.endswith("m") else float(text) * 1000


def kibibytes(text: str, whole: float = 0) -> float:
    """A quantity of bytes in KiB; a share in percent is one of ``whole``."""
    if text.endswith("%"):
        return whole * float(text[:-1]) / 100
    units = {"Ki": 1.0, "Mi": 2.0**10, "Gi": 2.0**20, "k": 1000 / 1024, "M": 1e6 / 1024, "G": 1e9 / 1024}
    for unit, factor in units.items():
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * factor
    return float(text) / 1024


def capacity(
    kind: Mapping[str, Any],
    disk: int,
    max_pods: int | None = None,
    reserved: Mapping[str, Mapping[str, str]] | None = None,
) -> tuple[dict[str, str], dict[str, str]]:
    """(capacity, allocatable) of an instance type with the reservations that EKS' AMIs make.

    https://awslabs.github.io/amazon-eks-ami/nodeadm/ : CPU by the share of each core, memory 255 MiB and 11 for each
    pod, and the kubelet's eviction threshold.
    """
    cores = int(kind["VCpuInfo"]["DefaultVCpus"])
    # Firmware and kernel keep some: about 7.5 % is what Karpenter assumes as well.
    memory = int(int(kind["MemoryInfo"]["SizeInMiB"]) * 1024 * 0.925)
    count = pods(kind)
    given = reserved or {}
    kube, system, eviction = (given.get(name) or {} for name in ("kubeReserved", "systemReserved", "evictionHard"))
    shares = [0.06, 0.01, 0.005, 0.005] + [0.0025] * max(0, cores - 4)
    reserved_cpu = millicores(kube["cpu"]) if "cpu" in kube else sum(shares[:cores]) * 1000
    reserved_cpu += millicores(system.get("cpu", "0"))
    # The AMI counts the pods that the addresses suffice for, whatever the kubelet's own limit is.
    reserved_memory = kibibytes(kube["memory"]) if "memory" in kube else (255 + 11 * count) * 1024
    reserved_memory += kibibytes(system.get("memory", "0")) + kibibytes(
        eviction.get("memory.available", "100Mi"), memory
    )
    storage = disk * _GIB
    # 10 % for the eviction threshold, 1 GiB for the system
    kept = kibibytes(kube.get("ephemeral-storage", "1Gi")) + kibibytes(system.get("ephemeral-storage", "0"))
    kept += kibibytes(eviction.get("nodefs.available", "10%"), storage)
    number = str(count if max_pods is None else max_pods)
    total = {"cpu": str(cores), "memory": f"{memory}Ki", "pods": number, "ephemeral-storage": f"{storage}Ki"}
    left = {
        **total,
        "cpu": f"{math.floor(cores * 1000 - reserved_cpu)}m",
        "memory": f"{max(0, math.floor(memory - reserved_memory))}Ki",
        "ephemeral-storage": f"{max(0, math.floor(storage - kept))}Ki",
    }
    return total, left


def taint(given: Mapping[str, str]) -> dict[str, str]:
    """A node group's taint as Kubernetes writes it."""
    made = {"key": given["key"], "effect": _EFFECTS.get(given["effect"], given["effect"])}
    if given.get("value"):
        made["value"] = given["value"]
    return made


def well_known(machine: Machine) -> dict[str, str]:
    """The labels that kubelet and cloud provider give every node on AWS."""
    return {
        "beta.kubernetes.io/arch": machine.arch,
        "beta.kubernetes.io/instance-type": machine.instance_type,
        "beta.kubernetes.io/os": "linux",
        "failure-domain.beta.kubernetes.io/region": machine.region,
        "failure-domain.beta.kubernetes.io/zone": machine.zone,
        "kubernetes.io/arch": machine.arch,
        "kubernetes.io/hostname": machine.name,
        "kubernetes.io/os": "linux",
        "node.kubernetes.io/instance-type": machine.instance_type,
        "topology.k8s.aws/zone-id": machine.zone_id,
        "topology.kubernetes.io/region": machine.region,
        "topology.kubernetes.io/zone": machine.zone,
    }


def node(machine: Machine, kind: Mapping[str, Any]) -> dict[str, Any]:
    """The Node that the machine's kubelet registers. It is Ready when KWOK says so."""
    total, left = capacity(kind, machine.disk, machine.max_pods, machine.reserved)
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": machine.name,
            "labels": {**well_known(machine), **machine.labels},
            "annotations": {"node.alpha.kubernetes.io/ttl": "0"},
        },
        "spec": {
            "providerID": f"aws:///{machine.zone}/{machine.instance_id}",
            "taints": [dict(item) for item in machine.taints],
        },
        "status": {
            "capacity": total,
            "allocatable": left,
            "addresses": [
                {"type": "InternalIP", "address": machine.address},
                {"type": "InternalDNS", "address": machine.name},
                {"type": "Hostname", "address": machine.name},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": KUBELET}},
            "nodeInfo": {
                "architecture": machine.arch,
                "bootID": machine.instance_id,
                "containerRuntimeVersion": "containerd://2.1.5",
                "kernelVersion": "6.12.55",
                "kubeProxyVersion": machine.kubelet,
                "kubeletVersion": machine.kubelet,
                "machineID": machine.instance_id.removeprefix("i-"),
                "operatingSystem": "linux",
                "osImage": machine.image,
                "systemUUID": machine.instance_id.removeprefix("i-"),
            },
        },
    }


def is_ready(document: Mapping[str, Any]) -> bool:
    """Whether a Node is Ready."""
    conditions = document.get("status", {}).get("conditions") or []
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


def evictable(pod: Mapping[str, Any]) -> bool:
    """Whether a drain has to evict a pod: not a DaemonSet's, not one that has ended, not one that is going already."""
    owners = pod["metadata"].get("ownerReferences") or []
    if any(owner["kind"] in ("DaemonSet", "Node") for owner in owners):
        return False
    return pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")
