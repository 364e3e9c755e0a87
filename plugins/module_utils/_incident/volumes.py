# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an instance's volumes hold, kept in the security account under a key of that account."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._engine.errors import EngineError
from .._kinds._act import PREFIX, TAG, Case, Found
from .._kinds._session import Session

_ID = re.compile(r"i-([0-9a-f]{8}|[0-9a-f]{17})")
_NO_SNAPSHOT = ("InvalidSnapshot.NotFound",)
_KEY_PATIENCE = 6
"""Times that a copy is begun: a grant on a key is known everywhere within five minutes, usually at once
(https://docs.aws.amazon.com/kms/latest/developerguide/grants.html#terms-eventual-consistency)."""
_VOLUME, _DEVICE, _SNAPSHOT = "innovate:source-volume", "innovate:source-device", "innovate:source-snapshot"
_INSTANCE = "innovate:source-instance"
_TRANSFER = "innovate:transfer"
_GRANTED = ["CreateGrant", "Decrypt", "DescribeKey", "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom"]
"""What copying an encrypted snapshot that is shared needs of its key
(https://docs.aws.amazon.com/ebs/latest/userguide/ebs-modifying-snapshot-permissions.html)."""


@dataclass(frozen=True)
class _Volume:
    """An EBS volume of the instance; ``key`` is the ARN of the KMS key it is encrypted with, or empty."""

    id: str
    device: str
    key: str
    is_shareable: bool


@dataclass
class _Evidence:
    """What there is of a case so far: snapshots by volume in the instance's account, and copies in the security one."""

    taken: dict[str, str] = field(default_factory=dict)
    transfers: dict[str, str] = field(default_factory=dict)
    copies: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def shared(self, volume: _Volume) -> str:
        """Return the snapshot that can be shared, once it is there."""
        return (self.taken if volume.is_shareable else self.transfers).get(volume.id, "")


