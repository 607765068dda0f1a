"""Text as it comes in: what can be stored, how it is compared, how long it is."""

import hashlib
import re
import unicodedata

from labeling.errors import InvalidInput

WHITESPACE = re.compile(r"\s+")
MAX_TEXT_CHARACTERS = 200_000


def fault_in(text: object) -> str:
    """Return why `text` cannot be stored as it is, or an empty string.

    Databases keep neither the NUL character nor half a surrogate pair; taking them out would change the
    text, so they are refused.
    """
    if not isinstance(text, str):
        return f"is {type(text).__name__}, must be text"
    if len(text) > MAX_TEXT_CHARACTERS:
        return f"has {len(text)} characters, at most {MAX_TEXT_CHARACTERS} are allowed"
    if "\x00" in text:
        return f"contains a NUL character at position {text.index(chr(0))}"
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"contains half a surrogate pair at position {error.start}"
    return ""


def check_text(text: object, *, field: str) -> str:
    """Return `text` unchanged; raise InvalidInput where it cannot be stored."""
    fault = fault_in(text)
    if fault:
        raise InvalidInput(f"{field} {fault}.", fields={field: fault})
    return str(text)


def fault_in_json(value: object) -> str:
    """Return why a JSON value cannot be stored, or an empty string: looks into every text in it."""
    if isinstance(value, str):
        return fault_in(value)
    if isinstance(value, dict):
        faults = (fault_in_json(part) for pair in value.items() for part in pair)
    elif isinstance(value, list):
        faults = (fault_in_json(part) for part in value)
    else:
        return ""
    return next((fault for fault in faults if fault), "")


def normalize(text: str) -> str:
    """Return `text` in Unicode NFC, with LF line ends, no byte order mark and no blank ends.

    Space inside is kept: in code and tables it means something.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\ufeff", "")
    return unicodedata.normalize("NFC", text).strip()


def comparable(text: str) -> str:
    """Return the form in which two texts count as the same: normalised, every run of space one blank."""
    return WHITESPACE.sub(" ", normalize(text))


def text_hash(text: str) -> str:
    """Return the SHA-256 of the comparable form, in hex."""
    return hashlib.sha256(comparable(text).encode()).hexdigest()


def exact_hash(text: str) -> str:
    """Return the SHA-256 of a text as it is, in hex: a space more is another response."""
    return hashlib.sha256(text.encode()).hexdigest()


def word_count(text: str) -> int:
    return len(text.split())


def approximate_tokens(text: str) -> int:
    """Return about how many tokens a text has: the larger of 4/3 words and a quarter of the characters.

    The first is the usual ratio of English words to byte-pair tokens, the second covers texts with few
    blanks (code, links, scripts that do not separate words). Intake has no tokenizer: bases differ in theirs.
    """
    return max(-(-len(text.split()) * 4 // 3), -(-len(text) // 4))


def counted(number: int, noun: str) -> str:
    """Say how many there are: "1 task", "2 tasks"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
