"""What it takes until the first answer: to import a framework, and to make an application of 1,000 routes.

    python -m benchmarks.frameworks.starting NAME

It prints a line of JSON: the CPU milliseconds of each. Each needs a process of its own, or it would be done
already.
"""

import asyncio
import importlib
import json
import sys
import time

from benchmarks.frameworks.peers import FRAMEWORKS, ROUTES

IMPORT, START = "import", "start"


def measured(name: str) -> dict[str, float]:
    """Milliseconds to import the framework; and then to the first answer of its application."""
    framework = next(each for each in FRAMEWORKS if each.name == name)
    began = time.process_time()
    importlib.import_module(framework.package)
    imported = time.process_time() - began
    importlib.import_module(f"benchmarks.frameworks.applications.with_{name}")

    from benchmarks.frameworks.inprocess import Lifespan, answer
    from benchmarks.frameworks.requests import REQUESTS

    async def first() -> float:
        began = time.process_time()
        app = framework.application(ROUTES)
        async with Lifespan(app):
            wrong = REQUESTS["routes"].wrong(*await answer(app, REQUESTS["routes"]))
            took = time.process_time() - began
        if wrong:
            raise SystemExit(f"{framework.title}: {wrong}")
        return took

    return {IMPORT: imported * 1e3, START: asyncio.run(first()) * 1e3}


if __name__ == "__main__":
    print(json.dumps(measured(sys.argv[1])))
