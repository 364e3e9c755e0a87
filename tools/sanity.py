# Copyright: Innovate platform maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run every `ansible-test sanity` test on what the tarball contains.

ansible-test wants the collection at `.../ansible_collections/<namespace>/<name>`, and outside of another git
repository: inside one it takes git's word for what exists, skips every target and reports success. So the tarball is
built and unpacked in a directory of its own. Exits 1 when a test fails, when everything was skipped, or when none ran.
Writes the names of the tests by outcome to build/results/sanity.json.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from importlib.util import find_spec
from pathlib import Path

from tools.results import BUILD, ROOT, Results

NAMESPACE, NAME = "innovate", "platform"
# What ansible-test reads beside the tarball's content.
EXTRA = ("tests/config.yml", "tests/sanity")

RUNNING = re.compile(r'^Running sanity test "(?P<test>[^"]+)"')
# "WARNING: Skipping sanity test ..." for one that can't run here, "All targets skipped." below one that found no file.
SKIPPING = re.compile(r'Skipping (?:the )?(?:sanity test )?"(?P<test>[^"]+)"')
LISTED = "sanity test(s) listed below"

# ansible-test fills its environments with a get-pip.py that it downloads from a host of its own. The interpreter's
# ensurepip and the package index do the same, so this stands in for the download (ansible-test looks here first).
GET_PIP = '''\
"""Install pip from this interpreter's ensurepip, then the version that is asked for."""
import subprocess
import sys

subprocess.check_call([sys.executable, "-m", "ensurepip"])
arguments = [argument for argument in sys.argv[1:] if argument not in ("--no-setuptools", "--no-wheel")]
sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", *arguments]))
'''


def unpack(target: Path) -> None:
    """Build the collection's tarball and unpack it, with the files that ansible-test needs, to `target`."""
    with tempfile.TemporaryDirectory() as out:
        galaxy = str(Path(sys.executable).with_name("ansible-galaxy"))
        command = [galaxy, "collection", "build", "--output-path", out]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        (tarball,) = Path(out).glob("*.tar.gz")
        with tarfile.open(tarball) as archive:
            archive.extractall(target, filter="data")
    for name in EXTRA:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name)
        elif source.exists():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)


def link_dependencies(collections: Path) -> None:
    """Put the collections that ours imports beside it; ansible-test looks for them nowhere else."""
    installed = find_spec("ansible_collections.amazon")
    if installed is None or not installed.submodule_search_locations:
        raise SystemExit("the Python package ansible is not installed: make venv")
    site = Path(next(iter(installed.submodule_search_locations))).parent
    for namespace in ("amazon", "kubernetes"):
        (collections / namespace).symlink_to(site / namespace)


def provide_get_pip() -> None:
    """Place the stand-in for get-pip.py where ansible-test keeps the downloaded one, unless that is there."""
    spec = find_spec("ansible_test._internal")
    if spec is None or spec.origin is None:
        raise SystemExit("ansible-test is not installed: make venv")
    source = Path(spec.origin).with_name("python_requirements.py").read_text()
    version = re.search(r"pip='(?P<version>[0-9.]+)'", source)
    if version is None:
        return
    cached = Path.home() / ".ansible/test/cache" / f"get_pip_{version['version'].replace('.', '_')}.py"
    if not cached.exists():
        cached.parent.mkdir(parents=True, exist_ok=True)
        cached.write_text(GET_PIP)


def parse(output: str) -> Results:
    """Sort the names of the tests that ansible-test's output tells of."""
    lines = output.splitlines()
    started = [match["test"] for line in lines if (match := RUNNING.match(line))]
    skipped = {match["test"] for line in lines if (match := SKIPPING.search(line))}
    failed: set[str] = set()
    for number, line in enumerate(lines):
        if LISTED in line:
            # One name a line, `import (3.13)` or `pylint`, up to the end.
            failed |= {name.split()[0] for name in lines[number + 1 :] if name.strip()}
        elif "All targets skipped" in line:
            failed.add("all targets skipped")
    results = Results(failed=sorted(failed), skipped=sorted(skipped - failed))
    results.passed = [name for name in dict.fromkeys(started) if name not in failed | skipped]
    return results


def main() -> int:
    """Run the tests, print what ansible-test prints, keep the outcome."""
    provide_get_pip()
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        # What is on our own path would be imported instead of the copy.
        "PYTHONPATH": "",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    with tempfile.TemporaryDirectory(prefix="sanity-") as directory:
        collections = Path(directory) / "ansible_collections"
        target = collections / NAMESPACE / NAME
        target.mkdir(parents=True)
        unpack(target)
        link_dependencies(collections)
        command = ["ansible-test", "sanity", "--python", version, "--color", "no", *sys.argv[1:]]
        process = subprocess.run(
            command,
            cwd=target,
            env=environment,
            check=False,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    print(process.stdout)
    # Once more, where a reader looks first: the installation of what the tests need is long.
    print("\n".join(line for line in process.stdout.splitlines() if line.startswith("ERROR:")))
    results = parse(process.stdout)
    if process.returncode != 0 and not results.failed:
        results.failed.append(f"ansible-test ended with status {process.returncode}")
    results.write(BUILD / "results" / "sanity.json")
    print(f"{len(results.passed)} passed, {len(results.failed)} failed, {len(results.skipped)} skipped")
    return 1 if results.failed or not results.passed else 0


if __name__ == "__main__":
    sys.exit(main())
