"""The text of a kubeconfig: what client-go accepts is accepted, and any other text is an error.

Covered: repeated keys, several documents, YAML versions and encodings, depth, size, repeated names,
and arbitrary bytes and structures. Left out: which credentials count (test_static_auth,
test_exec_auth), unknown keys (test_keys).
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleetpatch.errors import CredentialsError, KubeconfigError
from fleetpatch.kube.connection import Connection
from fleetpatch.kube.kubeconfig.connect import connect_to_context
from fleetpatch.kube.kubeconfig.file import KubeconfigEntry, read_file
from tests.kube.kubeconfig.kubeconfigs import cluster, kubeconfig

TOKEN = "s3cr3t-of-the-file"
VALID = f"""\
apiVersion: v1
kind: Config
current-context: prod
clusters:
- name: prod
  cluster: {{server: "https://host:6443"}}
users:
- name: prod
  user:
    token: {TOKEN}
contexts:
- name: prod
  context: {{cluster: prod, user: prod}}
"""


def written(file: Path, text: str | bytes) -> Path:
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


async def load(file: Path, text: str | bytes) -> Connection:
    return await connect_to_context(environ={"KUBECONFIG": str(written(file, text))})


async def test_what_a_pipe_contains_is_kept_for_further_reads() -> None:
    reader, writer = os.pipe()
    os.write(writer, VALID.encode())
    os.close(writer)
    environ = {"KUBECONFIG": f"/dev/fd/{reader}"}

    first, second = [await connect_to_context(environ=environ) for _ in range(2)]
    os.close(reader)

    assert authorization(first) == authorization(second) == f"Bearer {TOKEN}"


async def shown(file: Path) -> str:
    """Return what a person sees: an error, or warnings."""
    try:
        return "; ".join((await connect_to_context(environ={"KUBECONFIG": str(file)})).warnings)
    except (KubeconfigError, CredentialsError) as error:
        return str(error)


def authorization(connection: Connection) -> str:
    return connection.grant.headers["Authorization"]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (VALID + "users: [{name: prod, user: {token: last}}]\n", "config:14: `users`"),
        (
            VALID.replace(f"token: {TOKEN}", f"token: {TOKEN}\n    token: last"),
            "config:11: `token`",
        ),
        (
            VALID.replace(f"token: {TOKEN}", "token: last").replace(
                "current-context: prod", "current-context: other\ncurrent-context: prod"
            ),
            "config:4: `current-context`",
        ),
    ],
)
async def test_the_last_value_of_a_repeated_key_counts_and_the_key_is_reported(
    tmp_path: Path, text: str, place: str
) -> None:
    connection = await load(tmp_path / "config", text)

    assert authorization(connection) == "Bearer last"
    [warning] = connection.warnings
    assert f"{place} is given twice; the last one counts" in warning
    assert TOKEN not in warning


async def test_a_merged_key_is_not_a_repeated_one(tmp_path: Path) -> None:
    text = VALID.replace(f"    token: {TOKEN}", "    <<: {token: merged}\n    token: own")

    connection = await load(tmp_path / "config", text)

    assert authorization(connection) == "Bearer own"
    assert connection.warnings == ()


@pytest.mark.parametrize("end", ["---\n", "...\n", "---\n---\n", "---\n# nothing\n", "...\n---\n"])
async def test_an_empty_document_at_the_end_does_not_count(tmp_path: Path, end: str) -> None:
    connection = await load(tmp_path / "config", VALID + end)

    assert authorization(connection) == f"Bearer {TOKEN}"
    assert connection.warnings == ()


@pytest.mark.parametrize("more", [VALID.replace(TOKEN, "other"), "[", "a: b\na: b\n"])
async def test_only_the_first_document_counts_and_others_are_reported(
    tmp_path: Path, more: str
) -> None:
    connection = await load(tmp_path / "config", f"{VALID}---\n{more}")

    assert authorization(connection) == f"Bearer {TOKEN}"
    [warning] = connection.warnings
    assert "the first YAML document" in warning
    assert "ignored" in warning


@pytest.mark.parametrize(
    "text",
    [
        VALID.encode("utf-8-sig"),
        VALID.encode("utf-16"),
        VALID.replace("\n", "\r\n").encode(),
        b"%YAML 1.1\n---\n" + VALID.encode(),
        b"%YAML 1.2\n---\n" + VALID.encode(),
        VALID.replace("\nusers", "\npreferences: {}\nextensions: []\nusers").encode(),
    ],
)
async def test_a_kubeconfig_that_client_go_reads_is_read(tmp_path: Path, text: bytes) -> None:
    assert authorization(await load(tmp_path / "config", text)) == f"Bearer {TOKEN}"


async def test_a_character_written_as_two_escapes_is_one(tmp_path: Path) -> None:
    text = json.dumps({"current-context": "\N{GRINNING FACE}"})

    with pytest.raises(KubeconfigError, match="no context '\N{GRINNING FACE}'"):
        await load(tmp_path / "config", text)
    with pytest.raises(KubeconfigError, match="is not YAML"):
        await load(tmp_path / "config", r'{"current-context": "\ud83d"}')


async def test_a_value_that_looks_like_a_date_is_text(tmp_path: Path) -> None:
    connection = await load(tmp_path / "config", VALID.replace(TOKEN, "2026-11-26"))

    assert authorization(connection) == "Bearer 2026-11-26"


@pytest.mark.parametrize("version", ["1.3", "1.0", "2.0", "1", "x", "1.2.3"])
async def test_another_version_of_yaml_is_an_error_with_its_place(
    tmp_path: Path, version: str
) -> None:
    text = f"# by hand\n%YAML {version}\n---\n{VALID}"

    with pytest.raises(KubeconfigError, match=r"config:2: is not YAML 1.1 or 1.2; remove"):
        await load(tmp_path / "config", text)


@pytest.mark.parametrize("depth", [500, 1_200])
@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
async def test_deep_nesting_is_an_error_of_the_kubeconfig(
    tmp_path: Path, opening: str, depth: int
) -> None:
    for text in (opening * depth, f"{VALID}extensions:\n  {opening * depth}"):
        with pytest.raises(KubeconfigError, match=r"config.*: is not "):
            await load(tmp_path / "config", text)


@pytest.mark.parametrize(
    "text",
    [
        b"\x00",
        b"a: \xff",
        b"a: !!int x",
        b"a: !!float x",
        b"a: !!binary x",
        b"a: !!timestamp x",
        b"a: !!python/object:os.system {}",
        b"a: !unknown x",
        b"a: *missing",
        b"? {a: b}\n: c",
        b"? [[a], {b: c}]\n: d",
        b"a: " + b"9" * 5000,
        b"%TAG ! x\n%TAG ! y\n---\na",
        b"a: |9\n x",
        b"<<: a",
        b"<<: [a]",
        b"\t: a",
    ],
)
async def test_text_that_is_not_yaml_is_an_error_of_the_kubeconfig(
    tmp_path: Path, text: bytes
) -> None:
    with pytest.raises(KubeconfigError, match=r"config(:\d+:\d+)?: "):
        await load(tmp_path / "config", text)


@pytest.mark.parametrize("section", ["clusters", "users", "contexts"])
async def test_two_entries_of_one_name_in_a_file_are_refused(tmp_path: Path, section: str) -> None:
    file = kubeconfig(tmp_path / "config")
    content = json.loads(file.read_text())
    for name in ("prod", "of others"):
        twice = content | {section: [*content[section], {"name": name}, {"name": name}]}
        with pytest.raises(KubeconfigError, match=rf"`{section}` has two entries named '{name}'"):
            await load(file, json.dumps(twice))


async def test_entries_of_one_name_in_two_files_are_merged(tmp_path: Path) -> None:
    first = kubeconfig(tmp_path / "a", user={"token": "first"})
    second = kubeconfig(tmp_path / "b", user={"token": "second"})

    connection = await connect_to_context(environ={"KUBECONFIG": f"{first}:{second}:{first}"})

    assert authorization(connection) == "Bearer first"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"apiVersion": "v2"}, "its `apiVersion` must be v1"),
        ({"kind": "Pod"}, "its `kind` must be Config"),
        ({"kind": ["Config"]}, "its `kind` must be Config"),
        ({"current-context": 1}, "`current-context` must be text"),
        ({"users": [{"name": 1}]}, "each `name` of `users` must be text"),
        ({"clusters": [{"name": "x", "cluster": []}]}, "'x' of `clusters` has no body"),
        ({"contexts": [{"name": "prod", "context": {"cluster": 5}}]}, "`cluster` must be text"),
        (
            {"contexts": [{"name": "prod", "context": {"cluster": "prod", "user": ["a"]}}]},
            "`user` must be text",
        ),
    ],
)
async def test_another_structure_is_an_error_of_the_kubeconfig(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    file = kubeconfig(tmp_path / "config")
    content = json.loads(file.read_text()) | change

    with pytest.raises(KubeconfigError, match=message):
        await load(file, json.dumps(content))


async def test_an_endless_file_is_not_a_kubeconfig() -> None:
    with pytest.raises(KubeconfigError, match="larger than 16 MiB"):
        await connect_to_context(environ={"KUBECONFIG": "/dev/zero"})


async def test_values_that_contain_themselves_are_read(tmp_path: Path) -> None:
    text = VALID.replace('"https://host:6443"', '"https://host:6443", extensions: &x [*x]')

    assert authorization(await load(tmp_path / "config", text)) == f"Bearer {TOKEN}"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=st.binary(max_size=400) | st.text(max_size=400).map(lambda text: text.encode("utf-8")))
async def test_arbitrary_bytes_are_a_kubeconfig_or_an_error_of_one(
    tmp_path: Path, text: bytes
) -> None:
    with pytest.raises(KubeconfigError):
        await load(tmp_path / "config", text)


MARKUP = st.sampled_from([*"[]{}:,-?&*!|>'\"%#@` \n\t", "a", "1", "~", "<<", "---\n", "&a ", "*a"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(at=st.integers(0, len(VALID)), parts=st.lists(MARKUP, max_size=8))
async def test_a_damaged_kubeconfig_is_read_or_an_error_of_one(
    tmp_path: Path, at: int, parts: list[str]
) -> None:
    text = VALID[:at] + "".join(parts) + VALID[at:]

    said = await shown(written(tmp_path / "config", text))

    assert "\n" not in said
    assert TOKEN not in said


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=4), values),
    max_leaves=8,
)
TEXTS = ["certificate-authority", "certificate-authority-data", "client-certificate", "client-key"]
TEXTS += [
    "client-certificate-data",
    "client-key-data",
    "token",
    "tokenFile",
    "username",
    "password",
]
KEYS = [*TEXTS, "as", "as-uid", "as-groups", "as-user-extra", "server", "tls-server-name"]
KEYS += ["insecure-skip-tls-verify", "proxy-url", "auth-provider", "extensions"]
BODIES = st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), JSON, max_size=4)
EXEC = st.dictionaries(
    st.sampled_from(["args", "env", "apiVersion", "installHint", "provideClusterInfo"])
    | st.text(max_size=4),
    JSON | st.just("client.authentication.k8s.io/v1"),
    max_size=4,
).map(lambda plugin: plugin | {"command": "/no/such/plugin"})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    the_cluster=BODIES.map(lambda body: cluster() | body),
    user=BODIES,
    plugin=st.none() | EXEC | JSON,
)
async def test_arbitrary_entries_are_a_connection_or_an_error(
    tmp_path: Path, the_cluster: KubeconfigEntry, user: KubeconfigEntry, plugin: Any
) -> None:
    user = user | ({"exec": plugin} if plugin is not None else {})
    file = kubeconfig(tmp_path / "config", the_cluster=the_cluster, user=user)

    assert "\n" not in await shown(file)


def test_a_file_is_parsed_once_until_it_changes(tmp_path: Path) -> None:
    file = written(tmp_path / "config", VALID)
    first = read_file(file)

    assert read_file(file) is first
    written(file, VALID.replace("current-context: prod", "current-context: dev"))
    assert read_file(file).current_context == "dev"


def test_the_same_text_in_two_files_belongs_to_each(tmp_path: Path) -> None:
    files = [written(tmp_path / name, VALID) for name in ("a", "b")]

    assert [read_file(file).file for file in files] == files
