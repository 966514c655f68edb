"""Lists of objects in a plan and in files beside it: their entries, digest and mistakes.

Left out: how the objects are read (tests/e2e/test_object_lists.py).
"""

from pathlib import Path

import pytest

from fleetpatch.model.plan.digest import canonical, restore
from fleetpatch.model.plan.load import PlanFile, load_plan, parse_plan
from fleetpatch.model.plan.objects import NamedObject
from tests.model.plans import MINIMAL, problems_of_file

FLEET = "fleet: [{name: prod-a}, {name: prod-b}]\n"


def with_objects(objects: str, more: str = "") -> str:
    return MINIMAL.replace("selector: app=etl", f"objects: {objects}") + more


OF_FILE = with_objects("{file: ticket.txt}")


def written(folder: Path, content: str | bytes, plan: str = OF_FILE) -> Path:
    data = content.encode() if isinstance(content, str) else content
    (folder / "ticket.txt").write_bytes(data)
    path = folder / "plan.yaml"
    path.write_text(plan)
    return path


def test_a_line_names_an_object_and_comments_and_blank_lines_are_left_out(tmp_path: Path) -> None:
    content = "\ufeff# OPS-4711\r\n\r\nteam-a/etl-7\r\n  team-b/etl-8  # twice\r\nprod-a/x/y\r\n"

    read = load_plan(written(tmp_path, content)).objects[0]

    assert read.objects == (
        NamedObject("team-a", "etl-7", line=3),
        NamedObject("team-b", "etl-8", line=4),
        NamedObject("x", "y", "prod-a", line=5),
    )
    assert read.described(read.objects[1]) == f"{tmp_path}/ticket.txt:4: team-b/etl-8"


def test_a_list_may_be_written_in_the_plan() -> None:
    read = parse_plan(with_objects("[team-a/etl-7, prod-b/team-b/etl-8]", FLEET), "p").objects[0]

    assert [str(one) for one in read.objects] == ["team-a/etl-7", "prod-b/team-b/etl-8"]
    assert read.described(read.objects[0]) == "team-a/etl-7"


def test_an_object_that_is_listed_twice_in_a_file_is_read_once(tmp_path: Path) -> None:
    read = load_plan(written(tmp_path, "a/b\nc/d\na/b # again\n")).objects[0]

    assert [str(one) for one in read.objects] == ["a/b", "c/d"]


def test_the_content_of_a_list_is_part_of_the_digest_of_the_plan(tmp_path: Path) -> None:
    first = load_plan(written(tmp_path, "a/b\n"))
    other = load_plan(written(tmp_path, "a/c\n"))

    assert first.digest != other.digest
    assert first.digest == load_plan(written(tmp_path, "a/b\n")).digest
    assert canonical(restore(canonical(first.plan))) == canonical(first.plan)


def test_a_plan_may_name_the_digest_that_a_list_must_have(tmp_path: Path) -> None:
    path = written(tmp_path, "a/b\n")
    objects = load_plan(path).plan.targets[0].objects
    assert objects
    pinned = with_objects(f"{{file: ticket.txt, digest: '{objects.digest}'}}")

    assert load_plan(written(tmp_path, "a/b\n", pinned)).digest == load_plan(path).digest
    (problem,) = problems_of_file(written(tmp_path, "a/c\n", pinned))
    assert "its content has changed" in problem


def test_a_plan_of_values_reads_its_list_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load_plan(written(tmp_path, "a/b\n"))
    monkeypatch.chdir(tmp_path)

    again = PlanFile.of(loaded.plan)

    assert [str(one) for one in again.objects[0].objects] == ["a/b"]


IN_THE_PLAN = [
    ("team-a/etl-7", "7:14", "must be a list of objects, or {file: FILE}"),
    ("~", "7:14", "has no value"),
    ("[]", "7:14", "is empty; add an entry"),
    ("[etl-7]", "7:15", "'etl-7' is not an object; write namespace/name"),
    ("[a/b/c/d]", "7:15", "is not an object"),
    ("['a b/c']", "7:15", "is not an object"),
    ("[job.batch/etl-7]", "7:15", "is not a valid DNS label"),
    ("[A/b]", "7:15", "is not a valid DNS label"),
    ("[a/]", "7:15", "is not a valid name of an object"),
    ("[a/b, 7]", "7:20", "must be text"),
    ("[a/b, a/b]", "7:20", "is listed twice; remove one"),
    ("[a/b]\n    names: [c]", "7:5", "cannot be combined with names"),
    ("[a/b]\n    namespaces: [c]", "7:5", "cannot be combined with namespaces"),
    ("{file: no.txt}", "7:21", "there is no file"),
    ("{}", "7:5", "must name a file with an object on each line"),
    ("{file: [a]}", "7:21", "must name a file"),
    ("{file: ticket.txt, digest: x}", "7:41", "must be sha256:"),
    ("{file: ticket.txt, column: 2}", "7:33", "is not a key of a list of objects"),
]


@pytest.mark.parametrize(("objects", "place", "what"), IN_THE_PLAN)
def test_a_mistake_in_the_plan_has_its_place(
    tmp_path: Path, objects: str, place: str, what: str
) -> None:
    (problem,) = problems_of_file(written(tmp_path, "a/b\n", with_objects(objects)))

    assert f"plan.yaml:{place}: targets[0].objects" in problem
    assert what in problem


IN_THE_FILE: list[tuple[bytes, str, str]] = [
    (b"", "1:1", "the list has no object"),
    (b"# nothing\n\n", "1:1", "the list has no object"),
    (b"a/b\n  etl-7\n", "2:3", "'etl-7' is not an object"),
    (b"a/b\r\netl 7\r\n", "2:1", "is not an object"),
    (b"namespace,name\r\na,b\r\n", "1:1", "is not an object"),
    (b"a/b\n\tjob.batch/x\n", "2:2", "'job.batch' is not a valid DNS label"),
    (b"prod-x/a/b\n", "1:1", "'prod-x' is not a cluster of the fleet; it has prod-a, prod-b"),
    (b"a/b\nc/\xff\n", "2:3", "the file is not UTF-8 here"),
]


@pytest.mark.parametrize(("content", "place", "what"), IN_THE_FILE)
def test_a_mistake_in_the_file_has_its_line(
    tmp_path: Path, content: bytes, place: str, what: str
) -> None:
    problem = problems_of_file(written(tmp_path, content, OF_FILE + FLEET))[0]

    assert f"ticket.txt:{place}: " in problem
    assert what in problem


def test_of_very_many_mistakes_in_a_file_the_first_are_shown(tmp_path: Path) -> None:
    problems = problems_of_file(written(tmp_path, "x\n" * 500))

    assert len(problems) == 21
    assert problems[-1].endswith("ticket.txt: there are 480 more problems")
