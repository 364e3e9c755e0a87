# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every act of incident response has: the case, what is found, and the steps that are still to be done."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ._session import Session

TAG = "innovate:incident"
"""Tag, with the case's id as its value, of everything that an act touched or made."""
PREFIX = "innovate-incident-"
"""What the names of inline policies begin with that belong to a case."""
REVOCATION = "AWSRevokeOlderSessions"
"""The name that IAM's console gives the policy by which sessions are revoked."""
_CASE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,38}[A-Za-z0-9])?")


@dataclass(frozen=True)
class Case:
    """The incident that an act belongs to.

    :param incident: its id.
    :param by: ARN of whoever acts.
    :param at: when, ISO 8601 in UTC, by AWS's clock.
    :param before: how it was before this act of this case first ran; empty if it didn't, or was undone.
    """

    incident: str
    by: str
    at: str
    before: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """Something that is still to be done: a sentence for the person, and what does it."""

    text: str
    do: Callable[[], object]


@dataclass
class Found:
    """What an act found.

    :param steps: in their order; empty if it is as it should be.
    :param before: what undoing needs to know; the record keeps it before the first step is done.
    :param notes: what the person should know beside.
    :param problems: why the act can't be done; then nothing is.
    :param keep_going: whether a step that fails leaves the others their chance.
    """

    steps: list[Step] = field(default_factory=list)
    before: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    keep_going: bool = False

    def add(self, text: str, do: Callable[[], object]) -> None:
        """Add a step."""
        self.steps.append(Step(text, do))


class Act(Protocol):
    """One act on one target. Its methods only look; what they found is done by the steps."""

    @property
    def name(self) -> str:
        """Return the act's name, as it is in the record's."""

    @property
    def target(self) -> str:
        """Return what the record is found by, beside the case and the act's name."""

    def problems(self) -> list[str]:
        """Return what is wrong with what was asked for; asked before the first call."""

    def contain(self, session: Session, case: Case) -> Found:
        """Return what is to be done."""

    def release(self, session: Session, case: Case) -> Found:
        """Return what is to be done to have it as it was before; only asked where something was done."""


def case_problems(incident: str) -> list[str]:
    """Return what is wrong with the id of a case."""
    if not incident:
        return ["no incident is named: give the case's id with `-e incident_id=`, such as INC-2026-014"]
    if not _CASE.fullmatch(incident):
        return [
            f"incident_id '{incident}' can't be part of names in AWS: use up to 40 letters, digits, '.', '-' and '_'"
        ]
    return []


def is_of_incident(policy_name: str, document: Any) -> bool:
    """Tell whether an inline policy was put on a role in an incident, here or by IAM's console.

    One that allows something isn't, whatever its name: nobody hides a right behind that.
    """
    if policy_name != REVOCATION and not policy_name.startswith(PREFIX):
        return False
    statements = document.get("Statement", []) if isinstance(document, Mapping) else []
    found = statements if isinstance(statements, list) else [statements]
    return bool(found) and all(item.get("Effect") == "Deny" for item in found)


def merged(recorded: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """Return how it was before the first run: what a run that was cut off had changed doesn't count.

    Below the first level the members of dictionaries count one by one, so that what came later is there, too.
    """
    result = {**found, **recorded}
    for name, value in found.items():
        if isinstance(value, Mapping) and isinstance(recorded.get(name), Mapping):
            result[name] = {**value, **recorded[name]}
    return result
