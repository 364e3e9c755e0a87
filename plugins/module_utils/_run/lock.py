# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time changes a stack: its lock is an SSM parameter in the stack's account and Region.

Two things of Parameter Store are atomic: PutParameter without Overwrite makes a parameter once, and with Overwrite it
gives each write a version of its own
(https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html). There is no write on condition.
So the parameter's history is a log: every write has an id and names the write that it follows; of those that follow the
same one the earliest counts, the others are void (:func:`standing`). Whoever writes reads the history until its own
version is in it, and knows then whether it counts. Nothing has to be deleted for taking over, so there is no moment at
which two could take over, and a holder that slept through its lease can't harm the next one: what it writes is void.
Reads may lag behind writes: what was decided on an old history is a void write.

A lock that was released stays, with its last holder's name, until the stack itself is gone: after DeleteParameter
thirty seconds have to pass before a parameter of the same name is made
(https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_DeleteParameter.html), and a stack may well be
changed twice in thirty seconds.

What is left: a call to AWS that is under way while the machine sleeps through the lease may take effect after another
run has taken over; no API of AWS asks for the lock. And a run that deletes the lock of a stack that is gone proves by a
write right before that it still holds it: only a request that travels for longer than the lease could delete the lock
of the next one, which notices that at its next renewal.
"""

from __future__ import annotations

import contextlib
import email.utils
import json
import random
import re
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import FrameType, TracebackType
from typing import Any, NamedTuple, Self

from ansible_collections.amazon.aws.plugins.module_utils.botocore import is_boto3_error_code

try:
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:  # the modules say so by AnsibleAWSModule
    BotoCoreError = ClientError = Exception

from .._engine.apply import Progress
from .._engine.errors import EngineError
from .._kinds._session import Session
from .process import Process, read, this_process

PREFIX = "/innovate/locks/"
RENEWAL = 60.0
"""Seconds between signs of life."""
LEASE = 300.0
"""Seconds without a sign of life after which the lock goes to whoever wants it."""
_DOUBT = 0.8
"""Part of the lease after which a holder that could not renew it takes it for lost: before anybody else does."""
_PATIENCE = 45.0
"""Seconds for which a name may not be free although there is no such parameter: it was deleted a moment ago."""
_LAG = 20.0
"""Seconds for which a history may not show a write."""
_MARGIN = 5.0
"""Seconds by which clocks of AWS may differ from each other."""
_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")


@dataclass(frozen=True)
class Entry:
    """One write to the log.

    :param id: its own.
    :param holding: the same in all that one holder writes.
    :param after: the id of the write that it follows; empty for the first.
    :param who: ARN of the caller.
    :param since: when the lock was taken, ISO 8601.
    :param released: whether the holder is done with it.
    :param version: the parameter's, 0 as long as it isn't written.
    :param renewed: when AWS took it in.
    """

    id: str
    holding: str
    after: str
    who: str
    since: str
    process: Process
    released: bool = False
    version: int = 0
    renewed: datetime | None = None

    def text(self) -> str:
        """Return the parameter's value: JSON on one level (a value must not have two braces in a row)."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return json.dumps(
            {
                "who": self.who,
                "since": self.since,
                "renewed": now,
                "released": self.released,
                **self.process.described(),
                "id": self.id,
                "holding": self.holding,
                "after": self.after,
            }
        )


def entry_of(item: Mapping[str, Any]) -> Entry | None:
    """Return what GetParameterHistory tells of a version; None if no run has written it."""
    try:
        value = json.loads(item["Value"])
        texts = {name: str(value[name]) for name in ("id", "holding", "after", "who", "since")}
        return Entry(
            **texts,
            process=read(value),
            released=bool(value["released"]),
            version=int(item["Version"]),
            renewed=item["LastModifiedDate"],
        )
    except (KeyError, TypeError, ValueError):
        return None


def standing(log: Iterable[Entry]) -> Entry | None:
    """Return the write that counts; None if there is none.

    Parameter Store keeps the last 100 versions. What follows a write that isn't kept may be the rest of the chain that
    counts, or the one write of a run whose lock was deleted: the longest chain counts, of two as long the earlier.
    """
    ordered = sorted(log, key=lambda entry: entry.version)
    following: dict[str, Entry] = {}
    for entry in ordered:
        following.setdefault(entry.after, entry)
    known = {entry.id for entry in ordered}
    longest: list[Entry] = []
    for first in (entry for after, entry in following.items() if after not in known):
        chain = [first]
        while (following_one := following.get(chain[-1].id)) is not None:
            chain.append(following_one)
        if len(chain) > len(longest):
            longest = chain
    return longest[-1] if longest else None


def parameter_name(stack: str) -> str:
    """Return the name of a stack's lock; what a parameter's name can't have becomes a dot."""
    return PREFIX + re.sub(r"[^\w.-]", ".", stack, flags=re.ASCII)


class _History(NamedTuple):
    """What there is of a lock, and the time by AWS's clock; what a person wrote there is no entry."""

    entries: list[Entry]
    now: datetime
    exists: bool


