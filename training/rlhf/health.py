"""What the numbers of a run say, in plain words: what is wrong, why it usually is, what to do about it.

    python -m training.rlhf.health <run folder>

Reads metrics.jsonl only and needs nothing but the standard library, so it can look at a run that is going on
or that another machine made. ALARMS stand in docs/metrics.md too, under *Findings*: they are wider than the
healthy ranges there, which a run may leave for a while. A finding is a hint, not a verdict.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import fmean, median
from typing import NamedTuple

from training.rlhf.plots import read_lines

Rows = Sequence[dict[str, float]]
FEW = 8
ALARMS = {
    "ppo/ratio_first": 1e-2,
    "objective/kl": 30.0,
    "sampler/kl": 0.02,
    "valid/gold_score": 0.2,
    "objective/score_std": 1e-3,
    "reward/score_std": 1e-3,
    "objective/response_tokens": 1.5,
    "objective/eos_fraction": 0.5,
    "ppo/explained_variance": 0.0,
    "objective/entropy": 0.1,
    "ppo/clip_fraction": 0.3,
    "loss/ptx": 1.1,
    "optim/grad_norm": 20.0,
    "ppo/policy_grad_norm": 20.0,
    "ppo/value_grad_norm": 20.0,
    "valid/accuracy_low": 0.5,
    "reward/accuracy": 0.15,
    "valid/calibration_error": 0.15,
    "data/truncated": 0.1,
    "data/prompts_cut": 0.1,
}


class Finding(NamedTuple):
    """One thing that stands out. level is bad or warn; metric is the number that shows it."""

    level: str
    metric: str
    says: str
    cause: str
    do: str


def findings(path: Path) -> list[Finding]:
    """Look through a metrics.jsonl; an empty list says that nothing stands out."""
    rows = read_lines(path)
    return [finding for check in CHECKS for finding in check(rows)]


def series(rows: Rows, name: str) -> list[float]:
    """List the values of a metric in order of steps."""
    return [row[name] for row in rows if name in row]


def early(values: Sequence[float]) -> float:
    """Average the first quarter."""
    return fmean(values[: max(1, len(values) // 4)])


def late(values: Sequence[float]) -> float:
    """Average the last quarter."""
    return fmean(values[-max(1, len(values) // 4) :])


def ratio_is_not_one(rows: Rows) -> Iterable[Finding]:
    """The first minibatch must see the policy that sampled."""
    worst = max(series(rows, "ppo/ratio_first"), default=0.0)
    if worst > ALARMS["ppo/ratio_first"]:
        yield Finding(
            "bad",
            "ppo/ratio_first",
            f"The ratio of the first minibatch is off by up to {worst:.2g}; it must be 1.",
            "Sampling and training compute different probabilities: dropout, a temperature on one side only, "
            "or another precision.",
            "Turn dropout off in the policy, use one temperature, compare a run in float32.",
        )


def kl_is_negative(rows: Rows) -> Iterable[Finding]:
    """The KL is at least 0; its estimate may dip below, but not stay there."""
    values = series(rows, "objective/kl")
    if len(values) >= FEW and late(values) < -0.05:
        yield Finding(
            "bad",
            "objective/kl",
            f"The KL to the reference is negative ({late(values):.2f} nats a response); that cannot be.",
            "Responses are not drawn from the whole distribution of the policy, or its log-probabilities are "
            "not those it sampled with.",
            "Sample without top-k, top-p or minimum length; check ppo.temperature and the reference model.",
        )


def distance_is_large(rows: Rows) -> Iterable[Finding]:
    """Far from the reference the reward model has seen nothing like it."""
    values = series(rows, "objective/kl")
    if len(values) >= FEW and late(values) > ALARMS["objective/kl"]:
        yield Finding(
            "warn",
            "objective/kl",
            f"Responses are {late(values):.0f} nats away from the reference; 2 to 30 is usual.",
            "ppo.kl_coef is small for this spread of scores, or the learning rate is high.",
            "Raise ppo.kl_coef, or set ppo.kl_target; compare win rates before trusting the score.",
        )


def sampler_disagrees(rows: Rows) -> Iterable[Finding]:
    """What samples must be what is trained, but for arithmetic."""
    values = series(rows, "sampler/kl")
    if values and late(values) > ALARMS["sampler/kl"]:
        yield Finding(
            "warn",
            "sampler/kl",
            f"Sampler and training disagree by {late(values):.2g} nats a token; below 0.001 is usual.",
            "The sampler has other weights, another temperature, or leaves tokens out.",
            "Set ppo.sampler to own and ppo.sampler_dtype to same, and compare.",
        )


def gold_falls(rows: Rows) -> Iterable[Finding]:
    """Over-optimisation: the score holds or rises while what it stands for falls.

    Compared are means of as many points as a quarter has, the late ones with those of gold's best time. A
    fall that the points' own noise explains, or that is small beside the spread of scores, is none.
    """
    names = ("valid/gold_score", "valid/score")
    both = [[row[name] for name in names] for row in rows if all(name in row for name in names)]
    if len(both) < 3:
        return
    gold, score = ([pair[i] for pair in both] for i in (0, 1))
    best = max(range(len(both)), key=lambda at: around(gold, at))
    fallen, gained = around(gold, best) - late(gold), around(gold, best) - early(gold)
    spread = series(rows, "objective/score_std")
    floor = max(2 * noise(gold), 0.1 * late(spread) if spread else 0.0)
    held = late(score) >= around(score, best) - floor
    if held and fallen > max(ALARMS["valid/gold_score"] * gained, floor):
        yield Finding(
            "bad",
            "valid/gold_score",
            f"The gold score fell by {fallen:.2f} from its best while the reward model's score did not.",
            "Over-optimisation: the policy has found what the reward model likes and people do not.",
            "Take an earlier checkpoint, raise ppo.kl_coef, or rank what this policy writes and train anew.",
        )


def around(values: Sequence[float], at: int) -> float:
    """Average as many values as a quarter has, from `at` on or the last ones."""
    window = max(1, len(values) // 4)
    start = min(at, len(values) - window)
    return fmean(values[start : start + window])


def noise(values: Sequence[float]) -> float:
    """Estimate the standard error of a quarter's mean: noise is how far values are off their neighbours."""
    off = [b - (a + c) / 2 for a, b, c in zip(values, values[1:], values[2:], strict=False)]
    return math.sqrt(fmean(x * x for x in off) / 1.5 / max(1, len(values) // 4))


def score_does_not_spread(rows: Rows) -> Iterable[Finding]:
    """Equal scores teach nothing."""
    for name in ("objective/score_std", "reward/score_std"):
        values = series(rows, name)
        if values and late(values) < ALARMS[name]:
            yield Finding(
                "bad",
                name,
                "All responses get the same score.",
                "The policy gives one answer to everything, or the reward model does not tell answers apart.",
                "Read samples.jsonl; look at the reward model's valid/accuracy before going on.",
            )


def length_drifts(rows: Rows) -> Iterable[Finding]:
    """Length is what reward models are fooled by most easily."""
    values = series(rows, "objective/response_tokens")
    if len(values) < FEW:
        return
    change = late(values) / max(early(values), 1e-6)
    most = ALARMS["objective/response_tokens"]
    if change > most or change < 1 / most:
        way = "longer" if change > 1 else "shorter"
        yield Finding(
            "warn",
            "objective/response_tokens",
            f"Responses became {way}: from {early(values):.0f} to {late(values):.0f} tokens.",
            "The reward model prefers that length, or scores responses without an end token too kindly.",
            "Compare scores at equal length; set ppo.missing_eos_score; balance lengths in the rankings.",
        )


def responses_do_not_end(rows: Rows) -> Iterable[Finding]:
    """A response that does not end is cut in the middle of a sentence."""
    values = series(rows, "objective/eos_fraction")
    if values and late(values) < ALARMS["objective/eos_fraction"]:
        yield Finding(
            "warn",
            "objective/eos_fraction",
            f"Only {100 * late(values):.0f} % of responses end by themselves.",
            "The supervised model has not learned to stop, the limit is short, or not ending costs nothing.",
            "Look at data/truncated of the SFT run, raise lengths.max_response_tokens, set "
            "ppo.missing_eos_score below the usual scores.",
        )


def values_explain_nothing(rows: Rows) -> Iterable[Finding]:
    """A value model that predicts worse than a constant makes advantages noisy."""
    values = series(rows, "ppo/explained_variance")
    if len(values) >= 2 * FEW and late(values) < ALARMS["ppo/explained_variance"]:
        yield Finding(
            "warn",
            "ppo/explained_variance",
            f"The value model explains nothing of the returns ({late(values):.2f}).",
            "Its learning rate is too low or too high, or the policy moves faster than it can follow.",
            "Change ppo.value_learning_rate, set ppo.value_warmup_iterations, or take estimator rloo.",
        )


def entropy_collapses(rows: Rows) -> Iterable[Finding]:
    """Without entropy nothing new is tried."""
    values = series(rows, "objective/entropy")
    if len(values) >= FEW and late(values) < ALARMS["objective/entropy"] < early(values):
        yield Finding(
            "warn",
            "objective/entropy",
            f"The policy hardly chooses any more: {late(values):.2f} nats a token.",
            "It has settled on few answers; kl_coef is too low or the learning rate too high.",
            "Raise ppo.kl_coef or lower optim.learning_rate.",
        )


def updates_are_clipped(rows: Rows) -> Iterable[Finding]:
    """Steps that leave the clip interval are thrown away."""
    values = series(rows, "ppo/clip_fraction")
    if values and late(values) > ALARMS["ppo/clip_fraction"]:
        yield Finding(
            "warn",
            "ppo/clip_fraction",
            f"{100 * late(values):.0f} % of tokens leave the clip interval.",
            "The learning rate is too high, or there are too many inner epochs.",
            "Lower optim.learning_rate, or set ppo.inner_epochs to 1.",
        )


def pretraining_is_forgotten(rows: Rows) -> Iterable[Finding]:
    """The alignment tax, as it accrues."""
    values = series(rows, "loss/ptx")
    if len(values) >= FEW and late(values) > ALARMS["loss/ptx"] * early(values):
        yield Finding(
            "warn",
            "loss/ptx",
            f"The loss on pretraining text rose from {early(values):.2f} to {late(values):.2f} nats a token.",
            "The policy forgets what it could before.",
            "Raise ppo.ptx_coef or ppo.ptx_examples_per_episode.",
        )


def gradients_jump(rows: Rows) -> Iterable[Finding]:
    """Before a loss is no number its gradients jump."""
    for name in ("optim/grad_norm", "ppo/policy_grad_norm", "ppo/value_grad_norm"):
        values = series(rows, name)
        if len(values) >= FEW and max(values[-FEW:]) > ALARMS[name] * max(median(values), 1e-9):
            yield Finding(
                "warn",
                name,
                f"The gradient norm jumped to {max(values[-FEW:]):.3g}, {median(values):.3g} is usual here.",
                "The run is close to a loss that is no number: the rate is high or an example is broken.",
                "Lower optim.learning_rate, add warm-up, keep optim.clip_norm at 1.",
            )


def reward_model_is_a_coin(rows: Rows) -> Iterable[Finding]:
    """A reward model must beat chance before anything is optimised against it."""
    low, pairs = series(rows, "valid/accuracy_low"), series(rows, "valid/pairs")
    if low and low[-1] <= ALARMS["valid/accuracy_low"]:
        yield Finding(
            "warn",
            "valid/accuracy_low",
            "On held-out pairs the model may be no better than a coin: its interval reaches 0.5 or below.",
            f"Too few held-out pairs ({pairs[-1]:.0f}), too few rankings, or labelers who disagree."
            if pairs
            else "Too few rankings, or labelers who disagree.",
            "Collect more rankings, look at the agreement of labelers, train no policy against it yet.",
        )


def reward_model_overfits(rows: Rows) -> Iterable[Finding]:
    """Rankings seen twice are learned by heart."""
    trained, held_out = series(rows, "reward/accuracy"), series(rows, "valid/accuracy")
    if len(trained) >= FEW and held_out and late(trained) > held_out[-1] + ALARMS["reward/accuracy"]:
        yield Finding(
            "warn",
            "reward/accuracy",
            f"Of training pairs {late(trained):.2f} are in order, of held-out ones {held_out[-1]:.2f}.",
            "The model has learned its rankings by heart; more than one epoch does that fast.",
            "Set reward.epochs or dpo.epochs to 1, or collect more rankings.",
        )


def scores_are_too_sure(rows: Rows) -> Iterable[Finding]:
    """A score difference is a log-odds; it should be meant."""
    values = series(rows, "valid/calibration_error")
    if values and values[-1] > ALARMS["valid/calibration_error"]:
        yield Finding(
            "warn",
            "valid/calibration_error",
            f"Expected and observed shares of pairs differ by {values[-1]:.2f} on average.",
            "The model is too sure of itself, or too few pairs are held out to say.",
            "Look at the calibration plot; train one epoch only, or more held-out pairs.",
        )


def texts_are_cut(rows: Rows) -> Iterable[Finding]:
    """What is cut is not learned."""
    examples = series(rows, "data/examples")
    for name, what, key in (
        ("data/truncated", "responses", "lengths.max_response_tokens"),
        ("data/prompts_cut", "prompts", "lengths.max_prompt_tokens"),
    ):
        values = series(rows, name)
        if values and examples and values[-1] > ALARMS[name] * max(examples[-1], 1):
            yield Finding(
                "warn",
                name,
                f"{values[-1]:.0f} {what} were longer than the limit and had to be cut.",
                f"{key} is short for this data.",
                f"Raise {key} as far as the model reads.",
            )


CHECKS: tuple[Callable[[Rows], Iterable[Finding]], ...] = (
    ratio_is_not_one,
    kl_is_negative,
    distance_is_large,
    sampler_disagrees,
    gold_falls,
    score_does_not_spread,
    length_drifts,
    responses_do_not_end,
    values_explain_nothing,
    entropy_collapses,
    updates_are_clipped,
    pretraining_is_forgotten,
    gradients_jump,
    reward_model_is_a_coin,
    reward_model_overfits,
    scores_are_too_sure,
    texts_are_cut,
)


def as_text(found: Sequence[Finding]) -> str:
    """Write findings as a person reads them in a terminal."""
    if not found:
        return "Nothing stands out."
    return "\n\n".join(
        f"{finding.level.upper()} {finding.metric}: {finding.says}\n"
        f"  Likely cause: {finding.cause}\n  What to do: {finding.do}"
        for finding in found
    )


def main(arguments: list[str] | None = None) -> int:
    """Print the findings of a run folder; exit status 1 if one of them is bad."""
    parser = argparse.ArgumentParser(prog="python -m training.rlhf.health", description=__doc__)
    parser.add_argument("folder", type=Path, help="a run folder")
    options = parser.parse_args(arguments)
    path = options.folder / "metrics.jsonl"
    if not path.is_file():
        parser.error(f"{path} does not exist; name the folder of a run.")
    found = findings(path)
    sys.stdout.write(as_text(found) + "\n")
    return int(any(finding.level == "bad" for finding in found))


if __name__ == "__main__":
    sys.exit(main())
