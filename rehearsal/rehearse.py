# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m rehearsal rehearse``: the whole platform from nothing, twice, and what stands afterwards."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rehearsal import estate
from rehearsal.state import EmulatorState

ROOT = Path(__file__).resolve().parent.parent
INVENTORIES = ("organization", "dev", "stage", "prod")
#: `dev : ok=9 changed=0 unreachable=0 failed=0 ...`, a line of Ansible's recap.
_RECAP = re.compile(r"^(?P<host>\S+)\s+: ok=\d+\s+changed=(?P<changed>\d+)\s")


@dataclass(frozen=True)
class Run:
    """One run of a playbook: its exit status, how many tasks changed something by host, and how long it took."""

    status: int
    changed: dict[str, int]
    seconds: float


def environment(emulator: EmulatorState) -> dict[str, str]:
    """Return what leads the playbooks to the emulated AWS; nothing in them knows that it is not the real one."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {**inherited, **emulator.environment(), "PATH": path, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}


def playbook(name: str, emulator: EmulatorState, *arguments: str, echo: Callable[[str], None] | None = None) -> Run:
    """Run ``playbooks/<name>.yml`` with all inventories; ``echo`` gets each line of its output as it comes."""
    inventories = [word for inventory in INVENTORIES for word in ("-i", f"inventories/{inventory}")]
    began = time.monotonic()
    process = subprocess.Popen(
        ["ansible-playbook", *inventories, f"playbooks/{name}.yml", *arguments],
        cwd=ROOT,
        env=environment(emulator),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    changed = {}
    for line in process.stdout or ():
        if echo is not None:
            echo(line)
        found = _RECAP.match(line)
        if found:
            changed[found["host"]] = int(found["changed"])
    return Run(process.wait(), changed, time.monotonic() - began)


def rehearse(directory: Path, emulator: EmulatorState) -> int:
    """Apply the whole site, apply it again, try the databases, and say what stands. Returns an exit status."""
    began = time.monotonic()

    def echo(line: str) -> None:
        print(line, end="", flush=True)

    _headline("playbooks/site.yml with all four inventories")
    first = playbook("site", emulator, echo=echo)
    if first.status:
        print(f"\nThe first run failed (exit status {first.status}): see above.", file=sys.stderr)
        return first.status
    _headline(f"that took {first.seconds:.0f} s; the same again: nothing may change")
    second = playbook("site", emulator, echo=echo)
    if second.status or any(second.changed.values()):
        print(f"\nThe second run was to change nothing, but: {second.changed}", file=sys.stderr)
        return second.status or 1
    _headline(
        f"that took {second.seconds:.0f} s; a row in every database, over TLS, with the password that AWS manages"
    )
    accounts = estate.survey(emulator)
    tried = [estate.try_database(account, database) for account in accounts for database in account.databases]
    for line in tried:
        print(line)
    data = estate.summary(emulator, accounts)
    (directory / "summary.json").write_text(json.dumps(data, indent=2) + "\n")
    estate.write_profiles(directory, emulator, accounts)
    print(estate.describe(directory, accounts))
    seconds = time.monotonic() - began
    print(f"First run {first.seconds:.0f} s, second run {second.seconds:.0f} s, all together {seconds:.0f} s. ", end="")
    print(f"The second run changed nothing in {len(second.changed)} accounts.")
    return 0


def _headline(text: str) -> None:
    print(f"\n=== {text}\n", flush=True)
