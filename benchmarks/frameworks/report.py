"""The tables of the frameworks: what was found, as Markdown."""

from collections.abc import Mapping, Sequence
from datetime import date

from benchmarks.frameworks.peers import FRAMEWORKS, ROWS, Framework
from benchmarks.frameworks.starting import IMPORT, START
from benchmarks.report import table
from benchmarks.results import interpreter, processor, version_of

Medians = Mapping[str, Mapping[str, float]]
"""Row -> framework -> figure."""

NOTHING = "–"
OURS = next(each for each in FRAMEWORKS if each.is_ours)
FLOOR = next(each for each in FRAMEWORKS if each.is_floor)
#: The rows of the start.
STARTS = {IMPORT: "import", START: "1,000 routes, to the first answer"}
#: Milliseconds that the start with 1,000 routes may take.
START_TARGET = 300.0
DISTRIBUTIONS = (
    *("asgistar", "asgiworker", "msgspec", "falcon", "blacksheep", "starlette", "litestar", "sanic"),
    *("fastapi", "pydantic", "orjson", "django", "django-ninja", "uvloop", "httptools"),
)


def markdown(medians: Mapping[str, Medians], frameworks: Sequence[Framework]) -> str:
    """All tables, with what they mean."""
    titles = {row.name: row.title for row in ROWS}
    parts = [
        "### Without a server\n\nCPU microseconds per request of the application alone; in parentheses the "
        "ratio to asgistar.\n\n" + costs(medians["inprocess"], frameworks, titles)
    ]
    if medians["served"]:
        parts.append(
            "### On asgiworker\n\nCPU microseconds per request of the server's process; in parentheses the "
            "ratio to asgistar.\n\n" + costs(medians["served"], frameworks, titles)
        )
    parts.append("### Start\n\nCPU milliseconds.\n\n" + costs(medians["starting"], frameworks, STARTS))
    if aims := targets(medians["inprocess"], medians["served"], medians["starting"]):
        parts.append("### What we set out to reach\n\n" + aims)
    return "\n\n".join(parts) + "\n"


def summary(medians: Mapping[str, Medians]) -> str:
    """What the front page says: against the best peer, and against FastAPI."""
    lines = []
    for row in ROWS:
        cells = medians["inprocess"].get(row.name, {})
        ours, best = cells.get(OURS.name), best_peer(cells)
        if ours is None or best is None:
            continue
        lines.append(
            [
                row.title,
                f"{ours:.1f} µs",
                f"{cells[FLOOR.name]:.1f} µs" if FLOOR.name in cells else NOTHING,
                f"{_title(best)} {cells[best]:.1f} µs",
                f"{cells['fastapi']:.1f} µs" if "fastapi" in cells else NOTHING,
            ]
        )
    return table(
        ["CPU time per request, without a server", "asgistar", "by hand", "best peer", "FastAPI"], lines
    )


def costs(medians: Medians, frameworks: Sequence[Framework], titles: Mapping[str, str]) -> str:
    """One line a framework, one column a row."""
    rows = [name for name in titles if name in medians]
    lines = []
    for framework in frameworks:
        cells = []
        for row in rows:
            figure, ours = medians[row].get(framework.name), medians[row].get(OURS.name)
            ratio = f" ({figure / ours:.2f})" if figure and ours else ""
            cells.append(f"{figure:.1f}{ratio}" if figure else NOTHING)
        title = f"**{framework.title}**" if framework.is_ours else framework.title
        lines.append([title, framework.validates, *cells])
    return table(["", "validates with", *(titles[row] for row in rows)], lines)


def targets(costs: Medians, served: Medians, starting: Medians) -> str:
    """Our figures, those that they are compared with, and how high the ratio may be."""
    lines = []
    for row in ROWS:
        cells = costs.get(row.name, {})
        against = [
            (best_peer(cells), row.target),
            (FLOOR.name, row.floor_target),
            ("fastapi", row.fastapi_target),
        ]
        for name, aim in against:
            if aim is not None and name in cells and OURS.name in cells:
                lines.append(_line(row.title, cells[OURS.name], _title(name), cells[name], aim))
    titles = {row.name: f"{row.title}, on asgiworker" for row in ROWS}
    for name, title in (titles | STARTS).items():
        cells = served.get(name) or starting.get(name, {})
        if OURS.name in cells and (best := best_peer(cells)):
            lines.append(_line(title, cells[OURS.name], _title(best), cells[best], 1.0))
    if OURS.name in (cells := starting.get(START, {})):
        lines.append(_line(STARTS[START], cells[OURS.name], "0.3 s", START_TARGET, 1.0))
    return table(["", "asgistar", "against", "ratio", "aim", "reached"], lines) if lines else ""


def best_peer(cells: Mapping[str, float]) -> str | None:
    """Who needs least of those that are neither ours nor the floor."""
    peers = [name for name in cells if name not in (OURS.name, FLOOR.name)]
    return min(peers, key=cells.__getitem__, default=None)


def _line(title: str, ours: float, other: str, figure: float, aim: float) -> list[str]:
    ratio = ours / figure
    reached = "yes" if ratio <= aim else "no"
    return [title, f"{ours:.1f}", f"{other} {figure:.1f}", f"{ratio:.2f}", f"≤ {aim:.2f}", reached]


def _title(name: str) -> str:
    return next(each.title for each in FRAMEWORKS if each.name == name)


def said(conditions: Mapping[str, object]) -> str:
    """Where and how it was measured, as a sentence."""
    versions = conditions["versions"]
    assert isinstance(versions, Mapping)
    return (
        f"Measured on {conditions['date']}: {conditions['processor']}, {conditions['python']}; medians of "
        f"{conditions['rounds']} rounds of {conditions['seconds']} s. "
        + ", ".join(f"{name} {version}" for name, version in versions.items())
        + "."
    )


def conditions(rounds: int, seconds: float) -> dict[str, object]:
    """Where and how it was measured."""
    versions = {name: version for name in DISTRIBUTIONS if (version := version_of(name))}
    return {
        "date": str(date.today()),
        "processor": processor(),
        "python": interpreter(),
        "rounds": rounds,
        "seconds": seconds,
        "versions": versions,
    }
