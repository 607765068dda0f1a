"""After the load: was any slot given twice, and is every acknowledged label in the export?

python -m benchmarks.labeling_load.check ACKNOWLEDGED_FILE...
"""

import json
import sys
import tempfile
from pathlib import Path

import django


def main() -> int:
    """Count what must be zero and print it as one JSON line."""
    django.setup()
    from django.core.management import call_command
    from django.db.models import Count, F

    from labeling.models import Assignment, Ranking, Task

    acknowledged = {code for file in sys.argv[1:] for code in Path(file).read_text(encoding="utf-8").split()}
    taken = Assignment.objects.filter(state__in=("leased", "submitted")).values("task")
    over = taken.annotate(n=Count("pk"), wanted=F("task__overlap")).filter(n__gt=F("wanted")).count()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "export"
        call_command("export_dataset", "comparisons", "--out", str(out), "--json")
        exported = {
            json.loads(line)["id"] for part in out.glob("*.jsonl") for line in part.open(encoding="utf-8")
        }
    labels = dict(Ranking.objects.filter(superseded_by=None).values_list("assignment__code", "code"))
    found = {str(slot) for slot, code in labels.items() if str(code) in exported}
    report = {
        "tasks": Task.objects.count(),
        "open_slots": Assignment.objects.open().count(),
        "acknowledged": len(acknowledged),
        "exported": len(exported),
        "over_assignments": over,
        "acknowledged_missing_from_export": len(acknowledged - found),
    }
    sys.stdout.write("\n" + json.dumps(report) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
