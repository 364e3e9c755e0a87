# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The seam between the emulated EKS and the Kubernetes that stands behind a cluster.

EKS calls these hooks while it answers a request, so none of them may wait: what takes long is begun, and ``access``
is asked again at each DescribeCluster until there is an answer. A cluster stays CREATING for as long as it is None.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class ClusterFacts:
    """What a control plane needs to know of its cluster."""

    account: str
    region: str
    name: str
    arn: str
    version: str
    service_cidr: str
    issuer: str


@dataclass(frozen=True)
class Access:
    """Where the API server answers, and the certificate authority (PEM) that its certificate is from."""

    endpoint: str
    certificate_authority: bytes


class ControlPlane(Protocol):
    """What stands behind the clusters."""

    def started(self, cluster: ClusterFacts) -> None:
        """A cluster was created: begin to bring its API server up."""

    def access(self, cluster: ClusterFacts) -> Access | None:
        """Where it answers, or None while it doesn't yet."""

    def upgraded(self, cluster: ClusterFacts) -> None:
        """The cluster's version has changed."""

    def stopped(self, cluster: ClusterFacts) -> None:
        """The cluster is being deleted: begin to take its API server down."""

    def settled(self, cluster: ClusterFacts, kind: str, name: str) -> bool:
        """Whether a ``cluster``, ``nodegroup`` or ``fargate`` profile is what EKS has been asked for by now.

        Until it is, it stays CREATING, UPDATING or DELETING.
        """

    def failure(self, cluster: ClusterFacts) -> str:
        """Why the API server can't be brought up; empty where nothing is wrong."""

    def close(self) -> None:
        """The emulator ends or is reset: nothing may be left when this returns."""


class NoControlPlane:
    """Nothing behind the API: an endpoint that has the right form and that nobody answers."""

    def started(self, cluster: ClusterFacts) -> None:
        """Nothing to start."""

    def access(self, cluster: ClusterFacts) -> Access | None:
        """A name as EKS gives them, and a certificate authority of the cluster's own."""
        digest = hashlib.sha256(cluster.arn.encode()).hexdigest().upper()
        return Access(f"https://{digest[:32]}.gr7.{cluster.region}.eks.amazonaws.com", _authority(cluster.arn))

    def upgraded(self, cluster: ClusterFacts) -> None:
        """Nothing to upgrade."""

    def stopped(self, cluster: ClusterFacts) -> None:
        """Nothing to stop."""

    def settled(self, cluster: ClusterFacts, kind: str, name: str) -> bool:
        """There is nothing to wait for."""
        return True

    def failure(self, cluster: ClusterFacts) -> str:
        """Nothing can go wrong."""
        return ""

    def close(self) -> None:
        """Nothing to end."""


@cache
def _authority(arn: str) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(int(hashlib.sha256(arn.encode()).hexdigest()[:16], 16))
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM)


def encoded(authority: bytes) -> str:
    """A certificate authority as DescribeCluster gives it."""
    return base64.b64encode(authority).decode()


#: What stands behind clusters; replaced before the server starts by whoever brings real API servers.
_planes: list[ControlPlane] = [NoControlPlane()]


def plane() -> ControlPlane:
    """The control plane in use."""
    return _planes[0]


def use(control_plane: ControlPlane) -> None:
    """Put another control plane behind the clusters that are created from now on."""
    _planes[0] = control_plane
