"""HTTP server on loopback that injects faults. It serves files, or forwards to another server."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FAULTS = ("503", "reset", "truncate", "short", "stall", "corrupt")
Fault = Callable[[str, int], str]


class FaultyServer:
    """Serves `files` by path, or forwards to `upstream` (host, port).

    `fault(path, number)` returns the fault of the n-th GET (from 0) of a path: "" for none, one of `FAULTS`, "slow", or
    a status.
    """

    def __init__(
        self, files: dict[str, bytes] | None = None, upstream: tuple[str, int] | None = None
    ) -> None:
        self.files, self.upstream = files or {}, upstream
        self.fault: Fault = lambda path, number: ""
        self.headers: dict[str, str] = {}  # replace the upstream's, by lower-case name; "" removes one
        self.gets: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()  # bytes of files without a fault, by path
        self.given: Counter[str] = Counter()
        self.busy = self.most = 0
        self.lock, self.stopped = threading.Lock(), threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"owner": self}))
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def stop(self) -> None:
        self.stopped.set()
        self.server.shutdown()
        self.server.server_close()

    def answer(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        if self.upstream is None:
            data = self.files.get(path.partition("?")[0])
            return (404, {}, b"") if data is None else (200, {}, data)
        connection = http.client.HTTPConnection(*self.upstream)
        try:
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()} | self.headers
            kept = {k: v for k, v in found.items() if v and k not in ("connection", "date", "server")}
            return response.status, kept, response.read()
        finally:
            connection.close()


class _Handler(BaseHTTPRequestHandler):
    owner: FaultyServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *args) -> None:
        pass

    def do_HEAD(self) -> None:
        status, headers, data = self.owner.answer("HEAD", self.path, dict(self.headers))
        self._head(status, {"content-length": str(len(data))} | headers)

    def do_GET(self) -> None:
        owner = self.owner
        status, headers, data = owner.answer("GET", self.path, dict(self.headers))
        path = self.path.partition("?")[0]
        with owner.lock:
            fault = owner.fault(path, owner.gets[path])
            owner.gets[path] += 1
            owner.given[fault] += 1
            owner.sent[path] += 0 if fault else len(data)
            owner.busy += 1
            owner.most = max(owner.most, owner.busy)
        try:
            self._send(status, headers, data, fault)
        finally:
            with owner.lock:
                owner.busy -= 1

    def _send(self, status: int, headers: dict[str, str], data: bytes, fault: str) -> None:
        headers = {k: v for k, v in headers.items() if k not in ("content-length", "transfer-encoding")}
        if fault.isdigit():
            status, headers, data = int(fault), {}, b""
        if fault == "slow":
            self.owner.stopped.wait(0.3)
        half = len(data) // 2
        if fault == "short":
            data = data[:half]
        if fault == "corrupt":
            data = data[:half] + bytes(byte ^ 0xFF for byte in data[half : half + 8]) + data[half + 8 :]
        self._head(status, headers | {"content-length": str(len(data))})
        self.wfile.write(data[:half] if fault in ("reset", "truncate", "stall") else data)
        if fault == "stall":
            self.owner.stopped.wait(60)
        if fault == "reset":  # closing with a time of 0 sends a reset
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = self.close_connection or bool(fault)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
