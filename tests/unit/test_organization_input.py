# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every mistake in an organization's declaration is one sentence, before any call."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.innovate.platform.plugins.module_utils._engine.resource import Resource
from ansible_collections.innovate.platform.plugins.module_utils._engine.validate import validate
from ansible_collections.innovate.platform.plugins.module_utils._kinds.registry import KINDS
from ansible_collections.innovate.platform.plugins.module_utils._organization.structure import (
    Account,
    Policy,
    Structure,
    organization_resources,
)

DENY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Deny", "Action": "organizations:LeaveOrganization", "Resource": "*"}],
}
SCP = "SERVICE_CONTROL_POLICY"
RCP = "RESOURCE_CONTROL_POLICY"
DEV = Account("dev", "aws+dev@example.com", "Workloads/NonProd")
GOOD = Structure(
    units=["Security", "Workloads/NonProd", "Workloads/Prod"],
    accounts=[Account("management", management=True), DEV, Account("prod", "aws+prod@example.com", "Workloads/Prod")],
    policies=[Policy("baseline", SCP, DENY, targets=["Workloads", "dev"])],
    policy_types=[SCP],
    trusted_services=["cloudtrail.amazonaws.com"],
)


def problems(structure: Structure) -> list[str]:
    resources, found, _outputs = organization_resources(structure)
    return [*found, *validate(resources, KINDS)]


def policy(**changes: Any) -> dict[str, Any]:
    return {"policies": [replace(GOOD.policies[0], **changes)]}


def large(sid: str, characters: int) -> dict[str, Any]:
    named = {"Sid": sid} if sid else {}
    return {**named, "Effect": "Deny", "Action": "s3:*", "Resource": "x" * characters}


def statement(**changes: Any) -> dict[str, Any]:
    """The policy with one statement, in which changes of None take a member away."""
    made = {**DENY["Statement"][0], **changes}
    return policy(
        content={"Version": "2012-10-17", "Statement": [{k: v for k, v in made.items() if v is not None}]}, targets=[]
    )


def resource_control(**changes: Any) -> dict[str, Any]:
    made = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*", **changes}
    content = {"Version": "2012-10-17", "Statement": [{k: v for k, v in made.items() if v is not None}]}
    return policy(content=content, type=RCP, targets=[])


