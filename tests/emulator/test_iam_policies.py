# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A request and the policies that concern it: what IAM would say."""

from __future__ import annotations

from typing import Any

import pytest

from rehearsal.emulator.iam_policies import Caller, Policies, Policy, Request, decide, holds, like, trust_allows

ROLE = "arn:aws:iam::111111111111:role/worker"
SESSION = "arn:aws:sts::111111111111:assumed-role/worker/anna"
CALLER = Caller((SESSION, ROLE), "111111111111")
VPC = "arn:aws:ec2:eu-central-1:111111111111:vpc/vpc-1"
BUCKET = "arn:aws:s3:::logs"


def policy(*statements: dict[str, Any]) -> Policy:
    return Policy({"Version": "2012-10-17", "Statement": list(statements)})


def statement(effect: str = "Allow", action: Any = "*", resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": resource, **more}


ALL = policy(statement())
NONE = policy(statement(action="none:None"))


@pytest.mark.parametrize(
    ("action", "resource", "given", "met"),
    [
        ("ec2:DescribeVpcs", "*", statement(action="ec2:Describe*"), True),
        ("ec2:DescribeVpcs", "*", statement(action="EC2:describeVPCS"), True),
        ("ec2:DescribeVpcs", "*", statement(action=["s3:*", "ec2:?escribeVpcs"]), True),
        ("ec2:DescribeVpcs", "*", statement(action="ec2:DescribeVpc"), False),
        ("ec2:DescribeVpcs", "*", statement(action="ec2:[D]escribeVpcs"), False),
        ("ec2:DescribeVpcs", "*", {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}, True),
        ("iam:GetRole", "*", {"Effect": "Allow", "NotAction": ["iam:*"], "Resource": "*"}, False),
        ("ec2:DeleteVpc", VPC, statement(resource=VPC), True),
        ("ec2:DeleteVpc", VPC, statement(resource="arn:aws:ec2:*:*:vpc/*"), True),
        ("ec2:DeleteVpc", VPC, statement(resource="arn:aws:ec2"), True),
        ("ec2:DeleteVpc", VPC, statement(resource="arn:aws:ec2:*:vpc/*"), False),
        ("ec2:DeleteVpc", VPC, statement(resource="arn:aws:ec2:eu-*:222222222222:vpc/*"), False),
        ("ec2:DeleteVpc", VPC, {"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:ec2:*:*:vpc/vpc-2"}, True),
        ("ec2:DeleteVpc", VPC, {"Effect": "Allow", "Action": "*", "NotResource": [VPC]}, False),
        # What has no resource is allowed by `*` only.
        ("ec2:DescribeVpcs", "*", statement(resource="arn:aws:ec2:*:*:*"), False),
        ("s3:GetObject", f"{BUCKET}/a/b", statement(resource=f"{BUCKET}/a*"), True),
        ("s3:GetObject", f"{BUCKET}/a/b", statement(resource=BUCKET), False),
    ],
)
def test_statements_are_about_actions_and_resources(
    action: str, resource: str, given: dict[str, Any], met: bool
) -> None:
    assert decide(Request(action, resource), Policies([policy(given)]), CALLER).allowed is met


KEYS = {
    "aws:PrincipalArn": ROLE,
    "aws:RequestedRegion": "eu-central-1",
    "aws:MultiFactorAuthPresent": "false",
    "aws:EpochTime": 1_700_000_000,
    "aws:CurrentTime": "2026-11-22T10:00:00Z",
    "aws:SourceIp": "10.1.2.3",
    "aws:TagKeys": ["team", "stage"],
    "aws:RequestTag/": {"team": "data", "empty": ""}.get,
    "aws:ResourceTag/": {"Owner": "anna*"}.get,
    "aws:username": "anna*",
    "s3:max-keys": 10,
    "later": lambda: ["x", "y"],
    "none": None,
}


@pytest.mark.parametrize(
    ("operator", "key", "wanted", "met"),
    [
        ("StringEquals", "aws:RequestedRegion", ["eu-central-1", "us-east-1"], True),
        ("StringEquals", "AWS:requestedregion", "eu-central-1", True),
        ("StringEquals", "aws:RequestedRegion", "eu-*", False),
        ("StringLike", "aws:RequestedRegion", "eu-*", True),
        ("StringNotLike", "aws:RequestedRegion", ["us-*", "eu-*"], False),
        ("StringNotEquals", "aws:RequestedRegion", ["us-east-1", "us-west-2"], True),
        ("StringEqualsIgnoreCase", "aws:RequestedRegion", "EU-CENTRAL-1", True),
        ("StringNotEqualsIgnoreCase", "aws:RequestedRegion", "EU-CENTRAL-1", False),
        ("ArnLike", "aws:PrincipalArn", "arn:aws:iam::*:role/work*", True),
        ("ArnNotLike", "aws:PrincipalArn", "arn:aws:iam::*:role/work*", False),
        ("ArnEquals", "aws:PrincipalArn", "arn:aws:iam::*:role/other", False),
        ("Bool", "aws:MultiFactorAuthPresent", "true", False),
        ("Bool", "aws:MultiFactorAuthPresent", False, True),
        ("BoolIfExists", "aws:SecureTransport", "true", True),
        ("Bool", "aws:SecureTransport", "true", False),
        ("NumericLessThanEquals", "s3:max-keys", "10", True),
        ("NumericGreaterThan", "s3:max-keys", 10, False),
        ("NumericNotEquals", "s3:max-keys", 9, True),
        ("NumericEquals", "aws:RequestedRegion", 9, False),
        ("DateGreaterThan", "aws:CurrentTime", "2026-01-01T00:00:00Z", True),
        ("DateLessThan", "aws:CurrentTime", "2026-01-01T00:00:00Z", False),
        ("DateLessThan", "aws:EpochTime", "1700000001", True),
        ("IpAddress", "aws:SourceIp", "10.0.0.0/8", True),
        ("NotIpAddress", "aws:SourceIp", ["192.0.2.0/24", "10.1.2.3"], False),
        ("Null", "aws:RequestTag/team", "false", True),
        ("Null", "aws:RequestTag/other", "true", True),
        ("Null", "aws:RequestTag/team", "true", False),
        ("Null", "none", True, True),
        ("StringEquals", "aws:RequestTag/team", "data", True),
        ("StringEquals", "aws:RequestTag/Team", "data", False),
        ("StringEquals", "aws:RequestTag/empty", "", True),
        # Without the key only a negation and IfExists hold.
        ("StringEquals", "aws:RequestTag/other", "data", False),
        ("StringNotEquals", "aws:RequestTag/other", "data", True),
        ("StringEqualsIfExists", "aws:RequestTag/other", "data", True),
        ("StringEqualsIfExists", "aws:RequestTag/team", "other", False),
        ("ForAllValues:StringEquals", "aws:TagKeys", ["team", "stage", "more"], True),
        ("ForAllValues:StringEquals", "aws:TagKeys", ["team"], False),
        ("ForAllValues:StringEquals", "none", ["team"], True),
        ("ForAnyValue:StringEquals", "aws:TagKeys", ["team"], True),
        ("ForAnyValue:StringLike", "aws:TagKeys", ["st*"], True),
        ("ForAnyValue:StringEquals", "aws:TagKeys", ["more"], False),
        ("ForAnyValue:StringEquals", "none", ["team"], False),
        ("ForAnyValue:StringNotEquals", "aws:TagKeys", ["team"], True),
        ("ForAllValues:StringNotEquals", "aws:TagKeys", ["team"], False),
        ("ForAnyValue:StringEquals", "later", "y", True),
        # Variables; what they stand for has no wildcards.
        ("StringEquals", "aws:ResourceTag/Owner", "${aws:username}", True),
        ("StringLike", "aws:ResourceTag/Owner", "${aws:username}", True),
        ("StringLike", "aws:RequestedRegion", "${aws:username}", False),
        ("StringEquals", "aws:RequestedRegion", "${aws:PrincipalTag/region, 'eu-central-1'}", True),
        ("StringEquals", "aws:RequestedRegion", "${aws:PrincipalTag/region}", False),
        ("StringLike", "aws:ResourceTag/Owner", "anna${*}", True),
        ("StringLike", "aws:RequestedRegion", "eu${*}", False),
    ],
)
def test_conditions_hold_as_iam_says(operator: str, key: str, wanted: Any, met: bool) -> None:
    request = Request("ec2:DescribeVpcs", "*", KEYS)
    assert holds(operator, key, wanted if isinstance(wanted, list) else [wanted], request) is met
    given = policy(statement(Condition={operator: {key: wanted}}))
    assert decide(request, Policies([given]), CALLER).allowed is met


def test_all_conditions_of_a_statement_have_to_hold() -> None:
    both = {"StringLike": {"aws:RequestedRegion": "eu-*"}, "Bool": {"aws:MultiFactorAuthPresent": "true"}}
    assert not decide(Request("a:B", "*", KEYS), Policies([policy(statement(Condition=both))]), CALLER).allowed


def test_a_condition_that_iam_does_not_have_is_an_error() -> None:
    with pytest.raises(ValueError, match="StringAlmost"):
        holds("StringAlmost", "a:b", ["c"], Request("a:B", "*", {"a:b": "c"}))


DENY = policy(statement("Deny", "ec2:DeleteVpc"))
ONLY_READ = policy(statement(action="ec2:Describe*"))


@pytest.mark.parametrize(
    ("policies", "why"),
    [
        (Policies([ALL]), ""),
        (Policies(), "because no identity-based policy allows the ec2:DeleteVpc action"),
        (Policies([NONE]), "because no identity-based policy allows the ec2:DeleteVpc action"),
        (Policies([ALL, DENY]), "with an explicit deny in an identity-based policy"),
        (Policies([ALL], boundary=ALL), ""),
        (Policies([ALL], boundary=ONLY_READ), "because no permissions boundary allows the ec2:DeleteVpc action"),
        (Policies([NONE], boundary=ALL), "because no identity-based policy allows the ec2:DeleteVpc action"),
        (Policies([ALL], boundary=DENY), "with an explicit deny in a permissions boundary"),
        (Policies([ALL], session=[ALL]), ""),
        (Policies([ALL], session=[]), "because no session policy allows the ec2:DeleteVpc action"),
        (Policies([ALL], session=[ONLY_READ]), "because no session policy allows the ec2:DeleteVpc action"),
        (Policies([NONE], session=[ALL]), "because no identity-based policy allows the ec2:DeleteVpc action"),
        (Policies([ALL], service_control=[[ALL], [ALL]]), ""),
        (
            Policies([ALL], service_control=[[ALL], [ONLY_READ], [ALL]]),
            "because no service control policy allows the ec2:DeleteVpc action",
        ),
        (Policies([ALL], service_control=[[ONLY_READ, ALL]]), ""),
        (Policies([ALL], service_control=[[ALL, DENY]]), "with an explicit deny in a service control policy"),
        (Policies([NONE], service_control=[[ALL]]), "because no identity-based policy allows the ec2:DeleteVpc action"),
        (
            Policies([ALL], service_control=[[ALL, Policy(DENY.document, "arn:aws:organizations::1:policy/o/p-1")]]),
            "with an explicit deny in a service control policy: arn:aws:organizations::1:policy/o/p-1",
        ),
    ],
)
def test_every_type_of_policy_has_its_say(policies: Policies, why: str) -> None:
    decision = decide(Request("ec2:DeleteVpc", VPC), policies, CALLER)
    assert (decision.allowed, decision.why) == (not why, why)


def of_resource(principal: Any, effect: str = "Allow") -> Policy:
    return policy(statement(effect, Principal=principal))


@pytest.mark.parametrize(
    ("policies", "allowed"),
    [
        (Policies(resource=of_resource({"AWS": SESSION})), True),
        (Policies(resource=of_resource({"AWS": ROLE})), True),
        (Policies(resource=of_resource("*")), True),
        (Policies(resource=of_resource({"AWS": "arn:aws:iam::111111111111:root"})), False),
        (Policies(resource=of_resource({"AWS": "arn:aws:iam::222222222222:root"})), False),
        (Policies(resource=of_resource({"Service": "ec2.amazonaws.com"})), False),
        (Policies([ALL], resource=of_resource({"AWS": ROLE}, "Deny")), False),
        (Policies([ALL], resource=of_resource({"AWS": "111111111111"}, "Deny")), False),
        (Policies([ALL], resource=of_resource({"AWS": "222222222222"}, "Deny")), True),
        # A boundary bounds what a resource gives to a role, but not what it gives to a session.
        (Policies(resource=of_resource({"AWS": ROLE}), boundary=ONLY_READ), False),
        (Policies(resource=of_resource({"AWS": SESSION}), boundary=ONLY_READ), True),
        # A key decides alone, unless it leaves the decision to its account.
        (Policies([ALL], resource=of_resource({"AWS": "222222222222"}), resource_decides=True), False),
        (Policies([ALL], resource=of_resource({"AWS": "111111111111"}), resource_decides=True), True),
        (Policies([NONE], resource=of_resource({"AWS": "111111111111"}), resource_decides=True), False),
        (Policies(resource=of_resource({"AWS": ROLE}), resource_decides=True), True),
    ],
)
def test_a_resource_has_a_policy_of_its_own(policies: Policies, allowed: bool) -> None:
    assert decide(Request("ec2:DeleteVpc", VPC), policies, CALLER).allowed is allowed


@pytest.mark.parametrize(
    ("document", "answer"),
    [
        (statement(Principal={"AWS": ROLE}), (True, False, False)),
        (statement(Principal={"AWS": "111111111111"}), (False, True, False)),
        (statement(Principal={"AWS": "arn:aws:iam::111111111111:root"}), (False, True, False)),
        (statement(Principal={"Service": "ec2.amazonaws.com"}), (False, False, False)),
        (
            statement(Principal="*", Condition={"StringEquals": {"sts:ExternalId": "secret"}}),
            (False, False, False),
        ),
        (statement("Deny", Principal={"AWS": "*"}), (False, False, True)),
    ],
)
def test_a_trust_policy_names_callers_or_their_accounts(
    document: dict[str, Any], answer: tuple[bool, bool, bool]
) -> None:
    del document["Resource"]
    assert trust_allows({"Statement": document}, Request("sts:AssumeRole", ROLE), CALLER) == answer


def test_patterns_know_two_wildcards_only() -> None:
    assert like("a*c?", "abbbcd")
    assert not like("a.c", "abc")
    assert like("[x]*", "[x]y")
