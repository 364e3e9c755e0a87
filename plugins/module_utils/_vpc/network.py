# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The resources of a network."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .._engine.resource import Join, Ref, Resource
from .acls import entries_for
from .addresses import Layout, Tier, lay_out

_WORLD = "0.0.0.0/0"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,29}")
_GATEWAY_SERVICES = ("s3", "dynamodb")


@dataclass(frozen=True)
class Network:
    """What the module ``vpc`` was told.

    :param zones: names such as ``eu-central-1a``.
    :param nat: ``none``, ``single`` or ``per_zone``.
    :param interface_endpoints: services such as ``ecr.api``, without the Region's prefix.
    :param clusters: names of EKS clusters that will live here.
    """

    name: str
    cidr: str
    region: str
    zones: Sequence[str]
    tiers: Sequence[Tier]
    nat: str = "single"
    gateway_endpoints: Sequence[str] = _GATEWAY_SERVICES
    interface_endpoints: Sequence[str] = ()
    flow_logs: Mapping[str, Any] = field(default_factory=dict)
    clusters: Sequence[str] = ()

    @property
    def stack(self) -> str:
        """The stack's name."""
        return f"vpc-{self.name}"


def problems_of(network: Network, layout: Layout) -> list[str]:
    """Return every mistake in what was asked for."""
    problems = list(layout.problems)
    if not _NAME.fullmatch(network.name):
        problems.append(f"name {network.name!r}: use up to 30 lower-case letters, digits and hyphens, a letter first")
    if not network.zones:
        problems.append("availability_zones is empty: give at least one, three for production")
    problems += [
        f"availability zone {zone} is listed twice" for zone, count in Counter(network.zones).items() if count > 1
    ]
    problems += [
        f"availability zone {zone} is not in region {network.region}: its name must begin with {network.region}"
        for zone in network.zones
        if not zone.startswith(network.region)
    ]
    names = Counter(tier.name for tier in network.tiers)
    problems += [f"tier {name} is declared {count} times" for name, count in names.items() if count > 1]
    for tier in network.tiers:
        if not _NAME.fullmatch(tier.name):
            problems.append(f"tier {tier.name!r}: use lower-case letters, digits and hyphens, a letter first")
        if not tier.cidrs and tier.newbits < 1:
            problems.append(f"tier {tier.name}: newbits must be at least 1, or give cidrs")
    accesses = {tier.access for tier in network.tiers}
    if network.nat != "none" and "public" not in accesses:
        problems.append(f"nat_gateways: {network.nat} needs a public tier for the NAT gateways to stand in")
    if network.interface_endpoints and "private" not in accesses:
        problems.append("interface_endpoints need a private tier to stand in")
    problems += [
        f"gateway endpoint {service!r}: only {' and '.join(_GATEWAY_SERVICES)} have one"
        for service in network.gateway_endpoints
        if service not in _GATEWAY_SERVICES
    ]
    for service, count in Counter([*network.gateway_endpoints, *network.interface_endpoints]).items():
        if count > 1 and service not in _GATEWAY_SERVICES:
            problems.append(f"endpoint {service} is listed {count} times")
    return problems


def network_resources(network: Network) -> tuple[list[Resource], list[str], dict[str, Any]]:
    """Return the resources of a network, what is wrong with the parameters, and the module's return values."""
    layout = lay_out(network.cidr, network.tiers, network.zones)
    problems = problems_of(network, layout)
    if problems:
        # What the kinds find wrong beside comes in the same answer, as far as it doesn't hang on the rest.
        logs = _Builder(replace(network, name="x"), layout).flow_logs() if network.flow_logs.get("enabled") else ()
        return [resource for resource in logs if resource.kind == "log_group"], problems, {}
    builder = _Builder(network, layout)
    return list(builder.resources()), [], builder.outputs()


