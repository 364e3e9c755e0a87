# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks under exactly the deploy role's policies, with everything refused that no policy allows.

The organization, and the network and the database of one environment; `make permissions` does all of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from rehearsal import estate
from rehearsal.state import REGION, EmulatorState
from tools.permissions import data, page
from tools.permissions.enforcement import Accounts
from tools.permissions.lab import Lab, Step
from tools.permissions.policies import ROLES

DEV = ("organization", "dev")


@pytest.fixture(scope="module")
def deployed(emulator: EmulatorState, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Accounts]:
    """What stands after the playbooks have run as the deploy role; a run that fails fails here, with its log's end."""
    lab, accounts = Lab(emulator, tmp_path_factory.mktemp("deploy"), DEV), Accounts(emulator)
    accounts.make("deploy")
    emulator.admin("enforcement", "POST")
    lab.credentials = accounts.session("deploy")
    lab.always = {"platform_access_role_name": ROLES["deploy"]}
    lab.record(Step("organization", "organization"))
    accounts.make("deploy", ("dev",))  # a new account has the administrators' role only
    lab.record(Step("network", "network"))
    lab.record(Step("database", "database", variables={"rds_allowed_clusters": []}))  # no cluster: it takes long
    yield accounts
    emulator.admin("enforcement", "DELETE")


def test_the_deploy_role_needs_no_more_than_its_policies(deployed: Accounts) -> None:
    assert deployed.refused() == []
    (dev,) = [account for account in estate.survey(deployed.emulator) if account.name == "dev"]
    assert [vpc["CidrBlock"] for vpc in dev.vpcs] == ["10.10.0.0/16"]
    assert [database["DBInstanceIdentifier"] for database in dev.databases] == ["dev"]


def test_everybody_who_acted_was_the_deploy_role(deployed: Accounts) -> None:
    rows = deployed.emulator.admin("recording")["rows"]
    assert {row["caller"].rpartition("/")[2] for row in rows if row["label"] != "-"} == {ROLES["deploy"]}


def test_the_record_has_all_that_was_asked(deployed: Accounts) -> None:
    rows = [row for row in deployed.emulator.admin("recording")["rows"] if row["label"] != "-"]
    asked = data.uses(rows, deployed.emulator.admin("accounts"), ROLES["deploy"])
    assert {use.playbook for use in asked} == {"organization", "network", "database"}
    assert page.unknown(asked) == [], "run `make permissions`"


def test_the_policies_refuse_what_the_platform_has_nothing_to_do_with(deployed: Accounts, tmp_path: Path) -> None:
    dev = next(account for account in estate.survey(deployed.emulator) if account.name == "dev")
    foreign = dev.client("ec2").create_vpc(CidrBlock="172.16.0.0/16")["Vpc"]["VpcId"]
    inner = _session_in(deployed, dev.id)
    calls: list[tuple[Any, dict[str, Any]]] = [
        (inner("ec2").delete_vpc, {"VpcId": foreign}),
        (inner("iam").create_user, {"UserName": "somebody"}),
        (inner("iam").attach_role_policy, {"RoleName": ROLES["deploy"], "PolicyArn": _ADMINISTRATOR}),
        (inner("secretsmanager").get_secret_value, {"SecretId": dev.databases[0]["MasterUserSecret"]["SecretArn"]}),
        (inner("sqs", "eu-west-1").list_queues, {}),
    ]
    for call, parameters in calls:
        with pytest.raises(ClientError, match="not authorized to perform"):
            call(**parameters)
    assert len(deployed.refused()) == len(calls)


_ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"


def _session_in(accounts: Accounts, account: str) -> Any:
    own = accounts.session("deploy")
    keys = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    where = {"endpoint_url": accounts.emulator.endpoint}
    sts = boto3.client("sts", region_name=REGION, **where, **{key: own[key.upper()] for key in keys})
    role = f"arn:aws:iam::{account}:role/{ROLES['deploy']}"
    made = sts.assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    credentials = dict(zip(keys, (made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"]), strict=True))
    return lambda service, region=REGION: boto3.client(service, region_name=region, **where, **credentials)
