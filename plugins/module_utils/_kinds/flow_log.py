# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VPC flow logs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from .._engine.kind import Kind, Observed, Property, Scope, Wanted
from . import _ec2
from ._session import Session
from ._shapes import from_api, request, violations
from ._tags import tag_dict


class FlowLog(Kind):
    """A flow log (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateFlowLogs.html).

    Nothing of it can be changed in place.
    """

    name = "flow_log"
    properties: ClassVar[Mapping[str, Property]] = {
        "resource_id": Property("str", required=True, immutable=True, doc="The VPC, subnet or network interface."),
        "resource_type": Property("str", default="VPC", immutable=True, doc="C(VPC), C(Subnet), C(NetworkInterface)."),
        "traffic_type": Property("str", default="ALL", immutable=True, doc="C(ALL), C(ACCEPT) or C(REJECT)."),
        "log_destination_type": Property("str", default="cloud-watch-logs", immutable=True, doc="Or C(s3)."),
        "log_group_name": Property("str", immutable=True, doc="The log group, for C(cloud-watch-logs)."),
        "deliver_logs_permission_arn": Property("str", immutable=True, doc="The role that writes to the log group."),
        "log_destination": Property("str", immutable=True, doc="The bucket's ARN, for C(s3)."),
        "max_aggregation_interval": Property("int", default=600, immutable=True, doc="Seconds: 60 or 600."),
    }
    attributes = ("arn",)
    priced = ("log_destination_type",)
    tag = _ec2.tag

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """List the stack's flow logs."""
        found = session.pages("ec2", "describe_flow_logs", "FlowLogs", Filters=_ec2.owned(scope))
        return [self._observed(session, log) for log in found]

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Create the flow log; a role made a moment ago may not be assumable yet.

        Without the engine's token, by which AWS would answer with a flow log that somebody has deleted since; a second
        one of the same is refused anyway.
        """
        answer = session.call(
            "ec2",
            "create_flow_logs",
            retry_on=[*_ec2.MISSING_NETWORK, "InvalidParameter", "Access Denied for LogDestination"],
            attempts=6,
            ResourceIds=[wanted["resource_id"]],
            TagSpecifications=_ec2.specification("vpc-flow-log", wanted.tags),
            **request("ec2", "CreateFlowLogs", wanted.properties),
        )
        _ec2.raise_unsuccessful(answer)
        return Observed(
            id=answer["FlowLogIds"][0],
            properties=wanted.properties,
            attributes={"arn": session.arn("ec2", f"vpc-flow-log/{answer['FlowLogIds'][0]}")},
            tags=wanted.tags,
        )

    def delete(self, session: Session, observed: Observed) -> None:
        """Delete the flow log."""
        _ec2.raise_unsuccessful(
            session.call("ec2", "delete_flow_logs", FlowLogIds=[observed.id]), ("InvalidFlowLogId.NotFound",)
        )

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check against the API's model, and that the destination is whole."""
        problems = violations("ec2", "CreateFlowLogs", properties)
        if properties["max_aggregation_interval"] not in (60, 600):
            problems.append(f"max_aggregation_interval: {properties['max_aggregation_interval']} is neither 60 nor 600")
        needed = {"cloud-watch-logs": ("log_group_name", "deliver_logs_permission_arn")}.get(
            properties["log_destination_type"], ("log_destination",)
        )
        return problems + [f"'{name}' is missing" for name in needed if not properties.get(name)]

    @staticmethod
    def _observed(session: Session, log: Mapping[str, Any]) -> Observed:
        flat = from_api("ec2", "FlowLog", log)
        kind = {"vpc": "VPC", "subnet": "Subnet"}.get(log["ResourceId"].partition("-")[0], "NetworkInterface")
        return Observed(
            id=log["FlowLogId"],
            properties={**{name: flat.get(name) for name in FlowLog.properties}, "resource_type": kind},
            attributes={"arn": session.arn("ec2", f"vpc-flow-log/{log['FlowLogId']}")},
            tags=tag_dict(log.get("Tags")),
            state="failed" if log.get("FlowLogStatus") == "INACTIVE" else "ready",
        )
