"""scripts/control-plane: where it finds the binaries, and what it says where there are none."""

import hashlib
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.control_plane.binaries import SCRIPT


def test_the_script_without_binaries_says_how_to_get_them(tmp_path: Path) -> None:
    run = _script(tmp_path)

    assert run.returncode == 3
    assert run.stdout == ""
    assert run.stderr == (
        "control-plane: no kube-apiserver and etcd found: run 'scripts/control-plane --build' "
        "as root on Debian, or set KUBEBUILDER_ASSETS\n"
    )


def test_the_script_prefers_kubebuilder_assets(tmp_path: Path) -> None:
    assets = tmp_path / "assets"
    assets.mkdir()
    for name in ("kube-apiserver", "etcd"):
        (assets / name).touch(mode=0o755)

    run = _script(tmp_path, KUBEBUILDER_ASSETS=str(assets))

    assert (run.returncode, run.stdout, run.stderr) == (0, f"{assets}\n", "")


def test_the_script_refuses_incomplete_kubebuilder_assets(tmp_path: Path) -> None:
    run = _script(tmp_path, KUBEBUILDER_ASSETS=str(tmp_path))

    assert run.returncode == 1
    assert run.stdout == ""
    assert "does not contain both kube-apiserver and etcd" in run.stderr


@pytest.mark.parametrize("within", ["", "controller-tools/envtest"])
def test_the_script_takes_a_directory_of_envtest_binaries(tmp_path: Path, within: str) -> None:
    made = binaries(tmp_path / "k8s" / within)

    run = _script(tmp_path, "--from", str(tmp_path / "k8s"), KUBEBUILDER_ASSETS="/nowhere")

    assert (run.returncode, run.stdout, run.stderr) == (0, f"{made}\n", "")


def test_the_script_takes_an_archive_of_envtest_binaries_once(tmp_path: Path) -> None:
    archive = archived(tmp_path)
    digest = hashlib.sha512(archive.read_bytes()).hexdigest()
    words = ("--from", archive.as_uri(), "--sha512", digest)

    first = _script(tmp_path, *words)
    archive.unlink()
    second = _script(tmp_path, *words)

    assert first.returncode == 0, first.stderr
    assert (Path(first.stdout.strip()) / "kube-apiserver").is_file()
    assert (second.stdout, second.stderr) == (first.stdout, "")


def test_an_archive_with_another_digest_is_refused_and_not_kept(tmp_path: Path) -> None:
    archive = archived(tmp_path)

    run = _script(tmp_path, "--from", archive.as_uri(), "--sha512", "00" * 64)

    assert (run.returncode, run.stdout) == (1, "")
    assert "does not have the SHA-512 digest" in run.stderr
    assert list((tmp_path / "fleetpatch" / "control-plane").iterdir()) == []


def test_an_archive_that_is_cached_without_a_digest_is_verified_against_one(tmp_path: Path) -> None:
    archive = archived(tmp_path)
    first = _script(tmp_path, "--from", archive.as_uri())

    second = _script(tmp_path, "--from", archive.as_uri(), "--sha512", "00" * 64)

    assert first.returncode == 0, first.stderr
    assert (second.returncode, second.stdout) == (1, "")
    assert "does not have the SHA-512 digest" in second.stderr


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--from", "file:///a.tar.gz", "--sha512", "../x"), 2, "is not a SHA-512 digest"),
        (("--from", "/nowhere"), 2, "is neither a directory nor a URL"),
        (("--from", "."), 1, "does not contain both kube-apiserver and etcd"),
        (("--from", "file:///nowhere/envtest.tar.gz"), 1, "cannot download"),
        (("--from",), 2, "--from needs a value"),
        (("--frm", "a"), 2, "unknown argument '--frm'"),
    ],
)
def test_wrong_arguments_of_the_script_are_named(
    tmp_path: Path, words: tuple[str, ...], code: int, message: str
) -> None:
    run = _script(tmp_path, *words)

    assert (run.returncode, run.stdout) == (code, "")
    assert message in run.stderr


def binaries(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name in ("kube-apiserver", "etcd"):
        (folder / name).touch(mode=0o755)
    return folder


def archived(folder: Path) -> Path:
    """Make an archive with the folders of envtest's."""
    made = binaries(folder / "made" / "controller-tools" / "envtest")
    archive = folder / "envtest-v1.36.0-linux-amd64.tar.gz"
    with tarfile.open(archive, "w:gz") as file:
        file.add(made, "controller-tools/envtest")
    return archive


def _script(home: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    removed = {"CI", "KUBEBUILDER_ASSETS"}
    inherited = {name: value for name, value in os.environ.items() if name not in removed}
    environment = {**inherited, "HOME": str(home), "XDG_CACHE_HOME": str(home), **variables}
    return subprocess.run(
        [SCRIPT, *words],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=home,
    )
