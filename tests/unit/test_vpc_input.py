# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a network makes of good and bad parameters."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.innovate.platform.plugins.module_utils._engine.resource import Resource
from ansible_collections.innovate.platform.plugins.module_utils._engine.validate import validate
from ansible_collections.innovate.platform.plugins.module_utils._kinds.registry import KINDS
from ansible_collections.innovate.platform.plugins.module_utils._vpc.addresses import Tier, lay_out
from ansible_collections.innovate.platform.plugins.module_utils._vpc.network import Network, network_resources

ZONES = ("eu-central-1a", "eu-central-1b", "eu-central-1c")
TIERS = (Tier("private", "private", 3), Tier("public", "public", 6), Tier("isolated", "isolated", 6))


def network(**changes: Any) -> Network:
    given = {"name": "dev", "cidr": "10.10.0.0/16", "region": "eu-central-1", "zones": ZONES, "tiers": TIERS}
    return Network(**{**given, "flow_logs": {"enabled": True, "retention_in_days": 90}, **changes})


def explicit(*cidrs: str) -> tuple[Tier, ...]:
    return (Tier("private", "private", cidrs=cidrs), Tier("public", "public", 6))


BAD = {
    "not a range": ({"cidr": "10.10.0.0"}, "must have a prefix from /16 to /28"),
    "nonsense as a range": ({"cidr": "ten"}, "'ten' is not an IPv4 range: write it as 10.10.0.0/16"),
    "host bits": ({"cidr": "10.10.1.0/16"}, "bits set beyond its prefix: write 10.10.0.0/16"),
    "too large a vpc": ({"cidr": "10.0.0.0/8"}, "must have a prefix from /16 to /28"),
    "too small a vpc": ({"cidr": "10.10.0.0/24"}, "newbits 6 makes subnets of /30"),
    "too many tiers": (
        {"tiers": (*TIERS, Tier("more", "private", 3), Tier("most", "private", 3))},
        "too small for its tiers",
    ),
    "zone twice": ({"zones": (ZONES[0], ZONES[0])}, "availability zone eu-central-1a is listed twice"),
    "zone elsewhere": ({"zones": ("us-east-1a",)}, "us-east-1a is not in region eu-central-1"),
    "no zone": ({"zones": ()}, "availability_zones is empty"),
    "name with capitals": ({"name": "Dev"}, "name 'Dev': use up to 30 lower-case letters"),
    "tier twice": ({"tiers": (*TIERS, TIERS[0])}, "tier private is declared 2 times"),
    "no size": ({"tiers": (Tier("public", "public"),)}, "tier public: newbits must be at least 1, or give cidrs"),
    "nat without public": ({"tiers": TIERS[:1]}, "nat_gateways: single needs a public tier"),
    "endpoints without private": (
        {"tiers": TIERS[1:], "interface_endpoints": ["sts"]},
        "interface_endpoints need a private tier",
    ),
    "endpoint twice": ({"interface_endpoints": ["sts", "sts"]}, "endpoint sts is listed 2 times"),
    "gateway for sts": ({"gateway_endpoints": ["sts"]}, "gateway endpoint 'sts': only s3 and dynamodb have one"),
    "too few cidrs": ({"tiers": explicit("10.10.0.0/24")}, "tier private has 1 cidrs for 3 zones"),
    "cidr outside": (
        {"tiers": explicit("10.11.0.0/24", "10.10.1.0/24", "10.10.2.0/24")},
        "10.11.0.0/24 lies outside of the VPC's 10.10.0.0/16",
    ),
    "cidrs overlap": (
        {"tiers": explicit("10.10.128.0/20", "10.10.128.0/22", "10.10.144.0/22")},
        "subnet 10.10.128.0/22 of tier private overlaps 10.10.128.0/20 of tier private: give another newbits or cidr",
    ),
    "cidr too small": (
        {"tiers": explicit("10.10.200.0/29", "10.10.201.0/24", "10.10.202.0/24")},
        "10.10.200.0/29 is too small",
    ),
}


