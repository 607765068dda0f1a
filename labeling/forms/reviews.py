"""Forms about reviews: a decision about a demonstration, an order of responses, an answer to a flag."""

from typing import Any
from uuid import UUID

from django import forms

from labeling.forms.areas import Area
from labeling.models import LIKERT_MAX, LIKERT_MIN, Batch, FlagAnswer, Response, Review, TaskKind
from labeling.rules import flags, reviews
from labeling.rules.judgements import Judgement

LETTERS = "ABCDEFGHI"
GRADES = [(str(value), str(value)) for value in range(LIKERT_MIN, LIKERT_MAX + 1)]


class ReviewFilterForm(forms.Form):
    """Narrow the queue of demonstrations."""

    queue = forms.ChoiceField(label="Which", choices=list(reviews.QUEUES.items()), required=False)
    batch = forms.ModelChoiceField(
        queryset=Batch.objects.none(), to_field_name="code", required=False, empty_label="Any"
    )
    q = forms.CharField(label="Search", required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["batch"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = Batch.objects.filter(kind=TaskKind.DEMONSTRATION)


class ReviewForm(forms.Form):
    """A decision about one demonstration; the text decides whether it is accepted with changes."""

    use_required_attribute = False

    grade = forms.ChoiceField(
        label="How good is it?", choices=GRADES, required=False, widget=forms.RadioSelect,
        error_messages={"required": "Grade it, 1 to 7."},
    )  # fmt: skip
    text = forms.CharField(
        label="Your version",
        required=False,
        strip=False,
        widget=Area(attrs={"rows": 10, "dir": "auto"}),
    )
    comment = forms.CharField(
        label="Comment", required=False, max_length=reviews.MAX_COMMENT_CHARACTERS,
        widget=Area(attrs={"rows": 3, "dir": "auto"}),
        help_text="The labeler reads it. A return or an exclusion needs one.",
    )  # fmt: skip
    decision = forms.ChoiceField(choices=Review.Decision.choices)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        accepts = cleaned.get("decision") in (Review.Decision.ACCEPTED, Review.Decision.FIXED)
        if accepts and not cleaned.get("grade"):
            self.add_error("grade", "Grade what you accept, 1 to 7.")
        return cleaned

    @property
    def given_grade(self) -> int | None:
        return int(self.cleaned_data["grade"]) if self.cleaned_data.get("grade") else None


class OrderForm(forms.Form):
    """A reference or final order of a task's responses, with its reason."""

    use_required_attribute = False

    reason = forms.CharField(
        max_length=4000, widget=Area(attrs={"rows": 3, "dir": "auto"}),
        help_text="Why this order is right.", error_messages={"required": "Say why this order is right."},
    )  # fmt: skip
    leaves_out_others = forms.BooleanField(
        label="Leave the labelers’ rankings out of training", required=False,
        help_text="Otherwise they stand beside yours.",
    )  # fmt: skip

    def __init__(
        self, *args: Any, responses: list[Response], ranks: dict[str, int] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.responses = responses
        choices = [("", "–"), *((str(rank), str(rank)) for rank in range(1, len(responses) + 1))]
        for letter, response in zip(LETTERS, responses, strict=False):
            self.fields[f"rank-{response.code}"] = forms.TypedChoiceField(
                label=f"Rank of {letter}",
                choices=choices,
                coerce=int,
                initial=(ranks or {}).get(str(response.code)),
                error_messages={"required": f"Response {letter} has no rank."},
            )

    @property
    def rows(self) -> list[tuple[str, Response, forms.BoundField]]:
        """Each response with its letter and its rank."""
        return [
            (letter, response, self[f"rank-{response.code}"])
            for letter, response in zip(LETTERS, self.responses, strict=False)
        ]

    def judgements(self) -> list[Judgement]:
        """Return the order as rules take it."""
        return [
            Judgement(UUID(str(response.code)), self.cleaned_data[f"rank-{response.code}"])
            for response in self.responses
        ]


class FlagFilterForm(forms.Form):
    """Narrow the flags."""

    source = forms.ChoiceField(label="What", choices=list(flags.SOURCES.items()), required=False)
    state = forms.ChoiceField(
        label="Which", choices=(("open", "Open"), ("answered", "Answered")), required=False
    )


class AnswerForm(forms.Form):
    """An answer to a flag, or that nothing needs to be done."""

    text = forms.CharField(required=False, max_length=flags.MAX_ANSWER_CHARACTERS)
    outcome = forms.ChoiceField(choices=FlagAnswer.Outcome.choices)
