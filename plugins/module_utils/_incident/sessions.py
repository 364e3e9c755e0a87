# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions of a role that are worth nothing any more."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from .._kinds._act import REVOCATION, Case, Found
from .._kinds._session import Session

_NAME = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
_MISSING = ("NoSuchEntity",)


@dataclass(frozen=True)
class RevokeSessions:
    """Denies all to the sessions that a role has now, as IAM's console does.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_revoke-sessions.html: an inline policy denies what is
    asked with a session that began before a moment. New sessions are as good as ever.
    """

    role_name: str
    name: str = "revoke-sessions"

    @property
    def target(self) -> str:
        """Return the role's name."""
        return self.role_name

    def problems(self) -> list[str]:
        """Check the name's form."""
        if not self.role_name:
            return ["no role is named: give its name with `-e incident_role_name=`"]
        if self.role_name.startswith("arn:"):
            return [f"'{self.role_name}' is an ARN: give the role's name alone, {self.role_name.rpartition('/')[2]}"]
        if not _NAME.fullmatch(self.role_name):
            return [f"'{self.role_name}' can't be a role's name: that is up to 64 letters, digits and +=,.@-_"]
        return []

    def contain(self, session: Session, case: Case) -> Found:
        """Put the policy with the moment of the act's first run, unless one with a later moment is there."""
        role = session.call("iam", "get_role", missing=_MISSING, RoleName=self.role_name).get("Role")
        if role is None:
            return Found(
                problems=[
                    f"account {session.account_id} has no role '{self.role_name}': choose the account with `--limit`"
                ]
            )
        refusal = _refusal(role, case)
        if refusal:
            return Found(problems=[refusal])
        present = _present(session, self.role_name)
        moment = str(case.before.get("moment") or case.at)
        found = Found(before={"moment": moment, "previous": present})
        if _moment(present) < moment:
            found.add(
                f"deny everything to the sessions of the role {self.role_name} that began before {moment} (inline "
                f"policy {REVOCATION})",
                lambda: self._put(session, revocation(moment)),
            )
        return found

    def release(self, session: Session, case: Case) -> Found:
        """Delete the policy, or put back the one that was there before."""
        found = Found()
        if not session.call("iam", "get_role", missing=_MISSING, RoleName=self.role_name):
            found.notes.append(f"the role {self.role_name} is gone, and the policy with it")
            return found
        present, previous = _present(session, self.role_name), case.before.get("previous")
        moment = str(case.before.get("moment", ""))
        if _moment(present) > moment:
            found.notes.append(
                f"the sessions of {self.role_name} were revoked again at {_moment(present)}: that stays as it is"
            )
        elif present is not None:
            role = session.call("iam", "get_role", RoleName=self.role_name)["Role"]
            ended = _later(moment, role.get("MaxSessionDuration", 3600))
            if case.at < ended:
                found.notes.append(
                    f"sessions from before {moment} may last until {ended}: until then this makes them good again"
                )
            if previous and _moment(previous) < moment:
                found.add(
                    f"put back the policy {REVOCATION} of the role {self.role_name} as it was, of {_moment(previous)}",
                    lambda: self._put(session, previous),
                )
            else:
                found.add(
                    f"delete the inline policy {REVOCATION} of the role {self.role_name}",
                    lambda: session.call(
                        "iam", "delete_role_policy", missing=_MISSING, RoleName=self.role_name, PolicyName=REVOCATION
                    ),
                )
        return found

    def _put(self, session: Session, document: Mapping[str, Any]) -> None:
        session.call(
            "iam",
            "put_role_policy",
            RoleName=self.role_name,
            PolicyName=REVOCATION,
            PolicyDocument=json.dumps(document),
        )


def revocation(moment: str) -> dict[str, Any]:
    """Return the policy that denies all to sessions that began before a moment (ISO 8601, UTC)."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Deny",
                "Action": ["*"],
                "Resource": ["*"],
                "Condition": {"DateLessThan": {"aws:TokenIssueTime": moment}},
            }
        ],
    }


def _present(session: Session, role_name: str) -> Mapping[str, Any] | None:
    answer = session.call("iam", "get_role_policy", missing=_MISSING, RoleName=role_name, PolicyName=REVOCATION)
    document = answer.get("PolicyDocument")
    return json.loads(document) if isinstance(document, str) else document


def _moment(document: Mapping[str, Any] | None) -> str:
    """Return the moment of a revocation in seconds, ISO 8601; empty if it is none. The console writes milliseconds."""
    statements = (document or {}).get("Statement") or [{}]
    first = statements[0] if isinstance(statements, list) else statements
    written = str(first.get("Condition", {}).get("DateLessThan", {}).get("aws:TokenIssueTime", ""))
    return re.sub(r"\.\d+Z$", "Z", written.strip("[]"))


def _later(moment: str, seconds: int) -> str:
    if not moment:
        return ""
    return (datetime.fromisoformat(moment) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _refusal(role: Mapping[str, Any], case: Case) -> str:
    name, path = role["RoleName"], role["Path"]
    if path.startswith("/aws-service-role/"):
        return f"{name} is a service-linked role, which only its service changes: disable what uses it instead"
    if path.startswith("/aws-reserved/sso.amazonaws.com/"):
        return (
            f"{name} is IAM Identity Center's, which only it changes: take the assignment away, put the deny policy "
            "into the permission set (its inline policy, with aws:TokenIssueTime), or disable the user there"
        )
    if f":assumed-role/{name}/" in case.by:
        return (
            f"this run itself is a session of {name}, and would shut itself out: get in by another role, with "
            "`-e platform_access_role_name=`"
        )
    return ""
