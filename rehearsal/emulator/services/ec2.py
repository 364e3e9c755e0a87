# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EC2's network: what moto has, with the states, refusals and repeated requests of the service.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/, error codes:
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
"""

from __future__ import annotations

import fnmatch
import ipaddress
import random
import time
from collections.abc import Callable, Iterable
from typing import Any

from moto.ec2.models.nat_gateways import NatGateway

from rehearsal.emulator.errors import AwsError
from rehearsal.emulator.registry import Call, operation
from rehearsal.emulator.services import quotas
from rehearsal.emulator.services.common import ec2, is_referenced, remember, repeated
from rehearsal.emulator.world import Transition, hex_id

#: Other services that stand in subnets or use security groups: (call) -> {resource: ids in use}.
USERS: list[Callable[[Call], set[str]]] = []

_MISMATCH = AwsError(
    "IdempotentParameterMismatch",
    "The request uses the same client token as a previous, but non-identical request.",
)


def _allow(call: Call, quota: str, used: int, what: str) -> None:
    """Refuse one more of something than its quota allows.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
    """
    words = "".join(word.capitalize() for word in what.split())
    message = f"The maximum number of {what.replace('vpc', 'VPC').replace('nat', 'NAT')}s has been reached."
    quotas.allow(call, quota, used, lambda _limit: AwsError(f"{words}LimitExceeded", message))


def _in_use(what: str, identifier: str) -> AwsError:
    return AwsError("DependencyViolation", f"The {what} '{identifier}' has dependencies and cannot be deleted.")


def _tags(call: Call, kind: str) -> dict[str, str]:
    """The tags of TagSpecifications for one type of resource."""
    found: dict[str, str] = {}
    for specification in call.get("TagSpecifications", []):
        if specification.get("ResourceType") != kind:
            message = f"'{specification.get('ResourceType')}' is not a valid taggable resource type for this operation."
            raise AwsError("InvalidParameterValue", message)
        for tag in specification.get("Tags", []):
            if tag["Key"] in found:
                raise AwsError("InvalidParameterValue", f"Tag keys must be unique: {tag['Key']}")
            found[tag["Key"]] = tag.get("Value", "")
    return found


def _tag_list(network: Any, identifier: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in network.tags.get(identifier, {}).items()]


def matches(filters: list[dict[str, Any]], values: Callable[[str], list[str]], tags: list[dict[str, str]]) -> bool:
    """Whether something passes a request's filters; ``values`` gives what it has under a filter's name."""
    for item in filters:
        name, wanted = item.get("Name", ""), item.get("Values", [])
        if name.startswith("tag:"):
            have = [tag["Value"] for tag in tags if tag["Key"] == name[4:]]
        elif name == "tag-key":
            have = [tag["Key"] for tag in tags]
        else:
            have = values(name)
        if not any(fnmatch.fnmatchcase(value, pattern) for value in have for pattern in wanted):
            return False
    return True


def _filter_error(name: str) -> AwsError:
    return AwsError("InvalidParameterValue", f"The filter '{name}' is invalid")


def _address_in(subnet: Any) -> str:
    """A free-looking address of a subnet; the first four and the last are AWS's own."""
    network = ipaddress.ip_network(subnet.cidr_block)
    return str(network[random.randint(4, network.num_addresses - 2)])


def managed_interface(network: Any, subnet: Any, groups: list[str], description: str) -> Any:
    """A network interface that a service has put into a subnet: whoever owns the subnet can't delete it.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/requester-managed-eni.html
    """
    made = network.create_network_interface(subnet, _address_in(subnet), group_ids=groups, description=description)
    made.requester_managed = True
    made.status = "in-use"
    return made


def _released(call: Call) -> dict[str, float]:
    return call.world.store("ec2-released", call.account, call.region, dict)


def release(call: Call, interfaces: Iterable[str]) -> None:
    """Let go of a service's interfaces: they stay for some time after what they were for is gone (minutes on AWS)."""
    due = call.world.due("interface-release")
    for identifier in interfaces:
        _released(call).setdefault(identifier, due)
    _drop_released(call)


def _drop_released(call: Call) -> None:
    network = ec2(call)
    for identifier, due in list(_released(call).items()):
        if time.time() >= due:
            del _released(call)[identifier]
            network.enis.pop(identifier, None)


@operation("ec2", "DescribeNetworkInterfaces")
def describe_network_interfaces(call: Call) -> dict[str, Any]:
    """Moto's, as of now."""
    _settle(call)
    _used(call)
    return call.forward()


# --- VPCs and subnets -----------------------------------------------------------------------------------------------


def _canonical(cidr: str, code: str) -> str:
    try:
        network = ipaddress.ip_network(cidr, strict=False)
    except ValueError:
        message = f"Value ({cidr}) for parameter cidrBlock is invalid. This is not a valid CIDR block."
        raise AwsError("InvalidParameterValue", message) from None
    if not 16 <= network.prefixlen <= 28:
        raise AwsError(code, f"The CIDR '{cidr}' is invalid.")
    return str(network)


@operation("ec2", "CreateVpc")
def create_vpc(call: Call) -> dict[str, Any]:
    if "CidrBlock" not in call.params:
        if "Ipv4IpamPoolId" in call.params:
            return call.forward()
        raise AwsError("MissingParameter", "Either 'cidrBlock' or 'ipv4IpamPoolId' should be provided.")
    cidr = _canonical(call["CidrBlock"], "InvalidVpc.Range")
    _tags(call, "vpc")
    _allow(call, "L-F678F1CE", len(ec2(call).vpcs), "vpc")
    return call.forward(lambda form: {**form, "CidrBlock": cidr})


