"""Rows into words and JSON."""

import statistics
from dataclasses import dataclass, field


@dataclass
class Check:
    """One promise of a row: a measured value against its bound."""

    words: str
    value: float
    bound: float
    at_least: bool = False

    @property
    def holds(self) -> bool:
        return self.value >= self.bound if self.at_least else self.value <= self.bound


@dataclass
class Row:
    """What one row measured. Samples are of one unit; a check is a ratio or a value of that unit."""

    name: str
    what: str
    unit: str
    samples: dict[str, list[float]] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def median(self, side: str) -> float:
        return statistics.median(self.samples[side])

    def ratio(self, side: str, other: str) -> float:
        return self.median(side) / self.median(other)

    def at_most(self, words: str, value: float, bound: float) -> None:
        self.checks.append(Check(words, value, bound))

    def at_least(self, words: str, value: float, bound: float) -> None:
        self.checks.append(Check(words, value, bound, at_least=True))


def show(row: Row) -> str:
    """A row for people."""
    lines = [f"{row.name}  {row.what}"]
    for side, samples in row.samples.items():
        low, high = min(samples), max(samples)
        median = statistics.median(samples)
        lines.append(f"    {side:<22} {median:>10.4g} {row.unit:<12} (min {low:.4g}, max {high:.4g}, n {len(samples)})")
    for check in row.checks:
        sign = "≥" if check.at_least else "≤"
        verdict = "pass" if check.holds else "MISS"
        lines.append(f"    {verdict}  {check.words}: {check.value:.4g} (target {sign} {check.bound:.4g})")
    lines.extend(f"    note: {note}" for note in row.notes)
    return "\n".join(lines)


def as_json(row: Row) -> dict:
    """A row for programs."""
    return {
        "name": row.name,
        "what": row.what,
        "unit": row.unit,
        "samples": row.samples,
        "medians": {side: row.median(side) for side in row.samples},
        "checks": [
            {
                "what": check.words,
                "value": check.value,
                "target": check.bound,
                "at_least": check.at_least,
                "pass": check.holds,
            }
            for check in row.checks
        ],
        "notes": row.notes,
    }
