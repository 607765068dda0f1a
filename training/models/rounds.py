"""Turns of the loop."""

from django.db import models
from django.utils import timezone

from labeling.models import Batch, CodedModel, User
from training.models.datasets import Dataset
from training.models.evaluations import Evaluation
from training.models.models import Model
from training.models.runs import Run


class RoundQuerySet(models.QuerySet["Round"]):
    def open(self) -> "RoundQuerySet":
        return self.filter(closed_at=None)


class Round(CodedModel):
    """One turn: demonstrations and SFT (first round), comparisons, reward model, PPO, evaluation.

    A round only points at the rows that its steps made; how far it is follows from them
    (`training.rules.rounds`). `settings` holds the choices made when it was opened: k, overlap, number of
    prompts, configs by stage.
    """

    number = models.PositiveIntegerField(unique=True)
    name = models.CharField(max_length=120, blank=True)
    previous = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="next"
    )
    base_model = models.ForeignKey(
        Model, on_delete=models.PROTECT, null=True, blank=True, related_name="+",
        help_text="What supervised fine-tuning starts from.",
    )  # fmt: skip
    settings = models.JSONField(default=dict, blank=True)
    demonstration_batch = models.ForeignKey(
        Batch, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    sft_dataset = models.ForeignKey(
        Dataset, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    sft_run = models.ForeignKey(Run, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    comparison_batch = models.ForeignKey(
        Batch, on_delete=models.PROTECT, null=True, blank=True, related_name="rounds"
    )
    comparisons_dataset = models.ForeignKey(
        Dataset, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    prompts_dataset = models.ForeignKey(
        Dataset, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    pretrain_dataset = models.ForeignKey(
        Dataset, on_delete=models.PROTECT, null=True, blank=True, related_name="+",
        help_text="Texts for the pretraining term; none means plain PPO.",
    )  # fmt: skip
    reward_run = models.ForeignKey(Run, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    ppo_run = models.ForeignKey(Run, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    evaluation = models.ForeignKey(
        Evaluation, on_delete=models.PROTECT, null=True, blank=True, related_name="rounds"
    )
    closed_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    objects = RoundQuerySet.as_manager()

    class Meta:
        ordering = ("-number",)

    def __str__(self) -> str:
        return self.name or f"Round {self.number}"


class GateOverride(models.Model):
    """Somebody's signature under training on labels that the round's gate held back."""

    round = models.ForeignKey(Round, on_delete=models.PROTECT, related_name="gate_overrides")
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    reason = models.TextField()
    failed = models.JSONField(default=dict, help_text="What was found, by check.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.by} for {self.round}"
