# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the emulated AWS knows beyond moto's own state: time, credentials, accounts, idempotency, the log of calls."""

from __future__ import annotations

import itertools
import random
import secrets
import string
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from rehearsal.emulator.durations import DURATIONS

T = TypeVar("T")

#: Deleted NAT gateways and interface endpoints stay visible for this many seconds (about an hour on AWS).
LINGER = 60.0

MANAGEMENT_ACCOUNT = "123456789012"
MANAGEMENT_KEY = "AKIAREHEARSAL0000001"
MANAGEMENT_SECRET = "rehearsal/on/loopback/opens/nothing/else"
#: Unique id of who has these credentials. No policy concerns them.
MANAGEMENT_USER = "AIDAREHEARSAL0000001"


@dataclass(frozen=True)
class Principal:
    """Who calls: the account, the caller's ARN and unique id as GetCallerIdentity shows them.

    :param session_policies: documents that bound a session of a role; None where none were given.
    :param session_tags: tags of a session, as pairs.
    :param issued: when a session began (seconds since the epoch).
    :param access_key: the access key id.
    """

    account: str
    arn: str
    user_id: str
    session_policies: tuple[str, ...] | None = None
    session_tags: tuple[tuple[str, str], ...] = ()
    issued: float = 0.0
    access_key: str = ""


@dataclass
class CallRecord:
    """One call in the log. ``time`` is in seconds since the epoch, ``duration`` in milliseconds.

    ``principal`` is the caller's ARN as GetCallerIdentity tells it.
    """

    seq: int
    time: float
    service: str
    operation: str
    account: str
    region: str
    status: int
    error: str
    duration: float
    principal: str = ""


class World:
    """The emulator's state. One instance per server; every change happens under ``lock``.

    ``linger`` is for how many seconds what has ended is still shown.

    :param pace: how many seconds a minute of AWS's lasts; 0 has everything ready at once.
    """

    def __init__(self, state_dir: Path, pace: float = 1.0) -> None:
        self.state_dir = state_dir
        self.pace = pace
        self.linger = LINGER
        self.lock = threading.RLock()
        self.calls: deque[CallRecord] = deque(maxlen=200_000)
        self.odd_responses: dict[str, int] = {}
        self.on_reset: list[Callable[[], None]] = []
        self._sequence = itertools.count(1)
        self._stores: dict[Any, Any] = {}
        self._timers: set[threading.Timer] = set()
        self.clear()

    def clear(self) -> None:
        """Forget everything: one account, no organization."""
        self._stores.clear()
        self.cancel()
        self.accounts: set[str] = {MANAGEMENT_ACCOUNT}
        self.suspended: set[str] = set()
        self.credentials: dict[str, Principal] = {
            MANAGEMENT_KEY: Principal(
                MANAGEMENT_ACCOUNT,
                f"arn:aws:iam::{MANAGEMENT_ACCOUNT}:user/rehearsal",
                MANAGEMENT_USER,
                access_key=MANAGEMENT_KEY,
            )
        }
        #: Secret access keys by access key id: what checks a signature needs them.
        self.secrets: dict[str, str] = {MANAGEMENT_KEY: MANAGEMENT_SECRET}
        self.tokens: dict[tuple[str, ...], tuple[Any, Any]] = {}

    def store(self, service: str, account: str, region: str, factory: Callable[[], T]) -> T:
        """The state of one service in one account and region, made when first asked for."""
        key = (service, account, region)
        if key not in self._stores:
            self._stores[key] = factory()
        found: T = self._stores[key]
        return found

    def stores(self, service: str) -> list[tuple[str, str, Any]]:
        """Every (account, region, state) of one service."""
        return [(key[1], key[2], value) for key, value in self._stores.items() if key[0] == service]

    def due(self, kind: str) -> float:
        """When something begun now will be finished (seconds since the epoch)."""
        return time.time() + self.lasts(kind)

    def lasts(self, kind: str) -> float:
        """How many seconds something takes."""
        return self.pace * DURATIONS[kind].minutes

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something under the lock after a time, at once if that is none. For what no request looks at."""
        if seconds <= 0:
            action()
            return

        def run() -> None:
            with self.lock:
                if timer in self._timers:
                    self._timers.discard(timer)
                    action()

        timer = threading.Timer(seconds, run)
        timer.daemon = True
        self._timers.add(timer)
        timer.start()

    def cancel(self) -> None:
        """Forget what was to be done later."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def record(
        self,
        began: float,
        service: str,
        operation: str,
        caller: Principal | None,
        region: str,
        status: int,
        error: str,
    ) -> None:
        """Add one call to the log; ``caller`` is None where the credentials were refused."""
        took = round((time.time() - began) * 1000, 2)
        account, arn = (caller.account, caller.arn) if caller else ("", "")
        number = next(self._sequence)
        self.calls.append(CallRecord(number, began, service, operation, account, region, status, error, took, arn))

    def calls_since(self, mark: int) -> list[dict[str, Any]]:
        """The log's entries with a sequence number above ``mark``."""
        return [asdict(call) for call in list(self.calls) if call.seq > mark]

    def mark(self) -> int:
        """The sequence number of the last call."""
        return self.calls[-1].seq if self.calls else 0


@dataclass
class Transition:
    """A state that turns into another by itself once its time has come. Read lazily: no thread needed."""

    now: str
    then: str
    at: float
    done: bool = field(default=False)

    def value(self) -> str:
        """The state as of now."""
        return self.then if self.over() else self.now

    def over(self) -> bool:
        """Whether the time has come."""
        return time.time() >= self.at


def hex_id(prefix: str, length: int = 17) -> str:
    """An id as EC2 gives them: ``nat-0123456789abcdef0``."""
    return f"{prefix}-0{secrets.token_hex(length)[: length - 1]}"


def letters(count: int, alphabet: str = string.ascii_uppercase + string.digits) -> str:
    """Random letters, for ids."""
    return "".join(random.choices(alphabet, k=count))
