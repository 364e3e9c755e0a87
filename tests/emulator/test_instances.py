# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances from launch templates, fleets, shortages and interruptions, as Karpenter sees them."""

from __future__ import annotations

import base64
import itertools
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.emulator.conftest import REGION, Aws, eventually, refused
from tests.emulator.test_events import plumbing, received

_blocks = itertools.count(1)
LATEST = "/aws/service/eks/optimized-ami/1.35/amazon-linux-2023/{}/standard/recommended/image_id"


@dataclass
class Place:
    """A network with a subnet in each of two zones, a group and an instance profile."""

    vpc: str
    subnets: dict[str, str]
    group: str
    profile: str
    images: dict[str, str]


@pytest.fixture(scope="module")
def place(aws: Aws) -> Place:
    ec2, iam, number = aws("ec2"), aws("iam"), next(_blocks)
    vpc = ec2.create_vpc(CidrBlock=f"10.{number}.0.0/16")["Vpc"]["VpcId"]
    subnets = {
        zone: ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.{number}.{index}.0/24", AvailabilityZone=f"{REGION}{zone}")[
            "Subnet"
        ]["SubnetId"]
        for index, zone in enumerate("ab")
    }
    group = ec2.create_security_group(GroupName="nodes", Description="nodes", VpcId=vpc)["GroupId"]
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    iam.create_role(RoleName="nodes", AssumeRolePolicyDocument=policy)
    iam.create_instance_profile(InstanceProfileName="nodes", Path="/karpenter/eu-central-1/dev/uid/")
    iam.add_role_to_instance_profile(InstanceProfileName="nodes", RoleName="nodes")
    images = {
        arch: aws("ssm").get_parameter(Name=LATEST.format(arch))["Parameter"]["Value"] for arch in ("arm64", "x86_64")
    }
    return Place(vpc, subnets, group, "nodes", images)


def template(aws: Aws, place: Place, name: str, arch: str = "arm64", **more: Any) -> str:
    data = {
        "ImageId": place.images[arch],
        "IamInstanceProfile": {"Name": place.profile},
        "NetworkInterfaces": [{"DeviceIndex": 0, "Groups": [place.group]}],
        "UserData": base64.b64encode(b"hello").decode(),
        "BlockDeviceMappings": [
            {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 33, "Encrypted": True, "VolumeType": "gp3"}}
        ],
        "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 1},
        "TagSpecifications": [{"ResourceType": "network-interface", "Tags": [{"Key": "from", "Value": "template"}]}],
        **more,
    }
    aws("ec2").create_launch_template(LaunchTemplateName=name, LaunchTemplateData=data)
    return name


def override(place: Place, kind: str, zone: str = "a", **more: Any) -> dict[str, Any]:
    return {"InstanceType": kind, "SubnetId": place.subnets[zone], "AvailabilityZone": f"{REGION}{zone}", **more}


def fleet(aws: Aws, name: str, overrides: list[dict[str, Any]], kind: str = "on-demand", **more: Any) -> Any:
    strategy = more.pop("strategy", "lowest-price")
    options = {"SpotOptions" if kind == "spot" else "OnDemandOptions": {"AllocationStrategy": strategy}}
    specification = {"LaunchTemplateName": name, "Version": "$Latest"}
    tags = [
        {"ResourceType": what, "Tags": [{"Key": "name", "Value": name}]} for what in ("instance", "volume", "fleet")
    ]
    return aws("ec2").create_fleet(
        Type="instant",
        LaunchTemplateConfigs=[{"LaunchTemplateSpecification": specification, "Overrides": overrides}],
        TargetCapacitySpecification={"DefaultTargetCapacityType": kind, "TotalTargetCapacity": more.pop("count", 1)},
        TagSpecifications=tags,
        **options,
        **more,
    )


def instances(aws: Aws, *filters: tuple[str, list[str]], **more: Any) -> list[dict[str, Any]]:
    asked = [{"Name": name, "Values": values} for name, values in filters]
    pages = aws("ec2").get_paginator("describe_instances").paginate(**({"Filters": asked} if asked else {}), **more)
    return [item for page in pages for found in page["Reservations"] for item in found["Instances"]]


def state(aws: Aws, identifier: str) -> str:
    return str(instances(aws, InstanceIds=[identifier])[0]["State"]["Name"])


