# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What kinds call the API server of an EKS cluster with: found by DescribeCluster, entered by a token made here.

The Kubernetes client library takes 1.4 s to import, which is more than a run that changes nothing takes; what is needed
of it is a pool of connections, and urllib3 (which botocore brings) is one.
"""

from __future__ import annotations

import base64
import json
import ssl
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import quote, urlencode, urlsplit

from .._engine.errors import EngineError
from .._engine.observe import side_by_side
from ._eks import cluster_attributes, describe_cluster
from ._hidden import repeats
from ._objects import is_secret
from ._session import Session

TOKEN_SECONDS = 600
"""EKS takes a token for 15 minutes (https://github.com/kubernetes-sigs/aws-iam-authenticator#api-authorization-from-outside-a-cluster)."""
_ENTRY_LAG = 15
"""Seconds in which an access entry made a moment ago may not be known to the API server yet."""
_DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
_BUSY = (429, 502, 503, 504)
_PAUSES = (0.3, 1, 2, 4, 8)


class ApiError(EngineError):
    """What the API server answered instead of doing it.

    :param reason: Kubernetes' own word: NotFound, Conflict, Invalid, Forbidden.
    :param causes: for each field, what is wrong with it.
    """

    def __init__(self, status: int, reason: str, message: str, causes: Iterable[Mapping[str, str]] = ()) -> None:
        self.status = status
        self.reason = reason
        self.message = message
        self.causes = list(causes)
        super().__init__(f"the API server says {status} {reason}: {message}")


@dataclass(frozen=True)
class ApiType:
    """A kind of object as the API server offers it."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool

    def path(self, namespace: str = "", name: str = "") -> str:
        """Return the path of an object, or of the list of all of them; without a namespace of all namespaces."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        scope = f"/namespaces/{quote(namespace)}" if self.namespaced and namespace else ""
        return f"{root}{scope}/{self.plural}" + (f"/{quote(name)}" if name else "")


class Cluster:
    """One cluster, opened when first used; safe between threads.

    :param warn: told each warning of the API server once.
    """

    def __init__(self, name: str, warn: Callable[[str], None] = lambda text: None) -> None:
        self.name = name
        self._warn = warn
        self._warned: set[str] = set()
        self._lock = threading.RLock()
        self._opened: _Connection | None = None
        self._asked = False
        self._types: dict[tuple[str, str], dict[str, ApiType]] | None = None
        self._described: dict[str, Any] | None = None
        self.attributes: Mapping[str, Any] = {}

    def describe(self, session: Session, name: str) -> dict[str, Any]:
        """Return what EKS says of a cluster; of this one it is asked once."""
        if name != self.name:
            return describe_cluster(session, name)
        with self._lock:
            if self._described is None:
                self._described = describe_cluster(session, name)
            return self._described

    def open(self, session: Session) -> bool:
        """Tell whether the cluster is there, so that it can be called."""
        with self._lock:
            if not self._asked:
                described = self.describe(session, self.name)
                self.attributes = cluster_attributes(session, described)
                self._opened = _connect(session, self.name, described)
                self._asked = True
            return self._opened is not None

    def reopen(self, session: Session) -> None:
        """Ask again for a cluster that wasn't there; raise if it still isn't."""
        with self._lock:
            if self._opened is None:
                self._asked, self._described = False, None
            if not self.open(session):
                raise EngineError(f"cluster '{self.name}' can't be called yet: it has no endpoint")

    def api_type(self, group: str, kind: str, version: str = "", *, fresh: bool = False) -> ApiType | None:
        """Return how a kind is offered, in a version or the preferred one; ``fresh`` asks the API server again."""
        with self._lock:
            if self._types is None or fresh:
                self._types = self._discover()
            versions = self._types.get((group, kind), {})
        return versions.get(version) if version else next(iter(versions.values()), None)

    def get(self, path: str, **query: str) -> dict[str, Any] | None:
        """Return an object or list; None if it isn't there."""
        try:
            return self.request("GET", path, query=query)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def items(self, path: str, **query: str) -> list[dict[str, Any]]:
        """Return the objects of all pages of a list; none if there is no such list."""
        found: list[dict[str, Any]] = []
        query = {"limit": "500", **query}
        while True:
            page = self.get(path, **query) or {}
            found += page.get("items") or []
            following = (page.get("metadata") or {}).get("continue")
            if not following:
                return found
            query["continue"] = following

    def apply(
        self, path: str, document: Mapping[str, Any], manager: str, *, force: bool, dry_run: bool
    ) -> dict[str, Any]:
        """Apply server-side (https://kubernetes.io/docs/reference/using-api/server-side-apply/), fields checked."""
        query = {"fieldManager": manager, "force": str(force).lower(), "fieldValidation": "Strict"}
        if dry_run:
            query["dryRun"] = "All"
        return self.request("PATCH", path, document, query, "application/apply-patch+yaml")

    def delete(self, path: str, uid: str) -> None:
        """Delete an object, and no other of its name; one that is gone is no error."""
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": {"uid": uid},
        }
        try:
            self.request("DELETE", path, options)
        except ApiError as error:
            if error.status not in (404, 409):
                raise

    def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
        content: str = "application/json",
        accept: str = "application/json",
    ) -> dict[str, Any]:
        """Return what the API server answers; what it is too busy for is tried again."""
        if self._opened is None:
            raise EngineError(f"cluster '{self.name}' isn't there")
        answer = self._opened.send(method, path, body, query or {}, content, accept)
        for text in answer.warnings:
            if body is not None and is_secret(body) and repeats(text, body):
                self._tell(f"it warns of Secret {body['metadata']['name']}, and repeats what is in it: not shown")
            else:
                self._tell(text)
        return answer.body

    def _tell(self, text: str) -> None:
        with self._lock:
            if text in self._warned:
                return
            self._warned.add(text)
        self._warn(f"cluster {self.name}: {text}")

    def _discover(self) -> dict[tuple[str, str], dict[str, ApiType]]:
        """Return every kind by group and name, its versions in the server's order: two calls for all groups."""
        found: dict[tuple[str, str], dict[str, ApiType]] = {}
        for root in side_by_side(lambda path: self.request("GET", path, accept=_DISCOVERY), ("/api", "/apis")):
            for group in root.get("items") or []:
                name = group["metadata"].get("name", "")
                for version in group.get("versions") or []:
                    for item in version.get("resources") or []:
                        kind = (item.get("responseKind") or {}).get("kind", "")
                        offered = ApiType(
                            name, version["version"], kind, item["resource"], item.get("scope") == "Namespaced"
                        )
                        found.setdefault((name, kind), {}).setdefault(offered.version, offered)
        return found


