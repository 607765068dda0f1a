"""Responses that say which model wrote them: not shown to labelers, who judge without knowing.

A name counts only where the prompt does not bring it up itself. Names that are words or people besides
(Claude, Gemini, Bard) count only where the text says it of itself.
"""

import re

NAMES = re.compile(
    r"\b(?:(?:chat|instruct) ?gpt|gpt-?[2-9]\w*|open ?ai|anthropic|deepseek|qwen|mistral ai|llama[ -]?\d)\b",
    re.IGNORECASE,
)
SAYS_OF_ITSELF = re.compile(
    r"\b(?:i am|i'm|i’m|my name is|call me|as|called)\s+(?:an?\s+ai\s+(?:model\s+)?(?:named|called)\s+)?"
    r"(?:claude|gemini|bard|llama|mistral|copilot|grok|vicuna|alpaca|falcon|palm)\b",
    re.IGNORECASE,
)


def names_its_model(text: str, *, prompt: str = "", writer: str = "") -> bool:
    """Return whether a response gives away who wrote it: a known model or its own policy's name."""
    asked = prompt.casefold()
    if any(found.group().casefold() not in asked for found in NAMES.finditer(text)):
        return True
    if any(found.group().split()[-1].casefold() not in asked for found in SAYS_OF_ITSELF.finditer(text)):
        return True
    is_telling = len(writer) > 3 and any(sign.isdigit() for sign in writer)
    return is_telling and writer.casefold() in text.casefold() and writer.casefold() not in asked
