# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The organization that an account is in, as every member may see it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from .._engine.kind import Kind, Observed, Property, Scope
from . import _organizations
from ._session import Session


class OrganizationLookup(Kind):
    """An account's organization; any account of it may ask.

    https://docs.aws.amazon.com/organizations/latest/APIReference/API_DescribeOrganization.html
    """

    name = "organization_lookup"
    properties: ClassVar[Mapping[str, Property]] = {
        "name": Property("str", required=True, doc="What references call it; an account is in one organization."),
    }
    attributes = (
        "account_id",
        "account_principal",
        "arn",
        "management_account_id",
        "management_account_principal",
        "partition",
    )
    key = ("name",)
    taggable = False
    lookup = True

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """Describe it."""
        names = scope.names(self.name, "name")
        if not names:
            return []
        missing = [_organizations.NOT_IN_USE]
        found = session.call("organizations", "describe_organization", missing=missing).get("Organization")
        return [self._observed(session, name, found) for name in names] if found else []

    @staticmethod
    def _observed(session: Session, name: str, found: Mapping[str, Any]) -> Observed:
        account = found["MasterAccountId"]
        attributes = {
            "arn": found["Arn"],
            "account_id": session.account_id,
            "account_principal": session.arn("iam", "root", region=""),
            "management_account_id": account,
            "management_account_principal": session.arn("iam", "root", region="", account=account),
            "partition": session.partition,
        }
        return Observed(found["Id"], {"name": name}, attributes)
