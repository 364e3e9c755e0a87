# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instant fleets: instances of the first pool of a request that has capacity.

moto launches whatever comes first, without groups, profile or zone of the launch template, and knows no shortage.
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateFleet.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from moto.ec2.models.instance_types import INSTANCE_TYPES

from rehearsal.emulator.errors import AwsError
from rehearsal.emulator.registry import Call, operation
from rehearsal.emulator.services.common import ec2, no_dry_run, remember, repeated
from rehearsal.emulator.services.images import ensure
from rehearsal.emulator.services.instance_types import on_demand_price, spot_price
from rehearsal.emulator.services.instances import MISMATCH, Launch, check, start, tags_of, template_of
from rehearsal.emulator.world import hex_id


@dataclass(frozen=True)
class Pool:
    """One override of a fleet's launch template: a type in a subnet, at a price."""

    launch: Launch
    template: Mapping[str, Any]
    override: Mapping[str, Any]
    kind: str
    zone: str
    price: float

    def told(self) -> dict[str, Any]:
        """The pool as CreateFleet's answer names it."""
        override = {name: value for name, value in self.override.items() if name != "InstanceRequirements"}
        told = {"LaunchTemplateSpecification": dict(self.template)}
        return {**told, "Overrides": {**override, "InstanceType": self.kind, "AvailabilityZone": self.zone}}


def _pools(call: Call, network: Any, lifecycle: str) -> Iterator[Pool]:
    for config in call["LaunchTemplateConfigs"]:
        version = template_of(network, config["LaunchTemplateSpecification"])
        named = {"LaunchTemplateId": version.template.id, "Version": str(version.number)}
        tags = tags_of(version.data, call.get("TagSpecifications", []))
        for override in config.get("Overrides") or [{}]:
            given = {name: override[name] for name in ("InstanceType", "SubnetId", "ImageId") if name in override}
            data = {**version.data, **given}
            interfaces = [dict(item) for item in data.get("NetworkInterfaces") or []]
            if "SubnetId" in given and interfaces:
                interfaces[0]["SubnetId"] = given["SubnetId"]
                data["NetworkInterfaces"] = interfaces
            if "BlockDeviceMappings" in override:
                data["BlockDeviceMappings"] = override["BlockDeviceMappings"]
            launch = Launch(data, lifecycle, tags, version, call.principal.arn)
            zone = str(override.get("AvailabilityZone", ""))
            if launch.subnet:
                zone = next(
                    (s.availability_zone for z in network.subnets.values() for k, s in z.items() if k == launch.subnet),
                    zone,
                )
            kind = str(data.get("InstanceType", ""))
            price = 0.0
            if kind in INSTANCE_TYPES:
                place = zone or f"{network.region_name}a"
                price = spot_price(kind, place) if lifecycle == "spot" else on_demand_price(kind, network.region_name)
            yield Pool(launch, named, override, kind, zone, price)


def _ordered(call: Call, pools: list[Pool], lifecycle: str) -> list[Pool]:
    """The pools in the order in which they are tried: by price, or by the priorities given."""
    options = call.get("SpotOptions" if lifecycle == "spot" else "OnDemandOptions", {})
    strategy = options.get("AllocationStrategy", "lowest-price")
    if "prioritized" in strategy:
        return sorted(pools, key=lambda pool: (pool.override.get("Priority", float("inf")), pool.price))
    return sorted(pools, key=lambda pool: pool.price)


@operation("ec2", "CreateFleet")
def create_fleet(call: Call) -> dict[str, Any]:
    """An instant fleet, with an error for each pool that was tried in vain; other fleets are moto's."""
    if call.get("Type", "maintain") != "instant":
        return call.forward()
    network = ec2(call)
    ensure(network)
    again = repeated(call, "ClientToken", MISMATCH)
    if again is not None:
        return dict(again)
    wish = call["TargetCapacitySpecification"]
    wanted = int(wish["TotalTargetCapacity"])
    default = wish.get("DefaultTargetCapacityType", "on-demand")
    if default not in ("on-demand", "spot"):
        raise AwsError("InvalidParameterValue", f"The emulator has no capacity of the type {default}.")
    if call.get("TagSpecifications"):
        types = {item.get("ResourceType") for item in call["TagSpecifications"]}
        strange = sorted(types - {"fleet", "instance", "volume", "network-interface", "spot-instances-request"})
        if strange:
            raise AwsError(
                "InvalidParameterValue", f"'{strange[0]}' is not a valid taggable resource type for a fleet."
            )
    pools = _ordered(call, list(_pools(call, network, default)), default)
    no_dry_run(call)
    identifier = hex_id("fleet").replace("fleet-0", "fleet-", 1)
    errors, instances = [], []
    for pool in pools:
        if not wanted:
            break
        launch = replace(pool.launch, tags=_fleet_tags(pool.launch.tags, identifier))
        try:
            check(call.world, network, launch, wanted)
            reservation = start(call.world, network, launch, wanted)
        except AwsError as error:
            told = {"LaunchTemplateAndOverrides": pool.told(), "Lifecycle": default}
            errors.append({**told, "ErrorCode": error.code, "ErrorMessage": error.message})
            continue
        wanted = 0
        instances.append(
            {
                "LaunchTemplateAndOverrides": pool.told(),
                "Lifecycle": default,
                "InstanceIds": [item.id for item in reservation.instances],
                "InstanceType": pool.kind,
            }
        )
    answer = {"FleetId": identifier, "Errors": errors, "Instances": instances}
    remember(call, "ClientToken", answer)
    return answer


def _fleet_tags(tags: Mapping[str, Mapping[str, str]], fleet: str) -> dict[str, dict[str, str]]:
    made = {kind: dict(values) for kind, values in tags.items()}
    made["instance"] = {**made.get("instance", {}), "aws:ec2:fleet-id": fleet}
    return made
