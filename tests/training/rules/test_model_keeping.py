"""Models that are promoted, archived, stripped of their weights, carded and taken away."""

import io
import tarfile
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from labeling.errors import Conflict, InvalidInput
from labeling.models import AuditEvent
from tests.factories import LabelerFactory, PromptFactory
from tests.training.factories import demonstration, ranking, sft_dataset, sft_run, stored_model
from training.models import Model, ModelKind, ModelStatus, Run, RunInput, RunState
from training.rlhf.config import ConfigError
from training.rules import artifacts, models, rounds, runs
from training.rules.datasets import freeze_dataset
from training.rules.evaluations import start_evaluation
from training.rules.model_cards import card_of_model, labelers_behind
from training.rules.model_export import stream_archive
from training.rules.model_keeping import archive_model, delete_weights, promote_model, restore_model
from training.rules.run_inputs import choices_for, preferred
from training.rules.seen_by import labeler_seen_by

pytestmark = pytest.mark.django_db


def trained_on(dataset: object, name: str = "sft-1") -> Model:
    """Return the model of a finished SFT run on a dataset."""
    run = sft_run({"sft": {"epochs": 3}})
    RunInput.objects.filter(run=run, name="dataset").update(dataset=dataset)
    Run.objects.filter(pk=run.pk).update(state=RunState.FINISHED)
    run.refresh_from_db()
    model = models.register_model(run=run, facts={"metrics": {"loss/valid": 1.25}})
    assert model is not None
    model.name = name
    model.save()
    return model


def test_one_model_of_a_kind_is_promoted_and_forms_offer_it_first() -> None:
    older, newer = stored_model(ModelKind.SFT), stored_model(ModelKind.SFT)
    reward = stored_model(ModelKind.REWARD)
    promote_model(model=newer)
    promote_model(model=reward)
    promote_model(model=older)
    statuses = dict(Model.objects.values_list("pk", "status"))
    assert statuses == {older.pk: "promoted", newer.pk: "registered", reward.pk: "promoted"}
    assert preferred("ppo", "policy") == older
    assert AuditEvent.objects.filter(action="promote_model").count() == 3


def test_an_archived_model_is_offered_no_more_until_it_is_restored() -> None:
    model = stored_model()
    with pytest.raises(InvalidInput, match="Say why"):
        archive_model(model=model, reason=" ")
    archive_model(model=model, reason="made by mistake")
    assert model not in choices_for("sft", "policy")
    with pytest.raises(Conflict, match="is archived"):
        promote_model(model=model)
    restore_model(model=model)
    assert model in choices_for("sft", "policy")


@pytest.mark.django_db(transaction=True)
def test_deleted_weights_are_gone_and_the_record_stays() -> None:
    model = stored_model()
    dataset = sft_dataset()
    delete_weights(model=model, reason="the licence has ended")
    assert not artifacts.exists(model.folder)
    model.refresh_from_db()
    assert (model.status, model.weights_deleted_at is not None) == (ModelStatus.ARCHIVED, True)
    delete_weights(model=model, reason="once more")
    with pytest.raises(ConfigError, match="weights were deleted"):
        runs.create_run(stage="sft", config={}, inputs={"policy": model, "dataset": dataset})
    with pytest.raises(Conflict, match="were deleted on"):
        next(stream_archive(model))


def test_weights_that_are_needed_are_not_deleted() -> None:
    promoted, in_round = stored_model(ModelKind.SFT), stored_model(name="start")
    promote_model(model=promoted)
    run = sft_run()
    read = run.inputs.get(name="policy").model
    assert read is not None
    rounds.open_round(base_model=in_round)
    for model, why in ((promoted, "promoted"), (read, "queued and reads it"), (in_round, "starts from it")):
        with pytest.raises(Conflict, match=why):
            delete_weights(model=model, reason="to save space")
    assert not Model.objects.exclude(weights_deleted_at=None).exists()


def test_a_labeler_leads_to_every_model_behind_which_their_labels_stand() -> None:
    ana, ben = LabelerFactory.create(), LabelerFactory.create()
    demonstration(labeler=ana)
    first = trained_on(freeze_dataset(kind="sft"))
    demonstration(labeler=ben)
    second = trained_on(freeze_dataset(kind="sft"), "sft-2")
    child = stored_model(ModelKind.PPO, "ppo-1")
    child.run = sft_run()
    RunInput.objects.filter(run=child.run, name="policy").update(model=second)
    child.save()
    assert set(labeler_seen_by(ana).models) >= {first, second, child}
    assert first not in labeler_seen_by(ben).models
    assert {second, child} <= set(labeler_seen_by(ben).models)
    assert labeler_seen_by(LabelerFactory.create()).models == []


def test_the_card_says_what_is_behind_a_model_and_how_it_was_judged() -> None:
    labeler = LabelerFactory.create(is_simulated=True)
    demonstration(labeler=labeler)
    dataset = freeze_dataset(kind="sft", name="First demonstrations")
    model = trained_on(dataset)
    baseline = stored_model(ModelKind.SFT, "baseline")
    assert model.policy is not None
    assert baseline.policy is not None
    evaluation, _ = start_evaluation(
        policy=model.policy,
        baseline=baseline.policy,
        prompts=[PromptFactory.create(split="test")],
        config={},
    )
    ranking([1, 2], policies=(model.policy, baseline.policy), batch=evaluation.batch)
    card = card_of_model(model)
    for words in (
        "# sft-1",
        f"hash {dataset.hash}",
        "First demonstrations, 1 record",
        "`sft.epochs` = 3 (paper: 16",
        "Final `loss/valid`: 1.25",
        "win rate 100.0 % (95 % interval",
        "1 of 1 labelers are simulated",
    ):
        assert words in card, (words, card)
    assert labelers_behind([dataset]) == {labeler.pseudonym: 1}


def test_the_archive_holds_the_folder_as_it_is_and_a_card_that_the_store_does_not_get() -> None:
    model = stored_model(name="tiny")
    with tarfile.open(fileobj=io.BytesIO(b"".join(stream_archive(model)))) as archive:
        names = archive.getnames()
        card = archive.extractfile("tiny/README.md")
        assert card is not None
        text = card.read().decode()
    assert sorted(names) == ["tiny/README.md", "tiny/config.json"]
    assert text.startswith("---\nlibrary_name: transformers")
    with pytest.raises(FileNotFoundError), artifacts.reading(model.folder, "README.md"):
        pass


def test_a_model_is_copied_out_by_name_into_an_empty_folder(tmp_path: Path) -> None:
    stored_model(name="tiny")
    call_command("export_model", "tiny", "--out", str(tmp_path / "out"))
    assert (tmp_path / "out" / "config.json").stat().st_nlink == 1
    assert "# tiny" in (tmp_path / "out" / "README.md").read_text()
    with pytest.raises(CommandError, match="not empty"):
        call_command("export_model", "tiny", "--out", str(tmp_path / "out"))
    with pytest.raises(CommandError, match="the newest are: tiny"):
        call_command("export_model", "tinny", "--out", str(tmp_path / "new"))
