# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An emulated AWS of its own for each module of tests, and playbooks run in it as people run them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from rehearsal import __main__ as rehearsal
from rehearsal import state
from rehearsal.rehearse import INVENTORIES, ROOT, environment
from rehearsal.state import EmulatorState

#: Seconds that a minute of AWS's lasts: long enough for waits to be waits.
PACE = 0.06


@dataclass(frozen=True)
class Run:
    """What a run of ansible-playbook came to: by host, the results of its tasks in their order."""

    status: int
    results: list[tuple[str, str, dict[str, Any]]]
    changed: dict[str, int]
    text: str

    def changes(self) -> dict[tuple[str, str], str]:
        """Return what the stacks' modules changed, or would change: the action by host and address.

        A run that carries out what it planned tells of what it did only, and of what it did in two steps (a group, and
        later its rules) the first.
        """
        stacks = [(host, result) for host, _task, result in self.results if "changes" in result]
        applied = [(host, result) for host, result in stacks if result.get("applied")]
        found: dict[tuple[str, str], str] = {}
        for host, result in applied or stacks:
            for change in result["changes"] or ():
                address = f"{result['diff']['after_header'].split()[0]}:{change['address']}"
                found.setdefault((host, address), change["action"])
        return found

    def messages(self) -> list[str]:
        """Return the messages of what failed."""
        return [str(result["msg"]) for _host, _task, result in self.results if result.get("failed")]


def started(directory: Path, *, kubernetes: bool) -> Iterator[EmulatorState]:
    """Start an emulated AWS, hand it out, and end it."""
    for path in (directory, *directory.parents[:2]):
        path.chmod(0o711)
    assert rehearsal.up(directory, PACE, 0, 60.0, kubernetes=kubernetes) == 0
    running = state.load(directory)
    assert running is not None
    try:
        yield running
    finally:
        rehearsal.down(directory)


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorState]:
    """An emulated AWS without API servers behind its clusters."""
    yield from started(tmp_path_factory.mktemp("rehearsal"), kubernetes=False)


Play = Callable[..., Run]


@pytest.fixture(scope="module")
def play(emulator: EmulatorState) -> Play:
    return player(emulator)


def player(emulator: EmulatorState) -> Play:
    """Return what runs a playbook with all inventories, or those that are named."""

    def run(
        playbook: str | Path,
        *arguments: str,
        inventories: tuple[str, ...] = INVENTORIES,
        variables: dict[str, str] | None = None,
    ) -> Run:
        words = [word for name in inventories for word in ("-i", f"inventories/{name}")]
        done = subprocess.run(
            ["ansible-playbook", *words, str(playbook), *arguments],
            cwd=ROOT,
            env={**environment(emulator), "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", **(variables or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        try:
            data = json.loads(done.stdout[done.stdout.index("{") :])
        except ValueError:
            return Run(done.returncode, [], {}, done.stdout + done.stderr)
        results = [
            (host, task["task"]["name"], result)
            for play in data["plays"]
            for task in play["tasks"]
            for host, result in task["hosts"].items()
        ]
        changed = {host: stats["changed"] for host, stats in data["stats"].items()}
        return Run(done.returncode, results, changed, done.stdout + done.stderr)

    return run


@pytest.fixture
def playbook_of(tmp_path: Path) -> Callable[[list[dict[str, Any]]], Path]:
    """Write a playbook of tasks on localhost."""

    def write(tasks: list[dict[str, Any]]) -> Path:
        path = tmp_path / "playbook.yml"
        path.write_text(
            yaml.safe_dump([{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}])
        )
        return path

    return write