class Lock:
    """The lock of a stack; a context in which it is held.

    :param who: ARN of the caller.
    :param warn: told what a person should know although the run goes on.
    :param progress: told that the lock is waited for.
    """

    def __init__(
        self, session: Session, stack: str, who: str, warn: Callable[[str], None], progress: Progress | None = None
    ) -> None:
        self._session = session
        self._stack = stack
        self._name = parameter_name(stack)
        self._warn = warn
        self._progress = progress
        since = datetime.now(UTC).isoformat(timespec="seconds")
        self._tip = Entry("", uuid.uuid4().hex, "", who, since, this_process())
        self._in_doubt = False
        self._seen = clock()
        self._quiet: float | None = None
        self._is_first = False
        self._lost = ""
        self._ending = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="lock", daemon=True)
        self._signals: dict[int, Any] = {}
        self.stack_is_gone = False
        """To be set when the lock has nothing left to guard: it is deleted then, not only released."""

    def __enter__(self) -> Self:
        """Take the lock.

        Raises:
            EngineError: somebody else has it, or it can't be had.
        """
        for number in (signal.SIGTERM, signal.SIGHUP):
            if _is_main_thread() and signal.getsignal(number) == signal.SIG_DFL:
                # As Ctrl-C: what was begun ends, then the lock is released.
                self._signals[number] = signal.signal(number, _interrupt)
        try:
            self._take()
        except BaseException:
            self._restore()
            if self._in_doubt:
                with contextlib.suppress(EngineError):
                    self._release()
            raise
        self._keeper.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the lock; where that fails, a warning says so."""
        self._restore()
        self._ending.set()
        self._keeper.join(timeout=_LAG)
        try:
            self._release()
        except EngineError as problem:
            self._warn(
                f"the lock {self._name} could not be released ({problem}): it goes by itself after {LEASE / 60:.0f} "
                "minutes, and at once to a run on this machine"
            )

    def lost(self) -> str:
        """Return why nothing more may be begun; empty as long as the lock is held."""
        if not self._lost and clock() - self._seen > LEASE * _DOUBT:
            self._lost = self._sentence(f"it could not be renewed for {LEASE * _DOUBT / 60:.0f} minutes")
        return self._lost

    def may_be_outdated(self, moment: float, *, saw_nothing: bool) -> bool:
        """Tell whether another run may have changed the stack between a moment (of :func:`clock`) and this one's turn.

        :param saw_nothing: whether there was nothing of the stack: then no run has ended before the first to lock it.
        """
        if self._is_first and saw_nothing:
            return False
        return self._quiet is None or self._quiet + _MARGIN > moment

    def _take(self) -> None:
        deadline = clock() + _PATIENCE
        while True:
            history = self._read()
            tip, now = standing(history.entries), history.now
            reason = _reason_to_take(tip, now) if tip is not None else ""
            if tip is not None and reason is None and tip.holding != self._tip.holding:
                raise EngineError(self._held(tip, now))
            if self._write(tip.id if tip else "", create=not history.exists):
                break
            if self._progress is not None:
                self._progress("lock", "begun", 0, "being taken")
            if clock() > deadline:
                raise EngineError(
                    f"the lock {self._name} of stack '{self._stack}' could not be taken: others are taking it, or it "
                    "was deleted less than half a minute ago: run this again"
                )
            time.sleep(random.uniform(0.2, 1.0))
        if self._progress is not None:
            self._progress("lock", "done", 0, "")
        self._is_first = not history.exists
        if tip is not None and tip.renewed is not None and tip.released:
            self._quiet = self._seen - (now - tip.renewed).total_seconds()
        elif tip is not None and reason:
            self._warn(f"took over the lock {self._name} from {_holder(tip)}: {reason}")

    def _read(self) -> _History:
        client = self._session.client("ssm")
        items: list[Mapping[str, Any]] = []
        more: dict[str, str] = {}
        while True:
            try:
                page = client.get_parameter_history(Name=self._name, **more)
            except is_boto3_error_code("ParameterNotFound") as error:
                page = error.response
            except (BotoCoreError, ClientError) as error:
                raise self._refused(error, "GetParameterHistory") from error
            items += page.get("Parameters", ())
            if not page.get("NextToken"):
                break
            more = {"NextToken": page["NextToken"]}
        date = page["ResponseMetadata"]["HTTPHeaders"].get("date")
        now = email.utils.parsedate_to_datetime(date) if date else datetime.now(UTC)
        return _History([entry for entry in map(entry_of, items) if entry is not None], now, exists=bool(items))

    def _write(self, after: str, *, create: bool = False) -> bool:
        """Write that this run has the lock, and tell whether it counts."""
        entry = replace(self._tip, id=uuid.uuid4().hex, after=after)
        began = clock()
        self._in_doubt = True
        answer = self._put(entry, create=create)
        if not create or not answer:
            # Without an answer there was one already: maybe of this very call, whose first answer was lost.
            tip = standing(self._history_with(int(answer.get("Version", 0))))
            if tip is None or tip.holding != entry.holding:
                return False
            entry = tip
        self._tip, self._seen, self._in_doubt = entry, began, False
        return True

    def _put(self, entry: Entry, *, create: bool) -> Mapping[str, Any]:
        try:
            return self._session.call(
                "ssm",
                "put_parameter",
                missing=["ParameterAlreadyExists"] if create else (),
                retry_on=["TooManyUpdates"],
                Name=self._name,
                Description=f"Lock of the stack {self._stack}: who changes it, or did so last",
                Value=entry.text(),
                Type="String",
                Tier="Standard",
                Overwrite=not create,
            )
        except EngineError as error:
            raise self._refused(error.__cause__ or error, "PutParameter", str(error)) from error

    def _history_with(self, version: int) -> Sequence[Entry]:
        """Return the log as soon as it has a version."""
        deadline = clock() + _LAG
        pause = 0.1
        while True:
            log = self._read().entries
            if version <= max((entry.version for entry in log), default=0):
                return log
            if clock() > deadline:
                raise EngineError(f"version {version} of the parameter {self._name} is not to be seen: run this again")
            time.sleep(pause)
            pause = min(pause * 2, 2.0)

    def _keep(self) -> None:
        pause = RENEWAL
        while not self._ending.wait(pause):
            try:
                if self._renew():
                    pause = RENEWAL
                    continue
            except EngineError:
                pause = RENEWAL / 6
                continue
            self._lost = self._sentence("another run has taken it")
            return

    def _renew(self) -> bool:
        if self._in_doubt:
            # The call before this one failed, and may have had its effect.
            tip = standing(self._read().entries)
            if tip is None or tip.holding != self._tip.holding:
                return False
            self._tip, self._in_doubt = tip, False
        return self._write(self._tip.id)

    def _release(self) -> None:
        if self.lost():
            return
        if (self.stack_is_gone or self._in_doubt) and not self._renew():
            return
        if self.stack_is_gone:
            self._session.call("ssm", "delete_parameter", missing=["ParameterNotFound"], Name=self._name)
        else:
            self._put(replace(self._tip, id=uuid.uuid4().hex, after=self._tip.id, released=True), create=False)

    def _restore(self) -> None:
        for number, handler in self._signals.items():
            signal.signal(number, handler)
        self._signals.clear()

    def _sentence(self, why: str) -> str:
        return (
            f"the lock {self._name} of stack '{self._stack}' is lost ({why}): what was begun "
            "is finished, and nothing more is begun; see who runs, then run this again"
        )

    def _held(self, tip: Entry, now: datetime) -> str:
        seen = _ago((now - tip.renewed).total_seconds()) if tip.renewed else "never"
        where = f"account {self._session.account_id}, {self._session.region}"
        return (
            f"stack '{self._stack}' ({where}) is being changed by another run: {_holder(tip)} holds its lock since "
            f"{tip.since}, last sign of life {seen} ago. Wait for it to end; without a sign of life the lock goes by "
            f"itself after {LEASE / 60:.0f} minutes. Only if you are sure that this run has ended, and that nothing "
            f"that it began is still under way, break the lock, in that account, by `aws ssm delete-parameter --name "
            f"{self._name} --region {self._session.region}`, and start anew after half a minute"
        )

    def _refused(self, error: BaseException, operation: str, text: str = "") -> EngineError:
        code = (getattr(error, "response", None) or {}).get("Error", {}).get("Code", "")
        if code in _DENIED:
            where = f"account {self._session.account_id}"
            arn = self._session.arn("ssm", f"parameter{PREFIX}*")
            return EngineError(
                f"stack '{self._stack}' can't be locked: ssm:{operation} is denied in {where}: allow the role that "
                f"this runs with ssm:GetParameterHistory, ssm:PutParameter and ssm:DeleteParameter on {arn}"
            )
        return EngineError(text or f"ssm:{operation} in account {self._session.account_id}: {error}")


def clock() -> float:
    """Return seconds of a clock that also goes on while the machine sleeps, where there is one."""
    which = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if which is None else time.clock_gettime(which)


def _reason_to_take(tip: Entry, now: datetime) -> str | None:
    """Return why a lock that somebody had may be taken, empty if it was released; None if it may not."""
    if tip.released:
        return ""
    if tip.process.has_ended():
        return f"it held the lock since {tip.since}, and has ended without releasing it"
    silent = (now - tip.renewed).total_seconds() if tip.renewed else LEASE + 1
    if silent > LEASE:
        return f"it held the lock since {tip.since}, and gave no sign of life for {_ago(silent)}"
    return None


def _holder(entry: Entry) -> str:
    return f"{entry.who} on {entry.process.host or 'a host without a name'} (process {entry.process.pid})"


def _ago(seconds: float) -> str:
    seconds = max(0, round(seconds))
    return f"{seconds} s" if seconds < 100 else f"{seconds // 60} min {seconds % 60} s"


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _interrupt(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
