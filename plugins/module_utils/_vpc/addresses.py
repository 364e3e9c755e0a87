# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Divides a VPC's range among tiers and zones."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field

Network = ipaddress.IPv4Network

ROOM_FOR_ZONES = 4
"""Each tier keeps room for this many zones, so that one more zone moves no subnet."""
_LARGEST, _SMALLEST = 16, 28
"""Prefix lengths that AWS allows (https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html)."""


@dataclass(frozen=True)
class Tier:
    """One tier of subnets, one subnet in each zone.

    :param name: becomes part of the subnets' names and the value of the tag ``innovate:tier``.
    :param access: ``public`` (internet gateway), ``private`` (out through NAT) or ``isolated`` (no way out).
    :param newbits: by how many bits a subnet's prefix is longer than the VPC's.
    :param cidrs: the ranges themselves, one for each zone, instead of ``newbits``.
    """

    name: str
    access: str
    newbits: int = 0
    cidrs: tuple[str, ...] = ()


@dataclass
class Layout:
    """Subnets by tier, in the order of zones, and what is wrong with what was asked for."""

    subnets: dict[str, list[Network]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def parse_network(text: str, what: str, problems: list[str]) -> Network | None:
    """Return a network, or None with a sentence added to ``problems``."""
    try:
        return Network(text)
    except ValueError:
        pass
    try:
        problems.append(
            f"{what} {text}: the address has bits set beyond its prefix: write {Network(text, strict=False)}"
        )
    except ValueError:
        problems.append(f"{what} {text!r} is not an IPv4 range: write it as 10.10.0.0/16")
    return None


def lay_out(cidr: str, tiers: Sequence[Tier], zones: Sequence[str]) -> Layout:
    """Return the subnets of each tier: in the order of the tiers, aligned, each tier with room for more zones.

    10.10.0.0/16 with tiers of 3, 6 and 6 new bits begins them at 10.10.0.0/19, 10.10.128.0/22 and 10.10.144.0/22.
    """
    layout = Layout()
    vpc = parse_network(cidr, "the VPC's cidr", layout.problems)
    if vpc is None:
        return layout
    if not _LARGEST <= vpc.prefixlen <= _SMALLEST:
        layout.problems.append(f"the VPC's cidr {vpc} must have a prefix from /{_LARGEST} to /{_SMALLEST}")
        return layout
    room = max(ROOM_FOR_ZONES, 1 << (len(zones) - 1).bit_length()) if zones else ROOM_FOR_ZONES
    position = int(vpc.network_address)
    for tier in tiers:
        if tier.cidrs:
            layout.subnets[tier.name] = _given(tier, zones, vpc, layout.problems)
            continue
        prefix = vpc.prefixlen + tier.newbits
        if not _LARGEST <= prefix <= _SMALLEST:
            layout.problems.append(
                f"tier {tier.name}: newbits {tier.newbits} makes subnets of /{prefix} in {vpc}, AWS allows "
                f"/{_LARGEST} to /{_SMALLEST}: give another newbits"
            )
            continue
        size = 1 << (32 - prefix)
        position = -(-position // (size * room)) * size * room
        layout.subnets[tier.name] = [Network((position + index * size, prefix)) for index in range(len(zones))]
        position += size * room
    if position > int(vpc.broadcast_address) + 1:
        layout.problems.append(
            f"{vpc} is too small for its tiers with room for {room} zones each: "
            "give larger newbits, fewer tiers or a larger cidr"
        )
        return layout
    _find_overlaps(layout)
    return layout


def _given(tier: Tier, zones: Sequence[str], vpc: Network, problems: list[str]) -> list[Network]:
    if len(tier.cidrs) != len(zones):
        problems.append(f"tier {tier.name} has {len(tier.cidrs)} cidrs for {len(zones)} zones: give one for each zone")
    networks = []
    for text in tier.cidrs:
        network = parse_network(text, f"tier {tier.name}: cidr", problems)
        if network is None:
            continue
        if not network.subnet_of(vpc):
            problems.append(f"tier {tier.name}: {network} lies outside of the VPC's {vpc}")
        elif network.prefixlen > _SMALLEST:
            problems.append(f"tier {tier.name}: {network} is too small: AWS allows /{_LARGEST} to /{_SMALLEST}")
        networks.append(network)
    return networks


def _find_overlaps(layout: Layout) -> None:
    seen: list[tuple[str, Network]] = []
    for tier, networks in layout.subnets.items():
        for network in networks:
            layout.problems += [
                f"subnet {network} of tier {tier} overlaps {other} of tier {name}: give another newbits or cidr"
                for name, other in seen
                if network.overlaps(other)
            ]
            seen.append((tier, network))
