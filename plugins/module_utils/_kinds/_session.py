# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What kinds call AWS with: one account, one Region, clients made when first used and shared by threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from ansible_collections.amazon.aws.plugins.module_utils.botocore import is_boto3_error_code
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry

try:
    import jmespath
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError
except ImportError:  # the modules say so by AnsibleAWSModule
    BotoCoreError = ClientError = ResponseParserError = Exception

from .._engine.errors import EngineError, Unclear
from .._engine.kind import Pending
from .._engine.observe import side_by_side
from ._answers import DONE_ALREADY, NoAnswer, carefully, watched

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

Connect = Callable[[str, str], Any]
"""Makes a boto3 client for a service and a Region."""


class Session:
    """One account and Region. Throttling is retried by botocore (standard mode), everything else says what to retry."""

    def __init__(self, connect: Connect, account_id: str, region: str, partition: str) -> None:
        self.account_id = account_id
        self.region = region
        self.partition = partition
        self._connect = connect
        self._clients: dict[tuple[str, str], Any] = {}
        self._elsewhere: dict[str, Session] = {}
        self._lock = threading.Lock()

    def at(self, region: str) -> Session:
        """Return the session of one Region of a stack that has several; it has this one's clients.

        It is the same object each time, and never this one: what is asked once for a stack is asked once a Region.
        """
        with self._lock:
            if region not in self._elsewhere:
                there = Session(self._connect, self.account_id, region, self.partition)
                there._clients, there._lock = self._clients, self._lock
                self._elsewhere[region] = there
            return self._elsewhere[region]

    def client(self, service: str, region: str = "") -> Any:
        """Return the boto3 client of a service; boto3's clients, but not their making, are safe between threads."""
        key = (service, region or self.region)
        with self._lock:
            if key not in self._clients:
                self._clients[key] = watched(self._connect(*key))
            return self._clients[key]

    def call(
        self,
        service: str,
        operation: str,
        /,
        *,
        retry_on: Iterable[str] = (),
        missing: Iterable[str] = (),
        attempts: int = 12,
        region: str = "",
        **params: Any,
    ) -> dict[str, Any]:
        """Call an operation by boto3's name for it and return the response without its metadata.

        :param retry_on: error codes to be waited out, with jittered pauses of up to 15 s: propagation delays
            (a role that can't be assumed yet) and things still in use (DependencyViolation).
        :param missing: error codes that mean there is no such thing; the answer is then an empty dictionary.
        :param attempts: how often what is in ``retry_on`` is tried; 12 are about 90 seconds.
        :param region: another Region than the session's.
        :raises Unclear: what makes something, and carries no client token, got no answer.
        """
        client = self.client(service, region)
        function = getattr(client, operation)
        retry_on = list(retry_on)
        if retry_on:
            function = AWSRetry.jittered_backoff(
                retries=attempts, delay=1, max_delay=15, catch_extra_error_codes=retry_on
            )(function)
        try:
            with carefully(client, operation, params):
                response: dict[str, Any] = function(**params)
        except is_boto3_error_code(list(missing)):
            return {}
        except NoAnswer as error:
            raise Unclear(
                f"{service}:{_camel(operation)} in account {self.account_id} was not answered ({error}): it may have "
                "had its effect"
            ) from error
        except (BotoCoreError, ClientError, ResponseParserError) as error:
            if _done_already(error):
                return {}
            raise EngineError(
                f"{service}:{_camel(operation)} in account {self.account_id}: {_sentence(error)}"
            ) from error
        response.pop("ResponseMetadata", None)
        return response

    def pages(
        self, service: str, operation: str, key: str, /, *, missing: Iterable[str] = (), region: str = "", **params: Any
    ) -> list[Any]:
        """Return all items under ``key`` over all pages of a listing, in another Region where one is given."""
        client = self.client(service, region)
        if not client.can_paginate(operation):
            return list(self.call(service, operation, missing=missing, **params).get(key, []))
        try:
            found = client.get_paginator(operation).paginate(**params).build_full_result()
        except is_boto3_error_code(list(missing)):
            return []
        except (BotoCoreError, ClientError, ResponseParserError) as error:
            raise EngineError(
                f"{service}:{_camel(operation)} in account {self.account_id}: {_sentence(error)}"
            ) from error
        return list(found.get(key, []))

    def polled(self, service: str, waiter: str, /, *, unknown: Iterable[str] = (), **params: Any) -> bool | Pending:
        """Ask once whether what a botocore waiter waits for has come about; raise if it never will.

        The waiters' own loops pause for fixed 15 to 60 s and are silent meanwhile; their acceptors are what counts.

        :param unknown: error codes by which the service says that it doesn't know yet what has just been made.
        """
        client = self.client(service)
        config = client.get_waiter(waiter).config
        try:
            response = getattr(client, _snake(config.operation))(**params)
        except (BotoCoreError, ClientError, ResponseParserError) as error:
            # A waiter's acceptors also look at errors that the service answered with.
            response = getattr(error, "response", None)
            if response is None:
                raise EngineError(f"{service}:{config.operation} in account {self.account_id}: {error}") from error
        for acceptor in config.acceptors:
            if acceptor.matcher_func(response):
                if acceptor.state == "failure":
                    raise EngineError(
                        f"{service}: {waiter.replace('_', ' ')} will not come about: {acceptor.explanation}"
                    )
                return bool(acceptor.state == "success")
        if "Error" in response:
            details = response["Error"]
            if details.get("Code") in set(unknown):
                return Pending()
            raise EngineError(f"{service}:{config.operation}: {details.get('Code')}: {details.get('Message')}")
        return Pending(_status(config.acceptors, response))

    def awaited(self, what: str, look: Callable[[], _Result | None], attempts: int = 10) -> _Result:
        """Return what a listing comes to show, for up to half a minute.

        What comes with something new, such as a VPC's default security group, isn't listed at once.
        """
        for attempt in range(attempts):
            found = look()
            if found:
                return found
            time.sleep(min(0.2 * 1.8**attempt, 6))
        raise EngineError(f"{what} in account {self.account_id} is not listed yet: run this again in a minute")

    def each(self, function: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
        """Return what a function makes of each item, side by side, in their order."""
        return side_by_side(function, items, workers=8)

    def arn(self, service: str, resource: str, *, region: str | None = None, account: str | None = None) -> str:
        """Return an ARN in this partition; Region and account: the session's unless given (empty for global ones)."""
        region = self.region if region is None else region
        account = self.account_id if account is None else account
        return f"arn:{self.partition}:{service}:{region}:{account}:{resource}"


def _done_already(error: Exception) -> bool:
    """Tell whether what botocore asked again by itself is refused because the first attempt had its effect."""
    response = getattr(error, "response", None) or {}
    repeated = response.get("ResponseMetadata", {}).get("RetryAttempts", 0)
    return bool(repeated) and response.get("Error", {}).get("Code") in DONE_ALREADY


def error_code(error: EngineError) -> str:
    """Return the code that a service answered a call with; empty where it was none of a service's."""
    code: str = (getattr(error.__cause__, "response", None) or {}).get("Error", {}).get("Code", "")
    return code


def _status(acceptors: Iterable[Any], response: dict[str, Any]) -> str:
    """Return the status that a waiter's acceptors compare, as the response has it."""
    for acceptor in acceptors:
        if acceptor.matcher in ("path", "pathAll", "pathAny"):
            found = jmespath.search(acceptor.argument, response)
            status = found[0] if isinstance(found, list) and found else found
            if isinstance(status, str):
                return status
    return ""


def _camel(operation: str) -> str:
    return "".join(word.capitalize() for word in operation.split("_"))


def _snake(operation: str) -> str:
    from botocore import xform_name  # noqa: PLC0415  # made when first used: importing botocore is run time

    return str(xform_name(operation))


def _sentence(error: Exception) -> str:
    response = getattr(error, "response", None) or {}
    details = response.get("Error", {})
    return f"{details['Code']}: {details.get('Message', '')}" if details.get("Code") else str(error)
