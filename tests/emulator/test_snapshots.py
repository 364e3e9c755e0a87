# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EBS snapshots: pending at first, shared between accounts, and worth nothing without their key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from tests.emulator.conftest import REGION, Aws, eventually, refused

ROLE = "OrganizationAccountAccessRole"


@dataclass
class Two:
    """Two accounts, and volumes in the first under a key of its own, under AWS's, and without."""

    mine: Aws
    theirs: Aws
    account: str
    key: str
    own: str
    managed: str
    plain: str


@pytest.fixture(scope="module")
def two(aws: Aws) -> Two:
    organizations = aws("organizations")
    organizations.create_organization(FeatureSet="ALL")
    organizations.create_account(Email="other@example.com", AccountName="other")
    account = eventually(lambda: aws.state.admin("accounts").get("other"))
    key = aws("kms").create_key()["KeyMetadata"]["Arn"]
    zone = {"AvailabilityZone": f"{REGION}a", "Size": 8}
    own = aws("ec2").create_volume(**zone, Encrypted=True, KmsKeyId=key)["VolumeId"]
    managed = aws("ec2").create_volume(**zone, Encrypted=True)["VolumeId"]
    plain = aws("ec2").create_volume(**zone)["VolumeId"]
    return Two(aws, aws.assume(account, ROLE), account, key, own, managed, plain)


def snapshot(two: Two, volume: str) -> str:
    return str(two.mine("ec2").create_snapshot(VolumeId=volume)["SnapshotId"])


def share(two: Two, identifier: str) -> None:
    two.mine("ec2").modify_snapshot_attribute(
        SnapshotId=identifier, Attribute="createVolumePermission", OperationType="add", UserIds=[two.account]
    )


def copy(two: Two, identifier: str, **more: Any) -> dict[str, Any]:
    """A copy in the other account."""
    ec2 = two.theirs("ec2")
    made = ec2.copy_snapshot(SourceRegion=REGION, SourceSnapshotId=identifier, **more)["SnapshotId"]
    found: dict[str, Any] = ec2.describe_snapshots(SnapshotIds=[made])["Snapshots"][0]
    return found


def test_a_snapshot_is_pending_at_first(two: Two) -> None:
    two.mine.pace(1)
    try:
        made = snapshot(two, two.plain)
        state = two.mine("ec2").describe_snapshots(SnapshotIds=[made])["Snapshots"][0]["State"]
    finally:
        two.mine.pace(0)
    assert state == "pending"
    assert refused(two.mine("ec2").copy_snapshot, SourceRegion=REGION, SourceSnapshotId=made) == "IncorrectState"


def test_a_snapshot_is_under_its_volumes_key(two: Two) -> None:
    made = snapshot(two, two.own)
    assert two.mine("ec2").describe_snapshots(SnapshotIds=[made])["Snapshots"][0]["KmsKeyId"] == two.key


def test_nobody_else_copies_what_is_not_shared(two: Two) -> None:
    made = snapshot(two, two.plain)
    ec2 = two.theirs("ec2")
    assert refused(ec2.copy_snapshot, SourceRegion=REGION, SourceSnapshotId=made) == "InvalidSnapshot.NotFound"
    share(two, made)
    key = two.theirs("kms").create_key()["KeyMetadata"]["Arn"]
    found = copy(two, made, Encrypted=True, KmsKeyId=key)
    assert (found["State"], found["KmsKeyId"], found["VolumeId"]) == ("completed", key, "vol-ffffffff")


def test_a_copy_fails_without_a_grant_on_the_key(two: Two) -> None:
    made = snapshot(two, two.own)
    share(two, made)
    key = two.theirs("kms").create_key()["KeyMetadata"]["Arn"]
    found = copy(two, made, Encrypted=True, KmsKeyId=key)
    assert (found["State"], found["StateMessage"]) == ("error", "Given key ID is not accessible")
    two.mine("kms").create_grant(
        KeyId=two.key,
        GranteePrincipal=f"arn:aws:iam::{two.account}:role/{ROLE}",
        Operations=["CreateGrant", "Decrypt", "DescribeKey", "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom"],
    )
    assert copy(two, made, Encrypted=True, KmsKeyId=key)["State"] == "completed"


def test_what_awss_own_key_encrypts_is_not_shared(two: Two) -> None:
    key = two.mine("kms").describe_key(KeyId="alias/aws/ebs")["KeyMetadata"]
    assert key["KeyManager"] == "AWS"
    assert refused(two.mine("kms").disable_key, KeyId=key["KeyId"]) == "UnsupportedOperationException"
    sharing = {"Attribute": "createVolumePermission", "OperationType": "add", "UserIds": [two.account]}
    made = snapshot(two, two.managed)
    assert refused(two.mine("ec2").modify_snapshot_attribute, SnapshotId=made, **sharing) == "OperationNotPermitted"
    under = two.mine("ec2").copy_snapshot(SourceRegion=REGION, SourceSnapshotId=made, Encrypted=True, KmsKeyId=two.key)
    share(two, under["SnapshotId"])


def test_a_key_is_not_found_by_an_alias_that_is_not_there_whatever_the_caller_may(two: Two) -> None:
    two.mine.state.admin("enforcement", "POST")
    try:
        assert refused(two.theirs("kms").describe_key, KeyId="alias/nothing") == "NotFoundException"
    finally:
        two.mine.state.admin("enforcement", "DELETE")
