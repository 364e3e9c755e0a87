# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every mistake in an account's baseline is one sentence, before any call; and what the deploy role can't do."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.innovate.platform.plugins.module_utils._account_baseline.baseline import (
    PATH,
    Baseline,
    Deployer,
    Notice,
    Recording,
    Spending,
    account_baseline_resources,
)
from ansible_collections.innovate.platform.plugins.module_utils._account_baseline.boundary import boundary_document
from ansible_collections.innovate.platform.plugins.module_utils._engine.validate import validate
from ansible_collections.innovate.platform.plugins.module_utils._kinds._regional import regional
from ansible_collections.innovate.platform.plugins.module_utils._kinds.kms_alias import KmsAlias
from ansible_collections.innovate.platform.plugins.module_utils._kinds.kms_key import KmsKey
from ansible_collections.innovate.platform.plugins.module_utils._kinds.registry import KINDS
from rehearsal.emulator.iam_policies import Caller, Policies, Policy, Request, decide

REGIONAL = {**KINDS, **{kind.name: regional(kind)() for kind in (KmsKey, KmsAlias)}}
ALLOW = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
LONG = {**ALLOW, "Statement": [{**ALLOW["Statement"][0], "Sid": "x" * 7000}]}  # type: ignore[dict-item]
TOPIC = "arn:aws:sns:eu-central-1:111111111111:costs"
GOOD = Baseline(
    regions=["eu-central-1", "us-east-1"],
    alias="example-dev",
    host_management_role="service-role/Ssm",
    password_policy={"minimum_password_length": 16},
    recording=Recording("example-config", "history", sns_topic_arn=TOPIC),
    spending=Spending(500, [Notice(80, emails=["a@example.com"]), Notice(100, True, sns_topic_arn=TOPIC)]),
    deployer=Deployer(policies=[ALLOW], protected_roles=["innovate-drift"]),
)
RECORDING = Recording("example-config")


def problems(baseline: Baseline) -> list[str]:
    resources, found, _outputs = account_baseline_resources(baseline)
    return [*found, *validate(resources, REGIONAL)]


def notice(**changes: Any) -> dict[str, Any]:
    return {"spending": Spending(500, [replace(Notice(80, emails=["a@example.com"]), **changes)])}


def recording(**changes: Any) -> dict[str, Any]:
    return {"recording": replace(RECORDING, **changes)}


def deployer(**changes: Any) -> dict[str, Any]:
    return {"deployer": replace(Deployer(), **changes)}


BAD: list[tuple[dict[str, Any], str]] = [
    ({"regions": []}, "regions is empty"),
    ({"regions": ["Frankfurt"]}, "'Frankfurt' is not a Region's name"),
    ({"regions": ["us-east-1", "us-east-1"]}, "us-east-1 is named 2 times"),
    ({"keep_default_vpcs": ["eu-west-3"]}, "eu-west-3 is not among the regions"),
    ({"alias": "Example"}, "alias 'Example' can't be"),
    ({"alias": "111111111111"}, "alias '111111111111' can't be"),
    ({"alias": "a--b"}, "alias 'a--b' can't be"),
    ({"metadata_hop_limit": 65}, "metadata_hop_limit 65"),
    ({"host_management_role": "arn:aws:iam::111111111111:role/x"}, "is an ARN"),
    ({"password_policy": {"minimum_password_length": 5}}, "minimum_password_length 5"),
    ({"password_policy": {"max_password_age": 1096}}, "max_password_age 1096"),
    ({"password_policy": {"max_password_age": 0, "hard_expiry": True}}, "hard_expiry means nothing"),
    (recording(bucket="Bucket"), "bucket 'Bucket'"),
    (recording(prefix="/config"), "prefix '/config'"),
    (recording(sns_topic_arn="topic"), "sns_topic_arn 'topic'"),
    (recording(kms_key_arn="alias/config"), "kms_key_arn 'alias/config'"),
    (recording(delivery_frequency="Hourly"), "delivery_frequency 'Hourly'"),
    (recording(global_region="eu-west-3"), "global_region eu-west-3"),
    ({"spending": Spending(0, [Notice(80, emails=["a@example.com"])])}, "amount 0 is not more"),
    ({"spending": Spending(5)}, "nobody is told"),
    ({"spending": Spending(5, [Notice(n, emails=["a@example.com"]) for n in range(1, 12)])}, "11 notifications"),
    ({"spending": Spending(5, [Notice(80, emails=["a@example.com"])] * 2)}, "2 notifications at 80 %"),
    (notice(percent=0), "not between 0 and 1000"),
    (notice(emails=[]), "tells nobody"),
    (notice(emails=["ops"]), "'ops' is not an e-mail address"),
    (notice(emails=[f"a{n}@example.com" for n in range(11)]), "11 addresses"),
    (notice(sns_topic_arn="topic"), "'topic' is not the ARN of a topic"),
    (deployer(name="a role"), "'a role' can't be the name"),
    (deployer(session_seconds=60), "session_seconds 60"),
    (deployer(policies=[ALLOW] * 11), "11 policies"),
    (deployer(policies=["all"]), "policy 1 is not a policy document"),
    (deployer(policies=[LONG]), "and AWS takes 6144"),
    (deployer(principals=["somebody"]), "'somebody' is not an ARN"),
    (deployer(principals=["*"]), "anybody could deploy"),
]


