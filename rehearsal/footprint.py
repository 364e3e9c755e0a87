# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the rehearsal takes of the machine: its processes, their memory, the addresses they listen on. Linux only."""

from __future__ import annotations

import contextlib
import ipaddress
import re
from collections import defaultdict
from pathlib import Path

_PROC = Path("/proc")
_LISTENS = "0A"
_BUILT = re.compile(r"-\d+(\.\d+)+-[0-9a-f]{12}$")


def processes(pid: int) -> dict[int, str]:
    """Return a process and all that descend from it: command names by process id."""
    children: dict[int, list[int]] = defaultdict(list)
    names: dict[int, str] = {}
    for stat in _PROC.glob("[0-9]*/stat"):
        # A process may end while it is looked at.
        with contextlib.suppress(OSError):
            number = int(stat.parent.name)
            names[number] = _name(stat.parent)
            children[int(stat.read_text().rpartition(")")[2].split()[1])].append(number)
    found: dict[int, str] = {}
    todo = [pid]
    while todo:
        one = todo.pop()
        if one in names:
            found[one] = names[one]
            todo += children[one]
    return found


def _name(process: Path) -> str:
    """Return the name of the program, without the version and the digest that built programs have in theirs."""
    words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
    return _BUILT.sub("", Path(words[0]).name)


def memory(pids: dict[int, str]) -> dict[str, int]:
    """Return the memory of processes by command name, in bytes; what processes share counts once (PSS)."""
    found: dict[str, int] = defaultdict(int)
    for pid, name in pids.items():
        with contextlib.suppress(OSError):
            share = re.search(r"^Pss:\s+(\d+) kB", (_PROC / str(pid) / "smaps_rollup").read_text(), re.MULTILINE)
            found[name] += int(share[1]) * 1024 if share else 0
    return dict(found)


def listeners(pids: dict[int, str]) -> dict[str, set[str]]:
    """Return the TCP addresses on which processes listen, as ``127.0.0.1:8080``: by command name."""
    owner: dict[str, str] = {}
    for pid, name in pids.items():
        with contextlib.suppress(OSError):
            for descriptor in (_PROC / str(pid) / "fd").iterdir():
                with contextlib.suppress(OSError):
                    target = str(descriptor.readlink())
                    if target.startswith("socket:["):
                        owner[target[8:-1]] = name
    found: dict[str, set[str]] = defaultdict(set)
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in (_PROC / "net" / table).read_text().splitlines()[1:]:
                words = line.split()
                if words[3] == _LISTENS and words[9] in owner:
                    found[owner[words[9]]].add(_address(words[1]))
    return dict(found)


def beyond_loopback(pids: dict[int, str]) -> dict[str, set[str]]:
    """Return the listening addresses that others than this machine could reach, by command name."""
    found = {
        name: {item for item in addresses if not ipaddress.ip_address(item.rpartition(":")[0].strip("[]")).is_loopback}
        for name, addresses in listeners(pids).items()
    }
    return {name: addresses for name, addresses in found.items() if addresses}


def _address(text: str) -> str:
    """Read ``0100007F:1F90``: words of four bytes in the machine's (little-endian) order, then the port."""
    host, _, port = text.partition(":")
    raw = b"".join(bytes.fromhex(host[at : at + 8])[::-1] for at in range(0, len(host), 8))
    address = ipaddress.ip_address(raw)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    shown = f"[{address}]" if address.version == 6 else str(address)
    return f"{shown}:{int(port, 16)}"
