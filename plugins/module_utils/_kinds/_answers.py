# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers that don't come, or not whole: botocore's own retries, where they aren't safe or not enough.

botocore asks again after a lost connection, a time-out or a 5xx, whatever the operation
(https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html). A second CreateVpc is a second VPC, so
what makes something is asked again only where the request carries a client token; else the engine looks first.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

try:
    from botocore.exceptions import (
        ConnectionClosedError,
        ConnectTimeoutError,
        EndpointConnectionError,
        HTTPClientError,
        ProxyConnectionError,
        SSLError,
    )
    from botocore.parsers import ResponseParserError
except ImportError:  # the modules say so by AnsibleAWSModule
    ConnectionClosedError = ConnectTimeoutError = EndpointConnectionError = HTTPClientError = Exception
    ProxyConnectionError = ResponseParserError = SSLError = Exception

_MAKING = ("allocate_", "copy_", "create_", "import_", "purchase_", "register_", "request_", "restore_", "run_")
_REPEATABLE = ("create_tags",)
_THROTTLING = ("RequestLimitExceeded", "SlowDown", "Throttling", "ThrottlingException")

#: What calls are answered with that were carried out already, when botocore has asked again by itself.
DONE_ALREADY = (
    "InvalidPermission.Duplicate",
    "NetworkAclEntryAlreadyExists",
    "Resource.AlreadyAssociated",
    "RouteAlreadyExists",
)


class NoAnswer(Exception):
    """Nobody knows whether a call had its effect."""


class _Thread(threading.local):
    carefully = False


_thread = _Thread()


@contextlib.contextmanager
def carefully(client: Any, operation: str, params: dict[str, Any]) -> Iterator[None]:
    """Have a call of this thread end with :class:`NoAnswer` instead of being made twice, if it isn't idempotent."""
    before, _thread.carefully = _thread.carefully, _makes(client, operation, params)
    try:
        yield
    except ResponseParserError as error:
        if _thread.carefully:
            raise NoAnswer(str(error)) from error
        raise
    finally:
        _thread.carefully = before


def _makes(client: Any, operation: str, params: dict[str, Any]) -> bool:
    """Tell whether a call made twice makes two things."""
    if not operation.startswith(_MAKING) or operation in _REPEATABLE:
        return False
    if any(name.lower().endswith("token") for name in params):
        return False
    model = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[operation])
    return not model.idempotent_members  # botocore itself gives these a token, the same in all attempts


def watched(client: Any) -> Any:
    """Return a client whose answers are whole, and whose calls under :func:`carefully` are made once."""
    client.meta.events.register("needs-retry", _doubt, unique_id="innovate-doubt")
    endpoint = client._endpoint
    if not isinstance(endpoint.http_session, _Whole):
        endpoint.http_session = _Whole(endpoint.http_session)
    return client


def _doubt(response: Any = None, caught_exception: BaseException | None = None, **_more: Any) -> None:
    if not _thread.carefully:
        return
    if caught_exception is not None:
        never_there = (EndpointConnectionError, ConnectTimeoutError, ProxyConnectionError, SSLError)
        if isinstance(caught_exception, HTTPClientError) and not isinstance(caught_exception, never_there):
            raise NoAnswer(str(caught_exception)) from caught_exception
    elif response is not None:
        answer, parsed = response
        code = parsed.get("Error", {}).get("Code", "")
        if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR and code not in _THROTTLING:
            raise NoAnswer(f"{code or answer.status_code}: {parsed.get('Error', {}).get('Message', '')}")


class _Whole:
    """Botocore's HTTP session, which doesn't notice when an answer ends early.

    It turns urllib3's check of Content-Length off, and takes JSON that can't be read for an empty answer: a listing
    that was cut short would say that there is nothing.
    """

    def __init__(self, session: Any) -> None:
        self._session = session

    def send(self, request: Any) -> Any:
        """Send a request; an answer that is too short is a closed connection, which botocore retries."""
        answer = self._session.send(request)
        length = answer.headers.get("Content-Length", "")
        if not request.stream_output and request.method != "HEAD" and length.isdigit():
            content = answer.content
            if len(content) < int(length) and not answer.headers.get("Content-Encoding"):
                error = f"{len(content)} of {length} bytes came"
                raise ConnectionClosedError(error=error, request=request, endpoint_url=request.url)
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)
