"""The rows of the loop. Each alternates its sides in one run and returns what it saw next to what is promised."""

import re
import statistics
import subprocess
from collections.abc import Callable
from pathlib import Path

from . import tools
from .table import Row
from .tools import BUILT, LOOP_SH, Options, Scratch, Unavailable
from .turns import Try, take_turns

AGENT = BUILT / "agent"
ITERATIONS = 20
MEGABYTE = 1_000_000

# A side: runs once in a fresh scratch folder and returns its samples.
Side = Callable[[Scratch], list[float]]


def alternate(row: Row, sides: dict[str, Side], rounds: int, in_memory: bool = False) -> Row:
    """Takes turns, each try in a fresh scratch folder."""

    def fresh(name: str, side: Side) -> Try:
        def once() -> dict[str, list[float]]:
            with Scratch(in_memory) as scratch:
                return {name: side(scratch)}

        return once

    return take_turns(row, {name: fresh(name, side) for name, side in sides.items()}, rounds)


def swarm_loop(options: Options, iterations: int, *agent) -> list:
    """Our side. Nothing changes between its iterations, which is what --max-stalled watches."""
    command = [options.swarm, "loop", str(iterations), "PROMPT.md", "--max-stalled", "0"]
    return [*command, "--", *agent] if agent else command


def floor_loop(iterations: int, records: int, agent) -> list:
    return [BUILT / "loop", str(iterations), "PROMPT.md", ".", str(records), agent]


def ralph_loop(scratch: Scratch, iterations: int) -> list:
    """The Rust peer with its own shortest settings."""
    if not tools.RALPH.exists():
        raise Unavailable("ralph-cli is not installed; --peers does that once")
    (scratch.work / "ralph.yml").write_text(
        f"cli:\n  backend: custom\n  command: {AGENT}\n  prompt_mode: stdin\n"
        f"event_loop:\n  prompt_file: PROMPT.md\n  completion_promise: LOOP_COMPLETE\n  max_iterations: {iterations}\n"
    )
    return [tools.RALPH, "run", "--autonomous", "--skip-preflight", "-c", "ralph.yml", "-P", "PROMPT.md"]


def loop_sh(iterations: int, agent) -> list:
    return [LOOP_SH, str(iterations), "PROMPT.md", agent]


def p1(options: Options) -> Row:
    row = Row("P1", f"loop overhead, silent agent, {ITERATIONS} iterations", "ms CPU/iter")

    def cpu(command) -> Side:
        def side(scratch):
            words = command(scratch) if callable(command) else command
            good = range(256) if words[0] == tools.RALPH else (0, 3)
            return [scratch.run(options, words, good=good).cpu * 1e3 / ITERATIONS]

        return side

    sides = {
        "ours": cpu(swarm_loop(options, ITERATIONS, AGENT)),
        "floor (C loop)": cpu(floor_loop(ITERATIONS, 0, AGENT)),
        "bash + tee + jq + grep": cpu(loop_sh(ITERATIONS, AGENT)),
        "ralph-cli": cpu(lambda scratch: ralph_loop(scratch, ITERATIONS)),
    }
    alternate(row, sides, options.rounds or 11, in_memory=not options.disk)
    row.at_most("ours / C loop", row.ratio("ours", "floor (C loop)"), 2)
    row.at_least("bash / ours", row.ratio("bash + tee + jq + grep", "ours"), 20)
    if "ralph-cli" in row.samples:
        row.at_least("ralph-cli / ours", row.ratio("ralph-cli", "ours"), 2)
    return row


def p2(options: Options) -> Row:
    row = Row("P2", f"loop overhead, 1 MB of stream an iteration, {ITERATIONS} iterations", "ms CPU/iter")
    stream = {"BENCH_STREAM": str(MEGABYTE)}

    def cpu(command) -> Side:
        return lambda scratch: [scratch.run(options, command, stream).cpu * 1e3 / ITERATIONS]

    sides = {
        "ours": cpu(swarm_loop(options, ITERATIONS)),
        "floor (C loop)": cpu(floor_loop(ITERATIONS, 0, "claude")),
        "bash + tee + jq + grep": cpu(loop_sh(ITERATIONS, "claude")),
    }
    alternate(row, sides, options.rounds or 7, in_memory=not options.disk)
    row.at_most("ours / C loop", row.ratio("ours", "floor (C loop)"), 1.8)
    row.at_least("bash / ours", row.ratio("bash + tee + jq + grep", "ours"), 13)
    return row