def test_a_good_declaration_has_no_problems() -> None:
    assert problems(GOOD) == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"units": ["Workloads//Prod", "Workloads/NonProd", "Workloads/Prod"]}, "'Workloads//Prod': write its path"),
        ({"units": ["/Security", *GOOD.units]}, "'/Security': write its path"),
        ({"units": ["Security", *GOOD.units]}, "organizational unit 'Security' is listed 2 times"),
        ({"units": ["A/B/C/D/E/F", *GOOD.units]}, "'A/B/C/D/E/F' is 6 levels deep: AWS allows 5"),
        ({"units": ["Root/Security", *GOOD.units]}, "the root is implied, leave 'Root' out"),
        ({"units": ["R&D", *GOOD.units]}, "'R&D' has characters other than"),
        ({"units": ["x" * 129, *GOOD.units]}, "has 129 characters, AWS allows 128"),
        (
            {"accounts": [DEV, Account("test", "AWS+dev@example.com")], "policies": []},
            "the e-mail address AWS+dev@example.com is given to the accounts 'dev' and 'test'",
        ),
        ({"accounts": [DEV, replace(DEV, email="aws+other@example.com")]}, "account 'dev' is listed 2 times"),
        (
            {"accounts": [replace(DEV, unit="Workload/NonProd")]},
            "no organizational unit 'Workload/NonProd': did you mean",
        ),
        ({"accounts": [replace(DEV, email="")]}, "account 'dev' has no e-mail address"),
        ({"accounts": [replace(DEV, email="dev at example.com")]}, "'dev at example.com' is not an e-mail address"),
        (
            {"accounts": [replace(DEV, email=f"{'x' * 60}@example.com")]},
            "is not an e-mail address of 6 to 64 characters",
        ),
        ({"accounts": [DEV, Account("x" * 51, "aws+x@example.com")]}, "has 51 characters, AWS allows 50"),
        ({"accounts": [DEV, Account("Root", "aws+r@example.com")]}, "'root' means the root of the organization"),
        (
            {"accounts": [DEV, Account("payer", management=True), Account("main", management=True)]},
            "payer and main are both declared as the management account",
        ),
        (
            {"accounts": [DEV, Account("payer", "aws@example.com", management=True)]},
            "AWS knows the e-mail address of the management account, leave it out",
        ),
        (
            policy(targets=["Workload"]),
            "target 'Workload' is neither root nor a unit's path nor an account: did you mean",
        ),
        (policy(targets=["dev", "dev"]), "target 'dev' is listed 2 times"),
        (policy(type="TAG_POLICY"), "TAG_POLICY is not among policy_types: add it there"),
        (policy(type="SCP", targets=[]), "type: 'SCP' is not one of SERVICE_CONTROL_POLICY"),
        (policy(content={"Version": "x" * 6000}), "a SERVICE_CONTROL_POLICY may have 5120"),
        (
            policy(content={"Statement": [large("Second", 2500), large("", 2900), large("Small", 9)]}),
            "may have 5120: split it or shorten it (the largest statements: Statement[1] 2947, Second 2562, Small 70)",
        ),
        (policy(content="{"), "content is not JSON"),
        (policy(content={"Version": "2012-10-17"}), "content: the member 'Statement' is missing or empty"),
        (
            policy(content={"Statement": [{"Effect": "deny", "Action": "*"}]}),
            "content.Statement[0].Effect: 'deny' is neither 'Allow' nor 'Deny'",
        ),
        (
            policy(content={"Statement": {"Effect": "Deny", "Acton": "*", "NotAction": "x"}}),
            "content.Statement[0]: unknown member 'Acton': did you mean 'Action'?",
        ),
        (policy(content={"Statement": [{"Effect": "Deny"}]}), "Statement[0] needs either Action or NotAction"),
        (policy(content=["Statement"]), "content is not a JSON object"),
        (policy(name="deny; drop"), "'deny; drop' has characters other than"),
        (policy(description="x" * 513), "513 characters is more than the most allowed, 512"),
        ({"policies": [*GOOD.policies, *GOOD.policies]}, "policy 'baseline' is listed 2 times"),
        (
            {"units": ["dev", *GOOD.units], **policy(targets=["dev"])},
            "target 'dev' is an organizational unit and an account: rename one of them",
        ),
        ({"policy_types": [SCP, "SCP"]}, "'SCP' is not one of SERVICE_CONTROL_POLICY"),
        ({"policy_types": [SCP, SCP]}, f"policy type '{SCP}' is listed 2 times"),
        (
            {"trusted_services": ["cloudtrail"]},
            "'cloudtrail' is not a service principal such as cloudtrail.amazonaws.com",
        ),
        ({"account_role_name": "a role"}, "account_role_name 'a role': use up to 64 letters"),
        # Policies that AWS Organizations refuses without saying why.
        (statement(Resource=None), "content.Statement[0] needs either Resource or NotResource"),
        (statement(NotResource="*"), "content.Statement[0] needs either Resource or NotResource"),
        (statement(Principal="*"), "Statement[0]: a service control policy has no Principal"),
        (statement(NotPrincipal={"AWS": "*"}), "Statement[0]: a service control policy has no NotPrincipal"),
        (statement(Action="cloudtrail.StopLogging"), "Statement[0].Action: 'cloudtrail.StopLogging' is not a service"),
        (statement(Action=["s3:*", "s3"]), "Statement[0].Action: 's3' is not a service and an action"),
        (statement(Action=None, NotAction="iam: *"), "Statement[0].NotAction: 'iam: *' is not a service"),
        (statement(Condition={"StringEqual": {"aws:username": "x"}}), "there is no operator 'StringEqual'"),
        (statement(Condition={"StringNotEqualIfExists": {"a": "b"}}), "no operator 'StringNotEqualIfExists'"),
        (statement(Condition=["Bool"]), "Statement[0].Condition is not a JSON object"),
        (statement(Condition={"Bool": "true"}), "Condition.Bool needs a JSON object of condition keys"),
        (statement(Condition={"Bool": {}}), "Condition.Bool needs a JSON object of condition keys"),
        (
            policy(content={"Statement": [{**DENY["Statement"][0], "Sid": "Stay"}] * 2}),
            "content: the Sid 'Stay' is that of 2 statements",
        ),
        (policy(content="[]"), "content is not a JSON object"),
        (policy(content='{"Statement": [}'), "content is not JSON: Expecting value: line 1 column 16"),
        (policy(content={"Statements": []}), "content: unknown member 'Statements'"),
        (policy(type="AISERVICES_OPT_OUT_POLICY", content={"x": "y" * 2500}, targets=[]), "may have 2500"),
        (policy(type="TAG_POLICY", content={"tags": "y" * 10_000}, targets=[]), "a TAG_POLICY may have 10000"),
        (resource_control(Effect="Allow"), "Effect: a resource control policy can only deny"),
        (resource_control(Principal={"AWS": "*"}), "the Principal of a resource control policy is '*'"),
        (resource_control(Principal=None), "the Principal of a resource control policy is '*'"),
        (resource_control(Action=None, NotAction="s3:*"), "a resource control policy has no NotAction"),
        (resource_control(Action="*"), "Action: a resource control policy names services, such as s3:*"),
    ],
)
def test_a_mistake_is_one_sentence(changes: dict[str, Any], sentence: str) -> None:
    found = [problem for problem in problems(replace(GOOD, **changes)) if sentence in problem]
    assert len(found) == 1, problems(replace(GOOD, **changes))


