"""The tables: what was found, as Markdown that also reads well in a terminal."""

import unicodedata
from collections.abc import Callable, Iterator, Sequence

from benchmarks.measure import Cell
from benchmarks.peers import IDLE, IDLE_TARGET, WORKLOADS, Workload
from benchmarks.results import Conditions, Results

NOTHING = "–"


def markdown(results: Results) -> str:
    """All tables, with what they mean."""
    sections = [
        costs(results),
        targets(results),
        rates(results),
        latencies(results),
        memory(results),
        footnotes(results),
        circumstances(results),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns are aligned; all but the first to the right."""
    widths = [max(width(line[column]) for line in (head, *rows)) for column in range(len(head))]
    lines = [
        "| " + " | ".join(pad(text, widths[column], column > 0) for column, text in enumerate(line)) + " |"
        for line in (head, *rows)
    ]
    rule = "| " + " | ".join("-" * (w - 1) + ":" if c else "-" * w for c, w in enumerate(widths)) + " |"
    return "\n".join((lines[0], rule, *lines[1:]))


def width(text: str) -> int:
    """Columns of a terminal that the text takes."""
    return sum(not unicodedata.combining(character) for character in text)


def pad(text: str, columns: int, right: bool) -> str:
    """The text, filled up with blanks to that many columns."""
    blanks = " " * (columns - width(text))
    return blanks + text if right else text + blanks


def per_workload(results: Results, show: Callable[[Cell, Workload], str]) -> str:
    """One line a server, one column a workload; one table for each group of workloads."""
    groups = dict.fromkeys(workload.group for workload in results.workloads)
    tables = [
        f"**{group}**\n\n{shown}"
        for group in groups
        if (shown := of_group(results, [row for row in results.workloads if row.group == group], show))
    ]
    return "\n\n".join(tables)


def of_group(results: Results, workloads: list[Workload], show: Callable[[Cell, Workload], str]) -> str:
    """The table of these workloads."""
    rows = []
    for peer in results.peers:
        cells = [results.cell(peer, workload) for workload in workloads]
        if any(cells):
            figures = [
                show(cell, workload) if cell else NOTHING
                for cell, workload in zip(cells, workloads, strict=True)
            ]
            rows.append([f"**{peer.title}**" if peer.is_ours else peer.title, *figures])
    return table(["", *(workload.title for workload in workloads)], rows) if rows else ""


def costs(results: Results) -> str:
    """The main figure."""

    def show(cell: Cell, workload: Workload) -> str:
        best = results.best_peer(workload)
        figure = microseconds(cell.cpu_per_request)
        return f"{figure} ({results.ratio(cell, best):.2f})" if best else figure

    shown = per_workload(results, show)
    if not shown:
        return ""
    return (
        "### CPU time per request\n\n"
        "Microseconds of the whole process tree; in parentheses the ratio to the best peer of the column. "
        "What counts as a request is a handshake with one request, or a message that a client of a WebSocket "
        "has received.\n\n" + shown
    )


def aims(results: Results, *, headlines: bool = False) -> Iterator[tuple[str, str, str, float, float]]:
    """For each aim: what it is about, our figure, the other's, their ratio, and how high that may be.

    With `headlines`, those for the README alone.
    """
    by_name = {peer.name: peer for peer in results.peers}
    ours = by_name.get("asgiworker")
    if ours is None:
        return

    def compare(workload: Workload, first: str, second: str) -> tuple[str, str, float] | None:
        if first not in by_name or second not in by_name:
            return None
        cell, against = results.cell(by_name[first], workload), results.cell(by_name[second], workload)
        if cell is None or against is None:
            return None
        other = f"{by_name[second].title} {microseconds(against.cpu_per_request)} µs"
        return f"{microseconds(cell.cpu_per_request)} µs", other, results.ratio(cell, against)

    for workload in results.workloads:
        if headlines and not workload.headline:
            continue
        best = results.best_peer(workload)
        if workload.target and best and (compared := compare(workload, ours.name, best.peer)):
            yield workload.title, *compared, workload.target
        if workload.floor_target and (compared := compare(workload, ours.name, "floor")):
            yield f"{workload.title}, over the floor", *compared, workload.floor_target
        if workload.gunicorn_target and (compared := compare(workload, "asgiworker-gunicorn", ours.name)):
            yield f"{workload.title}, under Gunicorn", *compared, workload.gunicorn_target

    kept = {one.peer: one.per_connection for one in results.idle if one.per_connection is not None}
    others = {peer.title: kept[peer.name] for peer in results.rivals if peer.name in kept}
    if ours.name in kept and others:
        best_title = min(others, key=others.__getitem__)
        yield (
            "memory of an idle connection",
            f"{kilobytes(kept[ours.name])} KB",
            f"{best_title} {kilobytes(others[best_title])} KB",
            kept[ours.name] / others[best_title],
            IDLE_TARGET,
        )


def targets(results: Results) -> str:
    """What we set out to reach, and where we are."""
    rows = [
        [name, figure, other, f"{ratio:.2f}", f"≤ {target:.2f}", "yes" if ratio < target + 0.005 else "no"]
        for name, figure, other, ratio, target in aims(results)
    ]
    if not rows:
        return ""
    return "### What we set out to reach\n\n" + table(
        ["", "asgiworker", "against", "ratio", "aim", "reached"], rows
    )


def summary(results: Results) -> str:
    """The same without the aims, for those who only want to know how it compares."""
    rows = [
        [name, figure, other, f"{ratio:.2f}"]
        for name, figure, other, ratio, _ in aims(results, headlines=True)
    ]
    return table(["", "asgiworker", "against", "ratio"], rows) if rows else ""


def rates(results: Results) -> str:
    """Requests per second."""
    shown = per_workload(results, lambda cell, _: f"{cell.rate or 0:,.0f}".replace(",", " "))
    return "### Requests per second\n\nClient and server share the machine.\n\n" + shown if shown else ""


def latencies(results: Results) -> str:
    """Half of the answers, and all but a hundredth of them, were there by then."""

    def show(cell: Cell, _: Workload) -> str:
        p50, p99 = cell.median(lambda run: run.p50), cell.median(lambda run: run.p99)
        if p50 is None:
            return NOTHING
        return f"{milliseconds(p50)} / {milliseconds(p99)}"

    shown = per_workload(results, show)
    return "### Latency under full load, p50 / p99 in milliseconds\n\n" + shown if shown else ""


def memory(results: Results) -> str:
    """Memory and start-up, one line a server."""
    idle = {one.peer: one for one in results.idle if not one.absent}
    workload = next(iter(results.workloads), None)
    count = max((one.connections for one in idle.values()), default=0)
    head = [
        "",
        "start to first answer, ms",
        f"peak, {workload.title}, MB" if workload else "",
        "at rest, MB" if count else "",
        f"each of {count} idle connections, KB" if count else "",
    ]
    rows = []
    for peer in results.peers:
        kept, cell = idle.get(peer.name), results.cell(peer, workload) if workload else None
        figures = [
            milliseconds(results.startup(peer), digits=0),
            megabytes(cell.median(lambda run: run.peak_memory) if cell else None),
            megabytes(kept.before if kept else None),
            kilobytes(kept.per_connection if kept else None),
        ]
        if any(figure != NOTHING for figure in figures):
            rows.append([f"**{peer.title}**" if peer.is_ours else peer.title, *figures])
    if not rows:
        return ""
    shown = [column for column, name in enumerate(head) if name or not column]
    return (
        "### Memory and start\n\n"
        "Resident memory, summed over the processes: what an arbiter and its worker share counts twice.\n\n"
        + table([head[column] for column in shown], [[row[column] for column in shown] for row in rows])
    )


def footnotes(results: Results) -> str:
    """Why a figure is missing, and what else a reader must know."""
    lines = []
    for peer in results.peers:
        reasons: dict[str, list[str]] = {}
        for cell in results.cells:
            if cell.peer == peer.name and cell.absent:
                title = next(row.title for row in WORKLOADS if row.name == cell.workload)
                reasons.setdefault(cell.absent, []).append(title)
            logged = min((run.logged for run in cell.runs if run.logged is not None), default=1.0)
            if cell.peer == peer.name and logged < 0.99:
                reasons.setdefault(f"wrote {logged:.2f} lines per request", []).append("access log")
            if cell.peer == peer.name and (failed := sum(run.failed for run in cell.runs)):
                reasons.setdefault(f"{failed} requests failed", []).append(cell.workload)
        for one in results.idle:
            if one.peer == peer.name and one.absent:
                reasons.setdefault(one.absent, []).append("idle connections")
        notes = [f"{reason} ({', '.join(where)})" for reason, where in reasons.items()]
        if peer.note:
            notes.insert(0, peer.note)
        if notes:
            lines.append(f"* {peer.title}: {'; '.join(notes)}.")
    return "\n".join(lines)


def circumstances(results: Results) -> str:
    """Where, when and with what; of each row, if they weren't measured together."""
    together: list[tuple[Conditions, list[str]]] = []
    for row, there in results.conditions.items():
        names = next((names for other, names in together if other == there), None)
        if names is None:
            together.append((there, [row]))
        else:
            names.append(row)
    order = [*(workload.name for workload in WORKLOADS), IDLE]
    lines = []
    for there, names in together:
        which = ""
        if len(together) > 1:
            which = ", ".join(f"`{name}`" for name in sorted(names, key=order.index)) + ": measured"
        versions = ", ".join(f"{name} {version}" for name, version in there.versions.items())
        lines.append(
            f"{which or 'Measured'} on {there.date}: {there.processor}, {there.processors} CPUs, "
            f"{there.system}, {there.python}; medians of {there.rounds} rounds of {there.seconds:g} s. "
            f"Everything else on the machine used {results.disturbance(names):.2f} CPUs meanwhile. "
            f"{versions}."
        )
    return "\n\n".join(lines)


def microseconds(figure: float | None) -> str:
    """Three digits that matter."""
    if figure is None:
        return NOTHING
    return f"{figure:.1f}" if figure < 100 else f"{figure:,.0f}".replace(",", " ")


def milliseconds(seconds: float | None, digits: int = 1) -> str:
    """A time in seconds, as milliseconds."""
    return NOTHING if seconds is None else f"{seconds * 1000:.{digits}f}"


def megabytes(figure: float | None) -> str:
    """Bytes as megabytes of a million."""
    return NOTHING if figure is None else f"{figure / 1e6:.0f}"


def kilobytes(figure: float | None) -> str:
    """Bytes as kilobytes of a thousand."""
    return NOTHING if figure is None else f"{figure / 1e3:.1f}"