def p3(options: Options) -> Row:
    row = Row("P3", "agent's exit → next start, both durably recorded", "ms")

    def gaps(command) -> Side:
        def side(scratch):
            times = scratch.path / "times"
            words = command(scratch) if callable(command) else command
            good = range(256) if words[0] == tools.RALPH else (0, 3)
            scratch.run(options, words, {"BENCH_TIMES": str(times)}, good)
            seen = [(line.split()[0], int(line.split()[1])) for line in times.read_text().splitlines()]
            ends = [time for what, time in seen if what == "end"]
            starts = [time for what, time in seen if what == "start"]
            return [(start - end) / 1e6 for end, start in zip(ends, starts[1:])]

        return side

    sides = {
        "ours": gaps(swarm_loop(options, ITERATIONS, AGENT)),
        "floor (C loop)": gaps(floor_loop(ITERATIONS, 1, AGENT)),
        "bash + tee + jq + grep": gaps(loop_sh(ITERATIONS, AGENT)),
        "ralph-cli": gaps(lambda scratch: ralph_loop(scratch, ITERATIONS)),
    }
    alternate(row, sides, options.rounds or 5)
    row.at_most("ours, median ms", row.median("ours"), 5)
    row.at_least("2 s sleep (not measured) / ours", 2000 / row.median("ours"), 300)
    if "ralph-cli" in row.samples:
        row.at_least("ralph-cli / ours", row.ratio("ralph-cli", "ours"), 50)
    row.notes.append(f"ours is {row.ratio('ours', 'floor (C loop)'):.2f} × a C loop with a durable record of each")
    return row


def p4(options: Options) -> Row:
    size = 200 * MEGABYTE
    row = Row("P4", "200 MB of stream → raw log + text + done search", "MB/s")
    stream = {"BENCH_STREAM": str(size)}

    def speed(command) -> Side:
        return lambda scratch: [size / MEGABYTE / scratch.run(options, command, stream).wall]

    sides = {
        "ours": speed(swarm_loop(options, 1)),
        "floor (cat > file)": speed(["sh", "-c", "claude | cat > raw"]),
        "tee | jq | tee": speed(loop_sh(1, "claude")),
    }
    alternate(row, sides, options.rounds or 5)
    row.at_least("ours / cat", row.ratio("ours", "floor (cat > file)"), 0.5)
    row.at_least("ours / tee | jq | tee", row.ratio("ours", "tee | jq | tee"), 6)
    return row


def p5(options: Options) -> Row:
    row = Row("P5", "instructions for a byte of stream (callgrind, slope of two sizes)", "instr/byte")
    valgrind = tools.need("valgrind")
    jq = [tools.need("jq"), "-r", 'select(.type == "assistant") | .message.content[]? | select(.type == "text") | .text']

    def slope(scratch: Scratch, shape: str, sizes: tuple[int, int], command: list) -> float:
        counted = []
        for size in sizes:
            log = scratch.path / f"{shape}-{size}"
            environment = scratch.environment({"BENCH_STREAM": str(size), "BENCH_SHAPE": shape})
            with open(log, "wb") as out:
                subprocess.run([BUILT / "bin/claude"], env=environment, stdout=out, check=True)
            counted.append((log.stat().st_size, instructions(scratch, [*command, log])))
        (small, few), (large, many) = counted
        return (many - few) / (large - small)

    def instructions(scratch: Scratch, command: list) -> int:
        tool = [valgrind, "--tool=callgrind", f"--callgrind-out-file={scratch.path / 'callgrind'}"]
        done = subprocess.run([*tool, *command], capture_output=True, check=True, env=scratch.environment({}))
        return int(re.search(rb"Collected : (\d+)", done.stderr)[1])

    ours, sizes = [options.swarm, "done-test"], (2 * MEGABYTE, 6 * MEGABYTE)
    with Scratch() as scratch:
        row.samples["ours, whole lines"] = [slope(scratch, "lines", sizes, ours)]
        row.samples["ours, deltas"] = [slope(scratch, "deltas", sizes, ours)]
        row.samples["jq, whole lines"] = [slope(scratch, "lines", (MEGABYTE, 2 * MEGABYTE), jq)]
        row.samples["jq, deltas"] = [slope(scratch, "deltas", (MEGABYTE, 2 * MEGABYTE), jq)]
    row.at_most("whole lines", row.median("ours, whole lines"), 6)
    row.at_most("deltas", row.median("ours, deltas"), 12)
    row.at_least("jq / ours, whole lines", row.ratio("jq, whole lines", "ours, whole lines"), 18)
    return row


