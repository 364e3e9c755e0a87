# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an organization costs a run as it grows: time per account, and the memory of the controller."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rehearsal.state import EmulatorState

UNITS = ("Security", "Infrastructure", "Workloads/NonProd", "Workloads/Prod")
#: Of Service Quotas: the greatest number of accounts in an organization.
_ACCOUNTS = "L-E619E033"


def accounts(count: int) -> list[dict[str, Any]]:
    """Return the declaration of so many accounts, the management account among them, spread over the units."""
    members = [
        {"name": f"team-{number:03}", "email": f"aws+team-{number:03}@example.com", "unit": UNITS[number % len(UNITS)]}
        for number in range(1, count)
    ]
    return [{"name": "management", "management": True}, *members]


def write_inventory(directory: Path, count: int) -> list[str]:
    """Write what a playbook is given to run over so many accounts; each is a host beside the organization's own.

    :return: arguments of ``ansible-playbook``.
    """
    declared = accounts(count)
    hosts: dict[str, dict[str, str]] = {
        account["name"].replace("-", "_"): {} for account in declared if not account.get("management")
    }
    variables = directory / f"{count}.json"
    variables.write_text(json.dumps({"organization_accounts": declared}))
    inventory = directory / f"{count}.yml"
    # JSON is YAML. The organization's own hosts are given along: their accounts aren't declared here.
    inventory.write_text(json.dumps({"teams": {"hosts": hosts}}))
    return ["-i", "inventories/organization", "-i", str(inventory), "-e", f"@{variables}"]


def room_for_all(emulator: EmulatorState) -> None:
    """Raise the quota of accounts, of which a new organization has ten."""
    emulator.admin(f"quotas?code={_ACCOUNTS}&value=500", "POST")


class Memory:
    """The memory of this process's children and theirs, at its highest: pages that they share count once.

    :ivar peak: bytes (``Pss`` of ``/proc/<pid>/smaps_rollup``, summed); how often it was looked: ``looks``.
    """

    def __init__(self) -> None:
        self.peak = 0
        self.looks = 0

    @contextmanager
    def watched(self, pause: float = 0.25) -> Iterator[Memory]:
        """Look every so many seconds while the block runs."""
        ended = threading.Event()
        # What runs before has been running and isn't the controller's: the emulated AWS.
        before = set(_descendants(os.getpid()))

        def watch() -> None:
            while not ended.wait(pause):
                now = sum(_shared_out(pid) for pid in _descendants(os.getpid()) if pid not in before)
                self.peak = max(self.peak, now)
                self.looks += 1

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            ended.set()
            thread.join()


def _descendants(root: int) -> list[int]:
    """Return the processes below one, from /proc."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:  # it has just ended
                continue
            # The name, in parentheses, may have spaces.
            children.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(entry.name))
    found, waiting = [], [root]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def _shared_out(pid: int) -> int:
    """Return the memory of a process in bytes, what it shares with others divided among them; 0 where it has ended."""
    try:
        text = Path("/proc", str(pid), "smaps_rollup").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:")), 0)
