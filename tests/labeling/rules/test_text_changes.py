"""What a reader is shown of a changed text."""

from labeling.rules.text_changes import changes_between, unwrapped


def test_a_wrapped_paragraph_and_a_wrapped_item_are_each_one_line_to_a_reader() -> None:
    text = "A paragraph\ngoes on.\n\n- an item that\n  goes on\n- another\n\n## Heading\n\n1. one\n2. two\n"
    assert unwrapped(text) == (
        "A paragraph goes on.\n\n- an item that goes on\n- another\n\n## Heading\n\n1. one\n2. two\n"
    )


def test_wrapping_a_text_anew_changes_nothing() -> None:
    old, new = "Write what\nsomebody could ask.", "Write what somebody\ncould ask."
    assert [part.kind for part in changes_between(unwrapped(old), unwrapped(new))] == ["same"]
