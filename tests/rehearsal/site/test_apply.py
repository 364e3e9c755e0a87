# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole platform with the playbooks and inventories that people use: plan, apply, apply again, look."""

from __future__ import annotations

from pathlib import Path

import pytest

from rehearsal import estate
from tests.rehearsal.conftest import Play, Run
from tests.rehearsal.site.conftest import SITE

MEMBERS = {"security", "network", "shared-services", "dev", "stage", "prod"}
RANGES = {"dev": "10.10.0.0/16", "stage": "10.20.0.0/16", "prod": "10.30.0.0/16"}


def test_the_plan_from_an_empty_organization_is_complete(plan: Run) -> None:
    assert plan.status == 0, plan.text[-4000:]
    assert len(plan.changes()) > 100


def test_the_plan_lists_what_comes_into_the_clusters(plan: Run) -> None:
    for environment in RANGES:
        kinds = {address.split(":")[1].split("/")[0] for host, address in plan.changes() if host == environment}
        assert {"manifest.NodePool.karpenter.sh", "manifest.ApplicationSet.argoproj.io"} <= kinds


def test_the_plan_changes_nothing(plan: Run, planned_again: Run) -> None:
    assert planned_again.changes() == plan.changes()


def test_the_apply_creates_exactly_what_the_plan_said(plan: Run, organization: Run, applied: Run) -> None:
    assert organization.status == 0, organization.text[-4000:]
    assert applied.status == 0, applied.text[-4000:]
    assert organization.changes() | applied.changes() == plan.changes()
    assert not organization.changes().keys() & applied.changes().keys()


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


@pytest.mark.parametrize(
    ("playbook", "environment"), [("network", "dev"), ("cluster", "dev"), ("cluster", "prod"), ("database", "stage")]
)
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
