# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""KMS keys of other stacks, by their aliases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from .._engine.kind import Kind, Observed, Property, Scope
from ._session import Session
from .kms_key import aliases


class KmsAliasLookup(Kind):
    """The key that an alias leads to (https://docs.aws.amazon.com/kms/latest/APIReference/API_ListAliases.html)."""

    name = "kms_alias_lookup"
    properties: ClassVar[Mapping[str, Property]] = {
        "alias_name": Property("str", required=True, doc="The alias, beginning with C(alias/)."),
    }
    attributes = ("key_arn",)
    key = ("alias_name",)
    taggable = False
    lookup = True

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """List the aliases once; one that leads nowhere isn't there."""
        names = set(scope.names(self.name, "alias_name"))
        found = [item for item in aliases(session, scope) if item["AliasName"] in names] if names else []
        return [self._observed(session, item) for item in found if item.get("TargetKeyId")]

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check the name's beginning."""
        name = properties["alias_name"]
        wrong = isinstance(name, str) and not name.startswith("alias/")
        return [f"alias_name: {name!r} does not begin with alias/"] if wrong else []

    @staticmethod
    def _observed(session: Session, found: Mapping[str, Any]) -> Observed:
        arn = session.arn("kms", f"key/{found['TargetKeyId']}")
        return Observed(found["TargetKeyId"], {"alias_name": found["AliasName"]}, {"key_arn": arn})
