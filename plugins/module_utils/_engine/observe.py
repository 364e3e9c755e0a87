# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks all kinds at once what is there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from typing import Any, TypeVar

from .errors import EngineError
from .kind import Kind, Observed, Obstacle, Scope
from .plan import Plan

WORKERS = 16

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def side_by_side(function: Callable[[_Item], _Result], items: Iterable[_Item], workers: int = WORKERS) -> list[_Result]:
    """Return what a function makes of each item, in their order; all errors are collected into one."""
    items = list(items)
    if not items:
        return []
    with ThreadPoolExecutor(max_workers=min(workers, len(items))) as pool:
        futures = [pool.submit(function, item) for item in items]
    errors = [error for error in (future.exception() for future in futures) if error is not None]
    expected = [error for error in errors if isinstance(error, EngineError)]
    if len(expected) < len(errors):
        raise next(error for error in errors if not isinstance(error, EngineError))
    if errors:
        raise EngineError(list(dict.fromkeys(problem for error in expected for problem in error.problems)))
    return [future.result() for future in futures]


def observe(session: Any, kinds: Mapping[str, Kind], scope: Scope) -> dict[str, Sequence[Observed]]:
    """Return what every kind sees, by kind."""

    def one(kind: Kind) -> list[Observed]:
        return list(kind.observe(session, scope))

    return dict(zip(kinds, side_by_side(one, kinds.values()), strict=True))


def preflight(session: Any, kinds: Mapping[str, Kind], plan: Plan) -> list[str]:
    """Return what the cloud would refuse of a plan, by asking the kinds that have something to create or change."""
    wanted: dict[str, list[Mapping[str, Any]]] = {}
    for change in plan.changing:
        if change.action != "delete":
            wanted.setdefault(change.kind, []).append(change.properties)

    def one(name: str) -> list[str]:
        return kinds[name].preflight(session, wanted[name])

    return [problem for problems in side_by_side(one, wanted) for problem in problems]


def obstacles(session: Any, kinds: Mapping[str, Kind], plan: Plan) -> list[Obstacle]:
    """Return what would stop the deletions of a plan half-way, without what ``allow_destroy`` lists."""
    leaving: dict[str, list[Observed]] = {}
    for change in plan.changes:
        if change.action in ("delete", "replace"):
            leaving.setdefault(change.kind, []).append(change.existing)

    def one(name: str) -> list[Obstacle]:
        return kinds[name].obstacles(session, leaving[name])

    found = [obstacle for several in side_by_side(one, leaving) for obstacle in several]
    allowed = plan.options.allow_destroy
    return [item for item in found if not any(fnmatchcase(item.address, pattern) for pattern in allowed)]
