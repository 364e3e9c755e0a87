# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of an account and Region, recorders, analyzers and budgets: what moto lacks or has wrong."""

from __future__ import annotations

import boto3

from tests.emulator.conftest import REGION, Aws, refused

SHARING = "/ssm/documents/console/public-sharing-permission"


def test_a_new_account_is_as_aws_makes_it(fresh: Aws) -> None:
    ec2 = fresh("ec2")
    assert ec2.get_snapshot_block_public_access_state()["State"] == "unblocked"
    assert ec2.get_image_block_public_access_state()["ImageBlockPublicAccessState"] == "block-new-sharing"
    assert ec2.get_serial_console_access_status()["SerialConsoleAccessEnabled"] is False
    assert "HttpTokens" not in ec2.get_instance_metadata_defaults()["AccountLevel"]
    assert ec2.get_ebs_default_kms_key_id()["KmsKeyId"] == "alias/aws/ebs"
    assert fresh("ssm").get_service_setting(SettingId=SHARING)["ServiceSetting"]["Status"] == "Default"


def test_settings_are_a_regions_own(fresh: Aws) -> None:
    fresh("ec2").enable_snapshot_block_public_access(State="block-all-sharing")
    fresh("ssm").update_service_setting(SettingId=SHARING, SettingValue="Disable")
    elsewhere = fresh("ec2", region="us-east-1")
    assert fresh("ec2").get_snapshot_block_public_access_state()["State"] == "block-all-sharing"
    assert elsewhere.get_snapshot_block_public_access_state()["State"] == "unblocked"
    there = fresh("ssm", region="us-east-1").get_service_setting(SettingId=SHARING)["ServiceSetting"]
    assert there["SettingValue"] == "Enable"


def test_instances_metadata_that_nobody_prefers_is_forgotten(fresh: Aws) -> None:
    ec2 = fresh("ec2")
    ec2.modify_instance_metadata_defaults(HttpTokens="required", HttpPutResponseHopLimit=2)
    ec2.modify_instance_metadata_defaults(HttpTokens="no-preference")
    level = ec2.get_instance_metadata_defaults()["AccountLevel"]
    assert (level.get("HttpTokens"), level["HttpPutResponseHopLimit"]) == (None, 2)
    assert refused(ec2.modify_instance_metadata_defaults, HttpPutResponseHopLimit=65) == "InvalidParameterValue"


def test_volumes_default_key_has_to_be_one_of_the_region(fresh: Aws) -> None:
    key = fresh("kms").create_key()["KeyMetadata"]["Arn"]
    fresh("ec2").modify_ebs_default_kms_key_id(KmsKeyId=key)
    assert fresh("ec2").get_ebs_default_kms_key_id()["KmsKeyId"] == key
    elsewhere = fresh("ec2", region="us-east-1")
    assert refused(elsewhere.modify_ebs_default_kms_key_id, KmsKeyId=key) == "InvalidKmsKey.NotFound"
    fresh("ec2").reset_ebs_default_kms_key_id()
    assert fresh("ec2").get_ebs_default_kms_key_id()["KmsKeyId"] == "alias/aws/ebs"


def test_s3_control_is_reached_though_its_host_begins_with_the_account(fresh: Aws) -> None:
    account = fresh.state.management_account_id
    control = boto3.client(
        "s3control", region_name=REGION, endpoint_url=fresh.state.endpoint_of("s3control"), **fresh.credentials
    )
    missing = refused(control.get_public_access_block, AccountId=account)
    assert missing == "NoSuchPublicAccessBlockConfiguration"
    control.put_public_access_block(AccountId=account, PublicAccessBlockConfiguration={"BlockPublicAcls": True})
    found = control.get_public_access_block(AccountId=account)["PublicAccessBlockConfiguration"]
    assert found["BlockPublicAcls"] is True


def test_a_recorder_needs_a_role_keeps_its_mode_and_starts_only_with_a_channel(fresh: Aws) -> None:
    config, account = fresh("config"), fresh.state.management_account_id
    recorder = {"name": "default", "recordingMode": {"recordingFrequency": "DAILY"}}
    absent = {**recorder, "roleARN": f"arn:aws:iam::{account}:role/nobody"}
    assert refused(config.put_configuration_recorder, ConfigurationRecorder=absent) == "InvalidRoleException"
    role = fresh("iam").create_service_linked_role(AWSServiceName="config.amazonaws.com")["Role"]["Arn"]
    config.put_configuration_recorder(ConfigurationRecorder={**recorder, "roleARN": role})
    (found,) = config.describe_configuration_recorders()["ConfigurationRecorders"]
    assert found["recordingMode"]["recordingFrequency"] == "DAILY"
    start = config.start_configuration_recorder
    assert refused(start, ConfigurationRecorderName="default") == "NoAvailableDeliveryChannelException"
    config.put_delivery_channel(DeliveryChannel={"name": "default", "s3BucketName": "history"})
    start(ConfigurationRecorderName="default")


def test_an_account_has_one_analyzer_of_a_type(fresh: Aws) -> None:
    analyzers = fresh("accessanalyzer")
    made = analyzers.create_analyzer(analyzerName="one", type="ACCOUNT", clientToken="token")["arn"]
    assert analyzers.create_analyzer(analyzerName="one", type="ACCOUNT", clientToken="token")["arn"] == made
    again = refused(analyzers.create_analyzer, analyzerName="two", type="ACCOUNT")
    assert again == "ServiceQuotaExceededException"
    assert refused(analyzers.create_analyzer, analyzerName="one", type="ACCOUNT") == "ConflictException"
    unused = {"unusedAccess": {"unusedAccessAge": 90}}
    assert refused(analyzers.update_analyzer, analyzerName="one", configuration=unused) == "ValidationException"


def test_a_budget_has_notifications_subscribers_and_tags(fresh: Aws) -> None:
    budgets, account = fresh("budgets", region="us-east-1"), fresh.state.management_account_id
    notification = {"NotificationType": "ACTUAL", "ComparisonOperator": "GREATER_THAN", "Threshold": 80}
    told = [{"SubscriptionType": "EMAIL", "Address": "a@example.com"}]
    named = {"AccountId": account, "BudgetName": "one"}
    budgets.create_budget(
        AccountId=account,
        Budget={"BudgetName": "one", "TimeUnit": "MONTHLY", "BudgetType": "COST"},
        NotificationsWithSubscribers=[{"Notification": notification, "Subscribers": told}],
        ResourceTags=[{"Key": "owner", "Value": "somebody"}],
    )
    assert budgets.describe_subscribers_for_notification(Notification=notification, **named)["Subscribers"] == told
    tags = budgets.list_tags_for_resource(ResourceARN=f"arn:aws:budgets::{account}:budget/one")["ResourceTags"]
    assert tags == [{"Key": "owner", "Value": "somebody"}]
    repeated = {"Notification": notification, "Subscribers": told}
    assert refused(budgets.create_notification, **named, **repeated) == "DuplicateRecordException"
    budgets.delete_notification(Notification=notification, **named)
    assert budgets.describe_notifications_for_budget(**named)["Notifications"] == []
