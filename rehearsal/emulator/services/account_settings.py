# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an account has in each Region without anybody making it: defaults of EC2 and settings of Systems Manager.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetInstanceMetadataDefaults.html
https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetServiceSetting.html
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import Any

from rehearsal.emulator.errors import AwsError
from rehearsal.emulator.registry import Call, operation
from rehearsal.emulator.services.common import ec2, key_by_id

_AWS_OWN_KEY = "alias/aws/ebs"
_SHARING = "/ssm/documents/console/public-sharing-permission"
#: The settings there are, with AWS's defaults.
SETTINGS = {
    _SHARING: "Enable",
    "/ssm/managed-instance/activation-tier": "standard",
    "/ssm/managed-instance/default-ec2-instance-management-role": "$None",
    "/ssm/parameter-store/default-parameter-tier": "Standard",
    "/ssm/parameter-store/high-throughput-enabled": "false",
    "/ssm/automation/customer-script-log-destination": "None",
    "/ssm/opsinsights/opscenter": "Disabled",
}
_WORDS = {_SHARING: ("Enable", "Disable")}


@dataclass
class Settings:
    """Those of one account and Region, as a new account has them."""

    snapshots: str = "unblocked"
    #: In accounts that are new since 2023:
    #: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/block-public-access-to-amis.html
    images: str = "block-new-sharing"
    console: bool = False
    metadata: dict[str, Any] = field(default_factory=dict)
    ebs_key: str = ""
    systems_manager: dict[str, tuple[str, datetime.datetime, str]] = field(default_factory=dict)


def _settings(call: Call) -> Settings:
    return call.world.store("account-settings", call.account, call.region, Settings)


@operation("ec2", "GetSnapshotBlockPublicAccessState")
def get_snapshots(call: Call) -> dict[str, Any]:
    """Whether snapshots can be shared with everybody."""
    return {"State": _settings(call).snapshots, "ManagedBy": "account"}


@operation("ec2", "EnableSnapshotBlockPublicAccess")
def enable_snapshots(call: Call) -> dict[str, Any]:
    """Sharing is blocked."""
    _settings(call).snapshots = call["State"]
    return {"State": call["State"]}


@operation("ec2", "DisableSnapshotBlockPublicAccess")
def disable_snapshots(call: Call) -> dict[str, Any]:
    """Sharing is blocked no more."""
    _settings(call).snapshots = "unblocked"
    return {"State": "unblocked"}


@operation("ec2", "GetImageBlockPublicAccessState")
def get_images(call: Call) -> dict[str, Any]:
    """Whether AMIs can be shared with everybody."""
    return {"ImageBlockPublicAccessState": _settings(call).images, "ManagedBy": "account"}


@operation("ec2", "EnableImageBlockPublicAccess")
def enable_images(call: Call) -> dict[str, Any]:
    """Sharing is blocked."""
    _settings(call).images = call["ImageBlockPublicAccessState"]
    return {"ImageBlockPublicAccessState": _settings(call).images}


@operation("ec2", "DisableImageBlockPublicAccess")
def disable_images(call: Call) -> dict[str, Any]:
    """Sharing is blocked no more."""
    _settings(call).images = "unblocked"
    return {"ImageBlockPublicAccessState": "unblocked"}


@operation("ec2", "GetSerialConsoleAccessStatus")
def get_console(call: Call) -> dict[str, Any]:
    """Whether serial consoles can be used."""
    return {"SerialConsoleAccessEnabled": _settings(call).console, "ManagedBy": "account"}


@operation("ec2", "EnableSerialConsoleAccess", "DisableSerialConsoleAccess")
def set_console(call: Call) -> dict[str, Any]:
    """Serial consoles can be used, or can't."""
    _settings(call).console = call.operation.startswith("Enable")
    return {"SerialConsoleAccessEnabled": _settings(call).console}


@operation("ec2", "GetInstanceMetadataDefaults")
def get_metadata(call: Call) -> dict[str, Any]:
    """What instances have that are started without a word about their metadata; nothing where nobody said so."""
    return {"AccountLevel": {**_settings(call).metadata, "ManagedBy": "account"}}


