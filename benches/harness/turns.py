"""Taking turns: what disturbs the machine for a while disturbs all sides alike."""

from collections.abc import Callable

from .table import Row
from .tools import Unavailable

# One try of a side: what it saw, by the label under which the row shows it.
Try = Callable[[], dict[str, list[float]]]


def take_turns(row: Row, tries: dict[str, Try], rounds: int) -> Row:
    """Each side in turn, `rounds` times, beginning each time with another one; one more before as a warm-up."""
    names = list(tries)
    for turn in range(-1, rounds):
        start = turn % len(names)
        for name in names[start:] + names[:start]:
            if name not in tries:
                continue
            try:
                seen = tries[name]()
            except Unavailable as reason:
                row.notes.append(f"without {name}: {reason}")
                del tries[name]
                continue
            for label, samples in seen.items() if turn >= 0 else ():
                row.samples.setdefault(label, []).extend(samples)
    return row
