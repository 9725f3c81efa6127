"""The commands: `asgistar seed` and the others, as somebody calls them."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from asgistar.testing import TestClient

FOLDER = Path(__file__).parents[1]
PATIENCE = 30


def asgistar(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in the folder of the notes."""
    return subprocess.run(
        [sys.executable, "-m", "asgistar", *arguments],
        cwd=FOLDER,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_seed_makes_a_user_with_notes(notes: Any, settings: Any) -> None:
    first = asgistar("seed", "--notes", "5")
    assert first.stdout == "5 notes for ada@example.com; the password is lovelace.\n", first.stderr
    assert asgistar("seed", "--notes", "2").returncode == 0
    with TestClient(notes.app, conforms=True) as client:
        login = {"email": "ada@example.com", "password": "lovelace"}
        assert client.post("/login/", json=login).status_code == 200
        found = client.get("/notes/").json()["notes"]
    assert len(found) == 7
    assert any(note["tags"] for note in found)


def test_a_user_is_made_with_a_password_that_is_asked_for(notes: Any, settings: Any) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "asgistar", "create_user", "Bob@example.com", "Bob"]
    with subprocess.Popen(
        command, cwd=FOLDER, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    ) as process:
        os.close(theirs)
        said = b""
        for answer in (b"short\n", b"long enough\n"):
            while not said.endswith(b"more: "):
                said += os.read(ours, 1000)
            os.write(ours, answer)
            said = b""
        while b"can log in" not in said:
            said += os.read(ours, 1000)
        assert process.wait(PATIENCE) == 0
    os.close(ours)
    assert said.strip() == b"Bob can log in as bob@example.com."
    with TestClient(notes.app) as client:
        login = {"email": "bob@example.com", "password": "long enough"}
        assert client.post("/login/", json=login).status_code == 200


def test_a_user_that_cannot_be_made_is_told_of_in_a_sentence(settings: Any) -> None:
    bob = ("create_user", "bob@example.com", "Bob", "--password", "long enough")
    assert asgistar(*bob).returncode == 0
    again = asgistar(*bob)
    assert again.returncode == 1
    assert "There is a user with this address." in again.stderr
    assert "Traceback" not in again.stderr
    wrong = asgistar("create_user", "bob", "Bob", "--password", "long enough")
    assert wrong.returncode == 2
    assert "email" in wrong.stderr
    assert "Traceback" not in wrong.stderr


def test_tidy_leaves_what_is_needed(notes: Any, settings: dict[str, str]) -> None:
    asgistar("seed", "--notes", "1")
    with TestClient(notes.app) as client:
        client.post("/login/", json={"email": "ada@example.com", "password": "lovelace"})
        kept = client.post("/notes/1/attachments/", files={"file": b"a"}).json()["id"]
    folder = Path(settings["NOTES_ATTACHMENTS"])
    for name in ("old", "young"):
        (folder / name).touch()
    for name in ("old", kept):
        os.utime(folder / name, (time.time() - 7200,) * 2)
    said = asgistar("tidy")
    assert said.stdout == "0 logins and 1 files are gone.\n", said.stderr
    assert sorted(file.name for file in folder.iterdir()) == sorted([kept, "young"])
