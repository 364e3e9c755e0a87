# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ECR repositories."""

from __future__ import annotations

from typing import Any

from tests.contract.contract import Case


def lifecycle(count: int) -> dict[str, Any]:
    """Return a lifecycle policy that keeps so many images."""
    selection = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": count}
    return {"rules": [{"rulePriority": 1, "selection": selection, "action": {"type": "expire"}}]}


def pull(account: str) -> dict[str, Any]:
    """Return a repository policy that lets an account pull."""
    statement = {
        "Sid": "pull",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
        "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


CASES = [
    Case(
        "ecr_repository",
        {
            "repository_name": "contract/api",
            "lifecycle_policy_text": lifecycle(10),
            "policy_text": pull("111111111111"),
            "encryption_configuration": {"encryption_type": "AES256"},
        },
        mutable={
            "image_tag_mutability": "MUTABLE",
            "image_scanning_configuration": {"scan_on_push": False},
            "lifecycle_policy_text": lifecycle(20),
            "policy_text": pull("222222222222"),
        },
        immutable={
            "repository_name": "contract/api-2",
            "encryption_configuration": {"encryption_type": "KMS", "kms_key": "alias/aws/ecr"},
        },
    ),
    Case(
        "ecr_repository",
        {
            "repository_name": "contract/excluded",
            "image_tag_mutability": "IMMUTABLE_WITH_EXCLUSION",
            "image_tag_mutability_exclusion_filters": [{"filter_type": "WILDCARD", "filter": "latest"}],
        },
        mutable={
            "image_tag_mutability_exclusion_filters": [{"filter_type": "WILDCARD", "filter": "dev-*"}],
        },
        label="excluded",
    ),
]
