# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VPCs of other stacks, by the name they were declared with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from .._engine.kind import ADDRESS_TAG, STACK_TAG, Kind, Observed, Property, Scope
from ._session import Session
from ._tags import tag_dict


class VpcLookup(Kind):
    """The VPC of stack ``vpc-<name>`` (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeVpcs.html)."""

    name = "vpc_lookup"
    properties: ClassVar[Mapping[str, Property]] = {
        "name": Property("str", required=True, doc="The name that the module M(innovate.platform.vpc) was given."),
    }
    attributes = ("vpc_id", "cidr_block")
    key = ("name",)
    taggable = False
    lookup = True

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """Find all that are asked for in one call, by the tags of their owner."""
        stacks = {f"vpc-{name}": name for name in scope.names(self.name, "name")}
        if not stacks:
            return []
        found = session.pages(
            "ec2",
            "describe_vpcs",
            "Vpcs",
            Filters=[
                {"Name": f"tag:{STACK_TAG}", "Values": sorted(stacks)},
                {"Name": f"tag:{ADDRESS_TAG}", "Values": ["vpc.main"]},
            ],
        )
        return [
            Observed(
                id=vpc["VpcId"],
                properties={"name": stacks[tag_dict(vpc["Tags"])[STACK_TAG]]},
                attributes={"vpc_id": vpc["VpcId"], "cidr_block": vpc["CidrBlock"]},
            )
            for vpc in found
        ]
