# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What AWS Config records in an account and Region."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from .._engine.kind import Kind, Observed, Property, Scope, Wanted
from ._session import Session
from ._shapes import from_api, to_api, violations

SERVICE = "config"
_MISSING = ("NoSuchConfigurationRecorderException",)
_NEW_ROLE = ("InvalidRoleException",)


class ConfigRecorder(Kind):
    """The recorder, of which an account has one in a Region. It records once there is a config_delivery_channel.

    https://docs.aws.amazon.com/config/latest/APIReference/API_PutConfigurationRecorder.html
    """

    name = "config_recorder"
    properties: ClassVar[Mapping[str, Property]] = {
        "name": Property("str", default="default", immutable=True, doc="AWS's own name for it is C(default)."),
        "role_arn": Property("str", required=True, doc="The role it reads with: the service-linked one."),
        "recording_group": Property(
            "dict",
            default={"all_supported": True, "include_global_resource_types": False},
            doc="C(all_supported) and C(include_global_resource_types), which should be true in one Region only, "
            "C(resource_types), or C(exclusion_by_resource_types) with C(recording_strategy).",
        ),
        "recording_mode": Property(
            "dict", default={"recording_frequency": "CONTINUOUS"}, doc="C(recording_frequency) CONTINUOUS or DAILY."
        ),
    }
    key = ("name",)
    taggable = False

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """Describe what the account has made; recorders of AWS's services are theirs."""
        if not scope.declared.get(self.name):
            return []
        found = session.call(SERVICE, "describe_configuration_recorders").get("ConfigurationRecorders", [])
        return [self._observed(item) for item in found if not item.get("servicePrincipal")]

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Write it."""
        return self.update(session, Observed(wanted["name"], wanted.properties), wanted, frozenset(self.properties))

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Write it whole, as the API has it."""
        recorder = {
            "name": wanted["name"],
            "roleARN": wanted["role_arn"],
            "recordingGroup": to_api(SERVICE, "RecordingGroup", wanted["recording_group"]),
            "recordingMode": to_api(SERVICE, "RecordingMode", wanted["recording_mode"]),
        }
        session.call(
            SERVICE, "put_configuration_recorder", retry_on=_NEW_ROLE, attempts=6, ConfigurationRecorder=recorder
        )
        return observed

    def delete(self, session: Session, observed: Observed) -> None:
        """Delete it; what it has delivered stays in the bucket."""
        session.call(SERVICE, "delete_configuration_recorder", missing=_MISSING, ConfigurationRecorderName=observed.id)

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check against the API's model."""
        recorder = {name: properties.get(name) for name in ("name", "recording_group", "recording_mode")}
        return violations(SERVICE, "PutConfigurationRecorder", {"configuration_recorder": recorder})

    @staticmethod
    def _observed(item: Mapping[str, Any]) -> Observed:
        mode = from_api(SERVICE, "RecordingMode", item.get("recordingMode", {}))
        return Observed(
            id=item["name"],
            properties={
                "name": item["name"],
                "role_arn": item.get("roleARN"),
                "recording_group": from_api(SERVICE, "RecordingGroup", item.get("recordingGroup", {})),
                "recording_mode": {"recording_frequency": "CONTINUOUS", **mode},
            },
        )
