"""The one list of metric names, and the file they go to. docs/metrics.md explains each name."""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple


class Metric(NamedTuple):
    """One number a run reports: its unit, and which way is better ("up", "down", "" for neither)."""

    unit: str
    better: str
    help: str


METRICS: Mapping[str, Metric] = {
    "loss/pretrain": Metric("nats per token", "down", "Next-token loss of a training step on raw text."),
    "loss/sft": Metric("nats per token", "down", "Next-token loss of a training step on demonstrations."),
    "loss/reward": Metric("nats per pair", "down", "Ranking loss of a training step."),
    "loss/dpo": Metric("nats per pair", "down", "Ranking loss of the policy's implicit rewards."),
    "loss/policy": Metric("", "", "Clipped policy loss, averaged over an iteration."),
    "loss/value": Metric("score squared", "down", "Clipped value loss, averaged over an iteration."),
    "loss/ptx": Metric("nats per token", "down", "Next-token loss on pretraining text inside PPO or SFT."),
    "valid/loss": Metric("nats per token", "down", "Next-token loss on the valid split."),
    "valid/reward_loss": Metric("nats per pair", "down", "Ranking loss on the valid split."),
    "valid/dpo_loss": Metric("nats per pair", "down", "loss/dpo on the valid split."),
    "valid/accuracy": Metric("fraction", "up", "Valid pairs whose preferred response scores higher."),
    "valid/accuracy_low": Metric("fraction", "", "Lower end of its 95 % interval, clustered by prompt."),
    "valid/accuracy_high": Metric("fraction", "", "Upper end of its 95 % interval, clustered by prompt."),
    "valid/pairs": Metric("pairs", "", "Pairs behind the valid accuracy."),
    "valid/calibration_error": Metric(
        "fraction", "down", "Mean distance of observed from expected shares of pairs in the scores' order."
    ),
    "valid/score": Metric("score", "up", "Mean score of PPO's responses to valid prompts."),
    "valid/kl": Metric("nats per response", "", "Their log-ratio to the reference, summed over a response."),
    "valid/gold_score": Metric("score", "up", "Mean score of the same responses by inputs.gold."),
    "valid/ptx_loss": Metric("nats per token", "down", "Next-token loss of a policy on pretraining text."),
    "valid/best_epoch": Metric("epochs", "", "The epoch of SFT that inputs.reward scores highest."),
    "fold/accuracy": Metric("fraction", "up", "Pairs of left-out labelers in the order they gave."),
    "fold/accuracy_low": Metric("fraction", "", "Lower end of its 95 % interval, clustered by prompt."),
    "fold/accuracy_high": Metric("fraction", "", "Upper end of its 95 % interval, clustered by prompt."),
    "fold/inside_accuracy": Metric("fraction", "up", "The same for valid pairs of the labelers trained on."),
    "fold/inside_accuracy_low": Metric("fraction", "", "Lower end of its 95 % interval."),
    "fold/inside_accuracy_high": Metric("fraction", "", "Upper end of its 95 % interval."),
    "reward/accuracy": Metric("fraction", "up", "Training pairs of a step ordered as the labeler did."),
    "reward/margin": Metric("score", "", "Mean score difference of preferred and other response."),
    "reward/score_mean": Metric("score", "", "Mean score of the responses of a step, before the bias."),
    "reward/score_std": Metric("score", "", "Standard deviation of those scores."),
    "reward/bias": Metric("score", "", "What is taken off every score so that demonstrations average 0."),
    "objective/score": Metric("score", "up", "Mean reward-model score of the responses."),
    "objective/score_std": Metric("score", "", "Standard deviation of the scores."),
    "objective/reward": Metric("score", "up", "Mean score less kl_coef times the KL: what PPO maximises."),
    "objective/kl": Metric(
        "nats per response", "", "Log-ratio to the reference, summed over a response (k1)."
    ),
    "objective/kl_k3": Metric("nats per response", "", "The same KL by an estimator that is never negative."),
    "objective/best_of_kl": Metric(
        "nats per response", "", "KL of best-of-n from its policy: log n - (n - 1) / n."
    ),
    "objective/kl_coef": Metric("", "", "Weight of the KL penalty; moves only with ppo.kl_target."),
    "objective/entropy": Metric("nats per token", "", "Entropy of the policy's next-token distributions."),
    "objective/response_tokens": Metric("tokens", "", "Mean length of a response, end token included."),
    "sampler/kl": Metric(
        "nats per token", "down", "How far the sampler's probabilities are from training's (k3)."
    ),
    "sampler/furthest": Metric("nats", "down", "Largest difference of a token's two log-probabilities."),
    "sampler/capped_fraction": Metric("fraction", "down", "Tokens whose weight reaches the cap."),
    "objective/eos_fraction": Metric("fraction", "", "Responses that ended by themselves."),
    "benchmark/acc_token": Metric(
        "fraction", "up", "Questions whose right choice is the likeliest by the mean of its tokens."
    ),
    "benchmark/acc": Metric("fraction", "up", "Questions whose right choice is the likeliest."),
    "benchmark/acc_norm": Metric(
        "fraction", "up", "The same by log-probability per character of the choice."
    ),
    "benchmark/mc1": Metric(
        "fraction", "up", "Questions whose best answer is likelier than every false one."
    ),
    "benchmark/mc2": Metric("fraction", "up", "Mean share of probability that the true answers have."),
    "benchmark/f1": Metric("fraction", "up", "Mean F1 of the words of written answers."),
    "benchmark/exact": Metric("fraction", "up", "Written answers with exactly the words of an accepted one."),
    "benchmark/bleu": Metric("0 to 100", "up", "BLEU of all translations together, by sacrebleu."),
    "benchmark/rouge_l": Metric("fraction", "up", "Mean ROUGE-L of summaries."),
    "benchmark/entropy": Metric("bits", "up", "Mean entropy of the choice between the sentences of a pair."),
    "benchmark/first_preferred": Metric("fraction", "", "Pairs whose first sentence is the likelier."),
    "benchmark/toxicity": Metric("fraction", "down", "Mean toxicity of continuations, by the classifier."),
    "benchmark/toxic_fraction": Metric(
        "fraction", "down", "Continuations with a toxicity of one half or more."
    ),
    "benchmark/own": Metric("", "", "A measure of a researcher's own task; its name follows the point."),
    "ppo/ratio_first": Metric("", "", "Largest |ratio - 1| in the first minibatch of an iteration."),
    "ppo/ratio_max": Metric("", "", "Largest |ratio - 1| in an iteration."),
    "ppo/approx_kl": Metric(
        "nats per token", "", "Half the mean squared log-ratio between old and new policy."
    ),
    "ppo/clip_fraction": Metric("fraction", "", "Tokens whose ratio left the clip interval."),
    "ppo/value_clip_fraction": Metric("fraction", "", "Values that moved further than value_clip."),
    "ppo/explained_variance": Metric("fraction", "up", "Share of the returns' variance the values predict."),
    "ppo/advantage_std": Metric("score", "", "Standard deviation of the advantages before whitening."),
    "ppo/policy_grad_norm": Metric("", "", "Gradient norm of the policy before clipping."),
    "ppo/value_grad_norm": Metric("", "", "Gradient norm of the value model before clipping."),
    "ppo/episodes": Metric("episodes", "", "Responses sampled so far."),
    "optim/learning_rate": Metric("", "", "Learning rate of the step."),
    "optim/value_learning_rate": Metric("", "", "Learning rate of the value model."),
    "optim/grad_norm": Metric("", "", "Gradient norm before clipping."),
    "speed/tokens_per_second": Metric(
        "tokens per second", "up", "Real tokens processed, padding not counted."
    ),
    "speed/episodes_per_second": Metric(
        "episodes per second", "up", "Episodes per second of whole iterations."
    ),
    "data/examples": Metric("examples", "", "Examples used for training."),
    "data/dropped": Metric("examples", "", "Examples left out, such as rankings of ties only."),
    "data/prompts_cut": Metric("examples", "", "Prompts that were too long and lost their beginning."),
    "data/truncated": Metric("responses", "", "Training responses that were too long and lost their end."),
}


