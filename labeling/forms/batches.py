"""Forms about batches."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from django import forms
from django.http import QueryDict
from django.utils import timezone

from labeling.forms.kinds import group_by_kind
from labeling.forms.prompts import language_choices
from labeling.models import (
    MAX_K,
    MIN_K,
    AnchorSet,
    Batch,
    Category,
    Cohort,
    Form,
    Guideline,
    Policy,
    PromptKind,
    PromptSource,
    Split,
    TaskKind,
    UseCase,
    User,
)
from labeling.rules import selection
from labeling.rules.batch_making import Anchoring, Writing, shortage
from labeling.rules.batches import MAX_LABELER_CAP, MAX_OVERLAP
from labeling.rules.comparisons import UNSORTED_FRACTION
from labeling.rules.prompt_tags import known_tags
from labeling.rules.toxicity import CONDITIONS, NONE

MAX_TASKS = 300_000
WRITABLE = (PromptKind.PLAIN, PromptKind.FEW_SHOT, PromptKind.USER_BASED)
NOT_AT_ALL, FILLS_UP = "", "fill"


@dataclass(frozen=True)
class Writer:
    """A policy's row in the mix: how many of the K are its, and among how many scored ones the best."""

    policy: Policy
    share: forms.BoundField
    best_of: forms.BoundField | None


