"""Forms of the screening: taking it, building it, grading and deciding."""

from collections.abc import Sequence
from typing import Any

from django import forms

from labeling.forms.areas import Area
from labeling.models import (
    GRADE_MAX,
    GRADE_MIN,
    MAX_K,
    ScreeningDecision,
    ScreeningItem,
    ScreeningTest,
    TaskKind,
)

Part = ScreeningItem.Part
YES_OR_NO = (("yes", "Yes, flag it"), ("no", "No"))


class AnswerForm(forms.Form):
    """One item's answer: yes or no, ranks, or a text. `content` is what the rules store."""

    def __init__(
        self, *args: Any, item: ScreeningItem, responses: Sequence[tuple[int, str]], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.item, self.responses = item, responses
        if item.part == Part.FLAGGING:
            self.fields["is_sensitive"] = forms.ChoiceField(
                label="Could this provoke strong negative feelings?", choices=YES_OR_NO,
                widget=forms.RadioSelect(attrs={"inline": True}),
            )  # fmt: skip
        elif item.part == Part.RANKING:
            ranks = [(str(rank), str(rank)) for rank in range(1, len(responses) + 1)]
            for letter, (position, _) in zip("ABCDEFGHI", responses, strict=False):
                self.fields[f"rank_{position}"] = forms.ChoiceField(
                    label=f"Rank of {letter}", choices=ranks, widget=forms.RadioSelect(attrs={"inline": True})
                )
        else:
            self.fields["text"] = forms.CharField(
                label="Your answer", widget=Area(attrs={"rows": 10}), strip=False
            )

    @staticmethod
    def initial_of(item: ScreeningItem, content: dict[str, Any]) -> dict[str, Any]:
        """Return a stored answer as the form's initial values."""
        if "is_sensitive" in content:
            return {"is_sensitive": "yes" if content["is_sensitive"] else "no"}
        if "ranks" in content:
            return {f"rank_{n}": str(rank) for n, rank in enumerate(content["ranks"]) if rank}
        return {"text": content.get("text", "")}

    def content(self) -> dict[str, Any]:
        """Return the answer as the rules take it; what is missing or wrong is left out, as in a draft."""
        given = self.cleaned_data
        if self.item.part == Part.FLAGGING:
            return {"is_sensitive": given["is_sensitive"] == "yes"} if given.get("is_sensitive") else {}
        if self.item.part == Part.RANKING:
            ranks = [given.get(f"rank_{n}") for n in range(len(self.item.responses))]
            return {"ranks": [int(rank) if rank else None for rank in ranks]}
        return {"text": given.get("text", "")}

    def rows(self) -> list[dict[str, Any]]:
        """Return each response of a ranking with its letter and its field."""
        return [
            {"letter": letter, "text": text, "field": self[f"rank_{position}"]}
            for letter, (position, text) in zip("ABCDEFGHI", self.responses, strict=False)
        ]


class CoverageForm(forms.Form):
    """Part 4: what one knows well enough."""

    topics = forms.MultipleChoiceField(
        label="Topics on which you notice sensitive text", required=False,
        widget=forms.CheckboxSelectMultiple,
    )  # fmt: skip
    groups = forms.MultipleChoiceField(
        label="Groups about whom you notice sensitive text", required=False,
        widget=forms.CheckboxSelectMultiple,
    )  # fmt: skip
    note = forms.CharField(
        label="Anything to add", required=False, max_length=2000,
        widget=Area(attrs={"rows": 3}), help_text="For example languages or places you know well.",
    )  # fmt: skip

    def __init__(self, *args: Any, test: ScreeningTest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, offered in (("topics", test.topics), ("groups", test.groups)):
            field = self.fields[name]
            assert isinstance(field, forms.MultipleChoiceField)
            field.choices = [(choice, choice) for choice in offered]


class ScreeningTestForm(forms.Form):
    """The settings of a draft."""

    title = forms.CharField(max_length=120)
    introduction = forms.CharField(
        widget=Area(attrs={"rows": 8}),
        required=False,
        help_text="Markdown; the labeler reads it first.",
    )
    flagging_percent = forms.FloatField(label="Part 1 cut-off, %", min_value=0, max_value=100)
    ranking_percent = forms.FloatField(label="Part 2 cut-off, %", min_value=0, max_value=100)
    demonstration_cutoff = forms.FloatField(
        label="Part 3 cut-off, mean grade", min_value=GRADE_MIN, max_value=GRADE_MAX
    )
    topics = forms.CharField(widget=Area(attrs={"rows": 5}), help_text="One a line.")
    groups = forms.CharField(widget=Area(attrs={"rows": 5}), help_text="One a line.")

    @staticmethod
    def initial_of(test: ScreeningTest) -> dict[str, Any]:
        """Return a test's settings as the form shows them."""
        return {
            "title": test.title,
            "introduction": test.introduction,
            "flagging_percent": round(100 * test.flagging_cutoff, 1),
            "ranking_percent": round(100 * test.ranking_cutoff, 1),
            "demonstration_cutoff": test.demonstration_cutoff,
            "topics": "\n".join(test.topics),
            "groups": "\n".join(test.groups),
        }

    def settings(self) -> dict[str, Any]:
        """Return the settings as the rules take them."""
        data = self.cleaned_data
        return {
            "title": data["title"],
            "introduction": data["introduction"],
            "flagging_cutoff": data["flagging_percent"] / 100,
            "ranking_cutoff": data["ranking_percent"] / 100,
            "demonstration_cutoff": data["demonstration_cutoff"],
            "topics": data["topics"].splitlines(),
            "groups": data["groups"].splitlines(),
        }


class ItemForm(forms.Form):
    """One item of a draft, with the researchers' answer."""

    use = forms.ChoiceField(choices=ScreeningItem.Use.choices, initial=ScreeningItem.Use.COUNTED)
    text = forms.CharField(label="Prompt", widget=Area(attrs={"rows": 5}), strip=False)
    explanation = forms.CharField(
        label="Why", widget=Area(attrs={"rows": 3}), required=False,
        help_text="Why researchers answer so. Labelers read it in training items.",
    )  # fmt: skip

    def __init__(self, *args: Any, part: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.part = part
        if part == Part.FLAGGING:
            self.fields["text"].label = "Passage"
            self.fields["is_sensitive"] = forms.ChoiceField(
                label="Do researchers flag it?",
                choices=YES_OR_NO,
                widget=forms.RadioSelect(attrs={"inline": True}),
            )
        elif part == Part.RANKING:
            for n in range(MAX_K):
                self.fields[f"response_{n}"] = forms.CharField(
                    label=f"Response {n + 1}",
                    required=n < 2,
                    widget=Area(attrs={"rows": 3}),
                    strip=False,
                )
                self.fields[f"rank_{n}"] = forms.IntegerField(
                    label=f"Researchers' rank of response {n + 1}",
                    required=n < 2,
                    min_value=1,
                    max_value=MAX_K,
                )
        else:
            del self.fields["explanation"]
            use = self.fields["use"]
            assert isinstance(use, forms.ChoiceField)
            use.choices = [
                pair for pair in ScreeningItem.Use.choices if pair[0] != ScreeningItem.Use.TRAINING
            ]

    @staticmethod
    def initial_of(item: ScreeningItem) -> dict[str, Any]:
        """Return an item as the form shows it."""
        initial: dict[str, Any] = {"use": item.use, "text": item.text, "explanation": item.explanation}
        if "is_sensitive" in item.reference:
            initial["is_sensitive"] = "yes" if item.reference["is_sensitive"] else "no"
        for n, (text, rank) in enumerate(zip(item.responses, item.reference.get("ranks", []), strict=False)):
            initial |= {f"response_{n}": text, f"rank_{n}": rank}
        return initial

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        for n in range(MAX_K if self.part == Part.RANKING else 0):
            if cleaned.get(f"response_{n}") and not cleaned.get(f"rank_{n}"):
                self.add_error(f"rank_{n}", "Say which rank researchers gave it.")
        return cleaned

    def item_content(self) -> dict[str, Any]:
        """Return the item as the rules take it."""
        data = self.cleaned_data
        content: dict[str, Any] = {
            "use": data["use"], "text": data["text"], "explanation": data.get("explanation", ""),
        }  # fmt: skip
        if self.part == Part.FLAGGING:
            content["reference"] = {"is_sensitive": data["is_sensitive"] == "yes"}
        elif self.part == Part.RANKING:
            given = [n for n in range(MAX_K) if data.get(f"response_{n}")]
            content["responses"] = [data[f"response_{n}"] for n in given]
            content["reference"] = {"ranks": [data[f"rank_{n}"] for n in given]}
        return content


class GradeForm(forms.Form):
    """A grade of a delicate answer."""

    grade = forms.TypedChoiceField(
        label="Grade", coerce=int,
        choices=[(str(n), str(n)) for n in range(GRADE_MIN, GRADE_MAX + 1)],
        widget=forms.RadioSelect(attrs={"inline": True}),
    )  # fmt: skip
    note = forms.CharField(required=False, widget=Area(attrs={"rows": 3}), max_length=2000)


class DecisionForm(forms.Form):
    """What becomes of a screening."""

    outcome = forms.ChoiceField(
        label="Decision", choices=ScreeningDecision.Outcome.choices, widget=forms.RadioSelect
    )
    kinds = forms.MultipleChoiceField(
        label="Qualified for", choices=TaskKind.choices, required=False, widget=forms.CheckboxSelectMultiple,
        help_text="Granted when you accept.",
    )  # fmt: skip
    reason = forms.CharField(
        widget=Area(attrs={"rows": 3}),
        help_text="Kept with the scores. Needed above all where you depart from a cut-off.",
    )
