# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""KMS keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from .._engine.kind import ADDRESS_TAG, STACK_TAG, Kind, Observed, Property, Scope, State, Wanted
from ._deferred import is_ours, window_of, window_property, window_tags
from ._once import once, owned, tagged
from ._policies import document, parsed, policy_problems, same_policy
from ._session import Session
from ._shapes import violations
from ._tags import tag_dict

_MISSING = ("NotFoundException",)
_NEW_PRINCIPAL = ("MalformedPolicyDocumentException",)
_STATES: Mapping[str, State] = {
    "Creating": "pending",
    "Updating": "pending",
    "Enabled": "ready",
    "Disabled": "ready",
}
_IMMUTABLE = ("key_spec", "key_usage", "multi_region")


class _Default(dict[str, Any]):
    """The policy of a key that was made without one."""


def _default_policy(session: Session) -> _Default:
    """Return AWS's own policy (https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html)."""
    statement = {
        "Sid": "Enable IAM User Permissions",
        "Effect": "Allow",
        "Principal": {"AWS": session.arn("iam", "root", region="")},
        "Action": "kms:*",
        "Resource": "*",
    }
    return _Default({"Version": "2012-10-17", "Id": "key-default-1", "Statement": [statement]})


def _plain(policy: Any) -> Any:
    """Return a policy without its labels, which decide nothing."""
    if not isinstance(policy, Mapping):
        return policy
    statements = policy.get("Statement") or []
    statements = [statements] if isinstance(statements, Mapping) else statements
    return {
        "Version": policy.get("Version"),
        "Statement": [{name: value for name, value in item.items() if name != "Sid"} for item in statements],
    }


def _observed_policy(session: Session, text: Any) -> Any:
    """Return a key's policy, and AWS's own as such, so that it counts as none."""
    policy, default = parsed(text), _default_policy(session)
    return _Default(policy) if policy and same_policy(_plain(default), _plain(policy)) else policy


def _same_policy(wanted: Any, observed: Any) -> bool:
    if not parsed(wanted):
        return not observed or isinstance(observed, _Default)
    return same_policy(wanted, observed)


