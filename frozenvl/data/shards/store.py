"""Random access to shards, local or remote. Remote shards are downloaded whole into a disk cache."""

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
"""Maximum number of shards that a process keeps open."""
AHEAD = 3
"""Maximum number of concurrent background downloads of a process."""
IDLE = 60.0
"""Seconds without a read after which the descriptor of an evicted shard is closed, which frees its disk space."""


class ShardStore:
    """Reads byte ranges of shards. Remote shards are downloaded into a cache that the processes of a machine share.

    Safe to pickle, to use from threads and to use after a fork.

    Args:
        urls: local paths, or URLs that fsspec supports (`s3://`, `gs://`, `https://`).
        sizes: size of each shard in bytes; by default the remote store is asked.
        checksums: SHA-256 of each shard in hex. Without it, the MD5 that the remote store reports, if any, is verified.
        cache: cache folder; by default `shards` in the project's cache.
        max_bytes: maximum size of the cache. The least recently used shards are evicted. A shard that is being read
            is evicted too, but occupies the disk until its descriptor is closed.
        storage_options: fsspec options, such as keys and an endpoint.
        attempts: see `Download`.
        backoff: see `Download`.
        stall: see `Download`.
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
        self._state = _ProcessState()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_state"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _state=_ProcessState())

    @property
    def _process_state(self) -> _ProcessState:
        """State of the current process, new after a fork."""
        if self._state.process != os.getpid():
            self._state = _ProcessState()  # locks and threads do not survive a fork
        return self._state

    def read(self, shard: int, offset: int, size: int) -> bytes:
        """Reads `size` bytes of a shard at `offset`.

        Raises:
            UserError: if there is no such shard, or access is refused.
            RunError: if the shard is too short, cannot be downloaded, or cannot be written to the cache.
        """
        opened = self._opened(shard)
        parts = []
        try:
            while size and (part := os.pread(opened.descriptor, size, offset)):
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
        """Opens the whole shard as a file, which the caller closes. Raises what `read` raises."""
        return self._file(shard)

    def prefetch(self, shards: Iterable[int]) -> None:
        """Downloads remote shards in the background, in this order. Errors are reported when the shards are read."""
        state = self._process_state
        with state.lock:
            for shard in shards:
                if shard not in state.pending and not is_local(self.urls[shard]):
                    state.pending.add(shard)
                    state.queue.append(shard)
            while state.threads < min(AHEAD, len(state.pending)):
                state.threads += 1
                threading.Thread(target=self._download_queue, args=(state,), daemon=True).start()

    def _download_queue(self, state: _ProcessState) -> None:
        """Downloads queued shards until the queue is empty; runs in a background thread."""
        while True:
            with state.lock:
                if not state.queue:
                    state.threads -= 1
                    return
                shard = state.queue.popleft()
            with suppress(Exception):  # raised again when the shard is read
                self._file(shard).close()
            with state.lock:
                state.pending.discard(shard)

    def _opened(self, shard: int) -> _OpenShard:
        """Returns an open shard, and closes the shards that were not used for longest."""
        state = self._process_state
        with state.lock:
            if opened := state.opened.pop(shard, None):
                state.opened[shard] = opened  # the most recently used is last
        if opened is None:
            opened = _OpenShard(self._file(shard), remote=not is_local(self.urls[shard]))
            with state.lock:
                state.opened[shard] = opened
                surplus = list(state.opened)[:-DESCRIPTORS]
                idle = [key for key, one in state.opened.items() if one.evicted and one.idle > IDLE]
                for key in [*surplus, *idle]:
                    state.opened.pop(key, None)
        opened.use()
        return opened

    def _file(self, shard: int) -> BinaryIO:
        """Opens a local shard, or a cached one after downloading it if necessary."""
        url, size = self.urls[shard], self.sizes[shard] if self.sizes else None
        if is_local(url):
            try:
                return Path(url.removeprefix("file://")).open("rb")
            except FileNotFoundError:
                raise UserError(f"{url}: no such shard; check the path") from None
            except OSError as error:
                raise UserError(f"{url}: cannot be read ({error.strerror}); check it") from None
        sha256 = self.checksums[shard] if self.checksums else None
        options = self.download.options  # the same URL may mean different stores
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
    """Tells whether a URL is a path on this machine."""
    return "://" not in url or url.startswith("file://")


class _ProcessState:
    """Open shards and downloads of one process."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.lock = threading.Lock()
        self.opened: dict[int, _OpenShard] = {}
        self.queue: deque[int] = deque()
        self.pending: set[int] = set()
        self.threads = 0


class _OpenShard:
    """An open shard. It is closed when the last reader drops it, so that no thread reads a closed descriptor."""

    def __init__(self, file: BinaryIO, remote: bool) -> None:
        self.file, self.remote = file, remote
        self.descriptor = file.fileno()
        self.used = time.monotonic()

    def __del__(self) -> None:
        self.file.close()

    @property
    def evicted(self) -> bool:
        """True if the file was deleted from the cache."""
        return os.fstat(self.descriptor).st_nlink == 0

    @property
    def idle(self) -> float:
        """Seconds since the last recorded use."""
        return time.monotonic() - self.used

    def use(self) -> None:
        """Records a use, for the eviction order."""
        if self.remote and self.idle > 1:  # at most once a second: reads are frequent
            touch(self.descriptor)
            self.used = time.monotonic()
