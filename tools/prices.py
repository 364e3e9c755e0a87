# Copyright: Innovate platform maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the table of prices anew from AWS's price list: `make prices`, or `make prices REGIONS="eu-north-1"`.

Without Regions, all that the table has are read; a Region that it doesn't have is added. Any credentials whose policies
allow `pricing:GetProducts` will do; nothing but list prices is asked for. What the price list doesn't have, or has
twice with different prices, is named and stays as it was, with its source and date; what the table never had it still
doesn't have, and an estimate says so.

https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/price-changes.html
"""

from __future__ import annotations

import argparse
import datetime
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ansible_collections.innovate.platform.plugins.plugin_utils.cost.table import PATH, dump, load, problems_of, unit_of

# Where the price list answers that is nearest to most of our Regions
# (https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/using-price-list-query-api.html).
ENDPOINT_REGION = "eu-central-1"
SOURCE = "aws-price-list"
ADDRESS = "https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/price-changes.html"
FAMILIES = (
    *("t3", "t3a", "t4g"),
    *("m6i", "m6a", "m6g", "m7i", "m7a", "m7g", "m8g"),
    *("c6i", "c6a", "c6g", "c7i", "c7a", "c7g", "c8g"),
    *("r6i", "r6g", "r7i", "r7g", "r8g"),
)
_CLASS = re.compile(r"(?P<family>[a-z0-9]+)\.(nano|micro|small|medium|large|xlarge|(2|4|8|12|16)xlarge)")
# What usage types begin with: a short name of the Region, or all of it, or nothing in us-east-1.
_PREFIX = re.compile(r"^((EU|[A-Z]{3}\d)|[a-z]{2}(-[a-z]+)+-\d)-")
# What the price list calls the units of ours, and how many of its make one of ours.
_UNITS: Mapping[str, Mapping[str, float]] = {
    "hour": {"hrs": 1, "hours": 1},
    "month": {"keys": 1, "secrets": 1, "months": 1, "secret-months": 1, "secrets per month": 1},
    "GB": {"gb": 1},
    "GB-month": {"gb-mo": 1},
    "IOPS-month": {"iops-mo": 1},
    "MiB/s-month": {"mibps-mo": 1, "gibps-mo": 1 / 1024},
}

Attributes = Mapping[str, str]


@dataclass(frozen=True)
class Query:
    """One question to the price list, and which item of our table an answer is.

    :param filters: attributes that products have to have; the Region is added.
    :param item: returns the item's name for a product's attributes and its usage type without the Region's prefix;
        None for what is something else.
    """

    service: str
    filters: Mapping[str, str]
    item: Callable[[Attributes, str], str | None]


def named(items: Mapping[str, str]) -> Callable[[Attributes, str], str | None]:
    """Return what finds an item by the usage type alone."""
    return lambda _attributes, usage: items.get(usage)


def _instance(attributes: Attributes, usage: str) -> str | None:
    kind = attributes.get("instanceType", "")
    return f"ec2/{kind}" if usage == f"BoxUsage:{kind}" and _is_ours(kind) else None


def _database(attributes: Attributes, usage: str) -> str | None:
    kind = attributes.get("instanceType", "")
    standby = {"InstanceUsage": "single", "Multi-AZUsage": "multi"}.get(usage.partition(":")[0])
    return f"rds/postgres/{kind}/{standby}" if standby and _is_ours(kind.removeprefix("db.")) else None


def _of_postgres(items: Mapping[str, str]) -> Callable[[Attributes, str], str | None]:
    """Return what finds an item by the usage type, where engines share it: PostgreSQL's, or what is for any."""

    def item(attributes: Attributes, usage: str) -> str | None:
        return items.get(usage) if attributes.get("databaseEngine", "Any") in ("PostgreSQL", "Any") else None

    return item


def _is_ours(kind: str) -> bool:
    found = _CLASS.fullmatch(kind)
    return bool(found) and found["family"] in FAMILIES if found else False


