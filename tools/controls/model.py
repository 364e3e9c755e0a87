# Copyright: Innovate platform maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a control matrix is made of, and how it is read; nothing here looks at the rest of the repository."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

MEASURES = "measures.yml"
ENFORCED, PARTLY, OPEN = STATUSES = ("enforced", "partly", "open")
#: Why something is open. `planned` comes from measures and isn't written at a control.
REASONS = {
    "planned": "a role is to do it, and doesn't yet",
    "later": "nothing does it yet",
    "person": "left to a person, since no API does it or none should",
    "aws": "AWS or its machine image does it; nothing here shows it",
    "accepted": "left as it is on purpose",
}
#: How sure it is that a benchmark has a control of this number and meaning.
CERTAINTIES = {
    "two-lists": "two public lists have it with this meaning",
    "one-list": "one public list has it, another one doesn't",
    "not-listed": "in neither list; known from AWS's documentation of the control alone",
}
#: A reason that is shorter says nothing.
SHORTEST = 20


@dataclass(frozen=True)
class Place:
    """Where a measure is enforced: a role, with the values of its variables that decide, or a file."""

    role: str = ""
    #: Values that enforce the measure, which are also the role's defaults; None where every value does.
    variables: Mapping[str, Any] = field(default_factory=dict)
    #: Values by environment that enforce it where the default doesn't.
    inventories: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    path: str = ""


@dataclass(frozen=True)
class Measure:
    """Something that the platform does, or that a role is to do."""

    id: str
    does: str
    by: tuple[Place, ...] = ()
    #: `file::function`, or `file::name of a task`.
    tests: tuple[str, ...] = ()
    #: The role that is to do it.
    planned: str = ""


@dataclass(frozen=True)
class Gap:
    """Something that a control asks for and nothing enforces."""

    why: str
    text: str


@dataclass(frozen=True)
class Control:
    """A control of a benchmark: its number, what it asks for in our words, and the measures that answer it."""

    id: str
    title: str
    measures: tuple[Measure, ...]
    gap: Gap | None
    certainty: str

    @property
    def standing(self) -> tuple[Measure, ...]:
        """The measures that are enforced."""
        return tuple(measure for measure in self.measures if not measure.planned)

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """What is open: measures that are planned, and what is said beside."""
        planned = (
            Gap("planned", f"{measure.does.rstrip('.')} (role {measure.planned}).")
            for measure in self.measures
            if measure.planned
        )
        return (*planned, *([self.gap] if self.gap else []))

    @property
    def status(self) -> str:
        """`enforced`, `partly` or `open`: it follows from the measures and the gaps."""
        if not self.standing:
            return OPEN
        return PARTLY if self.gaps else ENFORCED


@dataclass(frozen=True)
class Group:
    """Controls that don't concern the platform, with the reason."""

    name: str
    why: str
    ids: tuple[str, ...]


@dataclass(frozen=True)
class Source:
    """A page or file that the facts are from, and the day they were read."""

    url: str
    read: str
    what: str


@dataclass(frozen=True)
class Benchmark:
    """A benchmark in one version, with the controls that concern the platform and those that don't."""

    name: str
    short: str
    version: str
    sources: tuple[Source, ...]
    certainty: str
    total: int
    controls: tuple[Control, ...]
    groups: tuple[Group, ...]


@dataclass(frozen=True)
class Matrix:
    """Benchmarks and measures; ``problems`` has a sentence for each mistake in the data."""

    benchmarks: tuple[Benchmark, ...]
    measures: Mapping[str, Measure]
    problems: tuple[str, ...]


def natural(text: str) -> list[Any]:
    """Return a key by which EC2.9 comes before EC2.10."""
    return [int(part) if part.isdigit() else part.lower() for part in re.split(r"(\d+)", text)]


def read_yaml(path: Path) -> Any:
    """Read a YAML file; quickly, since there are many."""
    return yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)