@dataclass(frozen=True)
class SnapshotVolumes:
    """Takes snapshots of all volumes at one moment, and copies them into the security account.

    CreateSnapshots takes them at the same point in time across the volumes
    (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSnapshots.html). A snapshot that is encrypted
    with AWS's own key can't be shared; it is copied under a key of the account first.

    :param security: opens the security account.
    :param evidence_key: KMS key of the security account: an alias, which is made with its key where it isn't there, or
        an id or ARN.
    :param transfer_key: KMS key of the instance's account, for what is encrypted with AWS's own.
    :param timeout: seconds for which snapshots and copies are waited for.
    """

    instance_id: str
    security: Callable[[], Session]
    evidence_key: str
    transfer_key: str = ""
    timeout: int = 7200
    name: str = "snapshot-volumes"

    @property
    def target(self) -> str:
        """Return the instance's id."""
        return self.instance_id

    def problems(self) -> list[str]:
        """Check the forms."""
        problems = []
        if not self.instance_id:
            problems.append("no instance is named: give its id with `-e incident_instance_id=`")
        elif not _ID.fullmatch(self.instance_id):
            problems.append(
                f"'{self.instance_id}' is no instance's id: it is i- and 17 hexadecimal digits (8 of old ones)"
            )
        if not self.evidence_key:
            problems.append("no key is named that the copies are encrypted with: set incident_evidence_key")
        for option, key in (
            ("incident_evidence_key", self.evidence_key),
            ("incident_transfer_key", self.transfer_key),
        ):
            if key.startswith("alias/aws/"):
                problems.append(f"{option} '{key}' is a key of AWS's own: name one of the account's")
        if self.timeout < 1:
            problems.append(f"the timeout of {self.timeout} seconds is none: give at least 1")
        return problems

    def contain(self, session: Session, case: Case) -> Found:
        """Snapshot, share, copy, and take the share back: what of it is still to be done."""
        instances = session.pages(
            "ec2",
            "describe_instances",
            "Reservations",
            missing=["InvalidInstanceID.NotFound"],
            InstanceIds=[self.instance_id],
        )
        instance = next((item for reservation in instances for item in reservation["Instances"]), None)
        if instance is None:
            return Found(
                problems=[
                    (
                        f"{self.instance_id} is not in account {session.account_id}, Region {session.region}: choose "
                        "the account with `--limit` and the Region with `-e platform_region=`"
                    )
                ]
            )
        there = self.security()
        volumes = self._volumes(session, instance)
        evidence = self._evidence(session, there, case)
        problems = self._refusals(session, there, volumes)
        if problems:
            return Found(problems=problems)
        wanted = [item for item in volumes if not _is_complete(evidence, item)]
        found = Found(before={"volumes": {item.id: {"device": item.device, "key": item.key} for item in volumes}})
        self._key(there, case, wanted, found)
        self._take(session, case, wanted, evidence, found)
        self._transfer(session, case, wanted, evidence, found)
        self._copy(session, there, case, wanted, evidence, found)
        self._close(session, there, case, volumes, evidence, found)
        return found

    def release(self, session: Session, case: Case) -> Found:
        """Delete the snapshots in the instance's account, whose copies are evidence and stay."""
        found = Found()
        there = self.security()
        evidence = self._evidence(session, there, case)
        incomplete = [
            volume
            for volume in case.before.get("volumes", {})
            if evidence.copies.get(volume, {}).get("State") != "completed"
        ]
        if incomplete and evidence.taken:
            return Found(
                problems=[
                    (
                        f"of {', '.join(sorted(incomplete))} there is no complete copy in account {there.account_id}: "
                        "run this without incident_state=absent first, or delete the snapshots by hand"
                    )
                ]
            )
        for snapshot in sorted({*evidence.taken.values(), *evidence.transfers.values()}):
            found.add(
                f"delete {snapshot} in account {session.account_id}",
                _deleter(session, snapshot),
            )
        found.notes.append(
            f"the copies in account {there.account_id} stay: "
            + ", ".join(sorted(str(item["SnapshotId"]) for item in evidence.copies.values()))
        )
        return found

    # What there is

    def _volumes(self, session: Session, instance: Mapping[str, Any]) -> list[_Volume]:
        mappings = {
            item["Ebs"]["VolumeId"]: item["DeviceName"]
            for item in instance.get("BlockDeviceMappings", [])
            if "Ebs" in item
        }
        if not mappings:
            return []
        listed = session.pages("ec2", "describe_volumes", "Volumes", VolumeIds=sorted(mappings))

        def one(volume: Mapping[str, Any]) -> _Volume:
            key = volume.get("KmsKeyId", "") if volume.get("Encrypted") else ""
            shareable = not key or session.call("kms", "describe_key", KeyId=key)["KeyMetadata"]["KeyManager"] != "AWS"
            return _Volume(volume["VolumeId"], mappings[volume["VolumeId"]], key, shareable)

        return sorted(session.each(one, listed), key=lambda item: item.device)

    def _evidence(self, session: Session, there: Session, case: Case) -> _Evidence:
        filters = [
            {"Name": f"tag:{TAG}", "Values": [case.incident]},
            {"Name": f"tag:{_INSTANCE}", "Values": [self.instance_id]},
        ]
        evidence = _Evidence()
        for item in session.pages("ec2", "describe_snapshots", "Snapshots", OwnerIds=["self"], Filters=filters):
            tags = _tags(item)
            if (_SNAPSHOT in tags and _TRANSFER not in tags) or item["State"] == "error":
                continue
            if _TRANSFER in tags:
                evidence.transfers[tags[_VOLUME]] = item["SnapshotId"]
            else:
                evidence.taken[item["VolumeId"]] = item["SnapshotId"]
        for item in there.pages("ec2", "describe_snapshots", "Snapshots", OwnerIds=["self"], Filters=filters):
            tags = _tags(item)
            if _SNAPSHOT in tags and _TRANSFER not in tags and item["State"] != "error":
                evidence.copies[tags[_VOLUME]] = item
        return evidence

    def _refusals(self, session: Session, there: Session, volumes: list[_Volume]) -> list[str]:
        if not volumes:
            return [f"{self.instance_id} has no EBS volumes: what instance stores hold can't be snapshot"]
        problems = []
        locked = [item for item in volumes if not item.is_shareable]
        if locked and not self.transfer_key:
            problems.append(
                f"{', '.join(item.id for item in locked)} {'is' if len(locked) == 1 else 'are'} encrypted with AWS's "
                "own key, which can't be shared: name a key of this account to copy by way of, with "
                "`-e incident_transfer_key=alias/...`"
            )
        if locked and self.transfer_key and not _key(session, self.transfer_key):
            problems.append(
                f"account {session.account_id} has no usable KMS key {self.transfer_key} (incident_transfer_key) in "
                f"Region {session.region}"
            )
        if not self.evidence_key.startswith("alias/") and not _key(there, self.evidence_key):
            problems.append(
                f"account {there.account_id} has no usable KMS key {self.evidence_key} (incident_evidence_key) in "
                f"Region {there.region}"
            )
        return problems

    # The steps

    def _key(self, there: Session, case: Case, wanted: list[_Volume], found: Found) -> None:
        if wanted and not _key(there, self.evidence_key):
            found.add(
                f"make a KMS key {self.evidence_key} in account {there.account_id}",
                lambda: self._make_key(there, case),
            )

    def _make_key(self, there: Session, case: Case) -> None:
        made = there.call(
            "kms",
            "create_key",
            Description="Encrypts what is kept of incidents",
            Tags=[{"TagKey": TAG, "TagValue": case.incident}],
        )["KeyMetadata"]["KeyId"]
        there.call("kms", "create_alias", AliasName=self.evidence_key, TargetKeyId=made)
        there.call("kms", "enable_key_rotation", retry_on=["NotFoundException"], attempts=4, KeyId=made)

    def _take(self, session: Session, case: Case, wanted: list[_Volume], evidence: _Evidence, found: Found) -> None:
        missing = [item for item in wanted if item.id not in evidence.taken and item.id not in evidence.copies]
        if not missing:
            return
        others = [item.id for item in wanted if item not in missing]

        def take() -> None:
            made = session.call(
                "ec2",
                "create_snapshots",
                InstanceSpecification={
                    "InstanceId": self.instance_id,
                    **({"ExcludeDataVolumeIds": others} if others else {}),
                },
                Description=f"{case.incident}: volumes of {self.instance_id}",
                TagSpecifications=[
                    {"ResourceType": "snapshot", "Tags": _tag_list(self._custody(session, case))},
                ],
            )["Snapshots"]
            evidence.taken.update({item["VolumeId"]: item["SnapshotId"] for item in made})

        found.add(
            f"snapshot {_listed(missing)} of {self.instance_id} at one moment",
            take,
        )

    def _transfer(self, session: Session, case: Case, wanted: list[_Volume], evidence: _Evidence, found: Found) -> None:
        for volume in wanted:
            if volume.is_shareable or volume.id in evidence.transfers or volume.id in evidence.copies:
                continue
            found.add(
                f"copy the snapshot of {volume.id} under the key {self.transfer_key} of account {session.account_id}, "
                "since AWS's own can't be shared",
                self._transferrer(session, case, volume, evidence),
            )

    def _transferrer(self, session: Session, case: Case, volume: _Volume, evidence: _Evidence) -> Callable[[], object]:
        def do() -> None:
            source = evidence.taken[volume.id]
            self._completed(session, [source])
            tags = {**self._custody(session, case, volume, source), _TRANSFER: "true"}
            evidence.transfers[volume.id] = self._copied(session, session.region, source, self.transfer_key, tags)

        return do

    def _copy(
        self,
        session: Session,
        there: Session,
        case: Case,
        wanted: list[_Volume],
        evidence: _Evidence,
        found: Found,
    ) -> None:
        for volume in wanted:
            if volume.id in evidence.copies:
                continue
            lent = f", and lend it the key {_key_of(volume, self.transfer_key)}" if volume.key else ""
            if session.account_id != there.account_id:
                found.add(
                    f"share the snapshot of {volume.id} with account {there.account_id}{lent}, as long as it is copied",
                    self._sharer(session, there, case, volume, evidence),
                )
            found.add(
                f"copy the snapshot of {volume.id} into account {there.account_id} under the key {self.evidence_key}",
                self._copier(session, there, case, volume, evidence),
            )
        if wanted:
            found.add(
                f"wait until the copies are complete, for up to {self.timeout} seconds",
                lambda: self._completed(there, [str(item["SnapshotId"]) for item in evidence.copies.values()]),
            )

    def _sharer(
        self, session: Session, there: Session, case: Case, volume: _Volume, evidence: _Evidence
    ) -> Callable[[], object]:
        def do() -> None:
            snapshot = evidence.shared(volume)
            self._completed(session, [snapshot])
            if volume.key:
                session.call(
                    "kms",
                    "create_grant",
                    # With a name, the same grant is not made twice.
                    Name=PREFIX + case.incident,
                    KeyId=_key_arn(session, _key_of(volume, self.transfer_key)),
                    GranteePrincipal=_role_of(there),
                    Operations=_GRANTED,
                )
            session.call(
                "ec2",
                "modify_snapshot_attribute",
                SnapshotId=snapshot,
                Attribute="createVolumePermission",
                OperationType="add",
                UserIds=[there.account_id],
            )

        return do

    def _copier(
        self, session: Session, there: Session, case: Case, volume: _Volume, evidence: _Evidence
    ) -> Callable[[], object]:
        def do() -> None:
            source = evidence.shared(volume)
            tags = self._custody(session, case, volume, evidence.taken.get(volume.id, source))
            copy = self._copied(there, session.region, source, self.evidence_key, tags)
            evidence.copies[volume.id] = {"SnapshotId": copy, "State": "pending"}

        return do

    def _copied(self, session: Session, source_region: str, source: str, key: str, tags: Mapping[str, str]) -> str:
        """Begin a copy and return its id. What fails for want of a key fails at once, and is begun again."""
        for attempt in range(_KEY_PATIENCE):
            # 20 copies may be under way at a time: https://docs.aws.amazon.com/ebs/latest/userguide/ebs-copy-snapshot.html
            copy = str(
                session.call(
                    "ec2",
                    "copy_snapshot",
                    retry_on=["ResourceLimitExceeded", *(_NO_SNAPSHOT if attempt == 0 else ())],
                    SourceRegion=source_region,
                    SourceSnapshotId=source,
                    Encrypted=True,
                    KmsKeyId=key,
                    Description=f"Copy of {source}",
                    TagSpecifications=[{"ResourceType": "snapshot", "Tags": _tag_list(tags)}],
                )["SnapshotId"]
            )
            state, why = _state(session, copy)
            if state != "error":
                return copy
            _delete(session, copy)
            time.sleep(min(2**attempt, 60))
        raise EngineError(
            f"the copy of {source} into account {session.account_id} fails: {why or 'EC2 gives no reason'}. Look "
            "whether the keys' policies let the accounts' own policies decide (kms:* for the account's root)"
        )

    def _completed(self, session: Session, snapshots: list[str]) -> None:
        """Wait for snapshots: minutes for some gigabytes, hours for terabytes."""
        ended = time.monotonic() + self.timeout
        pause = 0.2
        while True:
            # What was made a moment ago may not be listed yet: then nothing is.
            listed = session.pages(
                "ec2", "describe_snapshots", "Snapshots", missing=_NO_SNAPSHOT, SnapshotIds=snapshots
            )
            failed = [item for item in listed if item["State"] == "error"]
            if failed:
                raise EngineError(
                    [
                        f"{item['SnapshotId']} failed ({item.get('StateMessage') or 'no reason given'}): run this again"
                        for item in failed
                    ]
                )
            known = {item["SnapshotId"]: item for item in listed}
            pending = [
                f"{name} {known.get(name, {}).get('Progress', '')}".rstrip()
                for name in snapshots
                if known.get(name, {}).get("State") != "completed"
            ]
            if not pending:
                return
            if time.monotonic() > ended:
                raise EngineError(
                    f"not complete after {self.timeout} seconds: {', '.join(pending)}. They go on by themselves: run "
                    "this again to go on from there"
                )
            time.sleep(pause)
            pause = min(pause * 1.6, 15)

    def _close(
        self,
        session: Session,
        there: Session,
        case: Case,
        volumes: list[_Volume],
        evidence: _Evidence,
        found: Found,
    ) -> None:
        """Take back what was lent, also what an earlier run left that was cut off."""
        if session.account_id == there.account_id:
            return
        keys = sorted({_key_of(item, self.transfer_key) for item in volumes if item.key})
        if found.steps:
            what = "the shares and what was lent of keys" if keys else "the shares"
        else:
            shared = [item for item in map(evidence.shared, volumes) if item and _is_shared(session, item, there)]
            lent = [key for key in keys if _grants(session, key, case)]
            if not shared and not lent:
                return
            what = ", ".join([*shared, *lent])
        found.add(
            f"take back {what} from account {there.account_id}",
            lambda: self._take_back(session, there, case, keys, volumes, evidence),
        )

    def _take_back(
        self,
        session: Session,
        there: Session,
        case: Case,
        keys: Iterable[str],
        volumes: list[_Volume],
        evidence: _Evidence,
    ) -> None:
        for key in keys:
            for grant in _grants(session, key, case):
                session.call(
                    "kms", "revoke_grant", missing=["NotFoundException"], KeyId=_key_arn(session, key), GrantId=grant
                )
        for snapshot in filter(None, map(evidence.shared, volumes)):
            session.call(
                "ec2",
                "modify_snapshot_attribute",
                missing=_NO_SNAPSHOT,
                SnapshotId=snapshot,
                Attribute="createVolumePermission",
                OperationType="remove",
                UserIds=[there.account_id],
            )

    def _custody(
        self, session: Session, case: Case, volume: _Volume | None = None, snapshot: str = ""
    ) -> dict[str, str]:
        """Return the tags that say where something comes from, who took it and when."""
        tags = {
            "Name": f"{case.incident} {self.instance_id}" + (f" {volume.device}" if volume else ""),
            TAG: case.incident,
            "innovate:source-account": session.account_id,
            "innovate:source-region": session.region,
            _INSTANCE: self.instance_id,
            "innovate:collected-at": case.at,
            "innovate:collected-by": case.by[-256:],
        }
        if volume:
            tags |= {_VOLUME: volume.id, _DEVICE: volume.device, _SNAPSHOT: snapshot}
        return tags


