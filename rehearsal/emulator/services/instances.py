# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances: launched from launch templates, found by filters, gone after a while.

moto ignores most of a launch template, has an instance run at once and forgets a filter that is given twice.
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RunInstances.html
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.parsers import create_parser
from moto.core.serialize import XFormedAttributePicker, get_serializer_class
from moto.core.types import Base64EncodedString
from moto.core.utils import get_service_model
from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.ec2.models.instances import InstanceState
from moto.iam.models import iam_backends

from rehearsal.emulator import actions
from rehearsal.emulator.errors import AwsError
from rehearsal.emulator.registry import Call, operation, page
from rehearsal.emulator.services import events
from rehearsal.emulator.services.capacity import shortages
from rehearsal.emulator.services.common import ec2, no_dry_run, remember, repeated
from rehearsal.emulator.services.ec2 import matches
from rehearsal.emulator.services.images import ensure
from rehearsal.emulator.services.instance_types import architecture, offered
from rehearsal.emulator.services.quotas import check_vcpus
from rehearsal.emulator.world import World, letters

MISMATCH = AwsError(
    "IdempotentParameterMismatch",
    "The request uses the same client token as a previous, but non-identical request.",
)
_STATES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}
_SPOT = "spot.amazonaws.com"
_TOKEN = AwsError("InvalidNextToken", "The token is invalid.")
_ID = re.compile(r"i-([0-9a-f]{8}|[0-9a-f]{17})")


# --- launching ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Launch:
    """What an instance is to be; ``data`` has the members of LaunchTemplateData, as template and request add up.

    ``caller`` is the ARN of who launches it.
    """

    data: Mapping[str, Any]
    lifecycle: str = "on-demand"
    tags: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    template: Any = None
    caller: str = ""

    @property
    def groups(self) -> list[str]:
        """The ids of its security groups."""
        primary: dict[str, Any] = next(iter(self.data.get("NetworkInterfaces") or []), {})
        return list(primary.get("Groups") or self.data.get("SecurityGroupIds") or [])

    @property
    def subnet(self) -> str:
        """The id of its subnet, or nothing."""
        primary: dict[str, Any] = next(iter(self.data.get("NetworkInterfaces") or []), {})
        return str(self.data.get("SubnetId") or primary.get("SubnetId") or "")


def template_of(network: Any, given: Mapping[str, Any]) -> Any:
    """The version of a launch template that a request names."""
    if "LaunchTemplateId" in given:
        template = network.get_launch_template(given["LaunchTemplateId"])
    else:
        template = network.get_launch_template_by_name(given["LaunchTemplateName"])
    return template.get_version(given.get("Version", "$Default"))


def tags_of(data: Mapping[str, Any], specifications: list[dict[str, Any]]) -> dict[str, dict[str, str]]:
    """Tags by type of resource: the template's, then the request's."""
    found: dict[str, dict[str, str]] = {}
    for item in [*(data.get("TagSpecifications") or []), *specifications]:
        tags = {tag["Key"]: tag.get("Value", "") for tag in item.get("Tags", [])}
        found[item["ResourceType"]] = {**found.get(item["ResourceType"], {}), **tags}
    return found


def _profile(network: Any, given: Mapping[str, Any]) -> Any:
    profiles = iam_backends[network.account_id][network.partition].instance_profiles.values()
    for profile in profiles:
        if given.get("Arn", profile.arn) == profile.arn and given.get("Name", profile.name) == profile.name:
            return profile
    key = "arn" if "Arn" in given else "name"
    value = given.get("Arn") or given.get("Name")
    what = "ARN" if key == "arn" else "name"
    message = f"Value ({value}) for parameter iamInstanceProfile.{key} is invalid. Invalid IAM Instance Profile {what}"
    raise AwsError("InvalidParameterValue", message)


def _check_spot(world: World, network: Any, caller: str) -> None:
    """Spot needs a role in the account, which EC2 makes for those who may make it.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/service-linked-roles-spot-instance-requests.html
    """
    backend = iam_backends[network.account_id][network.partition]
    if any(role.path == f"/aws-service-role/{_SPOT}/" for role in backend.roles.values()):
        return
    if not actions.may(world, caller, "iam:CreateServiceLinkedRole"):
        message = (
            "The provided credentials do not have permission to create the service-linked role for EC2 Spot Instances."
        )
        raise AwsError("AuthFailure.ServiceLinkedRoleCreationNotPermitted", message, status=403)
    backend.create_service_linked_role(_SPOT, "Default EC2 Spot Service Linked Role", "")


