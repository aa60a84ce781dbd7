"""The pages on configuration and authentication agree with the code."""

import ast
import re
from pathlib import Path

import pytest

import oxide
from identity.test_credentials import FILES, FOUND, REFUSED, set_variables, write

DOCS = Path(__file__).parents[2] / "docs"


def rows(page: str, heading: str) -> list[list[str]]:
    """Return the cells of the table below the first row that begins with this text."""
    lines = (DOCS / page).read_text("utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(heading)) + 2
    found = []
    for line in lines[start:]:
        if " | " not in line:
            break
        found.append([cell.strip() for cell in line.split(" | ")])
    return found


def test_the_documented_settings_are_those_of_the_code() -> None:
    """Every setting, in the order of the code, with its default."""
    table = rows("configuration.md", "Setting | Default")
    assert [name for name, _, _ in table] == [f"`{name}`" for name in oxide.Configuration._settings]
    defaults = oxide.Configuration()
    for name, default, _ in table:
        kept = getattr(defaults, name.strip("`"))
        shown = ast.literal_eval(default.strip("`"))
        assert (type(shown), shown) == (type(kept), kept) or (name == "`resolve`" and shown == kept)


def test_the_documented_precedence_has_the_tested_sources() -> None:
    """Each row is a source of the tested table, recognized by its arguments and variables."""
    table = {frozenset(re.findall(r"`(\w+)=?`", given)) for given, _ in rows("authentication.md", "Given | ")}
    tested = {
        frozenset(arguments) or frozenset(name for name, value in variables.items() if value.strip())
        for arguments, variables, _, _ in FOUND.values()
    }
    assert table == tested


def test_every_documented_error_message_is_real(config_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each message that it quotes is one that is given."""
    messages = []
    for arguments, variables, _ in REFUSED.values():
        write(config_dir)
        set_variables(monkeypatch, variables)
        with pytest.raises(oxide.ConfigurationError) as caught:
            oxide.Configuration.from_environment(**arguments)
        messages.append(str(caught.value))
    set_variables(monkeypatch, {})
    for credentials, config, arguments, _ in FILES.values():
        write(config_dir, credentials, config)
        with pytest.raises(oxide.ConfigurationError) as caught:
            oxide.Configuration.from_environment(**arguments)
        messages.append(str(caught.value))
    (config_dir / "config.toml").unlink(missing_ok=True)
    (config_dir / "config.toml").mkdir()
    with pytest.raises(oxide.ConfigurationError) as caught:
        oxide.Configuration.from_environment()
    messages.append(str(caught.value))
    quoted = [quote.strip("`") for quote, _ in rows("authentication.md", "The message says")]
    assert [quote for quote in quoted if not any(quote in message for message in messages)] == []


def test_the_documented_fields_of_a_log_record_are_those_of_the_code() -> None:
    """The page on configuration lists them all."""
    page = (DOCS / "configuration.md").read_text("utf-8")
    assert re.findall(r"`oxide_(\w+)`", page) == list(oxide.Attempt.__slots__)
