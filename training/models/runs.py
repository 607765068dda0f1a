"""Training jobs: what is wanted, what is known, and the numbers they report."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from labeling.models import Batch, CodedModel, User
from training.models.datasets import Dataset


class Stage(models.TextChoices):
    """What a run's process does."""

    PRETRAIN = "pretrain", "Pretraining"
    SFT = "sft", "Supervised fine-tuning"
    REWARD = "reward", "Reward model"
    PPO = "ppo", "PPO"
    DPO = "dpo", "DPO"
    SAMPLE = "sample", "Sampling"
    EVALUATE = "evaluate", "Evaluation"
    BENCHMARK = "benchmark", "Benchmark"


class RunState(models.TextChoices):
    QUEUED = "queued", "Queued"
    STARTING = "starting", "Starting"
    RUNNING = "running", "Running"
    CANCELLING = "cancelling", "Cancelling"
    CANCELLED = "cancelled", "Cancelled"
    FINISHED = "finished", "Finished"
    FAILED = "failed", "Failed"


ACTIVE_STATES = (RunState.STARTING, RunState.RUNNING, RunState.CANCELLING)
ENDED_STATES = (RunState.CANCELLED, RunState.FINISHED, RunState.FAILED)


class RunQuerySet(models.QuerySet["Run"]):
    def queued(self) -> "RunQuerySet":
        return self.filter(state=RunState.QUEUED)

    def active(self) -> "RunQuerySet":
        """A worker says that it has them."""
        return self.filter(state__in=ACTIVE_STATES)

    def ended(self) -> "RunQuerySet":
        return self.filter(state__in=ENDED_STATES)


class Run(CodedModel):
    """One job of the training core. Its state moves by compare-and-set only; see `training.rules.runs`.

    `attempt` counts the workers that took it; each writes only while the number is still its own. `deaths`
    counts those of them that went silent since somebody last tried it by hand.
    `config` is the run.toml that the process reads. `folder` is relative to RUNS_DIR.
    `batch` is set where a sample run writes the responses of that batch's tasks.
    """

    stage = models.CharField(max_length=10, choices=Stage.choices)
    state = models.CharField(max_length=10, choices=RunState.choices, default=RunState.QUEUED)
    config = models.TextField(help_text="TOML")
    seed = models.PositiveIntegerField(default=0)
    model_name = models.CharField(
        max_length=100, blank=True, help_text="What its model is to be called; empty gives it a number."
    )
    folder = models.CharField(max_length=200)
    batch = models.ForeignKey(
        Batch, on_delete=models.PROTECT, null=True, blank=True, related_name="sample_runs"
    )
    priority = models.SmallIntegerField(default=0, help_text="Higher comes first; then the older one.")
    queue = models.CharField(max_length=40, default="gpu", help_text="Which workers may take it.")
    cloned_from = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="clones"
    )
    attempt = models.PositiveIntegerField(default=0)
    deaths = models.PositiveIntegerField(default=0)
    worker = models.CharField(max_length=120, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True, help_text="When a worker was last woken for it.")
    phase = models.CharField(max_length=60, blank=True)
    progress_done = models.FloatField(default=0)
    progress_total = models.FloatField(default=0)
    progress_unit = models.CharField(max_length=30, blank=True)
    eta_seconds = models.FloatField(null=True, blank=True)
    reason = models.TextField(blank=True, help_text="Why it failed or was cancelled, in one sentence.")
    log_tail = models.TextField(blank=True)
    samples = models.JSONField(default=list, blank=True, help_text="The newest sampled texts.")
    result = models.JSONField(default=dict, blank=True, help_text="The final numbers.")
    report = models.JSONField(
        default=dict,
        blank=True,
        help_text="What its numbers say in words, and curves that are no time series.",
    )
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = RunQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        indexes = (
            models.Index(
                fields=("state", "heartbeat_at"),
                condition=Q(state__in=("queued", "starting", "running", "cancelling")),
                name="run_unfinished",
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_stage_display()} run {self.pk}"

    @property
    def is_ended(self) -> bool:
        return self.state in ENDED_STATES

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE_STATES

    @property
    def can_cancel(self) -> bool:
        return self.state in (RunState.QUEUED, RunState.STARTING, RunState.RUNNING)

    @property
    def can_retry(self) -> bool:
        return self.state in (RunState.CANCELLED, RunState.FAILED)

    @property
    def progress_fraction(self) -> float:
        """Return how much of the current phase is done, from 0 to 1."""
        if self.state == RunState.FINISHED:
            return 1.0
        return min(1.0, self.progress_done / self.progress_total) if self.progress_total else 0.0

    @property
    def progress_percent(self) -> int:
        return int(100 * self.progress_fraction)


class RunInput(models.Model):
    """What a run reads under a name of its config's [inputs]: a dataset or a model of the registry."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="inputs")
    name = models.CharField(max_length=20)
    dataset = models.ForeignKey(
        Dataset, on_delete=models.PROTECT, null=True, blank=True, related_name="used_by"
    )
    model = models.ForeignKey(
        "training.Model", on_delete=models.PROTECT, null=True, blank=True, related_name="used_by"
    )

    class Meta:
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(fields=("run", "name"), name="run_input_once_per_name"),
            models.CheckConstraint(
                condition=Q(dataset__isnull=False, model__isnull=True)
                | Q(dataset__isnull=True, model__isnull=False),
                name="run_input_is_dataset_or_model",
            ),
        )

    def __str__(self) -> str:
        return f"{self.name}: {self.dataset or self.model}"


class MetricPoint(models.Model):
    """The numbers that a run reported for one step."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="points")
    step = models.PositiveIntegerField()
    at = models.DateTimeField(default=timezone.now)
    values = models.JSONField(default=dict)

    class Meta:
        ordering = ("run", "step")
        constraints = (models.UniqueConstraint(fields=("run", "step"), name="metric_point_once_per_step"),)

    def __str__(self) -> str:
        return f"{self.run} step {self.step}"


class RunCurve(models.Model):
    """One metric of a run, thinned to what a chart can show: every `stride`-th of its `count` points.

    `first`, `last`, `lowest` and `highest` are of all points, not only of those kept.
    """

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="curves")
    name = models.CharField(max_length=80)
    stride = models.PositiveIntegerField(default=1)
    count = models.PositiveIntegerField(default=0)
    first = models.FloatField(default=0)
    last = models.FloatField(default=0)
    last_step = models.PositiveIntegerField(default=0)
    lowest = models.FloatField(default=0)
    highest = models.FloatField(default=0)
    points = models.JSONField(default=list, help_text="[[step, value], …]")

    class Meta:
        ordering = ("name",)
        constraints = (models.UniqueConstraint(fields=("run", "name"), name="run_curve_once_per_name"),)

    def __str__(self) -> str:
        return f"{self.run} {self.name}"
