"""The settings: their sources and precedence, what each kind of value takes, and what is said of the rest."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from asgiworker.process import reference, sources
from asgiworker.process.mistakes import Mistake, SettingsError
from asgiworker.process.settings import GROUPS, KNOWN, OPTIONS, TABLE, Settings

DOCUMENT = Path(__file__).parents[3] / "docs" / "settings.md"


def refusal(**arguments: object) -> str:
    with pytest.raises(SettingsError) as caught:
        Settings.load(arguments)
    return str(caught.value)


# The table.


def test_every_default_passes_its_own_check():
    for row in TABLE:
        assert row.convert(row.default, row.name) == row.default


def test_every_option_has_one_flag_that_no_other_has():
    flags = [flag for row in KNOWN.values() for flag in (*row.flags, *row.off_flags)]
    assert len(flags) == len(set(flags))


def test_gunicorn_has_every_setting_that_we_say_it_has():
    from gunicorn.config import make_settings

    known = make_settings()
    assert {row.gunicorn for row in TABLE if row.gunicorn} <= known.keys()


def test_every_group_is_one_run_of_the_table():
    assert list(GROUPS) == list(dict.fromkeys(row.group for row in TABLE))


def test_the_table_has_the_fields_of_the_settings_in_their_order():
    assert [each.name for each in dataclasses.fields(Settings)] == [*OPTIONS, "origins"]


def test_settings_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().workers = 2  # type: ignore[misc]


# Precedence.


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "asgiworker.toml"
    path.write_text("# ours\n\nworkers = 3\nkeep-alive = 20\n")
    return path


def test_without_any_source_the_defaults_hold():
    settings = Settings.load()
    assert settings == Settings()
    assert settings.origin("workers") == "default"


def test_a_file_wins_over_the_default(tmp_path: Path):
    path = tmp_path / "asgiworker.toml"
    path.write_text("\nworkers = 3\n")
    settings = Settings.load(file=path)
    assert (settings.workers, settings.origin("workers")) == (3, "asgiworker.toml, line 2")


def test_the_environment_wins_over_a_file(tmp_path: Path):
    path = tmp_path / "asgiworker.toml"
    path.write_text("workers = 3\nbacklog = 5")
    settings = Settings.load({}, {"ASGIWORKER_WORKERS": "4", "PATH": "/bin"}, path)
    assert (settings.workers, settings.origin("workers")) == (4, "ASGIWORKER_WORKERS")
    assert settings.backlog == 5


def test_an_argument_wins_over_the_environment():
    settings = Settings.load({"workers": 5}, {"ASGIWORKER_WORKERS": "4"})
    assert (settings.workers, settings.origin("workers")) == (5, "workers=")


def test_on_the_command_line_the_origin_is_the_flag():
    settings = Settings.load({"keepalive": "5"}, command_line=True)
    assert (settings.keepalive, settings.origin("keepalive")) == (5.0, "--keep-alive")


def test_what_platforms_set_comes_after_the_file(tmp_path: Path):
    platform = {"WEB_CONCURRENCY": "7", "PORT": "5000", "FORWARDED_ALLOW_IPS": "*"}
    settings = Settings.load({}, platform)
    assert settings.workers == 7
    assert settings.bind == ("0.0.0.0:5000",)
    assert settings.forwarded_allow_ips == "*"
    assert settings.origin("bind") == "PORT"
    path = tmp_path / "asgiworker.toml"
    path.write_text('workers = 3\nbind = "127.0.0.1:9"')
    settings = Settings.load({}, platform, path)
    assert settings.workers == 3
    assert settings.bind == ("127.0.0.1:9",)


def test_a_tool_table_in_pyproject_is_a_settings_file(tmp_path: Path):
    path = tmp_path / "pyproject.toml"
    path.write_text("[project]\nname = 'x'\nworkers = 1\n[tool.asgiworker]\nbacklog = 9\nworkers = 3\n")
    settings = Settings.load(file=path)
    assert settings.workers == 3
    assert settings.origin("workers") == "pyproject.toml, line 6"


def test_a_tool_table_may_be_written_inline(tmp_path: Path):
    path = tmp_path / "pyproject.toml"
    path.write_text("[tool]\nasgiworker = { workers = 3 }\n")
    assert Settings.load(file=path).workers == 3


# Finding the file.


def test_asgiworker_toml_is_found_before_pyproject_toml(tmp_path: Path):
    assert sources.find_file(tmp_path, {}) is None
    project = tmp_path / "pyproject.toml"
    project.write_text("[tool.other]\n")
    assert sources.find_file(tmp_path, {}) is None
    project.write_text("[tool.asgiworker]\n")
    assert sources.find_file(tmp_path, {}) == project
    own = tmp_path / "asgiworker.toml"
    own.touch()
    assert sources.find_file(tmp_path, {}) == own


def test_asgiworker_config_names_another_file(tmp_path: Path):
    environ = {"ASGIWORKER_CONFIG": "production.toml"}
    assert sources.find_file(tmp_path, environ) == tmp_path / "production.toml"
    assert Settings.load({}, environ) == Settings()


def test_a_file_that_is_missing_is_named(tmp_path: Path):
    with pytest.raises(SettingsError, match=r"nowhere.toml can't be read: No such file"):
        Settings.load(file=tmp_path / "nowhere.toml")


@pytest.mark.parametrize("content", [b"workers = \n", b"app = '\xff'"])
def test_a_file_that_is_not_toml_is_named(tmp_path: Path, content: bytes):
    path = tmp_path / "asgiworker.toml"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"asgiworker.toml is not valid TOML: .*"):
        Settings.load(file=path)


# Addresses.


@pytest.mark.parametrize(
    ("arguments", "bind"),
    [
        ({"port": 9000}, ("127.0.0.1:9000",)),
        ({"host": "0.0.0.0"}, ("0.0.0.0:8000",)),
        ({"host": "::1", "port": 1}, ("[::1]:1",)),
        ({"host": "[::1]", "port": 1}, ("[::1]:1",)),
        ({"uds": "/run/x"}, ("unix:/run/x",)),
        ({"fd": 3}, ("fd://3",)),
        ({"bind": ":80", "port": "81", "uds": "x"}, (":80", "127.0.0.1:81", "unix:x")),
        ({"bind": [":80", "[::]:80"]}, (":80", "[::]:80")),
        ({"uds": ""}, ("127.0.0.1:8000",)),
    ],
)
def test_host_port_uds_and_fd_are_shorthand_for_bind(arguments: dict[str, object], bind: tuple[str, ...]):
    assert Settings.load(arguments).bind == bind


def test_the_first_source_that_speaks_of_addresses_decides():
    settings = Settings.load({"port": 1}, {"ASGIWORKER_BIND": "0.0.0.0:2,unix:/x", "PORT": "3"})
    assert settings.bind == ("127.0.0.1:1",)
    assert settings.origin("bind") == "port="
    settings = Settings.load({}, {"ASGIWORKER_BIND": "0.0.0.0:2,unix:/x", "PORT": "3"})
    assert settings.bind == ("0.0.0.0:2", "unix:/x")


def test_the_missing_half_of_an_address_comes_from_the_sources_below(tmp_path: Path):
    path = tmp_path / "asgiworker.toml"
    path.write_text("port = 7\nhost = '10.0.0.1'")
    settings = Settings.load({}, {"ASGIWORKER_HOST": "0.0.0.0"}, path)
    assert settings.bind == ("0.0.0.0:7",)
    assert Settings.load(file=path).origin("bind") == "asgiworker.toml, line 2, asgiworker.toml, line 1"


# Values.


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ({"reload": "yes"}, True),
        ({"reload": " OFF "}, False),
        ({"reload": True}, True),
        ({"umask": "022"}, 0o22),
        ({"umask": "0o22"}, 0o22),
        ({"umask": "18"}, 18),
        ({"umask": "0x12"}, 18),
        ({"umask": 0o77}, 0o77),
        ({"keepalive": "2.5"}, 2.5),
        ({"keepalive": 0}, 0.0),
        ({"certfile": ""}, ()),
        ({"certfile": None}, ()),
        ({"certfile": "a.pem"}, ("a.pem",)),
        ({"certfile": "a.pem, b"}, ("a.pem", "b")),
        ({"certfile": ["a, b.pem"]}, ("a, b.pem",)),
        ({"tls_minimum": 1.3}, "1.3"),
        ({"ssl_context": "tls:make"}, "tls:make"),
        ({"crl": ""}, None),
        ({"accesslog": None}, None),
        ({"loop": "UVLOOP"}, "uvloop"),
        ({"cert_reqs": 2}, "required"),
        ({"cert_reqs": "1"}, "optional"),
        ({"root_path": "/api/"}, "/api"),
        ({"reload_dirs": "a, b,"}, ("a", "b")),
        ({"reload_include": ["*.html"]}, ("*.html",)),
        ({"forwarded_allow_ips": "10.0.0.0/8, ::1,unix,*"}, "10.0.0.0/8,::1,unix,*"),
        ({"forwarded_allow_ips": ""}, ""),
        ({"headers": ["X-One: 1", "X-Two:a: b "]}, (("X-One", "1"), ("X-Two", "a: b"))),
        ({"headers": {"X-One": "1"}}, (("X-One", "1"),)),
        ({"headers": [["X-One", "tab\there"]]}, (("X-One", "tab\there"),)),
        ({"headers": "X-One: 1\nX-Two: 2, 3"}, (("X-One", "1"), ("X-Two", "2, 3"))),
    ],
)
def test_a_value_is_read_as_what_it_means(given: dict[str, object], value: object):
    (name,) = given
    found = getattr(Settings.load(given), name)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("name", "value", "expects"),
    [
        ("workers", "many", "a whole number of at least 1, not 'many'"),
        ("workers", 0, "a whole number of at least 1, not 0"),
        ("workers", True, "a whole number of at least 1, not True"),
        ("workers", 1.5, "a whole number of at least 1, not 1.5"),
        ("workers", "1_0", "a whole number of at least 1, not '1_0'"),
        ("port", 65536, "a whole number from 0 to 65535, not 65536"),
        ("fd", -1, "the number of an open file descriptor, not -1"),
        ("keepalive", -1, "a number of seconds, 0 or more, not -1"),
        ("keepalive", "nan", "a number of seconds, 0 or more, not 'nan'"),
        ("keepalive", "inf", "a number of seconds, 0 or more, not 'inf'"),
        ("keepalive", "1_0", "a number of seconds, 0 or more, not '1_0'"),
        ("keepalive", False, "a number of seconds, 0 or more, not False"),
        ("keepalive", None, "a number of seconds, 0 or more, not None"),
        ("reload", "perhaps", "true or false, not 'perhaps'"),
        ("reload", 1, "true or false, not 1"),
        ("umask", "x", "an octal mask such as 022, not 'x'"),
        ("umask", "0o1000", "an octal mask such as 022, not '0o1000'"),
        ("umask", "089", "an octal mask such as 022, not '089'"),
        ("loop", "trio", "one of auto, uvloop, asyncio, not 'trio'"),
        ("cert_reqs", True, "one of none, optional, required, not True"),
        ("app", 1, "a text, not 1"),
        ("certfile", 1, "a list of paths, not 1"),
        ("crl", 1, "a path, not 1"),
        ("tls_minimum", "1.1", "one of 1.2, 1.3, not '1.1'"),
        ("ssl_context", "make", "module:function, not 'make'"),
        ("redirect_http", "shop:http", "PORT or HOST:PORT, not 'shop:http'"),
        ("redirect_http", "unix:a.sock", "PORT or HOST:PORT, not 'unix:a.sock'"),
        ("redirect_http", "fd://3", "PORT or HOST:PORT, not 'fd://3'"),
        ("redirect_http", "70000", "PORT or HOST:PORT, not '70000'"),
        ("hsts", "a year", "seconds, and includeSubDomains and preload after semicolons, such as"),
        ("hsts", "3600; somethingElse", "seconds, and includeSubDomains and preload after semicolons"),
        ("hsts", "includeSubDomains", "seconds, and includeSubDomains and preload after semicolons"),
        ("root_path", "api", "a path that begins with /, not 'api'"),
        ("reload_dirs", 1, "a list of paths, not 1"),
        ("reload_dirs", [1], "a list of paths, not [1]"),
        ("bind", "", "HOST:PORT, [IPV6]:PORT, :PORT, unix:PATH or fd://N, not ''"),
        ("bind", ["a:1", "a:b"], "HOST:PORT, [IPV6]:PORT, :PORT, unix:PATH or fd://N, not 'a:b': "),
        ("headers", ["X One: 1"], "header fields written as \"Name: value\", not 'X One: 1'"),
        ("headers", ["nothing"], "header fields written as \"Name: value\", not 'nothing'"),
        ("headers", ["X: a\nb"], "header fields written as \"Name: value\", not 'X: a\\nb'"),
        ("headers", [["X", "1", "2"]], "header fields written as \"Name: value\", not [['X', '1', '2']]"),
        ("headers", [["X", 1]], "header fields written as \"Name: value\", not [['X', 1]]"),
        ("forwarded_allow_ips", "localhost", "and \"*\", not 'localhost': "),
        ("forwarded_allow_ips", "10.0.0.1/8", "and \"*\", not '10.0.0.1/8': 10.0.0.1/8 has host bits set."),
    ],
)
def test_a_wrong_value_is_named_with_what_would_be_right(name: str, value: object, expects: str):
    message = refusal(**{name: value})
    assert message.startswith(f"{name}= takes ")
    assert expects in message


def test_settings_made_directly_are_checked_too():
    with pytest.raises(SettingsError, match=r"^workers takes a whole number of at least 1, not 0\.$"):
        Settings(workers=0)
    assert Settings(timeout=5, bind=["127.0.0.1:0"]).bind == ("127.0.0.1:0",)  # type: ignore[arg-type]


def test_a_key_without_a_certificate_is_refused():
    with pytest.raises(SettingsError, match="keyfile is given without certfile"):
        Settings(keyfile="key.pem")


def test_a_mistake_in_the_file_is_pointed_at(tmp_path: Path):
    path = tmp_path / "asgiworker.toml"
    path.write_text("workers = 1\n\n'keep-alive' = 1\n")
    with pytest.raises(SettingsError) as caught:
        Settings.load(file=path)
    assert caught.value.report() == (
        "Error: asgiworker.toml, line 3: there is no setting keep-alive.\nHint: Did you mean keepalive?\n"
    )
    path.write_text("workers = 1\nkeepalive = 'x'\n")
    with pytest.raises(
        SettingsError, match="line 2: keepalive takes a number of seconds, 0 or more, not 'x'"
    ):
        Settings.load(file=path)


def test_a_mistake_in_the_environment_names_the_variable():
    with pytest.raises(SettingsError, match=r"^ASGIWORKER_WORKERS takes a whole number .* not 'x'\.$"):
        Settings.load({}, {"ASGIWORKER_WORKERS": "x"})
    with pytest.raises(SettingsError, match=r"^PORT takes a whole number from 0 to 65535, not 'x'\.$"):
        Settings.load({}, {"PORT": "x"})


@pytest.mark.parametrize(
    ("variable", "hint"),
    [
        ("ASGIWORKER_WROKERS", "Did you mean ASGIWORKER_WORKERS?"),
        ("ASGIWORKER_KEEP_ALIVE", "Did you mean ASGIWORKER_KEEPALIVE?"),
        ("ASGIWORKER_workers", "Did you mean ASGIWORKER_WORKERS?"),
        ("ASGIWORKER_XYZZY", "asgiworker --print-config shows them all."),
    ],
)
def test_an_unknown_variable_is_named_with_the_nearest(variable: str, hint: str):
    with pytest.raises(
        SettingsError, match=f"environment variable {variable} belongs to no setting"
    ) as caught:
        Settings.load({}, {variable: "1"})
    assert caught.value.hint == hint


def test_an_unknown_argument_is_named_with_the_nearest():
    with pytest.raises(SettingsError, match="There is no setting limit_concurrency") as caught:
        Settings.load({"limit_concurrency": 1})
    assert caught.value.hint == "Did you mean limit_requests?"


def test_only_the_command_line_is_a_matter_of_usage():
    with pytest.raises(SettingsError) as caught:
        Settings.load({"workers": "x"}, command_line=True)
    assert caught.value.usage
    with pytest.raises(SettingsError) as caught:
        Settings.load({}, {"ASGIWORKER_WORKERS": "x"}, command_line=True)
    assert not caught.value.usage


# What is shown.


def test_the_settings_print_as_a_settings_file_with_origins(tmp_path: Path):
    given = {
        "app": 'main:create_app("ä\\")',
        "bind": (":80", "unix:/x"),
        "headers": (("X", "1"),),
        "umask": 0o22,
        "keepalive": 2.5,
        "reload": True,
        "workers": 4,
        "accesslog": None,
    }
    settings = Settings.load(given)
    text = settings.to_toml()
    assert "workers = 4" in text
    assert "umask = 0o022" in text
    assert next(line for line in text.splitlines() if line.startswith("workers")).endswith("# workers=")
    path = tmp_path / "asgiworker.toml"
    path.write_text(text)
    assert Settings.load(file=path) == settings
    assert tomllib.loads(text).keys() == OPTIONS.keys()


@pytest.mark.parametrize("seconds", [0.0, 0.05, 30.0, 86400.5, 12345678.0, 123456.75, 1e9])
def test_a_number_of_seconds_is_printed_as_it_is(tmp_path: Path, seconds: float):
    path = tmp_path / "asgiworker.toml"
    path.write_text(Settings(timeout=seconds).to_toml())
    assert Settings.load(file=path).timeout == seconds


def test_a_control_character_survives_printing(tmp_path: Path):
    path = tmp_path / "asgiworker.toml"
    path.write_text(Settings(access_log_format="a\x7f\x01b").to_toml())
    assert Settings.load(file=path).access_log_format == "a\x7f\x01b"


def test_secrets_are_neither_printed_nor_in_messages():
    settings = Settings(keyfile="k", certfile="c", keyfile_password="hush")
    assert "hush" not in settings.to_toml()
    assert "# keyfile_password is set, and not shown" in settings.to_toml()
    assert "hush" not in repr(settings)
    with pytest.raises(SettingsError) as caught:
        Settings(keyfile_password=["hush"])  # type: ignore[arg-type]
    assert "hush" not in str(caught.value)


def test_the_page_of_the_documentation_is_current(tmp_path: Path):
    written = tmp_path / "settings.md"
    module = "asgiworker.process.reference"
    subprocess.run([sys.executable, "-m", module, written], check=True)
    assert written.read_text("utf-8") == DOCUMENT.read_text("utf-8"), f"run: python -m {module} {DOCUMENT}"
    for row in KNOWN.values():
        assert f"| `{row.name}` | {row.help} |" in reference.page()


def test_a_mistake_reports_detail_sentence_and_hint():
    assert Mistake("No.").report() == "Error: No.\n"
    assert Mistake("No.", "Yes.", "Why\n").report() == "Why\nError: No.\nHint: Yes.\n"


# The environment file.


def test_an_env_file_is_read_line_by_line(tmp_path: Path):
    path = tmp_path / ".env"
    path.write_text(
        "# comment\n"
        "\n"
        "PLAIN=value\n"
        "export EXPORTED = spaced out  # comment\n"
        "EMPTY=\n"
        "HASH=a#b\n"
        "URL=postgres://u:p@h/d?x=1\n"
        "SINGLE='it # is \\n literal'\n"
        'DOUBLE="a \\"quoted\\" line\\nand # another\\t\\\\" # comment\n'
        'QUOTES=""\n'
        "INSIDE=it's\n"
    )
    assert sources.env_file(path) == {
        "PLAIN": "value",
        "EXPORTED": "spaced out",
        "EMPTY": "",
        "HASH": "a#b",
        "URL": "postgres://u:p@h/d?x=1",
        "SINGLE": "it # is \\n literal",
        "DOUBLE": 'a "quoted" line\nand # another\t\\',
        "QUOTES": "",
        "INSIDE": "it's",
    }


@pytest.mark.parametrize("line", ["NOTHING", "1A=b", "A='open", 'A="open', "A='x' y", "=x"])
def test_a_wrong_line_of_an_env_file_is_named(tmp_path: Path, line: str):
    path = tmp_path / ".env"
    path.write_text(f"A=b\n{line}\n")
    with pytest.raises(SettingsError, match=r"\.env, line 2 is not KEY=VALUE"):
        sources.env_file(path)


def test_an_env_file_that_cannot_be_read_is_named(tmp_path: Path):
    with pytest.raises(SettingsError, match="missing can't be read: No such file"):
        sources.env_file(tmp_path / "missing")
    (tmp_path / "latin").write_bytes(b"A=\xe4")
    with pytest.raises(SettingsError, match="latin is not UTF-8"):
        sources.env_file(tmp_path / "latin")
