"""The command `asgiworker`: from the command line to a running server, or to one clear sentence.

Exit codes: 0 it did what was asked; 1 something outside of the command line is wrong; 2 the command line is;
3 the application failed to start up.
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import os
import platform
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from asgiworker.process import sources
from asgiworker.process.mistakes import LoadingError, Mistake, SettingsError
from asgiworker.process.options import Option
from asgiworker.process.settings import GROUPS, KNOWN, Settings
from asgiworker.process.sockets import Listener, listen, systemd_addresses

DESCRIPTION = "Serve an ASGI application (or an ASGI 2 or WSGI one)."

EXAMPLES = """\
examples:
  asgiworker main:app                         the attribute app of the module main
  asgiworker main                             whatever main has: app, application, create_app()
  asgiworker "main:create_app(debug=True)"    what the factory returns
  asgiworker main:app --reload                restart when a source file changes
  asgiworker main:app -b 0.0.0.0:80 -w 4      four workers, run by Gunicorn

Each option can also stand in the environment (ASGIWORKER_WORKERS=4), in asgiworker.toml (workers = 4) and in
pyproject.toml under [tool.asgiworker]. --print-config shows what holds, and where it comes from.
"""

# Options of others that hands will type, and what to do here instead.
ELSEWHERE = {
    "-k": "The command runs its own worker class; elsewhere: gunicorn -k asgiworker.ASGIWorker",
    "--worker-class": "The command runs its own worker class; elsewhere: gunicorn -k asgiworker.ASGIWorker",
    "-D": "Leave that to systemd, or to Gunicorn: gunicorn -D -k asgiworker.ASGIWorker",
    "--daemon": "Leave that to systemd, or to Gunicorn: gunicorn -D -k asgiworker.ASGIWorker",
    "-e": "Set it in the shell, or in a file for --env-file.",
    "--env": "Set it in the shell, or in a file for --env-file.",
    "--threads": "An ASGI worker has one thread; more workers are had with --workers.",
    "--http": "There is one HTTP implementation; nothing is to be chosen.",
    "--access-log": "The access log is on by default, and goes to --access-logfile.",
    "--proxy-headers": "Name the proxies that are believed with --forwarded-allow-ips.",
    "--no-proxy-headers": 'No proxy is believed with --forwarded-allow-ips ""',
    "--use-colors": "Logs have no colours here.",
    "--no-use-colors": "Logs have no colours here.",
    "--reload-delay": "A restart follows a change at once.",
    "--timeout-worker-healthcheck": "The heartbeat of a worker is --timeout.",
    "--ssl-version": "TLS 1.2 and 1.3 are spoken; --tls-minimum 1.3 leaves the latter.",
}


@dataclass(frozen=True, slots=True)
class Order:
    """A parsed command line: the settings it names, still text, and what is to be done."""

    given: dict[str, Any]
    config: str | None
    check_config: bool
    print_config: bool


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code. `arguments` are those after the program's name."""
    try:
        return _run(sys.argv[1:] if arguments is None else arguments)
    except Mistake as mistake:
        sys.stderr.write(mistake.report())
        return 2 if isinstance(mistake, SettingsError) and mistake.usage else 1
    except KeyboardInterrupt:  # before a server is there that would take it
        return 130


def _run(arguments: Sequence[str]) -> int:
    directory = os.getcwd()
    environ = dict(os.environ)
    order = parse(arguments)
    settings, files = resolve(order, directory)
    if order.print_config:
        sys.stdout.write(settings.to_toml())
    if order.check_config:
        check(settings)
    if order.print_config or order.check_config:
        return 0
    if not settings.app:
        raise LoadingError("No application is given.", "Name one as in: asgiworker main:app")

    from asgiworker.process import reload

    child = reload.inherit(settings, os.environ)
    if child is not None:
        return _serve(child)
    if settings.reload:
        from asgiworker.process import logs

        logs.configure(settings)
        listeners = _listen(settings)
        try:
            return reload.Reloader(settings, listeners, arguments, environ, directory, files).run()
        finally:
            for listener in listeners:
                listener.close()
    if settings.workers > 1 or settings.preload or settings.pid or settings.user or settings.group:
        from asgiworker.process import arbiter

        return arbiter.run(settings, lambda: resolve(order, directory)[0], directory)
    inherited = systemd_addresses(os.environ, os.getpid())
    return _serve(dataclasses.replace(settings, bind=inherited) if inherited else settings)


def _serve(settings: Settings) -> int:
    from asgiworker.process import ending
    from asgiworker.process.single import logger, run_single

    code = run_single(settings)
    ending.leave_threads(code, logger.warning)
    return code


def _listen(settings: Settings) -> list[Listener]:
    addresses = systemd_addresses(os.environ, os.getpid()) or (
        *settings.bind,
        *settings.redirect_addresses(),
    )
    return listen(addresses, backlog=settings.backlog, reuse_port=settings.reuse_port, umask=settings.umask)


def resolve(order: Order, directory: str) -> tuple[Settings, list[Path]]:
    """Read the settings from everywhere, and change to --chdir; also the files that were read.

    `directory` is where the command was started. The change of directory comes first, then --env-file, which
    adds to the environment what is not there yet: the settings and the application find it in place.
    """
    _change_directory(os.path.join(directory, order.given.get("chdir", "")))
    file = Path(order.config) if order.config else sources.find_file(Path(), os.environ)
    files = [file.absolute()] if file else []
    settings = Settings.load(order.given, os.environ, file, command_line=True)
    if settings.env_file:
        path = Path(settings.env_file).absolute()
        files.append(path)
        for name, value in sources.env_file(path).items():
            os.environ.setdefault(name, value)
        settings = Settings.load(order.given, os.environ, file, command_line=True)
    _change_directory(os.path.join(directory, settings.chdir or ""))
    return settings, files


