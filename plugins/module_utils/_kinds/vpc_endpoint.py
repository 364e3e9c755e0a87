# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VPC endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from .._engine.errors import EngineError, Tombstone
from .._engine.kind import Kind, Observed, Pending, Property, Scope, State, Wanted
from . import _ec2
from ._policies import document, parsed, same_policy
from ._session import Session
from ._shapes import violations
from ._tags import tag_dict

_STATES: Mapping[str, State] = {
    "pending": "pending",
    "available": "ready",
    # Some of its subnets have no network interface: a matter for an update or a person, not for a second endpoint.
    "partial": "ready",
    "pendingacceptance": "ready",
    "failed": "failed",
    "rejected": "failed",
    "expired": "failed",
    "deleting": "deleting",
}
_SETS = {
    "route_table_ids": ("AddRouteTableIds", "RemoveRouteTableIds"),
    "subnet_ids": ("AddSubnetIds", "RemoveSubnetIds"),
    "security_group_ids": ("AddSecurityGroupIds", "RemoveSecurityGroupIds"),
}


# https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html
_EVERYTHING = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]}


def _same_policy(wanted: Any, observed: Any) -> bool:
    """Compare policies; none at all is the one that AWS gives an endpoint by itself."""
    return same_policy(_statements(wanted), _statements(observed))


def _statements(policy: Any) -> dict[str, Any]:
    """Return a policy without its version: AWS's own still has that of 2008, in which the same words say the same."""
    known: dict[str, Any] = parsed(policy) or _EVERYTHING
    return {name: value for name, value in known.items() if name not in ("Version", "Id")}


