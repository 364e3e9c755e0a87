# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody is told who runs things in the wrong order or in the wrong account."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rehearsal.rehearse import WITHOUT_KUBERNETES
from rehearsal.state import EmulatorState
from tests.rehearsal.conftest import Play

NETWORK = {
    "name": "dev",
    "region": "eu-central-1",
    "cidr": "10.10.0.0/16",
    "availability_zones": ["eu-central-1a", "eu-central-1b"],
}
Write = Callable[[list[dict[str, Any]]], Path]


def vpc(**parameters: Any) -> list[dict[str, Any]]:
    return [{"name": "Manage a network", "innovate.platform.vpc": {**NETWORK, **parameters}}]


@pytest.mark.parametrize("playbook", ["network", "cluster", "database"])
def test_without_its_account_a_playbook_names_the_one_to_run_first(play: Play, playbook: str) -> None:
    run = play(f"playbooks/{playbook}.yml", *WITHOUT_KUBERNETES, inventories=("dev",))
    assert run.status != 0
    assert any("run playbooks/organization.yml first" in message for message in run.messages()), run.text[-3000:]


@pytest.mark.parametrize("playbook", ["network", "cluster", "database"])
def test_without_its_account_a_playbook_still_plans(play: Play, playbook: str) -> None:
    run = play(f"playbooks/{playbook}.yml", "--check", *WITHOUT_KUBERNETES, inventories=("dev",))
    assert run.status == 0, run.text[-3000:]
    assert set(run.changes().values()) == {"create"}


LATER = {
    "a pool that nothing satisfies": (
        {"karpenter_node_pools": [{"name": "odd", "architectures": ["arm64"], "instance_families": ["m6i"]}]},
        "odd",
    ),
    "a repository that is none": ({"argocd_repository_url": "ftp://example.com/x"}, "ftp://example.com/x"),
}


@pytest.mark.parametrize(("variables", "word"), LATER.values(), ids=LATER)
def test_a_mistake_in_a_later_role_is_told_before_the_cluster_is_made(
    play: Play, emulator: EmulatorState, variables: dict[str, Any], word: str
) -> None:
    mark = emulator.admin("calls?since=0")["mark"]
    run = play("playbooks/cluster.yml", "-e", json.dumps(variables), inventories=("dev",))
    assert run.status != 0
    assert any(word in message for message in run.messages()), run.text[-3000:]
    assert emulator.admin(f"calls?since={mark}")["calls"] == []


def test_a_plan_for_an_absent_account_asks_it_nothing(play: Play, emulator: EmulatorState) -> None:
    mark = emulator.admin("calls?since=0")["mark"]
    play("playbooks/network.yml", "--check", inventories=("dev",))
    asked = {call["operation"] for call in emulator.admin(f"calls?since={mark}")["calls"]}
    assert asked <= {"GetCallerIdentity", "ListAccounts"}


MISTAKES = {
    "another account's credentials": ({"account_id": "999999999999"}, "can't assume arn:aws:iam::999999999999:role/"),
    "an account nobody knows": ({"account_name": "nowhere"}, "account 'nowhere' does not exist"),
    "a zone that doesn't exist": (
        {"availability_zones": ["eu-central-1a", "eu-central-1z"]},
        "eu-central-1 has no zone eu-central-1z: use eu-central-1a",
    ),
    "a service without endpoint": (
        {"interface_endpoints": ["teleport"]},
        "offers no endpoint service com.amazonaws.eu-central-1.teleport",
    ),
}


@pytest.mark.parametrize(("parameters", "sentence"), MISTAKES.values(), ids=MISTAKES)
def test_what_only_aws_can_know_is_refused_before_the_first_change(
    play: Play, playbook_of: Write, emulator: EmulatorState, parameters: dict[str, Any], sentence: str
) -> None:
    mark = emulator.admin("calls?since=0")["mark"]
    run = play(playbook_of(vpc(**parameters)), inventories=())
    assert run.status != 0
    assert sentence in run.messages()[0]
    calls = emulator.admin(f"calls?since={mark}")["calls"]
    assert not [call for call in calls if call["operation"].startswith(("Create", "Modify", "Run", "Put", "Delete"))]


def test_an_immutable_change_needs_consent(play: Play, playbook_of: Write) -> None:
    assert play(playbook_of(vpc(nat_gateways="none")), inventories=()).status == 0
    moved = {"nat_gateways": "none", "cidr": "10.11.0.0/16"}
    refused = play(playbook_of(vpc(**moved)), inventories=())
    assert refused.status != 0
    assert "vpc.main: cidr_block can't be changed in place (10.10.0.0/16 to 10.11.0.0/16)" in refused.messages()[0]
    assert "allow_replace" in refused.messages()[0]
    replaced = play(playbook_of(vpc(**moved, allow_replace=["*"])), inventories=())
    assert replaced.status == 0, replaced.text[-3000:]
    assert play(playbook_of(vpc(**moved)), inventories=()).changes() == {}
    assert play(playbook_of(vpc(**moved, state="absent")), inventories=()).status == 0
