# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m rehearsal.interruptions``: applies that are killed or disturbed, and what stands in the end.

An undisturbed apply is the reference. Then, for each point among its calls, in an AWS that is empty again: the same
apply, until the emulator cuts the connection at that call, before or after its effect; SIGKILL to all its processes;
the same command again until it succeeds. And for each profile of ``emulator/faults.py``: the apply under that profile,
and, where that fails, again without. What the emulated AWS holds then is compared with the reference: all its objects,
and what the kinds observe.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import queue
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import urlencode

from rehearsal import __main__ as rehearsal
from rehearsal import estate, state
from rehearsal.emulator.faults import PROFILES, is_read
from rehearsal.rehearse import INVENTORIES, ROOT, WITHOUT_KUBERNETES, environment
from rehearsal.state import REGION, EmulatorState

#: By this variable all processes of a run are found, whatever sessions and process groups they have made.
_MARK = "REHEARSAL_INTERRUPTION"
_MOST_RUNS = 4
_LONGEST_RUN = 1800.0
_LONGEST_PAUSE = 25.0

Thing = tuple[str, ...]


@dataclass(frozen=True)
class What:
    """What is applied: a playbook with inventories, without what speaks to an API server.

    :param plain: run modules in interpreters of their own, as everybody does, and not in forks (``warm``).
    """

    playbook: str = "playbooks/site.yml"
    inventories: tuple[str, ...] = INVENTORIES
    plain: bool = False

    def command(self) -> list[str]:
        """Return the command that a person would type."""
        words = [word for name in self.inventories for word in ("-i", f"inventories/{name}")]
        return ["ansible-playbook", *words, self.playbook, *WITHOUT_KUBERNETES]


@dataclass(frozen=True)
class Case:
    """One disturbance: the query of ``/rehearsal/faults`` and whether the run is killed when the connection is cut.

    :param survivors: only the process group is killed, as by a closed terminal. Ansible's workers have sessions of
        their own, so modules that run go on with what they do, and the network is there again.
    """

    name: str
    faults: tuple[tuple[str, str], ...] = ()
    kill: bool = False
    survivors: bool = False


@dataclass
class Result:
    """What came of a case.

    :param runs: how often the command was run, the killed run included.
    :param call: the call at which the connection was cut, or what happened to how many calls.
    :param doubled: things of the reference that are there more often; ``left_over``: things that the reference hasn't;
        ``missing``: things that only the reference has.
    """

    name: str
    converged: bool = False
    reached: bool = True
    runs: int = 0
    call: str = ""
    doubled: list[str] = field(default_factory=list)
    left_over: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def well(self) -> bool:
        """Whether the end is that of an undisturbed run."""
        return self.converged and not (self.doubled or self.left_over or self.missing)


@dataclass(frozen=True)
class Reference:
    """An undisturbed run: what stands after it, and its calls in their order, True for each that changes something."""

    things: Counter[Thing]
    writes: tuple[bool, ...]


