"""A reward model scores the responses that people ranked, so that its opinion stands beside theirs.

An evaluate run whose config names `RANKED` as its file of responses: the worker writes that file when it
prepares the folder, and the scores that come back are kept as `labeling.ResponseScore`.
"""

import json
import tomllib
from pathlib import Path
from uuid import UUID

from labeling.errors import Conflict, InvalidInput
from labeling.models import User
from labeling.rules.response_scores import record_scores, responses_without_score
from training.models import Model, ModelKind, Run, Stage
from training.rules.run_folder import responses_in
from training.rules.run_lengths import lengths_for
from training.rules.runs import create_run

RANKED = "ranked_responses.jsonl"
ROWS_AT_ONCE = 1000


def order_scores(*, model: Model, by: User | None = None) -> Run:
    """Queue a run in which a reward model scores every ranked response that it has not scored yet.

    `training.tasks.enqueue_run` wakes a worker for it. Raises InvalidInput for a model that gives no scores,
    Conflict where there is nothing to score.
    """
    if model.kind != ModelKind.REWARD:
        raise InvalidInput(
            f"{model} is no reward model, so it gives no scores.", fields={"model": model.kind}
        )
    if not responses_without_score(model.code).exists():
        raise Conflict(f"{model} has scored every ranked response.", code="nothing_to_score")
    config: dict[str, dict[str, object]] = {"evaluate": {"responses": RANKED}}
    if lengths := lengths_for(Stage.EVALUATE, model):
        config["lengths"] = dict(lengths)
    return create_run(stage=Stage.EVALUATE, config=config, inputs={"reward": model}, by=by)


def is_scoring(run: Run) -> bool:
    """Return whether a run scores ranked responses."""
    if run.stage != Stage.EVALUATE:
        return False
    return bool(tomllib.loads(run.config).get("evaluate", {}).get("responses") == RANKED)


def write_ranked_responses(*, run: Run, folder: Path) -> int:
    """Write the responses to score into the folder of a run, one a line; an earlier attempt's file stays."""
    path = folder / RANKED
    if path.exists():
        return 0
    written = 0
    draft = path.with_suffix(".new")
    with draft.open("w", encoding="utf-8") as file:
        for response in responses_without_score(_reward_model(run).code).iterator(chunk_size=ROWS_AT_ONCE):
            line = {"code": str(response.code), "prompt": response.prompt.text, "response": response.text}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
            written += 1
    draft.replace(path)
    return written


def store_scores(*, run: Run, folder: Path) -> int:
    """Keep the scores that a finished run gave. Doing it twice changes nothing. Returns their number.

    Raises InvalidInput where a score is no number: the model is broken, and none of its scores is kept.
    """
    model = _reward_model(run)
    scores = {UUID(record["code"]): float(record["score"]) for record in responses_in(folder)}
    return record_scores(scorer=model.code, scorer_name=model.name, scores=scores)


def _reward_model(run: Run) -> Model:
    model = run.inputs.get(name="reward").model
    if model is None:
        raise InvalidInput(f"{run} names no reward model.")
    return model
