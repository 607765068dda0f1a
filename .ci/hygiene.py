"""Look for marks of haste: `python .ci/hygiene.py [FILE...]`; without a name, in all that git tracks."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

LARGEST_BYTES = 1_000_000
CONFLICT_MARKS = ("<<<<<<< ", ">>>>>>> ")
FREE_FORM = {".svg", ".lock", ".patch", ".diff"}


def problems(path: Path) -> Iterator[str]:
    """Yield what is wrong with one file, with its place."""
    content = path.read_bytes()
    if len(content) > LARGEST_BYTES and path.suffix != ".png":
        yield f"{path}: {len(content):,} bytes; {LARGEST_BYTES:,} are allowed"
    if b"\0" in content or path.suffix in FREE_FORM or "vendor" in path.parts:
        return
    if b"\r" in content:
        yield f"{path}: a carriage return; lines end with a line feed alone"
    if content and (not content.endswith(b"\n") or content.endswith(b"\n\n")):
        yield f"{path}: must end with exactly one newline"
    for number, line in enumerate(content.decode("utf-8", errors="replace").splitlines(), start=1):
        if line != line.rstrip():
            yield f"{path}:{number}: spaces at the end of the line"
        if line.startswith(CONFLICT_MARKS):
            yield f"{path}:{number}: a conflict mark"


def tracked_files() -> list[str]:
    """Return the files that git tracks and that are still there."""
    answer = subprocess.run(["git", "ls-files", "-z"], capture_output=True, text=True, check=True)
    return [name for name in answer.stdout.split("\0") if name and Path(name).is_file()]


def main() -> int:
    """Print every problem; return 1 if there was one."""
    found = [line for name in sys.argv[1:] or tracked_files() for line in problems(Path(name))]
    sys.stdout.writelines(f"{line}\n" for line in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
