# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What EC2 does by default in an account and Region."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from .._engine.kind import Kind, Observed, Property, Scope, Wanted
from ._session import Session
from ._shapes import from_api, request, violations

_UNBLOCKED = "unblocked"
_ID = "ec2"


class Ec2AccountSettings(Kind):
    """Who may be given snapshots and AMIs, and what new instances let others do.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_EnableSnapshotBlockPublicAccess.html
    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_EnableImageBlockPublicAccess.html
    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyInstanceMetadataDefaults.html
    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_EnableSerialConsoleAccess.html
    """

    name = "ec2_account_settings"
    properties: ClassVar[Mapping[str, Property]] = {
        "snapshot_block_public_access": Property(
            "str",
            default="block-all-sharing",
            choices=("block-all-sharing", "block-new-sharing", _UNBLOCKED),
            doc="Whether EBS snapshots can be shared with everybody.",
        ),
        "image_block_public_access": Property(
            "str",
            default="block-new-sharing",
            choices=("block-new-sharing", _UNBLOCKED),
            doc="Whether AMIs can be shared with everybody.",
        ),
        "instance_metadata_defaults": Property(
            "dict",
            default={"http_tokens": "required", "http_put_response_hop_limit": 2},
            doc="C(http_tokens), C(http_put_response_hop_limit), C(http_endpoint), C(instance_metadata_tags) of "
            "instances that are started without a word about them.",
        ),
        "serial_console_access": Property("bool", default=False, doc="Whether instances' serial consoles can be used."),
    }
    taggable = False
    preexisting = True

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """Get all four, side by side."""
        if not scope.declared.get(self.name):
            return []
        asked: dict[str, Callable[[], Any]] = {
            "snapshot_block_public_access": lambda: session.call("ec2", "get_snapshot_block_public_access_state")[
                "State"
            ],
            "image_block_public_access": lambda: session.call("ec2", "get_image_block_public_access_state")[
                "ImageBlockPublicAccessState"
            ],
            "instance_metadata_defaults": lambda: from_api(
                "ec2",
                "InstanceMetadataDefaultsResponse",
                session.call("ec2", "get_instance_metadata_defaults").get("AccountLevel", {}),
            ),
            "serial_console_access": lambda: session.call("ec2", "get_serial_console_access_status")[
                "SerialConsoleAccessEnabled"
            ],
        }
        answers = session.each(lambda ask: ask(), asked.values())
        return [Observed(_ID, dict(zip(asked, answers, strict=True)))]

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Set all: they are there always."""
        return self.update(session, Observed(_ID, wanted.properties), wanted, frozenset(self.properties))

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Set what differs."""
        for name, what, member in (
            ("snapshot_block_public_access", "snapshot", "State"),
            ("image_block_public_access", "image", "ImageBlockPublicAccessState"),
        ):
            if name in changed:
                state = wanted[name]
                operation = "disable" if state == _UNBLOCKED else "enable"
                given = {} if state == _UNBLOCKED else {member: state}
                session.call("ec2", f"{operation}_{what}_block_public_access", **given)
        if "instance_metadata_defaults" in changed:
            defaults = wanted["instance_metadata_defaults"]
            session.call(
                "ec2",
                "modify_instance_metadata_defaults",
                **request("ec2", "ModifyInstanceMetadataDefaults", defaults),
            )
        if "serial_console_access" in changed:
            operation = "enable" if wanted["serial_console_access"] else "disable"
            session.call("ec2", f"{operation}_serial_console_access")
        return observed

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check the defaults against the API's model."""
        defaults = properties.get("instance_metadata_defaults")
        if not isinstance(defaults, Mapping):
            return []
        known = ("http_endpoint", "http_put_response_hop_limit", "http_tokens", "instance_metadata_tags")
        problems = [
            f"instance_metadata_defaults: unknown member '{name}': use one of {', '.join(known)}"
            for name in defaults
            if name not in known
        ]
        hops = defaults.get("http_put_response_hop_limit")
        if isinstance(hops, int) and not 1 <= hops <= 64:
            problems.append(f"instance_metadata_defaults: http_put_response_hop_limit {hops} is not between 1 and 64")
        return problems + violations("ec2", "ModifyInstanceMetadataDefaults", defaults)
