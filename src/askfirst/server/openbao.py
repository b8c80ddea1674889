"""Keys wrapped by the Transit engine of OpenBao or HashiCorp Vault: the wrapping key stays there.

Every key is wrapped under a key derived from what it is for (``derived`` keys with a context), so
that one that was wrapped for one recording opens for no other. Sealed, stopped or forbidden means
that nothing is recorded and nothing played: there is no copy of the wrapping key here.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from importlib import import_module
from pathlib import Path
from typing import Any

from askfirst.errors import KeyUnreadable, Misconfigured, NotInstalled, Unavailable

TOKENS = ("ASKFIRST_OPENBAO_TOKEN", "BAO_TOKEN", "VAULT_TOKEN")
"""Variables that hold the token where no file does, the first that is set."""

ANSWERS_WITHIN = 10.0
"""Seconds; who waits longer for a key waits too long to begin a call."""


@dataclass(frozen=True, slots=True)
class Transit:
    """Where the wrapping key is: the table `openbao` of the settings, and what is kept of it.

    `address` such as ``https://bao.example:8200``, `key` the name of a Transit key that is
    derived, `mount` the engine's path. `token_file` holds the token in its first line; it is read
    anew each time, as agents renew it. `ca_file` is a PEM file for a server of one's own.
    """

    address: str
    key: str = "askfirst"
    mount: str = "transit"
    namespace: str | None = None
    token_file: str | None = None
    ca_file: str | None = None

    def to_json(self) -> dict[str, str]:
        """What `from_json` reads; there is no token in it."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, told: Mapping[str, object]) -> Transit:
        """The place of `to_json`, or of a table of the settings. Raises Misconfigured."""
        known = {each.name for each in fields(cls)}
        if unknown := sorted(set(told) - known):
            raise Misconfigured(f"openbao: found {unknown[0]}; known: {', '.join(sorted(known))}")
        if wrong := [
            name for name, value in told.items() if not isinstance(value, str) or not value
        ]:
            raise Misconfigured(f"openbao: {wrong[0]} is no text; write it in quotes")
        address = str(told.get("address", ""))
        if not address.startswith(("https://", "http://")):
            raise Misconfigured(
                "openbao: expected an address such as https://bao.example:8200 under address"
            )
        return cls(**{**told, "address": address.rstrip("/")})  # type: ignore[arg-type]  # all are texts


