# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EBS snapshots: pending for a while, under their volume's key, shared and copied between accounts.

moto copies within one account only, forgets the key of the volume, and lets anything be shared.
https://docs.aws.amazon.com/ebs/latest/userguide/ebs-modifying-snapshot-permissions.html
https://docs.aws.amazon.com/ebs/latest/userguide/ebs-copy-snapshot.html
"""

from __future__ import annotations

import time
from typing import Any

from moto.ec2.models import ec2_backends
from moto.ec2.models.elastic_block_store import Snapshot
from moto.kms.models import kms_backends

from rehearsal.emulator.errors import AwsError
from rehearsal.emulator.registry import Call, operation
from rehearsal.emulator.services import kms
from rehearsal.emulator.services.common import ec2, key_by_id, no_dry_run
from rehearsal.emulator.world import World, hex_id

_INACCESSIBLE = "Given key ID is not accessible"
_NEEDED = {"CreateGrant", "DescribeKey", "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom"}


@operation("ec2", "CreateSnapshot", "CreateSnapshots")
def create_snapshots(call: Call) -> dict[str, Any]:
    """Moto's, under the key of the volume, pending at first, with the tags of the volume where they are asked for."""
    left_out = set((call.get("InstanceSpecification") or {}).get("ExcludeDataVolumeIds", []))
    if left_out - set(ec2(call).volumes):
        raise AwsError(
            "InvalidVolume.NotFound", f"The volume '{min(left_out - set(ec2(call).volumes))}' does not exist."
        )
    answer = call.forward()
    made = [item for item in answer.get("Snapshots", [answer]) if item["VolumeId"] not in left_out]
    for item in answer.get("Snapshots", [answer]):
        snapshot = ec2(call).snapshots[item["SnapshotId"]]
        if item["VolumeId"] in left_out:
            del ec2(call).snapshots[snapshot.id]
            continue
        snapshot.kms_key_id = getattr(snapshot.volume, "kms_key_id", None) or None
        if call.get("CopyTagsFromSource") == "volume":
            snapshot.add_tags({tag["key"]: tag["value"] for tag in snapshot.volume.get_tags()})
        _begin(call.world, snapshot)
        item["State"] = snapshot.status
        # In this answer alone the state has this name: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_SnapshotInfo.html
    if "Snapshots" in answer:
        answer["Snapshots"] = made
    return answer


@operation("ec2", "DescribeSnapshots")
def describe_snapshots(call: Call) -> dict[str, Any]:
    """Moto doesn't look at owners: ``self`` is the caller, ``amazon`` everybody else here."""
    for snapshot in ec2(call).snapshots.values():
        _settle(snapshot)
    answer = call.forward()
    owners = call.get("OwnerIds", [])
    if owners:
        wanted = {call.account if owner == "self" else owner for owner in owners}
        answer["Snapshots"] = [
            item
            for item in answer.get("Snapshots", [])
            if item["OwnerId"] in wanted or ("amazon" in wanted and item["OwnerId"] != call.account)
        ]
    for item in answer.get("Snapshots", []):
        snapshot = ec2(call).snapshots[item["SnapshotId"]]
        if getattr(snapshot, "copied_from", ""):
            # A copy doesn't say of what volume it is: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Snapshot.html
            item["VolumeId"] = "vol-ffffffff"
        if getattr(snapshot, "state_message", ""):
            item["StateMessage"] = snapshot.state_message
        if snapshot.kms_key_id:
            item["KmsKeyId"] = snapshot.kms_key_id
        item["Progress"] = "100%" if snapshot.status == "completed" else "0%"
    return answer


@operation("ec2", "ModifySnapshotAttribute")
def modify_snapshot_attribute(call: Call) -> dict[str, Any]:
    """What is encrypted with AWS's own key can't be shared, and nothing before it is complete."""
    snapshot = _own(call, call["SnapshotId"])
    if snapshot.encrypted and _managed_by_aws(snapshot):
        raise AwsError("OperationNotPermitted", "Encrypted snapshots with EBS default key cannot be shared")
    return call.forward()


