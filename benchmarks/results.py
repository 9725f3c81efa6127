"""What a run of the benchmark found: kept as JSON, compared."""

import dataclasses
import json
import math
import os
import platform
import statistics
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.measure import Cell, Idle, Run
from benchmarks.peers import IDLE, PEERS, WORKLOADS, Peer, Workload

#: Distributions whose versions belong to the result.
DISTRIBUTIONS = (
    *("asgiworker", "h2corn", "fastpysgi", "granian", "uvicorn", "uvicorn-worker", "gunicorn"),
    *("gunicorn_h1c", "hypercorn", "daphne", "uvloop", "httptools", "ngh2", "websockets", "aiofastnet"),
)


@dataclass(frozen=True)
class Conditions:
    """Where, when and how long it was measured."""

    date: str
    processor: str
    processors: int
    system: str
    python: str
    rounds: int
    seconds: float
    versions: dict[str, str]


@dataclass(frozen=True)
class Results:
    """Everything that was measured. Peers and workloads that this version doesn't know are left out."""

    #: Of each row, by its name: they needn't have been measured in one go.
    conditions: dict[str, Conditions]
    cells: list[Cell]
    idle: list[Idle]

    def to_json(self) -> str:
        """All of it, run by run."""
        return json.dumps(dataclasses.asdict(self), indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Results":
        """The opposite of `to_json`."""
        kept: dict[str, Any] = json.loads(text)
        cells = [Cell(**{**cell, "runs": [Run(**run) for run in cell["runs"]]}) for cell in kept["cells"]]
        idle = [Idle(**one) for one in kept["idle"]]
        conditions = {row: Conditions(**there) for row, there in kept["conditions"].items()}
        return cls(conditions, cells, idle)

    def renewed(self, newer: "Results") -> "Results":
        """These, with each row that `newer` has taken from there, as a whole."""
        cells = [cell for cell in self.cells if cell.workload not in newer.conditions]
        return Results(
            {**self.conditions, **newer.conditions},
            [*cells, *newer.cells],
            newer.idle if IDLE in newer.conditions else self.idle,
        )

    # -- What the tables are made of -------------------------------------------------------------------------

    @property
    def peers(self) -> list[Peer]:
        """The servers that took part, in the order of `PEERS`."""
        seen = {cell.peer for cell in self.cells} | {idle.peer for idle in self.idle}
        return [peer for peer in PEERS if peer.name in seen]

    @property
    def rivals(self) -> list[Peer]:
        """Those that are neither ours nor the floor."""
        return [peer for peer in self.peers if peer.is_server and not peer.is_ours]

    @property
    def workloads(self) -> list[Workload]:
        """The rows that were measured, in the order of `WORKLOADS`."""
        seen = {cell.workload for cell in self.cells}
        return [workload for workload in WORKLOADS if workload.name in seen]

    def cell(self, peer: Peer, workload: Workload) -> Cell | None:
        """The runs of that server at that work; None if there are none."""
        for cell in self.cells:
            if cell.peer == peer.name and cell.workload == workload.name and cell.runs:
                return cell
        return None

    def best_peer(self, workload: Workload) -> Cell | None:
        """The cell of the server, not ours and not the floor, that needs least CPU time for that work."""
        cells = [cell for peer in self.rivals if (cell := self.cell(peer, workload))]
        return min(cells, key=lambda cell: cell.cpu_per_request or 0.0, default=None)

    def ratio(self, cell: Cell, other: Cell) -> float:
        """CPU time per request of one to that of the other: the ratio of the medians in the table."""
        return (cell.cpu_per_request or 0.0) / (other.cpu_per_request or math.inf)

    def startup(self, peer: Peer) -> float | None:
        """Seconds from its start to its first answer, with one worker: the median over all runs."""
        single = {row.name for row in self.workloads if row.workers == 1 and not row.tls}
        times = [
            run.startup
            for cell in self.cells
            if cell.peer == peer.name and cell.workload in single
            for run in cell.runs
        ]
        return statistics.median(times) if times else None

    def disturbance(self, rows: Sequence[str]) -> float:
        """CPUs that the rest of the machine kept busy in the median run of those rows."""
        runs = [run.disturbance for cell in self.cells if cell.workload in rows for run in cell.runs]
        return statistics.median(runs) if runs else 0.0


def conditions(rounds: int, seconds: float) -> Conditions:
    """This machine, now."""
    installed = {name: version for name in DISTRIBUTIONS if (version := version_of(name))}
    return Conditions(
        date=datetime.now(UTC).date().isoformat(),
        processor=processor(),
        processors=len(os.sched_getaffinity(0)),
        system=f"{platform.system()} {platform.release()}",
        python=interpreter(),
        rounds=rounds,
        seconds=seconds,
        versions=installed,
    )


def interpreter() -> str:
    """Python's version, and whether it says of itself that it was built with a profile."""
    name = f"{platform.python_implementation()} {platform.python_version()}"
    optimised = "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")
    return f"{name} (--enable-optimizations)" if optimised else name


def version_of(distribution: str) -> str | None:
    """The installed version, if any."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def processor() -> str:
    """The processor's name for itself."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