def load(directory: Path) -> Matrix:
    """Read a directory: ``measures.yml``, and a file for each benchmark, in the order of their names."""
    given = read_yaml(directory / MEASURES)["measures"]
    measures = {name: _measure(name, item) for name, item in given.items()}
    problems = [*(text for measure in measures.values() for text in _measure_problems(measure))]
    benchmarks = []
    for path in sorted(directory.glob("*.yml")):
        if path.name != MEASURES:
            found = read_yaml(path)
            problems += _unknown(found, measures)
            benchmarks.append(_benchmark(found, measures))
            problems += _benchmark_problems(benchmarks[-1])
    named = {measure.id for item in benchmarks for control in item.controls for measure in control.measures}
    problems += [f"measure {name}: no control names it" for name in measures if name not in named]
    return Matrix(tuple(benchmarks), measures, tuple(problems))


def _measure(name: str, given: Mapping[str, Any]) -> Measure:
    by = tuple(Place(**place) for place in given.get("by") or ())
    return Measure(name, given["does"], by, tuple(given.get("tests") or ()), given.get("planned") or "")


def _measure_problems(measure: Measure) -> Iterator[str]:
    where = f"measure {measure.id}"
    if measure.planned and (measure.by or measure.tests):
        yield f"{where}: planned, and yet something enforces or shows it: say one of both"
    if not measure.planned and not measure.by:
        yield f"{where}: neither a role nor a file enforces it: say which, or the role that is to do it"
    if not measure.planned and not measure.tests:
        yield f"{where}: no test shows it: name one, or the role that is to do it"
    for place in measure.by:
        if bool(place.role) == bool(place.path):
            yield f"{where}: a place is either a role or a path"
    yield from (f"{where}: test {name} is named twice" for name, count in Counter(measure.tests).items() if count > 1)


def _unknown(given: Mapping[str, Any], measures: Mapping[str, Measure]) -> Iterator[str]:
    for control in given["controls"]:
        for name in control.get("by") or ():
            if name not in measures:
                yield f"{given['short']} {control['id']}: there is no measure {name}"


def _benchmark(given: Mapping[str, Any], measures: Mapping[str, Measure]) -> Benchmark:
    usual = given["usual_certainty"]
    controls = [
        Control(
            str(item["id"]),
            item["title"],
            tuple(measures[name] for name in item.get("by") or () if name in measures),
            Gap(**item["open"]) if item.get("open") else None,
            item.get("certainty", usual),
        )
        for item in given["controls"]
    ]
    return Benchmark(
        name=given["name"],
        short=given["short"],
        version=str(given["version"]),
        sources=tuple(Source(item["url"], str(item["read"]), item["what"]) for item in given["sources"]),
        certainty=given["certainty"],
        total=given["total"],
        controls=tuple(sorted(controls, key=lambda control: natural(control.id))),
        groups=tuple(
            Group(item["group"], item["why"], tuple(map(str, item["ids"]))) for item in given.get("outside") or ()
        ),
    )


def _benchmark_problems(benchmark: Benchmark) -> Iterator[str]:
    ids = [*(item.id for item in benchmark.controls), *(name for group in benchmark.groups for name in group.ids)]
    for name, count in Counter(ids).items():
        if count > 1:
            yield f"{benchmark.short} {name}: listed {count} times"
    if len(set(ids)) != benchmark.total:
        yield f"{benchmark.short}: {len(set(ids))} controls are accounted for, and it has {benchmark.total}"
    for control in benchmark.controls:
        yield from _control_problems(f"{benchmark.short} {control.id}", control)
    for group in benchmark.groups:
        if len(group.why) < SHORTEST:
            yield f"{benchmark.short}, group {group.name}: say why it doesn't concern the platform"


def _control_problems(where: str, control: Control) -> Iterator[str]:
    if not control.measures and not control.gap:
        yield f"{where}: neither a measure nor a reason why it is open"
    if control.certainty not in CERTAINTIES:
        yield f"{where}: certainty {control.certainty!r} is none of {', '.join(CERTAINTIES)}"
    if control.gap and (control.gap.why not in REASONS or control.gap.why == "planned"):
        reasons = ", ".join(name for name in REASONS if name != "planned")
        yield f"{where}: why {control.gap.why!r} is none of {reasons}"
    if control.gap and len(control.gap.text) < SHORTEST:
        yield f"{where}: {control.gap.text!r} is no reason: say what is open and why"
    for name, count in Counter(measure.id for measure in control.measures).items():
        if count > 1:
            yield f"{where}: measure {name} is named {count} times"