_ON_DEMAND_LINUX = {
    "productFamily": "Compute Instance",
    "operatingSystem": "Linux",
    "preInstalledSw": "NA",
    "licenseModel": "No License required",
    "tenancy": "Shared",
    "capacitystatus": "Used",
    "marketoption": "OnDemand",
}
_GP3 = {"volumeApiName": "gp3"}
_BALANCERS = {"Load Balancer-Application": "application", "Load Balancer-Network": "network"}
QUERIES = (
    Query(
        "AmazonEKS",
        {"productFamily": "Compute"},
        named(
            {
                "AmazonEKS-Hours:perCluster": "eks/cluster",
                # On top of the price of a cluster.
                "AmazonEKS-Hours:extendedSupport": "eks/extended-support",
            }
        ),
    ),
    Query("AmazonEC2", _ON_DEMAND_LINUX, _instance),
    Query("AmazonEC2", {"productFamily": "Storage", **_GP3}, named({"EBS:VolumeUsage.gp3": "ebs/gp3/storage"})),
    Query("AmazonEC2", {"productFamily": "System Operation", **_GP3}, named({"EBS:VolumeP-IOPS.gp3": "ebs/gp3/iops"})),
    Query(
        "AmazonEC2",
        {"productFamily": "Provisioned Throughput", **_GP3},
        named({"EBS:VolumeP-Throughput.gp3": "ebs/gp3/throughput"}),
    ),
    Query(
        "AmazonEC2",
        {"productFamily": "NAT Gateway"},
        named({"NatGateway-Hours": "nat-gateway/hours", "NatGateway-Bytes": "nat-gateway/data"}),
    ),
    Query("AmazonVPC", {"group": "VPCPublicIPv4Address"}, named({"PublicIPv4:InUseAddress": "ipv4/in-use"})),
    Query(
        "AmazonVPC",
        {"productFamily": "VpcEndpoint", "endpointType": "PrivateLink"},
        named({"VpcEndpoint-Hours": "endpoint/interface", "VpcEndpoint-Bytes": "endpoint/data"}),
    ),
    Query("AmazonRDS", {"productFamily": "Database Instance", "databaseEngine": "PostgreSQL"}, _database),
    Query(
        "AmazonRDS",
        {"productFamily": "Database Storage", "volumeType": "General Purpose-GP3"},
        _of_postgres({"RDS:GP3-Storage": "rds/gp3/single", "RDS:Multi-AZ-GP3-Storage": "rds/gp3/multi"}),
    ),
    Query("AmazonRDS", {"productFamily": "Storage Snapshot"}, _of_postgres({"RDS:ChargedBackupUsage": "rds/backup"})),
    Query("awskms", {"productFamily": "Encryption Key"}, named({"KMS-Keys": "kms/key"})),
    Query("AWSSecretsManager", {"productFamily": "Secret"}, named({"AWSSecretsManager-Secrets": "secret"})),
    Query("AmazonCloudWatch", {"productFamily": "Data Payload"}, named({"DataProcessing-Bytes": "logs/ingestion"})),
    Query("AmazonCloudWatch", {"productFamily": "Storage Snapshot"}, named({"TimedStorage-ByteHrs": "logs/storage"})),
    Query(
        "AmazonS3",
        {"productFamily": "Storage", "volumeType": "Standard"},
        named({"TimedStorage-ByteHrs": "s3/standard"}),
    ),
    Query("AmazonECR", {"productFamily": "EC2 Container Registry"}, named({"TimedStorage-ByteHrs": "ecr/storage"})),
    *(
        Query("AWSELB", {"productFamily": family}, named({"LoadBalancerUsage": f"load-balancer/{kind}"}))
        for family, kind in _BALANCERS.items()
    ),
)


def products(client: Any, query: Query, region: str) -> Iterator[dict[str, Any]]:
    """Yield the documents of the price list that answer a question, from all pages."""
    wanted = {"regionCode": region, **query.filters}
    filters = [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in wanted.items()]
    for page in client.get_paginator("get_products").paginate(ServiceCode=query.service, Filters=filters):
        yield from map(json.loads, page["PriceList"])


def price(document: Mapping[str, Any], item: str) -> float:
    """Return what one of an item costs, at the first tier that costs anything.

    :raises ValueError: when there is no such tier, or its unit is none that the item has.
    """
    terms = document.get("terms", {}).get("OnDemand", {}).values()
    tiers = [tier for term in terms for tier in term["priceDimensions"].values() if "USD" in tier["pricePerUnit"]]
    costing = [tier for tier in tiers if float(tier["pricePerUnit"]["USD"]) > 0]
    if not costing:
        raise ValueError(f"{item} has no price in USD")
    first = min(costing, key=lambda tier: float(tier.get("beginRange", 0)))
    unit = str(first["unit"])
    share = _UNITS[unit_of(item) or ""].get(unit.lower())
    if share is None:
        raise ValueError(f"{item} is by the {unit}, which this program can't turn into the {unit_of(item)}")
    return float(f"{float(first['pricePerUnit']['USD']) * share:.10g}")