@operation("ec2", "DeleteVpc")
def delete_vpc(call: Call) -> dict[str, Any]:
    network, vpc = ec2(call), call["VpcId"]
    network.get_vpc(vpc)
    _settle(call)
    error = _in_use("vpc", vpc)
    groups = [group for group in network.groups.get(vpc, {}).values() if group.name != "default"]
    acls = [acl for acl in network.network_acls.values() if acl.vpc_id == vpc and acl.default not in (True, "true")]
    tables = [t for t in network.route_tables.values() if t.vpc_id == vpc and t.main_association_id is None]
    gateways = [igw for igw in network.internet_gateways.values() if igw.vpc and igw.vpc.id == vpc]
    endpoints = [e for e in network.vpc_end_points.values() if e.vpc_id == vpc]
    nats = [
        nat for nat in network.nat_gateways.values() if nat.vpc_id == vpc and nat.state not in ("deleted", "failed")
    ]
    interfaces = [eni for eni in network.enis.values() if eni.subnet.vpc_id == vpc]
    if groups or acls or tables or gateways or endpoints or nats or interfaces or vpc in _used(call):
        raise error
    mine = {vpc, *(i for t in network.route_tables.values() if t.vpc_id == vpc for i in [t.id])}
    mine |= {acl.id for acl in network.network_acls.values() if acl.vpc_id == vpc}
    mine |= set(network.groups.get(vpc, {}))
    logs = [log for log in network.flow_logs.values() if log.resource_id == vpc]
    answer = call.forward()
    for acl in [acl.id for acl in network.network_acls.values() if acl.vpc_id == vpc]:
        del network.network_acls[acl]
    network.groups.pop(vpc, None)
    for log in logs:
        network.flow_logs.pop(log.id, None)
        mine.add(log.id)
    for identifier in mine:
        network.tags.pop(identifier, None)
    return answer


@operation("ec2", "CreateSubnet")
def create_subnet(call: Call) -> dict[str, Any]:
    network = ec2(call)
    network.get_vpc(call["VpcId"])
    zone = call.get("AvailabilityZone")
    zones = [z.name for z in network.describe_availability_zones()]
    if zone is not None and zone not in zones:
        message = f"Value ({zone}) for parameter availabilityZone is invalid. Subnets can currently only be created in "
        raise AwsError("InvalidParameterValue", message + f"the following availability zones: {', '.join(zones)}.")
    _tags(call, "subnet")
    there = [subnet for found in network.subnets.values() for subnet in found.values()]
    _allow(call, "L-407747CB", sum(subnet.vpc_id == call["VpcId"] for subnet in there), "subnet")
    if "CidrBlock" not in call.params:
        return call.forward()
    cidr = _canonical(call["CidrBlock"], "InvalidSubnet.Range")
    return call.forward(lambda form: {**form, "CidrBlock": cidr})


def _used(call: Call) -> set[str]:
    """Ids of subnets, security groups and VPCs that other services use."""
    found: set[str] = set()
    for users in USERS:
        found |= users(call)
    return found


@operation("ec2", "DeleteSubnet")
def delete_subnet(call: Call) -> dict[str, Any]:
    network, subnet = ec2(call), call["SubnetId"]
    network.get_subnet(subnet)
    _settle(call)
    if any(eni.subnet.id == subnet for eni in network.enis.values()) or subnet in _used(call):
        raise _in_use("subnet", subnet)
    answer = call.forward()
    for table in network.route_tables.values():
        for association in [key for key, value in table._associations.items() if value == subnet]:
            del table._associations[association]
    for acl in network.network_acls.values():
        for association in [key for key, value in acl._associations.items() if value.subnet_id == subnet]:
            del acl._associations[association]
    network.tags.pop(subnet, None)
    return answer


# --- internet gateways, addresses -----------------------------------------------------------------------------------


@operation("ec2", "CreateInternetGateway")
def create_internet_gateway(call: Call) -> dict[str, Any]:
    _allow(call, "L-A4707A72", len(ec2(call).internet_gateways), "internet gateway")
    return call.forward()


@operation("ec2", "AttachInternetGateway")
def attach_internet_gateway(call: Call) -> dict[str, Any]:
    network, vpc = ec2(call), call["VpcId"]
    network.get_vpc(vpc)
    for gateway in network.internet_gateways.values():
        if gateway.vpc and gateway.vpc.id == vpc and gateway.id != call["InternetGatewayId"]:
            message = f"Network {vpc} already has an internet gateway attached"
            raise AwsError("InvalidParameterValue", message)
    return call.forward()


@operation("ec2", "DetachInternetGateway")
def detach_internet_gateway(call: Call) -> dict[str, Any]:
    network, vpc = ec2(call), call["VpcId"]
    _settle(call)
    for address in network.addresses:
        if address.eni is not None and address.eni.subnet.vpc_id == vpc:
            message = f"Network {vpc} has some mapped public address(es). Please unmap those public address(es) before "
            raise AwsError("DependencyViolation", message + "detaching the gateway.")
    return call.forward()


@operation("ec2", "DeleteInternetGateway")
def delete_internet_gateway(call: Call) -> dict[str, Any]:
    network, identifier = ec2(call), call["InternetGatewayId"]
    if network.get_internet_gateway(identifier).vpc:
        raise _in_use("internetGateway", identifier)
    answer = call.forward()
    network.tags.pop(identifier, None)
    return answer


@operation("ec2", "AllocateAddress")
def allocate_address(call: Call) -> dict[str, Any]:
    """An address; those of a pool of one's own have no quota."""
    if call.get("PublicIpv4Pool", "amazon") == "amazon":
        _allow(call, "L-0263D0A3", len(ec2(call).addresses), "address")
    return call.forward()


