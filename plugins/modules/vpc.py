#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: vpc
short_description: Manage a whole VPC, from its subnets to its flow logs
version_added: 0.1.0
description:
  - Declares a VPC with tiers of subnets over its zones, an internet gateway, NAT gateways, route tables, a network ACL
    for each tier, gateway and interface endpoints, and flow logs, as one stack named C(vpc-<name>).
  - The plan (check mode) is complete also while nothing exists yet.
  - The VPC's default security group is emptied, since what is put into no group lands in it.
author:
  - Innovate platform maintainers (@innovate-inc)
extends_documentation_fragment:
  - innovate.platform.stack
  - innovate.platform.stack.wait
  - amazon.aws.common.modules
  - amazon.aws.region.modules
options:
  name:
    description: Name of the network, usually the environment's. Other modules find the VPC by it.
    type: str
    required: true
  cidr:
    description: Primary IPv4 range of the VPC, such as V(10.10.0.0/16).
    type: str
    required: true
  availability_zones:
    description: Zones by name, such as V(eu-central-1a). Each tier has one subnet in each.
    type: list
    elements: str
    required: true
  tiers:
    description:
      - Tiers of subnets, in the order in which the VPC's range is divided among them.
      - Each tier keeps room for four zones, so that one more zone moves no subnet.
    type: list
    elements: dict
    default:
      - {name: private, access: private, newbits: 3}
      - {name: public, access: public, newbits: 6}
      - {name: isolated, access: isolated, newbits: 6}
    suboptions:
      name:
        description: Name of the tier; the subnets are tagged C(innovate:tier) with it.
        type: str
        required: true
      access:
        description:
          - V(public) has the internet gateway, V(private) gets out through NAT, V(isolated) has no way out.
        type: str
        choices: [public, private, isolated]
        required: true
      newbits:
        description: By how many bits a subnet's prefix is longer than the VPC's. Required without O(tiers[].cidrs).
        type: int
        default: 0
      cidrs:
        description: Ranges of the subnets, one for each zone, instead of O(tiers[].newbits).
        type: list
        elements: str
        default: []
  nat_gateways:
    description:
      - How private subnets get out. V(single) costs least; V(per_zone) survives the loss of a zone and pays no traffic
        between zones; V(none) leaves them without a way out.
    type: str
    choices: [none, single, per_zone]
    default: single
  gateway_endpoints:
    description: Services with a gateway endpoint (free of charge) in the public and private tiers.
    type: list
    elements: str
    choices: [s3, dynamodb]
    default: [s3, dynamodb]
  interface_endpoints:
    description: Services with an interface endpoint in the first private tier, such as V(ecr.api) or V(sts).
    type: list
    elements: str
    default: []
  flow_logs:
    description: Flow logs of the VPC to CloudWatch Logs.
    type: dict
    default: {}
    suboptions:
      enabled:
        description: Whether there are flow logs.
        type: bool
        default: true
      traffic_type:
        description: Which traffic is logged.
        type: str
        choices: [ALL, ACCEPT, REJECT]
        default: ALL
      retention_in_days:
        description: Days after which the log is deleted; one of the values that CloudWatch Logs allows.
        type: int
        default: 90
      max_aggregation_interval:
        description: Seconds over which packets are summed up.
        type: int
        choices: [60, 600]
        default: 600
      kms_key_id:
        description: ARN of a KMS key for the log group; without it CloudWatch Logs encrypts with a key of its own.
        type: str
  clusters:
    description:
      - Names of the EKS clusters that will live here. Subnets get the tags that EKS, the AWS Load Balancer Controller
        and Karpenter look for.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: The network of dev
  innovate.platform.vpc:
    name: dev
    account_name: dev
    region: eu-central-1
    cidr: 10.10.0.0/16
    availability_zones: [eu-central-1a, eu-central-1b, eu-central-1c]
    clusters: [dev]

- name: The network of prod, a NAT gateway in each zone and private ways to ECR
  innovate.platform.vpc:
    name: prod
    account_name: prod
    region: eu-central-1
    cidr: 10.30.0.0/16
    availability_zones: [eu-central-1a, eu-central-1b, eu-central-1c]
    nat_gateways: per_zone
    interface_endpoints: [ecr.api, ecr.dkr, sts]
    flow_logs:
      retention_in_days: 365
    clusters: [prod]

- name: Take the network of dev down
  innovate.platform.vpc:
    name: dev
    account_name: dev
    region: eu-central-1
    cidr: 10.10.0.0/16
    availability_zones: [eu-central-1a, eu-central-1b, eu-central-1c]
    state: absent
"""

RETURN = r"""
changes:
  description: What changed, or in check mode would change, one item for each resource.
  returned: always
  type: list
  elements: dict
  sample:
    - action: create
      address: subnet.private-a
      kind: subnet
      id: null
      changed: []
      forced_by: []
      reason: ""
      before: null
      after: {}
stack:
  description: Name of the stack.
  returned: success
  type: str
  sample: vpc-dev
account:
  description: Where the stack is. The ID is null while the account isn't there.
  returned: success
  type: dict
  sample: {name: dev, id: "111111111111", region: eu-central-1, organization: o-a1b2c3d4e5}
applied:
  description: Whether what is in RV(changes) was carried out; false in check mode.
  returned: success
  type: bool
awaits:
  description:
    - Addresses of what an earlier run began and AWS isn't done with; nothing is to be changed there.
    - After a run with O(wait=false), of what was only begun and of what was left for another run.
  returned: success
  type: list
  elements: str
billable:
  description: What decides the price of each resource that has one, as it is and as it will be, also where it stays.
  returned: success
  type: list
  elements: dict
  sample: [{address: nat_gateway.main, kind: nat_gateway, before: null, after: {}}]
