"""The gate before training: what labels of a round must show, with reasons, and the signed way past it."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Count, Q, Sum

from labeling.errors import Conflict, InvalidInput
from labeling.models import Batch, Cohort, GoldAnswer, Place, Prompt, Ranking, Split, User
from labeling.rules import audit
from labeling.rules.agreement import CHANCE, MetRankings, met_rankings
from labeling.rules.gold import compare_ranks
from labeling.rules.texts import counted
from training.models import Dataset, GateOverride, Round

DEFAULTS: Mapping[str, float] = {"overlap": 0.1, "agreement": CHANCE["strict"], "gold": 0.7}
"""Stiennon et al. 2020, App. C.1: 10 to 20 % of the tasks go to several labelers. 0 switches a check off."""
MIN_REASON, MAX_REASON = 10, 1000


@dataclass(frozen=True)
class Check:
    """One thing that must hold before training: what was found beside what is wanted."""

    key: str
    title: str
    has_passed: bool
    found: str
    wanted: str


@dataclass(frozen=True)
class Gate:
    """The checks of a round, and who has opened the gate in spite of all that fails now.

    earlier   a signature under other failures: it does not open the gate, what fails since is not its
    """

    checks: list[Check]
    override: GateOverride | None
    earlier: GateOverride | None = None

    @property
    def failed(self) -> list[Check]:
        return [check for check in self.checks if not check.has_passed]

    @property
    def is_open(self) -> bool:
        return not self.failed or self.override is not None


def gate_of(given: Round, read: Callable[[Batch], MetRankings] = met_rankings) -> Gate:
    """Check the labels that a round is about to train on.

    `read` gives what labelers made of a batch, for who has read it already.
    """
    wanted = {**DEFAULTS, **given.settings.get("gate", {})}
    batch, dataset = given.comparison_batch, given.comparisons_dataset
    checks = [
        *([_overlap(batch, wanted["overlap"])] if wanted["overlap"] else []),
        *([_agreement(batch, wanted["agreement"], read)] if wanted["agreement"] else []),
        *([_gold(batch, wanted["gold"])] if wanted["gold"] else []),
        *_prompts(batch, dataset),
    ]
    return _signed(given, [check for check in checks if check is not None])


def open_gate(*, given: Round, reason: str, by: User) -> GateOverride:
    """Let a round train although a check fails: signed, with the reason and what had failed.

    The signature holds while nothing fails that had not failed then. Raises InvalidInput for a reason that is
    too short to explain anything, Conflict where nothing fails or somebody has signed for all that does.
    """
    if not MIN_REASON <= len(reason.strip()) <= MAX_REASON:
        text = f"Say in {MIN_REASON} to {MAX_REASON} characters why this round may train all the same."
        raise InvalidInput(text, fields={"reason": text})
    with transaction.atomic():
        locked = Round.objects.select_for_update().get(pk=given.pk)
        gate = gate_of(locked)
        if gate.failed and gate.override is not None:
            text = f"The gate of {given} is open already: {gate.override.by} has signed."
            raise Conflict(text, code="gate_open")
        if gate.is_open:
            raise Conflict(f"The gate of {given} is open already.", code="gate_open")
        failed = {check.key: f"{check.found}; wanted: {check.wanted}" for check in gate.failed}
        override = GateOverride.objects.create(round=locked, by=by, reason=reason.strip(), failed=failed)
        audit.record(actor=by, action="open_gate", obj=locked, reason=override.reason, failed=failed)
    return override


def check_thresholds(given: Any) -> str:
    """Return what is wrong with the thresholds that somebody set, empty where nothing is."""
    if not isinstance(given, Mapping) or set(given) - set(DEFAULTS):
        return f"gate is {given!r}; allowed is a mapping with {', '.join(DEFAULTS)}."
    wrong = {key: value for key, value in given.items() if not _is_share(value)}
    return f"gate has {wrong}; allowed are numbers from 0 to 1, 0 for no check." if wrong else ""


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _overlap(batch: Batch | None, wanted: float) -> Check:
    labeled = _rankings(batch).values("task").annotate(people=Count("labeler", distinct=True))
    people = list(labeled.values_list("people", flat=True))
    total, shared = len(people), sum(count >= 2 for count in people)
    share = shared / total if total else 0.0
    return Check(
        "overlap",
        "Several labelers",
        share >= wanted,
        f"{shared} of {total} tasks have two labelers or more ({100 * share:.0f} %)",
        f"{100 * wanted:.0f} % at least",
    )


def _agreement(batch: Batch | None, wanted: float, read: Callable[[Batch], MetRankings]) -> Check:
    found = read(batch).agreement() if batch is not None else None
    if found is None or found.value is None or found.low is None or found.high is None:
        text = "no two labelers ranked the same responses"
        return Check("agreement", "Agreement", False, text, f"an interval above {100 * wanted:.0f} %")
    return Check(
        "agreement",
        "Agreement",
        found.low > wanted,
        f"{100 * found.value:.1f} % (95 %: {100 * found.low:.1f} to {100 * found.high:.1f})",
        f"an interval above {100 * wanted:.0f} %",
    )


def _gold(batch: Batch | None, wanted: float) -> Check | None:
    """Compare rankings of gold tasks with the references; no check where the batch has no gold."""
    pairs = alike = 0
    gold = GoldAnswer.objects.current().filter(task__batch=batch).only("task", "judgements")
    answers = {answer.task_id: answer.ranks for answer in gold}
    ranks: dict[tuple[int, int], dict[str, int]] = defaultdict(dict)
    if answers:
        places = Place.objects.filter(ranking__in=_rankings(batch).filter(task__in=answers).order_by())
        for task, ranking, code, rank in places.order_by().values_list(
            "ranking__task", "ranking", "response__code", "rank"
        ):
            ranks[task, ranking][str(code)] = rank
    for (task, _), mine in ranks.items():
        met = compare_ranks(mine, answers[task])
        pairs, alike = pairs + met.pairs, alike + met.alike
    if not pairs:
        return None
    return Check(
        "gold",
        "Gold",
        alike / pairs >= wanted,
        f"{alike} of {pairs} pairs as the reference has them ({100 * alike / pairs:.0f} %)",
        f"{100 * wanted:.0f} % at least",
    )


def _prompts(batch: Batch | None, dataset: Dataset | None) -> list[Check]:
    """Check what was taken: whose prompts stand where, whose labels train, and personal data."""
    authors = Prompt.objects.filter(tasks__batch=batch).values("author_key")
    personal = Q(tasks__batch=batch, has_pii=True, split=Split.TRAIN)
    by_author = (
        Prompt.objects.filter(author_key__in=authors)
        .order_by()
        .values("author_key")
        .annotate(splits=Count("split", distinct=True), private=Count("pk", filter=personal, distinct=True))
    )
    found = by_author.aggregate(torn=Count("author_key", filter=Q(splits__gt=1)), personal=Sum("private"))
    torn, count = found["torn"] or 0, found["personal"] or 0
    return [
        Check(
            "authors",
            "Authors",
            torn == 0,
            f"{torn} authors stand in more than one split" if torn else "each author stands in one split",
            "one split for each author",
        ),
        _held_out(dataset),
        Check(
            "personal_data",
            "Personal data",
            count == 0,
            f"{counted(count, 'prompt')} of the train split with personal data",
            "none",
        ),
    ]


def _held_out(dataset: Dataset | None) -> Check:
    groups = (dataset.statistics.get("counts", {}) if dataset else {}).get("labeler_group", {})
    count = groups.get(Cohort.HELD_OUT.value, 0)
    trains = bool(dataset and dataset.counts.get("train"))
    return Check(
        "held_out",
        "Held-out labelers",
        not (count and trains),
        f"{counted(count, 'record')} of held-out labelers",
        "none where a part trains",
    )


def _rankings(batch: Batch | None) -> Any:
    return Ranking.objects.newest().filter(task__batch=batch, is_surplus=False)


def _signed(given: Round, checks: list[Check]) -> Gate:
    """Return the gate with the newest signature that covers all that fails, and the newest that does not."""
    failed = {check.key for check in checks if not check.has_passed}
    signatures = list(given.gate_overrides.select_related("by").order_by("-pk"))
    covering = next((row for row in signatures if failed <= row.failed.keys()), None)
    return Gate(checks, covering, signatures[0] if signatures and covering is None else None)