@pytest.mark.parametrize("baseline", [GOOD, Baseline(["eu-central-1"])], ids=["everything", "least"])
def test_a_good_declaration_has_no_problems(baseline: Baseline) -> None:
    assert problems(baseline) == []


@pytest.mark.parametrize(("changes", "sentence"), BAD, ids=[sentence for _changes, sentence in BAD])
def test_a_mistake_is_a_sentence(changes: dict[str, Any], sentence: str) -> None:
    assert any(sentence in problem for problem in problems(replace(GOOD, **changes)))


def test_all_mistakes_come_together() -> None:
    wrong = replace(GOOD, alias="Example", metadata_hop_limit=0, keep_default_vpcs=["eu-west-3"])
    assert len(problems(wrong)) == 3


def test_only_one_region_records_what_belongs_to_none() -> None:
    resources, _problems, _outputs = account_baseline_resources(GOOD)
    groups = {item.name: item.properties["recording_group"] for item in resources if item.kind == "config_recorder"}
    recorded = [region for region, group in groups.items() if group["include_global_resource_types"]]
    assert (len(groups), recorded) == (2, ["eu-central-1"])


ROLE = "arn:aws:iam::111111111111:role/"
POLICY = "arn:aws:iam::111111111111:policy"
CALLER = Caller((f"{ROLE}innovate-deploy",), "111111111111")
BOUNDED = Policies(
    identity=[Policy(ALLOW)],
    boundary=Policy(boundary_document("innovate-deploy", PATH, ["innovate-drift", "AWSReservedSSO_*"])),
)
ADMINISTRATOR = {"iam:PolicyARN": "arn:aws:iam::aws:policy/AdministratorAccess"}
NODES = {"iam:PolicyARN": "arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy"}


@pytest.mark.parametrize(
    ("request_", "allowed"),
    [
        (Request("ec2:RunInstances"), True),
        (Request("iam:CreateRole", f"{ROLE}innovate/eks-dev/nodes"), True),
        (Request("iam:AttachRolePolicy", f"{ROLE}innovate/eks-dev/nodes", NODES), True),
        (Request("iam:CreatePolicyVersion", f"{POLICY}/innovate/eks-dev/controller"), True),
        (Request("iam:AttachRolePolicy", f"{ROLE}innovate/eks-dev/nodes", ADMINISTRATOR), False),
        (Request("iam:CreatePolicyVersion", f"{POLICY}{PATH}innovate-deploy-boundary"), False),
        (Request("iam:DeleteRolePermissionsBoundary", f"{ROLE}innovate-deploy"), False),
        (Request("iam:UpdateAssumeRolePolicy", f"{ROLE}innovate-drift"), False),
        (Request("iam:PutRolePolicy", f"{ROLE}AWSReservedSSO_Read_1234567890abcdef"), False),
        (Request("iam:CreateUser"), False),
        (Request("iam:CreateAccessKey"), False),
        (Request("organizations:LeaveOrganization"), False),
        (Request("cloudtrail:StopLogging"), False),
        (Request("config:StopConfigurationRecorder"), False),
        (Request("guardduty:DeleteDetector"), False),
        (Request("ec2:DisableEbsEncryptionByDefault"), False),
        (Request("s3:PutAccountPublicAccessBlock"), False),
    ],
    ids=lambda value: value.action if isinstance(value, Request) else str(value),
)
def test_whatever_its_policies_allow_the_deploy_role_stays_in_its_boundary(request_: Request, allowed: bool) -> None:
    assert decide(request_, BOUNDED, CALLER).allowed is allowed


def test_the_boundary_fits_into_a_policy() -> None:
    assert len(json.dumps(BOUNDED.boundary.document if BOUNDED.boundary else {}, separators=(",", ":"))) < 6144
