# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.emulator.conftest import REGION, Aws, eventually, refused


@dataclass
class Rds:
    aws: Aws
    client: Any
    vpc: str
    subnets: list[str]
    group: str
    key: str

    def parameters(self, name: str, **more: Any) -> dict[str, Any]:
        return {
            "DBInstanceIdentifier": name,
            "Engine": "postgres",
            "DBInstanceClass": "db.t4g.medium",
            "AllocatedStorage": 20,
            "MasterUsername": "platform",
            "ManageMasterUserPassword": True,
            "DBName": "app",
            "DBSubnetGroupName": "isolated",
            "VpcSecurityGroupIds": [self.group],
            **more,
        }

    def create(self, name: str, **more: Any) -> dict[str, Any]:
        self.client.create_db_instance(**self.parameters(name, **more))
        return self.available(name)

    def shown(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
        return found

    def available(self, name: str) -> dict[str, Any]:
        assert eventually(lambda: self.shown(name)["DBInstanceStatus"] in ("available", "failed"), 60)
        found = self.shown(name)
        assert found["DBInstanceStatus"] == "available", self.aws.state.admin("databases")
        return found

    def password(self, shown: dict[str, Any]) -> str:
        arn = shown["MasterUserSecret"]["SecretArn"]
        value = json.loads(self.aws("secretsmanager").get_secret_value(SecretId=arn)["SecretString"])
        assert value["username"] == "platform"
        return str(value["password"])

    def connect(self, shown: dict[str, Any], password: str, **more: Any) -> psycopg.Connection[Any]:
        ca = self.aws.state.admin("databases")[0]["ca"]
        options = {"sslmode": "verify-full", "sslrootcert": ca, "dbname": "app", **more}
        end = shown["Endpoint"]
        return psycopg.connect(host=end["Address"], port=end["Port"], user="platform", password=password, **options)


@pytest.fixture(scope="module")
def rds(aws: Aws) -> Rds:
    ec2 = aws("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.10.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.10.{n}.0/24", AvailabilityZone=f"{REGION}{zone}")["Subnet"][
            "SubnetId"
        ]
        for n, zone in enumerate("abc")
    ]
    group = ec2.create_security_group(GroupName="db", Description="db", VpcId=vpc)["GroupId"]
    key = aws("kms").create_key()["KeyMetadata"]["Arn"]
    client = aws("rds")
    client.create_db_subnet_group(DBSubnetGroupName="isolated", DBSubnetGroupDescription="x", SubnetIds=subnets)
    client.create_db_parameter_group(DBParameterGroupName="pg17", DBParameterGroupFamily="postgres17", Description="x")
    return Rds(aws, client, vpc, subnets, group, key)


@pytest.fixture(scope="module")
def instance(rds: Rds) -> dict[str, Any]:
    return rds.create(
        "main",
        StorageEncrypted=True,
        KmsKeyId=rds.key,
        EnablePerformanceInsights=True,
        PerformanceInsightsKMSKeyId=rds.key,
        DBParameterGroupName="pg17",
        BackupRetentionPeriod=30,
        EnableCloudwatchLogsExports=["postgresql", "upgrade"],
        DeletionProtection=True,
        MasterUserSecretKmsKeyId=rds.key,
        Tags=[{"Key": "a", "Value": "b"}],
    )


