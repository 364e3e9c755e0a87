# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every mistake in what is declared of Identity Center is one sentence, before any call."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.innovate.platform.plugins.module_utils._engine.resource import Ref
from ansible_collections.innovate.platform.plugins.module_utils._engine.validate import validate
from ansible_collections.innovate.platform.plugins.module_utils._identity_center.center import (
    Assignment,
    Center,
    Group,
    PermissionSet,
    identity_center_resources,
)
from ansible_collections.innovate.platform.plugins.module_utils._kinds.registry import KINDS

ALLOW = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}]}
DEVELOPERS = Group("developers", "Those who write the product", ["ada", "grace"])
READ = PermissionSet("Read", "Looks on", "PT8H", managed_policies=["ReadOnlyAccess"])
ASSIGNMENT = Assignment("developers", "Read", ["dev", "Workloads/Prod"])
GOOD = Center(
    groups=[DEVELOPERS, Group("auditors")],
    permission_sets=[
        READ,
        PermissionSet(
            "Deploy",
            customer_managed_policies=[{"name": "deploy", "path": "/team/"}],
            inline_policy=ALLOW,
            permissions_boundary={"customer_managed_policy": {"name": "limit"}},
        ),
    ],
    assignments=[ASSIGNMENT, Assignment("auditors", "Read", ["all"])],
    accounts=["management", "dev", "prod"],
    units=["Workloads/NonProd", "Workloads/Prod"],
)
EXTERNAL = replace(GOOD, source="external", groups=[], accounts=None, units=None)


def problems(center: Center) -> list[str]:
    resources, found, _outputs = identity_center_resources(center)
    return [*found, *validate(resources, KINDS)]


def permission_set(**changes: Any) -> dict[str, Any]:
    return {"permission_sets": [replace(READ, **changes)]}


def assigned(**changes: Any) -> dict[str, Any]:
    return {"assignments": [replace(ASSIGNMENT, **changes)]}


