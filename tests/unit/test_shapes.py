# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names both ways, and values against the models of AWS's APIs."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.innovate.platform.plugins.module_utils._engine.resource import Join, Ref, Unknown
from ansible_collections.innovate.platform.plugins.module_utils._kinds._shapes import (
    _matches,
    from_api,
    request,
    to_api,
    violations,
)

RULES = {"rules": [{"id": "a", "status": "Enabled", "expiration": {"days": 3}}]}
API_RULES = {"Rules": [{"ID": "a", "Status": "Enabled", "Expiration": {"Days": 3}}]}


def test_names_go_both_ways() -> None:
    assert to_api("s3", "BucketLifecycleConfiguration", RULES) == API_RULES
    assert from_api("s3", "BucketLifecycleConfiguration", API_RULES) == RULES


def test_the_keys_of_maps_stay_as_they_are() -> None:
    labels = {"My-Label": "x"}
    assert to_api("eks", "labelsMap", labels) == labels
    assert from_api("eks", "labelsMap", labels) == labels
    properties = {"cluster_name": "c", "labels": labels}
    assert request("eks", "CreateNodegroup", properties) == {"clusterName": "c", "labels": labels}


def test_a_request_has_only_what_the_operation_knows_and_what_is_given() -> None:
    properties: dict[str, Any] = {"role_name": "a", "policies": {}, "description": None, "max_session_duration": 3600}
    assert request("iam", "CreateRole", properties) == {"RoleName": "a", "MaxSessionDuration": 3600}


def test_what_a_response_has_beyond_the_model_is_left_out() -> None:
    assert from_api("s3", "Tag", {"Key": "a", "Value": "b", "More": 1}) == {"key": "a", "value": "b"}


def test_none_within_a_structure_is_left_out() -> None:
    assert to_api("s3", "LifecycleRule", {"id": "a", "prefix": None}) == {"ID": "a"}


def test_tuples_and_sets_are_lists_to_the_api() -> None:
    assert to_api("ecr", "ImageTagMutabilityExclusionFilters", ({"filter": "x"},)) == [{"filter": "x"}]


VIOLATIONS: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "enumeration": (
        "ecr",
        "CreateRepository",
        {"image_tag_mutability": "NEVER"},
        "image_tag_mutability: 'NEVER' is not one of MUTABLE",
    ),
    "pattern": ("iam", "CreateRole", {"role_name": "a b"}, "role_name: 'a b' does not have the form"),
    "pattern of a part": ("eks", "CreateCluster", {"name": "-dev"}, "name: '-dev' does not have the form"),
    "length": (
        "iam",
        "CreateRole",
        {"role_name": "a" * 65},
        "role_name: 65 characters is more than the most allowed, 64",
    ),
    "least length": (
        "ecr",
        "CreateRepository",
        {"repository_name": "a"},
        "1 characters is less than the least allowed, 2",
    ),
    "range": ("kms", "EnableKeyRotation", {"rotation_period_in_days": 9}, "9 is less than the least allowed, 90"),
    "number of items": ("events", "PutTargets", {"targets": []}, "targets: 0 items is less than the least allowed, 1"),
    "missing member": ("events", "PutTargets", {"targets": [{"id": "a"}]}, "targets[0]: the member 'arn' is missing"),
    "unknown member": (
        "events",
        "PutTargets",
        {"targets": [{"id": "a", "arn": "b", "inputs": "c"}]},
        "targets[0]: unknown member 'inputs': use one of",
    ),
    "no structure": ("ecr", "CreateRepository", {"image_scanning_configuration": True}, "True is not a dictionary"),
    "no list": ("events", "PutTargets", {"targets": {"id": "a"}}, "is not a list"),
    "text for a list": ("events", "PutTargets", {"targets": "a"}, "'a' is not a list"),
    "no map": ("eks", "CreateNodegroup", {"labels": ["a"]}, "labels: ['a'] is not a dictionary"),
    "key of a map": (
        "eks",
        "CreateNodegroup",
        {"labels": {"a" * 64: "b"}},
        "64 characters is more than the most allowed, 63",
    ),
    "number inside": ("events", "PutTargets", {"targets": [{"id": 1, "arn": "b"}]}, "targets[0].id: 1 is not a string"),
    "text for a number inside": (
        "events",
        "PutTargets",
        {"targets": [{"id": "a", "arn": "b", "retry_policy": {"maximum_retry_attempts": "3"}}]},
        "targets[0].retry_policy.maximum_retry_attempts: '3' is not a whole number",
    ),
    "text for truth inside": (
        "ecr",
        "CreateRepository",
        {"image_scanning_configuration": {"scan_on_push": "yes"}},
        "image_scanning_configuration.scan_on_push: 'yes' is not true or false",
    ),
}


@pytest.mark.parametrize(("service", "operation", "properties", "sentence"), VIOLATIONS.values(), ids=VIOLATIONS.keys())
def test_what_the_model_has_against_it(service: str, operation: str, properties: dict[str, Any], sentence: str) -> None:
    problems = violations(service, operation, properties)
    assert len(problems) == 1, problems
    assert sentence in problems[0]


@pytest.mark.parametrize("value", [Ref("iam_role.a"), Join(("a", Ref("iam_role.a"))), Unknown(), None])
def test_what_is_not_known_yet_fits(value: Any) -> None:
    assert violations("iam", "CreateRole", {"role_name": value}) == []
    assert violations("events", "PutTargets", {"targets": [{"id": "a", "arn": value or Unknown()}]}) == []


def test_what_the_operation_does_not_know_is_not_judged() -> None:
    assert violations("iam", "CreateRole", {"policies": 3}) == []


@pytest.mark.parametrize(
    ("pattern", "value", "fits"),
    [
        ("^arn:aws", "arn:aws:sns:x", True),
        ("^arn:aws", "x", False),
        ("[a-z]+", "ab c", False),
        (r"[\p{L}]+", "?", True),
    ],
)
def test_a_form_is_of_the_whole_value_unless_it_is_a_beginning(pattern: str, value: str, fits: bool) -> None:
    assert _matches(pattern, value) is fits
