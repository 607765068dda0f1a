"""What a reader is shown of a changed text."""

from labeling.rules.text_changes import Part, changes_between, folded, unwrapped


def test_a_wrapped_paragraph_and_a_wrapped_item_are_each_one_line_to_a_reader() -> None:
    text = "A paragraph\ngoes on.\n\n- an item that\n  goes on\n- another\n\n## Heading\n\n1. one\n2. two\n"
    assert unwrapped(text) == (
        "A paragraph goes on.\n\n- an item that goes on\n- another\n\n## Heading\n\n1. one\n2. two\n"
    )


def test_wrapping_a_text_anew_changes_nothing() -> None:
    old, new = "Write what\nsomebody could ask.", "Write what somebody\ncould ask."
    assert [part.kind for part in changes_between(unwrapped(old), unwrapped(new))] == ["same"]


LINES = "".join(f"Line {number} says what it always said.\n" for number in range(40))


def test_what_is_far_from_a_change_is_folded_in_whole_lines_and_nothing_is_lost() -> None:
    parts = folded(changes_between(f"{LINES}Be short.\n{LINES}", f"{LINES}Be kind.\n{LINES}"))
    kinds = [part.kind for part in parts]
    assert kinds == ["folded", "same", "removed", "added", "same", "folded"]
    assert "".join(part.text for part in parts if part.kind != "removed") == f"{LINES}Be kind.\n{LINES}"
    assert parts[0].text.endswith("\n")
    assert parts[-1].text.startswith("Line ")
    assert all(len(part.text) < 400 for part in parts if part.kind == "same")


def test_short_texts_and_what_stands_between_near_changes_are_not_folded() -> None:
    near = "a\n" * 90
    parts = changes_between(f"one\n{near}two\n", f"1\n{near}2\n")
    assert folded(parts) == parts
    assert folded([]) == []


def test_one_long_line_is_folded_only_where_a_line_ends() -> None:
    long = "word " * 400
    parts = folded([Part("added", "x"), Part("same", long), Part("added", "y")])
    assert "".join(part.text for part in parts) == f"x{long}y"
