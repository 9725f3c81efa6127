"""The command behind ``scripts/bench --frameworks``; it runs in the environment of the frameworks."""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import pages
from benchmarks.frameworks import report, served
from benchmarks.frameworks.peers import FRAMEWORKS, ROWS, Framework
from benchmarks.processes import ServerFailed

REPOSITORY = Path(__file__).resolve().parents[2]
RESULTS = REPOSITORY / "benchmarks" / "results"
PAGE = REPOSITORY / "docs" / "asgistar" / "benchmarks.md"
README = REPOSITORY / "framework" / "README.md"

Figures = dict[str, dict[str, list[float]]]
"""Row -> framework -> what each round found."""


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    names = [framework.name for framework in FRAMEWORKS]
    parser = argparse.ArgumentParser(
        prog="scripts/bench --frameworks",
        description="Measure asgistar and its peers side by side on the same work: without a server, on the "
        "same one, and until the first answer.",
    )
    parser.add_argument("--only", default=",".join(names), metavar="NAME,…", help=f"of {', '.join(names)}")
    parser.add_argument("--rounds", type=int, default=5, help="processes of each framework (default: 5)")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each row in a round (default: 1)")
    parser.add_argument("--no-server", action="store_true", help="leave out what needs a server, and wrk")
    parser.add_argument(
        "--publish", action="store_true", help=f"put the tables into {PAGE.name} and the README"
    )
    parser.add_argument("--output", type=Path, default=RESULTS, metavar="DIR", help=f"default: {RESULTS}")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.only.split(",")) - set(names):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    return chosen


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the tables, and write them and the figures."""
    chosen = options(arguments)
    frameworks = [each for each in FRAMEWORKS if each.name in chosen.only.split(",")]
    found: dict[str, Figures] = {"inprocess": {}, "served": {}, "starting": {}}
    for turn in range(chosen.rounds):
        # Each round begins with another one: whatever the machine is busy with meets all of them.
        first = turn % len(frameworks)
        for framework in frameworks[first:] + frameworks[:first]:
            print(f"round {turn + 1}: {framework.title}", file=sys.stderr, flush=True)
            for way, more in (("inprocess", [str(chosen.seconds)]), ("starting", [])):
                for row, figure in in_a_process(way, framework, more).items():
                    found[way].setdefault(row, {}).setdefault(framework.name, []).append(figure)
            if not chosen.no_server:
                on_the_server(framework, chosen.seconds, found["served"])
    medians = {
        way: {
            row: {name: statistics.median(figures) for name, figures in cells.items()}
            for row, cells in rows.items()
        }
        for way, rows in found.items()
    }
    text = report.markdown(medians, frameworks)
    print(text)
    chosen.output.mkdir(parents=True, exist_ok=True)
    kept: dict[str, Any] = {
        "conditions": report.conditions(chosen.rounds, chosen.seconds),
        "medians": medians,
        "rounds": found,
    }
    (chosen.output / "frameworks.json").write_text(json.dumps(kept, indent=1) + "\n")
    (chosen.output / "frameworks.md").write_text(text)
    if chosen.publish:
        pages.fill(PAGE, f"{text}\n{report.said(kept['conditions'])}\n")
        pages.fill(README, f"{report.summary(medians)}\n")


def in_a_process(module: str, framework: Framework, more: list[str]) -> dict[str, float]:
    """What a module measures of a framework, in a process of its own; nothing if it fails."""
    command = [sys.executable, "-W", "ignore", "-m", f"benchmarks.frameworks.{module}", framework.name, *more]
    # Who imports a framework a second time has its bytecode, whatever else is wished for here.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    finished = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=300
    )
    if finished.returncode:
        print(f"  {framework.title} is out: {finished.stderr.strip()[-500:]}", file=sys.stderr)
        return {}
    figures: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
    return figures


def on_the_server(framework: Framework, seconds: float, found: Figures) -> None:
    """Every row of a framework on the server."""
    for row in ROWS:
        try:
            figure = served.measured(framework, row, seconds)
        except (ServerFailed, RuntimeError) as error:
            print(f"  {framework.title} is out of {row.name}: {error}", file=sys.stderr)
            continue
        found.setdefault(row.name, {}).setdefault(framework.name, []).append(figure)


if __name__ == "__main__":
    main()
