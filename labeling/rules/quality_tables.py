"""The quality pages' figures as plain tables, for files."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from labeling.errors import NotFound
from labeling.rules.quality_reports import report

Rows = Iterator[list[Any]]
AGREEMENT = (
    "value",
    "low",
    "high",
    "standard_error",
    "macro",
    "chance",
    "tie_fraction",
    "pairs",
    "tasks",
    "labelers",
)
SHARES = ("consensus", "gold", "reward_model", "likert_offset", "ties", "skips", "first_shown", "longer")


@dataclass(frozen=True)
class Table:
    """A table to be written to a file."""

    name: str
    header: list[str]
    rows: list[list[Any]]


def quality_table(name: str) -> Table:
    """Return one of the tables. Raises NotFound for another name, or before anything was computed."""
    if name not in TABLES:
        raise NotFound(f'There is no table "{name}"; there is {", ".join(TABLES)}.')
    section, header, rows = TABLES[name]
    body = report(section).body
    if body is None:
        raise NotFound("These figures are being computed; ask again in a minute.")
    return Table(name, header, list(rows(body)))


def _agreement(body: dict[str, Any]) -> Rows:
    for mode, found in body["modes"].items():
        yield [mode, "all", "", "All rankings", *_figures(found["total"])]
        for part in found["slices"]:
            for row in part["rows"]:
                yield [mode, part["key"], row["key"], row["label"], *_figures(row["agreement"])]


def _pairs(body: dict[str, Any]) -> Rows:
    names = [who["pseudonym"] for who in body["labelers"]]
    for cell in body["cells"]:
        for mode, found in cell["modes"].items():
            yield [mode, names[cell["a"]], names[cell["b"]], *_figures(found)]


def _labelers(body: dict[str, Any]) -> Rows:
    for row in body["labelers"]:
        shares = [row[name][key] for name in SHARES for key in ("value", "low", "high", "tasks")]
        estimate, slope = row["estimate"] or {}, row["length_slope"] or {}
        yield [
            row["pseudonym"],
            row["cohort"],
            row["rankings"],
            estimate.get("value"),
            estimate.get("standard_error"),
            *shares,
            slope.get("value"),
            slope.get("standard_error"),
            row["seconds"],
            row["pace"],
            row["competence"],
            row.get("right_if_first"),
            row.get("right_if_later"),
            "; ".join(row["reasons_to_look"]),
        ]


def _items(body: dict[str, Any]) -> Rows:
    for row in body["items"]:
        yield [row[key] for key in ITEM_COLUMNS]


def _flags(body: dict[str, Any]) -> Rows:
    for row in body["flags"]:
        positive, ac1 = row["positive_interval"] or (None, None), row["ac1_interval"] or (None, None)
        alpha = row["alpha"]
        yield [
            row["key"],
            row["label"],
            row["asked"],
            row["prevalence"],
            row["units"],
            row["agreement"],
            row["positive"],
            *positive,
            row["ac1"],
            *ac1,
            alpha["value"],
            alpha["low"],
            alpha["high"],
            alpha["undefined"],
        ]


def _drift(body: dict[str, Any]) -> Rows:
    for point in body["consensus"]:
        yield [
            "agreement with the others",
            "",
            point["at"],
            point["value"],
            point["low"],
            point["high"],
            None,
        ]
    for anchors in body["anchor_sets"]:
        for row in anchors["batches"]:
            share = row["share"]
            yield [
                anchors["name"],
                row["label"],
                "",
                share["value"],
                share["low"],
                share["high"],
                share["tasks"],
            ]
        for point in anchors["line"]:
            yield [anchors["name"], "", point["at"], point["value"], point["low"], point["high"], None]


def _figures(agreement: dict[str, Any]) -> list[Any]:
    return [agreement[key] for key in AGREEMENT]


ITEM_COLUMNS = (
    "task", "batch", "batch_name", "category", "k", "labelers", "opposite", "tied_by_one", "pairs", "share",
    "tau_b",
)  # fmt: skip
TABLES = {
    "agreement": ("agreement", ["tie_mode", "by", "key", "label", *AGREEMENT], _agreement),
    "pairs": ("pairs", ["tie_mode", "labeler", "other", *AGREEMENT], _pairs),
    "labelers": (
        "labelers",
        [
            "labeler",
            "cohort",
            "rankings",
            "estimate",
            "estimate_standard_error",
            *(f"{name}{end}" for name in SHARES for end in ("", "_low", "_high", "_tasks")),
            "length_slope",
            "length_slope_standard_error",
            "median_seconds",
            "seconds_per_1000_characters",
            "competence",
            "right_if_better_shown_first",
            "right_if_better_shown_later",
            "reasons_to_look",
        ],
        _labelers,
    ),
    "items": ("items", list(ITEM_COLUMNS), _items),
    "flags": (
        "ratings",
        [
            "flag", "label", "asked", "prevalence", "units", "agreement", "positive", "positive_low",
            "positive_high", "ac1", "ac1_low", "ac1_high", "alpha", "alpha_low", "alpha_high", "undefined",
        ],
        _flags,
    ),
    "drift": ("drift", ["what", "batch", "at", "value", "low", "high", "tasks"], _drift),
}  # fmt: skip