def test_a_new_instance_is_a_real_server_behind_tls(rds: Rds, instance: dict[str, Any]) -> None:
    assert instance["Endpoint"]["Address"].startswith("127.")
    assert instance["Endpoint"]["Port"] == 5432
    with rds.connect(instance, rds.password(instance)) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS visits (who text)")
        connection.execute("INSERT INTO visits VALUES ('rehearsal')")
        row = connection.execute("SELECT who, (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()) FROM visits")
        assert row.fetchone() == ("rehearsal", True)
        roles = connection.execute(
            "SELECT rolsuper, rolcreaterole FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        assert roles == (False, True)


def test_a_connection_without_tls_is_refused_until_the_parameter_group_allows_it(
    rds: Rds, instance: dict[str, Any]
) -> None:
    password = rds.password(instance)

    def plain() -> bool:
        try:
            rds.connect(instance, password, sslmode="disable").close()
        except psycopg.OperationalError:
            return False
        return True

    def force(value: str) -> None:
        change = {"ParameterName": "rds.force_ssl", "ParameterValue": value, "ApplyMethod": "immediate"}
        rds.client.modify_db_parameter_group(DBParameterGroupName="pg17", Parameters=[change])

    assert not plain()
    force("0")
    assert eventually(plain)
    force("1")
    assert eventually(lambda: not plain())


def test_a_wrong_password_and_a_foreign_authority_are_refused(
    rds: Rds, instance: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(psycopg.OperationalError):
        rds.connect(instance, "wrong-password")
    with pytest.raises(psycopg.OperationalError):
        rds.connect(instance, rds.password(instance), sslrootcert="system")


def test_the_fields_of_an_instance_are_shown(rds: Rds, instance: dict[str, Any]) -> None:
    assert instance["PerformanceInsightsEnabled"] is True
    assert instance["PerformanceInsightsRetentionPeriod"] == 7
    assert instance["PerformanceInsightsKMSKeyId"] == rds.key
    assert (instance["Iops"], instance["StorageThroughput"]) == (3000, 125)
    assert instance["KmsKeyId"] == rds.key
    assert instance["MasterUserSecret"]["SecretArn"].split(":")[6].startswith("rds!db-")
    assert instance["MasterUserSecret"]["KmsKeyId"] == rds.key
    assert instance["EnabledCloudwatchLogsExports"] == ["postgresql", "upgrade"]
    assert instance["DBParameterGroups"] == [{"DBParameterGroupName": "pg17", "ParameterApplyStatus": "in-sync"}]
    assert instance["TagList"] == [{"Key": "a", "Value": "b"}]
    groups = rds.aws("logs").describe_log_groups(logGroupNamePrefix="/aws/rds/instance/main/")["logGroups"]
    assert [group["logGroupName"] for group in groups] == [
        "/aws/rds/instance/main/postgresql",
        "/aws/rds/instance/main/upgrade",
    ]


def test_an_instance_is_in_the_way_of_what_it_uses(rds: Rds, instance: dict[str, Any]) -> None:
    client, ec2 = rds.client, rds.aws("ec2")
    assert refused(client.delete_db_subnet_group, DBSubnetGroupName="isolated") == "InvalidDBSubnetGroupStateFault"
    assert refused(client.delete_db_parameter_group, DBParameterGroupName="pg17") == "InvalidDBParameterGroupState"
    assert refused(ec2.delete_security_group, GroupId=rds.group) == "DependencyViolation"
    assert refused(ec2.delete_subnet, SubnetId=rds.subnets[0]) == "DependencyViolation"
    code = refused(client.delete_db_instance, DBInstanceIdentifier="main", SkipFinalSnapshot=True)
    assert code == "InvalidParameterCombination"


def test_a_static_parameter_waits_for_a_reboot(rds: Rds, instance: dict[str, Any]) -> None:
    change = {"ParameterName": "shared_preload_libraries", "ParameterValue": "pg_stat_statements,pgaudit"}
    code = refused(
        rds.client.modify_db_parameter_group,
        DBParameterGroupName="pg17",
        Parameters=[{**change, "ApplyMethod": "immediate"}],
    )
    assert code == "InvalidParameterCombination"
    rds.client.modify_db_parameter_group(
        DBParameterGroupName="pg17", Parameters=[{**change, "ApplyMethod": "pending-reboot"}]
    )
    assert rds.shown("main")["DBParameterGroups"][0]["ParameterApplyStatus"] == "pending-reboot"
    rds.client.reboot_db_instance(DBInstanceIdentifier="main")
    assert rds.available("main")["DBParameterGroups"][0]["ParameterApplyStatus"] == "in-sync"
    user = rds.client.describe_db_parameters(DBParameterGroupName="pg17", Source="user")["Parameters"]
    assert "shared_preload_libraries" in [parameter["ParameterName"] for parameter in user]


def test_a_change_is_modifying_and_waits_for_the_window_unless_applied_immediately(
    rds: Rds, instance: dict[str, Any]
) -> None:
    rds.available("main")
    rds.client.modify_db_instance(DBInstanceIdentifier="main", DBInstanceClass="db.m6g.large")
    shown = rds.available("main")
    assert shown["DBInstanceClass"] == "db.t4g.medium"
    assert shown["PendingModifiedValues"]["DBInstanceClass"] == "db.m6g.large"
    rds.aws.pace(0.2)
    try:
        changed = rds.client.modify_db_instance(
            DBInstanceIdentifier="main", DBInstanceClass="db.m6g.large", MultiAZ=True, ApplyImmediately=True
        )["DBInstance"]
        assert changed["DBInstanceStatus"] == "modifying"
        code = refused(rds.client.modify_db_instance, DBInstanceIdentifier="main", BackupRetentionPeriod=3)
        assert code == "InvalidDBInstanceState"
        shown = rds.available("main")
    finally:
        rds.aws.pace(0)
    assert (shown["DBInstanceClass"], shown["MultiAZ"]) == ("db.m6g.large", True)
    assert shown["PendingModifiedValues"] == {}


def test_another_port_restarts_the_server_at_once(rds: Rds, instance: dict[str, Any]) -> None:
    for port in (5433, 5432):
        rds.available("main")
        rds.client.modify_db_instance(DBInstanceIdentifier="main", DBPortNumber=port)
        shown = rds.available("main")
        assert shown["Endpoint"]["Port"] == port
        rds.connect(shown, rds.password(shown)).close()
    code = refused(rds.client.modify_db_instance, DBInstanceIdentifier="main", DBPortNumber=80)
    assert code == "InvalidParameterValue"


def test_a_rotated_password_opens_the_database(rds: Rds, instance: dict[str, Any]) -> None:
    before = rds.password(rds.available("main"))
    rds.client.modify_db_instance(DBInstanceIdentifier="main", RotateMasterUserPassword=True, ApplyImmediately=True)
    shown = rds.available("main")
    after = rds.password(shown)
    assert after != before

    def opens() -> bool:
        try:
            rds.connect(shown, after).close()
        except psycopg.OperationalError:
            return False
        return True

    assert eventually(opens)


def test_a_snapshot_is_a_copy_that_outlives_the_instance(rds: Rds) -> None:
    shown = rds.create("short", ManageMasterUserPassword=False, MasterUserPassword="first-password", Port=6000)
    with rds.connect(shown, "first-password") as connection:
        connection.execute("CREATE TABLE kept (n int)")
        connection.execute("INSERT INTO kept VALUES (42)")
    assert shown["Endpoint"]["Port"] == 6000
    missing = refused(rds.client.delete_db_instance, DBInstanceIdentifier="short", SkipFinalSnapshot=False)
    assert missing == "InvalidParameterCombination"
    rds.client.delete_db_instance(DBInstanceIdentifier="short", FinalDBSnapshotIdentifier="last")
    assert eventually(lambda: refused_or_none(rds, "short") == "DBInstanceNotFound")
    with pytest.raises(psycopg.OperationalError):
        rds.connect(shown, "first-password", connect_timeout=2)
    assert rds.client.describe_db_snapshots(DBSnapshotIdentifier="last")["DBSnapshots"][0]["Status"] == "available"
    rds.client.restore_db_instance_from_db_snapshot(
        DBInstanceIdentifier="again",
        DBSnapshotIdentifier="last",
        DBSubnetGroupName="isolated",
        VpcSecurityGroupIds=[rds.group],
    )
    restored = rds.available("again")
    with rds.connect(restored, "first-password") as connection:
        assert connection.execute("SELECT n FROM kept").fetchone() == (42,)
    rds.client.delete_db_instance(DBInstanceIdentifier="again", SkipFinalSnapshot=True)
    rds.client.delete_db_snapshot(DBSnapshotIdentifier="last")


def refused_or_none(rds: Rds, name: str) -> str | None:
    try:
        rds.shown(name)
    except rds.client.exceptions.DBInstanceNotFoundFault:
        return "DBInstanceNotFound"
    return None


def test_a_name_can_be_taken_again_at_once(rds: Rds) -> None:
    for _again in range(2):
        shown = rds.create("again", DeletionProtection=False)
        rds.connect(shown, rds.password(shown)).close()
        rds.client.delete_db_instance(DBInstanceIdentifier="again", SkipFinalSnapshot=True)
        assert eventually(lambda: "again" not in str(rds.client.describe_db_instances()["DBInstances"]), 30)


def test_a_managed_secret_goes_with_its_instance(rds: Rds) -> None:
    rds.aws.pace(0)
    shown = rds.create("brief")
    arn = shown["MasterUserSecret"]["SecretArn"]
    rds.client.delete_db_instance(DBInstanceIdentifier="brief", SkipFinalSnapshot=True)
    assert eventually(lambda: refused_or_none(rds, "brief"))
    code = refused(rds.aws("secretsmanager").get_secret_value, SecretId=arn)
    assert code == "ResourceNotFoundException"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"DBInstanceIdentifier": "1st"}, "InvalidParameterValue"),
        ({"DBInstanceClass": "db.t9.nano"}, "InvalidParameterValue"),
        ({"AllocatedStorage": 5}, "InvalidParameterValue"),
        ({"EngineVersion": "12.1"}, "InvalidParameterCombination"),
        ({"MasterUsername": "admin"}, "InvalidParameterValue"),
        ({"MasterUserPassword": "some-password"}, "InvalidParameterCombination"),
        ({"ManageMasterUserPassword": False}, "MissingParameter"),
        ({"ManageMasterUserPassword": False, "MasterUserPassword": "a@b/c d!"}, "InvalidParameterValue"),
        ({"DBSubnetGroupName": "none"}, "DBSubnetGroupNotFoundFault"),
        ({"DBParameterGroupName": "none"}, "DBParameterGroupNotFound"),
        ({"EngineVersion": "16", "DBParameterGroupName": "pg17"}, "InvalidParameterCombination"),
        ({"StorageEncrypted": True, "KmsKeyId": "arn:aws:kms:x:1:key/none"}, "KMSKeyNotAccessibleFault"),
        ({"KmsKeyId": "alias/any"}, "InvalidParameterCombination"),
        ({"BackupRetentionPeriod": 36}, "InvalidParameterValue"),
        ({"MonitoringInterval": 60}, "InvalidParameterCombination"),
        ({"StorageThroughput": 250}, "InvalidParameterCombination"),
        ({"PerformanceInsightsRetentionPeriod": 31}, "InvalidParameterCombination"),
        ({"EnableCloudwatchLogsExports": ["audit"]}, "InvalidParameterCombination"),
        ({"VpcSecurityGroupIds": ["sg-0123456789abcdef0"]}, "InvalidParameterValue"),
        ({"MultiAZ": True, "AvailabilityZone": f"{REGION}a"}, "InvalidParameterCombination"),
    ],
)
def test_an_instance_that_cannot_be_is_refused(rds: Rds, change: dict[str, Any], code: str) -> None:
    assert refused(rds.client.create_db_instance, **{**rds.parameters("never"), **change}) == code


