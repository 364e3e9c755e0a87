# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The security group that every VPC comes with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from .._engine.kind import Kind, Observed, Property, Scope, Wanted
from . import _ec2
from ._rules import problems_of, same_rules, write_rules
from ._session import Session
from .security_group import observed_group, owned_groups


class DefaultSecurityGroup(Kind):
    """A VPC's default security group, which can't be deleted, only emptied (AWS FSBP control EC2.2).

    https://docs.aws.amazon.com/vpc/latest/userguide/default-security-group.html
    """

    name = "default_security_group"
    properties: ClassVar[Mapping[str, Property]] = {
        "vpc_id": Property("str", required=True, immutable=True, doc="The VPC."),
        "ingress": Property("set", default=[], same=same_rules, doc="What may come in; nothing by default."),
        "egress": Property("set", default=[], same=same_rules, doc="What may go out; nothing by default."),
    }
    attributes = ("arn",)
    key = ("vpc_id",)
    preexisting = True
    tag = _ec2.tag

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """List what the stack has taken over; one that it hasn't is found by ``create``, by its VPC."""
        return owned_groups(session, scope)

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Take over the group that came with the VPC."""
        filters = [{"Name": "group-name", "Values": ["default"]}, {"Name": "vpc-id", "Values": [wanted["vpc_id"]]}]
        groups: list[Any] = session.awaited(
            f"the default security group of {wanted['vpc_id']}",
            lambda: session.pages("ec2", "describe_security_groups", "SecurityGroups", Filters=filters),
        )
        observed = observed_group(session, groups[0])
        self.tag(session, observed, wanted.tags)
        return self.update(session, observed, wanted, frozenset({"ingress", "egress"}))

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Bring the rules to what is wanted."""
        for direction in sorted(changed & {"ingress", "egress"}):
            write_rules(session, observed.id, direction, observed.properties[direction], wanted[direction])
        return observed

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check each rule."""
        return [*problems_of(properties["ingress"], "ingress"), *problems_of(properties["egress"], "egress")]
