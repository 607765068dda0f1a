"""Frozen selections of labels."""

from django.db import models

from labeling.models import CodedModel, User


class DatasetKind(models.TextChoices):
    """What the records are; the shapes are those of the manifest's `kind`."""

    SFT = "sft", "Demonstrations"
    COMPARISONS = "comparisons", "Comparisons"
    PPO_PROMPTS = "ppo_prompts", "PPO prompts"
    EVALUATION = "evaluation", "Evaluation judgements"
    TOXICITY = "toxicity", "Toxicity judgements"
    PRETRAIN = "pretrain", "Texts"
    BENCHMARK = "benchmark", "Public evaluation set"


class DatasetQuerySet(models.QuerySet["Dataset"]):
    def of_kind(self, *kinds: str) -> "DatasetQuerySet":
        return self.filter(kind__in=kinds)

    def of_labels(self) -> "DatasetQuerySet":
        """Not those that only hold the prompts named for one batch's responses."""
        return self.exclude(manifest__selection__prompts__0__isnull=False)


class Dataset(CodedModel):
    """A snapshot that never changes: record files, a manifest and a hash.

    `folder` is relative to ARTIFACTS_URL. `hash` is of the parts' content, so that two freezes of the
    same rows have the same hash. `counts` maps a split to its number of records.
    """

    kind = models.CharField(max_length=16, choices=DatasetKind.choices)
    name = models.CharField(max_length=120, blank=True)
    hash = models.CharField(max_length=64, db_index=True)
    folder = models.CharField(max_length=200)
    manifest = models.JSONField(default=dict)
    rows = models.PositiveIntegerField(default=0)
    counts = models.JSONField(default=dict)
    statistics = models.JSONField(default=dict, blank=True, help_text="Counted while it was frozen.")
    traced_at = models.DateTimeField(
        null=True, blank=True, help_text="Since when its prompts and labelers are known by name."
    )
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    objects = DatasetQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.name or self.get_kind_display()} {self.hash[:12]}"
