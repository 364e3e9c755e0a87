# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The quick form: AWS only, with clusters that are nothing but their API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from rehearsal.rehearse import WITHOUT_KUBERNETES
from rehearsal.state import REGION, EmulatorState
from tests.rehearsal.conftest import Play, Run
from tools.permissions import data, page

SITE = "playbooks/site.yml"
DEV = ("organization", "dev")


@pytest.fixture(scope="module")
def applied(play: Play, emulator: EmulatorState) -> Run:
    emulator.admin("recording?label=site", "POST")
    return play(SITE, *WITHOUT_KUBERNETES, inventories=DEV)


def test_all_that_speaks_to_no_api_server_is_applied(applied: Run) -> None:
    assert applied.status == 0, applied.text[-4000:]
    stacks = {address.partition(":")[0] for _host, address in applied.changes()}
    assert {"organization", "vpc-dev", "eks-dev", "resources-karpenter-dev", "postgres-dev"} <= stacks
    assert not [stack for stack in stacks if stack.startswith("manifests-")]


def test_database_and_control_plane_come_into_being_at_the_same_time(applied: Run, emulator: EmulatorState) -> None:
    assert applied.status == 0
    calls = [call["operation"] for call in emulator.admin("calls?since=0")["calls"]]
    begun = max(calls.index("CreateDBInstance"), calls.index("CreateCluster"))
    assert begun < calls.index("CreateNodegroup")
    # The rule for the cluster's workloads comes when the cluster has its security group, and holds up nothing.
    assert calls.index("AuthorizeSecurityGroupIngress") > calls.index("CreateCluster")


def test_the_second_run_changes_nothing(play: Play, applied: Run) -> None:
    again = play(SITE, *WITHOUT_KUBERNETES, inventories=DEV)
    assert (again.status, again.changes(), set(again.changed.values())) == (0, {}, {0}), again.text[-3000:]


def test_no_action_was_needed_that_the_record_of_permissions_lacks(applied: Run, emulator: EmulatorState) -> None:
    assert applied.status == 0
    asked = data.uses(emulator.admin("recording")["rows"], emulator.admin("accounts"))
    assert len(asked) > 200
    assert page.unknown(asked) == [], "run `make permissions`"
    assert page.not_allowed(asked, "deploy") == []


class Reader:
    """Sessions of the role that plans and drift reports read with, first in the management account."""

    def __init__(self, emulator: EmulatorState) -> None:
        self.emulator = emulator
        environment = emulator.environment()
        self.session = boto3.Session(environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"])

    def client(self, service: str) -> Any:
        return self.session.client(service, region_name=REGION, endpoint_url=self.emulator.endpoint)

    def enter(self, account: str) -> None:
        made = self.client("sts").assume_role(
            RoleArn=f"arn:aws:iam::{account}:role/innovate-drift", RoleSessionName="report"
        )["Credentials"]
        self.session = boto3.Session(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])

    def environment(self) -> dict[str, str]:
        credentials = self.session.get_credentials()
        return {
            "AWS_ACCESS_KEY_ID": credentials.access_key,
            "AWS_SECRET_ACCESS_KEY": credentials.secret_key,
            "AWS_SESSION_TOKEN": credentials.token,
        }


@pytest.fixture
def enforcing(play: Play, applied: Run, emulator: EmulatorState) -> Iterator[None]:
    """What no policy allows is refused, after the role was made in the accounts that the tests get into."""
    made = play("playbooks/access.yml", "--limit", "management,dev", inventories=DEV)
    assert (made.status, set(made.changes().values())) == (0, {"create"}), made.text[-4000:]
    emulator.admin("enforcement", "POST")
    yield
    emulator.admin("enforcement", "DELETE")


def test_a_plan_of_everything_needs_no_more_than_the_role_that_only_reads(
    play: Play, emulator: EmulatorState, enforcing: None
) -> None:
    reader = Reader(emulator)
    reader.enter(emulator.management_account_id)
    arguments = ("--check", "-e", "platform_access_role_name=innovate-drift", *WITHOUT_KUBERNETES)
    mark = emulator.admin("calls?since=0")["mark"]
    run = play(SITE, *arguments, inventories=DEV, variables=reader.environment())
    assert (run.status, run.changes()) == (0, {}), run.text[-4000:]
    assert emulator.admin("enforcement") == {"enforcing": True, "refused": []}
    callers = {
        call["principal"].partition("assumed-role/")[2] for call in emulator.admin(f"calls?since={mark}")["calls"]
    }
    assert callers == {"innovate-drift/report", "innovate-drift/innovate-platform"}

    # It changes nothing and shows no secret.
    reader.enter(emulator.admin("accounts")["dev"])
    database = reader.client("rds").describe_db_instances()["DBInstances"][0]
    for call, parameters in (
        (reader.client("ec2").delete_vpc, {"VpcId": reader.client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]}),
        (reader.client("iam").delete_role, {"RoleName": "innovate-drift"}),
        (reader.client("secretsmanager").get_secret_value, {"SecretId": database["MasterUserSecret"]["SecretArn"]}),
    ):
        with pytest.raises(ClientError, match="because no identity-based policy allows"):
            call(**parameters)
