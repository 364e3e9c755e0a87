# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Subnets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from .._engine.kind import Kind, Observed, Property, Scope, Wanted
from . import _ec2
from ._session import Session
from ._shapes import violations
from ._tags import tag_dict


class Subnet(Kind):
    """A subnet (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSubnet.html)."""

    name = "subnet"
    properties: ClassVar[Mapping[str, Property]] = {
        "vpc_id": Property("str", required=True, immutable=True, doc="The VPC."),
        "cidr_block": Property("str", required=True, immutable=True, doc="The IPv4 range, within the VPC's."),
        "availability_zone": Property("str", required=True, immutable=True, doc="The zone's name, C(eu-central-1a)."),
        "map_public_ip_on_launch": Property("bool", default=False, doc="Whether instances get public addresses."),
    }
    attributes = ("arn", "availability_zone_id")
    key = ("vpc_id", "cidr_block")
    tag = _ec2.tag

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """List the stack's subnets."""
        found = session.pages("ec2", "describe_subnets", "Subnets", Filters=_ec2.owned(scope))
        return [self._observed(subnet) for subnet in found]

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Create the subnet with its tags, then set what CreateSubnet can't."""
        subnet = session.call(
            "ec2",
            "create_subnet",
            retry_on=_ec2.MISSING_NETWORK,
            VpcId=wanted["vpc_id"],
            CidrBlock=wanted["cidr_block"],
            AvailabilityZone=wanted["availability_zone"],
            TagSpecifications=_ec2.specification("subnet", wanted.tags),
        )["Subnet"]
        observed = self._observed(subnet)
        if wanted["map_public_ip_on_launch"]:
            self.update(session, observed, wanted, frozenset({"map_public_ip_on_launch"}))
        return observed

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Set whether instances get public addresses."""
        session.call(
            "ec2",
            "modify_subnet_attribute",
            retry_on=_ec2.MISSING_NETWORK,
            SubnetId=observed.id,
            MapPublicIpOnLaunch={"Value": wanted["map_public_ip_on_launch"]},
        )
        return observed

    def delete(self, session: Session, observed: Observed) -> None:
        """Delete the subnet once the last network interface has left it."""
        missing = "InvalidSubnetID.NotFound"
        _ec2.delete(session, "delete_subnet", missing=missing, inside="subnet-id", SubnetId=observed.id)

    def ready(self, session: Session, observed: Observed) -> Observed | None:
        """Wait until every part of EC2 knows it (waiter subnet_available)."""
        known = session.polled("ec2", "subnet_available", unknown=_ec2.MISSING_NETWORK, SubnetIds=[observed.id])
        return observed if known else None

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check against the API's model."""
        return violations("ec2", "CreateSubnet", properties)

    def preflight(self, session: Session, wanted: Sequence[Mapping[str, Any]]) -> list[str]:
        """Refuse zones that the Region or the account doesn't have."""
        found = session.call("ec2", "describe_availability_zones", Filters=[{"Name": "state", "Values": ["available"]}])
        zones = sorted(zone["ZoneName"] for zone in found["AvailabilityZones"])
        unknown = {item["availability_zone"] for item in wanted if isinstance(item["availability_zone"], str)} - set(
            zones
        )
        return [f"{session.region} has no zone {zone}: use {', '.join(zones)}" for zone in sorted(unknown)]

    @staticmethod
    def _observed(subnet: Mapping[str, Any]) -> Observed:
        return Observed(
            id=subnet["SubnetId"],
            properties={
                "vpc_id": subnet["VpcId"],
                "cidr_block": subnet["CidrBlock"],
                "availability_zone": subnet["AvailabilityZone"],
                "map_public_ip_on_launch": subnet.get("MapPublicIpOnLaunch", False),
            },
            attributes={"arn": subnet.get("SubnetArn"), "availability_zone_id": subnet.get("AvailabilityZoneId")},
            tags=tag_dict(subnet.get("Tags")),
            state="ready",
        )
