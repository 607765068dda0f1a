"""Which prompts and which responses become the tasks of a batch."""

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any
from uuid import UUID

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.db.models.fields.json import KeyTransform

from labeling.models import Batch, Policy, Prompt, Response, Split, Task, TaskKind
from labeling.rules import batch_tasks, toxicity
from labeling.rules.model_names import names_its_model

SEEDS = 2**31
PROMPTS_AT_ONCE = 500  # SQLite takes only so many values in a query


@dataclass(frozen=True)
class Share:
    """A policy's fixed part of the K responses: `count` of them, by its id.

    With `best_of` they are the best by the reward model's score among that many scored responses.
    """

    policy: int
    count: int
    best_of: int = 0

    @property
    def needed(self) -> int:
        """How many responses to a prompt the policy must have given."""
        return max(self.count, self.best_of)


@dataclass(frozen=True)
class Choice:
    """What to draw from: filters on prompts, and for ranked kinds who wrote the K responses.

    Responses that name their model are never drawn. Empty filters let everything pass that the kind allows.
    `shares` are fixed parts of the K; `policies` (ids) fill up what remains, in turn; `baseline` is in every
    task. `condition` is that of a toxicity evaluation: what the model was told, as `sampling` says. `tags`
    are flags that must be yes; `author_cap` is the most prompts of one author, 0 for any number. With
    `is_fresh` prompts that already have a task of this kind are left out.
    """

    kind: str
    split: str = ""
    source: str = ""
    prompt_kind: str = ""
    category: str = ""
    language: str = ""
    tags: tuple[str, ...] = ()
    author_cap: int = 0
    is_fresh: bool = True
    k: int = 4
    policies: tuple[int, ...] = ()
    shares: tuple[Share, ...] = ()
    baseline: int | None = None
    condition: str = ""

    @property
    def written_under(self) -> Q:
        """Which responses count: all, but for toxicity only those written under the condition."""
        if not self.condition:
            return Q()
        under = Q(sampling__condition=self.condition)
        return under | Q(sampling__condition__isnull=True) if self.condition == toxicity.NONE else under

    @property
    def fixed(self) -> int:
        """How many of the K responses are fixed by shares."""
        return sum(share.count for share in self.shares)

    @property
    def writers(self) -> tuple[int, ...]:
        """The policies that fill up what the shares leave, the baseline among them."""
        shared = {share.policy for share in self.shares}
        extra = (
            () if self.baseline is None or self.baseline in {*self.policies, *shared} else (self.baseline,)
        )
        return (*self.policies, *extra)


@dataclass(frozen=True)
class Sample:
    """One task as it would be: a prompt and, for ranked kinds, its responses in random order."""

    prompt: Prompt
    responses: tuple[Response, ...] = ()


@dataclass(frozen=True)
class Coverage:
    """How many of the prompts that pass the filters a policy can serve as its share asks."""

    policy: str
    share: Share
    prompts: int
    total: int

    @property
    def missing(self) -> int:
        return self.total - self.prompts


def filtered_prompts(choice: Choice, batch: Batch | None = None) -> QuerySet[Prompt]:
    """Return the prompts that pass the filters, whatever responses they have.

    They are usable, without personal data, and of a split the kind allows: test authors' prompts never
    train, so only evaluations see them. None of them stands in `batch`, into which they are drawn.
    """
    prompts = Prompt.objects.usable().filter(has_pii=False)
    if not TaskKind(choice.kind).is_evaluation:
        prompts = prompts.exclude(split=Split.TEST)
    wanted: dict[str, Any] = {
        "split": choice.split,
        "source": choice.source,
        "kind": choice.prompt_kind,
        "category": choice.category,
        "language": choice.language,
    }
    prompts = prompts.filter(**{name: value for name, value in wanted.items() if value})
    for number, tag in enumerate(choice.tags):
        prompts = prompts.alias(**{f"tag_{number}": KeyTransform(tag, "tags")})
        prompts = prompts.filter(**{f"tag_{number}": True})
    if choice.is_fresh:
        used = Task.objects.filter(prompt=OuterRef("pk"), batch__kind=choice.kind, batch__is_import=False)
        prompts = prompts.filter(~Exists(used))
    if batch is not None:
        prompts = prompts.filter(~Exists(Task.objects.filter(prompt=OuterRef("pk"), batch=batch)))
    return prompts


