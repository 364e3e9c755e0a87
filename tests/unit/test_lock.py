# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock of a stack against a Parameter Store whose reads lag, whose answers get lost, and that refuses."""

from __future__ import annotations

import dataclasses
import email.utils
import functools
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ansible_collections.innovate.platform.plugins.module_utils._engine.errors import EngineError
from ansible_collections.innovate.platform.plugins.module_utils._kinds._session import Session
from ansible_collections.innovate.platform.plugins.module_utils._run import lock as lock_module
from ansible_collections.innovate.platform.plugins.module_utils._run.lock import Entry, Lock, parameter_name, standing
from ansible_collections.innovate.platform.plugins.module_utils._run.process import Process, read, this_process

NAME = "/innovate/locks/vpc-dev"
WHO = "arn:aws:iam::123456789012:user/somebody"
ELSEWHERE = Process("ci-7", "another-boot", "pid:[1]", 4242, "99")


class Store(Session):
    """One parameter of Parameter Store, as the documentation has it.

    :param rng: where given, reads show an older state now and then, and answers of writes get lost.
    """

    def __init__(self, rng: random.Random | None = None) -> None:
        super().__init__(lambda service, region: None, "123456789012", "eu-central-1", "aws")
        self.versions: list[dict[str, Any]] = []
        self.states: list[list[dict[str, Any]]] = [[]]
        self.rng = rng
        self.guard = threading.Lock()
        self.denied: set[str] = set()
        self.now = datetime.now(UTC).replace(microsecond=0)

    def client(self, service: str, region: str = "") -> Any:
        return self

    def get_parameter_history(self, Name: str, NextToken: str = "0") -> dict[str, Any]:  # noqa: N803  # as AWS has it
        self._permit("GetParameterHistory")
        with self.guard:
            back = self.rng.choice([1, 1, 1, 2, 3]) if self.rng else 1
            shown = self.states[max(-back, -len(self.states))]
        headers = {"date": email.utils.format_datetime(self.now, usegmt=True)}
        if not shown:
            raise ClientError(
                {"Error": {"Code": "ParameterNotFound"}, "ResponseMetadata": {"HTTPHeaders": headers}}, "x"
            )
        start = int(NextToken)
        page = {"Parameters": shown[start : start + 50], "ResponseMetadata": {"HTTPHeaders": headers}}
        return {**page, "NextToken": str(start + 50)} if len(shown) > start + 50 else page

    def call(self, service: str, operation: str, /, *, missing: Any = (), **params: Any) -> dict[str, Any]:
        self._permit(operation)
        if operation == "delete_parameter":
            with self.guard:
                self.versions = []
                self.states.append([])
            return {}
        answer = self._put(params, missing)
        if self.rng and self.rng.random() < 0.2:
            answer = self._put(params, missing)  # the first answer was lost
        return answer

    def _put(self, params: dict[str, Any], missing: Any) -> dict[str, Any]:
        with self.guard:
            if self.versions and not params["Overwrite"]:
                assert list(missing) == ["ParameterAlreadyExists"]
                return {}
            version = self.versions[-1]["Version"] + 1 if self.versions else 1
            item = {"Value": params["Value"], "Version": version, "LastModifiedDate": self.now}
            self.versions = [*self.versions, item][-100:]
            self.states.append(self.versions)
            return {"Version": version}

    def _permit(self, operation: str) -> None:
        if operation in self.denied:
            error = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, operation)
            if operation == "GetParameterHistory":
                raise error
            raise EngineError(f"ssm:{operation}: no") from error

    def last(self) -> dict[str, Any]:
        return dict(json.loads(self.versions[-1]["Value"]))


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    sleep = time.sleep
    monkeypatch.setattr("time.sleep", lambda seconds: sleep(min(seconds, 0.001)))


def lock(store: Store, told: list[str] | None = None) -> Lock:
    return Lock(store, "vpc-dev", WHO, (told if told is not None else []).append)


def as_if_from(store: Store, process: Process, ago: float = 0.0) -> None:
    """Have the last entry written by another process, some seconds ago."""
    item = store.versions[-1]
    item["Value"] = json.dumps({**json.loads(item["Value"]), **process.described()})
    item["LastModifiedDate"] = store.now - timedelta(seconds=ago)


def left_behind(store: Store, process: Process, ago: float = 0.0) -> None:
    """Make a lock that somebody took and never released."""
    taken = lock(store)
    taken._take()
    as_if_from(store, process, ago)


