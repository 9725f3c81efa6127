"""The page of the documentation that describes every setting, made from their table.

`python -m asgiworker.process.reference docs/settings.md` writes it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from asgiworker.process.options import Option
from asgiworker.process.settings import GROUPS, KNOWN

PREFACE = """\
# Settings

Each setting has one name. `workers`, for one, is

* `--workers 4` (or `-w 4`) on the command line,
* `ASGIWORKER_WORKERS=4` in the environment,
* `workers = 4` in `asgiworker.toml`, or in `pyproject.toml` under `[tool.asgiworker]`,
* `workers=4` as a keyword argument of `asgiworker.run()`, `serve()` and `running()`.

An argument wins over the environment, the environment over the file, the file over the default.
`asgiworker --print-config` shows every value and where it comes from, and `--check-config` whether they will
do.

Lists are repeated flags on the command line (`-b :80 -b unix:/run/app.sock`), commas in the environment and
arrays in the file; headers are one a line in the environment. The empty text stands for none
(`ASGIWORKER_ACCESSLOG=`). `PORT`, `WEB_CONCURRENCY` and `FORWARDED_ALLOW_IPS` are read as Gunicorn reads
them: where neither argument, environment nor file says otherwise. `ASGIWORKER_CONFIG` names another file.

The last column names the setting of Gunicorn that has the same meaning: under
`gunicorn -k asgiworker.ASGIWorker` that is what holds.

This page is made from the table in `asgiworker/process/settings/`; to make it anew:
`python -m asgiworker.process.reference docs/settings.md`
"""

HEAD = "| setting | meaning | takes | default | flags | Gunicorn |\n|---|---|---|---|---|---|\n"


def page() -> str:
    """The page, as Markdown."""
    return PREFACE + "".join(_tables())


def _tables() -> Iterator[str]:
    for title in GROUPS:
        yield f"\n## {title}\n\n{HEAD}"
        for row in KNOWN.values():
            if row.group == title:
                yield "| " + " | ".join(cell.replace("|", "\\|") for cell in _cells(row)) + " |\n"


def _cells(row: Option) -> tuple[str, ...]:
    flags = " ".join(f"`{flag}`" for flag in (*row.flags, *row.off_flags))
    default = f"`{row.shown_default}`" if row.shown_default else ""
    gunicorn = f"`{row.gunicorn}`" if row.gunicorn else ""
    return f"`{row.name}`", row.help, row.kind.expects, default, flags or "`APP`", gunicorn


def main(arguments: Sequence[str]) -> None:
    """Write the page to the file that is named."""
    Path(arguments[0]).write_text(page(), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