def matching_prompts(choice: Choice, batch: Batch | None = None) -> QuerySet[Prompt]:
    """Return the prompts that may be drawn: those filtered that have the responses asked for."""
    prompts = filtered_prompts(choice, batch)
    if not TaskKind(choice.kind).is_ranked:
        return prompts
    for share in choice.shares:
        prompts = _served(prompts, share, choice)
    rest = choice.k - choice.fixed
    if rest > 0:
        wanted = Q(responses__policy__in=choice.writers)
        if choice.condition:
            wanted &= Q(responses__in=Response.objects.filter(choice.written_under))
        prompts = prompts.annotate(written=Count("responses", filter=wanted, distinct=True))
        prompts = prompts.filter(written__gte=rest)
    if choice.baseline is not None:
        prompts = prompts.filter(
            Exists(
                Response.objects.filter(choice.written_under, prompt=OuterRef("pk"), policy=choice.baseline)
            )
        )
    return prompts


def count_matching(choice: Choice, batch: Batch | None = None) -> int:
    """Count the prompts that may be drawn, with those in `batch` at most `author_cap` of each author."""
    prompts = matching_prompts(choice, batch)
    if not choice.author_cap:
        return prompts.count()
    authors = (
        Prompt.objects.filter(pk__in=prompts.order_by().values("pk"))
        .order_by()
        .values_list("author_key")
        .annotate(n=Count("pk"))
    )
    taken = _taken_of_authors(choice, batch)
    return sum(min(n, max(0, choice.author_cap - taken[author])) for author, n in authors.iterator())


def coverage(choice: Choice, batch: Batch | None = None) -> list[Coverage]:
    """Say of each share how many of the filtered prompts it can be met for."""
    if not TaskKind(choice.kind).is_ranked:
        return []
    prompts = filtered_prompts(choice, batch)
    total = prompts.count()
    names = Policy.objects.in_bulk([share.policy for share in choice.shares])
    return [
        Coverage(names[share.policy].name, share, _served(prompts, share, choice).count(), total)
        for share in choice.shares
    ]


def draw_samples(choice: Choice, count: int, seed: int, batch: Batch | None = None) -> list[Sample]:
    """Draw prompts at random, the same for the same seed and database, with their responses.

    They are new to `batch`, and what it has of an author counts towards the cap.
    """
    chance = random.Random(seed)
    drawn = _draw(choice, chance, batch)
    samples: list[Sample] = []
    while len(samples) < count:
        chunk = list(islice(drawn, min(PROMPTS_AT_ONCE, count - len(samples))))
        if not chunk:
            break
        if TaskKind(choice.kind).is_ranked:
            samples += _ranked_samples(choice, chunk, chance)
        else:
            prompts = Prompt.objects.in_bulk(chunk)
            samples += [Sample(prompts[pk]) for pk in chunk]
    return samples


def _ranked_samples(choice: Choice, keys: Sequence[int], chance: random.Random) -> list[Sample]:
    """Return a sample of each prompt that has K responses left when those that name their model are out."""
    prompts = Prompt.objects.in_bulk(keys)
    written: dict[int, list[Response]] = {pk: [] for pk in keys}
    policies = {*choice.writers, *(share.policy for share in choice.shares)}
    responses = Response.objects.filter(choice.written_under, prompt__in=keys, policy__in=policies)
    for response in responses.select_related("policy").order_by("pk"):
        text = prompts[response.prompt_id].text
        if not names_its_model(response.text, prompt=text, writer=response.policy.name):
            written[response.prompt_id].append(response)
    chosen = ((pk, tuple(choose_responses(written[pk], choice, chance))) for pk in keys)
    return [Sample(prompts[pk], picked) for pk, picked in chosen if _is_complete(picked, choice)]


def _is_complete(picked: Sequence[Response], choice: Choice) -> bool:
    """Return whether a prompt still has the K responses, of the policies that are to have a part in them."""
    writers = Counter(response.policy_id for response in picked)
    has_shares = all(writers[share.policy] >= share.count for share in choice.shares)
    return len(picked) == choice.k and has_shares and (choice.baseline is None or choice.baseline in writers)


