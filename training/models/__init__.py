"""The training side's rows, one noun a file."""

from training.models.benchmarks import BenchmarkResult
from training.models.datasets import Dataset, DatasetKind
from training.models.evaluations import Evaluation
from training.models.lineage import DatasetLabeler, DatasetPrompt
from training.models.machine_rates import MachineRate
from training.models.models import Model, ModelKind, ModelStatus
from training.models.playground import Conversation, Reply, ReplyState, Side, Turn, Vote
from training.models.rounds import GateOverride, Round
from training.models.run_reports import LogPiece, RunResources
from training.models.runs import MetricPoint, Run, RunCurve, RunInput, RunState, Stage
from training.models.workers import Worker

__all__ = [
    "BenchmarkResult",
    "Conversation",
    "Dataset",
    "DatasetKind",
    "DatasetLabeler",
    "DatasetPrompt",
    "Evaluation",
    "GateOverride",
    "LogPiece",
    "MachineRate",
    "MetricPoint",
    "Model",
    "ModelKind",
    "ModelStatus",
    "Reply",
    "ReplyState",
    "Round",
    "Run",
    "RunCurve",
    "RunInput",
    "RunResources",
    "RunState",
    "Side",
    "Stage",
    "Turn",
    "Vote",
    "Worker",
]
