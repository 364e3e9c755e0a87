#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: account_baseline
short_description: Manage what every AWS account has in every Region before anything is built in it
version_added: 0.1.0
description:
  - Declares an account's baseline as one stack named C(account-baseline), in all its Regions by one call.
  - Everywhere, empty default VPCs are removed, new EBS volumes are encrypted with a key of the account's own, snapshots
    and AMIs can't be shared with everybody, instances ask for IMDSv2, serial consoles are off, documents of Systems
    Manager aren't shared with everybody.
  - Once, S3 blocks public access in the whole account, and IAM asks for good passwords. An alias, IAM Access Analyzer,
    AWS Config, a budget and a deploy role with a permissions boundary come where they are asked for.
  - A default VPC that holds anything is refused, in the plan already.
  - With O(state=absent) settings stay as they are where AWS's own default is less safe, which are those of S3, EC2, IAM
    passwords and Systems Manager, and default VPCs aren't made again. New volumes are encrypted with AWS's key again,
    still by default. The account's own key is deleted only when it is listed in O(allow_destroy), because volumes may
    be encrypted with it. The alias, the analyzers, the recorders, the budget and the deploy role go.
author:
  - Innovate platform maintainers (@innovate-inc)
extends_documentation_fragment:
  - innovate.platform.stack
  - amazon.aws.common.modules
  - amazon.aws.region.modules
options:
  regions:
    description: Every Region that is enabled in the account.
    type: list
    elements: str
    required: true
  former_regions:
    description:
      - Regions that were among O(regions) once. What the stack has there is found and removed; a Region that is named
        neither here nor there isn't looked at.
    type: list
    elements: str
    default: []
  alias:
    description: The account's alias for signing in, unique among all accounts of AWS. Empty leaves it alone.
    type: str
    default: ''
  keep_default_vpcs:
    description: Regions whose default VPC stays.
    type: list
    elements: str
    default: []
  snapshot_sharing:
    description: Whether snapshots that are shared with everybody already stay so (V(block-new-sharing)).
    type: str
    choices: [block-all-sharing, block-new-sharing]
    default: block-all-sharing
  metadata_hop_limit:
    description: How many hops an answer of the instance metadata may go; containers without host network need V(2).
    type: int
    default: 2
  password_policy:
    description: What differs from the collection's defaults.
    type: dict
    default: {}
    suboptions:
      minimum_password_length:
        description: 6 to 128 characters.
        type: int
        default: 14
      max_password_age:
        description: Days until a password has to be changed; V(0) for never.
        type: int
        default: 90
      password_reuse_prevention:
        description: How many former passwords are refused.
        type: int
        default: 24
      hard_expiry:
        description: Whether an administrator has to replace a password that has expired.
        type: bool
        default: false
  host_management_role:
    description:
      - The role, with its path, by which Systems Manager manages instances that have none of their own
        (Default Host Management Configuration). It has to be there. Empty leaves the setting alone.
    type: str
    default: ''
  analyzer:
    description:
      - Name of the analyzer of IAM Access Analyzer in each Region, which looks for what others get at.
        Empty for none, where the organization has one.
    type: str
    default: account
  config:
    description: What AWS Config records. Without it, recorders are left to others.
    type: dict
    suboptions:
      bucket:
        description: Name of the bucket that it delivers to, which may be another account's.
        type: str
        required: true
      prefix:
        description: What keys begin with.
        type: str
        default: ''
      kms_key_arn:
        description: ARN of the key to encrypt with. Empty for what the bucket does by itself.
        type: str
        default: ''
      sns_topic_arn:
        description: ARN of a topic that is told of changes.
        type: str
        default: ''
      frequency:
        description: Whether each change is recorded, or what a day has come to.
        type: str
        choices: [CONTINUOUS, DAILY]
        default: CONTINUOUS
      delivery_frequency:
        description: How often snapshots of everything are delivered.
        type: str
        default: TwentyFour_Hours
      global_region:
        description: The Region that records what belongs to none, such as roles. Empty for the first of O(regions).
        type: str
        default: ''
  budget:
    description: The account's budget. Without it there is none.
    type: dict
    suboptions:
      name:
        description: Its name.
        type: str
        default: account
      amount:
        description: US dollars a month.
        type: float
        required: true
      notifications:
        description: Who is told when.
        type: list
        elements: dict
        default: []
        suboptions:
          percent:
            description: Above how many percent of the amount.
            type: float
            required: true
          forecasted:
            description: Of what the month is going to cost, rather than of what it has.
            type: bool
            default: false
          emails:
            description: Addresses; at most ten.
            type: list
            elements: str
            default: []
          sns_topic_arn:
            description: A topic, whose policy lets C(budgets.amazonaws.com) publish.
            type: str
            default: ''
  deploy_role:
    description:
      - The role that playbooks deploy with. Without it there is none.
      - Its permissions boundary denies, whatever its policies allow, users and access keys, leaving the organization,
        switching off CloudTrail, AWS Config, GuardDuty, Security Hub and analyzers, changing this baseline, itself,
        its policies and O(deploy_role.protected_roles), and attaching AWS's policies for administrators to roles.
    type: dict
    suboptions:
      name:
        description: Its name.
        type: str
        default: innovate-deploy
      policies:
        description: Policy documents, each of which becomes a managed policy of the role.
        type: list
        elements: dict
        default: []
      managed_policies:
        description: ARNs of further managed policies.
        type: list
        elements: str
        default: []
      principals:
        description: ARNs of who may assume it. Empty is whoever in the management account has leave to.
        type: list
        elements: str
        default: []
      protected_roles:
        description: Names of roles that it can't change, with V(*) at the end or without.
        type: list
        elements: str
        default: []
      session_seconds:
        description: How long a session lasts, 3600 to 43200.
        type: int
        default: 3600
