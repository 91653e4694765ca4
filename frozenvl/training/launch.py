"""Checks that Slurm or torchrun started as many processes as the Trainer expects.

Otherwise ranks wait forever for the missing ones, or each trains alone and writes to the same folder.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from frozenvl.util.errors import UserError

STEP = ("SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID", "SLURM_NNODES")
"""Variables that `srun` sets for each of its processes."""
BY_HAND = ("NODE_RANK", "GROUP_RANK")
"""Variables with the rank of a node, set where the command is started by hand on each node."""
INTERACTIVE = ("bash", "interactive")
"""Names of Slurm jobs in which Lightning ignores Slurm."""


class Launch(NamedTuple):
    """Number of processes that a launcher started."""

    launcher: str
    """Name of the launcher, for messages: Slurm or torchrun."""
    nodes: int
    a_node: int
    """Number of processes on each node."""


def launch(environment: Mapping[str, str] = os.environ) -> Launch | None:
    """Returns the launcher that started this process, or None without Slurm and torchrun.

    Raises:
        UserError: if a Slurm job did not use srun, or Slurm's variables for the rank are missing.
    """
    if "TORCHELASTIC_RUN_ID" in environment:
        total, per_node = int(environment["WORLD_SIZE"]), int(environment["LOCAL_WORLD_SIZE"])
        return Launch("torchrun", total // per_node, per_node)
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
    """Checks that as many processes were started as a command expects.

    Args:
        nodes: number of nodes expected.
        devices: number of processes per node expected.
        counted: names of the two settings, for messages.
        by_itself: whether the command starts the processes of its node itself, without another launcher.

    Raises:
        UserError: if the numbers differ, or nothing would start the other nodes.
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
