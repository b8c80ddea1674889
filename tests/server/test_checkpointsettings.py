"""Where checkpoints go is checked whole before anything runs, and secrets are never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from askfirst.errors import InvalidInput, Misconfigured
from askfirst.server.checkpointsettings import CheckpointSettings
from askfirst.server.settings import Settings, read_settings

KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
TABLE = """
[checkpoints]
stamp_url = "http://tsa.example.org/tsr"
stamp_certificates = "tsa.pem"
file = "checkpoints.txt"
webhook_url = "https://example.org/hook"
webhook_secret_file = "{folder}/secret"
mail_to = ["auditor@example.org"]
mail_from = "askfirst@example.org"
smtp_host = "mail.example.org"
smtp_user = "askfirst"
smtp_password_file = "{folder}/password"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text(f"{KEY}\n")
    (tmp_path / "password").write_text("hidden-word\n")
    return tmp_path


def settings(folder: Path, table: str) -> Settings:
    (folder / "askfirst.toml").write_text(table.format(folder=folder))
    return read_settings(folder / "askfirst.toml", {}, {})


def test_a_whole_table_names_every_channel(folder: Path) -> None:
    found = settings(folder, TABLE).checkpoints

    assert found.channels == ("stamp", "file", "mail", "webhook")
    assert found.smtp_security == "starttls"
    assert len(found.webhook_secret) == 24


def test_without_a_table_nothing_goes_out(folder: Path) -> None:
    assert settings(folder, "").checkpoints == CheckpointSettings()
    assert CheckpointSettings().channels == ()


def test_secrets_are_neither_shown_nor_handed_on(folder: Path) -> None:
    found = settings(folder, TABLE)

    assert "hidden-word" not in repr(found)
    assert "secret=" not in repr(found)
    assert "checkpoints" not in found.to_json()


@pytest.mark.parametrize(
    ("stated", "word"),
    [
        ({"stamp_url": "https://tsa.example.org"}, "stamp_certificates"),
        ({"stamp_url": "ftp://tsa.example.org", "stamp_certificates": "x"}, "stamp_url"),
        ({"webhook_url": "https://example.org"}, "webhook_secret_file"),
        ({"webhook_url": "http://example.org"}, "webhook_url"),
        ({"webhook_url": "https://me:word@example.org"}, "webhook_url"),
        ({"mail_to": "nobody"}, "mail_to"),
        ({"mail_to": ["a@example.org"]}, "mail_from"),
        ({"mail_to": ["a@example.org"], "mail_from": "b@example.org"}, "smtp_host"),
        ({"mail_to": ["a@example.org\nBcc: c@example.org"]}, "mail_to"),
        ({"mail_from": "a@example.org, b@example.org"}, "mail_from"),
        ({"smtp_security": "maybe"}, "smtp_security"),
        ({"smtp_port": 0}, "smtp_port"),
        ({"smtp_port": True}, "smtp_port"),
        ({"smtp_user": "me"}, "smtp_password_file"),
        ({"file": ""}, "file"),
        ({"twitter": "x"}, "twitter"),
    ],
)
def test_what_cannot_be_used_is_named(stated: dict[str, object], word: str) -> None:
    with pytest.raises(InvalidInput, match=word):
        CheckpointSettings.parse(stated)


def test_a_password_is_not_sent_in_clear(folder: Path) -> None:
    stated = {
        "smtp_user": "me",
        "smtp_password_file": str(folder / "password"),
        "smtp_host": "mail.example.org",
        "smtp_security": "none",
    }
    with pytest.raises(InvalidInput, match="in clear"):
        CheckpointSettings.parse(stated)


@pytest.mark.parametrize("content", ["", "whsec_", "whsec_AAAA", "whsec_***"])
def test_a_secret_that_is_none_is_refused(folder: Path, content: str) -> None:
    (folder / "secret").write_text(content)

    with pytest.raises(Misconfigured, match="webhook_secret_file"):
        settings(folder, TABLE)
