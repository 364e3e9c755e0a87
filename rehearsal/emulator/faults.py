# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong between a caller and AWS: throttling, failures, lost answers, and the end of the connection.

A profile is a row of a table: what happens, to which calls, how often, before or after the call's effect. One profile
is on at a time, or a cut: at the N-th call the connection ends, and from then on nobody gets through.
"""

from __future__ import annotations

import fnmatch
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, get_args, get_type_hints

from rehearsal.emulator.errors import AwsError

Reply = tuple[int, list[tuple[str, str]], bytes]
What = Literal["throttle", "fail", "unavailable", "refuse", "gateway", "reset", "close", "truncate", "silence", "slow"]
Moment = Literal["before", "after"]

_READS = re.compile(
    r"(Describe|List|Get|Head|Lookup|Search|Select|BatchGet|BatchDescribe|Simulate|Decode|Assume|Validate|Query|Scan)"
)


def is_read(operation: str) -> bool:
    """Whether an operation changes nothing, by its name; a session of a role changes nothing either."""
    return _READS.match(operation) is not None


@dataclass(frozen=True)
class Act:
    """One thing that happens to calls.

    :param what: ``throttle``, ``fail`` (500), ``unavailable`` (503): an error in the service's own form; ``refuse``:
        the error that ``code`` names; ``gateway``: a proxy's page with ``status``; ``reset``: the connection ends by
        RST, ``close``: by FIN without an answer; ``truncate``: in the middle of the answer; ``silence``: no answer for
        ``seconds``; ``slow``: the answer comes ``seconds`` later.
    :param moment: whether that is before the call has an effect or after it, when nobody is told of it.
    :param every: each so many-th call; 0 goes by ``probability``.
    :param only: ``reads``, ``writes``, or a pattern of ``service:Operation``; empty for all.
    :param most: at most so often; 0 for always.
    :param rest: how many calls get through before the first.
    """

    what: What
    moment: Moment = "before"
    every: int = 0
    probability: float = 0.0
    only: str = ""
    most: int = 0
    rest: int = 0
    seconds: float = 0.0
    code: str = ""
    status: int = 0

    def concerns(self, service: str, operation: str) -> bool:
        """Whether a call is one of those that it can happen to."""
        if self.only in ("reads", "writes"):
            return is_read(operation) is (self.only == "reads")
        return not self.only or fnmatch.fnmatchcase(f"{service}:{operation}", self.only)


@dataclass(frozen=True)
class Profile:
    """A kind of bad day."""

    name: str
    doc: str
    acts: tuple[Act, ...]


def _one(name: str, doc: str, what: What, moment: Moment = "before", **how: Any) -> Profile:
    return Profile(name, doc, (Act(what, moment, **how),))


#: Every k is a prime, so that the calls which fall due aren't always the same ones of a pattern that repeats.
PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        _one("throttled-7th", "each 7th call is throttled", "throttle", every=7),
        _one("throttled-third", "a third of all calls is throttled", "throttle", probability=0.33),
        _one("throttled-writes", "each second write is throttled", "throttle", every=2, only="writes"),
        _one("throttled-reads", "a quarter of all reads is throttled", "throttle", probability=0.25, only="reads"),
        _one("throttled-ec2", "half of EC2's calls: RequestLimitExceeded", "throttle", probability=0.5, only="ec2:*"),
        _one("throttled-iam", "half of IAM's calls: Throttling", "throttle", probability=0.5, only="iam:*"),
        _one(
            "throttled-organizations",
            "half of Organizations' calls: TooManyRequestsException",
            "throttle",
            probability=0.5,
            only="organizations:*",
        ),
        _one("throttled-eks", "half of EKS's calls: ThrottlingException", "throttle", probability=0.5, only="eks:*"),
        _one("throttled-sts", "each second call of STS: Throttling", "throttle", every=2, only="sts:*"),
        _one("failing", "each 11th call fails inside the service before its effect", "fail", every=11),
        _one(
            "failing-after",
            "each 5th write has its effect and fails after that",
            "fail",
            "after",
            every=5,
            only="writes",
        ),
        _one("unavailable", "each 13th call: 503", "unavailable", every=13),
        _one(
            "bad-gateway", "each 17th call is answered by a proxy: 502, a page of HTML", "gateway", every=17, status=502
        ),
        _one(
            "gateway-timeout",
            "each 7th write has its effect, and a proxy answers 504",
            "gateway",
            "after",
            every=7,
            only="writes",
            status=504,
        ),
        _one("reset", "each 11th connection is reset before the call is carried out", "reset", every=11),
        _one("closed", "each 13th connection is closed before the call is carried out", "close", every=13),
        _one(
            "lost",
            "each 3rd write has its effect, and its answer is lost by a reset",
            "reset",
            "after",
            every=3,
            only="writes",
        ),
        _one(
            "lost-half",
            "each 2nd write has its effect, and its answer is lost by a reset",
            "reset",
            "after",
            every=2,
            only="writes",
        ),
        _one(
            "lost-closed",
            "each 5th write has its effect, and the connection is closed without an answer",
            "close",
            "after",
            every=5,
            only="writes",
        ),
        _one(
            "truncated", "each 11th answer ends in the middle, by a reset", "truncate", "after", every=11, code="reset"
        ),
        _one(
            "truncated-closed",
            "each 13th answer ends in the middle, as if that were all",
            "truncate",
            "after",
            every=13,
        ),
        _one("silent", "twice there is no answer at all, and no effect", "silence", every=97, most=2, seconds=90),
        _one(
            "silent-after",
            "two writes have their effect, and no answer comes",
            "silence",
            "after",
            every=29,
            most=2,
            only="writes",
            seconds=90,
        ),
        _one("slow", "every answer takes a third of a second longer", "slow", every=1, seconds=0.33),
        _one("slow-some", "each 31st answer takes four seconds longer", "slow", every=31, seconds=4),
        _one(
            "timed-out",
            "each 19th call: the service waited too long for the request",
            "refuse",
            every=19,
            code="RequestTimeout",
            status=400,
        ),
        _one(
            "expired",
            "once a role's session expires at the wrong moment",
            "refuse",
            every=1,
            rest=150,
            most=1,
            only="writes",
            code="ExpiredToken",
            status=403,
        ),
        _one(
            "denied-once",
            "one write is denied, as before a new policy is known everywhere",
            "refuse",
            every=1,
            rest=60,
            most=1,
            only="writes",
            code="AccessDenied",
            status=403,
        ),
        Profile(
            "bad-day",
            "a bit of everything",
            (
                Act("throttle", probability=0.1),
                Act("fail", probability=0.03),
                Act("unavailable", probability=0.03),
                Act("reset", "after", probability=0.05),
                Act("close", probability=0.03),
                Act("truncate", "after", probability=0.03, code="reset"),
                Act("slow", probability=0.1, seconds=0.5),
            ),
        ),
    )
}


@dataclass(frozen=True)
class Words:
    """How a service puts it: the error's code, its message, the HTTP status."""

    code: str
    message: str
    status: int


