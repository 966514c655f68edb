"""What the control plane is started with exists in all versions that the tests run on."""

import re
from pathlib import Path

from tests.control_plane.commands import apiserver_command, etcd_command
from tests.server_versions import API_VERSIONS, APISERVER_FLAGS, ETCD_FLAGS

OLDEST = 20
"""The minor version of the oldest server."""
NOWHERE = Path("/nowhere")


def flags_of(command: list[str]) -> set[str]:
    return {word.partition("=")[0] for word in command[1:]}


def test_all_flags_of_the_servers_are_in_the_table_of_versions() -> None:
    apiserver = apiserver_command(NOWHERE, NOWHERE, 1, 2, NOWHERE / "audit.log")

    assert flags_of(apiserver) == APISERVER_FLAGS.keys()
    assert flags_of(etcd_command(NOWHERE, NOWHERE, 1, 2)) == ETCD_FLAGS
    assert max(APISERVER_FLAGS.values()) <= OLDEST


def test_all_apis_of_the_fixture_are_in_the_table_of_versions() -> None:
    texts = "".join(path.read_text() for path in Path(__file__).parent.glob("*.py"))
    found = set(re.findall(r"\b[a-z.]+\.k8s\.io/v[0-9][a-z0-9]*", texts))

    assert found
    assert found <= API_VERSIONS.keys()
    assert max(API_VERSIONS.values()) <= OLDEST
