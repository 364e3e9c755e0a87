# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The account that a security service is delegated to, in a Region."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from .._engine.kind import Kind, Observed, Property, Scope, Wanted
from . import _organizations
from ._session import Session


@dataclass(frozen=True)
class _Service:
    """How a service is told, and tells, who administers it.

    :param account: the parameter that has the account.
    :param listed: the listing's operation, its member, and the member of an item that has the account.
    """

    client: str
    enable: str
    disable: str
    account: str
    disable_account: str
    listed: tuple[str, str, str]


SERVICES: Mapping[str, _Service] = {
    "guardduty": _Service(
        "guardduty",
        "enable_organization_admin_account",
        "disable_organization_admin_account",
        "AdminAccountId",
        "AdminAccountId",
        ("list_organization_admin_accounts", "AdminAccounts", "AdminAccountId"),
    ),
    "cloudtrail": _Service(
        "cloudtrail",
        "register_organization_delegated_admin",
        "deregister_organization_delegated_admin",
        "MemberAccountId",
        "DelegatedAdminAccountId",
        ("", "", ""),
    ),
}
_NO_ADMIN = ("AccountNotRegisteredException", "BadRequestException")


class ServiceOrganizationAdmin(Kind):
    """Who administers a security service for the organization; the management account says so.

    GuardDuty asks in each Region
    (https://docs.aws.amazon.com/guardduty/latest/APIReference/API_EnableOrganizationAdminAccount.html). CloudTrail asks
    once, and its own API makes the roles that it needs, which that of Organizations doesn't
    (https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_RegisterOrganizationDelegatedAdmin.html).
    """

    name = "service_organization_admin"
    central = True
    properties: ClassVar[Mapping[str, Property]] = {
        "service": Property(
            "str", required=True, immutable=True, choices=tuple(SERVICES), doc="The service that is delegated."
        ),
        "account_id": Property("str", required=True, immutable=True, doc="The account that it is delegated to."),
    }
    key = ("service",)
    taggable = False

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """Ask each declared service, side by side."""
        names = scope.names(self.name, "service")
        return [item for found in session.each(lambda name: _listed(session, name), names) for item in found]

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Delegate; a service takes a moment to know of a new account."""
        service = SERVICES[wanted["service"]]
        session.call(
            service.client,
            service.enable,
            retry_on=["AccountNotFoundException", "ConflictException"],
            missing=["AccountRegisteredException"],
            attempts=6,
            **{service.account: wanted["account_id"]},
        )
        return _observed(wanted["service"], wanted["account_id"])

    def delete(self, session: Session, observed: Observed) -> None:
        """Take the delegation back."""
        service = SERVICES[observed.properties["service"]]
        session.call(
            service.client,
            service.disable,
            missing=_NO_ADMIN,
            **{service.disable_account: observed.properties["account_id"]},
        )

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check that the account is one."""
        account = properties["account_id"]
        if isinstance(account, str) and not (len(account) == 12 and account.isdigit()):
            return [f"account_id: {account!r} is not 12 digits"]
        return []


def _listed(session: Session, name: str) -> list[Observed]:
    service = SERVICES[name]
    operation, key, member = service.listed
    if not operation:
        accounts = session.pages(
            "organizations",
            "list_delegated_administrators",
            "DelegatedAdministrators",
            missing=[_organizations.NOT_IN_USE],
            ServicePrincipal="cloudtrail.amazonaws.com",
        )
        return [_observed(name, item["Id"]) for item in accounts]
    # While there is no organization, GuardDuty has no better word for it.
    found = session.pages(service.client, operation, key, missing=["BadRequestException"])
    return [_observed(name, item[member]) for item in found]


def _observed(service: str, account: str) -> Observed:
    return Observed(f"{service}/{account}", {"service": service, "account_id": account})
