# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m rehearsal rehearse|up|down|status|env|psql``."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from rehearsal import state

_ROOT = Path(__file__).resolve().parent.parent


def up(
    directory: Path, pace: float, port: int, timeout: float, *, kubernetes: bool = False, enforce: bool = False
) -> int:
    """Start the emulator in the background, or leave the one that stands.

    With ``kubernetes`` real control planes stand behind EKS clusters; their programs are found or built first. With
    ``enforce`` what no IAM policy allows is refused.
    """
    running = state.load(directory)
    if running is not None and running.healthy():
        print(f"emulated AWS: stands at {running.endpoint} (process {running.pid})")
        if running.kubernetes is not kubernetes:
            kind = "with" if running.kubernetes else "without"
            print(f"emulated AWS: it stands {kind} real clusters: end it first (make rehearse-down)", file=sys.stderr)
            return 1
        if enforce:
            running.admin("enforcement", "POST")
        return 0
    directory.mkdir(parents=True, exist_ok=True)
    if kubernetes and not _programs(directory):
        return 1
    (directory / "emulator.json").unlink(missing_ok=True)
    log = directory / "emulator.log"
    began = time.monotonic()
    print(f"emulated AWS: starting (log: {log})", flush=True)
    with log.open("ab") as out:
        command = [sys.executable, "-m", "rehearsal.emulator", "--state-dir", str(directory)]
        command += ["--pace", str(pace), "--port", str(port), *(["--kubernetes"] if kubernetes else [])]
        command += ["--enforce"] if enforce else []
        path = os.pathsep.join(part for part in (str(_ROOT), os.environ.get("PYTHONPATH", "")) if part)
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd=directory,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
        )
    while time.monotonic() - began < timeout:
        running = state.load(directory)
        if running is not None and running.healthy():
            print(f"emulated AWS: answers at {running.endpoint} after {time.monotonic() - began:.1f} s")
            return 0
        if process.poll() is not None:
            print(f"emulated AWS: ended with status {process.returncode}; see {log}", file=sys.stderr)
            return 1
        time.sleep(0.05)
    process.terminate()
    print(f"emulated AWS: no answer within {timeout:.0f} s; see {log}", file=sys.stderr)
    return 1


#: What playbooks and people find on the PATH: see EmulatorState.search_path.
_TOOLS = ("helm", "kubectl", "kustomize", "argocd")


def _programs(directory: Path) -> bool:
    """Find or build what clusters consist of, fetch what their roles install, and lay out the tools in ``bin``."""
    from rehearsal import mirror  # noqa: PLC0415 - an option
    from rehearsal.kubernetes import binaries, toolchain  # noqa: PLC0415

    def say(line: str) -> None:
        print(f"clusters: {line}", flush=True)

    try:
        paths = binaries.ready(binaries.REHEARSAL, say)
        mirror.ready(say)
    except (binaries.BuildError, toolchain.ToolchainError, mirror.MirrorError, OSError) as error:
        print(f"clusters: {error}", file=sys.stderr)
        return False
    tools = directory / "bin"
    shutil.rmtree(tools, ignore_errors=True)
    tools.mkdir()
    for name in _TOOLS:
        (tools / name).symlink_to(paths[name])
    return True


def _wanted() -> bool:
    """Whether REHEARSE_KUBERNETES asks for real clusters, as it does by default."""
    value = os.environ.get("REHEARSE_KUBERNETES", "") or "yes"
    if value.lower() not in _ANSWERS:
        sys.exit(f"REHEARSE_KUBERNETES is {value!r}: use yes or no")
    return _ANSWERS[value.lower()]


_ANSWERS = {"yes": True, "true": True, "on": True, "1": True, "no": False, "false": False, "off": False, "0": False}


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has waited for doesn't."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    # A child that nobody has waited for yet is a zombie: ended, though its number still exists.
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


