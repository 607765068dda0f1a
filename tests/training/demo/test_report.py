from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from training.demo import seeds
from training.demo.report import show_seeds


def report(seed: int, win: float) -> dict[str, Any]:
    def row(policy: str) -> dict[str, Any]:
        share = {"value": win, "low": win - 0.05, "high": win + 0.05}
        return {
            "policy": policy,
            "gold": 0.5,
            "gold_win": share,
            "label_win": share,
            "kl": 1.0,
            "ptx_loss": 0.8,
        }

    return {
        "seed": seed,
        "rows": [row(policy) for policy in ("base", "SFT", "PPO", "PPO-ptx")],
        "reward": {"accuracy": {"value": 0.7}},
        "seconds": {"a": 100.0, "b": 50.0},
    }


def test_the_table_over_seeds_counts_wins_above_sixty_percent_and_has_medians() -> None:
    output = StringIO()

    summary = show_seeds([report(1, 0.7), report(2, 0.6), report(3, 0.65)], Console(file=output, width=200))

    assert summary["wins"] == {"PPO": 2, "PPO-ptx": 2}
    assert summary["medians"]["wins PPO"] == pytest.approx(0.65)
    assert summary["medians"]["seconds"] == 150
    assert "PPO wins above 60% in 2 of 3 seeds." in output.getvalue()


def test_each_seed_has_a_folder_of_its_own_and_a_failed_one_says_its_last_words(
    monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path
) -> None:
    settings.DATA_DIR = tmp_path
    settings.BASE_DIR = tmp_path
    (tmp_path / "manage.py").write_text(
        "import os, sys\n"
        "assert os.environ['SERVE'] == '0' and 'DATABASE_URL' not in os.environ\n"
        "sys.exit('out of luck') if '--seed=2' in sys.argv else print('{\"seed\": 1}')\n"
    )
    monkeypatch.setenv("DATABASE_URL", "postgres://server/of-others")

    reports, failures = seeds.run_seeds(2, at_once=2, console=Console(quiet=True))

    assert reports == [{"seed": 1}]
    assert failures == ["Seed 2 has no result: out of luck"]
    assert (tmp_path / "seeds" / "1" / "demo.log").exists()
