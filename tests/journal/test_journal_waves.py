"""Waves in the run file: the targets of each, and its progress.

Covered: ranges of every cluster that add up, the spread over namespaces, the same draw from the
same seed, targets that end where they are planned, claims up to a wave's end, the standing of a
wave, a file opened again. Left out: the arithmetic of sizes (tests/rules/running/test_waves.py),
pauses and checks (tests/campaign).
"""

from collections import Counter
from pathlib import Path

import pytest

from fleetpatch.errors import Refused
from fleetpatch.journal import queries
from fleetpatch.journal.runfile import RunFile
from fleetpatch.model.outcome import Reason
from fleetpatch.model.ports import Draft
from fleetpatch.model.run import WaveProgress
from fleetpatch.model.units import Amount, Percent
from tests.journal.makers import NOON, draft, info, names, settle
from tests.values import replace


def fleet() -> list[Draft]:
    """30 objects in each of two namespaces of the north, 40 in the south, and five of no need."""
    return [
        *(draft(f"a-{n:02}", namespace="team-a") for n in range(30)),
        *(draft(f"b-{n:02}", namespace="team-b") for n in range(30)),
        *(draft(f"s-{n:02}", cluster="south") for n in range(40)),
        *(draft(f"done-{n}", ends=Reason.ALREADY_SET) for n in range(5)),
    ]


def make(path: Path, *sizes: Amount, seed: str = "x") -> RunFile:
    made = RunFile.create(path, info(), now=lambda: NOON)
    made.add(fleet())
    made.seal(sizes=sizes, seed=seed)
    return made


def members(run: RunFile) -> list[set[str]]:
    """Return the names of the targets, wave by wave."""
    return [
        {
            name
            for cluster, end in ends.items()
            for name in names(run.claim(cluster, limit=1000, last=end))
        }
        for ends in run.waves
    ]


def test_each_wave_is_a_sample_of_all_clusters_and_namespaces(tmp_path: Path) -> None:
    with make(tmp_path / "x.run", 10, Percent(40.0), Percent(100.0)) as run:
        waves = members(run)

    assert [len(wave) for wave in waves] == [10, 40, 50]
    assert Counter(name[0] for name in waves[0]) == {"a": 3, "b": 3, "s": 4}
    assert Counter(name[0] for name in waves[1]) == {"a": 12, "b": 12, "s": 16}
    assert not waves[0] & waves[1]


def test_the_seed_draws_the_same_waves_again_and_another_draws_others(tmp_path: Path) -> None:
    with make(tmp_path / "1.run", 10) as one, make(tmp_path / "2.run", 10) as two:
        assert members(one) == members(two)
    with make(tmp_path / "3.run", 10) as one, make(tmp_path / "4.run", 10, seed="y") as other:
        assert one.waves == other.waves
        assert members(one) != members(other)


def test_without_sizes_there_are_no_waves(tmp_path: Path) -> None:
    with make(tmp_path / "x.run") as run:
        assert run.waves == ()
        assert len(list(queries.targets(run))) == 105


def test_a_claim_stops_at_the_end_of_the_wave_and_continues_from_there(tmp_path: Path) -> None:
    with make(tmp_path / "x.run", 10, 90) as run:
        first, second = run.waves
        taken = run.claim("north", limit=4, last=first["north"])
        rest = run.claim("north", limit=100, last=first["north"])
        assert len(taken) + len(rest) == 6
        assert run.claim("north", limit=100, last=first["north"]) == []
        assert len(run.claim("north", limit=100, last=second["north"])) == 54


def test_a_wave_is_open_until_its_last_target_has_ended(tmp_path: Path) -> None:
    with make(tmp_path / "x.run", 10, 90) as run:
        assert run.wave(1) == WaveProgress(10, 0, 10)
        north = run.claim("north", limit=100, last=run.waves[0]["north"])
        assert run.wave(1) == WaveProgress(10, 6, 10)
        run.record(settle(north))
        south = run.claim("south", limit=100, last=run.waves[0]["south"])
        run.record(settle(south, Reason.REJECTED))
        assert run.wave(1) == WaveProgress(0, 10, 10, NOON)
        assert run.wave(2) == WaveProgress(90, 0, 90)


def test_waves_are_loaded_when_the_file_is_opened_again(tmp_path: Path) -> None:
    with make(tmp_path / "x.run", 10, 90) as made:
        waves = made.waves

    with RunFile.open(tmp_path / "x.run", write=True) as run:
        assert run.waves == waves
        assert run.wave(1).open == 10


def test_too_many_waves_are_refused(tmp_path: Path) -> None:
    run = RunFile.create(tmp_path / "x.run", info())
    run.add([draft(f"job-{number:04}") for number in range(1002)])

    with pytest.raises(Refused, match="1000 waves"):
        run.seal(sizes=[1], seed="x")
    run.discard()


def test_a_run_awaits_its_promotion_between_two_waves_that_are_promoted_by_hand(
    tmp_path: Path,
) -> None:
    by_hand = replace(info(), plan='{"waves": {"sizes": [1], "promote": "manual"}}')
    for number, (about, awaits) in enumerate([(by_hand, True), (info(), False)]):
        with RunFile.create(tmp_path / f"{number}.run", about, now=lambda: NOON) as run:
            run.add(fleet())
            run.seal(sizes=[10, Percent(100.0)], seed="x")
            assert not queries.summary(run).awaits_promotion, "the first wave"
            first = [
                one
                for name, end in run.waves[0].items()
                for one in run.claim(name, limit=99, last=end)
            ]
            assert not queries.summary(run).awaits_promotion, "a wave under way"
            run.record(settle(first))
            assert queries.summary(run).awaits_promotion is awaits
            run.claim("south", limit=1)
            assert not queries.summary(run).awaits_promotion, "the second wave has begun"