@functools.cache
def ended() -> Process:
    """Return a process of this machine that has ended."""
    code = (
        "from ansible_collections.innovate.platform.plugins.module_utils._run.process import this_process; "
        "import json; print(json.dumps(this_process().described()))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    output = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return read(json.loads(output.stdout))


def test_a_lock_is_made_released_and_taken_again() -> None:
    store, told = Store(), list[str]()
    with lock(store, told) as held:
        assert held.lost() == ""
        assert store.last()["released"] is False
    assert store.last()["released"] is True
    assert {"who": WHO, "pid": str(os.getpid())}.items() <= store.last().items()
    with lock(store, told):
        assert store.last()["released"] is False
    assert told == []


def test_a_lock_goes_with_its_stack() -> None:
    store = Store()
    with lock(store) as held:
        held.stack_is_gone = True
    assert store.versions == []


def test_a_held_lock_is_told_with_all_that_one_needs() -> None:
    store = Store()
    left_behind(store, ELSEWHERE, ago=130)
    with pytest.raises(EngineError) as refused, lock(store):
        pass
    sentence = str(refused.value)
    for part in (
        "stack 'vpc-dev' (account 123456789012, eu-central-1)",
        f"{WHO} on ci-7 (process 4242) holds its lock since {store.last()['since']}",
        "last sign of life 2 min 10 s ago",
        f"`aws ssm delete-parameter --name {NAME} --region eu-central-1`",
        "Only if you are sure",
    ):
        assert part in sentence
    assert len(store.versions) == 1


@pytest.mark.parametrize(
    ("process", "ago", "reason"),
    [
        (ELSEWHERE, 301, "gave no sign of life for 5 min 1 s"),
        (dataclasses.replace(this_process(), started="1"), 0, "has ended without releasing it"),
        (None, 0, "has ended without releasing it"),
    ],
)
def test_a_lock_of_the_dead_is_taken_over_with_a_warning(process: Process | None, ago: float, reason: str) -> None:
    store, told = Store(), list[str]()
    left_behind(store, process or ended(), ago)
    with lock(store, told) as held:
        assert held.lost() == ""
    assert len(told) == 1
    assert reason in told[0]


@pytest.mark.parametrize("field", ["host", "boot", "namespace"])
def test_who_cannot_be_seen_from_here_is_not_dead(field: str) -> None:
    described = {**ended().described(), field: "another"}
    assert not read(described).has_ended()


def test_who_lives_is_not_dead() -> None:
    assert not this_process().has_ended()


def test_what_cannot_be_told_apart_is_not_dead() -> None:
    assert not Process(this_process().host, "", "", 2**22 + 1, "").has_ended()


def test_a_holder_whose_lock_was_taken_begins_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock_module, "RENEWAL", 0.001)
    store = Store()
    first, second = lock(store), lock(store)
    first._take()
    as_if_from(store, ELSEWHERE, ago=400)
    second._take()
    first._keep()  # until it notices
    assert "another run has taken it" in first.lost()
    first._release()
    assert standing_of(store) == second._tip.id
    assert store.last()["released"] is False  # what the first one wrote is void


def standing_of(store: Store) -> str:
    entries = [entry for entry in map(lock_module.entry_of, store.versions) if entry]
    tip = standing(entries)
    assert tip is not None
    return tip.id


def test_a_holder_that_cannot_renew_takes_the_lock_for_lost_before_others_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with lock(Store()) as held:
        now = lock_module.clock()
        monkeypatch.setattr(lock_module, "clock", lambda: now + 239)
        assert held.lost() == ""
        monkeypatch.setattr(lock_module, "clock", lambda: now + 241)
        assert "could not be renewed for 4 minutes" in held.lost()


def test_a_live_lock_that_was_deleted_is_there_again_at_its_renewal() -> None:
    store = Store()
    with lock(store) as held:
        store.call("ssm", "delete_parameter", Name=NAME)
        assert held._renew()
        with pytest.raises(EngineError, match="being changed"), lock(store):
            pass


def test_a_lock_that_was_deleted_and_taken_by_another_is_lost() -> None:
    store = Store()
    with lock(store) as held:
        store.call("ssm", "delete_parameter", Name=NAME)
        other = lock(store)
        other._take()
        assert not held._renew()
        assert other._renew()


def test_a_release_that_fails_is_a_warning() -> None:
    store, told = Store(), list[str]()
    with lock(store, told):
        store.denied.add("put_parameter")
    assert len(told) == 1
    assert "could not be released" in told[0]


