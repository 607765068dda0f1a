"""How a request is made: one server, one token, patience with a busy server, and refusals as errors."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from .rows import JSON, R

PREFIX = "/api/v1"
PIECE = 1 << 16


class InstructLoopError(Exception):
    """The server refused. `code` is stable and for programs, `message` is for people."""

    def __init__(self, status: int, code: str, message: str, fields: Mapping[str, Any]) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code, self.message, self.fields = status, code, message, dict(fields)


class Unreachable(InstructLoopError):
    """No answer came, or none that this client understands."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(status, "unreachable", message, {})


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A token is for one server: whoever answers with another address gets no second request."""

    def redirect_request(self, *given: Any, **options: Any) -> None:
        return None


class _Form:
    """Words and files as multipart/form-data; may be gone through again, for another try."""

    def __init__(self, fields: Mapping[str, str], files: Mapping[str, Path]) -> None:
        self._boundary = uuid.uuid4().hex
        self._heads: list[tuple[bytes, Path | None]] = [
            (self._head(f'name="{name}"') + value.encode(), None) for name, value in fields.items()
        ]
        for name, path in files.items():
            shown = urllib.parse.quote(path.name, safe=" !#$&'()+,;=@[]^`{}~")
            self._heads.append((self._head(f'name="{name}"; filename="{shown}"'), path))
        self._tail = f"--{self._boundary}--\r\n".encode()
        sizes = (len(head) + 2 + (path.stat().st_size if path else 0) for head, path in self._heads)
        self.length = sum(sizes) + len(self._tail)

    @property
    def content_type(self) -> str:
        return f"multipart/form-data; boundary={self._boundary}"

    def __iter__(self) -> Iterator[bytes]:
        for head, path in self._heads:
            yield head
            if path is not None:
                with path.open("rb") as file:
                    while piece := file.read(PIECE):
                        yield piece
            yield b"\r\n"
        yield self._tail

    def _head(self, names: str) -> bytes:
        return f"--{self._boundary}\r\nContent-Disposition: form-data; {names}\r\n\r\n".encode()


class Transport:
    """Calls one server as one account.

    tries  how often a request is made in all while the server answers 429 or 503
    wait   sleeps; a test may put something faster here
    """

    RETRIED: ClassVar = (429, 503)
    MOST_SECONDS: ClassVar = 60.0

    def __init__(
        self,
        server: str,
        token: str,
        *,
        timeout: float = 30.0,
        tries: int = 5,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self.server = server.rstrip("/")
        self._token, self._timeout, self._tries, self._wait = token, timeout, max(1, tries), wait
        self._opener = urllib.request.build_opener(_NoRedirect)

    def call(
        self,
        request: tuple[str, str],
        body: JSON | None = None,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        **places: object,
    ) -> JSON:
        with self.open(request, body, query=query, headers=headers, **places) as answer:
            return _parsed(answer.read(), answer.status)

    def open(
        self,
        request: tuple[str, str],
        body: JSON | None = None,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        **places: object,
    ) -> Any:
        method, path = request
        quoted = {key: urllib.parse.quote(str(value), safe="") for key, value in places.items()}
        address = self.server + PREFIX + path.format(**quoted)
        if query:
            address += "?" + urllib.parse.urlencode(query, doseq=True)
        return self._ask(method, address, body, headers or {})

    def send_files(
        self, request: tuple[str, str], fields: Mapping[str, str], files: Mapping[str, Path]
    ) -> JSON:
        """Send files with some words about them, read as they go: memory does not grow with them."""
        method, path = request
        form = _Form(fields, files)
        headers = {"Content-Type": form.content_type, "Content-Length": str(form.length)}
        with self._ask(method, f"{self.server}{PREFIX}{path}", form, headers) as answer:
            return _parsed(answer.read(), answer.status)

    def _ask(self, method: str, address: str, body: JSON | _Form | None, headers: Mapping[str, str]) -> Any:
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        sent = {"Authorization": f"Token {self._token}", "Accept": "application/json", **headers}
        if isinstance(body, dict):
            sent["Content-Type"] = "application/json"
        for attempt in range(1, self._tries + 1):
            request = urllib.request.Request(address, data, sent, method=method)
            try:
                return self._opener.open(request, timeout=self._timeout)
            except urllib.error.HTTPError as error:
                with error:
                    if error.code not in self.RETRIED or attempt == self._tries:
                        raise _refusal(error) from None
                    self._wait(_pause(error.headers.get("Retry-After"), attempt, self.MOST_SECONDS))
            except (urllib.error.URLError, OSError) as error:
                raise Unreachable(f"{self.server} does not answer: {error}") from error
        raise AssertionError("the last attempt returns or raises")

    def pages(
        self, request: tuple[str, str], kind: type[R], wanted: Mapping[str, Any], **places: object
    ) -> Iterator[R]:
        method, path = request
        query = "?" + urllib.parse.urlencode(wanted) if wanted else ""
        quoted = {key: urllib.parse.quote(str(value), safe="") for key, value in places.items()}
        address: str | None = f"{self.server}{PREFIX}{path.format(**quoted)}{query}"
        while address:
            with self._ask(method, address, None, {}) as answer:
                page = _parsed(answer.read(), answer.status)
            yield from map(kind.read, page["results"])
            address = self._on_this_server(page["next"]) if page["next"] else None

    def _on_this_server(self, address: str) -> str:
        """Keep to the server that was named, whatever name a proxy lets it think it has."""
        parts = urllib.parse.urlsplit(address)
        return f"{self.server}{parts.path}?{parts.query}"


def pieces_of(answer: Any) -> Iterator[bytes]:
    """Give an answer piece by piece, to be written as it comes: memory does not grow with it."""
    while piece := answer.read(PIECE):
        yield piece


def _parsed(data: bytes, status: int) -> JSON:
    if status == 204 or not data:
        return {}
    try:
        found: JSON = json.loads(data)
    except ValueError:
        raise Unreachable("The answer is no JSON; is this InstructLoop's address?", status) from None
    return found


def _refusal(error: urllib.error.HTTPError) -> InstructLoopError:
    try:
        body = json.loads(error.read())
        return InstructLoopError(error.code, body["code"], body["message"], body.get("fields") or {})
    except (ValueError, KeyError, TypeError, OSError):
        return Unreachable(
            f"The server answered {error.code} and no word that this client knows.", error.code
        )


def _pause(named: str | None, attempt: int, most: float) -> float:
    """Return how long to wait: as the server says in seconds, else 1, 2, 4, … seconds."""
    seconds = float(named) if named and named.isdigit() else 2.0 ** (attempt - 1)
    return min(seconds, most)