@operation("ec2", "ReleaseAddress")
def release_address(call: Call) -> dict[str, Any]:
    network = ec2(call)
    _settle(call)
    for address in network.addresses:
        if call.get("AllocationId") == address.allocation_id and address.association_id:
            raise AwsError("InvalidIPAddress.InUse", f"Address {address.public_ip} is in use.")
    answer = call.forward()
    network.tags.pop(call.get("AllocationId"), None)
    return answer


# --- NAT gateways ---------------------------------------------------------------------------------------------------


def _nat_states(call: Call) -> dict[str, Transition]:
    return call.world.store("ec2-nat", call.account, call.region, dict)


def _settle(call: Call) -> None:
    """Finish what time has finished: NAT gateways, endpoints and interfaces that come and go."""
    network, states = ec2(call), _nat_states(call)
    _drop_released(call)
    for identifier, transition in list(states.items()):
        nat = network.nat_gateways.get(identifier)
        if nat is None:
            del states[identifier]
            continue
        nat.state = transition.value()
        if transition.over() and nat.state in ("deleted", "failed"):
            if not transition.done:
                transition.done = True
                _free_nat(network, nat)
            if time.time() > transition.at + call.world.linger:
                del network.nat_gateways[identifier]
                del states[identifier]
                network.tags.pop(identifier, None)
    for identifier, transition in list(_endpoint_states(call).items()):
        endpoint = network.vpc_end_points.get(identifier)
        if endpoint is None:
            del _endpoint_states(call)[identifier]
            continue
        endpoint.state = transition.value()
        if transition.over() and endpoint.state == "deleted":
            del network.vpc_end_points[identifier]
            network.tags.pop(identifier, None)
            release(call, endpoint.network_interface_ids)


def _free_nat(network: Any, nat: Any) -> None:
    """The interface goes and the addresses are free again."""
    for address in network.addresses:
        if address.eni is not None and nat._eni is not None and address.eni.id == nat._eni.id:
            address.eni = None
            address.association_id = None
            address.instance = None
    if nat._eni is not None:
        network.enis.pop(nat._eni.id, None)


def _nat_view(network: Any, nat: Any) -> dict[str, Any]:
    view: dict[str, Any] = {
        "NatGatewayId": nat.id,
        "State": nat.state,
        "VpcId": nat.vpc_id,
        "CreateTime": nat.create_time,
        "ConnectivityType": nat.connectivity_type,
        "AvailabilityMode": getattr(nat, "availability_mode", "zonal"),
        "NatGatewayAddresses": [dict(item) for item in nat.address_set],
        "Tags": _tag_list(network, nat.id),
    }
    if nat.subnet_id:
        view["SubnetId"] = nat.subnet_id
    if nat.state == "failed":
        view["FailureCode"] = "Gateway.NotAttached"
        view["FailureMessage"] = f"Network {nat.vpc_id} has no Internet gateway attached"
    if nat.state == "pending":
        view["NatGatewayAddresses"] = [
            {key: value for key, value in item.items() if key == "AllocationId"} for item in view["NatGatewayAddresses"]
        ]
    return view


def _beside(network: Any, subnet: str) -> int:
    """How many NAT gateways the zone of a subnet has, those on their way out included."""
    there = [nat for nat in network.nat_gateways.values() if nat.state not in ("deleted", "failed") and nat.subnet_id]
    zones = [network.get_subnet(nat.subnet_id).availability_zone for nat in there]
    return zones.count(network.get_subnet(subnet).availability_zone)


@operation("ec2", "CreateNatGateway")
def create_nat_gateway(call: Call) -> dict[str, Any]:
    network = ec2(call)
    _settle(call)
    again = repeated(call, "ClientToken", _MISMATCH)
    if again in network.nat_gateways:
        return {"NatGateway": _nat_view(network, network.nat_gateways[again]), "ClientToken": call["ClientToken"]}
    regional = call.get("AvailabilityMode") == "regional"
    kind = call.get("ConnectivityType", "public")
    tags = _tags(call, "natgateway")
    allocation = call.get("AllocationId")
    if regional:
        if "VpcId" not in call.params or "SubnetId" in call.params:
            raise AwsError("InvalidParameterCombination", "A regional NAT gateway takes a VpcId and no SubnetId.")
        network.get_vpc(call["VpcId"])
    elif "SubnetId" not in call.params:
        raise AwsError("MissingParameter", "The request must contain the parameter SubnetId")
    else:
        network.get_subnet(call["SubnetId"])
    if kind == "public" and not regional and allocation is None:
        raise AwsError("MissingParameter", "The request must include the AllocationId parameter.")
    if kind == "private" and allocation is not None:
        raise AwsError("InvalidParameter", "A private NAT gateway takes no AllocationId.")
    if allocation is not None:
        addresses = [address for address in network.addresses if address.allocation_id == allocation]
        if not addresses:
            message = f"Elastic IP address [{allocation}] not found"
            raise AwsError("InvalidAllocationID.NotFound", message)
        if addresses[0].association_id:
            message = f"Elastic IP address [{allocation}] is already associated"
            raise AwsError("Resource.AlreadyAssociated", message)
    if regional:
        nat = _regional(network, call["VpcId"], kind)
        network.nat_gateways[nat.id] = nat
        nat.add_tags(tags)
    else:
        _allow(call, "L-FE5A380F", _beside(network, call["SubnetId"]), "nat gateway")
        nat = network.create_nat_gateway(call["SubnetId"], allocation, tags, kind)
        nat.availability_mode = "zonal"
        subnet = network.get_subnet(call["SubnetId"])
        # moto's address is a random one of no subnet.
        nat.private_ip = nat._eni.private_ip_address = _address_in(subnet)
        nat._eni.description = f"Interface for NAT Gateway {nat.id}"
        nat._eni.requester_managed = True
        nat._eni.status = "in-use"
        nat._eni.interface_type = "nat_gateway"
        for item in nat.address_set:
            for key in [k for k in item if k.lower() in ("privateip", "private_ip")]:
                item[key] = nat.private_ip
        nat.address_set = [_nat_address(network, nat, allocation)]
    attached = any(gateway.vpc and gateway.vpc.id == nat.vpc_id for gateway in network.internet_gateways.values())
    outcome = "available" if attached or kind == "private" else "failed"
    nat.state = "pending"
    _nat_states(call)[nat.id] = Transition("pending", outcome, call.world.due("natgateway"))
    remember(call, "ClientToken", nat.id)
    view = _nat_view(network, nat)
    return {"NatGateway": view, **({"ClientToken": call["ClientToken"]} if call.get("ClientToken") else {})}