def _check_place(network: Any, launch: Launch) -> str:
    """The zone of the subnet, whose network the security groups have to be of."""
    if not launch.subnet:
        return ""
    subnet = network.get_subnet(launch.subnet)
    for identifier in launch.groups:
        group = network.get_security_group_from_id(identifier)
        if group is None:
            raise AwsError("InvalidGroup.NotFound", f"The security group '{identifier}' does not exist")
        if group.vpc_id != subnet.vpc_id:
            message = f"Security group {identifier} and subnet {subnet.id} belong to different networks."
            raise AwsError("InvalidParameter", message)
    return str(subnet.availability_zone)


def check(world: World, network: Any, launch: Launch, count: int) -> None:
    """Refuse what EC2 refuses. Capacity is looked at last, as there."""
    data = launch.data
    kind = data.get("InstanceType", "m1.small")
    if not data.get("ImageId"):
        raise AwsError("MissingParameter", "The request must contain the parameter ImageId")
    image = network.amis.get(data["ImageId"])
    if image is None and not data["ImageId"].startswith("ami-"):
        raise AwsError("InvalidAMIID.Malformed", f'Invalid id: "{data["ImageId"]}"')
    if image is None:
        raise AwsError("InvalidAMIID.NotFound", f"The image id '[{data['ImageId']}]' does not exist")
    if (
        kind in INSTANCE_TYPES
        and image.architecture in ("x86_64", "arm64")
        and architecture(kind) != image.architecture
    ):
        message = (
            f"The architecture '{architecture(kind)}' of the specified instance type does not match the architecture "
            f"'{image.architecture}' of the specified AMI. Specify an instance type and an AMI that have matching "
        )
        raise AwsError("InvalidParameterValue", message + "architectures, and try again.")
    zone = _check_place(network, launch)
    if data.get("IamInstanceProfile"):
        _profile(network, data["IamInstanceProfile"])
    here = offered(network.region_name)
    if here and kind not in here:
        raise AwsError("Unsupported", f"The requested configuration is currently not supported: {kind}.")
    if zone and here and zone not in here[kind]:
        message = (
            f"Your requested instance type ({kind}) is not supported in your requested Availability Zone ({zone}). "
        )
        raise AwsError("Unsupported", message + f"Please retry your request by choosing {', '.join(here[kind])}.")
    if zone and network.get_subnet(launch.subnet).available_ip_address_count < count:
        message = f"There are not enough free addresses in subnet '{launch.subnet}' to satisfy the requested number of "
        raise AwsError("InsufficientFreeAddressesInSubnet", message + "instances.")
    if launch.lifecycle == "spot":
        _check_spot(world, network, launch.caller)
    if (data.get("Placement") or {}).get("Tenancy") != "host":
        check_vcpus(world, network, kind, launch.lifecycle, count)
    if any(item.fits(kind, zone, launch.lifecycle) for item in shortages(world)):
        if launch.lifecycle == "spot":
            text = "There is no Spot capacity available that matches your request."
        else:
            text = (
                f"We currently do not have sufficient {kind} capacity in the Availability Zone you requested ({zone})."
            )
        raise AwsError("InsufficientInstanceCapacity", text, status=500)