class _Builder:
    def __init__(self, network: Network, layout: Layout) -> None:
        self._network = network
        self._layout = layout
        self._vpc = Ref("vpc.main")

    def resources(self) -> Iterator[Resource]:
        network = self._network
        yield self._named("vpc", "main", network.name, {"cidr_block": network.cidr})
        yield self._named("default_security_group", "main", f"{network.name}-default-closed", {"vpc_id": self._vpc})
        yield from self._subnets()
        if self._tiers("public"):
            yield self._named("internet_gateway", "main", network.name, {"vpc_id": self._vpc})
        yield from self._nat_gateways()
        yield from self._route_tables()
        yield from self._network_acls()
        yield from self._endpoints()
        if network.flow_logs.get("enabled"):
            yield from self.flow_logs()

    def outputs(self) -> dict[str, Any]:
        network = self._network
        return {
            "vpc_id": self._vpc,
            "cidr_block": network.cidr,
            "subnets": {
                tier.name: [
                    {
                        "id": Ref(f"subnet.{tier.name}-{self._letter(zone)}"),
                        "availability_zone": zone,
                        "cidr_block": str(cidr),
                    }
                    for zone, cidr in zip(network.zones, self._layout.subnets[tier.name], strict=True)
                ]
                for tier in network.tiers
            },
            "nat_public_ips": [Ref(f"elastic_ip.nat-{self._letter(zone)}", "public_ip") for zone in self._nat_zones()],
        }

    def _letter(self, zone: str) -> str:
        """Return what tells a zone from the others of its Region: ``a`` for ``eu-central-1a``."""
        return zone.removeprefix(self._network.region).strip("-") or zone

    def _tiers(self, *access: str) -> list[Tier]:
        return [tier for tier in self._network.tiers if tier.access in access]

    def _named(self, kind: str, name: str, label: str, properties: Mapping[str, Any], **more: Any) -> Resource:
        tags = {"Name": label, **properties.get("tags", {})}
        return Resource(kind, name, {**properties, "tags": tags}, **more)

    def _subnets(self) -> Iterator[Resource]:
        network = self._network
        for tier in network.tiers:
            for zone, cidr in zip(network.zones, self._layout.subnets[tier.name], strict=True):
                name = f"{tier.name}-{self._letter(zone)}"
                yield self._named(
                    "subnet",
                    name,
                    f"{network.name}-{name}",
                    {
                        "vpc_id": self._vpc,
                        "cidr_block": str(cidr),
                        "availability_zone": zone,
                        # Load balancers and NAT gateways bring their own addresses; nothing else shall have one.
                        "map_public_ip_on_launch": False,
                        "tags": self._subnet_tags(tier),
                    },
                )

    def _subnet_tags(self, tier: Tier) -> dict[str, str]:
        """Return what EKS, the AWS Load Balancer Controller and Karpenter look for.

        https://docs.aws.amazon.com/eks/latest/userguide/network-reqs.html,
        https://karpenter.sh/docs/concepts/nodeclasses/#specsubnetselectorterms
        """
        tags = {"innovate:tier": tier.name}
        if tier.access == "isolated":
            return tags
        role = "kubernetes.io/role/elb" if tier.access == "public" else "kubernetes.io/role/internal-elb"
        tags[role] = "1"
        for cluster in self._network.clusters:
            tags[f"kubernetes.io/cluster/{cluster}"] = "shared"
            if tier.access == "private":
                tags["karpenter.sh/discovery"] = cluster
        return tags

    def _nat_zones(self) -> list[str]:
        zones = list(self._network.zones)
        return {"none": [], "single": zones[:1], "per_zone": zones}[self._network.nat]

    def _nat_gateways(self) -> Iterator[Resource]:
        public = self._tiers("public")
        for zone in self._nat_zones():
            name, label = f"nat-{self._letter(zone)}", f"{self._network.name}-nat-{self._letter(zone)}"
            # Neither reaches the internet, and an attached gateway can't be detached, unless this order is kept.
            after = ("internet_gateway.main",)
            yield self._named("elastic_ip", name, label, {}, depends_on=after)
            yield self._named(
                "nat_gateway",
                name,
                label,
                {
                    "subnet_id": Ref(f"subnet.{public[0].name}-{self._letter(zone)}"),
                    "allocation_id": Ref(f"elastic_ip.{name}"),
                },
                depends_on=after,
            )

    def _route_tables(self) -> Iterator[Resource]:
        """Yield a table for each public or isolated tier, and one for each zone of a private one (its NAT gateway)."""
        zones = self._network.zones
        for tier in self._tiers("public", "isolated"):
            routes = [{"destination_cidr_block": _WORLD, "gateway_id": Ref("internet_gateway.main")}]
            yield self._route_table(tier.name, tier, zones, routes if tier.access == "public" else [])
        nat_zones = self._nat_zones()
        for tier in self._tiers("private"):
            for zone in zones:
                routes = []
                if nat_zones:
                    gateway = zone if zone in nat_zones else nat_zones[0]
                    target = Ref(f"nat_gateway.nat-{self._letter(gateway)}")
                    routes = [{"destination_cidr_block": _WORLD, "nat_gateway_id": target}]
                yield self._route_table(f"{tier.name}-{self._letter(zone)}", tier, [zone], routes)

    def _route_table(self, name: str, tier: Tier, zones: Sequence[str], routes: list[dict[str, Any]]) -> Resource:
        return self._named(
            "route_table",
            name,
            f"{self._network.name}-{name}",
            {"vpc_id": self._vpc, "routes": routes, "subnet_ids": self._subnet_refs(tier, zones)},
        )

    def _subnet_refs(self, tier: Tier, zones: Sequence[str]) -> list[Ref]:
        return [Ref(f"subnet.{tier.name}-{self._letter(zone)}") for zone in zones]

    def _network_acls(self) -> Iterator[Resource]:
        for tier in self._network.tiers:
            yield self._named(
                "network_acl",
                tier.name,
                f"{self._network.name}-{tier.name}",
                {
                    "vpc_id": self._vpc,
                    "entries": entries_for(tier.access, self._network.cidr),
                    "subnet_ids": self._subnet_refs(tier, self._network.zones),
                },
            )

    def _endpoints(self) -> Iterator[Resource]:
        network = self._network
        tables = [Ref(f"route_table.{tier.name}") for tier in self._tiers("public")]
        tables += [
            Ref(f"route_table.{t.name}-{self._letter(zone)}") for t in self._tiers("private") for zone in network.zones
        ]
        for service in network.gateway_endpoints:
            # Isolated subnets get none: they shall have no way out at all.
            yield self._endpoint(service, {"vpc_endpoint_type": "Gateway", "route_table_ids": tables})
        if not network.interface_endpoints:
            return
        yield self._named(
            "security_group",
            "endpoints",
            f"{network.name}-endpoints",
            {
                "vpc_id": self._vpc,
                "group_name": f"{network.name}-endpoints",
                "description": "HTTPS from the VPC to the interface endpoints",
                "ingress": [
                    {
                        "ip_protocol": "tcp",
                        "from_port": 443,
                        "to_port": 443,
                        "cidr_ipv4": network.cidr,
                        "description": "HTTPS from the VPC",
                    }
                ],
            },
        )
        subnets = self._subnet_refs(self._tiers("private")[0], network.zones)
        for service in network.interface_endpoints:
            properties = {
                "vpc_endpoint_type": "Interface",
                "subnet_ids": subnets,
                "security_group_ids": [Ref("security_group.endpoints")],
                # A gateway endpoint for S3 keeps the service's name for itself.
                "private_dns_enabled": service not in network.gateway_endpoints,
            }
            name = f"{service}-interface" if service in network.gateway_endpoints else service
            yield self._endpoint(service, properties, name)

    def _endpoint(self, service: str, properties: Mapping[str, Any], name: str = "") -> Resource:
        name = (name or service).replace(".", "-")
        service_name = f"com.amazonaws.{self._network.region}.{service}"
        return self._named(
            "vpc_endpoint",
            name,
            f"{self._network.name}-{name}",
            {"vpc_id": self._vpc, "service_name": service_name, **properties},
        )

    def flow_logs(self) -> Iterator[Resource]:
        """Yield log group, role and flow log.

        https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html
        """
        network = self._network
        yield Resource(
            "log_group",
            "flow-logs",
            {
                "log_group_name": f"/aws/vpc/{network.name}/flow-logs",
                "retention_in_days": network.flow_logs.get("retention_in_days"),
                "kms_key_id": network.flow_logs.get("kms_key_id"),
            },
        )
        stream = Join((Ref("log_group.flow-logs", "arn"), ":*"))
        actions = ["CreateLogStream", "PutLogEvents", "DescribeLogStreams"]
        yield Resource(
            "iam_role",
            "flow-logs",
            {
                "role_name": f"{network.stack}-flow-logs",
                "path": f"/innovate/{network.stack}/",
                "description": f"Writes the flow logs of VPC {network.name}",
                "assume_role_policy_document": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"Service": "vpc-flow-logs.amazonaws.com"},
                            "Action": "sts:AssumeRole",
                        }
                    ],
                },
                "policies": {
                    "write": {
                        "Version": "2012-10-17",
                        "Statement": [
                            {
                                "Effect": "Allow",
                                "Action": [f"logs:{action}" for action in actions],
                                "Resource": [Ref("log_group.flow-logs", "arn"), stream],
                            }
                        ],
                    }
                },
            },
        )
        yield self._named(
            "flow_log",
            "main",
            network.name,
            {
                "resource_id": self._vpc,
                "resource_type": "VPC",
                "traffic_type": network.flow_logs.get("traffic_type", "ALL"),
                "log_destination_type": "cloud-watch-logs",
                "log_group_name": f"/aws/vpc/{network.name}/flow-logs",
                "deliver_logs_permission_arn": Ref("iam_role.flow-logs", "arn"),
                "max_aggregation_interval": network.flow_logs.get("max_aggregation_interval", 600),
            },
            depends_on=("log_group.flow-logs",),
        )
