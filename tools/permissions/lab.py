# Copyright: Innovate platform maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An emulated AWS of its own and playbooks in it, as people run them, without real clusters."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rehearsal import __main__ as rehearsal
from rehearsal import state
from rehearsal.rehearse import WITHOUT_KUBERNETES, environment
from rehearsal.state import EmulatorState
from tools.results import ROOT


class RunError(RuntimeError):
    """A playbook ended with another exit status than it should."""


@dataclass(frozen=True)
class Step:
    """A run of a playbook.

    :param label: what it is recorded under; empty for what isn't recorded.
    :param variables: extra variables (``-e``).
    :param before: what is done before it, such as changes by hand.
    :param status: its exit status.
    """

    label: str
    playbook: str
    check: bool = False
    variables: Mapping[str, Any] = field(default_factory=dict)
    before: Callable[[Lab], None] | None = None
    status: tuple[int, ...] = (0,)


@dataclass
class Lab:
    """The emulated AWS, and where logs and reports go.

    :param credentials: environment variables of the caller; empty for the management account's fixed credentials.
    """

    emulator: EmulatorState
    directory: Path
    inventories: Sequence[str]
    credentials: dict[str, str] = field(default_factory=dict)
    always: dict[str, Any] = field(default_factory=dict)
    _runs: int = 0

    def run(self, step: Step) -> dict[str, int]:
        """Run a playbook; return how many tasks changed something, by host.

        Raises:
            RunError: it ended with another status than it should; the message has the end of its log.
        """
        self._runs += 1
        if step.before is not None:
            step.before(self)
        words = [word for name in self.inventories for word in ("-i", f"inventories/{name}")]
        command = ["ansible-playbook", *words, f"playbooks/{step.playbook}.yml", *WITHOUT_KUBERNETES]
        command += ["--check"] if step.check else []
        given = {**self.always, **step.variables}
        command += ["-e", json.dumps(given)] if given else []
        log = self.directory / f"{self._runs:02}-{step.playbook}.log"
        began = time.monotonic()
        with log.open("wb") as out:
            done = subprocess.run(
                command,
                cwd=ROOT,
                env={
                    **environment(self.emulator),
                    **self.credentials,
                    "ANSIBLE_NOCOLOR": "1",
                    "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "rehearsal" / "warm"),
                },
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                check=False,
            )
        text = log.read_text(errors="replace")
        seconds = time.monotonic() - began
        print(f"{seconds:6.1f} s  {step.playbook}{' --check' if step.check else ''}", file=sys.stderr, flush=True)
        if done.returncode not in step.status:
            raise RunError(f"{' '.join(command)} ended with status {done.returncode}:\n{text[-6000:]}")
        recap = text.rpartition("PLAY RECAP")[2].splitlines()[1:]
        rows = [line.split() for line in recap if " changed=" in line]
        changed = ((row[0], word.partition("=")[2]) for row in rows for word in row if word.startswith("changed="))
        return {host: int(count) for host, count in changed}

    def record(self, step: Step) -> None:
        """Run a playbook and record under its label what it demands."""
        if step.before is not None:
            step.before(self)  # by hand: not what the playbook does
        self.emulator.admin(f"recording?label={step.label}", "POST")
        try:
            self.run(Step(step.label, step.playbook, step.check, step.variables, None, step.status))
        finally:
            self.emulator.admin("recording?label=-", "POST")


@contextlib.contextmanager
def opened(directory: Path, inventories: Sequence[str]) -> Iterator[Lab]:
    """Start an emulated AWS in a directory, hand it out and end it."""
    directory.mkdir(parents=True, exist_ok=True)
    for path in (directory, *directory.parents[:2]):
        with contextlib.suppress(OSError):
            path.chmod(path.stat().st_mode | 0o111)  # PostgreSQL runs as somebody else
    os.environ.update(state.past_proxies())
    place = directory / "state"
    with contextlib.redirect_stdout(sys.stderr):
        if rehearsal.up(place, 0.0, 0, 120.0):
            raise RunError(f"the emulated AWS doesn't start: see {place / 'emulator.log'}")
    running = state.load(place)
    assert running is not None
    try:
        yield Lab(running, directory, inventories)
    finally:
        with contextlib.redirect_stdout(sys.stderr):
            rehearsal.down(place)
