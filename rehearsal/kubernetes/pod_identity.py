# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EKS Pod Identity for pods that run: the webhook's decision, the agent, and what EKS Auth does behind it.

https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html and
https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html
"""

from __future__ import annotations

import copy
import datetime
import json
import re
import threading
import uuid
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from moto.iam.models import iam_backends

from rehearsal.emulator.services import sts
from rehearsal.emulator.services.eks import Cluster
from rehearsal.emulator.world import World
from rehearsal.kubernetes.api import Api, ApiError
from rehearsal.kubernetes.webhooks import send

AUDIENCE = "pods.eks.amazonaws.com"
#: The DaemonSet that answers for credentials on every node.
ADDON = "eks-pod-identity-agent"
#: Where the webhook mounts the token.
DIRECTORY = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount"
_VOLUME = "eks-pod-identity-token"
#: Seconds for which credentials are good.
_LIFETIME = 6 * 3600


class Refused(Exception):
    """What EKS Auth or the agent answers instead of credentials."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"({code}): {message}" if code else message)
        self.status = status


def association(world: World, cluster: Cluster, namespace: str, account: str) -> dict[str, Any] | None:
    """The association of a ServiceAccount, or None."""
    with world.lock:
        for item in cluster.pods.values():
            if (item["namespace"], item["serviceAccount"]) == (namespace, account):
                return copy.copy(item)
    return None


def injected(pod: Mapping[str, Any], found: Mapping[str, Any] | None, region: str, url: str) -> dict[str, Any]:
    """The pod as EKS' webhook would have changed it: only where the association was there when the pod was created.

    The specification in the cluster stays as it is.
    """
    changed = copy.deepcopy(dict(pod))
    if found is None or not _before(found["createdAt"], pod["metadata"]["creationTimestamp"]):
        return changed
    variables = {
        "AWS_STS_REGIONAL_ENDPOINTS": "regional",
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": url,
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": f"{DIRECTORY}/{_VOLUME}",
    }
    spec = changed["spec"]
    for container in [*(spec.get("initContainers") or []), *spec["containers"]]:
        known = {item["name"] for item in container.get("env") or []}
        more = [{"name": name, "value": value} for name, value in variables.items() if name not in known]
        container["env"] = [*(container.get("env") or []), *more]
        mount = {"name": _VOLUME, "mountPath": DIRECTORY, "readOnly": True}
        container["volumeMounts"] = [*(container.get("volumeMounts") or []), mount]
    token = {"audience": AUDIENCE, "expirationSeconds": 86400, "path": _VOLUME}
    source = {"projected": {"sources": [{"serviceAccountToken": token}]}}
    spec["volumes"] = [*(spec.get("volumes") or []), {"name": _VOLUME, **source}]
    return changed


def _before(association_made: datetime.datetime, pod_made: str) -> bool:
    made = association_made if association_made.tzinfo else association_made.replace(tzinfo=datetime.UTC)
    # Kubernetes keeps whole seconds.
    return made.replace(microsecond=0) <= datetime.datetime.fromisoformat(pod_made)


def allows(role: Any, action: str, kind: str, principal: str) -> bool:
    """Whether a role's trust policy allows a principal (of a kind such as ``Service`` or ``AWS``) an action."""
    document = role.assume_role_policy_document
    document = json.loads(document) if isinstance(document, str) else document
    effects = set()
    for statement in _list(document.get("Statement")):
        principals = statement.get("Principal") or {}
        named = ["*"] if principals == "*" else _list(principals.get(kind)) if isinstance(principals, dict) else []
        actions = [re.escape(item).replace(r"\*", ".*") for item in _list(statement.get("Action"))]
        met = principal in named or "*" in named
        if met and any(re.fullmatch(item, action, re.IGNORECASE) for item in actions):
            effects.add(statement.get("Effect"))
    return effects == {"Allow"}