def _nat_address(network: Any, nat: Any, allocation: str | None) -> dict[str, Any]:
    item = {
        "NetworkInterfaceId": nat._eni.id,
        "PrivateIp": nat.private_ip,
        "IsPrimary": True,
        "Status": "succeeded",
    }
    for address in network.addresses:
        if allocation is not None and address.allocation_id == allocation:
            item |= {
                "AllocationId": allocation,
                "PublicIp": address.public_ip,
                "AssociationId": address.association_id,
            }
    return item


def _regional(network: Any, vpc: str, kind: str) -> Any:
    """A NAT gateway of the whole VPC: it has no subnet and no interface of its own."""
    from moto.core.utils import utcnow  # noqa: PLC0415

    nat = object.__new__(NatGateway)
    nat.id = hex_id("nat")
    nat.subnet_id = None
    nat.vpc_id = vpc
    nat.address_set = []
    nat.state = "pending"
    nat.private_ip = None
    nat.connectivity_type = kind
    nat.availability_mode = "regional"
    nat._created_at = utcnow()
    nat.ec2_backend = network
    nat._eni = None
    return nat


def _nats(call: Call, identifiers: list[str]) -> list[Any]:
    network = ec2(call)
    _settle(call)
    for identifier in identifiers:
        if identifier not in network.nat_gateways:
            raise AwsError("NatGatewayNotFound", f"The Nat Gateway {identifier} was not found")
    return [nat for nat in network.nat_gateways.values() if not identifiers or nat.id in identifiers]


@operation("ec2", "DescribeNatGateways")
def describe_nat_gateways(call: Call) -> dict[str, Any]:
    network = ec2(call)
    found = []
    for nat in _nats(call, call.get("NatGatewayIds", [])):

        def values(name: str, nat: Any = nat) -> list[str]:
            known = {
                "nat-gateway-id": nat.id,
                "subnet-id": nat.subnet_id or "",
                "vpc-id": nat.vpc_id,
                "state": nat.state,
            }
            if name not in known:
                raise _filter_error(name)
            return [known[name]]

        if matches(call.get("Filter", []) or call.get("Filters", []), values, _tag_list(network, nat.id)):
            found.append(_nat_view(network, nat))
    return {"NatGateways": found}


@operation("ec2", "DeleteNatGateway")
def delete_nat_gateway(call: Call) -> dict[str, Any]:
    nat = _nats(call, [call["NatGatewayId"]])[0]
    if nat.state not in ("deleting", "deleted"):
        nat.state = "deleting"
        _nat_states(call)[nat.id] = Transition("deleting", "deleted", call.world.due("delete"))
    return {"NatGatewayId": nat.id}


# --- route tables ---------------------------------------------------------------------------------------------------


@operation("ec2", "DescribeRouteTables")
def describe_route_tables(call: Call) -> dict[str, Any]:
    """A route whose target is gone is a black hole."""
    network = ec2(call)
    _settle(call)
    answer = call.forward()
    for table in answer.get("RouteTables", []):
        for route in table.get("Routes", []):
            nat = route.get("NatGatewayId")
            if nat and (nat not in network.nat_gateways or network.nat_gateways[nat].state in ("deleted", "failed")):
                route["State"] = "blackhole"
            gateway = route.get("GatewayId", "")
            if gateway.startswith("igw-"):
                found = network.internet_gateways.get(gateway)
                if found is None or not found.vpc:
                    route["State"] = "blackhole"
    return answer


@operation("ec2", "AssociateRouteTable")
def associate_route_table(call: Call) -> dict[str, Any]:
    network = ec2(call)
    table = network.get_route_table(call["RouteTableId"])
    subnet = call.get("SubnetId")
    if subnet is not None:
        if network.get_subnet(subnet).vpc_id != table.vpc_id:
            message = f"Route table {table.id} and subnet {subnet} belong to different networks"
            raise AwsError("InvalidParameterValue", message)
        for other in network.route_tables.values():
            if other.id != table.id and subnet in other._associations.values():
                message = f"the specified association for route table {table.id} conflicts with an existing association"
                raise AwsError("Resource.AlreadyAssociated", message)
    return call.forward()


@operation("ec2", "CreateRouteTable")
def create_route_table(call: Call) -> dict[str, Any]:
    again: dict[str, Any] | None = repeated(call, "ClientToken", _MISMATCH)
    if again is not None:
        return again
    there = [table for table in ec2(call).route_tables.values() if table.vpc_id == call["VpcId"]]
    _allow(call, "L-589F43AA", len(there), "route table")
    answer = call.forward()
    remember(call, "ClientToken", answer)
    return answer


@operation("ec2", "DeleteRouteTable")
def delete_route_table(call: Call) -> dict[str, Any]:
    network, identifier = ec2(call), call["RouteTableId"]
    table = network.get_route_table(identifier)
    endpoints = [e for e in network.vpc_end_points.values() if identifier in (e.route_table_ids or [])]
    if table.main_association_id is not None:
        raise _in_use("routeTable", identifier)
    answer = call.forward()
    for endpoint in endpoints:
        endpoint.route_table_ids.remove(identifier)
    network.tags.pop(identifier, None)
    return answer