preflight:
  description:
    - What M(innovate.platform.plan_gate) holds against the plans of other stacks and accounts, as lists of dictionaries
      (C(needs) of quotas, C(quotas) as they are and are used, C(ceilings) of NodePools, C(facts) such as ranges of
      addresses) and C(notes).
  returned: in check mode, where O(planning) isn't V(final)
  type: dict
problems:
  description: Every mistake or refusal, a sentence each.
  returned: on failure
  type: list
  elements: str
vpc_id:
  description: ID of the VPC; null in a plan while it isn't there.
  returned: success
  type: str
  sample: vpc-0a1b2c3d4e5f67890
cidr_block:
  description: IPv4 range of the VPC.
  returned: success
  type: str
  sample: 10.10.0.0/16
subnets:
  description: For each tier, its subnets in the order of the zones.
  returned: success
  type: dict
  sample:
    private:
      - {id: subnet-0a1b2c3d4e5f67890, availability_zone: eu-central-1a, cidr_block: 10.10.0.0/19}
nat_public_ips:
  description: Public addresses of the NAT gateways, for allow lists of others.
  returned: success
  type: list
  elements: str
  sample: [203.0.113.10]
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

from ansible_collections.innovate.platform.plugins.module_utils._kinds.default_security_group import (
    DefaultSecurityGroup,
)
from ansible_collections.innovate.platform.plugins.module_utils._kinds.elastic_ip import ElasticIp
from ansible_collections.innovate.platform.plugins.module_utils._kinds.flow_log import FlowLog
from ansible_collections.innovate.platform.plugins.module_utils._kinds.iam_role import IamRole
from ansible_collections.innovate.platform.plugins.module_utils._kinds.internet_gateway import InternetGateway
from ansible_collections.innovate.platform.plugins.module_utils._kinds.log_group import LogGroup
from ansible_collections.innovate.platform.plugins.module_utils._kinds.nat_gateway import NatGateway
from ansible_collections.innovate.platform.plugins.module_utils._kinds.network_acl import NetworkAcl
from ansible_collections.innovate.platform.plugins.module_utils._kinds.route_table import RouteTable
from ansible_collections.innovate.platform.plugins.module_utils._kinds.security_group import SecurityGroup
from ansible_collections.innovate.platform.plugins.module_utils._kinds.subnet import Subnet
from ansible_collections.innovate.platform.plugins.module_utils._kinds.vpc import Vpc
from ansible_collections.innovate.platform.plugins.module_utils._kinds.vpc_endpoint import VpcEndpoint
from ansible_collections.innovate.platform.plugins.module_utils._run.stack import (
    STACK_ARGUMENTS,
    WAIT_ARGUMENTS,
    Stack,
    run_stack,
)
from ansible_collections.innovate.platform.plugins.module_utils._vpc.addresses import Tier
from ansible_collections.innovate.platform.plugins.module_utils._vpc.network import Network, network_resources

KINDS = (
    Vpc,
    DefaultSecurityGroup,
    Subnet,
    InternetGateway,
    ElasticIp,
    NatGateway,
    RouteTable,
    NetworkAcl,
    SecurityGroup,
    VpcEndpoint,
    FlowLog,
    LogGroup,
    IamRole,
)
TIERS = {
    "type": "list",
    "elements": "dict",
    "default": [
        {"name": "private", "access": "private", "newbits": 3},
        {"name": "public", "access": "public", "newbits": 6},
        {"name": "isolated", "access": "isolated", "newbits": 6},
    ],
    "options": {
        "name": {"type": "str", "required": True},
        "access": {"type": "str", "choices": ["public", "private", "isolated"], "required": True},
        "newbits": {"type": "int", "default": 0},
        "cidrs": {"type": "list", "elements": "str", "default": []},
    },
}
FLOW_LOGS = {
    "type": "dict",
    "default": {},
    "options": {
        "enabled": {"type": "bool", "default": True},
        "traffic_type": {"type": "str", "choices": ["ALL", "ACCEPT", "REJECT"], "default": "ALL"},
        "retention_in_days": {"type": "int", "default": 90},
        "max_aggregation_interval": {"type": "int", "choices": [60, 600], "default": 600},
        "kms_key_id": {"type": "str"},
    },
}


def main() -> None:
    """Run the module."""
    module = AnsibleAWSModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "cidr": {"type": "str", "required": True},
            "availability_zones": {"type": "list", "elements": "str", "required": True},
            "tiers": TIERS,
            "nat_gateways": {"type": "str", "choices": ["none", "single", "per_zone"], "default": "single"},
            "gateway_endpoints": {
                "type": "list",
                "elements": "str",
                "choices": ["s3", "dynamodb"],
                "default": ["s3", "dynamodb"],
            },
            "interface_endpoints": {"type": "list", "elements": "str", "default": []},
            "flow_logs": FLOW_LOGS,
            "clusters": {"type": "list", "elements": "str", "default": []},
            **STACK_ARGUMENTS,
            **WAIT_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    params = module.params
    network = Network(
        name=params["name"],
        cidr=params["cidr"],
        region=module.region or "",
        zones=params["availability_zones"],
        tiers=[Tier(item["name"], item["access"], item["newbits"], tuple(item["cidrs"])) for item in params["tiers"]],
        nat=params["nat_gateways"],
        gateway_endpoints=params["gateway_endpoints"],
        interface_endpoints=params["interface_endpoints"],
        flow_logs=params["flow_logs"],
        clusters=params["clusters"],
    )
    resources, problems, outputs = network_resources(network)
    run_stack(module, Stack(network.stack, resources, problems, outputs, module.params["wait"]), KINDS)


if __name__ == "__main__":
    main()
