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
    titles = {IMPORT: "import", START: "1,000 routes, to the first answer"}
    parts.append("### Start\n\nCPU milliseconds.\n\n" + costs(medians["starting"], frameworks, titles))
    if aims := targets(medians["inprocess"], medians["starting"]):
        parts.append("### What we set out to reach\n\n" + aims)
    return "\n\n".join(parts) + "\n"


def summary(medians: Mapping[str, Medians], frameworks: Sequence[Framework]) -> str:
    """What the front page says: against the best peer, and against FastAPI."""
    named = {framework.name: framework for framework in frameworks}
    lines = []
    for row in ROWS:
        cells = medians["inprocess"].get(row.name, {})
        peers = {
            name: figure
            for name, figure in cells.items()
            if not (named[name].is_ours or named[name].is_floor)
        }
        ours = cells.get(OURS.name)
        if ours is None or not peers:
            continue
        best = min(peers, key=peers.__getitem__)
        lines.append(
            [
                row.title,
                f"{ours:.1f} µs",
                f"{cells[FLOOR.name]:.1f} µs" if FLOOR.name in cells else NOTHING,
                f"{named[best].title} {peers[best]:.1f} µs",
                f"{peers['fastapi']:.1f} µs" if "fastapi" in peers else NOTHING,
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


def targets(costs: Medians, starting: Medians) -> str:
    """Our figures, those that they are compared with, and how high the ratio may be."""
    lines = []
    for row in ROWS:
        cells = costs.get(row.name, {})
        ours = cells.get(OURS.name)
        peers = {name: cells[name] for name in cells if name not in (OURS.name, FLOOR.name)}
        if ours is None or not peers:
            continue
        best = min(peers, key=peers.__getitem__)
        against = [(best, row.target), (FLOOR.name, row.floor_target), ("fastapi", row.fastapi_target)]
        for name, aim in against:
            if aim is not None and name in cells:
                lines.append(_line(row.title, ours, _title(name), cells[name], aim))
    start = starting.get(START, {}).get(OURS.name)
    if start is not None:
        lines.append(_line("1,000 routes, to the first answer", start, "0.3 s", START_TARGET, 1.0))
    return table(["", "asgistar", "against", "ratio", "aim", "reached"], lines) if lines else ""


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
