"""The command: its options, what it says of mistakes, how it ends, and that it serves."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme

from asgiworker.process import cli
from asgiworker.process.settings import KNOWN


@dataclass
class Outcome:
    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


@pytest.fixture
def run(project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Run the command in this process, in `project`; only for what ends by itself."""
    monkeypatch.chdir(project)
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before, modules = dict(os.environ), set(sys.modules)
    for name in ("PORT", "WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS"):
        os.environ.pop(name, None)

    def run(*arguments: str, **environ: str) -> Outcome:
        os.environ.update(environ)
        try:
            code = cli.main(arguments)
        except SystemExit as end:  # argparse ends so after --help and --version
            code = end.code or 0
        return Outcome(code, *capsys.readouterr())

    yield run
    os.environ.clear()
    os.environ.update(before)
    for name in set(sys.modules) - modules:
        if not name.startswith("asgiworker"):
            del sys.modules[name]


# Help and versions.


def test_importing_the_main_module_starts_nothing():
    import asgiworker.__main__

    assert asgiworker.__main__.main is cli.main


def test_help_shows_every_flag_in_its_group(run: Run):
    outcome = run("--help")
    assert outcome.code == 0
    for row in KNOWN.values():
        for flag in row.flags:
            if "_" not in flag:
                assert flag.removeprefix("--") in outcome.out
    groups = re.findall(r"^(\w.*):$", outcome.out, re.MULTILINE)
    assert groups == [
        "Application",
        "Sockets",
        "Process",
        "HTTP",
        "HTTP/2",
        "WebSocket",
        "Limits (0 switches a limit off)",
        "Deadlines (seconds, 0 switches a deadline off)",
        "TLS",
        "Logging",
        "Instead of serving",
        "examples",
    ]
    assert max(map(len, outcome.out.splitlines())) <= 110


def test_help_is_as_wide_as_the_terminal(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr(os, "get_terminal_size", lambda: os.terminal_size((72, 24)))
    options = cli.parser().format_help().partition("examples:")[0]
    assert 60 < max(map(len, options.splitlines())) <= 72


def test_version_names_what_we_stand_on(run: Run):
    outcome = run("--version")
    assert re.fullmatch(
        r"asgiworker \d\S+ \(CPython 3\S+, uvloop \S+, httptools \S+, gunicorn \S+\)\n", outcome.out
    )


def test_a_package_that_is_not_installed_is_left_out_of_the_version(monkeypatch: pytest.MonkeyPatch):
    import importlib.metadata

    version = importlib.metadata.version

    def without_uvloop(name: str) -> str:
        if name == "uvloop":
            raise importlib.metadata.PackageNotFoundError
        return version(name)

    monkeypatch.setattr(importlib.metadata, "version", without_uvloop)
    assert "uvloop" not in cli.version()
    assert "httptools" in cli.version()


# The command line.


def test_without_arguments_those_of_the_program_are_read(run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "argv", ["asgiworker", "--print-config", "--port", "9"])
    assert cli.main() == 0


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["--wrokers", "2"], "There is no option --wrokers.", "Did you mean --workers?"),
        (["--xyzzy=2"], "There is no option --xyzzy.", "asgiworker --help lists them all."),
        (["--daemon"], "There is no option --daemon.", "Leave that to systemd"),
        (["--work", "2"], "There is no option --work.", "Did you mean --workers?"),
        (
            ["main:app", "other:app"],
            "There is one application too many: other:app.",
            "One server serves one.",
        ),
        (["-b"], "--bind needs a value.", "asgiworker --help explains it."),
        (["--reload=3"], "Argument --reload/--no-reload: ignored explicit", "asgiworker --help explains it."),
        (["--workers", "x"], "--workers takes a whole number of at least 1, not 'x'.", ""),
        (["--bind", ":1", "--bind", "a:b"], "not 'a:b': 'b' is no port from 0 to 65535.", ""),
    ],
)
def test_a_wrong_command_line_ends_with_2(run: Run, arguments: list[str], message: str, hint: str):
    outcome = run(*arguments)
    assert outcome.code == 2
    first, *rest = outcome.err.splitlines()
    assert first.startswith("Error: ")
    assert message in first
    assert rest == [] if not hint else rest[0].startswith(f"Hint: {hint}")


