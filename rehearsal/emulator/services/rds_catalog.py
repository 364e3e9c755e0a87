# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What RDS for PostgreSQL offers: versions, parameters, certificate authorities.

Sources: https://docs.aws.amazon.com/AmazonRDS/latest/PostgreSQLReleaseNotes/postgresql-versions.html,
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Appendix.PostgreSQL.CommonDBATasks.Parameters.html,
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.SSL.html
"""

from __future__ import annotations

from dataclasses import dataclass

#: Engine versions by major, oldest first. The servers behind them are all the one PostgreSQL that is installed.
VERSIONS: dict[str, tuple[str, ...]] = {
    "15": ("15.12", "15.13", "15.14", "15.15", "15.16"),
    "16": ("16.8", "16.9", "16.10", "16.11", "16.12"),
    "17": ("17.4", "17.5", "17.6", "17.7", "17.8", "17.9", "17.10"),
    "18": ("18.1", "18.2", "18.3", "18.4"),
}
DEFAULT_VERSION = "17.10"
ALL_VERSIONS = tuple(version for versions in VERSIONS.values() for version in versions)


def order(version: str) -> tuple[int, ...]:
    """A version for comparisons."""
    return tuple(int(part) for part in version.split("."))


@dataclass(frozen=True)
class ParameterKind:
    """A parameter of the engine: ``dynamic`` ones take effect at once, others with the next restart."""

    name: str
    value: str | None
    data_type: str
    allowed: str | None
    dynamic: bool
    modifiable: bool = True
    description: str = ""


def _kind(
    name: str,
    value: str | None,
    data_type: str,
    allowed: str | None,
    dynamic: bool,
    description: str,
    *,
    modifiable: bool = True,
) -> ParameterKind:
    return ParameterKind(name, value, data_type, allowed, dynamic, modifiable, description)


PARAMETERS: dict[str, ParameterKind] = {
    kind.name: kind
    for kind in (
        _kind("rds.force_ssl", "1", "boolean", "0,1", True, "Force SSL connections."),
        _kind("rds.logical_replication", "0", "boolean", "0,1", False, "Enables logical decoding."),
        _kind("rds.log_retention_period", "4320", "integer", "1440-10080", True, "Log retention in minutes."),
        _kind("rds.restrict_password_commands", "0", "boolean", "0,1", False, "Restricts password-related commands."),
        _kind("rds.extensions", None, "string", None, False, "List of extensions.", modifiable=False),
        _kind(
            "shared_preload_libraries",
            "pg_stat_statements",
            "list",
            "auto_explain,orafce,pgaudit,pg_bigm,pg_cron,pg_hint_plan,pg_prewarm,pg_similarity,pg_stat_statements,"
            "pg_tle,pg_transport,plprofiler",
            False,
            "Lists shared libraries to preload into server.",
        ),
        _kind(
            "shared_buffers",
            "{DBInstanceClassMemory/32768}",
            "integer",
            "16-1073741823",
            False,
            "Sets the number of shared memory buffers.",
        ),
        _kind(
            "max_connections",
            "LEAST({DBInstanceClassMemory/9531392},5000)",
            "integer",
            "6-8388607",
            False,
            "Sets the maximum number of concurrent connections.",
        ),
        _kind("work_mem", None, "integer", "64-2147483647", True, "Memory for query workspaces, in kB."),
        _kind(
            "maintenance_work_mem",
            "GREATEST({DBInstanceClassMemory*1024/63963136},65536)",
            "integer",
            "1024-2147483647",
            True,
            "Memory for maintenance operations, in kB.",
        ),
        _kind(
            "effective_cache_size",
            "{DBInstanceClassMemory/16384}",
            "integer",
            "1-2147483647",
            True,
            "Assumption about the size of the disk cache.",
        ),
        _kind("log_statement", None, "string", "none,ddl,mod,all", True, "Type of statements logged."),
        _kind("log_min_duration_statement", None, "integer", "-1-2147483647", True, "Minimum duration logged, in ms."),
        _kind("log_connections", None, "boolean", "0,1", True, "Logs each successful connection."),
        _kind("log_disconnections", None, "boolean", "0,1", True, "Logs end of a session."),
        _kind("log_lock_waits", None, "boolean", "0,1", True, "Logs long lock waits."),
        _kind(
            "log_temp_files", None, "integer", "-1-2147483647", True, "Logs temporary files larger than this, in kB."
        ),
        _kind("log_autovacuum_min_duration", "10000", "integer", "-1-2147483647", True, "In ms."),
        _kind("statement_timeout", None, "integer", "0-2147483647", True, "Maximum duration of any statement, in ms."),
        _kind("lock_timeout", None, "integer", "0-2147483647", True, "Maximum wait for a lock, in ms."),
        _kind(
            "idle_in_transaction_session_timeout",
            "86400000",
            "integer",
            "0-2147483647",
            True,
            "Maximum idle time in a transaction, in ms.",
        ),
        _kind("idle_session_timeout", None, "integer", "0-2147483647", True, "Maximum idle time, in ms."),
        _kind("timezone", "UTC", "string", None, True, "Sets the time zone."),
        _kind("track_io_timing", "1", "boolean", "0,1", True, "Collects timing statistics of I/O."),
        _kind("track_activity_query_size", "4096", "integer", "100-1048576", False, "Bytes kept of a query."),
        _kind("pg_stat_statements.track", None, "string", "none,top,all", True, "Which statements are tracked."),
        _kind("pgaudit.log", None, "string", None, True, "Classes of statements logged by pgaudit."),
        _kind("pgaudit.role", None, "string", "rds_pgaudit", True, "Role for object audit logging."),
        _kind("auto_explain.log_min_duration", None, "integer", "-1-2147483647", True, "In ms."),
        _kind("autovacuum", "1", "boolean", "0,1", True, "Starts the autovacuum subprocess."),
        _kind(
            "autovacuum_max_workers",
            "GREATEST({DBInstanceClassMemory/64371566592},3)",
            "integer",
            "1-262143",
            False,
            "Number of autovacuum workers.",
        ),
        _kind("autovacuum_vacuum_scale_factor", "0.1", "float", "0-100", True, "Fraction of a table before vacuum."),
        _kind("random_page_cost", None, "float", "0-1.79769e+308", True, "Cost of a page fetched at random."),
        _kind("password_encryption", None, "string", "md5,scram-sha-256", True, "Algorithm of stored passwords."),
        _kind(
            "ssl_min_protocol_version",
            "TLSv1.2",
            "string",
            "TLSv1,TLSv1.1,TLSv1.2,TLSv1.3",
            True,
            "Minimum TLS version.",
        ),
        _kind("max_wal_size", "2048", "integer", "128-201326592", True, "In MB."),
        _kind("wal_buffers", None, "integer", "-1-262143", False, "Disk-page buffers for WAL."),
        _kind(
            "max_worker_processes",
            "GREATEST({DBInstanceVCPU*2},8)",
            "integer",
            "0-262143",
            False,
            "Background processes.",
        ),
        _kind("max_replication_slots", "20", "integer", "5-262143", False, "Replication slots."),
        _kind("max_wal_senders", "20", "integer", "5-100", False, "WAL sender processes."),
        _kind("ssl", "1", "boolean", "0,1", True, "Enables SSL connections.", modifiable=False),
        _kind("port", "{EndPointPort}", "integer", "1-65535", False, "The port.", modifiable=False),
    )
}

#: Certificate authorities: identifier -> (thumbprint, valid until).
CERTIFICATES: dict[str, tuple[str, str]] = {
    "rds-ca-rsa2048-g1": ("9bd2d5c5a4c13aa6f5d8a0d0b9a4c28b60a4a4a0", "2061-05-18T00:00:00+00:00"),
    "rds-ca-rsa4096-g1": ("1a4f2bdc5c1f34d3fbb1d0d8dcb0d1e1d75ae8a1", "2121-05-18T00:00:00+00:00"),
    "rds-ca-ecc384-g1": ("c2a1f4b70b62bb2ea0ce0a2bb5ea9d3f0e4fd1b3", "2121-05-18T00:00:00+00:00"),
}
DEFAULT_CERTIFICATE = "rds-ca-rsa2048-g1"
