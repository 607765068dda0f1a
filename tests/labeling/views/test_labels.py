"""The words of stored codes and values."""

from labeling.templatetags.labels import detail_words, kind_names, value_words


def test_stored_values_are_written_without_brackets_and_quotes() -> None:
    assert value_words(["train", "researcher"]) == "train, researcher"
    assert (value_words([]), value_words(None), value_words(0)) == ("–", "–", "0")
    assert (value_words(True), value_words(False)) == ("yes", "no")
    assert (
        detail_words({"leaves_out": False, "kinds": ["prompt"], "reason": ""})
        == "leaves out: no; kinds: prompt"
    )


def test_kinds_are_named_as_on_forms_and_unknown_ones_as_stored() -> None:
    assert kind_names(["evaluation", "prompt", "gone"]) == "Final evaluation, Prompt writing, gone"
