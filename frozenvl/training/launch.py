"""Processes that Slurm or torchrun started: whether they are as many as the Trainer counts on.

Where they are not, ranks wait for others that never come, or each trains by itself into the same folder.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from frozenvl.util.errors import UserError

STEP = ("SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID", "SLURM_NNODES")
"""What `srun` tells each of its processes."""
BY_HAND = ("NODE_RANK", "GROUP_RANK")
"""What says which node this is, where a person starts the command on each."""
INTERACTIVE = ("bash", "interactive")
"""Names of jobs in which Lightning takes no notice of Slurm."""


class Launch(NamedTuple):
    """The processes of a run, as their launcher counts them."""

    launcher: str
    nodes: int
    a_node: int


def launch(environment: Mapping[str, str] = os.environ) -> Launch | None:
    """What started this process among others; nothing where it stands alone or starts them itself.

    Raises:
        UserError: under Slurm, but not by srun, or without the variables that tell ranks apart.
    """
    if "TORCHELASTIC_RUN_ID" in environment:
        everywhere, here = int(environment["WORLD_SIZE"]), int(environment["LOCAL_WORLD_SIZE"])
        return Launch("torchrun", everywhere // here, here)
    if "SLURM_NTASKS" not in environment or environment.get("SLURM_JOB_NAME") in INTERACTIVE:
        return None
    tasks = int(environment["SLURM_NTASKS"])
    if tasks > 1 and "SLURM_STEP_ID" not in environment:
        raise UserError(
            f"the Slurm job has {tasks} tasks, but this is its script: start the command by `srun`"
        )
    needed = (*STEP, "SLURM_NTASKS_PER_NODE") if tasks > 1 else STEP
    if missing := [name for name in needed if not environment.get(name)]:
        hint = "; submit with --nodes and --ntasks-per-node" if missing == ["SLURM_NTASKS_PER_NODE"] else ""
        raise UserError(f"Slurm's {', '.join(missing)} is not set in this process{hint}")
    nodes = int(environment["SLURM_NNODES"])
    return Launch("Slurm", nodes, tasks // nodes)


def check_launch(
    nodes: int, devices: int, counted: str = "trainer.num_nodes × trainer.devices", by_itself: bool = False
) -> None:
    """Compares what a command counts on with what was started.

    Args:
        counted: what says so.
        by_itself: whether it starts the processes of its node, and knows of no other launcher.

    Raises:
        UserError: where they differ.
    """
    started = launch()
    if started and (nodes, devices) != started[1:]:
        raise UserError(
            f"{started.launcher} started {started.a_node} process(es) on each of {started.nodes} node(s), but "
            f"{counted} is {nodes} × {devices}; set them alike"
        )
    if by_itself and nodes > 1 and not started and not any(name in os.environ for name in BY_HAND):
        raise UserError(
            f"{counted} is {nodes} × {devices}, but nothing starts the other nodes: start the command on each by "
            "srun or torchrun (docs/clusters.md)"
        )
