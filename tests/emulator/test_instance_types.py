# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instance types, their prices and the AMIs of EKS' nodes, as Karpenter asks for them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.emulator.conftest import REGION, Aws, refused

FAMILIES = ("t3a", "t4g", "m6i", "m6a", "m7g", "c6i", "c7g", "c7i")
HVM = [
    {"Name": "supported-virtualization-type", "Values": ["hvm"]},
    {"Name": "processor-info.supported-architecture", "Values": ["x86_64", "arm64"]},
]


def every(aws: Aws, service: str, name: str, result: str, **parameters: Any) -> list[Any]:
    pages = aws(service).get_paginator(name).paginate(**parameters)
    return [item for answer in pages for item in answer[result]]


def linux(region: str, tenancy: str = "Shared", family: str = "Compute Instance") -> list[dict[str, str]]:
    wanted = {
        "regionCode": region,
        "serviceCode": "AmazonEC2",
        "preInstalledSw": "NA",
        "operatingSystem": "Linux",
        "capacitystatus": "Used",
        "marketoption": "OnDemand",
        "tenancy": tenancy,
        "productFamily": family,
    }
    return [{"Field": field, "Type": "TERM_MATCH", "Value": value} for field, value in wanted.items()]


def test_types_come_in_pages_and_only_those_that_the_region_offers(aws: Aws) -> None:
    first = aws("ec2").describe_instance_types(Filters=HVM, MaxResults=100)
    assert len(first["InstanceTypes"]) == 100
    assert first["NextToken"]
    found = {item["InstanceType"]: item for item in every(aws, "ec2", "describe_instance_types", "InstanceTypes")}
    offerings = every(
        aws, "ec2", "describe_instance_type_offerings", "InstanceTypeOfferings", LocationType="availability-zone"
    )
    assert set(found) == {item["InstanceType"] for item in offerings}
    assert {family for family in FAMILIES if f"{family}.large" in found} == set(FAMILIES)
    assert found["m7g.large"]["ProcessorInfo"]["SupportedArchitectures"] == ["arm64"]
    assert {item["Location"] for item in offerings} == {f"{REGION}{zone}" for zone in "abc"}


def test_offerings_come_in_pages_and_their_filters_take_wildcards(aws: Aws) -> None:
    ec2 = aws("ec2")
    asked: dict[str, Any] = {"LocationType": "availability-zone"}
    assert ec2.describe_instance_type_offerings(**asked, MaxResults=10)["NextToken"]
    graviton = [{"Name": "instance-type", "Values": ["m7g.*"]}]
    found = ec2.describe_instance_type_offerings(**asked, Filters=graviton)["InstanceTypeOfferings"]
    assert {item["InstanceType"].partition(".")[0] for item in found} == {"m7g"}


def test_a_type_or_a_filter_that_is_none_is_refused(aws: Aws) -> None:
    ec2 = aws("ec2")
    # A type that exists, elsewhere.
    assert refused(ec2.describe_instance_types, InstanceTypes=["p5.48xlarge"]) == "InvalidInstanceType"
    wrong = [{"Name": "colour", "Values": ["x"]}]
    assert refused(ec2.describe_instance_types, Filters=wrong) == "InvalidParameterValue"
    assert refused(ec2.describe_instance_types, DryRun=True) == "DryRunOperation"


def test_the_price_list_has_a_price_for_every_type_shared_and_metal(aws: Aws) -> None:
    prices: dict[str, float] = {}
    for filters in (linux("eu-west-1"), linux("eu-west-1", "Dedicated", "Compute Instance (bare metal)")):
        asked = {"ServiceCode": "AmazonEC2", "Filters": filters, "MaxResults": 100}
        documents = [json.loads(text) for text in every(aws, "pricing", "get_products", "PriceList", **asked)]
        assert len(documents) > 50
        for document in documents:
            (term,) = document["terms"]["OnDemand"].values()
            (dimension,) = term["priceDimensions"].values()
            assert dimension["unit"] == "Hrs"
            prices[document["product"]["attributes"]["instanceType"]] = float(dimension["pricePerUnit"]["USD"])
    offered = {
        item["InstanceType"]
        for item in aws("ec2", region="eu-west-1")
        .get_paginator("describe_instance_types")
        .paginate()
        .search("InstanceTypes[]")
    }
    assert offered <= set(prices)
    assert min(prices.values()) > 0
    # The order that somebody who knows the price list expects.
    order = ["t4g.medium", "t3a.medium", "t4g.large", "m7g.large", "m6a.large", "m6i.large", "m7g.xlarge"]
    assert sorted(order, key=prices.__getitem__) == order
    assert prices["c7g.large"] < prices["m7g.large"] < prices["r7g.large"]
    assert prices["m6i.2xlarge"] == pytest.approx(2 * prices["m6i.xlarge"], rel=0.01)


