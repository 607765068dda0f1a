"""The virtual labelers: one process, one kept connection each, no pause between a label and the next.

    python -m benchmarks.labeling_load.client JOB.json

A plain HTTP/1.1 client over asyncio protocols, so that it takes as little as possible from what it measures.
Prints one JSON line; its own CPU time is in it.
"""

import asyncio
import json
import random
import sys
import time
import uuid
from pathlib import Path
from typing import Any

PAUSE_AFTER_NOTHING = 0.2


class Connection(asyncio.Protocol):
    """One kept connection: a request, then its whole answer."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.buffer = b""
        self.answer: asyncio.Future[tuple[int, bytes]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(ConnectionResetError("the server hung up"))

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head_end = self.buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = self.buffer[:head_end].lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        end = head_end + 4 + length
        if len(self.buffer) < end or self.answer is None:
            return
        body, self.buffer = self.buffer[head_end + 4 : end], self.buffer[end:]
        if b"connection: close" in head and self.transport is not None:
            self.transport.close()
            self.transport = None
        if not self.answer.done():
            self.answer.set_result((int(head[9:12]), body))


class VirtualLabeler:
    """Asks for the next task and submits it, over and over."""

    def __init__(self, job: dict[str, Any], token: str, seed: int) -> None:
        self.host, self.port, self.token = job["host"], int(job["port"]), token
        self.with_draft: bool = job["with_draft"]
        self.chance = random.Random(seed)
        self.connection: Connection | None = None
        self.next_ms: list[float] = []
        self.draft_ms: list[float] = []
        self.submit_ms: list[float] = []
        self.acknowledged: list[str] = []
        self.refused: dict[str, int] = {}

    async def work(self, began: float, counts_from: float, until: float) -> None:
        await asyncio.sleep(self.chance.random() * 0.5)
        while time.perf_counter() < until:
            try:
                await self.one_label(counts_from, until)
            except OSError as error:
                self.note(type(error).__name__)
                self.connection = None
                await asyncio.sleep(PAUSE_AFTER_NOTHING)

    async def one_label(self, counts_from: float, until: float) -> None:
        status, body = await self.call(
            "POST", "/api/v1/tasks/next/", {"kind": "comparison"}, self.next_ms, counts_from
        )
        if status != 200:
            self.note(f"next {status}")
            await asyncio.sleep(PAUSE_AFTER_NOTHING)
            return
        task = json.loads(body)
        judged = self.judge(task)
        path = f"/api/v1/assignments/{task['code']}"
        if self.with_draft:
            version = task["draft"]["version"] if task["draft"] else 0
            draft = {"version": version, "payload": judged}
            status, _ = await self.call("PUT", path + "/draft/", draft, self.draft_ms, counts_from)
            if status != 200:
                self.note(f"draft {status}")
        key = f"Idempotency-Key: {uuid.uuid4()}\r\n"
        status, body = await self.call("POST", path + "/submit/", judged, self.submit_ms, counts_from, key)
        if status != 200:
            self.note(f"submit {status}")
            return
        self.acknowledged.append(task["code"])

    def judge(self, task: dict[str, Any]) -> dict[str, Any]:
        """Rate, flag and rank the responses at random, ties included."""
        keys = [flag["key"] for flag in task["form"]["flags"]]
        judged = []
        for response in task["responses"]:
            rating = self.chance.randint(1, 7)
            flags = {key: self.chance.random() < 0.05 for key in keys}
            judged.append({"code": response["code"], "likert": rating, "flags": flags, "note": ""})
        order = sorted({item["likert"] for item in judged}, reverse=True)
        for item in judged:
            item["rank"] = order.index(item["likert"]) + 1
        return {"responses": judged, "notes": "", "was_touched": True, "moves": 3}

    async def call(
        self, method: str, path: str, content: object, times: list[float], counts_from: float, extra: str = ""
    ) -> tuple[int, bytes]:
        """Send one request, note how long the whole answer took, return status and body."""
        body = b"" if content is None else json.dumps(content).encode()
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n"
            f"Authorization: Token {self.token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
        )
        loop = asyncio.get_running_loop()
        began = time.perf_counter()
        if self.connection is None or self.connection.transport is None:
            _, self.connection = await loop.create_connection(Connection, self.host, self.port)
        connection = self.connection
        assert connection.transport is not None
        connection.answer = loop.create_future()
        connection.transport.write(head.encode() + body)
        answer = await connection.answer
        if began >= counts_from and answer[0] in (200, 201):
            times.append((time.perf_counter() - began) * 1000)
        return answer

    def note(self, what: str) -> None:
        self.refused[what] = self.refused.get(what, 0) + 1


async def run(job: dict[str, Any], kind: type[VirtualLabeler]) -> dict[str, Any]:
    """Let all virtual labelers work; tell the waiting parent when measuring starts and ends."""
    people = [kind(job, token, seed) for seed, token in enumerate(job["tokens"])]
    began = time.perf_counter()
    counts_from = began + job["warm_up_seconds"]
    until = counts_from + job["seconds"]
    finished: dict[str, float] = {}

    async def watch() -> None:
        await asyncio.sleep(counts_from - time.perf_counter())
        finished["before"] = sum(len(person.acknowledged) for person in people)
        finished["cpu_before"] = time.process_time()
        _say("measuring")
        await asyncio.sleep(until - time.perf_counter())
        finished["after"] = sum(len(person.acknowledged) for person in people)
        finished["cpu_after"] = time.process_time()
        _say("measured")

    await asyncio.gather(watch(), *(person.work(began, counts_from, until) for person in people))
    refused: dict[str, int] = {}
    for person in people:
        for what, times in person.refused.items():
            refused[what] = refused.get(what, 0) + times
    Path(job["acknowledged_file"]).write_text(
        "\n".join(code for person in people for code in person.acknowledged), encoding="utf-8"
    )
    return {
        "labels": int(finished["after"] - finished["before"]),
        "acknowledged": sum(len(person.acknowledged) for person in people),
        "client_cpu_seconds": finished["cpu_after"] - finished["cpu_before"],
        "next_ms": percentiles([ms for person in people for ms in person.next_ms]),
        "draft_ms": percentiles([ms for person in people for ms in person.draft_ms]),
        "submit_ms": percentiles([ms for person in people for ms in person.submit_ms]),
        "refused": refused,
    }


def percentiles(values: list[float]) -> dict[str, float]:
    """Return the 50th, 95th and 99th percentile, empty without values."""
    ordered = sorted(values)
    return {
        f"p{share}": round(ordered[min(len(ordered) - 1, len(ordered) * share // 100)], 1)
        for share in (50, 95, 99)
        if ordered
    }


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(kind: type[VirtualLabeler] = VirtualLabeler) -> None:
    """Run the job named on the command line with labelers of this kind and print what was found."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    _say(json.dumps(asyncio.run(run(job, kind))))


if __name__ == "__main__":
    main()