def printed(outcome: Outcome) -> dict[str, Any]:
    assert outcome.code == 0, outcome.err
    return tomllib.loads(outcome.out)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("--keep-alive=3", "--timeout-keep-alive=3"),
        ("--limit-requests=3", "--limit-concurrency=3"),
        ("--graceful-timeout=3", "--timeout-graceful-shutdown=3"),
        ("--max-requests=3", "--limit-max-requests=3"),
        ("--max-requests-jitter=3", "--limit-max-requests-jitter=3"),
        ("--limit-request-field-size=3", "--limit-request-field_size=3"),
        ("--access-log-format=json", "--access-logformat=json"),
        ("--error-logfile=x", "--log-file=x"),
        ("--proxy-allow-ips=unix", "--proxy-allow-from=unix"),
        ("--certfile=x", "--ssl-certfile=x"),
        ("--bind=:3", "-b:3"),
        ("--workers=3", "-w3"),
        ("--timeout=3", "-t3"),
    ],
)
def test_names_of_gunicorn_and_of_uvicorn_mean_the_same(run: Run, ours: str, theirs: str):
    settings = printed(run("--print-config", ours))
    assert settings == printed(run("--print-config", theirs))
    assert settings != printed(run("--print-config"))


def test_switches_go_both_ways(run: Run):
    settings = printed(
        run("--print-config", "--no-date-header", "--no-reload", "--no-access-log", ASGIWORKER_RELOAD="1")
    )
    assert (settings["date_header"], settings["reload"], settings["accesslog"]) == (False, False, "")


def test_printed_settings_say_where_they_come_from(run: Run, project: Path):
    (project / "asgiworker.toml").write_text("backlog = 10\nworkers = 2\n")
    outcome = run("main:app", "--workers", "3", "--print-config", ASGIWORKER_KEEPALIVE="4", PORT="5000")
    lines = {line.split(" ")[0]: line for line in outcome.out.splitlines()}
    assert lines["app"].endswith("# APP")
    assert lines["workers"].endswith("# --workers")
    assert lines["keepalive"].endswith("# ASGIWORKER_KEEPALIVE")
    assert lines["backlog"].endswith("# asgiworker.toml, line 1")
    assert lines["bind"].endswith("# PORT")
    assert lines["loop"].endswith("# default")


def test_another_settings_file_can_be_named(run: Run, project: Path):
    (project / "asgiworker.toml").write_text("workers = 2\n")
    (project / "other.toml").write_text("backlog = 3\n")
    settings = printed(run("-c", "other.toml", "--print-config"))
    assert (settings["workers"], settings["backlog"]) == (1, 3)
    settings = printed(run("--print-config", ASGIWORKER_CONFIG="other.toml"))
    assert settings["backlog"] == 3


def test_chdir_comes_before_everything_else(run: Run, project: Path):
    (project / "asgiworker.toml").write_text("workers = 2\n")
    os.chdir("/")
    assert printed(run("--chdir", str(project), "--print-config"))["workers"] == 2
    assert Path.cwd() == project


def test_chdir_may_stand_in_the_environment(run: Run, project: Path):
    (project / "inner").mkdir()
    run("--print-config", ASGIWORKER_CHDIR="inner")
    assert Path.cwd() == project / "inner"


def test_a_directory_that_is_missing_is_named(run: Run, project: Path):
    outcome = run("--chdir", "nowhere", "main:app")
    assert outcome.code == 1
    assert outcome.err == (
        f"Error: The directory {project}/nowhere can't be changed to: No such file or directory.\n"
        "Hint: See --chdir.\n"
    )


