"""A policy as lm-evaluation-harness asks it: log-likelihoods of continuations, and written answers.

Every answer goes to answers.jsonl as soon as it is computed, so that a run that was killed asks again only
what had not been answered.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from lm_eval.api.model import LM

from training.rlhf.batching import right_pad
from training.rlhf.benchmark_configs import BenchmarkConfig
from training.rlhf.errors import RunRefusedError
from training.rlhf.generation import generate, row_uniforms
from training.rlhf.logprobs import response_logprobs
from training.rlhf.model import LanguageModel
from training.rlhf.runtime import Run
from training.rlhf.tokenizer import Codec

ANSWERS = "answers.jsonl"


class Answers:
    """What has been answered already, by a hash of the question."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known: dict[str, Any] = {}
        if path.is_file():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    record = json.loads(line)
                except ValueError:  # cut off when the process was killed
                    continue
                self.known[record["key"]] = record["answer"]
            path.write_text("".join(_line(key, value) for key, value in self.known.items()), encoding="utf-8")

    def add(self, found: dict[str, Any]) -> None:
        """Keep answers, on disk before they are used."""
        self.known |= found
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(_line(key, value) for key, value in found.items())


class PolicyInHarness(LM):
    """Answers the harness's requests with a policy, in microbatches of similar length.

    `counted` adds to each likelihood how many tokens it is of; the harness's own scoring wants none.
    """

    def __init__(
        self,
        policy: LanguageModel,
        codec: Codec,
        config: BenchmarkConfig,
        run: Run,
        *,
        counted: bool = False,
    ) -> None:
        super().__init__()
        self.counted = counted
        self.policy, self.codec, self.settings, self.run = policy, codec, config.benchmark, run
        self.seed = config.seed
        self.answers = Answers(run.folder / ANSWERS)
        self.cut = 0

    def loglikelihood(self, requests: list[Any]) -> list[tuple[Any, ...]]:
        """Return for each (context, continuation) its log-probability, nats, and whether greedy writes it.

        Where `counted`, also the tokens of the continuation.
        """
        pairs = [(str(r.args[0]), str(r.args[1])) for r in requests]
        keys = [_key("likelihood", self.settings.format, *pair) for pair in pairs]
        rows = [self._row(*pair) for pair in pairs]
        self._answer(keys, rows, "comparing choices", self._likelihoods)
        found = [(float(self.answers.known[key][0]), bool(self.answers.known[key][1])) for key in keys]
        if not self.counted:
            return list(found)
        return [(*answer, len(given)) for answer, (_, given) in zip(found, rows, strict=True)]

    def generate_until(self, requests: list[Any]) -> list[str]:
        """Return for each (context, settings) what the policy writes up to the first stop of the settings."""
        wanted = [(str(r.args[0]), _stops(r.args[1].get("until"))) for r in requests]
        how = (self.settings.format, self.settings.temperature, self.settings.max_answer_tokens)
        keys = [_key("text", *how, context) for context, _ in wanted]
        rows = [
            (self._context(context, self.settings.max_answer_tokens), [key])
            for (context, _), key in zip(wanted, keys, strict=True)
        ]
        self._answer(keys, rows, "writing answers", self._texts)
        texts = [str(self.answers.known[key]) for key in keys]
        return [_up_to(text, stops) for text, (_, stops) in zip(texts, wanted, strict=True)]

    def loglikelihood_rolling(self, requests: list[Any]) -> list[float]:
        """Refuse: no set here asks for the likelihood of a whole text."""
        raise RunRefusedError(
            "likelihoods of whole texts are not measured here; use evaluate with inputs.pretrain."
        )

    def _answer(
        self,
        keys: Sequence[str],
        rows: Sequence[Any],
        phase: str,
        compute: Callable[[Sequence[Any]], list[Any]],
    ) -> None:
        """Compute what is not known yet, longest last, and keep each microbatch."""
        waiting = {key: row for key, row in zip(keys, rows, strict=True) if key not in self.answers.known}
        order = sorted(waiting, key=lambda key: sum(map(len, waiting[key])))
        done, size = len(set(keys)) - len(order), self.settings.microbatch_size
        total = done + len(order)
        for start in range(0, len(order), size):
            self.run.stop_if_cancelled()
            group = order[start : start + size]
            with torch.no_grad(), self.run.autocast():
                found = compute([waiting[key] for key in group])
            self.answers.add(dict(zip(group, found, strict=True)))
            self.run.progress(phase, done + start + len(group), total, "answers")

    def _likelihoods(self, rows: Sequence[tuple[list[int], list[int]]]) -> list[Any]:
        device = next(self.policy.parameters()).device
        ids, mask = (
            x.to(device) for x in right_pad([[*context, *given] for context, given in rows])
        )  # (B, T)
        hidden = self.policy.hidden(ids, mask)  # (B, T, D)
        found = []
        for row, (context, given) in enumerate(rows):
            first = len(context) - 1  # the token before predicts the token
            logits = self.policy.logits(hidden[row, first : first + len(given)]).unsqueeze(0)  # (1, R, V)
            wanted = torch.tensor([given], device=device)
            logp = response_logprobs(logits, wanted).double().sum()
            found.append([float(logp), bool((logits.argmax(dim=-1) == wanted).all())])
        return found

    def _texts(self, rows: Sequence[tuple[list[int], list[str]]]) -> list[Any]:
        width = self.settings.max_answer_tokens
        uniforms = [row_uniforms(1, width, self.seed, "benchmark", key) for _, (key,) in rows]
        made = generate(
            self.policy,
            [context for context, _ in rows],
            n=1,
            max_tokens=width,
            eos_id=self.codec.eos_id,
            temperature=self.settings.temperature,
            uniforms=torch.cat(uniforms),
        )
        return [self.codec.decode(ids) for ids in made.rows()]

    def _row(self, context: str, continuation: str) -> tuple[list[int], list[int]]:
        """Encode a context and what goes on from it; what is too long loses its beginning."""
        if self.settings.format == "response":
            given = self.codec.encode([continuation.strip()])[0]
        else:
            both, before = self.codec.encode([context + continuation, context])
            given = both[len(before) :] or both[-1:]
        most = self.policy.context - 1
        self.cut += len(given) > most
        return self._context(context, len(given)), given[-most:]

    def _context(self, context: str, room: int) -> list[int]:
        """Encode a context so that `room` tokens fit behind it; it has at least one token."""
        most = max(1, self.policy.context - room)
        if self.settings.format == "response":
            ids = self.codec.encode_prompts([context], 1 << 30)[0]
        else:
            ids = [*(self.codec.first_ids or ()), *self.codec.encode([context])[0]]
        self.cut += len(ids) > most
        return (ids or [self.codec.eos_id])[-most:]


def _stops(given: Any) -> list[str]:
    return [given] if isinstance(given, str) else list(given or [])


def _up_to(text: str, stops: Sequence[str]) -> str:
    for stop in stops:
        text = text.split(stop)[0] if stop else text
    return text


def _key(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()


def _line(key: str, answer: Any) -> str:
    return json.dumps({"key": key, "answer": answer}, ensure_ascii=False) + "\n"
