"""The registry: every set of weights, where it lies and what it came from."""

from django.db import models

from labeling.models import CodedModel, Policy, User
from training.models.runs import Run


class ModelKind(models.TextChoices):
    BASE = "base", "Base"
    SFT = "sft", "Supervised"
    REWARD = "reward", "Reward model"
    PPO = "ppo", "PPO"
    DPO = "dpo", "DPO"

    @property
    def writes(self) -> bool:
        """True where the model writes responses."""
        return self is not ModelKind.REWARD


class ModelQuerySet(models.QuerySet["Model"]):
    def of_kind(self, *kinds: str) -> "ModelQuerySet":
        return self.filter(kind__in=kinds)

    def policies(self) -> "ModelQuerySet":
        """Models that write responses."""
        return self.filter(policy__isnull=False)


class Model(CodedModel):
    """Weights in the registry. Everything except its name stays as it was registered.

    `folder` is relative to ARTIFACTS_URL, empty for a model that is named by its hub id in `source`.
    `parent` is the model that training started from, `reward_model` the one whose scores shaped it.
    """

    name = models.CharField(max_length=120, unique=True)
    kind = models.CharField(max_length=8, choices=ModelKind.choices)
    run = models.OneToOneField(Run, on_delete=models.PROTECT, null=True, blank=True, related_name="model")
    parent = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="children"
    )
    reward_model = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="shaped"
    )
    folder = models.CharField(max_length=200, blank=True)
    source = models.CharField(max_length=300, blank=True, help_text="Where an imported model came from.")
    facts = models.JSONField(default=dict, blank=True, help_text="What training left beside the weights.")
    policy = models.OneToOneField(
        Policy, on_delete=models.PROTECT, null=True, blank=True, related_name="model",
        help_text="Under which its responses are stored.",
    )  # fmt: skip
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    objects = ModelQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return self.name
