# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases of RDS."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from .._engine.errors import EngineError
from .._engine.kind import STACK_TAG, Kind, Observed, Pending, Property, Scope, State, Wanted
from .._engine.plan import same
from .._engine.resource import is_known
from . import _rds
from ._rds_rules import (
    class_problems,
    declaration_problems,
    newest,
    number,
    same_key,
    same_version,
    targets_of,
    version_problems,
    version_refusals,
)
from ._session import Session
from ._shapes import from_api, request, violations
from ._tags import tag_dict, tag_list

# Statuses: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/accessing-monitoring.html
_USABLE = ("available", "storage-optimization", "storage-config-upgrade")
_READY = (*_USABLE, "backing-up", "stopped", "storage-full", "incompatible-parameters", "incompatible-option-group")
_BROKEN = (
    "failed",
    "inaccessible-encryption-credentials",
    "inaccessible-encryption-credentials-recoverable",
    "incompatible-network",
    "incompatible-restore",
    "restore-error",
)
_NEVER_MADE = ("incompatible-create", "insufficient-capacity")
_NO_SNAPSHOT = ("creating", "failed", "incompatible-network", "incompatible-restore", *_NEVER_MADE)

_MOVED = {  # what ModifyDBInstance calls otherwise than CreateDBInstance
    "port": "db_port_number",
}
_PENDING_NAMES = {"iam_database_authentication_enabled": "enable_iam_database_authentication"}


def _same_word(wanted: Any, observed: Any) -> bool:
    return str(wanted).lower() == str(observed).lower()


def _at_least(wanted: Any, observed: Any) -> bool:
    """Storage autoscaling may have made it larger; smaller it can't get."""
    return bool(observed) and observed >= wanted


