# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind by its name. Imported by name, since Ansible ships to a module only what it imports statically."""

from __future__ import annotations

from .._engine.kind import Kind
from .default_security_group import DefaultSecurityGroup
from .elastic_ip import ElasticIp
from .flow_log import FlowLog
from .internet_gateway import InternetGateway
from .nat_gateway import NatGateway
from .network_acl import NetworkAcl
from .route_table import RouteTable
from .security_group import SecurityGroup
from .subnet import Subnet
from .vpc import Vpc
from .vpc_endpoint import VpcEndpoint

_TYPES: tuple[type[Kind], ...] = (
    DefaultSecurityGroup,
    ElasticIp,
    FlowLog,
    InternetGateway,
    NatGateway,
    NetworkAcl,
    RouteTable,
    SecurityGroup,
    Subnet,
    Vpc,
    VpcEndpoint,
)

KINDS: dict[str, Kind] = {kind.name: kind() for kind in sorted(_TYPES, key=lambda kind: kind.name)}
"""One instance of each, in the order of their names; kinds have no state."""
