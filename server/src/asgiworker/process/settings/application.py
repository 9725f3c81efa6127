"""The application: which it is, how it is called, when it is loaded anew."""

from __future__ import annotations

from typing import Literal

from asgiworker.process.kinds import DIRECTORY, PATH, PATHS, PATTERNS, ROOT_PATH, SWITCH, TEXT, choice
from asgiworker.process.options import option, option_group


@option_group
class ApplicationSettings:
    """Which application is served, and when it is loaded anew."""

    __slots__ = ()

    app: str = option(
        "",
        kind=TEXT,
        positional=True,
        help="the application: module:attribute, module:factory(), or a module alone",
    )
    app_dir: str = option(".", kind=DIRECTORY, help="directory to import the application from")
    factory: bool = option(
        False, kind=SWITCH, help="the attribute is a function that returns the application"
    )
    interface: Literal["auto", "asgi3", "asgi2", "wsgi"] = option(
        "auto",
        kind=choice("auto", "asgi3", "asgi2", "wsgi"),
        help="which interface the application speaks; auto looks at its signature",
    )
    lifespan: Literal["auto", "on", "off"] = option(
        "auto",
        kind=choice("auto", "on", "off"),
        gunicorn="asgi_lifespan",
        help="lifespan events: on demands them of the application, auto goes on without, off sends none",
    )
    root_path: str = option(
        "",
        kind=ROOT_PATH,
        gunicorn="root_path",
        help="the path under which a proxy mounts the application, such as /api",
    )
    env_file: str | None = option(
        None, kind=PATH, help="file of KEY=VALUE lines to put into the environment first"
    )
    reload: bool = option(False, kind=SWITCH, gunicorn="reload", help="restart when a source file changes")
    reload_dirs: tuple[str, ...] = option(
        (), "--reload-dir", kind=PATHS, help="directory to watch; --app-dir unless given"
    )
    reload_include: tuple[str, ...] = option((), kind=PATTERNS, help="files to watch beside *.py")
    reload_exclude: tuple[str, ...] = option((), kind=PATTERNS, help="files and directories not to watch")
    reload_extra_files: tuple[str, ...] = option(
        (),
        "--reload-extra-file",
        kind=PATHS,
        gunicorn="reload_extra_files",
        help="further file to watch, wherever it is",
    )