@operation("ec2", "CopySnapshot")
def copy_snapshot(call: Call) -> dict[str, Any]:
    """A copy of one's own or a shared snapshot. What can't be read or written for want of a key fails afterwards."""
    no_dry_run(call)
    source = _found(call)
    _settle(source)
    if source.status != "completed":
        message = f"The snapshot '{source.id}' is not in the 'completed' state."
        raise AwsError("IncorrectState", message)
    key = key_by_id(call, call["KmsKeyId"]) if call.get("KmsKeyId") else None
    encrypted = bool(call.get("Encrypted") or call.get("KmsKeyId") or source.encrypted)
    arn = key.arn if key else None
    if encrypted and not call.get("KmsKeyId"):
        arn = ec2(call).default_kms_key_id or ec2(call)._create_default_encryption_key()
    copy = Snapshot(
        ec2(call),
        hex_id("snap"),
        volume=source.volume,
        description=call.get("Description", ""),
        encrypted=encrypted,
        kms_key_id=arn,
    )
    ec2(call).snapshots[copy.id] = copy
    tags = {
        tag["Key"]: tag.get("Value", "")
        for item in call.get("TagSpecifications", [])
        if item.get("ResourceType") == "snapshot"
        for tag in item.get("Tags", [])
    }
    copy.add_tags(tags)
    vars(copy)["copied_from"] = source.id
    if (call.get("KmsKeyId") and key is None) or not _readable(call, source):
        copy.status, vars(copy)["state_message"] = "error", _INACCESSIBLE
    else:
        _begin(call.world, copy)
    return {"SnapshotId": copy.id, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}


def _begin(world: World, snapshot: Any) -> None:
    snapshot.status = "pending"
    vars(snapshot)["complete_at"] = world.due("ebs-snapshot")
    _settle(snapshot)


def _settle(snapshot: Any) -> None:
    if snapshot.status == "pending" and time.time() >= getattr(snapshot, "complete_at", 0):
        snapshot.status = "completed"


def _own(call: Call, identifier: str) -> Any:
    found = ec2(call).snapshots.get(identifier)
    if found is None:
        raise AwsError("InvalidSnapshot.NotFound", f"The snapshot '{identifier}' does not exist.")
    return found


def _found(call: Call) -> Any:
    """A snapshot of the caller's or one that is shared with it, in the Region that is named."""
    identifier, region = call["SourceSnapshotId"], call["SourceRegion"]
    for account in call.world.accounts:
        snapshot = ec2_backends[account][region].snapshots.get(identifier)
        if snapshot is None:
            continue
        shared = call.account in snapshot.create_volume_permission_userids
        if account == call.account or shared or "all" in snapshot.create_volume_permission_groups:
            return snapshot
    raise AwsError("InvalidSnapshot.NotFound", f"The snapshot '{identifier}' does not exist.")


def _key(arn: str | None) -> Any:
    parts = (arn or "").split(":")
    if len(parts) < 6:
        return None
    return kms_backends[parts[4]][parts[3]].keys.get(parts[5].rpartition("/")[2])


def _managed_by_aws(snapshot: Any) -> bool:
    key = _key(snapshot.kms_key_id)
    return key is None or kms.is_managed_by_aws(key)


def _readable(call: Call, snapshot: Any) -> bool:
    """Whether the caller may read what a snapshot's key encrypts: by a grant, where the key is another account's."""
    key = _key(snapshot.kms_key_id)
    if not snapshot.encrypted or key is None:
        return True
    if not key.enabled:
        return False
    if key.account_id == call.account:
        return True
    role = call.principal.arn.split("/")[1] if ":assumed-role/" in call.principal.arn else ""
    mine = {f"arn:{call.partition}:iam::{call.account}:role/{role}", f"arn:{call.partition}:iam::{call.account}:root"}
    return any(grant.grantee_principal in mine and set(grant.operations) >= _NEEDED for grant in key.grants.values())
