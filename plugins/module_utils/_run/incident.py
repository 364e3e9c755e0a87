# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries out an act of incident response: looks, records, acts, and says what was done."""

from __future__ import annotations

import email.utils
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.botocore import is_boto3_error_code
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

try:
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:  # AnsibleAWSModule says so
    BotoCoreError = ClientError = Exception

from .._engine.errors import EngineError, message
from .._kinds._act import Act, Case, Found, Step, case_problems, merged
from .._kinds._session import Session
from .account import ACCOUNT_ARGUMENTS, open_account, problems_of

PREFIX = "/innovate/incidents/"
_LARGEST = 8192
"""Bytes of the value of an advanced parameter, which Intelligent-Tiering makes of one that needs it."""
INCIDENT_ARGUMENTS: dict[str, dict[str, Any]] = {
    "incident": {"type": "str", "default": ""},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    **ACCOUNT_ARGUMENTS,
}


@dataclass(frozen=True)
class Entry:
    """The record of an act.

    :param status: begun, done or undone.
    :param before: how it was before the act's first run.
    """

    status: str
    before: Mapping[str, Any]


class Record:
    """The record of one act of one case: an SSM parameter in the account and Region of the act.

    Each write is a version of it, so its history (GetParameterHistory, 100 versions) is the protocol: who did what and
    when, how it was before, which steps. CloudTrail has each call by itself; it hides the values of parameters
    (https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html).
    """

    def __init__(self, session: Session, incident: str, act: str, target: str) -> None:
        self._session = session
        self._head = {"incident": incident, "act": act, "target": target}
        self.name = f"{PREFIX}{incident}/{act}/" + re.sub(r"[^\w.-]", ".", target, flags=re.ASCII)

    def read(self) -> tuple[Entry | None, datetime]:
        """Return what was written last, and the time by AWS's clock."""
        try:
            answer = self._session.client("ssm").get_parameter(Name=self.name)
        except is_boto3_error_code("ParameterNotFound") as error:
            answer = error.response
        except (BotoCoreError, ClientError) as error:
            raise EngineError(
                f"ssm:GetParameter of {self.name} in account {self._session.account_id}: {error}"
            ) from error
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        now = email.utils.parsedate_to_datetime(date) if date else datetime.now(UTC)
        if "Parameter" not in answer:
            return None, now
        try:
            value = json.loads(answer["Parameter"]["Value"])
            return Entry(str(value["status"]), dict(value["before"])), now
        except (KeyError, TypeError, ValueError) as error:
            raise EngineError(
                f"the record {self.name} isn't one that this collection wrote: look at it, and move what it says "
                "elsewhere before this runs again"
            ) from error

    def write(self, case: Case, status: str, before: Mapping[str, Any], steps: list[str]) -> None:
        """Write a version."""
        value = {**self._head, "status": status, "by": case.by, "at": case.at, "steps": steps, "before": before}
        text = _text(value)
        if len(text.encode()) > _LARGEST:
            # How it was before is what an undoing needs; the steps follow from it.
            text = _text({**value, "steps": [f"{len(steps)} steps, too long to be kept"]})
        self._session.call(
            "ssm",
            "put_parameter",
            retry_on=["TooManyUpdates"],
            Name=self.name,
            Description="What was done in an incident, and how it was before",
            Value=text,
            Type="String",
            Tier="Intelligent-Tiering",
            Overwrite=True,
        )


def _text(value: Mapping[str, Any]) -> str:
    # SSM takes two braces in a row for a reference and refuses them; with line breaks only strings have them.
    return json.dumps(value, indent=0).replace("{{", "{\\u007b").replace("}}", "}\\u007d")


def run_incident(module: AnsibleAWSModule, make: Callable[[Callable[..., Session]], Act]) -> None:
    """Carry out an act, or undo it; in check mode say what would be done.

    :param make: makes the act; it is given what opens the session of another account by its name.
    """
    result: dict[str, Any] = {"incident": module.params["incident"], "steps": [], "notes": [], "record": ""}
    try:
        _carry_out(module, make, result)
    except EngineError as error:
        problems = list(dict.fromkeys(error.problems))
        module.fail_json(msg=message(problems), problems=problems, **result)
    module.exit_json(**result)


def _carry_out(module: AnsibleAWSModule, make: Callable[[Callable[..., Session]], Act], result: dict[str, Any]) -> None:
    params = module.params
    act = make(lambda name: _session(module, account_name=name, account_id=None))
    problems = [*case_problems(params["incident"]), *problems_of(params), *act.problems()]
    if problems:
        raise EngineError(problems)
    session = _session(module)
    record = Record(session, params["incident"], act.name, act.target)
    entry, now = record.read()
    here = entry is not None and entry.status != "undone"
    caller = session.call("sts", "get_caller_identity")["Arn"]
    case = Case(
        params["incident"],
        caller,
        now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        entry.before if entry is not None and here else {},
    )
    result["record"] = record.name
    if params["state"] == "absent" and not here:
        result["notes"] = [f"nothing of this is on record for incident {case.incident}: there is nothing to undo"]
        result["changed"] = False
        return
    wanted = "done" if params["state"] == "present" else "undone"
    found = act.contain(session, case) if wanted == "done" else act.release(session, case)
    if found.problems:
        raise EngineError(found.problems)
    before = merged(case.before, found.before)
    if found.steps or entry is None or entry.status != wanted:
        found.add(f"record it in {record.name}", lambda: None)
    texts = [step.text for step in found.steps]
    result.update(notes=found.notes, changed=bool(texts), diff=_diff(texts))
    if module.check_mode or not texts:
        result["steps"] = texts
        return
    # On record before anything changes: a run that is cut off, or fails, can still be undone.
    record.write(case, "begun", before, texts)
    result["steps"] = _done(found, record, case, before, wanted)


def _done(found: Found, record: Record, case: Case, before: Mapping[str, Any], status: str) -> list[str]:
    done: list[str] = []
    failed: list[str] = []
    for step in found.steps[:-1]:
        try:
            step.do()
            done.append(step.text)
        except EngineError as error:
            failed += [_failure(step, text) for text in error.problems]
            if not found.keep_going:
                break
    if failed:
        if done:
            failed.append(f"done before or beside that: {'; '.join(done)}. Run it again to go on")
        raise EngineError(failed)
    record.write(case, status, before, done)
    return [*done, found.steps[-1].text]


def _failure(step: Step, text: str) -> str:
    return f"could not {step.text}: {text}"


def _diff(texts: list[str]) -> dict[str, str]:
    return {"prepared": "".join(f"+ {text}\n" for text in texts)}


def _session(module: AnsibleAWSModule, **elsewhere: Any) -> Session:
    account = open_account(module, elsewhere)
    if account.session is None:
        raise EngineError(f"the organization has no account '{account.name}': there is nothing to act on")
    return account.session
