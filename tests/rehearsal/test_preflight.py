# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands against a run is said before its first change, of all hosts at once."""

from __future__ import annotations

from rehearsal.state import EmulatorState
from tests.rehearsal.conftest import Play
from tests.rehearsal.test_plan import mark_of, written_since


def test_an_organization_beyond_its_quota_is_refused_before_the_first_account(
    play: Play, emulator: EmulatorState
) -> None:
    emulator.admin("quotas?code=L-E619E033&value=4", "POST")
    mark = mark_of(emulator)
    run = play("playbooks/organization.yml", inventories=("organization",))
    [message] = run.messages()
    assert run.status != 0
    assert "us-east-1: accounts: 6 more needed (organization organization_account." in message
    assert "1 of 4 in use" in message
    assert "--quota-code L-E619E033 --desired-value 7 --region us-east-1" in message
    assert written_since(emulator, mark) == []


def test_all_environments_are_looked_at_together(play: Play, emulator: EmulatorState) -> None:
    mark = mark_of(emulator)
    run = play("playbooks/network.yml", "-e", "vpc_cidr=10.10.0.0/16", inventories=("dev", "stage"))
    [message] = run.messages()
    assert run.status != 0
    assert message.startswith("3 problems:")
    assert "account 'dev' of dev doesn't exist, and nothing in this run makes it" in message
    assert "account 'stage' of stage doesn't exist" in message
    assert "dev vpc-dev vpc.main has the range 10.10.0.0/16, stage vpc-stage vpc.main has the range" in message
    assert written_since(emulator, mark) == []
