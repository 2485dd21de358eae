"""What a run has shown, in figures; and whether it shows anything at all."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.chaos.checker import CHANGED, DUPLICATED, LOST, ORPHANED, Found, Violation
from tests.chaos.load import REFUSALS, UNANSWERED, Entry
from tests.chaos.nemesis import AT_LEAST, Struck

KILLS = ("kill -9 a worker", "kill -9 an ffmpeg")
_SHOWN = 20
_EXPECTED = ("201", "202", "gone away", UNANSWERED, *(str(int(code)) for code in REFUSALS))


@dataclass(frozen=True)
class Report:
    """`starts` counts the processes that were started, `forced` those that outlived a deploy's grace and were killed.

    `settling` is how many seconds the stack took to come to rest after the last strike; None: it did not.
    """

    entries: Sequence[Entry]
    found: Mapping[str, Found]
    answers: Counter[str]
    struck: Sequence[Struck]
    faults: Sequence[str]
    violations: Sequence[Violation]
    announced: int
    looks: int
    starts: int
    forced: int
    settling: float | None

    @property
    def failures(self) -> list[str]:
        """Why the run does not pass; empty when it does."""
        return [
            *(f"{kind}: {what}: {how}" for kind, what, how in self.violations),
            *([] if self.settling is not None else ["the stack did not come to rest"]),
            *(f"an upload was answered with {code}" for code in self.answers if not code.startswith(_EXPECTED)),
            *([] if self.looks > 1 else ["nobody looked at the bucket"]),
            *([] if self.entries else ["no upload was accepted"]),
            *(
                f"{fault}: struck {count} times with work in flight, {AT_LEAST} are needed"
                for fault in self.faults
                if (count := self._counted(fault)) < AT_LEAST
            ),
        ]

    def lines(self) -> Iterator[str]:
        """The report."""
        kinds = Counter(violation.kind for violation in self.violations)
        statuses = Counter(each.media.status.value for each in self.found.values())
        yield f"uploads acknowledged: {len(self.entries)}; answers: {_counts(self.answers)}"
        yield f"records: {len(self.found)}; {_counts(statuses)}"
        yield "; ".join(f"{kind}: {kinds[kind]}" for kind in (LOST, DUPLICATED, ORPHANED, CHANGED))
        yield f"time to settle: {_percentiles(self.times)}"
        yield self._wasted()
        yield f"ends announced and heard: {self.announced}; looks at the whole bucket: {self.looks}"
        yield f"processes started: {self.starts}; killed by a deploy: {self.forced}"
        rest = "never" if self.settling is None else f"{self.settling:.1f} s after the last strike"
        yield f"at rest: {rest}"
        yield ""
        yield f"{'fault':34} {'strikes':>8} {'in flight':>10} {'hits':>7}   owed at that moment (least, median, most)"
        for fault in self.faults:
            mine = [each for each in self.struck if each.fault == fault]
            owed = sorted(each.in_flight for each in mine) or [0]
            spread = f"{owed[0]}, {owed[len(owed) // 2]}, {owed[-1]}"
            hits = sum(each.hits for each in mine)
            yield f"{fault:34} {len(mine):8} {self._counted(fault):10} {hits:7}   {spread}"
        yield ""
        failures = self.failures
        yield from failures[:_SHOWN]
        yield f"FAILED: {len(failures)} failures" if failures else "PASSED"

    @property
    def times(self) -> list[float]:
        """Seconds from the answer to the settlement, for what was not deleted meanwhile."""
        settled = (
            (entry.at, self.found[entry.media_id].media) for entry in self.entries if entry.media_id in self.found
        )
        return sorted(max(0, media.settled_at - at) / 1000 for at, media in settled if media.settled_at)

    def _counted(self, fault: str) -> int:
        return sum(1 for each in self.struck if each.fault == fault and each.in_flight)

    def _wasted(self) -> str:
        """Claims of a chunk beyond its first one; each is work done again at most once."""
        again = sum(
            max(0, task.epoch - 1) for each in self.found.values() for task in each.tasks if task.stage == "transcode"
        )
        kills = sum(1 for each in self.struck if each.fault in KILLS)
        others = "; freezes, deploys and outages have their part in it"
        return f"chunks claimed again: {again}, {again / max(1, kills):.2f} for each of {kills} kills{others}"


def percentile(ordered: Sequence[float], share: float) -> float:
    """Of ordered values, by the nearest rank."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _percentiles(ordered: Sequence[float]) -> str:
    if not ordered:
        return "nothing settled"
    shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
    named = [f"{name} {percentile(ordered, share):.1f} s" for name, share in shares.items()]
    return ", ".join([*named, f"most {ordered[-1]:.1f} s"])


def _counts(counted: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counted.items()))
