"""What every public row has in common: an opaque code and the time it came to be."""

import uuid

from django.db import models
from django.utils import timezone


class CodedModel(models.Model):
    """A row that people and programs outside the database name by its `code`, never by its id."""

    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        abstract = True


class TaskKind(models.TextChoices):
    """What a labeler is asked to do; also what a qualification permits."""

    DEMONSTRATION = "demonstration", "Demonstration"
    COMPARISON = "comparison", "Comparison"
    EVALUATION = "evaluation", "Final evaluation"

    @property
    def is_ranked(self) -> bool:
        """True where K responses are rated and ranked (training comparisons and final evaluation alike)."""
        return self in (TaskKind.COMPARISON, TaskKind.EVALUATION)


class Cohort(models.TextChoices):
    """Labeler groups of Ouyang et al. 2022, sec. 3.4: held-out labelers never produce training data."""

    TRAIN = "train", "Training labelers"
    HELD_OUT = "held_out", "Held-out labelers"
    RESEARCHER = "researcher", "Researchers"


class Split(models.TextChoices):
    TRAIN = "train", "Train"
    VALID = "valid", "Valid"
    TEST = "test", "Test"