# --- network ACLs ---------------------------------------------------------------------------------------------------


@operation("ec2", "CreateNetworkAcl")
def create_network_acl(call: Call) -> dict[str, Any]:
    """A new ACL denies everything, by two entries that can't be changed."""
    _tags(call, "network-acl")
    network = ec2(call)
    again = repeated(call, "ClientToken", _MISMATCH)
    if again is None or again not in network.network_acls:
        there = [acl for acl in network.network_acls.values() if acl.vpc_id == call["VpcId"]]
        _allow(call, "L-B4A6D682", len(there), "network acl")
        answer = call.forward()
        again = answer["NetworkAcl"]["NetworkAclId"]
        for egress in (True, False):
            network.create_network_acl_entry(
                again, 32767, "-1", "deny", egress, "0.0.0.0/0", None, None, None, None, None
            )
        remember(call, "ClientToken", again)
    acl = network.network_acls[again]
    entries = [
        {
            "CidrBlock": e.cidr_block,
            "Egress": e.egress in (True, "true"),
            "Protocol": str(e.protocol),
            "RuleAction": e.rule_action,
            "RuleNumber": int(e.rule_number),
        }
        for e in acl.network_acl_entries
    ]
    return {
        "NetworkAcl": {
            "NetworkAclId": again,
            "VpcId": acl.vpc_id,
            "IsDefault": False,
            "Associations": [],
            "Entries": entries,
            "OwnerId": call.account,
            "Tags": _tag_list(network, again),
        }
    }


@operation("ec2", "ReplaceNetworkAclAssociation")
def replace_network_acl_association(call: Call) -> dict[str, Any]:
    identifier = call["AssociationId"]
    if not any(identifier in acl._associations for acl in ec2(call).network_acls.values()):
        raise AwsError("InvalidAssociationID.NotFound", f"The association ID '{identifier}' does not exist")
    return call.forward()


def _check_entry(call: Call) -> None:
    if not 1 <= call["RuleNumber"] <= 32766:
        message = f"Invalid value '{call['RuleNumber']}' for ruleNumber. Must be between 1 and 32766."
        raise AwsError("InvalidParameterValue", message)


@operation("ec2", "CreateNetworkAclEntry", "ReplaceNetworkAclEntry", "DeleteNetworkAclEntry")
def change_network_acl_entry(call: Call) -> dict[str, Any]:
    _check_entry(call)
    network = ec2(call)
    acl = network.get_network_acl(call["NetworkAclId"])
    if call.operation != "CreateNetworkAclEntry":
        present = [
            e
            for e in acl.network_acl_entries
            if int(e.rule_number) == call["RuleNumber"] and (e.egress in (True, "true")) == call["Egress"]
        ]
        if not present:
            direction = "egress" if call["Egress"] else "ingress"
            message = f"The {direction} network acl entry identified by {call['RuleNumber']} does not exist."
            raise AwsError("InvalidNetworkAclEntry.NotFound", message)
    return call.forward()


@operation("ec2", "DeleteNetworkAcl")
def delete_network_acl(call: Call) -> dict[str, Any]:
    network, identifier = ec2(call), call["NetworkAclId"]
    if network.get_network_acl(identifier).default in (True, "true"):
        raise AwsError("InvalidParameterValue", f"cannot delete default network ACL {identifier}")
    answer = call.forward()
    network.tags.pop(identifier, None)
    return answer


# --- security groups ------------------------------------------------------------------------------------------------


