# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small client of one API server, for what the rehearsal itself does in a cluster.

The Kubernetes Python client takes a second and a hundred MiB to import; this needs neither.
"""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from rehearsal.kubernetes.pki import Credentials

_PATCHES = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}


class ApiError(RuntimeError):
    """What the API server answered instead. ``reason`` is Kubernetes' own: NotFound, Conflict, ..."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status, self.reason, self.message = status, reason, message


class Api:
    """Calls with a client certificate. Every thread has a connection of its own."""

    def __init__(self, port: int, authority: Path, credentials: Credentials) -> None:
        self.port = port
        self._tls = ssl.create_default_context(cafile=str(authority))
        self._tls.load_cert_chain(credentials.certificate, credentials.key)
        self._connections = threading.local()

    def get(self, path: str, **query: str) -> Any:
        """An object, or a list's document."""
        return self.request("GET", path, query=query)

    def items(self, path: str, **query: str) -> list[dict[str, Any]]:
        """The objects of a list."""
        return list(self.get(path, **query).get("items") or [])

    def create(self, path: str, body: dict[str, Any]) -> Any:
        """POST an object."""
        return self.request("POST", path, body)

    def patch(self, path: str, body: dict[str, Any], kind: str = "merge", **query: str) -> Any:
        """PATCH an object; ``kind`` is merge, strategic or apply."""
        return self.request("PATCH", path, body, query=query, content=_PATCHES[kind])

    def delete(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """DELETE an object."""
        return self.request("DELETE", path, body)

    def watch(self, path: str, version: str, **query: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """(type, object) of each change after a resource version, until the server ends the watch.

        Raises:
            ApiError: the server refused, also later: 410 where the version is too old.
            OSError: it doesn't answer.
        """
        more = {
            "watch": "1",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": "300",
            **query,
        }
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self._tls, timeout=330)
        try:
            headers = {"Accept": "application/json", "User-Agent": "rehearsal"}
            connection.request("GET", f"{path}?{urlencode(more)}", None, headers)
            answer = connection.getresponse()
            if answer.status >= 400:
                raise ApiError(answer.status, "", answer.read().decode(errors="replace"))
            while line := answer.readline():
                event = json.loads(line)
                found = event["object"]
                if event["type"] == "ERROR":
                    raise ApiError(int(found.get("code", 500)), found.get("reason", ""), found.get("message", ""))
                yield event["type"], found
        finally:
            connection.close()

    def ready(self) -> bool:
        """Whether the server is up and its checks pass."""
        try:
            self.request("GET", "/readyz")
        except (OSError, http.client.HTTPException, ApiError):
            return False
        return True

    def request(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        query: dict[str, str] | None = None,
        content: str = "application/json",
    ) -> Any:
        """One call.

        Raises:
            ApiError: the server refused.
            OSError: it doesn't answer.
        """
        target = f"{path}?{urlencode(query)}" if query else path
        headers = {"Accept": "application/json", "Content-Type": content, "User-Agent": "rehearsal"}
        data = None if body is None else json.dumps(body).encode()
        for attempt in (1, 2):
            connection = self._connection()
            try:
                connection.request(method, target, data, headers)
                answer = connection.getresponse()
                raw = answer.read()
                break
            except (OSError, http.client.HTTPException):
                # A connection that the server closed while it lay idle shows this once, and then a new one works.
                self._drop()
                if attempt == 2:
                    raise
        document = json.loads(raw) if raw.startswith(b"{") else raw.decode(errors="replace")
        if answer.status >= 400:
            told = document if isinstance(document, dict) else {"message": document}
            raise ApiError(answer.status, str(told.get("reason", "")), str(told.get("message", "")))
        return document

    def _connection(self) -> http.client.HTTPSConnection:
        connection = getattr(self._connections, "value", None)
        if connection is None:
            connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self._tls, timeout=30)
            self._connections.value = connection
        return connection

    def _drop(self) -> None:
        connection = getattr(self._connections, "value", None)
        if connection is not None:
            connection.close()
            self._connections.value = None
