"""Serves the page on one port, and keeps everything that it writes in a temporary folder."""

from __future__ import annotations

import errno
import importlib.util
import os
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from frozenvl.util.errors import UserError

if TYPE_CHECKING:
    import gradio as gr

LOOPBACK = ("127.0.0.1", "localhost", "::1")
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; media-src 'self' blob:; connect-src 'self'; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)
"""Content security policy: the browser refuses whatever is not on this server. Gradio's scripts are inline."""


def check_port(host: str, port: int) -> None:
    """Checks that a port can be bound.

    Raises:
        UserError: if it is in use or not permitted, there is no such port, or the host is not one of this machine.
    """
    if not 0 < port < 65536:
        raise UserError(f"there is no port {port}; choose one from 1024 to 65535 with --port")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            remedies = {
                errno.EADDRINUSE: "choose another port with --port, such as "
                f"{port + 1 if port < 65535 else port - 1}",
                errno.EACCES: "choose a port from 1024 on with --port",
            }
            remedy = remedies.get(error.errno or 0, "give --host an address of this machine")
            raise UserError(f"{host}:{port}: {error.strerror}; {remedy}") from None


@contextmanager
def own_folder() -> Iterator[Path]:
    """Makes the temporary folder of a page, and sets Gradio's environment for as long as it is there."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("GRADIO_")]:
        del os.environ[name]  # such as GRADIO_SHARE or GRADIO_ALLOWED_PATHS
    with tempfile.TemporaryDirectory(prefix="frozenvl-serve-") as folder:
        os.environ |= {
            "GRADIO_ANALYTICS_ENABLED": "False",
            "GRADIO_TEMP_DIR": folder,
            "GRADIO_EXAMPLES_CACHE": folder,
        }
        try:
            yield Path(folder)
        finally:
            os.environ.clear()
            os.environ |= before


@contextmanager
def served(
    checkpoints: Sequence[Path], images: Path | None = None, host: str = LOOPBACK[0], port: int = 7860
) -> Iterator[str]:
    """Loads models and serves their page, and yields its address.

    Args:
        checkpoints: one model or two: checkpoints, folders of runs, or exported folders.
        images: folder of images to search.
        host: address to listen on.
        port: port.

    Raises:
        UserError: if a model cannot be loaded, or no model has an embedding head to search the images with.
    """
    with own_folder() as folder:
        from frozenvl.serve.engine import Engine
        from frozenvl.serve.examples import examples_of
        from frozenvl.serve.page import Page
        from frozenvl.serve.uploads import Uploads

        names = names_of(checkpoints)
        engines = [Engine(path, name) for path, name in zip(checkpoints, names, strict=True)]
        if images and not any(engine.embeds for engine in engines):
            raise UserError(
                f"{names[0]} has no embedding head, so it cannot search {images}; leave --images out"
            )
        examples = examples_of(checkpoints[0], images)
        blocks = Page(engines, Uploads(folder), examples, images).build()
        address = _launch(blocks, host, port)
        try:
            yield address
        finally:
            blocks.close(verbose=False)


def names_of(paths: Sequence[Path]) -> list[str]:
    """Returns a short name for each model: the name of its folder or checkpoint, or the whole path if two are alike."""
    short = [path.resolve().name for path in paths]
    return short if len({*short}) == len(short) else [str(path) for path in paths]


def check_gradio() -> None:
    """Checks that Gradio is installed.

    Raises:
        UserError: if it is not.
    """
    if importlib.util.find_spec("gradio") is None:
        raise UserError("the page needs Gradio; install it with `pip install 'frozenvl[serve]'`")


class OwnServerOnly:
    """Middleware that sends the content security policy, and refuses to fetch what is on other servers."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if "file=http" in scope["path"]:  # Gradio would fetch it
            await send({"type": "http.response.start", "status": 403, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return

        async def sent(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"],
                    (b"content-security-policy", POLICY.encode()),
                    (b"x-content-type-options", b"nosniff"),
                    (b"referrer-policy", b"no-referrer"),
                ]
            await send(message)

        await self.app(scope, receive, sent)


def refuse_links(blocks: gr.Blocks) -> None:
    """Makes all components refuse addresses in place of files. Gradio would download what they name."""
    import gradio as gr

    def refusing(move: Callable) -> Callable:
        async def moved(file: str | Path | None) -> str | None:
            if "://" in str(file):
                raise gr.Error("choose a file; addresses are not fetched", print_exception=False)
            return await move(file)

        return moved

    for block in blocks.blocks.values():
        block.async_move_resource_to_block_cache = refusing(  # type: ignore[method-assign]
            block.async_move_resource_to_block_cache
        )


def _launch(blocks: gr.Blocks, host: str, port: int) -> str:
    """Starts to serve, in a thread. Returns the address."""
    from starlette.middleware import Middleware

    from frozenvl.serve.theme import CSS, theme
    from frozenvl.serve.uploads import MAX_UPLOAD_BYTES, PASTE

    refuse_links(blocks)
    blocks.queue(max_size=32, default_concurrency_limit=1)
    _, address, _ = blocks.launch(
        server_name=host,
        server_port=port,
        prevent_thread_lock=True,
        quiet=True,
        share=False,
        inbrowser=False,
        show_error=False,
        footer_links=[],
        run_history=False,
        allowed_paths=[],
        max_file_size=MAX_UPLOAD_BYTES,
        state_session_capacity=32,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        enable_monitoring=False,
        # Or Gradio asks its own page for a sign of life, and stops with advice to share it if that takes 3 seconds.
        _frontend=False,
        theme=theme(),
        css=CSS,
        js=PASTE,
        app_kwargs={"middleware": [Middleware(OwnServerOnly)], "docs_url": None, "redoc_url": None},
    )
    return address


def wait() -> None:
    """Waits for Ctrl-C or SIGTERM."""
    ended = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: ended.set()) for number in numbers}
    try:
        ended.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
