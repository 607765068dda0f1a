"""The load's bars follow from the peer, and its virtual labelers label there as well."""

import asyncio
import json
from typing import Any

from benchmarks.labeling_load import measure
from benchmarks.labeling_load.peer import PeerLabeler

RUN = {
    "labelers": 40,
    "labels_per_second": 90.0,
    "cpu_ms_per_label": 20.0,
    "next_ms": {"p95": 300.0},
    "submit_ms": {"p95": 300.0},
}
SIZE = {"runs": [RUN], "check": {"over_assignments": 0, "acknowledged_missing_from_export": 0}}


def test_bars_follow_from_the_peer_as_measured_on_this_machine() -> None:
    slower = {
        "labels_per_second": 5.0,
        "cpu_ms_per_label": 330.0,
        "next_p95_ms": 4000.0,
        "submit_p95_ms": 2000.0,
    }
    bars = {bar["what"]: bar for bar in measure._bars([SIZE], slower)}
    assert bars["CPU ms per label"] == {
        "what": "CPU ms per label",
        "measured": 20.0,
        "bar": 22.0,
        "passed": True,
    }
    assert bars["labels per second"]["bar"] == 75.0
    assert bars["labels per second"]["passed"]
    assert bars["next, p95 ms"]["passed"]
    assert not bars["submit, p95 ms"]["passed"]


def test_bars_are_the_written_ones_where_no_peer_was_measured() -> None:
    bars = {bar["what"]: bar for bar in measure._bars([SIZE], measure.PEER)}
    assert bars["labels per second"]["bar"] == 139.5
    assert not bars["labels per second"]["passed"]


class Peer:
    """Answers as Label Studio does: a task for the next, 201 for its annotation, and the connection ends."""

    def __init__(self) -> None:
        self.heads: list[str] = []
        self.bodies: list[bytes] = []

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = int(head.lower().split("content-length: ")[1].split("\r\n")[0])
        self.heads.append(head)
        self.bodies.append(await reader.readexactly(length))
        task = {"id": 7, "data": {"items": [{"id": place} for place in "abcd"]}}
        status, body = ("200 OK", json.dumps(task)) if head.startswith("GET") else ("201 Created", "{}")
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        await writer.drain()
        writer.close()


def test_virtual_labeler_of_the_peer_posts_a_ranking_of_the_four_answers_it_was_given() -> None:
    peer = Peer()

    async def label_once() -> PeerLabeler:
        async with await asyncio.start_server(peer.answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            job: dict[str, Any] = {"host": "127.0.0.1", "port": port, "with_draft": False, "project": 3}
            labeler = PeerLabeler(job, "a-token", seed=1)
            await labeler.one_label(counts_from=0.0, until=0.0)
            return labeler

    labeler = asyncio.run(label_once())
    assert [head.split(" HTTP")[0] for head in peer.heads] == [
        "GET /api/projects/3/next",
        "POST /api/tasks/7/annotations/",
    ]
    assert all("Authorization: Token a-token" in head for head in peer.heads)
    assert peer.bodies[0] == b""
    ranking = json.loads(peer.bodies[1])["result"][0]["value"]["ranker"]["rank"]
    assert sorted(ranking) == ["a", "b", "c", "d"]
    assert labeler.acknowledged == ["7"]
    assert (len(labeler.next_ms), len(labeler.submit_ms)) == (1, 1)
    assert labeler.refused == {}
