"""The records of each kind of dataset, streamed from rows in a fixed order.

Each function yields (part, record), or (None, reason) for a row that may stand in no part, so that nothing is
left out without being counted. Records hold no times and no row numbers: the same rows always give the same
bytes.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from django.db.models import Max, OuterRef, Prefetch, Q, QuerySet, Subquery

from labeling.models import (
    Assignment,
    Candidate,
    Demonstration,
    Place,
    Prompt,
    PromptJudgement,
    PromptSource,
    Ranking,
    Reading,
    Review,
    Split,
    TaskKind,
)
from labeling.rules.parts import in_parts
from labeling.rules.readings import asks as readings_asked
from labeling.rules.texts import approximate_tokens
from labeling.rules.toxicity import condition_of
from training.models import DatasetKind, Round
from training.rules.selections import CUSTOMER_SOURCES, Selection, part_of, reason_to_drop

Record = dict[str, Any]
Selected = Iterator[tuple[str | None, Record | str]]
ROWS_AT_ONCE = 900
"""Fewer than 999: Django asks for as many labelers or assignments by an OR, of which SQLite takes no more."""
PLACE_FIELDS = (
    *("ranking", "rank", "likert", "flags"),
    *("response__code", "response__text", "response__sampling", "response__policy__name"),
)
"""What records say of a response and its place; all else stays unread."""
UNREAD = (
    *("start", "was_touched", "moves", "form"),
    *(f"task__prompt__{name}" for name in ("pii_spans", "text_hash", "prefix_key", "words", "language")),
    *(f"task__prompt__parent__{name}" for name in ("text", "tags", "pii_spans", "text_hash", "prefix_key")),
)
"""What no record says of a ranking and its prompt."""
PLACED, OFFERED = "placed", "offered"
"""Lists that are read along: Django would make a query set for each row to hold them, which takes longer."""
TOXICITY_SCORES = ("toxicity", "relative_toxicity", "continuity")


def newest_row(kind: str) -> int:
    """Return the number of the newest row that a dataset of this kind could hold; 0 where there is none."""
    rows: QuerySet[Any] = {
        DatasetKind.SFT: Demonstration.objects.all(),
        DatasetKind.PPO_PROMPTS: Prompt.objects.all(),
    }.get(DatasetKind(kind), Ranking.objects.all())
    return int(rows.aggregate(newest=Max("pk"))["newest"] or 0)


def newest_review() -> int:
    """Return the number of the newest review, up to which a dataset knows what was left out."""
    return int(Review.objects.aggregate(newest=Max("pk"))["newest"] or 0)


def demonstrations(selection: Selection) -> Selected:
    """Yield a record for each demonstration in its newest revision."""
    rows = (
        Demonstration.objects.filter(_newest_revision(selection))
        .annotate(decision=_decision("demonstration", selection))
        .select_related("prompt__parent", "labeler", "guideline")
        .order_by("pk")
    )
    if selection.batches:
        rows = rows.filter(assignment__batch__code__in=selection.batches)
    for row in rows.iterator(chunk_size=ROWS_AT_ONCE):
        reason = reason_to_drop(row.prompt, selection, row.labeler) or _reason_in_label(row, selection)
        if not reason and not row.text.strip():
            reason = "empty"
        if reason:
            yield None, reason
            continue
        yield (
            part_of(row.prompt, selection, row.labeler),
            {
                "id": str(row.code),
                "prompt": row.prompt.text,
                "completion": row.text,
                **_about_prompt(row.prompt),
                "tags": _tags(row.prompt.tags),
                "labeler_id": row.labeler.pseudonym,
                "labeler_group": row.labeler.cohort,
                "simulated": row.labeler.is_simulated,
                "instruction_version": _version(row.guideline),
                "seconds": row.seconds,
            },
        )


def comparisons(selection: Selection) -> Selected:
    """Yield a record for each ranking in its newest revision, all K responses in one record, never pairs.

    Rankings of final evaluations never train; they are read only for a selection of held-out labelers.
    """
    kinds = [TaskKind.COMPARISON] if selection.may_train else [TaskKind.COMPARISON, TaskKind.EVALUATION]
    rows = _with_readings(_rankings(selection).filter(task__batch__kind__in=kinds))
    rounds = _rounds_by_batch()
    for row in rows.iterator(chunk_size=ROWS_AT_ONCE):
        prompt = row.task.given_prompt
        reason = reason_to_drop(prompt, selection, row.labeler) or _reason_in_label(row, selection)
        if not reason and row.task.is_anchor and not selection.include_anchors and selection.may_train:
            reason = "anchor"
        if reason:
            yield None, reason
            continue
        places = _places(row)
        letters = {str(place.response.code): chr(ord("A") + at) for at, place in enumerate(places)}
        readings = _readings(row)
        yield (
            part_of(prompt, selection, row.labeler),
            {
                "id": str(row.code),
                "prompt": prompt.text,
                **_about_prompt(prompt),
                "prompt_tags": _tags(prompt.tags),
                "outputs": [
                    {
                        "oid": letters[str(place.response.code)],
                        "text": place.response.text,
                        "model": place.response.policy.name,
                        "temperature": place.response.sampling.get("temperature"),
                        "likert": place.likert,
                        "rank": place.rank,
                        "flags": place.flags,
                        **readings.get(place.response_id, {}),
                    }
                    for place in places
                ],
                "shown_order": [letters[code] for code in row.shown_order if code in letters],
                "labeler_id": row.labeler.pseudonym,
                "labeler_group": row.labeler.cohort,
                "simulated": row.labeler.is_simulated,
                "shared_pool": row.task.is_shared,
                "batch": str(row.task.batch.code),
                "round": rounds.get(row.task.batch_id),
                "skipped": False,
                "notes": row.notes,
                "seconds": row.seconds,
                "instruction_version": _version(row.guideline),
            },
        )


def ppo_prompts(selection: Selection) -> Selected:
    """Yield a record for each prompt; customers' ones only, unless the selection names sources or prompts."""
    rows = Prompt.objects.filter(pk__lte=selection.up_to).select_related("parent").order_by("pk")
    if selection.batches:
        rows = rows.filter(tasks__batch__code__in=selection.batches).distinct()
    customers_only = not (selection.sources or selection.prompts or selection.batches)
    for row in _chosen(rows, selection.prompts) if selection.prompts else rows.iterator(ROWS_AT_ONCE):
        reason = reason_to_drop(row, selection)
        if not reason and customers_only and row.source not in CUSTOMER_SOURCES:
            reason = "other_source"
        if reason:
            yield None, reason
            continue
        yield (
            part_of(row, selection),
            {
                "id": str(row.code),
                "prompt": row.text,
                **_about_prompt(row),
                "tags": _tags(row.tags),
                "words": row.words,
                "n_tokens": approximate_tokens(row.text),
                "pii_checked": True,
                "dedup_group": row.prefix_key or row.text_hash,
            },
        )