def _list(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


class Agent:
    """The agent of one cluster: ``GET /v1/credentials`` on a free port of 127.0.0.1."""

    def __init__(self, world: World, cluster: Cluster, api: Api) -> None:
        self.world, self.cluster, self.api = world, cluster, api
        self._server = _Server(self)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.5}, daemon=True).start()

    @property
    def url(self) -> str:
        """What AWS_CONTAINER_CREDENTIALS_FULL_URI is."""
        return f"http://127.0.0.1:{self._server.server_port}/v1/credentials"

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def credentials(self, token: str) -> dict[str, str]:
        """Credentials for the bearer of a token, as the agent answers them.

        Raises:
            Refused: EKS Auth has none for it.
        """
        if not self._installed():
            raise Refused(503, "", f"nothing listens here on EKS: the add-on {ADDON} isn't active in this cluster")
        if not token:
            raise Refused(400, "", "Service account token cannot be empty")
        who = self._reviewed(token)
        _, _, namespace, account = who["username"].split(":")
        extra = who.get("extra") or {}
        pod = (extra.get("authentication.kubernetes.io/pod-name") or [""])[0]
        if not pod:
            raise Refused(400, "InvalidTokenException", "The token isn't bound to a pod.")
        found = association(self.world, self.cluster, namespace, account)
        if found is None:
            message = f"No association found for service account {namespace}/{account}."
            raise Refused(404, "ResourceNotFoundException", message)
        with self.world.lock:
            role = self._role(found["roleArn"])
            for action in ("sts:AssumeRole", "sts:TagSession"):
                if role is None or not allows(role, action, "Service", AUDIENCE):
                    raise _denied()
            if found.get("targetRoleArn"):
                target = self._role(found["targetRoleArn"])
                account_root = f"arn:aws:iam::{role.arn.split(':')[4]}:root"
                if target is None or not any(
                    allows(target, "sts:AssumeRole", "AWS", who) for who in (role.arn, account_root)
                ):
                    raise _denied()
                role = target
            # https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html tells the form of the name.
            name = f"eks-{self.cluster.facts.name}-{pod}"[:27] + f"-{uuid.uuid4()}"
            made = sts.new_session(self.world, "aws", role, name, _LIFETIME)["Credentials"]
        return {
            "AccessKeyId": made["AccessKeyId"],
            "SecretAccessKey": made["SecretAccessKey"],
            "Token": made["SessionToken"],
            "AccountId": role.arn.split(":")[4],
            "Expiration": f"{made['Expiration']:%Y-%m-%dT%H:%M:%SZ}",
        }

    def _installed(self) -> bool:
        with self.world.lock:
            addon = self.cluster.addons.get(ADDON)
            return addon is not None and addon.status() not in ("CREATING", "CREATE_FAILED", "DELETING")

    def _reviewed(self, token: str) -> dict[str, Any]:
        """The ServiceAccount that the cluster's API server makes of a token."""
        spec = {"token": token, "audiences": [AUDIENCE]}
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}
        try:
            status = self.api.create("/apis/authentication.k8s.io/v1/tokenreviews", body)["status"]
        except (ApiError, OSError) as error:
            raise Refused(500, "InternalServerException", str(error)) from None
        user: dict[str, Any] = status.get("user") or {}
        if not status.get("authenticated") or not user.get("username", "").startswith("system:serviceaccount:"):
            raise Refused(400, "InvalidTokenException", "The token included in the request is invalid.")
        return user

    def _role(self, arn: str) -> Any:
        account = arn.split(":")[4]
        if account not in self.world.accounts:
            return None
        return next((role for role in iam_backends[account]["aws"].roles.values() if role.arn == arn), None)


def _denied() -> Refused:
    message = "Unauthorized Exception! EKS does not have permissions to assume the associated role."
    return Refused(400, "AccessDeniedException", message)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_GET(self) -> None:
        """One request for credentials."""
        server = self.server
        assert isinstance(server, _Server)
        kind = "text/plain; charset=utf-8"
        if self.path.partition("?")[0] != "/v1/credentials":
            status, text = 404, "404 page not found\n"
        else:
            try:
                found = server.agent.credentials(self.headers.get("Authorization", ""))
                status, text, kind = 200, json.dumps(found), "application/json"
            except Refused as refused:
                status, text = refused.status, f"[{uuid.uuid4()}]: {refused}, fault: client\n"
        send(self, status, kind, text)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """No line per request."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, agent: Agent) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.agent = agent
