# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the account that a module is to act in, and gets into it."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.botocore import get_aws_connection_info, is_boto3_error_code
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

try:
    import boto3
    import botocore.session
    from botocore.config import Config
    from botocore.credentials import RefreshableCredentials
    from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError
except ImportError:  # AnsibleAWSModule says so
    BotoCoreError = ClientError = EndpointConnectionError = Exception

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
    :param organization: id of the organization, such as ``o-a1b2c3d4e5``; empty where nobody had to ask for it.
    :param caller: ARN of the identity that the credentials belong to, before any role is assumed.
    """

    name: str
    session: Session | None
    region: str
    organization: str = ""
    caller: str = ""

    def described(self) -> dict[str, str | None]:
        """Return what a module's result says of it."""
        return {
            "name": self.name,
            "id": self.session.account_id if self.session is not None else None,
            "region": self.region,
            "organization": self.organization,
        }


def problems_of(params: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the options that say where to act."""
    wanted = params.get("account_id")
    if wanted and not re.fullmatch(r"\d{12}", wanted):
        return [f"account_id '{wanted}' is not 12 digits: write it in quotes, since YAML drops leading zeros"]
    return []


def open_account(module: AnsibleAWSModule, elsewhere: Mapping[str, Any] | None = None) -> Account:
    """Return a session in the account that ``account_id`` or ``account_name`` names, else in the credentials' own.

    A role (``access_role_name``) is assumed in it when the credentials belong to another account. The credentials
    stay in this process. An account that the organization doesn't have is returned without a session.

    :param elsewhere: what takes the place of the module's own options, to get into a second account.
    """
    params = {**module.params, **(elsewhere or {})}
    wanted = params.get("account_id") or None
    region, endpoint, connection = get_aws_connection_info(module)
    if endpoint:
        connection["endpoint_url"] = endpoint
    if not region:
        raise EngineError("no Region is set: set platform_region in the inventory, or the module's `region`")
    sts = _client("sts", region, connection)
    try:
        identity = sts.get_caller_identity()
    except EndpointConnectionError as error:
        raise EngineError(f"Region '{region}' can't be reached{_suggest_region(region)} ({error})") from error
    except (BotoCoreError, ClientError) as error:
        raise EngineError(f"the AWS credentials don't work: {error}") from error
    own = identity["Account"]
    partition = identity["Arn"].split(":")[1]
    name = params.get("account_name") or ""
    organization = ""
    if name:
        found, organization = _account_named(name, region, connection)
        if wanted and found and wanted != found:
            raise EngineError(f"account '{name}' is {found} in the organization, not {wanted}: correct one of the two")
        wanted = wanted or found
        if wanted is None:
            return Account(name, None, region, organization)
    assumed = None
    if wanted and wanted != own:
        assumed = _assumed_session(lambda: _assume(sts, wanted, params["access_role_name"], partition, name))

    def connect(service: str, where: str) -> Any:
        return _client(service, where, connection, assumed)

    session = Session(connect, wanted or own, region, partition)
    return Account(name or wanted or own, session, region, organization, identity["Arn"])


def _suggest_region(region: str) -> str:
    session = botocore_session()
    known = [name for partition in session.get_available_partitions() for name in _regions(session, partition)]
    close = difflib.get_close_matches(region, known, n=1)
    return f": did you mean {close[0]}?" if close and region not in known else ""


def _regions(session: Any, partition: str) -> list[str]:
    return list(session.get_available_regions("ec2", partition_name=partition))


_CREDENTIALS = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")


def _client(service: str, region: str, connection: Mapping[str, Any], assumed: Any = None) -> Any:
    """Return a client; amazon.aws' own way makes a boto3 session for each, and each session searches all models anew.

    With five clients that is half of the CPU time of a run that changes nothing.

    :param assumed: the boto3 session of an assumed role, whose credentials take the place of the connection's.
    """
    settings = {name: value for name, value in connection.items() if assumed is None or name not in _CREDENTIALS}
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
        return (assumed or _boto3_session(profile)).client(service, region_name=region, config=config, **settings)
    except (BotoCoreError, ClientError) as error:
        raise EngineError(f"can't connect to {service} in {region}: {error}") from error


@functools.cache
def _boto3_session(profile: str | None) -> Any:
    """Return the one boto3 session: a second one on the same botocore session would add boto3's methods to S3 twice."""
    return boto3.session.Session(profile_name=profile, botocore_session=botocore_session())


class _Assumed:
    """Credentials of a role, assumed anew before they expire: after an hour, while a cluster may take longer.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use.html (role chaining: one hour at most)
    """

    def __init__(self, assume: Callable[[], dict[str, str]]) -> None:
        self._credentials = RefreshableCredentials.create_from_metadata(assume(), assume, "assume-role")

    def load_credentials(self) -> Any:
        """Return them: what botocore asks of the component ``credential_provider``."""
        return self._credentials


def _assumed_session(assume: Callable[[], dict[str, str]]) -> Any:
    """Return a boto3 session of its own with a role's credentials, with the models that are read already."""
    session = botocore.session.Session()
    session.register_component("data_loader", botocore_session().get_component("data_loader"))
    session.register_component("credential_provider", _Assumed(assume))
    return boto3.session.Session(botocore_session=session)


def _account_named(name: str, region: str, connection: Mapping[str, Any]) -> tuple[str | None, str]:
    """Return the id of an account, if there is one, and the organization's, which is in every account's ARN."""
    organizations = _client("organizations", region, connection)
    try:
        accounts = organizations.get_paginator("list_accounts").paginate().build_full_result()["Accounts"]
    except is_boto3_error_code("AWSOrganizationsNotInUseException"):
        return None, ""
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
    organization = accounts[0]["Arn"].split("/")[1] if accounts else ""
    return (found[0] if found else None), organization


def _is_active(account: Mapping[str, Any]) -> bool:
    """Tell whether an account is in use. AWS retired Status for State on 2026-09-09."""
    return bool((account.get("State") or account.get("Status")) == "ACTIVE")


def _assume(sts: Any, account_id: str, role_name: str, partition: str, name: str) -> dict[str, str]:
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
        "access_key": credentials["AccessKeyId"],
        "secret_key": credentials["SecretAccessKey"],
        "token": credentials["SessionToken"],
        "expiry_time": credentials["Expiration"].isoformat(),
    }
