"""Personal data in a text, as spans: found and kept, so that training can leave the text out.

Patterns find candidates, check digits and number plans weed them: an order number is not a card.
"""

import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import NamedTuple

import phonenumbers

EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w-])")
CARD = re.compile(r"(?<![\d-])\d(?:[ -]?\d){12,18}(?![\d-])")
IPV4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.]*\d)")
IPV6 = re.compile(r"(?<![\w:])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){3,7}(?![\w:])")
SSN = re.compile(r"(?<![\d-])(?!000|666|9\d\d)\d{3}-(?!00)\d\d-(?!0000)\d{4}(?![\d-])")
IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])")
PHONE_LIKE = re.compile(r"(?:\d[\s().+/-]{0,3}){7}")


class Span(NamedTuple):
    """Characters `start` to `end` (exclusive) of the text are of this kind."""

    start: int
    end: int
    kind: str


def find_pii(text: str, *, phone_region: str = "US") -> list[Span]:
    """Return personal data in order of place, without overlaps: the kind listed first wins.

    Kinds: email, iban, card, ssn, ip, phone. Numbers without a country code are read as of `phone_region`.
    """
    found: list[Span] = []
    for span in _candidates(text, phone_region):
        if all(span.end <= other.start or span.start >= other.end for other in found):
            found.append(span)
    return sorted(found)


def _candidates(text: str, phone_region: str) -> Iterator[Span]:
    if "@" in text:
        yield from (Span(*match.span(), "email") for match in EMAIL.finditer(text))
    if not any(map(str.isdigit, text)):
        return
    yield from (Span(*match.span(), "iban") for match in IBAN.finditer(text) if _is_iban(match.group()))
    yield from (Span(*match.span(), "card") for match in CARD.finditer(text) if _is_card(match.group()))
    yield from (Span(*match.span(), "ssn") for match in SSN.finditer(text))
    for pattern in (IPV4, IPV6):
        yield from (Span(*match.span(), "ip") for match in pattern.finditer(text) if _is_ip(match.group()))
    if PHONE_LIKE.search(text):
        for match in phonenumbers.PhoneNumberMatcher(text, phone_region):
            yield Span(match.start, match.end, "phone")


def _is_card(candidate: str) -> bool:
    digits = [int(character) for character in candidate if character.isdigit()]
    if digits[0] not in (2, 3, 4, 5, 6) or len(set(digits)) == 1:
        return False
    doubled = [sum(divmod(digit * 2, 10)) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _is_iban(candidate: str) -> bool:
    letters = candidate.replace(" ", "")
    if not 15 <= len(letters) <= 34:
        return False
    return int("".join(str(int(letter, 36)) for letter in letters[4:] + letters[:4])) % 97 == 1


def _is_ip(candidate: str) -> bool:
    try:
        return not ip_address(candidate).is_unspecified
    except ValueError:
        return False
