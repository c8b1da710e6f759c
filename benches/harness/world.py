"""A world for workers: a home, a tmux server and processes of its own. Nothing of it is left, also after Ctrl-C."""

import os
import select
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from .tools import BUILT, Options, Scratch

# A worker that does nothing, and does not outlive a benchmark for long that was killed.
IDLE = ["sleep", "1800"]
# What takes longer than this to end is reported and not waited for.
DEADLINE = 20.0
# The same for a command that a row runs; the slowest makes five hundred workers, one after the other.
LONGEST_RUN = 300.0


class Process(NamedTuple):
    """A process of a world."""

    pid: int
    name: str


class World(Scratch):
    """One side with its workers. `words` is how its program is called."""

    def __init__(self, options: Options, words: list, in_memory: bool = False) -> None:
        super().__init__(in_memory)
        self.options = options
        self.words = words
        self.background: list[subprocess.Popen] = []

    def __enter__(self) -> "World":
        super().__enter__()
        self.variables = self.environment(
            {"SWARM_HOME": str(self.home / ".swarm"), "TMUX_TMPDIR": str(self.path), "BENCH_WORLD": str(self.path)}
        )
        return self

    def __exit__(self, *error) -> None:
        # Whoever presses Ctrl-C twice shall not be left with five hundred processes.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
        try:
            end_all(self.path)
            for process in self.background:
                process.wait(DEADLINE)
            super().__exit__(*error)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    def start(self, command: list, log: str) -> subprocess.Popen:
        """Starts a program that stays. Its output goes to a file in the world: what it starts may keep a pipe open."""
        with open(self.path / log, "wb") as output:
            process = subprocess.Popen(
                [*self.options.pinned(), *command],
                cwd=self.work,
                env=self.variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.background.append(process)
        return process

    def run(self, *command) -> str:
        """Runs any program to its end and returns what it printed."""
        process = self.start(list(command), "output")
        status = process.wait(LONGEST_RUN)
        self.background.remove(process)
        text = (self.path / "output").read_text(errors="replace")
        if status != 0:
            raise RuntimeError(f"{' '.join(map(str, command))} ended with {status}: {text[-2000:]}")
        return text

    def do(self, *words) -> str:
        """The side's program with these words."""
        return self.run(*self.words, *words)

    def times(self, count: int, *command, first: int = 0) -> list[float]:
        """Milliseconds of any program from start to end, `count` times; `{}` is the run's number, from `first` on.

        With `--cpu` the processor time instead: of the command and of what it waited for, and of the tmux server.
        """
        out = self.path / "times"
        before = self.servers_cpu() if self.options.cpu else 0.0
        self.run(BUILT / "repeat", out, str(first), str(count), *command)
        runs = [[int(word) / 1e6 for word in line.split()] for line in out.read_text().splitlines()]
        if not self.options.cpu:
            return [wall for wall, _ in runs]
        each = (self.servers_cpu() - before) / count
        return [used + each for _, used in runs]

    def servers_cpu(self) -> float:
        """Milliseconds of processor time that the tmux servers of this world have used so far."""
        return cpu([process.pid for process in self.processes("tmux: server")])

    def spawn(self, count: int, *flags, command: list = IDLE) -> None:
        """Makes workers `w0`, `w1`, … with the side's program, and makes sure that they run."""
        self.times(count, *self.words, "spawn", "--name", "w{}", *flags, "--", *command)
        names = self.do("ls", "--status", "running", "--format", "names").split()
        if len(names) != count:
            raise RuntimeError(f"{self.words[-1]}: {len(names)} of {count} workers run")

    def processes(self, name: str) -> list[Process]:
        """The processes of this world with that name."""
        return [process for process in marked(self.path) if process.name == name]


def marked(world: Path) -> list[Process]:
    """The processes whose environment, words or folder name the world. No other process names its path."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and names_world(entry, bytes(world)):
            try:
                found.append(Process(int(entry.name), (entry / "comm").read_text().strip()))
            except OSError:
                continue  # it has ended
    return [process for process in found if process.pid != os.getpid()]


def names_world(process: Path, world: bytes) -> bool:
    for file in ("environ", "cmdline"):
        try:
            if world in (process / file).read_bytes():
                return True
        except OSError:
            continue  # it has ended, or is not ours to read
    try:
        return os.fsencode(os.readlink(process / "cwd")).startswith(world)
    except OSError:
        return False


def end_all(world: Path) -> None:
    """Kills every process of a world, and those that they start meanwhile, until none is left."""
    deadline = time.monotonic() + DEADLINE
    while processes := marked(world):
        handles = []
        for process in processes:
            with suppress(ProcessLookupError):
                handles.append(os.pidfd_open(process.pid))
                # Looked at again: until it was held, its number could go to another one.
                if names_world(Path(f"/proc/{process.pid}"), bytes(world)):
                    signal.pidfd_send_signal(handles[-1], signal.SIGKILL)
        await_ends(handles, deadline)
        if time.monotonic() > deadline:
            raise RuntimeError(f"still there: {marked(world)}")


def await_ends(handles: list[int], deadline: float) -> float:
    """Waits until the process of each pidfd has ended, closes them, and returns the time (monotonic)."""
    poll = select.poll()
    left = set(handles)
    for handle in handles:
        poll.register(handle, select.POLLIN)
    while left and time.monotonic() < deadline:
        for handle, _ in poll.poll(max(0, deadline - time.monotonic()) * 1e3):
            poll.unregister(handle)
            left.discard(handle)
    over = time.monotonic()
    for handle in handles:
        os.close(handle)
    return over


def cpu(processes: list[int]) -> float:
    """Milliseconds of processor time that these processes have used so far, by the scheduler's own count."""
    total = 0
    for pid in processes:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            total += int((thread / "schedstat").read_text().split()[0])
    return total / 1e6


def memory(pid: int, what: str = "Pss") -> float:
    """Megabytes of a process: `Pss` counts a shared page in shares, `Rss` in full."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError(f"no {what} of {pid}")
