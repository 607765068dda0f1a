"""The address of every page of a researcher, for a registry that somebody has filled."""

from collections.abc import Callable

from django.urls import reverse

from tests.training.registry import Registry
from training.models import Dataset, Model, ModelKind

PLAIN = (
    "dashboard", "dataset-list", "dataset-freeze", "run-list", "worker-list", "model-list", "model-import",
    "round-list", "round-create", "evaluation-list", "evaluation-create", "evaluation-figures",
    "benchmark-list", "benchmark-order",
    "playground", "playground-votes",
    "costs", "pay-rates", "machine-rates", "webhook-list", "webhook-create",
)  # fmt: skip
STAGES = ("pretrain", "sft", "reward", "ppo", "dpo", "sample", "evaluate")
MODELS = (ModelKind.BASE, ModelKind.SFT, ModelKind.REWARD, ModelKind.PPO)
Address = Callable[[Registry], str]


def plain(name: str, *args: str) -> Address:
    """Return the address of a page that is the same whatever there is."""
    return lambda made: reverse(name, args=args)


def side_by_side(name: str) -> Address:
    """Return the address of a page about five runs, or as many as there are."""
    return lambda made: reverse(name) + "?" + "&".join(f"run={run.code}" for run in made.runs[-5:])


def of_newest(name: str, kind: ModelKind) -> Address:
    """Return the address of a page about the newest model of a kind."""
    return lambda made: reverse(name, args=[Model.objects.of_kind(kind).order_by("-pk")[0].code])


PAGES: dict[str, Address] = {name: plain(name) for name in PLAIN}
PAGES |= {f"run-create-{stage}": plain("run-create", stage) for stage in STAGES}
PAGES |= {name: side_by_side(name) for name in ("run-compare", "run-compare-points")}
PAGES |= {f"model-{kind.value}": of_newest("model-detail", kind) for kind in MODELS}
PAGES |= {name: of_newest(name, ModelKind.PPO) for name in ("model-card", "model-sample")}
PAGES |= {
    "run-detail": lambda made: reverse("run-detail", args=[made.runs[-1].code]),
    "run-log": lambda made: reverse("run-log", args=[made.runs[-1].code]),
    "run-samples": lambda made: reverse("run-samples", args=[made.runs[-1].code]),
    "run-live": lambda made: reverse("run-detail", args=[made.runs[-1].code]) + "?part=live",
    "run-points": lambda made: reverse("run-points", args=[made.runs[-1].code]),
    "run-clone": lambda made: reverse("run-create", args=["ppo"]) + f"?from={made.runs[-1].code}",
    "dataset-detail": lambda made: reverse(
        "dataset-detail", args=[Dataset.objects.filter(kind="sft")[0].code]
    ),
    "round-first": lambda made: reverse("round-detail", args=[made.rounds[0].code]),
    "round-last": lambda made: reverse("round-detail", args=[made.rounds[-1].code]),
    "round-next": lambda made: reverse("round-next", args=[made.rounds[-1].code]),
    "evaluation-detail": lambda made: reverse("evaluation-detail", args=[made.evaluations[-1].code]),
}
