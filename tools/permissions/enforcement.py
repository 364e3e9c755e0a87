# Copyright: Innovate platform maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks under exactly the written policies, with everything refused that no policy allows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3

from rehearsal import estate
from rehearsal.state import REGION, EmulatorState
from tools.permissions.data import CLASSES
from tools.permissions.policies import ROLES
from tools.results import ROOT

#: Where the policies are, a file each: ``deploy-environment-1.json``.
DIRECTORY = ROOT / "roles/access/files"


class Accounts:
    """Makes the roles, as a person does who begins with an account of AWS's, and hands out their sessions."""

    def __init__(self, emulator: EmulatorState, directory: Path = DIRECTORY) -> None:
        self.emulator = emulator
        self.directory = directory

    def make(self, role: str, names: tuple[str, ...] = ()) -> None:
        """Make a role (deploy or plan) with its policies, in the accounts that there are or those that are named.

        The management account's trusts its account, those of members trust the management account's.
        """
        for account in estate.survey(self.emulator):
            if not names or account.name in names:
                self._make(account, role)

    def _make(self, account: estate.Account, role: str) -> None:
        iam, name = account.client("iam"), ROLES[role]
        trusted = f"arn:aws:iam::{self.emulator.management_account_id}:root"
        trust = {"Effect": "Allow", "Principal": {"AWS": trusted}, "Action": "sts:AssumeRole"}
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(_policy(trust)))
        kind = CLASSES.get(account.name, "shared")
        files = sorted(self.directory.glob(f"{role}-{kind}-*.json"))
        if not files:
            raise FileNotFoundError(f"{self.directory} has no policies {role}-{kind}-*.json: make permissions")
        for path in files:
            text = json.dumps(json.loads(path.read_text(encoding="utf-8")), separators=(",", ":"))
            made = iam.create_policy(PolicyName=path.stem, PolicyDocument=text)["Policy"]["Arn"]
            iam.attach_role_policy(RoleName=name, PolicyArn=made)

    def session(self, role: str) -> dict[str, str]:
        """Return the environment variables of a session in the management account's role."""
        sts = boto3.client(
            "sts",
            region_name=REGION,
            endpoint_url=self.emulator.endpoint,
            aws_access_key_id=self.emulator.access_key_id,
            aws_secret_access_key=self.emulator.secret_access_key,
        )
        arn = f"arn:aws:iam::{self.emulator.management_account_id}:role/{ROLES[role]}"
        made = sts.assume_role(RoleArn=arn, RoleSessionName=role)["Credentials"]
        return {
            "AWS_ACCESS_KEY_ID": made["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"],
            "AWS_SESSION_TOKEN": made["SessionToken"],
        }

    def refused(self) -> list[Mapping[str, Any]]:
        """Return what was refused since enforcement was switched on."""
        rows: list[Mapping[str, Any]] = self.emulator.admin("enforcement")["refused"]
        return rows


def _policy(*statements: Mapping[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}
