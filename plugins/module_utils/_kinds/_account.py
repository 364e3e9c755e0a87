# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What kinds share of which an account has one."""

from __future__ import annotations

from .._engine.kind import Property

OWN = "own"
ACCOUNT = Property(
    "str", default=OWN, immutable=True, choices=(OWN,), doc="The account of the call, which has exactly one."
)
"""The natural key of what there is one of."""
