"""Where the access log goes, and what happens when it can't."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import pty
import resource
import select
import socket
import subprocess
import sys
import threading
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from asgiworker.process import sinks
from asgiworker.process.logs import LogError
from asgiworker.process.sinks import DescriptorSink, LoggerSink, open_sink

LINE = "a line of the access log, of fifty characters, or so"


def reports(caplog: pytest.LogCaptureFixture) -> list[str]:
    assert {record.name for record in caplog.records} <= {"asgiworker.server"}
    return [record.getMessage() for record in caplog.records]


class Pipe:
    """A pipe, and a sink at its end."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        os.set_blocking(self.reading, False)
        self.sink = DescriptorSink("the pipe", lambda: os.dup(self.writing))

    def read(self) -> bytes:
        """All that is in the pipe."""
        data = b""
        with contextlib.suppress(BlockingIOError):
            while piece := os.read(self.reading, 1 << 20):
                data += piece
        return data

    def close(self) -> None:
        self.sink.close()
        for descriptor in (self.reading, self.writing):
            if descriptor >= 0:
                os.close(descriptor)


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipe]:
    monkeypatch.setattr(sinks, "CLOSE_TIMEOUT", 0.01)
    made = Pipe()
    yield made
    made.close()


@contextlib.contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """No file of this process may grow beyond: writes are cut short, then fail."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# --- files -----------------------------------------------------------------------------------------------


def test_lines_are_appended_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_text("before\n")
    sink = open_sink(str(path))

    sink.write(["one", "two"])
    sink.write(["three é \ud800"])
    sink.flush()
    sink.close()

    assert path.read_text() == "before\none\ntwo\nthree é \\ud800\n"


def test_a_batch_is_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    write = os.write
    sink = open_sink(str(tmp_path / "access.log"))

    def counting(descriptor: int, data: bytes) -> int:
        sizes.append(len(data))
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", counting)
    sink.write([LINE] * 1000)
    sink.close()

    assert sizes == [1000 * (len(LINE) + 1)]


def test_after_a_rotation_lines_go_to_the_new_file(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    sink = open_sink(str(path))
    sink.write(["old"])

    path.rename(tmp_path / "access.log.1")
    sink.write(["still old"])
    sink.reopen()
    sink.write(["new"])
    sink.close()

    assert (tmp_path / "access.log.1").read_text() == "old\nstill old\n"
    assert path.read_text() == "new\n"


def test_a_relative_path_stays_the_same_file_in_another_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sink = open_sink("access.log")
    monkeypatch.chdir("/")

    sink.reopen()
    sink.write(["here"])
    sink.close()

    assert (tmp_path / "access.log").read_text() == "here\n"


def test_a_file_that_cannot_be_opened_anew_goes_on_as_it_was(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    directory = tmp_path / "logs"
    directory.mkdir()
    sink = open_sink(str(directory / "access.log"))

    directory.rename(tmp_path / "moved")
    sink.reopen()
    sink.write(["not lost"])
    sink.close()

    assert (tmp_path / "moved" / "access.log").read_text() == "not lost\n"
    assert reports(caplog) == [
        f"The access log {directory}/access.log can't be opened anew: No such file or directory."
    ]


@pytest.mark.parametrize("place", ["missing/access.log", "."])
def test_a_file_that_cannot_be_opened_is_a_mistake_at_the_start(tmp_path: Path, place: str) -> None:
    with pytest.raises(LogError, match=r"^The access log .* can't be written: ") as caught:
        open_sink(str(tmp_path / place))

    assert "--access-logfile" in caught.value.hint


def test_a_full_disk_is_reported_once_and_its_lines_are_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    path = tmp_path / "access.log"
    path.symlink_to("/dev/full")
    sink = open_sink(str(path))

    sink.write(["one"])
    sink.write(["two"])
    sink.flush()
    assert reports(caplog) == [f"The access log can't be written to {path}: No space left on device."]

    path.unlink()
    sink.reopen()
    sink.write(["three"])
    sink.close()
    assert path.read_text() == "one\ntwo\nthree\n"
    assert reports(caplog)[1:] == [f"The access log is written to {path} again; 0 lines are lost."]
    assert sink.lost == 0


def test_a_write_that_is_cut_short_is_completed_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "access.log"
    sink = open_sink(str(path))

    with file_size_limit(10):
        sink.write(["0123", "5678", "9abc"])
        assert path.read_text() == "0123\n5678\n"
        sink.write(["def"])
    sink.write(["ghi"])
    sink.close()

    assert path.read_text() == "0123\n5678\n9abc\ndef\nghi\n"
    # Whether the recovery is heard, too, depends on the logger's level.
    assert reports(caplog)[0] == f"The access log can't be written to {path}: File too large."


def test_a_line_that_is_cut_short_does_not_continue_in_a_new_file(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    sink = open_sink(str(path))
    assert isinstance(sink, DescriptorSink)

    with file_size_limit(7):
        sink.write(["0123", "5678", "9abc"])
        path.rename(tmp_path / "access.log.1")
        sink.reopen()
    sink.close()

    assert (tmp_path / "access.log.1").read_text() == "0123\n56"
    assert path.read_text() == "9abc\n"
    assert sink.lost == 1


def test_lines_that_wait_are_bounded_and_those_beyond_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(sinks, "KEPT_BYTES", 20)
    path = tmp_path / "access.log"
    path.symlink_to("/dev/full")
    sink = open_sink(str(path))
    assert isinstance(sink, DescriptorSink)

    for number in range(10):
        sink.write([f"{number}", "x"])
    assert sink.lost == 10
    path.unlink()
    sink.reopen()
    sink.close()

    assert path.read_text() == "0\nx\n1\nx\n2\nx\n3\nx\n4\nx\n"
    assert reports(caplog) == [
        f"The access log can't be written to {path}: No space left on device.",
        f"The access log is written to {path} again; 10 lines are lost.",
    ]


def test_trouble_that_returns_is_reported_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    path = tmp_path / "access.log"
    sink = open_sink(str(path))

    for size in (3, 8):
        with file_size_limit(size):
            sink.write(["abcd"])
        sink.flush()
    sink.close()

    assert [message.split(" to ")[0] for message in reports(caplog)] == [
        "The access log can't be written",
        "The access log is written",
    ] * 2


# --- pipes, sockets, terminals ---------------------------------------------------------------------------


def test_a_reader_that_stops_loses_nothing_and_stops_nobody(
    pipe: Pipe, caplog: pytest.LogCaptureFixture
) -> None:
    written = [f"{number} {LINE}" for number in range(5000)]

    for start in range(0, 5000, 500):
        pipe.sink.write(written[start : start + 500])
    pipe.sink.flush()

    data = b""
    while piece := pipe.read():
        data += piece
        pipe.sink.flush()
    assert data.decode().splitlines() == written
    assert reports(caplog) == []


def test_a_non_blocking_pipe_is_written_without_loss(pipe: Pipe) -> None:
    os.set_blocking(pipe.writing, False)
    written = [f"{number} {LINE}" for number in range(3000)]

    pipe.sink.write(written)
    pipe.sink.flush()

    data = b""
    while piece := pipe.read():
        data += piece
        pipe.sink.flush()
    assert data.decode().splitlines() == written


def test_a_descriptor_that_is_busy_is_tried_again_at_the_next_flush(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "access.log"
    sink = open_sink(str(path))
    tries: list[int] = []

    def busy(descriptor: int, data: bytes) -> int:
        tries.append(descriptor)
        raise BlockingIOError

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", busy)
        sink.write(["one"])
        sink.flush()
    sink.flush()
    sink.close()

    assert len(tries) == 2
    assert path.read_text() == "one\n"
    assert reports(caplog) == []


def test_lines_of_several_workers_do_not_mix_in_a_pipe(pipe: Pipe) -> None:
    def worker(name: str) -> None:
        sink = DescriptorSink(name, lambda: os.dup(pipe.writing))
        for batch in range(20):
            sink.write([json.dumps({"worker": name, "batch": batch, "text": "x" * 200})] * 50)
        while sink._waiting:
            select.select((), (pipe.writing,), ())
            sink.flush()
        sink.close()

    os.set_blocking(pipe.reading, True)
    workers = [threading.Thread(target=worker, args=(name,)) for name in "ab"]
    for each in workers:
        each.start()
    with open(pipe.reading, closefd=False) as lines:
        seen = [json.loads(next(lines))["worker"] for _ in range(2 * 20 * 50)]
    for each in workers:
        each.join()

    assert (seen.count("a"), seen.count("b")) == (1000, 1000)


def test_a_line_too_long_for_the_pipe_goes_in_pieces(pipe: Pipe) -> None:
    long = "x" * (3 * select.PIPE_BUF)

    pipe.sink.write(["short", long, "end"])

    assert pipe.read().decode().splitlines() == ["short", long, "end"]


def test_lines_for_which_there_is_no_reader_are_counted_and_reported_once(
    pipe: Pipe, caplog: pytest.LogCaptureFixture
) -> None:
    os.close(pipe.reading)
    pipe.reading = -1

    pipe.sink.write(["one", "two"])
    pipe.sink.write(["three"])
    pipe.sink.flush()

    assert pipe.sink.lost == 3
    assert reports(caplog) == ["The access log can't be written to the pipe: Broken pipe."]


def test_what_a_stopped_reader_leaves_over_is_bounded(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sinks, "KEPT_BYTES", 100_000)
    batch = [LINE] * 1000

    for _ in range(10):
        pipe.sink.write(batch)

    assert 0 < pipe.sink.lost < 10_000
    assert reports(caplog) == ["The access log can't be written to the pipe: what reads it doesn't keep up."]


def test_closing_waits_a_moment_for_the_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sinks, "CLOSE_TIMEOUT", 60)
    pipe = Pipe()
    pipe.sink.write([LINE] * 3000)
    os.close(pipe.writing)
    pipe.writing = -1

    closing = threading.Thread(target=pipe.sink.close)
    closing.start()
    os.set_blocking(pipe.reading, True)
    data = pipe.read()
    closing.join()

    assert data.count(b"\n") == 3000
    assert pipe.sink.lost == 0
    pipe.close()


def test_closing_does_not_wait_for_ever(pipe: Pipe, caplog: pytest.LogCaptureFixture) -> None:
    pipe.sink.write([LINE] * 3000)

    pipe.sink.close()
    pipe.sink.close()

    assert pipe.sink.lost > 1000
    assert len(reports(caplog)) == 1


def test_after_the_close_lines_are_lost_not_raised(pipe: Pipe) -> None:
    pipe.sink.close()

    pipe.sink.write(["late"])

    assert pipe.sink.lost == 1


def test_a_named_pipe_finds_its_next_reader(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    with pytest.raises(LogError, match="No such device or address"):
        open_sink(str(path))
    first = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    sink = open_sink(str(path))
    assert isinstance(sink, DescriptorSink)

    sink.write(["x" * 1_000_000])
    os.close(first)
    sink.flush()
    assert sink.lost == 1
    second = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    assert set(os.read(second, 1 << 20)) == set(b"x")
    sink.write(["found"])
    assert os.read(second, 1 << 20) == b"\nfound\n"
    sink.close()
    os.close(second)


def test_lines_go_into_a_socket() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        sink = DescriptorSink("the socket", lambda: os.dup(ours.fileno()))
        sink.write(["one", "two"])
        assert theirs.recv(100) == b"one\ntwo\n"
        sink.close()


def test_lines_go_to_a_terminal() -> None:
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    sink = DescriptorSink("the terminal", lambda: os.dup(theirs))

    sink.write(["one", "two"])

    assert os.read(ours, 100) == b"one\ntwo\n"
    sink.close()
    os.close(ours)
    os.close(theirs)


# --- stdout ----------------------------------------------------------------------------------------------

PROGRAM = """
import logging, os, sys
logging.basicConfig(format="%(message)s")
from asgiworker.process.sinks import open_sink
{before}
sink = open_sink("-")
sink.write(["one", "two"])
{between}
sink.write(["three"])
sink.close()
print("lost", sink.lost, file=sys.stderr)
"""


def run(before: str = "pass", between: str = "pass", redirect: str = "") -> subprocess.CompletedProcess[str]:
    """The program above, in a process of its own; `redirect` is the shell's."""
    program = PROGRAM.format(before=before, between=between)
    return subprocess.run(
        ["/bin/sh", "-c", f'exec "$0" -c "$1" {redirect}', sys.executable, program],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )


