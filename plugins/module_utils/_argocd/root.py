# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What leads from Argo CD to the repository: the credential, the cluster's facts, the root application."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .settings import CREDENTIALS, IN_CLUSTER, NAMESPACE, ROOT, ROOT_PROJECT, Settings

_SECRET_TYPE = "argocd.argoproj.io/secret-type"
_REPOSITORY = "repository"


def connections(settings: Settings) -> list[dict[str, Any]]:
    """Return the Secrets by which Argo CD knows the repository and the cluster."""
    return [_repository(settings), _cluster(settings)]


def connection_secrets(settings: Settings) -> list[dict[str, str]]:
    """Return which secrets of Secrets Manager they need, by the name that they refer to them by."""
    if not settings.repository_secret:
        return []
    return [{"name": _REPOSITORY, "secret_id": settings.repository_secret}]


def _repository(settings: Settings) -> dict[str, Any]:
    """Return the repository's Secret; without a credential it tells Argo CD of a public one.

    https://argo-cd.readthedocs.io/en/stable/operator-manual/declarative-setup/#repositories
    """
    content = {"url": settings.repository_url}
    if settings.repository_secret:
        keys = CREDENTIALS[settings.repository_credential]
        content |= {field: f"${{secret.{_REPOSITORY}.{key}}}" for field, key in keys.items()}
    return _secret(f"repository-{ROOT_PROJECT}", _REPOSITORY, content)


def _cluster(settings: Settings) -> dict[str, Any]:
    """Return the Secret of the cluster itself, with its facts for whatever the repository has for it.

    As the GitOps Bridge does: switches are labels, by which generators select; facts are annotations, from which
    templates read (https://github.com/gitops-bridge-dev/gitops-bridge).
    """
    secret = _secret(
        f"cluster-{settings.cluster.lower().replace('_', '-')}",
        "cluster",
        {
            # By reference, for what is written in a Secret is hidden wherever else it comes up.
            "name": "${cluster.name}",
            "server": IN_CLUSTER,
            "config": json.dumps({"tlsClientConfig": {"insecure": False}}),
        },
    )
    switches = {f"enable_{name}": str(wanted).lower() for name, wanted in settings.addons.items()}
    secret["metadata"]["labels"] |= {"environment": settings.environment, **switches}
    secret["metadata"]["annotations"] = facts(settings)
    return secret


def facts(settings: Settings) -> dict[str, str]:
    """Return the cluster's facts; what AWS assigns is filled in by the module ``manifests``."""
    return {
        "environment": settings.environment,
        "aws_account_id": "${cluster.account_id}",
        "aws_partition": "${cluster.partition}",
        "aws_region": "${cluster.region}",
        "aws_cluster_name": "${cluster.name}",
        "aws_vpc_id": "${cluster.vpc_id}",
        "domain": settings.domain,
        "platform_config_repo_url": settings.repository_url,
        "platform_config_repo_revision": settings.repository_revision,
        "platform_config_repo_path": settings.repository_path,
        **{name: str(value) for name, value in settings.facts.items()},
    }


def root(settings: Settings) -> dict[str, Any]:
    """Return the ApplicationSet that makes the root application of each cluster of the environment.

    Its generator is the cluster's Secret and nothing in Git: what generates from Git would take the root application
    away, and all that follows from it, when a directory is renamed.
    """
    annotation = "{{{{ .metadata.annotations.{} }}}}".format
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "ApplicationSet",
        "metadata": {"name": ROOT, "namespace": NAMESPACE},
        "spec": {
            "goTemplate": True,
            # A fact that the cluster's Secret doesn't have is an error, not `<no value>`.
            "goTemplateOptions": ["missingkey=error"],
            "generators": [{"clusters": {"selector": {"matchLabels": _selector(settings)}}}],
            "syncPolicy": {"preserveResourcesOnDeletion": False},
            "template": {
                "metadata": {
                    "name": ROOT,
                    # The root application takes along what it has made.
                    "finalizers": ["resources-finalizer.argocd.argoproj.io"],
                },
                "spec": {
                    "project": ROOT_PROJECT,
                    "source": {
                        "repoURL": annotation("platform_config_repo_url"),
                        "targetRevision": annotation("platform_config_repo_revision"),
                        "path": annotation("platform_config_repo_path"),
                    },
                    "destination": {"server": "{{ .server }}", "namespace": NAMESPACE},
                    "syncPolicy": {
                        # An empty directory is a mistake: `allowEmpty` stays false.
                        "automated": {"prune": True, "selfHeal": True},
                        "syncOptions": ["FailOnSharedResource=true"],
                        "retry": {
                            "limit": -1,
                            "backoff": {"duration": "10s", "factor": 2, "maxDuration": "3m"},
                            # Else a sync that is tried again and again keeps to the commit that it can't be done with.
                            "refresh": True,
                        },
                    },
                },
            },
        },
    }


def _selector(settings: Settings) -> dict[str, str]:
    return {_SECRET_TYPE: "cluster", "environment": settings.environment}


def _secret(name: str, kind: str, content: Mapping[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {_SECRET_TYPE: kind}},
        "stringData": dict(content),
    }