def test_all_mistakes_come_together() -> None:
    wrong = replace(GOOD, units=[*GOOD.units, "A//B"], accounts=[replace(DEV, email="", unit="Nowhere")])
    assert len(problems(wrong)) == 3


def test_what_aws_takes_is_refused_nowhere() -> None:
    condition = {
        "ForAnyValue:StringLikeIfExists": {"aws:TagKeys": "x"},
        "Null": {"aws:AssumedRoot": "true"},
        "NumericLessThanEquals": {"s3:max-keys": "9"},
        "NotIpAddressIfExists": {"aws:SourceIp": "10.0.0.0/8"},
        "DateGreaterThan": {"aws:CurrentTime": "2026-01-01T00:00:00Z"},
        "ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/x"},
    }
    assert (
        problems(replace(GOOD, **statement(Condition=condition, Action=["ec2:Describe*", "s3-object-lambda:?et*"])))
        == []
    )
    types = {"policy_types": [SCP, RCP]}
    assert problems(replace(GOOD, **resource_control(), **types)) == []


def test_a_path_implies_what_is_above_and_each_unit_is_made_once() -> None:
    resources, _problems, outputs = organization_resources(GOOD)
    units = {resource.name: str(resource.properties["parent_id"]) for resource in resources if _is_unit(resource)}
    assert units == {
        "Security": "${organization_root.main.id}",
        "Workloads": "${organization_root.main.id}",
        "Workloads/NonProd": "${organizational_unit.Workloads.id}",
        "Workloads/Prod": "${organizational_unit.Workloads.id}",
    }
    assert set(outputs["organizational_unit_ids"]) == set(units)


def test_the_management_account_is_placed_and_tagged_but_not_made() -> None:
    resources, _problems, outputs = organization_resources(GOOD)
    (management,) = [resource for resource in resources if resource.kind == "organization_management_account"]
    assert "email" not in management.properties
    assert str(management.properties["parent_id"]) == "${organization_root.main.id}"
    assert str(outputs["account_ids"]["management"]) == "${organization_management_account.management.id}"


def test_what_is_not_declared_of_the_organization_is_left_alone() -> None:
    resources, _problems, _outputs = organization_resources(Structure())
    assert [(item.kind, dict(item.properties).keys()) for item in resources] == [
        ("organization", {}.keys()),
        ("organization_root", {"organization_id": 1}.keys()),
    ]


def test_a_policy_is_attached_after_its_type_was_enabled() -> None:
    resources, _problems, _outputs = organization_resources(GOOD)
    attached = {item.name: str(item.properties["target_id"]) for item in resources if item.name.startswith("baseline@")}
    assert attached == {
        "baseline@Workloads": "${organizational_unit.Workloads.id}",
        "baseline@dev": "${organization_account.dev.id}",
    }
    assert all("organization_root.main" in item.needs() for item in resources if item.name.startswith("baseline"))


def _is_unit(resource: Resource) -> bool:
    return resource.kind == "organizational_unit"
