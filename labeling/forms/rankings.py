"""The form of the rate-and-rank screen: what it posts is what is stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms

from labeling.forms.about_prompts import (
    AboutPromptFields,
    AskedScale,
    asked_scale,
    initial_about,
    number,
    scale_field,
)
from labeling.forms.areas import Area
from labeling.forms.assignments import SubmissionForm
from labeling.models import Form, Guideline, Prompt, Ranking, Reading, Response
from labeling.rules import comparisons
from labeling.rules import forms as versions
from labeling.rules.comparisons import Judgement
from labeling.rules.form_texts import PROMPT_FLAGS

LETTERS = "ABCDEFGHI"
DOUBTS_SHOWN = 3
YES_NO = (("yes", "Yes"), ("no", "No"))


@dataclass(frozen=True)
class AskedFlag:
    """One yes/no question about one response, with the answer so far.

    `when` is the flag of the prompt that calls for it and `when_label` its words; `is_asked` says whether
    it is called for as the form stands; `section` is where the guideline explains it, if it does.
    """

    key: str
    label: str
    help: str
    section: str
    name: str
    answer: str
    when: str
    when_label: str
    is_asked: bool


@dataclass(frozen=True)
class ResponseRow:
    """One response as the labeler sees it: a letter, a text and the answers so far. Never who wrote it."""

    letter: str
    step: int
    code: str
    text: str
    likert: AskedScale | None
    scales: list[AskedScale]
    rank: str
    note: str
    flags: list[AskedFlag]
    reading: Reading | None
    errors: list[str]

    @property
    def is_empty(self) -> bool:
        return not self.text.strip()

    @property
    def is_judged(self) -> bool:
        return all(scale.answer for scale in self.required)

    @property
    def required(self) -> list[AskedScale]:
        """What has to be answered: overall quality, and each further scale."""
        return [*([self.likert] if self.likert else []), *self.scales]


class RankingForm(AboutPromptFields, SubmissionForm):
    """Ratings, flags and ranks of K responses in the order in which this labeler sees them, and the prompt's.

    A lone response has no rank to choose: its rank is 1.
    """

    notes = forms.CharField(required=False, max_length=10_000, widget=Area(attrs={"rows": 2}))
    was_touched = forms.CharField(required=False, initial="yes", widget=forms.HiddenInput)
    start = forms.ChoiceField(required=False, choices=Ranking.Start.choices, widget=forms.HiddenInput)
    confirmed = forms.CharField(required=False, widget=forms.HiddenInput)
    moves = forms.IntegerField(required=False, min_value=0, initial=0, widget=forms.HiddenInput)
    step = forms.IntegerField(required=False, min_value=0, widget=forms.HiddenInput)

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        responses: Sequence[Response],
        prompt: Prompt,
        version: Form | None,
        guideline: Guideline | None = None,
        draft: Mapping[str, Any] | None = None,
        readings: Mapping[UUID, Reading] | None = None,
    ) -> None:
        super().__init__(data, initial=initial_from_draft(draft or {}), auto_id="%s")
        self.responses, self.prompt, self.guideline = list(responses), prompt, guideline
        self.readings = readings or {}
        self.ask_about_prompt(version)
        self.scales = versions.questions(version, "scales")
        likert = versions.likert(version)
        self.likert = {"key": "likert", **likert} if likert else None
        self.possible = versions.possible_flags(form=version, prompt=prompt)
        for letter, response in self.lettered:
            self._add_fields(letter, str(response.code))

    @property
    def lettered(self) -> list[tuple[str, Response]]:
        return list(zip(LETTERS, self.responses, strict=False))

    @property
    def is_lone(self) -> bool:
        return len(self.responses) == 1

    def _add_fields(self, letter: str, code: str) -> None:
        if self.likert:
            self.fields[f"likert-{code}"] = scale_field(self.likert, f"response {letter}")
        for scale in self.scales:
            self.fields[f"scale-{code}-{scale['key']}"] = scale_field(
                scale, f"response {letter} ({scale['label']})"
            )
        self.fields[f"rank-{code}"] = forms.IntegerField(
            min_value=1,
            max_value=len(self.responses),
            required=not self.is_lone,
            error_messages={"required": f"Give response {letter} a rank."},
        )
        self.fields[f"note-{code}"] = forms.CharField(required=False, max_length=10_000, widget=Area)
        for flag in self.possible:
            self.fields[f"flag-{code}-{flag['key']}"] = forms.ChoiceField(required=False, choices=YES_NO)

    @property
    def asked_keys(self) -> set[str]:
        """The questions about responses that the answers about the prompt call for."""
        return {
            flag["key"]
            for flag in versions.asked_flags(
                form=self.version, prompt=self.prompt, answers=self.flags_so_far()
            )
        }

    @property
    def tags(self) -> dict[str, bool]:
        """The tags of the prompt on which a question about a response depends."""
        conditions = {flag["when"] for flag in self.possible if flag.get("when")}
        return {key: self.prompt.tags.get(key) is True for key in sorted(conditions)}

    def _value(self, name: str) -> str:
        value = self[name].value()
        return "" if value is None else str(value)

    @property
    def rows(self) -> list[ResponseRow]:
        """Return the responses with the answers so far, for the template."""
        asked = self.asked_keys
        return [self._row(step, *pair, asked) for step, pair in enumerate(self.lettered, start=1)]

    def _row(self, step: int, letter: str, response: Response, asked: set[str]) -> ResponseRow:
        code = str(response.code)
        labels = {flag["key"]: flag["label"] for flag in versions.questions(self.version, "prompt_flags")}
        flags = [
            AskedFlag(
                key=flag["key"],
                label=flag["label"],
                help=flag.get("help", ""),
                section=self.section_about(flag["label"]),
                name=f"flag-{code}-{flag['key']}",
                answer=self._value(f"flag-{code}-{flag['key']}"),
                when=flag.get("when", ""),
                when_label=labels.get(flag.get("when", "")) or _words(flag.get("when", "")),
                is_asked=flag["key"] in asked,
            )
            for flag in self.possible
        ]
        return ResponseRow(
            letter=letter,
            step=step,
            code=code,
            text=response.text,
            likert=asked_scale(self, f"likert-{code}", self.likert) if self.likert else None,
            scales=[asked_scale(self, f"scale-{code}-{scale['key']}", scale) for scale in self.scales],
            rank=self._value(f"rank-{code}"),
            note=self._value(f"note-{code}"),
            flags=flags,
            reading=self.readings.get(response.code),
            errors=[
                str(error)
                for name in self._errors_of(code)
                if not _is_rating_wrong([name])  # those stand beside their scale
                for error in self.errors[name]
            ],
        )

    def _errors_of(self, code: str) -> list[str]:
        return [name for name in self.errors if code in name] if self.is_bound else []

    @property
    def ranks(self) -> range:
        return range(1, len(self.responses) + 1)

    @property
    def last_step(self) -> int:
        return len(self.responses) + (0 if self.is_lone else 1)

    @property
    def current_step(self) -> int:
        """The screen to open: 0 is the prompt, 1 to K rate a response each, K + 1 ranks them.

        After errors it is the first wrong one.
        """
        first = 0 if self.asks_about_prompt else 1
        if self.is_bound and self.errors:
            if any(name.startswith("about-") for name in self.errors):
                return 0
            judged = [row.step for row in self.rows if _is_rating_wrong(self._errors_of(row.code))]
            return judged[0] if judged else self.last_step
        value = self._value("step")
        return max(first, min(int(value), self.last_step)) if value.isdecimal() else first

    def judgements(self) -> list[Judgement]:
        """Return what was answered; a flag without an answer, or that is not called for, is left out."""
        asked = self.asked_keys
        data = self.cleaned_data
        return [
            Judgement(
                code=response.code,
                rank=1 if self.is_lone else data[f"rank-{response.code}"],
                likert=data.get(f"likert-{response.code}"),
                flags={
                    flag["key"]: answer == "yes"
                    for flag in self.possible
                    if flag["key"] in asked and (answer := data[f"flag-{response.code}-{flag['key']}"])
                },
                note=data[f"note-{response.code}"],
                scores={scale["key"]: data[f"scale-{response.code}-{scale['key']}"] for scale in self.scales},
            )
            for response in self.responses
        ]

    def doubts(self) -> list[str]:
        """Say what a valid form should be asked about once before it counts; empty after a confirmation."""
        if self.cleaned_data["confirmed"] == "yes" or self.is_lone:
            return []
        letters = {response.code: letter for letter, response in self.lettered}
        pairs = sorted(comparisons.contradictions(self.judgements()), key=lambda pair: -pair.gap)
        found = [
            f"{letters[pair.better]} stands above {letters[pair.worse]}, although you rated it "
            f"{pair.gap} points lower. Keep both?"
            for pair in pairs[:DOUBTS_SHOWN]
        ]
        if len(pairs) > DOUBTS_SHOWN:
            found.append(
                f"{len(pairs) - DOUBTS_SHOWN} more of the pairs stand against your ratings. Keep all?"
            )
        if self.cleaned_data["was_touched"] != "yes":
            found.append(
                "You have not moved any response. Is the order in which they stand the one you mean?"
            )
        return found

    def draft_payload(self) -> dict[str, Any]:
        """Return what was filled in, complete or not, as drafts carry it."""
        return {
            "responses": [self._row_payload(row) for row in self.rows],
            "notes": self._value("notes"),
            "was_touched": self._value("was_touched") == "yes",
            "moves": number(self._value("moves")) or 0,
            "start": self._value("start"),
            "step": self.current_step,
            "about_prompt": self.about_payload(),
        }

    def _row_payload(self, row: ResponseRow) -> dict[str, Any]:
        scores = {scale.key: number(scale.answer) for scale in row.scales}
        return {
            "code": row.code,
            "rank": number(row.rank),
            "likert": number(row.likert.answer) if row.likert else None,
            "flags": {flag.key: flag.answer == "yes" for flag in row.flags if flag.answer},
            "scores": {key: answer for key, answer in scores.items() if answer is not None},
            "note": row.note,
        }


def initial_from_draft(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Turn a draft into first values of a ranking form; parts of another shape are passed over."""
    initial: dict[str, Any] = initial_about(payload.get("about_prompt"))
    for name in ("notes", "start"):
        if isinstance(payload.get(name), str):
            initial[name] = payload[name]
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
        flags, scores = entry.get("flags"), entry.get("scores")
        for key, answer in flags.items() if isinstance(flags, Mapping) else ():
            initial[f"flag-{code}-{key}"] = "yes" if answer else "no"
        for key, score in scores.items() if isinstance(scores, Mapping) else ():
            initial[f"scale-{code}-{key}"] = score
    return initial


def _is_rating_wrong(names: list[str]) -> bool:
    return any(name.startswith(("likert-", "scale-")) for name in names)


def _words(key: str) -> str:
    return PROMPT_FLAGS[key]["label"] if key in PROMPT_FLAGS else key.replace("_", " ")
