"""Pages of the documentation with a place for figures, between two marks."""

from pathlib import Path

BEGIN, END = "<!-- benchmarks: begin -->\n", "<!-- benchmarks: end -->"


def fill(page: Path, content: str) -> None:
    """Replace what stands between the two marks of that page."""
    before, begin, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{page} has no place for the figures: {BEGIN.strip()} and {END} are missing")
    page.write_text(f"{before}{BEGIN}\n{content}\n{END}{after}")
