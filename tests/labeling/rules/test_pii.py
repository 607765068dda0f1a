"""Personal data: found where it is, not where it only looks like it."""

from itertools import pairwise

import pytest

from labeling.rules.pii import find_pii


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("mail bob.smith+x@mail.example.co.uk now", [("email", "bob.smith+x@mail.example.co.uk")]),
        ("pay 4111 1111 1111 1111 today", [("card", "4111 1111 1111 1111")]),
        ("order 4111 1111 1111 1112 today", []),
        ("DE89 3704 0044 0532 0130 00", [("iban", "DE89 3704 0044 0532 0130 00")]),
        ("DE89 3704 0044 0532 0130 01", []),
        ("ssn 123-45-6789, not 000-12-3456", [("ssn", "123-45-6789")]),
        ("host 192.168.1.10", [("ip", "192.168.1.10")]),
        ("version 1.2.3.4.5 or 300.1.1.1", []),
        ("fe80::1ff:fe23:4567:890a", [("ip", "fe80::1ff:fe23:4567:890a")]),
        ("call (415) 555-2671", [("phone", "(415) 555-2671")]),
        ("+44 20 7946 0958", [("phone", "+44 20 7946 0958")]),
        ("in 2020-2021 at 12:34:56, 1234567890123 times", []),
        ("a@b and std::vector::size", []),
        ("", []),
    ],
)
def test_personal_data_is_found_with_its_kind(text: str, found: list[tuple[str, str]]) -> None:
    assert [(span.kind, text[span.start : span.end]) for span in find_pii(text)] == found


def test_spans_never_overlap() -> None:
    spans = find_pii("4111 1111 1111 1111 a@b.com 123-45-6789 +1 650-253-0000 10.0.0.1")
    assert [span.kind for span in spans] == ["card", "email", "ssn", "phone", "ip"]
    assert all(one.end <= other.start for one, other in pairwise(spans))
