"""The quality pages' figures: computed by a task, kept, read by pages; small projects at once."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db.models import Max, Min
from django.utils import timezone

from labeling.models import Adjudication, Batch, GoldAnswer, QualityReport, Ranking, ResponseScore, Skip
from labeling.rules.agreement import batch_agreement
from labeling.rules.agreement_slices import agreement_report, pairs_report
from labeling.rules.disagreements import items_report
from labeling.rules.drift_report import drift_report, labeler_lines
from labeling.rules.labeler_quality import LabelerQuality, labeler_quality
from labeling.rules.labeler_ratios import Share
from labeling.rules.ratings_report import ratings_report
from labeling.rules.response_facts import load_response_facts
from labeling.rules.stored_rankings import load_rankings, newest_rankings

AT_ONCE = 300
"""So many rankings are computed while the page waits; with more, the page shows what is kept."""
AT_ONCE_IF_NOTHING_IS_KEPT = 20_000
REST = 20
"""So much longer than computing a section took, it is left as it is."""


@dataclass(frozen=True)
class Report:
    """A section with its figures.

    as_of   when it was computed
    newer   rankings made since that it does not count
    body    None where nothing was computed yet and there is too much to do it now
    """

    section: str
    body: dict[str, Any] | None
    as_of: datetime
    newer: int = 0


def report(section: str) -> Report:
    """Return a section as kept, or computed now where that is stale and quickly done. Writes nothing."""
    kept = QualityReport.objects.filter(section=section).first()
    seen = what_is_there()
    if kept is not None and kept.seen == seen:
        return Report(section, kept.body, kept.computed_at)
    rankings = Ranking.objects.count()
    if rankings <= (AT_ONCE if kept is not None else AT_ONCE_IF_NOTHING_IS_KEPT):
        return Report(section, SECTIONS[section](), timezone.now())
    if kept is None:
        return Report(section, None, timezone.now(), rankings)
    newer = Ranking.objects.filter(created_at__gt=kept.computed_at).count()
    return Report(section, kept.body, kept.computed_at, newer)


def kept_report(section: str) -> Report:
    """Return a section as it was last kept, whether or not labels came since; computed where none is kept.

    For pages that only mention it: one query, where asking how current it is takes seven.
    """
    kept = QualityReport.objects.filter(section=section).first()
    return Report(section, kept.body, kept.computed_at) if kept is not None else report(section)


@dataclass(frozen=True)
class BatchFigure:
    """The agreement of one batch with its interval; `as_of` is None where it was computed for this page."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    as_of: datetime | None = None


def batch_figure(batch: Batch, *, rankings: int) -> BatchFigure:
    """Return the agreement of a batch that has so many rankings: computed now, or as kept where it is large.

    Without a figure where none is kept and too much is there to compute one while a page waits.
    """
    if rankings <= AT_ONCE:
        now = batch_agreement(batch)
        return BatchFigure(now.value, now.low, now.high)
    kept = kept_report("agreement")
    slices = kept.body["modes"]["strict"]["slices"] if kept.body else []
    rows: list[dict[str, Any]] = next((part["rows"] for part in slices if part["key"] == "batch"), [])
    found = next((row["agreement"] for row in rows if row["key"] == str(batch.code)), None)
    if found is None:
        return BatchFigure(as_of=kept.as_of)
    return BatchFigure(found["value"], found["low"], found["high"], kept.as_of)


def refresh_reports(*, force: bool = False, spare: bool = False) -> list[str]:
    """Compute and keep every section that labels were added for since; returns which.

    `force` computes all of them. `spare` leaves the machine to others: a section that took a second is not
    computed again within the next twenty.
    """
    seen = what_is_there()
    fresh = set() if force else set(QualityReport.objects.filter(seen=seen).values_list("section", flat=True))
    if spare:
        kept = QualityReport.objects.values_list("section", "computed_at", "seconds")
        now = timezone.now()
        fresh |= {section for section, at, took in kept if (now - at).total_seconds() < REST * took}
    done = []
    for section, build in SECTIONS.items():
        if section in fresh:
            continue
        started = time.monotonic()
        body = build()
        QualityReport.objects.update_or_create(
            section=section,
            defaults={
                "body": body,
                "seen": seen,
                "computed_at": timezone.now(),
                "seconds": time.monotonic() - started,
            },
        )
        done.append(section)
    return done


def what_is_there() -> str:
    """Name the state of everything the figures are made from; labels are only added, so keys suffice."""
    newest = [
        rows.aggregate(key=Max("pk"))["key"] or 0
        for rows in (
            Ranking.objects.all(),
            GoldAnswer.objects.all(),
            Adjudication.objects.all(),
            Skip.objects.all(),
        )
    ]
    withdrawn = GoldAnswer.objects.exclude(withdrawn_at=None).count()
    scores = ResponseScore.objects.aggregate(first=Min("pk"), last=Max("pk"))
    return "-".join(str(key or 0) for key in (*newest, withdrawn, scores["first"], scores["last"]))


def labeler_mapping(quality: LabelerQuality) -> dict[str, Any]:
    """Return a labeler's figures as they are kept and as programs get them."""
    who = quality.labeler
    shares = {name: value.as_mapping() for name, value in vars(quality).items() if isinstance(value, Share)}
    return {
        "code": str(who.code),
        "pseudonym": who.pseudonym,
        "cohort": who.cohort,
        "is_simulated": who.is_simulated,
        "rankings": quality.rankings,
        **shares,
        "estimate": _pair(quality.estimate),
        "length_slope": _pair(quality.length_slope),
        "seconds": quality.seconds,
        "pace": quality.pace,
        "competence": quality.competence,
        "competence_pairs": quality.competence_pairs,
        "right_if_first": quality.right_if_first,
        "right_if_later": quality.right_if_later,
        "change": asdict(quality.change) | {"is_clear": quality.change.is_clear} if quality.change else None,
        "reasons_to_look": quality.reasons_to_look,
    }


def _agreement() -> dict[str, Any]:
    return agreement_report(load_rankings(newest_rankings(), shared_only=True))


def _pairs() -> dict[str, Any]:
    return pairs_report(load_rankings(newest_rankings(), shared_only=True))


def _ratings() -> dict[str, Any]:
    rankings = newest_rankings()
    return ratings_report(load_rankings(rankings), rankings)


def _items() -> dict[str, Any]:
    return items_report(load_rankings(newest_rankings(), shared_only=True))


def _drift() -> dict[str, Any]:
    return drift_report(load_rankings(newest_rankings()))


def _labelers() -> dict[str, Any]:
    rankings = newest_rankings()
    stored = load_rankings(rankings)
    facts = load_response_facts(stored, rankings)
    lines = labeler_lines(stored)
    rows = [
        labeler_mapping(quality) | {"line": lines[quality.labeler.code]}
        for quality in labeler_quality(stored, facts)
    ]
    return {"labelers": rows, "scorer": facts.scorer}


def _pair(found: tuple[float, float] | None) -> dict[str, float] | None:
    return None if found is None else {"value": found[0], "standard_error": found[1]}


SECTIONS: dict[str, Callable[[], dict[str, Any]]] = {
    "agreement": _agreement,
    "pairs": _pairs,
    "labelers": _labelers,
    "ratings": _ratings,
    "items": _items,
    "drift": _drift,
}
