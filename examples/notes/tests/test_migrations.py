"""The migrations lead to what the models say, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import PostgreSQL, SQLite


@pytest.fixture
def alembic(databases: SQLite | PostgreSQL, request: pytest.FixtureRequest) -> object:
    """`alembic(…)`: run it on a database that was empty in the beginning."""
    url = databases.empty(f"empty_{request.node.callspec.id}")
    run = request.getfixturevalue("run_alembic")
    return lambda *arguments: run(url, *arguments)


def test_models_and_migrations_agree_and_the_way_back_leaves_nothing(alembic: object) -> None:
    def run(*arguments: str) -> str:
        ended = alembic(*arguments)  # type: ignore[operator]
        assert ended.returncode == 0, ended.stdout + ended.stderr
        said: str = ended.stdout
        return said

    run("upgrade", "head")
    assert "No new upgrade operations detected" in run("check")
    assert "(head)" in run("current")
    run("downgrade", "base")
    assert run("current").strip() == ""
    run("upgrade", "head")
    assert "No new upgrade operations detected" in run("check")


def test_the_migrations_can_be_read_as_sql(alembic: object) -> None:
    ended = alembic("upgrade", "head", "--sql")  # type: ignore[operator]
    assert ended.returncode == 0, ended.stderr
    assert "CREATE TABLE notes" in ended.stdout
