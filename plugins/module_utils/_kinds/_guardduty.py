# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kinds of GuardDuty share. An account has one detector in a Region, or none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .._engine.kind import Scope
from ._once import once
from ._session import Session

SERVICE = "guardduty"
MISSING = ("BadRequestException",)
"""GuardDuty's only code for a detector that isn't there
(https://docs.aws.amazon.com/guardduty/latest/APIReference/CommonErrors.html)."""


def detector(session: Session, scope: Scope) -> str:
    """Return the id of the detector, empty where there is none; asked for once in an observation."""

    def ask() -> str:
        return next(iter(session.pages(SERVICE, "list_detectors", "DetectorIds")), "")

    return once(session, scope, "guardduty-detector", ask)


def features_of(found: Iterable[Mapping[str, Any]] | None, value: str) -> list[dict[str, Any]]:
    """Return features as properties have them; ``value`` is ``Status`` or ``AutoEnable``."""
    name = "status" if value == "Status" else "auto_enable"
    return [
        {
            "name": item["Name"],
            name: item.get(value),
            "additional_configuration": [
                {"name": more["Name"], name: more.get(value)} for more in item.get("AdditionalConfiguration") or ()
            ],
        }
        for item in found or ()
    ]


def _flat(features: Iterable[Mapping[str, Any]] | None) -> dict[tuple[str, str], str]:
    """Return the values of features and of what belongs to them, by the names of both."""
    found = {}
    for feature in features or ():
        for name, item in [
            ("", feature),
            *((str(more["name"]), more) for more in feature.get("additional_configuration") or ()),
        ]:
            found[(str(feature["name"]), name)] = str(item.get("status") or item.get("auto_enable"))
    return found


def same_features(wanted: Any, observed: Any) -> bool:
    """Tell whether all that is declared is so; AWS lists every feature there is."""
    there = _flat(observed)
    return all(there.get(key) == value for key, value in _flat(wanted).items())


def members_of(properties: Mapping[str, Any], value: str) -> dict[str, Any]:
    """Return properties for a request: no additional configuration is left out, not given as an empty list."""
    if not properties.get("features"):
        return {name: item for name, item in properties.items() if name != "features"}
    features = [
        {
            "name": item["name"],
            value: item[value],
            **(
                {"additional_configuration": list(item["additional_configuration"])}
                if item.get("additional_configuration")
                else {}
            ),
        }
        for item in properties["features"]
    ]
    return {**properties, "features": features}
