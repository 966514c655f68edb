"""The proxy for a server, by the rules of golang.org/x/net/http/httpproxy.

Covered: the forms of HTTP_PROXY and HTTPS_PROXY, each kind of entry of NO_PROXY, what is never
proxied, `proxy-url`, a pod's own server, and what is refused. Left out: the exchange with a proxy
(test_connections.py).
"""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from fleetpatch.errors import KubeconfigError
from fleetpatch.kube.kubeconfig.connect import connect_to_context
from fleetpatch.kube.proxies import proxy_for
from tests.kube.kubeconfig.kubeconfigs import certificate, cluster, kubeconfig

SECRET = "hunter2"


def chosen(server: str, **environ: str) -> str | None:
    return proxy_for(server, None, "context 'prod'", environ)


@pytest.mark.parametrize(
    ("value", "proxy"),
    [
        ("http://proxy:3128", "http://proxy:3128"),
        ("https://proxy:3128", "https://proxy:3128"),
        ("HTTP://proxy:3128", "http://proxy:3128"),
        ("proxy:3128", "http://proxy:3128"),
        ("proxy", "http://proxy"),
        ("10.0.0.1:3128", "http://10.0.0.1:3128"),
        ("[fd00::1]:3128", "http://[fd00::1]:3128"),
        ("user:word@proxy:3128", "http://user:word@proxy:3128"),
        ("http://user:word@proxy:3128/path?query", "http://user:word@proxy:3128"),
        ("", None),
    ],
)
def test_a_proxy_is_a_url_or_a_host_with_or_without_a_port(value: str, proxy: str | None) -> None:
    assert chosen("https://api.example:6443", HTTPS_PROXY=value) == proxy
    assert chosen("http://api.example", HTTP_PROXY=value) == proxy


def test_the_scheme_of_the_server_chooses_the_variable() -> None:
    both = {"HTTP_PROXY": "plain:1", "HTTPS_PROXY": "secure:1"}

    assert chosen("http://api.example", **both) == "http://plain:1"
    assert chosen("https://api.example", **both) == "http://secure:1"
    assert chosen("https://api.example", HTTP_PROXY="plain:1") is None
    assert chosen("https://api.example", ALL_PROXY="any:1") is None


def test_the_upper_case_name_of_a_variable_takes_precedence_unless_it_is_empty() -> None:
    upper = {"HTTPS_PROXY": "upper:1", "https_proxy": "lower:1"}

    assert chosen("https://api.example", **upper) == "http://upper:1"
    assert chosen("https://api.example", **upper | {"HTTPS_PROXY": ""}) == "http://lower:1"
    names = {"NO_PROXY": "other.example", "no_proxy": "api.example"}
    assert chosen("https://api.example", **upper, **names) == "http://upper:1"
    assert chosen("https://api.example", **upper, no_proxy="api.example") is None


@pytest.mark.parametrize(
    "server",
    [
        "https://localhost:6443",
        "https://127.0.0.1:6443",
        "https://127.8.9.10:6443",
        "https://[::1]:6443",
        "https://[::ffff:127.0.0.1]:6443",
    ],
)
def test_loopback_is_never_proxied(server: str) -> None:
    assert chosen(server, HTTPS_PROXY="proxy:3128") is None


