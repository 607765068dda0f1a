"""The cap on one customer's prompts: set, looked at before, never for labelers, and nothing is lost."""

from typing import Any

import pytest

from labeling.errors import Conflict, InvalidInput, NotPermitted
from labeling.models import AuditEvent, AuthorCap, Labeler, Prompt, PromptSource, User
from labeling.rules.author_caps import (
    DEFAULT_CAP,
    OVER_CAP,
    CapChange,
    apply_author_cap,
    change_author_cap,
    current_cap,
    look_at_cap,
)
from labeling.rules.prompts import import_prompts

pytestmark = pytest.mark.django_db


def take(count: int, user_id: str, **fields: Any) -> None:
    rows = [{"prompt": f"Prompt {n} by {user_id}", "user_id": user_id} for n in range(count)]
    import_prompts(rows=rows, **fields)


def held() -> set[str]:
    return set(Prompt.objects.filter(held_reason=OVER_CAP).values_list("text", flat=True))


def test_a_look_says_what_a_change_then_does(mia: User) -> None:
    assert current_cap() == DEFAULT_CAP
    take(5, "a")
    take(2, "b")
    looked = look_at_cap(2)
    assert not held()
    assert change_author_cap(cap=2, by=mia) == looked == CapChange(held=3, lifted=0)
    assert held() == {f"Prompt {n} by a" for n in (2, 3, 4)}
    assert look_at_cap(4) == change_author_cap(cap=4, by=mia) == CapChange(held=0, lifted=2)
    assert held() == {"Prompt 4 by a"}
    assert Prompt.objects.count() == 7
    event = AuditEvent.objects.get(action="change_author_cap", detail__cap=4)
    assert (event.actor, event.detail) == (mia, {"cap": 4, "before": 2, "held": 0, "lifted": 2})


def test_later_imports_keep_to_the_cap_that_was_set(mia: User) -> None:
    change_author_cap(cap=3, by=mia)
    take(5, "a")
    assert held() == {"Prompt 3 by a", "Prompt 4 by a"}


def test_prompts_that_labelers_wrote_are_never_held_by_it(mia: User) -> None:
    change_author_cap(cap=1, by=mia)
    take(4, "a", source=PromptSource.LABELER)
    assert not held()
    assert apply_author_cap(0) == CapChange(held=0, lifted=0)
    Prompt.objects.filter(text="Prompt 3 by a").update(held_reason=OVER_CAP)  # by an older version
    assert apply_author_cap(0) == CapChange(held=0, lifted=1)


def test_what_is_held_for_another_reason_stays_and_does_not_count(mia: User) -> None:
    take(3, "a")
    Prompt.objects.filter(text="Prompt 0 by a").update(held_reason="erased")
    assert change_author_cap(cap=2, by=mia) == CapChange(held=0, lifted=0)
    assert Prompt.objects.get(text="Prompt 0 by a").held_reason == "erased"


def test_only_staff_set_a_cap_and_only_another_one(mia: User, alice: Labeler) -> None:
    with pytest.raises(NotPermitted):
        change_author_cap(cap=1, by=alice.user)
    with pytest.raises(InvalidInput):
        change_author_cap(cap=-1, by=mia)
    with pytest.raises(Conflict, match="already"):
        change_author_cap(cap=DEFAULT_CAP, by=mia)
    assert not AuthorCap.objects.exists()
