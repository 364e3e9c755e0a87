# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract that every kind keeps, and the form of the cases it is tested with."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ansible_collections.innovate.platform.plugins.module_utils._engine.apply import Outcome, apply
from ansible_collections.innovate.platform.plugins.module_utils._engine.errors import EngineError
from ansible_collections.innovate.platform.plugins.module_utils._engine.kind import Kind
from ansible_collections.innovate.platform.plugins.module_utils._engine.observe import observe, preflight
from ansible_collections.innovate.platform.plugins.module_utils._engine.plan import Options, Plan, make_plan, scope_of
from ansible_collections.innovate.platform.plugins.module_utils._engine.resource import Resource
from ansible_collections.innovate.platform.plugins.module_utils._engine.validate import validate
from ansible_collections.innovate.platform.plugins.module_utils._kinds._session import Session


@dataclass(frozen=True)
class Case:
    """One kind with what it takes to try all of it.

    :param base: the properties it is created with; may refer to ``needs``.
    :param needs: what must be there before.
    :param mutable: for each property that can be changed in place, another valid value.
    :param immutable: for each property that forces a replacement, another valid value.
    :param unchanged: properties that can be neither: with the reason (AWS offers one value only, say).
    :param fresh: begins with an empty AWS, for what there is one of in an account and what outlives its deletion.
    :param there: what AWS has from the beginning, and is configured rather than made.
    :param label: tells several cases of a kind apart.
    :param stack: the stack's name, where a look-up goes by it.
    :param prepare: makes in an empty AWS what no kind makes, and look-ups find. May return the session of the account
        that the kind is tried in, where that isn't the management account.
    """

    kind: str
    base: Mapping[str, Any]
    needs: Sequence[Resource] = ()
    mutable: Mapping[str, Any] = field(default_factory=dict)
    immutable: Mapping[str, Any] = field(default_factory=dict)
    unchanged: Mapping[str, str] = field(default_factory=dict)
    fresh: bool = False
    there: bool = False
    label: str = ""
    stack: str = ""
    prepare: Callable[[Session], Session | None] | None = None

    def begin(self, session: Session, start_afresh: Callable[[], None]) -> Session:
        """Bring about what the case begins with; return the session of the account that it is about."""
        if self.fresh or self.prepare is not None:
            start_afresh()
        return (self.prepare(session) if self.prepare is not None else None) or session

    def __str__(self) -> str:
        return f"{self.kind}-{self.label}" if self.label else self.kind

    @property
    def subject(self) -> Resource:
        """The resource under test."""
        return Resource(self.kind, "subject", self.base)

    def with_property(self, name: str, value: Any) -> Resource:
        """Return the resource under test with one property different."""
        return replace(self.subject, properties={**self.base, name: value})


def all_cases() -> list[Case]:
    """Return the cases of every module in ``cases/``."""
    names = sorted(path.stem for path in (Path(__file__).parent / "cases").glob("*.py") if path.stem != "__init__")
    return [case for name in names for case in importlib.import_module(f"tests.contract.cases.{name}").CASES]


class World:
    """One stack in one account of the emulated AWS."""

    def __init__(self, session: Session, kinds: Mapping[str, Kind], stack: str) -> None:
        self._session = session
        self._kinds = kinds
        self._stack = stack

    @property
    def stack(self) -> str:
        """The stack's name."""
        return self._stack

    def plan(self, resources: Sequence[Resource], **options: Any) -> Plan:
        """Validate and plan; a declaration that isn't valid is the test's own mistake."""
        problems = validate(resources, self._kinds)
        if problems:
            raise EngineError(problems)
        kinds = {resource.kind: self._kinds[resource.kind] for resource in resources}
        observed = observe(self._session, kinds, scope_of(self._stack, resources, kinds))
        return make_plan(resources, kinds, observed, Options(self._stack, identity="contract", **options))

    def apply(self, resources: Sequence[Resource], **options: Any) -> Outcome:
        """Plan and apply; any refusal or error is raised."""
        plan = self.plan(resources, **options)
        problems = [*plan.problems, *plan.missing, *preflight(self._session, self._kinds, plan)]
        if problems:
            raise EngineError(problems)
        outcome = apply(plan, self._kinds, self._session)
        for error in outcome.errors.values():
            raise error
        return outcome


def actions(plan: Plan, address: str = "") -> dict[str, str]:
    """Return what a plan does, by address; ``none`` and ``read`` left out."""
    return {
        change.address: change.action
        for change in plan.changes
        if change.action not in ("none", "read") and address in ("", change.address)
    }
