"""The frameworks on the same server, asgiworker, asked by wrk; CPU time of the server's process per request.

A server runs `benchmarks.frameworks.served:app`, the application of the framework that the environment names.
"""

import json
import math
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.frameworks.peers import FRAMEWORKS, Application, Framework, Row
from benchmarks.frameworks.requests import REQUESTS, Asked
from benchmarks.processes import Server, free_port

NAME, ROUTES = "BENCHMARK_FRAMEWORK", "BENCHMARK_ROUTES"
WARM_UP = 0.3

#: The request is built once; what was answered is printed as JSON.
SCRIPT = """
wrk.method = "{method}"
wrk.headers["Content-Type"] = "application/json"
wrk.body = {body}
done = function(summary, latency, requests)
  local errors = summary.errors
  print("SUMMARY " .. string.format('{{"requests": %d, "failed": %d, "refused": %d}}',
    summary.requests, errors.connect + errors.read + errors.write + errors.timeout, errors.status))
end
"""


def __getattr__(name: str) -> Application:
    """`app`: made when a server asks for it."""
    if name != "app":
        raise AttributeError(name)
    framework = next(each for each in FRAMEWORKS if each.name == os.environ[NAME])
    return framework.application(int(os.environ[ROUTES]))


def measured(framework: Framework, row: Row, seconds: float) -> float:
    """CPU microseconds per request. Raises `ServerFailed` and `RuntimeError`."""
    asked = REQUESTS[row.name]
    port = free_port()
    command = [
        *(
            str(Path(sys.executable).with_name("asgiworker")),
            f"{__name__}:app",
            "--bind",
            f"127.0.0.1:{port}",
        ),
        *("--loop", "uvloop", "--no-access-log"),
    ]
    environment = {**os.environ, NAME: framework.name, ROUTES: str(row.routes)}
    with tempfile.TemporaryDirectory(prefix="benchmark-") as directory:
        output = Path(directory, "output")
        server = Server(command, port, tls=False, environment=environment, output=output)
        server.start()
        try:
            load(asked, port, WARM_UP)
            before = server.usage().cpu
            requests = load(asked, port, seconds)
            return (server.usage().cpu - before) / requests * 1e6
        finally:
            server.stop()


def load(asked: Asked, port: int, seconds: float) -> int:
    """Ask as fast as the server answers; how many answers came. Raises `RuntimeError` for wrong ones."""
    body = json.dumps(asked.body.decode()) if asked.body else "nil"
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(SCRIPT.format(method=asked.method, body=body))
        script.flush()
        command = [
            *("wrk", "--threads", "1", "--connections", "32", "--duration", f"{math.ceil(seconds) + 1}s"),
            *("--script", script.name, f"http://127.0.0.1:{port}{asked.target}"),
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as client:
            try:
                printed, complaints = client.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                client.send_signal(signal.SIGINT)
                printed, complaints = client.communicate(timeout=30)
    summaries = [line[8:] for line in printed.splitlines() if line.startswith("SUMMARY ")]
    if not summaries:
        raise RuntimeError(f"wrk: {complaints.strip() or printed.strip()}")
    summary = json.loads(summaries[0])
    refused = summary["requests"] if asked.statuses[0] >= 400 else 0
    if summary["failed"] or summary["refused"] != refused or not summary["requests"]:
        raise RuntimeError(f"wrk: {summary}")
    return int(summary["requests"])
