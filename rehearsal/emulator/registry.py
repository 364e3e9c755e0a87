# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulator's own operations, by service and name.

A handler takes a ``Call`` and returns the operation's output as botocore names its members (a plain dict), or raises
``AwsError``. ``call.forward()`` gives moto's answer to the same request, parsed, so that a handler can check before
or repair after.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rehearsal.emulator.errors import AwsError
from rehearsal.emulator.world import Principal, World


class Later(Exception):
    """A handler has nothing to say yet: it is asked again after so many seconds, and others are answered meanwhile."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"in {seconds} s")
        self.seconds = seconds


@dataclass
class Call:
    """One request, decoded and checked. ``params`` are the input's members by botocore's names."""

    world: World
    service: str
    operation: str
    account: str
    region: str
    principal: Principal
    params: dict[str, Any]
    endpoint: str
    forwarder: Callable[[Callable[[dict[str, Any]], dict[str, Any]] | None], dict[str, Any]]
    began: float = field(default_factory=time.monotonic)

    def forward(self, edit: Callable[[dict[str, Any]], dict[str, Any]] | None = None) -> dict[str, Any]:
        """Moto's answer to this request. ``edit`` may change the form or the JSON of the request first."""
        return self.forwarder(edit)

    def waited(self) -> float:
        """For how many seconds the caller has waited."""
        return time.monotonic() - self.began

    def get(self, name: str, default: Any = None) -> Any:
        """A parameter, or the default."""
        return self.params.get(name, default)

    def __getitem__(self, name: str) -> Any:
        """A parameter that the model requires."""
        return self.params[name]

    @property
    def partition(self) -> str:
        """The region's partition."""
        return (
            "aws-cn" if self.region.startswith("cn-") else "aws-us-gov" if self.region.startswith("us-gov") else "aws"
        )

    def arn(self, resource: str, service: str | None = None) -> str:
        """An ARN in the caller's account and region."""
        return f"arn:{self.partition}:{service or self.service}:{self.region}:{self.account}:{resource}"


Handler = Callable[[Call], dict[str, Any] | None]

HANDLERS: dict[tuple[str, str], Handler] = {}


def operation(service: str, *names: str) -> Callable[[Handler], Handler]:
    """Register a handler for one or more operations of a service."""

    def register(handler: Handler) -> Handler:
        for name in names:
            if (service, name) in HANDLERS:
                raise ValueError(f"{service} {name} has a handler already")
            HANDLERS[(service, name)] = handler
        return handler

    return register


def page(
    items: list[Any], token: str | None, limit: int | None, error: AwsError | None = None
) -> tuple[list[Any], str | None]:
    """One page of a list and the token of the next; a token is the position it continues from."""
    start = 0
    if token:
        try:
            start = int(bytes.fromhex(token).decode())
        except ValueError:
            raise error or AwsError("InvalidParameterException", "Invalid token") from None
    end = start + (limit or 100)
    following = str(end).encode().hex() if end < len(items) else None
    return items[start:end], following
