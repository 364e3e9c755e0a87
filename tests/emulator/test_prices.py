# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of prices, read anew from the emulated price list: exactly its prices, in the table's own form."""

from __future__ import annotations

import copy
import datetime
import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from ansible_collections.innovate.platform.plugins.plugin_utils.cost.table import PATH, dump, load, problems_of, unit_of
from rehearsal.emulator.services.instance_types import on_demand_price, region_factor
from tests.emulator.conftest import Aws, refused
from tools import prices

TODAY = datetime.date(2026, 12, 24)
REGIONS = ("eu-central-1", "us-east-1")


@pytest.fixture(scope="module")
def read_anew(aws: Aws, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], list[str]]:
    """The table after a refresh of two of its Regions, and what was said of it."""
    path = tmp_path_factory.mktemp("prices") / "prices.json"
    path.write_text(PATH.read_text())
    sentences = prices.refresh(aws("pricing"), path, REGIONS, TODAY)
    return json.loads(path.read_text()), sentences


def expected(region: str) -> dict[str, float]:
    """What the emulator's rules make of everything that isn't an instance or a class of databases."""
    factor = region_factor(region)
    return {
        "eks/cluster": 0.1,
        "eks/extended-support": 0.5,
        "ebs/gp3/storage": 0.08 * factor,
        "ebs/gp3/iops": 0.005 * factor,
        "ebs/gp3/throughput": 0.04 * factor,
        "nat-gateway/hours": 0.045 * factor,
        "nat-gateway/data": 0.045 * factor,
        "ipv4/in-use": 0.005,
        "endpoint/interface": 0.01 * factor,
        "endpoint/data": 0.01,
        "rds/gp3/single": 0.115 * factor,
        "rds/gp3/multi": 0.23 * factor,
        "rds/backup": 0.095 * factor,
        "kms/key": 1.0,
        "secret": 0.4,
        "logs/ingestion": 0.5 * factor,
        "logs/storage": 0.03 * factor,
        "s3/standard": 0.023 * factor,
        "ecr/storage": 0.1,
        "load-balancer/application": 0.0225 * factor,
        "load-balancer/network": 0.0225 * factor,
        "rds/postgres/db.t4g.medium/single": round(on_demand_price("t4g.medium", region) * 1.9, 3),
        "rds/postgres/db.t4g.medium/multi": round(on_demand_price("t4g.medium", region) * 3.8, 3),
        "rds/postgres/db.m6g.4xlarge/single": round(on_demand_price("m6g.4xlarge", region) * 1.9, 3),
    }


@pytest.mark.parametrize("region", REGIONS)
def test_a_refresh_takes_exactly_what_the_price_list_has(
    read_anew: tuple[dict[str, Any], list[str]], aws: Aws, region: str
) -> None:
    document, _sentences = read_anew
    found = {item: price for item, price in document["regions"][region].items() if price["source"] == prices.SOURCE}
    for item, usd in expected(region).items():
        assert found[item]["usd"] == pytest.approx(usd, abs=1e-9), item
    pages = aws("ec2", region=region).get_paginator("describe_instance_types").paginate()
    offered = {kind for page in pages for kind in (item["InstanceType"] for item in page["InstanceTypes"])}
    types = {item.removeprefix("ec2/") for item in found if item.startswith("ec2/")}
    assert types == {kind for kind in offered if prices._is_ours(kind)}
    assert {"t3a.medium", "t4g.medium", "m6i.large", "m7a.xlarge", "c7g.2xlarge"} <= types
    for kind in types:
        assert found[f"ec2/{kind}"]["usd"] == on_demand_price(kind, region)
    assert {item: price["unit"] for item, price in found.items()} == {item: unit_of(item) for item in found}
    assert set(found) >= set(expected(region))
    assert not {item for item in found if not item.startswith(("ec2/", "rds/postgres/"))} - set(expected(region))


def test_a_refreshed_table_is_a_table_and_says_where_its_prices_are_from(
    read_anew: tuple[dict[str, Any], list[str]], tmp_path: Path
) -> None:
    document, sentences = read_anew
    before = json.loads(PATH.read_text())
    assert problems_of(document) == []
    assert document["as_of"] == "2026-12-24"
    assert document["sources"][prices.SOURCE]["date"] == "2026-12-24"
    assert document["regions"]["eu-west-1"] == before["regions"]["eu-west-1"], "nobody asked for it"
    path = tmp_path / "prices.json"
    path.write_text(dump(document))
    price = load(path).price("eu-central-1", "kms/key")
    assert price is not None
    assert (price.sure, price.date) == ("list", "2026-12-24")
    # What the list doesn't have stays, with its source, and is named.
    kept = [
        (region, item)
        for region in REGIONS
        for item, price in document["regions"][region].items()
        if price["source"] != prices.SOURCE
    ]
    assert len(sentences) == len(kept)
    for region, item in kept:
        assert any(
            text.startswith(f"{region}: the price list has no {item}: it stays as it was on ") for text in sentences
        )
        assert document["regions"][region][item] == before["regions"][region][item]


