# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The organization itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from .._engine.errors import EngineError
from .._engine.kind import Kind, Observed, Property, Scope, Wanted
from . import _organizations
from ._session import Session
from ._shapes import violations

_BY_POLICY_TYPE = frozenset({"tagpolicies.tag.amazonaws.com"})
"""Enabled by AWS together with a policy type
(https://docs.aws.amazon.com/organizations/latest/userguide/services-that-can-integrate-tag-policies.html)."""


def _same_services(wanted: Any, observed: Any) -> bool:
    return set(wanted) == set(observed or ()) - (_BY_POLICY_TYPE - set(wanted))


class Organization(Kind):
    """The organization of the management account: made, or taken as it is, and never deleted.

    AWS itself refuses to delete one that has members, and closed accounts stay members for 90 days.

    https://docs.aws.amazon.com/organizations/latest/APIReference/API_CreateOrganization.html
    """

    name = "organization"
    central = True
    properties: ClassVar[Mapping[str, Property]] = {
        "feature_set": Property(
            "str", default="ALL", immutable=True, choices=("ALL",), doc="Policies need all features."
        ),
        "service_access_principals": Property(
            "set", same=_same_services, doc="The services that may act in all accounts (trusted access)."
        ),
    }
    attributes = ("arn", "management_account_id", "management_account_email")
    key = ("feature_set",)
    taggable = False
    preexisting = True

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """Describe the organization, if all its features are enabled; there is at most one."""
        found = _describe(session)
        if found is None or found["FeatureSet"] != "ALL":
            return []
        if found["MasterAccountId"] != session.account_id:
            raise EngineError(
                f"account {session.account_id} is a member of organization {found['Id']}, whose management account is "
                f"{found['MasterAccountId']}: use credentials of the management account"
            )
        services = session.pages(
            _organizations.SERVICE, "list_aws_service_access_for_organization", "EnabledServicePrincipals"
        )
        return [self._observed(found, [service["ServicePrincipal"] for service in services])]

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Create the organization; the caller's account becomes its management account."""
        made = _organizations.change(session, "create_organization", FeatureSet=wanted["feature_set"])
        return self.update(session, self._observed(made["Organization"], []), wanted, frozenset())

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Give services access to the organization, and take it from others."""
        there = set(observed.properties["service_access_principals"])
        declared = set(wanted.get("service_access_principals", there))
        for principal in sorted(declared - there):
            _organizations.change(session, "enable_aws_service_access", ServicePrincipal=principal)
        for principal in sorted(there - declared - _BY_POLICY_TYPE):
            _organizations.change(session, "disable_aws_service_access", ServicePrincipal=principal)
        return observed

    def ready(self, session: Session, observed: Observed) -> Observed | None:
        """Wait until the new organization has its root."""
        return observed if _organizations.root(session) is not None else None

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check against the API's model, and the form of service principals."""
        problems = violations(_organizations.SERVICE, "CreateOrganization", properties)
        for principal in properties.get("service_access_principals") or ():
            if isinstance(principal, str) and not principal.endswith((".amazonaws.com", ".amazonaws.com.cn")):
                problems.append(f"'{principal}' is not a service principal such as cloudtrail.amazonaws.com")
        return problems

    def loses(self, observed: Observed, properties: Mapping[str, Any]) -> list[str]:
        """Say which services would lose their access: they may be in use by somebody."""
        there = set(observed.properties["service_access_principals"])
        lost = there - set(properties.get("service_access_principals", there)) - _BY_POLICY_TYPE
        return [f"it takes trusted access from {', '.join(sorted(lost))}"] if lost else []

    def preflight(self, session: Session, wanted: Sequence[Mapping[str, Any]]) -> list[str]:
        """Say what a person has to do where there is an organization for consolidated billing only."""
        found = _describe(session)
        if found is None or found["FeatureSet"] == "ALL":
            return []
        page = "https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_org_support-all-features.html"
        return [f"organization {found['Id']} is for consolidated billing only: enable all features first ({page})"]

    @staticmethod
    def _observed(found: Mapping[str, Any], services: list[str]) -> Observed:
        return Observed(
            id=found["Id"],
            properties={"feature_set": found["FeatureSet"], "service_access_principals": services},
            attributes={
                "arn": found["Arn"],
                "management_account_id": found["MasterAccountId"],
                "management_account_email": found["MasterAccountEmail"],
            },
        )


def _describe(session: Session) -> dict[str, Any] | None:
    found = session.call(_organizations.SERVICE, "describe_organization", missing=[_organizations.NOT_IN_USE])
    return found.get("Organization")
