# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens of EKS clusters: a presigned GetCallerIdentity, checked by STS, mapped by the cluster's access entries.

https://github.com/kubernetes-sigs/aws-iam-authenticator#api-authorization-from-outside-a-cluster and
https://docs.aws.amazon.com/eks/latest/userguide/access-entries.html
"""

from __future__ import annotations

import base64
import binascii
import datetime
import hashlib
import hmac
import json
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, parse_qs, parse_qsl, quote, urlsplit

PREFIX = "k8s-aws-v1."
CLUSTER_HEADER = "x-k8s-aws-id"
#: A token is good for a quarter of an hour; a presigned URL may say less.
LIFETIME = datetime.timedelta(minutes=15)
#: How far a client's clock may be ahead.
_SKEW = datetime.timedelta(minutes=5)
_STS = re.compile(r"sts(\.[a-z0-9-]+)?\.amazonaws\.com(\.cn)?")
_PARAMETERS = {
    "Action",
    "Version",
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Amz-SignedHeaders",
    "X-Amz-User-Agent",
}


class Unauthenticated(Exception):
    """Why a token is refused."""


@dataclass(frozen=True)
class Identity:
    """Who STS says that the caller is, and the access key that the token was signed with."""

    account: str
    arn: str
    user_id: str
    access_key: str

    @property
    def session_name(self) -> str:
        """An assumed role's session name; empty for others."""
        return self.arn.split("/")[2] if ":assumed-role/" in self.arn else ""

    @property
    def principal(self) -> str:
        """The IAM principal: of an assumed role the role, whose path the session's ARN doesn't tell."""
        if ":assumed-role/" not in self.arn:
            return self.arn
        partition = self.arn.split(":")[1]
        return f"arn:{partition}:iam::{self.account}:role/{self.arn.split('/')[1]}"

    def is_of(self, principal: str) -> bool:
        """Whether this is the principal of an access entry."""
        if principal == self.principal:
            return True
        ours, theirs = self.principal.split(":", 5), principal.split(":", 5)
        if len(theirs) != 6 or ours[4] != theirs[4] or not theirs[5].startswith("role/"):
            return False
        return ":assumed-role/" in self.arn and theirs[5].rpartition("/")[2] == self.arn.split("/")[1]


@dataclass(frozen=True)
class Entry:
    """An access entry, as far as it concerns who somebody is and what they may do.

    ``policies`` are (access policy ARN, namespaces); no namespaces for the whole cluster.
    """

    principal: str
    kind: str
    username: str
    groups: tuple[str, ...]
    policies: tuple[tuple[str, tuple[str, ...]], ...] = ()


def decode(token: str, endpoint: str, now: datetime.datetime) -> SplitResult:
    """The presigned URL in a token.

    The rules are aws-iam-authenticator's. Where AWS clients are led to ``endpoint``, the URL is one of it.

    Raises:
        Unauthenticated: it isn't a token, or not one that is good now.
    """
    if not token.startswith(PREFIX):
        raise Unauthenticated(f"token is missing expected {PREFIX!r} prefix")
    text = token.removeprefix(PREFIX)
    try:
        url = urlsplit(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode())
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise Unauthenticated(f"the token is no base64 URL: {error}") from None
    real = url.scheme == "https" and _STS.fullmatch(url.netloc) is not None
    if not real and (url.scheme, url.netloc) != urlsplit(endpoint)[:2]:
        raise Unauthenticated(f"unexpected hostname {url.netloc!r} in pre-signed URL")
    if url.path not in ("", "/"):
        raise Unauthenticated(f"unexpected path {url.path!r} in pre-signed URL")
    query = parse_qs(url.query, keep_blank_values=True)
    for name, values in query.items():
        if name not in _PARAMETERS:
            raise Unauthenticated(f"non-whitelisted query parameter {name!r}")
        if len(values) != 1:
            raise Unauthenticated(f"query parameter {name!r} with multiple values not supported")
    given = {name: values[0] for name, values in query.items()}
    if given.get("Action") != "GetCallerIdentity":
        raise Unauthenticated("unexpected action parameter in pre-signed URL")
    if CLUSTER_HEADER not in given.get("X-Amz-SignedHeaders", "").split(";"):
        raise Unauthenticated(f"client did not sign the {CLUSTER_HEADER} header in the pre-signed URL")
    _check_time(given, now)
    return url