def down(directory: Path) -> int:
    """Stop the emulator and all databases and clusters of a state directory."""
    from rehearsal import git, postgres  # noqa: PLC0415 - only this command needs it
    from rehearsal.kubernetes import processes  # noqa: PLC0415

    running = state.load(directory)
    if running is not None and running.healthy():
        os.kill(running.pid, signal.SIGTERM)
        ended = time.monotonic() + 20
        while alive(running.pid) and time.monotonic() < ended:
            time.sleep(0.05)
        if alive(running.pid):
            os.kill(running.pid, signal.SIGKILL)
        print(f"emulated AWS: stopped (process {running.pid})")
    elif running is not None and processes.belongs(running.pid, directory):
        # It hangs, and would start again what is ended below.
        os.kill(running.pid, signal.SIGKILL)
        print(f"emulated AWS: ended by force, it didn't answer (process {running.pid})")
    else:
        print("emulated AWS: was not running")
    postgres.remove_all(directory)
    processes.remove_all(directory)
    git.remove_all(directory)
    for name in ("emulator.json", "emulator.log", "summary.json", "aws-config", "kubeconfig"):
        (directory / name).unlink(missing_ok=True)
    shutil.rmtree(directory / "bin", ignore_errors=True)
    if directory.exists() and not any(directory.iterdir()):
        directory.rmdir()
    return 0


def psql(running: state.EmulatorState, name: str, arguments: list[str]) -> int:
    """Become psql in an account's database, or say why not."""
    from rehearsal import estate  # noqa: PLC0415 - only this command needs it

    with_databases = {account.name: account for account in estate.survey(running) if account.databases}
    if name in with_databases:
        estate.psql(with_databases[name], with_databases[name].databases[0], arguments)
    there = ", ".join(with_databases) or "none: run playbooks/site.yml first"
    print(f"the account {name!r} has no database; accounts that have one: {there}", file=sys.stderr)
    return 3


def main(argv: list[str] | None = None) -> int:
    """Parse the command line and do what it says."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--state-dir", type=Path, default=None, help="default: .rehearsal of the checkout")
    parser = argparse.ArgumentParser(prog="python -m rehearsal", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    starting = commands.add_parser("up", parents=[common], help="start what isn't running yet")
    starting.add_argument("--pace", type=float, default=0.3, help="seconds that a minute of AWS's lasts; 0 is at once")
    starting.add_argument("--port", type=int, default=0, help="0 takes a free one")
    starting.add_argument("--enforce", action="store_true", help="refuse what no IAM policy of a caller allows")
    starting.add_argument("--timeout", type=float, default=60.0, help="seconds to wait for the first answer")
    whole = commands.add_parser("rehearse", parents=[common], help="start, apply playbooks/site.yml twice, look")
    whole.add_argument("--pace", type=float, default=float(os.environ.get("REHEARSE_PACE", "0.3")), help="as for up")
    for command in (starting, whole):
        command.add_argument(
            "--kubernetes",
            action=argparse.BooleanOptionalAction,
            default=_wanted(),
            help="real control planes behind EKS clusters (default: what REHEARSE_KUBERNETES says, else yes)",
        )
    commands.add_parser("down", parents=[common], help="stop everything and remove the state")
    commands.add_parser("status", parents=[common], help="say what stands; exit status 3 if nothing does")
    commands.add_parser("env", parents=[common], help="print export lines for a shell")
    opened = commands.add_parser("psql", parents=[common], help="open an account's database, over TLS")
    opened.add_argument("account", help="its name: dev, stage, prod")
    opened.add_argument("arguments", nargs=argparse.REMAINDER, help="handed to psql, such as -c 'select now()'")
    args = parser.parse_args(argv)
    # All that is asked here is on this machine.
    os.environ.update(state.past_proxies())
    directory = state.state_dir(args.state_dir)
    if args.command == "up":
        return up(directory, args.pace, args.port, args.timeout, kubernetes=args.kubernetes, enforce=args.enforce)
    if args.command == "down":
        return down(directory)
    if args.command == "rehearse":
        from rehearsal.rehearse import rehearse  # noqa: PLC0415 - only this command needs it

        try:
            status = up(directory, args.pace, 0, 60.0, kubernetes=args.kubernetes)
            started = state.load(directory)
            if started is None or status:
                return 1
            return rehearse(directory, started, kubernetes=args.kubernetes)
        except KeyboardInterrupt:
            print(
                "\nInterrupted. What stands stays, and the next run goes on: make rehearse-down ends it",
                file=sys.stderr,
            )
            return 130
    running = state.load(directory)
    if running is None or not running.healthy():
        print("the rehearsal is not up: python -m rehearsal up", file=sys.stderr)
        return 3
    if args.command == "env":
        for name, value in running.environment().items():
            print(f"export {name}={shlex.quote(value)}")
        print(f"export PATH={shlex.quote(running.search_path())}")
    elif args.command == "psql":
        return psql(running, args.account, args.arguments)
    else:
        print(json.dumps(state.summary(directory), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
