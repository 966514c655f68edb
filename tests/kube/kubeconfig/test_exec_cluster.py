"""What an exec plugin receives of the cluster, where the kubeconfig says `provideClusterInfo`.

Covered: all fields, an authority in a file, the config of the plugin of any type, and what is not
JSON. Left out: the rest of the protocol (test_exec_auth).
"""

import base64
from pathlib import Path
from typing import Any

import pytest

from fleetpatch.errors import KubeconfigError
from fleetpatch.kube.kubeconfig.connect import connect_to_context
from tests.kube.kubeconfig.kubeconfigs import certificate, cluster
from tests.kube.kubeconfig.plugins import V1, V1BETA1, load, recorded, recording


@pytest.mark.parametrize("api_version", [V1, V1BETA1])
@pytest.mark.parametrize("as_data", [True, False])
async def test_a_plugin_receives_the_cluster_where_the_kubeconfig_says_so(
    tmp_path: Path, api_version: str, as_data: bool
) -> None:
    made, _key = certificate(tmp_path)
    data = base64.b64encode(made.read_bytes()).decode()
    authority = {"certificate_authority_data": data}
    config = {"audience": "06e3fbd18de8", "nested": {"list": [1, 2.5, None, True]}}
    the_cluster = cluster(
        "https://host:6443/prefix/",
        tls_server_name="other.example",
        proxy_url="http://proxy.example:3128",
        disable_compression=True,
        extensions=[
            {"name": "someone else's", "extension": {"a": 1}},
            {"name": "client.authentication.k8s.io/exec", "extension": config},
        ],
        **(authority if as_data else {"certificate_authority": made.name}),
    )

    await load(
        tmp_path, recording(tmp_path), the_cluster, apiVersion=api_version, provideClusterInfo=True
    )

    assert recorded(tmp_path)[0]["spec"]["cluster"] == {
        "server": "https://host:6443/prefix/",
        "tls-server-name": "other.example",
        "certificate-authority-data": data,
        "proxy-url": "http://proxy.example:3128",
        "disable-compression": True,
        "config": config,
    }


async def test_a_plugin_receives_that_verification_is_off(tmp_path: Path) -> None:
    the_cluster = cluster(insecure_skip_tls_verify=True)

    await load(tmp_path, recording(tmp_path), the_cluster, provideClusterInfo=True)

    assert recorded(tmp_path)[0]["spec"]["cluster"] == {
        "server": "https://host:6443",
        "insecure-skip-tls-verify": True,
    }


@pytest.mark.parametrize("config", ["text", 7, [1, {"a": None}], {}], ids=str)
async def test_the_config_of_a_plugin_may_be_any_json(tmp_path: Path, config: Any) -> None:
    extension = {"name": "client.authentication.k8s.io/exec", "extension": config}
    the_cluster = cluster("https://[::1]:6443", extensions=[extension])

    await load(tmp_path, recording(tmp_path), the_cluster, provideClusterInfo=True)

    assert recorded(tmp_path)[0]["spec"]["cluster"] == {
        "server": "https://[::1]:6443",
        "config": config,
    }


async def test_without_provide_cluster_info_a_plugin_receives_no_cluster(tmp_path: Path) -> None:
    extension = {"name": "client.authentication.k8s.io/exec", "extension": {"secret": "x"}}

    for provides in ({}, {"provideClusterInfo": False}):
        await load(tmp_path, recording(tmp_path), cluster(extensions=[extension]), **provides)
        assert "cluster" not in recorded(tmp_path)[0]["spec"]


async def test_an_extension_that_is_not_json_is_refused(tmp_path: Path) -> None:
    text = (
        "current-context: it\n"
        "contexts: [{name: it, context: {cluster: it, user: it}}]\n"
        "clusters: [{name: it, cluster: {server: 'https://host', extensions: [{name: "
        "client.authentication.k8s.io/exec, extension: %s}]}}]\n"
        f"users: [{{name: it, user: {{exec: {{apiVersion: {V1}, command: 'true', "
        "provideClusterInfo: true}}}]\n"
    )
    laughs = "[&a [x, x], &b [*a, *a], &c [*b, *b]"
    for one in range(30):
        laughs += f", &l{one} [*{f'l{one - 1}' if one else 'c'}, *{f'l{one - 1}' if one else 'c'}]"
    for extension in (".nan", "&x [*x]", "!!binary aGk=", laughs + "]"):
        (tmp_path / "config").write_text(text % extension)
        with pytest.raises(KubeconfigError, match="is too large, or is not JSON"):
            await connect_to_context(environ={"KUBECONFIG": str(tmp_path / "config")})
