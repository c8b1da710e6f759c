"""The rows of workers. Their sides keep worlds of workers, and take turns with commands in them."""

import os
import shlex
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack

from . import tools
from .supervisors import Pueue, Supervisord, Supervisor
from .table import Row
from .tools import BUILT, CHANGE_PY, SWARM_PY, Options, Unavailable
from .turns import Try, take_turns
from .world import DEADLINE, IDLE, World, cpu, memory

HELLO = BUILT / "hello"
# So many runs of a command in a try.
REPEATS = 5
# What a window of P7 runs: it takes every line that it is sent.
READER = ["cat"]
PEER = "Python"


def ours(options: Options) -> list:
    return [options.swarm]


def peer() -> list:
    """Called by the interpreter itself: a wrapper that looks for one is not the peer's fault."""
    return [sys.executable, SWARM_PY]


def unit(options: Options) -> str:
    return "ms CPU" if options.cpu else "ms"


def repeated(label: str, world: World, *command) -> Try:
    return lambda: {label: world.times(REPEATS, *command)}


def p6(options: Options) -> Row:
    workers = 200
    row = Row("P6", f"ls with {workers} workers", unit(options))
    with ExitStack() as stack:

        def world(words: list, *flags) -> World:
            made = stack.enter_context(World(options, words, in_memory=True))
            made.spawn(workers, *flags)
            return made

        processes, windows = world(ours(options)), world(ours(options), "--tmux")
        peer_processes, peer_windows = world(peer()), world(peer(), "--tmux")
        tries = {
            "ours, processes": repeated("ours, processes", processes, *ours(options), "ls"),
            "ours, tmux": repeated("ours, tmux", windows, *ours(options), "ls"),
            "floor (hello)": repeated("floor (hello)", processes, HELLO),
            "floor (list-panes)": repeated("floor (list-panes)", windows, *"tmux list-panes -a -F #{pane_pid}".split()),
            f"{PEER}, processes": repeated(f"{PEER}, processes", peer_processes, *peer(), "ls"),
            f"{PEER}, tmux": lambda: {f"{PEER}, tmux": peer_windows.times(1, *peer(), "ls")},
        }
        take_turns(row, tries, options.rounds or 7)
    row.at_most("processes: ours / hello", row.ratio("ours, processes", "floor (hello)"), 3)
    floor = row.median("floor (hello)") + row.median("floor (list-panes)")
    row.at_most("tmux: ours / (hello + list-panes)", row.median("ours, tmux") / floor, 3)
    for kind in ("processes", "tmux"):
        row.at_least(f"{kind}: {PEER} / ours", row.ratio(f"{PEER}, {kind}", f"ours, {kind}"), 20)
    return row


def p7(options: Options) -> Row:
    workers = 200
    row = Row("P7", f"peek and send, one of {workers} tmux workers", unit(options))
    with ExitStack() as stack:
        worlds = [World(options, words, in_memory=True) for words in (ours(options), peer())]
        mine, others = map(stack.enter_context, worlds)
        for world in (mine, others):
            world.spawn(workers, "--tmux", command=READER)
        pane = mine.run("tmux", "list-panes", "-a", "-F", "#{window_name} #{pane_id}").split("w7 ")[1].split()[0]
        peek, send = ["peek", "w7"], ["send", "w7", "go on with the next task"]
        tries = {
            "ours, peek": repeated("ours, peek", mine, *ours(options), *peek),
            "ours, send": repeated("ours, send", mine, *ours(options), *send),
            "floor (capture-pane)": repeated("floor (capture-pane)", mine, "tmux", "capture-pane", "-p", "-t", pane),
            "floor (send-keys)": repeated("floor (send-keys)", mine, "tmux", "send-keys", "-t", pane, send[-1], "Enter"),
            f"{PEER}, peek": repeated(f"{PEER}, peek", others, *peer(), *peek),
            f"{PEER}, send": repeated(f"{PEER}, send", others, *peer(), *send),
        }
        take_turns(row, tries, options.rounds or 7)
        if send[-1] not in mine.do(*peek):
            raise RuntimeError("what was sent did not arrive")
    row.at_most("ours, peek / capture-pane", row.ratio("ours, peek", "floor (capture-pane)"), 2)
    row.at_most("ours, send / send-keys", row.ratio("ours, send", "floor (send-keys)"), 2)
    row.at_least(f"{PEER} / ours, peek", row.ratio(f"{PEER}, peek", "ours, peek"), 25)
    row.at_least(f"{PEER} / ours, send", row.ratio(f"{PEER}, send", "ours, send"), 40)
    return row


