"""What labelers say about a prompt: checked, stored with their label, and what it does to the prompt."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from labeling.errors import InvalidInput
from labeling.models import Category, Form, Labeler, Prompt, PromptJudgement, Receipt
from labeling.rules import forms

PERSONAL_DATA = "personal_data"
FILLED = ("category", "tags", "has_pii")


@dataclass(frozen=True)
class AboutPrompt:
    """A labeler's answers about a prompt; what is absent was not answered."""

    category: str = ""
    flags: Mapping[str, bool] = field(default_factory=dict)
    scores: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        return not (self.category or self.flags or self.scores)

    def as_payload(self) -> dict[str, Any]:
        """Return the answers as drafts and requests carry them."""
        return {"category": self.category, "flags": dict(self.flags), "scores": dict(self.scores)}


NOTHING_SAID = AboutPrompt()


@dataclass(frozen=True)
class Said:
    """How often each answer was given to one question about a prompt, and what the prompt carries."""

    question: str
    counts: Mapping[str, int]
    current: str

    @property
    def labels(self) -> int:
        return sum(self.counts.values())

    @property
    def is_disputed(self) -> bool:
        """True where labelers, or a labeler and the prompt as it was taken in, differ."""
        return len(self.counts.keys() | ({self.current} if self.current else set())) > 1


def check_about(form: Form | None, about: AboutPrompt) -> None:
    """Raise InvalidInput naming each answer that the form did not ask for or that is out of range.

    Category and flags may be left out; scales, where the form has them, may not.
    """
    faults: dict[str, str] = {}
    if about.category and not forms.asks_category(form):
        faults["category"] = "is not asked here"
    elif about.category and about.category not in Category.values:
        faults["category"] = f'"{about.category}" is not one of {", ".join(Category.values)}'
    asked = {flag["key"] for flag in forms.questions(form, "prompt_flags")}
    if strange := sorted(set(about.flags) - asked):
        faults["flags"] = f"not asked here: {', '.join(strange)}"
    elif any(not isinstance(answer, bool) for answer in about.flags.values()):
        faults["flags"] = "has an answer that is neither true nor false"
    if fault := scale_fault(forms.questions(form, "prompt_scales"), about.scores):
        faults["scores"] = fault
    if faults:
        sentence = "; ".join(f"{name} {fault}" for name, fault in faults.items())
        raise InvalidInput(
            f"What was said about the prompt does not fit: {sentence}.", fields={"about_prompt": faults}
        )


def scale_fault(scales: Sequence[Mapping[str, Any]], scores: Mapping[str, int]) -> str:
    """Return what is wrong with the answers on a form's scales, empty if each is there and in range."""
    asked = {scale["key"]: scale for scale in scales}
    if strange := sorted(set(scores) - asked.keys()):
        return f"not asked here: {', '.join(strange)}"
    for key, scale in asked.items():
        answer = scores.get(key)
        if answer is None:
            return f"has no answer to {key}, {scale['min']} to {scale['max']} is needed"
        if isinstance(answer, bool) or not isinstance(answer, int):
            return f"has {answer!r} for {key}, which is no whole number"
        if not scale["min"] <= answer <= scale["max"]:
            return f"has {answer} for {key}, must be {scale['min']} to {scale['max']}"
    return ""


def store_about(
    *, receipt: Receipt, prompt: Prompt, labeler: Labeler, form: Form | None, about: AboutPrompt
) -> PromptJudgement | None:
    """Store checked answers with the label's receipt, and fill what the prompt lacks; None if there are none.

    Needs a transaction.
    """
    if about.is_empty:
        return None
    judgement = PromptJudgement(
        receipt=receipt,
        prompt=prompt,
        labeler=labeler,
        form=form,
        category=about.category,
        flags=dict(about.flags),
        scores=dict(about.scores),
    )
    if _adds(prompt, judgement):
        stored = _locked(prompt)
        _fill(stored, judgement)
        stored.save(update_fields=FILLED)
    judgement.save()
    return judgement


def take_back_about(*, receipt: Receipt) -> None:
    """Take out of the prompt what it has from a label that was taken back; other labels fill it anew.

    Needs a transaction in which the receipt counts as withdrawn.
    """
    judgement = PromptJudgement.objects.filter(receipt=receipt).select_related("prompt").first()
    if judgement is None or not judgement.filled:
        return
    prompt = _locked(judgement.prompt)
    if "category" in judgement.filled and prompt.category == judgement.category:
        prompt.category = ""
    gone = judgement.filled.get("tags", ())
    prompt.tags = {key: answer for key, answer in prompt.tags.items() if key not in gone}
    if "has_pii" in judgement.filled:
        prompt.has_pii = bool(prompt.pii_spans)
    for standing in prompt.judgements.filter(receipt__withdrawn_at=None).order_by("pk"):
        if _adds(prompt, standing):
            _fill(prompt, standing)
            standing.save(update_fields=["filled"])
    prompt.save(update_fields=FILLED)


def said_about(prompt: Prompt) -> list[Said]:
    """Count, for each question, what labelers said about a prompt; only the newest word of each label.

    What was taken back is not said. The order is that of first mention, the category first.
    """
    counts: dict[str, Counter[str]] = {"category": Counter()}
    newest = {
        judgement.receipt.assignment_id: judgement
        for judgement in prompt.judgements.filter(receipt__withdrawn_at=None)
        .select_related("receipt")
        .order_by("receipt__revision", "pk")
    }
    for judgement in newest.values():
        if judgement.category:
            counts["category"][judgement.category] += 1
        for key, answer in judgement.flags.items():
            counts.setdefault(key, Counter())["yes" if answer else "no"] += 1
        for key, score in judgement.scores.items():
            counts.setdefault(key, Counter())[str(score)] += 1
    current = {key: "yes" if answer else "no" for key, answer in prompt.tags.items()}
    current["category"] = prompt.category
    return [Said(key, dict(found), current.get(key, "")) for key, found in counts.items() if found]


def _locked(prompt: Prompt) -> Prompt:
    return Prompt.objects.select_for_update(no_key=True).get(pk=prompt.pk)


def _fill(prompt: Prompt, judgement: PromptJudgement) -> None:
    """Fill what the prompt lacks, noting what came from here. What it carries stays, and is only counted.

    Personal data is the exception: one labeler's yes keeps the prompt out of training from then on.
    """
    filled = judgement.filled
    if judgement.category and not prompt.category:
        prompt.category = filled["category"] = judgement.category
    if new := {key: answer for key, answer in judgement.flags.items() if key not in prompt.tags}:
        prompt.tags = {**new, **prompt.tags}
        filled["tags"] = sorted({*filled.get("tags", ()), *new})
    if _finds_pii(prompt, judgement):
        prompt.has_pii = filled["has_pii"] = True


def _adds(prompt: Prompt, judgement: PromptJudgement) -> bool:
    is_first = bool(judgement.category and not prompt.category)
    return _finds_pii(prompt, judgement) or is_first or bool(judgement.flags.keys() - prompt.tags.keys())


def _finds_pii(prompt: Prompt, judgement: PromptJudgement) -> bool:
    return judgement.flags.get(PERSONAL_DATA) is True and not prompt.has_pii
