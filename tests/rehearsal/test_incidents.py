# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each act of incident response as a person runs it, by a role that may do no more than its runbook page says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from rehearsal.rehearse import ROOT
from rehearsal.state import REGION, EmulatorState
from tests.rehearsal.conftest import Play, Run

CASE = "INC-2026-014"
#: What operations that change nothing begin with.
READING = re.compile(r"(Get|List|Describe|Lookup|AssumeRole)")


@dataclass
class Account:
    """Clients of an account, as its administrator."""

    emulator: EmulatorState
    id: str
    credentials: dict[str, str]

    def __call__(self, service: str) -> Any:
        return boto3.client(service, region_name=REGION, endpoint_url=self.emulator.endpoint, **self.credentials)

    def enter(self, account: str, role: str = "OrganizationAccountAccessRole") -> Account:
        arn = f"arn:aws:iam::{account}:role/{role}"
        made = self("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
        keys = ("AccessKeyId", "SecretAccessKey", "SessionToken")
        names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
        return Account(self.emulator, account, {name: made[key] for name, key in zip(names, keys, strict=True)})


@dataclass
class Company:
    """An organization with the accounts that the acts need."""

    management: Account
    dev: Account
    security: Account
    play: Play
    roles: set[str] = field(default_factory=set)

    def act(self, name: str, *arguments: str, **variables: str) -> Run:
        """Run a playbook by the role that its page describes, with what no policy allows refused."""
        page = name.replace("_", "-")
        for account in (self.dev, self.security):
            iam = account("iam")
            trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{self.management.id}:root"}}
            document = {"Version": "2012-10-17", "Statement": [{**trust, "Action": "sts:AssumeRole"}]}
            if (role := f"innovate-incident-{page}") not in self.roles:
                iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(document))
                iam.put_role_policy(RoleName=role, PolicyName="runbook", PolicyDocument=policy_of(page))
        self.roles.add(role)
        given = {"incident_id": CASE, "platform_access_role_name": role, **variables}
        words = [word for key, value in given.items() for word in ("-e", f"{key}={value}")]
        emulator = self.management.emulator
        emulator.admin("enforcement", "POST")
        try:
            return self.play(f"playbooks/incident_{name}.yml", *words, *arguments, inventories=("dev",))
        finally:
            emulator.admin("enforcement", "DELETE")

    def carry_out(self, name: str, looks: Callable[[], Any], **variables: str) -> tuple[dict[str, Any], Any]:
        """Plan, act, act again: the plan changes nothing, the second time is for nothing. Return result and looks."""
        before = looks()
        plan = self.act(name, "--check", **variables)
        assert plan.status == 0, plan.text[-4000:]
        assert looks() == before
        done = self.act(name, **variables)
        assert done.status == 0, done.text[-4000:]
        # The moment of a run is its own.
        said, planned = (re.sub(r"\d\d:\d\d:\d\dZ", "", "\n".join(outcome(run)["steps"])) for run in (done, plan))
        assert said == planned != ""
        after = looks()
        assert after != before
        again = self.act(name, **variables)
        assert (again.status, again.changed, outcome(again)["steps"]) == (0, {"dev": 0}, []), again.text[-4000:]
        assert looks() == after
        return outcome(done), after

    def undo(self, name: str, looks: Callable[[], Any], **variables: str) -> tuple[dict[str, Any], Any]:
        """Undo, and undo again for nothing. Return result and looks."""
        done = self.act(name, incident_state="absent", **variables)
        assert done.status == 0, done.text[-4000:]
        after = looks()
        again = self.act(name, incident_state="absent", **variables)
        assert (again.status, again.changed) == (0, {"dev": 0}), again.text[-4000:]
        return outcome(done), after

    def history(self, record: str) -> list[dict[str, Any]]:
        versions = self.dev("ssm").get_parameter_history(Name=record)["Parameters"]
        return [json.loads(version["Value"]) for version in versions]


def policy_of(page: str) -> str:
    """The policy that a runbook page has."""
    text = (ROOT / f"docs/runbooks/{page}.md").read_text()
    return text.partition("```json\n")[2].partition("```")[0]


def outcome(run: Run) -> dict[str, Any]:
    return next(result for _host, _task, result in run.results if "steps" in result)