def admin(aws: Aws, path: str, method: str = "POST") -> Any:
    request = urllib.request.Request(f"{aws.state.endpoint}/rehearsal/{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return json.load(error)


@pytest.fixture
def scarce(aws: Aws) -> Any:
    def make(query: str) -> None:
        admin(aws, f"capacity?{query}")

    yield make
    assert admin(aws, "capacity", "DELETE") == []


def test_a_fleets_instance_is_what_its_template_says(aws: Aws, place: Place, name: str) -> None:
    answer = fleet(aws, template(aws, place, name), [override(place, "m7g.large")])
    (made,) = answer["Instances"]
    assert answer.get("Errors", []) == []
    assert (made["InstanceType"], made["Lifecycle"]) == ("m7g.large", "on-demand")
    told = made["LaunchTemplateAndOverrides"]
    assert (told["Overrides"]["SubnetId"], told["Overrides"]["AvailabilityZone"]) == (
        place.subnets["a"],
        f"{REGION}a",
    )
    (instance,) = instances(aws, InstanceIds=made["InstanceIds"])
    assert instance["State"] == {"Code": 16, "Name": "running"}
    assert [group["GroupId"] for group in instance["SecurityGroups"]] == [place.group]
    (interface,) = instance["NetworkInterfaces"]
    assert [group["GroupId"] for group in interface["Groups"]] == [place.group]
    assert (instance["SubnetId"], instance["VpcId"]) == (place.subnets["a"], place.vpc)
    assert instance["Placement"]["AvailabilityZone"] == f"{REGION}a"
    assert instance["Placement"]["AvailabilityZoneId"].startswith("euc1-az")
    assert instance["IamInstanceProfile"]["Arn"].endswith(":instance-profile/karpenter/eu-central-1/dev/uid/nodes")
    assert instance["Architecture"] == "arm64"
    assert instance["MetadataOptions"]["HttpTokens"] == "required"
    assert "InstanceLifecycle" not in instance
    tags = {tag["Key"]: tag["Value"] for tag in instance["Tags"]}
    assert tags["name"] == name
    assert tags["aws:ec2:fleet-id"] == answer["FleetId"]
    assert tags["aws:ec2launchtemplate:version"] == "1"
    ec2 = aws("ec2")
    (volume,) = ec2.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": made["InstanceIds"]}])[
        "Volumes"
    ]
    assert (volume["Size"], volume["Encrypted"]) == (33, True)
    assert {tag["Key"] for tag in volume["Tags"]} == {"name"}
    data = ec2.describe_instance_attribute(InstanceId=made["InstanceIds"][0], Attribute="userData")["UserData"]["Value"]
    assert base64.b64decode(data) == b"hello"
    shown = ec2.describe_network_interfaces(NetworkInterfaceIds=[interface["NetworkInterfaceId"]])
    assert [tag["Value"] for tag in shown["NetworkInterfaces"][0]["TagSet"]] == ["template"]


def test_the_cheapest_pool_is_taken_or_that_of_the_first_priority(aws: Aws, place: Place, name: str) -> None:
    template(aws, place, name)
    kinds = ["m7g.2xlarge", "t4g.medium", "m7g.large"]
    made = fleet(aws, name, [override(place, kind) for kind in kinds])["Instances"]
    assert made[0]["InstanceType"] == "t4g.medium"
    first = [override(place, kind, Priority=float(number)) for number, kind in enumerate(kinds)]
    made = fleet(aws, name, first, strategy="prioritized")["Instances"]
    assert made[0]["InstanceType"] == "m7g.2xlarge"


def test_a_spot_instance_says_that_it_is_one(aws: Aws, place: Place, name: str) -> None:
    template(aws, place, name)
    made = fleet(aws, name, [override(place, "m7g.large")], "spot", strategy="price-capacity-optimized")["Instances"]
    (instance,) = instances(aws, InstanceIds=made[0]["InstanceIds"])
    assert (made[0]["Lifecycle"], instance["InstanceLifecycle"]) == ("spot", "spot")
    assert instance["SpotInstanceRequestId"].startswith("sir-")
    found = instances(aws, ("instance-lifecycle", ["spot"]), ("tag:name", [name]))
    assert [item["InstanceId"] for item in found] == made[0]["InstanceIds"]


