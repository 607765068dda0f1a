"""Agreement on ratings and flags: alpha of the Likert scores, and each flag with its own figures."""

from dataclasses import asdict
from typing import Any

import numpy as np
from django.db.models import QuerySet

from labeling.models import Cohort, Form, Place, Ranking
from labeling.rules.alpha import krippendorff_alpha
from labeling.rules.flag_agreement import flag_agreement
from labeling.rules.ranking_columns import Floats, Ints
from labeling.rules.stored_rankings import ROWS_AT_ONCE, StoredRankings


def ratings_report(stored: StoredRankings, rankings: QuerySet[Ranking]) -> dict[str, Any]:
    """Return alpha of the ratings, over all and by cohort, and agreement on each flag that was asked."""
    columns = stored.columns
    task = columns.task[columns.ranking]
    unit = task * max(1, len(columns.responses)) + columns.response
    cohort = np.array([who.cohort for who in stored.labelers] or [""])[columns.labeler[columns.ranking]]

    def likert(keep: Any) -> dict[str, Any]:
        found = krippendorff_alpha(unit[keep], stored.likert[keep], level="ordinal", cluster=task[keep])
        return asdict(found)

    answers = _flags(stored, rankings)
    labels = flag_labels()
    return {
        "likert": likert(slice(None)),
        "likert_cohorts": [
            {"key": value, "label": label, "alpha": likert(cohort == value)}
            for value, label in Cohort.choices
        ],
        "flags": [
            {"key": key, "label": labels.get(key, key), **asdict(flag_agreement(unit, column, cluster=task))}
            for key, column in sorted(answers.items())
        ],
    }


def flag_labels() -> dict[str, str]:
    """Return how each flag is called on the forms, the newest wording last."""
    return {
        flag["key"]: flag.get("label", flag["key"])
        for schema in Form.objects.order_by("version").values_list("schema", flat=True)
        for flag in schema.get("flags") or ()
    }


def _flags(stored: StoredRankings, rankings: QuerySet[Ranking]) -> dict[str, Floats]:
    """Return each flag's answers, one entry a place: 1 yes, 0 no, NaN not asked."""
    columns = stored.columns
    place_of = dict(zip(_names(stored), range(len(columns.ranking)), strict=True))
    found: dict[str, Floats] = {}
    rows = Place.objects.filter(ranking__in=rankings.order_by()).exclude(flags={}).order_by()
    for ranking, response, flags in rows.values_list("ranking_id", "response_id", "flags").iterator(
        chunk_size=ROWS_AT_ONCE
    ):
        place = place_of.get((ranking, response))
        if place is None:
            continue
        for key, answer in flags.items():
            if key not in found:
                found[key] = np.full(len(columns.ranking), np.nan)
            if isinstance(answer, bool):
                found[key][place] = answer
    return found


def _names(stored: StoredRankings) -> list[tuple[int, int]]:
    columns = stored.columns
    responses: Ints = np.array(columns.responses or [0], dtype=np.int64)
    pks = stored.pk[columns.ranking].tolist() if len(columns.ranking) else []
    return list(zip(pks, responses[columns.response].tolist(), strict=True))
