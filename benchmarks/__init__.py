"""The servers side by side on the same work: one command, one table.

``scripts/bench`` is the way in. ``peers`` says what runs and how, ``app`` is the application every server
serves, ``floor`` is what no Python server can undercut, and ``protocol`` measures without a kernel.
"""
