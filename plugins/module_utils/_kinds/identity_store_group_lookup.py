# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups that an identity provider brings to IAM Identity Center."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from .._engine.kind import Kind, Observed, Property, Scope
from ._identity_center import groups
from ._session import Session


class IdentityStoreGroupLookup(Kind):
    """A group by its name (https://docs.aws.amazon.com/singlesignon/latest/IdentityStoreAPIReference/API_ListGroups.html)."""

    name = "identity_store_group_lookup"
    properties: ClassVar[Mapping[str, Property]] = {
        "display_name": Property("str", required=True, doc="Its name, as the identity provider pushes it by SCIM."),
    }
    attributes = ("arn",)
    key = ("display_name",)
    taggable = False
    lookup = True

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """Find each among all groups, which are listed once."""
        names = set(scope.names(self.name, "display_name"))
        if not names:
            return []
        return [
            Observed(item["GroupId"], {"display_name": item["DisplayName"]}, {"arn": item.get("GroupArn")})
            for item in groups(session, scope)
            if item.get("DisplayName") in names
        ]
