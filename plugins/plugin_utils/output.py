# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the plugins of this collection write to: standard output or error, and files that people name."""

from __future__ import annotations

import os
from pathlib import Path

from ansible import constants as C  # noqa: N812  # as Ansible itself names it


def is_for_a_program() -> bool:
    """Tell whether standard output is read by a program, so that what is for people goes to standard error."""
    return str(C.DEFAULT_STDOUT_CALLBACK).rpartition(".")[2] in ("json", "jsonl")


def hidden_results() -> list[str]:
    """Return why plans can't be gathered where Ansible hides all results: nothing seen isn't nothing to do."""
    if C.DEFAULT_NO_LOG:
        return [
            (
                "no_log is on for everything, so no plan can be gathered: unset ANSIBLE_NO_LOG, and no_log in "
                "ansible.cfg (secrets are hidden in any case)"
            )
        ]
    return []


def printable(text: str) -> str:
    """Return a text without what moves a terminal's cursor or changes its colours: values come from many hands."""
    return "".join(sign if sign.isprintable() else f"\\x{ord(sign):02x}" for sign in text)


def unwritable(option: str, path: Path) -> list[str]:
    """Return why a file can't be written, without touching it.

    :param option: what the user named it by.
    """
    if path.is_dir():
        return [f"{option}: {path} is a directory: name a file in it"]
    if not path.parent.is_dir():
        return [f"{option}: the directory {path.parent} isn't there"]
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        return [f"{option}: {path} can't be written by this user"]
    return []
