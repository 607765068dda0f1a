"""Kept figures: as of when, stale or fresh, the same as computed now; reads write nothing."""

import json

import pytest

from labeling.models import Batch, Labeler, QualityReport, User
from labeling.rules import quality_reports
from labeling.rules.comparisons import Judgement, record_ranking
from labeling.tasks import refresh_quality
from tests.factories import qualified_labeler, ranked_batch


def rank_all(batch: Batch, *labelers: Labeler) -> None:
    for number, task in enumerate(batch.tasks.all()):
        codes = [candidate.response.code for candidate in task.candidates.all()]
        for turn, labeler in enumerate(labelers):
            ranks = list(range(1, len(codes) + 1))
            ranks = ranks[::-1] if turn and number % 3 == 0 else ranks
            judgements = [
                Judgement(code, rank, 8 - rank, {"fails_task": rank > 2})
                for code, rank in zip(codes, ranks, strict=True)
            ]
            record_ranking(task=task, labeler=labeler, judgements=judgements)


@pytest.fixture
def ranked(alice: Labeler) -> Batch:
    batch = ranked_batch(tasks=6, k=3)
    rank_all(batch, alice, qualified_labeler())
    return batch


@pytest.mark.parametrize("section", list(quality_reports.SECTIONS))
def test_every_section_is_computed_with_and_without_labels(section: str, db: None) -> None:
    empty = quality_reports.report(section)
    assert empty.body is not None
    assert json.loads(json.dumps(empty.body)) is not None


@pytest.mark.parametrize("section", list(quality_reports.SECTIONS))
def test_what_is_kept_is_what_would_be_computed(section: str, ranked: Batch) -> None:
    now = quality_reports.report(section)
    assert QualityReport.objects.count() == 0
    assert set(quality_reports.refresh_reports()) == set(quality_reports.SECTIONS)
    kept = quality_reports.report(section)
    assert kept.body == json.loads(json.dumps(now.body))
    assert kept.as_of == QualityReport.objects.get(section=section).computed_at
    assert kept.newer == 0


def test_nothing_is_computed_again_until_a_label_comes(ranked: Batch, alice: Labeler) -> None:
    quality_reports.refresh_reports()
    assert refresh_quality() == 0
    rank_all(ranked_batch(tasks=1, k=3), alice)
    assert set(quality_reports.refresh_reports()) == set(quality_reports.SECTIONS)


def test_a_large_project_shows_what_is_kept_and_how_much_is_newer(
    ranked: Batch, alice: Labeler, monkeypatch: pytest.MonkeyPatch
) -> None:
    quality_reports.refresh_reports()
    rank_all(ranked_batch(tasks=2, k=3), alice, qualified_labeler())
    monkeypatch.setattr(quality_reports, "AT_ONCE", 3)
    stale = quality_reports.report("agreement")
    assert stale.body is not None
    assert (stale.newer, stale.body["tasks"]) == (4, 6)


def test_a_large_project_without_kept_figures_says_so(ranked: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality_reports, "AT_ONCE_IF_NOTHING_IS_KEPT", 3)
    assert quality_reports.report("agreement").body is None


def test_a_costly_section_rests_unless_asked_for(ranked: Batch, alice: Labeler) -> None:
    quality_reports.refresh_reports()
    QualityReport.objects.update(seconds=3600)
    rank_all(ranked_batch(tasks=1, k=3), alice)
    assert refresh_quality() == 0
    assert len(quality_reports.refresh_reports()) == len(quality_reports.SECTIONS)


def test_figures_of_the_sections_by_hand(ranked: Batch, alice: Labeler, dana: User) -> None:
    agreement = quality_reports.report("agreement").body
    assert agreement is not None
    strict = agreement["modes"]["strict"]
    assert strict["total"]["value"] == pytest.approx(4 / 6)
    by_key = {part["key"]: part["rows"] for part in strict["slices"]}
    assert [row["key"] for row in by_key["k"]] == [3]
    assert [row["key"] for row in by_key["batch"]] == [str(ranked.code)]
    assert by_key["cohort"][0]["agreement"]["pairs"] == 18
    items = quality_reports.report("items").body
    assert items is not None
    assert (items["tasks"], items["disagreeing"]) == (6, 2)
    assert [row["share"] for row in items["items"]] == [1.0, 1.0]
    ratings = quality_reports.report("ratings").body
    assert ratings is not None
    assert [flag["key"] for flag in ratings["flags"]] == ["fails_task"]
    pairs = quality_reports.report("pairs").body
    assert pairs is not None
    assert (len(pairs["labelers"]), len(pairs["cells"])) == (2, 1)