def choose_responses(
    responses: Iterable[Response], choice: Choice, chance: random.Random
) -> Sequence[Response]:
    """Choose K of a prompt's responses: the shares first, then the baseline's, then of each policy in turn.

    Among those that fill up, new texts come first.
    """
    by_policy: dict[int, list[Response]] = {}
    for response in responses:
        by_policy.setdefault(response.policy_id, []).append(response)
    for own in by_policy.values():
        chance.shuffle(own)
    chosen = [pick for share in choice.shares for pick in _pick(by_policy.get(share.policy, []), share)]
    taken = {response.pk for response in chosen}
    order = [policy for policy in by_policy if policy in choice.writers]
    chance.shuffle(order)
    if choice.baseline in by_policy:
        order.sort(key=lambda policy: policy != choice.baseline)
    queue = [
        response
        for turn in range(_longest(by_policy))
        for policy in order
        for response in by_policy[policy][turn : turn + 1]
        if response.pk not in taken
    ]
    seen = {response.text for response in chosen}
    distinct: list[Response] = []
    repeated: list[Response] = []
    for response in queue:
        (repeated if response.text in seen else distinct).append(response)
        seen.add(response.text)
    chosen = [*chosen, *distinct, *repeated][: choice.k]
    chance.shuffle(chosen)
    return chosen


def fill_batch(
    *,
    batch: Batch,
    choice: Choice,
    count: int,
    seed: int | None = None,
    while_running: bool = False,
    key: UUID | None = None,
) -> int:
    """Draw tasks into a batch; returns how many. Its settings keep how they were drawn, and the key."""
    seed = random.randrange(SEEDS) if seed is None else seed
    samples = draw_samples(choice, count, seed, batch)
    drawn = {"choice": as_settings(choice), "seed": seed, "count": count}
    if while_running:
        extension = {**drawn, "key": str(key)} if key is not None else drawn
        drawn = {"extensions": [*batch.settings.get("extensions", []), extension]}
    batch.settings = {**batch.settings, **drawn}
    batch.save(update_fields=["settings"])
    if TaskKind(batch.kind).is_ranked:
        items = [(sample.prompt, sample.responses) for sample in samples]
        return len(batch_tasks.add_ranked_tasks(batch=batch, items=items, while_running=while_running))
    prompts = [sample.prompt for sample in samples]
    return batch_tasks.add_writing_tasks(batch=batch, prompts=prompts, while_running=while_running)


def as_settings(choice: Choice) -> dict[str, Any]:
    """Return a choice as batches keep it."""
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in asdict(choice).items()
    }


def choice_from(settings: Mapping[str, Any]) -> Choice:
    """Return the choice that a batch kept."""
    known = {name: settings[name] for name in Choice.__dataclass_fields__ if name in settings}
    shares = tuple(Share(**share) for share in known.pop("shares", ()))
    lists = {name: tuple(value) for name, value in known.items() if isinstance(value, list)}
    return Choice(**{**known, **lists, "shares": shares})


def _draw(choice: Choice, chance: random.Random, batch: Batch | None) -> Iterator[int]:
    """Yield the prompts that match in random order, of each author no more than the cap."""
    rows = list(matching_prompts(choice, batch).order_by("pk").values_list("pk", "author_key"))
    chance.shuffle(rows)
    taken = _taken_of_authors(choice, batch)
    for pk, author in rows:
        if not choice.author_cap or taken[author] < choice.author_cap:
            taken[author] += 1
            yield pk


def _taken_of_authors(choice: Choice, batch: Batch | None) -> Counter[str]:
    """Count the prompts that a batch has of each author; empty where there is no cap to hold."""
    if batch is None or not choice.author_cap:
        return Counter()
    authors = Prompt.objects.filter(tasks__batch=batch).values_list("author_key")
    return Counter(dict(authors.annotate(n=Count("pk", distinct=True)).order_by()))


def _served(prompts: QuerySet[Prompt], share: Share, choice: Choice) -> QuerySet[Prompt]:
    own = Response.objects.filter(choice.written_under, prompt=OuterRef("pk"), policy=share.policy)
    if share.best_of:
        own = own.filter(sampling__has_key="score")
    if share.needed == 1:
        return prompts.filter(Exists(own))
    nth = own.order_by("pk").values("pk")[share.needed - 1 : share.needed]
    return prompts.filter(Exists(nth))


def _pick(own: list[Response], share: Share) -> list[Response]:
    if not share.best_of:
        return own[: share.count]
    scored = [response for response in own if isinstance(response.sampling.get("score"), int | float)]
    best = sorted(scored[: share.best_of], key=lambda response: -response.sampling["score"])
    return best[: share.count]


def _longest(by_policy: dict[int, list[Response]]) -> int:
    return max((len(own) for own in by_policy.values()), default=0)