@pytest.mark.parametrize(
    ("operation", "parameters", "code"),
    [
        ("describe_db_parameter_groups", {"DBParameterGroupName": "none"}, "DBParameterGroupNotFound"),
        ("describe_db_parameters", {"DBParameterGroupName": "none"}, "DBParameterGroupNotFound"),
        ("describe_db_subnet_groups", {"DBSubnetGroupName": "none"}, "DBSubnetGroupNotFoundFault"),
        ("describe_db_instances", {"DBInstanceIdentifier": "none"}, "DBInstanceNotFound"),
        ("describe_db_snapshots", {"DBSnapshotIdentifier": "none"}, "DBSnapshotNotFound"),
        ("describe_certificates", {"CertificateIdentifier": "rds-ca-2015"}, "CertificateNotFound"),
    ],
)
def test_what_is_not_there_is_not_found(rds: Rds, operation: str, parameters: dict[str, Any], code: str) -> None:
    assert refused(getattr(rds.client, operation), **parameters) == code


def test_a_subnet_group_covers_two_zones(rds: Rds) -> None:
    parameters = {"DBSubnetGroupName": "one", "DBSubnetGroupDescription": "x", "SubnetIds": rds.subnets[:1]}
    assert refused(rds.client.create_db_subnet_group, **parameters) == "DBSubnetGroupDoesNotCoverEnoughAZs"


