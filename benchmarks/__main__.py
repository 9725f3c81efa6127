"""The command behind ``scripts/bench``; it runs in the environment in which the peers are installed."""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import chart, pages, report
from benchmarks.measure import REPOSITORY, Bench, Cell, Idle
from benchmarks.peers import IDLE, PEERS, WORKLOADS, Peer
from benchmarks.results import Results, conditions

#: Both have a place for the figures, between two marks.
PAGE, README = REPOSITORY / "docs" / "benchmarks.md", REPOSITORY / "README.md"
CHART = "CPU time per request, by server and kind of work"


def several(known: Sequence[str]) -> Callable[[str], list[str]]:
    """Reads names with commas between them, each of which must be known."""

    def read(text: str) -> list[str]:
        for name in text.split(","):
            if name not in known:
                raise argparse.ArgumentTypeError(f"there is no {name!r}; there are {', '.join(known)}")
        return text.split(",")

    return read


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    rows = [*(workload.name for workload in WORKLOADS), IDLE]
    servers = [peer.name for peer in PEERS]
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measure asgiworker and its peers side by side on the same work.",
        epilog="--python VERSION (of the scripts/bench command) chooses another Python for all of them.",
    )
    parser.add_argument(
        "--rows",
        type=several(rows),
        default=rows,
        metavar="NAME,…",
        help=f"of {', '.join(rows)} (default: all)",
    )
    parser.add_argument(
        "--servers",
        type=several(servers),
        default=servers,
        metavar="NAME,…",
        help=f"of {', '.join(servers)} (default: all)",
    )
    parser.add_argument("--rounds", type=int, default=3, help="runs of each server in each row (default: 3)")
    parser.add_argument("--duration", type=float, default=0.8, help="seconds of each run (default: 0.8)")
    parser.add_argument(
        "--output",
        type=Path,
        default=REPOSITORY / "benchmarks" / "results",
        metavar="DIR",
        help="where results.json, results.md and chart.svg go (default: benchmarks/results)",
    )
    parser.add_argument(
        "--render",
        type=Path,
        metavar="JSON",
        help="measure nothing; tables and chart from an earlier results.json",
    )
    parser.add_argument(
        "--publish",
        action="store_true",
        help="also put tables, charts and raw figures into docs/ and the README; rows that were measured"
        " take the place of those published, the others stay",
    )
    chosen = parser.parse_args(arguments)
    if chosen.rounds < 1 or chosen.duration <= 0:
        parser.error("--rounds and --duration must be positive")
    return chosen


def measure(rows: Sequence[str], servers: Sequence[str], rounds: int, seconds: float) -> Results:
    """Measure all of it, and say on standard error how far it is."""
    bench = Bench(Path(sys.executable).parent)
    peers = [peer for peer in PEERS if peer.name in servers]
    cells: list[Cell] = []
    idle: list[Idle] = []
    for workload in WORKLOADS:
        if workload.name in rows:
            bench.say(f"{workload.title} …")
            row = bench.row(workload, peers, rounds=rounds, seconds=seconds)
            for cell in row:
                bench.say(f"  {title(peers, cell.peer):26}{told(cell)}")
            cells += row
    if IDLE in rows:
        bench.say("idle connections …")
        hello = WORKLOADS[0]
        for peer in peers:
            one = bench.idle(peer, hello)
            kept = one.absent or f"{report.kilobytes(one.per_connection):>9} KB"
            bench.say(f"  {peer.title:26}{kept}")
            idle.append(one)
    there = conditions(rounds, seconds)
    return Results(dict.fromkeys(rows, there), cells, idle)


def title(peers: Sequence[Peer], name: str) -> str:
    """What that server is called in the tables."""
    return next(peer.title for peer in peers if peer.name == name)


def told(cell: Cell) -> str:
    """One cell in one line."""
    if not cell.runs:
        return cell.absent
    spread = sorted(run.cpu / run.requests * 1e6 for run in cell.runs)
    return (
        f"{report.microseconds(cell.cpu_per_request):>9} µs  ({spread[0]:.1f}–{spread[-1]:.1f})"
        f"{cell.rate or 0:>10.0f}/s"
    )


def publish(results: Results) -> None:
    """Put tables and chart into the documentation, a smaller chart and the headlines into the README."""
    kept = PAGE.with_suffix(".json")
    if kept.exists():
        results = Results.from_json(kept.read_text()).renewed(results)
    pages.fill(PAGE, f"![{CHART}](benchmarks.svg)\n\n{report.markdown(results)}")
    pages.fill(README, f"![{CHART}](docs/benchmarks-summary.svg)\n\n{report.summary(results)}\n")
    PAGE.with_suffix(".svg").write_text(chart.svg(results))
    PAGE.with_name("benchmarks-summary.svg").write_text(chart.svg(results, headlines=True))
    kept.write_text(results.to_json())


def main() -> None:
    """Measure, print, write."""
    chosen = options()
    began = time.monotonic()
    if chosen.render:
        results = Results.from_json(chosen.render.read_text())
    else:
        results = measure(chosen.rows, chosen.servers, chosen.rounds, chosen.duration)
    tables = report.markdown(results)
    print(tables)
    output: Path = chosen.output
    output.mkdir(parents=True, exist_ok=True)
    (output / "results.json").write_text(results.to_json())
    (output / "results.md").write_text(tables)
    (output / "chart.svg").write_text(chart.svg(results))
    if chosen.publish:
        publish(results)
    print(f"Written to {output} after {time.monotonic() - began:.0f} s.", file=sys.stderr)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        raise SystemExit(130) from None
