# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The VPC family."""

from __future__ import annotations

from ansible_collections.innovate.platform.plugins.module_utils._engine.resource import Ref, Resource
from tests.contract.contract import Case

ZONE = "eu-central-1a"
VPC = Resource("vpc", "main", {"cidr_block": "10.99.0.0/16"})
OTHER_VPC = Resource("vpc", "other", {"cidr_block": "10.98.0.0/16"})
IN_VPC = {"vpc_id": Ref("vpc.main")}
TO_OTHER = {"vpc_id": Ref("vpc.other")}
GATEWAY = Resource("internet_gateway", "main", IN_VPC)


def subnet(name: str, number: int, zone: str = "a") -> Resource:
    """Return a subnet 10.99.<number>.0/24."""
    where = {"cidr_block": f"10.99.{number}.0/24", "availability_zone": f"eu-central-1{zone}"}
    return Resource("subnet", name, {**IN_VPC, **where})


SUBNETS = (VPC, subnet("one", 1), subnet("two", 2, "b"))
WEB = {"ip_protocol": "tcp", "from_port": 443, "to_port": 443, "cidr_ipv4": "10.99.0.0/16", "description": "web"}
ALLOW = {"rule_number": 100, "egress": False, "protocol": "-1", "rule_action": "allow", "cidr_block": "10.99.0.0/16"}
POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}],
}

