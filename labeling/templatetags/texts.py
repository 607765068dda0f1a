"""Words of people and models, made safe to show: they may be hostile, huge or empty."""

from functools import lru_cache
from itertools import pairwise

import nh3
from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token

from labeling.rules.guidelines import section_id

register = template.Library()

HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
TAGS = {
    "a", "blockquote", "br", "code", "del", "em", *HEADINGS, "hr", "li", "ol", "p", "pre", "s", "strong",
    "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}


def _parser(keeps_line_breaks: bool) -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "breaks": keeps_line_breaks})
    return parser.enable(["table", "strikethrough"]).disable(["image", "html_inline", "html_block"])


MARKDOWN, DOCUMENT = _parser(True), _parser(False)
RENDERED_CHARACTERS = 60_000
"""Longer texts are shown as typed: rendering them would hold the page up."""


@register.filter
def markdown(text: str) -> SafeString:
    """Render Markdown from anybody: HTML in it stays text, images stay text, links lead only to the web.

    Single line breaks are kept, as people who type into a box mean them.
    """
    return _render(text, MARKDOWN)


@register.filter
def document(text: str) -> SafeString:
    """Render a document of ours, whose lines are broken for the writer only; headings can be linked to."""
    return _rendered_document(text)


@lru_cache(maxsize=64)
def _rendered_document(text: str) -> SafeString:
    """A version of a document never changes, and a guideline stands beside every task."""
    tokens = DOCUMENT.parse(text)
    for opening, words in pairwise(tokens):
        if opening.type == "heading_open":
            opening.attrSet("id", section_id(words.content))
    return _render(text, DOCUMENT, tokens)


def _render(text: str, parser: MarkdownIt, tokens: list[Token] | None = None) -> SafeString:
    if len(text) > RENDERED_CHARACTERS:
        return plain(text)
    linked = {heading: {"id"} for heading in HEADINGS} if tokens is not None else {}
    cleaned = nh3.clean(
        parser.renderer.render(parser.parse(text) if tokens is None else tokens, parser.options, {}),
        tags=TAGS,
        attributes=ATTRIBUTES | linked,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )
    return format_html('<div class="prose" dir="auto">{}</div>', mark_safe(cleaned))


@register.filter
def plain(text: str) -> SafeString:
    """Show a text exactly as it was typed."""
    return format_html('<div class="plain" dir="auto">{}</div>', text)


@register.filter
def words(text: str) -> int:
    """Count the words of a text."""
    return len(text.split())


@register.filter
def hours(seconds: int | None) -> str:
    """Write a time at work as hours and minutes: 3:42."""
    minutes = round((seconds or 0) / 60)
    return f"{minutes // 60:,}:{minutes % 60:02d}"


@register.filter
def percent(fraction: float | None) -> str:
    """Write a share as a percentage with one digit; a dash where there is none."""
    return "–" if fraction is None else f"{100 * fraction:.1f} %"
