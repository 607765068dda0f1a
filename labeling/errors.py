"""What can go wrong in a rule: a code for programs, a sentence for people, and the fields concerned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from labeling.models import Draft, Intake, Receipt


class LabelingError(Exception):
    """A rule refused. `code` is stable, `message` says what was found and what is allowed."""

    code: ClassVar[str] = "refused"

    def __init__(
        self, message: str, *, code: str | None = None, fields: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason_code = code or self.code
        self.fields: dict[str, Any] = dict(fields or {})

    def __str__(self) -> str:
        return self.message


class UnreadableFile(Exception):
    """A file that somebody gave cannot be read at all."""


class NotPermitted(LabelingError):
    """This person may not do that."""

    code = "not_permitted"


class NotFound(LabelingError):
    """No such row, or none that this person may know of."""

    code = "not_found"


class Unavailable(LabelingError):
    """Something this needs is full or away, such as a disk; nothing was done, and it may be tried again."""

    code = "unavailable"


class InvalidInput(LabelingError):
    """What was sent does not fit; `fields` says where."""

    code = "invalid"


class IncompleteRanking(InvalidInput):
    """A ranking leaves out a response, doubles one, names a foreign one, or lacks a rating."""

    code = "incomplete_ranking"


class StrictImport(InvalidInput):
    """A strict import met a row that it would have refused, so nothing went in. The intake has the lines."""

    code = "strict_import"

    def __init__(self, message: str, *, intake: Intake) -> None:
        super().__init__(message)
        self.intake = intake


class Conflict(LabelingError):
    """The row is no longer in the state that this step needs."""

    code = "conflict"


class TooMany(LabelingError):
    """This person asks too often, or too much waits already; later it may go."""

    code = "too_many"


class AssignmentClosed(Conflict):
    """The assignment was answered, skipped or withdrawn; after an answer, `receipt` proves it."""

    code = "assignment_closed"

    def __init__(self, message: str, *, code: str | None = None, receipt: Receipt | None = None) -> None:
        super().__init__(message, code=code)
        self.receipt = receipt


class StaleDraft(Conflict):
    """Someone, or another tab, saved a newer draft; `draft` is the stored one."""

    code = "stale_draft"

    def __init__(self, message: str, *, draft: Draft | None) -> None:
        super().__init__(message)
        self.draft = draft