class DbInstance(Kind):
    """A database instance whose master password RDS keeps in Secrets Manager.

    https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html
    """

    name = "db_instance"
    properties: ClassVar[Mapping[str, Property]] = {
        "db_instance_identifier": Property(
            "str", required=True, immutable=True, doc="Unique in the Region; lower case."
        ),
        "engine": Property("str", required=True, immutable=True, doc="Such as C(postgres)."),
        "engine_version": Property(
            "str", required=True, same=same_version, doc="C(17), where RDS chooses the minor version, or C(17.6)."
        ),
        "allow_major_version_upgrade": Property(
            "bool", default=False, write_only=True, doc="Consent to a new major version."
        ),
        "db_instance_class": Property("str", required=True, doc="Such as C(db.t4g.micro)."),
        "db_name": Property("str", immutable=True, doc="The first database."),
        "master_username": Property("str", required=True, immutable=True, doc="The master user."),
        "manage_master_user_password": Property(
            "bool", default=True, doc="Always true: the password is made and kept by Secrets Manager."
        ),
        "master_user_secret_kms_key_id": Property("str", same=same_key, doc="Key of the master user's secret."),
        "port": Property("int", doc="The port it listens on."),
        "allocated_storage": Property("int", required=True, same=_at_least, doc="GiB; can only grow."),
        "max_allocated_storage": Property("int", doc="GiB up to which RDS lets the storage grow by itself."),
        "storage_type": Property(
            "str", default="gp3", choices=("gp2", "gp3", "io1", "io2"), doc="The type of storage."
        ),
        "iops": Property("int", doc="Provisioned I/O operations per second."),
        "storage_throughput": Property("int", doc="MiB/s; gp3 only."),
        "storage_encrypted": Property("bool", default=True, immutable=True, doc="Whether the storage is encrypted."),
        "kms_key_id": Property("str", immutable=True, same=same_key, doc="Key of the storage and its snapshots."),
        "db_subnet_group_name": Property("str", immutable=True, doc="The subnets it may stand in."),
        "vpc_security_group_ids": Property("set", doc="Its security groups."),
        "publicly_accessible": Property("bool", default=False, doc="Whether it gets a public address."),
        "multi_az": Property("bool", default=False, doc="Whether a standby stands in another zone."),
        "db_parameter_group_name": Property("str", doc="Its settings."),
        "backup_retention_period": Property("int", doc="Days for which backups are kept; 0 turns them off."),
        "preferred_backup_window": Property("str", doc="C(02:00-03:00), UTC."),
        "preferred_maintenance_window": Property("str", same=_same_word, doc="C(sun:03:30-sun:04:30), UTC."),
        "copy_tags_to_snapshot": Property("bool", default=True, doc="Whether snapshots get its tags."),
        "deletion_protection": Property("bool", doc="Whether AWS refuses to delete it."),
        "auto_minor_version_upgrade": Property("bool", doc="Whether RDS installs minor versions by itself."),
        "enable_iam_database_authentication": Property("bool", default=False, doc="Whether IAM tokens open it."),
        "enable_performance_insights": Property("bool", doc="Whether load and statements are recorded."),
        "performance_insights_kms_key_id": Property("str", same=same_key, doc="Key of these records."),
        "performance_insights_retention_period": Property("int", doc="Days: 7, a multiple of 31, or 731."),
        "monitoring_interval": Property("int", choices=(0, 1, 5, 10, 15, 30, 60), doc="Seconds; 0 turns it off."),
        "monitoring_role_arn": Property("str", doc="The role that sends enhanced monitoring to CloudWatch."),
        "enable_cloudwatch_logs_exports": Property("set", doc="Logs sent to CloudWatch: C(postgresql), C(upgrade)."),
        "ca_certificate_identifier": Property("str", doc="The CA of its certificate, such as C(rds-ca-rsa2048-g1)."),
        "apply_immediately": Property(
            "bool",
            default=False,
            same=lambda wanted, observed: not wanted or bool(observed),
            doc="Whether changes that interrupt are made now; else they wait for the maintenance window.",
        ),
    }
    attributes = ("arn", "endpoint_address", "endpoint_port", "master_user_secret_arn", "dbi_resource_id", "status")
    priced = (
        "engine",
        "engine_version",
        "db_instance_class",
        "multi_az",
        "storage_type",
        "allocated_storage",
        "iops",
        "storage_throughput",
        "manage_master_user_password",
        "enable_performance_insights",
        "performance_insights_retention_period",
    )
    key = ("db_instance_identifier",)
    slow = True
    holds_data = True
    timeout = 3600
    tag = _rds.tag

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """List the Region's instances, which come with their tags."""
        names = scope.names(self.name, "db_instance_identifier")
        found = session.pages("rds", "describe_db_instances", "DBInstances")
        return [
            self._observed(instance)
            for instance in found
            if instance["DBInstanceIdentifier"] in names
            or tag_dict(instance.get("TagList")).get(STACK_TAG) == scope.stack
        ]

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Create the instance; its identifier is the client token. A new role takes a while until RDS may use it."""
        fresh = ["DBSubnetGroupNotFoundFault", "DBParameterGroupNotFound", "KMSKeyNotAccessibleFault"]
        instance = session.call(
            "rds",
            "create_db_instance",
            retry_on=[*fresh, *(["InvalidParameterValue"] if wanted.get("monitoring_role_arn") else [])],
            attempts=8,
            Tags=tag_list(wanted.tags),
            **request("rds", "CreateDBInstance", {**wanted.properties, "tags": None}),
        )["DBInstance"]
        return self._observed(instance)

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Send everything that differs in one call, so that RDS applies it in one go."""
        if observed.attributes["status"] == "stopped":
            raise EngineError(
                f"database {observed.id} is stopped: start it (`aws rds start-db-instance`), then run this again"
            )
        values = {_MOVED.get(name, name): wanted[name] for name in changed}
        if changed & {"iops", "storage_throughput", "storage_type", "allocated_storage"}:
            # RDS wants the size together with what it is made of.
            values["allocated_storage"] = max(
                wanted["allocated_storage"], observed.properties["allocated_storage"] or 0
            )
            values |= {name: wanted[name] for name in ("iops", "storage_type") if wanted.get(name)}
        if changed & {"monitoring_interval", "monitoring_role_arn"}:
            values |= {
                name: wanted[name]
                for name in ("monitoring_interval", "monitoring_role_arn")
                if name in wanted.properties
            }
        if "manage_master_user_password" in changed and wanted.get("master_user_secret_kms_key_id"):
            values["master_user_secret_kms_key_id"] = wanted["master_user_secret_kms_key_id"]
        if changed & {"performance_insights_kms_key_id", "performance_insights_retention_period"}:
            values["enable_performance_insights"] = wanted.get("enable_performance_insights", True)
        if "engine_version" in changed:
            values["engine_version"] = _target(session, observed, wanted["engine_version"])
            values["allow_major_version_upgrade"] = wanted["allow_major_version_upgrade"]
        if "enable_cloudwatch_logs_exports" in changed:
            there, logs = (
                set(observed.properties["enable_cloudwatch_logs_exports"]),
                set(wanted["enable_cloudwatch_logs_exports"]),
            )
            exports = {"enable_log_types": sorted(logs - there), "disable_log_types": sorted(there - logs)}
            values["cloudwatch_logs_export_configuration"] = {name: logs for name, logs in exports.items() if logs}
        session.call(
            "rds",
            "modify_db_instance",
            retry_on=["InvalidDBInstanceState", "DBParameterGroupNotFound"],
            attempts=40,
            **request(
                "rds",
                "ModifyDBInstance",
                {**values, "db_instance_identifier": observed.id, "apply_immediately": wanted["apply_immediately"]},
            ),
        )
        awaited = {name: wanted[name] for name in (*changed, "apply_immediately")}
        return Observed(observed.id, observed.properties, {**observed.attributes, "awaited": awaited}, wanted.tags)

    def delete(self, session: Session, observed: Observed) -> None:
        """Take a final snapshot and delete. The engine asks for this only where destruction was allowed by name."""
        protected = bool(observed.properties.get("deletion_protection"))
        if protected:
            session.call(
                "rds",
                "modify_db_instance",
                retry_on=["InvalidDBInstanceState"],
                missing=["DBInstanceNotFound"],
                attempts=40,
                DBInstanceIdentifier=observed.id,
                DeletionProtection=False,
                ApplyImmediately=True,
            )
        without = observed.attributes["status"] in _NO_SNAPSHOT
        final = {} if without else {"FinalDBSnapshotIdentifier": _final_snapshot(session, observed)}
        session.call(
            "rds",
            "delete_db_instance",
            # The lifted protection is refused with InvalidParameterCombination until RDS knows of it.
            retry_on=["InvalidDBInstanceState", *(["InvalidParameterCombination"] if protected else [])],
            missing=["DBInstanceNotFound"],
            attempts=40,
            DBInstanceIdentifier=observed.id,
            SkipFinalSnapshot=without,
            DeleteAutomatedBackups=observed.attributes["status"] not in _BROKEN,
            **final,
        )

    def ready(self, session: Session, observed: Observed) -> Observed | Pending:
        """Wait for status available, and until what was changed is seen as changed and no longer pending."""
        found = session.call("rds", "describe_db_instances", DBInstanceIdentifier=observed.id)["DBInstances"]
        current = self._observed(found[0])
        status = current.attributes["status"]
        if current.state in ("failed", "deleting") or status in _BROKEN:
            raise EngineError(f"database {observed.id} is {status}: `aws rds describe-events` tells why")
        awaited: Mapping[str, Any] = observed.attributes.get("awaited", {})
        if status not in _USABLE or any(
            not spec.write_only and name in awaited and not same(spec, awaited[name], current.properties.get(name))
            for name, spec in self.properties.items()
        ):
            return Pending(status)
        return current

    def gone(self, session: Session, observed: Observed) -> bool | Pending:
        """Wait until RDS knows it no more (waiter db_instance_deleted); the final snapshot is complete by then."""
        return session.polled("rds", "db_instance_deleted", DBInstanceIdentifier=observed.id)

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check against the API's model and the rules that stand only in its pages."""
        return [*violations("rds", "CreateDBInstance", {**properties, "tags": None}), *declaration_problems(properties)]

    def refuse(self, observed: Observed, properties: Mapping[str, Any]) -> list[str]:
        """Refuse what RDS can't do to an existing instance."""
        there = observed.properties
        problems = []
        status = observed.attributes.get("status")
        if status in _BROKEN and observed.state != "failed":
            problems.append(
                f"its status is {status}, where RDS changes nothing any more: repair what the status names, or restore "
                "from a backup under another name"
            )
        problems += version_refusals(there, properties)
        wanted, has = properties["allocated_storage"], there.get("allocated_storage") or 0
        most = properties.get("max_allocated_storage") or 0
        if is_known(wanted) and wanted < has and most <= wanted:
            problems.append(
                f"its storage can't shrink from {has} to {wanted} GiB: declare allocated_storage {has} or more"
            )
        elif most and most < has:
            problems.append(f"it has {has} GiB already: declare a max_allocated_storage of more than that, not {most}")
        for name, what in (
            ("master_user_secret_kms_key_id", "the key of the master user's secret"),
            ("performance_insights_kms_key_id", "the key of Performance Insights"),
        ):
            value = properties.get(name)
            if value is not None and there.get(name) and not (is_known(value) and same_key(value, there[name])):
                problems.append(f"{what} can't be changed once it is set: keep {there[name]}")
        return problems

    def preflight(self, session: Session, wanted: Sequence[Mapping[str, Any]]) -> list[str]:
        """Refuse versions and classes that RDS doesn't offer, and upgrades that it doesn't make in one step."""
        problems: list[str] = []
        orders: list[tuple[Mapping[str, Any], str]] = []
        present = {
            instance["DBInstanceIdentifier"]: instance["EngineVersion"]
            for instance in session.pages("rds", "describe_db_instances", "DBInstances")
        }
        for engine in sorted({item["engine"] for item in wanted}):
            versions = session.pages(
                "rds", "describe_db_engine_versions", "DBEngineVersions", Engine=engine, IncludeAll=True
            )
            for item in (item for item in wanted if item["engine"] == engine):
                problems += version_problems(item, present.get(item["db_instance_identifier"]), versions)
                version = newest(item, versions) if is_known(item["engine_version"]) else None
                if version and is_known(item["db_instance_class"]):
                    orders.append((item, version))
        offers = session.each(lambda order: _offers(session, *order), orders)
        return problems + [
            problem
            for (item, version), options in zip(orders, offers, strict=True)
            for problem in class_problems(item, version, options)
        ]

    @staticmethod
    def _observed(instance: Mapping[str, Any]) -> Observed:
        plain = from_api("rds", "DBInstance", instance)
        pending = {
            _PENDING_NAMES.get(name, name): value
            for name, value in (plain.get("pending_modified_values") or {}).items()
            if value not in (None, [], {})
        }
        secret = plain.get("master_user_secret") or {}
        endpoint = plain.get("endpoint") or {}
        groups = plain.get("vpc_security_groups", [])
        subnet_group = plain.get("db_subnet_group") or {}
        properties = {
            **{name: plain.get(name) for name in DbInstance.properties},
            "manage_master_user_password": bool(secret),
            "master_user_secret_kms_key_id": secret.get("kms_key_id"),
            "port": endpoint.get("port") or plain.get("db_instance_port"),
            "db_subnet_group_name": subnet_group.get("db_subnet_group_name"),
            "vpc_security_group_ids": [
                group["vpc_security_group_id"] for group in groups if group.get("status") != "removing"
            ],
            "db_parameter_group_name": next(
                (group["db_parameter_group_name"] for group in plain.get("db_parameter_groups", [])), None
            ),
            "enable_iam_database_authentication": plain.get("iam_database_authentication_enabled"),
            "enable_performance_insights": plain.get("performance_insights_enabled", False),
            "enable_cloudwatch_logs_exports": plain.get("enabled_cloudwatch_logs_exports") or [],
            "monitoring_interval": plain.get("monitoring_interval") or 0,
            # What RDS has accepted for the maintenance window counts as there, unless it is wanted at once.
            **{name: value for name, value in pending.items() if name in DbInstance.properties},
            "apply_immediately": not pending,
        }
        status = plain.get("db_instance_status", "creating")
        return Observed(
            id=plain["db_instance_identifier"],
            properties=properties,
            attributes={
                "arn": plain.get("db_instance_arn"),
                "endpoint_address": endpoint.get("address"),
                "endpoint_port": endpoint.get("port"),
                "master_user_secret_arn": secret.get("secret_arn"),
                "dbi_resource_id": plain.get("dbi_resource_id"),
                "status": status,
            },
            tags=tag_dict(instance.get("TagList")),
            state=_state(status, bool(plain.get("latest_restorable_time"))),
        )


