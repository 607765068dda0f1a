"""docs/agreement.md lists exactly the figures that the code computes."""

import re
from dataclasses import fields
from pathlib import Path

from labeling.rules.agreement import TIE_MODES, Agreement
from labeling.rules.flag_agreement import FlagAgreement
from labeling.rules.labeler_quality import LabelerQuality

PAGE = Path(__file__).resolve().parents[2] / "docs" / "agreement.md"
NOT_FIGURES = {"agreement.tie_mode", "labeler.labeler"}
REPORTED = {"alpha.sign", "alpha.likert", "alpha.flag", "tau_b", "w"}
REPORTED |= {"drift.consensus", "drift.anchor", "items.share", "items.tau_b"}


def computed() -> set[str]:
    """Name every figure by its family and its field."""
    families = {"agreement": Agreement, "flag": FlagAgreement, "labeler": LabelerQuality}
    names = {f"{family}.{field.name}" for family, kind in families.items() for field in fields(kind)}
    return names - NOT_FIGURES | {f"agreement.{mode}" for mode in TIE_MODES} | REPORTED


def documented() -> list[str]:
    return re.findall(r"^\| `([a-z0-9_.]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


def test_every_figure_is_documented_once_and_nothing_else_is() -> None:
    assert len(documented()) == len(set(documented()))
    assert set(documented()) == computed()


def test_every_figure_says_how_it_is_defined() -> None:
    rows = [
        line.split("|") for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")
    ]
    assert all(len(row) >= 6 and row[2].strip() for row in rows)
