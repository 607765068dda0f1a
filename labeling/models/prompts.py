"""Prompts and the record of every intake: what came in, what was refused and why."""

from django.db import models

from labeling.models.base import CodedModel, Split
from labeling.models.prompt_notices import PromptNotice


class PromptSource(models.TextChoices):
    PLAYGROUND = "playground", "Playground"
    API = "api", "API"
    LABELER = "labeler", "Labeler"


class PromptKind(models.TextChoices):
    """How the prompt states its task (Ouyang et al. 2022, App. A.1)."""

    PLAIN = "plain", "Plain"
    FEW_SHOT = "few_shot", "Few-shot"
    USER_BASED = "user_based", "User-based"
    API = "api", "API"


class Category(models.TextChoices):
    """The ten use cases of Ouyang et al. 2022, table 1."""

    GENERATION = "generation", "Generation"
    OPEN_QA = "open_qa", "Open QA"
    BRAINSTORMING = "brainstorming", "Brainstorming"
    CHAT = "chat", "Chat"
    REWRITE = "rewrite", "Rewrite"
    SUMMARIZATION = "summarization", "Summarization"
    CLASSIFICATION = "classification", "Classification"
    OTHER = "other", "Other"
    CLOSED_QA = "closed_qa", "Closed QA"
    EXTRACT = "extract", "Extract"


class Intake(CodedModel):
    """One import or one day of a live source: how many prompts were read, taken in, held and refused.

    `counts` maps an outcome or a refusal reason to its number of rows, so that read = sum(counts).
    """

    source = models.CharField(max_length=16, choices=PromptSource.choices)
    file_name = models.CharField(max_length=255, blank=True)
    what = models.CharField(max_length=20, default="prompts")
    counts = models.JSONField(default=dict)
    read = models.PositiveIntegerField(default=0)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"{self.what} from {self.file_name or self.source}: {self.read} read"


class Refusal(models.Model):
    """One line that intake did not take, with the reason a person can act on."""

    intake = models.ForeignKey(Intake, on_delete=models.CASCADE, related_name="refusals")
    line = models.PositiveIntegerField()
    reason = models.CharField(max_length=40)
    detail = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ("line",)

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


class PromptQuerySet(models.QuerySet["Prompt"]):
    def usable(self) -> "PromptQuerySet":
        """Prompts nobody holds back: within the author's cap and not deleted."""
        return self.filter(held_reason="")

    def trainable(self) -> "PromptQuerySet":
        """Usable prompts of the train split without personal data (Ouyang et al. 2022, App. A.2)."""
        return self.usable().filter(split=Split.TRAIN, has_pii=False)


class Prompt(CodedModel):
    """A text that responses answer.

    `author_key` names the user or organisation, pseudonymously; it alone decides `split`.
    `text_hash` is of the normalised text (exact duplicates); `prefix_key` of its long common prefix.
    `pii_spans` lists [start, end, kind] over `text`. A held prompt is kept but never selected;
    `held_reason` says why, and lifting it needs no new import.
    """

    text = models.TextField()
    source = models.CharField(max_length=16, choices=PromptSource.choices)
    kind = models.CharField(max_length=12, choices=PromptKind.choices, default=PromptKind.PLAIN)
    author_key = models.CharField(max_length=120)
    external_id = models.CharField(max_length=120, blank=True)
    split = models.CharField(max_length=8, choices=Split.choices)
    language = models.CharField(max_length=8, blank=True)
    category = models.CharField(max_length=16, choices=Category.choices, blank=True)
    tags = models.JSONField(
        default=dict, blank=True, help_text="Flags of table 7 that were asked: name to yes/no."
    )
    text_hash = models.CharField(max_length=64)
    prefix_key = models.CharField(max_length=64, blank=True)
    words = models.PositiveIntegerField(default=0)
    has_pii = models.BooleanField(default=False)
    pii_spans = models.JSONField(default=list, blank=True)
    held_reason = models.CharField(max_length=40, blank=True)
    parent = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="siblings"
    )
    intake = models.ForeignKey(
        Intake, on_delete=models.PROTECT, null=True, blank=True, related_name="prompts"
    )
    notice = models.ForeignKey(
        PromptNotice, on_delete=models.PROTECT, null=True, blank=True, related_name="prompts",
        help_text="What its author was told and agreed to, for prompts of live sources.",
    )  # fmt: skip
    written_at = models.DateTimeField(null=True, blank=True)

    objects = PromptQuerySet.as_manager()

    class Meta:
        ordering = ("id",)
        # Named here: a field's own index on a text comes with a second one for LIKE, which nobody asks for.
        constraints = (models.UniqueConstraint(fields=("text_hash",), name="prompt_once_per_text"),)
        indexes = (
            models.Index(fields=("author_key",), name="prompt_by_author"),
            models.Index(fields=("prefix_key",), name="prompt_by_prefix"),
            models.Index(fields=("split", "source", "held_reason"), name="prompt_selection"),
            models.Index(fields=("source", "external_id"), name="prompt_external"),
            models.Index(  # counted for each author that an intake meets, however many of theirs are held
                fields=("author_key",), condition=models.Q(held_reason=""), name="prompt_in_use_by_author"
            ),
        )

    def __str__(self) -> str:
        return self.text[:60]