def _state(status: str, has_backup: bool) -> State:
    if status in _NEVER_MADE or (status == "failed" and not has_backup):
        return "failed"
    if status in _READY or status in _BROKEN:
        return "ready"
    return "deleting" if status == "deleting" else "pending"


def _final_snapshot(session: Session, observed: Observed) -> str:
    """Return a name that no snapshot has: the instance's identifier and its resource id, which no other ever has."""
    found = session.pages("rds", "describe_db_snapshots", "DBSnapshots", DBInstanceIdentifier=observed.id)
    taken = {snapshot["DBSnapshotIdentifier"] for snapshot in found}
    resource = str(observed.attributes["dbi_resource_id"]).lower().removeprefix("db-")
    base = f"{observed.id}-final-{resource}"
    names = (base if number == 1 else f"{base}-{number}" for number in range(1, len(taken) + 2))
    return next(name for name in names if name not in taken)


def _offers(session: Session, item: Mapping[str, Any], version: str) -> list[dict[str, Any]]:
    """Return what the Region offers for a database: DescribeOrderableDBInstanceOptions."""
    return session.pages(
        "rds",
        "describe_orderable_db_instance_options",
        "OrderableDBInstanceOptions",
        Engine=item["engine"],
        EngineVersion=version,
        DBInstanceClass=item["db_instance_class"],
        Vpc=True,
    )


def _target(session: Session, observed: Observed, wanted: str) -> str:
    """Return the newest version that leads from what is there to what is wanted, since an upgrade needs a whole one."""
    engine, version = observed.properties["engine"], observed.properties["engine_version"]
    found = session.pages(
        "rds", "describe_db_engine_versions", "DBEngineVersions", Engine=engine, EngineVersion=version, IncludeAll=True
    )
    fitting = [target for item in found for target in targets_of(item) if same_version(wanted, target)]
    if not fitting:
        raise EngineError(f"RDS does not upgrade {engine} {version} to {wanted}")
    return max(fitting, key=number)
