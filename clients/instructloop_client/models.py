"""The registry of models: looked at, judged, taken away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .rows import Code, Model
from .transport import Transport, pieces_of

CALLS: dict[str, tuple[str, str]] = {
    "models": ("GET", "/models/"),
    "import_model": ("POST", "/models/"),
    "model": ("GET", "/models/{code}/"),
    "promote_model": ("POST", "/models/{code}/promote/"),
    "archive_model": ("POST", "/models/{code}/archive/"),
    "restore_model": ("POST", "/models/{code}/restore/"),
    "delete_weights": ("POST", "/models/{code}/delete-weights/"),
    "model_card": ("GET", "/models/{code}/card/"),
    "export_model": ("GET", "/models/{code}/export/"),
}


class ModelCalls(Transport):
    """Weights and what they came from."""

    def models(self, **wanted: Any) -> Iterator[Model]:
        """Give models, newest first; narrowed by kind and status."""
        return self.pages(CALLS["models"], Model, wanted)

    def import_model(self, location: str, *, name: str, kind: str = "base") -> Model:
        """Enter a model from a folder on the server, or by its id on the hub."""
        return Model.read(
            self.call(CALLS["import_model"], {"location": location, "name": name, "kind": kind})
        )

    def model(self, code: Code) -> Model:
        """Return a model with its lineage."""
        return Model.read(self.call(CALLS["model"], code=code))

    def promote_model(self, code: Code, reason: str = "") -> Model:
        """Make a model the one of its kind that forms offer first."""
        return Model.read(self.call(CALLS["promote_model"], {"reason": reason}, code=code))

    def archive_model(self, code: Code, reason: str) -> Model:
        """Take a model out of forms and lists; nothing is deleted."""
        return Model.read(self.call(CALLS["archive_model"], {"reason": reason}, code=code))

    def restore_model(self, code: Code) -> Model:
        """Take a model out of the archive, or take its promotion back."""
        return Model.read(self.call(CALLS["restore_model"], code=code))

    def delete_weights(self, code: Code, *, name: str, reason: str) -> Model:
        """Delete a model's weights for ever; `name` is the model's own, so that none is deleted by slip."""
        return Model.read(self.call(CALLS["delete_weights"], {"name": name, "reason": reason}, code=code))

    def model_card(self, code: Code) -> str:
        """Return what a model is, for people, as Markdown."""
        with self.open(CALLS["model_card"], code=code) as answer:
            return str(answer.read(), "utf-8")

    def export_model(self, code: Code) -> Iterator[bytes]:
        """Give a tar archive of a folder that transformers loads, to be written as it comes."""
        with self.open(CALLS["export_model"], code=code) as answer:
            yield from pieces_of(answer)
