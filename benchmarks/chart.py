"""The chart: one small panel a workload, one bar a server, as an SVG without anything from elsewhere.

It carries its own background and follows the reader's preference for light or dark.
"""

from dataclasses import dataclass
from xml.sax.saxutils import escape

from benchmarks.measure import Cell
from benchmarks.peers import Peer, Workload
from benchmarks.report import microseconds
from benchmarks.results import Results

COLUMNS = 3
MARGIN = 28
HEAD = 76
PANEL_WIDTH = 324
GAP_X, GAP_Y = 18, 30
PANEL_HEAD = 26
BAR, STEP = 13, 19
LABELS = 157
VALUES = 44
#: A bar longer than this many times the best peer's is cut; its figure says how long it is.
CUT = 3.0

STYLE = """
  text { font-family: ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, Helvetica, sans-serif; }
  .card { fill: #ffffff; stroke: #d8dee4; }
  .title { fill: #1f2328; font-size: 19px; font-weight: 650; }
  .subtitle, .foot { fill: #636c76; font-size: 12.5px; }
  .row { fill: #1f2328; font-size: 13.5px; font-weight: 600; }
  .label, .value { fill: #57606a; font-size: 11.5px; }
  .value { font-variant-numeric: tabular-nums; }
  .ours { fill: #0b7a6b; font-weight: 650; }
  .bar { fill: #c6cdd5; }
  .bar.ours { fill: #12a48f; }
  .bar.beside { fill: #8ed6ca; }
  .cut { stroke: #ffffff; stroke-width: 2.5; fill: none; }
  .floor { stroke: #cf5f3c; stroke-width: 1.2; stroke-dasharray: 2.5 2.5; }
  .key { fill: #b4492a; font-size: 11px; }
  @media (prefers-color-scheme: dark) {
    .card { fill: #0d1117; stroke: #30363d; }
    .title, .row { fill: #e6edf3; }
    .subtitle, .foot { fill: #8d96a0; }
    .label, .value { fill: #9aa4ae; }
    .ours { fill: #4fd8c2; }
    .bar { fill: #3b444e; }
    .bar.ours { fill: #2bb8a3; }
    .bar.beside { fill: #1b6e63; }
    .cut { stroke: #0d1117; }
    .floor { stroke: #f0875f; }
    .key { fill: #f0875f; }
  }
""".strip("\n")


@dataclass(frozen=True)
class Panel:
    """One workload: its bars, shortest first, and the floor."""

    workload: Workload
    bars: list[tuple[Peer, float]]
    floor: float | None
    scale: float

    @property
    def height(self) -> int:
        return PANEL_HEAD + STEP * len(self.bars)


def panel(results: Results, workload: Workload) -> Panel | None:
    """The panel of that workload; None if no server was measured."""

    def cost(cell: Cell | None) -> float | None:
        return cell.cpu_per_request if cell else None

    bars = sorted(
        (
            (peer, figure)
            for peer in results.peers
            if peer.is_server and (figure := cost(results.cell(peer, workload))) is not None
        ),
        key=lambda bar: bar[1],
    )
    if not bars:
        return None
    floors = [cost(results.cell(peer, workload)) for peer in results.peers if not peer.is_server]
    best = cost(results.best_peer(workload)) or bars[0][1]
    longest = min(bars[-1][1], best * CUT)
    return Panel(workload, bars, floors[0] if floors else None, (PANEL_WIDTH - LABELS - VALUES) / longest)


