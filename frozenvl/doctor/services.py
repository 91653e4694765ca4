"""Checks of what is outside Python: Java, the network, ports, a scheduler, and two ranks that talk."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator

from frozenvl.doctor.finding import Finding

SECONDS = 3.0
"""Seconds to wait for the hub."""
RANK_SECONDS = 60.0
"""Seconds to wait for two ranks, each of which imports torch."""
RANK = """
import datetime, sys, torch, torch.distributed as dist
rank, port = int(sys.argv[1]), int(sys.argv[2])
dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2,
                        timeout=datetime.timedelta(seconds=30))
total = torch.tensor([rank + 1.0])
dist.all_reduce(total)
dist.destroy_process_group()
sys.exit(0 if total.item() == 3 else 1)
"""
"""Program of one of two ranks: it adds 1 and 2 over gloo."""


def java() -> Iterator[Finding]:
    """Tells whether METEOR and SPICE can be computed. All other scores need no Java."""
    from frozenvl.metrics.java import JAVA_METRICS, why_not

    for metric in JAVA_METRICS:
        reason = why_not(metric)
        yield Finding(
            "note" if reason else "ok",
            f"{metric}: {f'not computed ({reason}); no other score needs Java' if reason else 'can be computed'}",
        )


def hub() -> Iterator[Finding]:
    """Tells whether the Hugging Face hub is reached. Without it, local folders and fetched models still work."""
    from huggingface_hub import constants
    from huggingface_hub.utils import get_session

    if constants.HF_HUB_OFFLINE:
        yield Finding("note", "the Hugging Face hub is switched off (HF_HUB_OFFLINE)")
        return
    try:
        get_session().head(constants.ENDPOINT, timeout=SECONDS)
    except Exception as error:  # of an HTTP library that depends on the hub's version
        yield Finding(
            "note",
            f"the Hugging Face hub is not reached ({type(error).__name__}): local folders and fetched models work",
            "set HF_ENDPOINT to a mirror, or copy models into a folder and name it",
        )
    else:
        yield Finding("ok", "the Hugging Face hub is reached")


def slurm() -> Iterator[Finding]:
    """Tells of Slurm: its commands, and the job that this is a part of."""
    if not shutil.which("sbatch"):
        yield Finding("note", "no Slurm")
    elif job := os.environ.get("SLURM_JOB_ID"):
        nodes, tasks = (os.environ.get(name, "?") for name in ("SLURM_JOB_NUM_NODES", "SLURM_NTASKS"))
        yield Finding("ok", f"Slurm job {job}: {nodes} nodes, {tasks} tasks")
    else:
        yield Finding("ok", "Slurm is here: configs/trainer/slurm.yaml")


def free_port() -> int:
    """Returns a free port of the loopback interface."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def ranks() -> Iterator[Finding]:
    """Starts two ranks that add two numbers over gloo, as data-parallel runs on processors do."""
    try:
        port = free_port()
    except OSError as error:
        yield Finding(
            "error",
            f"no port of 127.0.0.1 can be opened ({error.strerror}), so ranks cannot meet",
            "allow local connections",
        )
        return
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", RANK, str(rank), str(port)],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        said = [process.communicate(timeout=RANK_SECONDS)[1] for process in started]
    except subprocess.TimeoutExpired:
        yield Finding(
            "error",
            f"two ranks did not meet within {RANK_SECONDS:.0f} s (gloo, 127.0.0.1:{port})",
            "a firewall or a wrong GLOO_SOCKET_IFNAME may keep them apart",
        )
        return
    finally:
        for process in started:
            process.kill()
    if any(process.returncode for process in started):
        last = next((text.strip().splitlines()[-1] for text in said if text.strip()), "no message")
        yield Finding(
            "error", f"two ranks failed to add numbers over gloo: {last[:200]}", "see GLOO_SOCKET_IFNAME"
        )
    else:
        yield Finding("ok", "two ranks talk to each other (gloo)")
