# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The resources of a PostgreSQL database on RDS."""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .._engine.resource import Ref, Resource

NETWORK_HINT = "run playbooks/network.yml first"
CLUSTER_HINT = "run playbooks/cluster.yml first"

_NAME = re.compile(r"[a-z](-?[a-z0-9]){0,29}")
_VERSION = re.compile(r"\d{2}(\.\d+)?")
_DATABASE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_USER = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")
_SECURITY_GROUP = re.compile(r"sg-[0-9a-f]{8,17}")
_OLDEST = 15
"""rds.force_ssl is on by default and the parameters below exist from here on."""
_LOGS = ("postgresql", "upgrade")
_LIBRARIES = ("pg_stat_statements", "pgaudit")


@dataclass(frozen=True)
class Database:
    """What the module ``postgres`` was told.

    :param name: of the instance; the stack is ``postgres-<name>``.
    :param vpc: name of the network, and ``tier`` of the subnets in it.
    :param storage: ``allocated``, ``max_allocated`` (GiB), ``type``, ``iops``, ``throughput``.
    :param clusters: names of the EKS clusters whose workloads may connect.
    :param parameters: what is added to, or put in place of, the settings of :func:`settings`.
    """

    name: str
    vpc: str
    region: str
    tier: str = "isolated"
    engine_version: str = "17"
    allow_major_version_upgrade: bool = False
    instance_class: str = "db.t4g.micro"
    storage: Mapping[str, Any] = field(default_factory=dict)
    database: str = "app"
    master_username: str = "postgres"
    port: int = 5432
    multi_az: bool = False
    clusters: Sequence[str] = ()
    security_groups: Sequence[str] = ()
    cidrs: Sequence[str] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    log_statements_slower_than: int = 1000
    backup_retention_days: int = 30
    backup_window: str = "01:00-02:00"
    maintenance_window: str = "sun:02:30-sun:03:30"
    deletion_protection: bool = True
    auto_minor_version_upgrade: bool = True
    ca_certificate_identifier: str = "rds-ca-rsa2048-g1"
    performance_insights_days: int = 7
    monitoring_interval: int = 60
    log_retention_days: int = 90
    apply_immediately: bool = False

    @property
    def stack(self) -> str:
        """The stack's name."""
        return f"postgres-{self.name}"

    @property
    def major(self) -> str:
        """The major version, which names the parameter group's family."""
        return self.engine_version.partition(".")[0]


def settings(database: Database) -> dict[str, str]:
    """Return the server's settings: TLS only, schema changes and slow statements logged, auditing at hand.

    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/PostgreSQL.Concepts.General.SSL.html,
    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Appendix.PostgreSQL.CommonDBATasks.pgaudit.html
    """
    given = {name: _text(value) for name, value in database.parameters.items()}
    return {
        "rds.force_ssl": "1",
        "log_statement": "ddl",
        "log_min_duration_statement": str(database.log_statements_slower_than),
        "log_connections": "1",
        "log_disconnections": "1",
        "shared_preload_libraries": ",".join(_LIBRARIES),
        "pgaudit.role": "rds_pgaudit",
        **given,
    }


def problems_of(database: Database) -> list[str]:
    """Return every mistake in what was asked for, beyond what the kinds find in their properties."""
    return [
        *_naming_problems(database),
        *_access_problems(database),
        *_setting_problems(database),
    ]


def database_resources(database: Database) -> tuple[list[Resource], list[str], dict[str, Any]]:
    """Return the resources of a database, what is wrong with the parameters, and the module's return values.

    Where something is wrong, the resources are those with something valid in its place, so that the mistakes that only
    the kinds find come in the same answer.
    """
    problems = problems_of(database)
    if problems:
        return list(_resources(_corrected(database))), problems, {}
    return list(_resources(database)), [], _outputs(database)


def _corrected(database: Database) -> Database:
    """Return a database without the mistakes that are found here."""
    valid: dict[str, Any] = {
        "name": "x",
        "engine_version": "17",
        "database": "app",
        "master_username": "postgres",
        "vpc": "x",
        "instance_class": "db.t4g.micro",
    }
    wrong = [name for name, value in valid.items() if any(_naming_problems(_only(database, name, valid)))]
    changes = {name: valid[name] for name in wrong}
    if any(_access_problems(database)):
        changes |= {"clusters": (), "security_groups": (), "cidrs": ()}
    if any(_setting_problems(database)):
        changes |= {"parameters": {}, "log_statements_slower_than": 1000}
    return replace(database, **changes)


def _only(database: Database, name: str, valid: Mapping[str, Any]) -> Database:
    return replace(database, **{other: value for other, value in valid.items() if other != name})