class KmsKey(Kind):
    """A KMS key (https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateKey.html).

    A key that is pending deletion isn't there; declared again, its deletion is cancelled (see ``_deferred``).
    """

    name = "kms_key"
    properties: ClassVar[Mapping[str, Property]] = {
        "description": Property("str", default="", doc="What it encrypts."),
        "policy": Property(
            "json",
            default={},
            same=_same_policy,
            doc="The key policy; empty for AWS's own, which lets the account's IAM policies decide.",
        ),
        "key_spec": Property("str", default="SYMMETRIC_DEFAULT", immutable=True, doc="The key material's form."),
        "key_usage": Property("str", default="ENCRYPT_DECRYPT", immutable=True, doc="What it can be used for."),
        "multi_region": Property("bool", default=False, immutable=True, doc="Whether it can have replicas elsewhere."),
        "enabled": Property("bool", default=True, doc="Whether it can be used."),
        "enable_key_rotation": Property("bool", default=True, doc="Whether AWS makes new key material regularly."),
        "rotation_period_in_days": Property("int", doc="Days between rotations, 90 to 2560; AWS's default is 365."),
        "pending_window_in_days": window_property(),
    }
    attributes = ("arn",)
    priced = ("enable_key_rotation",)
    holds_data = True

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """Get the keys that the tagging API knows, and those that the stack's declared aliases lead to."""
        prefix = session.arn("kms", "key/")
        found = owned(session, scope, prefix)
        ids = {arn.removeprefix(prefix): tags for arn, tags in found.items()}
        declared = set(scope.names("kms_alias", "alias_name"))
        for alias in aliases(session, scope) if declared else ():
            # The tagging API may not know a key made seconds ago, and KMS has no client tokens: the alias leads to it.
            key_id = alias.get("TargetKeyId")
            if alias["AliasName"] in declared and key_id and key_id not in ids:
                tags = key_tags(session, key_id)
                if tags.get(STACK_TAG) == scope.stack:
                    ids[key_id] = tags
        keys = session.each(lambda item: self._get(session, *item), ids.items())
        return [key for key in keys if key is not None]

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Create the key with its tags and policy, or take one of this address back from its deletion."""
        tags = window_tags(wanted.tags, wanted["pending_window_in_days"])
        revived = self._revive(session, wanted) or self._unlisted(session, wanted)
        if revived is not None:
            self.tag(session, revived, tags)
            return self._rest(session, revived, wanted)
        policy = {"Policy": document(wanted["policy"])} if wanted.get("policy") else {}
        metadata = session.call(
            "kms",
            "create_key",
            retry_on=_NEW_PRINCIPAL,
            attempts=6,
            Description=wanted["description"],
            KeySpec=wanted["key_spec"],
            KeyUsage=wanted["key_usage"],
            MultiRegion=wanted["multi_region"],
            Tags=_tag_list(tags),
            **policy,
        )["KeyMetadata"]
        observed = self._observed(metadata, tags, {"policy": wanted.get("policy"), "enable_key_rotation": False})
        return self._rest(session, observed, wanted)

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Write description, policy, use, rotation and window."""
        key: dict[str, Any] = {"KeyId": observed.id, "retry_on": _MISSING, "attempts": 6}
        if "enabled" in changed and wanted["enabled"]:
            session.call("kms", "enable_key", **key)
        if "description" in changed:
            session.call("kms", "update_key_description", Description=wanted["description"], **key)
        if "policy" in changed:
            key_policy = document(parsed(wanted["policy"]) or _default_policy(session))
            retry_on = (*_MISSING, *_NEW_PRINCIPAL)
            session.call(
                "kms", "put_key_policy", **{**key, "retry_on": retry_on}, PolicyName="default", Policy=key_policy
            )
        if changed & {"enable_key_rotation", "rotation_period_in_days"}:
            period = (
                {"RotationPeriodInDays": wanted["rotation_period_in_days"]}
                if wanted.get("rotation_period_in_days")
                else {}
            )
            if wanted["enable_key_rotation"]:
                session.call("kms", "enable_key_rotation", **key, **period)
            else:
                session.call("kms", "disable_key_rotation", **key)
        if "pending_window_in_days" in changed:
            self.tag(session, observed, window_tags({}, wanted["pending_window_in_days"]))
        if "enabled" in changed and not wanted["enabled"]:
            session.call("kms", "disable_key", **key)
        return observed

    def delete(self, session: Session, observed: Observed) -> None:
        """Schedule the deletion; until then it can be taken back."""
        session.call(
            "kms",
            "schedule_key_deletion",
            missing=_MISSING,
            KeyId=observed.id,
            PendingWindowInDays=observed.properties["pending_window_in_days"],
        )

    def tag(self, session: Session, observed: Observed, tags: Mapping[str, str]) -> None:
        """Write tags on the key."""
        session.call("kms", "tag_resource", retry_on=_MISSING, attempts=6, KeyId=observed.id, Tags=_tag_list(tags))

    def ready(self, session: Session, observed: Observed) -> Observed | None:
        """Wait until the key is out of Creating and Updating."""
        metadata = session.call("kms", "describe_key", missing=_MISSING, KeyId=observed.id).get("KeyMetadata", {})
        return observed if _STATES.get(metadata.get("KeyState", "")) == "ready" else None

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check against the API's model, the policy, and what only symmetric keys have."""
        given = {name: value for name, value in properties.items() if name != "policy"}
        problems = violations("kms", "CreateKey", given) + violations("kms", "EnableKeyRotation", given)
        problems += policy_problems("policy", properties.get("policy") or None)
        if properties["enable_key_rotation"] and properties["key_spec"] != "SYMMETRIC_DEFAULT":
            problems.append("enable_key_rotation: AWS rotates only keys of key_spec SYMMETRIC_DEFAULT: set it to false")
        if properties.get("rotation_period_in_days") and not properties["enable_key_rotation"]:
            problems.append("rotation_period_in_days means nothing while enable_key_rotation is false")
        return problems

    def _rest(self, session: Session, observed: Observed, wanted: Wanted) -> Observed:
        """Set what CreateKey can't, and on a revived key all that differs."""
        changed = {
            name
            for name in ("description", "enabled", "enable_key_rotation", "rotation_period_in_days")
            if name in wanted.properties and wanted[name] != observed.properties.get(name)
        }
        if not _same_policy(wanted.get("policy"), observed.properties.get("policy")):
            changed.add("policy")
        return self.update(session, observed, wanted, frozenset(changed))

    def _revive(self, session: Session, wanted: Wanted) -> Observed | None:
        """Cancel the deletion of the key that had this address, unless another form is wanted now."""
        found = tagged(session, wanted.tags[STACK_TAG], ["kms:key"])
        for arn, tags in found.items():
            if tags.get(ADDRESS_TAG) != wanted.address or not is_ours(tags, wanted.tags):
                continue
            metadata = session.call("kms", "describe_key", missing=_MISSING, KeyId=arn).get("KeyMetadata", {})
            if metadata.get("KeyState") != "PendingDeletion":
                continue
            if all(self._form(metadata)[name] == wanted[name] for name in _IMMUTABLE):
                session.call("kms", "cancel_key_deletion", KeyId=metadata["KeyId"])
                return self._details(session, {**metadata, "KeyState": "Disabled", "Enabled": False}, tags)
        return None

    def _unlisted(self, session: Session, wanted: Wanted) -> Observed | None:
        """Return the key that an interrupted run made just now, before it could give it an alias.

        KMS has no client tokens, and the tagging API may not know the key for some seconds yet: KMS itself does.
        """
        known = {arn.rpartition("/")[2] for arn in tagged(session, wanted.tags[STACK_TAG], ["kms:key"])}
        aliased = {item.get("TargetKeyId") for item in session.pages("kms", "list_aliases", "Aliases")}
        listed = [item["KeyId"] for item in session.pages("kms", "list_keys", "Keys")]
        strangers = [key_id for key_id in listed if key_id not in known | aliased]
        for key_id, tags in zip(strangers, session.each(lambda item: key_tags(session, item), strangers), strict=True):
            if tags.get(ADDRESS_TAG) == wanted.address and is_ours(tags, wanted.tags):
                found = self._get(session, key_id, tags)
                if found is not None and all(found.properties[name] == wanted[name] for name in _IMMUTABLE):
                    return found
        return None

    def _get(self, session: Session, key_id: str, tags: Mapping[str, str]) -> Observed | None:
        metadata = session.call("kms", "describe_key", missing=_MISSING, KeyId=key_id).get("KeyMetadata", {})
        if metadata.get("KeyState") not in _STATES:
            return None
        return self._details(session, metadata, tags)

    def _details(self, session: Session, metadata: Mapping[str, Any], tags: Mapping[str, str]) -> Observed:
        key_id = metadata["KeyId"]
        policy = session.call("kms", "get_key_policy", KeyId=key_id, PolicyName="default").get("Policy")
        more = {"policy": _observed_policy(session, policy), "enable_key_rotation": False}
        if metadata.get("KeySpec", "SYMMETRIC_DEFAULT") == "SYMMETRIC_DEFAULT":
            rotation = session.call("kms", "get_key_rotation_status", KeyId=key_id)
            more["enable_key_rotation"] = rotation.get("KeyRotationEnabled", False)
            more["rotation_period_in_days"] = rotation.get("RotationPeriodInDays")
        return self._observed(metadata, tags, more)

    def _observed(self, metadata: Mapping[str, Any], tags: Mapping[str, str], more: Mapping[str, Any]) -> Observed:
        return Observed(
            id=metadata["KeyId"],
            properties={
                "description": metadata.get("Description", ""),
                **self._form(metadata),
                "enabled": metadata.get("Enabled", True),
                "pending_window_in_days": window_of(tags),
                **more,
            },
            attributes={"arn": metadata["Arn"]},
            tags=tags,
            state=_STATES.get(metadata.get("KeyState", "Enabled"), "ready"),
        )

    @staticmethod
    def _form(metadata: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "key_spec": metadata.get("KeySpec", "SYMMETRIC_DEFAULT"),
            "key_usage": metadata.get("KeyUsage", "ENCRYPT_DECRYPT"),
            "multi_region": metadata.get("MultiRegion", False),
        }


def aliases(session: Session, scope: Scope) -> list[Mapping[str, Any]]:
    """Return all aliases of the account in the Region."""
    return once(session, scope, "kms aliases", lambda: session.pages("kms", "list_aliases", "Aliases"))


def key_tags(session: Session, key_id: str) -> dict[str, str]:
    """Return the tags of a key; none where there is no such key or it is AWS's own."""
    missing = [*_MISSING, "AccessDeniedException"]
    return tag_dict(
        session.pages("kms", "list_resource_tags", "Tags", missing=missing, KeyId=key_id), "TagKey", "TagValue"
    )


def _tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"TagKey": key, "TagValue": value} for key, value in tags.items()]
