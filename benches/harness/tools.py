"""What all rows need: the programs, a scratch folder for each run, and what a run cost."""

import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / "target/bench"
FLOOR = ROOT / "benches/floor"
LOOP_SH = ROOT / "benches/peer/loop.sh"
SWARM_PY = ROOT / "benches/peer/swarm.py"
CHANGE_PY = ROOT / "benches/peer/change.py"
RALPH = BUILT / "ralph/bin/ralph"
MEMORY = Path("/dev/shm")
RALPH_VERSION = "2.10.1"


class Unavailable(Exception):
    """A side that cannot be had on this machine; the others are measured all the same."""


@dataclass
class Cost:
    """What a command and all that it started cost."""

    cpu: float  # user + system, seconds
    wall: float  # seconds
    status: int
    output: str


@dataclass
class Options:
    """What the command line asked for."""

    swarm: Path
    rounds: int | None = None
    cpus: str | None = None
    disk: bool = False
    cpu: bool = False

    def pinned(self) -> list[str]:
        """What stands before a command to keep it on the wanted processors."""
        return ["taskset", "-c", self.cpus] if self.cpus else []


def build_programs() -> None:
    """Compiles the floors and the agent. `claude` is the agent by the name that the loop calls."""
    BUILT.mkdir(parents=True, exist_ok=True)
    for source in sorted(FLOOR.glob("*.c")):
        subprocess.run(["cc", "-O2", "-Wall", "-o", BUILT / source.stem, source], check=True)
    bin_folder = BUILT / "bin"
    bin_folder.mkdir(exist_ok=True)
    shutil.copy2(BUILT / "agent", bin_folder / "claude")


def build_swarm() -> Path:
    """Builds the release binary and returns where it is."""
    subprocess.run(["cargo", "build", "--release", "--locked", "--bin", "swarm"], cwd=ROOT, check=True)
    return ROOT / "target/release/swarm"


def build_bench(name: str) -> Path:
    """Builds a program of `benches/*.rs` and returns where it is."""
    command = ["cargo", "build", "--release", "--locked", "--bench", name, "--message-format=json-render-diagnostics"]
    built = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    artifacts = (json.loads(line) for line in built.stdout.splitlines())
    found = [made["executable"] for made in artifacts if made.get("executable") and made["target"]["name"] == name]
    return Path(found[0])


def install_ralph() -> None:
    """The Rust peer, once, in the background of whatever else the machine does."""
    command = ["nice", "-n", "19", "cargo", "install", "ralph-cli", "--version", RALPH_VERSION, "--locked"]
    if not RALPH.exists():
        subprocess.run([*command, "--root", BUILT / "ralph"], check=False)


def need(program: str) -> str:
    """The path of a tool, or the row goes without the side that needs it."""
    found = shutil.which(program)
    if not found:
        raise Unavailable(f"there is no {program}; scripts/setup --bench brings it")
    return found


class Scratch:
    """An empty folder outside of any repository, with a home of its own and a prompt; gone afterwards.

    Rows of processor time keep it in memory: what a disk's file system spends on a new file depends on what else was
    done to that disk lately, and is not what is measured. Rows of durability and of speed use the disk.
    """

    def __init__(self, in_memory: bool = False) -> None:
        self.parent = MEMORY if in_memory and os.access(MEMORY, os.W_OK) else None

    def __enter__(self) -> "Scratch":
        self.path = Path(tempfile.mkdtemp(prefix="swarm-bench-", dir=self.parent))
        self.home = self.path / "home"
        self.work = self.path / "work"
        self.home.mkdir()
        self.work.mkdir()
        (self.work / "PROMPT.md").write_text("Do one task. When none is left, end your answer with /done\n")
        return self

    def __exit__(self, *_) -> None:
        shutil.rmtree(self.path, ignore_errors=True)

    def environment(self, more: dict[str, str]) -> dict[str, str]:
        """Nothing of the caller's but the search path, on which `claude` is the agent of the benchmarks."""
        return {
            "PATH": f"{BUILT / 'bin'}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            **more,
        }

    def run(self, options: Options, command: list, more: dict[str, str] | None = None, good=(0, 3)) -> Cost:
        """Runs a command to the end of everything that it started. Its output goes to a file."""
        out, cost = self.path / "output", self.path / "cost"
        with open(out, "wb") as output:
            subprocess.run(
                [*options.pinned(), BUILT / "tree", cost, *command],
                cwd=self.work,
                env=self.environment(more or {}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=True,
            )
        cpu, wall, status = (int(word) for word in cost.read_text().split())
        with open(out, "rb") as output:
            output.seek(max(0, out.stat().st_size - (1 << 20)))
            text = output.read().decode(errors="replace")
        if status not in good:
            raise RuntimeError(f"{command[0]} ended with {status}: {text[-2000:]}")
        return Cost(cpu / 1e9, wall / 1e9, status, text)
