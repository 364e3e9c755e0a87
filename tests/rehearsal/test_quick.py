# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The quick form: AWS only, with clusters that are nothing but their API."""

from __future__ import annotations

import pytest

from rehearsal.rehearse import WITHOUT_KUBERNETES
from rehearsal.state import EmulatorState
from tests.rehearsal.conftest import Play, Run

SITE = "playbooks/site.yml"
DEV = ("organization", "dev")


@pytest.fixture(scope="module")
def applied(play: Play) -> Run:
    return play(SITE, *WITHOUT_KUBERNETES, inventories=DEV)


def test_all_that_speaks_to_no_api_server_is_applied(applied: Run) -> None:
    assert applied.status == 0, applied.text[-4000:]
    stacks = {address.partition(":")[0] for _host, address in applied.changes()}
    assert {"organization", "vpc-dev", "eks-dev", "resources-karpenter-dev", "postgres-dev"} <= stacks
    assert not [stack for stack in stacks if stack.startswith("manifests-")]


def test_database_and_control_plane_come_into_being_at_the_same_time(applied: Run, emulator: EmulatorState) -> None:
    assert applied.status == 0
    calls = [call["operation"] for call in emulator.admin("calls?since=0")["calls"]]
    begun = max(calls.index("CreateDBInstance"), calls.index("CreateCluster"))
    assert begun < calls.index("CreateNodegroup")
    # The rule for the cluster's workloads comes when the cluster has its security group, and holds up nothing.
    rule = applied.changes()["dev", "postgres-dev:security_group.main"]
    assert (rule, "AuthorizeSecurityGroupIngress" in calls[begun:]) == ("update", True)


def test_the_second_run_changes_nothing(play: Play, applied: Run) -> None:
    again = play(SITE, *WITHOUT_KUBERNETES, inventories=DEV)
    assert (again.status, again.changes(), set(again.changed.values())) == (0, {}, {0}), again.text[-3000:]