@pytest.mark.parametrize(
    ("entry", "excluded", "proxied"),
    [
        ("*", ["https://api.example", "https://10.0.0.1"], []),
        ("other, *", ["https://api.example"], []),
        ("10.0.0.0/8", ["https://10.1.2.3:6443"], ["https://11.0.0.1", "https://ten.example"]),
        ("10.0.0.0/30", ["https://10.0.0.3"], ["https://10.0.0.4"]),
        ("10.1.2.3/8", ["https://10.9.9.9"], ["https://11.1.2.3"]),
        ("10.0.0.0/8", ["https://[::ffff:10.0.0.1]"], ["https://[fd00::1]"]),
        ("fd00::/8", ["https://[fd12::1]:6443"], ["https://[fe00::1]", "https://10.0.0.1"]),
        ("::ffff:10.0.0.0/104", ["https://10.0.0.1"], ["https://11.0.0.1"]),
        ("10.0.0.0/33", [], ["https://10.0.0.1"]),
        ("10.0.0.0/255.0.0.0", [], ["https://10.0.0.1"]),
        ("10.0.0.1", ["https://10.0.0.1:6443"], ["https://10.0.0.2"]),
        ("10.0.0.1:6443", ["https://10.0.0.1:6443"], ["https://10.0.0.1", "https://10.0.0.1:1"]),
        ("10.0.0.1:443", ["https://10.0.0.1"], ["http://10.0.0.1"]),
        ("fd00::1", ["https://[fd00::1]:6443", "https://[fd00:0::1]"], ["https://[fd00::2]"]),
        ("[fd00::1]:6443", ["https://[fd00::1]:6443"], ["https://[fd00::1]"]),
        ("[fd00::1]", [], ["https://[fd00::1]"]),
        (
            "foo.com",
            ["https://foo.com", "https://a.foo.com", "https://FOO.com"],
            ["https://xfoo.com"],
        ),
        ("FOO.com", ["https://foo.com:6443"], ["https://foo.com.example"]),
        (".foo.com", ["https://a.foo.com", "https://a.b.foo.com"], ["https://foo.com"]),
        ("*.foo.com", ["https://a.foo.com"], ["https://foo.com", "https://xfoo.com"]),
        ("*foo.com", [], ["https://foo.com", "https://a.foo.com"]),
        ("foo.com:80", ["http://foo.com", "http://a.foo.com:80"], ["https://foo.com"]),
        ("*.foo.com:6443", ["https://a.foo.com:6443"], ["https://a.foo.com"]),
        ("foo.com:", ["https://foo.com:1"], []),
        (":6443", [], ["https://foo.com:6443"]),
        (" , ,", [], ["https://foo.com"]),
        ("a.example , foo.com", ["https://foo.com"], ["https://b.example"]),
        ("bücher.example", ["https://xn--bcher-kva.example"], ["https://buecher.example"]),
        ("xn--bcher-kva.example", ["https://bücher.example"], []),
        (".0.0.1", ["https://10.0.0.1"], ["https://10.0.0.2"]),
    ],
)
def test_servers_in_no_proxy_are_reached_directly(
    entry: str, excluded: list[str], proxied: list[str]
) -> None:
    environ = {"HTTPS_PROXY": "proxy:1", "HTTP_PROXY": "proxy:1", "NO_PROXY": entry}

    assert [chosen(server, **environ) for server in excluded] == [None] * len(excluded)
    assert [chosen(server, **environ) for server in proxied] == ["http://proxy:1"] * len(proxied)


@pytest.mark.parametrize(
    "value",
    [
        f"http://[{SECRET}",
        f"http://{SECRET}:99999",
        f"http://{SECRET}:port",
        f"http://user:{SECRET}@",
        f"foo://{SECRET}",
        f"http://{SECRET} b:1",
        f"http:// {SECRET}",
        f"{SECRET}\n:1",
        "http://" + SECRET * 10,
        "http://a..b",
        "://",
        f"ftp://{SECRET}:1",
    ],
)
def test_a_proxy_that_is_not_valid_is_refused_by_the_name_of_its_variable(value: str) -> None:
    with pytest.raises(KubeconfigError, match=r"^\$HTTPS_PROXY is not a valid proxy") as caught:
        chosen("https://api.example", HTTPS_PROXY=value)
    with pytest.raises(KubeconfigError, match=r"^\$https_proxy is not a valid proxy"):
        chosen("https://api.example", https_proxy=value)
    with pytest.raises(KubeconfigError, match=r"^context 'prod': `proxy-url` is not a valid"):
        proxy_for("https://api.example", value, "context 'prod'", {})

    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "SOCKS4", "socks"])
def test_a_socks_proxy_is_refused_by_name(scheme: str) -> None:
    value = f"{scheme}://user:{SECRET}@host:1080"

    with pytest.raises(KubeconfigError, match=r"\$HTTPS_PROXY: SOCKS proxies are not") as caught:
        chosen("https://api.example", HTTPS_PROXY=value)
    with pytest.raises(KubeconfigError, match="`proxy-url`: SOCKS proxies are not supported"):
        proxy_for("https://api.example", value, "context 'prod'", {})

    assert SECRET not in str(caught.value)


def test_a_proxy_that_is_not_valid_does_not_affect_an_excluded_server() -> None:
    assert chosen("https://api.example", HTTPS_PROXY="socks5://h", NO_PROXY="api.example") is None
    assert chosen("https://127.0.0.1:1", HTTPS_PROXY="foo://") is None


