"""How policies did on public evaluation sets."""

from django.db import models

from training.models.runs import Run


class BenchmarkResult(models.Model):
    """One number of a benchmark run, with what each question contributed to it.

    Policy, set and settings are those of the run. `items` maps a question's id to its value; for BLEU to
    the counts that it is made of. Two results over the same questions can be compared question by question.
    """

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="benchmark_results")
    metric = models.CharField(max_length=40)
    value = models.FloatField()
    low = models.FloatField(null=True, blank=True)
    high = models.FloatField(null=True, blank=True)
    count = models.PositiveIntegerField(default=0)
    items = models.JSONField(default=dict)

    class Meta:
        ordering = ("run", "id")
        constraints = (
            models.UniqueConstraint(fields=("run", "metric"), name="benchmark_result_once_per_metric"),
        )

    def __str__(self) -> str:
        return f"{self.run} {self.metric}"
