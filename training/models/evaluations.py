"""Comparisons of a policy with a baseline by labelers."""

from django.db import models

from labeling.models import Batch, CodedModel, Policy, User


class Evaluation(CodedModel):
    """A batch of evaluation tasks in which two policies answer the same prompts.

    Nothing is counted here: the win rate is computed from the rankings, see `training.rules.evaluations`.
    """

    name = models.CharField(max_length=120)
    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="evaluations")
    baseline = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="evaluations_as_baseline")
    batch = models.OneToOneField(Batch, on_delete=models.PROTECT, related_name="evaluation")
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(
                condition=~models.Q(policy=models.F("baseline")), name="evaluation_of_two_policies"
            ),
        )

    def __str__(self) -> str:
        return self.name