class VpcEndpoint(Kind):
    """A gateway or interface endpoint (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpcEndpoint.html)."""

    name = "vpc_endpoint"
    properties: ClassVar[Mapping[str, Property]] = {
        "vpc_id": Property("str", required=True, immutable=True, doc="The VPC."),
        "service_name": Property("str", required=True, immutable=True, doc="Such as C(com.amazonaws.eu-central-1.s3)."),
        "vpc_endpoint_type": Property("str", default="Gateway", immutable=True, doc="C(Gateway) or C(Interface)."),
        "route_table_ids": Property("set", doc="The tables a gateway endpoint adds its route to."),
        "subnet_ids": Property("set", doc="Where an interface endpoint has its network interfaces."),
        "security_group_ids": Property("set", doc="Who may speak to an interface endpoint."),
        "private_dns_enabled": Property("bool", doc="Whether the service's own name leads to the endpoint."),
        "policy_document": Property(
            "json", default={}, same=_same_policy, doc="What may be done through it; empty for AWS's own, which is all."
        ),
    }
    attributes = ("arn",)
    priced = ("vpc_endpoint_type", "subnet_ids")
    slow = True
    key = ("vpc_id", "service_name", "vpc_endpoint_type")
    tag = _ec2.tag

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """List the stack's endpoints."""
        found = session.pages("ec2", "describe_vpc_endpoints", "VpcEndpoints", Filters=_ec2.owned(scope))
        return [self._observed(session, endpoint) for endpoint in found if endpoint["State"].lower() in _STATES]

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Create the endpoint; the answer to a token used before may be one deleted since."""
        params: dict[str, Any] = {api: sorted(wanted[name]) for name, api in _CREATED_WITH.items() if wanted.get(name)}
        if wanted.get("private_dns_enabled") is not None:
            params["PrivateDnsEnabled"] = wanted["private_dns_enabled"]
        if wanted.get("policy_document"):
            params["PolicyDocument"] = document(wanted["policy_document"])
        endpoint = session.call(
            "ec2",
            "create_vpc_endpoint",
            retry_on=_ec2.MISSING_NETWORK,
            VpcId=wanted["vpc_id"],
            ServiceName=wanted["service_name"],
            VpcEndpointType=wanted["vpc_endpoint_type"],
            ClientToken=token,
            TagSpecifications=_ec2.specification("vpc-endpoint", wanted.tags),
            **params,
        )["VpcEndpoint"]
        if _STATES.get(endpoint["State"].lower(), "deleting") == "deleting":
            raise Tombstone(endpoint["VpcEndpointId"])
        return self._observed(session, endpoint)

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Modify what changed."""
        params: dict[str, Any] = {}
        for name in sorted(changed & _SETS.keys()):
            there, desired = set(observed.properties[name] or ()), set(wanted[name])
            for member, items in zip(_SETS[name], (desired - there, there - desired), strict=True):
                params |= {member: sorted(items)} if items else {}
        if "private_dns_enabled" in changed:
            params["PrivateDnsEnabled"] = wanted["private_dns_enabled"]
        if "policy_document" in changed:
            policy = parsed(wanted["policy_document"])
            params |= {"PolicyDocument": document(policy)} if policy else {"ResetPolicy": True}
        session.call("ec2", "modify_vpc_endpoint", VpcEndpointId=observed.id, **params)
        return observed

    def delete(self, session: Session, observed: Observed) -> None:
        """Start the deletion; the API reports refusals in its answer, not as an error."""
        answer = session.call("ec2", "delete_vpc_endpoints", VpcEndpointIds=[observed.id])
        _ec2.raise_unsuccessful(answer, ("InvalidVpcEndpoint.NotFound", "InvalidVpcEndpointId.NotFound"))

    def ready(self, session: Session, observed: Observed) -> Observed | Pending:
        """Wait for state available; botocore has no waiter for endpoints."""
        found = self._describe(session, observed)
        state = _STATES.get(found["State"].lower(), "failed") if found else "pending"
        if state in ("failed", "deleting"):
            raise EngineError(
                f"VPC endpoint {observed.id} is {found['State']}: {found.get('LastError', {}).get('Message', '')}"
            )
        return self._observed(session, found) if state == "ready" else Pending(found["State"] if found else "")

    def gone(self, session: Session, observed: Observed) -> bool | Pending:
        """Wait until it isn't listed any more: its network interfaces hold the subnets until then."""
        found = self._describe(session, observed)
        return not found or found["State"].lower() == "deleted" or Pending(found["State"])

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check against the API's model, and that each type has what is its own."""
        problems = violations("ec2", "CreateVpcEndpoint", properties)
        wrong: tuple[str, ...] = ("subnet_ids", "security_group_ids", "private_dns_enabled")
        if properties["vpc_endpoint_type"] != "Gateway":
            wrong = ("route_table_ids",)
        problems += [
            f"an endpoint of type {properties['vpc_endpoint_type']} takes no {name}"
            for name in wrong
            if properties.get(name)
        ]
        return problems

    def preflight(self, session: Session, wanted: Sequence[Mapping[str, Any]]) -> list[str]:
        """Refuse services that the Region doesn't offer."""
        offered = set(session.call("ec2", "describe_vpc_endpoint_services").get("ServiceNames", []))
        missing = sorted({item["service_name"] for item in wanted} - offered)
        return [
            f"{session.region} offers no endpoint service {name}: see describe-vpc-endpoint-services"
            for name in missing
        ]

    @staticmethod
    def _describe(session: Session, observed: Observed) -> dict[str, Any]:
        found = session.call(
            "ec2",
            "describe_vpc_endpoints",
            missing=["InvalidVpcEndpointId.NotFound", "InvalidVpcEndpoint.NotFound"],
            VpcEndpointIds=[observed.id],
        )
        return dict(next(iter(found.get("VpcEndpoints", [])), {}))

    @staticmethod
    def _observed(session: Session, endpoint: Mapping[str, Any]) -> Observed:
        return Observed(
            id=endpoint["VpcEndpointId"],
            properties={
                "vpc_id": endpoint["VpcId"],
                "service_name": endpoint["ServiceName"],
                "vpc_endpoint_type": endpoint.get("VpcEndpointType", "Gateway"),
                "route_table_ids": endpoint.get("RouteTableIds") or [],
                "subnet_ids": endpoint.get("SubnetIds") or [],
                "security_group_ids": [group["GroupId"] for group in endpoint.get("Groups") or []],
                "private_dns_enabled": endpoint.get("PrivateDnsEnabled", False),
                "policy_document": endpoint.get("PolicyDocument"),
            },
            attributes={"arn": session.arn("ec2", f"vpc-endpoint/{endpoint['VpcEndpointId']}")},
            tags=tag_dict(endpoint.get("Tags")),
            state=_STATES[endpoint["State"].lower()],
        )


_CREATED_WITH = {
    "route_table_ids": "RouteTableIds",
    "subnet_ids": "SubnetIds",
    "security_group_ids": "SecurityGroupIds",
}