def test_the_offer_names_versions_certificates_and_parameters(rds: Rds) -> None:
    versions = rds.client.describe_db_engine_versions(Engine="postgres", EngineVersion="17")["DBEngineVersions"]
    assert {v["DBParameterGroupFamily"] for v in versions} == {"postgres17"}
    default = rds.client.describe_db_engine_versions(Engine="postgres", DefaultOnly=True)["DBEngineVersions"]
    assert [v["EngineVersion"] for v in default] == ["17.10"]
    certificates = rds.client.describe_certificates()
    assert certificates["DefaultCertificateForNewLaunches"] == "rds-ca-rsa2048-g1"
    assert rds.client.describe_pending_maintenance_actions()["PendingMaintenanceActions"] == []
    for family in ("postgres15", "postgres16", "postgres17"):
        shown = rds.client.describe_db_parameters(DBParameterGroupName=f"default.{family}")["Parameters"]
        assert {p["ParameterName"]: p.get("ParameterValue") for p in shown}["rds.force_ssl"] == "1"


def test_everything_can_be_tagged(rds: Rds, instance: dict[str, Any]) -> None:
    group = rds.client.describe_db_parameter_groups(DBParameterGroupName="pg17")["DBParameterGroups"][0]
    subnets = rds.client.describe_db_subnet_groups(DBSubnetGroupName="isolated")["DBSubnetGroups"][0]
    for arn in (instance["DBInstanceArn"], group["DBParameterGroupArn"], subnets["DBSubnetGroupArn"]):
        rds.client.add_tags_to_resource(ResourceName=arn, Tags=[{"Key": "x", "Value": "1"}, {"Key": "y", "Value": "2"}])
        rds.client.remove_tags_from_resource(ResourceName=arn, TagKeys=["y"])
        tags = rds.client.list_tags_for_resource(ResourceName=arn)["TagList"]
        assert {"Key": "x", "Value": "1"} in tags
        assert "y" not in [tag["Key"] for tag in tags]


def test_backups_are_replicated_into_another_region(rds: Rds, instance: dict[str, Any]) -> None:
    other = rds.aws("rds", region="eu-west-1")
    source = instance["DBInstanceArn"]
    assert (
        refused(other.start_db_instance_automated_backups_replication, SourceDBInstanceArn=source) == "MissingParameter"
    )
    key = rds.aws("kms", region="eu-west-1").create_key()["KeyMetadata"]["Arn"]
    other.start_db_instance_automated_backups_replication(SourceDBInstanceArn=source, KmsKeyId=key)
    listed = other.describe_db_instance_automated_backups()["DBInstanceAutomatedBackups"]
    assert [(b["DBInstanceArn"], b["Status"]) for b in listed] == [(source, "replicating")]
    other.stop_db_instance_automated_backups_replication(SourceDBInstanceArn=source)


def test_answers_fit_the_model(rds: Rds) -> None:
    odd = rds.aws.state.admin("responses")
    assert {text: count for text, count in odd.items() if text.startswith("rds ")} == {}
