"""What stands in a dataset, by prompt and by labeler: read from the other end, from a label to its models."""

from django.db import models

from labeling.models import Labeler, Prompt
from training.models.datasets import Dataset


class DatasetPrompt(models.Model):
    """A prompt of which a dataset has at least one record."""

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="held_prompts")
    prompt = models.ForeignKey(Prompt, on_delete=models.CASCADE, related_name="held_in")

    class Meta:
        constraints = (models.UniqueConstraint(fields=("prompt", "dataset"), name="dataset_prompt_once"),)

    def __str__(self) -> str:
        return f"{self.prompt_id} in {self.dataset_id}"


class DatasetLabeler(models.Model):
    """A labeler whose labels stand in a dataset, and how many of its records are theirs."""

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="held_labelers")
    labeler = models.ForeignKey(Labeler, on_delete=models.CASCADE, related_name="held_in")
    records = models.PositiveIntegerField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("labeler", "dataset"), name="dataset_labeler_once"),)

    def __str__(self) -> str:
        return f"{self.labeler_id} in {self.dataset_id}: {self.records}"
