"""Downloads whole files from any store that fsspec supports, with verification and retries."""

from __future__ import annotations

import base64
import concurrent.futures
import errno
import hashlib
import os
import random
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frozenvl.util.errors import RunError, UserError
from frozenvl.util.files import cannot_write

_PACKAGES = {
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "http": "aiohttp",
    "https": "aiohttp",
}
"""Protocol → package that fsspec needs for it."""
_TRANSIENT = {408, 425, 429}  # the only HTTP status codes from 400 to 499 that are worth another attempt
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}


class _Damaged(Exception):
    """The downloaded bytes differ from the file in the store."""


@dataclass(frozen=True)
class Download:
    """Downloads files, each completely or not at all.

    Args:
        options: `storage_options` of fsspec, such as keys and an endpoint.
        attempts: maximum number of attempts if the server fails, stalls, truncates or damages the file.
        backoff: seconds before the second attempt, doubled before each further one.
        stall: seconds without a byte after which an attempt is given up.
    """

    options: dict[str, Any]
    attempts: int = 6
    backoff: float = 0.5
    stall: float = 30.0

    def __call__(
        self,
        url: str,
        place: Callable[[int | None], Path],
        size: int | None = None,
        sha256: str | None = None,
    ) -> Path:
        """Downloads `url` and returns the path of the local file.

        Args:
            url: URL of the file.
            place: function that makes room for a number of bytes (None: unknown) and returns the path to write to.
            size: size of the file in bytes; by default the size that the store reports.
            sha256: SHA-256 of the file in hex. Without it, the MD5 that the store reports, if any, is verified.

        Raises:
            UserError: if the store refuses, has no such file, or needs a package that is not installed.
            RunError: if the last attempt failed or the file cannot be written. No partial file is left behind.
        """
        reason = ""
        for attempt in range(self.attempts):
            if attempt:  # jitter, so that clients that failed together do not retry together
                jitter = random.Random(f"{os.getpid()} {url} {attempt}").uniform(0.5, 1)
                time.sleep(self.backoff * 2 ** (attempt - 1) * jitter)
            try:
                return self._attempt(url, place, size, sha256)
            except UserError:
                raise
            except Exception as caught:  # exceptions of the stores' libraries have no common base
                error = _cause(url, caught)
                reason = _reason(url, error)
                if _is_missing(error):
                    raise UserError(f"{shown(url)}: no such file in its store; check the name") from error
                if _is_refused(error):
                    raise UserError(
                        f"{shown(url)}: its store refuses it ({reason}); check the name and the credentials"
                    ) from error
        raise RunError(
            f"{shown(url)}: cannot be downloaded ({reason}; tried {self.attempts} times); "
            "check the network and the store, then run again"
        )

    def _attempt(
        self, url: str, place: Callable[[int | None], Path], size: int | None, sha256: str | None
    ) -> Path:
        fs, path = self._filesystem(url)
        info = {} if size is not None and sha256 else self._watched(fs, "info", path)
        size = info.get("size") if size is None else size
        temporary = place(size)
        try:
            self._watched(fs, "get_file", path, str(temporary), file=temporary)
            self._verify(fs, path, temporary, size, sha256, _md5(url, info))
        except BaseException as error:
            temporary.unlink(missing_ok=True)
            if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
                raise cannot_write(temporary.parent, error) from None
            raise
        return temporary

    def _filesystem(self, url: str) -> tuple[Any, str]:
        protocol = url.partition("://")[0]
        try:
            from fsspec.core import url_to_fs

            options = dict(self.options)
            for name, inner in _defaults(protocol).items():
                options[name] = {**inner, **options.get(name, {})}
            fs, path = url_to_fs(url, **options)
        except ImportError as error:
            advice = f"run `pip install {_PACKAGES[protocol]}`" if protocol in _PACKAGES else str(error)
            raise UserError(
                f"{shown(url)}: {protocol}:// needs a package that is not installed; {advice}"
            ) from error
        except (ValueError, TypeError) as error:
            raise UserError(
                f"{shown(url)}: not an address that can be read from ({_reason(url, error)}); "
                "check it and storage_options"
            ) from error
        return fs, path

    def _watched(self, fs: Any, method: str, *args: Any, file: Path | None = None) -> Any:
        """Calls a method of the store. Raises TimeoutError if it takes longer than `stall` without `file` growing."""
        if fs.async_impl:
            import asyncio

            call = asyncio.run_coroutine_threadsafe(getattr(fs, f"_{method}")(*args), fs.loop)
        else:
            call = _in_thread(getattr(fs, method), *args)
        last_size, since = -1, time.monotonic()
        try:
            while not concurrent.futures.wait([call], timeout=min(1.0, self.stall / 4)).done:
                size = file.stat().st_size if file else -1
                if size != last_size:
                    last_size, since = size, time.monotonic()
                elif time.monotonic() - since > self.stall:
                    raise TimeoutError(f"no byte came for {self.stall:g} seconds")
        finally:
            call.cancel()  # closes the connection; a thread cannot be stopped and runs into its own timeout
        return call.result()

    def _verify(
        self, fs: Any, path: str, file: Path, size: int | None, sha256: str | None, md5: str | None
    ) -> None:
        actual = file.stat().st_size
        if size is not None and actual != size:
            raise _Damaged(f"{actual} bytes came, not {size}")
        expected = sha256.lower() if sha256 else md5
        with file.open("rb") as opened:
            os.fsync(opened.fileno())  # a renamed file must be complete even after a power cut
            if expected:
                name = "sha256" if sha256 else "md5"
                checksum = hashlib.file_digest(opened, name).hexdigest()
                if checksum != expected and (sha256 or not self._etag_is_no_md5(fs, path)):
                    raise _Damaged(f"its {name} is {checksum}, not {expected}")

    def _etag_is_no_md5(self, fs: Any, path: str) -> bool:
        """Tells whether S3 encrypts an object with a customer's key. Its ETag is then not an MD5."""
        if not hasattr(fs, "split_path"):
            return False
        bucket, key, _ = fs.split_path(path)
        head = self._watched(fs, "call_s3", "head_object", {"Bucket": bucket, "Key": key})
        return "kms" in head.get("ServerSideEncryption", "") or "SSECustomerAlgorithm" in head


