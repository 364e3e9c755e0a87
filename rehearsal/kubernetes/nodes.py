# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nodes of a cluster: of managed node groups, one for each pod of Fargate, instances that join by themselves.

A loop compares what EKS was asked for with what is there and takes the next step, as a controller does. A step never
waits: a drain goes on at the next turn. Node groups' instances stand in the emulated EC2, so that what looks there sees
them, and one that is terminated there is replaced.
"""

from __future__ import annotations

import copy
import hashlib
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from moto.ec2.models import ec2_backends
from moto.ec2.models.instance_types import INSTANCE_TYPES

from rehearsal.emulator.control_plane import Access
from rehearsal.emulator.services import images
from rehearsal.emulator.services.eks import Cluster, Thing
from rehearsal.emulator.world import World
from rehearsal.kubernetes import machines
from rehearsal.kubernetes.api import Api, ApiError
from rehearsal.kubernetes.egress import Routes
from rehearsal.kubernetes.instances import Instances
from rehearsal.kubernetes.machines import Machine

#: How long pods may hold up a drain, in units of the pace (15 minutes on AWS) and at least in seconds.
#: https://docs.aws.amazon.com/eks/latest/userguide/managed-node-update-behavior.html
PATIENCE = 15.0
LEAST_PATIENCE = 10.0

_FARGATE = "eks.amazonaws.com/compute-type"
FARGATE_SCHEDULER = "fargate-scheduler"
FARGATE_PROFILE = "eks.amazonaws.com/fargate-profile"
_IMAGES = {"BOTTLEROCKET": "Bottlerocket OS 1.52.0 (aws-k8s-{minor})", "AL2023": "Amazon Linux 2023.9.20260120"}


@dataclass
class Member:
    """A node of a group, with the generation (version, release, launch template) that it was made for."""

    machine: Machine
    generation: str
    made: float = field(default_factory=time.monotonic)
    ready: bool = False
    draining: float | None = None
    taints: tuple[Mapping[str, str], ...] = ()
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The node's name."""
        return self.machine.name


@dataclass
class Group:
    """A node group's nodes, and the wish that they were last brought to."""

    members: dict[str, Member] = field(default_factory=dict)
    settled: str = ""
    stuck: str = ""


@dataclass(frozen=True)
class Micro:
    """A Fargate pod's node: its profile, its address and the subnet that this is from."""

    profile: str
    address: str
    subnet: Any


