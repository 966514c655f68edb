"""Drafts become sealed targets.

Covered: order, numbering, deduplication with merged blocks, targets that end where they are
planned, equal inputs in any order, what a sealed or an unsealed file refuses, discarding, modes.
Not covered: memory over 200,000 targets (bench/).
"""

import os
import random
import stat
from pathlib import Path

import pytest
from msgspec.structs import replace

from fleetpatch.errors import RunFileError
from fleetpatch.journal import queries, seal
from fleetpatch.journal.runfile import RunFile
from fleetpatch.model.fields import ABSENT, annotation, label
from fleetpatch.model.outcome import Reason
from fleetpatch.model.run import RunState, Standing
from fleetpatch.rules.patching.merge_rules import merge_rules
from fleetpatch.rules.patching.merge_schema import FieldLine
from fleetpatch.rules.patching.merging import RunMerging, ServerMerging
from fleetpatch.rules.patching.server_schema import ServerSchema
from tests.journal.makers import JOBS, TFJOBS, draft, info, make, many


def test_targets_are_numbered_by_cluster_kind_namespace_and_name(tmp_path: Path) -> None:
    drafts = [
        draft("a", cluster="south"),
        draft("b", resource=TFJOBS),
        draft("b", namespace="team-b"),
        draft("b"),
        draft("a"),
    ]
    with make(tmp_path / "x.run", drafts) as run:
        listed = [row.target for row in queries.targets(run)]
    assert [target.id for target in listed] == [1, 2, 3, 4, 5]
    assert [(t.cluster, t.resource.name, t.namespace, t.name) for t in listed] == [
        ("north", "jobs.batch", "team-a", "a"),
        ("north", "jobs.batch", "team-a", "b"),
        ("north", "jobs.batch", "team-b", "b"),
        ("north", "tfjobs.kubeflow.org", "team-a", "b"),
        ("south", "jobs.batch", "team-a", "a"),
    ]


def test_pages_in_any_order_make_the_same_plan(tmp_path: Path) -> None:
    drafts = [*many(40), *many(40, "south"), draft("x", resource=TFJOBS)]
    listings = []
    for seed in range(3):
        random.Random(seed).shuffle(drafts)
        run = RunFile.create(tmp_path / f"{seed}.run", info())
        for start in range(0, len(drafts), 7):
            run.add(drafts[start : start + 7])
        run.seal()
        listings.append(list(queries.targets(run)))
        run.close()
    assert listings[0] == listings[1] == listings[2]


def test_a_target_comes_back_as_it_was_found(tmp_path: Path) -> None:
    before = {
        label("team"): "a",
        label("empty"): "",
        label("absent"): ABSENT,
        annotation("note"): 'ü"\\\n\0',
        ("spec", "parallelism"): 3,
        ("spec", "list"): [None, True, {"a": 1.5}],
        ("spec", "null"): None,
    }
    with make(tmp_path / "x.run", [draft("a", before=before, block=4)]) as run:
        (target,) = run.claim("north", limit=10)
    assert target.before == before
    assert list(target.before) == list(before)
    assert target.resource == JOBS
    assert target.blocks == {4}
    assert (target.uid, target.resource_version) == ("north/jobs.batch/team-a/a", "7")


def test_an_object_found_twice_is_one_target_of_both_blocks(tmp_path: Path) -> None:
    run = RunFile.create(tmp_path / "x.run", info())
    run.add([draft("a", block=0), draft("b")])
    run.add([draft("a", block=62, version="9"), draft("a", cluster="south", uid="north-a")])
    assert run.found() == 3
    run.seal()
    first, *_ = run.claim("north", limit=10)
    assert (first.name, first.blocks, first.resource_version) == ("a", frozenset({0, 62}), "7")
    run.close()


def test_one_uid_in_two_clusters_is_two_targets(tmp_path: Path) -> None:
    drafts = [draft("a", uid="1"), draft("a", uid="1", cluster="south")]
    with make(tmp_path / "x.run", drafts) as run:
        assert queries.summary(run).tally.total == 2


def test_more_blocks_than_the_mask_holds_are_refused(tmp_path: Path) -> None:
    with RunFile.create(tmp_path / "x.run", info()) as run:
        with pytest.raises(RunFileError, match="at most 63 blocks of targets; split the plan"):
            run.add([draft("a", block=63)])
        assert run.found() == 0