def test_a_region_that_the_table_does_not_have_is_added_and_one_that_is_none_changes_nothing(
    aws: Aws, tmp_path: Path
) -> None:
    path = tmp_path / "prices.json"
    path.write_text(PATH.read_text())
    assert prices.refresh(aws("pricing"), path, ["eu-north-1"], TODAY) == []
    assert {"eu-north-1", "eu-central-1"} < set(json.loads(path.read_text())["regions"])
    text = path.read_text()
    with pytest.raises(ValueError, match="nothing for eu-nowhere-1: is that the name of a Region"):
        prices.refresh(aws("pricing"), path, ["eu-north-1", "eu-nowhere-1"], TODAY)
    assert path.read_text() == text


def test_two_prices_of_one_thing_and_a_unit_that_is_none_are_said(aws: Aws) -> None:
    query = prices.Query("AmazonVPC", {"group": "VPCPublicIPv4Address"}, lambda _attributes, _usage: "ipv4/in-use")
    documents = list(prices.products(aws("pricing"), query, "eu-central-1"))
    assert sorted(prices.price(document, "ipv4/in-use") for document in documents) == [0.005, 0.005, 0.008]
    with pytest.raises(ValueError, match="ebs/gp3/iops is by the Hrs"):
        prices.price(documents[0], "ebs/gp3/iops")
    free = copy.deepcopy(documents[0])
    (term,) = free["terms"]["OnDemand"].values()
    (tier,) = term["priceDimensions"].values()
    tier["pricePerUnit"]["USD"] = "0.0000000000"
    with pytest.raises(ValueError, match="ipv4/in-use has no price in USD"):
        prices.price(free, "ipv4/in-use")


def test_the_first_tier_that_costs_anything_counts() -> None:
    tiers = {
        "a": {"beginRange": "51200", "pricePerUnit": {"USD": "0.022"}, "unit": "GB-Mo"},
        "b": {"beginRange": "0", "pricePerUnit": {"USD": "0.000"}, "unit": "GB-Mo"},
        "c": {"beginRange": "5", "pricePerUnit": {"USD": "0.023"}, "unit": "GB-Mo"},
    }
    assert prices.price({"terms": {"OnDemand": {"x": {"priceDimensions": tiers}}}}, "s3/standard") == 0.023


def test_without_a_network_the_table_stays_and_one_sentence_says_why(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "prices.json"
    path.write_text(PATH.read_text())
    nobody = boto3.client(
        "pricing",
        region_name="eu-central-1",
        endpoint_url="http://127.0.0.1:9",
        aws_access_key_id="x",
        aws_secret_access_key="x",
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=1),
    )
    monkeypatch.setattr(prices, "client", lambda: nobody)
    assert prices.main(["--table", str(path)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "can't be read" in said.err
    assert "pricing:GetProducts" in said.err
    assert path.read_text() == PATH.read_text()


def test_the_command_goes_where_the_environment_leads(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name, value in aws.state.environment().items():
        monkeypatch.setenv(name, value)
    path = tmp_path / "prices.json"
    path.write_text(PATH.read_text())
    assert prices.main(["--table", str(path), "eu-west-1"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"{path} is up to date")
    assert json.loads(path.read_text())["regions"]["eu-west-1"]["nat-gateway/hours"]["source"] == prices.SOURCE


def test_the_price_list_has_services_of_its_own_and_no_others(aws: Aws) -> None:
    assert refused(aws("pricing").get_products, ServiceCode="AmazonNothing") == "NotFoundException"
    found = aws("pricing").get_products(ServiceCode="awskms", MaxResults=1)
    assert found["NextToken"]
    (document,) = map(json.loads, found["PriceList"])
    assert set(document) == {"product", "publicationDate", "serviceCode", "terms", "version"}
    filters = [{"Type": "TERM_MATCH", "Field": "group", "Value": "VPCPublicIPv4Address"}]
    (address, *_) = aws("pricing").get_products(ServiceCode="AmazonVPC", Filters=filters)["PriceList"]
    assert "productFamily" not in json.loads(address)["product"]
