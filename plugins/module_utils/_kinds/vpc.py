# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The VPC itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from .._engine.kind import STACK_TAG, Kind, Observed, Obstacle, Property, Scope, Wanted
from . import _ec2
from ._session import Session
from ._shapes import violations
from ._tags import tag_dict
from ._vpc_users import obstacles, users_of


class Vpc(Kind):
    """A VPC (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpc.html)."""

    name = "vpc"
    properties: ClassVar[Mapping[str, Property]] = {
        "cidr_block": Property("str", required=True, immutable=True, doc="The primary IPv4 range."),
        "instance_tenancy": Property("str", immutable=True, doc="C(default) or C(dedicated)."),
        "enable_dns_support": Property("bool", default=True, doc="Whether the Amazon resolver answers."),
        "enable_dns_hostnames": Property(
            "bool", default=True, doc="Whether instances get DNS names; endpoints need it."
        ),
    }
    attributes = ("arn", "owner_id")
    tag = _ec2.tag

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """List the stack's VPCs; the DNS attributes take a call each."""
        vpcs = session.pages("ec2", "describe_vpcs", "Vpcs", Filters=_ec2.owned(scope))
        return session.each(lambda vpc: self._observed(session, vpc, self._dns(session, vpc["VpcId"])), vpcs)

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Create the VPC with its tags, then set what CreateVpc can't."""
        vpc = session.call(
            "ec2",
            "create_vpc",
            CidrBlock=wanted["cidr_block"],
            InstanceTenancy=wanted.get("instance_tenancy", "default"),
            TagSpecifications=_ec2.specification("vpc", wanted.tags),
        )["Vpc"]
        # AWS's own defaults for a new VPC: support on, host names off.
        observed = self._observed(session, vpc, {"enable_dns_support": True, "enable_dns_hostnames": False})
        changed = frozenset(name for name in _DNS if wanted[name] != observed.properties[name])
        return self.update(session, observed, wanted, changed)

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Set DNS attributes; the API takes one a call, and support has to be on before host names."""
        for name in (name for name in _DNS if name in changed):
            setting: dict[str, Any] = {_DNS[name][1]: {"Value": wanted[name]}}
            session.call("ec2", "modify_vpc_attribute", retry_on=_ec2.MISSING_NETWORK, VpcId=observed.id, **setting)
        return observed

    def delete(self, session: Session, observed: Observed) -> None:
        """Delete the VPC; network interfaces of deleted load balancers and endpoints may linger for minutes."""
        _ec2.delete(session, "delete_vpc", missing="InvalidVpcID.NotFound", inside="vpc-id", VpcId=observed.id)

    def obstacles(self, session: Session, leaving: Sequence[Observed]) -> list[Obstacle]:
        """Name who else is in the VPC: AWS would refuse its deletion only after the ways out of it are gone."""
        found = [obstacles(vpc.id, users_of(session, vpc.id, vpc.tags.get(STACK_TAG, ""))) for vpc in leaving]
        return [obstacle for several in found for obstacle in several]

    def ready(self, session: Session, observed: Observed) -> Observed | None:
        """Wait until every part of EC2 knows it (waiter vpc_available)."""
        known = session.polled("ec2", "vpc_available", unknown=_ec2.MISSING_NETWORK, VpcIds=[observed.id])
        return observed if known else None

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check against the API's model."""
        return violations("ec2", "CreateVpc", properties)

    def _dns(self, session: Session, vpc_id: str) -> dict[str, bool]:
        def one(name: str) -> bool:
            attribute, member = _DNS[name]
            found = session.call("ec2", "describe_vpc_attribute", VpcId=vpc_id, Attribute=attribute)
            return bool(found[member]["Value"])

        return {name: one(name) for name in _DNS}

    def _observed(self, session: Session, vpc: Mapping[str, Any], dns: Mapping[str, bool]) -> Observed:
        return Observed(
            id=vpc["VpcId"],
            properties={"cidr_block": vpc["CidrBlock"], "instance_tenancy": vpc.get("InstanceTenancy"), **dns},
            attributes={"arn": session.arn("ec2", f"vpc/{vpc['VpcId']}"), "owner_id": vpc.get("OwnerId")},
            tags=tag_dict(vpc.get("Tags")),
            state="ready",
        )


_DNS = {
    "enable_dns_support": ("enableDnsSupport", "EnableDnsSupport"),
    "enable_dns_hostnames": ("enableDnsHostnames", "EnableDnsHostnames"),
}
