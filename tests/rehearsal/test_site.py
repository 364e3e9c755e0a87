# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole platform with the playbooks and inventories that people use: plan, apply, apply again, look."""

from __future__ import annotations

from pathlib import Path

import pytest

from rehearsal import estate
from rehearsal.state import EmulatorState
from tests.rehearsal.conftest import Play, Run

SITE = "playbooks/site.yml"
MEMBERS = {"security", "network", "shared-services", "dev", "stage", "prod"}
RANGES = {"dev": "10.10.0.0/16", "stage": "10.20.0.0/16", "prod": "10.30.0.0/16"}


@pytest.fixture(scope="module")
def plan(play: Play) -> Run:
    """The plan from an empty account, before anything else."""
    return play(SITE, "--check", "--diff")


@pytest.fixture(scope="module")
def applied(play: Play, plan: Run) -> Run:
    return play(SITE)


@pytest.fixture(scope="module")
def again(play: Play, applied: Run) -> Run:
    return play(SITE)


@pytest.fixture(scope="module")
def accounts(emulator: EmulatorState, applied: Run) -> dict[str, estate.Account]:
    return {account.name: account for account in estate.survey(emulator)}


def test_the_plan_from_an_empty_organization_is_complete(plan: Run) -> None:
    assert plan.status == 0, plan.text[-4000:]
    assert len(plan.changes()) > 100


def test_the_plan_changes_nothing(play: Play, plan: Run) -> None:
    assert play(SITE, "--check").changes() == plan.changes()


def test_the_apply_creates_exactly_what_the_plan_said(plan: Run, applied: Run) -> None:
    assert applied.status == 0, applied.text[-4000:]
    assert applied.changes() == plan.changes()


def test_the_second_run_changes_nothing_on_any_host(again: Run) -> None:
    assert again.status == 0, again.text[-4000:]
    assert again.changes() == {}
    assert set(again.changed.values()) == {0}


def test_a_plan_of_what_stands_is_empty(play: Play, again: Run) -> None:
    run = play(SITE, "--check", "--diff")
    assert (run.status, run.changes()) == (0, {})


def test_seven_accounts_stand(accounts: dict[str, estate.Account]) -> None:
    assert set(accounts) == {"management", *MEMBERS}


@pytest.mark.parametrize("environment", RANGES)
def test_each_environment_has_its_network(accounts: dict[str, estate.Account], environment: str) -> None:
    assert [vpc["CidrBlock"] for vpc in accounts[environment].vpcs] == [RANGES[environment]]
    gateways = accounts[environment].client("ec2").describe_nat_gateways()["NatGateways"]
    assert len(gateways) == (3 if environment == "prod" else 1)


@pytest.mark.parametrize("environment", RANGES)
def test_each_environment_has_its_cluster(accounts: dict[str, estate.Account], environment: str) -> None:
    (cluster,) = accounts[environment].clusters
    assert (cluster["version"], cluster["status"]) == ("1.35", "ACTIVE")
    assert cluster["resourcesVpcConfig"]["endpointPrivateAccess"]
    assert cluster["encryptionConfig"][0]["resources"] == ["secrets"]
    assert cluster["accessConfig"]["authenticationMode"] == "API"


@pytest.mark.parametrize("environment", RANGES)
def test_each_environment_has_a_database_that_keeps_a_row(
    accounts: dict[str, estate.Account], environment: str
) -> None:
    account = accounts[environment]
    (database,) = account.databases
    assert database["BackupRetentionPeriod"] == 30
    assert database["StorageEncrypted"]
    assert not database["PubliclyAccessible"]
    assert database["MultiAZ"] is (environment == "prod")
    assert "written and read back" in estate.try_database(account, database)


def test_no_secret_is_in_what_a_run_prints(applied: Run, accounts: dict[str, estate.Account]) -> None:
    for name in RANGES:
        for database in accounts[name].databases:
            assert accounts[name].password(database)[1] not in applied.text


def test_drift_is_seen_and_brought_back(play: Play, accounts: dict[str, estate.Account], again: Run) -> None:
    ec2 = accounts["dev"].client("ec2")
    groups = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["default"]}])["SecurityGroups"]
    vpc = accounts["dev"].vpcs[0]["VpcId"]
    group = next(item["GroupId"] for item in groups if item["VpcId"] == vpc)
    opened = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[opened])
    seen = play("playbooks/network.yml", "--check", "--diff", inventories=("dev",))
    assert list(seen.changes().values()) == ["update"]
    assert play("playbooks/network.yml", inventories=("dev",)).changes() == seen.changes()
    assert ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"] == []


@pytest.mark.parametrize("environment", RANGES)
@pytest.mark.parametrize("playbook", ["network", "cluster", "database"])
def test_each_playbook_runs_alone_with_one_inventory(play: Play, again: Run, environment: str, playbook: str) -> None:
    run = play(f"playbooks/{playbook}.yml", inventories=(environment,))
    assert (run.status, run.changes()) == (0, {}), run.text[-2000:]


def test_roles_and_playbooks_know_nothing_of_the_rehearsal(root: Path) -> None:
    words = ("moto_", "rehears", "emulat", "127.0.0.1")
    for folder in ("playbooks", "roles", "inventories", "plugins/modules", "plugins/module_utils"):
        for path in (root / folder).rglob("*"):
            if path.is_file() and path.suffix in (".py", ".yml", ".j2", ".json"):
                text = path.read_text().lower()
                assert not [word for word in words if word in text], path


def test_a_teardown_without_consent_touches_nothing(play: Play, again: Run) -> None:
    run = play("playbooks/teardown.yml", inventories=("stage",))
    assert run.status != 0
    assert any("The network of stage can't go while its database stays" in message for message in run.messages())
    assert play(SITE, inventories=("stage",)).changes() == {}


def test_a_teardown_leaves_a_final_snapshot_and_the_key_to_read_it(
    play: Play, emulator: EmulatorState, again: Run
) -> None:
    consent = '{"rds_allow_destroy": ["db_instance.main"], "eks_deletion_protection": false}'
    run = play("playbooks/teardown.yml", "-e", consent, inventories=("stage",))
    assert run.status == 0, run.text[-4000:]
    stage = next(account for account in estate.survey(emulator) if account.name == "stage")
    assert (stage.vpcs, stage.clusters, stage.databases) == ([], [], [])
    snapshots = stage.client("rds").describe_db_snapshots(SnapshotType="manual")["DBSnapshots"]
    assert [snapshot["DBInstanceIdentifier"] for snapshot in snapshots] == ["stage"]
    assert stage.client("kms").describe_key(KeyId=snapshots[0]["KmsKeyId"])["KeyMetadata"]["KeyState"] == "Enabled"
    left = play("playbooks/teardown.yml", "-e", consent, inventories=("stage",))
    assert set(left.changes().values()) == {"keep"}
    assert set(left.changed.values()) == {0}


def test_the_site_is_not_taken_down_in_the_order_in_which_it_is_built(play: Play, again: Run) -> None:
    run = play(SITE, "-e", "platform_state=absent")
    assert run.status != 0
    assert run.changes() == {}
    assert "playbooks/teardown.yml takes down" in run.messages()[0]
