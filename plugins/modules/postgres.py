#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: postgres
short_description: Manage a PostgreSQL database on RDS with all that belongs to it
version_added: 0.1.0
description:
  - Declares an RDS instance with its KMS key, subnet group, parameter group, security group, log groups and monitoring
    role, as one stack named C(postgres-<name>).
  - The storage, the backups, the master user's secret and Performance Insights are encrypted with the stack's own key.
    The server accepts TLS connections only, and nobody who isn't named in O(allowed_clusters),
    O(allowed_security_groups) or O(allowed_cidrs).
  - The master user's password is made and kept by Secrets Manager. It is in no declaration, result or log.
  - The plan (check mode) is complete also while neither network nor cluster exist yet.
author:
  - Innovate platform maintainers (@innovate-inc)
extends_documentation_fragment:
  - innovate.platform.stack
  - innovate.platform.stack.wait
  - amazon.aws.common.modules
  - amazon.aws.region.modules
notes:
  - With O(state=absent) the instance is deleted only when O(allow_destroy) has V(db_instance.main), and leaves a final
    snapshot C(<name>-final-<resource id>). The key stays, since the snapshot needs it; with V(kms_key.main) in
    O(allow_destroy) it is scheduled for deletion, after which no snapshot can be read any more.
  - A parameter that takes effect only with a restart (C(shared_preload_libraries), say) waits for the next one. The
    module restarts nothing by itself.
