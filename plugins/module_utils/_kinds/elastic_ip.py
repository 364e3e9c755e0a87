# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Elastic IP addresses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from .._engine.kind import Kind, Observed, Property, Scope, Wanted
from . import _ec2
from ._session import Session
from ._tags import tag_dict


class ElasticIp(Kind):
    """A public IPv4 address that stays ours (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AllocateAddress.html)."""

    name = "elastic_ip"
    properties: ClassVar[Mapping[str, Property]] = {
        "public_ipv4_pool": Property("str", immutable=True, doc="A pool of own addresses (BYOIP) to take it from.")
    }
    attributes = ("arn", "public_ip")
    priced = ("public_ipv4_pool",)
    tag = _ec2.tag

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """List the stack's addresses."""
        found = session.pages("ec2", "describe_addresses", "Addresses", Filters=_ec2.owned(scope))
        return [self._observed(session, address, tag_dict(address.get("Tags"))) for address in found]

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Allocate an address."""
        pool = {"PublicIpv4Pool": wanted["public_ipv4_pool"]} if wanted.get("public_ipv4_pool") else {}
        address = session.call(
            "ec2",
            "allocate_address",
            Domain="vpc",
            TagSpecifications=_ec2.specification("elastic-ip", wanted.tags),
            **pool,
        )
        return self._observed(session, address, wanted.tags)

    def delete(self, session: Session, observed: Observed) -> None:
        """Release the address; a NAT gateway lets go of it only some time after its deletion."""
        session.call(
            "ec2",
            "release_address",
            retry_on=["InvalidIPAddress.InUse", "AuthFailure"],
            missing=["InvalidAllocationID.NotFound"],
            AllocationId=observed.id,
        )

    @staticmethod
    def _observed(session: Session, address: Mapping[str, Any], tags: Mapping[str, str]) -> Observed:
        return Observed(
            id=address["AllocationId"],
            properties={"public_ipv4_pool": address.get("PublicIpv4Pool")},
            attributes={
                "arn": session.arn("ec2", f"elastic-ip/{address['AllocationId']}"),
                "public_ip": address.get("PublicIp"),
            },
            tags=tags,
        )
