# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images run a program of ours, and what has to differ because many pods share one host.

That is where programs listen and where they find each other. Everything else is the pod's own specification.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

#: Takes a Service's name, port and returns the port of 127.0.0.1 where it is reached.
Locate = Callable[[str, int], int]
#: Gives a free port of 127.0.0.1.
Allot = Callable[[], int]

_VERSION = re.compile(r"\d+\.\d+\.\d+")


@dataclass(frozen=True)
class Listener:
    """A port that a program listens on.

    Attributes:
        port: The port where neither flag nor variable says another.
        flag: The flag that sets it.
        variable: The environment variable that sets it.
        host: Another flag, which sets the address.
        whole: Whether the flag takes ``address:port``.
    """

    port: int
    flag: str = ""
    variable: str = ""
    host: str = ""
    whole: bool = False


@dataclass(frozen=True)
class Peer:
    """A Service that a program is told the address of: by a flag, else by a variable, else it assumes the default."""

    flag: str
    variable: str
    default: str


@dataclass(frozen=True)
class Component:
    """A program, or one of several in the same file.

    Attributes:
        link: The name that it is started by.
        extra: Flags that make it quicker than it should be in production: what is told last counts.
        environment: More variables, unless the pod has them; ``{root}`` is the directory that stands for the
            container's file system, ``{namespace}`` and ``{uid}`` the pod's.
    """

    link: str
    listeners: tuple[Listener, ...] = ()
    peers: tuple[Peer, ...] = ()
    extra: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Image:
    """An image by the end of its repository's name, so that mirrors and pull-through caches are found too.

    Attributes:
        repository: ``argoproj/argocd``.
        program: Its name among the rehearsal's programs.
        entry: What the image starts before the container's arguments.
        components: By the name of the command.
        versioned: Whether the image's tag is the program's version.
    """

    repository: str
    program: str
    entry: tuple[str, ...]
    components: Mapping[str, Component]
    versioned: bool = True


_REDIS = Peer("--redis", "REDIS_SERVER", "argocd-redis:6379")
_REPOSITORIES = "argocd-repo-server:8081"
_ARGOCD = {
    # The cluster that an Application calls https://kubernetes.default.svc is that of KUBECONFIG.
    "ARGOCD_FAKE_IN_CLUSTER": "true",
    "ARGOCD_APP_CONF_PATH": "{root}/app/config",
    "ARGOCD_SSH_DATA_PATH": "{root}/app/config/ssh",
    "ARGOCD_TLS_DATA_PATH": "{root}/app/config/tls",
    "ARGOCD_GPG_DATA_PATH": "{root}/app/config/gpg/source",
    "ARGOCD_GNUPGHOME": "{root}/app/config/gpg/keys",
    # A key ring's agent would outlive the pod.
    "ARGOCD_GPG_ENABLED": "false",
    # Where git asks the repository server for a password: by default a socket in /tmp, one for all pods of a host. An
    # abstract one has no file, whose path would be too long.
    "ARGOCD_ASK_PASS_SOCK": "@argocd-ask-pass-{uid}",
    "ARGOCD_PLUGINSOCKFILEPATH": "{root}/home/argocd/cmp-server/plugins",
    "HOME": "{root}/home/argocd",
}


def _argocd(
    link: str, listeners: Iterable[Listener], peers: Iterable[Peer], extra: Iterable[str] = (), **more: str
) -> Component:
    return Component(link, tuple(listeners), tuple(peers), tuple(extra), {**_ARGOCD, **more})


_COMPONENTS = (
    _argocd("argocd", (), ()),
    _argocd(
        "argocd-server",
        (Listener(8080, "--port", host="--address"), Listener(8083, "--metrics-port", host="--metrics-address")),
        (
            _REDIS,
            Peer("--repo-server", "ARGOCD_SERVER_REPO_SERVER", _REPOSITORIES),
            Peer("--dex-server", "ARGOCD_SERVER_DEX_SERVER", "argocd-dex-server:5556"),
        ),
    ),
    _argocd(
        "argocd-repo-server",
        (Listener(8081, "--port", host="--address"), Listener(8084, "--metrics-port", host="--metrics-address")),
        (_REDIS,),
        # Twice as often as it is asked, so that a commit is seen at the next reconciliation.
        ("--revision-cache-expiration", "5s"),
    ),
    _argocd(
        "argocd-application-controller",
        (Listener(8082, "--metrics-port"),),
        (
            _REDIS,
            Peer("--repo-server", "ARGOCD_APPLICATION_CONTROLLER_REPO_SERVER", _REPOSITORIES),
            Peer("--commit-server", "ARGOCD_APPLICATION_CONTROLLER_COMMIT_SERVER", "argocd-commit-server:8086"),
        ),
        ("--app-resync", "10", "--app-resync-jitter", "0", "--self-heal-timeout-seconds", "2"),
        # One process has to do what the replicas share.
        ARGOCD_CONTROLLER_REPLICAS="1",
    ),
    _argocd(
        "argocd-applicationset-controller",
        (
            Listener(8080, "--metrics-addr", whole=True),
            Listener(8081, "--probe-addr", whole=True),
            Listener(7000, "--webhook-addr", whole=True),
        ),
        (Peer("--argocd-repo-server", "ARGOCD_APPLICATIONSET_CONTROLLER_REPO_SERVER", _REPOSITORIES),),
    ),
    _argocd(
        "argocd-notifications",
        (Listener(9001, "--metrics-port"),),
        (Peer("--argocd-repo-server", "", _REPOSITORIES),),
    ),
    _argocd(
        "argocd-commit-server",
        (Listener(8086, "--port", host="--address"), Listener(8087, "--metrics-port", host="--metrics-address")),
        (),
    ),
)
_REDIS_SERVER = Component("redis-server", (Listener(6379, "--port", host="--bind"),))

