# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the contract doesn't ask of an account's settings: default VPCs in use, what an absent baseline leaves."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ansible_collections.innovate.platform.plugins.module_utils._engine.apply import apply
from ansible_collections.innovate.platform.plugins.module_utils._engine.errors import EngineError
from ansible_collections.innovate.platform.plugins.module_utils._engine.resource import Ref, Resource
from ansible_collections.innovate.platform.plugins.module_utils._kinds._session import Session
from ansible_collections.innovate.platform.plugins.module_utils._kinds.registry import KINDS
from tests.contract.contract import World, actions

HERE = {"region": "eu-central-1"}
NO_VPC = Resource("ec2_default_vpc", "here", HERE)


@pytest.fixture
def world(session: Session, start_afresh: Callable[[], None]) -> World:
    start_afresh()
    return World(session, KINDS, "account-settings")


def default_vpcs(session: Session) -> list[str]:
    filters = [{"Name": "is-default", "Values": ["true"]}]
    return [vpc["VpcId"] for vpc in session.pages("ec2", "describe_vpcs", "Vpcs", Filters=filters)]


def test_a_default_vpc_with_an_interface_is_refused_in_the_plan_and_stays(world: World, session: Session) -> None:
    (vpc_id,) = default_vpcs(session)
    inside = [{"Name": "vpc-id", "Values": [vpc_id]}]
    subnets = session.pages("ec2", "describe_subnets", "Subnets", Filters=inside)
    made = session.call("ec2", "create_network_interface", SubnetId=subnets[0]["SubnetId"])["NetworkInterface"]
    (problem,) = world.plan([NO_VPC]).problems
    assert vpc_id in problem
    assert made["NetworkInterfaceId"] in problem
    with pytest.raises(EngineError, match="is in use by"):
        world.apply([NO_VPC])
    assert default_vpcs(session) == [vpc_id]
    assert len(session.pages("ec2", "describe_subnets", "Subnets", Filters=inside)) == len(subnets)

    session.call("ec2", "delete_network_interface", NetworkInterfaceId=made["NetworkInterfaceId"])
    world.apply([NO_VPC])
    assert default_vpcs(session) == []


def test_what_comes_into_a_default_vpc_after_the_plan_is_seen(world: World, session: Session) -> None:
    plan = world.plan([NO_VPC])
    (vpc_id,) = default_vpcs(session)
    session.call("ec2", "create_security_group", GroupName="somebody", Description="somebody", VpcId=vpc_id)
    outcome = apply(plan, KINDS, session)
    assert "is in use by" in str(outcome.errors[NO_VPC.address])
    assert default_vpcs(session) == [vpc_id]


def test_without_the_baseline_volumes_are_still_encrypted_by_aws_key(world: World, session: Session) -> None:
    key = Resource("kms_key", "own")
    encryption = Resource("ebs_default_encryption", "here", {**HERE, "kms_key_id": Ref("kms_key.own", "arn")})
    world.apply([key, encryption])
    world.apply([key, encryption], absent=True, allow_destroy=("*",))
    assert session.call("ec2", "get_ebs_default_kms_key_id")["KmsKeyId"].endswith("alias/aws/ebs")
    assert session.call("ec2", "get_ebs_encryption_by_default")["EbsEncryptionByDefault"] is True


def test_without_the_baseline_nothing_becomes_public_again(world: World) -> None:
    settings = [
        NO_VPC,
        Resource("ec2_account_settings", "here", HERE),
        Resource("s3_account_public_access_block", "own", {}),
        Resource("iam_password_policy", "own", {}),
    ]
    world.apply(settings)
    world.apply(settings, absent=True, allow_destroy=("*",))
    assert actions(world.plan(settings)) == {}
