"""What benchmarks of the product share: a PostgreSQL of their own, and how a result is kept."""

import argparse
import json
import os
import platform
import resource
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.services.machine import find_postgres
from tests.services.servers import postgres_server

SETTINGS = ("shared_buffers=256MB", "max_wal_size=4GB")


def options(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with what every such benchmark takes."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, help="the file that keeps the result")
    return parser


@contextmanager
def own_database(name: str) -> Iterator[None]:
    """Set Django up on an empty, migrated PostgreSQL that is gone when the block ends."""
    programs = find_postgres()
    if programs is None:
        sys.exit("This benchmark needs PostgreSQL installed.")
    with (
        tempfile.TemporaryDirectory(prefix=f"instructloop-{name}-") as folder,
        postgres_server(programs, settings=SETTINGS) as url,
    ):
        os.environ |= {
            "DATA_DIR": folder,
            "DATABASE_URL": url.replace("/instructloop", "/postgres"),  # the one that a new server has
            "DJANGO_SETTINGS_MODULE": "server.settings.test",
        }
        import django

        django.setup()
        from django.core.management import call_command
        from django.db import connection

        call_command("migrate", verbosity=0)
        try:
            yield
        finally:
            connection.close()


def keep(result: dict[str, Any], out: Path | None) -> None:
    """Print a result with the machine it was measured on, and write it to the file that was asked for."""
    machine = {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
    }
    text = json.dumps({**result, "machine": machine}, indent=2)
    sys.stdout.write(text + "\n")
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text + "\n", encoding="utf-8")


def resident_mb() -> float:
    """Return how much memory this process holds now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return round(pages * resource.getpagesize() / 2**20, 1)


def peak_resident_mb() -> float:
    """Return how much memory this process ever held."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
