# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A sample of what `make interruptions` does with the whole site: the organization, killed once and disturbed once."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator

import pytest

from rehearsal.interruptions import Case, Lab, Reference, Result, What, attempt, compare, points, reference, summarize


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    made = Lab(tmp_path_factory.mktemp("interruptions") / "lab", What("playbooks/organization.yml", ("organization",)))
    yield made
    made.close()


@pytest.fixture(scope="module")
def undisturbed(lab: Lab) -> Reference:
    return reference(lab)


@pytest.mark.parametrize(
    "case",
    [
        Case("killed after its 9th write", (("cut", "9"), ("moment", "after"), ("only", "writes")), kill=True),
        Case("every second answer to a write is lost", (("profile", "lost-half"),)),
    ],
    ids=lambda case: case.name,
)
def test_what_was_disturbed_ends_as_if_it_had_not_been(lab: Lab, undisturbed: Reference, case: Case) -> None:
    result = attempt(lab, case, undisturbed)
    assert result.reached
    assert result.call
    assert result.runs == 2 if case.kill else result.runs <= 2
    assert result.converged
    assert (result.doubled, result.left_over, result.missing) == ([], [], [])


def test_something_twice_left_over_or_missing_is_told(undisturbed: Reference) -> None:
    """The comparison itself can fail."""
    kept, gone, *_rest = (thing for thing in undisturbed.things if thing[3] == "Node")
    found = undisturbed.things + Counter([kept, ("x", "y")]) - Counter([gone])
    result = Result("by hand", converged=True, runs=1)
    compare(result, undisturbed.things, found)
    assert not result.well
    assert [len(told) for told in (result.doubled, result.left_over, result.missing)] == [1, 1, 1]


def test_points_are_spread_over_all_calls_and_both_moments() -> None:
    cases = points(Reference(Counter(), tuple(number % 2 == 0 for number in range(1000))), 60)
    assert len({case.name for case in cases}) == len(cases) == 60
    every, writes = (
        [dict(case.faults) for case in cases if ("only" in dict(case.faults)) is only] for only in (False, True)
    )
    for chosen, most in ((every, 1000), (writes, 500)):
        numbers = [int(query["cut"]) for query in chosen]
        assert numbers == sorted(numbers)
        assert numbers[0] == 1
        assert 0.9 * most < numbers[-1] <= most
        assert max(later - earlier for earlier, later in itertools.pairwise(numbers)) < most / 20
        assert [query["moment"] for query in chosen[:4]] == ["before", "after", "before", "after"]


def test_the_figures_count_what_was_tried() -> None:
    cases = [
        Case("undisturbed"),
        Case("a", (("cut", "1"),), kill=True),
        Case("b", (("cut", "9"),), kill=True),
        Case("c", (("profile", "c"),)),
    ]
    results = [
        Result("undisturbed", converged=True, runs=1),
        Result("a", converged=True, runs=2, doubled=["1 x vpc"]),
        Result("b", converged=True, reached=False, runs=1),
        Result("c", converged=True, runs=1),
    ]
    killed, profiles = summarize(results, cases)
    assert killed.startswith("killed runs: 1 tried, 1 converged, 1 with something twice, 0 with something left over")
    assert profiles.startswith("profiles: 1 tried, 1 converged (1 in the disturbed run itself), 0 with something twice")
