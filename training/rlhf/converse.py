"""Talk to policies: `python -m training.rlhf.converse`, a process that stays and keeps models warm.

It reads one JSON object a line and answers in the same way; what libraries print goes to stderr. It ends when
its input does, so it never outlives whoever started it.

    {"do": "answer", "id", "model", "turns": [text, …], "max_tokens", "temperature", "top_p", "seed"}
    {"do": "stop", "id"}

`turns` are prompt, response, prompt, … and end in the prompt to answer; they are joined as in training, by
the separator. The answers to a request, in this order:

    {"id", "event": "loading"}                          unless the model is warm
    {"id", "event": "started", "is_cut"}                is_cut: the beginning did not fit into the context
    {"id", "event": "text", "text", "tokens"}           a further piece, many times
    {"id", "event": "ended", "ended", "text", "tokens"} ended: false where the length limit came first
    {"id", "event": "failed", "reason"}                 instead, at any point

Requests are answered together, a token of each in turn, as long as their models fit into the memory together.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import queue
import sys
import threading
from collections import OrderedDict, deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from training.rlhf.errors import RunRefusedError

Request = dict[str, Any]
Event = dict[str, Any]
FLOAT_BYTES = 4  # models are loaded in float32


class Shelf:
    """Models kept in memory, the one used longest ago going first, within a bound."""

    def __init__(self, most_bytes: int, device: str | None = None) -> None:
        self.most_bytes = most_bytes
        self.device = device
        self._kept: OrderedDict[str, tuple[Any, Any, int]] = OrderedDict()

    def has(self, source: str) -> bool:
        """Whether a model is in memory."""
        return source in self._kept

    def fits(self, source: str, in_use: set[str]) -> bool:
        """Whether a model has room beside those in use."""
        if source in in_use or not in_use:
            return True
        return sum(map(self._size, {source, *in_use})) <= self.most_bytes

    def get(self, source: str, in_use: set[str]) -> tuple[Any, Any]:
        """Return a model and its codec, loaded where it is not kept. Raises RunRefusedError."""
        import torch

        from training.rlhf.model import load_policy
        from training.rlhf.precision import set_float32_products

        if source in self._kept:
            self._kept.move_to_end(source)
            return self._kept[source][:2]
        size = self._size(source)
        if size > self.most_bytes:
            raise RunRefusedError(
                f"it takes {size / 1e9:.1f} GB of memory and the playground may use "
                f"{self.most_bytes / 1e9:.1f} GB; set PLAYGROUND_MEMORY_GB higher on its worker."
            )
        for name in list(self._kept):
            if sum(each[2] for each in self._kept.values()) + size <= self.most_bytes:
                break
            if name not in in_use:
                del self._kept[name]
        device = torch.device(self.device or ("cuda" if torch.cuda.is_available() else "cpu"))
        set_float32_products(device)
        model, codec = load_policy(source, key="the model", device=device)
        self._kept[source] = (model, codec, sum(x.numel() for x in model.parameters()) * FLOAT_BYTES)
        return model, codec

    def _size(self, source: str) -> int:
        return self._kept[source][2] if source in self._kept else size_in_memory(source)


def size_in_memory(source: str) -> int:
    """Read from the headers of its files how many bytes a model takes in float32; 0 for an id of the hub."""
    total = 0
    for path in Path(source).glob("*.safetensors"):
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        total += sum(math.prod(about["shape"]) for name, about in header.items() if name != "__metadata__")
    return total * FLOAT_BYTES


def answer(request: Request, shelf: Shelf, in_use: set[str]) -> Iterator[Event | None]:
    """Yield the events of one request; None where a token brought no text yet."""
    try:
        from training.rlhf.generation import row_uniforms
        from training.rlhf.streaming import stream_text, stream_tokens

        if not shelf.has(request["model"]):
            yield {"event": "loading"}
        model, codec = shelf.get(request["model"], in_use)
        separator = codec.separator or "\n\n"
        # A third of the context is for the response, and more where the prompt leaves it.
        least = max(1, min(int(request["max_tokens"]), model.context // 3))
        cut = codec.cut["prompts"]
        prompt = codec.encode_prompts([separator.join(request["turns"])], model.context - least)[0]
        yield {"event": "started", "is_cut": codec.cut["prompts"] > cut}
        max_tokens = min(int(request["max_tokens"]), model.context - len(prompt))
        tokens: list[int] = []
        drawn = stream_tokens(
            model,
            prompt,
            max_tokens=max_tokens,
            eos_id=codec.eos_id,
            temperature=float(request["temperature"]),
            top_p=float(request["top_p"]),
            uniforms=row_uniforms(1, max_tokens, int(request["seed"]), "playground"),
        )
        for text, count in stream_text(codec, _noting(drawn, tokens)):
            yield {"event": "text", "text": text, "tokens": count} if text else None
        ended = tokens[-1:] == [codec.eos_id]
        whole = codec.decode(tokens)
        yield {"event": "ended", "ended": ended, "text": whole, "tokens": len(tokens) - ended}
    except RunRefusedError as error:
        yield {"event": "failed", "reason": str(error)}
    except Exception as error:
        text = str(error).strip().split("\n")[0]
        yield {"event": "failed", "reason": f"{type(error).__name__}: {text}"[:300]}


def _noting(drawn: Iterator[int], tokens: list[int]) -> Iterator[int]:
    for token in drawn:
        tokens.append(token)
        yield token


class Desk:
    """The requests being answered and those that wait for room."""

    def __init__(self, shelf: Shelf, out: TextIO) -> None:
        self.shelf, self.out = shelf, out
        self.waiting: deque[Request] = deque()
        self.active: dict[str, tuple[str, Iterator[Event | None]]] = {}

    def take(self, request: Request) -> None:
        """Take a request in, or stop one."""
        if request["do"] == "answer":
            self.waiting.append(request)
            return
        self.active.pop(request["id"], None)
        self.waiting = deque(each for each in self.waiting if each["id"] != request["id"])

    @property
    def is_idle(self) -> bool:
        """Whether nothing is to be done."""
        return not self.waiting and not self.active

    def advance(self) -> None:
        """Start what has room, then give each response its next token."""
        in_use = {model for model, _ in self.active.values()}
        while self.waiting and self.shelf.fits(self.waiting[0]["model"], in_use):
            request = self.waiting.popleft()
            in_use.add(request["model"])
            self.active[request["id"]] = (request["model"], answer(request, self.shelf, in_use))
        for name, (_, events) in list(self.active.items()):
            event = next(events, {"event": "over"})
            if event is None:
                continue
            if event["event"] in ("ended", "failed", "over"):
                del self.active[name]
            if event["event"] != "over":
                self.out.write(json.dumps({"id": name, **event}) + "\n")
                self.out.flush()


def read_lines(file: TextIO, lines: queue.Queue[str | None]) -> None:
    """Put every line into a queue, and None at the end."""
    for line in file:
        lines.put(line)
    lines.put(None)


def converse(source: TextIO, out: TextIO, shelf: Shelf) -> None:
    """Answer requests until the input ends."""
    lines: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=read_lines, args=(source, lines), daemon=True).start()
    desk = Desk(shelf, out)
    while True:
        while desk.is_idle or not lines.empty():
            line = lines.get()
            if line is None:
                return
            desk.take(json.loads(line))
        desk.advance()


def main(arguments: list[str] | None = None) -> int:
    """Answer on stdout what stdin asks, and let nobody else write there."""
    parser = argparse.ArgumentParser(prog="python -m training.rlhf.converse", description=__doc__)
    parser.add_argument("--memory-gb", type=float, default=8.0, help="for all models together")
    options = parser.parse_args(arguments)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    try:
        converse(sys.stdin, out, Shelf(int(options.memory_gb * 1e9)))
    except BrokenPipeError:  # whoever asked has gone
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