def test_targets_that_need_no_patch_have_an_outcome_at_the_seal(tmp_path: Path) -> None:
    drafts = [
        draft("a", ends=Reason.ALREADY_SET),
        draft("b"),
        draft("c", ends=Reason.CLASH, detail="owner and team-owner are both there"),
    ]
    with make(tmp_path / "x.run", drafts) as run:
        assert [t.name for t in run.claim("north", limit=10)] == ["b"]
        a, b, c = queries.targets(run)
    assert (a.standing, b.standing, c.standing) == (
        Standing.UNCHANGED,
        Standing.IN_DOUBT,
        Standing.SKIPPED,
    )
    assert c.settlement is not None
    assert c.settlement.detail == "owner and team-owner are both there"


def test_a_plan_without_targets_can_be_sealed(tmp_path: Path) -> None:
    with make(tmp_path / "x.run", []) as run:
        assert run.claim("north", limit=10) == []
        assert queries.summary(run).tally.total == 0


def test_a_survey_that_was_cut_is_readable_but_not_applicable(tmp_path: Path) -> None:
    path = tmp_path / "x.run"
    with RunFile.create(path, info()) as run:
        run.add(many(3))
        run.mark_inconsistent("south")
    with RunFile.open(path) as run:
        summary = queries.summary(run)
    assert (summary.state, summary.tally.total) == (RunState.PLANNING, 0)
    assert summary.inconsistent == ("south",)
    with pytest.raises(RunFileError, match="its planning was interrupted; plan again"):
        RunFile.open(path, write=True)


def test_an_undo_that_was_cut_while_planning_names_what_plans_it_again(tmp_path: Path) -> None:
    path = tmp_path / "x.run"
    RunFile.create(path, replace(info(), undo_of="paint-1")).close()

    with pytest.raises(RunFileError, match="plan it again with `fleetpatch undo paint-1`"):
        RunFile.open(path, write=True)


def test_the_digest_that_covers_the_seal_is_stored_with_it(tmp_path: Path) -> None:
    path = tmp_path / "x.run"

    def cut(checksum: str) -> str:
        raise KeyboardInterrupt(checksum)

    with RunFile.create(tmp_path / "cut.run", info()) as run:
        run.add(many(1))
        with pytest.raises(KeyboardInterrupt):
            run.seal(digest_of=cut)
        assert (run.state, run.sealed) == (RunState.PLANNING, "")
    with RunFile.create(path, info()) as run:
        run.add(many(1))
        run.seal(digest_of="of {}".format)
        assert run.info.plan_digest == f"of {run.sealed}"
    with RunFile.open(path) as run:
        assert run.info.plan_digest == f"of {run.sealed}"
        assert run.is_as_sealed()


def test_a_run_cannot_move_on_before_its_seal(tmp_path: Path) -> None:
    with (
        RunFile.create(tmp_path / "x.run", info()) as run,
        pytest.raises(RunFileError, match="plan again"),
    ):
        run.set_state(RunState.RUNNING)


def test_a_sealed_plan_takes_no_more_targets(tmp_path: Path) -> None:
    with make(tmp_path / "x.run", many(1)) as run, pytest.raises(RunFileError, match="sealed"):
        run.add(many(2))


def test_a_refused_plan_leaves_nothing_behind(tmp_path: Path) -> None:
    run = make(tmp_path / "x.run", many(3))
    run.discard()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("umask", [0o000, 0o777])
