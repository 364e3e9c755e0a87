# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kinds of IAM share. IAM is global, eventually consistent, and its roles are unknown to the tagging API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._engine.kind import Property, Scope
from ._once import once
from ._session import Session

PATH = Property("str", required=True, immutable=True, doc="C(/innovate/<stack>/), by which what a stack owns is found.")
NEW_PRINCIPAL = ("MalformedPolicyDocument",)
"""A policy that names a role made seconds ago is refused at first
(https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency)."""
MISSING = ("NoSuchEntity",)


def path_of(stack: str) -> str:
    """Return the path under which a stack's roles, policies and instance profiles live."""
    return f"/innovate/{stack}/"


def account_details(session: Session, scope: Scope) -> dict[str, list[Mapping[str, Any]]]:
    """Return all roles (``RoleDetailList``) and own policies (``Policies``) of the account, with what belongs to them.

    GetAccountAuthorizationDetails gives inline and attached policies and tags of up to 1,000 roles in one call; asking
    role by role takes three calls and one for each inline policy. An account of a platform holds some dozens of roles,
    those of AWS's services included, so from the first role on this is fewer calls
    (https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountAuthorizationDetails.html).
    """

    def ask() -> dict[str, list[Mapping[str, Any]]]:
        details: dict[str, list[Mapping[str, Any]]] = {"RoleDetailList": [], "Policies": []}
        page: dict[str, Any] = {"IsTruncated": True}
        while page.get("IsTruncated"):
            marker = {"Marker": page["Marker"]} if "Marker" in page else {}
            page = session.call(
                "iam",
                "get_account_authorization_details",
                Filter=["Role", "LocalManagedPolicy"],
                MaxItems=1000,
                **marker,
            )
            for key, found in details.items():
                found.extend(page.get(key, []))
        return details

    return once(session, scope, "iam", ask)