def _check_time(given: Mapping[str, str], now: datetime.datetime) -> None:
    try:
        expires = int(given["X-Amz-Expires"])
        signed = datetime.datetime.strptime(given["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.UTC)
    except (KeyError, ValueError):
        raise Unauthenticated("X-Amz-Date and X-Amz-Expires must be present in the pre-signed URL") from None
    if not 0 <= expires <= LIFETIME.total_seconds():
        raise Unauthenticated(f"invalid X-Amz-Expires parameter in pre-signed URL: {expires}")
    # The token's own lifetime counts, not the URL's: get-token signs for 60 s and says 14 minutes.
    if not signed - _SKEW <= now <= signed + LIFETIME:
        raise Unauthenticated(f"X-Amz-Date parameter is expired ({LIFETIME.seconds // 60} minute expiration) {signed}")


def check_signature(url: SplitResult, cluster: str, secret: str) -> None:
    """Compute the signature for this cluster's name and compare: a token of another cluster is refused here.

    STS does this on AWS; the emulated one checks no signatures.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html

    Raises:
        Unauthenticated: it differs.
    """
    query = dict(parse_qsl(url.query, keep_blank_values=True))
    given = query.pop("X-Amz-Signature", "")
    headers = {"host": url.netloc, CLUSTER_HEADER: cluster}
    signed = query["X-Amz-SignedHeaders"].split(";")
    canonical = "\n".join(
        [
            "GET",
            "/",
            "&".join(f"{quote(name, safe='-_.~')}={quote(query[name], safe='-_.~')}" for name in sorted(query)),
            *(f"{name}:{headers.get(name, '')}" for name in signed),
            "",
            ";".join(signed),
            hashlib.sha256(b"").hexdigest(),
        ]
    )
    scope = query["X-Amz-Credential"].split("/")[1:]
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join(["AWS4-HMAC-SHA256", query["X-Amz-Date"], "/".join(scope), digest])
    key = f"AWS4{secret}".encode()
    for part in scope:
        key = hmac.digest(key, part.encode(), "sha256")
    if not hmac.compare_digest(hmac.digest(key, text.encode(), "sha256").hex(), given):
        raise Unauthenticated("error from AWS (expected 200, got 403): the signature doesn't match")


def ask_sts(url: SplitResult, cluster: str, endpoint: str) -> Identity:
    """Replay the presigned request at STS, for this cluster.

    Raises:
        Unauthenticated: STS refuses it.
    """
    request = urllib.request.Request(
        f"{endpoint}/?{url.query}", headers={CLUSTER_HEADER: cluster, "Accept": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            body = answer.read().decode()
    except urllib.error.HTTPError as error:
        raise Unauthenticated(f"error from AWS (expected 200, got {error.code})") from None
    except OSError as error:
        raise Unauthenticated(f"error during GET: {error}") from None
    found = _caller(body)
    key = parse_qs(url.query)["X-Amz-Credential"][0].partition("/")[0]
    return Identity(found["Account"], found["Arn"], found["UserId"], key)


def _caller(body: str) -> dict[str, str]:
    if body.lstrip().startswith("{"):
        result: dict[str, str] = json.loads(body)["GetCallerIdentityResponse"]["GetCallerIdentityResult"]
        return result
    return {name: re.findall(f"<{name}>([^<]+)</{name}>", body)[0] for name in ("Account", "Arn", "UserId")}


def user(identity: Identity, entries: Mapping[str, Entry]) -> dict[str, Any]:
    """The Kubernetes user that the access entries make of a caller.

    Raises:
        Unauthenticated: no access entry names the caller's principal.
    """
    entry = next((entry for entry in entries.values() if identity.is_of(entry.principal)), None)
    if entry is None:
        raise Unauthenticated(f"no access entry for {identity.principal}")
    session = identity.session_name
    names = {
        "AccountID": identity.account,
        "SessionName": session.replace("@", "-"),
        "SessionNameRaw": session,
        "EC2PrivateDNSName": session,
    }
    name = re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda match: names.get(match[1], match[0]), entry.username)
    return {
        "username": name,
        "uid": f"aws-iam-authenticator:{identity.account}:{identity.user_id.partition(':')[0]}",
        "groups": list(entry.groups),
        "extra": {
            "accessKeyId": [identity.access_key],
            "arn": [identity.arn],
            "canonicalArn": [entry.principal],
            "principalId": [identity.user_id.partition(":")[0]],
            "sessionName": [session],
        },
    }
