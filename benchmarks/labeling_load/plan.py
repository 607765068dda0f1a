"""How PostgreSQL finds the next slot: the plan of a claim as it ran, for the labeler with the most answers.

python -m benchmarks.labeling_load.plan
"""

import json
import sys
from typing import Any

import django


def main() -> int:
    """Explain one claim, take it back, and print the plan's lines as one JSON line."""
    django.setup()
    from django.db import connection, transaction
    from django.db.models import Count
    from django.utils import timezone

    from labeling.models import Assignment, Batch
    from labeling.rules import claims

    batch = Batch.objects.open().get()
    answers = Assignment.objects.exclude(labeler=None).order_by().values("labeler").annotate(n=Count("pk"))
    labeler = answers.order_by("-n")[0]["labeler"]
    sql = claims.claim_statement(claims.FIRST_OPEN.format(pass_over=claims.PASS_OVER["postgresql"]))
    now = timezone.now()
    values: list[Any] = [
        labeler,
        now,
        now,
        now,
        batch.pk,
        claims.FIRST,
        claims.LAST,
        labeler,
        9,
        labeler,
        batch.kind,
    ]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS) {sql}", values)
        lines = [line for (line,) in cursor.fetchall()]
        transaction.set_rollback(True)
    sys.stdout.write("\n" + json.dumps(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
