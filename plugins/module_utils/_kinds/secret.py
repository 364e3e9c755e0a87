# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets of Secrets Manager. Their values are never read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from .._engine.kind import STACK_TAG, Kind, Observed, Property, Scope, Wanted
from ._deferred import is_ours, window_of, window_property, window_tags
from ._session import Session
from ._shapes import request, violations
from ._tags import tag_dict, tag_list

_MISSING = ("ResourceNotFoundException",)
_TEMPLATE = ("secret_string_template", "generate_string_key")


class Secret(Kind):
    """A secret (https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html).

    Its first value is made by Secrets Manager when it is created; what becomes of the value later is not managed here.
    A secret that is scheduled for deletion isn't there; declared again, it is restored (see ``_deferred``).
    """

    name = "secret"
    properties: ClassVar[Mapping[str, Property]] = {
        "name": Property("str", required=True, immutable=True, doc="Unique in the account and Region."),
        "description": Property("str", default="", doc="What it opens."),
        "kms_key_id": Property(
            "str", doc="The key that encrypts it; undeclared, the account's own for Secrets Manager."
        ),
        "generate_secret_string": Property(
            "dict",
            write_only=True,
            doc="How its first value is made: the members of GetRandomPassword, and C(secret_string_template) with "
            "C(generate_string_key) for a JSON document around it. Without it, the secret begins empty.",
        ),
        "recovery_window_in_days": window_property(),
    }
    attributes = ("arn",)
    priced = ()
    key = ("name",)
    holds_data = True

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """List by tag (the filters match beginnings, so the tags are looked at again), then ask for names not found."""
        filters = [{"Key": "tag-key", "Values": [STACK_TAG]}, {"Key": "tag-value", "Values": [scope.stack]}]
        listed = session.pages("secretsmanager", "list_secrets", "SecretList", Filters=filters)
        found = {
            secret["Name"]: secret for secret in listed if tag_dict(secret.get("Tags")).get(STACK_TAG) == scope.stack
        }
        others = [name for name in scope.names(self.name, "name") if name not in found]
        more = session.each(lambda name: _describe(session, name), others)
        secrets = [*found.values(), *(secret for secret in more if secret)]
        return [self._observed(secret) for secret in secrets if not secret.get("DeletedDate")]

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Create the secret with its tags and a generated value, or restore one of this address that was deleted."""
        tags = window_tags(wanted.tags, wanted["recovery_window_in_days"])
        there = _describe(session, wanted["name"])
        if there and there.get("DeletedDate") and is_ours(tag_dict(there.get("Tags")), wanted.tags):
            session.call("secretsmanager", "restore_secret", SecretId=there["ARN"])
            restored = self._observed(there)
            self.tag(session, restored, tags)
            return self.update(session, restored, wanted, frozenset({"description", "kms_key_id"}))
        value: dict[str, Any] = {}
        if wanted.get("generate_secret_string"):
            secret = _generate(session, wanted["generate_secret_string"])
            value = {"SecretString": secret, "ClientRequestToken": token}
        arn = session.call(
            "secretsmanager",
            "create_secret",
            # A name is free again some time after a deletion without recovery.
            retry_on=["InternalServiceError"],
            attempts=4,
            Name=wanted["name"],
            Tags=tag_list(tags),
            **request("secretsmanager", "CreateSecret", _described(wanted)),
            **value,
        )["ARN"]
        return self._observed({"ARN": arn, "Name": wanted["name"], "Tags": tag_list(tags)})

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Write description, key and window."""
        settings = _described(wanted)
        if changed & settings.keys():
            session.call(
                "secretsmanager",
                "update_secret",
                SecretId=observed.attribute("arn"),
                **request("secretsmanager", "UpdateSecret", settings),
            )
        if "recovery_window_in_days" in changed:
            self.tag(session, observed, window_tags({}, wanted["recovery_window_in_days"]))
        return observed

    def delete(self, session: Session, observed: Observed) -> None:
        """Schedule the deletion; until then it can be taken back."""
        session.call(
            "secretsmanager",
            "delete_secret",
            missing=_MISSING,
            SecretId=observed.attribute("arn"),
            RecoveryWindowInDays=observed.properties["recovery_window_in_days"],
        )

    def tag(self, session: Session, observed: Observed, tags: Mapping[str, str]) -> None:
        """Write tags on the secret."""
        arn = observed.attribute("arn")
        session.call("secretsmanager", "tag_resource", retry_on=_MISSING, attempts=6, SecretId=arn, Tags=tag_list(tags))

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check against the API's models."""
        problems = violations("secretsmanager", "CreateSecret", properties)
        how = properties.get("generate_secret_string")
        if not isinstance(how, Mapping):
            return problems
        known = ("password_length", "exclude_characters", "include_space", "require_each_included_type")
        excluded = (f"exclude_{what}" for what in ("numbers", "punctuation", "uppercase", "lowercase"))
        members = sorted((*known, *excluded, *_TEMPLATE))
        problems += [
            f"generate_secret_string: unknown member '{name}': use one of {', '.join(members)}"
            for name in how
            if name not in members
        ]
        problems += violations("secretsmanager", "GetRandomPassword", how)
        if ("secret_string_template" in how) != ("generate_string_key" in how):
            problems.append("generate_secret_string: secret_string_template and generate_string_key go together")
        template = how.get("secret_string_template")
        if isinstance(template, str):
            try:
                known_form = isinstance(json.loads(template), dict)
            except ValueError:
                known_form = False
            if not known_form:
                problems.append("generate_secret_string.secret_string_template is not a JSON object")
        return problems

    @staticmethod
    def _observed(secret: Mapping[str, Any]) -> Observed:
        tags = tag_dict(secret.get("Tags"))
        return Observed(
            id=secret["ARN"],
            properties={
                "name": secret["Name"],
                "description": secret.get("Description", ""),
                "kms_key_id": secret.get("KmsKeyId"),
                "recovery_window_in_days": window_of(tags),
            },
            attributes={"arn": secret["ARN"]},
            tags=tags,
        )


def _describe(session: Session, name: str) -> dict[str, Any]:
    return session.call("secretsmanager", "describe_secret", missing=_MISSING, SecretId=name)


def _described(wanted: Wanted) -> dict[str, Any]:
    return {name: wanted[name] for name in ("description", "kms_key_id") if wanted.get(name) is not None}


def _generate(session: Session, how: Mapping[str, Any]) -> str:
    """Return a random value, by itself or as a member of a JSON document."""
    members = {name: value for name, value in how.items() if name not in _TEMPLATE}
    password: str = session.call(
        "secretsmanager", "get_random_password", **request("secretsmanager", "GetRandomPassword", members)
    )["RandomPassword"]
    if "secret_string_template" not in how:
        return password
    template = how["secret_string_template"]
    whole = dict(template) if isinstance(template, Mapping) else json.loads(template)
    return json.dumps({**whole, how["generate_string_key"]: password})