def test_a_proxy_variable_that_a_cgi_client_may_have_set_is_refused() -> None:
    with pytest.raises(KubeconfigError, match=r"\$HTTP_PROXY .* \$REQUEST_METHOD"):
        chosen("http://api.example", HTTP_PROXY="proxy:1", REQUEST_METHOD="GET")

    secure = chosen("https://api.example", HTTPS_PROXY="proxy:1", REQUEST_METHOD="GET")
    assert secure == "http://proxy:1"


def test_no_proxy_does_not_apply_to_the_proxy_of_the_kubeconfig() -> None:
    environ = {"NO_PROXY": "*", "HTTPS_PROXY": "theirs:1"}

    assert proxy_for("https://api.example", "http://ours:1", "here", environ) == "http://ours:1"
    assert proxy_for("https://127.0.0.1:1", "http://ours:1", "here", environ) == "http://ours:1"


@given(some.text(max_size=30), some.text(max_size=30))
def test_any_text_is_a_proxy_or_is_refused(value: str, no_proxy: str) -> None:
    try:
        proxy = chosen("https://api.example", HTTPS_PROXY=value, NO_PROXY=no_proxy)
    except KubeconfigError as error:
        assert "\n" not in str(error)  # noqa: PT017 - any text may be refused
    else:
        assert proxy is None or proxy.startswith(("http://", "https://"))


async def test_the_server_of_a_pod_is_reached_by_the_same_rules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate(tmp_path)[0].rename(tmp_path / "ca.crt")
    (tmp_path / "token").write_text("of-the-pod")
    pod = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    monkeypatch.setenv("HTTPS_PROXY", "proxy:3128")

    async def proxy() -> str | None:
        return (await connect_to_context(environ=pod, service_account=tmp_path)).proxy

    assert await proxy() == "http://proxy:3128"
    monkeypatch.setenv("NO_PROXY", "10.0.0.0/8")
    assert await proxy() is None


@pytest.mark.parametrize(
    "user",
    [
        {"token": SECRET},
        {"tokenFile": "token"},
        {"username": "admin", "password": SECRET},
        {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "no-such-plugin"}},
    ],
)
async def test_a_secret_is_not_sent_in_clear_text_over_a_network(
    tmp_path: Path, user: dict[str, Any]
) -> None:
    key = next(iter(user))

    for server in ("http://api.example:8080", "http://10.0.0.1", "http://localhost.example.com"):
        file = kubeconfig(tmp_path / "config", the_cluster=cluster(server), user=user)
        with pytest.raises(KubeconfigError, match=rf"`server` is http://, so `{key}`") as caught:
            await connect_to_context(environ={"KUBECONFIG": str(file)})
        assert SECRET not in str(caught.value)


@pytest.mark.parametrize("server", ["http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1"])
async def test_a_secret_may_be_sent_in_clear_text_on_loopback(tmp_path: Path, server: str) -> None:
    file = kubeconfig(tmp_path / "config", the_cluster=cluster(server), user={"token": SECRET})

    connection = await connect_to_context(environ={"KUBECONFIG": str(file)})

    assert connection.grant.headers["Authorization"] == f"Bearer {SECRET}"


async def test_a_server_without_tls_may_be_used_without_a_secret(tmp_path: Path) -> None:
    file = kubeconfig(tmp_path / "config", the_cluster=cluster("http://api.example"), user={})

    connection = await connect_to_context(environ={"KUBECONFIG": str(file)})

    assert connection.server == "http://api.example"


@pytest.mark.parametrize(
    "user",
    [{"token": SECRET}, {"tokenFile": "token"}, {"username": "u", "password": SECRET}],
)
@pytest.mark.parametrize(
    "proxy", ["http://127.0.0.1.example:3128", "https://10.0.0.1", "http://[fe80::1]:3128"]
)
async def test_a_secret_for_loopback_is_not_sent_to_a_proxy_on_another_machine(
    tmp_path: Path, user: dict[str, str], proxy: str
) -> None:
    (tmp_path / "token").write_text(SECRET)
    the_cluster = cluster("http://127.0.0.1:9", proxy_url=proxy)
    file = kubeconfig(tmp_path / "config", the_cluster=the_cluster, user=user)

    with pytest.raises(KubeconfigError, match="in clear text to its proxy") as caught:
        await connect_to_context(environ={"KUBECONFIG": str(file)})

    assert SECRET not in str(caught.value)
    assert next(iter(user)) in str(caught.value)
