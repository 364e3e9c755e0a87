# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in the accounts of the emulated AWS, asked as anybody would ask it, and told to a newcomer."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import psycopg

from rehearsal.state import REGION, EmulatorState

ACCESS_ROLE = "OrganizationAccountAccessRole"


@dataclass
class Account:
    """One AWS account and clients in it."""

    name: str
    id: str
    emulator: EmulatorState
    is_management: bool = False
    _clients: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def _credentials(self) -> dict[str, str]:
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
                service, region_name=REGION, endpoint_url=self.emulator.endpoint, **self._credentials
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
    """Return all accounts of the organization, the management account first."""
    management = Account("management", emulator.management_account_id, emulator, is_management=True)
    pages = management.client("organizations").get_paginator("list_accounts").paginate()
    found = [item for page in pages for item in page["Accounts"] if item["State"] == "ACTIVE"]
    members = [Account(item["Name"], item["Id"], emulator) for item in found if item["Id"] != management.id]
    return [management, *sorted(members, key=lambda account: account.name)]


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
    """Write an AWS configuration with a profile for each account."""
    lines = []
    for account in accounts:
        lines += [f"[profile {account.name}]", f"region = {REGION}", f"endpoint_url = {emulator.endpoint}"]
        if account.is_management:
            lines += [f"aws_access_key_id = {emulator.access_key_id}"]
            lines += [f"aws_secret_access_key = {emulator.secret_access_key}"]
        else:
            lines += [f"role_arn = arn:aws:iam::{account.id}:role/{ACCESS_ROLE}", "source_profile = management"]
        lines.append("")
    (directory / "aws-config").write_text("\n".join(lines))


def describe(directory: Path, accounts: list[Account]) -> str:
    """Return the summary for a newcomer: what stands where, and how to look at it."""
    lines = ["", "=== What stands", ""]
    lines.append(f"{'account':<16}{'id':<14}{'VPC':<16}{'EKS cluster':<24}PostgreSQL")
    for account in accounts:
        vpc = ", ".join(item["CidrBlock"] for item in account.vpcs) or "-"
        cluster = ", ".join(f"{item['name']} {item['version']} {item['status']}" for item in account.clusters) or "-"
        database = ", ".join(f"{item['EngineVersion']} {item['DBInstanceStatus']}" for item in account.databases) or "-"
        lines.append(f"{account.name:<16}{account.id:<14}{vpc:<16}{cluster:<24}{database}")
    lines += ["", "=== How to look at it", "", f"export AWS_CONFIG_FILE={shlex.quote(str(directory / 'aws-config'))}"]
    lines.append("aws --profile management organizations list-accounts --output table")
    for account in accounts:
        if account.vpcs:
            lines.append(f"aws --profile {account.name} ec2 describe-subnets --output table")
        lines += [
            f"aws --profile {account.name} eks describe-cluster --name {item['name']}" for item in account.clusters
        ]
        lines += [line for database in account.databases for line in _psql(account, database)]
    lines += ["", f"For scripts: {directory / 'summary.json'}", "To end it:   make rehearse-down", ""]
    return "\n".join(lines)


def _psql(account: Account, database: dict[str, Any]) -> list[str]:
    secret = database["MasterUserSecret"]["SecretArn"]
    where = database["Endpoint"]
    read = (
        f"aws --profile {account.name} secretsmanager get-secret-value --secret-id '{secret}' "
        "--query SecretString --output text | python3 -c 'import json,sys; print(json.load(sys.stdin)[\"password\"])'"
    )
    user = database["MasterUsername"]
    address = (
        f"host={where['Address']} port={where['Port']} dbname={database['DBName']} user={user} "
        f"sslmode=verify-full sslrootcert={root_certificate(account)}"
    )
    return [f'PGPASSWORD="$({read})" psql "{address}"']