seealso:
  - module: innovate.platform.organization
"""

EXAMPLES = r"""
- name: Give an account its baseline in three Regions
  innovate.platform.account_baseline:
    account_name: dev
    regions: [eu-central-1, eu-west-1, us-east-1]
    alias: example-dev
    budget:
      amount: 500
      notifications:
        - {percent: 80, emails: [ops@example.com]}
        - {percent: 100, forecasted: true, emails: [ops@example.com]}
    deploy_role:
      managed_policies: ["arn:aws:iam::aws:policy/PowerUserAccess"]
      protected_roles: [innovate-drift, OrganizationAccountAccessRole]
    region: eu-central-1

- name: Record everything, into the security account's bucket
  innovate.platform.account_baseline:
    account_name: prod
    regions: [eu-central-1, us-east-1]
    config:
      bucket: example-config-history
    region: eu-central-1
"""

RETURN = r"""
changes:
  description: What changed, or in check mode would change, one item for each resource.
  returned: always
  type: list
  elements: dict
  sample:
    - action: create
      address: ec2_default_vpc.eu-central-1
      kind: ec2_default_vpc
      id: null
      changed: []
      forced_by: []
      reason: ""
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
  description: Addresses of what an earlier run began and AWS isn't done with; nothing is to be changed there.
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
ebs_kms_key_arns:
  description: ARNs of the keys that new volumes are encrypted with, by Region; null while they don't exist.
  returned: success
  type: dict
  sample: {eu-central-1: "arn:aws:kms:eu-central-1:111111111111:key/11111111-2222-3333-4444-555555555555"}
deploy_role_arn:
  description: ARN of the deploy role; null while there is none.
  returned: success
  type: str
  sample: arn:aws:iam::111111111111:role/innovate-deploy