@pytest.mark.parametrize(
    ("denied", "action"), [("GetParameterHistory", "GetParameterHistory"), ("put_parameter", "PutParameter")]
)
def test_an_account_that_denies_ssm_is_one_sentence(denied: str, action: str) -> None:
    store = Store()
    store.denied.add(denied)
    with pytest.raises(EngineError) as refused, lock(store):
        pass
    (sentence,) = refused.value.problems
    assert sentence == (
        f"stack 'vpc-dev' can't be locked: ssm:{action} is denied in account 123456789012: allow the role that this "
        "runs with ssm:GetParameterHistory, ssm:PutParameter and ssm:DeleteParameter on "
        "arn:aws:ssm:eu-central-1:123456789012:parameter/innovate/locks/*"
    )


def test_what_a_person_wrote_there_is_no_lock() -> None:
    store = Store()
    store._put({"Value": "hands off", "Overwrite": True}, ())
    with lock(store) as held:
        assert held._renew()


def test_a_failure_and_an_interruption_release_it() -> None:
    store = Store()
    for error in (RuntimeError, KeyboardInterrupt, SystemExit):
        with pytest.raises(error), lock(store):
            raise error
        assert store.last()["released"] is True


def test_a_run_that_saw_the_stack_before_the_last_one_ended_looks_again() -> None:
    store = Store()
    begun = lock_module.clock()
    with lock(store) as held:
        assert not held.may_be_outdated(begun, saw_nothing=True)
        assert held.may_be_outdated(begun, saw_nothing=False)
    with lock(store) as held:
        assert held.may_be_outdated(begun, saw_nothing=False)
        assert held.may_be_outdated(begun, saw_nothing=True)
    as_if_from(store, ELSEWHERE, ago=60)
    with lock(store) as held:
        assert not held.may_be_outdated(begun, saw_nothing=False)


def entries(*pairs: str) -> list[Entry]:
    """Return entries from ``id<after``, in the order of their versions."""
    made = []
    for version, pair in enumerate(pairs, 1):
        own, _sign, after = pair.partition("<")
        made.append(Entry(own, own, after, WHO, "", ELSEWHERE, version=version))
    return made


@pytest.mark.parametrize(
    ("log", "counts"),
    [
        ((), None),
        (("a<",), "a"),
        (("a<", "b<a", "c<b"), "c"),
        (("a<", "b<a", "c<a"), "b"),
        (("a<", "b<a", "c<a", "d<c"), "b"),
        (("a<", "b<a", "c<a", "d<b"), "d"),
        (("a<", "a<", "b<a"), "b"),
        (("old<gone", "a<"), "old"),
        (("a<", "old<gone"), "a"),
        (("a<", "old<gone", "b<a"), "b"),
        (("late<gone", "m<l", "n<m", "o<n"), "o"),
    ],
)
def test_of_those_that_follow_the_same_the_earliest_counts(log: tuple[str, ...], counts: str | None) -> None:
    found = standing(reversed(entries(*log)))
    assert (found.id if found else None) == counts


def test_a_lock_is_kept_longer_than_its_history() -> None:
    store = Store()
    with lock(store) as held:
        assert all(held._renew() for _turn in range(130))
        with pytest.raises(EngineError, match="being changed"), lock(store):
            pass
    with lock(store) as held:
        assert held._renew()


@pytest.mark.parametrize("seed", range(5))
def test_however_they_interleave_only_one_has_it(seed: int) -> None:
    """Reads lag, answers get lost, holders end without releasing, and stacks go with their locks."""
    store = Store(random.Random(seed))
    dead = Process(this_process().host, this_process().boot, this_process().namespace, this_process().pid, "1")
    holding, turns, faults = list[int](), list[int](), list[str]()

    def run(number: int) -> None:
        rng = random.Random(f"{seed} {number}")
        for _turn in range(6):
            taken = lock(store)
            if rng.random() < 0.4:
                taken._tip = dataclasses.replace(taken._tip, process=dead)  # whose lock may be taken over at once
            try:
                taken._take()
            except EngineError:
                continue
            if taken._tip.process == dead:
                continue
            holding.append(number)
            time.sleep(0.001)
            if holding != [number] or not taken._renew():
                faults.append(f"{holding} while {number} has it")
            holding.remove(number)
            turns.append(number)
            taken._release()

    with ExitStack() as stack:
        threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
            stack.callback(thread.join)
    assert faults == []
    assert turns


def test_a_parameter_has_a_name_that_parameter_store_takes() -> None:
    names = [parameter_name(stack).removeprefix("/innovate/locks/") for stack in ("vpc-dev", "a b/c", "ä")]
    assert names == ["vpc-dev", "a.b.c", "."]


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    yield
    assert not [thread for thread in threading.enumerate() if thread.name == "lock"]
