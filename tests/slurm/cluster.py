"""A real Slurm of two nodes on this machine, in a folder of its own: slurmctld, two slurmd, munged.

    python tests/slurm/cluster.py FOLDER       until Ctrl-C; prints what to export so that sbatch finds it

It takes root and Debian's packages slurmctld, slurmd, slurm-client and munge.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "srun", "scontrol")
NODES = ("n1", "n2")

CONFIGURATION = """
ClusterName=two
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmctldPort={ports[0]}
AuthType=auth/munge
# cred_expire (5 at least) is also how long a job that is requeued waits, two minutes by default.
AuthInfo=socket={folder}/munge/socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/linear
MpiDefault=none
SwitchType=switch/none
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,batch_sched_delay=0
SlurmdTimeout=10
KillWait=20
ReturnToService=2
MailProg=/bin/true
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=2
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PartitionName=all Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=60
PartitionName=urgent Nodes=n1,n2 MaxTime=INFINITE State=UP PriorityTier=2
"""


def why_not() -> str:
    """Returns why no cluster can run here; empty if one can."""
    missing = [name for name in PROGRAMS if not shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")]
    if missing:
        return f"{', '.join(missing)} not installed (apt-get install slurmctld slurmd slurm-client munge)"
    return "" if os.geteuid() == 0 else "slurmd takes root"


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Cluster:
    """Context manager that starts a cluster and stops it.

    Args:
        folder: folder for configuration, state and logs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.environment = {"SLURM_CONF": str(self.folder / "slurm.conf"), "MASTER_ADDR": "127.0.0.1"}
        """Variables for users of the cluster. `MASTER_ADDR` is set, since DNS does not know the names of its nodes."""
        self.daemons: dict[str, subprocess.Popen] = {}

    def __enter__(self) -> Cluster:
        for name in ("munge", "state"):
            (self.folder / name).mkdir(parents=True)
        munge, key = self.folder / "munge", self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        for path, mode in ((self.folder, 0o755), (munge, 0o755), (key, 0o600)):
            path.chmod(mode)
        text = CONFIGURATION.format(folder=self.folder, host=socket.gethostname(), ports=free_ports(3))
        Path(self.environment["SLURM_CONF"]).write_text(text)
        paths = [f"--{what}-file={munge}/{what}" for what in ("pid", "log", "seed")]
        self._start(
            "munged", "--foreground", "--force", f"--socket={munge}/socket", f"--key-file={key}", *paths
        )
        self._until(lambda: (munge / "socket").exists(), "munged")
        self._start("slurmctld", "-D", "-c")
        for name in NODES:
            self.start_node(name)
        self._until(
            lambda: self("sinfo", "-h", "-p", "all", "-o", "%D %t").strip() == "2 idle", "two idle nodes"
        )
        return self

    def __exit__(self, *_: object) -> None:
        self("scancel", "--user=root")
        for name in NODES:
            self.kill_node(name)
        for name in ("slurmctld", "munged"):
            self.daemons[name].kill()
            self.daemons[name].wait()

    def __call__(self, *command: str) -> str:
        """Runs a command of Slurm; returns what it prints."""
        done = subprocess.run(command, env=os.environ | self.environment, capture_output=True, text=True)
        return done.stdout if done.returncode == 0 else done.stdout + done.stderr

    def start_node(self, name: str) -> None:
        self._start("slurmd", "-D", "-N", name, name=name)

    def kill_node(self, name: str) -> None:
        """Kills the daemon and the jobs of a node at once, as in a power failure."""
        self.daemons[name].kill()
        self.daemons[name].wait()
        for pid in self.processes(name):
            os.kill(pid, signal.SIGKILL)

    def processes(self, node: str) -> list[int]:
        """Returns the processes of the jobs on a node."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                variables = (folder / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if {
                f"SLURMD_NODENAME={node}".encode(),
                f"SLURM_CONF={self.environment['SLURM_CONF']}".encode(),
            } <= {*variables}:
                found.append(int(folder.name))
        return found

    def state(self, job: str) -> str:
        """Returns the state of a job with its exit status, such as `COMPLETED 0:0`."""
        shown = dict(
            pair.split("=", 1) for pair in self("scontrol", "show", "job", job).split() if "=" in pair
        )
        return f"{shown.get('JobState', 'GONE')} {shown.get('ExitCode', '')}"

    def ended(self, job: str, seconds: float = 120) -> str:
        """Waits until a job ends; returns its state."""
        over = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "GONE")
        self._until(lambda: self.state(job).split()[0] in over, f"job {job} to end", seconds)
        return self.state(job)

    def _start(self, *command: str, name: str = "") -> None:
        path = {"PATH": f"{os.environ['PATH']}:/usr/sbin"}
        with (self.folder / f"{name or command[0]}.out").open("a") as log:
            self.daemons[name or command[0]] = subprocess.Popen(
                command,
                env=os.environ | self.environment | path,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _until(self, holds, what: str, seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > end:
                logs = "".join(path.read_text()[-1500:] for path in self.folder.glob("*.out"))
                raise RuntimeError(f"waited {seconds} s for {what}; {self('squeue')}{self('sinfo')}{logs}")
            time.sleep(0.1)


if __name__ == "__main__":
    if reason := why_not():
        sys.exit(f"cluster.py: {reason}")
    with Cluster(Path(sys.argv[1])) as cluster:
        print("\n".join(f"export {name}={value}" for name, value in cluster.environment.items()), flush=True)
        with suppress(KeyboardInterrupt):
            signal.pause()
