# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Member accounts of an organization."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from .._engine.errors import EngineError
from .._engine.kind import ADDRESS_TAG, STACK_TAG, Kind, Observed, Pending, Property, Scope, Wanted
from . import _organizations
from ._session import Session
from ._shapes import request, violations
from ._tags import tag_list

_FAILURES = {
    "ACCOUNT_LIMIT_EXCEEDED": "the organization's quota of accounts is used up: ask for a higher one (Service Quotas, "
    "AWS Organizations), then run this again",
    "EMAIL_ALREADY_EXISTS": "the e-mail address {email} belongs to another AWS account, perhaps a closed one: give "
    "another address, or invite that account into the organization and list this address in `adopt`",
    "INVALID_EMAIL": "AWS does not accept the e-mail address {email}: correct it",
    "INVALID_ADDRESS": "AWS does not accept the postal address of the management account: correct it there",
    "CONCURRENT_ACCOUNT_MODIFICATION": "AWS was busy with another account: run this again",
    "INTERNAL_FAILURE": "AWS had an internal failure: run this again",
    "MISSING_PAYMENT_INSTRUMENT": "the management account has no valid payment method: add one, then run this again",
    "INVALID_PAYMENT_INSTRUMENT": "the management account has no valid payment method: add one, then run this again",
}
"""What to do about each documented reason
(https://docs.aws.amazon.com/organizations/latest/APIReference/API_CreateAccountStatus.html)."""

_REQUEST = "car-"
"""What the id of a request to create an account begins with."""


