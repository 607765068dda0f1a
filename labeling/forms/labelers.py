"""Forms about people: invitations, pauses, qualifications."""

from typing import Any

from django import forms

from labeling.models import Cohort, Invitation, Labeler, Role, TaskKind, User


class InvitationForm(forms.Form):
    """What an invited person adds to make the account."""

    name = forms.CharField(
        max_length=120, help_text="Only managers see it; labels carry a pseudonym.",
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )  # fmt: skip
    password = forms.CharField(
        min_length=8,
        help_text="At least 8 characters, and not one that everybody uses.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    time_zone = forms.CharField(
        max_length=64, help_text="Days and hours are counted in it, for example Europe/Berlin.",
        initial="UTC", widget=forms.TextInput(attrs={"list": "time-zones", "autocomplete": "off"}),
    )  # fmt: skip

    def __init__(self, *args: Any, invitation: Invitation, time_zones: set[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.invitation, self.time_zones = invitation, time_zones
        if invitation.role != Role.LABELER:
            self.fields["name"].help_text = "Others of the staff see it beside what you did."

    def clean_time_zone(self) -> str:
        zone: str = self.cleaned_data["time_zone"].strip()
        if zone not in self.time_zones:
            raise forms.ValidationError(f"“{zone}” is not a time zone; an example is Europe/Berlin.")
        return zone


class InviteForm(forms.Form):
    """Whom to invite, as what, and what they may do at once."""

    email = forms.EmailField(label="E-mail address")
    role = forms.ChoiceField(choices=Role.choices, initial=Role.LABELER)
    cohort = forms.ChoiceField(
        choices=Cohort.choices,
        help_text="Held-out labelers never produce training data; they only judge the result.",
    )
    kinds = forms.MultipleChoiceField(
        label="Qualified for",
        choices=TaskKind.choices,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Without any, the labeler starts in screening and gets no tasks.",
    )
    vendor = forms.CharField(required=False, max_length=80, help_text="Who pays them, if not you.")

    def __init__(self, *args: Any, by: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if by.role != Role.OWNER:
            self.fields["role"] = forms.ChoiceField(
                choices=[(Role.LABELER.value, Role.LABELER.label)],
                initial=Role.LABELER,
                help_text="Only an owner invites staff.",
            )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("cohort") == Cohort.HELD_OUT:
            unfit = [kind for kind in cleaned.get("kinds", []) if kind != TaskKind.EVALUATION]
            if unfit:
                self.add_error("kinds", "Held-out labelers take only final evaluations.")
        return cleaned


class ReasonForm(forms.Form):
    """Why a labeler is paused or takes up work again; the labeler reads it."""

    reason = forms.CharField(max_length=300, help_text="The labeler reads this.")


class LabelerForm(forms.Form):
    """What a manager may change about a labeler."""

    vendor = forms.CharField(required=False, max_length=80, help_text="Who pays them, if not you.")
    cohort = forms.ChoiceField(
        choices=Cohort.choices, help_text="Nobody moves to or from held-out once there are labels."
    )
    languages = forms.CharField(
        required=False,
        max_length=200,
        help_text="Codes such as “en, de”: they get only prompts in these. Empty: any.",
    )

    def clean_languages(self) -> list[str]:
        given: str = self.cleaned_data["languages"]
        return given.lower().replace(",", " ").split()


SORTS = (
    ("pseudonym", "Pseudonym"),
    ("-created_at", "Newest first"),
    ("created_at", "Oldest first"),
    ("-submitted", "Most labels"),
    ("submitted", "Fewest labels"),
    ("-active_seconds", "Most hours"),
    ("-held", "Most in hand"),
    ("-skipped", "Most skips"),
    ("vendor", "Vendor"),
)


class LabelerFilterForm(forms.Form):
    """Narrow the list of labelers."""

    q = forms.CharField(label="Search", required=False)
    status = forms.ChoiceField(choices=(("", "Any"), *Labeler.Status.choices), required=False)
    cohort = forms.ChoiceField(choices=(("", "Any"), *Cohort.choices), required=False)
    kind = forms.ChoiceField(label="Qualified for", choices=(("", "Any"), *TaskKind.choices), required=False)
    vendor = forms.CharField(required=False)
    sort = forms.ChoiceField(choices=SORTS, required=False)
    who = forms.ChoiceField(
        choices=(("people", "People"), ("simulated", "Simulated"), ("external", "Imported"), ("all", "All")),
        required=False,
        initial="people",
    )