CASES = [
    Case(
        "vpc",
        {"cidr_block": "10.99.0.0/16", "instance_tenancy": "default"},
        mutable={"enable_dns_hostnames": False, "enable_dns_support": False},
        immutable={"cidr_block": "10.97.0.0/16", "instance_tenancy": "dedicated"},
    ),
    Case(
        "subnet",
        {**IN_VPC, "cidr_block": "10.99.0.0/24", "availability_zone": ZONE},
        needs=(VPC,),
        mutable={"map_public_ip_on_launch": True},
        immutable={"cidr_block": "10.99.1.0/24", "availability_zone": "eu-central-1b"},
    ),
    Case(
        "subnet",
        {**IN_VPC, "cidr_block": "10.99.0.0/24", "availability_zone": ZONE},
        needs=(VPC, Resource("vpc", "other", {"cidr_block": "10.99.0.0/16"})),
        immutable=TO_OTHER,
        label="moved",
    ),
    Case("internet_gateway", IN_VPC, needs=(VPC, OTHER_VPC), immutable=TO_OTHER),
    Case("elastic_ip", {}, needs=(), unchanged={"public_ipv4_pool": "the emulated account brought no addresses"}),
    Case(
        "nat_gateway",
        {"subnet_id": Ref("subnet.one"), "allocation_id": Ref("elastic_ip.one")},
        needs=(
            *SUBNETS,
            Resource("elastic_ip", "one", {}, depends_on=("internet_gateway.main",)),
            Resource("elastic_ip", "two", {}, depends_on=("internet_gateway.main",)),
            GATEWAY,
        ),
        immutable={"subnet_id": Ref("subnet.two"), "allocation_id": Ref("elastic_ip.two")},
    ),
    Case(
        "nat_gateway",
        {"subnet_id": Ref("subnet.one"), "connectivity_type": "private"},
        needs=SUBNETS,
        unchanged={"connectivity_type": "a public one needs an address as well"},
        label="private",
    ),
    Case(
        "route_table",
        {
            **IN_VPC,
            "routes": [{"destination_cidr_block": "0.0.0.0/0", "gateway_id": Ref("internet_gateway.main")}],
            "subnet_ids": [Ref("subnet.one")],
        },
        needs=(*SUBNETS, GATEWAY),
        mutable={"routes": [], "subnet_ids": [Ref("subnet.one"), Ref("subnet.two")]},
    ),
    Case("route_table", IN_VPC, needs=(VPC, OTHER_VPC), immutable=TO_OTHER, label="moved"),
    Case(
        "network_acl",
        {**IN_VPC, "entries": [ALLOW], "subnet_ids": [Ref("subnet.one")]},
        needs=SUBNETS,
        mutable={
            "entries": [
                {**ALLOW, "cidr_block": "10.0.0.0/8"},
                {**ALLOW, "rule_number": 200, "egress": True, "protocol": "6", "port_range": {"from": 443, "to": 443}},
            ],
            "subnet_ids": [Ref("subnet.two")],
        },
    ),
    Case("network_acl", IN_VPC, needs=(VPC, OTHER_VPC), immutable=TO_OTHER, label="moved"),
    Case(
        "security_group",
        {**IN_VPC, "group_name": "contract", "description": "a group", "ingress": [WEB]},
        needs=(VPC, OTHER_VPC),
        mutable={
            "ingress": [{**WEB, "description": "another"}, {**WEB, "from_port": 80, "to_port": 80}],
            "egress": [{"ip_protocol": "-1", "referenced_group_id": "self"}],
        },
        immutable={"group_name": "other", "description": "another group", **TO_OTHER},
    ),
    Case(
        "default_security_group",
        IN_VPC,
        needs=(VPC,),
        mutable={"ingress": [WEB], "egress": [WEB]},
        unchanged={"vpc_id": "each VPC has its own"},
    ),
    Case(
        "vpc_endpoint",
        {
            **IN_VPC,
            "service_name": "com.amazonaws.eu-central-1.s3",
            "route_table_ids": [Ref("route_table.one")],
            "policy_document": POLICY,
        },
        needs=(VPC, Resource("route_table", "one", IN_VPC), Resource("route_table", "two", IN_VPC)),
        mutable={
            "route_table_ids": [Ref("route_table.two")],
            "policy_document": {**POLICY, "Statement": [{**POLICY["Statement"][0], "Action": "s3:*"}]},  # type: ignore[dict-item]
        },
        immutable={"service_name": "com.amazonaws.eu-central-1.dynamodb"},
        unchanged={"vpc_endpoint_type": "the other type takes other properties"},
    ),
    Case(
        "vpc_endpoint",
        {
            **IN_VPC,
            "service_name": "com.amazonaws.eu-central-1.sts",
            "vpc_endpoint_type": "Interface",
            "subnet_ids": [Ref("subnet.one")],
            "security_group_ids": [Ref("security_group.one")],
            "private_dns_enabled": True,
        },
        needs=(
            *SUBNETS,
            *(
                Resource("security_group", name, {**IN_VPC, "group_name": name, "description": name})
                for name in ("one", "two")
            ),
        ),
        mutable={
            "subnet_ids": [Ref("subnet.one"), Ref("subnet.two")],
            "security_group_ids": [Ref("security_group.two")],
            "private_dns_enabled": False,
            # A policy that isn't declared gives way to AWS's own.
            "policy_document": POLICY,
        },
        label="interface",
    ),
    Case(
        "vpc_endpoint",
        {**IN_VPC, "service_name": "com.amazonaws.eu-central-1.s3"},
        needs=(VPC, OTHER_VPC),
        immutable=TO_OTHER,
        label="moved",
    ),
    Case(
        "flow_log",
        {
            "resource_id": Ref("vpc.main"),
            "log_destination_type": "s3",
            "log_destination": "arn:aws:s3:::contract-flow-logs",
        },
        needs=(
            VPC,
            OTHER_VPC,
            Resource("s3_bucket", "logs", {"bucket": "contract-flow-logs"}),
            Resource("s3_bucket", "two", {"bucket": "contract-flow-logs-two"}),
        ),
        immutable={
            "resource_id": Ref("vpc.other"),
            "traffic_type": "REJECT",
            "max_aggregation_interval": 60,
            "log_destination": "arn:aws:s3:::contract-flow-logs-two",
        },
        unchanged={
            "resource_type": "goes with resource_id",
            "log_destination_type": "goes with the destination",
            "log_group_name": "tried by the case with a log group",
        },
    ),
    Case(
        "flow_log",
        {
            "resource_id": Ref("vpc.main"),
            "log_group_name": "contract-flow-logs",
            "deliver_logs_permission_arn": Ref("iam_role.one", "arn"),
        },
        needs=(
            VPC,
            Resource("log_group", "one", {"log_group_name": "contract-flow-logs"}),
            *(
                Resource(
                    "iam_role",
                    name,
                    {
                        "role_name": f"contract-flow-logs-{name}",
                        "path": "/innovate/contract-flow-log-group/",
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
                    },
                )
                for name in ("one", "two")
            ),
        ),
        immutable={"deliver_logs_permission_arn": Ref("iam_role.two", "arn")},
        label="group",
    ),
]
