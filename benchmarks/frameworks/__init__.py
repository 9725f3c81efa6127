"""The frameworks side by side on the same work: without a server, and on the same one.

Each has the same application, in `applications`, written as its documentation would write it. `peers` says
who takes part and what is measured, `requests` what is asked and what must come back, `inprocess`, `served`
and `starting` measure it, and the command behind ``scripts/bench --frameworks`` is in `__main__`.
"""