_RATE = "Rate exceeded"
#: Throttling, by service; else by protocol. From each service's API reference ("Common errors", or the operations' own)
#: and botocore's models; EC2: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html,
#: S3: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
THROTTLING: dict[str, Words] = {
    "ec2": Words("RequestLimitExceeded", "Request limit exceeded.", 503),
    "eks": Words("ThrottlingException", _RATE, 429),
    "lambda": Words("TooManyRequestsException", _RATE, 429),
    "organizations": Words("TooManyRequestsException", "You have sent too many requests in too short a period.", 400),
    "resourcegroupstaggingapi": Words("ThrottledException", _RATE, 400),
    "route53": Words("Throttling", _RATE, 400),
    "s3": Words("SlowDown", "Please reduce your request rate.", 503),
    "service-quotas": Words("TooManyRequestsException", _RATE, 400),
    "sns": Words("Throttled", _RATE, 429),
    "sqs": Words("RequestThrottled", "Request throttled.", 400),
}
_THROTTLING_BY_PROTOCOL: dict[str, Words] = {
    "query": Words("Throttling", _RATE, 400),
    "json": Words("ThrottlingException", _RATE, 400),
    "rest-json": Words("ThrottlingException", _RATE, 429),
    "rest-xml": Words("Throttling", _RATE, 400),
}

_INTERNAL = "An internal error has occurred."
FAILURES: dict[str, Words] = {
    "ec2": Words("InternalError", _INTERNAL, 500),
    "ecr": Words("ServerException", _INTERNAL, 500),
    "eks": Words("ServerException", _INTERNAL, 500),
    "events": Words("InternalException", _INTERNAL, 500),
    "iam": Words("ServiceFailure", _INTERNAL, 500),
    "kms": Words("KMSInternalException", _INTERNAL, 500),
    "organizations": Words("ServiceException", _INTERNAL, 500),
    "pricing": Words("InternalErrorException", _INTERNAL, 500),
    "resourcegroupstaggingapi": Words("InternalServiceException", _INTERNAL, 500),
    "s3": Words("InternalError", _INTERNAL, 500),
    "secretsmanager": Words("InternalServiceError", _INTERNAL, 500),
    "service-quotas": Words("ServiceException", _INTERNAL, 500),
    "ssm": Words("InternalServerError", _INTERNAL, 500),
}
_FAILURE = Words("InternalFailure", _INTERNAL, 500)  # the common error of all protocols

