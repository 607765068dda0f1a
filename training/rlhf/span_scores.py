"""F1 and exact match of written answers: words of one span, or several spans paired one to one.

Answers with numbers count as in DROP (Dua et al. 2019), all others as in SQuAD (Rajpurkar et al. 2016).
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Iterator, Sequence

ARTICLES = re.compile(r"\b(a|an|the)\b")
PUNCTUATION = str.maketrans("", "", string.punctuation)
CUTS = (re.compile(r";"), re.compile(r"[;,]\s"), re.compile(r"[;,]\s(?:\s*and\s)?|\sand\s"))
"""Where an answer of several spans may be cut. A comma inside a number stays."""


def words_of(text: str) -> list[str]:
    """Split into the words that are compared: lower case, without punctuation and articles (SQuAD)."""
    return ARTICLES.sub(" ", text.lower().translate(PUNCTUATION)).split()


def numbered_words_of(text: str) -> list[str]:
    """Split likewise, but read numbers: 10.0 is 10, and 3.5 is not 35 (DROP).

    Words joined by a hyphen are two. Punctuation goes only where a token is no number as it stands: $1,000 is
    1000.
    """
    words: list[str] = []
    for token in re.split("[ -]", text.lower()):
        plain = token if _is_number(token) else token.translate(PUNCTUATION)
        words += [str(float(plain))] if _is_number(plain) else ARTICLES.sub(" ", plain).split()
    return words


def span_scores(prediction: str, spans: Sequence[str], *, numbers: bool = False) -> tuple[float, float]:
    """Score a written answer against the spans that are wanted, all of them.

    numbers  read numbers, count a word once however often it stands there, and give nothing for a span whose
             numbers are all missing
    returns  F1, the mean over spans of the best pairing of those given with those wanted, and whether the
             same spans were given. A span too many lowers F1 as one too few does
    """
    given = [_scores_of(reading, spans, numbers) for reading in _readings(prediction, len(spans))]
    return max(f1 for f1, _ in given), max(exact for _, exact in given)


def join_spans(spans: Sequence[str]) -> str:
    """Write several spans so that `span_scores` reads them as they are."""
    return ("; " if any(", " in span for span in spans) else ", ").join(spans)


def overlap_f1(given: Sequence[str], wanted: Sequence[str]) -> float:
    """Return the F1 of two texts as bags of words; 1 where both are empty."""
    ours, theirs = Counter(given), Counter(wanted)
    if not ours or not theirs:
        return float(ours == theirs)
    shared = (ours & theirs).total()
    if not shared:
        return 0.0
    precision, recall = shared / ours.total(), shared / theirs.total()
    return 2 * precision * recall / (precision + recall)


def _readings(prediction: str, wanted: int) -> Iterator[list[str]]:
    """Read an answer as spans. Where one is wanted the answer is one: its commas are its own."""
    yield [prediction]
    for cut in CUTS if wanted > 1 else ():
        if parts := [part for part in cut.split(prediction) if part.strip()]:
            yield parts


def _scores_of(given: Sequence[str], wanted: Sequence[str], numbers: bool) -> tuple[float, float]:
    read = numbered_words_of if numbers else words_of
    ours, theirs = [read(span) for span in given], [read(span) for span in wanted]
    f1 = _numbered_f1 if numbers else overlap_f1
    worth = [[f1(mine, yours) for mine in ours] for yours in theirs]
    same = len(ours) == len(theirs) and set(map(tuple, ours)) == set(map(tuple, theirs))
    return _best_pairing(worth) / max(len(ours), len(theirs)), float(same)


def _numbered_f1(given: Sequence[str], wanted: Sequence[str]) -> float:
    mine, yours = set(given), set(wanted)
    numbers = {word for word in yours if _is_number(word)}
    if numbers and not numbers & mine:
        return 0.0
    return overlap_f1(list(mine), list(yours))


def _best_pairing(worth: Sequence[Sequence[float]]) -> float:
    """Return the largest sum of a table's values of which no two share a row or a column."""
    if len(worth) == 1 or len(worth[0]) == 1:
        return max(max(row) for row in worth)
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(worth, maximize=True)
    return sum(float(worth[row][column]) for row, column in zip(rows, columns, strict=True))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