class Lab:
    """One emulated AWS, and a place for what runs in it."""

    def __init__(self, directory: Path, what: What) -> None:
        self.directory = directory
        self.what = what
        directory.mkdir(parents=True, exist_ok=True)
        for path in (directory, *directory.parents[:2]):
            with contextlib.suppress(OSError):
                path.chmod(path.stat().st_mode | 0o111)  # PostgreSQL runs as somebody else
        with contextlib.redirect_stdout(sys.stderr):
            if rehearsal.up(directory / "state", 0.0, 0, 120.0):
                raise RuntimeError(f"the emulated AWS doesn't start: see {directory / 'state' / 'emulator.log'}")
        running = state.load(directory / "state")
        assert running is not None
        self.emulator: EmulatorState = running
        self.logs = directory / "logs"
        self._running: subprocess.Popen[bytes] | None = None
        self._runs = 0

    def close(self) -> None:
        """End what runs, and the emulated AWS."""
        if self._running is not None and self._running.poll() is None:
            self.kill(self._running)
        with contextlib.redirect_stdout(sys.stderr):
            rehearsal.down(self.directory / "state")

    def empty(self) -> None:
        """Back to an empty AWS."""
        shutil.rmtree(self.directory / "scratch", ignore_errors=True)
        self.emulator.admin("reset", "POST")
        self.emulator.admin("calls", "DELETE")

    def start(self, log: Path) -> subprocess.Popen[bytes]:
        """Start the command in a process group of its own."""
        self._runs += 1
        scratch = self.directory / "scratch" / str(self._runs)  # what a killed run has left may still be in use
        scratch.mkdir(parents=True)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as out:
            self._running = subprocess.Popen(
                self.what.command(),
                cwd=ROOT,
                env={
                    **environment(self.emulator),
                    _MARK: str(self.directory),
                    "TMPDIR": str(scratch),
                    "ANSIBLE_HOME": str(scratch / "ansible"),
                    "ANSIBLE_NOCOLOR": "1",
                    **({} if self.what.plain else {"ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "rehearsal" / "warm")}),
                },
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        return self._running

    def finish(self, process: subprocess.Popen[bytes]) -> int:
        """Wait for a run to end by itself, and return its exit status; one that hangs is ended."""
        try:
            return process.wait(_LONGEST_RUN)
        except subprocess.TimeoutExpired:
            self.kill(process)
            return -1

    def kill(self, process: subprocess.Popen[bytes], *, survivors: bool = False) -> None:
        """SIGKILL to the process group, and to those that left it: Ansible's workers have sessions of their own."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        while not survivors and (left := self._left(process)):
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)
        process.wait()

    def _left(self, process: subprocess.Popen[bytes]) -> list[int]:
        mark = f"{_MARK}={self.directory}\0".encode()
        return [pid for pid in _processes_with(mark) if pid != process.pid]

    def settle(self, process: subprocess.Popen[bytes]) -> None:
        """Wait for what went on after the end of a run to end as well.

        One of Ansible's workers whose parent is gone may never end: it writes a result, longer than a pipe holds, into
        a pipe that nobody reads any more, and that it has open itself for reading. What makes no call for longer than
        any pause between two attempts of a module is such a worker.
        """
        ended = time.monotonic() + _LONGEST_RUN
        mark, quiet_since = -1, time.monotonic()
        while self._left(process) and time.monotonic() < ended:
            now = int(self.emulator.admin(f"calls?since={max(mark, 0)}")["mark"])
            if now != mark:
                mark, quiet_since = now, time.monotonic()
            elif time.monotonic() - quiet_since > _LONGEST_PAUSE:
                for pid in self._left(process):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            time.sleep(0.5)

    def things(self) -> Counter[Thing]:
        """Return what the emulated AWS holds, and what the kinds observe of it."""
        rows = self.emulator.admin("inventory")
        keys = ("service", "account", "region", "type", "text")
        held = Counter({tuple(row[key] for key in keys): int(row["count"]) for row in rows})
        return _without_histories(held) + Counter(observed(self.emulator))


def _without_histories(things: Counter[Thing]) -> Counter[Thing]:
    """Take the locks of stacks (``_run/lock.py``) for what is there, whoever held them last and how often."""
    found: Counter[Thing] = Counter()
    for thing, count in things.items():
        lock = re.search(r'"name": "(/innovate/locks/[^"]+)"', thing[4]) if thing[0] == "ssm" else None
        if lock:
            found[(*thing[:3], "lock", lock[1])] = 1
        elif thing[0] != "ssm" or not thing[4].startswith("/innovate/locks/"):
            found[thing] += count
    return found


def _processes_with(mark: bytes) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        # It may be gone already, or somebody else's. One that has ended shows nothing.
        with contextlib.suppress(OSError):
            if mark in path.read_bytes() + b"\0":
                found.append(int(path.parent.name))
    return found


def observed(emulator: EmulatorState) -> Iterable[Thing]:
    """Return what the kinds observe of all stacks in all accounts: kind, account, stack, address and state."""
    sys.path[:0] = [str(ROOT / "collections")] if str(ROOT / "collections") not in sys.path else []
    plugins = "ansible_collections.innovate.platform.plugins.module_utils"
    kinds = __import__(f"{plugins}._kinds.registry", fromlist=["KINDS"]).KINDS
    scope_type = __import__(f"{plugins}._engine.kind", fromlist=["Scope"]).Scope
    session_type = __import__(f"{plugins}._kinds._session", fromlist=["Session"]).Session
    found: list[Thing] = []
    for account in estate.survey(emulator):
        session = session_type(lambda service, _region, a=account: a.client(service), account.id, REGION, "aws")
        for stack in stacks_of(account):
            scope = scope_type(stack)
            for name, kind in kinds.items():
                elsewhere = kind.central and not account.is_management
                if kind.lookup or elsewhere or name.startswith("manifest"):
                    continue
                for item in kind.observe(session, scope):
                    if item.tags.get("innovate:stack") == stack:
                        address = item.tags.get("innovate:address", "")
                        found.append(("kinds", account.name, stack, name, f"{address} is {item.state}"))
    return found


def stacks_of(account: estate.Account) -> list[str]:
    """Return the names of all stacks in an account, by the tagging API."""
    pages = account.client("resourcegroupstaggingapi").get_paginator("get_resources").paginate()
    tags = (tag for page in pages for item in page["ResourceTagMappingList"] for tag in item["Tags"])
    return sorted({tag["Value"] for tag in tags if tag["Key"] == "innovate:stack"})


def reference(lab: Lab) -> Reference:
    """Apply without any disturbance, and look; a run that fails ends everything."""
    lab.empty()
    log = lab.logs / "reference.log"
    status = lab.finish(lab.start(log))
    if status:
        raise RuntimeError(f"the undisturbed run failed (exit status {status}): see {log}")
    calls = lab.emulator.admin("calls?since=0")["calls"]
    return Reference(lab.things(), tuple(not is_read(call["operation"]) for call in calls))


def points(undisturbed: Reference, count: int, *, survivors: bool = False) -> list[Case]:
    """Spread points over the calls of an undisturbed run, half of them over all calls and half over those that write.

    Runs differ by some calls, so the last point is a little before the end.

    :param survivors: all over the calls that write, and only the process group is killed.
    """
    cases = []
    numbers = {"": len(undisturbed.writes), "writes": sum(undisturbed.writes)}
    of_all = 0 if survivors else count - count // 2
    for only, share in (("", of_all), ("writes", count - of_all)):
        last = max(1, int(numbers[only] * 0.97))
        for index in range(share):
            at = 1 + round(index * (last - 1) / max(1, share - 1))
            moment = ("before", "after")[index % 2]
            name = f"{moment} {'write' if only else 'call'} {at}{', modules go on' if survivors else ''}"
            query = {"cut": str(at), "moment": moment, **({"only": only} if only else {})}
            cases.append(Case(name, tuple(query.items()), kill=True, survivors=survivors))
    return cases


def profiles(names: Iterable[str]) -> list[Case]:
    """Return a case for each profile."""
    return [Case(name, (("profile", name), ("seed", "5"))) for name in names]


def attempt(lab: Lab, case: Case, undisturbed: Reference) -> Result:
    """Disturb a run, have the command run until it succeeds, and compare."""
    began = time.monotonic()
    result = Result(case.name)
    lab.empty()
    folder = lab.logs / re.sub(r"\W+", "-", case.name)
    shutil.rmtree(folder, ignore_errors=True)
    if case.faults:
        lab.emulator.admin(f"faults?{urlencode(case.faults)}", "POST")
    process = lab.start(folder / "1.log")
    result.runs = 1
    status = _until_cut(lab, process, survivors=case.survivors) if case.kill else lab.finish(process)
    told = lab.emulator.admin("faults", "DELETE")
    if case.kill:
        result.reached = told["cut"] is not None
        cut = told["cut"] or {"service": "never", "operation": "reached"}
        result.call = f"{cut['service']}:{cut['operation']}"
    else:
        result.call = ", ".join(f"{what} {count}" for what, count in sorted(told["struck"].items()))
    while status and result.runs < _MOST_RUNS:
        result.runs += 1
        status = lab.finish(lab.start(folder / f"{result.runs}.log"))
    lab.settle(process)
    result.converged = status == 0
    compare(result, undisturbed.things, lab.things())
    result.seconds = time.monotonic() - began
    if result.well:
        shutil.rmtree(folder)
    else:
        (folder / "result.json").write_text(json.dumps(asdict(result), indent=2) + "\n")
    return result


def _until_cut(lab: Lab, process: subprocess.Popen[bytes], *, survivors: bool) -> int:
    """Kill a run as soon as its connection is cut; return its exit status where that never happens."""
    ended = time.monotonic() + _LONGEST_RUN
    while process.poll() is None and time.monotonic() < ended:
        if lab.emulator.admin("faults?wait=1")["cut"]:
            break
    status = process.poll()
    if status is None:
        lab.kill(process, survivors=survivors)
        return -signal.SIGKILL
    return status


def compare(result: Result, wanted: Counter[Thing], found: Counter[Thing]) -> None:
    """Note what was found beside what was wanted, and what was not found."""
    for thing, count in sorted((found - wanted).items()):
        shown = f"{count} x {' '.join(thing)}"
        (result.doubled if thing in wanted else result.left_over).append(shown)
    result.missing += [f"{count} x {' '.join(thing)}" for thing, count in sorted((wanted - found).items())]


def run(
    cases: Sequence[Case], labs: Sequence[Lab], undisturbed: Reference, told: Callable[[Result], None]
) -> list[Result]:
    """Try all cases, as many side by side as there are labs; results come in the order of the cases."""
    free: queue.SimpleQueue[Lab] = queue.SimpleQueue()
    for lab in labs:
        free.put(lab)
    lock = threading.Lock()

    def one(case: Case) -> Result:
        lab = free.get()
        try:
            result = attempt(lab, case, undisturbed)
        finally:
            free.put(lab)
        with lock:
            told(result)
        return result

    with ThreadPoolExecutor(len(labs)) as pool:
        try:
            return list(pool.map(one, cases))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for lab in labs:
                lab.close()
            raise


def describe(result: Result) -> str:
    """Return a line of the table."""
    verdict = "as undisturbed" if result.well else "DIFFERS" if result.converged else "DID NOT END WELL"
    counts = f"doubled {len(result.doubled)}, left over {len(result.left_over)}, missing {len(result.missing)}"
    reached = "" if result.reached else " (the call was never reached)"
    return (
        f"{result.name:<24} {result.runs} runs {result.seconds:5.0f} s  {verdict:<16} {counts}  {result.call}{reached}"
    )


def summarize(results: Sequence[Result], cases: Sequence[Case]) -> list[str]:
    """Return the figures, for killed runs and for profiles."""
    lines = []
    for title, kill in (("killed runs", True), ("profiles", False)):
        chosen = [result for result, case in zip(results, cases, strict=True) if case.kill is kill and case.faults]
        if not chosen:
            continue
        tried = [result for result in chosen if result.reached]
        by_itself = sum(result.runs == 1 and result.converged for result in tried)
        lines.append(
            f"{title}: {len(tried)} tried, {sum(result.converged for result in tried)} converged"
            + ("" if kill else f" ({by_itself} in the disturbed run itself)")
            + f", {sum(bool(result.doubled) for result in tried)} with something twice, "
            + f"{sum(bool(result.left_over) for result in tried)} with something left over, "
            + f"{sum(bool(result.missing) for result in tried)} with something missing"
        )
    return lines


def main(argv: list[str] | None = None) -> int:
    """Make the reference, try all points and profiles, print the table."""
    parser = argparse.ArgumentParser(prog="python -m rehearsal.interruptions", description=__doc__)
    parser.add_argument("--points", type=int, default=60, help="killed runs (default: %(default)s)")
    parser.add_argument("--survivors", type=int, default=6, help="more of them, whose modules go on: %(default)s")
    parser.add_argument("--profiles", default="all", help="names with commas, all or none (default: %(default)s)")
    parser.add_argument("--case", action="append", default=[], help="only this case, by its name in the table")
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1), help="side by side: %(default)s")
    parser.add_argument("--plain", action="store_true", help="modules in interpreters of their own: much slower")
    parser.add_argument("--directory", type=Path, help="for emulators and logs (default: a temporary one)")
    args = parser.parse_args(argv)
    os.environ.update(state.past_proxies())
    unknown = set() if args.profiles in ("all", "none") else set(args.profiles.split(",")) - set(PROFILES)
    if unknown:
        parser.error(f"no profile {', '.join(sorted(unknown))}: use {', '.join(PROFILES)}")
    # Also where the shell has SIGINT ignored, as for what runs in the background.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    directory = args.directory.resolve() if args.directory else Path(tempfile.mkdtemp(prefix="interruptions-"))
    labs: list[Lab] = []
    try:
        labs += [Lab(directory / f"lab-{number}", What(plain=args.plain)) for number in range(args.workers)]
        undisturbed = reference(labs[0])
        calls, writes = len(undisturbed.writes), sum(undisturbed.writes)
        print(
            f"undisturbed: {calls} calls, {writes} of them write; {sum(undisturbed.things.values())} things", flush=True
        )
        names = PROFILES if args.profiles == "all" else [] if args.profiles == "none" else args.profiles.split(",")
        cases = [
            *points(undisturbed, args.points),
            *points(undisturbed, args.survivors, survivors=True),
            *profiles(names),
        ]
        # The sorts mixed: a run that is ended early has something of each.
        random.Random(1).shuffle(cases)
        cases.insert(0, Case("undisturbed"))
        if args.case:
            cases = [case for case in cases if case.name in args.case]
        results = run(cases, labs, undisturbed, lambda result: print(describe(result), flush=True))
    finally:
        for lab in labs:
            lab.close()
    print()
    for line in summarize(results, cases):
        print(line)
    well = all(result.well for result in results)
    out = ROOT / "build" / "interruptions.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps([asdict(result) for result in results], indent=2) + "\n")
    print(f"written: {out.relative_to(ROOT)}" + ("" if well else f"; logs of what differs: {directory}"))
    if well and not args.directory:
        shutil.rmtree(directory, ignore_errors=True)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