def start(world: World, network: Any, launch: Launch, count: int) -> Any:
    """Start instances that nothing speaks against: moto's reservation. They are pending for a while."""
    data = launch.data
    interfaces = [dict(item) for item in data.get("NetworkInterfaces") or []]
    public = interfaces[0].get("AssociatePublicIpAddress") if interfaces else data.get("AssociatePublicIpAddress")
    more: dict[str, Any] = {}
    if data.get("BlockDeviceMappings"):
        more["block_device_mappings"] = [
            {**item, "Ebs": {"VolumeSize": 8, "DeleteOnTermination": True, **item["Ebs"]}}
            for item in data["BlockDeviceMappings"]
            if "Ebs" in item
        ]
    # An interface that exists, or a second one, is moto's to attach; the usual one is made of its parts.
    special = len(interfaces) > 1 or any("NetworkInterfaceId" in item for item in interfaces)
    groups = launch.groups
    if not groups and launch.subnet and not special:
        vpc = network.get_subnet(launch.subnet).vpc_id
        groups = [group.id for group in network.groups[vpc].values() if group.name == "default"]
    user_data = data.get("UserData")
    reservation = network.run_instances(
        data["ImageId"],
        count,
        Base64EncodedString(str(user_data)) if user_data else None,
        list(data.get("SecurityGroups") or []),
        instance_type=data.get("InstanceType", "m1.small"),
        is_instance_type_default=False,
        region_name=network.region_name,
        placement=(data.get("Placement") or {}).get("AvailabilityZone"),
        subnet_id=None if special and not data.get("SubnetId") else launch.subnet or None,
        security_group_ids=groups,
        nics=interfaces if special else [],
        private_ip=data.get("PrivateIpAddress"),
        associate_public_ip=public,
        key_name=data.get("KeyName"),
        ebs_optimized=data.get("EbsOptimized", False),
        monitoring_state="enabled" if (data.get("Monitoring") or {}).get("Enabled") else "disabled",
        metadata_options=data.get("MetadataOptions") or {},
        disable_api_termination=data.get("DisableApiTermination", False),
        disable_api_stop=data.get("DisableApiStop", False),
        instance_initiated_shutdown_behavior=data.get("InstanceInitiatedShutdownBehavior"),
        hibernation_options=data.get("HibernationOptions") or {},
        lifecycle="spot" if launch.lifecycle == "spot" else None,
        tags=launch.tags,
        **more,
    )
    for instance in reservation.instances:
        _dress(network, instance, launch)
        _become(world, network, instance, "pending")
    ids = [instance.id for instance in reservation.instances]
    world.later(world.lasts("instance"), lambda: _all_become(world, network, ids, "pending", "running"))
    return reservation


def _dress(network: Any, instance: Any, launch: Launch) -> None:
    """What moto doesn't take from a launch."""
    profile = launch.data.get("IamInstanceProfile")
    if profile:
        found = _profile(network, profile)
        network.associate_iam_instance_profile(instance_id=instance.id, iam_instance_profile_arn=found.arn)
        instance.iam_instance_profile = {"Arn": found.arn, "Id": found.id}
    for interface in instance.nics.values():
        if not any(
            item.get("NetworkInterfaceId") == interface.id for item in launch.data.get("NetworkInterfaces") or []
        ):
            interface.delete_on_termination = True
            interface.add_tags(launch.tags.get("network-interface", {}))
    if launch.lifecycle == "spot":
        instance.spot_instance_request_id = f"sir-{letters(8).lower()}"
    if launch.template is not None:
        identifier, number = launch.template.template.id, launch.template.number
        instance.add_tags({"aws:ec2launchtemplate:id": identifier, "aws:ec2launchtemplate:version": str(number)})
    tenancy = (launch.data.get("Placement") or {}).get("Tenancy")
    if tenancy:
        instance.placement.tenancy = tenancy


def _become(world: World, network: Any, instance: Any, state: str) -> None:
    """Change an instance's state and tell EventBridge.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/monitoring-instance-state-changes.html
    """
    instance._state = InstanceState(state, _STATES[state])
    notify(world, network, instance, "EC2 Instance State-change Notification", {"state": state})


def _all_become(world: World, network: Any, identifiers: list[str], now: str, then: str) -> None:
    for identifier in identifiers:
        instance = network.get_instance_by_id(identifier)
        if instance is not None and instance.state == now:
            _become(world, network, instance, then)


def notify(world: World, network: Any, instance: Any, kind: str, detail: Mapping[str, Any]) -> None:
    """An event of EC2 about an instance."""
    arn = f"arn:{network.partition}:ec2:{network.region_name}:{network.account_id}:instance/{instance.id}"
    told = {"instance-id": instance.id, **detail}
    events.emit(world, events.event(network.account_id, network.region_name, "aws.ec2", kind, [arn], told))


def terminate(world: World, network: Any, identifiers: list[str]) -> list[tuple[Any, Any]]:
    """Begin to end instances: (instance, the state that it was in) of each. What is ending already goes on ending."""
    found = [(instance, copy.copy(instance._state)) for instance in network.get_multi_instances_by_id(identifiers)]
    for instance, _before in found:
        if instance.disable_api_termination is True:
            message = (
                f"The instance '{instance.id}' may not be terminated. Modify its 'disableApiTermination' instance "
            )
            raise AwsError("OperationNotPermitted", message + "attribute and try again.")
    for instance, before in found:
        if before.name not in ("shutting-down", "terminated"):
            _become(world, network, instance, "shutting-down")
            seconds = world.lasts("delete")
            world.later(seconds, lambda identifier=instance.id: _end(world, network, identifier))  # type: ignore[misc]
    return found


