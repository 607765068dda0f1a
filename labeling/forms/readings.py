"""The form of the readings: a few words about each response, before the prompt is shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.forms import BoundField

from labeling.forms.areas import Area
from labeling.forms.rankings import LETTERS
from labeling.models import Response
from labeling.rules.readings import DRAFT_KEY, MAX_CHARACTERS, Said

NO_WORDS = "Say in a few words what it seems to say, or tick that you cannot tell."


@dataclass(frozen=True)
class ReadingRow:
    """One response as the labeler sees it: a letter, a text, and the two fields about it."""

    letter: str
    code: str
    text: str
    words: BoundField
    cannot_tell: BoundField


class ReadingsForm(forms.Form):
    """What each response seems to say; without words a response needs the tick that it cannot be told."""

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        responses: Sequence[Response],
        draft: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(data, initial=initial_from_draft(draft or {}), auto_id="%s")
        self.lettered = list(zip(LETTERS, responses, strict=False))
        for letter, response in self.lettered:
            self.fields[f"reading-{response.code}"] = forms.CharField(
                label=f"What does response {letter} seem to say, or to answer?",
                required=False,
                max_length=MAX_CHARACTERS,
                strip=False,
                widget=Area(attrs={"rows": 3, "dir": "auto", "spellcheck": "true"}),
            )
            self.fields[f"cannot-tell-{response.code}"] = forms.BooleanField(
                label="Cannot tell",
                required=False,
                widget=forms.CheckboxInput(attrs={"aria-label": f"Cannot tell what response {letter} says"}),
            )

    @property
    def rows(self) -> list[ReadingRow]:
        """Return the responses with what was said so far, for the template."""
        return [
            ReadingRow(
                letter=letter,
                code=str(response.code),
                text=response.text,
                words=self[f"reading-{response.code}"],
                cannot_tell=self[f"cannot-tell-{response.code}"],
            )
            for letter, response in self.lettered
        ]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        for _, response in self.lettered:
            name = f"reading-{response.code}"
            if name in cleaned and not (cleaned[name].strip() or cleaned.get(f"cannot-tell-{response.code}")):
                self.add_error(name, NO_WORDS)
        return cleaned

    def focus_first_fault(self) -> None:
        """Have the page put the cursor into the first field that is not as it should be."""
        for name in self.fields:
            if name in self.errors:
                self.fields[name].widget.attrs["autofocus"] = True
                return

    def said(self) -> list[Said]:
        """Return the readings of a valid form."""
        data = self.cleaned_data
        return [
            Said(response.code, data[f"reading-{response.code}"], data[f"cannot-tell-{response.code}"])
            for _, response in self.lettered
        ]

    def draft_payload(self) -> dict[str, Any]:
        """Return what was filled in, complete or not, as drafts carry it."""
        return {
            DRAFT_KEY: [
                {
                    "code": row.code,
                    "text": str(row.words.value() or ""),
                    "cannot_tell": bool(row.cannot_tell.value()),
                }
                for row in self.rows
            ]
        }


def initial_from_draft(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Turn a draft into first values of the form; parts of another shape are passed over."""
    initial: dict[str, Any] = {}
    entries = payload.get(DRAFT_KEY)
    for entry in entries if isinstance(entries, list) else []:
        if not isinstance(entry, Mapping) or not isinstance(entry.get("code"), str):
            continue
        if isinstance(entry.get("text"), str):
            initial[f"reading-{entry['code']}"] = entry["text"]
        initial[f"cannot-tell-{entry['code']}"] = entry.get("cannot_tell") is True
    return initial