def svg(results: Results, *, headlines: bool = False) -> str:
    """The whole chart; with `headlines`, the one for the README."""
    workloads = [workload for workload in results.workloads if workload.headline or not headlines]
    panels = [shown for workload in workloads if (shown := panel(results, workload))]
    lines = [panels[start : start + COLUMNS] for start in range(0, len(panels), COLUMNS)]
    columns = min(COLUMNS, max(2, len(panels)))
    width = 2 * MARGIN + columns * PANEL_WIDTH + (columns - 1) * GAP_X
    drawn: list[str] = []
    top = HEAD + MARGIN
    for line in lines:
        for column, shown in enumerate(line):
            drawn += draw(shown, MARGIN + column * (PANEL_WIDTH + GAP_X), top)
        top += max(shown.height for shown in line) + GAP_Y
    there = [results.conditions[workload.name] for workload in workloads]
    rounds = sorted({conditions.rounds for conditions in there})
    foot = " · ".join(
        (
            " – ".join(sorted({min(c.date for c in there), max(c.date for c in there)})),
            ", ".join(sorted({f"{c.processor}, {c.processors} CPUs" for c in there})),
            ", ".join(sorted({c.python for c in there})),
            "one worker unless said",
            f"medians of {' to '.join(map(str, sorted({rounds[0], rounds[-1]})))} rounds",
        )
    )
    height = top + MARGIN - 4
    best = summary(panels)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
            f'height="{height}" role="img" aria-labelledby="title desc">',
            '<title id="title">CPU time per request of Python ASGI servers</title>',
            f'<desc id="desc">{escape(best)}</desc>',
            f"<style>\n{STYLE}\n</style>",
            f'<rect class="card" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="12"/>',
            f'<text class="title" x="{MARGIN}" y="{MARGIN + 16}">CPU time per request</text>',
            f'<text class="subtitle" x="{MARGIN}" y="{MARGIN + 38}">Microseconds of the whole process tree; '
            "shorter is better. Cut bars go on.</text>",
            *key(panels, width),
            *drawn,
            f'<text class="foot" x="{MARGIN}" y="{height - MARGIN + 8}">{escape(foot)}</text>',
            "</svg>",
            "",
        ]
    )


def key(panels: list[Panel], width: int) -> list[str]:
    """What the dashed line is."""
    if not any(shown.floor is not None for shown in panels):
        return []
    left, middle = width - MARGIN - 246, MARGIN + 34
    return [
        f'<line class="floor" x1="{left}" x2="{left}" y1="{middle - 9}" y2="{middle + 9}"/>',
        f'<text class="key" x="{left + 8}" y="{middle + 4}">the floor: bare uvloop, a constant answer</text>',
    ]


def draw(shown: Panel, left: float, top: float) -> list[str]:
    """One panel, with its upper left corner there."""
    start = left + LABELS
    room = PANEL_WIDTH - LABELS - VALUES
    lines = [f'<text class="row" x="{left}" y="{top + 8}">{escape(shown.workload.title)}</text>']
    for index, (peer, figure) in enumerate(shown.bars):
        y = top + PANEL_HEAD + index * STEP
        length = min(figure * shown.scale, room)
        ours = " ours" if peer.is_ours else ""
        kind = (" ours" if peer.name == "asgiworker" else " beside") if peer.is_ours else ""
        baseline = y + BAR - 3
        lines += [
            f'<text class="label{ours}" x="{start - 8}" y="{baseline}" text-anchor="end">'
            f"{escape(peer.title)}</text>",
            f'<rect class="bar{kind}" x="{start}" y="{y}" width="{length:.1f}" height="{BAR}" rx="2.5"/>',
            f'<text class="value{ours}" x="{start + length + 6:.1f}" y="{baseline}">'
            f"{microseconds(figure)}</text>",
        ]
        if figure * shown.scale > room + 0.5:
            x = start + length - 16
            lines.append(
                f'<path class="cut" d="M{x:.1f} {y - 1} l5 {(BAR + 2) / 2} l-5 0 l5 {(BAR + 2) / 2}"/>'
            )
    if shown.floor is not None and shown.floor * shown.scale < room:
        x = start + shown.floor * shown.scale
        bottom = top + PANEL_HEAD + len(shown.bars) * STEP - (STEP - BAR) + 2
        lines.append(
            f'<line class="floor" x1="{x:.1f}" x2="{x:.1f}" y1="{top + PANEL_HEAD - 4}" y2="{bottom}"/>'
        )
    return lines


def summary(panels: list[Panel]) -> str:
    """The chart in words, for those who can't see it."""
    return " ".join(
        f"{shown.workload.title}: "
        + ", ".join(f"{peer.title} {microseconds(figure)}" for peer, figure in shown.bars)
        + "."
        for shown in panels
    )
