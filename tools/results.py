# Copyright: Innovate platform maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a part of the suite found: the names of its cases by outcome, kept as JSON or read from JUnit XML."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"


@dataclass
class Results:
    """Names of cases that passed, failed and were skipped."""

    passed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.passed or self.failed or self.skipped)

    def add(self, other: Results) -> None:
        """Take in the cases of `other`."""
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def write(self, path: Path) -> None:
        """Keep the results as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=2) + "\n")


def read(path: Path) -> Results:
    """Read results from a `.json` file written by `Results.write` or from JUnit `.xml`; none when it doesn't exist."""
    if not path.exists():
        return Results()
    if path.suffix == ".json":
        return Results(**json.loads(path.read_text()))
    results = Results()
    for case in ET.parse(path).iter("testcase"):
        name = f"{case.get('classname', '')}::{case.get('name', '')}"
        outcomes = {child.tag for child in case}
        if outcomes & {"failure", "error"}:
            results.failed.append(name)
        elif "skipped" in outcomes:
            results.skipped.append(name)
        else:
            results.passed.append(name)
    return results