def p8(options: Options) -> Row:
    row = Row("P8", "spawn", unit(options))
    with ExitStack() as stack:

        def growing(label: str, words: list, *command) -> Try:
            """Each try adds workers with names of their own."""
            world = stack.enter_context(World(options, words))
            made = 0

            def more() -> dict[str, list[float]]:
                nonlocal made
                made += REPEATS
                return {label: world.times(REPEATS, *command, first=made)}

            if command[0] == "tmux":
                world.run("tmux", "new-session", "-d", *IDLE)
            return more

        def spawn(label: str, words: list, *flags) -> Try:
            return growing(label, words, *words, "spawn", "--name", "w{}", *flags, "--", *IDLE)

        tries = {
            "ours, process": spawn("ours, process", ours(options)),
            "ours, tmux": spawn("ours, tmux", ours(options), "--tmux"),
            "floor (spawn, fsync)": growing("floor (spawn, fsync)", [], BUILT / "spawn", ".", "w{}", *IDLE),
            "floor (new-window)": growing("floor (new-window)", [], "tmux", "new-window", "-d", "-n", "w{}", *IDLE),
            f"{PEER}, process": spawn(f"{PEER}, process", peer()),
            f"{PEER}, tmux": spawn(f"{PEER}, tmux", peer(), "--tmux"),
        }
        take_turns(row, tries, options.rounds or 7)
    row.at_most("ours, process, ms", row.median("ours, process"), 8)
    row.at_most("ours, tmux / new-window", row.ratio("ours, tmux", "floor (new-window)"), 2)
    for kind in ("process", "tmux"):
        row.at_least(f"{PEER} / ours, {kind}", row.ratio(f"{PEER}, {kind}", f"ours, {kind}"), 10)
    durable = row.ratio("ours, process", "floor (spawn, fsync)")
    row.notes.append(f"ours is {durable:.2f} × a C spawn that syncs a file and its folder; the peer syncs nothing")
    return row


IDLE_WORKERS = 500
# From the start of the last worker to a supervisor that has nothing to do any more.
SETTLE = 5.0


class Ours:
    """`swarm wait --all` over the workers of a world: the one process of ours that watches them all."""

    LOG = "wait"

    def __init__(self, world: World, count: int) -> None:
        world.spawn(count)
        self.world = world
        self.waiting = world.start([*world.words, "wait", "--all"], self.LOG)
        self.pid = self.waiting.pid

    def shims(self) -> list[int]:
        return [process.pid for process in self.world.processes("swarm-shim")]

    def must_have_watched(self) -> None:
        """Ends all workers: whoever watched them says so of each, and ends."""
        self.world.do("kill", "--all")
        status = self.waiting.wait(DEADLINE)
        exited = (self.world.path / self.LOG).read_text().count(": exited")
        if status != 0 or exited != IDLE_WORKERS:
            raise RuntimeError(f"swarm wait ended with {status} and saw {exited} of {IDLE_WORKERS} workers end")


def idle(options: Options, stack: ExitStack, row: Row) -> tuple[Ours, dict[str, Supervisor]]:
    """The same idle workers below each supervisor, all of which have come to rest."""
    mine = Ours(stack.enter_context(World(options, ours(options), in_memory=True)), IDLE_WORKERS)
    others: dict[str, Supervisor] = {}
    for name, kind in (("supervisord", Supervisord), ("pueue", Pueue)):
        try:
            others[name] = kind(stack.enter_context(World(options, [], in_memory=True)), IDLE_WORKERS)
            others[name].start()
        except Unavailable as reason:
            row.notes.append(f"without {name}: {reason}")
    time.sleep(SETTLE)
    return mine, others