@pytest.fixture(scope="module")
def company(emulator: EmulatorState, play: Play) -> Company:
    environment = emulator.environment()
    management = Account(
        emulator,
        emulator.management_account_id,
        {
            "aws_access_key_id": environment["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": environment["AWS_SECRET_ACCESS_KEY"],
        },
    )
    organizations = management("organizations")
    organizations.create_organization(FeatureSet="ALL")
    for name in ("dev", "security"):
        begun = organizations.create_account(Email=f"{name}@example.com", AccountName=name)["CreateAccountStatus"]
        while begun["State"] == "IN_PROGRESS":
            begun = organizations.describe_create_account_status(CreateAccountRequestId=begun["Id"])[
                "CreateAccountStatus"
            ]
        assert begun["State"] == "SUCCEEDED", begun
    accounts = emulator.admin("accounts")
    return Company(management, management.enter(accounts["dev"]), management.enter(accounts["security"]), play)


@dataclass
class Machine:
    """An instance with all that an isolation takes away."""

    id: str
    vpc: str
    group: str
    targets: str
    role: str
    key: str


@pytest.fixture(scope="module")
def machine(company: Company) -> Machine:
    ec2, iam = company.dev("ec2"), company.dev("iam")
    vpc = ec2.create_vpc(CidrBlock="10.10.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.10.0.0/24", AvailabilityZone=f"{REGION}a")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="web", Description="web", VpcId=vpc)["GroupId"]
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    iam.create_role(RoleName="web", Path="/innovate/", AssumeRolePolicyDocument=document)
    iam.create_instance_profile(InstanceProfileName="web")
    iam.add_role_to_instance_profile(InstanceProfileName="web", RoleName="web")
    key = company.dev("kms").create_key(Description="disks")["KeyMetadata"]["Arn"]
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    disks = [
        {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 8, "DeleteOnTermination": True, "Encrypted": True}},
        {"DeviceName": "/dev/xvdb", "Ebs": {"VolumeSize": 20, "DeleteOnTermination": False, "Encrypted": True}},
    ]
    for disk in disks:
        disk["Ebs"]["KmsKeyId"] = key  # type: ignore[index]
    ec2.create_launch_template(
        LaunchTemplateName="web",
        LaunchTemplateData={
            "ImageId": image,
            "InstanceType": "t3.small",
            "IamInstanceProfile": {"Name": "web"},
            "SecurityGroupIds": [group],
            "BlockDeviceMappings": disks,
        },
    )
    template = {"LaunchTemplateName": "web", "Version": "$Latest"}
    started = ec2.run_instances(MinCount=1, MaxCount=1, LaunchTemplate=template, SubnetId=subnet)
    instance = started["Instances"][0]["InstanceId"]
    ec2.get_waiter("instance_running").wait(InstanceIds=[instance], WaiterConfig={"Delay": 1})
    ec2.modify_instance_attribute(InstanceId=instance, InstanceInitiatedShutdownBehavior={"Value": "terminate"})
    scaling = company.dev("autoscaling")
    scaling.create_auto_scaling_group(
        AutoScalingGroupName="web", LaunchTemplate=template, MinSize=0, MaxSize=3, VPCZoneIdentifier=subnet
    )
    scaling.attach_instances(AutoScalingGroupName="web", InstanceIds=[instance])
    elb = company.dev("elbv2")
    targets = elb.create_target_group(Name="web", Protocol="HTTP", Port=80, VpcId=vpc, TargetType="instance")
    arn = targets["TargetGroups"][0]["TargetGroupArn"]
    elb.register_targets(TargetGroupArn=arn, Targets=[{"Id": instance, "Port": 8080}])
    return Machine(instance, vpc, group, arn, "web", key)


def state_of(company: Company, machine: Machine) -> dict[str, Any]:
    """All of an instance that an isolation changes, and what stands around it."""
    ec2, iam = company.dev("ec2"), company.dev("iam")
    instance = ec2.describe_instances(InstanceIds=[machine.id])["Reservations"][0]["Instances"][0]

    def attribute(name: str, key: str) -> Any:
        return ec2.describe_instance_attribute(InstanceId=machine.id, Attribute=name)[key]["Value"]

    health = company.dev("elbv2").describe_target_health(TargetGroupArn=machine.targets)["TargetHealthDescriptions"]
    scaling = company.dev("autoscaling").describe_auto_scaling_instances(InstanceIds=[machine.id])
    groups = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [machine.vpc]}])["SecurityGroups"]
    return {
        "groups": [[group["GroupName"] for group in item["Groups"]] for item in instance["NetworkInterfaces"]],
        "protected": attribute("disableApiTermination", "DisableApiTermination"),
        "shutdown": attribute("instanceInitiatedShutdownBehavior", "InstanceInitiatedShutdownBehavior"),
        "going": {item["DeviceName"]: item["Ebs"]["DeleteOnTermination"] for item in instance["BlockDeviceMappings"]},
        "targets": [item["Target"]["Id"] for item in health if item["TargetHealth"]["State"] != "draining"],
        "scaling": [item["AutoScalingGroupName"] for item in scaling["AutoScalingInstances"]],
        "case": {tag["Key"]: tag["Value"] for tag in instance["Tags"]}.get("innovate:incident"),
        "policies": iam.list_role_policies(RoleName=machine.role)["PolicyNames"],
        "around": sorted(group["GroupName"] for group in groups if group["GroupName"] != "default"),
    }