_BUSY = "The service is unavailable. Please try again shortly."
OUTAGES: dict[str, Words] = {
    "ec2": Words("Unavailable", _BUSY, 503),
    "eks": Words("ServiceUnavailableException", _BUSY, 503),
    "logs": Words("ServiceUnavailableException", _BUSY, 503),
}
_OUTAGE = Words("ServiceUnavailable", _BUSY, 503)


def words_of(what: What, service: str, protocol: str) -> Words:
    """Return how a service says that it throttles, failed or is away."""
    if what == "throttle":
        default = _THROTTLING_BY_PROTOCOL.get(protocol, _THROTTLING_BY_PROTOCOL["json"])
        return THROTTLING.get(service, default)
    return FAILURES.get(service, _FAILURE) if what == "fail" else OUTAGES.get(service, _OUTAGE)


def _act_of(given: dict[str, str]) -> Act:
    """Return an act from text."""
    types = get_type_hints(Act)
    unknown = sorted(set(given) - set(types))
    if unknown or given.get("what") not in get_args(What) or given.get("moment", "before") not in get_args(Moment):
        raise ValueError(
            f"give profile, or cut, or what ({', '.join(get_args(What))}) with moment (before, after) and any of "
            f"{', '.join(sorted(set(types) - {'what', 'moment'}))}"
        )
    values: dict[str, Any] = {
        name: types[name](text) if types[name] in (int, float) else text for name, text in given.items()
    }
    act = Act(**values)
    if not act.every and not act.probability:
        raise ValueError("say how often: every (each so many-th call) or probability (0 to 1)")
    return act


def _cut_of(given: dict[str, str]) -> _Cut:
    at, moment = int(given["cut"]), given.get("moment", "before")
    if at < 1 or moment not in get_args(Moment) or set(given) - {"cut", "moment", "only"}:
        raise ValueError("cut is the number of a call, from 1; moment is before or after; only says which calls count")
    return _Cut(at, "before" if moment == "before" else "after", given.get("only", ""))


class Broken(Exception):
    """The connection ends instead of an answer, or, with ``part``, in the middle of one.

    :param abruptly: by RST; else by FIN.
    """

    def __init__(self, name: str, *, abruptly: bool, part: Reply | None = None) -> None:
        super().__init__(name)
        self.abruptly = abruptly
        self.part = part


@dataclass
class _Tally:
    """How often an act could have happened, and how often it did."""

    met: int = 0
    struck: int = 0


@dataclass
class _Cut:
    """When the connection is cut, and at which call it was."""

    at: int
    moment: Moment
    only: str
    met: int = 0
    call: dict[str, Any] | None = None
    refused: Counter[str] = field(default_factory=Counter)