def test_the_price_list_answers_only_where_it_is_and_knows_its_filters(aws: Aws) -> None:
    asked = {"ServiceCode": "AmazonEC2", "Filters": linux(REGION)}
    assert refused(aws("pricing", region="eu-west-1").get_products, **asked) == "AccessDeniedException"
    nothing = [*linux(REGION), {"Field": "operatingsystem", "Type": "TERM_MATCH", "Value": "Windows"}]
    assert aws("pricing").get_products(ServiceCode="AmazonEC2", Filters=nothing)["PriceList"] == []
    wrong = [{"Field": "tenancy", "Type": "MATCH", "Value": "Shared"}]
    refusal = refused(aws("pricing", validate=False).get_products, ServiceCode="AmazonEC2", Filters=wrong)
    assert refusal == "ValidationException"


def test_spot_costs_less_than_on_demand_and_differs_by_zone(aws: Aws) -> None:
    asked = {"ProductDescriptions": ["Linux/UNIX"], "InstanceTypes": ["m7g.large", "t3a.large"]}
    found = every(aws, "ec2", "describe_spot_price_history", "SpotPriceHistory", **asked)
    prices = {(item["InstanceType"], item["AvailabilityZone"]): float(item["SpotPrice"]) for item in found}
    assert len({price for (kind, _zone), price in prices.items() if kind == "m7g.large"}) == 3
    filters = [*linux(REGION), {"Field": "instanceType", "Type": "TERM_MATCH", "Value": "m7g.large"}]
    (document,) = aws("pricing").get_products(ServiceCode="AmazonEC2", Filters=filters)["PriceList"]
    (term,) = json.loads(document)["terms"]["OnDemand"].values()
    (dimension,) = term["priceDimensions"].values()
    on_demand = float(dimension["pricePerUnit"]["USD"])
    assert all(0.25 < price / on_demand < 0.55 for (kind, _), price in prices.items() if kind == "m7g.large")
    assert aws("ec2").describe_spot_price_history(MaxResults=5)["NextToken"]


@pytest.mark.parametrize(
    ("path", "arch"),
    [
        ("eks/optimized-ami/1.35/amazon-linux-2023/x86_64/standard/recommended", "x86_64"),
        ("eks/optimized-ami/1.35/amazon-linux-2023/arm64/standard/recommended", "arm64"),
        ("eks/optimized-ami/1.34/amazon-linux-2023/arm64/nvidia/recommended", "arm64"),
        (
            "eks/optimized-ami/1.35/amazon-linux-2023/arm64/standard/amazon-eks-node-al2023-arm64-standard-1.35-v20260930",
            "arm64",
        ),
        ("bottlerocket/aws-k8s-1.35/arm64/latest", "arm64"),
        ("bottlerocket/aws-k8s-1.35/x86_64/1.51.0", "x86_64"),
    ],
)
def test_public_parameters_lead_to_images_of_their_architecture(aws: Aws, path: str, arch: str) -> None:
    parameter = aws("ssm").get_parameter(Name=f"/aws/service/{path}/image_id")["Parameter"]
    assert parameter["ARN"] == f"arn:aws:ssm:{REGION}::parameter/aws/service/{path}/image_id"
    (image,) = aws("ec2").describe_images(Filters=[{"Name": "image-id", "Values": [parameter["Value"]]}])["Images"]
    assert (image["Architecture"], image["ImageOwnerAlias"], image["State"]) == (arch, "amazon", "available")
    assert image["CreationDate"].endswith("Z")
    assert "Platform" not in image


def test_the_recommended_image_is_the_newest_release(aws: Aws) -> None:
    path = "/aws/service/eks/optimized-ami/1.35/amazon-linux-2023/x86_64/standard/recommended"
    told = json.loads(aws("ssm").get_parameter(Name=path)["Parameter"]["Value"])
    found = aws("ec2").describe_images(
        Owners=["amazon"], Filters=[{"Name": "name", "Values": ["amazon-eks-node-al2023-x86_64-standard-1.35-*"]}]
    )["Images"]
    assert len(found) == 4
    assert max(found, key=lambda image: image["CreationDate"])["ImageId"] == told["image_id"]
    names = {item["Name"] for item in aws("ssm").get_parameters_by_path(Path=path)["Parameters"]}
    assert names == {f"{path}/{key}" for key in ("image_id", "image_name", "release_version")}


def test_a_version_that_eks_does_not_have_has_no_image(aws: Aws) -> None:
    path = "/aws/service/eks/optimized-ami/1.21/amazon-linux-2023/arm64/standard/recommended/image_id"
    assert refused(aws("ssm").get_parameter, Name=path) == "ParameterNotFound"


def test_an_image_of_ones_own_keeps_its_architecture(aws: Aws, name: str) -> None:
    identifier = aws("ec2").register_image(
        Name=name, Architecture="arm64", RootDeviceName="/dev/xvda", VirtualizationType="hvm"
    )["ImageId"]
    (image,) = aws("ec2").describe_images(Owners=["self"], ImageIds=[identifier])["Images"]
    assert (image["Architecture"], image["RootDeviceName"]) == ("arm64", "/dev/xvda")
