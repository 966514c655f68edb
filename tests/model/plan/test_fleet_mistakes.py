"""Mistakes in a plan's clusters and their `auth`, and that no message quotes a secret.

Covered: clusters named twice, URLs, ways to sign in, secrets written into the plan in every place
and in every form of YAML that looks like one. Left out: what is behind the names of variables and
files (tests/kube).
"""

import re
from collections.abc import Iterator

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from fleetpatch.errors import PlanError
from fleetpatch.model.plan.digest import canonical
from fleetpatch.model.plan.load import parse_plan
from tests.model.plans import MINIMAL, SIGN_INS, on_cci, problems_of
from tests.plans import plan_from

LINE = MINIMAL.count("\n") + 1
"""The first line after the minimal plan; a patch in flow style takes one line less."""

IAM = "endpoint: https://iam.x, domain: d, user: u, project: p"
SECRET = "s3cr3t-Pa55w0rd"


def fleet(*clusters: str) -> str:
    return MINIMAL.replace("jobs.batch", "tfjobs") + f"fleet: [{', '.join(clusters)}]\n"


def cci(rest: str = "", server: str = "https://x", auth: str = SIGN_INS[0]) -> str:
    return f"{{name: a, provider: cci, server: {server}, auth: {auth}{rest}}}"


CLUSTERS: list[tuple[str, int, str]] = [
    (fleet("{name: a, context: x}", "{name: a, context: y}"), 39, "'a' is fleet[0] already"),
    (fleet("{name: a, context: x}", "{name: b, context: x}"), 51, "'x' is fleet[0] already"),
    (fleet("{name: a, server: https://x}"), 19, "is for provider cci"),
    (fleet(f"{{name: a, auth: {SIGN_INS[0]}}}"), 19, "is for provider cci"),
    (fleet(f"{{name: a, provider: cci, auth: {SIGN_INS[0]}}}"), 9, "needs the URL of its API"),
    (fleet("{name: a, provider: cci, server: https://x}"), 9, "needs one of token, iam, aksk"),
    (fleet(cci(", context: b")), 86, "is for provider kubernetes"),
    (fleet(cci(server="http://x")), 42, "begins with https://"),
    (fleet(cci(server="ftp://localhost")), 42, "begin with https://"),
    (fleet(cci(server="http://localhost.example.com")), 42, "begins with https://"),
    (fleet(cci(server="https://")), 42, "does not contain a host; write one that begins with"),
    (fleet(cci(server="cci.example.com")), 42, "begin with https://"),
    (fleet(cci(server='"https://["')), 42, "is not a valid URL: it has a host or a port"),
    (fleet(cci(server="https://x:port")), 42, "is not a valid URL: it has a host or a port"),
    (fleet(cci(server='"https://x?a=b"')), 42, "without a query (?) or a fragment"),
]

AUTH: list[tuple[str, int, str]] = [
    ("{}", 77, "is empty; add one of token, iam, aksk"),
    (" ", 71, "has no value"),
    ("[]", 77, "must be a mapping of keys to values, not a list"),
    ("{token: }", 78, "has no value"),
    ("{token: {}}", 78, "needs env or file"),
    ("{token: {env: A, file: b}}", 94, "cannot be combined with env"),
    ("{token: {env: A-B}}", 91, "must be the name of an environment variable"),
    ("{token: {env: 5}}", 91, "must be text, not a number; put it in quotes"),
    ("{token: {env: [a]}}", 91, "must be text, not a list"),
    ('{token: {file: ""}}', 92, "is empty"),
    ("{token: {evn: A}}", 86, "did you mean env?"),
    ("{token: {zzz: A}}", 85, "contains an unknown key; known here: env, file"),
    (f"{{iam: {{{IAM}}}}}", 78, "needs passwordEnv or passwordFile"),
    (f"{{iam: {{{IAM}, passwordEnv: A, passwordFile: b}}}}", 157, "cannot be combined with"),
    (f"{{iam: {{{IAM}, passwordenv: A}}}}", 141, "did you mean passwordEnv?"),
    ("{iam: {endpoint: https://x, domain: d, user: u, passwordEnv: A}}", 78, "project: is missing"),
    ("{aksk: {accessKeyEnv: A, project: p}}", 78, "secretKeyEnv: is missing"),
    (
        "{token: {env: A}, aksk: {accessKeyEnv: A, secretKeyEnv: B, project: p}}",
        95,
        "cannot be combined with token",
    ),
    (f"{{iam: {{{IAM.replace('https', 'http')}, passwordEnv: A}}}}", 94, "begins with https://"),
]


