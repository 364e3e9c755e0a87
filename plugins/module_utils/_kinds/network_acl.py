# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Network ACLs with their entries and associations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from .._engine.kind import Kind, Observed, Property, Scope, Wanted
from . import _ec2
from ._session import Session
from ._shapes import from_api, request, violations
from ._tags import tag_dict

_FINAL_RULE = 32767


class NetworkAcl(Kind):
    """A network ACL; entries and associated subnets have no identity of their own.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_NetworkAcl.html
    A subnet always has one ACL: taking it from one means giving it another, the VPC's default one at last.
    """

    name = "network_acl"
    properties: ClassVar[Mapping[str, Property]] = {
        "vpc_id": Property("str", required=True, immutable=True, doc="The VPC."),
        "entries": Property(
            "set",
            default=[],
            doc="rule_number, egress, protocol (number as a string), rule_action, cidr_block, port_range.",
        ),
        "subnet_ids": Property("set", default=[], doc="The subnets that it guards."),
    }
    attributes = ("arn",)
    tag = _ec2.tag

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """List the stack's network ACLs."""
        found = session.pages("ec2", "describe_network_acls", "NetworkAcls", Filters=_ec2.owned(scope))
        return [self._observed(session, acl) for acl in found]

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Create the ACL, fill it, and only then put it before subnets; without a token, like a route table."""
        acl = session.call(
            "ec2",
            "create_network_acl",
            retry_on=_ec2.MISSING_NETWORK,
            VpcId=wanted["vpc_id"],
            TagSpecifications=_ec2.specification("network-acl", wanted.tags),
        )["NetworkAcl"]
        return self.update(session, self._observed(session, acl), wanted, frozenset({"entries", "subnet_ids"}))

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Bring entries and associations to what is wanted."""
        if "entries" in changed:
            self._entries(session, observed, wanted["entries"])
        if "subnet_ids" in changed:
            there = set(observed.properties["subnet_ids"])
            self._give(session, observed.id, set(wanted["subnet_ids"]) - there, whole=True)
            self._give_back(session, observed, there - set(wanted["subnet_ids"]))
        return observed

    def delete(self, session: Session, observed: Observed) -> None:
        """Give its subnets back to the default ACL and delete it."""
        self._give_back(session, observed, set(observed.properties["subnet_ids"]))
        session.call(
            "ec2",
            "delete_network_acl",
            retry_on=_ec2.IN_USE,
            missing=["InvalidNetworkAclID.NotFound"],
            NetworkAclId=observed.id,
        )

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check each entry against the API's model, and that no rule number comes twice in a direction."""
        problems = []
        seen = set()
        for entry in properties["entries"]:
            problems += violations("ec2", "CreateNetworkAclEntry", entry)
            missing = [name for name in ("rule_number", "egress", "protocol", "rule_action") if entry.get(name) is None]
            problems += [f"entry {dict(entry)}: '{name}' is missing" for name in missing]
            slot = (entry.get("egress"), entry.get("rule_number"))
            if slot in seen:
                problems.append(f"two entries have the rule number {slot[1]} in the same direction")
            seen.add(slot)
        return problems

    @staticmethod
    def _entries(session: Session, observed: Observed, wanted: Iterable[Mapping[str, Any]]) -> None:
        there = {(entry["egress"], entry["rule_number"]): entry for entry in observed.properties["entries"]}
        desired = {(entry["egress"], entry["rule_number"]): dict(entry) for entry in wanted}
        for slot in sorted(slot for slot in desired if desired[slot] != there.get(slot)):
            session.call(
                "ec2",
                "replace_network_acl_entry" if slot in there else "create_network_acl_entry",
                retry_on=_ec2.MISSING_NETWORK,
                **request("ec2", "CreateNetworkAclEntry", {**desired[slot], "network_acl_id": observed.id}),
            )
        for egress, number in sorted(set(there) - set(desired)):
            session.call(
                "ec2",
                "delete_network_acl_entry",
                missing=["InvalidNetworkAclEntry.NotFound"],
                NetworkAclId=observed.id,
                Egress=egress,
                RuleNumber=number,
            )

    def _give_back(self, session: Session, observed: Observed, subnets: set[str]) -> None:
        if subnets:
            default = session.pages(
                "ec2",
                "describe_network_acls",
                "NetworkAcls",
                Filters=[
                    {"Name": "vpc-id", "Values": [observed.properties["vpc_id"]]},
                    {"Name": "default", "Values": ["true"]},
                ],
            )
            self._give(session, default[0]["NetworkAclId"], subnets)

    @staticmethod
    def _give(session: Session, acl_id: str, subnets: set[str], whole: bool = False) -> None:
        """Put an ACL before subnets; before the whole of them, also those so new that their ACL isn't listed yet."""
        if not subnets:
            return

        def look() -> list[str] | None:
            holders = session.pages(
                "ec2",
                "describe_network_acls",
                "NetworkAcls",
                Filters=[{"Name": "association.subnet-id", "Values": sorted(subnets)}],
            )
            found = [
                item["NetworkAclAssociationId"]
                for holder in holders
                for item in holder["Associations"]
                if item.get("SubnetId") in subnets
            ]
            return found if len(found) == len(subnets) or not whole else None

        what = f"the network ACL of each of {', '.join(sorted(subnets))}"
        associations = session.awaited(what, look) if whole else look()

        def move(association: str) -> None:
            session.call(
                "ec2",
                "replace_network_acl_association",
                missing=["InvalidAssociationID.NotFound"],
                AssociationId=association,
                NetworkAclId=acl_id,
            )

        session.each(move, associations or [])

    @staticmethod
    def _observed(session: Session, acl: Mapping[str, Any]) -> Observed:
        entries = from_api("ec2", "NetworkAclEntryList", acl.get("Entries", []))
        return Observed(
            id=acl["NetworkAclId"],
            properties={
                "vpc_id": acl["VpcId"],
                "entries": [entry for entry in entries if entry["rule_number"] != _FINAL_RULE],
                "subnet_ids": sorted(item["SubnetId"] for item in acl.get("Associations", []) if item.get("SubnetId")),
            },
            attributes={"arn": session.arn("ec2", f"network-acl/{acl['NetworkAclId']}")},
            tags=tag_dict(acl.get("Tags")),
        )
