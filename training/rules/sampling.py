"""Let policies answer a batch's prompts, and make its ranked tasks once every response is there."""

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import Exists, Max, OuterRef, QuerySet

from labeling.errors import Conflict, InvalidInput
from labeling.models import MAX_K, MIN_K, Batch, Policy, Prompt, Response, Task, TaskKind, User
from labeling.rules import audit
from labeling.rules.batches import add_ranked_tasks, open_batch
from labeling.rules.parts import in_parts
from labeling.rules.texts import exact_hash
from training.models import Model, Run, RunState, Stage
from training.rules.datasets import freeze_dataset
from training.rules.prompt_choice import choose_prompts_by_doubt
from training.rules.run_folder import responses_in
from training.rules.run_inputs import Input
from training.rules.runs import create_run

FACTS = ("temperature", "tokens", "logprob", "score", "best_of")
"""What a sample run says of a response and we keep beside it."""


@dataclass(frozen=True)
class Writer:
    """A policy's share of the K responses to a prompt.

    A policy whose weights are in the registry samples `count` new ones, each the best of `best_of` by the
    reward model where that is above 1; of any other, responses it has already given are taken.
    """

    policy: Policy
    count: int
    temperature: float = 1.0
    best_of: int = 1


@dataclass(frozen=True)
class Pool:
    """How many of the prompts become tasks, once their responses have scores; see `prompt_choice`."""

    count: int
    control_fraction: float
    always: Sequence[Prompt] = ()


@transaction.atomic
def sample_for_batch(
    *,
    batch: Batch,
    writers: Sequence[Writer],
    prompts: Sequence[Prompt],
    config: Mapping[str, Any] | None = None,
    seed: int = 0,
    open_when_ready: bool = True,
    reward: Model | None = None,
    pool: Pool | None = None,
    by: User | None = None,
) -> list[Run]:
    """Order the responses of a ranked batch: one sample run for each writer that has weights.

    `reward` scores what is sampled. With a `pool`, only so many of the prompts become tasks, chosen when the
    scores are there; each task says how.

    When the last of these runs has ended well, the batch gets its tasks and, if wanted, opens. Returns the
    runs, for which `training.tasks.enqueue_run` wakes a worker; none where every writer has answered already.
    `config` holds settings of the sample stage such as lengths. Raises InvalidInput where the writers do not
    make up K responses, one of them can answer no prompt, or a prompt may not be shown; Conflict where the
    batch is no empty draft.
    """
    batch = Batch.objects.select_for_update().get(pk=batch.pk)
    _check_order(batch, writers, prompts)
    if reward is None and (pool is not None or any(writer.best_of > 1 for writer in writers)):
        raise InvalidInput(
            "Best of n and choosing prompts by doubt need a reward model; train one first.",
            fields={"reward": "missing"},
        )
    batch.settings = {
        **batch.settings,
        "writers": [_order_of(writer) for writer in writers],
        "prompts": [str(prompt.code) for prompt in prompts],
        "open_when_ready": open_when_ready,
        "seed": seed,
        **_pool_order(pool, reward),
    }
    sampled = [writer for writer in writers if Model.objects.filter(policy=writer.policy).exists()]
    for writer in writers:
        if writer not in sampled:
            _check_answers(writer.policy, prompts)
    given = _inputs(batch, prompts, reward, by) if sampled else {}
    runs = []
    for place, writer in enumerate(sampled):
        run = create_run(
            stage=Stage.SAMPLE,
            config=_sample_config(config or {}, writer, seed + place),
            inputs={"policy": writer.policy.model, **given},
            batch=batch,
            by=by,
        )
        batch.settings["writers"][writers.index(writer)]["run"] = str(run.code)
        runs.append(run)
    batch.save(update_fields=("settings",))
    audit.record(actor=by, action="sample_for_batch", obj=batch, prompts=len(prompts), runs=len(runs))
    if not runs:
        make_tasks(batch=batch)
    return runs


def _order_of(writer: Writer) -> dict[str, Any]:
    """Write down a writer's share, as a batch keeps it."""
    facts = {"count": writer.count, "temperature": writer.temperature, "best_of": writer.best_of}
    return {"policy": str(writer.policy.code), **facts}


def _inputs(
    batch: Batch, prompts: Sequence[Prompt], reward: Model | None, by: User | None
) -> dict[str, Input]:
    """Freeze the prompts of a batch, and return what each of its sample runs reads beside its policy."""
    selection = {"prompts": [str(prompt.code) for prompt in prompts]}
    dataset = freeze_dataset(
        kind="ppo_prompts", selection=selection, name=f"Prompts of {batch.name}"[:120], by=by
    )
    if left_out := len(prompts) - dataset.rows:
        raise InvalidInput(
            f"{left_out} of {len(prompts)} prompts may not be shown: they hold personal data or are held "
            "back. Choose others.",
            fields={"prompts": f"{left_out} not allowed"},
        )
    return {"prompts": dataset} if reward is None else {"prompts": dataset, "reward": reward}


