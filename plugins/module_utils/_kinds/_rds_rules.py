# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules for a database's properties that RDS's pages state and its model doesn't: versions, names, storage, windows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .._engine.resource import is_known

_NAME = re.compile(r"[a-z](-?[a-z0-9]){0,62}")
_WINDOW = re.compile(r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d")
_WEEKLY = re.compile(r"(?P<first>\w{3}):(?P<start>\d\d:\d\d)-(?P<last>\w{3}):(?P<end>\d\d:\d\d)")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_VERSION = re.compile(r"\d+(\.\d+)?")
_LARGE = 400
"""GiB from which gp3 is striped and IOPS and throughput can be chosen
(https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html)."""
_RESERVED = (
    "admin",
    "postgres_admin",
    "rdsadmin",
    "rdsrepladmin",
    "rds_superuser",
    "rds_replication",
    "rdstopmgr",
    "public",
)
_KEYS = ("kms_key_id", "master_user_secret_kms_key_id", "performance_insights_kms_key_id")

Properties = Mapping[str, Any]


def declaration_problems(properties: Properties) -> list[str]:
    """Return what is wrong with declared properties, as far as their values are known."""
    plain = {name: value for name, value in properties.items() if is_known(value)}
    return [
        *_naming_problems(plain),
        *_storage_problems(plain),
        *_window_problems(plain),
        *_monitoring_problems(properties),
    ]


def same_key(wanted: Any, observed: Any) -> bool:
    """Compare KMS keys, which RDS always shows by ARN."""
    return bool(observed) and str(observed).rpartition("/")[2] == str(wanted).rpartition("/")[2]


def same_version(wanted: Any, observed: Any) -> bool:
    """Tell whether a version is the wanted one, of which the minor part may be left to RDS."""
    return bool(observed) and f"{observed}.".startswith(f"{wanted}.")


def number(version: Any) -> tuple[int, ...]:
    """Return a version in the form that compares by age."""
    return tuple(int(part) for part in re.findall(r"\d+", str(version)))


def targets_of(version: Mapping[str, Any]) -> list[str]:
    """Return the versions that a described one can be upgraded to in one step."""
    return [target["EngineVersion"] for target in version.get("ValidUpgradeTarget", [])]


def _is_older(wanted: str, present: str) -> bool:
    return number(wanted) < number(present)[: len(number(wanted))]


def version_problems(item: Properties, present: str | None, versions: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return why RDS can't bring a database to its wanted version.

    :param present: the version that it has; None if it doesn't exist.
    :param versions: what DescribeDBEngineVersions lists, outdated ones included.
    """
    name, engine, wanted = item["db_instance_identifier"], item["engine"], item["engine_version"]
    if not is_known(wanted) or (present and (same_version(wanted, present) or _is_older(wanted, present))):
        return []
    if present:
        steps = sorted(
            {step for one in versions if one["EngineVersion"] == present for step in targets_of(one)}, key=number
        )
        if any(same_version(wanted, step) for step in steps):
            return []
        offered = ", ".join(steps) or "nothing"
        return [
            f"{name}: RDS does not upgrade {engine} {present} to {wanted} in one step: from there it leads to {offered}"
        ]
    usable = [one["EngineVersion"] for one in versions if one.get("Status", "available") == "available"]
    if any(same_version(wanted, version) for version in usable):
        return []
    offered = ", ".join(sorted(usable, key=number))
    return [f"{name}: RDS offers no {engine} {wanted} here: use one of {offered}, or the major version alone"]


def newest(item: Properties, versions: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the version that RDS would take for the wanted one, of which the minor part may be left out."""
    usable = [one["EngineVersion"] for one in versions if one.get("Status", "available") == "available"]
    fitting = [version for version in usable if same_version(item["engine_version"], version)]
    return max(fitting, key=number, default=None)


def class_problems(item: Properties, version: str, options: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what RDS doesn't offer for the class of a database.

    :param options: what DescribeOrderableDBInstanceOptions lists for engine, version and class: a row per storage type.
    """
    what = f"{item['db_instance_identifier']}: RDS offers {item['db_instance_class']} for {item['engine']} {version}"
    if not options:
        return [f"{what} nowhere in this Region: see `aws rds describe-orderable-db-instance-options`"]
    storage = item.get("storage_type")
    fitting = [one for one in options if storage in (None, one.get("StorageType"))]
    if not fitting:
        offered = sorted({one["StorageType"] for one in options if one.get("StorageType")})
        return [f"{what} without {storage} storage: use {', '.join(offered)}"]
    abilities = {
        "multi_az": ("MultiAZCapable", "a standby (multi_az)"),
        "storage_encrypted": ("SupportsStorageEncryption", "encrypted storage"),
        "enable_performance_insights": ("SupportsPerformanceInsights", "Performance Insights"),
        "enable_iam_database_authentication": ("SupportsIAMDatabaseAuthentication", "IAM authentication"),
    }
    return [
        f"{what} without {words}: choose another class"
        for name, (member, words) in abilities.items()
        if item.get(name) and not any(one.get(member) for one in fitting)
    ]


def version_refusals(there: Properties, properties: Properties) -> list[str]:
    """Return why a database that is there can't become what is wanted."""
    wanted, has = properties["engine_version"], there.get("engine_version")
    if not has or not is_known(wanted) or same_version(wanted, has):
        return []
    if _is_older(wanted, has):
        return [
            f"{has} can't be downgraded to {wanted}: declare {has}, or restore an older snapshot under another name"
        ]
    if number(wanted)[0] != number(has)[0] and not properties["allow_major_version_upgrade"]:
        return [f"{wanted} is a new major version ({has} is there), with downtime: set allow_major_version_upgrade"]
    return []


def _naming_problems(properties: Properties) -> list[str]:
    problems = []
    name = properties.get("db_instance_identifier")
    if name is not None and not _NAME.fullmatch(name):
        problems.append(
            f"db_instance_identifier {name!r}: use at most 63 lower-case letters, digits and single hyphens, beginning "
            "with a letter and not ending with a hyphen"
        )
    version = str(properties.get("engine_version", "")) if properties.get("engine") == "postgres" else ""
    if version and not _VERSION.fullmatch(version):
        problems.append(f'engine_version {version!r} is not a version: write it as "17" or "17.6"')
    elif "." in version and properties.get("auto_minor_version_upgrade"):
        problems.append(
            f"engine_version {version} names a minor version while auto_minor_version_upgrade lets RDS install newer "
            f"ones: declare {version.partition('.')[0]}, or turn auto_minor_version_upgrade off"
        )
    if not properties.get("manage_master_user_password", True):
        problems.append("manage_master_user_password can't be turned off: no password stands in a declaration")
    if properties.get("engine") == "postgres" and str(properties.get("master_username")).lower() in _RESERVED:
        problems.append(f"master_username {properties['master_username']!r} is reserved by RDS: choose another one")
    port = properties.get("port")
    if port is not None and not 1150 <= port <= 65535:
        problems.append(f"port {port}: RDS takes 1150 to 65535")
    return problems


def _storage_problems(properties: Properties) -> list[str]:
    problems = []
    size, most = properties.get("allocated_storage"), properties.get("max_allocated_storage")
    kind = properties.get("storage_type")
    if size is not None and not 20 <= size <= 65536:
        problems.append(f"allocated_storage {size}: RDS takes 20 to 65536 GiB")
    if size is not None and most is not None and most < size * 1.1:
        problems.append(f"max_allocated_storage {most}: RDS wants at least 10 % more than allocated_storage ({size})")
    faster = [name for name in ("iops", "storage_throughput") if properties.get(name) is not None]
    if kind == "gp3" and faster and size is not None and size < _LARGE and properties.get("engine") == "postgres":
        problems.append(
            f"{' and '.join(faster)}: gp3 below {_LARGE} GiB always has 3000 IOPS and 125 MiB/s: leave it out, or "
            f"allocate {_LARGE} GiB"
        )
    if kind in ("io1", "io2") and properties.get("iops") is None:
        problems.append(f"storage_type {kind} needs iops")
    if kind != "gp3" and properties.get("storage_throughput") is not None:
        problems.append(f"storage_throughput belongs to gp3, not to {kind}")
    problems += [
        f"{name} {properties[name]!r} is an alias: give the key's ARN, which is what RDS shows"
        for name in _KEYS
        if "alias/" in str(properties.get(name))
    ]
    if properties.get("kms_key_id") is not None and not properties.get("storage_encrypted", True):
        problems.append("kms_key_id needs storage_encrypted")
    return problems


def _window_problems(properties: Properties) -> list[str]:
    problems = []
    days = properties.get("backup_retention_period")
    if days is not None and not 0 <= days <= 35:
        problems.append(f"backup_retention_period {days}: RDS keeps backups for 0 to 35 days")
    backup, weekly = properties.get("preferred_backup_window"), properties.get("preferred_maintenance_window")
    daily = _minutes(backup) if backup is not None else None
    if backup is not None and (daily is None or daily[1] < 30):
        problems.append(f"preferred_backup_window {backup!r}: write at least 30 minutes of UTC as 02:00-03:00")
    week = _weekly(weekly) if weekly is not None else None
    if weekly is not None and (week is None or not 30 <= week[1] < 24 * 60):
        problems.append(
            f"preferred_maintenance_window {weekly!r}: write at least 30 minutes of UTC as sun:03:30-sun:04:30"
        )
    if daily and week and _overlap(daily, week):
        problems.append(
            f"preferred_maintenance_window {weekly} overlaps preferred_backup_window {backup}: RDS wants them apart"
        )
    return problems


def _minutes(window: str) -> tuple[int, int] | None:
    """Return the beginning and length of a daily window, in minutes."""
    if not _WINDOW.fullmatch(window):
        return None
    start, end = ((int(time[:2]) * 60 + int(time[3:])) for time in window.split("-"))
    return start, (end - start) % (24 * 60)


def _weekly(window: str) -> tuple[int, int] | None:
    """Return the beginning and length of a weekly window, in minutes from Monday 00:00."""
    found = _WEEKLY.fullmatch(window.lower())
    if not found or found["first"] not in _DAYS or found["last"] not in _DAYS:
        return None
    if not _WINDOW.fullmatch(f"{found['start']}-{found['end']}"):
        return None
    start, end = (
        _DAYS.index(day) * 1440 + int(time[:2]) * 60 + int(time[3:])
        for day, time in ((found["first"], found["start"]), (found["last"], found["end"]))
    )
    return start, (end - start) % (7 * 1440)


def _overlap(daily: tuple[int, int], week: tuple[int, int]) -> bool:
    begins = (day * 1440 + daily[0] for day in range(-1, 9))
    return any(begin < week[0] + week[1] and week[0] < begin + daily[1] for begin in begins)


def _monitoring_problems(properties: Properties) -> list[str]:
    problems = []
    days, interval = properties.get("performance_insights_retention_period"), properties.get("monitoring_interval") or 0
    if isinstance(days, int) and days not in (7, 731) and not (days % 31 == 0 and 1 <= days // 31 <= 23):
        problems.append(f"performance_insights_retention_period {days}: use 7, a multiple of 31 up to 713, or 731")
    if bool(interval) != (properties.get("monitoring_role_arn") is not None):
        problems.append("enhanced monitoring needs both a monitoring_interval above 0 and a monitoring_role_arn")
    return problems
