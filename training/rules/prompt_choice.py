"""Which prompts of a pool labelers compare: those the reward model is in doubt about, and a control share.

The doubt about a prompt is how undecided the reward model is between its K responses: the mean over pairs of
the entropy, in bits, of the choice that their scores predict. 1 means it cannot tell them apart, 0 that it is
certain of every pair. The control share is drawn from the whole pool before anybody looks at a score, so it
stays a random sample of it: what is to hold for all prompts is measured there.
"""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from labeling.models import Batch
from labeling.rules.agreement import Agreement, MetRankings, met_rankings

RANDOM, DOUBT = "random", "doubt"
WAYS = {RANDOM: "at random", DOUBT: "by the reward model's doubt"}


def doubt(scores: Sequence[float]) -> float | None:
    """Return how undecided a reward model is between responses, 0 to 1; None for fewer than two.

    Mean over pairs of -p log2 p - (1 - p) log2 (1 - p), p = sigmoid(difference of the scores).
    """
    pairs = list(combinations(scores, 2))
    return sum(_entropy(a - b) for a, b in pairs) / len(pairs) if pairs else None


def choose_prompts_by_doubt(
    scores: Mapping[int, Sequence[float]], *, count: int, control_fraction: float, seed: str
) -> dict[int, str]:
    """Choose `count` prompts of a pool: a random control share, then the most doubtful of the rest.

    scores   the reward model's score of each response, by prompt; a prompt without two is chosen last
    returns  prompt and how it was chosen, "random" or "doubt"
    """
    pool = sorted(scores)
    control = random.Random(seed).sample(pool, min(len(pool), round(count * control_fraction)))
    rest = [prompt for prompt in pool if prompt not in set(control)]
    rest.sort(key=lambda prompt: -(doubt(scores[prompt]) or 0.0))
    return dict.fromkeys(control, RANDOM) | dict.fromkeys(rest[: max(0, count - len(control))], DOUBT)


@dataclass(frozen=True)
class Share:
    """The comparisons of a batch whose prompts were chosen in one way, and how labelers agree on them."""

    label: str
    tasks: int
    agreement: Agreement


def agreement_by_choice(
    batch: Batch | None, read: Callable[[Batch], MetRankings] = met_rankings
) -> list[Share]:
    """Return the control share and the doubtful prompts of a batch apart; empty where none were chosen so.

    `read` gives what labelers made of a batch, for who has read it already.
    """
    if batch is None or "pool" not in batch.settings:
        return []
    rows = list(batch.tasks.exclude(chosen_by="").values_list("chosen_by", "pk"))
    chosen = {way: {key for how, key in rows if how == way} for way in WAYS}
    met = read(batch)
    return [
        Share(WAYS[way].capitalize(), len(found), met.agreement(found))
        for way, found in chosen.items()
        if found
    ]


def _entropy(difference: float) -> float:
    size = abs(difference)
    if size > 700:
        return 0.0
    p = 1 / (1 + math.exp(-size))
    return sum(-q * math.log2(q) for q in (p, 1 - p) if q > 0)
