"""Write the lock files from the packages that stand in a virtual environment: `make lock`.

Each file pins an extra of pyproject.toml and everything that it needs, as installed where this runs:
requirements-web.lock (no torch), requirements-train.lock (web and train), requirements.lock (all).
"""

import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
FILES = {
    "requirements-web.lock": ("web",),
    "requirements-train.lock": ("web", "train"),
    "requirements.lock": ("web", "train", "harness", "dev"),
}
TORCH_BRINGS = ("cuda-", "nvidia-", "triton")
"""What torch needs of a GPU depends on the index it came from: torch installs it, the lock leaves it out."""


def closure(requirements: Iterable[str]) -> dict[str, str]:
    """Return name and version of these requirements and of all that they need on this machine."""
    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    pending = [(Requirement(text), "") for text in requirements]
    while pending:
        requirement, extra = pending.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        if name.startswith(TORCH_BRINGS):
            continue
        package = distribution(name)
        version = package.version.partition("+")[0]  # torch's +cpu is not a version of its own
        if not requirement.specifier.contains(version, prereleases=True):
            raise SystemExit(f"{name} {version} is installed, but {requirement} is wanted; run `make lock`.")
        found[name] = version
        for wanted in ("", *requirement.extras):
            if (name, wanted) not in seen:
                seen.add((name, wanted))
                pending.extend((Requirement(text), wanted) for text in package.requires or [])
    return found


def main() -> int:
    """Write all lock files; with --check, only say whether they are as they would be written."""
    check = sys.argv[1:] == ["--check"]
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    stale = 0
    for file, names in FILES.items():
        pins = closure(text for name in names for text in extras[name])
        lines = [f"# Made by `make lock` from the extras {', '.join(names)} of pyproject.toml; do not edit."]
        lines += [f"{name}=={version}" for name, version in sorted(pins.items())]
        content = "\n".join(lines) + "\n"
        if not check:
            (ROOT / file).write_text(content)
            sys.stdout.write(f"{file}: {len(pins)} packages\n")
        elif (ROOT / file).read_text() != content:
            stale += 1
            sys.stdout.write(f"{file} is not what stands in this environment; run `make lock`.\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
