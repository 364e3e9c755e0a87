# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``innovate.platform.teardown_consent``: before anything is taken down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars

from ansible_collections.innovate.platform.plugins.module_utils._engine.errors import message
from ansible_collections.innovate.platform.plugins.plugin_utils import run_directory
from ansible_collections.innovate.platform.plugins.plugin_utils.consent import CONSENTS, Environment, problems_of


class ActionModule(ActionBase):
    """Runs on the controller and speaks to nobody."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return what the module's documentation says."""
        super().run(tmp, task_vars)
        _validated, arguments = self.validate_argument_spec(
            argument_spec={"confirm": {"type": "raw"}, "group": {"type": "str", "default": "environments"}}
        )
        variables = task_vars or {}
        members = set(variables.get("groups", {}).get(arguments["group"], []))
        hosts = [host for host in variables.get("ansible_play_hosts_all", []) if host in members]
        found = [Environment.of(host, variables["hostvars"][host]) for host in hosts]
        extra = load_extra_vars(self._loader)
        problems = problems_of(found, arguments["confirm"], extra, planning=self._task.check_mode)
        if problems:
            return {"failed": True, "changed": False, "problems": problems, "msg": message(problems)}
        names = sorted(item.name for item in found)
        run_directory.append(CONSENTS, {"environments": names})
        return {"changed": False, "environments": names}
