"""The table at the end of a demo, and the one over several seeds."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from training.demo.measures import BASELINE, PPO_NAMES, Report, Row

ENOUGH = 0.6
"""The win rate against SFT, by the gold preference, that counts in the table over seeds."""


def show_report(report: Report, console: Console) -> None:
    """Print the table of policies, the reward model's test and the agreement of simulated labelers."""
    title = f"{report.test_prompts} prompts of test authors, seed {report.seed}"
    heads = ("", "gold", "good", "wins by gold", "by labelers", "KL", "ptx loss", "tokens", "ended")
    table = _table(title, heads)
    for row in report.rows:
        table.add_row(*_cells(row))
    console.print(table)
    reward = report.reward
    console.print(
        f"Wins are against {BASELINE}, ties half, with 95 % intervals; labelers are simulated and held out.\n"
        f"Reward model on held-out labelers: {reward.accuracy} of {reward.pairs} pairs "
        f"(chance 50 %; two of these labelers agree on {reward.agreement}).\n"
        f"Simulated training labelers agree on {report.train_agreement} of pairs.",
        highlight=False,
        markup=False,
    )


def show_seeds(reports: Sequence[Mapping[str, Any]], console: Console) -> dict[str, Any]:
    """Print a line per seed with medians, and return the summary."""
    heads = ["seed", *(f"gold {name}" for name in ("base", BASELINE, *PPO_NAMES))]
    heads += [f"wins {name}" for name in PPO_NAMES] + [f"judged {name}" for name in PPO_NAMES]
    heads += [
        "RM",
        *(f"KL {name}" for name in PPO_NAMES),
        *(f"ptx {name}" for name in PPO_NAMES),
        "seconds",
    ]
    table = _table("Gold scores, and wins against SFT by gold and by held-out labelers", heads)
    lines = [_seed_line(report) for report in reports]
    for line in lines:
        table.add_row(str(line[0]), *(_number(value) for value in line[1:]))
    medians = [_median(column) for column in list(zip(*lines, strict=True))[1:]]
    table.add_row("median", *(_number(value) for value in medians), end_section=True)
    console.print(table)
    wins = {
        name: [report for report in reports if (_row(report, name)["gold_win"]["value"] or 0.0) > ENOUGH]
        for name in PPO_NAMES
    }
    for name, given in wins.items():
        console.print(
            f"{name} wins above {ENOUGH:.0%} in {len(given)} of {len(reports)} seeds.", highlight=False
        )
    return {
        "seeds": len(reports),
        "wins": {name: len(given) for name, given in wins.items()},
        "medians": dict(zip(heads[1:], medians, strict=True)),
    }


def _table(title: str, heads: Sequence[str]) -> Table:
    """Return an empty table, narrow enough for a terminal of eighty columns where it can be."""
    table = Table(
        title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False
    )
    for head in heads:
        table.add_column(head, justify="right" if head else "left")
    return table


def _seed_line(report: Mapping[str, Any]) -> list[float | int | None]:
    names = ("base", BASELINE, *PPO_NAMES)
    line: list[float | int | None] = [report["seed"]]
    line += [_row(report, name)["gold"] for name in names]
    line += [_row(report, name)["gold_win"]["value"] for name in PPO_NAMES]
    line += [_row(report, name)["label_win"]["value"] for name in PPO_NAMES]
    line.append(report["reward"]["accuracy"]["value"])
    line += [_row(report, name)["kl"] for name in PPO_NAMES]
    line += [_row(report, name)["ptx_loss"] for name in PPO_NAMES]
    line.append(sum(report["seconds"].values()))
    return line


def _row(report: Mapping[str, Any], policy: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next(row for row in report["rows"] if row["policy"] == policy)
    return found


def _median(column: Sequence[float | int | None]) -> float | None:
    known = [value for value in column if value is not None]
    return median(known) if known else None


def _cells(row: Row) -> list[str]:
    return [
        row.policy,
        f"{row.gold:.3f}",
        f"{row.good:.0%}",
        str(row.gold_win),
        str(row.label_win),
        _number(row.kl),
        _number(row.ptx_loss),
        f"{row.tokens:.1f}",
        f"{row.ended:.0%}",
    ]


def _number(value: float | int | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.3f}"
