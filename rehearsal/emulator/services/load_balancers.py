# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Elastic Load Balancing: what moto has, with the network interfaces that a load balancer has in its subnets.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html
"""

from __future__ import annotations

from typing import Any

from moto.elbv2.models import elbv2_backends

from rehearsal.emulator.registry import Call, operation
from rehearsal.emulator.services import ec2 as network_service
from rehearsal.emulator.services.common import ec2


@operation("elbv2", "CreateLoadBalancer")
def create_load_balancer(call: Call) -> dict[str, Any]:
    """One interface in each subnet, which the load balancer's own path describes."""
    answer = call.forward()
    network = ec2(call)
    for balancer in answer["LoadBalancers"]:
        path = _path(balancer["LoadBalancerArn"])
        for zone in balancer["AvailabilityZones"]:
            subnet = network.get_subnet(zone["SubnetId"])
            made = network_service.managed_interface(network, subnet, balancer.get("SecurityGroups", []), f"ELB {path}")
            made.requester_id = "amazon-elb"
    return answer


@operation("elbv2", "DeleteLoadBalancer")
def delete_load_balancer(call: Call) -> dict[str, Any]:
    """Its interfaces stay for some time, its tags don't."""
    answer = call.forward()
    _forget_tags(call, call["LoadBalancerArn"])
    words = f"ELB {_path(call['LoadBalancerArn'])}"
    network_service.release(call, [item.id for item in ec2(call).enis.values() if item.description == words])
    return answer


@operation("elbv2", "DeleteTargetGroup")
def delete_target_group(call: Call) -> dict[str, Any]:
    """Moto's, without its tags."""
    answer = call.forward()
    _forget_tags(call, call["TargetGroupArn"])
    return answer


def _forget_tags(call: Call, arn: str) -> None:
    elbv2_backends[call.account][call.region].tagging_service.delete_all_tags_for_resource(arn)


def _path(arn: str) -> str:
    """``app/NAME/ID`` of a load balancer's ARN."""
    return arn.partition(":loadbalancer/")[2]
