# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the collection's own modules in forks of the process that runs them, not in new interpreters.

A callback plugin that tells nothing; it is loaded where ANSIBLE_CALLBACK_PLUGINS names this directory. What a module
imports, and the service models that it reads, are read once for a whole run of ansible-playbook: most of the CPU time
of a run against the emulated AWS goes there. The modules, their parameters, their processes (one each, which ends with
the module) and all of Ansible around them stay the same.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pkgutil
import runpy
import sys
import traceback
from typing import Any

from ansible.module_utils import basic
from ansible.module_utils.common.json import Direction, get_module_encoder
from ansible.plugins.action import ActionBase
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: modules_in_forks
type: aggregate
short_description: Runs the collection's own modules in forks
description: [For the rehearsal's harnesses only.]
"""

_MODULES = "ansible_collections.innovate.platform.plugins.modules"
_PREFIX = "innovate.platform."
#: What an apply of the site asks; anything else is read when it is asked.
_SERVICES = ("ec2", "eks", "iam", "kms", "logs", "organizations", "rds", "resourcegroupstaggingapi", "sqs", "sts")
_PROFILE = "legacy"

_execute_in_an_interpreter = ActionBase._execute_module


def _execute_module(
    self: ActionBase,
    module_name: str | None = None,
    module_args: dict[str, Any] | None = None,
    tmp: str | None = None,
    task_vars: dict[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Take the place of the method of the same name: a module of this collection runs in a fork."""
    name = module_name or self._task.resolved_action or self._task.action
    if not name.startswith(_PREFIX) or self._task.async_val or any(self._task.environment or ()):
        result: dict[str, Any] = _execute_in_an_interpreter(self, module_name, module_args, tmp, task_vars, **more)
        return result
    arguments = self._task.args if module_args is None else module_args
    self._update_module_args(name, arguments, task_vars or {})
    encoder = get_module_encoder(_PROFILE, Direction.CONTROLLER_TO_MODULE)
    given = json.dumps({"ANSIBLE_MODULE_ARGS": arguments}, cls=encoder).encode()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _run(f"{_MODULES}.{name.removeprefix(_PREFIX)}", given, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        out = answer.read().decode()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    answered = {"rc": status, "stdout": out, "stdout_lines": out.splitlines(), "stderr": "", "stderr_lines": []}
    parsed = self._parse_returned_data(answered, _PROFILE)
    parsed.remove_internal_keys()
    data: dict[str, Any] = parsed.as_result_dict(for_round_trip=True)
    return data


def _run(module: str, given: bytes, writer: int) -> None:
    """Be the module's process: its answer goes to the pipe."""
    status = 1
    try:
        os.dup2(writer, 1)
        sys.stdout = os.fdopen(1, "w", closefd=False)
        basic._ANSIBLE_ARGS = given
        basic._ANSIBLE_PROFILE = _PROFILE
        basic._PARSED_MODULE_ARGS = None
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - as an interpreter would: the answer is the traceback
        print(json.dumps({"failed": True, "msg": "MODULE FAILURE", "exception": traceback.format_exc()}))
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        os._exit(status)


class CallbackModule(CallbackBase):
    """Warms the process up before the first worker is forked."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "modules_in_forks"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        package = importlib.import_module(_MODULES)
        for found in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{_MODULES}.{found.name}")
        shapes = importlib.import_module(_MODULES.replace(".modules", ".module_utils._kinds._shapes"))
        for service in _SERVICES:
            shapes.botocore_session().get_service_model(service)
        ActionBase._execute_module = _execute_module
