# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles of other stacks, or of nobody's, found by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import ClassVar

from .._engine.errors import EngineError
from .._engine.kind import Kind, Observed, Property, Scope
from ._iam import account_details
from ._session import Session


class IamRoleLookup(Kind):
    """A role (https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountAuthorizationDetails.html)."""

    name = "iam_role_lookup"
    properties: ClassVar[Mapping[str, Property]] = {
        "role_name": Property(
            "str",
            required=True,
            doc="The name, or a pattern such as V(AWSReservedSSO_Admin_*): IAM Identity Center ends names as it likes.",
        ),
    }
    attributes = ("arn", "found_name")
    key = ("role_name",)
    taggable = False
    lookup = True

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """Find each among the account's roles, which one call lists for all kinds of IAM."""
        names = scope.names(self.name, "role_name")
        if not names:
            return []
        roles = {role["RoleName"]: role["Arn"] for role in account_details(session, scope)["RoleDetailList"]}
        found = []
        for name in names:
            matching = [role for role in roles if fnmatchcase(role, name)]
            if len(matching) > 1:
                raise EngineError(
                    f"role_name {name} means {len(matching)} roles ({', '.join(sorted(matching))}): be exact"
                )
            found += [
                Observed(name, {"role_name": name}, {"arn": roles[role], "found_name": role}) for role in matching
            ]
        return found
