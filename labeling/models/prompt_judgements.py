"""What labelers say about a prompt while they label its task."""

from django.db import models

from labeling.models.assignments import Receipt
from labeling.models.base import CodedModel
from labeling.models.guidelines import Form
from labeling.models.labelers import Labeler
from labeling.models.prompts import Category, Prompt


class PromptJudgement(CodedModel):
    """One labeler's answers about a prompt, handed in with a label and never changed afterwards.

    `flags` and `scores` hold only what the form's version asked and the labeler answered: an absent flag was
    not asked, which is not the same as no. A revision of the label brings a judgement of its own.
    `filled` names what the prompt has from this judgement (`category`, `has_pii`, the keys of `tags`), so
    that it goes again if the label is taken back.
    """

    receipt = models.OneToOneField(Receipt, on_delete=models.PROTECT, related_name="prompt_judgement")
    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="judgements")
    labeler = models.ForeignKey(Labeler, on_delete=models.PROTECT, related_name="prompt_judgements")
    form = models.ForeignKey(Form, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    category = models.CharField(max_length=16, choices=Category.choices, blank=True)
    flags = models.JSONField(default=dict, blank=True)
    scores = models.JSONField(default=dict, blank=True)
    filled = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.labeler} about {self.prompt}"