def _naming_problems(database: Database) -> Iterator[str]:
    if not _NAME.fullmatch(database.name):
        yield (
            f"name {database.name!r}: use up to 30 lower-case letters, digits and single hyphens, a letter first and "
            "no hyphen last"
        )
    if not _VERSION.fullmatch(database.engine_version):
        yield f'engine_version {database.engine_version!r} is no version of PostgreSQL: write "17" or "17.6", in quotes'
    elif int(database.major) < _OLDEST:
        yield f"engine_version {database.engine_version}: this module knows PostgreSQL {_OLDEST} and newer"
    if not _DATABASE.fullmatch(database.database):
        yield f"database {database.database!r}: use up to 63 letters, digits and _, beginning with a letter or _"
    if not _USER.fullmatch(database.master_username):
        yield f"master_username {database.master_username!r}: use up to 63 letters, digits and _, a letter first"
    if not database.vpc:
        yield "vpc is empty: give the name of the network that the database stands in"
    if not database.instance_class.startswith("db."):
        yield f"instance_class {database.instance_class!r} is none of RDS: they begin with db., such as db.t4g.micro"


def _access_problems(database: Database) -> Iterator[str]:
    for what, items in (
        ("allowed_clusters", database.clusters),
        ("allowed_security_groups", database.security_groups),
        ("allowed_cidrs", database.cidrs),
    ):
        yield from (f"{what}: {item!r} is listed {count} times" for item, count in Counter(items).items() if count > 1)
    for group in database.security_groups:
        if not _SECURITY_GROUP.fullmatch(group):
            yield f"allowed_security_groups: {group!r} is not the id of a security group, such as sg-0a1b2c3d4e5f67890"
    for cidr in database.cidrs:
        try:
            network = ipaddress.IPv4Network(cidr)
        except ValueError:
            yield f"allowed_cidrs: {cidr!r} is not an IPv4 network: write it as 10.10.0.0/19"
            continue
        if network.prefixlen < 16 or not network.is_private:
            yield (
                f"allowed_cidrs: {cidr} reaches beyond any VPC: a database is opened to private networks inside its "
                "VPC only, such as 10.10.0.0/19"
            )


def _setting_problems(database: Database) -> Iterator[str]:
    values = settings(database)
    for name, value in database.parameters.items():
        if not re.fullmatch(r"[a-z_]+(\.[a-z_]+)?", str(name)):
            yield f"parameters: {name!r} is not the name of a parameter"
        elif isinstance(value, (dict, list)) or value is None:
            yield f"parameters.{name}: {value!r} is not a single value"
    if values["rds.force_ssl"] != "1":
        yield "parameters: rds.force_ssl can't be turned off: passwords and data would cross the network in the clear"
    missing = [library for library in _LIBRARIES if library not in values["shared_preload_libraries"].split(",")]
    if missing:
        yield f"parameters: shared_preload_libraries must keep {' and '.join(missing)}: add your own after a comma"
    if database.log_statements_slower_than < -1:
        yield f"log_statements_slower_than {database.log_statements_slower_than}: use milliseconds, or -1 for never"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return str(value)


def _partition(region: str) -> str:
    """Return the partition of a Region (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html)."""
    prefixes = {"cn-": "aws-cn", "us-gov-": "aws-us-gov", "eusc-": "aws-eusc"}
    return next((partition for prefix, partition in prefixes.items() if region.startswith(prefix)), "aws")


def _resources(database: Database) -> Iterator[Resource]:
    name = database.name
    yield Resource("vpc_lookup", "main", {"name": database.vpc}, hint=NETWORK_HINT)
    yield Resource("subnets_lookup", "main", {"vpc": database.vpc, "tier": database.tier}, hint=NETWORK_HINT)
    for cluster in database.clusters:
        yield Resource("eks_cluster_lookup", cluster, {"cluster_name": cluster}, hint=CLUSTER_HINT)
    purpose = f"Encrypts database {name}, its backups and its master user's secret"
    # AWS's own period, said so that another one is found.
    yield Resource("kms_key", "main", {"description": purpose, "rotation_period_in_days": 365})
    yield Resource("kms_alias", "main", {"alias_name": f"alias/{database.stack}", "target_key_id": Ref("kms_key.main")})
    yield Resource(
        "db_subnet_group",
        "main",
        {
            "db_subnet_group_name": f"{name}-{database.tier}",
            "db_subnet_group_description": f"Subnets of database {name}: tier {database.tier} of {database.vpc}",
            "subnet_ids": Ref("subnets_lookup.main", "ids"),
        },
    )
    yield Resource(
        "db_parameter_group",
        # One for each major version, so that an upgrade finds the new one beside the old.
        f"postgres{database.major}",
        {
            "db_parameter_group_name": f"{name}-postgres{database.major}",
            "db_parameter_group_family": f"postgres{database.major}",
            "description": f"Settings of database {name}",
            "parameters": settings(database),
        },
    )
    yield _security_group(database)
    for log in _LOGS:
        # RDS would make them itself, and keep everything forever.
        group = f"/aws/rds/instance/{name}/{log}"
        yield Resource("log_group", log, {"log_group_name": group, "retention_in_days": database.log_retention_days})
    if database.monitoring_interval:
        yield _monitoring_role(database)
    yield _instance(database)


