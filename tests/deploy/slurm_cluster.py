"""A real Slurm on this machine, in a folder of its own: munge, slurmctld, and slurmd for two nodes.

Each node has two GPUs that are none, so that jobs are placed and bound as on a real cluster. What
differs: all is one machine and one user, and nothing is confined by cgroups.
"""

import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import time

from waiting import wait_for

NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "scancel", "squeue")

# In seconds: how long a job that is ended has, as on most clusters 30.
KILL_WAIT_S = 15

CONF = """
ClusterName=halving-test
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={dir}/munge.sock,cred_expire=5
StateSaveLocation={dir}/state
SlurmdSpoolDir={dir}/spool-%n
SlurmctldPidFile={dir}/slurmctld.pid
SlurmdPidFile={dir}/slurmd-%n.pid
SlurmctldLogFile={dir}/slurmctld.log
SlurmdLogFile={dir}/slurmd-%n.log
SlurmctldPort={ports[0]}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,sched_interval=1,bf_interval=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait={kill_wait}
GresTypes=gpu
SlurmdParameters=config_overrides
NodeName=n1 NodeAddr=127.0.0.1 Port={ports[1]} CPUs=16 RealMemory=64000 Gres=gpu:2
NodeName=n2 NodeAddr=127.0.0.1 Port={ports[2]} CPUs=16 RealMemory=64000 Gres=gpu:2
PartitionName=main Nodes=ALL Default=YES PriorityTier=1 MaxTime=INFINITE State=UP
PartitionName=urgent Nodes=ALL PriorityTier=10 MaxTime=INFINITE State=UP
"""
GRES = """
AutoDetect=off
NodeName=n[1-2] Name=gpu File=/dev/null
NodeName=n[1-2] Name=gpu File=/dev/zero
"""


def missing():
    """The programs that are not installed."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return [name for name in NEEDED if shutil.which(name, path=path) is None]


def free_ports(count):
    """Ports that nobody listens on, outside of those that the system gives away by itself."""
    ports = set()
    while len(ports) < count:
        port = random.SystemRandom().randrange(20000, 32000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                ports.add(port)
    return sorted(ports)


class SlurmCluster:

    def __init__(self, folder):
        self.dir = pathlib.Path(folder)
        # Of daemons, and of whoever submits a job; a test may add to it.
        self.environment = {key: value for key, value in os.environ.items()
                            if not key.startswith(("HALVING_", "SLURM_", "SBATCH_"))}
        self.environment["PATH"] += ":/usr/sbin:/sbin"
        self.environment["SLURM_CONF"] = str(self.dir / "slurm.conf")
        self._daemons = []

    def _start(self, name, *args):
        with open(self.dir / f"{name}.out", "wb") as out:
            self._daemons.append(subprocess.Popen([str(a) for a in args], stdout=out, stderr=out,
                                                  env=self.environment))

    def start(self):
        self.dir.mkdir(mode=0o700)
        (self.dir / "state").mkdir()
        for node in ("n1", "n2"):
            (self.dir / f"spool-{node}").mkdir()
        key = self.dir / "munge.key"
        key.write_bytes(os.urandom(32))
        key.chmod(0o600)
        user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True)
        (self.dir / "slurm.conf").write_text(CONF.format(
            host=socket.gethostname().split(".")[0], user=user.stdout.strip(), dir=self.dir,
            ports=free_ports(3), kill_wait=KILL_WAIT_S), encoding="utf-8")
        (self.dir / "gres.conf").write_text(GRES, encoding="utf-8")
        (self.dir / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n", encoding="utf-8")
        self._start("munged", "munged", "--foreground", "--force", f"--key-file={key}",
                    *(f"--{what}={self.dir / name}" for what, name in (
                        ("socket", "munge.sock"), ("pid-file", "munged.pid"),
                        ("seed-file", "munged.seed"), ("log-file", "munged.log"))))
        self.wait_for("munged", lambda: (self.dir / "munge.sock").exists())
        self._start("slurmctld", "slurmctld", "-D", "-f", self.dir / "slurm.conf")
        for node in ("n1", "n2"):
            self._start(f"slurmd-{node}", "slurmd", "-D", "-N", node, "-f",
                        self.dir / "slurm.conf")
        self.wait_for("the nodes", lambda: self.run("sinfo", "-h", "-p", "main", "-t", "idle", "-o",
                                                 "%D", check=False).strip() == "2")

    def wait_for(self, what, condition):
        """As the function; a failure shows the logs."""
        try:
            return wait_for(what, condition)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.logs()}") from None

    def cancel_all(self):
        """Ends all jobs: of the server's name there may be one at a time."""
        self.run("scancel", "--state=PENDING", "--user", str(os.getuid()), check=False)
        self.run("scancel", "--user", str(os.getuid()), check=False)
        end = time.monotonic() + KILL_WAIT_S + 10
        while self.run("squeue", "-h", check=False).strip() and time.monotonic() < end:
            time.sleep(0.05)

    def stop(self):
        if not self._daemons:
            return
        self.cancel_all()
        for daemon in reversed(self._daemons):
            daemon.send_signal(signal.SIGTERM)
        for daemon in self._daemons:
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def run(self, *args, check=True, **more):
        """Runs a command as a user of the cluster; its standard output."""
        done = subprocess.run([str(a) for a in args], capture_output=True, text=True, timeout=60,
                              env={**self.environment, **more}, cwd=self.dir)
        if check and done.returncode != 0:
            raise AssertionError(f"{args} ended with {done.returncode}\n{done.stdout}"
                                 f"{done.stderr}\n{self.logs()}")
        return done.stdout + (done.stderr if not check else "")

    def submit(self, *args):
        """The number of the job."""
        return self.run("sbatch", "--parsable", *args).strip()

    def job(self, number):
        """What Slurm says of a job, or of one task of an array."""
        fields = self.run("scontrol", "show", "-o", "job", number).split()
        return dict(field.split("=", 1) for field in fields if "=" in field)

    def logs(self):
        """The ends of all logs, those of jobs included."""
        parts = []
        for path in sorted(self.dir.glob("*.log")):
            lines = path.read_text(errors="replace").splitlines()[-25:]
            parts.append(f"== {path.name}\n" + "\n".join(lines))
        return "\n".join(parts)
