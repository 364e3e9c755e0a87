# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
name: plan
type: aggregate
short_description: Show the plan of a whole run, over all accounts and stacks
version_added: 0.1.0
description:
  - Gathers what the modules of this collection plan (check mode) and do, and shows it in one piece, by account and
    stack, each line of at most 100 columns, with one line of totals, the monthly cost before and after, and the
    digest.
  - Playbooks with M(innovate.platform.plan_gate) show the plan before the first change, all others at the end.
  - What is planned is kept in the run's directory until the run ends; M(innovate.platform.plan_gate) reads it there.
    The environment variable E(INNOVATE_PLATFORM_RUN) says where.
  - Where standard output is for a program (the callbacks C(ansible.posix.json) and C(ansible.posix.jsonl)), the plan
    goes to standard error.
author:
  - Innovate platform maintainers (@innovate-inc)
requirements:
  - set as C(callbacks_enabled) in C(ansible.cfg), as this repository does
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from ansible import constants as C  # noqa: N812  # as Ansible itself names it
from ansible.plugins.callback import CallbackBase

from ansible_collections.innovate.platform.plugins.module_utils._plan.document import COUNTED, collect, latest
from ansible_collections.innovate.platform.plugins.plugin_utils import plan_text, run_directory
from ansible_collections.innovate.platform.plugins.plugin_utils.cost.estimate import estimate
from ansible_collections.innovate.platform.plugins.plugin_utils.output import is_for_a_program

GATE = "innovate.platform.plan_gate"
DRIFT = "innovate.platform.drift_report"
_OURS = "innovate.platform."
TAKEN = (
    "stack",
    "account",
    "applied",
    "changes",
    "awaits",
    "billable",
    "problems",
    "preflight",
    "known",
    "foreign",
    "obstacles",
)
"""What of a result is kept."""


class CallbackModule(CallbackBase):
    """Gathers results of stacks' modules: those that carry ``stack``, ``account`` and ``changes``."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "innovate.platform.plan"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._planned: list[dict[str, Any]] = []
        self._applied: list[dict[str, Any]] = []
        self._shown = 0

    def v2_playbook_on_start(self, playbook: Any) -> None:
        """Begin with nothing, before any module starts: a command may have several playbooks, each with its plan."""
        self._planned, self._applied, self._shown = [], [], 0
        run_directory.start_gathering()

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """Show the plan before anybody decides on it."""
        if task.action == GATE and task.args.get("step", "decide") == "decide":
            self._show_plan()
        elif task.action == DRIFT:
            # The report shows what the plans found; nobody is going to carry them out.
            self._shown = max(self._shown, len(self._planned))

    def v2_runner_on_ok(self, result: Any) -> None:
        """Take what a module planned or did; what is hidden from everybody is hidden from the gate as well."""
        host = result.host.get_name()
        for item in _results(result.result):
            self._take(host, item)
            if "censored" in item and result.task.action.startswith(_OURS):
                problem = "no_log hides what it planned: take no_log from the task (secrets are hidden in any case)"
                self._note_failure(host, result, [problem])

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """Take what was done before it failed, and that it failed."""
        host = result.host.get_name()
        for item in _results(result.result):
            self._take(host, item)
            if item.get("failed") and result.task.action not in (GATE, DRIFT):
                self._note_failure(host, result, item.get("problems") or [str(item.get("msg", "failed"))])

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """Note that nobody knows what would be done there."""
        self._note_failure(result.host.get_name(), result, ["it can't be reached, so nobody knows what is there"])

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Show what hasn't been shown: a plan that nobody decided on, or what was done."""
        if self._applied:
            self._show_applied()
        elif len(self._planned) > self._shown:
            self._show_plan()

    @staticmethod
    def _note_failure(host: str, result: Any, problems: list[str]) -> None:
        failure = {"host": host, "task": result.task.get_name(), "problems": problems}
        run_directory.append(run_directory.FAILURES, failure)

    def _take(self, host: str, result: Mapping[str, Any]) -> None:
        if not {"stack", "account", "changes", "applied"} <= set(result):
            return
        taken = {"host": host, **{name: result[name] for name in TAKEN if name in result}}
        if result["applied"]:
            self._applied.append(taken)
        else:
            self._planned.append(taken)
            run_directory.append(run_directory.PLANS, taken)

    def _show_plan(self) -> None:
        document = collect(self._planned)
        self._print(("title", "Plan"), *plan_text.lines(document), *plan_text.cost(estimate(latest(self._planned))))
        self._print(("title", f"Digest: {document['digest']}"))
        self._shown = len(self._planned)

    def _show_applied(self) -> None:
        # What is done in two steps (a group, and later its rules) counts as what the plan called it: the first.
        first: dict[tuple[str, str, str, str], str] = {}
        for result in self._applied:
            for change in result["changes"]:
                key = (result["host"], result["account"]["region"], result["stack"], change["address"])
                first.setdefault(key, change["action"])
        counts = Counter(first.values())
        words = ", ".join(f"{count} {plan_text.DONE[action]}" for action in COUNTED if (count := counts[action]))
        accounts = plan_text.accounts(len({result["host"] for result in self._applied}))
        self._print(("title", f"Done: {words or 'nothing to change'} in {accounts}"))

    def _print(self, *lines: plan_text.Line) -> None:
        for_a_program = is_for_a_program()
        for kind, text in lines:
            self._display.display(text, color=_colour(kind), stderr=for_a_program)


def _results(result: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the result of a task, or those of its items."""
    items = result.get("results")
    if isinstance(items, list):
        yield from (item for item in items if isinstance(item, Mapping))
    else:
        yield result


def _colour(kind: str) -> str | None:
    colours = {
        "create": C.COLOR_OK,
        "adopt": C.COLOR_OK,
        "update": C.COLOR_CHANGED,
        "replace": C.COLOR_DEPRECATE,
        "delete": C.COLOR_ERROR,
        "keep": C.COLOR_SKIP,
        "title": C.COLOR_HIGHLIGHT,
    }
    colour: str | None = colours.get(kind)
    return colour
