"""The server of the page: what it serves, and what it leaves behind."""

from __future__ import annotations

import json
import os
import socket
import urllib.error
import urllib.request
import uuid
from pathlib import Path

import pytest

from frozenvl.serve.server import check_port, names_of, own_folder
from frozenvl.util.errors import UserError


def status(url: str, data: bytes | None = None, kind: str = "application/json") -> tuple[int, bytes]:
    """Returns the status and the content of an answer."""
    request = urllib.request.Request(url, data, {"content-type": kind} if data else {})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def uploaded(address: str, file: Path) -> str:
    """Uploads a file as the browser does; returns its path on the server."""
    border = uuid.uuid4().hex
    head = f'--{border}\r\nContent-Disposition: form-data; name="files"; filename="{file.name}"\r\n\r\n'
    body = head.encode() + file.read_bytes() + f"\r\n--{border}--\r\n".encode()
    code, content = status(f"{address}gradio_api/upload", body, f"multipart/form-data; boundary={border}")
    assert code == 200, content
    return json.loads(content)[0]


def test_no_file_of_the_machine_can_be_read(address, tiny_run, photos, tmp_path):
    (tmp_path / "own.txt").write_text("mine")
    copy = uploaded(address, photos / "0.png")
    assert status(f"{address}gradio_api/file={copy}") == (200, (photos / "0.png").read_bytes())
    places = (
        tmp_path / "own.txt",
        tiny_run / "config.yaml",
        photos / "0.png",
        Path(__file__),
        Path("tests/tiny.yaml"),
    )
    for place in places:
        for name in (str(place), f"{Path(copy).parent}/../../../../../../..{place}", f"file://{place}"):
            assert status(f"{address}gradio_api/file={name}")[0] in (403, 404), name
    for other in ("http://127.0.0.1:9/x", "https://example.org/x"):
        assert status(f"{address}gradio_api/file={other}")[0] == 403


def test_a_picture_must_have_been_uploaded(address, tiny_run, photos):
    code = next(
        d for d in json.loads(status(f"{address}config")[1])["dependencies"] if d["api_name"] == "_codes"
    )

    def asked(path: str) -> tuple[int, bytes]:
        image = {"path": path, "meta": {"_type": "gradio.FileData"}}
        values = [image, "What?", 8, 1, 0, 1, 0, "", None, *[None, "", ""] * 8]
        body = {"fn_index": code["id"], "data": values, "session_hash": "x"}
        return status(f"{address}gradio_api/run/predict", json.dumps(body).encode())

    code_of, content = asked(uploaded(address, photos / "0.png"))
    assert code_of == 200 and b"frozenvl ask" in content
    assert asked("https://example.org/0.png")[1].count(b"addresses are not fetched") == 1
    for path in (str(photos / "0.png"), str(tiny_run / "config.yaml"), str(Path(__file__))):
        code_of, content = asked(path)
        assert code_of == 500 and b"frozenvl ask" not in content and b"Traceback" not in content


def test_large_files_are_refused(address):
    border, size = "b", 33 * 2**20
    head = f'--{border}\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'.encode()
    body = head + bytes(size) + f"\r\n--{border}--\r\n".encode()
    code, content = status(f"{address}gradio_api/upload", body, f"multipart/form-data; boundary={border}")
    assert code == 413 and b"maximum" in content


def test_a_page_keeps_its_files_in_a_folder_that_is_removed(monkeypatch):
    monkeypatch.setenv("GRADIO_ALLOWED_PATHS", "/")
    before = dict(os.environ)
    with own_folder() as folder:
        assert folder.is_dir() and os.environ["GRADIO_TEMP_DIR"] == str(folder)
        assert "GRADIO_ALLOWED_PATHS" not in os.environ
        assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"
    assert not folder.exists() and dict(os.environ) == before


def test_a_port_in_use_and_a_foreign_host_are_one_line():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"127.0.0.1:{port}: Address already in use; choose another"):
            check_port("127.0.0.1", port)
    check_port("127.0.0.1", port)
    for host in ("192.0.2.1", "no such host"):
        with pytest.raises(UserError, match=f"{host}:.*; give --host an address of this machine"):
            check_port(host, port)
    for none in (65536, 80000):
        with pytest.raises(UserError, match=f"there is no port {none}; choose one from 1024 to 65535"):
            check_port("127.0.0.1", none)


def test_models_have_short_names_unless_two_are_alike():
    assert names_of([Path("runs/a"), Path("runs/b")]) == ["a", "b"]
    assert names_of([Path("one/a"), Path("two/a")]) == ["one/a", "two/a"]