def _wanted_rules(permissions: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """One tuple per rule that a request's permissions make: protocol, ports, kind of source, source."""
    rules: list[tuple[Any, ...]] = []
    for permission in permissions:
        protocol = {"6": "tcp", "17": "udp", "1": "icmp", "all": "-1"}.get(
            str(permission.get("IpProtocol", "-1")).lower(), str(permission.get("IpProtocol", "-1")).lower()
        )
        ports = (None, None) if protocol == "-1" else (permission.get("FromPort"), permission.get("ToPort"))
        rules += [(protocol, *ports, "ipv4", item["CidrIp"]) for item in permission.get("IpRanges", [])]
        rules += [(protocol, *ports, "ipv6", item["CidrIpv6"]) for item in permission.get("Ipv6Ranges", [])]
        rules += [(protocol, *ports, "list", item["PrefixListId"]) for item in permission.get("PrefixListIds", [])]
        rules += [(protocol, *ports, "group", item.get("GroupId")) for item in permission.get("UserIdGroupPairs", [])]
    return rules


def _present_rules(rules: list[Any]) -> set[tuple[Any, ...]]:
    found: set[tuple[Any, ...]] = set()
    for rule in rules:
        base = (rule.ip_protocol, rule.from_port, rule.to_port)
        if rule.cidr_ipv4:
            found.add((*base, "ipv4", rule.cidr_ipv4))
        if rule.cidr_ipv6:
            found.add((*base, "ipv6", rule.cidr_ipv6))
        if rule.prefix_list_id:
            found.add((*base, "list", rule.prefix_list_id))
        if rule.source_group:
            found.add((*base, "group", rule.source_group.get("GroupId")))
    return found


@operation("ec2", "AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress")
def authorize(call: Call) -> dict[str, Any]:
    network = ec2(call)
    group = network.get_security_group_from_id(call.get("GroupId", "")) if call.get("GroupId") else None
    if group is None:
        return call.forward()
    present = _present_rules(group.egress_rules if call.operation.endswith("Egress") else group.ingress_rules)
    wanted = _wanted_rules(call.get("IpPermissions", []))
    for position, rule in enumerate(wanted):
        if rule[3] == "group" and rule[4] and network.get_security_group_from_id(rule[4]) is None:
            raise AwsError(
                "InvalidGroup.NotFound",
                f"You have specified two resources that belong to different networks "
                f"or the security group '{rule[4]}' does not exist",
            )
        if rule in present or rule in wanted[:position]:
            ports = "ALL" if rule[1] is None else f"from port: {rule[1]}, to port: {rule[2]}"
            message = f'the specified rule "peer: {rule[4]}, {rule[0].upper()}, {ports}, ALLOW" already exists'
            raise AwsError("InvalidPermission.Duplicate", message)
    return call.forward()


@operation("ec2", "DeleteSecurityGroup")
def delete_security_group(call: Call) -> dict[str, Any]:
    network = ec2(call)
    group = network.get_security_group_from_id(call.get("GroupId", "")) if call.get("GroupId") else None
    if group is None:
        return call.forward()
    if group.name == "default":
        message = f'the specified group: "{group.id}" name: "default" cannot be deleted by a user'
        raise AwsError("CannotDelete", message)
    _settle(call)
    used = group.id in _used(call)
    for eni in network.enis.values():
        used = used or any(item.id == group.id for item in eni.group_set or [])
    for endpoint in network.vpc_end_points.values():
        used = used or group.id in (endpoint.security_group_ids or [])
    if used or is_referenced(network, group.id):
        raise AwsError("DependencyViolation", f"resource {group.id} has a dependent object")
    rules = [rule.id for rule in [*group.ingress_rules, *group.egress_rules]]
    answer = call.forward()
    for identifier in [group.id, *rules]:
        network.tags.pop(identifier, None)
    return answer


@operation("ec2", "DeleteNetworkInterface")
def delete_network_interface(call: Call) -> dict[str, Any]:
    network, identifier = ec2(call), call["NetworkInterfaceId"]
    eni = network.enis.get(identifier)
    if eni is not None and (eni.attachment_id or getattr(eni, "requester_managed", False)):
        message = f"Network interface '{identifier}' is currently in use."
        raise AwsError("InvalidParameterValue", message)
    answer = call.forward()
    network.tags.pop(identifier, None)
    return answer


# --- VPC endpoints --------------------------------------------------------------------------------------------------


def _endpoint_states(call: Call) -> dict[str, Transition]:
    return call.world.store("ec2-endpoint", call.account, call.region, dict)


def _endpoint_view(call: Call, endpoint: Any) -> dict[str, Any]:
    network = ec2(call)
    view = {
        "VpcEndpointId": endpoint.id,
        "VpcEndpointType": endpoint.vpc_endpoint_type or "Gateway",
        "VpcId": endpoint.vpc_id,
        "ServiceName": endpoint.service_name,
        "State": endpoint.state,
        "PolicyDocument": endpoint.policy_document,
        "RouteTableIds": list(endpoint.route_table_ids or []),
        "SubnetIds": list(endpoint.subnet_ids or []),
        "Groups": endpoint.groups,
        "PrivateDnsEnabled": bool(endpoint.private_dns_enabled),
        "RequesterManaged": False,
        "NetworkInterfaceIds": list(endpoint.network_interface_ids or []),
        "DnsEntries": endpoint.dns_entries or [],
        "CreationTimestamp": endpoint.creation_timestamp,
        "Tags": _tag_list(network, endpoint.id),
        "OwnerId": call.account,
        "IpAddressType": "ipv4",
    }
    if view["VpcEndpointType"] == "Interface":
        view["DnsOptions"] = {"DnsRecordIpType": "ipv4"}
    return view


def _service_types(call: Call, name: str) -> set[str]:
    services = ec2(call)._collect_default_endpoint_services(call.account, call.region)
    return {
        kind["ServiceType"] for service in services if service["ServiceName"] == name for kind in service["ServiceType"]
    }


@operation("ec2", "CreateVpcEndpoint")
def create_vpc_endpoint(call: Call) -> dict[str, Any]:
    network = ec2(call)
    _settle(call)
    again = repeated(call, "ClientToken", _MISMATCH)
    if again in network.vpc_end_points:
        return {"VpcEndpoint": _endpoint_view(call, network.vpc_end_points[again]), "ClientToken": call["ClientToken"]}
    kind, service, vpc_id = call.get("VpcEndpointType", "Gateway"), call.get("ServiceName", ""), call["VpcId"]
    vpc = network.get_vpc(vpc_id)
    tags = _tags(call, "vpc-endpoint")
    offered = _service_types(call, service)
    if not offered:
        raise AwsError("InvalidServiceName", f"The Vpc Endpoint Service '{service}' does not exist")
    if kind not in offered:
        message = f"The VPC endpoint type {kind} is not available for the service '{service}'."
        raise AwsError("InvalidParameter", message)
    tables, subnets = call.get("RouteTableIds", []), call.get("SubnetIds", [])
    groups = call.get("SecurityGroupIds", [])
    private_dns = call.get("PrivateDnsEnabled", kind == "Interface") if kind == "Interface" else False
    if kind == "Gateway":
        if subnets or groups:
            raise AwsError("InvalidParameter", "SubnetIds and SecurityGroupIds are not valid for a Gateway endpoint.")
        _check_tables(call, vpc_id, service, tables)
    else:
        if tables:
            raise AwsError("InvalidParameter", "RouteTableIds is only valid for a Gateway endpoint.")
        _check_zones(network, vpc_id, subnets)
        for group in groups:
            found = network.get_security_group_from_id(group)
            if found is None or found.vpc_id != vpc_id:
                raise AwsError("InvalidGroup.NotFound", f"The security group '{group}' does not exist")
        if private_dns:
            _check_private_dns(network, vpc, service)
        if not groups:
            groups = [group.id for group in network.groups[vpc_id].values() if group.name == "default"]
    there = [
        item for item in network.vpc_end_points.values() if item.vpc_endpoint_type == kind and item.state != "deleted"
    ]
    if kind == "Gateway":
        _allow(call, "L-1B52E74A", len(there), "vpc endpoint")
    else:
        _allow(call, "L-29B6F2EB", sum(item.vpc_id == vpc_id for item in there), "vpc endpoint")
    made = network.create_vpc_endpoint(
        vpc_id,
        service,
        kind,
        call.get("PolicyDocument"),
        list(tables),
        subnet_ids=[],
        client_token=call.get("ClientToken"),
        security_group_ids=list(groups),
        tags=tags,
        private_dns_enabled=private_dns,
    )
    if kind == "Interface":
        made.subnet_ids = list(subnets)
        made.network_interface_ids = [_endpoint_interface(network, made, subnet) for subnet in subnets]
        host = ".".join(reversed(service.split(".")[3:])) if service.startswith("com.amazonaws.") else service
        host = ".".join(service.split(".")[3:]) or host
        made.dns_entries = [
            {
                "DnsName": f"{made.id}-{made.id[-8:]}.{host}.{call.region}.vpce.amazonaws.com",
                "HostedZoneId": "Z273ZU8SZ5RJPC",
            }
        ]
        if private_dns:
            made.dns_entries.append({"DnsName": f"{host}.{call.region}.amazonaws.com", "HostedZoneId": "Z0REHEARSAL"})
        made.state = "pending"
        _endpoint_states(call)[made.id] = Transition("pending", "available", call.world.due("vpc-endpoint"))
    remember(call, "ClientToken", made.id)
    view = _endpoint_view(call, made)
    return {"VpcEndpoint": view, **({"ClientToken": call["ClientToken"]} if call.get("ClientToken") else {})}


def _endpoint_interface(network: Any, endpoint: Any, subnet: str) -> str:
    made = managed_interface(
        network, network.get_subnet(subnet), list(endpoint.security_group_ids), f"VPC Endpoint Interface {endpoint.id}"
    )
    made.interface_type = "vpc_endpoint"
    return str(made.id)


def _check_tables(call: Call, vpc: str, service: str, tables: list[str]) -> None:
    network = ec2(call)
    for identifier in tables:
        if network.get_route_table(identifier).vpc_id != vpc:
            message = f"Route table {identifier} belongs to another network than the endpoint."
            raise AwsError("InvalidParameter", message)
        for other in network.vpc_end_points.values():
            if (
                other.service_name == service
                and identifier in (other.route_table_ids or [])
                and other.state != "deleted"
            ):
                message = f"route table {identifier} already has a route with destination-prefix-list-id "
                raise AwsError("RouteAlreadyExists", message + str(other.destination_prefix_list_id))


def _check_zones(network: Any, vpc: str, subnets: list[str], present: list[str] | None = None) -> None:
    zones = [network.get_subnet(subnet).availability_zone for subnet in present or []]
    for identifier in subnets:
        subnet = network.get_subnet(identifier)
        if subnet.vpc_id != vpc:
            raise AwsError("InvalidParameter", f"The subnet {identifier} belongs to another network than the endpoint.")
        if subnet.availability_zone in zones:
            message = (
                f"Found another VPC endpoint subnet in the availability zone of {identifier}. VPC endpoint subnets "
            )
            raise AwsError(
                "DuplicateSubnetsInSameZone", message + "should be in different availability zones supported."
            )
        zones.append(subnet.availability_zone)


def _check_private_dns(network: Any, vpc: Any, service: str, but: str = "") -> None:
    if vpc.enable_dns_support not in (True, "true") or vpc.enable_dns_hostnames not in (True, "true"):
        message = (
            "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true "
        )
        raise AwsError("InvalidParameter", message + f"for {vpc.id}")
    for other in network.vpc_end_points.values():
        same = (other.vpc_id, other.service_name) == (vpc.id, service) and other.id != but
        if same and other.private_dns_enabled and other.state not in ("deleting", "deleted"):
            message = (
                f"private-dns-enabled cannot be set because there is already a conflicting DNS domain for {service} "
            )
            raise AwsError("InvalidParameter", message + f"in the VPC {vpc.id}")


def _endpoints(call: Call, identifiers: list[str]) -> list[Any]:
    network = ec2(call)
    _settle(call)
    for identifier in identifiers:
        if identifier not in network.vpc_end_points:
            message = f"The Vpc Endpoint Id '{identifier}' does not exist"
            raise AwsError("InvalidVpcEndpointId.NotFound", message)
    return [e for e in network.vpc_end_points.values() if not identifiers or e.id in identifiers]


@operation("ec2", "DescribeVpcEndpoints")
def describe_vpc_endpoints(call: Call) -> dict[str, Any]:
    found = []
    for endpoint in _endpoints(call, call.get("VpcEndpointIds", [])):
        view = _endpoint_view(call, endpoint)

        def values(name: str, view: dict[str, Any] = view) -> list[str]:
            known = {
                "vpc-endpoint-id": "VpcEndpointId",
                "vpc-id": "VpcId",
                "service-name": "ServiceName",
                "vpc-endpoint-state": "State",
                "vpc-endpoint-type": "VpcEndpointType",
                "ip-address-type": "IpAddressType",
            }
            if name not in known:
                raise _filter_error(name)
            return [view[known[name]]]

        if matches(call.get("Filters", []), values, view["Tags"]):
            found.append(view)
    return {"VpcEndpoints": found}


@operation("ec2", "ModifyVpcEndpoint")
def modify_vpc_endpoint(call: Call) -> dict[str, Any]:
    network = ec2(call)
    endpoint = _endpoints(call, [call["VpcEndpointId"]])[0]
    if endpoint.state in ("deleting", "deleted"):
        raise AwsError("InvalidState", f"The endpoint {endpoint.id} is {endpoint.state}.")
    removed = call.get("RemoveSubnetIds", [])
    keep = [subnet for subnet in endpoint.subnet_ids or [] if subnet not in removed]
    _check_zones(network, endpoint.vpc_id, [s for s in call.get("AddSubnetIds", []) if s not in keep], keep)
    added = [t for t in call.get("AddRouteTableIds", []) if t not in endpoint.route_table_ids]
    _check_tables(call, endpoint.vpc_id, endpoint.service_name, added)
    if call.get("PrivateDnsEnabled") and not endpoint.private_dns_enabled:
        _check_private_dns(network, network.get_vpc(endpoint.vpc_id), endpoint.service_name, endpoint.id)
    if call.get("ResetPolicy"):
        import json  # noqa: PLC0415

        endpoint.policy_document = json.dumps(endpoint.DEFAULT_POLICY)
    if "PolicyDocument" in call.params:
        endpoint.policy_document = call["PolicyDocument"]
    if "PrivateDnsEnabled" in call.params:
        endpoint.private_dns_enabled = call["PrivateDnsEnabled"]
    groups = [g for g in endpoint.security_group_ids if g not in call.get("RemoveSecurityGroupIds", [])]
    endpoint.security_group_ids = groups + [g for g in call.get("AddSecurityGroupIds", []) if g not in groups]
    for interface in list(endpoint.network_interface_ids):
        if network.enis[interface].subnet.id in removed:
            network.enis.pop(interface)
            endpoint.network_interface_ids.remove(interface)
    for subnet in call.get("AddSubnetIds", []):
        if subnet not in keep:
            keep.append(subnet)
            endpoint.network_interface_ids.append(_endpoint_interface(network, endpoint, subnet))
    endpoint.subnet_ids = keep
    for table in added:
        endpoint.route_table_ids.append(table)
        if endpoint.destination_prefix_list_id:
            network.create_route(
                table, None, gateway_id=endpoint.id, destination_prefix_list_id=endpoint.destination_prefix_list_id
            )
    for table in call.get("RemoveRouteTableIds", []):
        if table in endpoint.route_table_ids:
            endpoint.route_table_ids.remove(table)
            if endpoint.destination_prefix_list_id:
                network.delete_route(table, endpoint.destination_prefix_list_id)
    return {"Return": True}


@operation("ec2", "DeleteVpcEndpoints")
def delete_vpc_endpoints(call: Call) -> dict[str, Any]:
    network = ec2(call)
    _settle(call)
    failed = []
    for identifier in call["VpcEndpointIds"]:
        endpoint = network.vpc_end_points.get(identifier)
        if endpoint is None:
            message = f"The Vpc Endpoint Id '{identifier}' does not exist"
            error = {"Code": "InvalidVpcEndpoint.NotFound", "Message": message}
            failed.append({"ResourceId": identifier, "Error": error})
            continue
        if endpoint.state in ("deleting", "deleted"):
            continue
        if endpoint.destination_prefix_list_id:
            for table in endpoint.route_table_ids:
                network.delete_route(table, endpoint.destination_prefix_list_id)
            endpoint.route_table_ids = []
        endpoint.state = "deleting"
        pace = call.world.due("delete") if endpoint.vpc_endpoint_type == "Interface" else time.time()
        _endpoint_states(call)[identifier] = Transition("deleting", "deleted", pace)
    return {"Unsuccessful": failed}


# --- flow logs, tags ------------------------------------------------------------------------------------------------


@operation("ec2", "CreateFlowLogs")
def create_flow_logs(call: Call) -> dict[str, Any]:
    network = ec2(call)
    again = repeated(call, "ClientToken", _MISMATCH)
    if again is not None and all(identifier in network.flow_logs for identifier in again):
        return {"FlowLogIds": again, "ClientToken": call["ClientToken"], "Unsuccessful": []}
    _tags(call, "vpc-flow-log")
    answer = call.forward()
    if answer.get("FlowLogIds"):
        remember(call, "ClientToken", answer["FlowLogIds"])
    return answer


@operation("ec2", "DeleteFlowLogs")
def delete_flow_logs(call: Call) -> dict[str, Any]:
    answer = call.forward()
    for identifier in call["FlowLogIds"]:
        ec2(call).tags.pop(identifier, None)
    return answer


#: moto's names of resource types in DescribeTags, and the service's.
_TYPES = {"nat-gateway": "natgateway", "vpc-elastic-ip": "elastic-ip", "flow-logs": "vpc-flow-log"}


@operation("ec2", "DescribeTags")
def describe_tags(call: Call) -> dict[str, Any]:
    _settle(call)
    back = {theirs: ours for ours, theirs in _TYPES.items()}

    def edit(form: dict[str, str]) -> dict[str, str]:
        names = {key.split(".")[1] for key, value in form.items() if value == "resource-type" and key.endswith(".Name")}
        return {
            key: back.get(value, value)
            if key.split(".")[1:2] and key.split(".")[1] in names and ".Value." in key
            else value
            for key, value in form.items()
        }

    answer = call.forward(edit)
    for tag in answer.get("Tags", []):
        tag["ResourceType"] = _TYPES.get(tag["ResourceType"], tag["ResourceType"])
    return answer


@operation("ec2", "DescribeVpcEndpointServices")
def describe_vpc_endpoint_services(call: Call) -> dict[str, Any]:
    """Moto names the zones of all regions."""
    answer = call.forward()
    for detail in answer.get("ServiceDetails", []):
        detail["AvailabilityZones"] = [z for z in detail.get("AvailabilityZones", []) if z.startswith(call.region)]
    return answer
