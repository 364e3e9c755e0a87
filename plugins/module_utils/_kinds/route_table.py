# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Route tables with their routes and associations."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from .._engine.kind import Kind, Observed, Property, Scope, Wanted
from . import _ec2
from ._session import Session
from ._shapes import request, to_api
from ._tags import tag_dict

_TARGETS = (
    "gateway_id",
    "nat_gateway_id",
    "transit_gateway_id",
    "vpc_peering_connection_id",
    "vpc_endpoint_id",
    "egress_only_internet_gateway_id",
)
_DESTINATIONS = ("destination_cidr_block", "destination_ipv6_cidr_block", "destination_prefix_list_id")


class RouteTable(Kind):
    """A route table; its routes and associated subnets have no identity of their own.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RouteTable.html
    The local route, propagated routes and those of gateway endpoints are AWS's and left alone.
    """

    name = "route_table"
    properties: ClassVar[Mapping[str, Property]] = {
        "vpc_id": Property("str", required=True, immutable=True, doc="The VPC."),
        "routes": Property("set", default=[], doc="A destination (C(destination_cidr_block)) and a target each."),
        "subnet_ids": Property("set", default=[], doc="The subnets that use it."),
    }
    attributes = ("arn",)
    tag = _ec2.tag

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """List the stack's route tables."""
        found = session.pages("ec2", "describe_route_tables", "RouteTables", Filters=_ec2.owned(scope))
        return [self._observed(session, table) for table in found]

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Create the table, then its routes and associations.

        Without the engine's token: the answer to one used before would be a table that somebody has deleted since,
        and nothing in it says so. One that an interrupted run made is found by its tags.
        """
        table = session.call(
            "ec2",
            "create_route_table",
            retry_on=_ec2.MISSING_NETWORK,
            VpcId=wanted["vpc_id"],
            TagSpecifications=_ec2.specification("route-table", wanted.tags),
        )["RouteTable"]
        return self.update(session, self._observed(session, table), wanted, frozenset({"routes", "subnet_ids"}))

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Bring routes and associations to what is wanted; a route is replaced in place, so that traffic goes on."""
        if "routes" in changed:
            self._routes(session, observed, wanted["routes"])
        if "subnet_ids" in changed:
            self._associate(session, observed, set(wanted["subnet_ids"]))
        return observed

    def delete(self, session: Session, observed: Observed) -> None:
        """Take the table from its subnets and delete it."""
        self._associate(session, observed, set())
        session.call(
            "ec2",
            "delete_route_table",
            retry_on=_ec2.IN_USE,
            missing=["InvalidRouteTableID.NotFound"],
            RouteTableId=observed.id,
        )

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check that each route has one destination and one target, and no destination comes twice."""
        problems = []
        seen = set()
        for route in properties["routes"]:
            ends = [name for name in _DESTINATIONS if route.get(name)]
            targets = [name for name in _TARGETS if route.get(name)]
            unknown = sorted(set(route) - {*_DESTINATIONS, *_TARGETS})
            if unknown or len(ends) != 1 or len(targets) != 1:
                problems.append(
                    f"route {dict(route)} needs exactly one of {', '.join(_DESTINATIONS)} "
                    f"and exactly one of {', '.join(_TARGETS)}"
                )
                continue
            destination = route[ends[0]]
            if destination in seen:
                problems.append(f"two routes lead to {destination}: keep one")
            seen.add(destination)
            if ends[0] != "destination_prefix_list_id" and isinstance(destination, str):
                problems += _not_a_network(destination)
        return problems

    def _routes(self, session: Session, observed: Observed, wanted: Iterable[Mapping[str, Any]]) -> None:
        there = {_destination(route): route for route in observed.properties["routes"]}
        desired = {_destination(route): route for route in wanted}
        for destination, route in desired.items():
            if there.get(destination) != dict(route):
                operation = "replace_route" if destination in there else "create_route"
                api = "ReplaceRoute" if destination in there else "CreateRoute"
                session.call(
                    "ec2",
                    operation,
                    retry_on=_ec2.MISSING_NETWORK,
                    **request("ec2", api, {**route, "route_table_id": observed.id}),
                )
        for destination, route in there.items():
            if destination not in desired:
                where = {name: route[name] for name in _DESTINATIONS if name in route}
                session.call(
                    "ec2",
                    "delete_route",
                    missing=["InvalidRoute.NotFound"],
                    **request("ec2", "DeleteRoute", {**where, "route_table_id": observed.id}),
                )

    def _associate(self, session: Session, observed: Observed, wanted: set[str]) -> None:
        there: Mapping[str, str] = observed.attributes["associations"]
        session.each(lambda subnet: self._join(session, observed.id, subnet), sorted(wanted - set(there)))
        for subnet in sorted(set(there) - wanted):
            session.call(
                "ec2",
                "disassociate_route_table",
                missing=["InvalidAssociationID.NotFound"],
                AssociationId=there[subnet],
            )

    @staticmethod
    def _join(session: Session, table: str, subnet: str) -> None:
        joined = session.call(
            "ec2",
            "associate_route_table",
            retry_on=_ec2.MISSING_NETWORK,
            missing=["Resource.AlreadyAssociated"],
            RouteTableId=table,
            SubnetId=subnet,
        )
        if not joined:
            other = session.pages(
                "ec2",
                "describe_route_tables",
                "RouteTables",
                Filters=[{"Name": "association.subnet-id", "Values": [subnet]}],
            )
            if other[0]["RouteTableId"] == table:
                return  # by the same call, whose answer was lost
            association = next(
                item["RouteTableAssociationId"] for item in other[0]["Associations"] if item.get("SubnetId") == subnet
            )
            session.call("ec2", "replace_route_table_association", AssociationId=association, RouteTableId=table)

    @staticmethod
    def _observed(session: Session, table: Mapping[str, Any]) -> Observed:
        routes = [
            to_snake
            for route in table.get("Routes", [])
            if route.get("Origin") == "CreateRoute"
            and not str(route.get("GatewayId", "")).startswith("vpce-")
            and (to_snake := _route(route))
        ]
        associations = {
            item["SubnetId"]: item["RouteTableAssociationId"]
            for item in table.get("Associations", [])
            if item.get("SubnetId") and item.get("AssociationState", {}).get("State") not in ("disassociated", "failed")
        }
        return Observed(
            id=table["RouteTableId"],
            properties={"vpc_id": table["VpcId"], "routes": routes, "subnet_ids": sorted(associations)},
            attributes={
                "arn": session.arn("ec2", f"route-table/{table['RouteTableId']}"),
                "associations": associations,
            },
            tags=tag_dict(table.get("Tags")),
        )


def _route(route: Mapping[str, Any]) -> dict[str, Any]:
    known = {api: name for name in (*_DESTINATIONS, *_TARGETS) for api in to_api("ec2", "Route", {name: ""})}
    return {known[api]: value for api, value in route.items() if api in known and value}


def _destination(route: Mapping[str, Any]) -> str:
    return next(str(route[name]) for name in _DESTINATIONS if route.get(name))


def _not_a_network(destination: str) -> list[str]:
    try:
        ipaddress.ip_network(destination)
    except ValueError:
        return [f"the route's destination {destination!r} is not a network: write it as 10.0.0.0/16"]
    return []