def test_run_files_are_private_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "state" / "runs" / "x.run"
    (tmp_path / "state").mkdir()
    old = os.umask(umask)
    try:
        run = make(path, many(3))
        run.claim("north", limit=2)
    finally:
        os.umask(old)
    files = sorted(path.parent.iterdir())
    assert [file.name for file in files] == ["x.run", "x.run-shm", "x.run-wal"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    run.close()


def test_a_file_that_exists_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "x.run"
    path.write_text("precious")
    with pytest.raises(RunFileError, match="exists already"):
        RunFile.create(path, info())
    assert path.read_text() == "precious"


SCHEMA = ServerSchema(
    {"batch/v1/Job": "api.batch.v1.Job"},
    {"api.batch.v1.Job": {"spec": FieldLine("object", "Spec"), "": FieldLine(map_type="atomic")}},
)


def merging_of(path: Path, merging: RunMerging) -> RunMerging:
    """What a run file keeps of this."""
    run = RunFile.create(path, info())
    run.note_merging(merging)
    run.add([draft("a")])
    run.seal()
    run.close()
    with RunFile.open(path) as opened:
        return opened.merging


def format_of(path: Path) -> int:
    return int.from_bytes(path.read_bytes()[60:64])


def test_the_versions_of_the_clusters_are_kept(tmp_path: Path) -> None:
    versions = RunMerging({"north": "1.36", "south": ""})

    assert merging_of(tmp_path / "x.run", versions) == versions
    assert format_of(tmp_path / "x.run") == 1


def test_schemas_are_kept_once_and_no_earlier_tool_reads_the_file(tmp_path: Path) -> None:
    other = ServerSchema(dict(SCHEMA.roots), dict(SCHEMA.types))
    servers = {"north": ServerMerging("1.31", SCHEMA), "south": ServerMerging("1.31", other)}

    kept = merging_of(tmp_path / "x.run", RunMerging.of({**servers, "west": ServerMerging()}))

    (schema,) = kept.schemas
    assert (schema.roots, schema.types) == (SCHEMA.roots, SCHEMA.types)
    assert [kept.at(name).schema for name in ("north", "south", "west")] == [schema, schema, None]
    assert [server.release for server in kept.servers()] == ["", "1.31"]
    assert format_of(tmp_path / "x.run") == 3


def test_a_run_file_without_versions_has_none(tmp_path: Path) -> None:
    with make(tmp_path / "x.run", [draft("a")]) as run:
        assert run.merging == RunMerging()


@pytest.mark.parametrize("key", ["releases", "schemas"])
@pytest.mark.parametrize(
    "text", ["junk", "[]", '{"north": 1, "schemas": 1}', "[" * 2000, None, b"\xff"]
)
def test_versions_and_schemas_that_make_no_sense_are_damage(
    tmp_path: Path, key: str, text: str | bytes | None
) -> None:
    with make(tmp_path / "x.run", [draft("a")]) as run:
        with run.database.transaction():
            run.database.put([(key, text)])

        with pytest.raises(RunFileError, match="damaged"):
            _ = run.merging


def test_a_schema_without_its_types_decides_nothing(tmp_path: Path) -> None:
    kept = merging_of(
        tmp_path / "x.run", RunMerging({"a": "1.36"}, (replace(SCHEMA, types={}),), {"a": 0})
    )

    assert kept.at("a").rules(JOBS) == merge_rules(JOBS, "1.36")
    assert replace(kept, places={"a": 7}).at("a") == ServerMerging("1.36")


@pytest.mark.parametrize(
    ("version", "accepted"), [("0.1.0", True), ("0.1.1", False), ("0.2.0", False), ("", False)]
)
@pytest.mark.parametrize("statement", ["DELETE FROM meta", "UPDATE meta SET value = ''"])
def test_a_run_file_without_a_seal_is_accepted_of_versions_that_wrote_none(
    tmp_path: Path, version: str, accepted: bool, statement: str
) -> None:
    path = tmp_path / "x.run"
    with make(path, many(2), replace(info(), tool_version=version)) as run:
        assert run.is_as_sealed()
        with run.database.transaction() as connection:
            connection.execute(f"{statement} WHERE key = 'sealed'")

        assert run.is_as_sealed() is accepted


def test_the_versions_are_sealed_with_the_plan(tmp_path: Path) -> None:
    run = RunFile.create(tmp_path / "x.run", info())
    run.note_merging(RunMerging({"north": "1.36"}, (SCHEMA,), {"north": 0}))
    run.add([draft("a")])
    run.seal()
    assert seal.compute(run.database) == seal.stored(run.database)

    for other in (RunMerging({"north": "1.20"}), RunMerging({"north": "1.36"}, (SCHEMA,))):
        run.note_merging(other)
        assert seal.compute(run.database) != seal.stored(run.database)
    run.close()


def test_what_was_found_on_a_cluster_that_is_left_out_is_no_target(tmp_path: Path) -> None:
    path = tmp_path / "x.run"
    run = RunFile.create(path, info())
    run.add([draft("a", cluster="north"), draft("b", cluster="south"), draft("c", cluster="south")])

    north, south = run.info.clusters
    run.leave_out([north, replace(south, missing="no answer")])
    run.seal()
    run.close()

    with RunFile.open(path) as opened:
        assert opened.is_as_sealed()
        assert opened.info.missing == {"south": "no answer"}
        assert queries.summary(opened).tally.total == 1


def test_the_files_beside_a_run_file_of_a_group_are_for_the_group(tmp_path: Path) -> None:
    """A member goes on with a run of another one that was killed, and left its log."""
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o2770)
    before = os.umask(0o077)
    try:
        with make(folder / "x.run", many(3)) as run:
            run.claim("north", limit=1)
            found = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    finally:
        os.umask(before)

    assert found == dict.fromkeys(("x.run", "x.run-wal", "x.run-shm"), 0o660)
