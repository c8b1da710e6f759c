#!/usr/bin/env python3
"""The shape of the Python supervisor, restated for the benchmarks; it is not that program, and nobody should run it.

How such a program works, and where its time goes:

- an interpreter start, imports, and an argument parser with all verbs, for each command;
- `state.json` read, changed and written whole, below a flock; written in place and not synced;
- one `tmux` process for each question about one worker;
- a process is alive if a signal 0 reaches it, and its end is waited for by sleep and look again, one after the other.

The original is 350 kB of source in one file, which its interpreter compiles at each start; this one is short, so what is
measured against it is measured against less.
"""

import argparse
import fcntl
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

HOME = Path(os.environ.get("SWARM_HOME") or Path.home() / ".swarm")
STATE, LOCK, LOGS = HOME / "state.json", HOME / "state.lock", HOME / "logs"
SESSION = "swarm-bench"
# A kill looks so often, so many seconds apart, before it sends KILL: 2 s for a process that nobody reaps.
KILL_LOOKS, KILL_PAUSE = 20, 0.1
WAIT_PAUSE = 1.0


@dataclass
class Worker:
    name: str
    status: str
    cmd: list[str]
    started: str
    cwd: str
    env: dict[str, str] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    tmux: dict | None = None
    worktree: dict | None = None
    pid: int | None = None
    metadata: dict = field(default_factory=dict)


@contextmanager
def locked():
    LOGS.mkdir(parents=True, exist_ok=True)
    with open(LOCK, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def load() -> list[Worker]:
    if not STATE.exists():
        return []
    return [Worker(**worker) for worker in json.loads(STATE.read_text())["workers"]]


def save(workers: list[Worker]) -> None:
    with open(STATE, "w") as state:
        json.dump({"version": 1, "workers": [asdict(worker) for worker in workers]}, state, indent=2)


def read() -> list[Worker]:
    with locked():
        return load()


def find(name: str) -> Worker:
    for worker in read():
        if worker.name == name:
            return worker
    sys.exit(f"swarm: error: worker '{name}' not found")


def tmux(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run(["tmux", *words], capture_output=True, text=True)


def target(worker: Worker) -> str:
    return f"{worker.tmux['session']}:{worker.tmux['window']}"


def process_runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def status(worker: Worker) -> str:
    if worker.tmux:
        runs = tmux("has-session", "-t", target(worker)).returncode == 0
    else:
        runs = worker.pid is not None and process_runs(worker.pid)
    return "running" if runs else "stopped"


def running(name: str) -> Worker:
    worker = find(name)
    if status(worker) != "running":
        sys.exit(f"swarm: error: worker '{name}' is not running")
    return worker


def age(started: str) -> str:
    seconds = int((datetime.now() - datetime.fromisoformat(started)).total_seconds())
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def spawn_window(name: str, command: list[str]) -> dict:
    if tmux("has-session", "-t", SESSION).returncode != 0:
        tmux("new-session", "-d", "-s", SESSION).check_returncode()
    tmux("new-window", "-a", "-t", SESSION, "-n", name, "-c", os.getcwd(), shlex.join(command)).check_returncode()
    return {"session": SESSION, "window": name, "socket": None}


def spawn_process(name: str, command: list[str]) -> int:
    with open(LOGS / f"{name}.stdout.log", "w") as out, open(LOGS / f"{name}.stderr.log", "w") as err:
        return subprocess.Popen(command, stdout=out, stderr=err, start_new_session=True).pid


def cmd_spawn(args) -> None:
    command = args.cmd[1:] if args.cmd[:1] == ["--"] else args.cmd
    if any(worker.name == args.name for worker in read()):
        sys.exit(f"swarm: error: worker '{args.name}' already exists")
    worker = Worker(args.name, "running", command, datetime.now().isoformat(), os.getcwd(), tags=args.tag)
    if args.tmux:
        worker.tmux = spawn_window(args.name, command)
    else:
        worker.pid = spawn_process(args.name, command)
    with locked():
        save([*load(), worker])
    print(f"spawned {args.name} ({f'tmux: {target(worker)}' if worker.tmux else f'pid: {worker.pid}'})")


def cmd_ls(args) -> None:
    workers = read()
    for worker in workers:
        worker.status = status(worker)
    workers = [worker for worker in workers if args.status in ("all", worker.status)]
    if args.format == "names":
        print("".join(f"{worker.name}\n" for worker in workers), end="")
        return
    rows = [["NAME", "STATUS", "PID/WINDOW", "STARTED", "WORKTREE", "TAG"]]
    for worker in workers:
        where = target(worker) if worker.tmux else str(worker.pid)
        tree = worker.worktree["path"] if worker.worktree else "-"
        rows.append([worker.name, worker.status, where, age(worker.started), tree, ",".join(worker.tags) or "-"])
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)))


def cmd_peek(args) -> None:
    shown = tmux("capture-pane", "-t", target(running(args.name)), "-p", "-S", f"-{args.lines}")
    shown.check_returncode()
    print("\n".join(shown.stdout.rstrip().split("\n")[-args.lines :]))


def cmd_send(args) -> None:
    worker = running(args.name)
    tmux("send-keys", "-t", target(worker), "-l", args.text).check_returncode()
    tmux("send-keys", "-t", target(worker), "Enter").check_returncode()
    print(f"sent to {worker.name}")


def end(worker: Worker) -> None:
    if worker.tmux:
        tmux("kill-window", "-t", target(worker))
        return
    try:
        os.kill(worker.pid, signal.SIGTERM)
        for _ in range(KILL_LOOKS):
            time.sleep(KILL_PAUSE)
            if not process_runs(worker.pid):
                return
        os.kill(worker.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def cmd_kill(args) -> None:
    workers = read()
    for worker in workers:
        if args.all or worker.name == args.name:
            end(worker)
            worker.status = "stopped"
            print(f"killed {worker.name}")
    with locked():
        save(workers)


def cmd_wait(args) -> None:
    pending = [worker for worker in read() if args.all or worker.name == args.name]
    while pending:
        for worker in [worker for worker in pending if status(worker) == "stopped"]:
            pending.remove(worker)
            print(f"{worker.name}: exited")
        if pending:
            time.sleep(WAIT_PAUSE)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="swarm")
    verbs = parser.add_subparsers(dest="verb", required=True)
    spawn = verbs.add_parser("spawn")
    spawn.add_argument("--name", required=True)
    spawn.add_argument("--tmux", action="store_true")
    spawn.add_argument("--tag", action="append", default=[])
    spawn.add_argument("cmd", nargs=argparse.REMAINDER)
    listing = verbs.add_parser("ls")
    listing.add_argument("--status", choices=["running", "stopped", "all"], default="all")
    listing.add_argument("--format", choices=["table", "names"], default="table")
    peek = verbs.add_parser("peek")
    peek.add_argument("name")
    peek.add_argument("-n", "--lines", type=int, default=30)
    send = verbs.add_parser("send")
    send.add_argument("name")
    send.add_argument("text")
    for verb in ("kill", "wait"):
        several = verbs.add_parser(verb)
        several.add_argument("name", nargs="?")
        several.add_argument("--all", action="store_true")
    return parser.parse_args()


VERBS = {"spawn": cmd_spawn, "ls": cmd_ls, "peek": cmd_peek, "send": cmd_send, "kill": cmd_kill, "wait": cmd_wait}

if __name__ == "__main__":
    arguments_given = arguments()
    VERBS[arguments_given.verb](arguments_given)
