"""Rounds: opened, taken step by step, or left to go on by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .rows import JSON, Code, Round
from .transport import Transport

CALLS: dict[str, tuple[str, str]] = {
    "rounds": ("GET", "/rounds/"),
    "open_round": ("POST", "/rounds/"),
    "round": ("GET", "/rounds/{code}/"),
    "own_rounds": ("GET", "/rounds/own/"),
    "do_step": ("POST", "/rounds/{code}/steps/{key}/"),
    "gate": ("GET", "/rounds/{code}/gate/"),
    "open_gate": ("POST", "/rounds/{code}/gate/"),
    "set_automatic": ("POST", "/rounds/{code}/automatic/"),
}


class RoundCalls(Transport):
    """Turns of the loop."""

    def rounds(self) -> Iterator[Round]:
        """Give rounds, newest first."""
        return self.pages(CALLS["rounds"], Round, {})

    def open_round(
        self,
        *,
        base_model: Code = "",
        previous: Code = "",
        name: str = "",
        settings: JSON | None = None,
        pretrain_dataset: Code = "",
    ) -> Round:
        """Open a round from a base model, or after another round with what settings are to differ."""
        body: JSON = {"name": name, "settings": settings or {}}
        body |= {"base_model": str(base_model)} if base_model else {}
        body |= {"previous": str(previous)} if previous else {}
        body |= {"pretrain_dataset": str(pretrain_dataset)} if pretrain_dataset else {}
        return Round.read(self.call(CALLS["open_round"], body))

    def round(self, code: Code) -> Round:
        """Return a round with its steps."""
        return Round.read(self.call(CALLS["round"], code=code))

    def own_rounds(self) -> list[JSON]:
        """Return, to a labeler, the rounds their labels went into and how each did."""
        found: Any = self.call(CALLS["own_rounds"])
        return list(found)

    def do_step(self, code: Code, key: str) -> Round:
        """Do the next step of a round; refused with 409 where `key` is not the next one."""
        return Round.read(self.call(CALLS["do_step"], code=code, key=key))

    def gate(self, code: Code) -> JSON:
        """Return the checks of a round's gate, each with what was found and what is wanted."""
        return self.call(CALLS["gate"], code=code)

    def open_gate(self, code: Code, reason: str) -> Round:
        """Open a round's gate under one's own name."""
        return Round.read(self.call(CALLS["open_gate"], {"reason": reason}, code=code))

    def set_automatic(self, code: Code, is_automatic: bool = True) -> Round:
        """Let the steps of a round start by themselves, or by a call again."""
        return Round.read(self.call(CALLS["set_automatic"], {"is_automatic": is_automatic}, code=code))
