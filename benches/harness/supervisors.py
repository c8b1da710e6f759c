"""The supervisors that people use today, each with COUNT idle workers in a world of its own."""

import os
import subprocess
import sys
import time
from contextlib import suppress

from . import tools
from .tools import BUILT, Unavailable
from .world import DEADLINE, IDLE, World, await_ends

SUPERVISORD = BUILT / "supervisor/bin/supervisord"
SUPERVISORCTL = BUILT / "supervisor/bin/supervisorctl"
PUEUED = BUILT / "pueue/bin/pueued"
PUEUE = BUILT / "pueue/bin/pueue"
SUPERVISOR_VERSION = "4.2.5"
PUEUE_VERSION = "4.0.4"


def install() -> None:
    """Both, once, in the background of whatever else the machine does."""
    if not SUPERVISORD.exists():
        subprocess.run([sys.executable, "-m", "venv", BUILT / "supervisor"], check=False)
        subprocess.run([BUILT / "supervisor/bin/pip", "install", f"supervisor=={SUPERVISOR_VERSION}"], check=False)
    if not PUEUED.exists():
        command = ["nice", "-n", "19", "cargo", "install", "pueue", "--version", PUEUE_VERSION, "--locked"]
        subprocess.run([*command, "--root", BUILT / "pueue"], check=False)


class Supervisor:
    """A supervisor whose daemon runs in the world. `pid` is the daemon's."""

    def __init__(self, world: World, count: int) -> None:
        self.world = world
        self.count = count

    def await_workers(self) -> None:
        """Returns when all workers run. A look every 10 ms: the supervisors tell nobody when they are done."""
        deadline = time.monotonic() + 6 * DEADLINE
        while (running := len(self.world.processes(IDLE[0]))) != self.count:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{type(self).__name__}: {running} of {self.count} workers run")
            time.sleep(0.01)

    def stop_time(self, *command) -> float:
        """Milliseconds from the start of a command that stops all to the end of it and of the last worker."""
        handles = []
        for process in self.world.processes(IDLE[0]):
            with suppress(ProcessLookupError):
                handles.append(os.pidfd_open(process.pid))
        if len(handles) != self.count:
            raise RuntimeError(f"{type(self).__name__}: {len(handles)} of {self.count} workers run")
        begin = time.monotonic()
        deadline = begin + DEADLINE
        self.world.run(*command)
        returned = time.monotonic()
        over = await_ends(handles, deadline)
        if over >= deadline:
            raise RuntimeError(f"{type(self).__name__} did not stop its workers")
        return (max(over, returned) - begin) * 1e3


class Supervisord(Supervisor):
    """With logs of both streams, as it does unasked, and a worker that counts as started at once."""

    def __init__(self, world: World, count: int) -> None:
        super().__init__(world, count)
        if not SUPERVISORD.exists():
            raise Unavailable("supervisord is not installed; --peers does that once")
        self.settings = world.path / "supervisord.conf"
        self.settings.write_text(
            f"[supervisord]\nlogfile={world.path}/log\npidfile={world.path}/pid\nchildlogdir={world.work}\n"
            "minfds=8192\n"
            f"[unix_http_server]\nfile={world.path}/socket\n"
            "[rpcinterface:supervisor]\n"
            "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"
            f"[supervisorctl]\nserverurl=unix://{world.path}/socket\n"
            f"[program:w]\ncommand={' '.join(IDLE)}\nnumprocs={count}\nprocess_name=w%(process_num)d\n"
            "autostart=false\nstartsecs=0\n"
        )
        self.pid = world.start([SUPERVISORD, "-n", "-c", self.settings], "daemon").pid
        deadline = time.monotonic() + DEADLINE
        while not (world.path / "socket").exists():
            if time.monotonic() > deadline:
                raise RuntimeError("supervisord does not answer")
            time.sleep(0.01)

    def start(self) -> float:
        """Starts all; milliseconds."""
        begin = time.monotonic()
        self.world.run(SUPERVISORCTL, "-c", self.settings, "start", "all")
        took = (time.monotonic() - begin) * 1e3
        self.await_workers()
        return took

    def stop(self) -> float:
        """Stops all; milliseconds."""
        return self.stop_time(SUPERVISORCTL, "-c", self.settings, "stop", "all")


class Pueue(Supervisor):
    """With as many at a time as there are."""

    def __init__(self, world: World, count: int) -> None:
        super().__init__(world, count)
        if not PUEUED.exists():
            raise Unavailable("pueue is not installed; --peers does that once")
        folder = world.path / "pueue"
        folder.mkdir()
        settings = world.path / "pueue.yml"
        settings.write_text(
            f"shared:\n  pueue_directory: {folder}\n  runtime_directory: {folder}\n  use_unix_socket: true\n"
            f"  unix_socket_path: {folder}/socket\nclient: {{}}\ndaemon: {{}}\n"
        )
        self.client = [PUEUE, "-c", settings]
        self.stopped = False
        self.pid = world.start([PUEUED, "-c", settings], "daemon").pid
        deadline = time.monotonic() + DEADLINE
        while not (folder / "socket").exists():
            if time.monotonic() > deadline:
                raise RuntimeError("pueued does not answer")
            time.sleep(0.01)
        world.run(*self.client, "parallel", str(count))
        world.times(count, *self.client, "add", "--", *IDLE)

    def start(self) -> float:
        """Starts all, anew if they were stopped; milliseconds, which say little: its client cannot wait for it."""
        begin = time.monotonic()
        if self.stopped:
            self.world.run(*self.client, "wait", "--all", "--quiet")
            self.world.run(*self.client, "restart", "--in-place", "--all-failed")
        self.world.run(*self.client, "start")
        self.await_workers()
        return (time.monotonic() - begin) * 1e3

    def stop(self) -> float:
        """Kills all; milliseconds."""
        self.stopped = True
        return self.stop_time(*self.client, "kill", "--all")
