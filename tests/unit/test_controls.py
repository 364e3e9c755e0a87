# Copyright: Innovate platform maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control matrix: what it names is there, nothing is claimed without a test, nothing is open without a reason."""

from __future__ import annotations

import copy
import csv
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools import controls
from tools.controls.model import ENFORCED, OPEN, PARTLY, STATUSES, Matrix, load, natural
from tools.controls.page import OUTSIDE, as_csv, as_markdown
from tools.controls.references import problems_of_references
from tools.results import ROOT


@pytest.fixture(scope="module")
def matrix() -> Matrix:
    return load(controls.DATA)


# The data of the repository


def test_what_the_matrix_names_is_there_and_nothing_is_claimed_without_a_test(matrix: Matrix) -> None:
    assert controls.problems(matrix) == []


def test_the_pages_are_what_the_data_say() -> None:
    stale = [str(path.relative_to(ROOT)) for path, text in controls.pages().items() if path.read_text() != text]
    assert stale == [], "run `make docs`"


def test_every_benchmark_says_where_its_controls_are_from_and_how_sure_that_is(matrix: Matrix) -> None:
    assert [(item.short, item.version) for item in matrix.benchmarks] == [
        ("FSBP", "1.0.0"),
        ("CIS AWS", "7.0.0"),
        ("CIS EKS", "1.8.0"),
    ]
    for item in matrix.benchmarks:
        assert len(item.certainty) > 80
        assert len(item.sources) >= 2
        for source in item.sources:
            assert source.url.startswith("https://")
            assert re.fullmatch(r"20\d\d-\d\d-\d\d", source.read)


def test_what_is_enforced_names_a_test_and_what_is_open_a_reason(matrix: Matrix) -> None:
    found = [control for benchmark in matrix.benchmarks for control in benchmark.controls]
    assert {control.status for control in found} == set(STATUSES)
    for control in found:
        if control.status != OPEN:
            assert [test for measure in control.standing for test in measure.tests], control.id
        if control.status != ENFORCED:
            assert [gap.text for gap in control.gaps], control.id


# What is wrong with data gets a sentence

MEASURES = {
    "locked": {
        "does": "The door is locked.",
        "by": [{"role": "door", "variables": {"door_locked": True, "door_colour": None}}, {"path": "key.txt"}],
        "tests": ["tests/test_door.py::test_it_is_locked", "molecule/door/verify.yml::Try the handle"],
    },
    "guarded": {"does": "A guard stands there.", "planned": "guard"},
}
BENCHMARK = {
    "name": "House Benchmark",
    "short": "HB",
    "version": "1.0",
    "sources": [{"url": "https://example.com", "read": "2026-11-23", "what": "all of it"}],
    "certainty": "It was read.",
    "usual_certainty": "two-lists",
    "total": 4,
    "controls": [
        {"id": "1.10", "title": "A | guarded door", "by": ["locked", "guarded"]},
        {"id": "1.2", "title": "A locked door", "by": ["locked"]},
        {"id": "1.3", "title": "A moat", "open": {"why": "accepted", "text": "Nobody has seen a dragon here."}},
    ],
    "outside": [{"group": "Windows", "why": "There are no windows.", "ids": ["2.1"]}],
}
VERIFY = [
    {
        "name": "What stands",
        "hosts": "all",
        "tasks": [
            {"name": "Go there", "x": {}},
            {"name": "In a block", "block": [{"name": "Try the handle", "x": {}}]},
        ],
    }
]


def write(root: Path, path: str, content: Any) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content if isinstance(content, str) else yaml.safe_dump(content))


def made(
    root: Path, change: Callable[[dict[str, Any], dict[str, Any]], None] | None = None
) -> tuple[Matrix, list[str]]:
    """Write a small repository and its data, changed, and return the matrix with all that is wrong with it."""
    measures, benchmark = copy.deepcopy(MEASURES), copy.deepcopy(BENCHMARK)
    if change:
        change(measures, benchmark)
    write(root, "data/measures.yml", {"measures": measures})
    write(root, "data/house.yml", benchmark)
    options = {name: {"description": name} for name in ("door_locked", "door_colour")}
    write(root, "roles/door/meta/argument_specs.yml", {"argument_specs": {"main": {"options": options}}})
    write(root, "roles/door/defaults/main.yml", {"door_locked": True, "door_colour": {"front": "red", "back": "blue"}})
    write(root, "inventories/home/hosts.yml", {"all": {}})
    write(root, "inventories/home/group_vars/all.yml", {"door_colour": "green"})
    write(root, "tests/test_door.py", "def test_it_is_locked():\n    pass\n\ndef helper():\n    pass\n")
    write(root, "molecule/door/verify.yml", VERIFY)
    write(root, "key.txt", "")
    matrix = load(root / "data")
    return matrix, [*matrix.problems, *problems_of_references(matrix, root)]