class TransitWrapper:
    """Wraps keys by a Transit engine. The caller may close it; opening again is cheap.

    Raises NotInstalled where the extra is missing, Misconfigured without a token. A key that there
    is not, and a server that does not answer, is noticed at the first use.
    """

    def __init__(self, where: Transit) -> None:
        try:
            hvac: Any = import_module("hvac")
            requests: Any = import_module("requests")
        except ImportError as error:
            raise NotInstalled("the client of OpenBao and Vault (hvac)", "kms") from error
        self.where = where
        self._faults: Any = hvac.exceptions
        self._unreachable: Any = requests.RequestException
        self._client: Any = hvac.Client(
            url=where.address,
            token=_token(where),
            namespace=where.namespace,
            verify=where.ca_file or True,
            timeout=ANSWERS_WITHIN,
        )

    def make(self) -> None:
        """Make the Transit key if there is none; for the first use. Raises Unavailable."""
        self._ask("create_key", name=self.where.key, derived=True, key_type="aes256-gcm96")
        self._ensure_derived()

    def wrap(self, key: bytes, context: str) -> bytes:
        """The key as the engine encrypts it. Raises Unavailable."""
        answer = self._ask(
            "encrypt_data", name=self.where.key, plaintext=_coded(key), context=_coded(context)
        )
        return str(answer["data"]["ciphertext"]).encode()

    def unwrap(self, wrapped: bytes, context: str) -> bytes:
        """The key again. Raises KeyUnreadable, and Unavailable where the engine does not answer."""
        try:
            text = wrapped.decode("ascii")
        except UnicodeDecodeError as error:
            raise self._unreadable() from error
        try:
            answer = self._ask(
                "decrypt_data", name=self.where.key, ciphertext=text, context=_coded(context)
            )
            return base64.b64decode(answer["data"]["plaintext"], validate=True)
        except (self._faults.InvalidRequest, binascii.Error, KeyError) as error:
            raise self._unreadable() from error

    def describe(self) -> str:
        """Address, mount and name."""
        return f"OpenBao Transit key {self.where.mount}/{self.where.key} at {self.where.address}"

    def rotate(self) -> None:
        """Let the engine wrap with a new version of its key from now on. Raises Unavailable."""
        self._ask("rotate_key", name=self.where.key)

    def retire(self) -> int:
        """Make everything unreadable that older versions of the key wrapped; gives the newest.

        For after everything was wrapped anew. Raises Unavailable.
        """
        newest = int(self._known()["latest_version"])
        self._ask("update_key_configuration", name=self.where.key, min_decryption_version=newest)
        return newest

    def close(self) -> None:
        """Let go of connections."""
        self._client.adapter.close()

    def _known(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._ask("read_key", name=self.where.key)["data"]
        return found

    def _ensure_derived(self) -> None:
        if not self._known().get("derived"):
            raise Misconfigured(
                f"the {self.describe()} is not derived, so it would open any key for anything. "
                "Name another key in the settings; one that is not there is made"
            )

    def _ask(self, what: str, **told: Any) -> Any:
        """One request; what is wrong with a wrapped key comes as the client's own error."""
        faults = self._faults
        if self.where.token_file is not None:
            self._client.token = _token(self.where)
        try:
            return getattr(self._client.secrets.transit, what)(mount_point=self.where.mount, **told)
        except (faults.Forbidden, faults.Unauthorized) as error:
            raise Unavailable(
                f"the {self.describe()} may not be used with this token: it has run out, or its "
                f"policy lacks {self.where.mount}/…/{self.where.key}. Give another token"
            ) from error
        except faults.VaultDown as error:
            raise Unavailable(
                f"the {self.describe()} cannot be used: the server is sealed or not ready. Unseal "
                "it; until then nothing is recorded and nothing played"
            ) from error
        except faults.InvalidRequest as error:
            if what == "decrypt_data":
                raise
            raise self._refused(error) from error
        except faults.VaultError as error:
            raise self._refused(error) from error
        except self._unreachable as error:
            raise Unavailable(
                f"the {self.describe()} does not answer ({type(error).__name__}); until it does, "
                "nothing is recorded and nothing played. Start it, or mend the way to it"
            ) from error

    def _refused(self, error: Exception) -> Unavailable:
        return Unavailable(
            f"the {self.describe()} refused ({type(error).__name__}). Check that the engine is "
            "mounted there and that the key is there"
        )

    def _unreadable(self) -> KeyUnreadable:
        return KeyUnreadable(
            f"The {self.describe()} does not open this wrapped key: it was wrapped by another key, "
            "by a version that was retired, for something else, or was changed."
        )


def _coded(content: bytes | str) -> str:
    return base64.b64encode(content.encode() if isinstance(content, str) else content).decode()


def _token(where: Transit) -> str:
    if where.token_file is not None:
        try:
            lines = Path(where.token_file).read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError) as error:
            raise Misconfigured(
                f"the token file {where.token_file} cannot be read; give its path, readable by "
                "the service's user alone"
            ) from error
        if lines and lines[0].strip():
            return lines[0].strip()
        raise Misconfigured(f"the token file {where.token_file} is empty; put a token into it")
    token = next((os.environ[name] for name in TOKENS if os.environ.get(name)), None)
    if token is None:
        raise Misconfigured(
            f"no token for OpenBao: set token_file in the table openbao, or {TOKENS[0]}"
        )
    return token
