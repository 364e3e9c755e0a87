# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CONTRIBUTING.md shows a kind and its case: both work as they stand there."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.innovate.platform.plugins.module_utils import _kinds
from ansible_collections.innovate.platform.plugins.module_utils._kinds._session import Session
from ansible_collections.innovate.platform.plugins.module_utils._kinds.registry import KINDS
from tests.contract import test_contract
from tests.contract.contract import Case


def example(root: Path, word: str) -> str:
    """Return the one Python example that has a word in it."""
    text = (root / "CONTRIBUTING.md").read_text()
    blocks = re.findall(r"^( *)```python\n(.*?)^\1```$", text, flags=re.MULTILINE | re.DOTALL)
    (found,) = [textwrap.dedent(block) for _indent, block in blocks if word in block]
    return found


def test_the_example_of_a_new_kind_keeps_the_contract(
    root: Path, session: Session, start_afresh: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    kind: dict[str, Any] = {"__package__": _kinds.__name__, "__name__": f"{_kinds.__name__}.key_pair"}
    exec(compile(example(root, "class KeyPair"), "key_pair.py", "exec"), kind)
    case: dict[str, Any] = {"Case": Case}
    exec(example(root, "CASES = ["), case)
    monkeypatch.setitem(KINDS, "key_pair", kind["KeyPair"]())
    (tried,) = case["CASES"]
    test_contract.test_a_kind_keeps_the_contract(tried, session, start_afresh)
