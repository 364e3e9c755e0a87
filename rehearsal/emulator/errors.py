# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors as the AWS services answer them."""

from __future__ import annotations

from typing import Any

from moto.core.exceptions import ServiceException


class AwsError(ServiceException):
    """An error of an AWS service: its code, its message and the further members of its shape.

    The HTTP status comes from the service's own model where that has the code, else it is 400.
    Members of the error's shape (for example ``clusterName`` of EKS) are given by keyword.
    """

    def __init__(self, code: str, message: str, *, status: int | None = None, **members: Any) -> None:
        super().__init__(code, message)
        self.status = status
        for name, value in members.items():
            setattr(self, name, value)