class BatchForm(forms.Form):
    """Everything a batch is made of: what is asked, over which prompts, by whom."""

    use_required_attribute = False  # a field that the kind does not show must not hold the form up

    code = forms.UUIDField(required=False, initial=uuid4, widget=forms.HiddenInput)
    """The code that the batch will have, so that a form sent twice makes one."""
    name = forms.CharField(max_length=120, help_text="For staff; labelers do not see it.")
    kind = forms.ChoiceField(choices=TaskKind.choices, initial=TaskKind.COMPARISON)
    guideline = forms.ModelChoiceField(
        queryset=Guideline.objects.none(), required=False, empty_label="The newest of the kind"
    )
    form = forms.ModelChoiceField(
        label="Form of questions",
        queryset=Form.objects.none(), required=False, empty_label="The newest of the kind",
    )  # fmt: skip

    split = forms.ChoiceField(choices=(("", "Any that the kind allows"), *Split.choices), required=False)
    source = forms.ChoiceField(choices=(("", "Any"), *PromptSource.choices), required=False)
    prompt_kind = forms.ChoiceField(
        label="How it states its task", choices=(("", "Any"), *PromptKind.choices), required=False
    )
    category = forms.ChoiceField(choices=(("", "Any"), *Category.choices), required=False)
    language = forms.ChoiceField(required=False)
    author_cap = forms.IntegerField(
        label="Most prompts of one author", min_value=1, required=False, help_text="Empty: any number."
    )
    count = forms.IntegerField(label="How many prompts", min_value=1, max_value=MAX_TASKS, initial=50)
    seed = forms.IntegerField(
        min_value=0, max_value=selection.SEEDS - 1, required=False,
        help_text="Draws the same prompts again. Empty: a new one.",
    )  # fmt: skip
    is_fresh = forms.BooleanField(
        label="Only prompts without a task of this kind", required=False, initial=True
    )
    tags = forms.MultipleChoiceField(
        label="Marked as", required=False, widget=forms.CheckboxSelectMultiple(attrs={"inline": True})
    )

    written_kind = forms.ChoiceField(
        label="What is written", choices=[(kind.value, kind.label) for kind in WRITABLE], required=False
    )
    use_cases = forms.ModelMultipleChoiceField(
        queryset=UseCase.objects.none(), required=False, widget=forms.CheckboxSelectMultiple,
        help_text="For user-based prompts: so many tasks for each.",
    )  # fmt: skip

    k = forms.IntegerField(
        label="K, responses to compare", min_value=1, max_value=MAX_K, initial=4,
        help_text=f"{MIN_K} or more; one is enough for toxicity.",
    )  # fmt: skip
    baseline = forms.ModelChoiceField(
        queryset=Policy.objects.none(), required=False, empty_label="None",
        help_text="Final evaluation: win rates are against it, and it is in every task.",
    )  # fmt: skip
    condition = forms.ChoiceField(
        label="The model was told", required=False,
        choices=[(condition.value, condition.label) for condition in CONDITIONS.values()],
        help_text="Toxicity evaluation: the condition under which the responses were written.",
    )  # fmt: skip
    presort = forms.BooleanField(
        label="Start the ranking from the ratings",
        required=False,
        help_text="Saves moves, but ties the order to the ratings. Otherwise cards start in random order.",
    )
    unsorted_percent = forms.FloatField(
        label="Share that starts in random order all the same, %", min_value=0, max_value=100,
        initial=100 * UNSORTED_FRACTION, required=False,
        help_text="Where rankings start from the ratings: it shows what the start does to the order.",
    )  # fmt: skip
    reads_first = forms.BooleanField(
        label="Read the responses before the prompt", required=False,
        help_text="Labelers note what each response seems to say, and only then see the prompt: what it "
        "leaves unclear shows before the prompt fills it in (“naive interpretation”, Stiennon et al. 2020). "
        "For comparisons and final evaluations; each task takes longer.",
    )  # fmt: skip
    anchor_set = forms.ModelChoiceField(
        label="Anchors", queryset=AnchorSet.objects.none(), required=False, empty_label="None",
        help_text="The same comparisons in each batch show whether labelers drift.",
    )  # fmt: skip
    anchor_overlap = forms.IntegerField(
        label="Labelers for an anchor", min_value=1, max_value=MAX_OVERLAP, initial=2, required=False
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
        help_text="The others are labeled once. 10 to 20 % is usual; above 0 at least one is shared.",
    )  # fmt: skip
    priority = forms.IntegerField(min_value=-1000, max_value=1000, initial=0, help_text="Higher comes first.")
    lease_minutes = forms.IntegerField(
        label="Minutes to keep a task for a labeler", min_value=1, max_value=1440, initial=30
    )
    labeler_cap = forms.IntegerField(
        label="Most tasks of one labeler", min_value=1, max_value=MAX_LABELER_CAP, required=False,
        help_text="Skipped ones not counted. Empty: any number.",
    )  # fmt: skip
    gives_feedback = forms.BooleanField(
        label="Labelers learn from it", required=False,
        help_text="For training: after a submission they see the reference order where the task has one, and "
        "later where two others saw it otherwise. What they submit stands.",
    )  # fmt: skip
    deadline_at = forms.DateTimeField(
        label="Deadline", required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )  # fmt: skip

    PROMPT_FIELDS = (
        "split", "source", "prompt_kind", "category", "language", "author_cap", "count", "seed", "is_fresh",
    )  # fmt: skip
    RANKED_FIELDS = ("k", "baseline", "presort", "unsorted_percent", "reads_first", "gives_feedback")
    LABEL_FIELDS = (
        "cohorts",
        "overlap",
        "shared_percent",
        "priority",
        "lease_minutes",
        "labeler_cap",
        "deadline_at",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["language"] = forms.ChoiceField(
            choices=(("", "Any"), *language_choices()), required=False
        )
        self._choose("tags", [(tag, tag.replace("_", " ")) for tag in known_tags()])
        self.policies = list(Policy.objects.filter(responses__isnull=False).distinct())
        scored = set(
            Policy.objects.filter(responses__sampling__has_key="score")
            .values_list("pk", flat=True)
            .distinct()
        )
        for policy in self.policies:
            numbers = [(str(n), str(n)) for n in range(1, MAX_K + 1)]
            self.fields[f"share-{policy.pk}"] = forms.ChoiceField(
                label=policy.name,
                choices=((NOT_AT_ALL, "none"), (FILLS_UP, "fills up"), *numbers),
                required=False,
            )
            if policy.pk in scored:
                self.fields[f"best-{policy.pk}"] = forms.IntegerField(
                    label=f"{policy.name}: best of", min_value=2, max_value=256, required=False
                )
        for name, queryset in (
            ("baseline", Policy.objects.filter(pk__in=[policy.pk for policy in self.policies])),
            ("guideline", Guideline.objects.all()),
            ("form", Form.objects.all()),
            ("anchor_set", AnchorSet.objects.current()),
            ("use_cases", UseCase.objects.current()),
        ):
            field = self.fields[name]
            assert isinstance(field, forms.ModelChoiceField)
            field.queryset = queryset
        group_by_kind(self)
        kind = str(self.data.get("kind")) if self.is_bound else ""
        if kind in TaskKind.values and not TaskKind(kind).is_ranked:
            self.fields["k"].required = False

    def _choose(self, name: str, choices: list[tuple[str, str]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.MultipleChoiceField)
        field.choices = choices

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

    @property
    def writers(self) -> list[Writer]:
        """The mix: one row for each policy that has written anything."""
        return [
            Writer(
                policy,
                self[f"share-{policy.pk}"],
                self[f"best-{policy.pk}"] if f"best-{policy.pk}" in self.fields else None,
            )
            for policy in self.policies
        ]

    def choice(self) -> selection.Choice:
        """Return which prompts and responses are asked for."""
        data = self.cleaned_data
        shares, fills = self._mix()
        return selection.Choice(
            kind=data["kind"],
            split=data.get("split") or "",
            source=data.get("source") or "",
            prompt_kind=data.get("prompt_kind") or "",
            category=data.get("category") or "",
            language=data.get("language") or "",
            tags=tuple(data.get("tags") or ()),
            author_cap=data.get("author_cap") or 0,
            is_fresh=bool(data.get("is_fresh")),
            k=data.get("k") or 4,
            policies=fills,
            shares=shares,
            baseline=data["baseline"].pk if data.get("baseline") else None,
            condition=(data.get("condition") or NONE) if data["kind"] == TaskKind.TOXICITY else "",
        )

    def _mix(self) -> tuple[tuple[selection.Share, ...], tuple[int, ...]]:
        shares, fills = [], []
        for policy in self.policies:
            given = self.cleaned_data.get(f"share-{policy.pk}") or NOT_AT_ALL
            best_of = self.cleaned_data.get(f"best-{policy.pk}") or 0
            if given == FILLS_UP:
                fills.append(policy.pk)
            elif given:
                shares.append(selection.Share(policy.pk, int(given), best_of))
        return tuple(shares), tuple(fills)

    def rules(self) -> dict[str, Any]:
        """Return the batch's own rules, as `create_batch` takes them."""
        data = self.cleaned_data
        kind = TaskKind(data["kind"])
        settings: dict[str, Any] = {}
        if kind.is_ranked:
            unsorted = data.get("unsorted_percent")
            settings["presort"] = bool(data["presort"])
            settings["gives_feedback"] = bool(data["gives_feedback"])
            settings["unsorted_fraction"] = UNSORTED_FRACTION if unsorted is None else unsorted / 100
        if kind == TaskKind.TOXICITY:
            settings["condition"] = data.get("condition") or NONE
        return {
            "code": data["code"],
            "name": data["name"],
            "kind": kind.value,
            "guideline": data["guideline"],
            "form": data["form"],
            "cohorts": data["cohorts"],
            "k": data["k"] if kind.is_ranked else 4,
            "overlap": data["overlap"] if kind.has_prompt else 1,
            "shared_fraction": data["shared_percent"] / 100,
            "baseline": data["baseline"] if kind.is_ranked else None,
            "priority": data["priority"],
            "lease_seconds": data["lease_minutes"] * 60,
            "labeler_cap": data.get("labeler_cap"),
            "deadline_at": data["deadline_at"],
            "reads_first": kind.is_ranked and data["reads_first"],
            "settings": settings,
        }

    def made_before(self, by: User) -> Batch | None:
        """Return the batch that this form has made already; None for one that was changed since."""
        try:
            batch = Batch.objects.filter(code=UUID(self.data.get("code") or ""), created_by=by).first()
        except ValueError:
            return None
        if batch is None or batch.name == str(self.data.get("name", "")).strip():
            return batch
        assert isinstance(self.data, QueryDict)
        changed = self.data.copy()
        changed["code"] = str(uuid4())  # another name: another batch is meant
        self.data = changed
        return None

    def anchoring(self) -> Anchoring | None:
        """Return the anchors wanted, None for none."""
        data = self.cleaned_data
        if not data.get("anchor_set") or not TaskKind(data["kind"]).is_ranked:
            return None
        return Anchoring(data["anchor_set"], data.get("anchor_overlap") or 2)

    def writing(self) -> Writing:
        """Return what prompt writing asks for."""
        data = self.cleaned_data
        kind = data.get("written_kind") or PromptKind.PLAIN
        cases = tuple(data.get("use_cases") or ()) if kind == PromptKind.USER_BASED else ()
        return Writing(kind, cases)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        deadline = cleaned.get("deadline_at")
        if deadline is not None and deadline <= timezone.now():
            self.add_error("deadline_at", "The deadline is over already; give a later one, or none.")
        if self.errors:
            return cleaned
        kind = TaskKind(cleaned["kind"])
        if Cohort.HELD_OUT in cleaned["cohorts"] and not kind.is_evaluation:
            self.add_error("cohorts", "Held-out labelers take only evaluations.")
        if cleaned.get("split") == Split.TEST and not kind.is_evaluation:
            self.add_error("split", "Prompts of test authors never train; only evaluations take them.")
        for name in ("guideline", "form", "anchor_set"):
            version = cleaned.get(name)
            if version is not None and version.kind != kind and (name != "anchor_set" or kind.is_ranked):
                self.add_error(name, f"This one is for {version.get_kind_display().lower()}.")
        if kind.is_ranked and cleaned.get("reads_first") and not kind.may_read_first:
            self.add_error(
                "reads_first",
                "A text whose toxicity is judged goes on from its prompt and is not read alone. Clear this, "
                "or choose comparisons or final evaluations.",
            )
        if kind.is_ranked:
            self._check_mix(cleaned.get("k") or 4)
        if kind == TaskKind.PROMPT and self.writing() == Writing(PromptKind.USER_BASED):
            self.add_error("use_cases", "User-based prompts need a use case; choose some.")
        if not self.errors and kind.has_prompt:
            matching = selection.count_matching(self.choice())
            if matching < cleaned["count"]:
                message = shortage(matching, is_ranked=kind.is_ranked, k=cleaned.get("k") or 4)
                self.add_error("count", message)
        return cleaned

    def _check_mix(self, k: int) -> None:
        shares, fills = self._mix()
        fixed = sum(share.count for share in shares)
        if not shares and not fills:
            self.add_error("k", "Choose below whose responses are compared.")
        elif fixed > k:
            self.add_error("k", f"The policies give {fixed} responses, K is {k}; raise K or lower a share.")
        elif fixed < k and not fills and not self.cleaned_data.get("baseline"):
            self.add_error(
                "k", f"The policies give {fixed} of {k} responses; let one fill up, or set K to {fixed}."
            )
        for share in shares:
            if share.best_of and share.best_of <= share.count:
                self.add_error(f"best-{share.policy}", f"Choose the best among more than {share.count}.")


class BatchFilterForm(forms.Form):
    """Narrow the list of batches."""

    q = forms.CharField(label="Search", required=False)
    state = forms.ChoiceField(label="Status", required=False)
    kind = forms.ChoiceField(choices=(("", "Any"), *TaskKind.choices), required=False)
    cohort = forms.ChoiceField(label="For", choices=(("", "Anybody"), *Cohort.choices), required=False)
