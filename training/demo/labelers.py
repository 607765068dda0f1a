"""Simulated labelers: programs that rate, flag and rank like people of differing taste. No Django here.

What one of them sees of a response is the gold score, bent by that labeler's taste and blurred by noise
drawn anew for every judgement. NOISE is set so that two of them agree on 73 % of the pairs both put in
order (chance 50 %), the figure of Ouyang et al. 2022, sec. 3.4 and 5.2; a test measures it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from training.demo.gold import Judgement, judge
from training.demo.world import demonstrate

NOISE = 0.26
"""Standard deviation of what a labeler sees around what is there, in gold points."""
TIE_WIDTH = 0.05
"""Responses seen as closer than this to the best of their tier share its rank."""
LONG = 20
"""Words at which the taste for length has its full weight."""


@dataclass(frozen=True)
class Opinion:
    """One labeler's judgement of K responses, in the order they were given.

    ratings   1 (worst) to 7 (best)
    ranks     1 is best; equal ranks are ties
    flags     the flags answered with yes
    """

    ratings: tuple[int, ...]
    ranks: tuple[int, ...]
    flags: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class SimulatedLabeler:
    """A program that labels, with its own taste.

    leniency         moves every rating up or down, not the order
    length_taste     gold points that a long response gains (or loses)
    manner_weight    gold points more that a hedging or rude response loses
    good_fraction    how often its demonstrations are right, whole and to the point
    """

    name: str
    cohort: str
    leniency: float
    length_taste: float
    manner_weight: float
    good_fraction: float
    noise: float = NOISE

    def write(self, prompt: str, *, seed: int) -> str:
        """Write a demonstration; the same labeler, prompt and seed give the same text."""
        return demonstrate(
            prompt, Random(f"write {seed} {self.name} {prompt}"), good_fraction=self.good_fraction
        )

    def consider(self, prompt: str, responses: Sequence[str], *, seed: int) -> Opinion:
        """Rate, flag and rank K responses; equal texts are always tied."""
        rng = Random(f"consider {seed} {self.name} {prompt}")
        judgements = {text: judge(prompt, text) for text in sorted(set(responses))}
        seen = {text: self._see(text, judgement, rng) for text, judgement in judgements.items()}
        ranks = _tiers(seen)
        return Opinion(
            ratings=tuple(_likert(seen[text] + self.leniency) for text in responses),
            ranks=tuple(ranks[text] for text in responses),
            flags=tuple(_flags(judgements[text]) for text in responses),
        )

    def _see(self, text: str, judgement: Judgement, rng: Random) -> float:
        taste = self.length_taste * min(1.0, len(text.split()) / LONG)
        manner = self.manner_weight * (judgement.manner - 1.0)
        return judgement.score + taste + manner + rng.gauss(0.0, self.noise)


def make_labelers(*, train: int, held_out: int, seed: int) -> list[SimulatedLabeler]:
    """Return the simulated people of a demo; their names say that they are simulated."""
    rng = Random(f"labelers {seed}")
    cohorts = ["train"] * train + ["held_out"] * held_out
    return [
        SimulatedLabeler(
            name=f"simulated-{cohort.replace('_', '-')}-{place + 1:02d}",
            cohort=cohort,
            leniency=rng.gauss(0.0, 0.08),
            length_taste=rng.gauss(0.0, 0.04),
            manner_weight=abs(rng.gauss(0.0, 0.05)),
            good_fraction=rng.uniform(0.3, 0.5),
        )
        for place, cohort in enumerate(cohorts)
    ]


def _tiers(seen: Mapping[str, float]) -> dict[str, int]:
    """Rank texts by what was seen; a tier begins where the distance to its best is TIE_WIDTH or more."""
    ranks: dict[str, int] = {}
    best, rank = float("inf"), 0
    for text in sorted(seen, key=lambda text: -seen[text]):
        if best - seen[text] >= TIE_WIDTH:
            best, rank = seen[text], rank + 1
        ranks[text] = rank
    return ranks


def _likert(seen: float) -> int:
    return min(7, max(1, round(1 + 6 * seen)))


def _flags(judgement: Judgement) -> tuple[str, ...]:
    flags = []
    if judgement.content < 0.5:
        flags.append("fails_task")
    if judgement.manner < 1.0:
        flags.append("inappropriate")
    return tuple(flags)
