# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS Organizations. An organization outlives its cases (it is never deleted), so each begins with an empty AWS."""

from __future__ import annotations

from ansible_collections.innovate.platform.plugins.module_utils._engine.resource import Ref, Resource
from tests.contract.contract import Case

SERVICES = ["account.amazonaws.com", "cloudtrail.amazonaws.com"]
ORGANIZATION = Resource("organization", "main", {"service_access_principals": SERVICES})
IN_ORGANIZATION = {"organization_id": Ref("organization.main")}
ROOT = Resource(
    "organization_root", "main", {**IN_ORGANIZATION, "policy_types": ["SERVICE_CONTROL_POLICY", "TAG_POLICY"]}
)
ONE = Resource("organizational_unit", "one", {"name": "One", "parent_id": Ref("organization_root.main")})
TWO = Resource("organizational_unit", "two", {"name": "Two", "parent_id": Ref("organization_root.main")})
DENY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Deny",
            "Action": ["organizations:LeaveOrganization"],
            "Resource": "*",
            "Condition": {"StringEquals": {"aws:PrincipalOrgID": Ref("organization.main")}},
        }
    ],
}
DENY_MORE = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Deny", "Action": ["account:CloseAccount"], "Resource": "*"}],
}
POLICY = Resource("organization_policy", "deny", {"name": "deny", "type": "SERVICE_CONTROL_POLICY", "content": DENY})
ONLY_ONE = "an account has one organization, and that has one root"

CASES = [
    Case(
        "organization",
        {"service_access_principals": SERVICES},
        mutable={"service_access_principals": ["cloudtrail.amazonaws.com", "sso.amazonaws.com"]},
        unchanged={"feature_set": "policies need all features, the other value is of no use here"},
        fresh=True,
    ),
    Case(
        "organization_root",
        {**IN_ORGANIZATION, "policy_types": ["SERVICE_CONTROL_POLICY"]},
        needs=[ORGANIZATION],
        mutable={"policy_types": ["RESOURCE_CONTROL_POLICY", "TAG_POLICY"]},
        unchanged={"organization_id": ONLY_ONE},
        fresh=True,
    ),
    Case(
        "organizational_unit",
        {"name": "Subject", "parent_id": Ref("organizational_unit.one")},
        needs=[ORGANIZATION, ROOT, ONE, TWO],
        mutable={"name": "Renamed"},
        immutable={"parent_id": Ref("organizational_unit.two")},
        fresh=True,
    ),
    Case(
        "organization_lookup",
        {"name": "own"},
        needs=(ORGANIZATION,),
        unchanged={"name": "read-only"},
        fresh=True,
    ),
    Case(
        "organization_management_account",
        {**IN_ORGANIZATION, "parent_id": Ref("organization_root.main")},
        needs=[ORGANIZATION, ROOT, ONE],
        mutable={"parent_id": Ref("organizational_unit.one")},
        unchanged={"organization_id": ONLY_ONE},
        fresh=True,
    ),
    Case(
        "organization_account",
        {"account_name": "dev", "email": "aws+dev@example.com", "parent_id": Ref("organizational_unit.one")},
        needs=[ORGANIZATION, ROOT, ONE, TWO],
        mutable={"account_name": "development", "parent_id": Ref("organizational_unit.two")},
        unchanged={"email": "a change is refused: replacing an account is never what is meant"},
        fresh=True,
    ),
    Case(
        "organization_policy",
        {"name": "subject", "description": "first", "type": "SERVICE_CONTROL_POLICY", "content": DENY},
        needs=[ORGANIZATION, ROOT],
        mutable={"name": "renamed", "description": "second", "content": DENY_MORE},
        immutable={"type": "TAG_POLICY"},
        fresh=True,
    ),
    Case(
        "organization_policy_attachment",
        {"policy_id": Ref("organization_policy.deny"), "target_id": Ref("organizational_unit.one")},
        needs=[ORGANIZATION, ROOT, ONE, POLICY],
        unchanged={
            "policy_id": "another policy is another attachment",
            "target_id": "another target is another attachment",
        },
        fresh=True,
    ),
]
