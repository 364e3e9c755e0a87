# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan makes a month cost, before and after, by stack and account. Pure functions.

The figures are AWS's list prices, On-Demand, before tax, discounts, free tier and support plan. What has no figure is
said, as a sentence in ``unknown``, and is not in the sums.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict

from .charges import CHARGES, Assumed, Assumption, Charge, Context, Unknown, charges
from .table import CURRENCY, Table, default

Side = Literal["before", "after"]
_GENERAL = "A month has 730 hours, at list prices: On-Demand, before tax, discounts, free tier and support plan."


class Resource(TypedDict):
    """What a resource costs a month. ``complete`` is false where a part of it has no figure."""

    address: str
    kind: str
    before: float
    after: float
    complete: bool


class StackCost(TypedDict):
    """What a stack costs a month. ``account`` is its name, ``account_id`` None while it doesn't exist."""

    account: str
    account_id: str | None
    region: str
    stack: str
    before: float
    after: float
    resources: list[Resource]


class Estimate(TypedDict):
    """What a plan makes a month cost; JSON as it is.

    :param as_of: how old the oldest price in it is (``2026-09-09``); the table's own date where there is none in it.
    :param unknown: what isn't in the sums, one sentence each.
    :param assumptions: what was taken for granted, one sentence each.
    :param by_stack: in the order in which the stacks were given.
    """

    before: float
    after: float
    currency: str
    as_of: str
    unknown: list[str]
    assumptions: list[str]
    by_stack: list[StackCost]


class Monthly(TypedDict):
    """What one thing costs a month; ``usd`` is None where a part of it has no figure, which ``unknown`` names."""

    usd: float | None
    as_of: str
    unknown: list[str]
    assumptions: list[str]


@dataclass(frozen=True)
class Line:
    """One charge of one resource: ``quantity`` of ``item`` a month; ``usd`` is None where it has no price."""

    address: str
    kind: str
    side: Side
    charge: Charge
    usd: float | None


@dataclass
class _Notes:
    """What is said beside the figures, each once, in the order in which it came up."""

    unknown: dict[str, None] = field(default_factory=dict)
    assumptions: dict[str, None] = field(default_factory=lambda: {_GENERAL: None})
    unsure: dict[str, None] = field(default_factory=dict)
    dates: set[str] = field(default_factory=set)

    def sentences(self) -> list[str]:
        """Return the assumptions, the figures that nobody has compared with the price list among them."""
        if not self.unsure:
            return list(self.assumptions)
        doubtful = f"Not compared with AWS's price list yet (make prices does): {', '.join(sorted(self.unsure))}."
        return [*self.assumptions, doubtful]


def estimate(
    stacks: Sequence[Mapping[str, Any]],
    *,
    table: Table | None = None,
    assumed: Assumed | None = None,
    today: datetime.date | None = None,
) -> Estimate:
    """Return what a month costs before and after a plan.

    :param stacks: results of stack modules, of which it reads ``stack`` (the name), ``account`` (``name``, ``id``,
        ``region``) and ``billable`` (rows of ``address``, ``kind``, ``before`` and ``after``: the properties that
        decide the price, None where there is no such resource).
    :param table: the prices; those of the collection by default.
    :param assumed: how much goes through what is paid by the gigabyte.
    :param today: decides which Kubernetes versions are in extended support.
    """
    prices = table or default()
    notes = _Notes()
    by_stack = []
    for stack in stacks:
        account = stack.get("account") or {}
        found = list(_lines(stack, prices, assumed or Assumed(), today or _today(), notes))
        resources = _resources(stack.get("billable") or (), found)
        by_stack.append(
            StackCost(
                account=str(account.get("name") or account.get("id") or ""),
                account_id=account.get("id"),
                region=str(account.get("region") or ""),
                stack=str(stack.get("stack") or ""),
                before=_sum(found, "before"),
                after=_sum(found, "after"),
                resources=resources,
            )
        )
    return Estimate(
        before=round(sum(item["before"] for item in by_stack), 2),
        after=round(sum(item["after"] for item in by_stack), 2),
        currency=CURRENCY,
        as_of=min(notes.dates, default=prices.as_of),
        unknown=list(notes.unknown),
        assumptions=notes.sentences(),
        by_stack=by_stack,
    )


def lines(
    stack: Mapping[str, Any],
    *,
    table: Table | None = None,
    assumed: Assumed | None = None,
    today: datetime.date | None = None,
) -> list[Line]:
    """Return every charge of a stack, before and after, for who wants to see what a sum is made of."""
    return list(_lines(stack, table or default(), assumed or Assumed(), today or _today(), _Notes()))


