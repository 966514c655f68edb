"""Prometheus, node_exporter and a Pushgateway as processes, for tests."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import urlopen

from tests.control_plane.processes import free_ports
from tests.e2e.tool import eventually

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus" / "fleetpatch.rules.yml"

CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: [{rules}]
scrape_configs:
  - job_name: node
    static_configs: [{{targets: ['127.0.0.1:{node}']}}]
  - job_name: gateway
    honor_labels: true
    static_configs: [{{targets: ['127.0.0.1:{gateway}']}}]
  - job_name: listen
    static_configs: [{{targets: ['127.0.0.1:{listen}']}}]
"""


@dataclass(frozen=True)
class Monitoring:
    """The running programs.

    Files in `textfiles` are collected, pushes to `gateway` are scraped, and so is the port
    `listen`.
    """

    textfiles: Path
    gateway: str
    listen: int
    prometheus: str

    def get(self, path: str, **query: str) -> Any:
        """Return the data of an answer of Prometheus' API; an error fails the test."""
        url = f"{self.prometheus}/api/v1/{path}?{urlencode(query)}"
        try:
            with urlopen(url) as answer:
                body = json.load(answer)
        except HTTPError as error:
            with error:
                raise AssertionError(f"{query}: {error.read().decode()}") from error
        assert body["status"] == "success", body
        return body["data"]

    def query(self, text: str) -> dict[str, float]:
        """Return the values of an instant query, by the labels that tell its series apart."""
        result = self.get("query", query=text)["result"]
        return {_named(one["metric"]): float(one["value"][1]) for one in result}

    def wait_for(self, text: str) -> dict[str, float]:
        """Wait until a query returns something, and return that."""
        found: dict[str, float] = {}

        def is_found() -> bool:
            # Not asked again: after a scrape that took too long there is nothing for a moment.
            found.update(self.query(text))
            return bool(found)

        eventually(is_found, text)
        return found


def _named(labels: dict[str, str]) -> str:
    beside = {"__name__", "job", "instance", "plan", "cluster"}
    return " ".join(value for key, value in sorted(labels.items()) if key not in beside)


@contextmanager
def monitoring(programs: Path, folder: Path) -> Iterator[Monitoring]:
    """Run all programs until the block ends."""
    node, gateway, listen, prometheus = free_ports(4)
    textfiles = folder / "textfiles"
    textfiles.mkdir()
    config = folder / "prometheus.yml"
    config.write_text(CONFIG.format(rules=RULES, node=node, gateway=gateway, listen=listen))
    started = Monitoring(
        textfiles,
        f"http://127.0.0.1:{gateway}",
        listen,
        f"http://127.0.0.1:{prometheus}",
    )
    commands = (
        [
            "prometheus-node-exporter",
            "--collector.disable-defaults",
            "--collector.textfile",
            f"--collector.textfile.directory={textfiles}",
            f"--web.listen-address=127.0.0.1:{node}",
        ],
        ["prometheus-pushgateway", f"--web.listen-address=127.0.0.1:{gateway}"],
        [
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{prometheus}",
            "--log.level=warn",
        ],
    )
    with ExitStack() as stack:
        for name, *words in commands:
            stack.enter_context(_process([str(programs / name), *words], folder / f"{name}.log"))
        for url in (f"http://127.0.0.1:{node}", started.gateway, started.prometheus):
            eventually(_answers(f"{url}/metrics"), f"{url} answers")
        yield started


@contextmanager
def _process(command: Sequence[str], log: Path) -> Iterator[None]:
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, cwd=log.parent, stdout=output, stderr=output, env=dict(os.environ)
        ) as process,
    ):
        try:
            yield
        finally:
            process.send_signal(signal.SIGKILL)


def _answers(url: str) -> Callable[[], bool]:
    def answers() -> bool:
        try:
            with urlopen(url, timeout=5) as answer:
                return bool(answer.status == 200)
        except (URLError, ConnectionError, TimeoutError):
            return False

    return answers
