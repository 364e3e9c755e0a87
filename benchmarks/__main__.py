# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m benchmarks``: runs that change nothing, ours beside amazon.aws' one task per resource; runs from nothing.

Writes build/benchmarks.json: a list of ``{name, value, unit, target, met}``; the last two are null without a target.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.critical_path import graph_of_run, longest, summed
from benchmarks.reach import Memory, room_for_all, write_inventory
from rehearsal import __main__ as rehearsal
from rehearsal import state
from rehearsal.rehearse import INVENTORIES, WITHOUT_KUBERNETES, environment
from rehearsal.state import EmulatorState

ROOT = Path(__file__).resolve().parent.parent
PLAYBOOKS = ROOT / "benchmarks" / "playbooks"
SITE = [*(word for name in INVENTORIES for word in ("-i", f"inventories/{name}")), "playbooks/site.yml"]
SITE += WITHOUT_KUBERNETES


@dataclass(frozen=True)
class Sample:
    """One run of a playbook: wall and CPU seconds (children included), and the AWS calls it made."""

    wall: float
    cpu: float
    calls: list[dict[str, Any]]
    output: str


def run(
    emulator: EmulatorState,
    *arguments: str,
    expect_no_change: bool = True,
    variables: Mapping[str, str] | None = None,
) -> Sample:
    """Run a playbook and measure it; a failure, or a change where none is expected, ends the benchmark."""
    mark = emulator.admin("calls?since=0")["mark"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    done = subprocess.run(
        ["ansible-playbook", *arguments],
        cwd=ROOT,
        env={
            **environment(emulator),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
            **(variables or {}),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode or (expect_no_change and any(line.startswith("changed:") for line in done.stdout.splitlines())):
        sys.exit(f"{' '.join(arguments)}\n{done.stdout[-6000:]}{done.stderr[-2000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Sample(wall, cpu, emulator.admin(f"calls?since={mark}")["calls"], done.stdout)


@dataclass
class Figures:
    """What is printed and written at the end."""

    rows: list[dict[str, Any]]

    def add(self, name: str, value: float, unit: str, target: str = "", met: bool | None = None) -> None:
        """Add a figure, and print it."""
        self.rows.append({"name": name, "value": round(value, 3), "unit": unit, "target": target or None, "met": met})
        verdict = "" if met is None else f"   target {target}: {'met' if met else 'NOT MET'}"
        print(f"  {name:<58}{value:>10.2f} {unit}{verdict}", flush=True)


def network(emulator: EmulatorState, figures: Figures, pairs: int) -> None:
    """Compare the unchanged runs of one network, in turn, and their AWS calls."""
    ours, theirs = str(PLAYBOOKS / "network_innovate.yml"), str(PLAYBOOKS / "network_amazon_aws.yml")
    print("network: building it twice, once with each")
    for playbook in (ours, theirs):
        run(emulator, playbook, expect_no_change=False)
    print(f"network: {pairs} pairs of unchanged runs")
    samples = [(run(emulator, ours), run(emulator, theirs)) for _ in range(pairs)]
    # `ansible-playbook` that calls no module: what neither of them can be faster than.
    floor = statistics.median(run(emulator, str(PLAYBOOKS / "nothing.yml")).wall for _ in range(pairs))
    mine = statistics.median(a.wall for a, _ in samples)
    other = statistics.median(b.wall for _, b in samples)
    ratio = statistics.median(b.wall / a.wall for a, b in samples)
    resources = resources_of(emulator, "bench")
    calls = len(samples[-1][0].calls)
    figures.add("network, unchanged: innovate.platform.vpc", mine, "s")
    figures.add("network, unchanged: amazon.aws, a task per resource", other, "s")
    figures.add("network, unchanged: ansible-playbook without any module", floor, "s")
    figures.add("network, unchanged: amazon.aws / ours", ratio, "times", ">= 10", ratio >= 10)
    figures.add(
        "network, unchanged: CPU, amazon.aws / ours", statistics.median(b.cpu / a.cpu for a, b in samples), "times"
    )
    figures.add("network, AWS calls: innovate.platform.vpc", calls, "calls")
    figures.add("network, AWS calls: amazon.aws", len(samples[-1][1].calls), "calls")
    figures.add("network, resources (routes and associations too)", resources, "resources")
    per_resource = calls / resources
    figures.add("network, AWS calls per resource: ours", per_resource, "calls", "<= 0.5", per_resource <= 0.5)
    figures.add("network, AWS calls per resource: amazon.aws", len(samples[-1][1].calls) / resources, "calls")


def resources_of(emulator: EmulatorState, name: str) -> int:
    """Return how many resources a network has as Terraform's and OpenTofu's providers count them.

    To them each route and each association of a table, an ACL or an endpoint with something else is one of its own.
    """
    import boto3  # noqa: PLC0415

    client = boto3.client(
        "ec2",
        region_name=state.REGION,
        endpoint_url=emulator.endpoint,
        aws_access_key_id=emulator.access_key_id,
        aws_secret_access_key=emulator.secret_access_key,
    )
    owned = [{"Name": "tag:innovate:stack", "Values": [f"vpc-{name}"]}]
    tables = client.describe_route_tables(Filters=owned)["RouteTables"]
    endpoints = client.describe_vpc_endpoints(Filters=owned)["VpcEndpoints"]
    routes = sum("DestinationCidrBlock" in r and r.get("GatewayId") != "local" for t in tables for r in t["Routes"])
    counts = (
        len(client.describe_vpcs(Filters=owned)["Vpcs"]),
        len(client.describe_subnets(Filters=owned)["Subnets"]),
        len(client.describe_internet_gateways(Filters=owned)["InternetGateways"]),
        len(client.describe_addresses(Filters=owned)["Addresses"]),
        len(client.describe_nat_gateways(Filter=owned)["NatGateways"]),
        len(client.describe_security_groups(Filters=owned)["SecurityGroups"]),
        len(client.describe_network_acls(Filters=owned)["NetworkAcls"]),
        len(tables),
        routes,
        sum(len(table["Associations"]) for table in tables),
        len(endpoints),
        sum(len(endpoint["RouteTableIds"]) for endpoint in endpoints),
    )
    return sum(int(count) for count in counts)


def site(emulator: EmulatorState, figures: Figures) -> None:
    """Measure the unchanged run of everything, and where its time goes."""
    print("site: building it")
    built = run(emulator, *SITE, expect_no_change=False)
    print("site: unchanged runs")
    samples = [run(emulator, *SITE) for _ in range(2)]
    sample = min(samples, key=lambda item: item.wall)
    figures.add("site.yml from nothing, four inventories, pace 0", built.wall, "s")
    figures.add("site.yml, unchanged, four inventories", sample.wall, "s")
    figures.add("site.yml, unchanged: CPU of Ansible and modules", sample.cpu, "s")
    figures.add("site.yml, unchanged: AWS calls", len(sample.calls), "calls")
    waited = sum(call["duration"] for call in sample.calls) / 1000
    figures.add("site.yml, unchanged: time inside the emulated AWS, summed", waited, "s")
    print("  most called:")
    for (service, operation), count in Counter((c["service"], c["operation"]) for c in sample.calls).most_common(12):
        print(f"    {count:>4}  {service}:{operation}")


def from_nothing(emulator: EmulatorState, figures: Figures, paces: tuple[float, float]) -> None:
    """Compare the run from nothing with the longest chain of creation times in what it makes.

    A run spends time on computing and on waiting for AWS, partly at the same time. How much of AWS's time a run waits
    out is what it takes longer per second that AWS's minute lasts longer: measured between two paces at which the
    waits outweigh the computing, since below that a wait hides behind the computing, and the run looks better than it
    is. The first ratio is that number of minutes by the minutes of the longest chain. The second is the whole run,
    computing included, as it comes to at AWS's own pace (60 s), by the longest chain.
    """
    emulator.admin("reset", "POST")
    print("from nothing: planning in an empty AWS")
    variables = {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "ANSIBLE_INJECT_INVOCATION": "true"}
    graph = graph_of_run(run(emulator, *SITE, "--check", variables=variables).output)
    chain = longest(graph)
    path = sum(node.minutes for node in chain)
    for node in chain:
        print(f"    {node.minutes:>4.0f} min  {node.account or 'management'}: {node.stack} {node.address}")
    walls: dict[float, float] = {}
    for pace in (0.0, 1.0, *sorted(paces)):
        print(f"from nothing: a minute of AWS's lasts {pace:g} s")
        emulator.admin("reset", "POST")
        emulator.admin(f"pace?seconds={pace}")
        walls[pace] = run(emulator, *SITE, expect_no_change=False).wall
    emulator.admin("pace?seconds=0")
    quick, slow = sorted(paces)
    waited = (walls[slow] - walls[quick]) / (slow - quick)
    whole = (walls[slow] + waited * (60 - slow)) / 60
    figures.add("from nothing: all creation times, one after the other", sum(summed(graph).values()), "min")
    figures.add("from nothing: longest chain of creation times", path, "min")
    figures.add("from nothing: wall time, everything ready at once", walls[0], "s")
    figures.add("from nothing: wall time, a minute of AWS's lasts 1 s", walls[1], "s")
    figures.add(
        "from nothing: the same less that with all ready at once / chain", (walls[1] - walls[0]) / path, "times"
    )
    for pace in (quick, slow):
        figures.add(f"from nothing: wall time, a minute of AWS's lasts {pace:g} s", walls[pace], "s")
    figures.add("from nothing: minutes of AWS's that the run waits out", waited, "min")
    ratio = waited / path
    figures.add("from nothing: waited out / longest chain", ratio, "times", "<= 1.15", ratio <= 1.15)
    figures.add("from nothing: the whole run, foreseen at AWS's own pace", whole, "min")
    figures.add("from nothing: that / longest chain", whole / path, "times")


def reach(emulator: EmulatorState, figures: Figures, directory: Path, pairs: int) -> None:
    """Measure what an account more costs the organization's unchanged run, and what many cost the controller."""
    samples: dict[int, list[Sample]] = {}
    for count in (7, 30):
        emulator.admin("reset", "POST")
        room_for_all(emulator)
        arguments = [*write_inventory(directory, count), "playbooks/organization.yml"]
        print(f"reach: an organization of {count} accounts")
        run(emulator, *arguments, expect_no_change=False)
        samples[count] = [run(emulator, *arguments) for _ in range(pairs)]
    wall = {count: statistics.median(sample.wall for sample in several) for count, several in samples.items()}
    for count, seconds in wall.items():
        figures.add(f"organization.yml, unchanged, {count} accounts", seconds, "s")
        figures.add(f"organization.yml, unchanged, {count} accounts: AWS calls", len(samples[count][-1].calls), "calls")
    ratio = (wall[30] / 30) / (wall[7] / 7)
    figures.add("organization.yml, an account among 30 / among 7", ratio, "times", "<= 1", ratio <= 1)
    more = (wall[30] - wall[7]) / 23
    figures.add("organization.yml, what each account more costs", more * 1000, "ms")

    count = 100
    emulator.admin("reset", "POST")
    room_for_all(emulator)
    arguments = write_inventory(directory, count)
    print(f"reach: an organization of {count} accounts, and a role in each")
    for playbook, hosts in (("organization.yml", "one host"), ("access.yml", f"{count} hosts")):
        words = [*arguments, f"playbooks/{playbook}", "--limit", "management:teams"]
        with Memory().watched() as memory:
            built = run(emulator, *words, expect_no_change=False)
            unchanged = run(emulator, *words)
        gib = memory.peak / 2**30
        figures.add(f"{playbook}, {count} accounts, {hosts}: first run", built.wall, "s")
        figures.add(f"{playbook}, {count} accounts, {hosts}: unchanged", unchanged.wall, "s")
        figures.add(f"{playbook}, {count} accounts, {hosts}: memory at most", gib, "GiB", "<= 2", gib <= 2)


def main() -> int:
    """Start an emulated AWS of its own, measure, write the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--pairs", type=int, default=3, help="pairs of unchanged runs of the network")
    parser.add_argument("--only", choices=["network", "site", "from-nothing", "reach"], help="one part only")
    parser.add_argument(
        "--paces",
        type=float,
        nargs=2,
        default=(5, 10),
        metavar="SECONDS",
        help="what a minute of AWS's lasts in the two runs from nothing in which the waits outweigh all else",
    )
    args = parser.parse_args()
    figures = Figures([])
    print(f"{platform.platform()}, {os.cpu_count()} CPUs, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory(prefix="innovate-bench-") as name:
        directory = Path(name)
        directory.chmod(0o711)
        if rehearsal.up(directory, 0.0, 0, 60.0):
            return 1
        emulator = state.load(directory)
        assert emulator is not None
        try:
            if args.only in (None, "network"):
                network(emulator, figures, args.pairs)
            if args.only in (None, "site"):
                emulator.admin("reset", "POST")
                site(emulator, figures)
            if args.only in (None, "from-nothing"):
                from_nothing(emulator, figures, args.paces)
            if args.only in (None, "reach"):
                reach(emulator, figures, directory, args.pairs)
        finally:
            rehearsal.down(directory)
    out = ROOT / "build" / "benchmarks.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(figures.rows, indent=2) + "\n")
    print(f"written: {out.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
