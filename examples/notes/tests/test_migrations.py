"""The migrations lead to what the models say, and back."""

from __future__ import annotations

from collections.abc import Callable

Run = Callable[..., str]


def test_models_and_migrations_agree_and_the_way_back_leaves_nothing(run_alembic: Run) -> None:
    said = run_alembic("upgrade head", "check", "downgrade base", "current", "upgrade head", "check")
    assert said.count("No new upgrade operations detected.") == 2
    assert "$ current\n$ upgrade head\n" in said


def test_the_migrations_can_be_read_as_sql(run_alembic: Run) -> None:
    said = run_alembic("upgrade head --sql")
    assert "CREATE TABLE notes" in said
