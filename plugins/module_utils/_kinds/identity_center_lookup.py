# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IAM Identity Center of the organization, found and never made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from .._engine.kind import Kind, Observed, Property, Scope
from ._identity_center import instance
from ._session import Session


class IdentityCenterLookup(Kind):
    """The organization's instance (https://docs.aws.amazon.com/singlesignon/latest/APIReference/API_ListInstances.html).

    No API enables it: CreateInstance makes instances of single accounts, and refuses the management account
    (https://docs.aws.amazon.com/singlesignon/latest/APIReference/API_CreateInstance.html).
    """

    name = "identity_center_lookup"
    properties: ClassVar[Mapping[str, Property]] = {
        "name": Property("str", required=True, doc="What references call it; an organization has one."),
    }
    attributes = ("arn", "identity_store_id", "owner_account_id")
    key = ("name",)
    taggable = False
    lookup = True

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """List the instances of this Region."""
        names = scope.names(self.name, "name")
        found = instance(session, scope) if names else None
        if found is None:
            return []
        attributes = {"arn": found.arn, "identity_store_id": found.store, "owner_account_id": found.owner}
        return [Observed(found.arn, {"name": name}, attributes) for name in names]
