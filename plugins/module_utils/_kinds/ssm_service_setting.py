# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of Systems Manager in an account and Region."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from .._engine.kind import Kind, Observed, Property, Scope, Wanted
from ._session import Session
from ._shapes import violations


class SsmServiceSetting(Kind):
    """One setting, such as whether documents can be shared with everybody.

    It is never put back to AWS's default, which for most of them is the less safe one.

    https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_UpdateServiceSetting.html
    """

    name = "ssm_service_setting"
    properties: ClassVar[Mapping[str, Property]] = {
        "setting_id": Property("str", required=True, immutable=True, doc="Such as C(/ssm/documents/console/...)."),
        "setting_value": Property("str", required=True, doc="Its value."),
    }
    key = ("setting_id",)
    taggable = False
    preexisting = True

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """Get the declared ones; there is no listing."""

        def one(setting: str) -> Observed | None:
            found = session.call("ssm", "get_service_setting", missing=["ServiceSettingNotFound"], SettingId=setting)
            value = found.get("ServiceSetting", {}).get("SettingValue")
            properties = {"setting_id": setting, "setting_value": value}
            return Observed(setting, properties) if found else None

        found = session.each(one, scope.names(self.name, "setting_id"))
        return [item for item in found if item is not None]

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Set it."""
        observed = Observed(wanted["setting_id"], wanted.properties)
        return self.update(session, observed, wanted, frozenset({"setting_value"}))

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Set it."""
        session.call(
            "ssm", "update_service_setting", SettingId=wanted["setting_id"], SettingValue=wanted["setting_value"]
        )
        return observed

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check against the API's model."""
        return violations("ssm", "UpdateServiceSetting", properties)