def p10(options: Options) -> Row:
    row = Row("P10", f"{IDLE_WORKERS} idle workers: memory of the supervisor", "MB PSS")
    with ExitStack() as stack:
        mine, others = idle(options, stack, row)
        row.samples["ours"] = [memory(mine.pid)]
        row.samples["ours, each shim"] = [memory(pid) for pid in mine.shims()]
        resident = memory(mine.pid, "Rss")
        for name, supervisor in others.items():
            row.samples[name] = [memory(supervisor.pid)]
        mine.must_have_watched()
    bound = 8 + IDLE_WORKERS * 6e-3
    row.at_most("ours, MB", row.median("ours"), bound)
    row.at_most("ours, MB with all that it shares (Rss)", resident, bound)
    row.at_most("largest shim, MB", max(row.samples["ours, each shim"]), 1)
    if "supervisord" in row.samples:
        row.at_least("supervisord / ours", row.ratio("supervisord", "ours"), 2)
    if "pueue" in row.samples:
        row.at_least("pueue / ours", row.ratio("pueue", "ours"), 10)
    shims = row.samples["ours, each shim"]
    row.notes.append(f"{len(shims)} shims together: {sum(shims):.1f} MB; the others have none")
    return row


def p11(options: Options) -> Row:
    seconds = 20
    row = Row("P11", f"{IDLE_WORKERS} idle workers: processor time in {seconds} s", "ms CPU")
    with ExitStack() as stack:
        mine, others = idle(options, stack, row)
        watched = {"ours": [mine.pid], "ours, all shims": mine.shims()}
        watched |= {name: [supervisor.pid] for name, supervisor in others.items()}
        if len(watched["ours, all shims"]) != IDLE_WORKERS:
            raise RuntimeError(f"{len(watched['ours, all shims'])} shims")
        for _ in range(options.rounds or 3):
            before = {name: cpu(pids) for name, pids in watched.items()}
            time.sleep(seconds)
            for name, pids in watched.items():
                row.samples.setdefault(name, []).append(cpu(pids) - before[name])
        mine.must_have_watched()
    both = row.median("ours") + row.median("ours, all shims")
    row.at_most("ours with all shims, ms", both, 5)
    if "supervisord" in row.samples:
        # What uses nothing at all has no ratio: a microsecond in its place.
        row.at_least("supervisord / ours with all shims", row.median("supervisord") / max(both, 1e-3), 8)
    return row


def start_and_stop(label: str, world: World, *command) -> dict[str, list[float]]:
    """One run of a program that says how long it took to start all and to stop all."""
    words = dict(line.split() for line in world.run(*command).splitlines())
    return {f"{label}, {what}": [int(words[what]) / 1e6] for what in ("start", "stop")}


def p12(options: Options) -> Row:
    row = Row("P12", f"start {IDLE_WORKERS} workers, stop {IDLE_WORKERS} workers", "ms")
    fleet = tools.build_bench("fleet")
    in_memory = not options.disk
    with ExitStack() as stack:

        def program(label: str, *words) -> Try:
            def once() -> dict[str, list[float]]:
                with World(options, [], in_memory) as world:
                    return start_and_stop(label, world, fleet, *words)

            return once

        def supervisor(label: str, kind: Callable[[World, int], Supervisor]) -> Try:
            running: list[Supervisor] = []

            def once() -> dict[str, list[float]]:
                if not running:
                    running.append(kind(stack.enter_context(World(options, [], in_memory)), IDLE_WORKERS))
                started = running[0].start()
                return {f"{label}, start": [started], f"{label}, stop": [running[0].stop()]}

            return once

        tries = {
            "ours": program("ours", "ours", str(IDLE_WORKERS), "fleet", options.swarm),
            "tokio": program("floor (tokio)", "tokio", str(IDLE_WORKERS)),
            "supervisord": supervisor("supervisord", Supervisord),
            "pueue": supervisor("pueue", Pueue),
        }
        take_turns(row, tries, options.rounds or 3)
    row.samples.pop("pueue, start", None)  # its client cannot wait for it
    for what in ("start", "stop"):
        row.at_most(f"{what}: ours / tokio", row.ratio(f"ours, {what}", f"floor (tokio), {what}"), 2)
    if "supervisord, start" in row.samples:
        row.at_least("start: supervisord / ours", row.ratio("supervisord, start", "ours, start"), 20)
    if "pueue, stop" in row.samples:
        row.at_most("stop: ours / pueue", row.ratio("ours, stop", "pueue, stop"), 1)
    return row


