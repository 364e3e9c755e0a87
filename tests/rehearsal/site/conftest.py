# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One whole site with real clusters for all tests of this folder: planned from nothing, applied, and applied again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rehearsal import clusters, estate
from rehearsal.rehearse import give_credential
from rehearsal.state import EmulatorState
from tests.rehearsal.conftest import Play, Run, player, started

SITE = "playbooks/site.yml"


@pytest.fixture(scope="package")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorState]:
    """An emulated AWS with real clusters."""
    yield from started(tmp_path_factory.mktemp("site"), kubernetes=True)


@pytest.fixture(scope="package")
def play(emulator: EmulatorState) -> Play:
    return player(emulator)


@pytest.fixture(scope="package")
def plan(play: Play) -> Run:
    """The plan from an empty account, before anything else."""
    return play(SITE, "--check", "--diff")


@pytest.fixture(scope="package")
def planned_again(play: Play, plan: Run) -> Run:
    """The same plan: nothing has happened in between."""
    return play(SITE, "--check")


@pytest.fixture(scope="package")
def organization(play: Play, planned_again: Run) -> Run:
    """The accounts, so that there is a place for the repository's credential."""
    return play("playbooks/organization.yml")


@pytest.fixture(scope="package")
def applied(play: Play, emulator: EmulatorState, organization: Run) -> Run:
    assert give_credential(emulator)
    return play(SITE)


@pytest.fixture(scope="package")
def again(play: Play, applied: Run) -> Run:
    return play(SITE)


@pytest.fixture(scope="package")
def accounts(emulator: EmulatorState, applied: Run) -> dict[str, estate.Account]:
    return {account.name: account for account in estate.survey(emulator)}


@pytest.fixture(scope="package")
def standing(accounts: dict[str, estate.Account], again: Run) -> dict[str, clusters.Cluster]:
    """The clusters by name, when Argo CD has brought up what the repository says."""
    found = clusters.survey(accounts.values())
    clusters.side_by_side(clusters.settled, found)
    return {cluster.name: cluster for cluster in found}
