"""The price of an hour, of labeling or of a machine, as a manager enters it."""

from datetime import date
from typing import Any

from django import forms
from django.utils import timezone

from labeling.models import Labeler, TaskKind
from labeling.rules.pay_rates import MAX_PER_HOUR, rate_book, vendors
from training.rules.workers import known_queues


class PayRateForm(forms.Form):
    """What an hour costs from a day on, and for whom."""

    per_hour = forms.DecimalField(
        label="An hour costs", min_value=0, max_value=MAX_PER_HOUR, decimal_places=2
    )
    currency = forms.CharField(max_length=3, help_text="Three letters; the same for all rates.")
    valid_from = forms.DateField(
        label="From",
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="Hours before that day keep the price they had.",
    )
    vendor = forms.ChoiceField(required=False, help_text="Only for this vendor’s labelers.")
    labeler = forms.ModelChoiceField(
        queryset=Labeler.objects.people(),
        to_field_name="code",
        required=False,
        empty_label="All",
        help_text="Only for this person; goes before a vendor’s rate.",
    )
    kind = forms.ChoiceField(
        choices=[("", "All"), *TaskKind.choices], required=False, help_text="Only for this kind of task."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [("", "All"), *((name, name) for name in vendors())]
        self.fields["vendor"] = forms.ChoiceField(
            choices=choices, required=False, help_text=self.fields["vendor"].help_text
        )
        today: date = timezone.localdate()
        self.initial = {"currency": rate_book().currency, "valid_from": today, **self.initial}


class MachineRateForm(forms.Form):
    """What an hour of a run costs from a day on, and on which queue's workers."""

    per_hour = forms.DecimalField(
        label="An hour costs",
        min_value=0,
        max_value=MAX_PER_HOUR,
        decimal_places=2,
        help_text="In the currency of the rates for labeling.",
    )
    valid_from = forms.DateField(
        label="From",
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="Runs that ended before that day keep the price they had.",
    )
    queue = forms.ChoiceField(required=False, help_text="Only for runs of this queue.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [("", "All"), *((name, name) for name in known_queues())]
        self.fields["queue"] = forms.ChoiceField(
            choices=choices, required=False, help_text=self.fields["queue"].help_text
        )
        self.initial = {"valid_from": timezone.localdate(), **self.initial}
