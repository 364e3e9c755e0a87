# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``innovate.platform.plan_gate``: between the plan of a run and its first change."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

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
from ansible_collections.innovate.platform.plugins.plugin_utils.cost.estimate import estimate
from ansible_collections.innovate.platform.plugins.plugin_utils.output import unwritable


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
            }
        )
        if arguments["step"] == "begin":
            result = begin(arguments)
        else:
            result = decide(arguments, applying=not self._task.check_mode)
        for note in result.pop("notes", ()):
            self._display.warning(note)
        problems = list(dict.fromkeys(result.pop("problems")))
        if problems:
            return {**result, "failed": True, "changed": False, "problems": problems, "msg": message(problems)}
        return {**result, "changed": False}


def begin(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is wrong with the files, and with the way in which plans are gathered."""
    problems = run_directory.problems()
    if arguments["plan_out"]:
        problems += unwritable("plan_out", Path(arguments["plan_out"]))
    _approved, found = read("plan_in", arguments["plan_in"])
    digest = arguments["plan_digest"]
    if digest and not (digest.startswith("sha256:") and len(digest) == len("sha256:") + 64):
        found.append(f"plan_digest '{digest}' is no digest: it is sha256: and 64 hexadecimal digits")
    return {"problems": problems + found}


def decide(arguments: Mapping[str, Any], *, applying: bool) -> dict[str, Any]:
    """Return what was planned, in short, and everything that speaks against it.

    :param applying: whether this run goes on to carry it out.
    """
    plans = latest(run_directory.items("plan.jsonl"))
    cost = estimate(plans)
    document = collect(plans, {name: cost[name] for name in ("before", "after", "currency", "as_of", "unknown")})
    problems = [
        f"{failure['host']}: {problem}"
        for failure in run_directory.items("failures.jsonl")
        for problem in failure["problems"]
    ]
    problems += [f"{plan['host']}: {problem}" for plan in plans for problem in plan.get("problems") or ()]
    problems += findings(plans, applying=applying)
    problems += remaining(plans)
    if arguments["plan_out"]:
        try:
            Path(arguments["plan_out"]).write_text(dump(document), encoding="utf-8")
        except OSError as error:
            problems.append(f"plan_out can't be written: {error}")
    approved, found = read("plan_in", arguments["plan_in"])
    problems += found
    if approved is not None:
        problems += differences(approved, document)
    digest = arguments["plan_digest"]
    if digest and digest != document["digest"]:
        problems.append(f"the plan with the digest {digest} was approved, this one has {document['digest']}")
    return {
        "problems": problems,
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