def _security_group(database: Database) -> Resource:
    """Let in what was named and nothing else; answers need no rule, and a database calls nobody."""
    peers: list[tuple[str, Any, str]] = [
        *(
            (
                "referenced_group_id",
                Ref(f"eks_cluster_lookup.{cluster}", "cluster_security_group_id"),
                f"cluster {cluster}",
            )
            for cluster in database.clusters
        ),
        *(("referenced_group_id", group, group) for group in database.security_groups),
        *(("cidr_ipv4", cidr, cidr) for cidr in database.cidrs),
    ]
    ports = {"ip_protocol": "tcp", "from_port": database.port, "to_port": database.port}
    return Resource(
        "security_group",
        "main",
        {
            "vpc_id": Ref("vpc_lookup.main"),
            "group_name": database.stack,
            "description": f"Who may connect to database {database.name}",
            "ingress": [{**ports, kind: peer, "description": f"PostgreSQL from {who}"} for kind, peer, who in peers],
            "egress": [],
            "tags": {"Name": database.stack},
        },
    )


def _monitoring_role(database: Database) -> Resource:
    """Let RDS send the operating system's figures to CloudWatch.

    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_Monitoring.OS.Enabling.html
    """
    partition = _partition(database.region)
    source = f"arn:{partition}:rds:{database.region}:*:db:{database.name}"
    return Resource(
        "iam_role",
        "monitoring",
        {
            "role_name": f"{database.stack}-monitoring",
            "path": f"/innovate/{database.stack}/",
            "description": f"Sends enhanced monitoring of database {database.name} to CloudWatch",
            "assume_role_policy_document": {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"Service": "monitoring.rds.amazonaws.com"},
                        "Action": "sts:AssumeRole",
                        # Only for this database, whoever asks RDS (the "confused deputy").
                        "Condition": {"ArnLike": {"aws:SourceArn": source}},
                    }
                ],
            },
            "managed_policy_arns": [f"arn:{partition}:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"],
        },
    )


def _instance(database: Database) -> Resource:
    storage = database.storage
    key = Ref("kms_key.main", "arn")
    properties = {
        "db_instance_identifier": database.name,
        "engine": "postgres",
        "engine_version": database.engine_version,
        "allow_major_version_upgrade": database.allow_major_version_upgrade,
        "db_instance_class": database.instance_class,
        "db_name": database.database,
        "master_username": database.master_username,
        "manage_master_user_password": True,
        "master_user_secret_kms_key_id": key,
        "port": database.port,
        "allocated_storage": storage.get("allocated", 20),
        "max_allocated_storage": storage.get("max_allocated"),
        "storage_type": storage.get("type", "gp3"),
        "iops": storage.get("iops"),
        "storage_throughput": storage.get("throughput"),
        "storage_encrypted": True,
        "kms_key_id": key,
        "db_subnet_group_name": Ref("db_subnet_group.main"),
        "vpc_security_group_ids": [Ref("security_group.main")],
        "publicly_accessible": False,
        "multi_az": database.multi_az,
        "db_parameter_group_name": Ref(f"db_parameter_group.postgres{database.major}"),
        "backup_retention_period": database.backup_retention_days,
        "preferred_backup_window": database.backup_window,
        "preferred_maintenance_window": database.maintenance_window,
        "copy_tags_to_snapshot": True,
        "deletion_protection": database.deletion_protection,
        "auto_minor_version_upgrade": database.auto_minor_version_upgrade,
        "ca_certificate_identifier": database.ca_certificate_identifier,
        "enable_cloudwatch_logs_exports": list(_LOGS),
        "apply_immediately": database.apply_immediately,
        "enable_performance_insights": bool(database.performance_insights_days),
        "tags": {"Name": database.name},
    }
    if database.performance_insights_days:
        properties |= {
            "performance_insights_kms_key_id": key,
            "performance_insights_retention_period": database.performance_insights_days,
        }
    properties["monitoring_interval"] = database.monitoring_interval
    if database.monitoring_interval:
        properties["monitoring_role_arn"] = Ref("iam_role.monitoring", "arn")
    groups = tuple(f"log_group.{log}" for log in _LOGS)
    return Resource("db_instance", "main", properties, depends_on=groups)


def _outputs(database: Database) -> dict[str, Any]:
    instance = "db_instance.main"
    return {
        "arn": Ref(instance, "arn"),
        "endpoint": {"address": Ref(instance, "endpoint_address"), "port": Ref(instance, "endpoint_port")},
        "database": database.database,
        "master_username": database.master_username,
        "master_user_secret_arn": Ref(instance, "master_user_secret_arn"),
        "dbi_resource_id": Ref(instance, "dbi_resource_id"),
        "security_group_id": Ref("security_group.main"),
        "kms_key_arn": Ref("kms_key.main", "arn"),
    }
