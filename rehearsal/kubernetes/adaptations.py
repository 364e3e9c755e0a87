# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes to the sources of a required Go module, for the build of one program.

A wrapper module may hold ``adaptations.yml``: for each module that is changed, the files, what is looked for in them (a
regular expression; ``^`` and ``$`` are a line's), what takes its place, and how often it is there. The module is copied
out of the module cache, whose checksum was verified; a rule that doesn't fit exactly ends the build, so that another
version of the module isn't changed by accident.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import yaml

#: The file of a wrapper module that holds its adaptations.
FILE = "adaptations.yml"


class AdaptationError(ValueError):
    """Rules that don't fit the sources; one line for each mistake."""


@dataclass(frozen=True)
class Change:
    """What is replaced in one file.

    Attributes:
        file: Its path in the module.
        pattern: The regular expression of what is replaced.
        replacement: What takes its place; a backslash and a number stand for a group.
        count: How often the pattern is in the file.
    """

    file: str
    pattern: str
    replacement: str
    count: int


@dataclass(frozen=True)
class Adaptation:
    """The changes to one module."""

    module: str
    changes: tuple[Change, ...]

    def apply(self, source: Path, target: Path) -> None:
        """Copy the module's sources and change the copy.

        Raises:
            AdaptationError: a rule doesn't fit. Nothing is changed then.
        """
        texts: dict[str, str] = {}
        mistakes = []
        for change in self.changes:
            file = source / change.file
            if change.file not in texts:
                texts[change.file] = file.read_text(encoding="utf-8") if file.is_file() else ""
            text, count = re.subn(change.pattern, change.replacement, texts[change.file], flags=re.MULTILINE)
            texts[change.file] = text
            if not file.is_file():
                mistakes.append(f"{source.name} has no file {change.file}")
            elif count != change.count:
                mistakes.append(f"{source.name}/{change.file} has {change.pattern!r} {count} times, not {change.count}")
        if mistakes:
            raise AdaptationError("\n".join(mistakes))
        # The module cache is read-only: the copy has neither its files' modes nor its directories'.
        shutil.copytree(source, target, copy_function=shutil.copyfile)
        for folder in (target, *target.rglob("*/")):
            folder.chmod(0o755)
        for name, text in texts.items():
            (target / name).write_text(text, encoding="utf-8")


def of(wrapper: Path) -> list[Adaptation]:
    """The adaptations of a wrapper module: none where it has no such file."""
    file = wrapper / FILE
    documents = yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else []
    return [Adaptation(item["module"], tuple(Change(**change) for change in item["changes"])) for item in documents]