def _end(world: World, network: Any, identifier: str) -> None:
    instance = network.get_instance_by_id(identifier)
    if instance is None:
        return
    going = [interface for interface in instance.nics.values() if interface.delete_on_termination]
    for interface in going:
        # moto would give the address away at once, and with it the name of a node that hasn't gone yet.
        interface.delete_on_termination = False
        network.enis.pop(interface.id, None)
    instance.terminate()  # moto's: the volumes go
    _become(world, network, instance, "terminated")
    world.later(world.linger, lambda: _forget(network, identifier, going))


def _forget(network: Any, identifier: str, interfaces: list[Any]) -> None:
    """A terminated instance stays visible for a while, an hour at most on AWS. Then its addresses are free."""
    for key, reservation in list(network.reservations.items()):
        reservation.instances = [item for item in reservation.instances if item.id != identifier]
        if not reservation.instances:
            del network.reservations[key]
    network.tags.pop(identifier, None)
    for interface in interfaces:
        for address in interface.private_ip_addresses:
            interface.subnet.del_subnet_ip(address["PrivateIpAddress"])


# --- what is there --------------------------------------------------------------------------------------------------


def _shown(name: str, result: Any) -> dict[str, Any]:
    """Moto's objects as a client reads them."""
    model = get_service_model("ec2").operation_model(name)
    serializer = get_serializer_class("ec2", "ec2")(operation_model=model, value_picker=XFormedAttributePicker())
    made = serializer.serialize(result)
    body = made["body"].encode() if isinstance(made["body"], str) else made["body"]
    parsed = create_parser("ec2").parse({"status_code": 200, "headers": {}, "body": body}, model.output_shape)
    parsed.pop("ResponseMetadata", None)
    return dict(parsed)


def _views(network: Any, reservations: list[Any]) -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = _shown("DescribeInstances", {"Reservations": reservations}).get("Reservations", [])
    zones = {zone.name: zone.zone_id for zone in network.describe_availability_zones()}
    for view in shown:
        for item in view["Instances"]:
            instance = network.get_instance_by_id(item["InstanceId"])
            item["State"] = {"Code": instance.state_code, "Name": instance.state}
            item["Placement"]["AvailabilityZoneId"] = zones.get(item["Placement"]["AvailabilityZone"], "")
            item["Tags"] = [{"Key": key, "Value": value} for key, value in network.tags.get(instance.id, {}).items()]
            if instance.lifecycle == "spot":
                item["InstanceLifecycle"] = "spot"
                item["SpotInstanceRequestId"] = getattr(instance, "spot_instance_request_id", "")
            if instance.iam_instance_profile:
                item["IamInstanceProfile"] = dict(instance.iam_instance_profile)
            if instance.state == "terminated":
                for name in ("PrivateIpAddress", "PublicIpAddress", "SubnetId", "VpcId", "NetworkInterfaces"):
                    item.pop(name, None)
                item["PrivateDnsName"] = ""
    return shown


