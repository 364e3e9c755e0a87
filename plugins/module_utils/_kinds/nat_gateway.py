# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NAT gateways."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from .._engine.errors import EngineError, Tombstone
from .._engine.kind import Kind, Observed, Pending, Property, Scope, State, Wanted
from . import _ec2
from ._session import Session
from ._shapes import violations
from ._tags import tag_dict

_STATES: Mapping[str, State] = {
    "pending": "pending",
    "available": "ready",
    "failed": "failed",
    "deleting": "deleting",
}


class NatGateway(Kind):
    """A zonal NAT gateway (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateNatGateway.html)."""

    name = "nat_gateway"
    properties: ClassVar[Mapping[str, Property]] = {
        "subnet_id": Property("str", required=True, immutable=True, doc="The public subnet it stands in."),
        "allocation_id": Property("str", immutable=True, doc="Its elastic IP; only for public ones."),
        "connectivity_type": Property("str", default="public", immutable=True, doc="C(public) or C(private)."),
    }
    attributes = ("arn", "public_ip", "private_ip")
    priced = ()
    slow = True
    timeout = 1200
    tag = _ec2.tag

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """List the stack's NAT gateways; AWS shows deleted ones for about an hour more."""
        found = session.pages("ec2", "describe_nat_gateways", "NatGateways", Filter=_ec2.owned(scope))
        return [self._observed(session, gateway) for gateway in found if gateway["State"] in _STATES]

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Create the gateway; the answer to a token used before may be one deleted since."""
        address = {"AllocationId": wanted["allocation_id"]} if wanted.get("allocation_id") else {}
        gateway = session.call(
            "ec2",
            "create_nat_gateway",
            retry_on=_ec2.MISSING_NETWORK,
            SubnetId=wanted["subnet_id"],
            ConnectivityType=wanted["connectivity_type"],
            ClientToken=token,
            TagSpecifications=_ec2.specification("natgateway", wanted.tags),
            **address,
        )["NatGateway"]
        if gateway["State"] not in ("pending", "available"):
            raise Tombstone(gateway["NatGatewayId"])
        return self._observed(session, gateway)

    def delete(self, session: Session, observed: Observed) -> None:
        """Start the deletion."""
        session.call("ec2", "delete_nat_gateway", missing=["NatGatewayNotFound"], NatGatewayId=observed.id)

    def ready(self, session: Session, observed: Observed) -> Observed | Pending:
        """Wait for state available (waiter nat_gateway_available), and say why when it fails."""
        found = session.call(
            "ec2", "describe_nat_gateways", retry_on=["NatGatewayNotFound"], NatGatewayIds=[observed.id]
        )["NatGateways"][0]
        if found["State"] in ("deleting", "deleted"):
            raise Tombstone(observed.id)
        if found["State"] not in ("pending", "available"):
            raise EngineError(
                f"NAT gateway {observed.id} is {found['State']}: {found.get('FailureMessage', 'AWS gives no reason')}"
            )
        return self._observed(session, found) if found["State"] == "available" else Pending(found["State"])

    def gone(self, session: Session, observed: Observed) -> bool | Pending:
        """Wait for state deleted (waiter nat_gateway_deleted)."""
        return session.polled("ec2", "nat_gateway_deleted", NatGatewayIds=[observed.id])

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check against the API's model, and that a public gateway has an address."""
        problems = violations("ec2", "CreateNatGateway", properties)
        if (properties["connectivity_type"] == "public") != bool(properties.get("allocation_id")):
            problems.append("a public NAT gateway needs an allocation_id, a private one takes none")
        return problems

    @staticmethod
    def _observed(session: Session, gateway: Mapping[str, Any]) -> Observed:
        address: Mapping[str, Any] = next(iter(gateway.get("NatGatewayAddresses", [])), {})
        return Observed(
            id=gateway["NatGatewayId"],
            properties={
                "subnet_id": gateway["SubnetId"],
                "allocation_id": address.get("AllocationId"),
                "connectivity_type": gateway.get("ConnectivityType", "public"),
            },
            attributes={
                "arn": session.arn("ec2", f"natgateway/{gateway['NatGatewayId']}"),
                "public_ip": address.get("PublicIp"),
                "private_ip": address.get("PrivateIp"),
            },
            tags=tag_dict(gateway.get("Tags")),
            state=_STATES[gateway["State"]],
        )