class Faults:
    """What is on now. Calls are counted from when it was set."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.clear()

    def clear(self) -> None:
        """Let everybody through; who waits in vain is let go, without an answer."""
        with self._changed:
            self._profile: Profile | None = None
            self._tallies: list[_Tally] = []
            self._random = random.Random(0)
            self._cut: _Cut | None = None
            self._calls = 0
            self._struck: Counter[str] = Counter()
            self._generation = getattr(self, "_generation", 0) + 1
            self._changed.notify_all()

    def page(self, method: str, query: dict[str, list[str]]) -> dict[str, Any]:
        """``/rehearsal/faults``: POST begins, DELETE ends and tells what happened, GET tells.

        POST takes ``profile`` (and ``seed``), or ``cut`` (with ``moment`` and ``only``), or ``what`` and the other
        fields of ``Act`` for one of one's own. GET with ``wait`` answers when the connection is cut, or after so many
        seconds.
        """
        given = {name: values[0] for name, values in query.items()}
        if method == "DELETE":
            told = self.tell()
            self.clear()
            return told
        if method == "POST":
            self._set(given)
        elif "wait" in given:
            with self._changed:
                self._changed.wait_for(lambda: self._cut is not None and self._cut.call, float(given["wait"]))
        return self.tell()

    def tell(self) -> dict[str, Any]:
        """What is on, how many calls came, what happened to them, and where the connection was cut."""
        with self._changed:
            return {
                "profile": self._profile.name if self._profile else None,
                "calls": self._calls,
                "struck": dict(self._struck),
                "cut": self._cut.call if self._cut else None,
                "refused": dict(self._cut.refused) if self._cut else {},
                "profiles": {name: profile.doc for name, profile in PROFILES.items()},
            }

    def _set(self, given: dict[str, str]) -> None:
        cut, profile, draw = None, None, random.Random(int(given.pop("seed", "0")))
        if "cut" in given:
            cut = _cut_of(given)
        elif "profile" in given:
            profile = PROFILES.get(given["profile"])
            if profile is None or len(given) > 1:
                raise ValueError(f"give a profile and a seed; profiles are {', '.join(PROFILES)}")
        else:
            profile = Profile("own", "one's own", (_act_of(given),))
        self.clear()
        with self._changed:
            self._cut, self._profile, self._random = cut, profile, draw
            self._tallies = [_Tally() for _ in profile.acts] if profile else []

    def permit(self) -> None:
        """Stop a call that was on its way when the connection was cut. Asked under the lock, before any effect."""
        cut = self._cut
        if cut is not None and cut.call is not None:
            raise Broken("cut", abruptly=True)

    def around(self, service: str, operation: str, protocol: str, carry_out: Callable[[], Reply]) -> Reply:
        """Carry a call out under what is on now.

        :raises Broken: there is no answer, or half of one.
        :raises AwsError: a refusal to be written in the protocol's form.
        """
        cut_after, act = self._meet(service, operation)
        if cut_after is not None:
            try:
                carry_out()
            finally:
                self._end(cut_after, service, operation)
            raise Broken("cut", abruptly=True)
        if act is None:
            return carry_out()
        if act.what == "slow":
            self._hold(act.seconds)
            return carry_out()
        reply = carry_out() if act.moment == "after" else None
        return self._instead(act, service, protocol, reply)

    def _meet(self, service: str, operation: str) -> tuple[_Cut | None, Act | None]:
        with self._changed:
            self._calls += 1
            cut = self._cut
            if cut is not None:
                # Those that come while the N-th is carried out are behind it, whoever is the faster.
                if cut.call is not None or cut.met >= cut.at:
                    cut.refused[f"{service}:{operation}"] += 1
                    raise Broken("cut", abruptly=True)
                if Act("reset", only=cut.only).concerns(service, operation):
                    cut.met += 1
                    if cut.met == cut.at and cut.moment == "after":
                        return cut, None
                    if cut.met == cut.at:
                        self._end(cut, service, operation)
                        raise Broken("cut", abruptly=True)
                return None, None
            for act, tally in zip(self._profile.acts if self._profile else (), self._tallies, strict=False):
                if act.concerns(service, operation) and self._falls_due(act, tally):
                    self._struck[act.what] += 1
                    return None, act
            return None, None

    def _falls_due(self, act: Act, tally: _Tally) -> bool:
        tally.met += 1
        if tally.met <= act.rest or (act.most and tally.struck >= act.most):
            return False
        due = (tally.met - act.rest) % act.every == 0 if act.every else self._random.random() < act.probability
        tally.struck += due
        return due

    def _end(self, cut: _Cut, service: str, operation: str) -> None:
        """Note where the connection was cut: from now on nobody gets through."""
        with self._changed:
            cut.call = {
                "number": self._calls,
                "service": service,
                "operation": operation,
                "moment": cut.moment,
                "time": time.time(),
            }
            self._changed.notify_all()

    def _hold(self, seconds: float) -> None:
        with self._changed:
            generation = self._generation
            self._changed.wait_for(lambda: self._generation != generation, seconds)

    def _instead(self, act: Act, service: str, protocol: str, reply: Reply | None) -> Reply:
        """What comes instead of the answer; ``reply`` is what it would have been, where the call was carried out."""
        if act.what == "silence":
            self._hold(act.seconds)
            raise Broken("silence", abruptly=False)
        if act.what in ("reset", "close"):
            raise Broken(act.what, abruptly=act.what == "reset")
        if act.what == "truncate":
            raise Broken("truncate", abruptly=act.code == "reset", part=reply)
        if act.what == "gateway":
            text = f"<html><head><title>{act.status}</title></head><body><h1>{act.status}</h1></body></html>"
            return act.status, [("Content-Type", "text/html")], text.encode()
        if act.what == "refuse":
            raise AwsError(act.code, f"{act.code}: the emulator was told to refuse this call", status=act.status)
        words = words_of(act.what, service, protocol)
        raise AwsError(words.code, words.message, status=words.status)
