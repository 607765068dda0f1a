"""What an hour of a machine costs, from a day on."""

from django.core.validators import MinValueValidator
from django.db import models

from labeling.models import CodedModel, User


class MachineRate(CodedModel):
    """The price of an hour that a run takes, from a day on, for one queue's workers or all.

    Rates are only added, as for labeling, and are in the currency of those.
    """

    queue = models.CharField(max_length=40, blank=True)
    per_hour = models.DecimalField(max_digits=9, decimal_places=2, validators=(MinValueValidator(0),))
    valid_from = models.DateField()
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        ordering = ("-valid_from", "-id")

    def __str__(self) -> str:
        return f"{self.per_hour} from {self.valid_from}"
