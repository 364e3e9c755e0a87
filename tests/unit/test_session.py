# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How kinds meet what AWS does and an emulator doesn't: answers that lag behind, answers that come once only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from ansible_collections.innovate.platform.plugins.module_utils._engine.errors import EngineError
from ansible_collections.innovate.platform.plugins.module_utils._engine.kind import Observed
from ansible_collections.innovate.platform.plugins.module_utils._kinds._session import Session
from ansible_collections.innovate.platform.plugins.module_utils._kinds.registry import KINDS

VPC = {"VpcId": "vpc-1", "State": "available", "CidrBlock": "10.0.0.0/16"}


@pytest.fixture
def ec2() -> Iterator[tuple[Session, Stubber]]:
    client = boto3.client("ec2", "eu-central-1", aws_access_key_id="a", aws_secret_access_key="b")
    with Stubber(client) as stubber:
        yield Session(lambda service, region: client, "123456789012", "eu-central-1", "aws"), stubber
        stubber.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("kind", "operation", "code", "answer"),
    [
        ("vpc", "describe_vpcs", "InvalidVpcID.NotFound", {"Vpcs": [VPC]}),
        ("subnet", "describe_subnets", "InvalidSubnetID.NotFound", {"Subnets": [{"State": "available"}]}),
    ],
)
def test_what_ec2_does_not_know_yet_is_awaited(
    ec2: tuple[Session, Stubber], kind: str, operation: str, code: str, answer: dict[str, Any]
) -> None:
    session, stubber = ec2
    made = Observed("vpc-1", {})
    stubber.add_client_error(operation, code)
    stubber.add_response(operation, answer)
    stubber.add_client_error(operation, "UnauthorizedOperation")
    assert KINDS[kind].ready(session, made) is None
    assert KINDS[kind].ready(session, made) is made
    with pytest.raises(EngineError, match="UnauthorizedOperation"):
        KINDS[kind].ready(session, made)