#: The images whose pods run. Everything else in a cluster is KWOK's.
IMAGES = (
    Image(
        "karpenter/controller",
        "karpenter",
        ("controller",),
        {
            "controller": Component(
                "controller",
                (Listener(8080, variable="METRICS_PORT"), Listener(8081, variable="HEALTH_PROBE_PORT")),
                # In a container the mounted ServiceAccount tells it.
                environment={"LEADER_ELECTION_NAMESPACE": "{namespace}"},
            )
        },
    ),
    Image("argoproj/argocd", "argocd", (), {component.link: component for component in _COMPONENTS}),
    Image("redis", "valkey-server", ("redis-server",), {"redis-server": _REDIS_SERVER}, versioned=False),
    Image("valkey", "valkey-server", ("redis-server",), {"redis-server": _REDIS_SERVER}, versioned=False),
    # In front of Argo CD's three Redis servers and their sentinels stands this one; here it takes their place.
    Image("haproxy", "valkey-server", ("haproxy",), {"haproxy": _REDIS_SERVER}, versioned=False),
)


@dataclass(frozen=True)
class Start:
    """A container that runs.

    Attributes:
        argv: Command and arguments as the specification has them, ``argv[0]`` replaced by the component's link.
    """

    container: Mapping[str, Any]
    image: Image
    component: Component
    argv: tuple[str, ...]

    @property
    def name(self) -> str:
        """The container's name."""
        return str(self.container["name"])

    @property
    def tag(self) -> str:
        """The version in the image's tag; empty where it is none."""
        found = _VERSION.search(str(self.container["image"]).partition("@")[0].rpartition(":")[2])
        return found[0] if found else ""


def image_of(name: str, images: Iterable[Image] = IMAGES) -> Image | None:
    """The image that a container's ``image`` means."""
    return next((image for image in images if re.search(pattern([image]), name)), None)


def pattern(images: Iterable[Image]) -> str:
    """A regular expression (for Python and jq alike) for the names of images."""
    return f"(^|/)({'|'.join(image.repository for image in images)})([:@]|$)"


def start(container: Mapping[str, Any], images: Iterable[Image] = IMAGES) -> Start | None:
    """What a container runs, or None for nothing: it isn't one of ours, or a shell that prepares files."""
    image = image_of(str(container.get("image", "")), images)
    if image is None:
        return None
    command, arguments = list(container.get("command") or []), list(container.get("args") or [])
    if command:
        argv = [*command, *arguments]
    elif image.program == "valkey-server" and arguments and not arguments[0].startswith("-"):
        argv = arguments  # as the image's entry point script does it
    else:
        argv = [*image.entry, *arguments]
    name = argv[0].rpartition("/")[2] if argv else ""
    component = image.components.get(name)
    if component is None:
        return None
    if name == "redis-server" and len(argv) > 1 and not argv[1].startswith("-"):
        return None  # a configuration file that a shell would have written
    if name == "haproxy":
        if not any(port.get("name") == "redis" for port in container.get("ports") or []):
            return None
        argv = ["redis-server", "--save", "", "--appendonly", "no", "--requirepass", "$(AUTH)"]
    return Start(container, image, component, (component.link, *argv[1:]))


def _value(argv: Sequence[str], flag: str) -> str:
    """What a flag is given, the last one counting."""
    found = ""
    bare = flag.lstrip("-")
    for position, word in enumerate(argv):
        name, equals, value = word.partition("=")
        if not name.startswith("-") or name.lstrip("-") != bare:
            continue
        if equals:
            found = value
        elif position + 1 < len(argv):
            found = argv[position + 1]
    return found


def _service(address: str, namespace: str) -> tuple[str, str, int] | None:
    """(prefix, Service, port) of an address of a Service in the same namespace; None for every other address."""
    match = re.fullmatch(r"(\w+://)?([a-z0-9-]+)((?:\.[a-z0-9-]+)*):(\d+)/?", address)
    if match is None or match[2] == "localhost":
        return None
    where = match[3].split(".")[1:]
    if where and (where[0] != namespace or where[1:2] not in ([], ["svc"])):
        return None
    return match[1] or "", match[2], int(match[4])


def adapt(
    given: Start, argv: Sequence[str], environment: Mapping[str, str], namespace: str, locate: Locate, allot: Allot
) -> tuple[list[str], dict[str, str], dict[int, int]]:
    """Lead a program's listeners and peers to ports of 127.0.0.1.

    ``argv`` is the command with variables and paths resolved. What is returned: the command, the variables that change,
    and the local ports by the container's.
    """
    command, variables = list(argv), {}
    ports: dict[int, int] = {}
    for listener in given.component.listeners:
        told = (_value(argv, listener.flag) if listener.flag else "") or environment.get(listener.variable, "")
        tail = told.rpartition(":")[2]
        container_port = int(tail) if tail.isdigit() else listener.port
        local = ports[container_port] = allot()
        if listener.variable:
            variables[listener.variable] = str(local)
        if listener.flag:
            command += [listener.flag, f"127.0.0.1:{local}" if listener.whole else str(local)]
        if listener.host:
            command += [listener.host, "127.0.0.1"]
    for peer in given.component.peers:
        address = _value(argv, peer.flag) or environment.get(peer.variable, "") or peer.default
        found = _service(address, namespace)
        if found is not None:
            command += [peer.flag, f"{found[0]}127.0.0.1:{locate(found[1], found[2])}"]
    return [*command, *given.component.extra], variables, ports
