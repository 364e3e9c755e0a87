# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The name by which people sign in to an account."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from .._engine.kind import Kind, Observed, Property, Scope, Wanted
from ._iam import MISSING
from ._session import Session
from ._shapes import violations


class IamAccountAlias(Kind):
    """The account's alias, of which there is one: another takes its place.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateAccountAlias.html
    """

    name = "iam_account_alias"
    properties: ClassVar[Mapping[str, Property]] = {
        "account_alias": Property("str", required=True, immutable=True, doc="Unique among all accounts of AWS."),
    }
    key = ("account_alias",)
    taggable = False

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """Get the account's alias, if it has one."""
        if not scope.declared.get(self.name):
            return []
        found = session.pages("iam", "list_account_aliases", "AccountAliases")
        return [Observed(alias, {"account_alias": alias}) for alias in found]

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Give the account its alias, in the place of a former one."""
        alias = wanted["account_alias"]
        session.call("iam", "create_account_alias", AccountAlias=alias)
        return Observed(alias, {"account_alias": alias})

    def delete(self, session: Session, observed: Observed) -> None:
        """Take it away; the sign-in page with the account's number goes on."""
        session.call("iam", "delete_account_alias", missing=MISSING, AccountAlias=observed.id)

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check against the API's model."""
        return violations("iam", "CreateAccountAlias", properties)