def test_an_env_file_comes_before_the_settings_and_the_application(run: Run, project: Path):
    (project / ".env").write_text("ASGIWORKER_WORKERS=6\nASGIWORKER_BACKLOG=7\nGREETING=file\nNAME=file\n")
    (project / "main.py").write_text(
        "import os\nassert os.environ['GREETING'] + os.environ['NAME'] == 'fileset'\n"
        "async def app(scope, receive, send): ..."
    )
    outcome = run(
        "main:app",
        "--env-file",
        ".env",
        "--print-config",
        "--check-config",
        ASGIWORKER_BACKLOG="8",
        NAME="set",
    )
    assert outcome.code == 0, outcome.err
    assert "workers = 6 " in outcome.out
    assert "backlog = 8 " in outcome.out
    assert outcome.out.endswith("Configuration is valid.\n")


# Mistakes, and --check-config.


def test_a_right_configuration_is_said_to_be_valid(run: Run):
    assert run("main:app", "--check-config") == Outcome(0, "Configuration is valid.\n", "")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ([], "Error: No application is given.\nHint: Name one as in: asgiworker main:app\n"),
        (["--check-config"], "Error: No application is given.\nHint: Name one as in: asgiworker main:app\n"),
        (
            ["mian:app", "--check-config"],
            "Error: There is no module mian.\nHint: In {project} these look like applications: main\n",
        ),
        (
            ["main:ap", "--check-config"],
            "Error: The module main has no attribute ap.\nHint: This looks like an application: main:app\n",
        ),
        (
            ["main:app", "--check-config", "--certfile", "no.pem"],
            "Error: The certificate no.pem can't be read: No such file or directory.\n"
            "Hint: See --certfile.\n",
        ),
        (
            ["main:app", "--reload", "--port", "0", "--reload-dir", "no"],
            "Error: There is no directory {project}/no to watch.\nHint: See --reload-dir.\n",
        ),
    ],
)
def test_a_mistake_is_one_sentence_and_a_hint(run: Run, project: Path, arguments: list[str], error: str):
    outcome = run(*arguments)
    assert (outcome.code, outcome.err) == (1, error.format(project=project))


def test_an_unknown_variable_is_named(run: Run):
    outcome = run("main:app", ASGIWORKER_WROKERS="2")
    assert outcome.code == 1
    assert outcome.err.endswith("Hint: Did you mean ASGIWORKER_WORKERS?\n")


def test_an_application_that_fails_is_shown_with_its_own_traceback(run: Run, project: Path):
    (project / "main.py").write_text("def fail():\n    1 / 0\nfail()\n")
    outcome = run("main:app", "--check-config")
    assert outcome.code == 1
    # Which part of a line is underlined depends on the version of Python.
    lines = [line for line in outcome.err.splitlines() if not re.fullmatch(r"[ ~^]+", line)]
    assert lines == [
        "Traceback (most recent call last):",
        f'  File "{project}/main.py", line 3, in <module>',
        "    fail()",
        f'  File "{project}/main.py", line 2, in fail',
        "    1 / 0",
        "ZeroDivisionError: division by zero",
        "Error: The module main failed on import with ZeroDivisionError.",
        "Hint: The traceback is above.",
    ]


def test_an_interrupt_while_the_application_is_imported_is_no_traceback(run: Run, project: Path):
    (project / "main.py").write_text("raise KeyboardInterrupt\n")
    assert run("main:app", "--check-config") == Outcome(130, "", "")


# Certificates.


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def certified(project: Path, authority: trustme.CA) -> trustme.LeafCert:
    certificate = authority.issue_cert("localhost")
    certificate.private_key_pem.write_to_path(project / "key.pem")
    for pem in certificate.cert_chain_pems:
        pem.write_to_path(project / "cert.pem", append=True)
    certificate.private_key_and_cert_chain_pem.write_to_path(project / "both.pem")
    authority.cert_pem.write_to_path(project / "ca.pem")
    authority.issue_cert("localhost").private_key_pem.write_to_path(project / "other.pem")
    (project / "empty.pem").touch()
    subprocess.run(
        ["openssl", "pkey", "-in", "key.pem", "-aes128", "-passout", "pass:secret", "-out", "locked.pem"],
        cwd=project,
        check=True,
        capture_output=True,
    )
    return certificate


