# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL on RDS."""

from __future__ import annotations

from ansible_collections.innovate.platform.plugins.module_utils._engine.resource import Ref, Resource
from tests.contract.cases.eks import base
from tests.contract.contract import Case

VPC = Resource("vpc", "main", {"cidr_block": "10.99.0.0/16"})


def subnet(number: int, zone: str) -> Resource:
    """Return a subnet in a zone, named after it."""
    where = {"cidr_block": f"10.99.{number}.0/24", "availability_zone": f"eu-central-1{zone}"}
    return Resource("subnet", zone, {"vpc_id": Ref("vpc.main"), **where})


def subnet_group(name: str) -> Resource:
    """Return a subnet group over two zones."""
    return Resource(
        "db_subnet_group",
        name,
        {
            "db_subnet_group_name": f"contract-{name}",
            "db_subnet_group_description": "where databases stand",
            "subnet_ids": [Ref("subnet.a"), Ref("subnet.b")],
        },
    )


def parameter_group(name: str) -> Resource:
    """Return a parameter group for PostgreSQL 17."""
    return Resource(
        "db_parameter_group",
        name,
        {
            "db_parameter_group_name": f"contract-{name}",
            "db_parameter_group_family": "postgres17",
            "description": name,
            "parameters": {"rds.force_ssl": "1"},
        },
    )


def monitoring(name: str) -> Resource:
    """Return a role that RDS may send enhanced monitoring with."""
    trust = {"Effect": "Allow", "Principal": {"Service": "monitoring.rds.amazonaws.com"}, "Action": "sts:AssumeRole"}
    return Resource(
        "iam_role",
        name,
        {
            "role_name": f"contract-rds-{name}",
            "path": "/innovate/contract-db-instance/",
            "assume_role_policy_document": {"Version": "2012-10-17", "Statement": [trust]},
            "managed_policy_arns": ["arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"],
        },
    )


def security_group(name: str) -> Resource:
    """Return a security group."""
    return Resource("security_group", name, {"vpc_id": Ref("vpc.main"), "group_name": name, "description": name})


NETWORK = (VPC, subnet(1, "a"), subnet(2, "b"), subnet(3, "c"))
KEYS = tuple(Resource("kms_key", name, {"description": f"contract {name}"}) for name in ("one", "two"))
PAIRS = tuple(make(name) for make in (parameter_group, security_group, monitoring) for name in ("one", "two"))
SMALL = {
    "engine": "postgres",
    "engine_version": "17",
    "db_instance_class": "db.t4g.micro",
    "master_username": "postgres",
    "allocated_storage": 20,
    "apply_immediately": True,
}
AT_ONCE = "wanted at once or not, it is the same thing once it is made"

CASES = [
    Case(
        "db_subnet_group",
        dict(subnet_group("subject").properties),
        needs=NETWORK,
        mutable={
            "db_subnet_group_description": "where other databases stand",
            "subnet_ids": [Ref("subnet.b"), Ref("subnet.c")],
        },
        immutable={"db_subnet_group_name": "contract-other"},
    ),
    Case(
        "db_parameter_group",
        {
            "db_parameter_group_name": "contract-subject",
            "db_parameter_group_family": "postgres17",
            "description": "a group",
            "parameters": {
                "rds.force_ssl": "1",
                "shared_preload_libraries": "pg_stat_statements",
                "log_statement": "ddl",
            },
        },
        mutable={
            # One that takes effect at once, one that waits for a restart.
            "parameters": {"log_statement": "all", "shared_preload_libraries": "pg_stat_statements,pgaudit"},
        },
        immutable={
            "db_parameter_group_name": "contract-other",
            "db_parameter_group_family": "postgres16",
            "description": "another group",
        },
    ),
    Case(
        "db_instance",
        {
            **SMALL,
            "db_instance_identifier": "contract",
            "db_name": "app",
            "master_user_secret_kms_key_id": Ref("kms_key.one", "arn"),
            "port": 5432,
            "allocated_storage": 400,
            "max_allocated_storage": 600,
            "iops": 12000,
            "storage_throughput": 500,
            "kms_key_id": Ref("kms_key.one", "arn"),
            "db_subnet_group_name": Ref("db_subnet_group.one"),
            "vpc_security_group_ids": [Ref("security_group.one")],
            "db_parameter_group_name": Ref("db_parameter_group.one"),
            "backup_retention_period": 30,
            "preferred_backup_window": "01:00-02:00",
            "preferred_maintenance_window": "sun:02:30-sun:03:30",
            "deletion_protection": True,
            "auto_minor_version_upgrade": True,
            "enable_iam_database_authentication": False,
            "enable_performance_insights": True,
            "performance_insights_kms_key_id": Ref("kms_key.one", "arn"),
            "performance_insights_retention_period": 7,
            "monitoring_interval": 60,
            "monitoring_role_arn": Ref("iam_role.one", "arn"),
            "enable_cloudwatch_logs_exports": ["postgresql", "upgrade"],
            "ca_certificate_identifier": "rds-ca-rsa2048-g1",
        },
        needs=(*NETWORK, *KEYS, *PAIRS, subnet_group("one"), subnet_group("two")),
        mutable={
            "db_instance_class": "db.t4g.small",
            "max_allocated_storage": 700,
            "iops": 13000,
            "storage_throughput": 600,
            "vpc_security_group_ids": [Ref("security_group.two")],
            "db_parameter_group_name": Ref("db_parameter_group.two"),
            "publicly_accessible": True,
            "multi_az": True,
            "backup_retention_period": 7,
            "preferred_backup_window": "04:00-05:00",
            "preferred_maintenance_window": "Sat:02:30-Sat:03:30",
            "copy_tags_to_snapshot": False,
            "deletion_protection": False,
            "auto_minor_version_upgrade": False,
            "enable_iam_database_authentication": True,
            "performance_insights_retention_period": 31,
            "monitoring_interval": 30,
            "monitoring_role_arn": Ref("iam_role.two", "arn"),
            "enable_cloudwatch_logs_exports": ["upgrade"],
            "ca_certificate_identifier": "rds-ca-rsa4096-g1",
            "port": 5433,
        },
        immutable={
            "db_instance_identifier": "contract-other",
            "db_name": "other",
            "master_username": "other",
            "kms_key_id": Ref("kms_key.two", "arn"),
            "db_subnet_group_name": Ref("db_subnet_group.two"),
        },
        unchanged={
            "engine": "PostgreSQL is the only one here",
            "engine_version": "goes up only; the refusals are in the unit tests",
            "manage_master_user_password": "always true",
            "master_user_secret_kms_key_id": "can't be changed once it is set; refused in the unit tests",
            "performance_insights_kms_key_id": "can't be changed once it is set; refused in the unit tests",
            "allocated_storage": "goes up only; refused in the unit tests",
            "apply_immediately": AT_ONCE,
        },
    ),
    Case(
        "db_instance",
        {
            **SMALL,
            "db_instance_identifier": "contract-plain",
            "storage_type": "io1",
            "allocated_storage": 100,
            "iops": 1000,
            "enable_performance_insights": False,
            "storage_encrypted": False,
            "db_subnet_group_name": Ref("db_subnet_group.plain"),
        },
        needs=(*NETWORK, subnet_group("plain")),
        mutable={"storage_type": "io2", "enable_performance_insights": True},
        immutable={"storage_encrypted": True},
        label="plain",
    ),
    Case(
        "eks_cluster_lookup",
        {"cluster_name": "eks-cluster-lookup-main"},
        needs=base("eks-cluster-lookup"),
        unchanged={"cluster_name": "what it is found by"},
    ),
]