@pytest.mark.parametrize("center", [GOOD, EXTERNAL, Center()], ids=["internal", "external", "nothing"])
def test_a_good_declaration_has_no_problems(center: Center) -> None:
    assert problems(center) == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"groups": [*GOOD.groups, Group("auditors")]}, "group 'auditors' is listed 2 times"),
        (
            {"groups": [*GOOD.groups, Group("Auditors")]},
            "group 'auditors' and 'Auditors' are one name, which is listed 2 times",
        ),
        ({"groups": [*GOOD.groups, Group("a[b]")]}, "group 'a[b]': use letters, digits"),
        ({"groups": [*GOOD.groups, Group("x" * 129)]}, "has 129 characters: 128 fit into an address"),
        ({"groups": [DEVELOPERS, Group("auditors", "All [of them]")]}, "its description has square brackets"),
        ({"groups": [DEVELOPERS, Group("auditors", "x" * 801)]}, "its description has 801 characters, 800 fit"),
        (
            {"groups": [replace(DEVELOPERS, members=["ada", "ada"]), Group("auditors")]},
            "group 'developers': member 'ada' is listed 2 times",
        ),
        (
            {"source": "external", "groups": [DEVELOPERS]},
            "group 'developers': its members come from the identity provider",
        ),
        ({"permission_sets": [*GOOD.permission_sets, READ]}, "permission set 'Read' is listed 2 times"),
        (permission_set(name="R&D", managed_policies=["x"]), "name: 'R&D' does not have the form"),
        (permission_set(name="x" * 33), "33 characters is more than the most allowed, 32"),
        (permission_set(name="a;b"), "permission set 'a;b': use up to 32 letters"),
        (permission_set(description="x" * 701), "701 characters is more than the most allowed, 700"),
        (permission_set(session_duration="8h"), "session_duration: '8h' is not between PT1H and PT12H"),
        (permission_set(session_duration="PT13H"), "session_duration: 'PT13H' is not between PT1H and PT12H"),
        (permission_set(session_duration="PT30M"), "session_duration: 'PT30M' is not between PT1H and PT12H"),
        (permission_set(relay_state="x" * 241), "241 characters is more than the most allowed, 240"),
        (
            permission_set(managed_policies=["arn:aws:iam::111122223333:policy/own"]),
            "is not an AWS managed policy: give its name or its ARN",
        ),
        (
            permission_set(managed_policies=["ReadOnlyAccess", "arn:aws:iam::aws:policy/ReadOnlyAccess"]),
            "managed_policies: ReadOnlyAccess is given twice",
        ),
        (permission_set(managed_policies=[f"Policy{n}" for n in range(21)]), "21 managed policies are too many"),
        (
            permission_set(customer_managed_policies=[{"name": "own"}, {"name": "own", "path": "/"}]),
            "the customer managed policy /own is given 2 times",
        ),
        (
            permission_set(customer_managed_policies=[{"name": "o w n"}]),
            "customer_managed_policy_references[0].name: 'o w n' does not have the form",
        ),
        (
            permission_set(customer_managed_policies=[{"name": "own", "path": "team"}]),
            "customer_managed_policy_references[0].path: 'team' does not have the form",
        ),
        (permission_set(managed_policies=[]), "permission set 'Read' allows nothing"),
        (permission_set(inline_policy="{"), "inline_policy is not JSON"),
        (permission_set(inline_policy={"Version": "2012-10-17"}), "the member 'Statement' is missing or empty"),
        (
            permission_set(inline_policy={"Statement": [{"Effect": "allow", "Action": "*"}]}),
            "inline_policy.Statement[0].Effect: 'allow' is neither 'Allow' nor 'Deny'",
        ),
        (
            permission_set(inline_policy={**ALLOW, "Id": "x" * 10_300}),
            "inline_policy has 10399 characters, 10240 are allowed",
        ),
        (permission_set(permissions_boundary={}), "a permissions boundary is either"),
        (
            permission_set(
                permissions_boundary={"managed_policy": "ReadOnlyAccess", "customer_managed_policy": {"name": "own"}}
            ),
            "a permissions boundary is either",
        ),
        (
            permission_set(permissions_boundary={"managed_policy": "arn:aws:iam::111122223333:policy/own"}),
            "permissions_boundary.managed_policy_arn: 'arn:aws:iam::111122223333:policy/own' is not an AWS managed",
        ),
        (assigned(permission_set="Reed"), "there is no permission set 'Reed': did you mean 'Read'?"),
        (assigned(group="developer"), "there is no group 'developer': did you mean 'developers'?"),
        ({"source": "external", "groups": [], **assigned(group="a;b")}, "the group's name has characters other than"),
        ({"assignments": [ASSIGNMENT, ASSIGNMENT]}, "is assigned to group 'developers' 2 times: put all targets"),
        (assigned(targets=[]), "names no accounts: give names of accounts, paths of units, or all"),
        (assigned(targets=["dev", "dev"]), "target 'dev' is listed 2 times"),
        (assigned(targets=["all", "dev"]), "all has all accounts, leave the other targets out"),
        (assigned(targets=["123456789012"]), "target '123456789012' is the id of an account"),
        (assigned(targets=["Workloads//Prod"]), "is neither the name of an account nor the path of a unit"),
        (
            assigned(targets=["Workload/Prod"]),
            "target 'Workload/Prod' is neither an account nor a unit of the organization: did you mean",
        ),
        (
            {"accounts": ["dev", "Workloads"], **assigned(targets=["Workloads"])},
            "target 'Workloads' is a unit and an account: rename one of them",
        ),
    ],
)
def test_a_mistake_is_one_sentence(changes: dict[str, Any], sentence: str) -> None:
    found = [problem for problem in problems(replace(GOOD, **changes)) if sentence in problem]
    assert len(found) == 1, problems(replace(GOOD, **changes))


def test_all_mistakes_come_together() -> None:
    wrong = replace(
        GOOD, groups=[Group("auditors"), Group("auditors")], **permission_set(session_duration="8h"), **assigned()
    )
    assert len(problems(wrong)) == 3


def test_who_has_what_where_is_one_resource_with_all_its_accounts() -> None:
    resources, _problems, outputs = identity_center_resources(GOOD)
    found = {resource.address: resource for resource in resources}
    assert found["account_assignment.Read@developers"].properties["account_ids"] == [
        Ref("organization_accounts_lookup.dev", "account_ids"),
        Ref("organization_accounts_lookup.Workloads/Prod", "account_ids"),
    ]
    assert set(outputs["role_names"]) == {"Read", "Deploy"}


def test_groups_of_an_identity_provider_are_looked_up_and_never_made() -> None:
    resources, _problems, _outputs = identity_center_resources(EXTERNAL)
    kinds = {resource.kind for resource in resources}
    assert "identity_store_group_lookup" in kinds
    assert "identity_store_group" not in kinds


def test_accounts_that_nobody_has_told_of_are_left_to_aws() -> None:
    unknown = replace(GOOD, accounts=None, units=None, **assigned(targets=["Nowhere"]))
    assert problems(unknown) == []
