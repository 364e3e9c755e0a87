# Copyright: Innovate platform maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the parts of the test suite and add up their cases: `python -m tools.suite check`.

Each part writes what it prints to build/logs/<part>.log. Two run at a time: the light ones, then the heavy ones, each
of which has servers of its own and waits for them much of the time. A part's line says how many seconds passed, and
for how many a processor was busy with it.
A part whose subject doesn't exist says `no subjects` and counts nothing. The last line is `N passed, N failed`; the
exit status is 1 when anything failed or nothing was tested.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from threading import Event, Lock

from tools.results import BUILD, ROOT, Results, read
from tools.usage import Usage

# Two cores.
SIDE_BY_SIDE = 2
TAIL_LINES = 60
TIMEOUT_SECONDS = 60 * 60

_printing = Lock()
_stopping = Event()


@dataclass(frozen=True)
class Part:
    """One line of the suite.

    Attributes:
        name: What it is called on the command line and in build/logs.
        command: What is run, from the repository's root, with .venv/bin first on the PATH.
        subjects: Glob patterns; the part runs when one of them matches something.
        results: File in build/results with its cases, `.xml` (JUnit) or `.json`; without it the part is one case.
        heavy: Takes minutes; runs after the others.
        alone: Uses all cores, or makes what later ones need; runs by itself.
    """

    name: str
    command: tuple[str, ...]
    subjects: tuple[str, ...]
    results: str = ""
    heavy: bool = False
    alone: bool = False


def pytest_part(name: str, *, heavy: bool = False, options: tuple[str, ...] = ()) -> Part:
    """Return the part for the tests in tests/<name>."""
    junit = f"{name}.xml"
    command = ("python", "-m", "pytest", "-q", f"tests/{name}", f"--junitxml=build/results/{junit}", *options)
    return Part(name, command, (f"tests/{name}/**/test_*.py",), junit, heavy)


def playbooks() -> tuple[str, ...]:
    """Return the playbooks, as paths from the root."""
    return tuple(sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("playbooks/*.yml")))


def typed_packages() -> tuple[str, ...]:
    """Return mypy's arguments: everything by the name it is imported by."""
    packages = ["ansible_collections.innovate.platform.plugins"]
    packages += [name for name in ("rehearsal", "benchmarks", "tools") if any(ROOT.glob(f"{name}/**/*.py"))]
    return tuple(word for package in packages for word in ("-p", package))


def parts() -> list[Part]:
    """Return the table of parts, in the order in which they are started."""
    python = ("plugins/**/*.py", "rehearsal/**/*.py", "tools/**/*.py", "tests/**/*.py")
    return [
        Part("ansible-lint", ("ansible-lint", "--offline", "-q"), ("roles/*/tasks", "playbooks/*.yml")),
        Part("mypy", ("mypy", *typed_packages()), python),
        Part("ruff-check", ("ruff", "check", "--no-cache"), python),
        Part("ruff-format", ("ruff", "format", "--check", "--no-cache"), python),
        Part("yamllint", ("yamllint", "--strict", "."), ("*.yml",)),
        Part("layers", ("lint-imports", "--no-cache"), ("plugins/module_utils/_engine/*.py",)),
        Part("changelog", ("antsibull-changelog", "lint"), ("changelogs/config.yaml",)),
        Part("syntax", ("ansible-playbook", "--syntax-check", *playbooks()), ("playbooks/*.yml",)),
        pytest_part("unit"),
        # A quarter of an hour on a machine that has none of them, and seconds on one that has.
        Part("programs", ("python", "-m", "rehearsal.kubernetes", "build"), ("rehearsal/**/*.py",), alone=True),
        # The longest first, so that the two lanes end together.
        pytest_part("rehearsal", heavy=True),
        pytest_part("kubernetes", heavy=True),
        Part("molecule", ("python", "-m", "tools.scenarios"), ("roles/*/tasks",), "molecule.json", heavy=True),
        Part("sanity", ("python", "-m", "tools.sanity"), ("plugins/**/*.py",), "sanity.json", heavy=True),
        pytest_part("emulator", heavy=True),
        pytest_part("contract", heavy=True),
    ]


LINT = ("ansible-lint", "mypy", "ruff-check", "ruff-format", "yamllint", "layers", "changelog", "syntax")
CHOICES = {
    "check": (*LINT, "unit"),
    "lint": LINT,
    "test": tuple(part.name for part in parts()),
}


