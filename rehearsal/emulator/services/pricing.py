# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Price List: EC2's instances (Linux, On-Demand) of every region whose offerings are known, and ``price_catalog``.

Shapes: https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/price-changes.html and the list's own documents.
The prices follow the rule of ``instance_types``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS, INSTANCE_TYPES

from rehearsal.emulator.errors import AwsError
from rehearsal.emulator.registry import Call, operation, page
from rehearsal.emulator.services.instance_types import on_demand_price
from rehearsal.emulator.services.price_catalog import CATALOG, Product, usage

_EC2 = "AmazonEC2"
#: Where the price list answers (https://docs.aws.amazon.com/general/latest/gr/billing.html).
_ENDPOINTS = ("us-east-1", "eu-central-1", "ap-south-1")
_TERM, _RATE = "JRTCKXETXF", "6YS6EN2CT7"
_DATE = "2026-01-01T00:00:00Z"
_FAMILIES = {
    "General purpose": ("a", "m", "t", "mac"),
    "Compute optimized": ("c", "hpc"),
    "Memory optimized": ("r", "u", "x", "z"),
    "Storage optimized": ("d", "h", "i", "im", "is"),
    "GPU instance": ("g", "gr", "p", "dl", "inf", "trn", "vt"),
    "FPGA Instances": ("f",),
}
_DEDICATED = 1.06


def _family(kind: str) -> str:
    letters = kind[: next((at for at, char in enumerate(kind) if not char.isalpha()), len(kind))]
    return next((family for family, heads in _FAMILIES.items() if letters in heads), "General purpose")


@cache
def products(service: str, region: str) -> tuple[Product, ...]:
    """The products that a service has in a region."""
    instances = _instances(region) if service == _EC2 else ()
    return (*instances, *CATALOG[service](region))


def _instances(region: str) -> Iterator[Product]:
    for item in INSTANCE_TYPE_OFFERINGS["region"].get(region, []):
        kind = item["InstanceType"]
        if kind not in INSTANCE_TYPES:
            continue
        info, price = INSTANCE_TYPES[kind], on_demand_price(kind, region)
        metal = info["BareMetal"]
        memory = info["MemoryInfo"]["SizeInMiB"] / 1024
        attributes = {
            "capacitystatus": "Used",
            "currentGeneration": "Yes" if info["CurrentGeneration"] else "No",
            "instanceFamily": _family(kind),
            "instanceType": kind,
            "licenseModel": "No License required",
            "locationType": "AWS Region",
            "marketoption": "OnDemand",
            "memory": f"{memory:g} GiB",
            "networkPerformance": info["NetworkInfo"].get("NetworkPerformance", "NA"),
            "operatingSystem": "Linux",
            "operation": "RunInstances",
            "physicalProcessor": info["ProcessorInfo"].get("Manufacturer", "NA"),
            "preInstalledSw": "NA",
            "processorArchitecture": "64-bit",
            "regionCode": region,
            "servicecode": _EC2,
            "servicename": "Amazon Elastic Compute Cloud",
            "tenancy": "Shared",
            "usagetype": usage(region, f"BoxUsage:{kind}"),
            "vcpu": str(info["VCpuInfo"]["DefaultVCpus"]),
        }
        family = "Compute Instance (bare metal)" if metal else "Compute Instance"
        dedicated = {**attributes, "tenancy": "Dedicated", "usagetype": usage(region, f"DedicatedUsage:{kind}")}
        if not metal:
            yield Product(attributes, family, "Hrs", (("0", price),))
            # Of the same name and price but for an hour that nobody uses.
            held = {"capacitystatus": "UnusedCapacityReservation", "usagetype": usage(region, f"UnusedBox:{kind}")}
            yield Product({**attributes, **held}, family, "Hrs", (("0", price),))
            yield Product(dedicated, family, "Hrs", (("0", round(price * _DEDICATED, 4)),))
        else:
            yield Product(dedicated, family, "Hrs", (("0", price),))


def _document(product: Product) -> str:
    attributes, service = product.attributes, product.attributes["servicecode"]
    text = "/".join((service, attributes["regionCode"], attributes["usagetype"], attributes.get("databaseEngine", "")))
    sku = hashlib.sha256(f"{text}/{product.family}".encode()).hexdigest()[:16].upper()
    term = f"{sku}.{_TERM}"
    ends = [begin for begin, _usd in product.tiers[1:]] + ["Inf"]
    dimensions = {}
    for number, ((begin, usd), end) in enumerate(zip(product.tiers, ends, strict=True)):
        # The only tier of most has the same code everywhere.
        rate = f"{term}.{_RATE}" if len(product.tiers) == 1 else f"{term}.TIER{number:06}"
        dimensions[rate] = {
            "appliesTo": [],
            "beginRange": begin,
            "description": f"${usd:g} per {product.unit}: {attributes['usagetype']}",
            "endRange": end,
            "pricePerUnit": {"USD": f"{usd:.10f}"},
            "rateCode": rate,
            "unit": product.unit,
        }
    offer = {
        "effectiveDate": _DATE,
        "offerTermCode": _TERM,
        "priceDimensions": dimensions,
        "sku": sku,
        "termAttributes": {},
    }
    described = {"attributes": attributes, "sku": sku}
    return json.dumps(
        {
            "product": described if product.family is None else {**described, "productFamily": product.family},
            "publicationDate": _DATE,
            "serviceCode": service,
            "terms": {"OnDemand": {term: offer}},
            "version": "20260101000000",
        },
        separators=(",", ":"),
    )


def _fits(wanted: dict[str, str], have: dict[str, str]) -> bool:
    """Whether a product's attributes, in lower case, pass a filter; a name that no product has fits nothing."""
    value = have.get(wanted["Field"].lower())
    if value is None:
        return False
    several = [item.strip() for item in wanted["Value"].split(",")]
    return {
        "TERM_MATCH": value == wanted["Value"],
        "EQUALS": value == wanted["Value"],
        "CONTAINS": wanted["Value"] in value,
        "ANY_OF": value in several,
        "NONE_OF": value not in several,
    }[wanted["Type"]]


@operation("pricing", "GetProducts")
def get_products(call: Call) -> dict[str, Any]:
    """The products that pass all filters, as the documents of the price list."""
    if call.region not in _ENDPOINTS:
        message = f"The Price List API answers in {', '.join(_ENDPOINTS)}, not in {call.region}."
        raise AwsError("AccessDeniedException", message)
    service = call["ServiceCode"]
    if service not in CATALOG:
        raise AwsError("NotFoundException", f"The emulator has no prices of {service}.")
    filters = call.get("Filters", [])
    named = [
        item["Value"] for item in filters if item["Field"].lower() == "regioncode" and item["Type"] == "TERM_MATCH"
    ]
    found = []
    for region in named or sorted(INSTANCE_TYPE_OFFERINGS["region"]):
        if region in INSTANCE_TYPE_OFFERINGS["region"]:
            found += [item for item in products(service, region) if _passes(filters, item)]
    expired = AwsError("InvalidNextTokenException", "The token is invalid.")
    items, token = page(found, call.get("NextToken"), call.get("MaxResults", 100), expired)
    documents = [_document(item) for item in items]
    return {"FormatVersion": "aws_v1", "PriceList": documents, **({"NextToken": token} if token else {})}


def _passes(filters: list[dict[str, str]], product: Product) -> bool:
    have = product.searchable()
    return all(_fits(item, have) for item in filters)
