# Copyright: Innovate platform maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run molecule's scenarios against one emulated AWS: `python -m tools.scenarios [ROLE ...]`, all without a name.

The scenario `default` starts and ends the emulated AWS. Its address and credentials reach the others by environment,
as a real AWS's would. Each step of a scenario is a case; build/results/molecule.json holds them.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys

from tools.results import BUILD, ROOT, Results

STATE = BUILD / "molecule" / "state"
# `vpc > idempotence: Executed: Successful`, from the table at the end of molecule's output.
STEP = re.compile(r"^(?P<scenario>\S+) > (?P<step>\w+): Executed: (?P<outcome>.+)$")
# What molecule logs when a step ends badly, whatever else it says of it.
FAILED = re.compile(r"\[(?P<scenario>\S+) > (?P<step>\w+)\] \S*Executed: Failed")
# Scenarios whose roles speak to an API server.
IN_CLUSTERS = ("argocd", "karpenter")
EXPORT = re.compile(r"^export (?P<name>\w+)=(?P<value>.*)$")


def names() -> list[str]:
    """Return the scenarios of roles."""
    found = sorted(path.parent.name for path in ROOT.glob("molecule/*/molecule.yml"))
    return [name for name in found if name != "default"]


def molecule(command: str, scenario: str, environment: dict[str, str]) -> tuple[int, str]:
    """Run a molecule command for a scenario, print its output as it comes, return its status and output."""
    own = {**environment, "MOLECULE_EPHEMERAL_DIRECTORY": str(BUILD / "molecule" / scenario), "NO_COLOR": "1"}
    process = subprocess.Popen(
        ["molecule", command, "--no-command-borders", "-s", scenario],
        cwd=ROOT,
        env=own,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    lines = []
    for line in process.stdout or ():
        print(line, end="", flush=True)
        lines.append(line)
    return process.wait(), "".join(lines)


def rehearsal_environment() -> dict[str, str]:
    """Return the variables by which the AWS SDKs find the emulated AWS."""
    command = [sys.executable, "-m", "rehearsal", "env", "--state-dir", str(STATE)]
    output = subprocess.run(command, cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE).stdout
    matches = filter(None, map(EXPORT.match, output.splitlines()))
    return {match["name"]: shlex.split(match["value"])[0] for match in matches}


def steps(scenario: str, status: int, output: str) -> Results:
    """Return a scenario's steps by outcome; one that should have run and didn't is a failure."""
    results = Results()
    absent = ""
    for match in filter(None, map(STEP.match, output.splitlines())):
        step, outcome = match["step"], match["outcome"]
        if match["scenario"] != scenario or outcome.startswith("Missing playbook"):
            # `prepare` is optional; a scenario without converge.yml doesn't get this far.
            continue
        if step == "side_effect":
            absent = " (absent)"
        (results.passed if outcome.startswith("Successful") else results.failed).append(f"{scenario}: {step}{absent}")
    for match in filter(None, map(FAILED.search, output.splitlines())):
        if (name := f"{scenario}: {match['step']}{absent}") not in results.failed:
            results.failed.append(name)
    ran = {name.split(": ", 1)[1] for name in results.passed}
    needed = [f"{step}{half}" for half in ("", " (absent)") for step in ("converge", "idempotence", "verify")]
    if status != 0 and not results.failed:
        results.failed.append(f"{scenario}: molecule ended with status {status}")
    elif status == 0:
        results.failed += [f"{scenario}: {step} did not run" for step in ("check", *needed) if step not in ran]
    return results


def excerpt(output: str) -> str:
    """Return what the step that failed printed: from its beginning to molecule's word that it failed."""
    lines = output.splitlines()
    end = next((number for number, line in enumerate(lines) if FAILED.search(line)), len(lines) - 1)
    starts = [number for number, line in enumerate(lines[:end]) if line.endswith("] Executing")]
    return "\n".join(lines[(starts or [0])[-1] : end + 1])


def main() -> int:
    """Run the scenarios named on the command line, or all, and return the exit status."""
    known = names()
    chosen = sys.argv[1:] or known
    if os.environ.get("REHEARSE_KUBERNETES", "").lower() in ("no", "false", "off", "0"):
        left_out = [name for name in chosen if name in IN_CLUSTERS]
        chosen = [name for name in chosen if name not in IN_CLUSTERS]
        print(f"REHEARSE_KUBERNETES=no leaves out {', '.join(left_out)}", flush=True)
    if unknown := sorted(set(chosen) - set(known)):
        print(f"no scenario {', '.join(unknown)}: there are {', '.join(known) or 'none'}", file=sys.stderr)
        return 2
    # Credentials and profiles of the person who runs this have no business here.
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    results = Results()
    excerpts = []
    try:
        status, _output = molecule("create", "default", clean)
        if status != 0:
            results.failed.append("default: create")
            return 1
        environment = clean | rehearsal_environment()
        for scenario in chosen:
            print(f"\n=== {scenario}\n", flush=True)
            status, output = molecule("test", scenario, environment)
            found = steps(scenario, status, output)
            results.add(found)
            if found.failed:
                excerpts.append(excerpt(output))
    finally:
        molecule("destroy", "default", clean)
        # Last, where a reader looks first.
        print("\n\n".join(("", *excerpts)))
        results.write(BUILD / "results" / "molecule.json")
    return 1 if results.failed or not results.passed else 0


if __name__ == "__main__":
    sys.exit(main())