def store_responses(*, run: Run, folder: Path) -> int:
    """Store what a sample run wrote, and make the batch's tasks if this was the last run it waited for.

    Call it in the transaction that ends the run. Doing it twice changes nothing. Returns their number.
    """
    policy = run.inputs.get(name="policy").model
    if policy is None or policy.policy is None:
        return 0
    writer = policy.policy
    if Response.objects.filter(policy=writer, sampling__run=str(run.code)).exists():
        return 0
    records = responses_in(folder)
    prompts = _prompts_of({record["prompt_id"] for record in records})
    first = 1 + max(_newest_index(writer, part) for part in in_parts(prompts.values())) if prompts else 0
    Response.objects.bulk_create(
        (
            Response(
                prompt=prompts[record["prompt_id"]],
                policy=writer,
                text=record["response"],
                text_hash=exact_hash(record["response"]),
                index=first + record["index"],
                sampling={"run": str(run.code), **{key: record[key] for key in FACTS if key in record}},
                has_ended=bool(record["ended"]),
            )
            for record in records
            if record["prompt_id"] in prompts
        ),
        batch_size=1000,
    )
    return len(records)


def lock_batch(run: Run) -> Batch | None:
    """Lock the batch of a sample run, so that of two runs that end at once the second sees the first."""
    if run.batch_id is None:
        return None
    return Batch.objects.select_for_update().get(pk=run.batch_id)


def make_tasks(*, batch: Batch) -> int:
    """Make the ranked tasks of a batch whose responses are all there, and open it if that was wanted.

    Does nothing while a sample run is outstanding, or where the tasks exist. Returns how many it made.
    """
    if batch.status != Batch.Status.DRAFT or batch.tasks.exists():
        return 0
    if batch.sample_runs.exclude(state=RunState.FINISHED).exists():
        return 0
    order = batch.settings
    found = _prompts_of(order["prompts"])
    prompts = [found[code] for code in order["prompts"]]
    given: dict[int, list[Response]] = defaultdict(list)
    for wish in order["writers"]:
        policy = Policy.objects.get(code=wish["policy"])
        for key, responses in _responses_of(batch, policy, prompts, wish.get("run", "")).items():
            given[key] += responses[: wish["count"]]
    chosen_by = _chosen(order, batch, prompts, given)
    prompts = [prompt for prompt in prompts if prompt.pk in chosen_by]
    shuffle = random.Random(f"{batch.code}-{order['seed']}")
    items = []
    for prompt in prompts:
        chosen = given[prompt.pk]
        shuffle.shuffle(chosen)
        if batch.kind == TaskKind.COMPARISON:
            chosen = _different(chosen)
        if len(chosen) >= MIN_K:
            items.append((prompt, chosen))
    if not items:
        raise InvalidInput(
            f'No prompt of batch "{batch}" has {MIN_K} different responses, so there is nothing to rank.'
        )
    used_before = _count_used([prompt for prompt, _ in items], batch.kind)
    add_ranked_tasks(batch=batch, items=items)
    for way in {way for way in chosen_by.values() if way}:
        taken = [prompt for prompt, how in chosen_by.items() if how == way]
        for part in in_parts(taken):
            batch.tasks.filter(prompt__in=part).update(chosen_by=way)
    batch.settings = {**order, "without_choice": len(prompts) - len(items), "used_before": used_before}
    batch.save(update_fields=("settings",))
    if order["open_when_ready"]:
        open_batch(batch=batch)
    return len(items)


def _check_order(batch: Batch, writers: Sequence[Writer], prompts: Sequence[Prompt]) -> None:
    if batch.status != Batch.Status.DRAFT or batch.tasks.exists() or batch.sample_runs.exists():
        raise Conflict(
            f'Batch "{batch}" has its responses or tasks already; make a new draft.', code="batch_not_draft"
        )
    if not prompts:
        raise InvalidInput("No prompts were chosen.", fields={"prompts": "none"})
    if len({(writer.policy.pk, writer.best_of > 1) for writer in writers}) != len(writers):
        raise InvalidInput("A policy stands twice among the writers.", fields={"writers": "doubled"})
    k = sum(writer.count for writer in writers)
    if k != batch.k or any(writer.count < 1 for writer in writers) or not MIN_K <= k <= MAX_K:
        raise InvalidInput(
            f"The writers give {k} responses to a prompt; the batch asks for {batch.k}.",
            fields={"writers": f"{k} responses"},
        )


def _check_answers(policy: Policy, prompts: Sequence[Prompt]) -> None:
    """Refuse a writer without weights that has answered none of the prompts: no task could be made."""
    answers = Response.objects.filter(policy=policy)
    if not any(answers.filter(prompt__in=part).exists() for part in in_parts(prompts)):
        raise InvalidInput(
            f"{policy} has no weights in the registry to sample from, and has answered none of the "
            f"{len(prompts)} prompts; choose another policy, or prompts that it has answered.",
            fields={"writers": f"{policy} has no answers"},
        )