def environment() -> dict[str, str]:
    """Return the environment of every part: our tools first, our collection importable, no colours in the logs."""
    return {
        **os.environ,
        "PATH": f"{ROOT / '.venv/bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT / 'collections'}{os.pathsep}{ROOT}",
        "NO_COLOR": "1",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_FORCE_COLOR": "0",
    }


def end(process: subprocess.Popen[bytes]) -> None:
    """End a part and all that it started: as Ctrl-C does, so that it stops its servers; by force when that fails."""
    os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(timeout=120)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def execute(command: tuple[str, ...], log: Path, usage: Usage) -> int:
    """Run a command with its output in `log`; end it and all that it started when it takes too long."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**environment(), **usage.environment()},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            return usage.wait(process, TIMEOUT_SECONDS, _stopping)
        except subprocess.TimeoutExpired:
            out.write(f"\nended after {TIMEOUT_SECONDS} s\n".encode())
            return 1
        finally:
            if process.poll() is None:
                end(process)


def judge(part: Part, status: int) -> Results:
    """Return a part's cases; a failure that none of its cases shows is a case of its own."""
    if not part.results:
        return Results(passed=[part.name]) if status == 0 else Results(failed=[part.name])
    results = read(BUILD / "results" / part.results)
    if status != 0 and not results.failed:
        results.failed.append(f"{part.name}: ended with status {status}")
    elif not results:
        results.failed.append(f"{part.name}: ran nothing")
    return results


def run(part: Part, extra: tuple[str, ...] = ()) -> Results:
    """Run a part, print its line and, when it failed, the end of its log."""
    if not any(any(ROOT.glob(pattern)) for pattern in part.subjects):
        with _printing:
            print(f"  --      {part.name:<14} no subjects", flush=True)
        return Results()
    log = BUILD / "logs" / f"{part.name}.log"
    if part.results:
        (BUILD / "results").mkdir(parents=True, exist_ok=True)
        (BUILD / "results" / part.results).unlink(missing_ok=True)
    began = time.monotonic()
    usage = Usage()
    status = execute((*part.command, *extra), log, usage)
    took = time.monotonic() - began
    results = judge(part, status)
    counts = ", ".join(
        f"{len(cases)} {what}"
        for what, cases in (("passed", results.passed), ("failed", results.failed), ("skipped", results.skipped))
        if cases
    )
    with _printing:
        times = f"{took:6.1f} s {usage.seconds:7.1f} s CPU"
        print(f"  {'FAILED' if results.failed else 'ok':<7} {part.name:<14} {times}  {counts}", flush=True)
        if results.failed:
            for line in log.read_text(errors="replace").splitlines()[-TAIL_LINES:]:
                print(f"          | {line}")
            for case in results.failed:
                print(f"          failed: {case}")
            print(f"          the whole log: {log.relative_to(ROOT)}", flush=True)
    return results


def main() -> int:
    """Run the chosen parts and return the exit status."""
    table = parts()
    names = [part.name for part in table]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("choice", choices=[*CHOICES, *names])
    parser.add_argument("extra", nargs=argparse.REMAINDER, help="handed to the part, when it is one")
    arguments = parser.parse_args()
    chosen = CHOICES.get(arguments.choice, (arguments.choice,))
    if arguments.extra and len(chosen) > 1:
        parser.error("only a single part takes more arguments")
    extra = tuple(arguments.extra)
    began = time.monotonic()

    total = Results()
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        mine = [part for part in table if part.name in chosen]
        light = [part for part in mine if not part.heavy and not part.alone]
        alone = [[part] for part in mine if part.alone]
        try:
            for stage in (light, *alone, [part for part in mine if part.heavy]):
                for results in pool.map(run, stage, repeat(extra)):
                    total.add(results)
        except KeyboardInterrupt:
            # Each part ends its servers before this ends.
            _stopping.set()
            pool.shutdown(cancel_futures=True)
            raise

    print(f"  {time.monotonic() - began:.0f} s in all; logs in build/logs")
    print(f"{len(total.passed)} passed, {len(total.failed)} failed", flush=True)
    return 0 if total.passed and not total.failed else 1


if __name__ == "__main__":
    sys.exit(main())
