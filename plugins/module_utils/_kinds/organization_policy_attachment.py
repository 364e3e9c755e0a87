# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attachments of an organization's policies to the root, units and accounts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from .._engine.kind import Kind, Observed, Property, Scope, Wanted
from . import _organizations
from ._session import Session
from ._shapes import violations
from .organization_policy import policies


class OrganizationPolicyAttachment(Kind):
    """A policy in force (https://docs.aws.amazon.com/organizations/latest/APIReference/API_AttachPolicy.html)."""

    name = "organization_policy_attachment"
    central = True
    properties: ClassVar[Mapping[str, Property]] = {
        "policy_id": Property("str", required=True, immutable=True, doc="The policy."),
        "target_id": Property("str", required=True, immutable=True, doc="The root, unit or account."),
    }
    key = ("policy_id", "target_id")
    taggable = False

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """List where the stack's policies are attached: each place that isn't declared is one too many."""
        found = policies(session, scope)
        targets = session.each(
            lambda policy: session.pages(
                _organizations.SERVICE, "list_targets_for_policy", "Targets", PolicyId=policy["Id"]
            ),
            found,
        )
        return [
            self._observed(
                policy["Id"], target["TargetId"], f"{policy['Name']}@{target['Name']} ({target['TargetId']})"
            )
            for policy, attached in zip(found, targets, strict=True)
            for target in attached
        ]

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Attach the policy."""
        _organizations.change(
            session,
            "attach_policy",
            retry_on=_organizations.UNKNOWN_YET,
            missing=("DuplicatePolicyAttachmentException",),
            PolicyId=wanted["policy_id"],
            TargetId=wanted["target_id"],
        )
        return self._observed(wanted["policy_id"], wanted["target_id"], "")

    def delete(self, session: Session, observed: Observed) -> None:
        """Detach the policy."""
        _organizations.change(
            session,
            "detach_policy",
            missing=("PolicyNotAttachedException", "PolicyNotFoundException", "TargetNotFoundException"),
            PolicyId=observed.properties["policy_id"],
            TargetId=observed.properties["target_id"],
        )

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check against the API's model."""
        return violations(_organizations.SERVICE, "AttachPolicy", properties)

    def _observed(self, policy: str, target: str, name: str) -> Observed:
        return Observed(
            id=f"{policy}@{target}",
            properties={"policy_id": policy, "target_id": target},
            address=f"{self.name}.{name}" if name else "",
        )
