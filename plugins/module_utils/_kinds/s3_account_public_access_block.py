# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What S3 refuses to make public in a whole account."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from .._engine.kind import Kind, Observed, Property, Scope, Wanted
from ._account import ACCOUNT, OWN
from ._session import Session
from ._shapes import request

_SETTINGS = ("block_public_acls", "ignore_public_acls", "block_public_policy", "restrict_public_buckets")


class S3AccountPublicAccessBlock(Kind):
    """Block public access, for all buckets there are and will be, in all Regions.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_control_PutPublicAccessBlock.html
    """

    name = "s3_account_public_access_block"
    properties: ClassVar[Mapping[str, Property]] = {
        "account": ACCOUNT,
        "block_public_acls": Property("bool", default=True, doc="New public ACLs are refused."),
        "ignore_public_acls": Property("bool", default=True, doc="Public ACLs count for nothing."),
        "block_public_policy": Property("bool", default=True, doc="New public bucket policies are refused."),
        "restrict_public_buckets": Property("bool", default=True, doc="Public policies count only inside the account."),
    }
    key = ("account",)
    taggable = False
    preexisting = True

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """Get it; an account where nobody ever set it blocks nothing."""
        if not scope.declared.get(self.name):
            return []
        missing = ["NoSuchPublicAccessBlockConfiguration"]
        found = session.call("s3control", "get_public_access_block", missing=missing, AccountId=session.account_id)
        settings = found.get("PublicAccessBlockConfiguration", {})
        values = {name: bool(settings.get(_camel(name), False)) for name in _SETTINGS}
        return [Observed(session.account_id, {"account": OWN, **values})]

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Set all of it: there is always one."""
        return self.update(session, Observed(session.account_id, wanted.properties), wanted, frozenset(_SETTINGS))

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Write it whole, as the API has it."""
        configuration = {name: wanted[name] for name in _SETTINGS}
        given = {"public_access_block_configuration": configuration, "account_id": session.account_id}
        # One call at a time is taken (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html).
        session.call(
            "s3control",
            "put_public_access_block",
            retry_on=["OperationAborted"],
            attempts=6,
            **request("s3control", "PutPublicAccessBlock", given),
        )
        return observed


def _camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))
