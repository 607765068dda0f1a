"""What this machine has: programs, real material, and packages that may be installed."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
POSTGRES_PROGRAMS = ("initdb", "postgres", "pg_isready")


def find_real_data(variables: Mapping[str, str] = os.environ) -> Path | None:
    """Return the folder of real material: INSTRUCTLOOP_DATA, else ../shared/data, if it is there."""
    folder = Path(variables.get("INSTRUCTLOOP_DATA") or ROOT.parent / "shared" / "data")
    return folder if folder.is_dir() else None


def find_chromium(variables: Mapping[str, str] = os.environ) -> str | None:
    """Return the path of Chromium: the variable CHROMIUM, else the system's."""
    named = variables.get("CHROMIUM")
    return next(
        (path for name in ((named,) if named else CHROMIUM_NAMES) if (path := shutil.which(name))), None
    )


def find_redis() -> str | None:
    """Return the path of redis-server."""
    return shutil.which("redis-server")


def find_postgres() -> Path | None:
    """Return the folder of PostgreSQL's server: as pg_config says, else Debian's newest, else by PATH."""
    folders = []
    if pg_config := shutil.which("pg_config"):
        answer = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, check=False)
        folders.append(Path(answer.stdout.strip() or "."))
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    folders.extend(sorted(versions, key=lambda path: float(path.parent.name), reverse=True))
    if initdb := shutil.which("initdb"):
        folders.append(Path(initdb).resolve().parent)
    return next((folder for folder in folders if has_programs(folder, POSTGRES_PROGRAMS)), None)


def has_programs(folder: Path, names: Sequence[str]) -> bool:
    """Say whether all of these programs are in the folder."""
    return all(os.access(folder / name, os.X_OK) for name in names)


def reason_not_to_install(variables: Mapping[str, str] = os.environ) -> str | None:
    """Return why no system package may be installed here, or None where it may."""
    if variables.get("INSTALL_PACKAGES") == "0":
        return "INSTALL_PACKAGES=0"
    if shutil.which("apt-get") is None:
        return "this system has no apt-get"
    if os.geteuid() != 0:
        return "only root may install packages"
    return None


def install_packages(names: Sequence[str]) -> str | None:
    """Install packages of the system and return None, or return why they are not there.

    Nothing they bring is started: RUNLEVEL=1 keeps Debian's scripts from it.
    """
    if reason := reason_not_to_install():
        return reason
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *names],
    ):
        answer = subprocess.run(command, env=quiet, capture_output=True, text=True, check=False)
        if answer.returncode:
            last = (answer.stderr.strip() or answer.stdout.strip() or "no message").splitlines()[-1]
            return f"`{' '.join(command)}` failed: {last}"
    return None
