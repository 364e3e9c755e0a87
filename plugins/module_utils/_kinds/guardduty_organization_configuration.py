# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which accounts of the organization have GuardDuty in a Region, and what it looks at there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from .._engine.kind import Kind, Observed, Property, Scope, Wanted
from ._guardduty import MISSING, SERVICE, detector, features_of, members_of, same_features
from ._session import Session
from ._shapes import request, violations


class GuarddutyOrganizationConfiguration(Kind):
    """What the delegated administrator has GuardDuty do in all accounts, those to come included.

    https://docs.aws.amazon.com/guardduty/latest/APIReference/API_UpdateOrganizationConfiguration.html
    """

    name = "guardduty_organization_configuration"
    central = True
    properties: ClassVar[Mapping[str, Property]] = {
        "detector_id": Property("str", required=True, immutable=True, doc="The administrator's detector."),
        "auto_enable_organization_members": Property(
            "str", default="ALL", choices=("ALL", "NEW", "NONE"), doc="Which accounts have GuardDuty."
        ),
        "features": Property(
            "set",
            default=[],
            same=same_features,
            doc="C(name), C(auto_enable) and C(additional_configuration) of the features that are managed.",
        ),
    }
    key = ("detector_id",)
    taggable = False
    preexisting = True

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """Get the configuration of the detector there is."""
        found = detector(session, scope)
        if not found or not scope.declared.get(self.name):
            return []
        configuration = session.call(SERVICE, "describe_organization_configuration", missing=MISSING, DetectorId=found)
        return [self._observed(found, configuration)] if configuration else []

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Write all of it, as soon as the detector is there."""
        observed = Observed(wanted["detector_id"], {"detector_id": wanted["detector_id"]})
        return self.update(session, observed, wanted, frozenset(("auto_enable_organization_members", "features")))

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Write it; which accounts are meant has to be said each time."""
        given = {
            name: value
            for name, value in wanted.properties.items()
            if name in (*changed, "auto_enable_organization_members")
        }
        session.call(
            SERVICE,
            "update_organization_configuration",
            # The delegation may have been given a moment ago.
            retry_on=["BadRequestException"],
            attempts=6,
            DetectorId=observed.id,
            **request(SERVICE, "UpdateOrganizationConfiguration", members_of(given, "auto_enable")),
        )
        return observed

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check against the API's model."""
        return violations(SERVICE, "UpdateOrganizationConfiguration", properties)

    @staticmethod
    def _observed(detector_id: str, found: Mapping[str, Any]) -> Observed:
        return Observed(
            id=detector_id,
            properties={
                "detector_id": detector_id,
                "auto_enable_organization_members": found.get("AutoEnableOrganizationMembers"),
                "features": features_of(found.get("Features"), "AutoEnable"),
            },
        )
