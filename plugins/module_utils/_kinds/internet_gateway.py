# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Internet gateways."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from .._engine.kind import Kind, Observed, Property, Scope, Wanted
from . import _ec2
from ._session import Session
from ._tags import tag_dict


class InternetGateway(Kind):
    """An internet gateway and the VPC it is attached to.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AttachInternetGateway.html
    """

    name = "internet_gateway"
    properties: ClassVar[Mapping[str, Property]] = {
        # AWS could attach it to another VPC, but a VPC that is replaced can't go while something is attached to it.
        "vpc_id": Property("str", required=True, immutable=True, doc="The VPC it is attached to."),
    }
    attributes = ("arn",)
    tag = _ec2.tag

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """List the stack's internet gateways."""
        found = session.pages("ec2", "describe_internet_gateways", "InternetGateways", Filters=_ec2.owned(scope))
        return [self._observed(session, gateway) for gateway in found]

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Create and attach; one left unattached by an interrupted run counts as failed and is replaced."""
        gateway = session.call(
            "ec2", "create_internet_gateway", TagSpecifications=_ec2.specification("internet-gateway", wanted.tags)
        )["InternetGateway"]
        session.call(
            "ec2",
            "attach_internet_gateway",
            retry_on=_ec2.MISSING_NETWORK,
            InternetGatewayId=gateway["InternetGatewayId"],
            VpcId=wanted["vpc_id"],
        )
        return self._observed(session, {**gateway, "Attachments": [{"VpcId": wanted["vpc_id"]}]})

    def delete(self, session: Session, observed: Observed) -> None:
        """Detach, which AWS refuses while public addresses are mapped, and delete."""
        self._detach(session, observed)
        session.call(
            "ec2",
            "delete_internet_gateway",
            retry_on=_ec2.IN_USE,
            missing=["InvalidInternetGatewayID.NotFound"],
            InternetGatewayId=observed.id,
        )

    @staticmethod
    def _detach(session: Session, observed: Observed) -> None:
        if observed.properties["vpc_id"]:
            session.call(
                "ec2",
                "detach_internet_gateway",
                retry_on=_ec2.IN_USE,
                attempts=45,
                missing=["Gateway.NotAttached", "InvalidInternetGatewayID.NotFound"],
                InternetGatewayId=observed.id,
                VpcId=observed.properties["vpc_id"],
            )

    @staticmethod
    def _observed(session: Session, gateway: Mapping[str, Any]) -> Observed:
        attached = [item["VpcId"] for item in gateway.get("Attachments", []) if item.get("State") != "detached"]
        return Observed(
            id=gateway["InternetGatewayId"],
            properties={"vpc_id": attached[0] if attached else None},
            attributes={"arn": session.arn("ec2", f"internet-gateway/{gateway['InternetGatewayId']}")},
            tags=tag_dict(gateway.get("Tags")),
            state="ready" if attached else "failed",
        )
