# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that an organization's Identity Center has, whoever made it: for an import."""

from __future__ import annotations

from .._engine.kind import Scope
from .._kinds import _identity_center
from .._kinds._session import Session
from .._kinds.account_assignment import AccountAssignment
from .._kinds.permission_set import PermissionSet
from .exported import Found


def survey(session: Session) -> Found | None:
    """Return what there is, None where Identity Center isn't enabled in the session's Region.

    Who is in groups is asked for only where the groups are Identity Center's own: one call for each.
    """
    scope = Scope("")
    instance = _identity_center.instance(session, scope)
    if instance is None:
        return None
    groups = _identity_center.groups(session, scope)
    own = [group["GroupId"] for group in groups if not group.get("ExternalIds")]
    names = _identity_center.users(session, scope) if own else {}

    def members(group: str) -> list[str]:
        found = session.pages(
            _identity_center.STORE,
            "list_group_memberships",
            "GroupMemberships",
            IdentityStoreId=instance.store,
            GroupId=group,
            MaxResults=100,
        )
        return sorted(names.get(item["MemberId"]["UserId"], "") for item in found)

    sets = _identity_center.permission_sets(session, scope, every=True)
    return Found(
        groups=groups,
        members=dict(zip(own, _identity_center.each(members, own), strict=True)),
        permission_sets=PermissionSet().read(session, scope, sets),
        assignments=AccountAssignment().read(session, scope, sets),
    )
