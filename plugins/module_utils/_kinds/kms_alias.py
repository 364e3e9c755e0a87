# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Aliases of KMS keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from .._engine.kind import STACK_TAG, Kind, Observed, Property, Scope, Wanted
from ._once import owned
from ._session import Session
from ._shapes import violations
from .kms_key import aliases, key_tags

_MISSING = ("NotFoundException",)


class KmsAlias(Kind):
    """A name for a KMS key (https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateAlias.html).

    Aliases carry no tags: the stack's are those that lead to its keys, and those that it declares.
    """

    name = "kms_alias"
    properties: ClassVar[Mapping[str, Property]] = {
        "alias_name": Property("str", required=True, immutable=True, doc="C(alias/) and a name."),
        "target_key_id": Property("str", required=True, doc="The key that it leads to."),
    }
    attributes = ("arn",)
    key = ("alias_name",)
    taggable = False

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """Pick from the account's aliases."""
        keys = {arn.rpartition("/")[2] for arn in owned(session, scope, session.arn("kms", "key/"))}
        declared = set(scope.names(self.name, "alias_name"))

        def one(alias: Mapping[str, Any]) -> Observed:
            target = alias.get("TargetKeyId", "")
            ours = target in keys or (target and key_tags(session, target).get(STACK_TAG) == scope.stack)
            return self._observed(alias, "" if ours or not target else target)

        found = [
            alias
            for alias in aliases(session, scope)
            if alias["AliasName"] in declared or alias.get("TargetKeyId") in keys
        ]
        return session.each(one, found)

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Create the alias."""
        name, target = wanted["alias_name"], wanted["target_key_id"]
        session.call("kms", "create_alias", retry_on=_MISSING, attempts=6, AliasName=name, TargetKeyId=target)
        arn = session.arn("kms", name)
        return self._observed({"AliasName": name, "AliasArn": arn, "TargetKeyId": target}, "")

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Let the alias lead to another key."""
        target = wanted["target_key_id"]
        session.call("kms", "update_alias", retry_on=_MISSING, attempts=6, AliasName=observed.id, TargetKeyId=target)
        return observed

    def delete(self, session: Session, observed: Observed) -> None:
        """Delete the alias; the key stays."""
        session.call("kms", "delete_alias", missing=_MISSING, AliasName=observed.id)

    def refuse(self, observed: Observed, properties: Mapping[str, Any]) -> list[str]:
        """Leave alone an alias that leads to a key of somebody else."""
        foreign = observed.attribute("foreign")
        if not foreign or properties["target_key_id"] == foreign:
            return []
        return [f"{observed.id} exists and leads to key {foreign}, which is not this stack's: choose another name"]

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check against the API's model, and the two beginnings that the model doesn't know."""
        problems = violations("kms", "CreateAlias", properties)
        name = properties["alias_name"]
        if isinstance(name, str) and not name.startswith("alias/"):
            problems.append(f"alias_name: {name!r} does not begin with alias/")
        if isinstance(name, str) and name.startswith("alias/aws/"):
            problems.append(f"alias_name: {name!r} begins with alias/aws/, which is kept for AWS's own keys")
        return problems

    @staticmethod
    def _observed(alias: Mapping[str, Any], foreign: str) -> Observed:
        name = alias["AliasName"]
        return Observed(
            id=name,
            properties={"alias_name": name, "target_key_id": alias.get("TargetKeyId")},
            attributes={"arn": alias["AliasArn"], "foreign": foreign},
            # An alias of a stack's key that nothing declares is one too many.
            address="" if foreign else f"kms_alias.{name.removeprefix('alias/')}",
        )