def _change_directory(path: str) -> None:
    path = os.path.normpath(path)
    if path == os.getcwd():
        return
    try:
        os.chdir(path)
    except OSError as error:
        raise SettingsError(
            f"The directory {path} can't be changed to: {error.strerror}.", "See --chdir."
        ) from None


def check(settings: Settings) -> None:
    """Do what can fail before the first request, without listening. Raises `Mistake`."""
    from asgiworker.process.certificates import open_certificates
    from asgiworker.process.loading import load

    open_certificates(settings)
    load(settings.app, app_dir=settings.app_dir, factory=settings.factory, interface=settings.interface)
    sys.stdout.write("Configuration is valid.\n")


# The command line.


class Parser(argparse.ArgumentParser):
    """argparse, with our way of saying what is wrong."""

    def error(self, message: str) -> NoReturn:
        """A usage error: one sentence and a hint."""
        flag = re.fullmatch(r"argument (?:\S+/)?(\S+): expected one argument", message)
        sentence = f"{flag[1]} needs a value" if flag else f"{message[:1].upper()}{message[1:]}"
        raise SettingsError(f"{sentence}.", "asgiworker --help explains it.", usage=True)


class ShowVersion(argparse.Action):
    """Print the versions and end."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """What argparse calls when it sees the flag."""
        sys.stdout.write(f"{version()}\n")
        parser.exit()


class Help(argparse.RawDescriptionHelpFormatter):
    """Options in two columns, as wide as the terminal up to a readable width."""

    def __init__(self, prog: str) -> None:
        columns = os.get_terminal_size().columns if sys.stdout.isatty() else 100
        super().__init__(prog, max_help_position=34, width=min(columns, 110) - 2)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if isinstance(action, argparse.BooleanOptionalAction):
            flags = [f"--[no-]{flag[2:]}" for flag in action.option_strings if not flag.startswith("--no-")]
        else:
            flags = [flag for flag in action.option_strings if "_" not in flag]  # Gunicorn's odd spelling
        return " ".join(filter(None, (", ".join(flags), str(action.metavar or ""))))


def parser() -> Parser:
    """The command line, made from the table."""
    made = Parser(
        prog="asgiworker",
        usage="asgiworker [options] APP",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=Help,
        allow_abbrev=False,
        add_help=False,
    )
    for title in GROUPS:
        group = made.add_argument_group(title)
        for row in KNOWN.values():
            if row.group == title:
                _add(group, row)
    actions = made.add_argument_group("Instead of serving")
    actions.add_argument(
        "-c", "--config", metavar="FILE", help="settings file [asgiworker.toml, pyproject.toml]"
    )
    actions.add_argument(
        "--check-config", action="store_true", help="check settings, certificate and application"
    )
    actions.add_argument("--print-config", action="store_true", help="show every setting and its origin")
    actions.add_argument(
        "-v", "--version", action=ShowVersion, nargs=0, default=argparse.SUPPRESS, help="show versions"
    )
    actions.add_argument("-h", "--help", action="help", help="show this")
    return made


def _add(group: Any, row: Option) -> None:
    described = (
        row.help if row.kind.is_switch or not row.shown_default else f"{row.help} [{row.shown_default}]"
    )
    described = described.replace("%", "%%")
    if not row.flags:
        group.add_argument(row.name, metavar=row.flag, nargs="?", default=argparse.SUPPRESS, help=described)
    elif row.kind.is_switch:
        group.add_argument(
            *row.flags,
            dest=row.name,
            action=argparse.BooleanOptionalAction,
            default=argparse.SUPPRESS,
            help=described,
        )
    else:
        action = "append" if row.kind.repeatable else "store"
        group.add_argument(
            *row.flags,
            dest=row.name,
            action=action,
            default=argparse.SUPPRESS,
            metavar=row.kind.metavar,
            help=described,
        )
        for flag in row.off_flags:
            group.add_argument(
                flag,
                dest=row.name,
                action="store_const",
                const=None,
                default=argparse.SUPPRESS,
                help="none at all",
            )


def parse(arguments: Sequence[str]) -> Order:
    """Read the command line. Raises `SettingsError`; --help and --version end the program."""
    made = parser()
    namespace, unknown = made.parse_known_args(list(arguments))
    if unknown:
        raise _unknown(made, unknown)
    given = vars(namespace)
    return Order(
        config=given.pop("config"),
        check_config=given.pop("check_config"),
        print_config=given.pop("print_config"),
        given=given,
    )


def _unknown(made: Parser, arguments: Sequence[str]) -> SettingsError:
    flag = next((each.partition("=")[0] for each in arguments if each.startswith("-")), None)
    if flag is None:
        return SettingsError(
            f"There is one application too many: {' '.join(arguments)}.", "One server serves one.", usage=True
        )
    known = [each for action in made._actions for each in action.option_strings]
    close = difflib.get_close_matches(flag, known, 1, 0.6)
    hint = ELSEWHERE.get(flag) or (
        f"Did you mean {close[0]}?" if close else "asgiworker --help lists them all."
    )
    return SettingsError(f"There is no option {flag}.", hint, usage=True)


def version() -> str:
    """Ours, and those of what we stand on."""
    import importlib.metadata  # here, because it takes longer than all the rest of the command

    parts = [f"{platform.python_implementation()} {platform.python_version()}"]
    for name in ("uvloop", "httptools", "gunicorn"):
        try:
            parts.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:  # uvloop is not for every platform
            continue
    from asgiworker import __version__

    return f"asgiworker {__version__} ({', '.join(parts)})"
