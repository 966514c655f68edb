"""Valid plan files: their meaning, defaults, digest and canonical text."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetpatch.model.change import BodyPatch, MetadataChange, PatchOptions, PatchType
from fleetpatch.model.plan.digest import canonical, digest, restore
from fleetpatch.model.plan.load import load_plan, parse_plan
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.selectors.label_selector import Selector
from fleetpatch.model.units import Percent
from tests.model.plans import FULL, MINIMAL, SIGN_INS, VALID, on_cci, with_patch
from tests.plans import plan_from

DEMO = Path(__file__).parents[3] / "plans" / "demo-relabel.yaml"

DEFAULTS = """\
guards: {onDrift: skip, conflicts: version, onClash: skip}
pace: {adaptive: true}
retry: {statuses: [504, 503, 429, 425, 408], attempts: 6, maxDelay: 0.5m, budget: 10.0%}
"""


def plan_of(text: str) -> Plan:
    return parse_plan(text, "plan.yaml").plan


def test_every_key_of_a_plan_is_read() -> None:
    plan = plan_of(FULL)

    (block,) = plan.targets
    assert plan.name == "relabel-ml-teams"
    assert [cluster.provider for cluster in plan.fleet] == ["kubernetes", "cci"]
    assert block.kinds[1] == "jobs.batch.volcano.sh"
    assert block.namespaces == ("team-*", "!team-legacy", "[a-c]?-x")
    assert block.selector == Selector.parse("tier!=gold,app in (train,etl)")
    assert str(block.field_selector) == "status.successful=0"
    assert plan.guards.max_targets == 5000
    assert plan.guards.allow_keys == ("job-name",)
    assert plan.guards.on_clash == "refuse"
    assert (plan.pace.rate, plan.pace.burst, plan.pace.concurrency) == (100, 200, 32)
    assert plan.retry.max_delay == 30
    assert plan.limits
    assert (plan.limits.max_failures, plan.limits.deadline) == (Percent(2), 7200)
    assert plan.waves
    assert plan.waves.sizes == (1, Percent(10), Percent(100))
    assert plan.window
    assert (plan.window.lasts, plan.window.timezone) == (3 * 3600, "Asia/Shanghai")
    assert plan.lock
    assert (plan.lock.namespace, plan.lock.name, plan.lock.duration) == ("ops", "relabel.ml", 60)


def test_the_change_keeps_null_as_removal_and_no_as_text() -> None:
    change = plan_of(FULL).patch.change()

    assert isinstance(change, MetadataChange)
    assert change.labels == {"cost-centre": "4711", "team": None, "on": "no"}
    assert change.rename_labels == {"owner": "team-owner"}
    assert change.copy_labels == {"tier": "old-tier"}
    assert change.annotations == {"fleet.example.com/campaign": "q4", "note": None}


@pytest.mark.parametrize(
    ("kind", "patch_type"),
    [
        ("merge", PatchType.MERGE),
        ("strategic", PatchType.STRATEGIC),
        ("apply", PatchType.APPLY),
    ],
)
def test_a_body_has_its_patch_type_and_the_plans_field_manager(
    kind: str, patch_type: PatchType
) -> None:
    patch = plan_of(with_patch(f"{{{kind}: {{spec: {{suspend: true}}}}, fieldManager: ops}}")).patch

    assert patch.change() == BodyPatch(patch_type, {"spec": {"suspend": True}}, "ops")
    assert patch.options() == PatchOptions("ops")


def test_an_apply_may_take_fields_over() -> None:
    patch = plan_of(with_patch("{apply: {spec: {suspend: true}}, force: true, pretty: true}")).patch

    assert patch.options() == PatchOptions("fleetpatch", force=True, pretty=True)


def test_a_cluster_may_have_its_own_retried_statuses() -> None:
    plan = plan_of(FULL)

    assert plan.retried("cci-north") == {429, 504}
    assert plan.retried("prod-a") == {429, 503, 504}
    assert plan.retried("elsewhere") == {429, 503, 504}


def test_a_cluster_is_signed_in_to_by_names_of_variables_and_files() -> None:
    ways = [plan_of(on_cci(auth=auth)).fleet[0].auth for auth in SIGN_INS]

    assert [bool(way and way.token) for way in ways] == [True, True, False, False, False]
    iam = ways[3] and ways[3].iam
    assert iam
    assert (iam.endpoint, iam.password_env, iam.password_file) == ("https://iam.x", None, "./p")
    aksk = ways[4] and ways[4].aksk
    assert aksk
    assert (aksk.access_key_env, aksk.secret_key_env, aksk.project) == ("AK", "SK", "p")


def test_absent_keys_have_defaults() -> None:
    plan = plan_of(MINIMAL)

    assert plan.fleet == ()
    assert plan.targets[0].namespaces == ()
    assert (plan.guards.on_drift, plan.guards.conflicts) == ("skip", "version")
    assert plan.guards.on_clash == "skip"
    assert plan.patch.options() == PatchOptions("fleetpatch", force=False, pretty=False)
    assert (plan.guards.max_targets, plan.guards.allow_keys) == (None, ())
    assert (plan.pace.rate, plan.pace.burst, plan.pace.concurrency) == (None, None, None)
    assert (plan.pace.adaptive, plan.pace.in_flight) == (True, 128)
    assert (plan.retry.attempts, plan.retry.max_delay) == (6, 30)
    assert (plan.retry.statuses, plan.retry.budget) == ((408, 425, 429, 503, 504), Percent(10))
    assert (plan.limits, plan.waves, plan.window, plan.lock) == (None, None, None, None)


def test_a_plan_cannot_be_changed() -> None:
    plan = plan_of(MINIMAL)

    with pytest.raises(AttributeError, match="immutable"):
        plan.pace.concurrency = 64  # type: ignore[misc]


def test_anchors_and_aliases_repeat_what_they_name() -> None:
    text = MINIMAL.replace("[jobs.batch]", "&kinds [jobs.batch]").replace(
        "patch:", "  - {kinds: *kinds, selector: app=train}\npatch:"
    )

    assert [block.kinds for block in plan_of(text).targets] == [("jobs.batch",)] * 2


def test_a_protected_key_is_accepted_if_it_is_allowed_by_name() -> None:
    text = MINIMAL.replace("team:", "job-name:") + "guards: {allowKeys: [job-name]}\n"

    assert plan_of(text).patch.labels == {"job-name": "ml"}


def test_the_demo_plan_is_valid() -> None:
    loaded = load_plan(DEMO)

    assert loaded.file == str(DEMO)
    assert loaded.plan.name == "demo-relabel"
    assert loaded.digest == digest(loaded.plan)


def test_a_plan_from_values_equals_one_from_a_file() -> None:
    plan = plan_from(
        {
            "metadata": {"name": "relabel"},
            "targets": [{"kinds": ["jobs.batch"], "selector": "app=etl"}],
            "patch": {"labels": {"team": "ml"}},
        },
    )

    assert plan == plan_of(MINIMAL)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(MINIMAL + "# the end\n", id="comments"),
        pytest.param("\ufeff" + MINIMAL, id="byte order mark"),
        pytest.param(MINIMAL.replace("\n", "\r\n"), id="line ends"),
        pytest.param(MINIMAL.replace("app=etl", '"app  == etl"'), id="spelling of the selector"),
        pytest.param(MINIMAL.replace("{team: ml}", "\n    team: 'ml'"), id="style"),
        pytest.param(
            MINIMAL + "  fieldManager: fleetpatch\n  force: false\n  pretty: false\n",
            id="defaults of a patch",
        ),
        pytest.param(DEFAULTS + MINIMAL, id="defaults and order of sections"),
    ],
)
def test_the_digest_does_not_depend_on_how_it_is_written(text: str) -> None:
    assert digest(plan_of(text)) == digest(plan_of(MINIMAL))


def test_the_order_of_keys_does_not_change_the_digest() -> None:
    one = plan_of(MINIMAL.replace("team: ml", "team: ml, a: b"))
    other = plan_of(MINIMAL.replace("team: ml", "a: b, team: ml"))

    assert digest(one) == digest(other)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("relabel", "relabel-2"),
        ("name: relabel", "name: relabel\n  description: x"),
        ("app=etl", "app!=etl"),
        ("    selector: app=etl\n", ""),
        ("[jobs.batch]", "[tfjobs]"),
        ("[jobs.batch]", "[jobs.batch]\n    namespaces: [a]"),
        ("team: ml", "team: null"),
        ("team: ml", 'team: "null"'),
        ("team: ml", 'team: ""'),
        ("labels", "annotations"),
        ("{team: ml}", "{team: ml}\nguards: {onDrift: overwrite}"),
        ("{team: ml}", "{team: ml}\nguards: {onClash: refuse}"),
        ("{team: ml}", "{team: ml}\n  fieldManager: ops"),
        ("{team: ml}", "{team: ml}\n  pretty: true"),
        ("{team: ml}", "{team: ml}\n  copyLabels: {a: b}"),
        ("{team: ml}", "{team: ml}\nfleet: [{name: a, retry: {statuses: [429]}}]"),
        ("{team: ml}", "{team: ml}\npace: {rate: 1/h}"),
        ("{team: ml}", "{team: ml}\nretry: {statuses: [429]}"),
        ("{team: ml}", "{team: ml}\nlimits: {maxFailures: 0}"),
        ("{team: ml}", "{team: ml}\nfleet: [{name: a}]"),
        ("{team: ml}", "{team: ml}\nlock: {lease: ops/relabel}"),
    ],
)
def test_another_meaning_has_another_digest(old: str, new: str) -> None:
    assert digest(plan_of(MINIMAL.replace(old, new))) != digest(plan_of(MINIMAL))


def test_a_digest_is_a_named_hash_and_stays_the_same_between_versions() -> None:
    assert digest(plan_of(MINIMAL)) == (
        "sha256:2cd189f79eebe44d05fc6a71aa00d020e140a61cf767b7ffb032e8948fbbe9f3"
    )


@pytest.mark.parametrize("text", [*VALID, DEMO.read_text(encoding="utf-8")])
def test_the_canonical_text_restores_an_equal_plan(text: str) -> None:
    plan = plan_of(text)

    restored = restore(canonical(plan))

    assert restored == plan
    assert canonical(restored) == canonical(plan)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"kind":"Plan"}'])
def test_text_that_is_not_canonical_is_not_restored(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        restore(text)


@given(
    rate=st.integers(1, 10**6),
    per=st.sampled_from("smh"),
    delay=st.integers(1, 10**6),
    share=st.integers(1, 1000),
)
@settings(max_examples=50, deadline=None)
def test_numbers_survive_the_canonical_text(rate: int, per: str, delay: int, share: int) -> None:
    plan = plan_of(
        f"{MINIMAL}pace: {{rate: {rate}/{per}}}\n"
        f"retry: {{maxDelay: {delay}ms, budget: {share / 10}%}}\n"
    )

    assert restore(canonical(plan)) == plan
