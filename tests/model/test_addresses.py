"""URLs of servers: which are valid, and which hosts are this machine.

Covered: schemes, hosts, ports, brackets, blanks, and any text at all. Left out: the use of a URL,
which kubeconfigs, plans and proxies check themselves.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from fleetpatch.model.addresses import AddressError, is_loopback, normalized, parse, parse_ip

HTTPS = ("https",)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("https://host", "host", None),
        ("HTTPS://Host:6443/", "host", 6443),
        ("https://host.example.:6443", "host.example.", 6443),
        ("https://a_b-c.example/clusters/x", "a_b-c.example", None),
        ("https://10.0.0.1:6443", "10.0.0.1", 6443),
        ("https://[fd00::1]:6443", "fd00::1", 6443),
        ("https://[fe80::1%25eth0]:6443", "fe80::1%25eth0", 6443),
        ("https://bücher.example", "bücher.example", None),
        ("https://" + "a" * 63 + ".example", "a" * 63 + ".example", None),
    ],
)
def test_a_url_has_a_host_and_perhaps_a_port(text: str, host: str, port: int | None) -> None:
    parts = parse(text, HTTPS)

    assert (parts.scheme, parts.hostname, parts.port) == ("https", host, port)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("https://[::1", "a host or a port"),
        ("https://::1]", "a host or a port"),
        ("https://h:99999", "a host or a port"),
        ("https://h:-1", "a host or a port"),
        ("https://h:abc", "a host or a port"),
        ("https://h:٤٤٣", "a host or a port"),  # digits to Python's int()
        ("https://.:1", "not a valid name"),
        ("https://a..b", "not a valid name"),
        ("https://.a", "not a valid name"),
        ("https://" + "a" * 70, "not a valid name"),
        ("https://" + ".".join(["a" * 60] * 5), "not a valid name"),
        ("https://a\\b", "not a valid name"),
        ("https://a%41", "not a valid name"),
        ("https://*", "not a valid name"),
        ("https://a b", "a blank or a control character"),
        ("https://a\n", "a blank or a control character"),
        ("https://a\x00b", "a blank or a control character"),
        ("https://", "does not contain a host"),
        ("https://:443", "does not contain a host"),
        ("https:host", "does not contain a host"),
        ("http://host", "must begin with https://"),
        ("host:6443", "must begin with https://"),
        ("", "must begin with https://"),
    ],
)
def test_a_text_that_is_not_a_valid_url_is_refused(text: str, problem: str) -> None:
    with pytest.raises(AddressError, match=problem):
        parse(text, HTTPS)


@given(some.text() | some.text(alphabet="[]:./@%?#a1\\ -_é").map(lambda rest: f"https://{rest}"))
def test_any_text_is_a_url_with_a_resolvable_host_or_is_refused(text: str) -> None:
    try:
        parts = parse(text, HTTPS)
    except AddressError:
        return
    assert parts.hostname
    assert parse_ip(parts.hostname.partition("%")[0]) or parts.hostname.encode("idna")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_loopback_is_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    # 127.1 is a short form that only some resolvers know.
    "host",
    ["", "localhost.example", "128.0.0.1", "::2", "127.1", "::1%lo", "::ffff:10.0.0.1"],
)
def test_other_hosts_are_not_this_machine(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://Host.Example:443/", "HTTPS://host.example"),
        ("http://host:80", "http://host/"),
        ("https://host:6443//", "https://host:6443"),
        ("https://host/k8s/clusters/c-1/", "https://host/k8s/clusters/c-1"),
        ("https://[0:0:0:0:0:0:0:1]:6443", "https://[::1]:6443"),
        ("https://[::FFFF:10.0.0.1]", "https://10.0.0.1"),
        ("https://host.example.", "https://host.example"),
    ],
)
def test_spellings_of_one_server_are_normalized_alike(one: str, other: str) -> None:
    assert normalized(one) == normalized(other)
    assert normalized(normalized(one)) == normalized(one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://host", "http://host"),
        ("https://host", "https://host:6443"),
        ("https://host:80", "https://host"),
        ("https://host/k8s/clusters/c-1", "https://host/k8s/clusters/c-2"),
        ("https://host/K8S", "https://host/k8s"),
        ("https://host-a", "https://host-b"),
    ],
)
def test_different_servers_stay_different(one: str, other: str) -> None:
    assert normalized(one) != normalized(other)


@given(some.text())
def test_any_text_of_a_run_file_is_normalized_to_some_text(text: str) -> None:
    assert normalized(normalized(text)) == normalized(text)
