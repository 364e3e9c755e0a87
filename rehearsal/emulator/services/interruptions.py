# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances that EC2 takes back: the page ``interrupt``, and what EventBridge is told of it.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html,
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/rebalance-recommendations.html,
https://docs.aws.amazon.com/health/latest/ug/aws-health-events-eventbridge-schema.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moto.ec2.models import ec2_backends

from rehearsal.emulator.services import events
from rehearsal.emulator.services.instances import notify, terminate
from rehearsal.emulator.world import World, hex_id

#: What a program gets to drain a node, in seconds, when nobody says otherwise: two minutes on AWS.
NOTICE = 120.0


def interrupt(world: World, method: str, query: Mapping[str, list[str]]) -> dict[str, Any]:
    """The page ``interrupt``: EC2 takes an instance back, or says that it may.

    ``kind`` is spot (the default), rebalance, scheduled or state; a Spot instance ends after ``notice`` seconds.

    Raises:
        ValueError: the method, the instance or a parameter is none.
    """
    kinds = ("spot", "rebalance", "scheduled", "state")
    kind = query.get("kind", ["spot"])[0]
    if method != "POST" or "instance" not in query or kind not in kinds:
        raise ValueError(f"POST with instance=i-..., kind= one of {', '.join(kinds)}, notice=SECONDS for spot")
    identifier = query["instance"][0]
    notice = float(query.get("notice", [str(NOTICE)])[0])
    with world.lock:
        network = next(
            (
                backend
                for account in world.accounts
                for backend in list(ec2_backends[account].values())
                if backend.get_instance_by_id(identifier) is not None
            ),
            None,
        )
        if network is None:
            raise ValueError(f"there is no instance {identifier}")
        instance = network.get_instance_by_id(identifier)
        if instance.state != "running":
            raise ValueError(f"{identifier} is {instance.state}: only what runs is interrupted")
        if kind in ("spot", "rebalance") and instance.lifecycle != "spot":
            raise ValueError(f"{identifier} is no Spot instance")
        told = _interrupt(world, network, instance, kind, notice)
    return {"instance": identifier, "account": network.account_id, "region": network.region_name, "event": told}


def _interrupt(world: World, network: Any, instance: Any, kind: str, notice: float) -> str:
    identifier = instance.id
    if kind == "spot":
        text = "EC2 Spot Instance Interruption Warning"
        notify(world, network, instance, text, {"instance-action": "terminate"})
        world.later(notice, lambda: _reclaim(world, network, identifier))
    elif kind == "rebalance":
        text = "EC2 Instance Rebalance Recommendation"
        notify(world, network, instance, text, {})
    elif kind == "scheduled":
        text = "AWS Health Event"
        detail = {
            "eventArn": f"arn:aws:health:{network.region_name}::event/EC2/{hex_id('event')}",
            "service": "EC2",
            "eventTypeCode": "AWS_EC2_INSTANCE_RETIREMENT_SCHEDULED",
            "eventTypeCategory": "scheduledChange",
            "affectedEntities": [{"entityValue": identifier}],
        }
        account, region = network.account_id, network.region_name
        events.emit(world, events.event(account, region, "aws.health", text, [identifier], detail))
    else:
        text = "EC2 Instance State-change Notification"
        terminate(world, network, [identifier])
    return text


def _reclaim(world: World, network: Any, identifier: str) -> None:
    instance = network.get_instance_by_id(identifier)
    if instance is not None and instance.state in ("pending", "running"):
        terminate(world, network, [identifier])
