# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory of one run of ansible-playbook, in which its plugins and modules leave things for each other.

Modules run on the controller and inherit the environment, so the variable :data:`VARIABLE` is all they need. The
directory is readable by its owner only and goes with the process that made it.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

VARIABLE = "INNOVATE_PLATFORM_RUN"
PLANS = "plan.jsonl"
FAILURES = "failures.jsonl"


def ensure() -> Path:
    """Return the directory of this run; whoever asks first makes it.

    A run that another run started (a playbook that calls ansible-playbook) has its own.
    """
    global _made  # noqa: PLW0603  # one process is one run
    if _made is None:
        _made = Path(tempfile.mkdtemp(prefix="innovate-platform-"))
        os.environ[VARIABLE] = str(_made)
        atexit.register(_remove, _made, os.getpid())
    return _made


def find() -> Path | None:
    """Return the directory of this run, None where no callback of this collection is enabled.

    What the environment says isn't asked: it may be that of a run which started this one.
    """
    return _made if _made is not None and _made.is_dir() else None


def start_gathering() -> None:
    """Begin with no plan and no failure: who gathers plans says so at the start of each playbook of a command."""
    global _lost  # noqa: PLW0603  # as _made
    _lost = ""
    for path in ensure().glob("*.jsonl"):
        path.unlink()
    for name in (PLANS, FAILURES):
        (ensure() / name).touch()


def problems() -> list[str]:
    """Return why what is planned isn't known: nothing gathered is not the same as nothing to do."""
    found = find()
    if _lost:
        return [f"what was planned could not be kept, so nobody can decide on it: {_lost}"]
    if found is None or not (found / PLANS).exists():
        return [
            (
                "the callback innovate.platform.plan isn't enabled, so nobody gathers what is planned: add it to "
                "`callbacks_enabled` in ansible.cfg"
            )
        ]
    return []


def append(name: str, item: Mapping[str, Any]) -> None:
    """Add an item to a file of JSON lines; where that fails, :func:`problems` tells."""
    global _lost  # noqa: PLW0603  # as _made
    line = json.dumps(item, default=str) + "\n"
    try:
        with (ensure() / name).open("a", encoding="utf-8") as file:
            file.write(line)
    except OSError as error:
        _lost = str(error)


def items(name: str) -> list[dict[str, Any]]:
    """Return the items of a file of JSON lines; a file that isn't there has none."""
    directory = find()
    path = directory / name if directory is not None else None
    if path is None or not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


_made: Path | None = None
_lost = ""


def _remove(path: Path, owner: int) -> None:
    # Workers are forks of the run and end by themselves; what they inherited isn't theirs to remove.
    if os.getpid() == owner:
        shutil.rmtree(path, ignore_errors=True)
