# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Encryption of new EBS volumes, in an account and Region."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from .._engine.kind import Kind, Observed, Property, Scope, Wanted
from ._session import Session
from ._shapes import violations
from .kms_key import aliases

_AWS_OWN = "alias/aws/ebs"


class EbsDefaultEncryption(Kind):
    """Encryption by default with a key of one's own.

    It is there while the default key is one of the account's own. Deleting it goes back to AWS's key, because volumes
    can't be made with a key that is pending deletion; new volumes stay encrypted.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_EnableEbsEncryptionByDefault.html
    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyEbsDefaultKmsKeyId.html
    """

    name = "ebs_default_encryption"
    properties: ClassVar[Mapping[str, Property]] = {
        "kms_key_id": Property("str", required=True, doc="ARN of the key that new volumes are encrypted with."),
        "ebs_encryption_by_default": Property("bool", default=True, doc="Whether new volumes are always encrypted."),
    }
    taggable = False

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """Get the setting and the key. AWS names its own key by its alias, or by its ARN."""
        if not scope.declared.get(self.name):
            return []
        key = session.call("ec2", "get_ebs_default_kms_key_id")["KmsKeyId"]
        own = {item.get("TargetKeyId") for item in aliases(session, scope) if item["AliasName"] == _AWS_OWN}
        if key.endswith(_AWS_OWN) or key.rpartition("/")[2] in own:
            return []
        enabled = session.call("ec2", "get_ebs_encryption_by_default")["EbsEncryptionByDefault"]
        return [Observed(_AWS_OWN, {"kms_key_id": key, "ebs_encryption_by_default": enabled})]

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Set both."""
        observed = Observed(_AWS_OWN, wanted.properties)
        return self.update(session, observed, wanted, frozenset(self.properties))

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Set the key first: what is made from then on is encrypted with it."""
        if "kms_key_id" in changed:
            session.call(
                "ec2",
                "modify_ebs_default_kms_key_id",
                # A key that was made a moment ago.
                retry_on=["InvalidKmsKey.InvalidKeyState", "InvalidKmsKey.NotFound"],
                attempts=6,
                KmsKeyId=wanted["kms_key_id"],
            )
        if "ebs_encryption_by_default" in changed:
            operation = "enable" if wanted["ebs_encryption_by_default"] else "disable"
            session.call("ec2", f"{operation}_ebs_encryption_by_default")
        return observed

    def delete(self, session: Session, observed: Observed) -> None:
        """Go back to AWS's key."""
        session.call("ec2", "reset_ebs_default_kms_key_id")

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check against the API's model."""
        return violations("ec2", "ModifyEbsDefaultKmsKeyId", properties)
