# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the contract doesn't ask of leaf kinds: deletions taken back, foreign things left alone, few calls."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.innovate.platform.plugins.module_utils._engine.errors import EngineError
from ansible_collections.innovate.platform.plugins.module_utils._engine.resource import Ref, Resource
from ansible_collections.innovate.platform.plugins.module_utils._kinds._session import Session
from ansible_collections.innovate.platform.plugins.module_utils._kinds.registry import KINDS
from ansible_collections.innovate.platform.plugins.module_utils._resources.declaration import owned_kinds
from tests.contract.cases.iam import allow, trust
from tests.contract.contract import World, actions

KEY = Resource("kms_key", "main", {"description": "first"})
ALL: dict[str, Any] = {"allow_destroy": ("*",), "absent": True}


class Counted(Session):
    """A session that counts the calls made through it."""

    def __init__(self, session: Session) -> None:
        super().__init__(session.client, session.account_id, session.region, session.partition)
        self.calls: list[str] = []

    def client(self, service: str, region: str = "") -> Any:
        client = super().client(service, region)
        if not getattr(client, "counted", False):
            client.counted = True
            client.meta.events.register("before-call", lambda model, **more: self.calls.append(model.name))
        return client


@pytest.fixture
def clean(request: pytest.FixtureRequest, session: Session) -> World:
    return World(session, KINDS, f"leaf-{request.node.originalname}".replace("_", "-")[:48])


def test_a_key_declared_again_is_taken_back_from_its_deletion(clean: World) -> None:
    first = clean.apply([KEY]).observed["kms_key.main"]
    clean.apply([KEY], **ALL)
    again = Resource("kms_key", "main", {"description": "again", "rotation_period_in_days": 90})
    assert actions(clean.plan([again])) == {"kms_key.main": "create"}
    second = clean.apply([again]).observed["kms_key.main"]
    assert second.id == first.id
    assert actions(clean.plan([again])) == {}
    clean.apply([again], **ALL)


def test_a_key_of_another_form_is_a_new_one(clean: World) -> None:
    first = clean.apply([KEY]).observed["kms_key.main"]
    clean.apply([KEY], **ALL)
    other = Resource("kms_key", "main", {"multi_region": True})
    assert clean.apply([other]).observed["kms_key.main"].id != first.id
    clean.apply([other], **ALL)


def test_a_secret_declared_again_is_restored_with_its_value(clean: World, session: Session) -> None:
    secret = Resource("secret", "main", {"name": "leaf/restored", "generate_secret_string": {"password_length": 12}})
    first = clean.apply([secret]).observed["secret.main"]
    value = session.call("secretsmanager", "get_secret_value", SecretId=first.id)["SecretString"]
    clean.apply([secret], **ALL)
    second = clean.apply([secret]).observed["secret.main"]
    assert second.id == first.id
    assert session.call("secretsmanager", "get_secret_value", SecretId=first.id)["SecretString"] == value
    clean.apply([secret], **ALL)


def test_a_secret_is_generated_into_a_template(clean: World, session: Session) -> None:
    how = {"password_length": 12, "secret_string_template": '{"username": "app"}', "generate_string_key": "password"}
    secret = Resource("secret", "main", {"name": "leaf/template", "generate_secret_string": how})
    made = clean.apply([secret]).observed["secret.main"]
    value = json.loads(session.call("secretsmanager", "get_secret_value", SecretId=made.id)["SecretString"])
    assert (value["username"], len(value["password"])) == ("app", 12)
    clean.apply([secret], **ALL)


def test_an_alias_of_a_foreign_key_is_left_alone(clean: World, session: Session) -> None:
    foreign = session.call("kms", "create_key")["KeyMetadata"]["KeyId"]
    session.call("kms", "create_alias", AliasName="alias/leaf-foreign", TargetKeyId=foreign)
    alias = Resource("kms_alias", "a", {"alias_name": "alias/leaf-foreign", "target_key_id": Ref("kms_key.main")})
    with pytest.raises(EngineError, match="which is not this stack's: choose another name"):
        clean.apply([KEY, alias])


def test_a_bucket_with_something_in_it_is_not_deleted(clean: World, session: Session) -> None:
    bucket = Resource("s3_bucket", "data", {"bucket": "leaf-full"})
    clean.apply([bucket])
    session.call("s3", "put_object", Bucket="leaf-full", Key="a", Body=b"a")
    with pytest.raises(EngineError, match="BucketNotEmpty"):
        clean.apply([bucket], **ALL)
    session.call("s3", "delete_object", Bucket="leaf-full", Key="a")
    clean.apply([bucket], **ALL)