def _defaults(protocol: str) -> dict[str, dict[str, Any]]:
    """Returns store options that disable retries and timeouts, which `Download` handles."""
    if protocol in ("s3", "s3a"):
        return {"config_kwargs": {"retries": {"max_attempts": 0}}}
    if protocol in ("http", "https"):
        import aiohttp

        # aiohttp's total timeout of five minutes is too short for a large shard; compression would change its size
        timeout = aiohttp.ClientTimeout(total=None)
        return {"client_kwargs": {"timeout": timeout}, "headers": {"Accept-Encoding": "identity"}}
    return {}


def _md5(url: str, info: dict[str, Any]) -> str | None:
    """Returns the MD5 that a store reports, in hex; None if it reports none."""
    if url.startswith(("s3://", "s3a://")):
        etag = str(info.get("ETag")).strip('"')  # of a multipart upload it contains "-" and is not an MD5
        return etag if re.fullmatch("[0-9a-f]{32}", etag) else None
    encoded = info.get("md5Hash") or info.get("Content-MD5")
    return base64.b64decode(encoded).hex() if encoded else None


def _in_thread(function: Callable[..., Any], *args: Any) -> concurrent.futures.Future[Any]:
    """Calls a function in a daemon thread, which does not keep the process from exiting."""
    future: concurrent.futures.Future[Any] = concurrent.futures.Future()
    future.set_running_or_notify_cancel()

    def run() -> None:
        try:
            future.set_result(function(*args))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def shown(url: str) -> str:
    """Returns a URL without the secrets that it may contain (password, signed query string)."""
    return re.sub(r"//[^/@]*@", "//", url.partition("?")[0])


def _cause(url: str, error: Exception) -> BaseException:
    # for HTTP, fsspec raises FileNotFoundError whatever the cause
    hides = url.startswith("http") and isinstance(error, FileNotFoundError)
    return error.__cause__ if hides and error.__cause__ else error


def _status(error: BaseException) -> int | None:
    status = getattr(error, "status", None)
    return status if isinstance(status, int) else None


def _is_missing(error: BaseException) -> bool:
    return isinstance(error, FileNotFoundError) or _status(error) in (404, 410)


def _is_refused(error: BaseException) -> bool:
    status = _status(error)
    denied = status is not None and 400 <= status < 500 and status not in _TRANSIENT
    return denied or isinstance(error, PermissionError) or "Credential" in type(error).__name__


def _reason(url: str, error: BaseException) -> str:
    if (status := _status(error)) is not None:
        return f"status {status}"
    lines = str(error).replace(url, shown(url)).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
