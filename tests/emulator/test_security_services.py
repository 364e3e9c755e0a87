# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CloudTrail's trails and GuardDuty, as an organization has them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.emulator.conftest import Aws, refused
from tests.emulator.test_organizations import account

TRUST = "cloudtrail.amazonaws.com"


class Organization:
    """An organization with an account for security and another one."""

    def __init__(self, aws: Aws) -> None:
        self.aws = aws
        self.org = aws("organizations")
        self.org.create_organization(FeatureSet="ALL")
        self.org.enable_aws_service_access(ServicePrincipal=TRUST)
        self.security, self.dev = account(self.org, "security"), account(self.org, "dev")
        self.inside, self.outside = aws.assume(self.security), aws.assume(self.dev)

    def bucket(self, **condition: str) -> str:
        """A bucket in the account for security that CloudTrail may write into."""
        s3 = self.inside("s3")
        s3.create_bucket(Bucket="trails", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        statement: dict[str, Any] = {
            "Effect": "Allow",
            "Principal": {"Service": TRUST},
            "Action": ["s3:GetBucketAcl", "s3:PutObject"],
            "Resource": ["arn:aws:s3:::trails", "arn:aws:s3:::trails/*"],
        }
        if condition:
            statement["Condition"] = {"StringEquals": condition}
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        s3.put_bucket_policy(Bucket="trails", Policy=json.dumps(policy))
        return "trails"


@pytest.fixture
def organization(fresh: Aws) -> Organization:
    return Organization(fresh)


def test_the_organizations_trail_is_made_by_a_delegated_administrator_and_owned_by_the_management_account(
    organization: Organization,
) -> None:
    inside = organization.inside("cloudtrail")
    wanted = {"Name": "all", "S3BucketName": organization.bucket(), "IsOrganizationTrail": True}
    assert refused(inside.create_trail, **wanted) == "NotOrganizationMasterAccountException"
    organization.aws("cloudtrail").register_organization_delegated_admin(MemberAccountId=organization.security)
    arn = inside.create_trail(**wanted)["TrailARN"]
    assert arn.split(":")[4] == "123456789012"

    outside = organization.outside("cloudtrail")
    assert [trail["TrailARN"] for trail in outside.describe_trails()["trailList"]] == [arn]
    assert refused(outside.stop_logging, Name=arn) == "NotOrganizationMasterAccountException"
    assert outside.describe_trails(includeShadowTrails=False)["trailList"] == []


def test_a_trail_needs_a_bucket_that_lets_it_in(organization: Organization) -> None:
    organization.aws("cloudtrail").register_organization_delegated_admin(MemberAccountId=organization.security)
    inside = organization.inside("cloudtrail")
    wanted = {"Name": "all", "IsOrganizationTrail": True}
    assert refused(inside.create_trail, S3BucketName="nowhere", **wanted) == "S3BucketDoesNotExistException"
    bucket = organization.bucket(**{"aws:SourceOrgID": "o-ofsomebodyelse"})
    assert refused(inside.create_trail, S3BucketName=bucket, **wanted) == "InsufficientS3BucketPolicyException"
    assert refused(inside.get_trail, Name="all") == "TrailNotFoundException"


def test_selectors_and_insights_are_whole_lists(organization: Organization) -> None:
    trail = organization.inside("cloudtrail")
    trail.create_trail(Name="own", S3BucketName=organization.bucket())
    assert refused(trail.get_insight_selectors, TrailName="own") == "InsightNotEnabledException"
    one, two = {"InsightType": "ApiCallRateInsight"}, {"InsightType": "ApiErrorRateInsight"}
    trail.put_insight_selectors(TrailName="own", InsightSelectors=[one, two])
    trail.put_insight_selectors(TrailName="own", InsightSelectors=[two])
    assert trail.get_insight_selectors(TrailName="own")["InsightSelectors"] == [two]
    selector = {"FieldSelectors": [{"Field": "readOnly", "Equals": ["true"]}]}
    wrong = refused(trail.put_event_selectors, TrailName="own", AdvancedEventSelectors=[selector])
    assert wrong == "InvalidEventSelectorsException"


def administered(organization: Organization, enable: str) -> str:
    """Have GuardDuty delegated; return the administrator's detector."""
    organization.aws("guardduty").enable_organization_admin_account(AdminAccountId=organization.security)
    guardduty = organization.inside("guardduty")
    detector = str(guardduty.create_detector(Enable=True)["DetectorId"])
    guardduty.update_organization_configuration(
        DetectorId=detector,
        AutoEnableOrganizationMembers=enable,
        Features=[{"Name": "RDS_LOGIN_EVENTS", "AutoEnable": "ALL"}],
    )
    return detector


def members(organization: Organization, detector: str) -> set[str]:
    found = organization.inside("guardduty").list_members(DetectorId=detector)["Members"]
    return {item["AccountId"] for item in found}


def test_all_accounts_are_members_those_to_come_too(organization: Organization) -> None:
    detector = administered(organization, "ALL")
    assert members(organization, detector) == {"123456789012", organization.dev}
    later = account(organization.org, "later")
    assert later in members(organization, detector)
    theirs = organization.aws.assume(later)("guardduty")
    found = theirs.get_detector(DetectorId=theirs.list_detectors()["DetectorIds"][0])
    assert {item["Name"]: item["Status"] for item in found["Features"]}["RDS_LOGIN_EVENTS"] == "ENABLED"


def test_only_accounts_to_come_are_members(organization: Organization) -> None:
    detector = administered(organization, "NEW")
    assert members(organization, detector) == set()
    later = account(organization.org, "later")
    assert members(organization, detector) == {later}


def test_a_member_neither_leaves_nor_changes_anything(organization: Organization) -> None:
    detector = administered(organization, "ALL")
    theirs = organization.outside("guardduty")
    own = {"DetectorId": theirs.list_detectors()["DetectorIds"][0]}
    assert refused(theirs.delete_detector, **own) == "BadRequestException"
    assert refused(theirs.update_detector, Enable=False, **own) == "BadRequestException"
    guardduty = organization.inside("guardduty")
    held = {"DetectorId": detector, "AccountIds": [organization.dev]}
    assert refused(guardduty.disassociate_members, **held) == "BadRequestException"
    guardduty.update_organization_configuration(DetectorId=detector, AutoEnableOrganizationMembers="NONE")
    guardduty.disassociate_members(**held)
    theirs.delete_detector(**own)


def test_guardduty_is_delegated_by_the_management_account_to_one_account(organization: Organization) -> None:
    inside = organization.inside("guardduty")
    to_security = {"AdminAccountId": organization.security}
    assert refused(inside.enable_organization_admin_account, **to_security) == "BadRequestException"
    organization.aws("guardduty").enable_organization_admin_account(**to_security)
    elsewhere = organization.aws("guardduty", region="eu-west-1")
    to_dev = {"AdminAccountId": organization.dev}
    assert refused(elsewhere.enable_organization_admin_account, **to_dev) == "BadRequestException"
    detector = inside.create_detector(Enable=True)["DetectorId"]
    assert refused(inside.create_detector, Enable=True) == "BadRequestException"
    both = [{"Name": name, "AutoEnable": "ALL"} for name in ("RUNTIME_MONITORING", "EKS_RUNTIME_MONITORING")]
    wrong = {"DetectorId": detector, "AutoEnableOrganizationMembers": "ALL", "Features": both}
    assert refused(inside.update_organization_configuration, **wrong) == "BadRequestException"