def _values(view: Mapping[str, Any], item: Mapping[str, Any], name: str) -> list[str]:
    """What an instance has under a filter's name."""
    groups = [group["GroupId"] for group in item.get("SecurityGroups", [])]
    interfaces = item.get("NetworkInterfaces", [])
    known: dict[str, Any] = {
        "architecture": item.get("Architecture"),
        "availability-zone": item["Placement"].get("AvailabilityZone"),
        "availability-zone-id": item["Placement"].get("AvailabilityZoneId"),
        "block-device-mapping.volume-id": [m["Ebs"]["VolumeId"] for m in item.get("BlockDeviceMappings", [])],
        "client-token": item.get("ClientToken"),
        "dns-name": item.get("PublicDnsName"),
        "group-id": groups,
        "group-name": [group.get("GroupName") for group in item.get("SecurityGroups", [])],
        "iam-instance-profile.arn": item.get("IamInstanceProfile", {}).get("Arn"),
        "iam-instance-profile.id": item.get("IamInstanceProfile", {}).get("Id"),
        "image-id": item.get("ImageId"),
        "instance-id": item["InstanceId"],
        "instance-lifecycle": item.get("InstanceLifecycle"),
        "instance-state-code": str(item["State"]["Code"]),
        "instance-state-name": item["State"]["Name"],
        "instance-type": item.get("InstanceType"),
        "instance.group-id": groups,
        "instance.group-name": [group.get("GroupName") for group in item.get("SecurityGroups", [])],
        "ip-address": item.get("PublicIpAddress"),
        "key-name": item.get("KeyName"),
        "metadata-options.http-tokens": item.get("MetadataOptions", {}).get("HttpTokens"),
        "monitoring-state": item.get("Monitoring", {}).get("State"),
        "network-interface.group-id": [g["GroupId"] for i in interfaces for g in i.get("Groups", [])],
        "network-interface.network-interface-id": [i.get("NetworkInterfaceId") for i in interfaces],
        "network-interface.subnet-id": [i.get("SubnetId") for i in interfaces],
        "network-interface.vpc-id": [i.get("VpcId") for i in interfaces],
        "owner-id": view.get("OwnerId"),
        "placement-group-name": item["Placement"].get("GroupName"),
        "platform": item.get("Platform"),
        "private-dns-name": item.get("PrivateDnsName"),
        "private-ip-address": item.get("PrivateIpAddress"),
        "reservation-id": view.get("ReservationId"),
        "root-device-name": item.get("RootDeviceName"),
        "root-device-type": item.get("RootDeviceType"),
        "source-dest-check": str(item.get("SourceDestCheck", "")).lower(),
        "spot-instance-request-id": item.get("SpotInstanceRequestId"),
        "subnet-id": item.get("SubnetId"),
        "tenancy": item["Placement"].get("Tenancy"),
        "virtualization-type": item.get("VirtualizationType"),
        "vpc-id": item.get("VpcId"),
    }
    if name not in known:
        raise AwsError("InvalidParameterValue", f"The filter '{name}' is invalid")
    value = known[name]
    return [str(entry) for entry in (value if isinstance(value, list) else [value]) if entry is not None]


def _wanted(network: Any, identifiers: list[str]) -> list[Any]:
    """Reservations with the instances asked for; all where none are."""
    wrong = [identifier for identifier in identifiers if not _ID.fullmatch(identifier)]
    if wrong:
        raise AwsError("InvalidInstanceID.Malformed", f'Invalid id: "{wrong[0]}"')
    found = []
    for reservation in network.reservations.values():
        shown = copy.copy(reservation)
        shown.instances = [item for item in reservation.instances if not identifiers or item.id in identifiers]
        if shown.instances:
            found.append(shown)
    missing = sorted(set(identifiers) - {item.id for reservation in found for item in reservation.instances})
    if missing:
        what = f"ID '{missing[0]}' does" if len(missing) == 1 else f"IDs '{', '.join(missing)}' do"
        raise AwsError("InvalidInstanceID.NotFound", f"The instance {what} not exist")
    return found


@operation("ec2", "DescribeInstances")
def describe_instances(call: Call) -> dict[str, Any]:
    """The instances that pass all filters, in pages of reservations."""
    no_dry_run(call)
    network, identifiers = ec2(call), call.get("InstanceIds", [])
    if identifiers and "MaxResults" in call.params:
        message = "The parameter instancesSet cannot be used with the parameter maxResults"
        raise AwsError("InvalidParameterCombination", message)
    filters = call.get("Filters", [])
    found = []
    for view in _views(network, _wanted(network, identifiers)):
        passed = []
        for item in view["Instances"]:

            def values(name: str, view: Mapping[str, Any] = view, item: Mapping[str, Any] = item) -> list[str]:
                return _values(view, item, name)

            if matches(filters, values, item["Tags"]):
                passed.append(item)
        if passed:
            found.append({**view, "Instances": passed})
    for item in filters:  # a name that is none is told of where there is nothing, too
        if not item.get("Name", "").startswith("tag:") and item.get("Name") != "tag-key":
            _values({}, _NOTHING, item.get("Name", ""))
    items, token = page(found, call.get("NextToken"), call.get("MaxResults", 1000), _TOKEN)
    return {"Reservations": items, **({"NextToken": token} if token else {})}


_NOTHING = {"Placement": {}, "State": {"Code": 0, "Name": ""}, "InstanceId": ""}