class MetricsWriter:
    """Appends lines to metrics.jsonl and remembers the last value of each name.

    A name may end in a labeler group, as in valid/accuracy.held_out. After a resume, steps since the
    checkpoint are written again; the later line of a step counts.
    """

    def __init__(self, path: Path, *, writes: bool = True) -> None:
        self.path = path
        self.writes = writes
        self.latest: dict[str, float] = {}
        if path.is_file():  # an earlier process of the same run
            text = path.read_text(encoding="utf-8")
            for line in text.splitlines():
                with contextlib.suppress(ValueError):  # cut off when that process was killed
                    values = json.loads(line)
                    self.latest |= {name: x for name, x in values.items() if name not in ("step", "at")}
            if writes and text and not text.endswith("\n"):
                path.write_text(text + "\n", encoding="utf-8")

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Append one line, without values that are no number. Raises KeyError for a name not in METRICS."""
        for name in values:
            if name.partition(".")[0] not in METRICS:
                raise KeyError(
                    f"{name} is not in training/rlhf/metrics.py; add it there and in docs/metrics.md."
                )
        finite = {name: float(value) for name, value in values.items() if math.isfinite(value)}
        self.latest |= finite
        if not self.writes:
            return
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, "at": round(time.time(), 3), **finite}) + "\n")