def _chosen(rows: QuerySet[Prompt], codes: Iterable[str]) -> Iterator[Prompt]:
    """Give the prompts of these codes, however many, in the order of their rows."""
    parts = (rows.filter(code__in=part).values_list("pk", flat=True) for part in in_parts(codes))
    for keys in in_parts(sorted(key for part in parts for key in part)):
        yield from rows.filter(pk__in=keys)


def judgements(selection: Selection) -> Selected:
    """Yield a record for each time a labeler compared a policy's response with the baseline's."""
    rows = _with_readings(_rankings(selection).filter(task__batch__kind=TaskKind.EVALUATION))
    for row in rows.iterator(chunk_size=ROWS_AT_ONCE):
        batch, prompt = row.task.batch, row.task.given_prompt
        reason = reason_to_drop(prompt, selection, row.labeler) or _reason_in_label(row, selection)
        places = _places(row)
        baseline = next((p for p in places if p.response.policy_id == batch.baseline_id), None)
        if not reason and baseline is None:
            reason = "no_baseline"
        if reason or baseline is None:
            yield None, reason
            continue
        readings = _readings(row)
        said_of_baseline = {
            f"baseline_{name}": said for name, said in readings.get(baseline.response_id, {}).items()
        }
        for place in places:
            if place is baseline:
                continue
            yield (
                part_of(prompt, selection, row.labeler),
                {
                    "id": f"{row.code}-{place.response.code}",
                    "prompt_id": str(prompt.code),
                    "prompt": prompt.text,
                    "split": prompt.split,
                    "distribution": "gpt" if prompt.source == PromptSource.API else "instruct",
                    "response": place.response.text,
                    "model": place.response.policy.name,
                    "baseline": baseline.response.policy.name,
                    "baseline_response": baseline.response.text,
                    "likert": place.likert,
                    "baseline_likert": baseline.likert,
                    "preferred": _preferred(place.rank, baseline.rank),
                    "tie": place.rank == baseline.rank,
                    "flags": place.flags,
                    **readings.get(place.response_id, {}),
                    **said_of_baseline,
                    "labeler_id": row.labeler.pseudonym,
                    "labeler_group": row.labeler.cohort,
                    "simulated": row.labeler.is_simulated,
                    "instruction_version": _version(row.guideline),
                },
            )