class OrganizationAccount(Kind):
    """A member account (https://docs.aws.amazon.com/organizations/latest/APIReference/API_CreateAccount.html)."""

    name = "organization_account"
    central = True
    properties: ClassVar[Mapping[str, Property]] = {
        "account_name": Property("str", required=True, doc="What people call it."),
        "email": Property(
            "str", required=True, immutable=True, doc="The address of its root user, unique in all of AWS."
        ),
        "parent_id": Property("str", doc="The root or unit it is in."),
        "role_name": Property(
            "str",
            default="OrganizationAccountAccessRole",
            write_only=True,
            doc="The role, made with the account, by which the management account gets into it.",
        ),
        "iam_user_access_to_billing": Property(
            "str", default="ALLOW", write_only=True, doc="Whether its IAM users may see its bills."
        ),
    }
    attributes = ("arn", "status")
    key = ("email",)
    holds_data = True
    timeout = 1800
    tag = _organizations.tag

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """List the accounts that are declared or the stack's own, and those that AWS is still making."""
        # First those in progress: one that is finished meanwhile is among the accounts then.
        in_progress = self._in_progress(session, scope)
        accounts = _accounts(session)
        if not accounts:
            return []
        ours = _organizations.owned(session, scope)
        emails = {email.lower(): email for email in scope.names(self.name, "email")}
        found = [
            account
            for account in accounts
            if _organizations.is_open(account)
            and account["Id"] != session.account_id
            and (account["Email"].lower() in emails or account["Arn"] in ours)
        ]
        observed = session.each(lambda account: self._read(session, account, emails), found)
        there = {item.properties["email"] for item in observed}
        return [*observed, *(item for item in in_progress if item.properties["email"] not in there)]

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Ask for the account with its tags; it is moved to its parent as soon as it is there."""
        status = _organizations.change(
            session,
            "create_account",
            Tags=tag_list(wanted.tags),
            **request(_organizations.SERVICE, "CreateAccount", {**wanted.properties, "tags": None}),
        )["CreateAccountStatus"]
        return Observed(status["Id"], wanted.properties, tags=wanted.tags, state="pending")

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Rename and move the account; renaming needs trusted access for account.amazonaws.com."""
        if "account_name" in changed:
            session.call("account", "put_account_name", AccountId=observed.id, AccountName=wanted["account_name"])
        if "parent_id" in changed:
            _organizations.move(session, observed.id, observed.properties["parent_id"], wanted["parent_id"])
        return observed

    def delete(self, session: Session, observed: Observed) -> None:
        """Move the account to the root, since a closed one would keep its unit for 90 days more, and close it."""
        if observed.id.startswith(_REQUEST):
            raise EngineError(f"AWS is still creating account '{observed.properties['account_name']}': run this again")
        root = _organizations.root(session)
        if root is not None and observed.properties["parent_id"] != root["Id"]:
            _organizations.move(session, observed.id, observed.properties["parent_id"], root["Id"])
        _organizations.change(
            session,
            "close_account",
            missing=("AccountAlreadyClosedException", "AccountNotFoundException"),
            AccountId=observed.id,
        )

    def ready(self, session: Session, observed: Observed) -> Observed | Pending:
        """Wait for the request, then for the account; say why when AWS gave up."""
        account_id, destination = observed.id, None
        if observed.id.startswith(_REQUEST):
            status = session.call(
                _organizations.SERVICE, "describe_create_account_status", CreateAccountRequestId=observed.id
            )["CreateAccountStatus"]
            if status["State"] == "FAILED":
                reason = status.get("FailureReason", "")
                advice = _FAILURES.get(reason, "AWS gives no other reason").format(email=observed.properties["email"])
                raise EngineError(f"account '{status.get('AccountName')}' could not be created ({reason}): {advice}")
            if status["State"] != "SUCCEEDED":
                return Pending(status["State"])
            account_id, destination = status["AccountId"], observed.properties.get("parent_id")
        account = session.call(
            _organizations.SERVICE, "describe_account", retry_on=["AccountNotFoundException"], AccountId=account_id
        )["Account"]
        state = account.get("State") or account["Status"]
        if state == "PENDING_ACTIVATION":
            return Pending(state)
        email = observed.properties["email"]
        if account["Email"].lower() != email.lower():
            raise EngineError(
                f"account {account_id} was asked for by somebody else under the name '{account['Name']}', with the "
                f"e-mail address {account['Email']} instead of {email}: choose another name, or declare that address"
            )
        found = self._read(session, account, {email.lower(): email})
        if destination and destination != found.properties["parent_id"]:
            _organizations.move(session, account_id, found.properties["parent_id"], destination)
            return replace(found, properties={**found.properties, "parent_id": destination})
        return found

    def gone(self, session: Session, observed: Observed) -> bool | Pending:
        """Wait until the account is closed; AWS keeps it for 90 days more."""
        found = session.call(
            _organizations.SERVICE, "describe_account", missing=["AccountNotFoundException"], AccountId=observed.id
        )
        state = (found["Account"].get("State") or found["Account"]["Status"]) if found else "CLOSED"
        return state in ("CLOSED", "SUSPENDED") or Pending(state)

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check against the API's model."""
        return violations(_organizations.SERVICE, "CreateAccount", {**properties, "tags": None})

    def refuse(self, observed: Observed, properties: Mapping[str, Any]) -> list[str]:
        """Refuse another e-mail address: replacing the account is never what is meant."""
        email, wanted = observed.properties["email"], properties["email"]
        if not isinstance(wanted, str) or email == wanted:
            return []
        page = "https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-update-root-user-email.html"
        return [
            f"account {observed.id} has the e-mail address {email}, not {wanted}: a person has to change it ({page})"
        ]

    def preflight(self, session: Session, wanted: Sequence[Mapping[str, Any]]) -> list[str]:
        """Say so when the e-mail address of a new account is that of a closed one, or of the management account."""
        taken = {
            account["Email"].lower(): account
            for account in _accounts(session)
            if not _organizations.is_open(account) or account["Id"] == session.account_id
        }
        return [
            f"account '{properties['account_name']}': the e-mail address {properties['email']} is that of account "
            f"{account['Id']}, which is "
            + ("the management account" if account["Id"] == session.account_id else "closed")
            + ": give another address"
            for properties in wanted
            if (account := taken.get(str(properties["email"]).lower())) is not None
        ]

    def _in_progress(self, session: Session, scope: Scope) -> list[Observed]:
        """Return the accounts that an interrupted run asked for; AWS tells their names only."""
        requests = session.pages(
            _organizations.SERVICE,
            "list_create_account_status",
            "CreateAccountStatuses",
            missing=[_organizations.NOT_IN_USE],
            States=["IN_PROGRESS"],
        )
        declared = {str(item.get("account_name")): item for item in scope.declared.get(self.name, ())}
        return [
            Observed(
                item["Id"],
                {"account_name": item["AccountName"], "email": declared[item["AccountName"]].get("email")},
                # Nobody but this stack knows the name; its own tags show when the account is there.
                tags={STACK_TAG: scope.stack, ADDRESS_TAG: f"{self.name}.{item['Id']}"},
                state="pending",
            )
            for item in {item["AccountName"]: item for item in requests}.values()
            if item["AccountName"] in declared
        ]

    def _read(self, session: Session, account: Mapping[str, Any], spelled: Mapping[str, str]) -> Observed:
        """Return an account; AWS compares e-mail addresses without regard to case, so ours is as it was declared."""
        state = account.get("State") or account["Status"]
        return Observed(
            id=account["Id"],
            properties={
                "account_name": account["Name"],
                "email": spelled.get(account["Email"].lower(), account["Email"]),
                "parent_id": _organizations.parent_of(session, account),
            },
            attributes={"arn": account["Arn"], "status": state},
            tags=_organizations.tags_of(session, account["Id"]),
            state="pending" if state == "PENDING_ACTIVATION" else "ready",
        )


def _accounts(session: Session) -> list[dict[str, Any]]:
    return session.pages(_organizations.SERVICE, "list_accounts", "Accounts", missing=[_organizations.NOT_IN_USE])
