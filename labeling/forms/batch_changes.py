"""Forms about batches that run."""

from typing import Any
from uuid import uuid4

from django import forms
from django.http import QueryDict
from django.utils import timezone

from labeling.models import Batch, Cohort, Labeler, TaskKind
from labeling.rules import batch_changes
from labeling.rules.batches import MAX_LABELER_CAP, MAX_OVERLAP
from labeling.rules.task_giving import MAX_DAYS
from labeling.rules.task_moves import batches_to_move_to


class ChangeForm(forms.Form):
    """What may change while people work."""

    use_required_attribute = False

    name = forms.CharField(max_length=120)
    priority = forms.IntegerField(min_value=-1000, max_value=1000, help_text="Higher comes first.")
    lease_minutes = forms.IntegerField(
        label="Minutes to keep a task for a labeler", min_value=1, max_value=1440
    )
    labeler_cap = forms.IntegerField(
        label="Most tasks of one labeler", min_value=1, max_value=MAX_LABELER_CAP, required=False,
        help_text="Skipped ones not counted. Empty: any number. Who has had more keeps what they hold.",
    )  # fmt: skip
    deadline_at = forms.DateTimeField(
        label="Deadline", required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )  # fmt: skip
    cohorts = forms.MultipleChoiceField(
        label="For", choices=Cohort.choices, widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, data: QueryDict | None = None, *, batch: Batch, prefix: str) -> None:
        deadline = timezone.localtime(batch.deadline_at) if batch.deadline_at else None
        initial = {
            "name": batch.name,
            "priority": batch.priority,
            "lease_minutes": max(1, round(batch.lease_seconds / 60)),
            "labeler_cap": batch.labeler_cap,
            "deadline_at": deadline,
            "cohorts": batch.cohorts,
        }
        super().__init__(data, initial=initial, prefix=prefix)
        self.batch = batch

    def clean_cohorts(self) -> list[str]:
        cohorts: list[str] = self.cleaned_data["cohorts"]
        if Cohort.HELD_OUT in cohorts and not TaskKind(self.batch.kind).is_evaluation:
            raise forms.ValidationError("Held-out labelers take only evaluations.")
        return cohorts

    def changes(self) -> dict[str, Any]:
        """Return what the form asks for, as `change_batch` takes it; an untouched lease keeps its seconds."""
        data = self.cleaned_data
        return {
            "name": data["name"],
            "priority": data["priority"],
            "lease_seconds": data["lease_minutes"] * 60 if "lease_minutes" in self.changed_data else None,
            "cohorts": data["cohorts"],
            "labeler_cap": data["labeler_cap"],
            "deadline_at": data["deadline_at"] if "deadline_at" in self.changed_data else None,
            "clears": [field for field in batch_changes.CLEARABLE if data[field] is None],
        }


class BalanceForm(forms.Form):
    """How many labelers are wanted on tasks."""

    use_required_attribute = False

    which = forms.ChoiceField(
        label="Which tasks",
        choices=[(key, words.capitalize()) for key, words in batch_changes.WHICH.items()],
        initial="shared",
    )
    overlap = forms.IntegerField(label="Labelers for each", min_value=1, max_value=MAX_OVERLAP, initial=2)
    only_unanswered = forms.BooleanField(
        label="Only tasks nobody holds or has answered", required=False, initial=True
    )


class ExtendForm(forms.Form):
    """More prompts for a batch, by the filters with which it was made."""

    use_required_attribute = False

    key = forms.UUIDField(required=False, initial=uuid4, widget=forms.HiddenInput)
    count = forms.IntegerField(label="How many more", min_value=1, max_value=100_000, initial=20)


class ReasonForm(forms.Form):
    """Why, for the record."""

    reason = forms.CharField(max_length=300, required=False)


class TemplateForm(forms.Form):
    """The name under which a template is kept."""

    name = forms.CharField(label="Name of the template", max_length=120)


class GiveForm(forms.Form):
    """Which tasks are kept for which labeler, and for how long."""

    labeler = forms.CharField(max_length=40)
    days = forms.IntegerField(min_value=1, max_value=MAX_DAYS)

    def __init__(self, *args: Any, batch: Batch, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["tasks"] = forms.ModelMultipleChoiceField(batch.tasks.all(), to_field_name="code")

    def clean_labeler(self) -> Labeler:
        """Find the labeler by pseudonym."""
        name = self.cleaned_data["labeler"].strip()
        found = Labeler.objects.filter(pseudonym__iexact=name, is_external=False).first()
        if found is None:
            raise forms.ValidationError(f"There is no labeler “{name}”; a pseudonym is like L-4KM2QX.")
        return found


class MoveForm(forms.Form):
    """Which tasks go to which other batch."""

    def __init__(self, *args: Any, batch: Batch, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        others = Batch.objects.filter(pk__in=[other.pk for other in batches_to_move_to(batch)])
        self.fields["to"] = forms.ModelChoiceField(others, to_field_name="code")
        self.fields["tasks"] = forms.ModelMultipleChoiceField(batch.tasks.all(), to_field_name="code")