def test_a_policy_changed_often_keeps_five_versions(clean: World, session: Session) -> None:
    def policy(number: int) -> Resource:
        properties = {"policy_name": "leaf", "path": "/innovate/leaf/", "policy_document": allow(f"s3:Get{number}")}
        return Resource("iam_policy", "main", properties)

    for number in range(8):
        clean.apply([policy(number)])
    made = clean.plan([policy(7)])
    assert actions(made) == {}
    arn = made.changes[0].existing.id
    assert len(session.pages("iam", "list_policy_versions", "Versions", PolicyArn=arn)) == 5
    clean.apply([policy(7)], **ALL)


def test_a_role_goes_with_what_others_gave_it(clean: World, session: Session) -> None:
    properties = {
        "role_name": "leaf-role",
        "path": "/innovate/leaf/",
        "assume_role_policy_document": trust("ec2.amazonaws.com"),
    }
    role = Resource("iam_role", "main", properties)
    clean.apply([role])
    document = json.dumps(allow("s3:*"))
    session.call("iam", "put_role_policy", RoleName="leaf-role", PolicyName="by-hand", PolicyDocument=document)
    session.call("iam", "create_instance_profile", InstanceProfileName="by-hand")
    session.call("iam", "add_role_to_instance_profile", InstanceProfileName="by-hand", RoleName="leaf-role")
    assert clean.plan([role]).changes[0].changed == ("policies",)
    clean.apply([role], **ALL)
    assert session.call("iam", "get_role", missing=["NoSuchEntity"], RoleName="leaf-role") == {}


def test_the_kinds_of_a_stack_are_found_by_its_tags(session: Session) -> None:
    clean = World(session, KINDS, "leaf-found")
    resources = [Resource("sqs_queue", "q", {"queue_name": "leaf-found"}), KEY]
    clean.apply(resources)
    names = {kind.name for kind in owned_kinds(session, "leaf-found")}
    assert {"sqs_queue", "kms_key", "kms_alias", "iam_role"} <= names
    assert "s3_bucket" not in names
    clean.apply(resources, **ALL)


def test_an_unchanged_run_asks_less_than_once_for_each_role_and_queue(session: Session) -> None:
    counted = Counted(session)
    world = World(counted, KINDS, "leaf-counted")
    trusted = trust("ec2.amazonaws.com")
    policies = {"one": allow("s3:*"), "two": allow("sqs:*")}
    roles = [
        Resource(
            "iam_role",
            f"r{number}",
            {
                "role_name": f"leaf-counted-{number}",
                "path": "/innovate/leaf-counted/",
                "assume_role_policy_document": trusted,
                "policies": policies,
            },
        )
        for number in range(10)
    ]
    groups = [Resource("log_group", f"g{number}", {"log_group_name": f"/leaf/{number}"}) for number in range(10)]
    secrets = [Resource("secret", f"s{number}", {"name": f"leaf/counted/{number}"}) for number in range(10)]
    resources = [*roles, *groups, *secrets]
    world.apply(resources)
    counted.calls.clear()
    assert actions(world.plan(resources)) == {}
    assert sorted(counted.calls) == [
        "DescribeLogGroups",
        "GetAccountAuthorizationDetails",
        "GetResources",
        "ListRoles",
        "ListSecrets",
    ]
    world.apply(resources, **ALL)


def test_what_an_incident_denies_a_role_is_left_alone_and_what_it_allows_is_not(clean: World, session: Session) -> None:
    trusted = {
        "role_name": "leaf-denied",
        "path": f"/innovate/{clean.stack}/",
        "assume_role_policy_document": trust("ec2.amazonaws.com"),
    }
    role = Resource("iam_role", "main", {**trusted, "policies": {"own": allow("sqs:ListQueues")}})
    clean.apply([role])
    denied = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}
    for name in ("AWSRevokeOlderSessions", "innovate-incident-INC-1-i-0123456789abcdef0"):
        session.call(
            "iam", "put_role_policy", RoleName="leaf-denied", PolicyName=name, PolicyDocument=json.dumps(denied)
        )
    assert actions(clean.plan([role])) == {}
    allowed = json.dumps(allow("sqs:*"))
    session.call(
        "iam", "put_role_policy", RoleName="leaf-denied", PolicyName="innovate-incident-x", PolicyDocument=allowed
    )
    assert actions(clean.plan([role])) == {"iam_role.main": "update"}
    clean.apply([role])
    left = sorted(session.call("iam", "list_role_policies", RoleName="leaf-denied")["PolicyNames"])
    assert left == ["AWSRevokeOlderSessions", "innovate-incident-INC-1-i-0123456789abcdef0", "own"]
    clean.apply([role], **ALL)
