"""The words of stored codes and values."""

from labeling.rules import batch_changes
from labeling.templatetags.labels import detail_words, kind_names, undo_words, value_words, version_words


def test_stored_values_are_written_without_brackets_and_quotes() -> None:
    assert value_words(["train", "researcher"]) == "train, researcher"
    assert (value_words([]), value_words(None), value_words(0)) == ("–", "–", "0")
    assert (value_words(True), value_words(False)) == ("yes", "no")
    assert (
        detail_words({"leaves_out": False, "kinds": ["prompt"], "reason": ""})
        == "leaves out: no; kinds: Prompt writing"
    )
    assert detail_words(
        {"before": {"lease_seconds": 1800, "deadline_at": "2026-03-02T09:05:00+00:00", "cohorts": ["train"]}}
    ) == (
        "before: lease 30 min, deadline 2 Mar 2026, 09:05, cohorts Training labelers"
    )  # fmt: skip


def test_every_change_that_can_be_undone_says_what_undoing_it_does() -> None:
    words = {undo_words(action) for action in batch_changes.UNDOABLE}
    assert undo_words("resume_batch") == "pause it again"
    assert "put it back" not in words


def test_versions_of_guidelines_are_named_and_unknown_ones_as_stored() -> None:
    assert version_words("comparison-v12") == "Comparison guideline, version 12"
    assert (version_words("none"), version_words("3")) == ("No instructions known", "Instructions 3")


def test_kinds_are_named_as_on_forms_and_unknown_ones_as_stored() -> None:
    assert kind_names(["evaluation", "prompt", "gone"]) == "Final evaluation, Prompt writing, gone"
