# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a request needs leave for, where that isn't all that it names.

Checked against https://docs.aws.amazon.com/service-authorization/latest/reference/ (EC2, RDS, Organizations, IAM).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.emulator.conftest import Aws, refused

STACK = [{"Key": "innovate:stack", "Value": "test"}]


@pytest.fixture
def demanded(aws: Aws) -> Iterator[Any]:
    aws.state.admin("recording", "DELETE")

    def rows(action: str) -> list[tuple[str, list[str]]]:
        found = aws.state.admin("recording")["rows"]
        return [
            (row["resource"].rpartition(":")[2], row["keys"].get("aws:ResourceTag/innovate:stack", []))
            for row in found
            if row["action"] == action
        ]

    yield rows
    aws.state.admin("recording", "DELETE")


def test_the_other_group_of_a_rule_is_not_asked_for_leave(aws: Aws, demanded: Any) -> None:
    ec2 = aws("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    mine, other = (
        ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)["GroupId"] for name in ("mine", "other")
    )
    aws.state.admin("recording?label=rules", "POST")
    rule = {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "UserIdGroupPairs": [{"GroupId": other}]}
    ec2.authorize_security_group_ingress(GroupId=mine, IpPermissions=[rule])
    assert {name for name, _ in demanded("ec2:AuthorizeSecurityGroupIngress")} == {
        f"security-group/{mine}",
        "security-group-rule/*",
    }


def test_the_last_snapshot_of_a_database_is_not_asked_for_leave(aws: Aws, demanded: Any) -> None:
    aws.state.admin("recording?label=delete", "POST")
    assert refused(
        aws("rds").delete_db_instance, DBInstanceIdentifier="gone", FinalDBSnapshotIdentifier="gone-final"
    ).startswith("DBInstanceNotFound")
    assert demanded("rds:DeleteDBInstance") == [("gone", [])]


def test_an_association_that_is_no_more_is_not_found_whatever_the_caller_may(aws: Aws, demanded: Any) -> None:
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    aws("iam").create_role(RoleName="nobody", AssumeRolePolicyDocument=document)
    aws.state.admin("enforcement", "POST")
    try:
        ec2 = aws.assume("123456789012", "nobody")("ec2")
        assert refused(ec2.describe_vpcs) == "UnauthorizedOperation"
        code = refused(ec2.disassociate_route_table, AssociationId="rtbassoc-0123456789abcdef0")
    finally:
        aws.state.admin("enforcement", "DELETE")
    assert code == "InvalidAssociationID.NotFound"


def test_tags_of_policies_and_of_identity_providers_are_seen(aws: Aws, demanded: Any) -> None:
    organizations, iam = aws("organizations"), aws("iam")
    organizations.create_organization(FeatureSet="ALL")
    deny = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "iam:*", "Resource": "*"}]}
    policy = organizations.create_policy(
        Name="p", Description="", Type="SERVICE_CONTROL_POLICY", Content=json.dumps(deny), Tags=STACK
    )["Policy"]["PolicySummary"]["Id"]
    provider = iam.create_open_id_connect_provider(
        Url="https://oidc.eks.eu-central-1.amazonaws.com/id/0123456789ABCDEF", ThumbprintList=["0" * 40], Tags=STACK
    )["OpenIDConnectProviderArn"]
    aws.state.admin("recording?label=tags", "POST")
    organizations.update_policy(PolicyId=policy, Name="q")
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=provider)
    assert [tags for _, tags in demanded("organizations:UpdatePolicy")] == [["test"]]
    assert [tags for _, tags in demanded("iam:DeleteOpenIDConnectProvider")] == [["test"]]
