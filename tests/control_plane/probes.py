"""Checks whether the servers answer; each check raises OSError while nothing listens."""

import http.client
from contextlib import closing
from pathlib import Path

from .client import RawClient
from .commands import LOOPBACK


def apiserver_is_ready(server: str, ca_file: Path, token: str) -> bool:
    # A client per probe: the certificate to verify with appears only while the server starts.
    with closing(RawClient(server, ca_file, token)) as client:
        return client.request("GET", "/readyz").status == http.client.OK


def etcd_is_healthy(port: int) -> bool:
    with closing(http.client.HTTPConnection(LOOPBACK, port, timeout=5)) as etcd:
        etcd.request("GET", "/health")
        return etcd.getresponse().status == http.client.OK
