# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a list of resources makes of good and bad input, before any call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.innovate.platform.plugins.module_utils._engine.resource import Ref
from ansible_collections.innovate.platform.plugins.module_utils._engine.validate import validate
from ansible_collections.innovate.platform.plugins.module_utils._kinds.registry import KINDS
from ansible_collections.innovate.platform.plugins.module_utils._resources.declaration import (
    declared_resources,
    kinds_of,
    outputs_of,
    stack_of,
)

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def item(address: str, depends_on: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    kind, _dot, name = address.partition(".")
    return {"kind": kind, "name": name, "properties": properties, "depends_on": list(depends_on)}


def queue(name: str = "main", **properties: Any) -> dict[str, Any]:
    return item(f"sqs_queue.{name}", **{"queue_name": name, **properties})


def role(**properties: Any) -> dict[str, Any]:
    return item("iam_role.app", **{"role_name": "app", "assume_role_policy_document": TRUST, **properties})


def rule(**properties: Any) -> dict[str, Any]:
    return item("event_rule.tick", **{"name": "tick", "schedule_expression": "rate(1 hour)", **properties})


def bucket(**properties: Any) -> dict[str, Any]:
    return item("s3_bucket.data", **{"bucket": "innovate-data", **properties})


def logs(**properties: Any) -> dict[str, Any]:
    return item("log_group.app", **{"log_group_name": "/app", **properties})


def repository(**properties: Any) -> dict[str, Any]:
    return item("ecr_repository.api", **{"repository_name": "api", **properties})


def secret(**properties: Any) -> dict[str, Any]:
    return item("secret.db", **{"name": "db", **properties})


def problems_of(*items: dict[str, Any], name: str = "test") -> list[str]:
    resources, problems = declared_resources(name, items)
    return [*problems, *validate(resources, {kind.name: kind for kind in kinds_of(resources)})]


BAD: dict[str, tuple[list[dict[str, Any]], str]] = {
    "unknown kind": ([item("sqs_queu.main")], "sqs_queu.main: unknown kind 'sqs_queu': did you mean 'sqs_queue'?"),
    "unknown property": (
        [queue(visibility_timeut=3)],
        "unknown property 'visibility_timeut': did you mean 'visibility_timeout'?",
    ),
    "missing property": ([item("log_group.app")], "log_group.app: the property 'log_group_name' is missing"),
    "wrong type": ([queue(delay_seconds="five")], "sqs_queue.main.delay_seconds: 'five' is not a whole number"),
    "wrong type inside": (
        [repository(image_scanning_configuration={"scan_on_push": "yes"})],
        "image_scanning_configuration.scan_on_push: 'yes' is not true or false",
    ),
    "unknown member inside": (
        [bucket(versioning_configuration={"state": "Enabled"})],
        "versioning_configuration: unknown member 'state': use one of",
    ),
    "reference to nothing": (
        [rule(role_arn="${iam_role.app.arn}")],
        "${iam_role.app.arn} refers to nothing that is declared",
    ),
    "reference to an unknown kind": ([rule(role_arn="${iam_rol.app.arn}")], "refers to the unknown kind 'iam_rol'"),
    "unknown attribute": (
        [role(), rule(role_arn="${iam_role.app.arm}")],
        "iam_role has no attribute 'arm': did you mean 'arn'?",
    ),
    "dependency on nothing": (
        [item("log_group.a", ("log_group.b",), log_group_name="/a")],
        "depends on log_group.b, which is not",
    ),
    "circle": (
        [
            queue("a", redrive_policy={"deadLetterTargetArn": "${sqs_queue.b.arn}", "maxReceiveCount": 3}),
            queue("b", redrive_policy={"deadLetterTargetArn": "${sqs_queue.a.arn}", "maxReceiveCount": 3}),
        ],
        "these resources refer to each other in a circle",
    ),
    "same address": ([queue(), queue(queue_name="other")], "sqs_queue.main is declared 2 times"),
    "same thing": ([queue("a", queue_name="x"), queue("b", queue_name="x")], "are the same thing (queue_name x)"),
    "name of a resource": ([queue("my queue", queue_name="q")], "sqs_queue.my queue: a name is 1 to 100 letters"),
    "name of a queue": ([queue(queue_name="no spaces")], "'no spaces' is no queue name"),
    "name of a fifo queue": ([queue(fifo_queue=True)], "'main' and fifo_queue true don't agree"),
    "range of a queue": ([queue(visibility_timeout=50000)], "visibility_timeout: 50000 is not between 0 and 43200"),
    "two encryptions of a queue": (
        [queue(kms_master_key_id="alias/x", sqs_managed_sse_enabled=True)],
        "kms_master_key_id and sqs_managed_sse_enabled exclude each other",
    ),
    "document that is no json": ([queue(policy="{")], "policy is not JSON"),
    "retention": ([logs(retention_in_days=31)], "31 is not one of 1, 3, 5, 7, 14, 30"),
    "name of a log group": ([logs(log_group_name="/app logs")], "'/app logs' does not have the form"),
    "enumeration": ([rule(state="ON")], "state: 'ON' is not one of ENABLED, DISABLED"),
    "rule that nothing sets off": (
        [rule(schedule_expression=None)],
        "an event_pattern or a schedule_expression is needed",
    ),
    "target without an arn": ([rule(targets=[{"id": "a"}])], "targets[0]: the member 'arn' is missing"),
    "target twice": (
        [rule(targets=[{"id": "a", "arn": "arn:x"}, {"id": "a", "arn": "arn:y"}])],
        "targets: the id 'a' is given twice",
    ),
    "too many targets": (
        [rule(targets=[{"id": str(number), "arn": "arn:x"} for number in range(6)])],
        "targets: a rule has at most 5, not 6",
    ),
    "schedule on another bus": ([rule(event_bus_name="own")], "schedules are on the default event bus only"),
    "name of a role": ([role(role_name="an app")], "role_name: 'an app' does not have the form"),
    "session too long": ([role(max_session_duration=100000)], "100000 is more than the most allowed, 43200"),
    "path": ([role(path="innovate")], "path: 'innovate' does not have the form"),
    "issuer without tls": ([item("iam_oidc_provider.x", url="http://x")], "'http://x' does not begin with https://"),
    "alias without its beginning": (
        [item("kms_key.k"), item("kms_alias.a", alias_name="app", target_key_id="${kms_key.k}")],
        "alias_name: 'app' does not begin with alias/",
    ),
    "alias of aws": (
        [item("kms_key.k"), item("kms_alias.a", alias_name="alias/aws/x", target_key_id="${kms_key.k}")],
        "which is kept for AWS's own keys",
    ),
    "rotation of a key that can't": (
        [item("kms_key.k", key_spec="RSA_2048")],
        "AWS rotates only keys of key_spec SYMMETRIC",
    ),
    "rotation too often": ([item("kms_key.k", rotation_period_in_days=30)], "30 is less than the least allowed, 90"),
    "deletion too soon": ([item("kms_key.k", pending_window_in_days=1)], "1 is not one of 7, 8, 9"),
    "name of a bucket": ([bucket(bucket="Innovate_Data")], "'Innovate_Data' is no bucket name"),
    "bucket like an address": ([bucket(bucket="10.0.0.1")], "'10.0.0.1' is no bucket name"),
    "lifecycle rule without an id": (
        [bucket(lifecycle_configuration={"rules": [{"status": "Enabled"}]})],
        "lifecycle_configuration: each rule needs an id",
    ),
    "lock without versions": (
        [bucket(object_lock_enabled_for_bucket=True, versioning_configuration={"status": "Suspended"})],
        "a bucket with object lock has versioning Enabled",
    ),
    "name of a repository": ([repository(repository_name="API")], "repository_name: 'API' does not have the form"),
    "exclusions without the mode": (
        [repository(image_tag_mutability_exclusion_filters=[{"filter_type": "WILDCARD", "filter": "x"}])],
        "image_tag_mutability ..._WITH_EXCLUSION go together",
    ),
    "value of a secret": ([secret(secret_string="hush")], "secret.db: unknown property 'secret_string'"),
    "how a secret is made": ([secret(generate_secret_string={"length": 20})], "unknown member 'length'"),
    "template without a key": (
        [secret(generate_secret_string={"secret_string_template": "{}"})],
        "secret_string_template and generate_string_key go together",
    ),
    "tags where there are none": (
        [item("kms_alias.a", alias_name="alias/a", target_key_id="k", tags={"a": "b"})],
        "kms_alias.a: unknown property 'tags'",
    ),
}


@pytest.mark.parametrize(("items", "sentence"), BAD.values(), ids=BAD.keys())
def test_bad_input_gets_one_sentence(items: list[dict[str, Any]], sentence: str) -> None:
    problems = problems_of(*items)
    assert len(problems) == 1, problems
    assert sentence in problems[0]


def test_all_mistakes_are_told_together() -> None:
    items = [item("sqs_queu.main"), queue("a b"), logs(retention_in_days=31), rule(role_arn="${iam_role.none.arn}")]
    assert len(problems_of(*items)) == 5  # the queue's name is wrong in two ways


@pytest.mark.parametrize("name", ["Dev", "a_b", "-a", "", "a" * 49])
def test_the_stack_has_a_plain_name(name: str) -> None:
    assert "lower-case letters, digits and hyphens" in problems_of(name=name)[0]


def test_a_stack_is_never_another_modules() -> None:
    assert stack_of("vpc-dev") == "resources-vpc-dev"


def test_iam_lives_under_the_stacks_path_unless_told_otherwise() -> None:
    profile = item("iam_instance_profile.app", instance_profile_name="app", role="${iam_role.app}", path="/own/")
    resources, problems = declared_resources("test", [role(), profile, queue()])
    assert problems == []
    assert [resource.properties.get("path") for resource in resources] == ["/innovate/resources-test/", "/own/", None]


def test_variables_of_iam_are_no_references() -> None:
    statement = {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::home/${aws:username}/*"}
    policies = {"home": {"Version": "2012-10-17", "Statement": [statement]}}
    assert problems_of(role(policies=policies)) == []


def test_outputs_are_references_to_all_that_is_assigned() -> None:
    resources, _problems = declared_resources("test", [queue()])
    assert outputs_of(resources) == {
        "sqs_queue.main": {
            "id": Ref("sqs_queue.main"),
            "arn": Ref("sqs_queue.main", "arn"),
            "queue_url": Ref("sqs_queue.main", "queue_url"),
        }
    }


def test_the_examples_are_valid() -> None:
    text = (Path(__file__).parents[2] / "plugins/modules/resources.py").read_text()
    examples = yaml.safe_load(text.split('EXAMPLES = r"""')[1].split('"""')[0])
    assert len(examples) == 3
    for example in examples:
        arguments = example["innovate.platform.resources"]
        assert problems_of(*arguments["resources"], name=arguments["name"]) == [], example["name"]


@pytest.mark.parametrize("name", sorted(KINDS))
def test_a_kind_describes_its_properties(name: str) -> None:
    undescribed = [prop for prop, spec in KINDS[name].properties.items() if not spec.doc]
    assert undescribed == []
    assert (type(KINDS[name]).__doc__ or "").strip()
