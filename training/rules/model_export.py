"""A model as a plain transformers folder, with its card: as a stream for a download, or copied out."""

import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from labeling.errors import Conflict
from training.models import Model
from training.rules import artifacts
from training.rules.model_cards import card_of_model

BLOCK = 1 << 20
CARD = "README.md"


def copy_out(model: Model, folder: Path) -> None:
    """Copy a model's files and its card into a folder, nobody else's files.

    Raises Conflict for a model without weights here, FileNotFoundError where the store has lost them.
    """
    _ensure_weights(model)
    artifacts.place(model.folder, folder, may_link=False)
    (folder / CARD).write_text(card_of_model(model), encoding="utf-8")


def stream_archive(model: Model) -> Iterator[bytes]:
    """Give a tar archive of the model's folder and its card, piece by piece; memory stays at a block."""
    _ensure_weights(model)
    with tempfile.TemporaryDirectory(prefix="instructloop-export-", dir=settings.DATA_DIR) as name:
        folder = Path(name)
        artifacts.place(model.folder, folder)
        (folder / CARD).unlink(missing_ok=True)  # a link: writing into it would change the artifact
        (folder / CARD).write_text(card_of_model(model), encoding="utf-8")
        yield from _tar(folder, model.name.replace("/", "-"))


def _tar(folder: Path, top: str) -> Iterator[bytes]:
    """Write the archive piece by piece: a head, the bytes and zeros up to a block for each file."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        info = tarfile.TarInfo(f"{top}/{path.relative_to(folder)}")
        status = path.stat()
        info.size, info.mtime, info.mode = status.st_size, int(status.st_mtime), 0o644
        yield info.tobuf(tarfile.GNU_FORMAT)
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                yield block
        yield b"\0" * (-info.size % tarfile.BLOCKSIZE)
    yield b"\0" * (2 * tarfile.BLOCKSIZE)


def _ensure_weights(model: Model) -> None:
    if model.weights_deleted_at is not None:
        when = f"{model.weights_deleted_at:%Y-%m-%d}"
        raise Conflict(f"The weights of {model} were deleted on {when}.", code="no_weights")
    if not model.folder:
        where = f"{model} is named by its id on the hub ({model.source}); get it there."
        raise Conflict(where, code="no_weights")
