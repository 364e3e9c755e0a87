# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instance types of EC2 as a region offers them, in pages, and what they cost by a rule.

moto knows what each type is and where it is offered; it lists all types in every region, on one page, and gives every
Spot price as the same one. https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstanceTypes.html
"""

from __future__ import annotations

import datetime
import fnmatch
import hashlib
from collections.abc import Mapping
from functools import cache
from typing import Any

from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS, INSTANCE_TYPES, InstanceType

from rehearsal.emulator.errors import AwsError
from rehearsal.emulator.registry import Call, operation, page
from rehearsal.emulator.services.common import ec2, no_dry_run

#: What a vCPU and a GiB of memory of an Intel instance cost in an hour in us-east-1 (USD): from the price list, by the
#: difference between the families c, m and r of one generation.
_VCPU, _GIB = 0.0338, 0.0036
#: A burstable instance is paid by its memory alone.
_BURSTABLE_GIB = 0.0104
#: What a GiB of a GPU's or an accelerator's memory adds.
_GPU_GIB = 0.022
#: Prices of regions relative to us-east-1.
_REGIONS = {"us-": 1.0, "eu-west-": 1.11, "eu-central-": 1.19, "eu-": 1.08, "ap-": 1.22, "sa-": 1.55}
_MAKERS = {"AWS": 0.83, "AMD": 0.9}
_TOKEN = AwsError("InvalidNextToken", "The token is invalid.")


def architecture(kind: str) -> str:
    """``arm64`` or ``x86_64``."""
    return "arm64" if "arm64" in INSTANCE_TYPES[kind]["ProcessorInfo"]["SupportedArchitectures"] else "x86_64"


def on_demand_price(kind: str, region: str) -> float:
    """The price of an hour of Linux in USD."""
    info = INSTANCE_TYPES[kind]
    memory = info["MemoryInfo"]["SizeInMiB"] / 1024
    if info["BurstablePerformanceSupported"]:
        made = memory * _BURSTABLE_GIB
    else:
        made = info["VCpuInfo"]["DefaultVCpus"] * _VCPU + memory * _GIB
    made *= _MAKERS.get(info["ProcessorInfo"].get("Manufacturer", ""), 1.0)
    # A later generation costs a little more, and does more for it.
    made *= 1 + 0.02 * max(0, int(next((c for c in kind if c.isdigit()), "5")) - 6)
    made += info.get("InstanceStorageInfo", {}).get("TotalSizeInGB", 0) * 0.00008
    made += info.get("GpuInfo", {}).get("TotalGpuMemoryInMiB", 0) / 1024 * _GPU_GIB
    return float(round(made * region_factor(region), 4))


def region_factor(region: str) -> float:
    """How much more a region costs than us-east-1."""
    return next((value for key, value in _REGIONS.items() if region.startswith(key)), 1.2)


def spot_price(kind: str, zone: str) -> float:
    """The Spot price of an hour of Linux in USD: between 30 and 50 % of On-Demand, each pool its own."""
    share = 0.3 + int(hashlib.sha256(f"{kind}/{zone}".encode()).hexdigest()[:4], 16) / 0xFFFF * 0.2
    return round(on_demand_price(kind, zone.rstrip("abcdef")) * share, 4)


@cache
def offered(region: str) -> dict[str, tuple[str, ...]]:
    """The zones in which a region offers each type; a region that moto has no list of offers everything."""
    found: dict[str, list[str]] = {}
    for item in INSTANCE_TYPE_OFFERINGS["availability-zone"].get(region, []):
        if item["InstanceType"] in INSTANCE_TYPES:
            found.setdefault(item["InstanceType"], []).append(item["Location"])
    return {kind: tuple(sorted(zones)) for kind, zones in sorted(found.items())}


def _value(name: str, kind: InstanceType) -> list[str]:
    value = kind.get_filter_value(name)
    return [] if value is None else [str(item) for item in (value if isinstance(value, list) else [value])]


def passes(filters: list[dict[str, Any]], values: Mapping[str, list[str]]) -> bool:
    """Whether something has for each filter one of its values (``*`` and ``?`` stand for others)."""
    for item in filters:
        name = item.get("Name", "")
        if name not in values:
            raise AwsError("InvalidParameterValue", f"The filter '{name}' is invalid")
        have = values[name]
        if not any(fnmatch.fnmatchcase(value, wanted) for value in have for wanted in item.get("Values", [])):
            return False
    return True


@operation("ec2", "DescribeInstanceTypes")
def describe_instance_types(call: Call) -> dict[str, Any]:
    """The types that the region offers."""
    no_dry_run(call)
    names = call.get("InstanceTypes", [])
    if names and "MaxResults" in call.params:
        message = "The parameter instancesTypes cannot be used with the parameter maxResults"
        raise AwsError("InvalidParameterCombination", message)
    here = offered(call.region) or dict.fromkeys(INSTANCE_TYPES, ())
    unknown = sorted(set(names) - set(here))
    if unknown:
        message = f"The following supplied instance types do not exist: [{', '.join(unknown)}]"
        raise AwsError("InvalidInstanceType", message)
    kinds = [InstanceType(name) for name in here if not names or name in names]
    filters = call.get("Filters", [])
    wanted = [item.get("Name", "") for item in filters]
    found = [kind for kind in kinds if passes(filters, {name: _value(name, kind) for name in wanted})]
    items, token = page(found, call.get("NextToken"), call.get("MaxResults", 100), _TOKEN)
    shown = [{key: value for key, value in kind.items() if key != "name"} for kind in items]  # moto's own
    return {"InstanceTypes": shown, **({"NextToken": token} if token else {})}


@operation("ec2", "DescribeInstanceTypeOfferings")
def describe_instance_type_offerings(call: Call) -> dict[str, Any]:
    """Where the types are offered, in pages; the filters take wildcards."""
    no_dry_run(call)
    location = call.get("LocationType", "region")
    listed = INSTANCE_TYPE_OFFERINGS.get(location, {}).get(call.region, [])
    filters = call.get("Filters", [])
    found = [
        item
        for item in listed
        if item["InstanceType"] in INSTANCE_TYPES
        and passes(filters, {"instance-type": [item["InstanceType"]], "location": [item["Location"]]})
    ]
    items, token = page(found, call.get("NextToken"), call.get("MaxResults", 1000), _TOKEN)
    return {"InstanceTypeOfferings": [dict(item) for item in items], **({"NextToken": token} if token else {})}


_LINUX = ("Linux/UNIX", "Linux/UNIX (Amazon VPC)")


@operation("ec2", "DescribeSpotPriceHistory")
def describe_spot_price_history(call: Call) -> dict[str, Any]:
    """One price for each type in each zone: the prices don't move here."""
    no_dry_run(call)
    products = call.get("ProductDescriptions", list(_LINUX))
    if not set(products) & set(_LINUX):
        return {"SpotPriceHistory": []}
    wanted = call.get("InstanceTypes", [])
    since = datetime.datetime.now(datetime.UTC).replace(minute=0, second=0, microsecond=0)
    zone_ids = {zone.name: zone.zone_id for zone in ec2(call).describe_availability_zones()}
    found = []
    for kind, zones in offered(call.region).items():
        if (wanted and kind not in wanted) or "spot" not in INSTANCE_TYPES[kind]["SupportedUsageClasses"]:
            continue
        for zone in zones:
            values = {
                "instance-type": [kind],
                "availability-zone": [zone],
                "product-description": [_LINUX[0]],
                "spot-price": [f"{spot_price(kind, zone):.6f}"],
            }
            if call.get("AvailabilityZone", zone) == zone and passes(call.get("Filters", []), values):
                found.append((kind, zone))
    items, token = page(found, call.get("NextToken"), call.get("MaxResults", 1000), _TOKEN)
    history = [
        {
            "InstanceType": kind,
            "AvailabilityZone": zone,
            "AvailabilityZoneId": zone_ids.get(zone, ""),
            "ProductDescription": _LINUX[0],
            "SpotPrice": f"{spot_price(kind, zone):.6f}",
            "Timestamp": since,
        }
        for kind, zone in items
    ]
    return {"SpotPriceHistory": history, "NextToken": token or ""}