@pytest.mark.parametrize(("text", "column", "words"), CLUSTERS)
def test_a_mistake_in_a_cluster_is_placed_and_explained(text: str, column: int, words: str) -> None:
    (problem,) = problems_of(text)

    assert problem.startswith(f"plan.yaml:{LINE}:{column}: fleet")
    assert words in problem


@pytest.mark.parametrize(("auth", "column", "words"), AUTH)
def test_a_mistake_in_signing_in_is_placed_and_explained(
    auth: str, column: int, words: str
) -> None:
    (problem,) = problems_of(on_cci(auth=auth))

    assert problem.startswith(f"plan.yaml:{LINE - 1}:{column}: fleet[0].auth")
    assert words in problem


@pytest.mark.parametrize(
    ("auth", "words"),
    [
        (SECRET, "under token, iam or aksk"),
        (f"{{token: {SECRET}}}", "name that in token.env"),
        ("{token: 12345678}", "name that in token.env"),
        (f"{{token: {{value: {SECRET}}}}}", "name that in token.env"),
        (f"{{token: {{env: A, token: {SECRET}}}}}", "name that in token.env"),
        (f"{{iam: {{{IAM}, password: {SECRET}}}}}", "name that in passwordEnv"),
        (f"{{iam: {{{IAM}, passwd: 12345678}}}}", "name that in passwordEnv"),
        (f"{{aksk: {{accessKey: {SECRET}, secretKeyEnv: B, project: p}}}}", "accessKeyEnv and"),
        (f"{{aksk: {{accessKeyEnv: A, secretKey: {SECRET}, project: p}}}}", "accessKeyEnv and"),
        (f"{{aksk: {{accessKeyEnv: A, sk: {SECRET}, project: p}}}}", "accessKeyEnv and"),
        (f"{{password: {SECRET}}}", "under token, iam or aksk"),
    ],
)
def test_a_secret_in_the_plan_is_refused_with_the_way_out(auth: str, words: str) -> None:
    (problem,) = problems_of(on_cci(auth=auth))

    assert "secrets do not belong in a plan file; put" in problem
    assert words in problem
    assert re.match(rf"plan.yaml:{LINE - 1}:\d+: fleet\[0\]\.auth", problem)


@pytest.mark.parametrize("key", ["hunter2S3cretToken", "my-pass-4711", "Bearer.eyJhbGciOi"])
def test_a_key_that_may_be_the_secret_itself_is_not_repeated(key: str) -> None:
    (problem,) = problems_of(on_cci(auth=f"{{token: {{{key}: 1}}}}"))

    assert "fleet[0].auth.token: secrets do not belong in a plan file" in problem
    assert key not in problem


PLACES = (
    "auth: {}",
    "auth: {{token: {}}}",
    "auth: {{{}: x}}",
    "auth: {{{}}}",
    "auth: {{token: {{env: {}}}}}",
    "auth: {{token: {{{}}}}}",
    "auth: {{token: {{{}: A}}}}",
    "auth: {{token: {{value: {}}}}}",
    "auth: {{token: {{file: A, token: {}}}}}",
    f"auth: {{{{iam: {{{{{IAM}, password: {{}}}}}}}}}}",
    f"auth: {{{{iam: {{{{{IAM}, passwordEnv: {{}}}}}}}}}}",
    f"auth: {{{{iam: {{{{{IAM}, pw: [{{}}]}}}}}}}}",
    "auth: {{iam: {{endpoint: 'https://u:{}@iam.x', domain: d, user: u, project: p}}}}",
    "auth: {{aksk: {{accessKey: {0}, secretKey: {0}, project: p}}}}",
    "auth: {{aksk: {{accessKeyEnv: {}, secretKeyEnv: A}}}}",
)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "form",
    ["{}", "'{}'", '"{}"', "!{}", "!{}!x", "*{}", "'{}", '"{}', "@{}", "[{}", "{}\t: :", "%{}"],
)
def test_a_secret_is_never_repeated_however_it_is_written(place: str, form: str) -> None:
    cluster = place.format(form.format(SECRET))
    server = "server: https://x, provider: cci, name: a"

    messages = "\n".join(problems_of(f"{MINIMAL}fleet: [{{{server}, {cluster}}}]\n"))

    assert messages
    assert SECRET not in messages
    # Also not a part of it, in case a message cuts it.
    assert "s3cr3t" not in messages