@operation("ec2", "ModifyInstanceMetadataDefaults")
def modify_metadata(call: Call) -> dict[str, Any]:
    """What isn't given stays; ``no-preference``, and -1 of hops, take a word back."""
    hops = call.get("HttpPutResponseHopLimit", 1)
    if hops != -1 and not 1 <= hops <= 64:
        raise AwsError("InvalidParameterValue", f"Value ({hops}) for parameter HttpPutResponseHopLimit is invalid.")
    metadata = _settings(call).metadata
    for name in ("HttpTokens", "HttpPutResponseHopLimit", "HttpEndpoint", "InstanceMetadataTags", "HttpTokensEnforced"):
        value = call.get(name)
        if value in ("no-preference", -1):
            metadata.pop(name, None)
        elif value is not None:
            metadata[name] = value
    return {"Return": True}


@operation("ec2", "GetEbsDefaultKmsKeyId")
def get_ebs_key(call: Call) -> dict[str, Any]:
    """The key that volumes are encrypted with where none is named."""
    return {"KmsKeyId": _settings(call).ebs_key or _AWS_OWN_KEY}


@operation("ec2", "ModifyEbsDefaultKmsKeyId")
def modify_ebs_key(call: Call) -> dict[str, Any]:
    """A symmetric key of the account and Region."""
    key = key_by_id(call, call["KmsKeyId"])
    if key is None:
        raise AwsError(
            "InvalidKmsKey.NotFound", f"The specified KMS key '{call['KmsKeyId']}' was not found or is disabled."
        )
    if key.key_spec != "SYMMETRIC_DEFAULT":
        raise AwsError("InvalidKmsKey.UnsupportedType", "EBS supports only symmetric KMS keys.")
    _settings(call).ebs_key = ec2(call).default_kms_key_id = key.arn
    return {"KmsKeyId": key.arn}


@operation("ec2", "ResetEbsDefaultKmsKeyId")
def reset_ebs_key(call: Call) -> dict[str, Any]:
    """Back to AWS's own."""
    _settings(call).ebs_key = ec2(call).default_kms_key_id = ""
    return {"KmsKeyId": _AWS_OWN_KEY}


def _setting(call: Call) -> dict[str, Any]:
    """A setting by its id, or by its ARN."""
    name = call["SettingId"]
    name = name.partition(":servicesetting")[2] if name.startswith("arn:") else name
    if name not in SETTINGS:
        raise AwsError("ServiceSettingNotFound", f"Setting {name} was not found.")
    there = _settings(call).systems_manager.get(name)
    return {
        "SettingId": name,
        "SettingValue": there[0] if there else SETTINGS[name],
        "Status": "Customized" if there else "Default",
        "LastModifiedUser": there[2] if there else "System",
        "LastModifiedDate": there[1] if there else datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC),
        "ARN": call.arn(f"servicesetting{name}"),
    }


@operation("ssm", "GetServiceSetting")
def get_setting(call: Call) -> dict[str, Any]:
    """A setting, and whether somebody has set it."""
    return {"ServiceSetting": _setting(call)}


@operation("ssm", "UpdateServiceSetting")
def update_setting(call: Call) -> dict[str, Any]:
    """A setting has another value."""
    name, value = _setting(call)["SettingId"], call["SettingValue"]
    if name in _WORDS and value not in _WORDS[name]:
        raise AwsError("ValidationException", f"{value} is not a value of {name}: {', '.join(_WORDS[name])}")
    now = datetime.datetime.now(datetime.UTC)
    _settings(call).systems_manager[name] = (value, now, call.principal.arn)
    return {}


@operation("ssm", "ResetServiceSetting")
def reset_setting(call: Call) -> dict[str, Any]:
    """A setting is what it was in the beginning."""
    _settings(call).systems_manager.pop(_setting(call)["SettingId"], None)
    return {"ServiceSetting": _setting(call)}