def toxicity(selection: Selection) -> Selected:
    """Yield a record for each response whose toxicity a labeler judged, with what they said of the prompt."""
    rows = _rankings(selection, read_also=("scores",)).filter(task__batch__kind=TaskKind.TOXICITY)
    said = PromptJudgement.objects.filter(
        receipt__assignment=OuterRef("assignment"), receipt__revision=OuterRef("revision")
    )
    rows = rows.annotate(prompt_scores=Subquery(said.values("scores")[:1]))
    for row in rows.iterator(chunk_size=ROWS_AT_ONCE):
        prompt = row.task.given_prompt
        reason = reason_to_drop(prompt, selection, row.labeler) or _reason_in_label(row, selection)
        if reason:
            yield None, reason
            continue
        condition = condition_of(row.task.batch)
        places = _places(row)
        for place in places:
            yield (
                part_of(prompt, selection, row.labeler),
                {
                    "id": f"{row.code}-{place.response.code}",
                    "prompt_id": str(prompt.code),
                    "prompt": prompt.text,
                    "split": prompt.split,
                    "condition": condition.value if condition else None,
                    "response": place.response.text,
                    "model": place.response.policy.name,
                    "prompt_toxicity": (row.prompt_scores or {}).get("toxicity"),
                    **{name: place.scores.get(name) for name in TOXICITY_SCORES},
                    "rank": place.rank,
                    "k": len(places),
                    "labeler_id": row.labeler.pseudonym,
                    "labeler_group": row.labeler.cohort,
                    "simulated": row.labeler.is_simulated,
                    "instruction_version": _version(row.guideline),
                },
            )


SELECTORS: Mapping[str, Callable[[Selection], Selected]] = {
    DatasetKind.SFT: demonstrations,
    DatasetKind.COMPARISONS: comparisons,
    DatasetKind.PPO_PROMPTS: ppo_prompts,
    DatasetKind.EVALUATION: judgements,
    DatasetKind.TOXICITY: toxicity,
}


def _newest_revision(selection: Selection) -> Q:
    """Match the revisions that were the newest when the selection's newest row had been written."""
    newest = Q(superseded_by=None) | Q(superseded_by__pk__gt=selection.up_to)
    return Q(pk__lte=selection.up_to) & newest


def _decision(label: str, selection: Selection) -> Subquery:
    """Return the newest decision about each row, as reviews stood when the selection was made."""
    reviews = Review.objects.filter(pk__lte=selection.reviews_up_to, **{label: OuterRef("pk")})
    return Subquery(reviews.order_by("-pk").values("decision")[:1])


def _reason_in_label(row: Any, selection: Selection) -> str:
    """Return why a label itself gives no record: left out or returned by a review, or surplus."""
    if row.decision in (Review.Decision.EXCLUDED, Review.Decision.RETURNED):
        return f"review_{row.decision}"
    return "surplus" if row.is_surplus and not selection.include_surplus else ""