def read(client: Any, region: str) -> tuple[dict[str, float], list[str]]:
    """Return the prices of a Region by item, and what had to be left out, as sentences."""
    found: dict[str, set[float]] = {}
    problems = []
    for query in QUERIES:
        for document in products(client, query, region):
            attributes = document["product"]["attributes"]
            item = query.item(attributes, _PREFIX.sub("", attributes.get("usagetype", "")))
            if item is None:
                continue
            try:
                found.setdefault(item, set()).add(price(document, item))
            except ValueError as error:
                problems.append(f"{region}: {error}")
    for item, prices in found.items():
        if len(prices) > 1:
            several = ", ".join(f"{usd:g}" for usd in sorted(prices))
            problems.append(f"{region}: the price list has several prices of {item} ({several})")
    return {item: min(prices) for item, prices in found.items() if len(prices) == 1}, problems


def refreshed(
    table: Mapping[str, Any], prices: Mapping[str, Mapping[str, float]], today: datetime.date
) -> tuple[dict[str, Any], list[str]]:
    """Return the table with the Regions of ``prices`` read anew, and what couldn't be, as sentences."""
    regions = dict(table["regions"])
    sentences = []
    for region, found in prices.items():
        before = regions.get(region, {})
        for item in sorted(before.keys() - found.keys()):
            date = table["sources"][before[item]["source"]]["date"]
            sentences.append(f"{region}: the price list has no {item}: it stays as it was on {date}")
        now = {item: {"usd": usd, "unit": unit_of(item), "source": SOURCE} for item, usd in found.items()}
        regions[region] = {**before, **now}
    read_now = {"what": "AWS's price list, read by make prices", "url": ADDRESS, "date": str(today), "sure": "list"}
    used = {price["source"] for found in regions.values() for price in found.values()}
    sources = {name: source for name, source in {**table["sources"], SOURCE: read_now}.items() if name in used}
    return {**table, "as_of": str(today), "sources": sources, "regions": regions}, sentences


def refresh(client: Any, path: Path, regions: Sequence[str], today: datetime.date) -> list[str]:
    """Read Regions anew (all that the table has, if none is named) and write the table.

    :returns: what couldn't be read, as sentences.
    :raises ValueError: when the table can't be read, or what was read makes no table; the file is as it was then.
    """
    table = load(path).document
    prices, sentences = {}, []
    for region in regions or sorted(table["regions"]):
        prices[region], problems = read(client, region)
        sentences += problems
        if not prices[region]:
            raise ValueError(f"the price list has nothing for {region}: is that the name of a Region?")
    document, kept = refreshed(table, prices, today)
    if wrong := problems_of(document):
        raise ValueError("; ".join(wrong))
    path.write_text(dump(document))
    return [*sentences, *kept]


def client() -> Any:
    """Return a client of the price list; where it answers, ``AWS_ENDPOINT_URL`` may say."""
    config = Config(retries={"mode": "adaptive", "total_max_attempts": 5}, connect_timeout=10, read_timeout=30)
    return boto3.client("pricing", region_name=ENDPOINT_REGION, config=config)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 1 when it couldn't be done."""
    parser = argparse.ArgumentParser(prog="python -m tools.prices", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("regions", nargs="*", help="Regions to read; all that the table has, if none is named")
    parser.add_argument("--table", type=Path, default=PATH, help="the file to read and write")
    given = parser.parse_args(arguments)
    try:
        sentences = refresh(client(), given.table, given.regions, datetime.datetime.now(datetime.UTC).date())
    except (BotoCoreError, ClientError) as error:
        print(
            f"AWS's price list can't be read ({error}): {given.table} is as it was. This takes a network, and "
            "credentials of any AWS account that may call pricing:GetProducts.",
            file=sys.stderr,
        )
        return 1
    except ValueError as error:
        print(f"{given.table} is as it was: {error}", file=sys.stderr)
        return 1
    print("\n".join([*sentences, f"{given.table} is up to date: make docs writes the figures of README.md anew"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
