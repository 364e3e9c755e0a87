# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GuardDuty in an account and Region."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from .._engine.kind import Kind, Observed, Property, Scope, Wanted
from ._guardduty import MISSING, SERVICE, detector, features_of, members_of, same_features
from ._session import Session
from ._shapes import request, violations


class GuarddutyDetector(Kind):
    """The one detector (https://docs.aws.amazon.com/guardduty/latest/APIReference/API_CreateDetector.html).

    One that is there already is taken as it is: an account has at most one in a Region.
    """

    name = "guardduty_detector"
    properties: ClassVar[Mapping[str, Property]] = {
        "enable": Property("bool", default=True, doc="Whether it looks at anything, or is suspended."),
        "finding_publishing_frequency": Property(
            "str", default="FIFTEEN_MINUTES", doc="How often EventBridge is told of findings that go on."
        ),
        "features": Property(
            "set",
            default=[],
            same=same_features,
            doc="C(name), C(status) and C(additional_configuration) of the features that are managed.",
        ),
    }
    key = ()
    taggable = False

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """Get the detector, if there is one."""
        found = detector(session, scope)
        return [self._get(session, found)] if found and scope.declared.get(self.name) else []

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Create it, with all that is wanted of it."""
        given = request(SERVICE, "CreateDetector", members_of(wanted.properties, "status"))
        made = session.call(SERVICE, "create_detector", ClientToken=token, **given)["DetectorId"]
        return Observed(made, wanted.properties)

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Write what differs; features that aren't declared stay as they are."""
        given = {name: value for name, value in wanted.properties.items() if name in changed}
        session.call(
            SERVICE,
            "update_detector",
            DetectorId=observed.id,
            **request(SERVICE, "UpdateDetector", members_of(given, "status")),
        )
        return observed

    def delete(self, session: Session, observed: Observed) -> None:
        """Switch GuardDuty off; members of an administrator are let go before, and not taken in again.

        https://docs.aws.amazon.com/guardduty/latest/APIReference/API_DisassociateMembers.html
        """
        of: dict[str, Any] = {"DetectorId": observed.id}
        if observed.id not in session.pages(SERVICE, "list_detectors", "DetectorIds"):
            return
        # Only an administrator has a configuration of the organization.
        configured = session.call(SERVICE, "describe_organization_configuration", missing=MISSING, **of)
        if configured.get("AutoEnableOrganizationMembers", "NONE") != "NONE":
            session.call(SERVICE, "update_organization_configuration", AutoEnableOrganizationMembers="NONE", **of)
        ids = [item["AccountId"] for item in session.pages(SERVICE, "list_members", "Members", **of)]
        for start in range(0, len(ids), 50):
            some = ids[start : start + 50]
            for operation in ("disassociate_members", "delete_members"):
                session.call(SERVICE, operation, AccountIds=some, **of)
        session.call(SERVICE, "delete_detector", **of)

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check against the API's model."""
        return violations(SERVICE, "CreateDetector", properties)

    @staticmethod
    def _get(session: Session, detector_id: str) -> Observed:
        found = session.call(SERVICE, "get_detector", DetectorId=detector_id)
        return Observed(
            id=detector_id,
            properties={
                "enable": found["Status"] == "ENABLED",
                "finding_publishing_frequency": found.get("FindingPublishingFrequency"),
                "features": features_of(found.get("Features"), "Status"),
            },
        )