def p13(options: Options) -> Row:
    workers, few = 200, 5
    row = Row("P13", f"kill {workers} workers below a PID 1 that does not reap", "ms")

    def contained(world: World, script: str) -> str:
        """Runs a shell script as the one child of such a PID 1."""
        user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        space = [tools.need("unshare"), *user, "--pid", "--fork", "--kill-child", "--mount-proc"]
        return world.run(*space, BUILT / "pid1", "sh", "-ec", script)

    def kill_all(label: str, words: list, count: int) -> Try:
        def once() -> dict[str, list[float]]:
            with World(options, words) as world:
                program, repeat, out = shlex.join(map(str, words)), BUILT / "repeat", world.path / "times"
                contained(
                    world,
                    f"{repeat} {out} 0 {count} {program} spawn --name 'w{{}}' -- {shlex.join(IDLE)}\n"
                    f"test $({program} ls --status running --format names | wc -l) = {count}\n"
                    f"{repeat} {out} 0 1 {program} kill --all\n"
                    f"! grep -l '^State:.[RSDT]' $(grep -lx 'Name:.{IDLE[0]}' /proc/[0-9]*/status) /dev/null\n",
                )
                return {label: [int(out.read_text().split()[0]) / 1e6]}

        return once

    def floor() -> dict[str, list[float]]:
        with World(options, []) as world:
            said = contained(world, f"{BUILT / 'fleet'} {workers} {shlex.join(IDLE)}")
            return {"floor (pidfd)": [int(said.split()[3]) / 1e6]}

    tries = {"ours": kill_all("ours", ours(options), workers), "floor": floor}
    take_turns(row, tries, options.rounds or 5)
    row.samples[f"{PEER}, {few} of them"] = kill_all(PEER, peer(), few)()[PEER]
    row.at_most("ours, s", row.median("ours") / 1e3, 0.5)
    scaled = row.median(f"{PEER}, {few} of them") / few * workers
    times = scaled / row.median("ours")
    row.notes.append(f"{PEER}, one after the other: {scaled / 1e3:.0f} s for {workers}, {times:.0f} × ours")
    return row


def p14(options: Options) -> Row:
    workers, changes = 1000, 20
    row = Row("P14", f"a durable change of the state of {workers} workers", "ms")
    registry = tools.build_bench("registry")
    ours_changes = [registry, ".", str(workers), str(changes)]
    with World(options, []) as world:
        world.run(*ours_changes)
        size = (world.work / "state.json").stat().st_size

    def change(label: str, *command) -> Try:
        def once() -> dict[str, list[float]]:
            with World(options, []) as world:
                return {label: [int(line) / 1e6 for line in world.run(*command).split()]}

        return once

    tries = {
        "ours": change("ours", *ours_changes),
        "floor (fdatasync)": change("floor (fdatasync)", BUILT / "durable", "file", str(size), str(changes)),
        PEER: change(PEER, sys.executable, CHANGE_PY, str(workers), str(changes)),
    }
    take_turns(row, tries, options.rounds or 5)
    row.at_most("ours / fdatasync", row.ratio("ours", "floor (fdatasync)"), 3)
    row.at_least(f"{PEER} / ours", row.ratio(PEER, "ours"), 20)
    row.notes.append(f"{size / 1e3:.0f} kB; the peer writes in place, syncs nothing, and its start is not counted")
    return row


ROWS: dict[str, Callable[[Options], Row]] = {
    "P6": p6, "P7": p7, "P8": p8, "P10": p10, "P11": p11, "P12": p12, "P13": p13, "P14": p14
}
