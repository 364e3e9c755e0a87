# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is taken down, and what isn't, of the whole platform. Runs last: it takes stage away."""

from __future__ import annotations

from rehearsal import estate
from rehearsal.state import EmulatorState
from tests.rehearsal.conftest import Play, Run
from tests.rehearsal.site.conftest import SITE


def test_a_teardown_without_consent_touches_nothing(play: Play, again: Run) -> None:
    run = play("playbooks/teardown.yml", inventories=("stage",))
    assert run.status != 0
    assert any("environment stage would be taken down, nothing was done" in message for message in run.messages())
    assert play(SITE, inventories=("stage",)).changes() == {}


def test_a_teardown_leaves_a_final_snapshot_and_the_key_to_read_it(
    play: Play, emulator: EmulatorState, again: Run
) -> None:
    consent = '{"rds_allow_destroy": ["db_instance.main"], "eks_deletion_protection": false}'
    arguments = ("-e", "confirm=stage", "-e", consent)
    run = play("playbooks/teardown.yml", *arguments, inventories=("stage",))
    assert run.status == 0, run.text[-4000:]
    (lines,) = [result["msg"] for _host, task, result in run.results if task.startswith("Say what is kept")]
    assert "Leaked: nothing" in lines
    stage = next(account for account in estate.survey(emulator) if account.name == "stage")
    assert (stage.vpcs, stage.clusters, stage.databases) == ([], [], [])
    ec2, iam = stage.client("ec2"), stage.client("iam")
    reservations = ec2.describe_instances()["Reservations"]
    states = {item["State"]["Name"] for reservation in reservations for item in reservation["Instances"]}
    assert states <= {"terminated"}
    assert ec2.describe_launch_templates()["LaunchTemplates"] == []
    assert iam.list_instance_profiles()["InstanceProfiles"] == []
    assert stage.client("sqs").list_queues().get("QueueUrls", []) == []
    assert not [arn for arn in emulator.admin("clusters")["clusters"] if arn.endswith("/stage")]
    snapshots = stage.client("rds").describe_db_snapshots(SnapshotType="manual")["DBSnapshots"]
    assert [snapshot["DBInstanceIdentifier"] for snapshot in snapshots] == ["stage"]
    assert stage.client("kms").describe_key(KeyId=snapshots[0]["KmsKeyId"])["KeyMetadata"]["KeyState"] == "Enabled"
    left = play("playbooks/teardown.yml", *arguments, inventories=("stage",))
    assert set(left.changes().values()) == {"keep"}
    assert set(left.changed.values()) == {0}


def test_the_site_is_not_taken_down_in_the_order_in_which_it_is_built(play: Play, again: Run) -> None:
    run = play(SITE, "-e", "platform_state=absent")
    assert run.status != 0
    assert run.changes() == {}
    assert "playbooks/teardown.yml takes down" in run.messages()[0]
