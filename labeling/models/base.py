"""What every public row has in common: an opaque code and the time it came to be."""

import uuid
from collections.abc import Collection
from typing import Any, Self

from django.db import models
from django.db.models.base import ModelState
from django.utils import timezone


class RowModel(models.Model):
    """A row of a table that is read by the thousand."""

    class Meta:
        abstract = True

    @classmethod
    def from_db(  # type: ignore[override]  # the stubs have an argument of a later Django
        cls, db: str | None, field_names: Collection[str], values: Collection[Any]
    ) -> Self:
        """Return the instance of a stored row without its constructor, which takes three times as long.

        A field that was not read is left out; Django reads it when somebody asks for it.
        """
        row = cls.__new__(cls)
        row._state = ModelState()
        row._state.adding, row._state.db = False, db
        row.__dict__.update(zip(field_names, values, strict=True))
        return row


class CodedModel(RowModel):
    """A row that people and programs outside the database name by its `code`, never by its id."""

    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        abstract = True


def not_superseded(model: type[models.Model], key: str = "pk") -> models.Q:
    """Return the condition that no later revision of `model` takes the place of the one that `key` names.

    Said as NOT EXISTS: a left join that finds nothing is taken by PostgreSQL to leave one row, and all that
    is joined to it is then looked up row by row.
    """
    return ~models.Q(models.Exists(model._default_manager.filter(supersedes=models.OuterRef(key))))


class TaskKind(models.TextChoices):
    """What a labeler is asked to do; also what a qualification permits."""

    DEMONSTRATION = "demonstration", "Demonstration"
    COMPARISON = "comparison", "Comparison"
    PROMPT = "prompt", "Prompt writing"
    EVALUATION = "evaluation", "Final evaluation"
    TOXICITY = "toxicity", "Toxicity evaluation"

    @property
    def is_ranked(self) -> bool:
        """True where the responses of a task are judged one by one and then ranked."""
        return self in (TaskKind.COMPARISON, TaskKind.EVALUATION, TaskKind.TOXICITY)

    @property
    def has_prompt(self) -> bool:
        """False only where the labeler writes the prompt."""
        return self != TaskKind.PROMPT

    @property
    def may_read_first(self) -> bool:
        """True where labelers may be asked to read the responses before they see the prompt."""
        return self in (TaskKind.COMPARISON, TaskKind.EVALUATION)

    @property
    def least_responses(self) -> int:
        """How few responses a ranked task may hold: toxicity is judged of a lone one too."""
        return 1 if self is TaskKind.TOXICITY else 2

    @property
    def is_evaluation(self) -> bool:
        """True where labels only measure: held-out labelers and test prompts may take part."""
        return self in (TaskKind.EVALUATION, TaskKind.TOXICITY)


class Cohort(models.TextChoices):
    """Labeler groups of Ouyang et al. 2022, sec. 3.4: held-out labelers never produce training data."""

    TRAIN = "train", "Training labelers"
    HELD_OUT = "held_out", "Held-out labelers"
    RESEARCHER = "researcher", "Researchers"


class Split(models.TextChoices):
    TRAIN = "train", "Train"
    VALID = "valid", "Valid"
    TEST = "test", "Test"


class ReviewDecision(models.TextChoices):
    """What a review says of a label."""

    ACCEPTED = "accepted", "Accepted"
    FIXED = "fixed", "Accepted with changes"
    RETURNED = "returned", "Returned to the labeler"
    EXCLUDED = "excluded", "Left out of training"
    REOPENED = "reopened", "Waiting for review"


KEEPING_OUT = (ReviewDecision.RETURNED, ReviewDecision.EXCLUDED)
"""The decisions that keep their label out of datasets and win rates."""
