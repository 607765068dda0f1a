"""The opponents' environments: pinned, outside the product's lock, made on first use under benchmarks/work.

An environment holds the opponent alone; the packages it shares with the product (torch, transformers) are
the product's, so that both arms run the same kernels. Label Studio
shares none. What was imported is written beside every result.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

HERE = Path(__file__).parent
WORK = HERE.parent / "work"


class MissingOpponentError(Exception):
    """The opponent could not be installed; its row says so and never counts as passed."""


def python(name: str, *, alone: bool = False) -> Path:
    """Return the interpreter of an opponent such as trl-1.16, after making its environment.

    `alone` keeps the product's packages out: for an opponent that needs other versions of them.

    raises  MissingOpponentError  with pip's last line
    """
    folder, wanted = WORK / name, HERE / f"{name}.txt"
    interpreter, stamp = folder / "bin" / "python", folder / "installed.txt"
    product = "" if alone else sysconfig.get_paths()["purelib"] + "\n"
    made_of = wanted.read_text() + product  # an environment of a product that moved is made anew
    if stamp.exists() and stamp.read_text() == made_of:
        return interpreter
    venv.create(folder, clear=True, with_pip=False)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = folder / "lib" / version / "site-packages"
    command = (
        [sys.executable, "-m", "pip", "--python", str(interpreter)]
        if alone
        else [sys.executable, "-m", "pip"]
    )
    command += ["install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    if not alone:
        (packages / "product.pth").write_text(product)
        command += ["--target", str(packages)]
    made = subprocess.run([*command, "--requirement", str(wanted)], capture_output=True, text=True)
    if made.returncode:
        reason = (made.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        raise MissingOpponentError(f"{name} could not be installed: {reason}")
    stamp.write_text(made_of)
    return interpreter
