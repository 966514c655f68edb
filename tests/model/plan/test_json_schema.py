"""The JSON Schema for editors: it describes the plan file, and refuses mistakes as far as it can.

Left out: what no schema can express (keys that cannot be combined, selectors, protected keys).
"""

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from fleetpatch.model.plan.json_schema import json_schema
from fleetpatch.model.plan.yaml.document import read
from tests.model.plans import MINIMAL, VALID, on_cci

DEMO = Path(__file__).parents[3] / "plans" / "demo-relabel.yaml"

VALIDATOR = Draft202012Validator(json_schema())


def tree(text: str) -> Any:
    return read(text.encode(), "plan.yaml").tree


def test_it_is_a_schema_of_the_draft_it_names() -> None:
    Draft202012Validator.check_schema(json_schema())

    assert json_schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("text", [*VALID, DEMO.read_text(encoding="utf-8")])
def test_it_accepts_good_plans(text: str) -> None:
    VALIDATOR.validate(tree(text))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("kind: Plan\n", ""),
        ("fleetpatch/v1", "fleetpatch/v2"),
        ("relabel", "Relabel"),
        ("selector", "selectr"),
        ("[jobs.batch]", "jobs.batch"),
        ("[jobs.batch]", "[]"),
        ("team: ml", "team: 4711"),
        ("team: ml", "team: a b"),
        ("{team: ml}", "{}"),
        ("{team: ml}", "{team: ml}\nguards: {onDrift: skp}"),
        ("{team: ml}", "{team: ml}\nguards: {maxTargets: 0}"),
        ("{team: ml}", "{team: ml}\nguards: {maxTargets: null}"),
        ("{team: ml}", "{team: ml}\npace: {rate: 100}"),
        ("{team: ml}", "{team: ml}\npace: {rate: fast}"),
        ("{team: ml}", "{team: ml}\nretry: {maxDelay: 30}"),
        ("{team: ml}", "{team: ml}\nwaves: {pause: 5m}"),
        ("{team: ml}", "{team: ml}\nwaves: {sizes: [ten]}"),
        ("{team: ml}", "{team: ml}\nlimits: null"),
        ("{team: ml}", "{team: ml}\nlock: {lease: relabel}"),
        ("{team: ml}", "{team: ml}\nlock: {lease: Ops/relabel}"),
        ("{team: ml}", "{team: ml}\nguards: {onClash: skp}"),
        ("{team: ml}", "{team: ml}\n  force: 1"),
        ("{team: ml}", "{team: ml}\n  copyLabels: {}"),
        ("{team: ml}", "{team: ml}\n  fieldManager: ''"),
        ("{team: ml}", f"{{team: ml}}\n  fieldManager: {'x' * 129}"),
        ("{team: ml}", "{team: ml}\nfleet: [{name: a, retry: {}}]"),
    ],
)
def test_it_refuses_bad_plans(old: str, new: str) -> None:
    assert not VALIDATOR.is_valid(tree(MINIMAL.replace(old, new)))


@pytest.mark.parametrize(
    "auth",
    [
        "token",
        "{token: {value: x}}",
        "{token: {env: a-b}}",
        "{iam: {endpoint: https://iam.x, domain: d, user: u, password: p, project: p}}",
        "{aksk: {accessKeyEnv: A, project: p}}",
        "{token: null}",
    ],
)
def test_it_refuses_secrets_and_half_of_an_account(auth: str) -> None:
    assert not VALIDATOR.is_valid(tree(on_cci(auth=auth)))


def test_every_key_is_described_and_in_camel_case() -> None:
    schema = json_schema()
    for section in (schema, *schema["$defs"].values()):
        for key, described in section["properties"].items():
            assert "_" not in key
            assert described.get("description") or "$ref" in described, key


def test_every_default_is_valid_in_a_file() -> None:
    schema = json_schema()
    defaults = {}
    for section in (schema, *schema["$defs"].values()):
        for key, described in section["properties"].items():
            if "default" in described:
                defaults[key] = described["default"]
                VALIDATOR.evolve(schema={**described, "$defs": schema["$defs"]}).validate(
                    described["default"]
                )

    assert defaults["maxDelay"] == "30s"
    assert defaults["budget"] == "10%"
    assert "selector" not in defaults
