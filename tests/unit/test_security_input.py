# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every mistake in what is declared of the log archive and the security services is one sentence, before any call."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.innovate.platform.plugins.module_utils._engine.resource import Resource, transform
from ansible_collections.innovate.platform.plugins.module_utils._engine.validate import validate
from ansible_collections.innovate.platform.plugins.module_utils._kinds.registry import KINDS
from ansible_collections.innovate.platform.plugins.module_utils._security.archive import (
    LOGS,
    Archive,
    archive_resources,
)
from ansible_collections.innovate.platform.plugins.module_utils._security.services import (
    PROTECTIONS,
    GuardDuty,
    Security,
    Trail,
    security_resources,
)

ARCHIVE = Archive("example-com-logs", "eu-central-1")
REGIONS = ["eu-central-1", "us-east-1"]
TRAIL = Trail(bucket="example-com-logs-cloudtrail", key_alias="alias/example-com-logs")
SERVICES = Security("services", "eu-central-1", REGIONS, trail=TRAIL)
DELEGATION = Security("delegation", "eu-central-1", REGIONS, administrator="security")


def checked(made: tuple[list[Resource], list[str], dict[str, Any]]) -> list[str]:
    resources, found, _outputs = made
    return [*found, *validate(resources, KINDS)]


def of_archive(**changes: Any) -> list[str]:
    return checked(archive_resources(replace(ARCHIVE, **changes)))


def properties(resources: list[Resource], address: str) -> dict[str, Any]:
    return dict(next(resource.properties for resource in resources if resource.address == address))


def test_good_declarations_have_no_problems() -> None:
    everything = replace(TRAIL, data_events=["s3", "lambda", "dynamodb"])
    assert of_archive() == []
    assert of_archive(object_lock=False, retention_days=0, expiration_days=0, logs=["flow"]) == []
    assert checked(security_resources(replace(SERVICES, trail=everything))) == []
    assert checked(security_resources(DELEGATION)) == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": "Example_Logs"}, "name 'Example_Logs' can't begin the names of buckets"),
        ({"name": "a" * 41}, "can't begin the names of buckets: give 3 to 40"),
        ({"logs": [], "retained": []}, "logs is empty: name at least one of cloudtrail"),
        ({"logs": [*LOGS, "elb"]}, "logs: 'elb' is none of cloudtrail"),
        ({"logs": [*LOGS, "flow"]}, "logs: 'flow' is given 2 times"),
        ({"trail": "a b"}, "trail_name 'a b' is no name of a trail"),
        ({"retention_mode": "LEGAL"}, "retention_mode 'LEGAL' is none of GOVERNANCE, COMPLIANCE"),
        ({"retention_days": -1}, "retention_days is -1: give 0 or more days"),
        ({"tiering_days": -1}, "tiering_days is -1: give 0 or more days"),
        ({"noncurrent_days": 0}, "noncurrent_days is 0: give 1 or more days"),
        (
            {"expiration_days": 20, "retention_days": 10},
            "expiration_days 20 is not more than tiering_days 30: logs would be gone before they are moved",
        ),
        ({"expiration_days": 100}, "expiration_days 100 is less than retention_days 365"),
        ({"object_lock": False}, "retention_days needs object_lock"),
        ({"retained": ["config"]}, "AWS Config writes into no bucket with a default retention"),
        ({"logs": ["flow"]}, "retained_logs: 'cloudtrail' is not among logs"),
        ({"retained": ["cloudtrail", "trail"]}, "retained_logs: 'trail' is none of cloudtrail"),
    ],
)
def test_a_mistake_in_the_archive_is_one_sentence(changes: dict[str, Any], sentence: str) -> None:
    found = of_archive(**changes)
    assert len(found) == 1, found
    assert sentence in found[0]