def refusals_of(secret: str) -> Iterator[PlanError]:
    """The errors for plans with this secret at several places."""
    auths: list[object] = [
        secret,
        {"token": secret},
        {"token": {"env": f"-{secret}"}},
        {"iam": {"password": secret, "user": secret, "endpoint": f"http://{secret}"}},
        {"aksk": {"secretKey": secret, "accessKeyEnv": f" {secret}"}},
    ]
    for auth in auths:
        cluster = {"name": "a", "provider": "cci", "server": f"https://u:{secret}@x", "auth": auth}
        with pytest.raises(PlanError) as caught:
            plan_from(
                {
                    "metadata": {"name": "relabel"},
                    "targets": [{"kinds": ["tfjobs"]}],
                    "patch": {"labels": {"a": "b"}},
                    "fleet": [cluster, {**cluster, "name": "b"}],
                }
            )
        yield caught.value


# Hypothesis also draws texts from the source code, and the messages contain some of them anyway.
OWN_WORDS = "".join(str(error) + repr(error) for error in refusals_of("\N{SNOWMAN}" * 12))


@given(secret=st.text(st.characters(codec="utf-8"), min_size=12, max_size=30))
@example("12345678901.5e999")  # a number to YAML, and infinite
@settings(max_examples=100, deadline=None)
def test_no_secret_is_repeated_whatever_it_consists_of(secret: str) -> None:
    assume(secret not in OWN_WORDS)

    for error in refusals_of(secret):
        assert secret not in str(error)
        assert secret not in repr(error)


@pytest.mark.parametrize("auth", SIGN_INS)
def test_the_canonical_plan_contains_only_names_of_secrets(auth: str) -> None:
    kept = canonical(parse_plan(on_cci(auth=auth), "plan.yaml").plan)

    assert re.search(r'"auth":\{"(token|iam|aksk)":\{"[^}]*(env|file|Env|File)":', kept)
    assert "null" not in kept


def in_project(name: str, auth: str, server: str = "https://x") -> str:
    return f"{{name: {name}, provider: cci, server: {server}, auth: {auth}}}"


BY_USER = "{{iam: {{endpoint: https://iam, domain: {}, user: u, passwordEnv: P, project: {}}}}}"
BY_KEY = "{{aksk: {{accessKeyEnv: A, secretKeyEnv: S, project: {}}}}}"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (BY_USER.format("acme", "north"), BY_USER.format("acme", "south")),
        (BY_USER.format("acme", "north"), BY_USER.format("other", "north")),
        (BY_KEY.format("p1"), BY_KEY.format("p2")),
    ],
)
def test_two_projects_at_one_address_are_two_clusters(one: str, other: str) -> None:
    text = fleet(in_project("a", one), in_project("b", other))

    assert len(parse_plan(text, "plan.yaml").plan.fleet) == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (BY_USER.format("acme", "north"), BY_USER.format("acme", "north")),
        (BY_KEY.format("p1"), BY_KEY.format("p1")),
        # A token does not name its project, and IAM's names are not the ids of access keys.
        (BY_USER.format("acme", "north"), "{token: {env: T}}"),
        ("{token: {env: T}}", "{token: {env: U}}"),
        (BY_USER.format("acme", "north"), BY_KEY.format("p1")),
    ],
)
@pytest.mark.parametrize("server", ["https://x", "https://X/", "https://x:443"])
def test_a_project_is_listed_once_whatever_the_spelling_of_its_address(
    one: str, other: str, server: str
) -> None:
    text = fleet(in_project("a", one), in_project("b", other, server))

    assert "this server is fleet[0] already" in "\n".join(map(str, problems_of(text)))
