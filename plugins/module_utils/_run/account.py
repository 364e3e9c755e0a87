# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the account that a module is to act in, and gets into it."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.botocore import get_aws_connection_info, is_boto3_error_code
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

try:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:  # AnsibleAWSModule says so
    BotoCoreError = ClientError = Exception

from .._engine.errors import EngineError
from .._kinds._session import Session
from .._kinds._shapes import botocore_session

ACCOUNT_ARGUMENTS: dict[str, dict[str, Any]] = {
    "account_id": {"type": "str"},
    "account_name": {"type": "str"},
    "access_role_name": {"type": "str", "default": "OrganizationAccountAccessRole"},
}


@dataclass(frozen=True)
class Account:
    """Where to act.

    :param name: what people call it.
    :param session: None when the account doesn't exist yet: an empty world.
    """

    name: str
    session: Session | None


def open_account(module: AnsibleAWSModule) -> Account:
    """Return a session in the account that ``account_id`` or ``account_name`` names, else in the credentials' own.

    A role (``access_role_name``) is assumed in it when the credentials belong to another account. The credentials
    stay in this process. An account that the organization doesn't have is returned without a session.
    """
    params = module.params
    region, endpoint, connection = get_aws_connection_info(module)
    if endpoint:
        connection["endpoint_url"] = endpoint
    if not region:
        raise EngineError("no Region is set: set platform_region in the inventory, or the module's `region`")
    sts = _client("sts", region, connection)
    try:
        identity = sts.get_caller_identity()
    except (BotoCoreError, ClientError) as error:
        raise EngineError(f"the AWS credentials don't work: {error}") from error
    own = identity["Account"]
    partition = identity["Arn"].split(":")[1]
    wanted = params.get("account_id") or None
    name = params.get("account_name") or ""
    if name:
        found = _account_named(name, region, connection)
        if wanted and found and wanted != found:
            raise EngineError(f"account '{name}' is {found} in the organization, not {wanted}: correct one of the two")
        wanted = wanted or found
        if wanted is None:
            return Account(name, None)
    if wanted and wanted != own:
        connection = {**connection, **_assume(sts, wanted, params["access_role_name"], partition, name)}

    def connect(service: str, where: str) -> Any:
        return _client(service, where, connection)

    return Account(name or wanted or own, Session(connect, wanted or own, region, partition))


def _client(service: str, region: str, connection: Mapping[str, Any]) -> Any:
    """Return a client; amazon.aws' own way makes a boto3 session for each, and each session searches all models anew.

    With five clients that is half of the CPU time of a run that changes nothing.
    """
    settings = dict(connection)
    profile = settings.pop("profile_name", None)
    # 'standard' retries throttling and transient errors with jitter; the pool serves as many threads as the engine has.
    config = Config(
        retries={"mode": "standard", "max_attempts": 10},
        max_pool_connections=32,
        user_agent_extra="ansible-innovate.platform",
    )
    for given in (settings.pop("config", None), settings.pop("aws_config", None)):
        if given:
            config = config.merge(Config(**given) if isinstance(given, Mapping) else given)
    try:
        return _boto3_session(profile).client(service, region_name=region, config=config, **settings)
    except (BotoCoreError, ClientError) as error:
        raise EngineError(f"can't connect to {service} in {region}: {error}") from error


@functools.cache
def _boto3_session(profile: str | None) -> Any:
    """Return the one boto3 session: a second one on the same botocore session would add boto3's methods to S3 twice.

    It keeps the profile also where a role has been assumed: credentials that are given go before the profile's.
    """
    return boto3.session.Session(profile_name=profile, botocore_session=botocore_session())


def _account_named(name: str, region: str, connection: Mapping[str, Any]) -> str | None:
    organizations = _client("organizations", region, connection)
    try:
        accounts = organizations.get_paginator("list_accounts").paginate().build_full_result()["Accounts"]
    except is_boto3_error_code("AWSOrganizationsNotInUseException"):
        return None
    except (BotoCoreError, ClientError) as error:
        raise EngineError(
            f"can't look up account '{name}' in the organization ({error}): use credentials of the management account "
            "or of a delegated administrator, or name the account by `account_id`"
        ) from error
    found = [item["Id"] for item in accounts if item["Name"] == name and _is_active(item)]
    if len(found) > 1:
        raise EngineError(
            f"the organization has {len(found)} accounts named '{name}' ({', '.join(found)}): use `account_id`"
        )
    return found[0] if found else None


def _is_active(account: Mapping[str, Any]) -> bool:
    """Tell whether an account is in use. AWS retired Status for State on 2026-09-09."""
    return bool((account.get("State") or account.get("Status")) == "ACTIVE")


def _assume(sts: Any, account_id: str, role_name: str, partition: str, name: str) -> dict[str, Any]:
    role = f"arn:{partition}:iam::{account_id}:role/{role_name}"
    try:
        answer = sts.assume_role(RoleArn=role, RoleSessionName="innovate-platform")
    except (BotoCoreError, ClientError) as error:
        raise EngineError(
            f"can't assume {role} for account '{name or account_id}' ({error}): the role must exist there and trust "
            "the identity of these credentials; `access_role_name` names another one"
        ) from error
    reached = answer["AssumedRoleUser"]["Arn"].split(":")[4]
    if reached != account_id:
        raise EngineError(f"the credentials lead to account {reached}, not to {account_id}: nothing was done")
    credentials = answer["Credentials"]
    return {
        "aws_access_key_id": credentials["AccessKeyId"],
        "aws_secret_access_key": credentials["SecretAccessKey"],
        "aws_session_token": credentials["SessionToken"],
    }
