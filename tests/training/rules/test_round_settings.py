"""What may be chosen when a round is opened, and how nonsense is refused."""

from typing import Any

import pytest

from labeling.errors import InvalidInput
from tests.training.factories import sft_dataset, stored_model
from training.rules.round_opening import open_round

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("chosen", "field"),
    [
        ({"gate": {"overlap": 2}}, "gate"),
        ({"gate": {"mood": 0.1}}, "gate"),
        ({"mix": {"newest": 1}, "k": 4}, "mix"),
        ({"mix": {"oldest": 4}}, "mix"),
        ({"start_from": "scratch"}, "start_from"),
        ({"pool": "some"}, "pool"),
        ({"choose_by": ["order"]}, "choose_by"),
        ({"overlap": True}, "overlap"),
        ({"shared_fraction": True}, "shared_fraction"),
        ({"mix": {"newest": True}}, "mix"),
        ({"is_automatic": 1}, "is_automatic"),
        ({"configs": "x"}, "configs"),
        ({"configs": {"pretrain": "tiny_sft"}}, "configs"),
        ({"configs": {"sft": ["a"]}}, "configs"),
        ({"configs": {"sft": "tiny_ppo_ptx"}}, "configs"),
        ({"overrides": ["a"]}, "overrides"),
        ({"overrides": {"bake": ["seed=1"]}}, "overrides"),
        ({"overrides": {"sft": "seed=1"}}, "overrides.sft"),
        ({"overrides": {"sft": [1]}}, "overrides.sft"),
        ({"overrides": {"sft": ["speed=1"]}}, "overrides.sft"),
    ],
)
def test_settings_that_make_no_sense_are_refused(chosen: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as error:
        open_round(base_model=stored_model(), settings=chosen)
    assert set(error.value.fields) == {field}


def test_round_takes_no_labels_for_texts() -> None:
    with pytest.raises(InvalidInput) as error:
        open_round(base_model=stored_model(), pretrain_dataset=sft_dataset())
    assert set(error.value.fields) == {"pretrain_dataset"}
