"""Servers of plans and runs, compared.

Covered: clusters of CCI by URL and project, two projects at one address, a token that says nothing
of its project; the pod's own server; runs whose plan cannot be read. Left out: kubeconfigs
(tests/cli/test_which_servers.py).
"""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from fleetpatch.campaign.servers import Server, ServerComparison, require_same_servers, servers_of
from fleetpatch.errors import UsageError
from fleetpatch.journal.runfile import RunFile
from fleetpatch.kube.kubeconfig.connect import server_of_context
from fleetpatch.model.plan.digest import canonical
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.run import ClusterInfo
from tests.journal.makers import info
from tests.kube.kubeconfig.kubeconfigs import cluster, kubeconfig
from tests.plans import plan_from

ADDRESS = "https://cci.example.com"


def iam(project: str, domain: str = "acme") -> dict[str, Any]:
    keys = {"endpoint": "https://iam.example.com", "user": "robot", "passwordEnv": "PASSWORD"}
    return {"iam": {**keys, "domain": domain, "project": project}}


def cci(*auths: dict[str, Any], server: str = ADDRESS) -> Plan:
    fleet = [
        {"name": f"cci-{number}", "provider": "cci", "server": server, "auth": auth}
        for number, auth in enumerate(auths)
    ]
    return plan_from(
        {
            "metadata": {"name": "relabel"},
            "fleet": fleet,
            "targets": [{"kinds": ["jobs.batch"], "selector": "app"}],
            "patch": {"labels": {"team": "red"}},
        }
    )


KEYS = {"accessKeyEnv": "AK", "secretKeyEnv": "SK"}
TWO = cci(iam("north"), iam("south"))


def test_projects_at_one_address_are_different_servers() -> None:
    assert servers_of(TWO) == (Server(ADDRESS, "acme/north"), Server(ADDRESS, "acme/south"))
    assert servers_of(cci(iam("north"))) != servers_of(cci(iam("north", domain="other")))
    assert servers_of(cci({"aksk": {**KEYS, "project": "0123"}})) == (Server(ADDRESS, "0123"),)
    assert str(Server(ADDRESS, "0123")) == f"{ADDRESS} (project 0123)"


def test_a_run_belongs_to_its_project() -> None:
    run = replace(info(), plan=canonical(TWO), clusters=_clusters(TWO))

    assert ServerComparison(TWO).matches(run)
    assert ServerComparison(cci(iam("north"))).overlaps(run)
    assert not ServerComparison(cci(iam("east"))).overlaps(run)


def test_a_token_does_not_name_its_project() -> None:
    plan = cci({"token": {"env": "TOKEN"}})

    assert servers_of(plan) == (Server(ADDRESS),)


def test_another_server_is_refused_and_both_are_named() -> None:
    moved = replace(info(), clusters=(ClusterInfo("cci-0", "https://elsewhere.example"),))

    with pytest.raises(UsageError, match=r"elsewhere\.example.*https://cci\.example\.com"):
        require_same_servers(moved, cci(iam("north")))


def test_a_run_whose_plan_cannot_be_read_may_be_anywhere() -> None:
    assert ServerComparison(cci(iam("north"))).overlaps(replace(info(), plan="[" * 5000))


def test_a_pod_has_one_server_that_takes_no_context_to_find() -> None:
    environ = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}

    found = server_of_context(environ=environ)

    assert found == ("https://10.0.0.1:443", "")


NAMED: dict[str, str] = {"proxy-url": "http://one:3128", "tls-server-name": "one.example"}
VIA_ONE = "proxy-url http://one:3128, tls-server-name one.example"


@pytest.mark.parametrize(
    ("changed", "route"),
    [
        ({"proxy-url": "http://two:3128"}, "proxy-url http://two:3128, tls-server-name one.exa"),
        ({"proxy-url": "https://one:3128"}, "proxy-url https://one:3128, tls-server-name one"),
        ({"proxy-url": None}, "tls-server-name one.example"),
        ({"tls-server-name": "two.example"}, "tls-server-name two.example"),
        ({"tls-server-name": None}, "proxy-url http://one:3128"),
    ],
)
def test_one_url_by_another_route_is_another_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: dict[str, str | None], route: str
) -> None:
    file = tmp_path / "kubeconfig"
    monkeypatch.setenv("KUBECONFIG", str(file))
    kubeconfig(file, the_cluster=cluster() | NAMED)
    plan = replace(cci(iam("north")), fleet=())
    [planned] = servers_of(plan)
    assert planned == Server("https://host:6443", route=VIA_ONE)
    with RunFile.create(tmp_path / "a.run", replace(info(), clusters=(_recorded(planned),))) as run:
        recorded = run.info
    require_same_servers(recorded, plan)
    assert ServerComparison(plan).matches(recorded)

    kubeconfig(file, the_cluster=cluster() | NAMED | changed)

    assert not ServerComparison(plan).matches(recorded)
    assert not ServerComparison(plan).overlaps(replace(recorded, plan=canonical(plan)))
    with pytest.raises(UsageError, match=f"{VIA_ONE}.*leads to .*{route}"):
        require_same_servers(recorded, plan)


@pytest.mark.parametrize(
    "spelling",
    [
        {"proxy-url": "HTTP://robot:hunter2@ONE:3128/path"},
        {"tls-server-name": "ONE.example."},
    ],
)
def test_a_route_is_compared_without_its_password_and_spelling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelling: dict[str, str]
) -> None:
    file = tmp_path / "kubeconfig"
    monkeypatch.setenv("KUBECONFIG", str(file))
    kubeconfig(file, the_cluster=cluster() | NAMED | spelling)

    assert server_of_context() == ("https://host:6443", VIA_ONE)


def test_a_run_file_without_routes_is_of_servers_without_a_route(tmp_path: Path) -> None:
    with RunFile.create(tmp_path / "a.run", info()) as run:
        with run.database.transaction() as connection:
            connection.execute("DELETE FROM meta WHERE key = 'routes'")
        assert run.info.clusters == info().clusters


def _recorded(server: Server) -> ClusterInfo:
    return ClusterInfo("prod", server.url, "prod", server.route)


def _clusters(plan: Plan) -> tuple[ClusterInfo, ...]:
    return tuple(ClusterInfo(ref.name, ref.server or "") for ref in plan.fleet)