def _sample_config(config: Mapping[str, Any], writer: Writer, seed: int) -> dict[str, Any]:
    mine = {"k": writer.count, "temperature": writer.temperature, "split": "all", "best_of": writer.best_of}
    return {**config, "seed": seed, "sample": {**config.get("sample", {}), **mine}}


def _pool_order(pool: Pool | None, reward: Model | None) -> dict[str, Any]:
    """Return what the batch's settings keep of a pool."""
    if pool is None or reward is None:
        return {}
    return {
        "pool": {
            "count": pool.count,
            "control_fraction": pool.control_fraction,
            "always": [str(prompt.code) for prompt in pool.always],
            "reward": str(reward.code),
        }
    }


def _chosen(
    order: Mapping[str, Any],
    batch: Batch,
    prompts: Sequence[Prompt],
    given: Mapping[int, Sequence[Response]],
) -> dict[int, str]:
    """Return the prompts that become tasks and how each was chosen; all, without a word, where no pool is."""
    pool = order.get("pool")
    if not pool:
        return {prompt.pk: "" for prompt in prompts}
    always = {prompt.pk: "" for prompt in prompts if str(prompt.code) in pool["always"]}
    scores = {
        prompt.pk: [r.sampling["score"] for r in given[prompt.pk] if "score" in r.sampling]
        for prompt in prompts
        if prompt.pk not in always
    }
    chosen = choose_prompts_by_doubt(
        scores,
        count=pool["count"],
        control_fraction=pool["control_fraction"],
        seed=f"{batch.code}-{order['seed']}",
    )
    return chosen | always


def _responses_of(
    batch: Batch, policy: Policy, prompts: Sequence[Prompt], run: str
) -> dict[int, list[Response]]:
    """Return a policy's responses by prompt: of a sample run, of this batch, or given before."""
    given = Response.objects.filter(policy=policy).order_by("index", "pk")
    if run:
        given = given.filter(sampling__run=run)
    elif Model.objects.filter(policy=policy).exists():
        given = given.filter(sampling__run__in=[str(run.code) for run in batch.sample_runs.all()])
    by_prompt: dict[int, list[Response]] = defaultdict(list)
    for part in in_parts(prompts):
        for response in given.filter(prompt__in=part):
            by_prompt[response.prompt_id].append(response)
    return by_prompt


def _different(responses: Sequence[Response]) -> list[Response]:
    """Leave out repeated texts: there is nothing to rank between equal responses.

    In final evaluations they stay: there a labeler's tie is part of the win rate.
    """
    return list({response.text: response for response in responses}.values())


def choose_prompts(*, split: str, count: int, used_in: str = "", seed: int | None = None) -> list[Prompt]:
    """Choose prompts for a batch: of one split, usable, without personal data, unused ones first.

    `used_in` names the kind of batches whose use counts; where the unused ones do not reach, used ones come
    after them. With a `seed` both are drawn at random, without one the oldest are taken. Raises InvalidInput
    where there are none.
    """
    free = Prompt.objects.usable().filter(split=split, has_pii=False)
    draw = None if seed is None else random.Random(seed)
    used = Exists(Task.objects.filter(prompt=OuterRef("pk"), batch__kind=used_in))
    chosen = _drawn(free.filter(~used) if used_in else free, count, draw)
    if used_in and len(chosen) < count:
        chosen += _drawn(free.filter(used), count - len(chosen), draw)
    if not chosen:
        raise InvalidInput(
            f"There are no prompts in the {split} split; import some first.", fields={"prompts": "none"}
        )
    return chosen


def _drawn(rows: QuerySet[Prompt], count: int, draw: random.Random | None) -> list[Prompt]:
    """Take so many prompts, the oldest or drawn ones; always in the order of their rows."""
    if draw is None:
        return list(rows.order_by("pk")[:count])
    keys = list(rows.order_by("pk").values_list("pk", flat=True))
    drawn = sorted(draw.sample(keys, min(count, len(keys))))
    parts = (Prompt.objects.filter(pk__in=part).order_by("pk") for part in in_parts(drawn))
    return [prompt for part in parts for prompt in part]


def _prompts_of(codes: Iterable[str]) -> dict[str, Prompt]:
    parts = (Prompt.objects.filter(code__in=part) for part in in_parts(codes))
    return {str(prompt.code): prompt for part in parts for prompt in part}


def _newest_index(writer: Policy, prompts: Sequence[Prompt]) -> int:
    """Return the highest index of a policy's responses to these prompts, -1 where there is none."""
    given = Response.objects.filter(policy=writer, prompt__in=prompts)
    newest = given.aggregate(newest=Max("index"))["newest"]
    return -1 if newest is None else int(newest)


def _count_used(prompts: Sequence[Prompt], kind: str) -> int:
    """Return how many of the prompts stand in a batch of this kind already."""
    tasks = Task.objects.filter(batch__kind=kind)
    return sum(
        tasks.filter(prompt__in=part).values("prompt").distinct().count() for part in in_parts(prompts)
    )