def test_an_instance_is_isolated_and_given_back(company: Company, machine: Machine) -> None:
    def looks() -> dict[str, Any]:
        return state_of(company, machine)

    before = looks()
    mark = company.management.emulator.admin("calls?since=0")["mark"]
    done, isolated = company.carry_out("isolate_instance", looks, incident_instance_id=machine.id)
    assert isolated == {
        "groups": [["innovate-quarantine"]],
        "protected": True,
        "shutdown": "stop",
        "going": {"/dev/xvda": False, "/dev/xvdb": False},
        "targets": [],
        "scaling": [],
        "case": CASE,
        "policies": [f"innovate-incident-{CASE}-{machine.id}"],
        "around": ["innovate-quarantine", "web"],
    }
    rules = company.dev("ec2").describe_security_groups(
        Filters=[{"Name": "group-name", "Values": ["innovate-quarantine"]}]
    )["SecurityGroups"][0]
    assert (rules["IpPermissions"], rules["IpPermissionsEgress"]) == ([], [])
    # Connections that are tracked end by way of a group in which nothing is.
    calls = [call["operation"] for call in company.management.emulator.admin(f"calls?since={mark}")["calls"]]
    assert calls.count("ModifyNetworkInterfaceAttribute") == 2
    # Its group has started another one.
    others = company.dev("autoscaling").describe_auto_scaling_instances()["AutoScalingInstances"]
    assert [item["InstanceId"] == machine.id for item in others] == [False]

    first, last = company.history(done["record"])
    assert (first["status"], last["status"], last["incident"], last["target"]) == ("begun", "done", CASE, machine.id)
    assert list(first["before"]["groups"].values()) == [[machine.group]]
    assert ":assumed-role/innovate-incident-isolate-instance/" in first["by"]

    undone, after = company.undo("isolate_instance", looks, incident_instance_id=machine.id)
    assert after == {**before, "scaling": []}
    assert "is not put back into the Auto Scaling group web" in "".join(undone["notes"])
    assert company.history(done["record"])[-1]["status"] == "undone"


def test_the_credentials_of_an_isolated_instance_are_refused_and_those_of_others_are_not(
    company: Company, machine: Machine
) -> None:
    iam, sts = company.dev("iam"), company.dev("sts")
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{company.dev.id}:root"}, "Action": "sts:AssumeRole"}
    iam.create_role(
        RoleName="worker",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )
    allow = {"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}
    iam.put_role_policy(
        RoleName="worker", PolicyName="own", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    )
    from ansible_collections.innovate.platform.plugins.module_utils._incident.instance import denial  # noqa: PLC0415

    document = json.dumps(denial(f"arn:aws:ec2:{REGION}:{company.dev.id}:instance/{machine.id}", machine.id))
    iam.put_role_policy(RoleName="worker", PolicyName="incident", PolicyDocument=document)

    def session(name: str) -> Any:
        arn = f"arn:aws:iam::{company.dev.id}:role/worker"
        # The session of an instance's credentials has the instance's id for its name.
        made = sts.assume_role(RoleArn=arn, RoleSessionName=name)["Credentials"]
        return boto3.client(
            "sqs",
            region_name=REGION,
            endpoint_url=company.management.emulator.endpoint,
            aws_access_key_id=made["AccessKeyId"],
            aws_secret_access_key=made["SecretAccessKey"],
            aws_session_token=made["SessionToken"],
        )

    isolated, other = session(machine.id), session("i-0123456789abcdef0")
    company.management.emulator.admin("enforcement", "POST")
    try:
        other.list_queues()
        with pytest.raises(ClientError, match="explicit deny"):
            isolated.list_queues()
    finally:
        company.management.emulator.admin("enforcement", "DELETE")


@pytest.fixture
def stolen(company: Company) -> Iterator[Account]:
    """A session of a role in dev, as an attacker has it."""
    iam = company.dev("iam")
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{company.management.id}:root"}}
    document = {"Version": "2012-10-17", "Statement": [{**trust, "Action": "sts:AssumeRole"}]}
    iam.create_role(RoleName="payments", AssumeRolePolicyDocument=json.dumps(document))
    allow = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}]}
    iam.put_role_policy(RoleName="payments", PolicyName="own", PolicyDocument=json.dumps(allow))
    yield company.management.enter(company.dev.id, "payments")
    for name in iam.list_role_policies(RoleName="payments")["PolicyNames"]:
        iam.delete_role_policy(RoleName="payments", PolicyName=name)
    iam.delete_role(RoleName="payments")


