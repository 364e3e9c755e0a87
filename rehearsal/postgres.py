# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real PostgreSQL servers for the emulated RDS."""

from __future__ import annotations

from pathlib import Path


def remove_all(directory: Path) -> None:
    """Stop and remove every server of a state directory."""
