# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The default VPC of an account and Region."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from .._engine.errors import EngineError
from .._engine.kind import Kind, Observed, Property, Scope, Wanted
from ._session import Session

_NONE = "no default VPC"
_GONE = (
    "InvalidVpcID.NotFound",
    "InvalidSubnetID.NotFound",
    "InvalidInternetGatewayID.NotFound",
    "Gateway.NotAttached",
)


class Ec2DefaultVpc(Kind):
    """Whether there is a default VPC: every subnet of one is public (AWS FSBP EC2.15).

    One that holds anything is left alone, which is an error.

    https://docs.aws.amazon.com/vpc/latest/userguide/deleting-default-vpc.html
    """

    name = "ec2_default_vpc"
    properties: ClassVar[Mapping[str, Property]] = {
        "present": Property("bool", default=False, doc="Whether it is there; false removes an empty one."),
    }
    attributes = ("vpc_id",)
    taggable = False
    preexisting = True

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """Look for it, and for what is in it only where it is to go."""
        if not scope.declared.get(self.name):
            return []
        filters = [{"Name": "is-default", "Values": ["true"]}]
        vpcs = session.pages("ec2", "describe_vpcs", "Vpcs", Filters=filters)
        if not vpcs:
            return [Observed(_NONE, {"present": False})]
        vpc_id = vpcs[0]["VpcId"]
        goes = any(item.get("present") is False for item in scope.declared[self.name])
        return [
            Observed(vpc_id, {"present": True}, {"vpc_id": vpc_id, "used_by": _users(session, vpc_id) if goes else ""})
        ]

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Begin with what is there."""
        observed = next(iter(self.observe(session, Scope("", {self.name: [wanted.properties]}))))
        return self.update(session, observed, wanted, frozenset(self.properties))

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Make it, or take it apart."""
        if wanted["present"]:
            vpc_id = session.call("ec2", "create_default_vpc")["Vpc"]["VpcId"]
            return Observed(vpc_id, {"present": True}, {"vpc_id": vpc_id})
        vpc_id = observed.attributes.get("vpc_id")
        if vpc_id:
            # Somebody may have put something into it since the plan.
            users = _users(session, vpc_id)
            if users:
                raise EngineError(_refusal(vpc_id, users))
            _remove(session, vpc_id)
        return Observed(_NONE, {"present": False})

    def refuse(self, observed: Observed, properties: Mapping[str, Any]) -> list[str]:
        """Refuse to remove one that somebody uses."""
        users = observed.attributes.get("used_by")
        return [_refusal(observed.id, users)] if users and properties.get("present") is False else []


def _refusal(vpc_id: str, users: str) -> str:
    return f"the default VPC {vpc_id} is in use by {users}: move that elsewhere first, or keep the VPC"


def _users(session: Session, vpc_id: str) -> str:
    """Return what is in a VPC, as words; empty if it is what it was when AWS made it.

    All that runs in a VPC has a network interface there; a NAT gateway that is being made may have none yet.
    """
    inside = [{"Name": "vpc-id", "Values": [vpc_id]}]
    interfaces = session.pages("ec2", "describe_network_interfaces", "NetworkInterfaces", Filters=inside)
    named = [f"{item['NetworkInterfaceId']} ({_user(item)})" for item in interfaces]
    endpoints = session.pages("ec2", "describe_vpc_endpoints", "VpcEndpoints", Filters=inside)
    named += [item["VpcEndpointId"] for item in endpoints if item.get("VpcEndpointType") != "Interface"]
    groups = session.pages("ec2", "describe_security_groups", "SecurityGroups", Filters=inside)
    named += [item["GroupId"] for item in groups if item["GroupName"] != "default"]
    more = f" and {len(named) - 3} more" if len(named) > 3 else ""
    return ", ".join(named[:3]) + more


def _user(interface: Mapping[str, Any]) -> str:
    instance = interface.get("Attachment", {}).get("InstanceId")
    return str(instance or interface.get("Description") or interface.get("InterfaceType", "interface"))


def _remove(session: Session, vpc_id: str) -> None:
    """Delete gateway, subnets and VPC; what came with the VPC goes with it."""
    attached = [{"Name": "attachment.vpc-id", "Values": [vpc_id]}]
    inside = [{"Name": "vpc-id", "Values": [vpc_id]}]
    for gateway in session.pages("ec2", "describe_internet_gateways", "InternetGateways", Filters=attached):
        ids: dict[str, Any] = {"InternetGatewayId": gateway["InternetGatewayId"]}
        session.call("ec2", "detach_internet_gateway", missing=_GONE, VpcId=vpc_id, **ids)
        session.call("ec2", "delete_internet_gateway", missing=_GONE, **ids)
    subnets = session.pages("ec2", "describe_subnets", "Subnets", Filters=inside)
    session.each(
        lambda subnet: session.call("ec2", "delete_subnet", missing=_GONE, SubnetId=subnet["SubnetId"]), subnets
    )
    session.call("ec2", "delete_vpc", missing=_GONE, retry_on=["DependencyViolation"], attempts=5, VpcId=vpc_id)
