"""The hidden gold preference of the demo's world: how good a response really is, from 0 to 1.

Only simulated labelers (through their noise) and the final table look at it; no model is ever trained on it.

    content    0.45  the question is answered rightly (a family's own check; guessing many answers is wrong)
    relevance  0.10  it speaks of what was asked
    whole      0.15  it is a whole answer, not a curt word
    manner     0.20  it neither hedges nor is rude
    form       0.10  it begins with a capital and ends with a full stop, exclamation or question mark
    rambling  -0.04  for every word beyond what a reader takes for an answer, at most -0.40
    echo      -0.30  it asks a question of this world, or repeats one, instead of just answering

Without relevance, whole, manner and form count half: a fine sentence about the weather is still no answer.
An empty response scores 0. A prompt that is no question of this world is judged by manner and form alone.
"""

from dataclasses import dataclass

from training.demo import lexicon
from training.demo.families import FAMILIES, find_question
from training.demo.family import Family, Question, sentences_of, words_of

CONTENT, RELEVANCE, WHOLE, MANNER, FORM = 0.45, 0.10, 0.15, 0.20, 0.10
RAMBLING_PER_WORD, RAMBLING_MOST, ECHO = 0.04, 0.40, 0.30
UNKNOWN_PROMPT_WORDS = 12
GOOD = 0.9
"""From here up a response is called good in tables: right, whole, and to the point."""


@dataclass(frozen=True)
class Judgement:
    """The parts of a gold score, each from 0 to 1, penalties included."""

    content: float
    relevance: float
    whole: float
    manner: float
    form: float
    rambling: float
    echo: float

    @property
    def score(self) -> float:
        """Return the gold score, from 0 to 1."""
        style = WHOLE * self.whole + MANNER * self.manner + FORM * self.form
        merit = CONTENT * self.content + RELEVANCE * self.relevance + style * (1.0 if self.relevance else 0.5)
        return min(1.0, max(0.0, merit - self.rambling - ECHO * self.echo))


NOTHING = Judgement(content=0, relevance=0, whole=0, manner=0, form=0, rambling=0, echo=0)


def gold_score(prompt: str, response: str) -> float:
    """Return how good a response to a prompt is, from 0 to 1, for any two texts."""
    return judge(prompt, response).score


def judge(prompt: str, response: str) -> Judgement:
    """Return the parts of the gold score of a response."""
    words = words_of(response)
    if not words:
        return NOTHING
    question = find_question(prompt)
    family = FAMILIES[question.family] if question else None
    content = family.content(question.slots, response) if family and question else 0.0
    return Judgement(
        content=content,
        relevance=float(content > 0 or (question is not None and _speaks_of(question, words))),
        whole=float(len(words) >= (family.whole_words if family else 1)),
        manner=_manner(response),
        form=_form(response),
        rambling=_rambling(family, words),
        echo=_echo(prompt, response),
    )


def _speaks_of(question: Question, words: list[str]) -> bool:
    return bool(set(question.slots.values()) & set(words))


def _manner(response: str) -> float:
    text = " ".join(words_of(response))
    return float(
        not any(" ".join(words_of(remark)) in text for remark in lexicon.HEDGES + lexicon.RUDE_REMARKS)
    )


def _form(response: str) -> float:
    text = response.strip()
    return 0.5 * text[:1].isupper() + 0.5 * text.endswith((".", "!", "?"))


def _rambling(family: Family | None, words: list[str]) -> float:
    patience = family.patient_words if family else UNKNOWN_PROMPT_WORDS
    return min(RAMBLING_MOST, RAMBLING_PER_WORD * max(0, len(words) - patience))


def _echo(prompt: str, response: str) -> float:
    """Return 1 if the response asks a question of this world, or holds a longer sentence of the prompt."""
    if find_question(response) is not None:
        return 1.0
    said = " ".join(words_of(response))
    asked = [words_of(sentence) for sentence in sentences_of(prompt)]
    return float(any(len(words) >= 4 and " ".join(words) in said for words in asked))
