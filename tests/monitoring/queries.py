"""The queries of the dashboard and of the alerts, and which metrics and labels they name."""

import json
import re
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML

from tests.monitoring.programs import ROOT, RULES

DASHBOARD = ROOT / "deploy" / "grafana" / "fleetpatch.json"

_WORDS = frozenset(
    {
        *("and", "or", "unless", "on", "ignoring", "by", "without", "group_left", "group_right"),
        *("offset", "bool", "inf"),
    }
)
_FUNCTIONS = frozenset({"sum", "rate", "time", "histogram_quantile"})
_TOKEN = re.compile(
    r"""(?P<skipped>\s+|\[[^\]]*\])
      | (?P<text>"(?:[^"\\]|\\.)*")
      | (?P<number>[0-9][0-9.]*(?:[smhd]\b)?)
      | (?P<word>[A-Za-z_:][A-Za-z0-9_:]*)
      | (?P<sign>[-+*/%^(){},]|[=!<>~]+)""",
    re.VERBOSE,
)


def dashboard() -> Any:
    return json.loads(DASHBOARD.read_text())


def dashboard_queries() -> list[str]:
    """Return the query of each panel, with all variables replaced."""
    panels = dashboard()["panels"]
    queries = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    replaced = {"$plan": ".*", "$cluster": ".*", "$__rate_interval": "1m"}
    for name, value in replaced.items():
        queries = [query.replace(name, value) for query in queries]
    return queries


def alert_queries() -> dict[str, str]:
    """Return the query of each alert by its name."""
    document = YAML(typ="safe").load(RULES)
    return {rule["alert"]: rule["expr"] for group in document["groups"] for rule in group["rules"]}


def named(query: str) -> Iterator[tuple[str, set[str]]]:
    """Return each series that a query names, with the labels that it selects by.

    The name "" has the labels of `by` and `on`. Fails for what is not in this subset of PromQL.
    """
    tokens = list(_tokens(query))
    position = 0
    while position < len(tokens):
        kind, token = tokens[position]
        position += 1
        if kind != "word" or token.lower() == "inf":
            continue
        following = tokens[position][1] if position < len(tokens) else ""
        if token in ("by", "on", "group_left", "ignoring", "without"):
            labels, position = _labels(tokens, position, "(", ")")
            yield "", labels
        elif token in _WORDS | _FUNCTIONS:
            continue
        elif following == "(":
            raise AssertionError(f"the function {token} is not known here")
        elif following == "{":
            labels, position = _labels(tokens, position, "{", "}")
            yield token, labels
        else:
            yield token, set()


def _tokens(query: str) -> Iterator[tuple[str, str]]:
    position = 0
    while position < len(query):
        found = _TOKEN.match(query, position)
        assert found, f"cannot be read: {query[position:]}"
        position = found.end()
        if found.lastgroup != "skipped":
            yield str(found.lastgroup), found.group()


def _labels(
    tokens: list[tuple[str, str]], position: int, opening: str, closing: str
) -> tuple[set[str], int]:
    assert tokens[position][1] == opening
    end = next(at for at in range(position, len(tokens)) if tokens[at][1] == closing)
    return {token for kind, token in tokens[position:end] if kind == "word"}, end + 1