def monthly(
    kind: str,
    properties: Mapping[str, Any],
    region: str,
    *,
    table: Table | None = None,
    assumed: Assumed | None = None,
    today: datetime.date | None = None,
) -> Monthly:
    """Return what one thing costs a month, for what a teardown keeps or finds left.

    :param kind: a kind of the collection, or ``db_snapshot`` (``allocated_storage`` in GiB), ``ebs_volume``
        (``volume_type``, ``volume_size``, ``iops``, ``throughput``), ``ec2_instance`` (``instance_type``) or
        ``load_balancer`` (``type``: ``application`` or ``network``).
    """
    prices, notes = table or default(), _Notes()
    item = {"address": kind, "kind": kind, "before": None, "after": dict(properties)}
    stack = {"account": {"region": region}, "billable": [item]}
    found = list(_lines(stack, prices, assumed or Assumed(), today or _today(), notes))
    return Monthly(
        usd=None if notes.unknown else _sum(found, "after"),
        as_of=min(notes.dates, default=prices.as_of),
        unknown=list(notes.unknown),
        assumptions=notes.sentences() if found else [],
    )


def _today() -> datetime.date:
    return datetime.datetime.now(datetime.UTC).date()


def _lines(
    stack: Mapping[str, Any], table: Table, assumed: Assumed, today: datetime.date, notes: _Notes
) -> Iterator[Line]:
    account = stack.get("account") or {}
    region, name = str(account.get("region") or ""), account.get("name") or account.get("id")
    rows = stack.get("billable") or ()
    sides: tuple[Side, ...] = ("before", "after")
    for side in sides:
        context = Context(
            today=today,
            support_until=table.standard_support_until,
            assumed=assumed,
            templates=_templates(rows, side),
            sizes=_sizes(rows),
        )
        for row in rows:
            if row.get(side) is None:
                continue
            where = f"{name}: {row['address']}" if name else str(row["address"])
            for found in charges(row["kind"], row["address"], row[side], context):
                if isinstance(found, Assumption):
                    notes.assumptions[found.text] = None
                elif isinstance(found, Unknown):
                    notes.unknown[f"{where}: {found.text}"] = None
                elif found.quantity:
                    usd = _price(found, table, region, where, notes)
                    yield Line(row["address"], row["kind"], side, found, usd)


def _price(charge: Charge, table: Table, region: str, where: str, notes: _Notes) -> float | None:
    price = table.price(region, charge.item)
    if price is not None:
        notes.dates.add(price.date)
        if price.sure == "recalled":
            notes.unsure[f"{charge.item} in {region}"] = None
        return price.usd * charge.quantity
    if region in table.regions:
        notes.unknown[f"{where}: the table has no price of {charge.item} in {region}"] = None
    else:
        notes.unknown[
            f"the table has no prices of {region or 'a Region that has no name'}, only of {', '.join(table.regions)}: "
            f"make prices REGIONS={region} adds them"
        ] = None
    return None


def _templates(rows: Iterable[Mapping[str, Any]], side: Side) -> dict[str, Mapping[str, Any]]:
    """Return the data of launch templates; a node group starts from the one that is called as it is."""
    return {
        row["address"].partition(".")[2]: row[side].get("launch_template_data") or {}
        for row in rows
        if row["kind"] == "launch_template" and row.get(side) is not None
    }


def _sizes(rows: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Return the sizes of node groups that exist: they stay as they are, whatever is declared for the creation."""
    there = (
        (row["address"], (row["before"] or {}).get("scaling_config") or {})
        for row in rows
        if row["kind"] == "eks_nodegroup"
    )
    return {
        address: int(scaling["desired_size"]) for address, scaling in there if scaling.get("desired_size") is not None
    }


def _sum(found: Iterable[Line], side: Side) -> float:
    return round(sum(line.usd or 0 for line in found if line.side == side), 2)


def _resources(rows: Iterable[Mapping[str, Any]], found: Sequence[Line]) -> list[Resource]:
    result = []
    for row in rows:
        mine = [line for line in found if line.address == row["address"]]
        if row["kind"] in CHARGES:
            result.append(
                Resource(
                    address=row["address"],
                    kind=row["kind"],
                    before=_sum(mine, "before"),
                    after=_sum(mine, "after"),
                    complete=all(line.usd is not None for line in mine),
                )
            )
    return result
