"""Settings of single sign-on: read whole, from file and environment, and the secret never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from askfirst.errors import Misconfigured
from askfirst.server.access import UserRole
from askfirst.server.settings import Settings, read_settings

SECRET = "do-not-show"  # noqa: S105 - of nobody
FILE = """
[oidc]
issuer = "https://login.example"
client_id = "askfirst"
client_secret_file = "{secret}"
name = "Nordlys ID"
domains = ["Nordlys.example", "@nordlys.no"]
makes_users = true
roles_claim = "groups"
roles = {{ "phone-leads" = "supervisor" }}
"""


def test_the_file_names_everything_and_another_file_the_secret(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{SECRET}\nmore\n")
    (tmp_path / "askfirst.toml").write_text(FILE.format(secret=tmp_path / "secret"))

    wants = read_settings(tmp_path / "askfirst.toml", {}, {}).oidc

    assert wants is not None
    assert (wants.client_secret, wants.name) == (SECRET, "Nordlys ID")
    assert wants.domains == ("nordlys.example", "nordlys.no")
    assert wants.roles == {"phone-leads": UserRole.SUPERVISOR}
    assert SECRET not in repr(wants)


def test_the_environment_adds_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "askfirst.toml").write_text(
        '[oidc]\nissuer = "https://login.example"\nclient_id = "askfirst"\n'
    )
    environment = {"ASKFIRST_OIDC_CLIENT_SECRET": SECRET, "ASKFIRST_OIDC_DOMAINS": "a.no, b.no"}

    wants = read_settings(tmp_path / "askfirst.toml", environment, {}).oidc

    assert wants is not None
    assert (wants.client_secret, wants.domains) == (SECRET, ("a.no", "b.no"))
    assert wants.client_id == "askfirst"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"ISSUER": "http://login.example"}, "https"),
        ({"ISSUER": "login"}, "address"),
        ({"CLIENT_ID": ""}, "client_id"),
        ({"SECRET": "x"}, "not secret"),
        ({"MAKES_USERS": "true"}, "domains with makes_users"),
        ({"MAKES_USERS": "perhaps"}, "true or false"),
        ({"DOMAINS": "nordlys"}, "example.org"),
        ({"ROLES_CLAIM": "groups"}, "roles and roles_claim together"),
        ({"CLIENT_SECRET_FILE": "/nowhere"}, "client_secret_file"),
        ({"NAME": "x" * 41}, "at most 40"),
    ],
)
def test_what_cannot_be_used_is_named_and_the_secret_is_not(
    change: dict[str, str], expected: str
) -> None:
    good = {"ISSUER": "https://login.example", "CLIENT_ID": "askfirst", "CLIENT_SECRET": SECRET}
    environment = {f"ASKFIRST_OIDC_{key}": value for key, value in {**good, **change}.items()}

    with pytest.raises(Misconfigured, match=expected) as refused:
        read_settings(None, environment, {})
    assert SECRET not in str(refused.value)


def test_no_other_process_gets_the_secret() -> None:
    environment = {
        "ASKFIRST_OIDC_ISSUER": "https://login.example",
        "ASKFIRST_OIDC_CLIENT_ID": "askfirst",
        "ASKFIRST_OIDC_CLIENT_SECRET": SECRET,
    }
    settings = read_settings(None, environment, {})

    assert SECRET not in repr(settings)
    assert SECRET not in repr(settings.to_json())
    assert Settings.from_json(settings.to_json()).oidc is None
