"""The name for run file and log: of a shell, sudo, cron, a pod, and of a user without an account.

Left out: where it is shown (tests/cli/test_reasons.py).
"""

import base64
import json
import os
import pwd
from collections.abc import Callable
from pathlib import Path

import pytest

from fleetpatch.campaign.whoami import whoami

HOST = os.uname().nodename
NOWHERE = Path("/not/there")


def account_in(folder: Path, token: str) -> Path:
    (folder / "token").write_text(token)
    return folder


def token_of(subject: object) -> str:
    """A token as a pod has it: header, claims and signature."""
    claims = base64.urlsafe_b64encode(json.dumps({"sub": subject}).encode()).decode().rstrip("=")
    return f"e30.{claims}.c2lnbmF0dXJl"


def without_account(_uid: int) -> pwd.struct_passwd:
    raise KeyError


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({"USER": "ann"}, "ann"),
        ({"USER": "root", "SUDO_USER": "ann"}, "ann"),
        ({"LOGNAME": "cron-user"}, "cron-user"),
        ({"USER": "", "LOGNAME": "ann"}, "ann"),
    ],
)
def test_a_shell_and_sudo_and_cron_name_the_person(environ: dict[str, str], name: str) -> None:
    assert whoami(environ, NOWHERE) == f"{name}@{HOST}"


def test_without_any_variable_the_account_of_the_user_is_the_name() -> None:
    assert whoami({}, NOWHERE) == f"{pwd.getpwuid(os.getuid()).pw_name}@{HOST}"


def test_in_a_pod_the_service_account_is_the_name(tmp_path: Path) -> None:
    account = account_in(tmp_path, token_of("system:serviceaccount:ops:relabel"))

    assert whoami({}, account) == f"system:serviceaccount:ops:relabel@{HOST}"


def test_a_user_without_a_name_is_named_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pwd, "getpwuid", without_account)

    assert whoami({}, NOWHERE) == f"{os.getuid()}@{HOST}"


@pytest.mark.parametrize(
    "token",
    ["opaque", "a.b", "a.\x00.c", "a.!!!!.c", "e30.bm90IGpzb24.c", token_of(4711), token_of(None)],
)
def test_a_token_without_a_name_is_not_an_error(
    tmp_path: Path, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pwd, "getpwuid", without_account)

    assert whoami({}, account_in(tmp_path, token)) == f"{os.getuid()}@{HOST}"


@pytest.mark.parametrize("spoil", [lambda file: file.write_bytes(b"\xff"), Path.unlink])
def test_a_token_that_cannot_be_read_is_no_error(
    tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    account = account_in(tmp_path, "token")
    spoil(account / "token")

    assert whoami({"USER": "ann"}, account) == f"ann@{HOST}"
    assert whoami({}, account).endswith(f"@{HOST}")


def test_no_part_of_the_signature_is_in_the_name(tmp_path: Path) -> None:
    account = account_in(tmp_path, token_of("system:serviceaccount:ops:relabel"))

    assert "c2lnbmF0dXJl" not in whoami({}, account)


def test_escape_codes_of_a_variable_do_no_harm() -> None:
    assert "\x1b" not in whoami({"USER": "\x1b[2Jann"}, NOWHERE)
