# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``innovate.platform.drift_report``: what stands otherwise than it is declared, for people and programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.innovate.platform.plugins.module_utils._drift.findings import compose
from ansible_collections.innovate.platform.plugins.module_utils._drift.threshold import parse
from ansible_collections.innovate.platform.plugins.module_utils._engine.errors import message
from ansible_collections.innovate.platform.plugins.module_utils._kinds.registry import KINDS
from ansible_collections.innovate.platform.plugins.plugin_utils import run_directory
from ansible_collections.innovate.platform.plugins.plugin_utils.drift.junit import junit
from ansible_collections.innovate.platform.plugins.plugin_utils.drift.lines import headline, lines
from ansible_collections.innovate.platform.plugins.plugin_utils.drift.page import page
from ansible_collections.innovate.platform.plugins.plugin_utils.output import (
    hidden_results,
    is_for_a_program,
    printable,
    unwritable,
)

_FORMS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "html": page,
    "json": lambda document: json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n",
    "junit": junit,
}


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
                "step": {"type": "str", "choices": ["begin", "report"], "default": "report"},
                "html": {"type": "path"},
                "json": {"type": "path"},
                "junit": {"type": "path"},
                "fail_at": {"type": "str", "default": "any"},
                "surveys": {"type": "list", "elements": "dict", "default": []},
                "playbooks": {"type": "dict", "default": {}},
            }
        )
        limits, problems = parse(arguments["fail_at"])
        problems += run_directory.problems()
        problems += hidden_results()
        problems += _file_problems(arguments)
        if problems:
            return {"failed": True, "changed": False, "problems": problems, "msg": message(problems)}
        if arguments["step"] == "begin":
            return {"changed": False}
        return self._report(arguments, limits)

    def _report(self, arguments: Mapping[str, Any], limits: Mapping[str, int]) -> dict[str, Any]:
        failures = run_directory.items(run_directory.FAILURES)
        document = compose(
            run_directory.items(run_directory.PLANS),
            failures,
            [survey for survey in arguments["surveys"] if "host" in survey and not survey.get("failed")],
            generated=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            fail_at=arguments["fail_at"],
            limits=limits,
            playbooks=arguments["playbooks"],
            compares_members=_compares_members,
        )
        written = []
        problems = []
        for form, write in _FORMS.items():
            if not arguments[form]:
                continue
            try:
                Path(arguments[form]).write_text(write(document), encoding="utf-8")
                written.append(arguments[form])
            except OSError as error:
                problems.append(f"{form}: {arguments[form]} can't be written: {error.strerror}")
        found = lines(document)
        for line in found:
            self._display.display(printable(line), stderr=is_for_a_program())
        return {
            "failed": bool(document["failed"] or problems),
            "changed": False,
            "totals": document["totals"],
            "reasons": document["reasons"] + problems,
            "findings": found,
            "files": written,
            "msg": message([headline(document), *problems]),
        }


def _compares_members(kind: str, name: str) -> bool:
    properties = KINDS[kind].properties if kind in KINDS else {}
    return name in properties and properties[name].type == "dict"


def _file_problems(arguments: Mapping[str, Any]) -> list[str]:
    """Return why files can't be written, without touching them."""
    problems = []
    seen: dict[Path, str] = {}
    for form in _FORMS:
        if not arguments[form]:
            continue
        path = Path(arguments[form])
        other = seen.setdefault(path.absolute(), form)
        if other != form:
            problems.append(f"{form}: {path} is what `{other}` is written to already: name another file")
        else:
            problems += unwritable(form, path)
    return problems