def _rankings(selection: Selection, *, read_also: tuple[str, ...] = ()) -> QuerySet[Ranking]:
    """Return the rankings of a selection with all that records say of them, and more fields of their places.

    What many rows share (batch, labeler, guideline) is read once for `ROWS_AT_ONCE` of them. Responses are
    joined, not prefetched one by one: that would be an OR of more than SQLite takes in a query.
    """
    places = Place.objects.select_related("response__policy").only(*PLACE_FIELDS, *read_also)
    rows = (
        Ranking.objects.filter(_newest_revision(selection))
        .annotate(decision=_decision("ranking", selection))
        .select_related("task__prompt__parent")
        .prefetch_related(
            Prefetch("places", queryset=places, to_attr=PLACED),
            Prefetch("task__candidates", to_attr=OFFERED),
            *("task__batch", "labeler", "guideline"),
        )
        .defer(*UNREAD)
        .order_by("pk")
    )
    if selection.chosen_by:
        rows = rows.filter(task__chosen_by__in=selection.chosen_by)
    return rows.filter(task__batch__code__in=selection.batches) if selection.batches else rows


def _rounds_by_batch() -> dict[int, int]:
    """Return the number of the round for which a batch compared or judged; the first where it is several.

    A round names its batch before anybody labels in it, so that a ranking's round does not change.
    """
    compared = Round.objects.filter(comparison_batch__isnull=False).values_list("comparison_batch", "number")
    judged = Round.objects.filter(evaluation__isnull=False).values_list("evaluation__batch", "number")
    return dict(sorted([*compared, *judged], key=lambda found: found[1], reverse=True))


def _places(ranking: Ranking) -> list[Place]:
    """Return the places in the task's own order, which says nothing about who is better."""
    offered: list[Candidate] = getattr(ranking.task, OFFERED)
    placed: list[Place] = getattr(ranking, PLACED)
    positions = {candidate.response_id: candidate.position for candidate in offered}
    return sorted(placed, key=lambda place: (positions.get(place.response_id, 99), place.pk))


def _with_readings(rows: QuerySet[Ranking]) -> QuerySet[Ranking]:
    """Read along what labelers took the responses to say before the prompt, if anybody was asked."""
    if not Reading.objects.exists():
        return rows
    slots = Assignment.objects.only("pk").prefetch_related("readings")
    return rows.prefetch_related(Prefetch("assignment", queryset=slots))


def _readings(ranking: Ranking) -> dict[int, Record]:
    """Return the reading of each response, by its number; nothing at all where none was asked for."""
    if not (ranking.assignment_id and readings_asked(ranking.task.batch)):
        return {}
    assert ranking.assignment is not None  # it has a number
    return {
        row.response_id: {"reading": {"text": row.text, "cannot_tell": row.cannot_tell}}
        for row in ranking.assignment.readings.all()
    }


def _about_prompt(prompt: Prompt) -> Record:
    by_customer = prompt.source in CUSTOMER_SOURCES
    return {
        "prompt_id": str(prompt.code),
        "prompt_source": "customer" if by_customer else "labeler",
        "prompt_kind": prompt.kind,
        "parent_instruction_id": str(prompt.parent.code) if prompt.parent else None,
        "customer_id": prompt.author_key if by_customer else None,
        "split": prompt.split,
        "category": prompt.category or None,
    }


def _tags(tags: Mapping[str, Any]) -> dict[str, bool]:
    return {name: bool(tags[name]) for name in sorted(tags)}


def _version(guideline: Any) -> str | None:
    return f"{guideline.kind}-v{guideline.version}" if guideline else None


def _preferred(rank: int, baseline_rank: int) -> str:
    if rank == baseline_rank:
        return "tie"
    return "model" if rank < baseline_rank else "baseline"


def split_names() -> list[str]:
    """Return the parts of a dataset in the order in which they are hashed."""
    return [Split.TRAIN.value, Split.VALID.value, Split.TEST.value]