def _is_complete(evidence: _Evidence, volume: _Volume) -> bool:
    return bool(evidence.copies.get(volume.id, {}).get("State") == "completed")


def _key_of(volume: _Volume, transfer_key: str) -> str:
    return volume.key if volume.is_shareable else transfer_key


def _key(session: Session, name: str) -> str:
    """Return the ARN of a KMS key that is enabled, or nothing."""
    answer = session.call("kms", "describe_key", missing=["NotFoundException", "InvalidArnException"], KeyId=name)
    metadata = answer.get("KeyMetadata", {})
    return str(metadata["Arn"]) if metadata.get("KeyState") == "Enabled" else ""


def _key_arn(session: Session, name: str) -> str:
    """Return a key's ARN; grants take no alias."""
    return name if name.startswith("arn:") and ":key/" in name else _key(session, name)


def _grants(session: Session, key: str, case: Case) -> list[str]:
    arn = _key_arn(session, key)
    listed = session.pages("kms", "list_grants", "Grants", KeyId=arn) if arn else []
    return [item["GrantId"] for item in listed if item.get("Name") == PREFIX + case.incident]


def _is_shared(session: Session, snapshot: str, there: Session) -> bool:
    answer = session.call(
        "ec2",
        "describe_snapshot_attribute",
        missing=_NO_SNAPSHOT,
        SnapshotId=snapshot,
        Attribute="createVolumePermission",
    )
    return any(item.get("UserId") == there.account_id for item in answer.get("CreateVolumePermissions", []))


def _role_of(session: Session) -> str:
    """Return the ARN of the role (or user) behind a session; roles are assumed by name here, so they have no path."""
    arn = str(session.call("sts", "get_caller_identity")["Arn"])
    if ":assumed-role/" not in arn:
        return arn
    return session.arn("iam", f"role/{arn.split('/')[1]}", region="")


def _state(session: Session, snapshot: str) -> tuple[str, str]:
    listed = session.pages("ec2", "describe_snapshots", "Snapshots", missing=_NO_SNAPSHOT, SnapshotIds=[snapshot])
    return (listed[0]["State"], listed[0].get("StateMessage", "")) if listed else ("pending", "")


def _delete(session: Session, snapshot: str) -> None:
    session.call("ec2", "delete_snapshot", missing=_NO_SNAPSHOT, SnapshotId=snapshot)


def _deleter(session: Session, snapshot: str) -> Callable[[], object]:
    return lambda: _delete(session, snapshot)


def _listed(volumes: Iterable[_Volume]) -> str:
    return ", ".join(f"{item.id} ({item.device})" for item in volumes)


def _tags(item: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in item.get("Tags", [])}


def _tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
