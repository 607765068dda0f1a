"""From a prompt or a labeler to everything that saw it; older datasets are looked through afterwards."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.factories import LabelerFactory, PromptFactory
from tests.training.factories import demonstration, ranking, stored_model
from training.models import Dataset, DatasetLabeler, DatasetPrompt, Model, ModelKind, Run, RunInput, Stage
from training.rules.dataset_members import count_untraced, trace_datasets
from training.rules.datasets import freeze_dataset, freeze_texts
from training.rules.models import models_of
from training.rules.seen_by import labeler_seen_by, prompt_seen_by

pytestmark = pytest.mark.django_db


def trained(name: str, kind: ModelKind = ModelKind.SFT, **inputs: Dataset | Model) -> Model:
    """Return a model of a finished run that read these."""
    run = Run.objects.create(stage=Stage.SFT, folder=name)
    for role, given in inputs.items():
        kind_of = "dataset" if isinstance(given, Dataset) else "model"
        RunInput.objects.create(run=run, name=role, **{kind_of: given})
    model = stored_model(kind, name)
    Model.objects.filter(pk=model.pk).update(run=run)
    return Model.objects.get(pk=model.pk)


def test_a_prompt_leads_to_datasets_runs_and_models_even_through_another_model() -> None:
    prompt, other = PromptFactory.create(), PromptFactory.create()
    demonstration(prompt=prompt)
    first = freeze_dataset(kind="sft")
    demonstration(prompt=other)
    second = freeze_dataset(kind="sft")
    direct = trained("sft-a", dataset=first)
    reward = trained("rm-a", ModelKind.REWARD, policy=direct)
    ppo = trained("ppo-a", ModelKind.PPO, policy=stored_model(), reward=reward)
    unrelated = trained("sft-b", policy=stored_model())
    seen = prompt_seen_by(prompt)
    assert {dataset.pk for dataset in seen.datasets} == {first.pk, second.pk}
    assert seen.direct == [direct]
    assert set(seen.later) == {reward, ppo}
    assert unrelated not in seen.models
    assert [run.pk for run in seen.runs] == [direct.run_id]
    assert [dataset.pk for dataset in prompt_seen_by(other).datasets] == [second.pk]
    assert models_of(first) == [direct, reward, ppo]


def test_a_ranking_counts_for_its_labeler_and_its_prompt() -> None:
    ana = LabelerFactory.create()
    prompt = PromptFactory.create()
    ranking([1, 2, 3, 4], labeler=ana, prompt=prompt)
    ranking([1, 2, 3, 4], labeler=ana)
    ranking([1, 2, 3, 4])
    dataset = freeze_dataset(kind="comparisons")
    assert labeler_seen_by(ana).records == {dataset.pk: 2}
    assert DatasetPrompt.objects.filter(dataset=dataset).count() == 3
    assert prompt_seen_by(prompt).datasets == [dataset]


def test_what_nobody_froze_was_seen_by_nothing() -> None:
    seen = prompt_seen_by(PromptFactory.create())
    assert (seen.datasets, seen.runs, seen.models, seen.untraced) == ([], [], [], 0)


def test_datasets_from_before_are_looked_through_once() -> None:
    made = demonstration()
    dataset = freeze_dataset(kind="sft")
    freeze_texts(name="books", texts=["Once upon a time."])
    DatasetPrompt.objects.all().delete()
    DatasetLabeler.objects.all().delete()
    Dataset.objects.update(traced_at=None)
    assert prompt_seen_by(made.prompt).untraced == count_untraced() == 1
    assert trace_datasets() == 1
    assert prompt_seen_by(made.prompt).datasets == [dataset]
    assert labeler_seen_by(made.labeler).records == {dataset.pk: 1}
    assert (count_untraced(), trace_datasets()) == (0, 0)


def test_a_thousand_models_cost_as_many_statements_as_ten() -> None:
    made = demonstration()
    dataset = freeze_dataset(kind="sft")
    base = stored_model()
    count = 1000
    runs = Run.objects.bulk_create([Run(stage=Stage.SFT, folder=f"many-{n}") for n in range(count)])
    models = Model.objects.bulk_create(
        [Model(name=f"many-{n}", kind=ModelKind.SFT, run=run) for n, run in enumerate(runs)]
    )
    RunInput.objects.bulk_create(
        [RunInput(run=run, name="policy", model=models[n - 1] if n else base) for n, run in enumerate(runs)]
    )
    RunInput.objects.create(run=runs[0], name="dataset", dataset=dataset)
    with CaptureQueriesContext(connection) as queries:
        seen = prompt_seen_by(made.prompt)
    assert len(seen.models) == count
    assert seen.direct == [models[0]]
    assert len(queries) <= 7
