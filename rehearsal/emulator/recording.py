# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What callers would have had to be allowed: every demand of every request, with resource and condition keys.

Off until it is switched on. What is recorded is what enforcement would have judged (``authorization.demands``), before
the request had its effect, so a resource's tags are those that a policy would have seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rehearsal.emulator.world import World

#: Condition keys that are kept with their values, where the request has them. Of tags only the platform's are.
KEPT = (
    "aws:RequestTag/innovate:stack",
    "aws:ResourceTag/innovate:stack",
    "aws:TagKeys",
    "ec2:CreateAction",
    "iam:AWSServiceName",
    "iam:PassedToService",
    "iam:PermissionsBoundary",
    "iam:PolicyARN",
    "organizations:PolicyType",
    "organizations:ServicePrincipal",
)
#: Ways to ask for a key's values: ``iam_policies.Request.values``.
Values = Callable[[str], Any]


@dataclass(frozen=True, order=True)
class Row:
    """One demand: under which label, by whom, where, and with which condition keys.

    :param caller: the ARN of the role or user, without a session's name.
    :param keys: condition keys with their values, sorted.
    """

    label: str
    account: str
    caller: str
    region: str
    action: str
    resource: str
    keys: tuple[tuple[str, tuple[str, ...]], ...]

    def described(self) -> dict[str, Any]:
        """The row as the page tells it."""
        named = {name: getattr(self, name) for name in ("label", "account", "caller", "region", "action", "resource")}
        return {**named, "keys": {name: list(values) for name, values in self.keys}}


class Recording:
    """The rows since it was switched on, each once."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.label: str | None = None
        self.rows: set[Row] = set()

    def page(self, method: str, query: Mapping[str, list[str]]) -> dict[str, Any]:
        """``/rehearsal/recording``: POST goes on under a ``label``, DELETE ends it and forgets, GET tells.

        Raises:
            ValueError: a POST without a label.
        """
        if method == "POST":
            if not query.get("label"):
                raise ValueError("label is missing: under which name shall it be recorded?")
            self.label = query["label"][0]
        with self.world.lock:
            rows = [row.described() for row in sorted(self.rows)]
        if method == "DELETE":
            self.clear()
        return {"label": self.label, "rows": rows}

    def clear(self) -> None:
        """Off, and empty."""
        self.label = None
        self.rows = set()

    def note(self, caller: str, account: str, region: str, action: str, resource: str, values: Values) -> None:
        """Keep one demand. The world's lock is to be held."""
        if self.label is None:
            return
        found = ((name, values(name)) for name in KEPT)
        kept = tuple((name, tuple(sorted(value))) for name, value in found if value)
        self.rows.add(Row(self.label, account, caller, region, action, resource, kept))
