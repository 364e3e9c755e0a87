# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IAM: roles, policies, instance profiles, OpenID Connect providers."""

from __future__ import annotations

from typing import Any

from ansible_collections.innovate.platform.plugins.module_utils._engine.resource import Ref, Resource
from tests.contract.contract import Case


def path(case: str) -> dict[str, str]:
    """Return the path of the stack that a case runs in."""
    return {"path": f"/innovate/contract-{case}/"}


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    """Return a policy document."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def trust(service: str) -> dict[str, Any]:
    """Return a trust policy for one of AWS's services."""
    return policy({"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"})


def allow(*actions: str) -> dict[str, Any]:
    """Return a policy that allows actions on everything."""
    return policy({"Effect": "Allow", "Action": list(actions), "Resource": "*"})


def role(name: str, case: str) -> Resource:
    """Return a role that instances may assume."""
    properties = {"role_name": f"contract-{case}-{name}", **path(case)}
    return Resource("iam_role", name, {**properties, "assume_role_policy_document": trust("ec2.amazonaws.com")})


def managed(name: str, case: str) -> Resource:
    """Return a customer managed policy."""
    properties = {"policy_name": f"contract-{case}-{name}", **path(case)}
    return Resource("iam_policy", name, {**properties, "policy_document": allow("s3:ListAllMyBuckets")})


CASES = [
    Case(
        "iam_role",
        {
            "role_name": "contract-role",
            **path("iam-role"),
            "assume_role_policy_document": trust("ec2.amazonaws.com"),
            "managed_policy_arns": [Ref("iam_policy.one", "arn")],
            "permissions_boundary": Ref("iam_policy.one", "arn"),
            "policies": {"read": allow("s3:GetObject", "s3:ListBucket")},
        },
        needs=(managed("one", "iam-role"), managed("two", "iam-role")),
        mutable={
            "assume_role_policy_document": trust("lambda.amazonaws.com"),
            "description": "another one",
            "max_session_duration": 7200,
            "permissions_boundary": Ref("iam_policy.two", "arn"),
            "managed_policy_arns": [Ref("iam_policy.one", "arn"), Ref("iam_policy.two", "arn")],
            "policies": {"read": allow("s3:GetObject"), "write": allow("s3:PutObject")},
        },
        immutable={"role_name": "contract-role-2", "path": "/innovate/contract-iam-role/more/"},
    ),
    Case(
        "iam_role",
        {
            "role_name": "contract-unbounded",
            **path("iam-role-unbounded"),
            "assume_role_policy_document": trust("ec2.amazonaws.com"),
        },
        needs=(managed("one", "iam-role-unbounded"),),
        # A boundary that isn't declared is taken off.
        mutable={"permissions_boundary": Ref("iam_policy.one", "arn")},
        label="unbounded",
    ),
    Case(
        "iam_policy",
        {
            "policy_name": "contract-policy",
            **path("iam-policy"),
            "policy_document": allow("s3:GetObject"),
            "description": "one",
        },
        mutable={"policy_document": allow("s3:GetObject", "s3:PutObject")},
        immutable={
            "policy_name": "contract-policy-2",
            "path": "/innovate/contract-iam-policy/more/",
            "description": "two",
        },
    ),
    Case(
        "iam_instance_profile",
        {
            "instance_profile_name": "contract-profile",
            **path("iam-instance-profile"),
            "role": Ref("iam_role.one"),
        },
        needs=(role("one", "iam-instance-profile"), role("two", "iam-instance-profile")),
        mutable={"role": Ref("iam_role.two", "role_name")},
        immutable={
            "instance_profile_name": "contract-profile-2",
            "path": "/innovate/contract-iam-instance-profile/more/",
        },
    ),
    Case(
        "iam_oidc_provider",
        {
            "url": "https://oidc.example.com/contract",
            "client_id_list": ["sts.amazonaws.com"],
            "thumbprint_list": ["a" * 40],
        },
        mutable={"client_id_list": ["sts.amazonaws.com", "other"], "thumbprint_list": ["b" * 40]},
        immutable={"url": "https://oidc.example.com/another"},
    ),
    Case(
        "iam_service_linked_role",
        {"aws_service_name": "spot.amazonaws.com"},
        unchanged={"aws_service_name": "another service's role is another one"},
        fresh=True,
    ),
]
