"""What was ranked is what is trained on: from the screen's form to the pairs of the reward model."""

from pathlib import Path
from typing import Any

import torch
from django.conf import settings
from django.urls import reverse
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from labeling.models import Ranking, Response, TaskKind
from tests.factories import claimed, qualified_labeler, ranked_batch
from training.rlhf.data import open_dataset
from training.rlhf.losses import ranking_pairs
from training.rules.datasets import freeze_dataset, read_records

K = st.integers(min_value=2, max_value=9)
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\x00\r"), max_size=40)


class RankedIsTrainedOn(TestCase):
    """Whatever the order, ties and gaps: post the form, freeze, read as the trainer reads, and compare."""

    @how(deadline=None, max_examples=25)
    @given(data=st.data(), k=K)
    def test_pairs_of_the_reward_model_are_those_of_the_form(self, data: st.DataObject, k: int) -> None:
        labeler = qualified_labeler()
        batch = ranked_batch(tasks=1, k=k)
        held = claimed(labeler, TaskKind.COMPARISON)
        ranks = data.draw(st.lists(st.integers(1, k), min_size=k, max_size=k))
        ratings = data.draw(st.lists(st.integers(1, 7), min_size=k, max_size=k))
        flags = data.draw(st.lists(st.sampled_from(["yes", "no", ""]), min_size=k, max_size=k))
        body: dict[str, Any] = {"idempotency_key": "one", "was_touched": "yes", "confirmed": "yes"}
        for code, rank, rating, flag in zip(held.display_order, ranks, ratings, flags, strict=True):
            body |= {f"rank-{code}": rank, f"likert-{code}": rating, f"flag-{code}-fails_task": flag}
        self.client.force_login(labeler.user, backend="django.contrib.auth.backends.ModelBackend")
        answer = self.client.post(reverse("comparison-rank", args=[held.code]), body)
        assert answer.status_code == 302, answer.content.decode()

        texts = {str(row.code): row.text for row in Response.objects.filter(candidacies__task=held.task_id)}
        shown = [texts[code] for code in held.display_order]
        asked = {(shown[a], shown[b]) for a in range(k) for b in range(k) if ranks[a] < ranks[b]}
        stored = {
            place.response.text: (place.rank, place.likert, place.flags)
            for place in Ranking.objects.get(assignment=held).places.select_related("response")
        }
        said = {"yes": {"fails_task": True}, "no": {"fails_task": False}, "": {}}
        assert stored == {
            text: (rank, rating, said[flag])
            for text, rank, rating, flag in zip(shown, ranks, ratings, flags, strict=True)
        }

        dataset = freeze_dataset(kind="comparisons", selection={"batches": [str(batch.code)]})
        folder = Path(settings.ARTIFACTS_URL.removeprefix("file://")) / dataset.folder
        (comparison,) = open_dataset(folder, ("comparisons",), key="dataset").comparisons("train")
        grid = ranking_pairs(torch.tensor([comparison.ranks]), torch.ones(1, k, dtype=torch.bool))[0]
        trained = {(comparison.responses[a], comparison.responses[b]) for a, b in grid.nonzero().tolist()}
        assert trained == asked
        assert comparison.pair_count() == len(asked)


class ReadIsExported(TestCase):
    """Whatever is said of the responses before the prompt: post the form, rank, freeze, and compare."""

    @how(deadline=None, max_examples=25)
    @given(said=st.lists(st.tuples(WORDS, st.booleans()), min_size=2, max_size=9))
    def test_dataset_has_the_words_of_the_form(self, said: list[tuple[str, bool]]) -> None:
        said = [(words, cannot_tell or not words.strip()) for words, cannot_tell in said]
        labeler = qualified_labeler()
        batch = ranked_batch(tasks=1, k=len(said), reads_first=True)
        held = claimed(labeler, TaskKind.COMPARISON)
        read: dict[str, Any] = {}
        ranked: dict[str, Any] = {"idempotency_key": "one", "was_touched": "yes", "confirmed": "yes"}
        for code, (words, cannot_tell) in zip(held.display_order, said, strict=True):
            read |= {f"reading-{code}": words, **({f"cannot-tell-{code}": "on"} if cannot_tell else {})}
            ranked |= {f"rank-{code}": 1, f"likert-{code}": 4}
        self.client.force_login(labeler.user, backend="django.contrib.auth.backends.ModelBackend")
        for name, body in (("comparison-read", read), ("comparison-rank", ranked)):
            answer = self.client.post(reverse(name, args=[held.code]), body)
            assert answer.status_code == 302, answer.content.decode()
        dataset = freeze_dataset(kind="comparisons", selection={"batches": [str(batch.code)]})
        (record,) = read_records(dataset, split="train", count=1)
        texts = {str(row.code): row.text for row in Response.objects.filter(candidacies__task=held.task_id)}
        exported = {output["text"]: output["reading"] for output in record["outputs"]}
        assert [exported[texts[code]] for code in held.display_order] == [
            {"text": words, "cannot_tell": cannot_tell} for words, cannot_tell in said
        ]
