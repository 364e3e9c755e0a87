# Copyright: Innovate platform maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control matrix: which role or file enforces a control of a security benchmark, which test shows it, what is open.

The facts stand in `data/`: `measures.yml` has what the platform does, once for each measure, with the roles' variables
that decide and the tests that show it; the other files have a benchmark each, with its controls, and name measures.
`make docs` writes docs/controls.md for readers and docs/controls.csv for whoever sorts and filters.
"""

from __future__ import annotations

from pathlib import Path

from tools.controls.model import Matrix, load
from tools.controls.page import as_csv, as_markdown
from tools.controls.references import problems_of_references
from tools.results import ROOT

__all__ = ["DATA", "Matrix", "load", "pages", "problems"]

DATA = Path(__file__).parent / "data"


def pages() -> dict[Path, str]:
    """Return the generated files; ends with every mistake of the data where there is one."""
    matrix = load(DATA)
    if found := problems(matrix):
        raise SystemExit("\n".join(found))
    return {ROOT / "docs/controls.md": as_markdown(matrix), ROOT / "docs/controls.csv": as_csv(matrix)}


def problems(matrix: Matrix) -> list[str]:
    """Return what is wrong with a matrix, a sentence for each mistake."""
    return [*matrix.problems, *problems_of_references(matrix)]
