# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits for applications: until one follows its repository, or until all of them are gone."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._engine.errors import EngineError
from .applications import explained, follows, shortened, standing

ATTEMPTS = 3
"""Comparisons that fail for the same reason before it is one that doesn't pass by itself."""
_ORPHANED = 30
"""Seconds after which an application that nobody deletes isn't going to be."""


@dataclass(frozen=True)
class Argo:
    """What there is to look at and to ask for.

    :param look: returns all Application objects.
    :param ask: has the application of that name compared with its repository as it is now; ``hard``, without anything
        that is remembered of it, errors above all. Without being asked, Argo CD keeps quiet for three minutes about a
        repository that it can't read.
    """

    look: Callable[[], Sequence[Mapping[str, Any]]]
    ask: Callable[[str, bool], None]
    timeout: float = 300
    pause: float = 2
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def follow(
    argo: Argo, name: str, *, healthy: bool, source: Mapping[str, Any] | None = None
) -> dict[str, dict[str, str]]:
    """Return all applications' standing once the named one follows its repository, compared with it as it is now.

    :param source: what the application is to be from, where it may have been from elsewhere a moment ago.

    Raises:
        EngineError: it can't, or didn't in time; a sentence for it and one for each application that holds it up.
    """
    began = argo.clock()
    asked = failures = 0
    while True:
        applications = {item["metadata"]["name"]: item for item in argo.look()}
        found = applications.get(name)
        if found is not None and follows(found, source or (found.get("spec") or {}).get("source") or {}):
            state = standing(found, healthy=healthy)
            if asked and not state.asked:
                if not state.lacks:
                    return standings(applications.values())
                failures = failures + 1 if state.errors else 0
                if failures >= ATTEMPTS:
                    raise EngineError([explained(found, error) for error in state.errors])
            # Asked again only while it can't be compared: what is being synchronized goes on by itself.
            if not state.asked and (not asked or not state.compared):
                argo.ask(name, not state.compared)
                asked += 1
        if argo.clock() - began > argo.timeout:
            raise EngineError(_late(applications, name, argo.timeout, healthy=healthy))
        argo.sleep(argo.pause)


def vanish(argo: Argo) -> None:
    """Wait until no application is left.

    Raises:
        EngineError: some are, a sentence for each.
    """
    began = argo.clock()
    while left := argo.look():
        waited = argo.clock() - began
        going = [item for item in left if item["metadata"].get("deletionTimestamp")]
        if not going and waited > _ORPHANED:
            raise EngineError(
                [
                    f"application '{item['metadata']['name']}' isn't made by the root application: delete it first, or "
                    "have it in the repository"
                    for item in left
                ]
            )
        if waited > argo.timeout:
            raise EngineError([_stuck(item, argo.timeout) for item in left])
        argo.sleep(argo.pause)


def awaited(applications: Sequence[Mapping[str, Any]], name: str | None, state: str) -> list[str]:
    """Return the applications that a run would wait for now: the named one, or all there are where none shall be."""
    found = {item["metadata"]["name"]: item for item in applications}
    if state == "absent":
        return [f"application.{item}" for item in sorted(found)]
    if name in found and not standing(found[name], healthy=state == "healthy").lacks:
        return []
    return [f"application.{name}"]


def progress(applications: Sequence[Mapping[str, Any]], name: str) -> tuple[str, str, float, str]:
    """Return what Progress takes: of the wait for an application, or, without a name, for the end of all."""
    if not name:
        return "applications", "gone", 0, f"{len(applications)} left"
    found = next((standing(item, healthy=True) for item in applications if item["metadata"]["name"] == name), None)
    return f"application.{name}", "ready", 0, f"{found.sync}, {found.health}" if found else "not made yet"


def standings(applications: Any) -> dict[str, dict[str, str]]:
    """Return how each application stands, by name."""
    found = [standing(item, healthy=True) for item in applications]
    return {item.name: item.summary for item in sorted(found, key=lambda item: item.name)}


def _late(applications: Mapping[str, Mapping[str, Any]], name: str, timeout: float, *, healthy: bool) -> list[str]:
    if name not in applications:
        lacking = (
            f"there is no application '{name}' after {timeout:.0f} seconds: its ApplicationSet makes it; see whether "
            "the pod of argocd-applicationset-controller runs, and what it logs"
        )
        return [lacking]
    problems = []
    for other, application in sorted(applications.items(), key=lambda item: item[0] != name):
        state = standing(application, healthy=healthy or other != name)
        if state.lacks:
            when = f" after {timeout:.0f} seconds" if other == name else ""
            problems.append(f"application '{other}' isn't what its repository says{when}: {shortened(state.lacks)}")
    return problems


def _stuck(application: Mapping[str, Any], timeout: float) -> str:
    errors = standing(application, healthy=False).errors
    why = (
        shortened(errors[0])
        if errors
        else "what it has made goes first; see what is left of that, and whether argocd-application-controller runs"
    )
    return f"application '{application['metadata']['name']}' isn't gone after {timeout:.0f} seconds: {why}"
