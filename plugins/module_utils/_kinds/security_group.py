# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Security groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from .._engine.kind import Kind, Observed, Property, Scope, Wanted
from . import _ec2
from ._once import once
from ._rules import observed_rules, problems_of, same_rules, write_rules
from ._session import Session
from ._shapes import violations
from ._tags import tag_dict

_ALLOW_ALL = [{"ip_protocol": "-1", "cidr_ipv4": "0.0.0.0/0"}]


class SecurityGroup(Kind):
    """A security group with all its rules (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html).

    The rules are managed whole: one that somebody adds by hand is drift.
    """

    name = "security_group"
    properties: ClassVar[Mapping[str, Property]] = {
        "group_name": Property("str", required=True, immutable=True, doc="Unique in the VPC."),
        "description": Property("str", required=True, immutable=True, doc="What it is for; can't be changed later."),
        "vpc_id": Property("str", required=True, immutable=True, doc="The VPC."),
        "ingress": Property(
            "set",
            default=[],
            same=same_rules,
            deferrable=True,
            doc="What may come in; see the names of SecurityGroupRule.",
        ),
        "egress": Property(
            "set", default=[], same=same_rules, deferrable=True, doc="What may go out; nothing by default."
        ),
    }
    attributes = ("arn", "owner_id")
    key = ("vpc_id", "group_name")
    tag = _ec2.tag

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """List the stack's security groups."""
        return owned_groups(session, scope)

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Create the group; AWS gives a new one a rule that lets everything out, which is taken away if not wanted."""
        group = session.call(
            "ec2",
            "create_security_group",
            retry_on=_ec2.MISSING_NETWORK,
            GroupName=wanted["group_name"],
            Description=wanted["description"],
            VpcId=wanted["vpc_id"],
            TagSpecifications=_ec2.specification("security-group", wanted.tags),
        )
        observed = Observed(
            id=group["GroupId"],
            properties={**wanted.properties, "ingress": [], "egress": _ALLOW_ALL},
            attributes={"arn": session.arn("ec2", f"security-group/{group['GroupId']}")},
            tags=wanted.tags,
        )
        return self.update(session, observed, wanted, frozenset({"ingress", "egress"}))

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Bring the rules to what is wanted."""
        for direction in sorted(changed & {"ingress", "egress"}):
            write_rules(session, observed.id, direction, observed.properties[direction], wanted[direction])
        return observed

    def delete(self, session: Session, observed: Observed) -> None:
        """Take the rules away first, so that groups that refer to each other can both go."""
        for direction in ("ingress", "egress"):
            write_rules(session, observed.id, direction, observed.properties[direction], [])
        missing = "InvalidGroup.NotFound"
        _ec2.delete(session, "delete_security_group", missing=missing, inside="group-id", GroupId=observed.id)

    def ready(self, session: Session, observed: Observed) -> Observed | None:
        """Wait until every part of EC2 knows it (waiter security_group_exists)."""
        return observed if session.polled("ec2", "security_group_exists", GroupIds=[observed.id]) else None

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check against the API's model, and each rule."""
        return [
            *violations("ec2", "CreateSecurityGroup", properties),
            *problems_of(properties["ingress"], "ingress"),
            *problems_of(properties["egress"], "egress"),
        ]


def owned_groups(session: Session, scope: Scope) -> list[Observed]:
    """Return what the stack owns of security groups, made or taken over: one listing for both kinds."""

    def ask() -> list[Observed]:
        found = session.pages("ec2", "describe_security_groups", "SecurityGroups", Filters=_ec2.owned(scope))
        return [observed_group(session, group) for group in found]

    return once(session, scope, "security groups", ask)


def observed_group(session: Session, group: Mapping[str, Any]) -> Observed:
    """Return a described security group as observed."""
    group_id = group["GroupId"]
    return Observed(
        id=group_id,
        properties={
            "group_name": group["GroupName"],
            "description": group["Description"],
            "vpc_id": group["VpcId"],
            "ingress": observed_rules(group.get("IpPermissions", []), group_id),
            "egress": observed_rules(group.get("IpPermissionsEgress", []), group_id),
        },
        attributes={"arn": session.arn("ec2", f"security-group/{group_id}"), "owner_id": group.get("OwnerId")},
        tags=tag_dict(group.get("Tags")),
    )
