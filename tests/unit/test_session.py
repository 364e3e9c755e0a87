# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How kinds meet what AWS does and an emulator doesn't: answers that lag behind, answers that come once only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from ansible_collections.innovate.platform.plugins.module_utils._engine.errors import EngineError, Tombstone
from ansible_collections.innovate.platform.plugins.module_utils._engine.kind import Observed, Scope, Wanted
from ansible_collections.innovate.platform.plugins.module_utils._kinds import _ec2
from ansible_collections.innovate.platform.plugins.module_utils._kinds._rules import write_rules
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
    assert not KINDS[kind].ready(session, made)
    assert KINDS[kind].ready(session, made) is made
    with pytest.raises(EngineError, match="UnauthorizedOperation"):
        KINDS[kind].ready(session, made)


WANTED = Wanted("x.main", {"vpc_id": "vpc-1", "ingress": [], "egress": []}, {})


def test_what_comes_with_a_vpc_is_awaited(ec2: tuple[Session, Stubber], monkeypatch: pytest.MonkeyPatch) -> None:
    session, stubber = ec2
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    group = {"GroupId": "sg-1", "GroupName": "default", "Description": "default", "VpcId": "vpc-1"}
    stubber.add_response("describe_security_groups", {"SecurityGroups": []})
    stubber.add_response("describe_security_groups", {"SecurityGroups": [group]})
    stubber.add_response("create_tags", {})
    assert KINDS["default_security_group"].create(session, WANTED, "").id == "sg-1"
    for _attempt in range(10):
        stubber.add_response("describe_security_groups", {"SecurityGroups": []})
    with pytest.raises(EngineError, match=r"the default security group of vpc-1 .* is not listed yet"):
        KINDS["default_security_group"].create(session, WANTED, "")


def test_an_acl_is_put_before_subnets_whose_first_acl_is_not_listed_yet(
    ec2: tuple[Session, Stubber], monkeypatch: pytest.MonkeyPatch
) -> None:
    session, stubber = ec2
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    one, two = ({"NetworkAclAssociationId": f"aclassoc-{n}", "SubnetId": f"subnet-{n}"} for n in (1, 2))
    for listed in ([one], [one, two]):
        stubber.add_response("describe_network_acls", {"NetworkAcls": [{"Associations": listed}]})
    moved = {"NewAssociationId": "aclassoc-9"}
    stubber.add_response("replace_network_acl_association", moved)
    stubber.add_response("replace_network_acl_association", moved)
    wanted = Wanted("network_acl.main", {"entries": [], "subnet_ids": ["subnet-1", "subnet-2"]}, {})
    acl = Observed("acl-1", {"subnet_ids": [], "vpc_id": "vpc-1"})
    KINDS["network_acl"].update(session, acl, wanted, frozenset({"subnet_ids"}))


def test_a_rule_that_is_there_already_does_not_keep_the_others_out(ec2: tuple[Session, Stubber]) -> None:
    session, stubber = ec2
    rules = [{"ip_protocol": "tcp", "from_port": port, "to_port": port, "cidr_ipv4": "10.0.0.0/8"} for port in (1, 2)]

    def expected(*ports: int) -> dict[str, Any]:
        ranges = [{"CidrIp": "10.0.0.0/8"}]
        permissions = [{"IpProtocol": "tcp", "FromPort": p, "ToPort": p, "IpRanges": ranges} for p in ports]
        return {"GroupId": "sg-1", "IpPermissions": permissions}

    operation, code = "authorize_security_group_ingress", "InvalidPermission.Duplicate"
    stubber.add_client_error(operation, code, expected_params=expected(1, 2))
    stubber.add_client_error(operation, code, expected_params=expected(1))
    stubber.add_response(operation, {"Return": True}, expected_params=expected(2))
    write_rules(session, "sg-1", "ingress", [], rules)


def test_an_endpoint_with_a_subnet_missing_is_still_the_one(ec2: tuple[Session, Stubber]) -> None:
    session, stubber = ec2
    endpoint = {"VpcEndpointId": "vpce-1", "VpcId": "vpc-1", "ServiceName": "s", "State": "Partial"}
    stubber.add_response("describe_vpc_endpoints", {"VpcEndpoints": [endpoint]})
    (found,) = KINDS["vpc_endpoint"].observe(session, Scope("vpc-dev"))
    assert (found.id, found.state) == ("vpce-1", "ready")


def test_a_nat_gateway_that_an_old_token_leads_to_is_a_tombstone(ec2: tuple[Session, Stubber]) -> None:
    session, stubber = ec2
    gone = {"NatGatewayId": "nat-1", "SubnetId": "subnet-1", "State": "deleted"}
    stubber.add_response("describe_nat_gateways", {"NatGateways": [gone]})
    with pytest.raises(Tombstone):
        KINDS["nat_gateway"].ready(session, Observed("nat-1", {}))


def test_a_launch_template_is_the_same_in_whatever_order_ec2_gives_it_back() -> None:
    tags = [{"key": "a", "value": "1"}, {"key": "b", "value": "2"}]
    wanted = {
        "tag_specifications": [{"resource_type": kind, "tags": tags} for kind in ("instance", "volume")],
        "security_group_ids": ["sg-1", "sg-2"],
    }
    found = {
        "ebs_optimized": False,
        "tag_specifications": [{"resource_type": kind, "tags": tags[::-1]} for kind in ("volume", "instance")],
        "security_group_ids": ["sg-2", "sg-1"],
    }
    compare = KINDS["launch_template"].properties["launch_template_data"].same
    assert compare is not None
    assert compare(wanted, found)
    assert not compare({**wanted, "security_group_ids": ["sg-1"]}, found)


def test_a_deletion_that_is_never_possible_names_what_is_in_the_way(
    ec2: tuple[Session, Stubber], monkeypatch: pytest.MonkeyPatch
) -> None:
    session, stubber = ec2
    monkeypatch.setattr(_ec2, "_PATIENCE", -1.0)
    stubber.add_client_error("delete_vpc", "DependencyViolation", "The vpc has dependencies and cannot be deleted.")
    interface = {"NetworkInterfaceId": "eni-1", "Description": "ELB net/shop/1"}
    stubber.add_response("describe_network_interfaces", {"NetworkInterfaces": [interface]})
    groups = [{"GroupId": "sg-0", "GroupName": "default"}, {"GroupId": "sg-1", "GroupName": "k8s-elb-1"}]
    stubber.add_response("describe_security_groups", {"SecurityGroups": groups})
    with pytest.raises(EngineError) as caught:
        KINDS["vpc"].delete(session, Observed("vpc-1", {}))
    (problem,) = caught.value.problems
    assert problem.endswith("still there: eni-1 (ELB net/shop/1), sg-1 (k8s-elb-1): delete these, then run this again")
