"""Orders repeat from their seed and lose nothing."""

import torch

from training.rlhf.batching import (
    derive_seed,
    left_pad,
    microbatches,
    minibatch_order,
    permutation,
    position_ids,
    right_pad,
)

LENGTHS = [(i * 7) % 23 + 1 for i in range(101)]


def test_every_example_comes_once_an_epoch_in_an_order_of_its_own() -> None:
    first, second = (minibatch_order(LENGTHS, 4, seed=1, epoch=epoch) for epoch in (0, 1))
    assert sorted(i for batch in first for i in batch) == list(range(101))
    assert [len(batch) for batch in first].count(4) == 25
    assert first != second
    assert first == minibatch_order(LENGTHS, 4, seed=1, epoch=0)


def test_minibatches_hold_examples_of_similar_length() -> None:
    batches = minibatch_order(LENGTHS, 4, seed=1, epoch=0)
    spread = [max(LENGTHS[i] for i in batch) - min(LENGTHS[i] for i in batch) for batch in batches]
    assert sum(spread) / len(spread) < 4


def test_microbatches_stay_within_their_budget_of_padded_tokens() -> None:
    groups = microbatches(LENGTHS, 60)
    assert sorted(i for group in groups for i in group) == list(range(101))
    assert all(len(group) * max(LENGTHS[i] for i in group) <= 60 for group in groups)
    assert microbatches([100, 1], 60) == [[1], [0]]


def test_seeds_of_different_streams_differ() -> None:
    assert derive_seed(1, "a", 2) == derive_seed(1, "a", 2)
    assert (
        len({derive_seed(1, "a", 2), derive_seed(1, "a", 3), derive_seed(1, "b", 2), derive_seed(2, "a", 2)})
        == 4
    )
    assert permutation(50, 1, "x") != permutation(50, 1, "y")


def test_positions_count_real_tokens_on_either_padding_side() -> None:
    ids, mask = left_pad([[5, 6], [7, 8, 9]])
    assert ids.tolist() == [[0, 5, 6], [7, 8, 9]]
    assert position_ids(mask).tolist() == [[0, 0, 1], [0, 1, 2]]
    ids, mask = right_pad([[5, 6], [7, 8, 9]], width=4)
    assert ids.tolist() == [[5, 6, 0, 0], [7, 8, 9, 0]]
    assert position_ids(mask)[:, :2].tolist() == [[0, 1], [0, 1]]
    assert torch.equal(mask.sum(1), torch.tensor([2, 3]))