@operation("ec2", "DescribeInstanceStatus")
def describe_instance_status(call: Call) -> dict[str, Any]:
    """The status of instances that run, or of all; moto takes no filters but those of the state."""
    no_dry_run(call)
    network = ec2(call)
    zones = {zone.name: zone.zone_id for zone in network.describe_availability_zones()}
    found = []
    for reservation in _wanted(network, call.get("InstanceIds", [])):
        for instance in reservation.instances:
            runs = instance.state == "running"
            check = {"Status": "ok", "Details": [{"Name": "reachability", "Status": "passed"}]}
            status = check if runs else {"Status": "initializing" if instance.state == "pending" else "not-applicable"}
            view = {
                "AvailabilityZone": instance.availability_zone,
                "AvailabilityZoneId": zones.get(instance.availability_zone, ""),
                "InstanceId": instance.id,
                "InstanceState": {"Code": instance.state_code, "Name": instance.state},
                "InstanceStatus": status,
                "SystemStatus": status,
            }

            def values(name: str, view: Mapping[str, Any] = view) -> list[str]:
                known = {
                    "availability-zone": [view["AvailabilityZone"]],
                    "event.code": [],
                    "event.instance-event-id": [],
                    "instance-state-code": [str(view["InstanceState"]["Code"])],
                    "instance-state-name": [view["InstanceState"]["Name"]],
                    "instance-status.reachability": [
                        item["Status"] for item in view["InstanceStatus"].get("Details", [])
                    ],
                    "instance-status.status": [view["InstanceStatus"]["Status"]],
                    "system-status.reachability": [item["Status"] for item in view["SystemStatus"].get("Details", [])],
                    "system-status.status": [view["SystemStatus"]["Status"]],
                }
                if name not in known:
                    raise AwsError("InvalidParameterValue", f"The filter '{name}' is invalid")
                return known[name]

            tags = [{"Key": key, "Value": value} for key, value in network.tags.get(instance.id, {}).items()]
            if (runs or call.get("IncludeAllInstances")) and matches(call.get("Filters", []), values, tags):
                found.append(view)
    items, token = page(found, call.get("NextToken"), call.get("MaxResults", 1000), _TOKEN)
    return {"InstanceStatuses": items, **({"NextToken": token} if token else {})}


@operation("ec2", "RunInstances")
def run_instances(call: Call) -> dict[str, Any]:
    """Launch instances from a request and the launch template that it names."""
    network = ec2(call)
    ensure(network)
    again = repeated(call, "ClientToken", MISMATCH)
    if again in network.reservations:
        return _views(network, [network.reservations[again]])[0]
    template = template_of(network, call["LaunchTemplate"]) if "LaunchTemplate" in call.params else None
    data = {**(template.data if template else {}), **call.params}
    market = (data.get("InstanceMarketOptions") or {}).get("MarketType", "on-demand")
    tags = tags_of(template.data if template else {}, call.get("TagSpecifications", []))
    if "NetworkInterfaces" in call.params and ("SubnetId" in call.params or "SecurityGroupIds" in call.params):
        message = (
            "Network interfaces and an instance-level subnet ID or security groups may not be specified on the same "
        )
        raise AwsError("InvalidParameterCombination", message + "request")
    launch = Launch(data, market, tags, template, call.principal.arn)
    if call["MinCount"] > call["MaxCount"] or call["MinCount"] < 1:
        raise AwsError("InvalidParameterValue", "The minimum is above the maximum, or below 1.")
    check(call.world, network, launch, call["MaxCount"])
    no_dry_run(call)
    reservation = start(call.world, network, launch, call["MaxCount"])
    remember(call, "ClientToken", reservation.id)
    return _views(network, [reservation])[0]


@operation("ec2", "TerminateInstances")
def terminate_instances(call: Call) -> dict[str, Any]:
    """End instances; they are shutting down for a while, and their interfaces stay until they are gone."""
    network = ec2(call)
    _wanted(network, call["InstanceIds"])
    no_dry_run(call)
    return {
        "TerminatingInstances": [
            {
                "InstanceId": instance.id,
                "CurrentState": {"Code": instance.state_code, "Name": instance.state}
                if before.name == "terminated"
                else {"Code": _STATES["shutting-down"], "Name": "shutting-down"},
                "PreviousState": {"Code": before.code, "Name": before.name},
            }
            for instance, before in terminate(call.world, network, call["InstanceIds"])
        ]
    }


@operation("ec2", "StopInstances", "StartInstances")
def stop_or_start_instances(call: Call) -> dict[str, Any]:
    """Moto's, with the events."""
    network = ec2(call)
    answer = call.forward()
    for identifier in call["InstanceIds"]:
        instance = network.get_instance_by_id(identifier)
        for state in ("stopping", "stopped") if call.operation == "StopInstances" else ("pending", "running"):
            _become(call.world, network, instance, state)
    return answer
