#!/usr/bin/env python3
"""The peer's side of a state change: WORKERS entries, of which one is changed COUNT times, as `swarm.py` does it. Prints
the nanoseconds of each, without the start of the interpreter. Nothing of it is synced.

    SWARM_HOME=FOLDER change.py WORKERS COUNT
"""

import sys
import time

import swarm


def entry(number: int) -> swarm.Worker:
    command = ["claude", "--dangerously-skip-permissions"]
    folder, started = "/home/somebody/project-worktrees/feature", "2026-11-21T15:56:21.196000"
    pid = 100_000 + number
    return swarm.Worker(f"w{number}", "running", command, started, folder, {"TOKEN": ""}, ["team"], pid=pid)


def main(workers: int, count: int) -> None:
    with swarm.locked():
        swarm.save([entry(number) for number in range(workers)])
    for _ in range(count):
        begin = time.monotonic_ns()
        with swarm.locked():
            state = swarm.load()
            worker = state[workers // 2]
            worker.status = "stopped" if worker.status == "running" else "running"
            swarm.save(state)
        print(time.monotonic_ns() - begin)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    main(int(sys.argv[1]), int(sys.argv[2]))
