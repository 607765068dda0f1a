"""What an hour of labeling costs, from a day on."""

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q

from labeling.models.base import CodedModel, TaskKind
from labeling.models.labelers import Labeler, User


class PayRate(CodedModel):
    """The price of an hour at work from a day on, for one labeler, a vendor's labelers, or all.

    Rates are only added: hours before `valid_from` keep the price they had. What is empty means any: the
    most particular rate holds, a labeler's before a vendor's, and with a kind before without.
    """

    labeler = models.ForeignKey(
        Labeler, on_delete=models.PROTECT, null=True, blank=True, related_name="pay_rates"
    )
    vendor = models.CharField(max_length=80, blank=True)
    kind = models.CharField(max_length=20, choices=TaskKind.choices, blank=True)
    per_hour = models.DecimalField(max_digits=9, decimal_places=2, validators=(MinValueValidator(0),))
    currency = models.CharField(max_length=3)
    valid_from = models.DateField()
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        ordering = ("-valid_from", "-id")
        constraints = (
            models.CheckConstraint(
                condition=Q(labeler__isnull=True) | Q(vendor=""), name="pay_rate_of_labeler_or_vendor"
            ),
        )

    def __str__(self) -> str:
        return f"{self.per_hour} {self.currency} from {self.valid_from}"