def test_a_dash_is_stdout() -> None:
    done = run()

    assert done.stdout == "one\ntwo\nthree\n"
    assert done.stderr == "lost 0\n"


def test_a_process_without_stdout_reports_that_once() -> None:
    done = run(between="sink.reopen()", redirect=">&-")

    assert done.stderr == "The access log can't be written to stdout: Bad file descriptor.\nlost 3\n"


def test_stdout_that_the_application_closes_meanwhile_is_written_still() -> None:
    done = run(between="os.close(1); open('/dev/null')")

    assert done.stdout == "one\ntwo\nthree\n"


def test_an_application_that_closes_every_descriptor_costs_lines_only() -> None:
    done = run(between="os.closerange(3, 256)")

    assert done.stdout == "one\ntwo\n"
    assert done.stderr == "The access log can't be written to stdout: Bad file descriptor.\nlost 1\n"


def test_stdout_that_is_replaced_in_python_is_the_real_one() -> None:
    done = run(before="import io; sys.stdout = io.StringIO()")

    assert done.stdout == "one\ntwo\nthree\n"


def test_stdout_that_is_redirected_is_followed_when_reopened() -> None:
    done = run(between="os.dup2(2, 1); sink.reopen()")

    assert done.stdout == "one\ntwo\n"
    assert done.stderr == "three\nlost 0\n"


def test_a_full_stdout_does_not_stop_the_server() -> None:
    done = run(redirect=">/dev/full")

    assert done.stderr.startswith("The access log can't be written to stdout: No space left on device.\n")
    assert done.stderr.endswith("lost 3\n")


# --- loggers ---------------------------------------------------------------------------------------------


def test_each_line_is_a_record_of_the_logger(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("asgiworker.access")
    caplog.set_level(logging.INFO, logger.name)
    sink = LoggerSink(logger)

    sink.write(["one %s", "two"])
    sink.flush()
    sink.reopen()
    sink.close()

    assert [(record.name, record.levelname, record.getMessage()) for record in caplog.records] == [
        ("asgiworker.access", "INFO", "one %s"),
        ("asgiworker.access", "INFO", "two"),
    ]


def test_a_logger_that_raises_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    class Raising(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            raise RuntimeError("a filter's defect")

    logger = logging.getLogger("picky")
    logger.setLevel(logging.INFO)
    raising = Raising()
    logger.addFilter(raising)
    sink = LoggerSink(logger)

    sink.write(["one", "two"])
    sink.write(["three"])
    logger.removeFilter(raising)

    assert reports(caplog) == ["The logger picky can't log."]