@dataclass(frozen=True)
class Wish:
    """What EKS was asked for: a copy of a node group, taken at one moment."""

    doc: Mapping[str, Any]
    gone: bool
    region: str

    @property
    def generation(self) -> str:
        """What a node is replaced for when it changes."""
        template = self.doc.get("launchTemplate", {})
        return f"{self.doc['version']}/{self.doc['releaseVersion']}/{template.get('id')}:{template.get('version')}"

    @property
    def size(self) -> int:
        """The number of nodes."""
        return 0 if self.gone else int(self.doc["scalingConfig"]["desiredSize"])

    @property
    def labels(self) -> dict[str, str]:
        """The labels that node groups' nodes have, the group's own included."""
        doc = self.doc
        template = doc.get("launchTemplate", {})
        made = {
            "eks.amazonaws.com/nodegroup": doc["nodegroupName"],
            "eks.amazonaws.com/nodegroup-image": image_id(doc, self.region),
            "eks.amazonaws.com/capacityType": doc["capacityType"],
        }
        if template:
            made["eks.amazonaws.com/sourceLaunchTemplateId"] = template["id"]
            made["eks.amazonaws.com/sourceLaunchTemplateVersion"] = template["version"]
        return {**made, **doc["labels"]}

    @property
    def taints(self) -> tuple[Mapping[str, str], ...]:
        """The group's taints as Kubernetes writes them."""
        return tuple(machines.taint(item) for item in self.doc.get("taints") or [])

    def together(self) -> int:
        """How many nodes may be replaced at a time."""
        update = self.doc.get("updateConfig") or {}
        if "maxUnavailablePercentage" in update:
            return max(1, self.size * int(update["maxUnavailablePercentage"]) // 100)
        return int(update.get("maxUnavailable", 1))

    def key(self) -> str:
        """What a group that is settled was settled for."""
        return repr((self.generation, self.size, sorted(self.labels.items()), self.taints))


def image_id(doc: Mapping[str, Any], region: str) -> str:
    """The AMI of an image type and release: one of those that are published, else an id that follows from them."""
    release = str(doc["releaseVersion"]).rpartition("-")[2]
    kind = re.fullmatch(r"AL2023_(x86_64|ARM_64)_(STANDARD|NVIDIA|NEURON)", str(doc["amiType"]))
    if kind:
        arch = {"x86_64": "x86_64", "ARM_64": "arm64"}[kind[1]]
        name = f"amazon-eks-node-al2023-{arch}-{kind[2].lower()}-{doc['version']}-v{release}"
        for image in images.published():
            if image.name == name:
                return image.id(region)
    text = f"{doc['amiType']}/{doc['releaseVersion']}/{doc.get('launchTemplate', {})}"
    return f"ami-0{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def wish_of(thing: Thing, region: str) -> Wish:
    """A node group's wish as of now; one whose instances EC2 refused gets none."""
    return Wish(copy.deepcopy(thing.doc), thing.gone is not None or thing.failed, region)


class Nodes:
    """All nodes of one cluster."""

    def __init__(
        self,
        world: World,
        cluster: Cluster,
        api: Api,
        routes: Routes,
        access: Callable[[], Access | None],
        tell: Callable[[str], Any],
    ) -> None:
        self.world, self.cluster, self.api, self.routes = world, cluster, api, routes
        self.instances = Instances(world, cluster, api, access, tell)
        self.groups: dict[str, Group] = {}
        self.fargate: dict[str, Micro] = {}
        facts = cluster.facts
        self._ec2: Any = ec2_backends[facts.account][facts.region]

    # --- what EKS asks ------------------------------------------------------------------------------------------------

    def settled(self, kind: str, name: str) -> bool:
        """Whether a node group (or Fargate profile) is what was asked for by now. Asked under the world's lock."""
        if kind == "fargate":
            profile = self.cluster.fargate.get(name)
            return profile is None or profile.gone is None or not self._serves(name)
        thing = self.cluster.nodegroups.get(name)
        if thing is None:
            return True
        wish, group = wish_of(thing, self.cluster.facts.region), self.groups.get(name)
        if wish.gone:
            return group is None or not group.members
        return group is not None and group.settled == wish.key()

    def _serves(self, profile: str) -> bool:
        return any(micro.profile == profile for micro in list(self.fargate.values()))

    def busy(self) -> bool:
        """Whether there is something to do that shouldn't wait for long."""
        with self.world.lock:
            names = list(self.cluster.nodegroups)
            settled = all(self.settled("nodegroup", name) for name in names)
            return bool(self.cluster.fargate) or not settled or self.instances.busy()

    # --- one turn -----------------------------------------------------------------------------------------------------

    def turn(self) -> None:
        """Take the next step everywhere.

        Raises:
            ApiError: the API server refused something.
            OSError: it doesn't answer.
        """
        with self.world.lock:
            for thing in self.cluster.nodegroups.values():
                thing.settle()
            wishes = {
                name: wish_of(thing, self.cluster.facts.region) for name, thing in self.cluster.nodegroups.items()
            }
            fargate = self.cluster.fargate.items()
            profiles = {name: copy.deepcopy(thing.doc) for name, thing in fargate if thing.gone is None}
        standing = {item["metadata"]["name"]: item for item in self.api.items("/api/v1/nodes")}
        self.routes.kubelets = {
            address["address"]
            for item in standing.values()
            for address in item.get("status", {}).get("addresses") or []
        }
        for name in [*wishes, *(name for name in self.groups if name not in wishes)]:
            wish = wishes.get(name)
            group = self.groups.setdefault(name, Group())
            self._group(name, group, wish, standing)
            if wish is None and not group.members:
                del self.groups[name]
        if profiles or self.fargate:
            self._fargate(profiles)
        self.instances.turn(standing)

    def _group(self, name: str, group: Group, wish: Wish | None, standing: Mapping[str, Any]) -> None:
        self._observe(group, standing)
        if wish is None:
            for member in list(group.members.values()):
                self._remove(group, member)
            return
        current = [m for m in group.members.values() if m.generation == wish.generation]
        old = [m for m in group.members.values() if m.generation != wish.generation]
        if group.stuck == wish.generation and not wish.doc.get("force"):
            old = []  # the update to this generation has failed: what is there stays
        surge = wish.together() if old else 0
        for _ in range(max(0, min(wish.size - len(current), wish.size + surge - len(group.members)))):
            self._launch(group, wish)
        self._drain(name, group, wish, current, old)
        self._adjust(group, wish)
        whole = len(group.members) == wish.size and not old
        if whole and all(m.ready and m.draining is None for m in group.members.values()):
            group.settled = wish.key()

    def _observe(self, group: Group, standing: Mapping[str, Any]) -> None:
        """See which nodes are Ready, and forget those whose instance or Node is gone."""
        for member in list(group.members.values()):
            with self.world.lock:
                instance = self._ec2.get_instance_by_id(member.machine.instance_id)
                runs = instance is not None and instance.state == "running"
            document = standing.get(member.name)
            # A Node that couldn't be made is not waited for.
            lost = document is None and (member.ready or time.monotonic() - member.made > LEAST_PATIENCE)
            if not runs or lost:
                group.settled = ""
                self._remove(group, member)
            elif document is not None:
                member.ready = machines.is_ready(document)

    def _drain(self, name: str, group: Group, wish: Wish, current: list[Member], old: list[Member]) -> None:
        """Go on with the drains that are under way and begin those that are due."""
        if old:
            # The new ones first, then the old ones go, a few at a time.
            spare = sum(m.ready for m in current) + len(old) - wish.size
            limit = min(wish.together(), spare) if wish.size else len(old)
            due = sorted(old, key=lambda m: (m.draining is None, m.made))[: max(0, limit)]
        else:
            surplus = len(group.members) - wish.size
            due = sorted(group.members.values(), key=lambda m: (m.draining is None, _crowd(group, m), m.made))
            due = due[: max(0, surplus)]
        for member in due:
            if member.draining is None:
                member.draining = time.monotonic()
                self._cordon(member, on=True)
            if self._evicted(member):
                self._remove(group, member)
            elif time.monotonic() - member.draining > max(LEAST_PATIENCE, PATIENCE * self.world.pace):
                # A version update fails; where the number of nodes sinks, the node goes with its pods.
                if old and not wish.doc.get("force") and not wish.gone:
                    self._fail(name, group, wish, old)
                    return
                self._remove(group, member, pods=True)
        for member in group.members.values():
            if member.draining is not None and member not in due:
                member.draining = None
                self._cordon(member, on=False)

    def _fail(self, name: str, group: Group, wish: Wish, old: list[Member]) -> None:
        group.stuck = wish.generation
        for member in old:
            member.draining = None
            self._cordon(member, on=False)
        message = "Reached max retries while trying to evict pods from nodes in node group " + name
        with self.world.lock:
            for update in self.cluster.nodegroups[name].updates.values():
                if update.type == "VersionUpdate" and update.applied and not update.done:
                    resources = [member.name for member in old]
                    update.errors.append(
                        {"errorCode": "PodEvictionFailure", "errorMessage": message, "resourceIds": resources}
                    )

    def _adjust(self, group: Group, wish: Wish) -> None:
        """Bring labels and taints of nodes to what the group has by now."""
        for member in group.members.values():
            labels = {**wish.labels}
            if member.generation != wish.generation:
                # What tells of the node's own image and template stays true.
                labels |= {key: value for key, value in member.labels.items() if key.startswith("eks.amazonaws.com/")}
            if (member.labels, member.taints) == (labels, wish.taints) or not member.ready:
                continue
            document = self.api.get(f"/api/v1/nodes/{member.name}")
            mine = {(item["key"], item["effect"]) for item in member.taints}
            others = [t for t in document["spec"].get("taints") or [] if (t["key"], t["effect"]) not in mine]
            removed: dict[str, str | None] = dict.fromkeys(set(member.labels) - set(labels))
            body = {
                "metadata": {
                    "labels": {**removed, **labels},
                    "resourceVersion": document["metadata"]["resourceVersion"],
                },
                "spec": {"taints": others + [dict(item) for item in wish.taints]},
            }
            self._try("PATCH", f"/api/v1/nodes/{member.name}", body)
            member.labels, member.taints = labels, wish.taints

    # --- machines -----------------------------------------------------------------------------------------------------

    def _launch(self, group: Group, wish: Wish) -> None:
        with self.world.lock:
            machine = self._run(group, wish)
        group.members[machine.instance_id] = Member(
            machine, wish.generation, taints=wish.taints, labels=dict(wish.labels)
        )
        self.api.create("/api/v1/nodes", machines.node(machine, INSTANCE_TYPES[machine.instance_type]))

    def _run(self, group: Group, wish: Wish) -> Machine:
        """An instance in the emulated EC2, in the zone of the group that has the fewest."""
        doc, facts = wish.doc, self.cluster.facts
        subnets = [
            subnet for zone in self._ec2.subnets.values() for key, subnet in zone.items() if key in doc["subnets"]
        ]
        count = {subnet.id: 0 for subnet in subnets}
        for member in group.members.values():
            for subnet in subnets:
                count[subnet.id] += member.machine.zone == subnet.availability_zone
        subnet = min(subnets, key=lambda item: (count[item.id], item.availability_zone))
        template = doc.get("launchTemplate")
        data: Mapping[str, Any] = {}
        if template:
            versions = self._ec2.get_launch_template(template["id"]).versions
            data = next(item.data for item in versions if str(item.number) == template["version"])
        kinds = doc.get("instanceTypes") or [data["InstanceType"]]
        # On-Demand takes the types in the order given; Spot takes what there is.
        kind = kinds[len(group.members) % len(kinds)] if doc["capacityType"] == "SPOT" else kinds[0]
        names = {
            "eks:cluster-name": facts.name,
            "eks:nodegroup-name": doc["nodegroupName"],
            f"kubernetes.io/cluster/{facts.name}": "owned",
            **doc.get("tags", {}),
        }
        images.ensure(self._ec2)
        reservation = self._ec2.run_instances(
            data.get("ImageId") or image_id(doc, facts.region),
            1,
            None,
            [],
            instance_type=kind,
            is_instance_type_default=False,
            region_name=facts.region,
            subnet_id=subnet.id,
            security_group_ids=[self.cluster.doc["resourcesVpcConfig"]["clusterSecurityGroupId"]],
            lifecycle="spot" if doc["capacityType"] == "SPOT" else None,
            tags={"instance": names},
        )
        instance = reservation.instances[0]
        minor = str(doc["version"])
        family = next((text for key, text in _IMAGES.items() if str(doc["amiType"]).startswith(key)), "Linux")
        return machines.booted(
            instance,
            subnet,
            facts.region,
            str(doc["releaseVersion"]).partition("-")[0],
            minor,
            image=family.format(minor=minor),
            disk=_disk(doc, data),
            labels=wish.labels,
            taints=wish.taints,
        )

    def _remove(self, group: Group, member: Member, *, pods: bool = False) -> None:
        if pods:
            for pod in self._pods(member.name):
                self._try("DELETE", _path(pod), {"gracePeriodSeconds": 0})
        self._try("DELETE", f"/api/v1/nodes/{member.name}")
        with self.world.lock:
            instance = self._ec2.get_instance_by_id(member.machine.instance_id)
            if instance is not None:
                if instance.state != "terminated":
                    self._ec2.terminate_instances([instance.id])
                # moto keeps the interfaces of what is terminated, and they would keep the subnets.
                for interface in instance.nics.values():
                    self._ec2.enis.pop(interface.id, None)
        group.members.pop(member.machine.instance_id, None)

    # --- pods ---------------------------------------------------------------------------------------------------------

    def _pods(self, node: str) -> list[dict[str, Any]]:
        return self.api.items("/api/v1/pods", fieldSelector=f"spec.nodeName={node}")

    def _cordon(self, member: Member, *, on: bool) -> None:
        path = f"/api/v1/nodes/{member.name}"
        self._try("PATCH", path, {"spec": {"unschedulable": on or None}})

    def _evicted(self, member: Member) -> bool:
        """Ask for the eviction of each pod; whether none is left. A PodDisruptionBudget's no is asked again later."""
        left = False
        for pod in self._pods(member.name):
            if not machines.evictable(pod):
                continue
            left = True
            if pod["metadata"].get("deletionTimestamp"):
                continue
            meta = {"name": pod["metadata"]["name"], "namespace": pod["metadata"]["namespace"]}
            body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": meta}
            self._try("POST", f"{_path(pod)}/eviction", body, busy=429)
        return not left

    def _try(self, method: str, path: str, body: dict[str, Any] | None = None, busy: int = 409) -> None:
        """A call whose refusal as not found or as a conflict means: look again at the next turn."""
        try:
            content = "application/merge-patch+json" if method == "PATCH" else "application/json"
            self.api.request(method, path, body, content=content)
        except ApiError as error:
            if error.status not in (404, busy):
                raise

    # --- Fargate ------------------------------------------------------------------------------------------------------

    def _fargate(self, profiles: Mapping[str, Mapping[str, Any]]) -> None:
        """A node for each pod that a profile's selector took; none for a pod that is gone."""
        needed = set()
        for pod in self.api.items("/api/v1/pods", fieldSelector=f"spec.schedulerName={FARGATE_SCHEDULER}"):
            profile = (pod["metadata"].get("labels") or {}).get(FARGATE_PROFILE, "")
            node = pod["spec"].get("nodeName")
            if node:
                needed.add(node)
            elif profile in profiles and pod["status"].get("phase") == "Pending":
                machine, subnet = self._micro(profiles[profile], pod)
                self.api.create("/api/v1/nodes", _fargate_node(machine, pod))
                self.fargate[machine.name] = Micro(profile, machine.address, subnet)
                needed.add(machine.name)
                meta = {"name": pod["metadata"]["name"], "namespace": pod["metadata"]["namespace"]}
                target = {"apiVersion": "v1", "kind": "Node", "name": machine.name}
                body = {"apiVersion": "v1", "kind": "Binding", "metadata": meta, "target": target}
                self._try("POST", f"{_path(pod)}/binding", body)
        for node, micro in list(self.fargate.items()):
            if node not in needed:
                self._try("DELETE", f"/api/v1/nodes/{node}")
                with self.world.lock:
                    micro.subnet.del_subnet_ip(micro.address)
                del self.fargate[node]
            elif micro.profile not in profiles:
                # Deleting a profile deletes its pods; whoever owns them makes others.
                for pod in self._pods(node):
                    self._try("DELETE", _path(pod))

    def _micro(self, profile: Mapping[str, Any], pod: Mapping[str, Any]) -> tuple[Machine, Any]:
        """A machine for one pod, and the subnet that its address is from."""
        facts = self.cluster.facts
        number = hashlib.sha256(pod["metadata"]["uid"].encode()).hexdigest()
        chosen = sorted(profile["subnets"])[int(number, 16) % len(profile["subnets"])]
        with self.world.lock:
            subnet = next(zone[chosen] for zone in self._ec2.subnets.values() if chosen in zone)
            address = str(subnet.get_available_subnet_ip(pod["metadata"]["uid"]))
        machine = Machine(
            number[:16],
            "fargate",
            subnet.availability_zone,
            subnet.availability_zone_id,
            facts.region,
            f"fargate-ip-{address.replace('.', '-')}.{facts.region}.compute.internal",
            address,
            "amd64",
            f"v{facts.version}.0-eks-fargate",
            "Amazon Linux 2023",
        )
        return machine, subnet


def _fargate_node(machine: Machine, pod: Mapping[str, Any]) -> dict[str, Any]:
    cpu, memory = fargate_size(pod)
    kind = {"VCpuInfo": {"DefaultVCpus": cpu}, "MemoryInfo": {"SizeInMiB": memory}}
    made = machines.node(machine, kind)
    made["metadata"]["labels"] = {
        **{key: value for key, value in made["metadata"]["labels"].items() if "instance-type" not in key},
        _FARGATE: "fargate",
    }
    made["spec"]["taints"] = [{"key": _FARGATE, "value": "fargate", "effect": "NoSchedule"}]
    made["spec"]["providerID"] = f"aws:///{machine.zone}/{machine.instance_id}/{machine.name}"
    for where in ("capacity", "allocatable"):
        made["status"][where].update({"cpu": str(cpu), "memory": f"{memory}Mi", "pods": "1"})
    return made


def fargate_size(pod: Mapping[str, Any]) -> tuple[int, int]:
    """(vCPU, MiB) of the smallest node that a Fargate pod fits into; 256 MiB of it are for Kubernetes."""
    cpu, memory = 0.0, 256.0
    for container in pod["spec"].get("containers", []):
        requests = container.get("resources", {}).get("requests") or {}
        cpu += _cpu(str(requests.get("cpu", "0")))
        memory += _mebibytes(str(requests.get("memory", "0")))
    return max(2, -(-int(cpu * 1000) // 1000)), max(2048, -(-int(memory) // 1024) * 1024)


def _cpu(text: str) -> float:
    return float(text[:-1]) / 1000 if text.endswith("m") else float(text)


def _mebibytes(text: str) -> float:
    units = {"Ki": 1 / 1024, "Mi": 1.0, "Gi": 1024.0, "k": 1000 / 2**20, "M": 1e6 / 2**20, "G": 1e9 / 2**20}
    for unit, factor in units.items():
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * factor
    return float(text) / 2**20


def _crowd(group: Group, member: Member) -> int:
    """Fewer nodes in a zone keep their node longer."""
    return -sum(other.machine.zone == member.machine.zone for other in group.members.values())


def _disk(doc: Mapping[str, Any], data: Mapping[str, Any]) -> int:
    for item in data.get("BlockDeviceMappings") or []:
        size = item.get("Ebs", {}).get("VolumeSize")
        if size:
            return int(size)
    return int(doc.get("diskSize") or 20)


def _path(pod: Mapping[str, Any]) -> str:
    meta = pod["metadata"]
    return f"/api/v1/namespaces/{quote(meta['namespace'])}/pods/{quote(meta['name'])}"
