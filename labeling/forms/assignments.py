"""Forms of the labelers' pages: they check shape; what a label must hold is for the rules."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms

from labeling.models import LIKERT_MAX, LIKERT_MIN, Response, Skip
from labeling.rules.comparisons import Judgement

LETTERS = "ABCDEFGHI"


def new_key() -> str:
    return str(uuid.uuid4())


class SubmissionForm(forms.Form):
    """What every submission of a label carries."""

    idempotency_key = forms.CharField(max_length=80, initial=new_key, widget=forms.HiddenInput)


class DemonstrationForm(SubmissionForm):
    """The response that a labeler writes, exactly as typed."""

    text = forms.CharField(
        label="Your response",
        strip=False,
        widget=forms.Textarea(attrs={"rows": 14, "dir": "auto", "autofocus": True, "spellcheck": "true"}),
        error_messages={"required": "The response is empty; write one, or skip the task."},
    )


class SkipForm(forms.Form):
    """Why a task is passed on."""

    reason = forms.ChoiceField(
        choices=Skip.Reason.choices,
        widget=forms.RadioSelect,
        error_messages={"required": "Choose a reason, so that the task reaches somebody who can do it."},
    )
    note = forms.CharField(
        label="Anything to add", required=False, max_length=2000, widget=forms.Textarea(attrs={"rows": 2})
    )


@dataclass(frozen=True)
class AskedFlag:
    """One yes/no question about one response, with the answer so far."""

    key: str
    label: str
    help: str
    name: str
    answer: str
    is_conditional: bool


@dataclass(frozen=True)
class ResponseRow:
    """One response as the labeler sees it: a letter, a text and the answers so far. Never who wrote it."""

    letter: str
    step: int
    code: str
    text: str
    likert: str
    rank: str
    note: str
    flags: list[AskedFlag]
    errors: list[str]

    @property
    def is_empty(self) -> bool:
        return not self.text.strip()


class RankingForm(SubmissionForm):
    """Ratings, flags and ranks of K responses, in the order in which this labeler sees them."""

    notes = forms.CharField(required=False, max_length=10_000, widget=forms.Textarea(attrs={"rows": 2}))
    was_touched = forms.CharField(required=False, initial="yes", widget=forms.HiddenInput)
    moves = forms.IntegerField(required=False, min_value=0, initial=0, widget=forms.HiddenInput)
    step = forms.IntegerField(required=False, min_value=1, initial=1, widget=forms.HiddenInput)

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        responses: Sequence[Response],
        flags: Sequence[Mapping[str, str]],
        draft: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(data, initial=initial_from_draft(draft or {}), auto_id="%s")
        self.responses, self.asked = list(responses), list(flags)
        for letter, response in zip(LETTERS, self.responses, strict=False):
            self._add_fields(letter, str(response.code))

    def _add_fields(self, letter: str, code: str) -> None:
        self.fields[f"likert-{code}"] = forms.IntegerField(
            min_value=LIKERT_MIN,
            max_value=LIKERT_MAX,
            error_messages={"required": f"Rate response {letter} from {LIKERT_MIN} to {LIKERT_MAX}."},
        )
        self.fields[f"rank-{code}"] = forms.IntegerField(
            min_value=1,
            max_value=len(self.responses),
            error_messages={"required": f"Give response {letter} a rank."},
        )
        self.fields[f"note-{code}"] = forms.CharField(required=False, max_length=10_000)
        for flag in self.asked:
            self.fields[f"flag-{code}-{flag['key']}"] = forms.ChoiceField(
                required=False, choices=(("yes", "Yes"), ("no", "No"))
            )

    def _value(self, name: str) -> str:
        value = self[name].value()
        return "" if value is None else str(value)

    @property
    def rows(self) -> list[ResponseRow]:
        """Return the responses with the answers so far, for the template."""
        return [
            self._row(step, letter, response)
            for step, (letter, response) in enumerate(zip(LETTERS, self.responses, strict=False), start=1)
        ]

    def _row(self, step: int, letter: str, response: Response) -> ResponseRow:
        code = str(response.code)
        flags = [
            AskedFlag(
                key=flag["key"],
                label=flag["label"],
                help=flag.get("help", ""),
                name=f"flag-{code}-{flag['key']}",
                answer=self._value(f"flag-{code}-{flag['key']}"),
                is_conditional=bool(flag.get("when")),
            )
            for flag in self.asked
        ]
        own = [name for name in self.errors if code in name] if self.is_bound else []
        return ResponseRow(
            letter=letter,
            step=step,
            code=code,
            text=response.text,
            likert=self._value(f"likert-{code}"),
            rank=self._value(f"rank-{code}"),
            note=self._value(f"note-{code}"),
            flags=flags,
            errors=[str(error) for name in own for error in self.errors[name]],
        )

    @property
    def ranks(self) -> range:
        return range(1, len(self.responses) + 1)

    @property
    def current_step(self) -> int:
        """The screen to open: 1 to K rate a response each, K + 1 ranks them; after errors the first wrong."""
        if self.is_bound and self.errors:
            wrong = [row.step for row in self.rows if f"likert-{row.code}" in self.errors]
            return wrong[0] if wrong else len(self.responses) + 1
        value = self._value("step")
        return min(int(value), len(self.responses) + 1) if value.isdecimal() and int(value) > 0 else 1

    def judgements(self) -> list[Judgement]:
        """Return what was answered; a flag without an answer is left out."""
        return [
            Judgement(
                code=response.code,
                rank=self.cleaned_data[f"rank-{response.code}"],
                likert=self.cleaned_data[f"likert-{response.code}"],
                flags={
                    flag["key"]: answer == "yes"
                    for flag in self.asked
                    if (answer := self.cleaned_data[f"flag-{response.code}-{flag['key']}"])
                },
                note=self.cleaned_data[f"note-{response.code}"],
            )
            for response in self.responses
        ]

    def draft_payload(self) -> dict[str, Any]:
        """Return what was filled in, complete or not, as drafts carry it."""
        return {
            "responses": [
                {
                    "code": row.code,
                    "rank": _number(row.rank),
                    "likert": _number(row.likert),
                    "flags": {flag.key: flag.answer == "yes" for flag in row.flags if flag.answer},
                    "note": row.note,
                }
                for row in self.rows
            ],
            "notes": self._value("notes"),
            "was_touched": self._value("was_touched") == "yes",
            "moves": _number(self._value("moves")) or 0,
            "step": self.current_step,
        }


def initial_from_draft(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Turn a draft into first values of a ranking form; parts of another shape are passed over."""
    initial: dict[str, Any] = {}
    if isinstance(payload.get("notes"), str):
        initial["notes"] = payload["notes"]
    for name in ("moves", "step"):
        if isinstance(payload.get(name), int):
            initial[name] = int(payload[name])
    if isinstance(payload.get("was_touched"), bool):
        initial["was_touched"] = "yes" if payload["was_touched"] else ""
    responses = payload.get("responses")
    for entry in responses if isinstance(responses, list) else []:
        if not isinstance(entry, Mapping) or not isinstance(entry.get("code"), str):
            continue
        code = entry["code"]
        for name in ("rank", "likert", "note"):
            initial[f"{name}-{code}"] = entry.get(name)
        flags = entry.get("flags")
        for key, answer in flags.items() if isinstance(flags, Mapping) else ():
            initial[f"flag-{code}-{key}"] = "yes" if answer else "no"
    return initial


def _number(value: str) -> int | None:
    return int(value) if value.isdecimal() else None