"""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

from ansible_collections.innovate.platform.plugins.module_utils._account_baseline.baseline import (
    STACK,
    Baseline,
    Deployer,
    Notice,
    Recording,
    Spending,
    account_baseline_resources,
)
from ansible_collections.innovate.platform.plugins.module_utils._engine.kind import Kind
from ansible_collections.innovate.platform.plugins.module_utils._kinds._regional import regional
from ansible_collections.innovate.platform.plugins.module_utils._kinds.access_analyzer import AccessAnalyzer
from ansible_collections.innovate.platform.plugins.module_utils._kinds.budget import Budget
from ansible_collections.innovate.platform.plugins.module_utils._kinds.config_delivery_channel import (
    ConfigDeliveryChannel,
)
from ansible_collections.innovate.platform.plugins.module_utils._kinds.config_recorder import ConfigRecorder
from ansible_collections.innovate.platform.plugins.module_utils._kinds.ebs_default_encryption import (
    EbsDefaultEncryption,
)
from ansible_collections.innovate.platform.plugins.module_utils._kinds.ec2_account_settings import Ec2AccountSettings
from ansible_collections.innovate.platform.plugins.module_utils._kinds.ec2_default_vpc import Ec2DefaultVpc
from ansible_collections.innovate.platform.plugins.module_utils._kinds.iam_account_alias import IamAccountAlias
from ansible_collections.innovate.platform.plugins.module_utils._kinds.iam_password_policy import IamPasswordPolicy
from ansible_collections.innovate.platform.plugins.module_utils._kinds.iam_policy import IamPolicy
from ansible_collections.innovate.platform.plugins.module_utils._kinds.iam_role import IamRole
from ansible_collections.innovate.platform.plugins.module_utils._kinds.iam_service_linked_role import (
    IamServiceLinkedRole,
)
from ansible_collections.innovate.platform.plugins.module_utils._kinds.kms_alias import KmsAlias
from ansible_collections.innovate.platform.plugins.module_utils._kinds.kms_key import KmsKey
from ansible_collections.innovate.platform.plugins.module_utils._kinds.organization_lookup import OrganizationLookup
from ansible_collections.innovate.platform.plugins.module_utils._kinds.s3_account_public_access_block import (
    S3AccountPublicAccessBlock,
)
from ansible_collections.innovate.platform.plugins.module_utils._kinds.ssm_service_setting import SsmServiceSetting
from ansible_collections.innovate.platform.plugins.module_utils._run.stack import STACK_ARGUMENTS, Stack, run_stack

EVERYWHERE = (
    KmsKey,
    KmsAlias,
    EbsDefaultEncryption,
    Ec2DefaultVpc,
    Ec2AccountSettings,
    SsmServiceSetting,
    AccessAnalyzer,
    ConfigRecorder,
    ConfigDeliveryChannel,
)
ONCE = (
    OrganizationLookup,
    S3AccountPublicAccessBlock,
    IamPasswordPolicy,
    IamAccountAlias,
    IamServiceLinkedRole,
    Budget,
    IamPolicy,
    IamRole,
)
PASSWORDS: dict[str, Any] = {
    "minimum_password_length": {"type": "int", "default": 14, "no_log": False},
    "max_password_age": {"type": "int", "default": 90, "no_log": False},
    "password_reuse_prevention": {"type": "int", "default": 24, "no_log": False},
    "hard_expiry": {"type": "bool", "default": False},
}
CONFIG: dict[str, Any] = {
    "bucket": {"type": "str", "required": True},
    "prefix": {"type": "str", "default": ""},
    "kms_key_arn": {"type": "str", "default": "", "no_log": False},
    "sns_topic_arn": {"type": "str", "default": ""},
    "frequency": {"type": "str", "choices": ["CONTINUOUS", "DAILY"], "default": "CONTINUOUS"},
    "delivery_frequency": {"type": "str", "default": "TwentyFour_Hours"},
    "global_region": {"type": "str", "default": ""},
}
NOTIFICATIONS: dict[str, Any] = {
    "percent": {"type": "float", "required": True},
    "forecasted": {"type": "bool", "default": False},
    "emails": {"type": "list", "elements": "str", "default": []},
    "sns_topic_arn": {"type": "str", "default": ""},
}
BUDGET: dict[str, Any] = {
    "name": {"type": "str", "default": "account"},
    "amount": {"type": "float", "required": True},
    "notifications": {"type": "list", "elements": "dict", "default": [], "options": NOTIFICATIONS},
}
DEPLOY_ROLE: dict[str, Any] = {
    "name": {"type": "str", "default": "innovate-deploy"},
    "policies": {"type": "list", "elements": "dict", "default": []},
    "managed_policies": {"type": "list", "elements": "str", "default": []},
    "principals": {"type": "list", "elements": "str", "default": []},
    "protected_roles": {"type": "list", "elements": "str", "default": []},
    "session_seconds": {"type": "int", "default": 3600},
}
ARGUMENTS: dict[str, Any] = {
    "regions": {"type": "list", "elements": "str", "required": True},
    "former_regions": {"type": "list", "elements": "str", "default": []},
    "alias": {"type": "str", "default": ""},
    "keep_default_vpcs": {"type": "list", "elements": "str", "default": []},
    "snapshot_sharing": {
        "type": "str",
        "choices": ["block-all-sharing", "block-new-sharing"],
        "default": "block-all-sharing",
    },
    "metadata_hop_limit": {"type": "int", "default": 2},
    "password_policy": {"type": "dict", "default": {}, "options": PASSWORDS, "no_log": False},
    "host_management_role": {"type": "str", "default": ""},
    "analyzer": {"type": "str", "default": "account"},
    "config": {"type": "dict", "options": CONFIG},
    "budget": {"type": "dict", "options": BUDGET},
    "deploy_role": {"type": "dict", "options": DEPLOY_ROLE},
}


def main() -> None:
    """Run the module."""
    module = AnsibleAWSModule(argument_spec={**ARGUMENTS, **STACK_ARGUMENTS}, supports_check_mode=True)
    params = module.params
    config, budget, deployer = params["config"], params["budget"], params["deploy_role"]
    notices = [Notice(**item) for item in budget["notifications"]] if budget else []
    baseline = Baseline(
        regions=params["regions"],
        alias=params["alias"],
        keep_default_vpcs=params["keep_default_vpcs"],
        snapshot_sharing=params["snapshot_sharing"],
        metadata_hop_limit=params["metadata_hop_limit"],
        password_policy=params["password_policy"],
        host_management_role=params["host_management_role"],
        analyzer=params["analyzer"],
        recording=Recording(**config) if config else None,
        spending=Spending(budget["amount"], notices, budget["name"]) if budget else None,
        deployer=Deployer(**deployer) if deployer else None,
    )
    resources, problems, outputs = account_baseline_resources(baseline)
    looked_at = [*params["regions"], *params["former_regions"]]
    kinds: list[type[Kind]] = [*ONCE, *(regional(kind, also=looked_at) for kind in EVERYWHERE)]
    run_stack(module, Stack(STACK, resources, problems, outputs), kinds)


if __name__ == "__main__":
    main()
