# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules for passwords of an account's IAM users."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from .._engine.kind import Kind, Observed, Property, Scope, Wanted
from ._account import ACCOUNT, OWN
from ._iam import MISSING
from ._session import Session
from ._shapes import from_api, request, violations

# What holds where nobody ever made a policy:
# https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_passwords_account-policy.html#default-policy-details
_NOBODYS = {
    "minimum_password_length": 8,
    "require_symbols": False,
    "require_numbers": False,
    "require_uppercase_characters": False,
    "require_lowercase_characters": False,
    "allow_users_to_change_password": False,
    "max_password_age": 0,
    "password_reuse_prevention": 0,
    "hard_expiry": False,
}


class IamPasswordPolicy(Kind):
    """The account's password policy, written whole: what isn't given goes back to AWS's default.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateAccountPasswordPolicy.html
    """

    name = "iam_password_policy"
    properties: ClassVar[Mapping[str, Property]] = {
        "account": ACCOUNT,
        "minimum_password_length": Property("int", default=14, doc="6 to 128."),
        "require_symbols": Property("bool", default=True, doc="At least one of ! @ # $ and the like."),
        "require_numbers": Property("bool", default=True, doc="At least one digit."),
        "require_uppercase_characters": Property("bool", default=True, doc="At least one of A to Z."),
        "require_lowercase_characters": Property("bool", default=True, doc="At least one of a to z."),
        "allow_users_to_change_password": Property("bool", default=True, doc="Whether users may change their own."),
        "max_password_age": Property(
            "int", default=90, doc="Days until one has to be changed, 1 to 1095; 0 for never."
        ),
        "password_reuse_prevention": Property("int", default=24, doc="How many former ones are refused; 0 for none."),
        "hard_expiry": Property("bool", default=False, doc="Whether an administrator has to replace an expired one."),
    }
    key = ("account",)
    taggable = False
    preexisting = True

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """Get it, or what holds without one."""
        if not scope.declared.get(self.name):
            return []
        found = session.call("iam", "get_account_password_policy", missing=MISSING).get("PasswordPolicy", {})
        values = {**_NOBODYS, **from_api("iam", "PasswordPolicy", found)}
        return [Observed(OWN, {"account": OWN, **{name: values[name] for name in _NOBODYS}})]

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Write it: the rules are there always."""
        return self.update(session, Observed(OWN, wanted.properties), wanted, frozenset(_NOBODYS))

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Write it whole. No age and no memory of former passwords are said by leaving them out."""
        given = {name: value for name, value in wanted.properties.items() if value or name in _SAID_EVEN_IF_NOTHING}
        session.call("iam", "update_account_password_policy", **request("iam", "UpdateAccountPasswordPolicy", given))
        return observed

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check against the API's model, in which no age and no memory are left out."""
        given = {name: value for name, value in properties.items() if value or name in _SAID_EVEN_IF_NOTHING}
        return violations("iam", "UpdateAccountPasswordPolicy", given)


_SAID_EVEN_IF_NOTHING = frozenset(_NOBODYS) - {"max_password_age", "password_reuse_prevention"}