@pytest.mark.parametrize(
    ("security", "sentence"),
    [
        (replace(SERVICES, regions=[]), "regions is empty"),
        (replace(SERVICES, regions=["us-east-1"]), "the home Region 'eu-central-1' is not among regions: add it"),
        (replace(SERVICES, regions=[*REGIONS, "frankfurt"]), "regions: 'frankfurt' is no Region"),
        (replace(SERVICES, regions=[*REGIONS, "us-east-1"]), "regions: 'us-east-1' is given 2 times"),
        (replace(SERVICES, services=["cloudtrail", "guarduty"]), "services: 'guarduty' is none of cloudtrail"),
        (replace(SERVICES, trail=replace(TRAIL, bucket="")), "trail.bucket is missing"),
        (replace(SERVICES, trail=replace(TRAIL, key_alias="")), "trail.key_alias is missing"),
        (replace(SERVICES, trail=replace(TRAIL, key_alias="logs")), "trail.key_alias 'logs' is no alias"),
        (replace(SERVICES, trail=replace(TRAIL, insights=["rate"])), "trail.insights: 'rate' is none of call_rate"),
        (replace(SERVICES, trail=replace(TRAIL, data_events=["sqs"])), "trail.data_events: 'sqs' is none of s3"),
        (replace(SERVICES, guardduty=GuardDuty(members="some")), "guardduty.members: 'some' is none of all"),
        (replace(SERVICES, guardduty=GuardDuty(protections=["ec2"])), "guardduty.protections: 'ec2' is none of s3"),
        (replace(SERVICES, guardduty=GuardDuty(protections=["s3", "s3"])), "'s3' is given 2 times"),
        (replace(DELEGATION, administrator=""), "administrator_account is missing"),
        (replace(DELEGATION, administrator="management"), "administrator_account is the management account"),
    ],
)
def test_a_mistake_in_the_services_is_one_sentence(security: Security, sentence: str) -> None:
    found = checked(security_resources(security))
    assert len(found) == 1, found
    assert sentence in found[0]


def test_all_mistakes_are_told_at_once() -> None:
    assert len(of_archive(name="A", trail="x", tiering_days=-2)) == 3


def test_each_bucket_lets_in_one_service_and_only_by_tls() -> None:
    resources, _problems, _outputs = archive_resources(ARCHIVE)
    for log in LOGS:
        policy = transform(properties(resources, f"s3_bucket.{log}")["policy"], str)
        denied, *allowed = policy["Statement"]
        assert (denied["Effect"], denied["Condition"]["Bool"]) == ("Deny", {"aws:SecureTransport": "false"})
        assert len({item["Principal"]["Service"] for item in allowed}) == 1
        keys = {key for item in allowed for key in item["Condition"]["StringEquals"]}
        assert ("aws:SourceArn" if log == "cloudtrail" else "aws:SourceOrgID") in keys


def test_only_what_is_retained_has_a_default_retention() -> None:
    resources, _problems, _outputs = archive_resources(ARCHIVE)
    locks = {log: properties(resources, f"s3_bucket.{log}")["object_lock_configuration"] for log in LOGS}
    assert [log for log, lock in locks.items() if "rule" in lock] == ["cloudtrail"]


def test_load_balancers_get_a_bucket_without_a_key_of_ours() -> None:
    resources, _problems, _outputs = archive_resources(ARCHIVE)
    rules = [
        properties(resources, f"s3_bucket.{log}")["server_side_encryption_configuration"] for log in ("alb", "dns")
    ]
    assert ["aws:kms" in json.dumps(transform(item, str)) for item in rules] == [False, True]


def test_what_is_not_asked_for_is_switched_off() -> None:
    resources, _problems, _outputs = security_resources(replace(SERVICES, guardduty=GuardDuty(protections=["runtime"])))
    found = properties(resources, "guardduty_organization_configuration.us-east-1")["features"]
    values = {item["name"]: item["auto_enable"] for item in found}
    assert len(values) == len(PROTECTIONS)
    assert [name for name, value in values.items() if value == "ALL"] == ["RUNTIME_MONITORING"]


def test_cloudtrail_is_delegated_once_and_guardduty_in_each_region() -> None:
    resources, _problems, _outputs = security_resources(DELEGATION)
    names = [resource.name for resource in resources if resource.kind == "service_organization_admin"]
    assert names == ["cloudtrail-eu-central-1", "guardduty-eu-central-1", "guardduty-us-east-1"]
