# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The subnets of one tier of another stack's VPC."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from .._engine.kind import STACK_TAG, Kind, Observed, Property, Scope
from ._session import Session
from ._tags import tag_dict

TIER_TAG = "innovate:tier"


class SubnetsLookup(Kind):
    """Subnets by VPC and tier (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSubnets.html)."""

    name = "subnets_lookup"
    properties: ClassVar[Mapping[str, Property]] = {
        "vpc": Property("str", required=True, doc="The name that the module M(innovate.platform.vpc) was given."),
        "tier": Property("str", required=True, doc="The tier's name, such as V(private)."),
    }
    attributes = ("ids", "zones", "cidr_blocks", "vpc_id")
    key = ("vpc", "tier")
    taggable = False
    lookup = True

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """Find all that are asked for in one call, by the tags of their owner; sorted by zone."""
        stacks = {f"vpc-{name}": name for name in scope.names(self.name, "vpc")}
        if not stacks:
            return []
        found = session.pages(
            "ec2",
            "describe_subnets",
            "Subnets",
            Filters=[
                {"Name": f"tag:{STACK_TAG}", "Values": sorted(stacks)},
                {"Name": f"tag:{TIER_TAG}", "Values": sorted(scope.names(self.name, "tier"))},
            ],
        )
        groups: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
        for subnet in sorted(found, key=lambda item: (item["AvailabilityZone"], item["SubnetId"])):
            tags = tag_dict(subnet["Tags"])
            groups[stacks[tags[STACK_TAG]], tags[TIER_TAG]].append(subnet)
        return [
            Observed(
                id=f"{vpc}/{tier}",
                properties={"vpc": vpc, "tier": tier},
                attributes={
                    "ids": [subnet["SubnetId"] for subnet in subnets],
                    "zones": [subnet["AvailabilityZone"] for subnet in subnets],
                    "cidr_blocks": [subnet["CidrBlock"] for subnet in subnets],
                    "vpc_id": subnets[0]["VpcId"],
                },
            )
            for (vpc, tier), subnets in groups.items()
        ]
