# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Subnet groups of RDS."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from .._engine.kind import Kind, Observed, Property, Scope, Wanted
from . import _rds
from ._once import owned
from ._session import Session
from ._shapes import request, violations
from ._tags import tag_list

_NAME = re.compile(r"(?!default$)[a-z0-9][a-z0-9 ._-]{0,254}")


class DbSubnetGroup(Kind):
    """The subnets that RDS may put a database in.

    https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBSubnetGroup.html
    """

    name = "db_subnet_group"
    properties: ClassVar[Mapping[str, Property]] = {
        "db_subnet_group_name": Property("str", required=True, immutable=True, doc="Unique in the Region; lower case."),
        "db_subnet_group_description": Property("str", required=True, doc="What it is for."),
        "subnet_ids": Property("set", required=True, doc="Subnets in at least two zones."),
    }
    attributes = ("arn", "vpc_id")
    key = ("db_subnet_group_name",)
    tag = _rds.tag

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """List the Region's groups, and read the tags of those that concern the stack."""
        groups = session.pages("rds", "describe_db_subnet_groups", "DBSubnetGroups")
        names = scope.names(self.name, "db_subnet_group_name")
        arns = owned(session, scope, session.arn("rds", "subgrp:"))
        found = _rds.ours(session, groups, names, arns, "DBSubnetGroupName", "DBSubnetGroupArn")
        return [self._observed(group, tags) for group, tags in found]

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Create the group with its tags; a new subnet isn't known to RDS at once."""
        group = session.call(
            "rds",
            "create_db_subnet_group",
            retry_on=["InvalidSubnet"],
            attempts=8,
            Tags=tag_list(wanted.tags),
            **request("rds", "CreateDBSubnetGroup", {**wanted.properties, "tags": None}),
        )["DBSubnetGroup"]
        return self._observed(group, wanted.tags)

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Set description and subnets; the API always wants the subnets."""
        group = session.call(
            "rds",
            "modify_db_subnet_group",
            retry_on=["InvalidSubnet"],
            attempts=8,
            **request("rds", "ModifyDBSubnetGroup", wanted.properties),
        )["DBSubnetGroup"]
        return self._observed(group, wanted.tags)

    def delete(self, session: Session, observed: Observed) -> None:
        """Delete the group; RDS holds it for a while after its last database."""
        session.call(
            "rds",
            "delete_db_subnet_group",
            retry_on=["InvalidDBSubnetGroupStateFault", "InvalidDBSubnetStateFault"],
            attempts=25,
            missing=["DBSubnetGroupNotFoundFault"],
            DBSubnetGroupName=observed.id,
        )

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check against the API's model and the rules that stand only in its page."""
        problems = violations("rds", "CreateDBSubnetGroup", {**properties, "tags": None})
        name = properties["db_subnet_group_name"]
        if isinstance(name, str) and not _NAME.fullmatch(name):
            problems.append(
                f"db_subnet_group_name {name!r}: use at most 255 lower-case letters, digits, spaces and . _ -, "
                "and not 'default'"
            )
        subnets = properties["subnet_ids"]
        if isinstance(subnets, (list, tuple)) and not subnets:
            problems.append("subnet_ids is empty: a subnet group needs subnets in at least two zones")
        return problems

    @staticmethod
    def _observed(group: Mapping[str, Any], tags: Mapping[str, str]) -> Observed:
        return Observed(
            id=group["DBSubnetGroupName"],
            properties={
                "db_subnet_group_name": group["DBSubnetGroupName"],
                "db_subnet_group_description": group.get("DBSubnetGroupDescription"),
                "subnet_ids": [subnet["SubnetIdentifier"] for subnet in group.get("Subnets", [])],
            },
            attributes={"arn": group.get("DBSubnetGroupArn"), "vpc_id": group.get("VpcId")},
            tags=tags,
        )