def test_good_data_has_no_problems_and_statuses_follow_from_measures(tmp_path: Path) -> None:
    matrix, found = made(tmp_path)
    assert found == []
    (benchmark,) = matrix.benchmarks
    assert [(item.id, item.status) for item in benchmark.controls] == [
        ("1.2", ENFORCED),
        ("1.3", OPEN),
        ("1.10", PARTLY),
    ]


def test_a_control_with_nothing_but_plans_is_open(tmp_path: Path) -> None:
    matrix, _found = made(tmp_path, lambda _measures, item: item["controls"][0].update(by=["guarded"]))
    (control,) = [item for item in matrix.benchmarks[0].controls if item.id == "1.10"]
    assert (control.status, [gap.text for gap in control.gaps]) == (OPEN, ["A guard stands there (role guard)."])


def place(**changes: Any) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    """Change where the first measure is enforced."""
    return lambda measures, _benchmark: measures["locked"]["by"][0].update(changes)


def measure(**changes: Any) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    return lambda measures, _benchmark: measures["locked"].update(changes)


def control(**changes: Any) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    return lambda _measures, benchmark: benchmark["controls"][2].update(changes)


BAD: dict[str, tuple[Callable[[dict[str, Any], dict[str, Any]], None], str]] = {
    "no such role": (place(role="gate"), "measure locked: there is no role gate"),
    "no such variable": (place(variables={"door_lock": True}), "role door has no variable door_lock"),
    "another default": (
        place(variables={"door_locked": False}),
        "measure locked: door_locked has to be False, and role door has True",
    ),
    "a part of a default": (
        place(variables={"door_colour": {"front": "white"}}),
        "door_colour has to be {'front': 'white'}, and role door has {'back': 'blue', 'front': 'red'}",
    ),
    "an inventory takes it back": (
        place(variables={"door_colour": {"front": "red"}}),
        "door_colour has to be {'front': 'red'}, and inventories/home has 'green'",
    ),
    "an inventory lacks it": (
        place(inventories={"home": {"door_locked": True}}),
        "door_locked has to be True in home, and is None there",
    ),
    "neither role nor path": (place(role="", path=""), "measure locked: a place is either a role or a path"),
    "no such path": (measure(by=[{"path": "chain.txt"}]), "measure locked: there is no chain.txt"),
    "no such file": (measure(tests=["tests/test_gate.py::test_x"]), "there is no tests/test_gate.py"),
    "no such function": (
        measure(tests=["tests/test_door.py::test_it_is_open"]),
        "tests/test_door.py has no function test_it_is_open",
    ),
    "a helper is no test": (
        measure(tests=["tests/test_door.py::helper"]),
        "tests/test_door.py has no function helper",
    ),
    "no such task": (
        measure(tests=["molecule/door/verify.yml::Knock"]),
        "molecule/door/verify.yml has no task Knock",
    ),
    "a block is no test": (
        measure(tests=["molecule/door/verify.yml::In a block"]),
        "molecule/door/verify.yml has no task In a block",
    ),
    "a play is no test": (
        measure(tests=["molecule/door/verify.yml::What stands"]),
        "molecule/door/verify.yml has no task What stands",
    ),
    "a file without a test": (measure(tests=["tests/test_door.py"]), "tests/test_door.py: say which test"),
    "a test twice": (
        measure(tests=["tests/test_door.py::test_it_is_locked"] * 2),
        "measure locked: test tests/test_door.py::test_it_is_locked is named twice",
    ),
    "enforced without a test": (measure(tests=[]), "measure locked: no test shows it"),
    "enforced by nothing": (measure(by=[]), "measure locked: neither a role nor a file enforces it"),
    "planned and yet there": (measure(planned="door"), "measure locked: planned, and yet something enforces or shows"),
    "a measure that answers nothing": (
        lambda measures, _benchmark: measures.update(spare={"does": "Nothing.", "planned": "door"}),
        "measure spare: no control names it",
    ),
    "an unknown measure": (control(by=["lockt"]), "HB 1.3: there is no measure lockt"),
    "a measure twice": (control(by=["locked", "locked"]), "HB 1.3: measure locked is named 2 times"),
    "neither measure nor reason": (control(open=None), "HB 1.3: neither a measure nor a reason why it is open"),
    "no reason at all": (control(open={"why": "later", "text": "Later."}), "HB 1.3: 'Later.' is no reason"),
    "a reason of no sort": (
        control(open={"why": "lazy", "text": "Nobody felt like doing it today."}),
        "HB 1.3: why 'lazy' is none of later, person, aws, accepted",
    ),
    "planned by hand": (
        control(open={"why": "planned", "text": "Somebody is to do it some day."}),
        "HB 1.3: why 'planned' is none of later",
    ),
    "an unknown certainty": (control(certainty="maybe"), "HB 1.3: certainty 'maybe' is none of two-lists"),
    "a control twice": (control(id="1.2"), "HB 1.2: listed 2 times"),
    "a control that is missing": (
        lambda _measures, benchmark: benchmark.update(total=5),
        "HB: 4 controls are accounted for, and it has 5",
    ),
    "inside and outside": (
        lambda _measures, benchmark: benchmark["outside"][0].update(ids=["2.1", "1.2"]),
        "HB 1.2: listed 2 times",
    ),
    "a group without a reason": (
        lambda _measures, benchmark: benchmark["outside"][0].update(why="None."),
        "HB, group Windows: say why it doesn't concern the platform",
    ),
}


