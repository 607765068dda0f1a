"""Many processes may send and receive at once: nothing is lost, doubled or read half."""

import multiprocessing
import threading
from multiprocessing.queues import Queue as ProcessQueue
from pathlib import Path
from queue import Empty

import kombu

from server.file_broker import SCHEME, Channel

MESSAGES = 60
PAYLOAD = "x" * 200_000
"""Long enough that writing it takes a while."""


def connect(folder: Path) -> kombu.Connection:
    """Connect to a broker in this folder."""
    messages = folder / "messages"
    messages.mkdir(parents=True, exist_ok=True)
    return kombu.Connection(
        f"{SCHEME}://localhost/",
        transport_options={
            "data_folder_in": str(messages),
            "data_folder_out": str(messages),
            "control_folder": str(folder / "control"),
        },
    )


def send(folder: Path, sender: int) -> None:
    """Send all messages of one sender."""
    with connect(folder) as connection, connection.SimpleQueue("work") as queue:
        for number in range(MESSAGES):
            queue.put({"sender": sender, "number": number, "payload": PAYLOAD}, serializer="json")


def receive(folder: Path, wanted: int, received: "ProcessQueue[tuple[int, int]]") -> None:
    """Receive until nothing has come for a while, and pass on what came."""
    with connect(folder) as connection, connection.SimpleQueue("work") as queue:
        while True:
            try:
                message = queue.get(timeout=5)
            except Empty:
                return
            assert message.payload["payload"] == PAYLOAD
            message.ack()
            received.put((message.payload["sender"], message.payload["number"]))


def test_messages_of_several_senders_all_arrive_once_and_whole(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    received: ProcessQueue[tuple[int, int]] = spawn.Queue()
    wanted = 2 * MESSAGES
    receivers = [spawn.Process(target=receive, args=(tmp_path, wanted, received)) for _ in range(2)]
    senders = [spawn.Process(target=send, args=(tmp_path, sender)) for sender in range(2)]
    for process in (*receivers, *senders):
        process.start()
    found = [received.get(timeout=60) for _ in range(wanted)]
    for process in (*receivers, *senders):
        process.join(60)

    assert sorted(found) == [(sender, number) for sender in range(2) for number in range(MESSAGES)]
    assert [process.exitcode for process in (*receivers, *senders)] == [0, 0, 0, 0]
    assert received.empty()


def test_oldest_message_is_taken_first(tmp_path: Path) -> None:
    with connect(tmp_path) as connection, connection.SimpleQueue("work") as queue:
        for number in range(12):
            queue.put(number, serializer="json")

        assert [queue.get(timeout=5).payload for _ in range(12)] == list(range(12))


def test_bindings_made_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    def bind(number: int) -> None:
        with connect(tmp_path) as connection:
            exchange = kombu.Exchange("everybody", type="fanout")
            kombu.Queue(f"queue-{number}", exchange)(connection.default_channel).declare()

    threads = [threading.Thread(target=bind, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with connect(tmp_path) as connection:
        channel = connection.channel()
        assert isinstance(channel, Channel)
        table = channel.get_table("everybody")
    assert sorted(row[2] for row in table) == sorted(f"queue-{number}" for number in range(24))
