"""The gate before training: what labels of a round must show, with reasons, and the signed way past it."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
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
    """One thing that must hold before training: what was found beside what is wanted.

    `is_note`: there was nothing to check, which holds nothing back but is worth knowing.
    """

    key: str
    title: str
    has_passed: bool
    found: str
    wanted: str
    is_note: bool = False


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
    """Check the labels that a round is about to train on: its demonstrations, once it has them comparisons.

    `read` gives what labelers made of a batch, for who has read it already.
    """
    batch, dataset = given.comparison_batch, given.comparisons_dataset
    if dataset is None and given.sft_dataset is not None:
        return _signed(
            given, [replace(check, key=f"sft_{check.key}") for check in _contents(given.sft_dataset)]
        )
    wanted = {**DEFAULTS, **given.settings.get("gate", {})}
    checks = [
        *([_overlap(batch, wanted["overlap"])] if wanted["overlap"] else []),
        *([_agreement(batch, wanted["agreement"], read)] if wanted["agreement"] else []),
        *([_gold(batch, wanted["gold"])] if wanted["gold"] else []),
        *(_contents(dataset) if dataset is not None else []),
    ]
    return _signed(given, checks)


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
        if locked.comparisons_dataset_id is None and locked.sft_dataset_id is None:
            raise Conflict(
                f"{given} has frozen no labels yet, so nothing is held back.", code="gate_not_reached"
            )
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


def _gold(batch: Batch | None, wanted: float) -> Check:
    """Compare rankings of gold tasks with the references; only a note where there is nothing to compare."""
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
    least = f"{100 * wanted:.0f} % at least"
    if pairs:
        found = f"{alike} of {pairs} pairs as the reference has them ({100 * alike / pairs:.0f} %)"
        return Check("gold", "Gold", alike / pairs >= wanted, found, least)
    if answers and not ranks:
        found = f"nobody has answered the {counted(len(answers), 'gold task')}"
        return Check("gold", "Gold", False, found, least)
    found = "no reference puts one response above another" if answers else "no task has a reference"
    return Check("gold", "Gold", True, found, f"{least}, where there is gold", is_note=True)


def _contents(dataset: Dataset) -> list[Check]:
    """Check all that a dataset holds: whose prompts stand where, whose labels train, and personal data."""
    held = Prompt.objects.filter(held_in__dataset=dataset).order_by()
    authors = Prompt.objects.filter(author_key__in=held.values("author_key")).order_by().values("author_key")
    private = Q(has_pii=True, split=Split.TRAIN, pk__in=held.values("pk"))
    by_author = authors.annotate(splits=Count("split", distinct=True), private=Count("pk", filter=private))
    counts = by_author.aggregate(torn=Count("author_key", filter=Q(splits__gt=1)), personal=Sum("private"))
    torn, personal = counts["torn"] or 0, counts["personal"] or 0
    is_known = dataset.traced_at is not None
    unknown = "its prompts have not been looked through yet; that is done by itself"
    stand = f"{counted(torn, 'author')} in more than one split" if torn else "each author stands in one split"
    named = f"{counted(personal, 'prompt')} of the train split with personal data"
    return [
        Check(
            "authors",
            "Authors",
            is_known and not torn,
            stand if is_known else unknown,
            "one split for each author",
        ),
        _held_out(dataset),
        Check(
            "personal_data",
            "Personal data",
            is_known and not personal,
            named if is_known else unknown,
            "none",
        ),
    ]


def _held_out(dataset: Dataset) -> Check:
    count = dataset.statistics.get("counts", {}).get("labeler_group", {}).get(Cohort.HELD_OUT.value, 0)
    return Check(
        "held_out",
        "Held-out labelers",
        not (count and dataset.counts.get("train")),
        f"{counted(count, 'record')} of held-out labelers",
        "none where a part trains",
    )


def _rankings(batch: Batch | None) -> Any:
    return Ranking.objects.counted().filter(task__batch=batch)


def _signed(given: Round, checks: list[Check]) -> Gate:
    """Return the gate with the newest signature that covers all that fails, and the newest that does not."""
    failed = {check.key for check in checks if not check.has_passed}
    signatures = list(given.gate_overrides.select_related("by").order_by("-pk"))
    covering = next((row for row in signatures if failed <= row.failed.keys()), None)
    return Gate(checks, covering, signatures[0] if signatures and covering is None else None)
