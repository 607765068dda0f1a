"""The registry: what enters it, and walking from a model to everything behind it and made from it."""

from pathlib import Path

import pytest

from labeling.errors import InvalidInput
from labeling.models import Policy
from tests.factories import UserFactory
from tests.training.factories import ranking, sft_run, stored_model
from tests.training.registry import fill
from training.models import GateOverride, Model, ModelKind, Run
from training.rules import artifacts, datasets, lineage, models, round_choices, runs
from training.rules.model_cards import card_of_model

pytestmark = pytest.mark.django_db


def registered(run: Run) -> Model:
    model = models.register_model(run=run, facts={})
    assert model is not None
    return model


def test_lineage_goes_back_to_the_labels_and_forward_to_what_was_made() -> None:
    sft = registered(sft_run())
    ranking([1, 2])
    comparisons = datasets.freeze_dataset(kind="comparisons")
    prompts = datasets.freeze_dataset(kind="ppo_prompts")
    reward = registered(
        runs.create_run(stage="reward", config={}, inputs={"policy": sft, "dataset": comparisons})
    )
    ppo = registered(
        runs.create_run(stage="ppo", config={}, inputs={"policy": sft, "reward": reward, "prompts": prompts})
    )
    tree = lineage.lineage(ppo)
    assert [dataset for _, dataset in tree.datasets] == [prompts]
    assert [(node.role, node.model) for node in tree.sources] == [("policy", sft), ("reward", reward)]
    assert tree.sources[0].datasets[0][1].kind == "sft"
    assert tree.sources[1].sources[0].is_repeated
    assert (ppo.parent, ppo.reward_model) == (sft, reward)
    assert lineage.descendants(sft) == [reward, ppo]
    assert models.models_of(comparisons) == [reward, ppo]


def test_a_lineage_is_followed_as_far_as_asked_and_says_where_it_was_cut() -> None:
    first = registered(sft_run())
    dataset = first.run.inputs.get(name="dataset").dataset if first.run else None
    assert dataset is not None
    second = registered(runs.create_run(stage="sft", config={}, inputs={"policy": first, "dataset": dataset}))
    (cut,) = lineage.lineage(second, levels=1).sources
    assert (cut.model, cut.is_cut, cut.sources, cut.datasets) == (first, True, [], [])
    (whole,) = lineage.lineage(second, levels=2).sources
    assert not whole.is_cut
    assert [node.is_cut for node in whole.sources] == [False], "nothing lies behind a model from outside"
    assert lineage.datasets_behind(second) == [dataset], "however far the tree is shown"


def test_lineage_and_card_name_the_round_its_choices_and_who_opened_its_gate() -> None:
    made = fill(by=UserFactory.create(), rounds=2, points=2)
    first, last = made.rounds
    last.settings |= {"pool": "round", "mix": {"newest": 2, "best_of": 1, "sft": 1}, "choose_by": "doubt"}
    last.save()
    signer = UserFactory.create(name="Dana")
    found = {"overlap": "0 of 3 tasks have two labelers or more; wanted: 10 % at least"}
    GateOverride.objects.create(round=last, by=signer, reason="A pilot.", failed=found)
    model = Model.objects.get(run=last.ppo_run)
    tree = lineage.lineage(model)
    assert tree.round == last
    assert {node.model.name: node.round for node in tree.sources} == {"ppo-1": first, "reward-2": last}
    card = card_of_model(model)
    for line in (
        "- Made in: round 2",
        "  - PPO started from: the newest policy",
        "  - The reward model learned from: comparisons of its round only",
        "  - Prompts were taken: where the reward model was in doubt",
        "2 by the newest policy, 1 by the supervised policy, 1 by the best of 16 by the newest",
        f"  - Trained in spite of: {found['overlap']}. Reason given: A pilot.",
        "- reward: reward-2 (Reward model, round 2)",
    ):
        assert line in card
    assert "Dana" not in card
    told = round_choices.round_body(last)
    assert (told["number"], told["settings"]["mix"]["best_of"]) == (2, 1)
    assert [(row["by"], row["failed"]) for row in told["gate_overrides"]] == [(str(signer), found)]


def test_reward_model_has_no_policy_and_others_have_one_of_their_name() -> None:
    sft = registered(sft_run(model_name="careful"))
    assert sft.policy == Policy.objects.get(name="careful", kind=Policy.Kind.TRAINED)
    ranking([1, 2])
    comparisons = datasets.freeze_dataset(kind="comparisons")
    reward = registered(
        runs.create_run(stage="reward", config={}, inputs={"policy": sft, "dataset": comparisons})
    )
    assert reward.policy is None


def test_registering_twice_gives_one_model() -> None:
    run = sft_run()
    assert registered(run) == registered(run)


def test_taken_name_gets_a_number() -> None:
    Policy.objects.create(name="careful", kind=Policy.Kind.IMPORTED)
    assert registered(sft_run(model_name="careful")).name == "careful-2"


def test_folder_is_imported_with_its_files(tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "config.json").write_text("{}")
    model = models.import_model(source=str(tmp_path / "tiny"), name="tiny")
    assert artifacts.exists(model.folder)
    assert model.policy is not None
    assert model.policy.kind == Policy.Kind.IMPORTED


def test_hub_id_is_kept_as_a_name() -> None:
    model = models.import_model(source="example/tiny-lm", name="tiny")
    assert (model.folder, model.source) == ("", "example/tiny-lm")


@pytest.mark.parametrize(
    ("source", "words"), [("no such folder", "no folder here and no hub id"), (".", "holds no config.json")]
)
def test_what_is_no_model_is_refused(source: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        models.import_model(source=source, name="tiny")


def test_taken_or_empty_names_are_refused() -> None:
    stored_model(ModelKind.SFT, name="careful")
    with pytest.raises(InvalidInput, match="taken"):
        models.import_model(source="example/tiny", name="careful")
    with pytest.raises(InvalidInput, match="1 to 120 characters"):
        models.import_model(source="example/tiny", name=" ")
