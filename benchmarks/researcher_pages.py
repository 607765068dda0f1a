"""How long a researcher waits for each page when there is much behind it.

    python -m benchmarks.researcher_pages [--rounds 100] [--points 100000] [--models 1000]
        [--judgements 20] [--repeats 40] [--out benchmarks/results/researcher_pages.json]

A PostgreSQL of this benchmark's own is filled with a chain of rounds, two training runs each, whose curves
have that many points (`tests/training/registry.py`). Every page is then asked for by a logged-in researcher,
through all middleware; the time is the server's, from request to the last byte, and its queries are counted.
`cpu_ms` is the web process's own part, which a busy machine changes least.
"""

import argparse
import statistics
import time
from typing import Any

from benchmarks.own_database import keep, options, own_database

LIMIT_MS = 300.0
MOST_QUERIES = 20
STORED_RUNS = 5
"""Runs that keep every single point in the database too; the pages read only the thinned curves."""


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Fill the database and time every page; returns times and queries by page."""
    from django.db import connection
    from django.test import Client

    from labeling.models import Role
    from labeling.rules.quality_reports import refresh_reports
    from server.collector import settle
    from tests.factories import UserFactory
    from tests.training.pages import PAGES
    from tests.training.registry import fill
    from training.models import MetricPoint, Model, Round, Run

    researcher = UserFactory.create(name="Dana", role=Role.RESEARCHER)
    started = time.perf_counter()
    made = fill(
        by=researcher,
        rounds=options.rounds,
        points=options.points,
        models=options.models,
        judgements=options.judgements,
        stored_runs=STORED_RUNS,
    )
    refresh_reports(force=True)  # as the clock does
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # as the server does by itself
    filled = time.perf_counter() - started
    settle()  # as a web process does; this one's collector would look through all the rows it has made
    client = Client()
    client.force_login(researcher)
    pages = {
        name: time_page(client, address(made), options.repeats) for name, address in sorted(PAGES.items())
    }
    slow = [name for name, page in pages.items() if page["p95_ms"] > LIMIT_MS]
    asking = [name for name, page in pages.items() if page["queries"] > MOST_QUERIES]
    return {
        "rows": {
            "rounds": Round.objects.count(),
            "runs": Run.objects.count(),
            "models": Model.objects.count(),
            "points_of_each_curve": options.points,
            "points_stored": MetricPoint.objects.count(),
        },
        "filled_in_seconds": round(filled),
        "pages": pages,
        "slowest_p95_ms": max(page["p95_ms"] for page in pages.values()),
        "most_queries": max(page["queries"] for page in pages.values()),
        "slower_than_300_ms": slow,
        "more_than_20_queries": asking,
    }


def time_page(client: Any, url: str, repeats: int) -> dict[str, Any]:
    """Ask for a page again and again; returns its median and 95th percentile, queries and size."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as queries:
        first = client.get(url)
    asked = len(queries)  # now: the next request empties the list
    if first.status_code != 200:
        raise SystemExit(f"{url} answered {first.status_code}")
    times, own = [], []
    for _ in range(repeats):
        began, own_began = time.perf_counter(), time.process_time()
        content = client.get(url).getvalue()
        times.append(1000 * (time.perf_counter() - began))
        own.append(1000 * (time.process_time() - own_began))
    return {
        "p50_ms": round(statistics.median(times), 1),
        "p95_ms": round(statistics.quantiles(times, n=20)[-1], 1),
        "cpu_ms": round(statistics.median(own), 1),
        "queries": asked,
        "kilobytes": round(len(content) / 1024, 1),
    }


def main() -> None:
    """Fill a PostgreSQL of our own, time its pages; print and write the figures."""
    parser = options(__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--judgements", type=int, default=20, help="of each evaluation")
    parser.add_argument("--repeats", type=int, default=40)
    given = parser.parse_args()
    with own_database("pages"):
        keep(measure(given), given.out)


if __name__ == "__main__":
    main()
