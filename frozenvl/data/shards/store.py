"""Parts of shards, wherever the shards are: on a disk, or in a store from which they are brought whole."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from frozenvl.data.shards.cache import ShardCache, touch
from frozenvl.data.shards.download import Download, shown
from frozenvl.pretrained.zoo import home
from frozenvl.util.errors import RunError, UserError
from frozenvl.util.files import cannot_write

DESCRIPTORS = 64
"""How many shards a process keeps open."""
AHEAD = 3
"""How many shards a process brings in the background at a time."""
IDLE = 60.0
"""Seconds without a read after which an evicted shard's descriptor is closed, and its disk space is free."""


class ShardStore:
    """Reads parts of shards. Remote shards are brought into a cache that the processes of a machine share.

    It may be pickled, and used by threads and after a fork.

    Args:
        urls: local paths, or addresses that fsspec knows (`s3://`, `gs://`, `https://`).
        sizes: in bytes; without them, what a store says.
        checksums: SHA-256 in hex; without one, the store's own MD5 is verified, where it gives one.
        cache: folder of the cache; by default `shards` in the project's cache.
        max_bytes: of the cache. The least recently used shards make room. One that is still being read is read
            on from its open descriptor, so the disk may hold that much more.
        storage_options: fsspec's: keys, an endpoint, whatever the store takes.
        attempts, backoff, stall: see `Download`.
    """

    def __init__(
        self,
        urls: Sequence[str],
        sizes: Sequence[int] | None = None,
        checksums: Sequence[str | None] | None = None,
        cache: Path | None = None,
        max_bytes: int = 50 * 10**9,
        storage_options: dict[str, Any] | None = None,
        *,
        attempts: int = 6,
        backoff: float = 0.5,
        stall: float = 30.0,
    ) -> None:
        self.urls, self.sizes, self.checksums = urls, sizes, checksums
        self.cache = ShardCache((cache or home() / "shards").expanduser().absolute(), max_bytes)
        self.download = Download(dict(storage_options or {}), attempts, backoff, stall)
        self._state = _State()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_state"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _state=_State())

    @property
    def _own(self) -> _State:
        if self._state.process != os.getpid():
            self._state = _State()  # locks and threads do not survive a fork
        return self._state

    def read(self, shard: int, offset: int, size: int) -> bytes:
        """`size` bytes of a shard, from `offset`.

        Raises:
            UserError: no such shard, or it may not be read.
            RunError: it is too short, cannot be downloaded, or cannot be kept.
        """
        held = self._held(shard)
        parts = []
        try:
            while size and (part := os.pread(held.descriptor, size, offset)):
                parts.append(part)
                offset, size = offset + len(part), size - len(part)
        except OSError as error:
            raise RunError(f"{shown(self.urls[shard])}: cannot be read ({error.strerror})") from None
        if size:
            raise RunError(
                f"{shown(self.urls[shard])}: is shorter than its index says; "
                "download it again or rebuild the index"
            )
        return b"".join(parts)

    def open(self, shard: int) -> BinaryIO:
        """The whole shard, as a file to read from and to close. Raises what `read` raises."""
        return self._file(shard)

    def prefetch(self, shards: Iterable[int]) -> None:
        """Brings remote shards in the background, in this order. What goes wrong is said when they are read."""
        own = self._own
        with own.lock:
            for shard in shards:
                if shard not in own.wanted and not is_local(self.urls[shard]):
                    own.wanted.add(shard)
                    own.queue.append(shard)
            while own.threads < min(AHEAD, len(own.wanted)):
                own.threads += 1
                threading.Thread(target=self._bring, args=(own,), daemon=True).start()

    def _bring(self, own: _State) -> None:
        while True:
            with own.lock:
                if not own.queue:
                    own.threads -= 1
                    return
                shard = own.queue.popleft()
            with suppress(Exception):  # it is met again, and said, when the shard is read
                self._file(shard).close()
            with own.lock:
                own.wanted.discard(shard)

    def _held(self, shard: int) -> _Held:
        own = self._own
        with own.lock:
            if held := own.held.pop(shard, None):
                own.held[shard] = held  # the most recently used stands last
        if held is None:
            held = _Held(self._file(shard), remote=not is_local(self.urls[shard]))
            with own.lock:
                own.held[shard] = held
                old = list(own.held)[:-DESCRIPTORS]
                for other in [*old, *(at for at, one in own.held.items() if one.evicted and one.idle > IDLE)]:
                    own.held.pop(other, None)
        held.use()
        return held

    def _file(self, shard: int) -> BinaryIO:
        url, size = self.urls[shard], self.sizes[shard] if self.sizes else None
        if is_local(url):
            try:
                return Path(url.removeprefix("file://")).open("rb")
            except FileNotFoundError:
                raise UserError(f"{url}: no such shard; check the path") from None
            except OSError as error:
                raise UserError(f"{url}: cannot be read ({error.strerror}); check it") from None
        sha256 = self.checksums[shard] if self.checksums else None
        options = self.download.options  # the same address may lead to different stores
        endpoint = options.get("endpoint_url") or options.get("client_kwargs", {}).get("endpoint_url")
        key = hashlib.sha256(repr((url, sha256, endpoint)).encode()).hexdigest()[:32]
        try:
            if file := self.cache.find(key, size):
                return file
            with self.cache.lock(key):
                if file := self.cache.find(key, size):
                    return file
                place = partial(self.cache.place, key, shown(url))
                return self.cache.keep(key, shown(url), self.download(url, place, size, sha256))
        except OSError as error:
            raise cannot_write(self.cache.folder, error) from None


def is_local(url: str) -> bool:
    """Whether an address is a path on this machine."""
    return "://" not in url or url.startswith("file://")


class _State:
    """What belongs to one process."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.lock = threading.Lock()
        self.held: dict[int, _Held] = {}
        self.queue: deque[int] = deque()
        self.wanted: set[int] = set()
        self.threads = 0


class _Held:
    """An open shard. It closes when the last reader has dropped it, so that nobody reads a closed descriptor."""

    def __init__(self, file: BinaryIO, remote: bool) -> None:
        self.file, self.remote = file, remote
        self.descriptor = file.fileno()
        self.used = time.monotonic()

    def __del__(self) -> None:
        self.file.close()

    @property
    def evicted(self) -> bool:
        return os.fstat(self.descriptor).st_nlink == 0

    @property
    def idle(self) -> float:
        return time.monotonic() - self.used

    def use(self) -> None:
        if self.remote and self.idle > 1:  # not at each read: they are many
            touch(self.descriptor)
            self.used = time.monotonic()
