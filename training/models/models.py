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
    TOXICITY = "toxicity", "Toxicity classifier"

    @property
    def writes(self) -> bool:
        """True where the model writes responses."""
        return self not in (ModelKind.REWARD, ModelKind.TOXICITY)


class ModelStatus(models.TextChoices):
    """What people think of a model. At most one of a kind is promoted: the one to start from."""

    REGISTERED = "registered", "Registered"
    PROMOTED = "promoted", "Promoted"
    ARCHIVED = "archived", "Archived"


class ModelQuerySet(models.QuerySet["Model"]):
    def of_kind(self, *kinds: str) -> "ModelQuerySet":
        return self.filter(kind__in=kinds)

    def usable(self) -> "ModelQuerySet":
        """Models that runs may read: neither archived nor without their weights."""
        return self.exclude(status=ModelStatus.ARCHIVED).filter(weights_deleted_at=None)

    def policies(self) -> "ModelQuerySet":
        """Models that write responses."""
        return self.filter(policy__isnull=False)


class Model(CodedModel):
    """Weights in the registry. What it is stays as it was registered; its status and its weights may go.

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
    status = models.CharField(max_length=10, choices=ModelStatus.choices, default=ModelStatus.REGISTERED)
    status_reason = models.CharField(max_length=300, blank=True)
    weights_deleted_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    objects = ModelQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("kind",), condition=models.Q(status="promoted"), name="model_promoted_once_per_kind"
            ),
        )

    def __str__(self) -> str:
        return self.name
