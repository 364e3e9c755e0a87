# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kinds of EC2 share: filters and tags.

EC2 takes tags with the creation call itself, so nothing of ours ever exists without its owner's name
(https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_TagSpecification.html).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from .._engine.errors import EngineError
from .._engine.kind import STACK_TAG, Kind, Observed, Scope
from ._session import Session, error_code
from ._tags import tag_list
from ._vpc_users import drop_leftovers

IN_USE = ("DependencyViolation",)
_PATIENCE = 900
"""Seconds: EC2 frees network interfaces and addresses some time after their user is gone."""
_LONGEST_PAUSE = 15.0
MISSING_NETWORK = (
    "InvalidVpcID.NotFound",
    "InvalidSubnetID.NotFound",
    "InvalidRouteTableID.NotFound",
    "InvalidInternetGatewayID.NotFound",
    "InvalidGatewayID.NotFound",
    "InvalidNetworkAclID.NotFound",
    "InvalidGroup.NotFound",
    "InvalidAllocationID.NotFound",
    "NatGatewayNotFound",
    "InvalidNatGatewayID.NotFound",
)
"""A new thing isn't known to every part of EC2 at once
(https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html)."""


def owned(scope: Scope) -> list[dict[str, Any]]:
    """Return the filter that lists what the stack owns."""
    return [{"Name": f"tag:{STACK_TAG}", "Values": [scope.stack]}]


def specification(resource_type: str, tags: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the tags of something about to be created."""
    return [{"ResourceType": resource_type, "Tags": tag_list(tags)}]


def tag(_kind: Kind, session: Session, observed: Observed, tags: Mapping[str, str]) -> None:
    """Write tags on any resource of EC2: the ``tag`` method of its kinds."""
    session.call("ec2", "create_tags", retry_on=MISSING_NETWORK, Resources=[observed.id], Tags=tag_list(tags))


def delete(session: Session, operation: str, /, *, missing: str, inside: str, **params: str) -> None:
    """Delete what other things may still be in, and name those that never leave.

    The network interfaces of load balancers, clusters and databases linger for some minutes after their users. What a
    cluster has left behind for good is deleted.

    :param missing: the error code that means it is gone.
    :param inside: the filter by which EC2 lists what is in it, such as ``subnet-id``.
    """
    identifier = next(iter(params.values()))
    given: dict[str, Any] = dict(params)
    end = time.monotonic() + _PATIENCE
    pause = 1.0
    while True:
        try:
            session.call("ec2", operation, missing=[missing], **given)
        except EngineError as error:
            if error_code(error) not in IN_USE:
                raise
            if time.monotonic() > end:
                holders = _holders(session, [{"Name": inside, "Values": [identifier]}], inside == "vpc-id")
                shown = f"; still there: {', '.join(holders)}: delete these, then run this again" if holders else ""
                raise EngineError([f"{problem}{shown}" for problem in error.problems]) from error
        else:
            return
        drop_leftovers(session, inside, identifier)
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)


def _holders(session: Session, filters: list[dict[str, Any]], groups: bool) -> list[str]:
    interfaces = session.pages("ec2", "describe_network_interfaces", "NetworkInterfaces", Filters=filters)
    found = [
        f"{item['NetworkInterfaceId']} ({item.get('Description') or item.get('InterfaceType', 'no description')})"
        for item in interfaces
    ]
    if groups:
        listed = session.pages("ec2", "describe_security_groups", "SecurityGroups", Filters=filters)
        found += [f"{item['GroupId']} ({item['GroupName']})" for item in listed if item["GroupName"] != "default"]
    return found


def raise_unsuccessful(answer: Mapping[str, Any], missing: tuple[str, ...] = ()) -> None:
    """Raise what an operation on many things reports as unsuccessful items in a successful answer."""
    errors = [item["Error"] for item in answer.get("Unsuccessful", []) if item["Error"].get("Code") not in missing]
    if errors:
        raise EngineError([f"{error.get('Code')}: {error.get('Message')}" for error in errors])
