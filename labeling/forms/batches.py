"""Forms about batches."""

from typing import Any

from django import forms
from django.utils import timezone

from labeling.forms.prompts import language_choices
from labeling.models import MAX_K, MIN_K, Category, Cohort, Policy, PromptSource, Split, TaskKind
from labeling.rules import selection
from labeling.rules.batches import MAX_OVERLAP

MAX_TASKS = 100_000


class BatchForm(forms.Form):
    """Everything a batch is made of: what is asked, over which prompts, by whom."""

    use_required_attribute = False  # a field that the kind does not show must not hold the form up

    name = forms.CharField(max_length=120, help_text="For staff; labelers do not see it.")
    kind = forms.ChoiceField(choices=TaskKind.choices, initial=TaskKind.COMPARISON)

    split = forms.ChoiceField(choices=(("", "Any that the kind allows"), *Split.choices), required=False)
    source = forms.ChoiceField(choices=(("", "Any"), *PromptSource.choices), required=False)
    category = forms.ChoiceField(choices=(("", "Any"), *Category.choices), required=False)
    language = forms.ChoiceField(required=False)
    count = forms.IntegerField(
        label="How many prompts", min_value=1, max_value=MAX_TASKS, initial=50,
        help_text="Drawn at random from those that match.",
    )  # fmt: skip
    is_fresh = forms.BooleanField(
        label="Only prompts without a task of this kind", required=False, initial=True
    )

    k = forms.IntegerField(label="K, responses to compare", min_value=MIN_K, max_value=MAX_K, initial=4)
    policies = forms.ModelMultipleChoiceField(
        queryset=Policy.objects.none(),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one policy whose responses are compared."},
        help_text="Who wrote the responses. Labelers never learn it.",
    )
    baseline = forms.ModelChoiceField(
        queryset=Policy.objects.none(), required=False, empty_label="None",
        help_text="Final evaluation: win rates are against it, and it is in every task.",
    )  # fmt: skip
    presort = forms.BooleanField(
        label="Start the ranking from the ratings",
        required=False,
        help_text="Saves moves, but ties the order to the ratings. Otherwise cards start in random order.",
    )

    cohorts = forms.MultipleChoiceField(
        choices=Cohort.choices, initial=[Cohort.TRAIN.value], widget=forms.CheckboxSelectMultiple
    )
    overlap = forms.IntegerField(
        label="Labelers for a shared task", min_value=1, max_value=MAX_OVERLAP, initial=2,
        help_text="Two or more measure agreement.",
    )  # fmt: skip
    shared_percent = forms.FloatField(
        label="Share of shared tasks, %", min_value=0, max_value=100, initial=20,
        help_text="The others are labeled once. 10 to 20 % is usual.",
    )  # fmt: skip
    priority = forms.IntegerField(min_value=-1000, max_value=1000, initial=0, help_text="Higher comes first.")
    lease_minutes = forms.IntegerField(
        label="Minutes to keep a task for a labeler", min_value=1, max_value=1440, initial=30
    )
    deadline_at = forms.DateTimeField(
        label="Deadline", required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )  # fmt: skip

    PROMPT_FIELDS = ("split", "source", "category", "language", "count", "is_fresh")
    RANKED_FIELDS = ("k", "policies", "baseline", "presort")
    LABEL_FIELDS = ("cohorts", "overlap", "shared_percent", "priority", "lease_minutes", "deadline_at")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["language"] = forms.ChoiceField(
            choices=(("", "Any"), *language_choices()), required=False
        )
        for name in ("policies", "baseline"):
            field = self.fields[name]
            assert isinstance(field, forms.ModelChoiceField)
            field.queryset = Policy.objects.filter(responses__isnull=False).distinct()
        if self.is_bound and self.data.get("kind") == TaskKind.DEMONSTRATION:
            self.fields["k"].required = self.fields["policies"].required = False

    def group(self, names: tuple[str, ...]) -> list[forms.BoundField]:
        return [self[name] for name in names]

    @property
    def prompt_fields(self) -> list[forms.BoundField]:
        return self.group(self.PROMPT_FIELDS)

    @property
    def ranked_fields(self) -> list[forms.BoundField]:
        return self.group(self.RANKED_FIELDS)

    @property
    def label_fields(self) -> list[forms.BoundField]:
        return self.group(self.LABEL_FIELDS)

    def choice(self) -> selection.Choice:
        """Return which prompts and responses are asked for."""
        data = self.cleaned_data
        return selection.Choice(
            kind=data["kind"],
            split=data.get("split") or "",
            source=data.get("source") or "",
            category=data.get("category") or "",
            language=data.get("language") or "",
            is_fresh=bool(data.get("is_fresh")),
            k=data.get("k") or 4,
            policies=tuple(policy.pk for policy in data.get("policies") or ()),
            baseline=data["baseline"].pk if data.get("baseline") else None,
        )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        deadline = cleaned.get("deadline_at")
        if deadline is not None and deadline <= timezone.now():
            self.add_error("deadline_at", "The deadline is over already; give a later one, or none.")
        if self.errors:
            return cleaned
        kind = TaskKind(cleaned["kind"])
        if Cohort.HELD_OUT in cleaned["cohorts"] and kind != TaskKind.EVALUATION:
            self.add_error("cohorts", "Held-out labelers take only final evaluations.")
        if cleaned.get("split") == Split.TEST and kind != TaskKind.EVALUATION:
            self.add_error(
                "split", "Prompts of test authors never train; only a final evaluation takes them."
            )
        if not self.errors:
            matching = selection.count_matching(self.choice())
            if matching < cleaned["count"]:
                self.add_error("count", shortage(matching, kind.is_ranked, cleaned.get("k") or 4))
        return cleaned


def shortage(matching: int, is_ranked: bool, k: int) -> str:
    """Say honestly how many prompts there are."""
    only = (
        "No prompt matches"
        if matching == 0
        else f"Only {matching} prompt{'s match' if matching > 1 else ' matches'}"
    )
    needed = f" and has {k} responses by these policies" if is_ranked else ""
    if is_ranked and matching > 1:
        needed = f" and have {k} responses by these policies"
    return f"{only}{needed}; {'change the filters' if matching == 0 else f'ask for {matching} or fewer'}."
