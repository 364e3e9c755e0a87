#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: resources
short_description: Manage a list of AWS resources of any kind
version_added: 0.1.0
description:
  - Declares a stack of resources that need no module of their own, such as a queue, a rule, a role or a key. The stack
    is named C(resources-<name>).
  - The plan (check mode) is complete also while nothing exists yet.
  - What the stack owns and the list no longer has is deleted, whatever its kind.
author:
  - Innovate platform maintainers (@innovate-inc)
extends_documentation_fragment:
  - innovate.platform.stack
  - innovate.platform.stack.wait
  - amazon.aws.common.modules
  - amazon.aws.region.modules
options:
  name:
    description: Name of the stack, unique among the lists of an account and Region.
    type: str
    required: true
    aliases: [stack]
  resources:
    description:
      - The resources, in any order.
      - C(${kind.name.attribute}) in a property refers to another resource of the list; C(${kind.name}) to its ID. What
        is referred to is created first, and deleted last.
      - A word with a colon, as in the IAM variable C(${aws:username}), is no reference. C($${) stands for C(${).
    type: list
    elements: dict
    required: true
    suboptions:
      kind:
        description: What it is, such as V(sqs_queue) or V(iam_role). See C(docs/kinds.md) for all of them.
        type: str
        required: true
      name:
        description: Name within the list and the kind. C(kind.name) is the address, by which AWS's tags find it again.
        type: str
        required: true
      properties:
        description:
          - Its properties by the API's own names in snake case. Only what is declared is compared with what AWS has.
          - Policies and other documents may be given as dictionaries or as JSON text.
          - C(tags) adds tags of its own to the stack's.
          - In IAM, C(path) is C(/innovate/resources-<name>/) where it isn't given.
        type: dict
        default: {}
      depends_on:
        description: Addresses of what must be there first although no property refers to it.
        type: list
        elements: str
        default: []
"""

EXAMPLES = r"""
- name: A queue with the EventBridge rule that fills it
  innovate.platform.resources:
    name: interruptions
    region: eu-central-1
    resources:
      - kind: sqs_queue
        name: interruptions
        properties:
          queue_name: karpenter-dev
          message_retention_period: 300
          policy:
            Version: "2012-10-17"
            Statement:
              - Effect: Allow
                Principal: {Service: events.amazonaws.com}
                Action: sqs:SendMessage
                Resource: "*"
      - kind: event_rule
        name: spot
        properties:
          name: karpenter-dev-spot
          event_pattern:
            source: [aws.ec2]
            detail-type: [EC2 Spot Instance Interruption Warning]
          targets:
            - {id: queue, arn: "${sqs_queue.interruptions.arn}"}

- name: A role that may read one bucket, encrypted by an own key
  innovate.platform.resources:
    name: reports
    region: eu-central-1
    resources:
      - kind: kms_key
        name: reports
        properties: {description: Encrypts the reports}
      - kind: kms_alias
        name: reports
        properties: {alias_name: alias/reports, target_key_id: "${kms_key.reports}"}
      - kind: s3_bucket
        name: reports
        properties:
          bucket: example-innovate-reports
          server_side_encryption_configuration:
            rules:
              - apply_server_side_encryption_by_default:
                  sse_algorithm: aws:kms
                  kms_master_key_id: "${kms_key.reports.arn}"
      - kind: iam_role
        name: reader
        properties:
          role_name: reports-reader
          assume_role_policy_document:
            Version: "2012-10-17"
            Statement:
              - Effect: Allow
                Principal: {Service: ec2.amazonaws.com}
                Action: sts:AssumeRole
          policies:
            read:
              Version: "2012-10-17"
              Statement:
                - Effect: Allow
                  Action: s3:GetObject
                  Resource: "${s3_bucket.reports.arn}/*"
                - Effect: Allow
                  Action: kms:Decrypt
                  Resource: "${kms_key.reports.arn}"

- name: Delete the queue and its rule
  innovate.platform.resources:
    name: interruptions
    region: eu-central-1
    resources: []
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
      address: sqs_queue.main
      kind: sqs_queue
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
resources:
  description: For each address its ID and the attributes that AWS assigned; null in a plan while they aren't known.
  returned: success
  type: dict
  sample:
    sqs_queue.main:
      id: https://sqs.eu-central-1.amazonaws.com/123456789012/main
      arn: arn:aws:sqs:eu-central-1:123456789012:main
      queue_url: https://sqs.eu-central-1.amazonaws.com/123456789012/main
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

from ansible_collections.innovate.platform.plugins.module_utils._resources.declaration import (
    declared_resources,
    kinds_of,
    outputs_of,
    owned_kinds,
    stack_of,
)
from ansible_collections.innovate.platform.plugins.module_utils._run.stack import (
    STACK_ARGUMENTS,
    WAIT_ARGUMENTS,
    Stack,
    run_stack,
)

RESOURCES = {
    "type": "list",
    "elements": "dict",
    "required": True,
    "options": {
        "kind": {"type": "str", "required": True},
        "name": {"type": "str", "required": True},
        "properties": {"type": "dict", "default": {}},
        "depends_on": {"type": "list", "elements": "str", "default": []},
    },
}


def main() -> None:
    """Run the module."""
    module = AnsibleAWSModule(
        argument_spec={
            "name": {"type": "str", "required": True, "aliases": ["stack"]},
            "resources": RESOURCES,
            **STACK_ARGUMENTS,
            **WAIT_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    name = module.params["name"]
    resources, problems = declared_resources(name, module.params["resources"])
    stack = Stack(stack_of(name), resources, problems, {"resources": outputs_of(resources)}, module.params["wait"])
    run_stack(module, stack, kinds_of(resources), discover=owned_kinds)


if __name__ == "__main__":
    main()
