"""Which prompts and which responses become the tasks of a batch."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from labeling.models import Batch, Prompt, Response, Split, Task, TaskKind
from labeling.rules import batches

SEEDS = 2**31


@dataclass(frozen=True)
class Choice:
    """What to draw from: filters on prompts, and for ranked kinds who wrote the K responses.

    Empty filters let everything pass that the kind allows. `policies` and `baseline` are ids; with
    `is_fresh` prompts that already have a task of this kind are left out.
    """

    kind: str
    split: str = ""
    source: str = ""
    category: str = ""
    language: str = ""
    is_fresh: bool = True
    k: int = 4
    policies: tuple[int, ...] = ()
    baseline: int | None = None

    @property
    def writers(self) -> tuple[int, ...]:
        """All policies whose responses may stand in a task, the baseline among them."""
        extra = () if self.baseline is None or self.baseline in self.policies else (self.baseline,)
        return (*self.policies, *extra)


@dataclass(frozen=True)
class Sample:
    """One task as it would be: a prompt and, for ranked kinds, its responses in random order."""

    prompt: Prompt
    responses: tuple[Response, ...] = ()


def matching_prompts(choice: Choice) -> QuerySet[Prompt]:
    """Return the prompts that may be drawn: usable, without personal data, of a split the kind allows.

    Test authors' prompts never train, so only final evaluations see them.
    """
    prompts = Prompt.objects.usable().filter(has_pii=False)
    if choice.kind != TaskKind.EVALUATION:
        prompts = prompts.exclude(split=Split.TEST)
    wanted = {"split": choice.split, "source": choice.source, "category": choice.category}
    wanted["language"] = choice.language
    prompts = prompts.filter(**{name: value for name, value in wanted.items() if value})
    if choice.is_fresh:
        used = Task.objects.filter(prompt=OuterRef("pk"), batch__kind=choice.kind, batch__is_import=False)
        prompts = prompts.filter(~Exists(used))
    if TaskKind(choice.kind).is_ranked:
        written = Count("responses", filter=Q(responses__policy__in=choice.writers), distinct=True)
        prompts = prompts.annotate(written=written).filter(written__gte=choice.k)
        if choice.baseline is not None:
            prompts = prompts.filter(
                Exists(Response.objects.filter(prompt=OuterRef("pk"), policy=choice.baseline))
            )
    return prompts


def count_matching(choice: Choice) -> int:
    return matching_prompts(choice).count()


def draw_samples(choice: Choice, count: int, seed: int) -> list[Sample]:
    """Draw prompts at random, the same for the same seed and database, with their responses."""
    chance = random.Random(seed)
    ids = list(matching_prompts(choice).order_by("pk").values_list("pk", flat=True))
    chosen = chance.sample(ids, min(count, len(ids)))
    prompts = Prompt.objects.in_bulk(chosen)
    if not TaskKind(choice.kind).is_ranked:
        return [Sample(prompts[pk]) for pk in chosen]
    written: dict[int, list[Response]] = {pk: [] for pk in chosen}
    responses = Response.objects.filter(prompt__in=chosen, policy__in=choice.writers).order_by("pk")
    for response in responses:
        written[response.prompt_id].append(response)
    return [Sample(prompts[pk], tuple(choose_responses(written[pk], choice, chance))) for pk in chosen]


def choose_responses(
    responses: Iterable[Response], choice: Choice, chance: random.Random
) -> Sequence[Response]:
    """Choose K of a prompt's responses: the baseline's, then of each policy in turn; new texts first."""
    by_policy: dict[int, list[Response]] = {}
    for response in responses:
        by_policy.setdefault(response.policy_id, []).append(response)
    for own in by_policy.values():
        chance.shuffle(own)
    order = list(by_policy)
    chance.shuffle(order)
    if choice.baseline in by_policy:
        order.sort(key=lambda policy: policy != choice.baseline)
    queue = [
        response
        for turn in range(_longest(by_policy))
        for policy in order
        for response in by_policy[policy][turn : turn + 1]
    ]
    seen: set[str] = set()
    distinct: list[Response] = []
    repeated: list[Response] = []
    for response in queue:
        (repeated if response.text in seen else distinct).append(response)
        seen.add(response.text)
    chosen = (distinct + repeated)[: choice.k]
    chance.shuffle(chosen)
    return chosen


def fill_batch(*, batch: Batch, choice: Choice, count: int, seed: int | None = None) -> int:
    """Draw tasks into a draft batch; returns how many. Its settings keep how they were drawn."""
    seed = random.randrange(SEEDS) if seed is None else seed
    samples = draw_samples(choice, count, seed)
    batch.settings = {**batch.settings, "choice": _as_settings(choice), "seed": seed, "count": count}
    batch.save(update_fields=["settings"])
    if TaskKind(batch.kind).is_ranked:
        items = [(sample.prompt, sample.responses) for sample in samples]
        return len(batches.add_ranked_tasks(batch=batch, items=items))
    return batches.add_writing_tasks(batch=batch, prompts=[sample.prompt for sample in samples])


def _longest(by_policy: dict[int, list[Response]]) -> int:
    return max((len(own) for own in by_policy.values()), default=0)


def _as_settings(choice: Choice) -> dict[str, Any]:
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in asdict(choice).items()
    }