@dataclass(frozen=True)
class _Answer:
    body: dict[str, Any]
    warnings: list[str]


class _Connection:
    """A pool of connections and the token that they are used with."""

    def __init__(self, endpoint: str, authority: str, make_token: Callable[[], str], where: str) -> None:
        import urllib3  # noqa: PLC0415  # made when first used: importing is run time

        self._endpoint = endpoint
        self._where = where
        self._make_token = make_token
        self._lock = threading.Lock()
        self._token = ""
        self._made = 0.0
        self._entered = False
        self._broken: type[Exception] = urllib3.exceptions.HTTPError
        context = ssl.create_default_context(cadata=authority)
        # EKS' authorities have no key identifier, which strict checks (Python 3.13's default) ask for:
        # https://github.com/kubernetes-client/python/issues/2394
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        settings: dict[str, Any] = {
            "ssl_context": context,
            "maxsize": 16,
            "timeout": urllib3.Timeout(connect=10, read=60),
            # All that is sent here may be sent twice: applying, deleting by uid, reading. Other errors are those of a
            # handshake: urllib3 sets the context's protocols for each connection, which another thread may be copying.
            "retries": urllib3.Retry(
                total=None, connect=3, read=2, redirect=0, status=0, other=2, backoff_factor=0.3, allowed_methods=None
            ),
        }
        host = urlsplit(endpoint).hostname or ""
        proxy = "" if urllib.request.proxy_bypass(host) else urllib.request.getproxies().get("https", "")
        self._pool = urllib3.ProxyManager(proxy, **settings) if proxy else urllib3.PoolManager(**settings)

    def send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        query: Mapping[str, str],
        content: str,
        accept: str,
    ) -> _Answer:
        url = f"{self._endpoint}{path}" + (f"?{urlencode(query)}" if query else "")
        data = None if body is None else json.dumps(body).encode()
        pauses = iter(_PAUSES)
        began = time.monotonic()
        while True:
            token = self._current_token()
            headers = {"Authorization": f"Bearer {token}", "Accept": accept, "Content-Type": content}
            try:
                answer = self._pool.request(method, url, body=data, headers=headers)
            except self._broken as error:
                raise EngineError(
                    f"the API server of {self._where} can't be reached at {self._endpoint} ({_reason(error)}): "
                    "its endpoint may be private or open to other addresses only"
                ) from None
            if answer.status < 400:
                self._entered = True
                return _Answer(json.loads(answer.data or b"{}"), _warnings(answer.headers.getlist("Warning")))
            if answer.status == 401 and (self._renew(token) or time.monotonic() - began < self._patience()):
                time.sleep(0.5)
                continue
            pause = next(pauses, None) if answer.status in _BUSY else None
            if pause is None:
                self._raise(answer.status, answer.data)
            time.sleep(pause)

    def _patience(self) -> float:
        return 0 if self._entered else _ENTRY_LAG

    def _current_token(self) -> str:
        with self._lock:
            if not self._token or time.monotonic() - self._made > TOKEN_SECONDS:
                self._token, self._made = self._make_token(), time.monotonic()
            return self._token

    def _renew(self, refused: str) -> bool:
        """Forget a token that was good and isn't any more; tell whether another try makes sense."""
        with self._lock:
            if self._token == refused:
                self._token = ""
            first = self._entered
            self._entered = False
            return first

    def _raise(self, status: int, data: bytes) -> NoReturn:
        if status == 401:
            raise EngineError(
                f"{self._where} does not let these credentials in (401): give their role an access entry "
                "(access_entries of the cluster), and an access policy with it"
            )
        try:
            told = json.loads(data)
        except ValueError:
            told = {"message": data.decode(errors="replace")[:300]}
        causes = (told.get("details") or {}).get("causes") or []
        raise ApiError(status, told.get("reason") or "error", str(told.get("message", "")), causes)


