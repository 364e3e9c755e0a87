# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m rehearsal rehearse``: the whole platform from nothing, twice, and what stands afterwards.

Without real clusters (``REHEARSE_KUBERNETES=no``) what speaks to an API server is left out.
"""

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
from typing import Any

from rehearsal import estate, footprint
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
    path = os.pathsep.join((str(Path(sys.executable).parent), emulator.search_path()))
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


#: What leaves out the tasks that speak to an API server.
WITHOUT_KUBERNETES = ("--skip-tags", "kubernetes")


def rehearse(directory: Path, emulator: EmulatorState, *, kubernetes: bool) -> int:
    """Apply the whole site, apply it again, try databases and clusters, and say what stands. Returns an exit status."""
    began = time.monotonic()
    arguments = () if kubernetes else WITHOUT_KUBERNETES

    def echo(line: str) -> None:
        print(line, end="", flush=True)

    if kubernetes:
        _headline("playbooks/organization.yml: the accounts, so that there is a place for the repository's credential")
        before = playbook("organization", emulator, echo=echo)
        if before.status:
            print(f"\nThe run failed (exit status {before.status}): see above.", file=sys.stderr)
            return before.status
        for line in give_credential(emulator):
            print(line)
    _headline("playbooks/site.yml with all four inventories")
    first = playbook("site", emulator, *arguments, echo=echo)
    if first.status:
        print(f"\nThe first run failed (exit status {first.status}): see above.", file=sys.stderr)
        return first.status
    _headline(f"that took {first.seconds:.0f} s; the same again: nothing may change")
    second = playbook("site", emulator, *arguments, echo=echo)
    if second.status or any(second.changed.values()):
        print(
            f"\nThe second run (exit status {second.status}) was to change nothing, but changed: {second.changed}",
            file=sys.stderr,
        )
        return second.status or 1
    _headline(
        f"that took {second.seconds:.0f} s; a row in every database, over TLS, with the password that AWS manages"
    )
    accounts = estate.survey(emulator)
    tried = [estate.try_database(account, database) for account in accounts for database in account.databases]
    for line in tried:
        print(line)
    data = estate.summary(emulator, accounts)
    estate.write_profiles(directory, emulator, accounts)
    if kubernetes and not _try_clusters(directory, accounts, data):
        return 1
    (directory / "summary.json").write_text(json.dumps(data, indent=2) + "\n")
    print(estate.describe(directory, accounts, kubernetes=kubernetes))
    seconds = time.monotonic() - began
    print(f"First run {first.seconds:.0f} s, second run {second.seconds:.0f} s, all together {seconds:.0f} s. ", end="")
    print(f"The second run changed nothing in {len(second.changed)} accounts.")
    taken = footprint.memory(footprint.processes(emulator.pid))
    if taken:
        largest = sorted(taken.items(), key=lambda item: -item[1])[:4]
        shares = ", ".join(f"{name} {size >> 20}" for name, size in largest)
        print(f"What stands takes {sum(taken.values()) >> 20} MiB of memory ({shares}, ...).")
    return 0


def give_credential(emulator: EmulatorState) -> list[str]:
    """Do what a person does once: put the platform-config repository's credential into each environment's account.

    Returns a line for each account that didn't have it.
    """
    from rehearsal import clusters  # noqa: PLC0415 - the Kubernetes client takes seconds to import

    (repository,) = emulator.admin("git")["repositories"]
    environments = [account for account in estate.survey(emulator) if account.name in INVENTORIES]
    return [
        f"{name}: secret {clusters.CREDENTIAL} of Secrets Manager has the credential for {repository['url']}"
        for name in clusters.give_credential(environments, repository)
    ]


def _try_clusters(directory: Path, accounts: list[estate.Account], data: dict[str, Any]) -> bool:
    """See that Argo CD has brought up what the repository says, and that Karpenter makes and takes away a node."""
    from rehearsal import clusters  # noqa: PLC0415

    standing = clusters.survey(accounts)
    clusters.write_kubeconfig(directory / "kubeconfig", standing, directory / "aws-config")
    _headline("what Argo CD has made of the platform-config repository")
    try:
        found = clusters.side_by_side(clusters.settled, standing)
        rows: list[tuple[str, ...]] = [("cluster", "application", "sync", "health", "revision")]
        for cluster, applications in zip(standing, found, strict=True):
            rows += [(cluster.name, app.name, app.sync, app.health, app.revision[:10]) for app in applications]
        print(estate.table(rows))
        _headline("a pod that wants a node for itself, in every cluster, and what Karpenter does about it")
        for line in clusters.side_by_side(clusters.try_node, standing):
            print(line)
    except clusters.NotSettledError as error:
        print(f"\n{error}", file=sys.stderr)
        return False
    data["kubeconfig"] = str(directory / "kubeconfig")
    for cluster, applications in zip(standing, found, strict=True):
        states = {app.name: {"sync": app.sync, "health": app.health, "revision": app.revision} for app in applications}
        data["clusters"][cluster.name]["applications"] = states
    return True


def _headline(text: str) -> None:
    print(f"\n=== {text}\n", flush=True)
