"""The form of prompt writing: a text and, for few-shot prompts, pairs that can be added and taken out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.forms import BoundField

from labeling.forms.areas import Area, as_typed
from labeling.forms.assignments import WritingForm
from labeling.models import PromptKind
from labeling.rules.written_prompts import MAX_PAIRS, MIN_PAIRS, Pair

LABELS = {
    PromptKind.PLAIN: "Your prompt",
    PromptKind.FEW_SHOT: "The instruction",
    PromptKind.USER_BASED: "Your prompt for this use case",
}


@dataclass(frozen=True)
class PairRow:
    """One pair as the page shows it."""

    number: int
    query: BoundField
    response: BoundField
    may_go: bool


def _area(rows: int, **attrs: Any) -> Area:
    return Area(attrs={"rows": rows, "dir": "auto", "spellcheck": "true", **attrs})


class WrittenPromptForm(WritingForm):
    """What a labeler writes for a task of prompt writing, exactly as typed. The rule says what is missing."""

    text = forms.CharField(strip=False, required=False, widget=_area(14, autofocus=True))

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        kind: PromptKind,
        pairs: Sequence[Pair] = (),
        text: str = "",
    ) -> None:
        super().__init__(data, initial={"text": text})
        self.kind = kind
        self.fields["text"].label = LABELS[kind]
        self.pairs_shown = list(pairs) if kind == PromptKind.FEW_SHOT else []
        if kind == PromptKind.FEW_SHOT:
            self.fields["text"].widget.attrs["rows"] = 3
            while len(self.pairs_shown) < MIN_PAIRS:
                self.pairs_shown.append(Pair("", ""))
        for number, pair in enumerate(self.pairs_shown, start=1):
            self._add(f"query-{number}", f"Query {number}", pair.query)
            self._add(f"response-{number}", f"Response {number}", pair.response)

    def _add(self, name: str, label: str, initial: str) -> None:
        self.fields[name] = forms.CharField(
            label=label, strip=False, required=False, initial=initial, widget=_area(3)
        )

    @property
    def rows(self) -> list[PairRow]:
        """Return the pairs for the template."""
        count = len(self.pairs_shown)
        return [
            PairRow(n, self[f"query-{n}"], self[f"response-{n}"], may_go=count > MIN_PAIRS)
            for n in range(1, count + 1)
        ]

    @property
    def may_add(self) -> bool:
        return len(self.pairs_shown) < MAX_PAIRS

    def focus_first_fault(self) -> None:
        """Have the page put the cursor into the first field with a fault, not into the instruction."""
        for name, field in self.fields.items():
            field.widget.attrs.pop("autofocus", None)
            if name == next(iter(self.errors), None):
                field.widget.attrs["autofocus"] = True

    def pairs(self) -> list[Pair]:
        """Return the pairs of a valid form."""
        return [
            Pair(self.cleaned_data[f"query-{n}"], self.cleaned_data[f"response-{n}"])
            for n in range(1, len(self.pairs_shown) + 1)
        ]


def posted_pairs(data: Mapping[str, Any]) -> list[Pair]:
    """Return the pairs that a page sent, numbered from 1 without a gap wherever it left one."""
    numbers = sorted(
        int(number)
        for name in data
        if name.startswith("query-") and (number := name.removeprefix("query-")).isdecimal()
    )
    return [
        Pair(as_typed(str(data.get(f"query-{n}", ""))), as_typed(str(data.get(f"response-{n}", ""))))
        for n in numbers[: MAX_PAIRS + 1]
    ]