def _connect(session: Session, name: str, cluster: Mapping[str, Any]) -> _Connection | None:
    """Return a way into a cluster; None while it isn't there or has no API server yet."""
    authority = (cluster.get("certificateAuthority") or {}).get("data")
    if not cluster.get("endpoint") or not authority or cluster.get("status") in ("CREATING", "DELETING", "FAILED"):
        return None
    where = f"cluster '{name}'"
    return _Connection(
        cluster["endpoint"].rstrip("/"),
        base64.b64decode(authority).decode(),
        lambda: make_token(session, name),
        where,
    )


_signing = threading.Lock()


def make_token(session: Session, cluster: str) -> str:
    """Return a token for a cluster: a GetCallerIdentity signed for it, which EKS carries out to see who is asking."""
    client = session.client("sts")

    def name_cluster(request: Any, **_ignored: Any) -> None:
        request.headers["x-k8s-aws-id"] = cluster

    with _signing:
        client.meta.events.register("before-sign.sts.GetCallerIdentity", name_cluster, unique_id="innovate-token")
        try:
            url = client.generate_presigned_url("get_caller_identity", ExpiresIn=60, HttpMethod="GET")
        finally:
            client.meta.events.unregister("before-sign.sts.GetCallerIdentity", unique_id="innovate-token")
    return "k8s-aws-v1." + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")


def _warnings(headers: Iterable[str]) -> list[str]:
    """Return the texts of warning headers: ``299 - "text"`` (https://kubernetes.io/blog/2020/09/03/warnings/)."""
    texts = []
    for header in headers:
        _code, _space, rest = header.partition(" ")
        _agent, _space, text = rest.partition(" ")
        texts.append(text.strip().strip('"').replace('\\"', '"'))
    return [text for text in texts if text]


def _reason(error: Exception) -> str:
    cause = getattr(error, "reason", None) or error
    return str(cause).rpartition(": ")[2] or type(cause).__name__
