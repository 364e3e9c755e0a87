# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where AWS Config delivers to in an account and Region."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from .._engine.kind import Kind, Observed, Property, Scope, Wanted
from ._session import Session
from ._shapes import violations

SERVICE = "config"
_MISSING = ("NoSuchDeliveryChannelException", "NoSuchConfigurationRecorderException")
_MEMBERS = {
    "name": "name",
    "s3_bucket_name": "s3BucketName",
    "s3_key_prefix": "s3KeyPrefix",
    "s3_kms_key_arn": "s3KmsKeyArn",
    "sns_topic_arn": "snsTopicARN",
}


class ConfigDeliveryChannel(Kind):
    """The channel, of which an account has one in a Region, and whether the recorder records into it.

    AWS starts a recorder only when there is a channel, and deletes a channel only when the recorder is stopped.

    https://docs.aws.amazon.com/config/latest/APIReference/API_PutDeliveryChannel.html
    https://docs.aws.amazon.com/config/latest/APIReference/API_StartConfigurationRecorder.html
    """

    name = "config_delivery_channel"
    properties: ClassVar[Mapping[str, Property]] = {
        "name": Property("str", default="default", immutable=True, doc="AWS's own name for it is C(default)."),
        "configuration_recorder_name": Property("str", required=True, doc="The recorder that records into it."),
        "recording": Property("bool", default=True, doc="Whether the recorder runs."),
        "s3_bucket_name": Property("str", required=True, doc="The bucket, which may be another account's."),
        "s3_key_prefix": Property("str", default="", doc="What its keys begin with."),
        "s3_kms_key_arn": Property("str", default="", doc="The key that it is encrypted with; empty for the bucket's."),
        "sns_topic_arn": Property("str", default="", doc="Where changes are told; empty for nowhere."),
        "delivery_frequency": Property("str", default="TwentyFour_Hours", doc="How often snapshots are delivered."),
    }
    key = ("name",)
    taggable = False

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """Describe the channel, and how the recorder does."""
        if not scope.declared.get(self.name):
            return []
        channels = session.call(SERVICE, "describe_delivery_channels").get("DeliveryChannels", [])
        if not channels:
            return []
        listed = session.call(SERVICE, "describe_configuration_recorder_status")["ConfigurationRecordersStatus"]
        own = [item for item in listed if not item.get("servicePrincipal")]
        return [self._observed(item, own) for item in channels]

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Write it, then start the recorder."""
        observed = Observed(wanted["name"], {**wanted.properties, "recording": False})
        return self.update(session, observed, wanted, frozenset(self.properties))

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Write it whole, as the API has it; start or stop the recorder."""
        recorder: dict[str, Any] = {"ConfigurationRecorderName": wanted["configuration_recorder_name"]}
        if changed - {"recording"}:
            channel = {api: wanted[name] for name, api in _MEMBERS.items() if wanted.get(name)}
            snapshots = {"configSnapshotDeliveryProperties": {"deliveryFrequency": wanted["delivery_frequency"]}}
            # The bucket's policy may be seconds old.
            session.call(
                SERVICE,
                "put_delivery_channel",
                retry_on=["InsufficientDeliveryPolicyException"],
                attempts=6,
                DeliveryChannel={**channel, **snapshots},
            )
        if changed & {"recording", "configuration_recorder_name"}:
            session.call(SERVICE, f"{'start' if wanted['recording'] else 'stop'}_configuration_recorder", **recorder)
        return observed

    def delete(self, session: Session, observed: Observed) -> None:
        """Stop the recorder, and delete the channel."""
        recorder = observed.properties.get("configuration_recorder_name")
        if recorder:
            session.call(SERVICE, "stop_configuration_recorder", missing=_MISSING, ConfigurationRecorderName=recorder)
        session.call(SERVICE, "delete_delivery_channel", missing=_MISSING, DeliveryChannelName=observed.id)

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check against the API's model."""
        channel = {name: properties.get(name) or None for name in ("name", "s3_bucket_name", "s3_key_prefix")}
        channel["config_snapshot_delivery_properties"] = {"delivery_frequency": properties.get("delivery_frequency")}
        return violations(SERVICE, "PutDeliveryChannel", {"delivery_channel": channel})

    @staticmethod
    def _observed(item: Mapping[str, Any], recorders: Iterable[Mapping[str, Any]]) -> Observed:
        recorder = next(iter(recorders), {})
        snapshots = item.get("configSnapshotDeliveryProperties", {})
        return Observed(
            id=item["name"],
            properties={
                **{name: item.get(api, "") for name, api in _MEMBERS.items()},
                "configuration_recorder_name": recorder.get("name", ""),
                "recording": recorder.get("recording", False),
                "delivery_frequency": snapshots.get("deliveryFrequency"),
            },
        )