def test_spot_needs_a_role_that_not_everybody_may_make(aws: Aws, place: Place, name: str) -> None:
    iam = aws("iam")
    template(aws, place, name)
    for role in iam.list_roles(PathPrefix="/aws-service-role/spot.amazonaws.com/")["Roles"]:
        iam.delete_role(RoleName=role["RoleName"])
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)
    launching = {"Effect": "Allow", "Action": ["ec2:CreateFleet", "ec2:RunInstances"], "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [launching]})
    iam.put_role_policy(RoleName=name, PolicyName="launch", PolicyDocument=policy)
    (error,) = fleet(aws.assume("123456789012", name), name, [override(place, "m7g.large")], "spot")["Errors"]
    assert error["ErrorCode"] == "AuthFailure.ServiceLinkedRoleCreationNotPermitted"
    # Who may everything makes it on the way, and then it is there for all.
    for caller in (aws, aws.assume("123456789012", name)):
        assert fleet(caller, name, [override(place, "m7g.large")], "spot")["Instances"]


def test_a_type_without_capacity_is_told_of_and_the_next_is_taken(
    aws: Aws, place: Place, name: str, scarce: Callable[[str], None]
) -> None:
    template(aws, place, name)
    scarce("type=t4g.*&lifecycle=on-demand")
    scarce(f"type=m7g.large&zone={REGION}a")
    pools = [override(place, "t4g.medium"), override(place, "m7g.large"), override(place, "m7g.large", "b")]
    answer = fleet(aws, name, pools)
    assert [error["ErrorCode"] for error in answer["Errors"]] == ["InsufficientInstanceCapacity"] * 2
    told = [error["LaunchTemplateAndOverrides"]["Overrides"] for error in answer["Errors"]]
    assert [(item["InstanceType"], item["AvailabilityZone"]) for item in told] == [
        ("t4g.medium", f"{REGION}a"),
        ("m7g.large", f"{REGION}a"),
    ]
    assert answer["Instances"][0]["LaunchTemplateAndOverrides"]["Overrides"]["AvailabilityZone"] == f"{REGION}b"
    assert fleet(aws, name, pools[:1], "spot")["Instances"]
    nothing = fleet(aws, name, pools[:1])
    assert nothing.get("Instances", []) == []
    wrong = refused(
        aws("ec2").run_instances,
        LaunchTemplate={"LaunchTemplateName": name},
        InstanceType="t4g.large",
        SubnetId=place.subnets["a"],
        MinCount=1,
        MaxCount=1,
    )
    assert wrong == "InsufficientInstanceCapacity"


def test_a_pool_that_can_not_be_is_an_error_of_its_own(aws: Aws, place: Place, name: str) -> None:
    template(aws, place, name)
    answer = fleet(aws, name, [override(place, "m6i.large")])
    (error,) = answer["Errors"]
    assert error["ErrorCode"] == "InvalidParameterValue"
    assert "architecture 'x86_64'" in error["ErrorMessage"]
    config = {"LaunchTemplateSpecification": {"LaunchTemplateName": "nobodys", "Version": "$Latest"}}
    target = {"TotalTargetCapacity": 1, "DefaultTargetCapacityType": "on-demand"}
    code = refused(
        aws("ec2").create_fleet,
        Type="instant",
        LaunchTemplateConfigs=[config],
        TargetCapacitySpecification=target,
    )
    assert code == "InvalidLaunchTemplateName.NotFoundException"


def test_a_fleet_of_many_gets_all_of_them(aws: Aws, place: Place, name: str) -> None:
    made = fleet(aws, template(aws, place, name), [override(place, "m7g.large")], count=3)["Instances"]
    assert len({identifier for item in made for identifier in item["InstanceIds"]}) == 3


def test_a_subnet_without_enough_addresses_is_a_pool_that_fails(aws: Aws, place: Place, name: str) -> None:
    block = aws("ec2").describe_vpcs(VpcIds=[place.vpc])["Vpcs"][0]["CidrBlock"].replace(".0.0/16", ".9.0/28")
    small = aws("ec2").create_subnet(VpcId=place.vpc, CidrBlock=block, AvailabilityZone=f"{REGION}a")["Subnet"]
    assert small["AvailableIpAddressCount"] == 11
    pools = [{"InstanceType": "t4g.medium", "SubnetId": small["SubnetId"]}, override(place, "m7g.large", "b")]
    answer = fleet(aws, template(aws, place, name), pools, count=12)
    assert [error["ErrorCode"] for error in answer["Errors"]] == ["InsufficientFreeAddressesInSubnet"]
    assert [item["InstanceType"] for item in answer["Instances"]] == ["m7g.large"]
    assert fleet(aws, name, pools[:1], count=11)["Instances"]
    assert fleet(aws, name, pools[:1])["Errors"][0]["ErrorCode"] == "InsufficientFreeAddressesInSubnet"


def test_dry_runs_launch_nothing_and_find_what_is_wrong(aws: Aws, place: Place, name: str) -> None:
    ec2 = aws("ec2")
    template(aws, place, name)
    before = len(instances(aws))

    def run(**more: Any) -> str:
        asked: dict[str, Any] = {
            "LaunchTemplate": {"LaunchTemplateName": name, "Version": "$Latest"},
            "InstanceType": "m7g.large",
        }
        interfaces = [{"DeviceIndex": 0, "SubnetId": place.subnets["a"], "Groups": [place.group]}]
        asked |= {"NetworkInterfaces": interfaces, **more}
        return refused(ec2.run_instances, DryRun=True, MinCount=1, MaxCount=1, **asked)

    assert run() == "DryRunOperation"
    assert run(IamInstanceProfile={"Name": "nobodys"}) == "InvalidParameterValue"
    assert run(ImageId="ami-0123456789abcdef0") == "InvalidAMIID.NotFound"
    assert run(InstanceType="m6i.large") == "InvalidParameterValue"
    with pytest.raises(ClientError, match="DryRunOperation"):
        fleet(aws, name, [override(place, "m7g.large")], DryRun=True)
    assert len(instances(aws)) == before


def test_a_profile_that_is_none_is_named_as_karpenter_knows_it(aws: Aws, place: Place, name: str) -> None:
    template(aws, place, name, IamInstanceProfile={"Name": "nobodys"})
    (error,) = fleet(aws, name, [override(place, "m7g.large")])["Errors"]
    assert "Invalid IAM Instance Profile name" in error["ErrorMessage"]


def test_groups_of_another_network_are_refused(aws: Aws, place: Place, name: str) -> None:
    vpc = aws("ec2").create_vpc(CidrBlock="10.99.0.0/16")["Vpc"]["VpcId"]
    other = aws("ec2").create_security_group(GroupName=name, Description="other", VpcId=vpc)["GroupId"]
    template(aws, place, name, NetworkInterfaces=[{"DeviceIndex": 0, "Groups": [other]}])
    (error,) = fleet(aws, name, [override(place, "m7g.large")])["Errors"]
    assert error["ErrorCode"] == "InvalidParameter"


def test_instances_are_found_by_every_filter_that_is_given(aws: Aws, place: Place, name: str) -> None:
    template(aws, place, name)
    made = [fleet(aws, name, [override(place, "m7g.large")])["Instances"][0]["InstanceIds"][0] for _ in range(3)]
    aws("ec2").create_tags(Resources=made[:2], Tags=[{"Key": "karpenter.sh/nodepool", "Value": "a"}])
    aws("ec2").create_tags(Resources=made[1:], Tags=[{"Key": "karpenter.k8s.aws/ec2nodeclass", "Value": "b"}])
    keys = [("tag-key", ["karpenter.sh/nodepool"]), ("tag-key", ["karpenter.k8s.aws/ec2nodeclass"])]
    # Two filters of one name: both have to be passed.
    assert [item["InstanceId"] for item in instances(aws, *keys, ("tag:name", [name]))] == [made[1]]
    assert instances(aws, *keys, ("tag:name", [name]), ("instance-state-name", ["stopped"])) == []
    paged = instances(aws, ("tag:name", [name]), PaginationConfig={"PageSize": 5})
    assert {item["InstanceId"] for item in paged} == set(made)
    assert refused(aws("ec2").describe_instances, InstanceIds=["i-0123456789abcdef0"]) == "InvalidInstanceID.NotFound"
    wrong = [{"Name": "colour", "Values": ["red"]}]
    assert refused(aws("ec2").describe_instances, Filters=wrong) == "InvalidParameterValue"


def test_the_status_of_an_instance_that_is_well_is_not_impaired(aws: Aws, place: Place, name: str) -> None:
    fleet(aws, template(aws, place, name), [override(place, "m7g.large")])
    ec2 = aws("ec2")
    impaired = [{"Name": "instance-status.status", "Values": ["impaired"]}]
    assert ec2.describe_instance_status(Filters=impaired)["InstanceStatuses"] == []
    well = [{"Name": "instance-status.status", "Values": ["ok"]}]
    assert ec2.describe_instance_status(Filters=well)["InstanceStatuses"]


def test_an_instance_comes_and_goes_step_by_step(aws: Aws, place: Place, name: str) -> None:
    template(aws, place, name)
    aws.pace(0.4)
    try:
        (identifier,) = fleet(aws, name, [override(place, "m7g.large")])["Instances"][0]["InstanceIds"]
        assert state(aws, identifier) == "pending"
        assert eventually(lambda: state(aws, identifier) == "running")
        (interface,) = instances(aws, InstanceIds=[identifier])[0]["NetworkInterfaces"]
        (ended,) = aws("ec2").terminate_instances(InstanceIds=[identifier])["TerminatingInstances"]
        assert (ended["PreviousState"]["Name"], ended["CurrentState"]["Name"]) == ("running", "shutting-down")
        assert state(aws, identifier) == "shutting-down"
        found = aws("ec2").describe_network_interfaces(NetworkInterfaceIds=[interface["NetworkInterfaceId"]])
        assert len(found["NetworkInterfaces"]) == 1
        assert eventually(lambda: state(aws, identifier) == "terminated")
    finally:
        aws.pace(0)
    gone = refused(aws("ec2").describe_network_interfaces, NetworkInterfaceIds=[interface["NetworkInterfaceId"]])
    assert gone == "InvalidNetworkInterfaceID.NotFound"
    attached = [{"Name": "attachment.instance-id", "Values": [identifier]}]
    assert aws("ec2").describe_volumes(Filters=attached)["Volumes"] == []


def test_an_address_is_nobody_elses_while_the_instance_is_remembered(aws: Aws, place: Place, name: str) -> None:
    template(aws, place, name)
    seen = set()
    for _ in range(3):
        (identifier,) = fleet(aws, name, [override(place, "m7g.large")])["Instances"][0]["InstanceIds"]
        seen.add(instances(aws, InstanceIds=[identifier])[0]["PrivateIpAddress"])
        aws("ec2").terminate_instances(InstanceIds=[identifier])
    assert len(seen) == 3


def test_a_protected_instance_stays(aws: Aws, place: Place, name: str) -> None:
    template(aws, place, name, DisableApiTermination=True)
    (identifier,) = fleet(aws, name, [override(place, "m7g.large")])["Instances"][0]["InstanceIds"]
    assert refused(aws("ec2").terminate_instances, InstanceIds=[identifier]) == "OperationNotPermitted"
    assert state(aws, identifier) == "running"


def test_every_change_of_state_is_an_event(aws: Aws, place: Place, name: str) -> None:
    pattern = {"source": ["aws.ec2"], "detail-type": ["EC2 Instance State-change Notification"]}
    url, _queue = plumbing(aws, name, pattern=pattern)
    template(aws, place, name)
    (identifier,) = fleet(aws, name, [override(place, "m7g.large")])["Instances"][0]["InstanceIds"]
    aws("ec2").terminate_instances(InstanceIds=[identifier])
    told = [message["detail"] for message in received(aws, url)]
    states = ("pending", "running", "shutting-down", "terminated")
    assert told == [{"instance-id": identifier, "state": now} for now in states]


def test_a_spot_instance_is_warned_and_then_taken(aws: Aws, place: Place, name: str) -> None:
    pattern = {"source": ["aws.ec2"], "detail-type": ["EC2 Spot Instance Interruption Warning"]}
    url, _queue = plumbing(aws, name, pattern=pattern)
    template(aws, place, name)
    (identifier,) = fleet(aws, name, [override(place, "m7g.large")], "spot")["Instances"][0]["InstanceIds"]
    told = admin(aws, f"interrupt?instance={identifier}&notice=0.5")
    assert told["event"] == "EC2 Spot Instance Interruption Warning"
    (message,) = received(aws, url)
    assert message["detail"] == {"instance-id": identifier, "instance-action": "terminate"}
    assert message["resources"] == [f"arn:aws:ec2:{REGION}:123456789012:instance/{identifier}"]
    assert state(aws, identifier) == "running"
    assert eventually(lambda: state(aws, identifier) == "terminated")


@pytest.mark.parametrize(
    ("kind", "source", "text"),
    [
        ("rebalance", "aws.ec2", "EC2 Instance Rebalance Recommendation"),
        ("scheduled", "aws.health", "AWS Health Event"),
        ("state", "aws.ec2", "EC2 Instance State-change Notification"),
    ],
)
def test_other_interruptions_are_told_as_well(
    aws: Aws, place: Place, name: str, kind: str, source: str, text: str
) -> None:
    template(aws, place, name)
    (identifier,) = fleet(aws, name, [override(place, "m7g.large")], "spot")["Instances"][0]["InstanceIds"]
    url, _queue = plumbing(aws, name, pattern={"source": [source], "detail-type": [text]})
    admin(aws, f"interrupt?instance={identifier}&kind={kind}")
    message = received(aws, url)[0]
    assert identifier in json.dumps(message)
    if kind == "scheduled":
        assert message["detail"]["eventTypeCategory"] == "scheduledChange"
        assert message["detail"]["affectedEntities"] == [{"entityValue": identifier}]


def test_only_what_can_be_interrupted_is(aws: Aws, place: Place, name: str) -> None:
    (made,) = fleet(aws, template(aws, place, name), [override(place, "m7g.large")])["Instances"]
    (identifier,) = made["InstanceIds"]
    assert "is no Spot instance" in admin(aws, f"interrupt?instance={identifier}")["error"]
    assert "there is no instance" in admin(aws, "interrupt?instance=i-0123456789abcdef0")["error"]
    assert "kind" in admin(aws, f"interrupt?instance={identifier}&kind=meteor")["error"]
    assert "type=" in admin(aws, "capacity")["error"]


def test_a_client_token_launches_once(aws: Aws, place: Place, name: str) -> None:
    template(aws, place, name)
    first, second = (fleet(aws, name, [override(place, "m7g.large")], ClientToken=name) for _ in range(2))
    assert first["Instances"] == second["Instances"]
    asked: dict[str, Any] = {
        "LaunchTemplate": {"LaunchTemplateName": name},
        "InstanceType": "m7g.large",
        "SubnetId": place.subnets["a"],
        "MinCount": 1,
        "MaxCount": 1,
        "ClientToken": name,
    }
    ids = [aws("ec2").run_instances(**asked)["Instances"][0]["InstanceId"] for _ in range(2)]
    assert ids[0] == ids[1]
    assert refused(aws("ec2").run_instances, **{**asked, "MaxCount": 2}) == "IdempotentParameterMismatch"


def test_instance_profiles_are_found_by_their_path(aws: Aws, place: Place) -> None:
    pages = aws("iam").get_paginator("list_instance_profiles").paginate(PathPrefix="/karpenter/eu-central-1/dev/")
    found = [profile for page in pages for profile in page["InstanceProfiles"]]
    assert [profile["InstanceProfileName"] for profile in found] == [place.profile]
    assert aws("iam").list_instance_profiles(PathPrefix="/karpenter/eu-west-1/")["InstanceProfiles"] == []
    missing = {"InstanceProfileName": place.profile, "RoleName": "nobodys"}
    assert refused(aws("iam").add_role_to_instance_profile, **missing) == "NoSuchEntity"
    assert refused(aws("iam").delete_instance_profile, InstanceProfileName=place.profile) == "DeleteConflict"


def test_answers_have_the_shape_that_botocore_knows(aws: Aws) -> None:
    ours = (
        "ec2 DescribeInstance",
        "ec2 RunInstances",
        "ec2 CreateFleet",
        "ec2 Terminate",
        "ec2 DescribeLaunch",
        "pricing",
    )
    # What moto knows of new processors is newer than botocore's model.
    told = [text for text in aws.state.admin("responses") if "ProcessorInfo.SupportedFeatures" not in text]
    odd = [text for text in told if text.startswith(ours)]
    assert odd == []