def test_sessions_are_revoked_and_new_ones_are_not(company: Company, stolen: Account) -> None:
    emulator = company.management.emulator

    def works(account: Account) -> bool:
        emulator.admin("enforcement", "POST")
        try:
            account("sqs").list_queues()
        except ClientError as error:
            if "explicit deny" not in str(error):
                raise
            return False
        finally:
            emulator.admin("enforcement", "DELETE")
        return True

    def looks() -> Any:
        return works(stolen)

    assert works(stolen)
    done, revoked = company.carry_out("revoke_sessions", looks, incident_role_name="payments")
    assert not revoked
    assert works(company.management.enter(company.dev.id, "payments"))
    assert company.history(done["record"])[-1]["status"] == "done"
    undone, restored = company.undo("revoke_sessions", looks, incident_role_name="payments")
    assert restored
    assert "until then this makes them good again" in "".join(undone["notes"])


def test_an_access_key_is_made_inactive(company: Company) -> None:
    iam = company.dev("iam")
    iam.create_user(UserName="ci")
    key = iam.create_access_key(UserName="ci")["AccessKey"]["AccessKeyId"]

    def looks() -> Any:
        return iam.list_access_keys(UserName="ci")["AccessKeyMetadata"][0]["Status"]

    _done, status = company.carry_out("disable_key", looks, incident_access_key_id=key)
    assert status == "Inactive"
    assert company.undo("disable_key", looks, incident_access_key_id=key)[1] == "Active"


def test_a_kms_key_is_disabled(company: Company) -> None:
    kms = company.dev("kms")
    key = kms.create_key(Description="payments")["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/payments", TargetKeyId=key)

    def looks() -> Any:
        return kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"]

    _done, state = company.carry_out("disable_key", looks, incident_kms_key="alias/payments")
    assert state == "Disabled"
    assert company.undo("disable_key", looks, incident_kms_key="alias/payments")[1] == "Enabled"


def test_a_secret_can_be_read_by_nobody_and_its_policy_is_kept(company: Company) -> None:
    secrets = company.dev("secretsmanager")
    secrets.create_secret(Name="payments/stripe", SecretString="not-to-be-seen")
    own = {
        "Sid": "Own",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{company.dev.id}:root"},
        "Action": "secretsmanager:DescribeSecret",
        "Resource": "*",
    }
    secrets.put_resource_policy(
        SecretId="payments/stripe", ResourcePolicy=json.dumps({"Version": "2012-10-17", "Statement": [own]})
    )

    def looks() -> Any:
        return json.loads(secrets.get_resource_policy(SecretId="payments/stripe")["ResourcePolicy"])["Statement"]

    done, statements = company.carry_out("disable_key", looks, incident_secret="payments/stripe")
    assert statements[0] == own
    assert (statements[1]["Effect"], statements[1]["Action"]) == ("Deny", "secretsmanager:GetSecretValue")
    assert "not-to-be-seen" not in json.dumps([done, company.history(done["record"])])
    assert company.undo("disable_key", looks, incident_secret="payments/stripe")[1] == [own]


def snapshots_in(account: Account) -> list[dict[str, Any]]:
    found = account("ec2").describe_snapshots(
        OwnerIds=["self"], Filters=[{"Name": "tag:innovate:incident", "Values": [CASE]}]
    )
    return list(found["Snapshots"])


