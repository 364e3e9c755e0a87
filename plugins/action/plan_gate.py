# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``innovate.platform.plan_gate``: between the plan of a run and its first change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars

from ansible_collections.innovate.platform.plugins.module_utils._engine.errors import message
from ansible_collections.innovate.platform.plugins.module_utils._plan.document import (
    collect,
    differences,
    dump,
    latest,
    read,
)
from ansible_collections.innovate.platform.plugins.module_utils._plan.obstacles import remaining
from ansible_collections.innovate.platform.plugins.module_utils._preflight.findings import findings, notes
from ansible_collections.innovate.platform.plugins.plugin_utils import run_directory
from ansible_collections.innovate.platform.plugins.plugin_utils.consent import CONSENTS, Environment, not_consented
from ansible_collections.innovate.platform.plugins.plugin_utils.cost.estimate import estimate
from ansible_collections.innovate.platform.plugins.plugin_utils.output import hidden_results, unwritable

APPROVED = "approved.json"
_OWN = ("platform_consent", "platform_pass")
"""What playbooks tell their passes. From the command line it would be the same in all of them."""


class ActionModule(ActionBase):
    """Runs on the controller and speaks to nobody."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return what the module's documentation says."""
        super().run(tmp, task_vars)
        _validated, arguments = self.validate_argument_spec(
            argument_spec={
                "step": {"type": "str", "choices": ["begin", "decide"], "default": "decide"},
                "plan_out": {"type": "path"},
                "plan_in": {"type": "path"},
                "plan_digest": {"type": "str"},
                "consent": {"type": "str", "choices": ["none", "allowed", "confirmed"], "default": "none"},
            }
        )
        extra = load_extra_vars(self._loader)
        if arguments["step"] == "begin":
            result = begin(arguments)
            result["problems"] += [
                f"{name} is for the playbooks to say: leave -e {name} out" for name in _OWN if name in extra
            ]
        else:
            result = decide(arguments, applying=not self._task.check_mode)
            if not self._task.check_mode:
                environments = _environments(task_vars or {}, result["changing"])
                result["problems"] += not_consented(arguments["consent"], environments, extra, _confirmed())
        for note in result.pop("notes", ()):
            self._display.warning(note)
        problems = list(dict.fromkeys(result.pop("problems")))
        if problems:
            return {**result, "failed": True, "changed": False, "problems": problems, "msg": message(problems)}
        return {**result, "changed": False}


def begin(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is wrong with the files, and with the way in which plans are gathered."""
    problems = run_directory.problems() + hidden_results()
    for name in ("plan_out", "plan_in", "plan_digest"):
        if arguments[name] is not None and not arguments[name].strip():
            # A variable that was empty; whoever gave it didn't mean to go without.
            problems.append(f"{name} is empty: give it a value, or leave it out")
    if arguments["plan_out"]:
        problems += unwritable("plan_out", Path(arguments["plan_out"]))
        if arguments["plan_in"] and Path(arguments["plan_out"]).resolve() == Path(arguments["plan_in"]).resolve():
            problems.append("plan_out and plan_in name the same file, which is the approved plan: name another one")
    _approved, found = read("plan_in", arguments["plan_in"])
    digest = arguments["plan_digest"]
    if digest and not (digest.startswith("sha256:") and len(digest) == len("sha256:") + 64):
        found.append(f"plan_digest '{digest}' is no digest: it is sha256: and 64 hexadecimal digits")
    return {"problems": problems + found}


def decide(arguments: Mapping[str, Any], *, applying: bool) -> dict[str, Any]:
    """Return what was planned, in short, and everything that speaks against it.

    :param applying: whether this run goes on to carry it out.
    """
    plans = latest(run_directory.items(run_directory.PLANS))
    cost = estimate(plans)
    document = collect(plans, {name: cost[name] for name in ("before", "after", "currency", "as_of", "unknown")})
    # First, since `plan_out` is written below.
    approved, unread = read("plan_in", arguments["plan_in"])
    problems = [
        *run_directory.problems(),
        *(
            f"{failure['host']}: {problem}"
            for failure in run_directory.items(run_directory.FAILURES)
            for problem in failure["problems"]
        ),
    ]
    problems += [f"{plan['host']}: {problem}" for plan in plans for problem in plan.get("problems") or ()]
    problems += findings(plans, applying=applying)
    problems += remaining(plans)
    if arguments["plan_out"]:
        try:
            Path(arguments["plan_out"]).write_text(dump(document), encoding="utf-8")
        except OSError as error:
            problems.append(f"plan_out can't be written: {error}")
    problems += unread
    if approved is not None:
        problems += differences(approved, document)
    digest = arguments["plan_digest"]
    if digest and digest != document["digest"]:
        problems.append(f"the plan with the digest {digest} was approved, this one has {document['digest']}")
    return {
        "problems": problems,
        **({"approved": _kept(document)} if (approved is not None or digest) and not problems else {}),
        "notes": notes(plans),
        "cost": document["cost"],
        "digest": document["digest"],
        "totals": document["totals"],
        "changing": sorted(
            {
                plan["host"]
                for plan in plans
                if plan.get("awaits") or any(change["action"] != "keep" for change in plan["changes"])
            }
        ),
    }


def _kept(document: Mapping[str, Any]) -> str:
    """Keep the plan that was approved where nobody changes it, for each stack to look at before its first change."""
    path = run_directory.ensure() / APPROVED
    path.write_text(dump(document), encoding="utf-8")
    return str(path)


def _confirmed() -> list[str]:
    """Return the environments whose names were typed in, as ``innovate.platform.teardown_consent`` noted."""
    return [name for item in run_directory.items(CONSENTS) for name in item["environments"]]


def _environments(variables: Mapping[str, Any], changing: Sequence[str]) -> list[Environment]:
    """Return the environments in which something is to be done."""
    members = set(variables.get("groups", {}).get("environments", []))
    return [Environment.of(host, variables["hostvars"][host]) for host in changing if host in members]