@pytest.mark.usefixtures("certified")
@pytest.mark.parametrize(
    "arguments",
    [
        "--certfile cert.pem --keyfile key.pem",
        "--certfile both.pem",
        "--ssl-certfile cert.pem --ssl-keyfile locked.pem --ssl-keyfile-password secret",
        "--certfile both.pem --ca-certs ca.pem --cert-reqs required --ciphers ECDHE+AESGCM",
        "--certfile both.pem --cert-reqs 1",
    ],
)
def test_a_right_certificate_is_valid(run: Run, arguments: str):
    assert run("main:app", "--check-config", *arguments.split()) == Outcome(
        0, "Configuration is valid.\n", ""
    )


@pytest.mark.usefixtures("certified")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--keyfile key.pem", "keyfile is given without certfile."),
        ("--certfile cert.pem", "No certificate with its private key can be read from cert.pem."),
        ("--certfile empty.pem", "No certificate with its private key can be read from empty.pem."),
        (
            "--certfile cert.pem --keyfile empty.pem",
            "No certificate with its private key can be read from cert.pem and empty.pem.",
        ),
        (
            "--certfile cert.pem --keyfile no.pem",
            "The private key no.pem can't be read: No such file or directory.",
        ),
        (
            "--certfile cert.pem --keyfile other.pem",
            "The private key other.pem does not belong to the certificate cert.pem.",
        ),
        ("--certfile cert.pem --keyfile locked.pem", "The private key locked.pem is encrypted."),
        (
            "--certfile cert.pem --keyfile locked.pem --keyfile-password wrong",
            "The password does not open the private key locked.pem.",
        ),
        ("--certfile both.pem --ciphers NONSENSE", "OpenSSL knows none of the ciphers 'NONSENSE'."),
        (
            "--certfile both.pem --ca-certs no.pem",
            "The authorities no.pem can't be read: No such file or directory.",
        ),
        (
            "--certfile both.pem --ca-certs empty.pem",
            "The authorities empty.pem can't be read: it is not PEM.",
        ),
    ],
)
def test_a_wrong_certificate_is_one_sentence(run: Run, arguments: str, message: str):
    outcome = run("main:app", "--check-config", *arguments.split())
    assert outcome.code == 1
    assert outcome.err.splitlines()[0] == f"Error: {message}"


# Serving.


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_worker_serves_until_it_is_told_to_stop(command: Any, number: int):
    server = command("main:app", "--port", "0")
    assert server.get() == b"hello"
    assert server.end(number) == 0
    assert "Traceback" not in server.output


def test_the_application_may_stand_in_the_environment(command: Any):
    server = command(ASGIWORKER_APP="main", ASGIWORKER_PORT="0")
    assert server.get() == b"hello"


def test_it_serves_on_a_unix_socket(command: Any, project: Path):
    server = command("main:app", "--uds", str(project / "app.sock"))
    server.prints("Listening on")
    assert (project / "app.sock").is_socket()
    assert server.get() == b"hello"
    assert server.end() == 0
    assert not (project / "app.sock").exists()


def test_a_port_in_use_is_one_sentence(command: Any):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = command("main:app", "--port", str(port))
        assert server.wait() == 1
    assert server.output.splitlines()[0] == f"Error: 127.0.0.1:{port} is in use by another process."


def test_an_application_that_cannot_be_imported_ends_the_command_with_1(command: Any):
    server = command("mian:app", "--port", "0")
    assert server.wait() == 1
    assert server.output.startswith("Error: There is no module mian.\nHint: ")


def test_systemd_may_hand_over_the_sockets(project: Path, eventually: Any):
    from asgiworker.process.sockets import FIRST_SYSTEMD_FD

    starter = (
        "import os, sys\n"
        f"os.dup2(int(sys.argv[1]), {FIRST_SYSTEMD_FD})\n"
        "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1')\n"
        "os.execv(sys.executable, [sys.executable, '-m', 'asgiworker', 'main:app', '--port', '1'])\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        process = subprocess.Popen(
            [sys.executable, "-c", starter, str(listener.fileno())],
            cwd=project,
            pass_fds=[listener.fileno()],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            with socket.create_connection(listener.getsockname(), timeout=20) as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                answer = b"".join(iter(lambda: client.recv(4096), b""))
        finally:
            process.terminate()
            assert process.wait(20) == 0
    assert answer.endswith(b"hello")