def test_volumes_are_kept_in_the_security_account_under_a_key_of_its_own(company: Company, machine: Machine) -> None:
    def looks() -> Any:
        return sorted(
            (item["SnapshotId"], item["State"])
            for where in (company.dev, company.security)
            for item in snapshots_in(where)
        )

    done, _after = company.carry_out("snapshot_volumes", looks, incident_instance_id=machine.id)
    taken, copies = snapshots_in(company.dev), snapshots_in(company.security)
    assert (len(taken), len(copies)) == (2, 2)
    evidence = company.security("kms").describe_key(KeyId="alias/innovate-forensics")["KeyMetadata"]
    assert company.security("kms").get_key_rotation_status(KeyId=evidence["KeyId"])["KeyRotationEnabled"]
    assert {(item["State"], item["KmsKeyId"]) for item in copies} == {("completed", evidence["Arn"])}
    custody = [{tag["Key"]: tag["Value"] for tag in item["Tags"]} for item in copies]
    assert {tags["innovate:source-snapshot"] for tags in custody} == {item["SnapshotId"] for item in taken}
    assert {tags["innovate:source-volume"] for tags in custody} == {item["VolumeId"] for item in taken}
    assert {tags["innovate:source-device"] for tags in custody} == {"/dev/xvda", "/dev/xvdb"}
    for tags in custody:
        assert (tags["innovate:source-account"], tags["innovate:source-region"]) == (company.dev.id, REGION)
        assert tags["innovate:source-instance"] == machine.id
        assert ":assumed-role/innovate-incident-snapshot-volumes/" in tags["innovate:collected-by"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", tags["innovate:collected-at"])
    # What was lent is taken back.
    for item in taken:
        shared = company.dev("ec2").describe_snapshot_attribute(
            SnapshotId=item["SnapshotId"], Attribute="createVolumePermission"
        )
        assert shared["CreateVolumePermissions"] == []
    assert company.dev("kms").list_grants(KeyId=machine.key)["Grants"] == []
    assert len(company.history(done["record"])) == 2

    company.undo("snapshot_volumes", looks, incident_instance_id=machine.id)
    assert snapshots_in(company.dev) == []
    assert len(snapshots_in(company.security)) == 2


def test_what_awss_own_key_encrypts_goes_by_way_of_a_key_of_the_account(company: Company, machine: Machine) -> None:
    ec2 = company.dev("ec2")
    subnet = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [machine.vpc]}])["Subnets"][0]["SubnetId"]
    instance = ec2.run_instances(
        MinCount=1,
        MaxCount=1,
        ImageId=ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"],
        InstanceType="t3.small",
        SubnetId=subnet,
        BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 8, "Encrypted": True}}],
    )["Instances"][0]["InstanceId"]
    refused = company.act("snapshot_volumes", incident_instance_id=instance)
    assert refused.status == 2
    assert "is encrypted with AWS's own key, which can't be shared" in "".join(refused.messages())

    company.dev("kms").create_alias(AliasName="alias/transfer", TargetKeyId=machine.key)
    done = company.act("snapshot_volumes", incident_instance_id=instance, incident_transfer_key="alias/transfer")
    assert done.status == 0, done.text[-4000:]
    copies = [
        item
        for item in snapshots_in(company.security)
        if {"Key": "innovate:source-instance", "Value": instance} in item["Tags"]
    ]
    assert [item["State"] for item in copies] == ["completed"]


@pytest.mark.parametrize(
    ("name", "variables", "says"),
    [
        ("isolate_instance", {"incident_instance_id": "web-1"}, "'web-1' is no instance's id"),
        ("isolate_instance", {"incident_instance_id": "i-0123456789abcdef0"}, "is not in account"),
        ("revoke_sessions", {"incident_role_name": "nobody"}, "has no role 'nobody'"),
        ("disable_key", {"incident_kms_key": "alias/nothing"}, "has no KMS key alias/nothing"),
    ],
)
def test_mistakes_are_said_before_anything_changes(
    company: Company, name: str, variables: dict[str, str], says: str
) -> None:
    emulator = company.management.emulator
    company.act(name, "--check", **variables)  # makes the role
    mark = emulator.admin("calls?since=0")["mark"]
    run = company.act(name, **variables)
    assert run.status == 2
    assert says in "".join(run.messages())
    calls = [call for call in emulator.admin(f"calls?since={mark}")["calls"] if not READING.match(call["operation"])]
    assert calls == []


def test_one_account_at_a_time(company: Company) -> None:
    run = company.play(
        "playbooks/incident_isolate_instance.yml",
        "-e",
        f"incident_id={CASE}",
        "-e",
        "incident_instance_id=i-0123456789abcdef0",
        inventories=("organization", "dev"),
    )
    assert run.status == 2
    assert "this acts in one account, and 5 are given" in "".join(run.messages())
