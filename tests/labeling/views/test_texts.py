"""Text of people and models is shown, never obeyed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.templatetags.texts import RENDERED_CHARACTERS, document, hours, markdown, percent, plain, words

HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "![pixel](https://evil.example/pixel.png)",
    "[click](javascript:alert(1))",
    "[click](data:text/html;base64,PHNjcmlwdD4=)",
    '<a href="https://evil.example" onclick="alert(1)">x</a>',
    "<style>body{display:none}</style>",
    "```\n</code></pre><script>alert(1)</script>\n```",
    "<svg/onload=alert(1)>",
    "[x](https://a.example 'onmouseover=alert(1)')",
    "<iframe src=https://evil.example></iframe>",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_inert_however_it_is_shown(text: str) -> None:
    for shown in (markdown(text), plain(text)):
        for tag in ("<script", "<img", "<svg", "<style", "<iframe"):
            assert tag not in shown
        assert 'href="javascript:' not in shown
        assert 'href="data:' not in shown
        assert " onclick=" not in shown.replace("&quot;", '"') or "&lt;a" in shown


def test_links_lead_only_to_the_web_and_tell_nothing_about_us() -> None:
    shown = markdown("[here](https://example.org)")
    assert 'href="https://example.org"' in shown
    assert 'rel="noopener noreferrer nofollow"' in shown


def test_lists_emphasis_tables_and_single_line_breaks_are_rendered() -> None:
    shown = markdown("one\ntwo\n\n- **a**\n\n| x | y |\n|---|---|\n| 1 | 2 |")
    for part in ("one<br>", "<li><strong>a</strong></li>", "<td>1</td>"):
        assert part in shown


def test_headings_of_our_documents_can_be_linked_to_and_those_of_others_cannot() -> None:
    assert '<h2 id="section-makes-things-up">' in document("## Makes *things* up")
    assert "<h2>" in markdown("## Makes things up")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_headings_stay_inert(text: str) -> None:
    shown = document(f"# {text}")
    for tag in ("<script", "<img", "<svg", "<style", "<iframe", 'href="javascript:'):
        assert tag not in shown


def test_a_very_long_text_is_shown_as_typed_instead_of_holding_the_page_up() -> None:
    assert "<strong>" not in markdown("**a** " * RENDERED_CHARACTERS)


@given(st.text(max_size=300))
def test_any_text_as_typed_keeps_every_character(text: str) -> None:
    shown = plain(text)
    assert shown.count("<") == 2
    assert shown.startswith('<div class="plain"')


def test_words_hours_and_percentages_read_as_people_write_them() -> None:
    assert words("  two\nwords ") == 2
    assert hours(13_320) == "3:42"
    assert hours(None) == "0:00"
    assert percent(0.7263) == "72.6 %"
    assert percent(None) == "–"
