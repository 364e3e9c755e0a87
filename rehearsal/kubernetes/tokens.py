# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens for EKS clusters, as ``aws eks get-token`` makes them, for machines without the AWS CLI."""

from __future__ import annotations

import base64
import datetime
from typing import Any

import boto3
from botocore.signers import RequestSigner

from rehearsal.kubernetes.authentication import CLUSTER_HEADER, PREFIX

#: What get-token says: a minute less than EKS allows.
_GOOD_FOR = datetime.timedelta(minutes=14)


def token(session: boto3.Session, cluster: str, endpoint: str | None = None) -> str:
    """A token for a cluster by name, with the credentials and the region of a session.

    ``endpoint`` is where STS answers, by default the one of the environment.
    """
    sts = session.client("sts", endpoint_url=endpoint)
    region = session.region_name
    name = sts.meta.service_model.service_id
    signer = RequestSigner(name, region, "sts", "v4", session.get_credentials(), session.events)
    request = {
        "method": "GET",
        "url": f"{sts.meta.endpoint_url}/?Action=GetCallerIdentity&Version=2011-06-15",
        "body": {},
        "headers": {CLUSTER_HEADER: cluster},
        "context": {},
    }
    url = signer.generate_presigned_url(request, region_name=region, expires_in=60, operation_name="")
    return PREFIX + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")


def credential(cluster: str) -> dict[str, Any]:
    """What kubectl wants of an ``exec`` plugin, with the credentials of the environment."""
    until = datetime.datetime.now(datetime.UTC) + _GOOD_FOR
    return {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "kind": "ExecCredential",
        "spec": {},
        "status": {"expirationTimestamp": f"{until:%Y-%m-%dT%H:%M:%SZ}", "token": token(boto3.Session(), cluster)},
    }