@pytest.mark.parametrize(("changes", "sentence"), BAD.values(), ids=BAD)
def test_a_mistake_gets_a_sentence(changes: dict[str, Any], sentence: str) -> None:
    resources, problems, _outputs = network_resources(network(**changes))
    assert validate(resources, KINDS) == []
    assert any(sentence in problem for problem in problems), problems


def test_all_mistakes_come_together() -> None:
    mistakes = network(name="Dev", cidr="10.10.1.0/16", zones=(ZONES[0], ZONES[0]), gateway_endpoints=["sts"])
    assert len(network_resources(mistakes)[1]) == 4
    logs = {"enabled": True, "retention_in_days": 33}
    resources, problems, _outputs = network_resources(network(name="Dev", flow_logs=logs))
    (further,) = validate(resources, KINDS)
    assert (len(problems), "retention_in_days: 33 is not one of" in further) == (1, True)


def test_the_range_is_divided_so_that_a_fourth_zone_moves_nothing() -> None:
    three = lay_out("10.10.0.0/16", TIERS, ZONES).subnets
    assert [str(net) for net in three["private"]] == ["10.10.0.0/19", "10.10.32.0/19", "10.10.64.0/19"]
    assert [str(net) for net in three["public"]] == ["10.10.128.0/22", "10.10.132.0/22", "10.10.136.0/22"]
    assert [str(net) for net in three["isolated"]] == ["10.10.144.0/22", "10.10.148.0/22", "10.10.152.0/22"]
    four = lay_out("10.10.0.0/16", TIERS, (*ZONES, "eu-central-1d")).subnets
    assert all(four[tier][:3] == networks for tier, networks in three.items())


def resources_of(**changes: Any) -> dict[str, Resource]:
    resources, problems, _outputs = network_resources(network(**changes))
    assert problems == []
    assert validate(resources, KINDS) == []
    return {resource.address: resource for resource in resources}


@pytest.mark.parametrize(("nat", "gateways", "default_routes"), [("none", 0, 1), ("single", 1, 4), ("per_zone", 3, 4)])
def test_nat_gateways_follow_the_option(nat: str, gateways: int, default_routes: int) -> None:
    resources = resources_of(nat=nat)
    assert sum(address.startswith("nat_gateway.") for address in resources) == gateways
    tables = [item.properties["routes"] for item in resources.values() if item.kind == "route_table"]
    assert sum(len(routes) for routes in tables) == default_routes


def test_isolated_subnets_have_no_way_out() -> None:
    resources = resources_of(interface_endpoints=["sts"])
    assert resources["route_table.isolated"].properties["routes"] == []
    assert {entry["cidr_block"] for entry in resources["network_acl.isolated"].properties["entries"]} == {
        "10.10.0.0/16"
    }
    for item in resources.values():
        if item.kind == "vpc_endpoint":
            assert "route_table.isolated" not in item.needs()


def test_ssh_and_rdp_never_come_in_from_the_internet() -> None:
    for tier in ("public", "private"):
        entries = [e for e in resources_of()[f"network_acl.{tier}"].properties["entries"] if not e["egress"]]
        for port in (22, 3389):
            for protocol in ("6", "17"):
                assert decide(entries, "0.0.0.0/0", protocol, port) == "deny"
        assert decide(entries, "0.0.0.0/0", "6", 50000) == "allow"


def decide(entries: list[dict[str, Any]], cidr: str, protocol: str, port: int) -> str:
    """Evaluate an ACL as AWS does: the first rule that fits, by number; deny at the end."""
    for entry in sorted(entries, key=lambda entry: entry["rule_number"]):
        ports = entry.get("port_range", {"from": 0, "to": 65535})
        fits = entry["protocol"] in ("-1", protocol) and ports["from"] <= port <= ports["to"]
        if entry["cidr_block"] == cidr and fits:
            return str(entry["rule_action"])
    return "deny"


def test_one_zone_more_or_less_names_subnets_by_their_zone() -> None:
    assert "subnet.private-ham-1a" in resources_of(zones=("eu-central-1-ham-1a",))
