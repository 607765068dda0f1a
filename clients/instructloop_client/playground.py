"""Talking to policies: one's own conversations, and how policies fare in blind votes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from .rows import JSON, Code, Conversation, Standing
from .transport import Transport

CALLS: dict[str, tuple[str, str]] = {
    "conversations": ("GET", "/playground/conversations/"),
    "start_conversation": ("POST", "/playground/conversations/"),
    "conversation": ("GET", "/playground/conversations/{code}/"),
    "erase_conversation": ("DELETE", "/playground/conversations/{code}/"),
    "say": ("POST", "/playground/conversations/{code}/turns/"),
    "stop_replies": ("POST", "/playground/conversations/{code}/stop/"),
    "vote": ("POST", "/playground/conversations/{code}/vote/"),
    "retry_reply": ("POST", "/playground/replies/{code}/retry/"),
    "standings": ("GET", "/playground/votes/"),
}


class PlaygroundCalls(Transport):
    """Conversations of this account."""

    def conversations(self) -> Iterator[Conversation]:
        """Give one's own conversations, newest first."""
        return self.pages(CALLS["conversations"], Conversation, {})

    def start_conversation(
        self, *models: Code, mode: str = "open", consent: int | None = None, **settings: Any
    ) -> Conversation:
        """Start a conversation with models by code; in mode "blind" two are drawn.

        `consent` is the version of the published notice; without it nothing typed is kept as a prompt.
        Settings are temperature, top_p and max_tokens.
        """
        body: JSON = {"mode": mode, "models": [str(code) for code in models], "consent": consent, **settings}
        return Conversation.read(self.call(CALLS["start_conversation"], body))

    def conversation(self, code: Code) -> Conversation:
        """Return a conversation with everything said so far."""
        return Conversation.read(self.call(CALLS["conversation"], code=code))

    def erase_conversation(self, code: Code) -> None:
        """Delete its words; votes stay."""
        self.call(CALLS["erase_conversation"], code=code)

    def say(self, code: Code, prompt: str, *, number: int) -> Conversation:
        """Send the prompt of turn `number`, 1 for the first; sending it twice asks once."""
        return Conversation.read(self.call(CALLS["say"], {"prompt": prompt, "number": number}, code=code))

    def watch_replies(self, code: Code, *, every: float = 0.5) -> Iterator[Conversation]:
        """Give a conversation again and again until nobody writes in it; the last one given is complete."""
        while True:
            seen = self.conversation(code)
            yield seen
            if not seen.is_writing:
                return
            self._wait(every)

    def stop_replies(self, code: Code) -> Conversation:
        """Stop what is being written; the words so far stay."""
        return Conversation.read(self.call(CALLS["stop_replies"], code=code))

    def vote(self, code: Code, choice: str) -> Conversation:
        """Vote once on a blind conversation."""
        return Conversation.read(self.call(CALLS["vote"], {"choice": choice}, code=code))

    def retry_reply(self, reply: Code) -> Conversation:
        """Ask again for a reply that failed, was stopped or whose worker went silent."""
        return Conversation.read(self.call(CALLS["retry_reply"], code=reply))

    def standings(self) -> Sequence[Standing]:
        """Return every policy with votes; those with enough of them first."""
        found: Any = self.call(CALLS["standings"])
        return [Standing.read({"code": row["model"], **row}) for row in found]