options:
  name:
    description: Name of the database instance, usually the environment's.
    type: str
    required: true
  vpc:
    description: Name of the network it stands in, as the module M(innovate.platform.vpc) was given it.
    type: str
    required: true
  tier:
    description: Tier of the subnets it may stand in.
    type: str
    default: isolated
  engine_version:
    description:
      - A major version such as V(17), where RDS chooses the minor one, or a whole one such as V(17.6), which needs
        O(auto_minor_version_upgrade=false).
    type: str
    default: "17"
  allow_major_version_upgrade:
    description: Consent to an upgrade to another major version, during which the database is down.
    type: bool
    default: false
  instance_class:
    description: Class of the instance.
    type: str
    default: db.t4g.micro
  storage:
    description: Size and kind of the storage.
    type: dict
    default: {}
    suboptions:
      allocated:
        description: GiB. Can grow, never shrink.
        type: int
        default: 20
      max_allocated:
        description: GiB up to which RDS lets the storage grow by itself, at least 10 % more than O(storage.allocated).
        type: int
      type:
        description: Type of the storage.
        type: str
        choices: [gp2, gp3, io1, io2]
        default: gp3
      iops:
        description: I/O operations per second; with V(gp3) from 400 GiB on.
        type: int
      throughput:
        description: MiB/s; with V(gp3) from 400 GiB on.
        type: int
  database:
    description: Name of the first database.
    type: str
    default: app
  master_username:
    description: Name of the master user.
    type: str
    default: postgres
  port:
    description: Port that it listens on.
    type: int
    default: 5432
  multi_az:
    description: Whether a standby in another zone takes over when the first fails. Doubles the price of the instance.
    type: bool
    default: false
  allowed_clusters:
    description:
      - Names of the EKS clusters whose workloads may connect (by the cluster's security group).
      - They must exist when this is applied. With O(wait=false) the rule for one that doesn't is left for another run,
        so that database and cluster can be made at the same time.
    type: list
    elements: str
    default: []
  allowed_security_groups:
    description: IDs of security groups that may connect.
    type: list
    elements: str
    default: []
  allowed_cidrs:
    description: Private IPv4 ranges inside the VPC that may connect.
    type: list
    elements: str
    default: []
  parameters:
    description: Settings of the server beyond, or in place of, those that the module makes. C(rds.force_ssl) stays on.
    type: dict
    default: {}
  log_statements_slower_than:
    description: Milliseconds from which a statement is logged (C(log_min_duration_statement)); V(-1) logs none.
    type: int
    default: 1000
  backup_retention_days:
    description: Days for which the database can be restored to any second, 1 to 35.
    type: int
    default: 30
  backup_window:
    description: When the daily snapshot is taken, UTC.
    type: str
    default: 01:00-02:00
  maintenance_window:
    description: When changes that interrupt are made, UTC.
    type: str
    default: sun:02:30-sun:03:30
  deletion_protection:
    description: Whether AWS refuses to delete it. The module lifts it only for what O(allow_destroy) names.
    type: bool
    default: true
  auto_minor_version_upgrade:
    description: Whether RDS installs minor versions in the maintenance window.
    type: bool
    default: true
  ca_certificate_identifier:
    description: The authority that signs the server's certificate.
    type: str
    default: rds-ca-rsa2048-g1
  performance_insights_days:
    description: Days for which Performance Insights keeps its records, V(7) being free of charge; V(0) turns it off.
    type: int
    default: 7
  monitoring_interval:
    description: Seconds between the operating system's figures (enhanced monitoring); V(0) turns it off.
    type: int
    choices: [0, 1, 5, 10, 15, 30, 60]
    default: 60
  log_retention_days:
    description: Days for which the exported logs are kept; one of the values that CloudWatch Logs allows.
    type: int
    default: 90
  apply_immediately:
    description:
      - Whether changes that interrupt (class, version, storage type) are made now. Otherwise they wait for
        O(maintenance_window), and count as made from the moment RDS has accepted them.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: The database of dev, for the workloads of cluster dev
  innovate.platform.postgres:
    name: dev
    account_name: dev
    region: eu-central-1
    vpc: dev
    allowed_clusters: [dev]

- name: The database of prod, with a standby in another zone and room to grow
  innovate.platform.postgres:
    name: prod
    account_name: prod
    region: eu-central-1
    vpc: prod
    instance_class: db.m7g.large
    multi_az: true
    storage:
      allocated: 100
      max_allocated: 500
    parameters:
      log_min_duration_statement: 250
    allowed_clusters: [prod]

- name: Take the database of dev down; a final snapshot and the key to read it stay
  innovate.platform.postgres:
    name: dev
    account_name: dev
    region: eu-central-1
    vpc: dev
    state: absent
    allow_destroy: [db_instance.main]
"""

RETURN = r"""
changes:
  description: What changed, or in check mode would change, one item for each resource.
  returned: always
  type: list
  elements: dict
  sample:
    - action: create
      address: db_instance.main
      kind: db_instance
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
arn:
  description: ARN of the instance; null in a plan while it isn't there.
  returned: success
  type: str
  sample: arn:aws:rds:eu-central-1:123456789012:db:dev
endpoint:
  description: Where it listens.
  returned: success
  type: dict
  contains:
    address:
      description: Host name.
      type: str
    port:
      description: Port.
      type: int
  sample: {address: dev.c1a2b3c4d5e6.eu-central-1.rds.amazonaws.com, port: 5432}
database:
  description: Name of the first database.
  returned: success
  type: str
  sample: app
master_username:
  description: Name of the master user.
  returned: success
  type: str
  sample: postgres
master_user_secret_arn:
  description: ARN of the secret with the master user's C(username) and C(password).
  returned: success
  type: str
  sample: arn:aws:secretsmanager:eu-central-1:123456789012:secret:rds!db-0a1b2c3d-AbCdEf
dbi_resource_id:
  description: The instance's id that never comes again, which IAM policies for database users name.
  returned: success
  type: str
  sample: db-ABCDEFGHIJKLMNOPQRSTUVWXYZ
security_group_id:
  description: ID of the database's security group.
  returned: success
  type: str
  sample: sg-0a1b2c3d4e5f67890
kms_key_arn:
  description: ARN of the key of storage, backups and secret.
  returned: success
  type: str
  sample: arn:aws:kms:eu-central-1:123456789012:key/0a1b2c3d-4e5f-6789-0a1b-2c3d4e5f6789
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

from ansible_collections.innovate.platform.plugins.module_utils._kinds.db_instance import DbInstance
from ansible_collections.innovate.platform.plugins.module_utils._kinds.db_parameter_group import DbParameterGroup
from ansible_collections.innovate.platform.plugins.module_utils._kinds.db_subnet_group import DbSubnetGroup
from ansible_collections.innovate.platform.plugins.module_utils._kinds.eks_cluster_lookup import EksClusterLookup
from ansible_collections.innovate.platform.plugins.module_utils._kinds.iam_role import IamRole
from ansible_collections.innovate.platform.plugins.module_utils._kinds.kms_alias import KmsAlias
from ansible_collections.innovate.platform.plugins.module_utils._kinds.kms_key import KmsKey
from ansible_collections.innovate.platform.plugins.module_utils._kinds.log_group import LogGroup
from ansible_collections.innovate.platform.plugins.module_utils._kinds.security_group import SecurityGroup
from ansible_collections.innovate.platform.plugins.module_utils._kinds.subnets_lookup import SubnetsLookup
from ansible_collections.innovate.platform.plugins.module_utils._kinds.vpc_lookup import VpcLookup
from ansible_collections.innovate.platform.plugins.module_utils._postgres.database import Database, database_resources
from ansible_collections.innovate.platform.plugins.module_utils._run.stack import (
    STACK_ARGUMENTS,
    WAIT_ARGUMENTS,
    Stack,
    run_stack,
)

KINDS = (
    VpcLookup,
    SubnetsLookup,
    EksClusterLookup,
    KmsKey,
    KmsAlias,
    DbSubnetGroup,
    DbParameterGroup,
    SecurityGroup,
    LogGroup,
    IamRole,
    DbInstance,
)
STORAGE = {
    "type": "dict",
    "default": {},
    "options": {
        "allocated": {"type": "int", "default": 20},
        "max_allocated": {"type": "int"},
        "type": {"type": "str", "choices": ["gp2", "gp3", "io1", "io2"], "default": "gp3"},
        "iops": {"type": "int"},
        "throughput": {"type": "int"},
    },
}
ARGUMENTS = {
    "name": {"type": "str", "required": True},
    "vpc": {"type": "str", "required": True},
    "tier": {"type": "str", "default": "isolated"},
    "engine_version": {"type": "str", "default": "17"},
    "allow_major_version_upgrade": {"type": "bool", "default": False},
    "instance_class": {"type": "str", "default": "db.t4g.micro"},
    "storage": STORAGE,
    "database": {"type": "str", "default": "app"},
    "master_username": {"type": "str", "default": "postgres"},
    "port": {"type": "int", "default": 5432},
    "multi_az": {"type": "bool", "default": False},
    "allowed_clusters": {"type": "list", "elements": "str", "default": []},
    "allowed_security_groups": {"type": "list", "elements": "str", "default": []},
    "allowed_cidrs": {"type": "list", "elements": "str", "default": []},
    "parameters": {"type": "dict", "default": {}},
    "log_statements_slower_than": {"type": "int", "default": 1000},
    "backup_retention_days": {"type": "int", "default": 30},
    "backup_window": {"type": "str", "default": "01:00-02:00"},
    "maintenance_window": {"type": "str", "default": "sun:02:30-sun:03:30"},
    "deletion_protection": {"type": "bool", "default": True},
    "auto_minor_version_upgrade": {"type": "bool", "default": True},
    "ca_certificate_identifier": {"type": "str", "default": "rds-ca-rsa2048-g1"},
    "performance_insights_days": {"type": "int", "default": 7},
    "monitoring_interval": {"type": "int", "choices": [0, 1, 5, 10, 15, 30, 60], "default": 60},
    "log_retention_days": {"type": "int", "default": 90},
    "apply_immediately": {"type": "bool", "default": False},
}


def main() -> None:
    """Run the module."""
    module = AnsibleAWSModule(
        argument_spec={**ARGUMENTS, **STACK_ARGUMENTS, **WAIT_ARGUMENTS}, supports_check_mode=True
    )
    params = {name: module.params[name] for name in ARGUMENTS if not name.startswith("allowed_")}
    database = Database(
        **params,
        region=module.region or "",
        clusters=module.params["allowed_clusters"],
        security_groups=module.params["allowed_security_groups"],
        cidrs=module.params["allowed_cidrs"],
    )
    resources, problems, outputs = database_resources(database)
    run_stack(module, Stack(database.stack, resources, problems, outputs, module.params["wait"]), KINDS)


if __name__ == "__main__":
    main()
