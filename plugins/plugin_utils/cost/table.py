# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of prices, ``prices.json``: list prices of AWS by Region, each with where it comes from.

The file is a JSON object of

- ``schema``: 1;
- ``currency``: ``USD``;
- ``as_of``: the date on which it was last written, ``2026-11-22``;
- ``sources``: by name, ``what`` it is, its ``url``, its ``date``, and how ``sure`` it is: ``list`` (read from AWS's
  price list by ``make prices``), ``quoted`` (the price list's figure as somebody else published it), ``derived``
  (computed from figures of the price list), ``recalled`` (not compared with the price list yet);
- ``eks_standard_support_until``: by Kubernetes version, the last day of its standard support
  (https://docs.aws.amazon.com/eks/latest/userguide/kubernetes-versions.html);
- ``regions``: by Region, by item (``ec2/t4g.medium``), a price: ``usd`` for one ``unit``, and the name of its
  ``source``.

An item that isn't there has no known price. Nobody guesses it.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

PATH = Path(__file__).with_name("prices.json")
SCHEMA = 1
CURRENCY = "USD"
HOURS = 730
"""Hours of a month, as AWS counts them (https://aws.amazon.com/calculator/calculator-assumptions/)."""
SURE = ("list", "quoted", "derived", "recalled")
# What one of an item is. The key is the whole name of an item, or a part of it up to a slash.
UNITS = {
    "ec2": "hour",
    "ebs/gp3/storage": "GB-month",
    "ebs/gp3/iops": "IOPS-month",
    "ebs/gp3/throughput": "MiB/s-month",
    "ecr/storage": "GB-month",
    "eks/cluster": "hour",
    "eks/extended-support": "hour",
    "endpoint/data": "GB",
    "endpoint/interface": "hour",
    "ipv4/in-use": "hour",
    "kms/key": "month",
    "load-balancer": "hour",
    "logs/ingestion": "GB",
    "logs/storage": "GB-month",
    "nat-gateway/data": "GB",
    "nat-gateway/hours": "hour",
    "rds/backup": "GB-month",
    "rds/gp3": "GB-month",
    "rds/postgres": "hour",
    "s3/standard": "GB-month",
    "secret": "month",
}
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")


@dataclass(frozen=True)
class Price:
    """What one ``unit`` of an item costs.

    :param date: how old the figure is: the date of its source, such as ``2026-09-09``.
    :param sure: one of ``SURE``.
    """

    usd: float
    unit: str
    source: str
    date: str
    sure: str


@dataclass(frozen=True)
class Table:
    """A table of prices that has been checked."""

    document: Mapping[str, Any]

    @property
    def as_of(self) -> str:
        """The date on which the table was written."""
        return str(self.document["as_of"])

    @property
    def regions(self) -> tuple[str, ...]:
        """The Regions that it has prices of."""
        return tuple(self.document["regions"])

    def price(self, region: str, item: str) -> Price | None:
        """Return the price of an item, None where it isn't known."""
        found = self.document["regions"].get(region, {}).get(item)
        if found is None:
            return None
        source = self.document["sources"][found["source"]]
        return Price(found["usd"], found["unit"], found["source"], source["date"], source["sure"])

    def standard_support_until(self, version: str) -> datetime.date | None:
        """Return the last day of a Kubernetes version's standard support on EKS, None where it isn't known."""
        found = self.document["eks_standard_support_until"].get(version)
        return datetime.date.fromisoformat(found) if found else None


def unit_of(item: str) -> str | None:
    """Return what one of an item is, None for a name that is none."""
    parts = item.split("/")
    return next((UNITS[key] for end in range(len(parts), 0, -1) if (key := "/".join(parts[:end])) in UNITS), None)


@cache
def default() -> Table:
    """Return the collection's own table, which is read once."""
    return load(PATH)


def load(path: Path) -> Table:
    """Read a table.

    :raises ValueError: with all that is wrong with it, one sentence each.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} can't be read as a table of prices: {error}") from error
    if problems := problems_of(document):
        raise ValueError("; ".join(f"{path}: {problem}" for problem in problems))
    return Table(document)


def dump(document: Mapping[str, Any]) -> str:
    """Return a table as text: one price to a line, in the order of their names, so that a refresh reads as a diff."""
    head = {key: document[key] for key in ("schema", "currency", "as_of", "sources", "eks_standard_support_until")}
    text = json.dumps(head, indent=2, ensure_ascii=False).removesuffix("\n}")
    regions = []
    for region, prices in sorted(document["regions"].items()):
        lines = [f"      {json.dumps(item)}: {json.dumps(prices[item])}" for item in sorted(prices, key=_order)]
        regions.append(f"    {json.dumps(region)}: {{\n" + ",\n".join(lines) + "\n    }")
    return text + ',\n  "regions": {\n' + ",\n".join(regions) + "\n  }\n}\n"


def _order(item: str) -> list[Any]:
    """Sort ``t4g.2xlarge`` before ``t4g.16xlarge``, and both after ``t4g.large``."""
    sizes = ("nano", "micro", "small", "medium", "large", "xlarge")
    found: list[Any] = []
    for part in item.split("/"):
        family, _dot, size = part.rpartition(".")
        number = re.fullmatch(r"(\d+)xlarge", size)
        rank = 100 + int(number[1]) if number else sizes.index(size) if size in sizes else -1
        found += [family or part, rank] if rank >= 0 else [part, -1]
    return found


def problems_of(document: Any) -> list[str]:
    """Return what is wrong with a table of prices, one sentence each."""
    if not isinstance(document, dict):
        return ["it is no JSON object"]
    problems = []
    if document.get("schema") != SCHEMA:
        problems.append(f"schema is {document.get('schema')!r}, and this program reads {SCHEMA}")
    if document.get("currency") != CURRENCY:
        problems.append(f"currency is {document.get('currency')!r}, not {CURRENCY}")
    if not _is_date(document.get("as_of")):
        problems.append(f"as_of is {document.get('as_of')!r}, not a date such as 2026-11-22")
    parts: dict[str, dict[str, Any]] = {}
    for name in ("sources", "eks_standard_support_until", "regions"):
        found = document.get(name)
        parts[name] = found if isinstance(found, dict) else {}
        if not parts[name]:
            problems.append(f"{name} is missing or empty")
    problems += _source_problems(parts["sources"])
    problems += [
        f"eks_standard_support_until: {version} has {day!r}, not a date"
        for version, day in parts["eks_standard_support_until"].items()
        if not _is_date(day)
    ]
    for region, prices in parts["regions"].items():
        if not _REGION.fullmatch(region):
            problems.append(f"regions: {region!r} is no Region such as eu-central-1")
        problems += _price_problems(region, prices, parts["sources"])
    return problems


def _source_problems(sources: Mapping[str, Any]) -> Iterator[str]:
    for name, source in sources.items():
        if not isinstance(source, dict) or set(source) != {"what", "url", "date", "sure"}:
            yield f"sources: {name} needs what, url, date and sure, and nothing else"
            continue
        if not _is_date(source["date"]):
            yield f"sources: {name} has the date {source['date']!r}, not one such as 2026-11-22"
        if source["sure"] not in SURE:
            yield f"sources: {name} is {source['sure']!r}, not one of {', '.join(SURE)}"
        if not str(source["url"]).startswith("https://"):
            yield f"sources: {name} has no address that begins with https://"


def _price_problems(region: str, prices: Any, sources: Iterable[str]) -> Iterator[str]:
    if not isinstance(prices, dict) or not prices:
        yield f"regions: {region} has no prices"
        return
    for item, price in prices.items():
        if not isinstance(price, dict) or set(price) != {"usd", "unit", "source"}:
            yield f"{region}: {item} needs usd, unit and source, and nothing else"
            continue
        unit = unit_of(item)
        if unit is None:
            yield f"{region}: {item} is no item that anything is priced by"
        elif price["unit"] != unit:
            yield f"{region}: {item} is by the {unit}, not by the {price['unit']}"
        if isinstance(price["usd"], bool) or not isinstance(price["usd"], (int, float)) or not 0 < price["usd"] < 1000:
            yield f"{region}: {item} costs {price['usd']!r}, which can't be"
        if price["source"] not in sources:
            yield f"{region}: {item} comes from {price['source']!r}, which isn't among the sources"


def _is_date(value: Any) -> bool:
    try:
        return bool(datetime.date.fromisoformat(str(value)))
    except ValueError:
        return False
