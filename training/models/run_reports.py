"""What a run's process says while it works: its log, piece by piece, and what it takes of the machine."""

from django.db import models

from training.models.runs import Run


class LogPiece(models.Model):
    """Some whole lines of a run's log, as they came. `end` is how far into the log file they reach."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="log_pieces")
    end = models.PositiveBigIntegerField()
    text = models.TextField()

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return f"Log of {self.run_id} up to {self.end}"


class RunResources(models.Model):
    """What a run's processes took of the machine over time, thinned like a curve.

    `count` samples were read, of which every `stride`-th is kept in `samples`.
    """

    run = models.OneToOneField(Run, on_delete=models.CASCADE, related_name="resources")
    stride = models.PositiveIntegerField(default=1)
    count = models.PositiveIntegerField(default=0)
    samples = models.JSONField(default=list, help_text="[{at, cpu, memory_bytes, …}, …]")
    latest = models.JSONField(default=dict)
    peak = models.JSONField(default=dict, help_text="The highest of each.")

    class Meta:
        verbose_name_plural = "run resources"

    def __str__(self) -> str:
        return f"Resources of {self.run_id}"