@pytest.mark.parametrize(("change", "sentence"), BAD.values(), ids=BAD)
def test_a_mistake_gets_a_sentence(
    tmp_path: Path, change: Callable[[dict[str, Any], dict[str, Any]], None], sentence: str
) -> None:
    _matrix, found = made(tmp_path, change)
    assert [text for text in found if sentence in text], found


def test_mistakes_come_together_and_end_the_generation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def change(measures: dict[str, Any], benchmark: dict[str, Any]) -> None:
        measures["locked"]["tests"] = []
        benchmark["controls"][2]["open"] = None

    made(tmp_path, change)
    monkeypatch.setattr(controls, "DATA", tmp_path / "data")
    with pytest.raises(SystemExit) as ended:
        controls.pages()
    assert "no test shows it" in str(ended.value)
    assert "neither a measure nor a reason" in str(ended.value)


# The files


def test_a_table_has_as_many_cells_in_every_row(matrix: Matrix, tmp_path: Path) -> None:
    for text in (as_markdown(matrix), as_markdown(made(tmp_path)[0])):
        rows = [re.split(r"(?<!\\)\|", line) for line in text.splitlines() if line.startswith("|")]
        assert len(rows) > 5
        cells = 0
        for row, line in zip(rows, [line for line in text.splitlines() if line.startswith("|")], strict=True):
            cells = len(row) if line.startswith(("| Control", "| Group", "| status", "| benchmark")) else cells
            assert len(row) == cells, line


def test_links_of_the_page_lead_somewhere(matrix: Matrix) -> None:
    text = as_markdown(matrix)
    links = set(re.findall(r"\]\(([^)]+)\)", text))
    assert len(links) > 30
    files = {link for link in links if not link.startswith("#")} - {"controls.csv"}
    assert [link for link in files if not (ROOT / "docs" / link).resolve().exists()] == []
    headings = [line.lstrip("# ").lower() for line in text.splitlines() if line.startswith("#")]
    anchors = {re.sub(r"[^\w -]", "", heading).replace(" ", "-") for heading in headings}
    assert {link[1:] for link in links if link.startswith("#")} <= anchors


def test_a_spreadsheet_gets_a_row_for_each_control_and_takes_none_for_a_number(matrix: Matrix) -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(matrix))))
    assert len(rows) == sum(benchmark.total for benchmark in matrix.benchmarks)
    assert len({row["control"] for row in rows}) == len(rows)
    assert {row["status"] for row in rows} == {*STATUSES, OUTSIDE}
    for row in rows:
        assert re.match(r"(FSBP [A-Z]|CIS (AWS|EKS) \d)", row["control"])
        assert not [cell for cell in row.values() if cell.startswith(("=", "+", "-", "@"))]
        assert bool(row["shown by"]) is (row["status"] in (ENFORCED, PARTLY))
        assert bool(row["open"]) is (row["status"] != ENFORCED)


def test_controls_are_in_the_order_of_their_numbers() -> None:
    assert sorted(["EC2.10", "EC2.9", "Account.1", "autoscaling.2"], key=natural) == [
        "Account.1",
        "autoscaling.2",
        "EC2.9",
        "EC2.10",
    ]
