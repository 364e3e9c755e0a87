# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind's creation, disturbed at each of its calls that write: what comes of it is whole, and there once."""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from ansible_collections.innovate.platform.plugins.module_utils._engine import apply as engine
from ansible_collections.innovate.platform.plugins.module_utils._engine.errors import EngineError
from ansible_collections.innovate.platform.plugins.module_utils._engine.kind import ADDRESS_TAG, Scope
from ansible_collections.innovate.platform.plugins.module_utils._kinds._session import Session
from ansible_collections.innovate.platform.plugins.module_utils._kinds.registry import KINDS
from rehearsal.emulator.faults import is_read
from rehearsal.emulator.inventory import normalized
from tests.contract.contract import Case, World, actions, all_cases

#: `make interruptions` tries every kind at every call; the suite some of them, at the first and the last call.
THOROUGH = bool(os.environ.get("INTERRUPTIONS"))
SAMPLE = ("iam_role", "kms_alias", "route_table", "vpc")
#: Look-ups make nothing. What comes and goes with its parent, or is there from the beginning, is never made.
CASES = [
    case
    for case in all_cases()
    if not (KINDS[case.kind].lookup or KINDS[case.kind].preexisting) and (THOROUGH or str(case) in SAMPLE)
]


@pytest.fixture
def page(session: Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Return what asks the emulator's pages. Pauses are short here: nothing lags behind but what is told to."""
    monkeypatch.setattr(engine, "_LOOKS", (0.01, 0.1))
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda self, context: 0.01)
    endpoint = session.client("sts").meta.endpoint_url

    def ask(name: str, method: str = "GET", **query: Any) -> Any:
        url = f"{endpoint}/rehearsal/{name}?{urlencode(query)}"
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=30) as answer:
            return json.load(answer)

    yield ask
    ask("faults", "DELETE")


def chosen(writes: int) -> list[int]:
    return list(range(1, writes + 1)) if THOROUGH else sorted({1, writes})


def seen(case: Case, session: Session, world: World) -> list[str]:
    """Return what the kind observes under the subject's address, as text without generated ids."""
    (change,) = (
        change for change in world.plan([*case.needs, case.subject]).changes if change.resource == case.subject
    )
    kind, declared = KINDS[case.kind], {case.kind: [change.properties]}
    found = [
        item
        for item in kind.observe(session, Scope(world.stack, declared))
        if case.subject.address in (item.address, item.tags.get(ADDRESS_TAG)) or not kind.taggable
    ]
    shown = [{"properties": item.properties, "tags": item.tags, "state": item.state} for item in found]
    return sorted(normalized(json.dumps(item, sort_keys=True, default=str)) for item in shown)


@pytest.mark.parametrize("disturbance", ["lost", "cut before", "cut after"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_disturbed_creation_makes_one_of_it(
    case: Case, disturbance: str, session: Session, start_afresh: Callable[[], None], page: Callable[..., Any]
) -> None:
    management, session = session, case.begin(session, start_afresh)
    world = World(session, KINDS, case.stack or f"disturbed-{case}".replace("_", "-")[:60])
    everything = [*case.needs, case.subject]
    subject = case.subject.address
    world.apply([*case.needs])
    mark = page("calls")["mark"]
    world.apply(everything)
    undisturbed = seen(case, session, world)
    writes = sum(not is_read(call["operation"]) for call in page("calls", since=mark)["calls"])
    assert writes
    for number in chosen(writes):
        if case.fresh or case.prepare is not None:
            session = case.begin(management, start_afresh)
            world = World(session, KINDS, world.stack)
        else:
            world.apply(everything, absent=True, allow_destroy=("*",))
        world.apply([*case.needs])
        assert actions(world.plan(everything)) == {subject: "create"}
        if disturbance == "lost":
            # A retried call counts again, so this is the answer to the attempt of that number.
            page("faults", "POST", what="reset", moment="after", only="writes", every=1, rest=number - 1, most=1)
            world.apply(everything)
            assert page("faults", "DELETE")["struck"] == {"reset": 1}
        else:
            page("faults", "POST", cut=number, moment=disturbance.removeprefix("cut "), only="writes")
            with pytest.raises(EngineError):
                world.apply(everything)
            assert page("faults", "DELETE")["cut"]
            world.apply(everything)
        assert actions(world.plan(everything)) == {}, f"write {number} of {writes}"
        assert seen(case, session, world) == undisturbed, f"write {number} of {writes}"
    world.apply(everything, absent=True, allow_destroy=("*",))
