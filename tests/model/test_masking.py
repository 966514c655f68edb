"""Secrets are found by their names and their form, and masked.

Left out: how the log applies it (tests/report/test_logs.py).
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpatch.model.masking import is_secret_name, mask
from tests.timing import is_linear

SIGNED = "SDK-HMAC-SHA256 "
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    "name",
    [
        "token",
        "password",
        "Authorization",
        "accessToken",
        "bearer_token",
        "apiKey",
        "X-Auth-Token",
        "secretKey",
    ],
)
def test_a_secrets_name_is_known_in_any_spelling(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["name", "namespace", "tokens_left", "reason", "uid", "kind"])
def test_an_ordinary_name_is_not_secret(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"sent Bearer {JWT}", "sent Bearer [redacted]"),
        ("Authorization: bearer abc.def", "Authorization: bearer [redacted]"),
        ("Basic dXNlcjpwYXNz, twice", "Basic [redacted], twice"),
        (f"who is {JWT}?", "who is [redacted]?"),
        ("password=hunter2 rest", "password=[redacted] rest"),
        ('{"token": "a b c", "code": 401}', '{"token": [redacted], "code": 401}'),
        ('{"Authorization":"Bearer abc"}', '{"Authorization":[redacted]}'),
        ("https://bob:hunter2@host/path", "https://bob:[redacted]@host/path"),
        ("?access_token=abc&limit=500", "?access_token=[redacted]&limit=500"),
        ("X-Auth-Token: MIIF.abc, next", "X-Auth-Token: [redacted], next"),
        ("{'X-Subject-Token': 'MIIF abc'}", "{'X-Subject-Token': [redacted]}"),
        (
            f"Authorization: {SIGNED}Access=AK7, SignedHeaders=host;x-sdk-date, Signature=ab12 end",
            f"Authorization: {SIGNED}[redacted] end",
        ),
        (f'"{SIGNED}Access=AK7, SignedHeaders=host, Signature=ab12"', f'"{SIGNED}[redacted]"'),
        ("Access=AK7, Signature=ab12.", "Access=AK7, Signature=[redacted]"),
        ("accessKeyId: AK7 secret_key=SK7", "accessKeyId: [redacted] secret_key=[redacted]"),
        ("CCI_SECRET_KEY=SK7", "CCI_SECRET_KEY=[redacted]"),
        (r'{"password": "a\"b", "code": 1}', '{"password": [redacted], "code": 1}'),
        (r'"{\"password\": \"hunter2\"}"', r'"{\"password\": [redacted]}"'),
        ('{"user": {"password": "hunter2 and it is c', '{"user": {"password": [redacted]'),
    ],
)
def test_a_secret_is_masked_and_its_introduction_is_kept(text: str, shown: str) -> None:
    assert mask(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "5f1b7c1e-2f7a-4c9e-8d7a-0123456789ab",
        "jobs.batch etl-0001 is forbidden",
        'cost-centre: (absent) -> "4711"',
        "passwordEnv: CCI_PASSWORD, accessKeyEnv: CCI_ACCESS_KEY",
        "the server does not accept our credentials: 401 Unauthorized",
        "https://10.0.0.1:6443/apis/batch/v1/jobs?limit=500",
    ],
)
def test_an_ordinary_text_is_not_changed(text: str) -> None:
    assert mask(text) == text


MARKS = ["Bearer ", "token=", '"password": "', "://u:", "@", "[redacted]", JWT, "authorization: "]
MARKS += [f"{SIGNED}Access=", ", Signature=", '\\"', "'"]


@given(st.lists(st.sampled_from(MARKS) | st.text(max_size=4)).map("".join))
def test_masking_twice_changes_nothing_more(text: str) -> None:
    assert mask(mask(text)) == mask(text)


@given(st.from_regex(r"[A-Za-z0-9+/._-]{1,40}", fullmatch=True))
def test_every_bearer_token_is_masked(token: str) -> None:
    assert mask(f"GET failed (Authorization: Bearer {token})") == (
        "GET failed (Authorization: Bearer [redacted]"
    )


@pytest.mark.parametrize("part", ["a-", "key-", "-eyJ", "token ", "://a:", "Bearer  "])
def test_the_time_to_mask_a_text_is_linear_in_its_size(part: str) -> None:
    assert is_linear(mask, lambda size: part * size, 250)


@pytest.mark.parametrize("prefix", ["", "--", "x-", "a.b-", "é-"])
def test_a_secret_is_found_whatever_its_name_begins_with(prefix: str) -> None:
    assert mask(f"refused: {prefix}auth-token=abc") == f"refused: {prefix}auth-token=[redacted]"