def p9(options: Options) -> Row:
    row = Row("P9", "agent writes the done line → it is read, understood and shown", "ms")
    stamps = {"BENCH_STAMPS": "200"}

    def delays(shell: str) -> Side:
        def side(scratch):
            output = scratch.run(options, ["sh", "-c", shell], stamps).output
            return [int(line) / 1e6 for line in output.split() if line.isdigit()]

        return side

    ours = " ".join(str(word) for word in swarm_loop(options, 1))
    follow = f"{BUILT / 'loop'} 1 PROMPT.md . 0 claude & exec {BUILT / 'listen'} iteration-1.log"
    sides = {
        "ours": delays(f"{ours} 2>&1 | {BUILT / 'listen'}"),
        "floor (inotify)": delays(follow),
    }
    alternate(row, sides, options.rounds or 5)
    row.at_most("ours, median ms", row.median("ours"), 0.3)
    row.at_least("mean of a 2 s poll (not measured) / ours", 1000 / row.median("ours"), 1000)
    row.notes.append("ours is seen one pipe later, on the supervisor's standard output: an upper bound of the sign's way")
    return row


def p16(options: Options) -> Row:
    row = Row("P16", "peak memory through 100 MB and 1 GB of stream", "MB")

    def peaks(scratch: Scratch, command: list, size: int) -> dict[str, float]:
        memory = scratch.path / "memory"
        scratch.run(options, command, {"BENCH_STREAM": str(size), "BENCH_MEMORY": str(memory)})
        highest: dict[str, float] = {}
        for name, peak in (line.split() for line in memory.read_text().splitlines()):
            highest[name] = max(highest.get(name, 0), int(peak) / 1000)
        highest.pop("sh", None)
        return highest

    for size in (100 * MEGABYTE, 1000 * MEGABYTE):
        label = "1 GB" if size > 100 * MEGABYTE else "100 MB"
        with Scratch() as scratch:
            ours = peaks(scratch, swarm_loop(options, 1), size)
        row.samples[f"supervisor, {label}"] = [ours[options.swarm.name[:15]]]
        row.samples[f"shim, {label}"] = [ours["swarm-shim"]]
    with Scratch() as scratch:
        peer = peaks(scratch, loop_sh(1, "claude"), 100 * MEGABYTE)
    row.samples["bash + tee + jq, 100 MB"] = [sum(peer.values())]
    row.at_most("supervisor, MB through 1 GB", row.median("supervisor, 1 GB"), 8)
    row.at_most("1 GB / 100 MB", row.ratio("supervisor, 1 GB", "supervisor, 100 MB"), 1.05)
    both = row.median("supervisor, 1 GB") + row.median("shim, 1 GB")
    row.at_most("supervisor + shim / bash + tee + jq", both / row.median("bash + tee + jq, 100 MB"), 1)
    return row


ROWS: dict[str, Callable[[Options], Row]] = {"P1": p1, "P2": p2, "P3": p3, "P4": p4, "P5": p5, "P9": p9, "P16": p16}
