"""The training side's rows, one noun a file."""

from training.models.datasets import Dataset, DatasetKind
from training.models.evaluations import Evaluation
from training.models.models import Model, ModelKind, ModelStatus
from training.models.rounds import GateOverride, Round
from training.models.runs import MetricPoint, Run, RunCurve, RunInput, RunState, Stage
from training.models.workers import Worker

__all__ = [
    "Dataset",
    "DatasetKind",
    "Evaluation",
    "GateOverride",
    "MetricPoint",
    "Model",
    "ModelKind",
    "ModelStatus",
    "Round",
    "Run",
    "RunCurve",
    "RunInput",
    "RunState",
    "Stage",
    "Worker",
]
