# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances that are no node group's and boot into a cluster by themselves, as those that Karpenter launches.

Each becomes a Node as its kubelet would make it, or says why the kubelet doesn't get in: user data that lead elsewhere,
a security group that isn't let through, a role without an access entry
(https://docs.aws.amazon.com/eks/latest/userguide/access-entries.html). The Node of an instance that is gone is removed,
as the cloud controller manager does.
"""

from __future__ import annotations

import ipaddress
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from moto.ec2.models import ec2_backends
from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.iam.models import iam_backends

from rehearsal.emulator.control_plane import Access
from rehearsal.emulator.services.eks import Cluster
from rehearsal.emulator.services.eks_catalog import VERSIONS
from rehearsal.emulator.world import World
from rehearsal.kubernetes import machines, userdata
from rehearsal.kubernetes.api import Api, ApiError
from rehearsal.kubernetes.machines import Machine
from rehearsal.kubernetes.userdata import Boot, UserDataError

#: What the cloud controller manager puts on the node of an instance that is stopped.
SHUTDOWN = {"key": "node.cloudprovider.kubernetes.io/shutdown", "effect": "NoSchedule"}


class Refused(Exception):
    """Why an instance doesn't join."""


@dataclass
class Candidate:
    """An instance that is meant to be a node of the cluster."""

    boot: Boot
    running: float | None = None
    node: str = ""
    stopped: bool = False


@dataclass
class Instances:
    """The instances of one cluster that join it by their user data."""

    world: World
    cluster: Cluster
    api: Api
    access: Callable[[], Access | None]
    tell: Callable[[str], Any]
    #: Why instances that run are no nodes, by id.
    refused: dict[str, str] = field(default_factory=dict)
    _candidates: dict[str, Candidate | None] = field(default_factory=dict)

    @property
    def _network(self) -> Any:
        return ec2_backends[self.cluster.facts.account][self.cluster.facts.region]

    def busy(self) -> bool:
        """Whether an instance is on its way in or out. Asked under the world's lock."""
        for reservation in self._network.reservations.values():
            for instance in reservation.instances:
                known = self._candidates.get(instance.id)
                if known is not None and not known.node and instance.id not in self.refused:
                    return instance.state in ("pending", "running")
                if known is not None and known.node and instance.state in ("shutting-down", "terminated"):
                    return True
        return False

    def turn(self, standing: Mapping[str, Mapping[str, Any]]) -> None:
        """Let in what has booted, take out what is gone. ``standing`` are the Nodes by name.

        Raises:
            ApiError: the API server refused something.
            OSError: it doesn't answer.
        """
        joining: list[Machine] = []
        with self.world.lock:
            states = self._look(joining)
        for machine in joining:
            self._join(machine)
        for identifier, candidate in list(self._candidates.items()):
            if candidate is None or not candidate.node:
                if identifier not in states:
                    self._candidates.pop(identifier)
                    self.refused.pop(identifier, None)
                continue
            node, state = standing.get(candidate.node), states.get(identifier, "terminated")
            if state == "terminated":
                if node is None:
                    self._candidates.pop(identifier)
                elif not node["metadata"].get("deletionTimestamp") and _is_of(node, identifier):
                    self._try("DELETE", f"/api/v1/nodes/{candidate.node}")
            elif node is not None and (state == "stopped") is not candidate.stopped:
                self._shut(candidate, node, stopped=state == "stopped")

    def _look(self, joining: list[Machine]) -> dict[str, str]:
        """The states of all instances; those that have booted and may come in are added to the list."""
        states: dict[str, str] = {}
        for reservation in self._network.reservations.values():
            for instance in reservation.instances:
                states[instance.id] = instance.state
                candidate = self._candidate(instance)
                if candidate is None or candidate.node:
                    continue
                if instance.state != "running":
                    candidate.running = None
                    continue
                candidate.running = candidate.running or time.monotonic()
                if time.monotonic() - candidate.running < self.world.lasts("instance-boot"):
                    continue
                try:
                    joining.append(self._machine(instance, candidate.boot))
                except Refused as error:
                    self._refuse(instance.id, str(error))
        return states

    def _candidate(self, instance: Any) -> Candidate | None:
        """What is known of an instance; None where it isn't meant for this cluster."""
        if instance.id in self._candidates:
            return self._candidates[instance.id]
        made: Candidate | None = None
        tags = self._network.tags.get(instance.id, {})
        if instance.user_data and "eks:nodegroup-name" not in tags:
            try:
                boot = userdata.parse(str(instance.user_data))
                if boot is not None and boot.cluster == self.cluster.facts.name:
                    made = Candidate(boot)
            except UserDataError as error:
                # Whose they are isn't known: they are told of in the cluster that the tags name.
                if tags.get(f"kubernetes.io/cluster/{self.cluster.facts.name}") == "owned":
                    self._refuse(instance.id, str(error))
        self._candidates[instance.id] = made
        return made

    def _refuse(self, identifier: str, why: str) -> None:
        if self.refused.get(identifier) != why:
            self.refused[identifier] = why
            self.tell(f"{identifier} doesn't join: {why}")

    # --- what an instance has to have ---------------------------------------------------------------------------------

    def _machine(self, instance: Any, boot: Boot) -> Machine:
        """The machine that an instance is, if it may come in."""
        access = self.access()
        if access is None:
            raise Refused("the cluster's API server isn't up")
        if boot.endpoint.rstrip("/") != access.endpoint:
            raise Refused(f"its user data lead to {boot.endpoint}, and the cluster is at {access.endpoint}")
        if b"".join(boot.authority.split()) != b"".join(access.certificate_authority.split()):
            raise Refused("x509: certificate signed by unknown authority: the CA in its user data isn't the cluster's")
        if not self._let_through(instance):
            groups = ", ".join(group.id for group in instance.security_groups)
            raise Refused(f"i/o timeout: no security group of the cluster lets {groups or 'it'} through to port 443")
        self._authenticate(instance)
        facts, kind = self.cluster.facts, instance.instance_type
        if kind not in INSTANCE_TYPES:
            raise Refused(f"{kind} is no instance type")
        subnet = self._network.get_subnet(instance.subnet_id)
        image = self._network.amis.get(instance.image_id)
        found = re.search(r"-(1\.\d+)-", image.name or "") if image is not None else None
        minor = found[1] if found and found[1] in VERSIONS else facts.version
        patch = VERSIONS[minor].patch if minor in VERSIONS else f"{minor}.0"
        system = "Bottlerocket OS" if image is not None and "bottlerocket" in image.name else "Amazon Linux 2023"
        return machines.booted(
            instance,
            subnet,
            facts.region,
            patch,
            minor,
            image=system,
            disk=self._disk(instance),
            labels=boot.labels,
            taints=boot.taints,
            max_pods=boot.max_pods,
            reserved=boot.reserved,
        )

    def _disk(self, instance: Any) -> int:
        """The largest of its volumes: the root's on AL2023, the data's on Bottlerocket."""
        sizes = [int(device.size or 0) for _name, device in instance.get_block_device_mapping]
        return max([*sizes, 1])

    def _authenticate(self, instance: Any) -> None:
        profile = instance.iam_instance_profile
        if not profile:
            raise Refused("it has no instance profile, and so no credentials for a token")
        facts = self.cluster.facts
        partition = self._network.partition
        profiles = iam_backends[facts.account][partition].instance_profiles.values()
        roles: list[Any] = next((item.roles for item in profiles if item.arn == profile["Arn"]), [])
        if not roles:
            raise Refused(f"there is no role in its instance profile {profile['Arn']}")
        arn = roles[0].arn
        if self.cluster.doc["accessConfig"]["authenticationMode"] == "CONFIG_MAP":
            raise Refused(f"401 Unauthorized: the authentication mode CONFIG_MAP knows no {arn}")
        entry = self.cluster.entries.get(arn)
        if entry is None:
            raise Refused(f"401 Unauthorized: no access entry for {arn}")
        if entry.doc["type"] != "EC2_LINUX":
            raise Refused(
                f"the access entry of {arn} is of type {entry.doc['type']}, not EC2_LINUX: forbidden for nodes"
            )

    def _let_through(self, instance: Any) -> bool:
        """Whether a security group of the cluster takes HTTPS from the instance."""
        config = self.cluster.doc["resourcesVpcConfig"]
        mine = {group.id for group in instance.security_groups}
        address = ipaddress.ip_address(instance.private_ip)
        for identifier in (config["clusterSecurityGroupId"], *config.get("securityGroupIds", [])):
            group = self._network.get_security_group_from_id(identifier)
            for rule in group.ingress_rules if group is not None else []:
                ports = rule.ip_protocol == "-1" or int(rule.from_port or 0) <= 443 <= int(rule.to_port or 0)
                if not ports:
                    continue
                if rule.source_group and rule.source_group.get("GroupId") in mine:
                    return True
                if rule.cidr_ipv4 and address in ipaddress.ip_network(rule.cidr_ipv4):
                    return True
        return False

    # --- nodes --------------------------------------------------------------------------------------------------------

    def _join(self, machine: Machine) -> None:
        candidate = self._candidates.get(machine.instance_id)
        if candidate is None:
            return
        try:
            self.api.create("/api/v1/nodes", machines.node(machine, INSTANCE_TYPES[machine.instance_type]))
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
            # The address was that of an instance whose Node is still going.
            return
        candidate.node = machine.name
        self.refused.pop(machine.instance_id, None)

    def _shut(self, candidate: Candidate, node: Mapping[str, Any], *, stopped: bool) -> None:
        others = [item for item in node["spec"].get("taints") or [] if item["key"] != SHUTDOWN["key"]]
        version = {"resourceVersion": node["metadata"]["resourceVersion"]}
        body = {"metadata": version, "spec": {"taints": others + ([SHUTDOWN] if stopped else [])}}
        self._try("PATCH", f"/api/v1/nodes/{candidate.node}", body)
        candidate.stopped = stopped

    def _try(self, method: str, path: str, body: dict[str, Any] | None = None) -> None:
        """A call whose refusal as not found or as a conflict means: look again at the next turn."""
        try:
            content = "application/merge-patch+json" if method == "PATCH" else "application/json"
            self.api.request(method, path, body, content=content)
        except ApiError as error:
            if error.status not in (404, 409):
                raise


def _is_of(node: Mapping[str, Any], identifier: str) -> bool:
    return str(node["spec"].get("providerID", "")).endswith(f"/{identifier}")
