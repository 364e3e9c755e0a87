# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The root of an organization, and the policy types enabled in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from .._engine.errors import EngineError
from .._engine.kind import Kind, Observed, Property, Scope, Wanted
from . import _organizations
from ._session import Session
from ._shapes import violations


class OrganizationRoot(Kind):
    """The one root, which comes with the organization.

    https://docs.aws.amazon.com/organizations/latest/APIReference/API_EnablePolicyType.html
    """

    name = "organization_root"
    central = True
    properties: ClassVar[Mapping[str, Property]] = {
        "organization_id": Property("str", required=True, immutable=True, doc="The organization."),
        "policy_types": Property("set", doc="The policy types that are enabled; all others are disabled."),
    }
    attributes = ("arn",)
    key = ("organization_id",)
    taggable = False
    preexisting = True

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """List the roots; there is one."""
        found = _organizations.observed_root(session, scope)
        return [self._observed(found)] if found is not None else []

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Take the root of a new organization and enable the policy types."""
        found = _organizations.root(session)
        if found is None:
            raise EngineError(f"organization {wanted['organization_id']} has no root yet: run this again in a minute")
        return self.update(session, self._observed(found), wanted, frozenset({"policy_types"}))

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Enable and disable policy types; AWS works on one at a time."""
        there = set(observed.properties["policy_types"])
        declared = set(wanted.get("policy_types", there))
        for operation, types, missing in (
            ("enable_policy_type", declared - there, "PolicyTypeAlreadyEnabledException"),
            ("disable_policy_type", there - declared, "PolicyTypeNotEnabledException"),
        ):
            for policy_type in sorted(types):
                _organizations.change(
                    session, operation, missing=(missing,), RootId=observed.id, PolicyType=policy_type
                )
        return observed

    def ready(self, session: Session, observed: Observed) -> Observed | None:
        """Wait until no policy type is PENDING_ENABLE or PENDING_DISABLE."""
        found = _organizations.root(session)
        if found is None or any(item["Status"].startswith("PENDING") for item in found["PolicyTypes"]):
            return None
        return self._observed(found)

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check each policy type against the API's model."""
        return [
            problem
            for policy_type in properties.get("policy_types") or ()
            for problem in violations(_organizations.SERVICE, "EnablePolicyType", {"policy_type": policy_type})
        ]

    def loses(self, observed: Observed, properties: Mapping[str, Any]) -> list[str]:
        """Say which policy types would be disabled: their policies are detached everywhere by that."""
        there = set(observed.properties["policy_types"])
        lost = there - set(properties.get("policy_types", there))
        return [f"it disables {', '.join(sorted(lost))} and detaches what has such policies"] if lost else []

    @staticmethod
    def _observed(found: Mapping[str, Any]) -> Observed:
        types = [item["Type"] for item in found["PolicyTypes"] if item["Status"] in ("ENABLED", "PENDING_ENABLE")]
        # arn:aws:organizations::<management account>:root/<organization>/<root>
        return Observed(
            id=found["Id"],
            properties={"organization_id": found["Arn"].split("/")[-2], "policy_types": types},
            attributes={"arn": found["Arn"]},
        )
