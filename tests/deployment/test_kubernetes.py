"""docker/kubernetes/: every object is valid, and they fit together."""

from __future__ import annotations

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kubernetes_validate
import pytest
import yaml

from scoreboard import __version__
from scoreboard.configuration.settings import Settings
from scoreboard.configuration.sources import load, require_servers
from tests.deployment.files import DOCKER, make_secrets, manifests, of_kind
from tests.deployment.test_compose import dockerfile

DIRECTORY = DOCKER / "kubernetes"
ROLES = ("api", "stream")
by_role = pytest.mark.parametrize("role", ROLES)
SECRETS = "/run/secrets/scoreboard"


def named(one: tuple[str, dict[str, Any]]) -> str:
    return f"{one[1]['kind']}-{one[1]['metadata']['name']}"


@pytest.mark.parametrize("manifest", manifests(), ids=named)
def test_every_object_is_valid(manifest: tuple[str, dict[str, Any]]) -> None:
    kubernetes_validate.validate(manifest[1], "1.37", strict=True)


def test_every_file_is_brought() -> None:
    kustomization = yaml.safe_load((DIRECTORY / "kustomization.yaml").read_text("utf-8"))
    files = {path.name for path in DIRECTORY.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(kustomization["resources"]) == files
    assert kustomization["namespace"] in of_kind("Namespace")
    [image] = kustomization["images"]
    assert (image["name"], image["newTag"]) == ("scoreboard", __version__)


def pods() -> dict[str, dict[str, Any]]:
    """What is started, by the name of what starts it."""
    starters = of_kind("Deployment") | of_kind("Job")
    return {name: starter["spec"]["template"] for name, starter in starters.items()}


def containers(name: str) -> list[dict[str, Any]]:
    spec = pods()[name]["spec"]
    found: list[dict[str, Any]] = [*spec.get("initContainers", []), *spec["containers"]]
    return found


def settings_of(name: str, secrets: Path) -> Settings:
    """What a pod would be set to. An unknown variable stops it."""
    environment = dict(of_kind("ConfigMap")["scoreboard"]["data"])
    for container in containers(name):
        assert container["envFrom"] == [{"configMapRef": {"name": "scoreboard"}}]
        for variable in container.get("env", []):
            environment[variable["name"]] = variable.get("value", "a-pod")
    mounted = mount(name, secrets)
    here = {key: text.replace(SECRETS, str(mounted)) for key, text in environment.items()}
    return load(here)


def mount(name: str, secrets: Path) -> Path:
    """The directory of secrets as a pod sees it."""
    secret = pods()[name]["spec"]["volumes"][0]["secret"]
    names = [path.name for path in secrets.iterdir() if path.is_file()]
    items = secret.get("items", [{"key": key, "path": key} for key in names])
    directory = secrets / name
    directory.mkdir(exist_ok=True)
    for item in items:
        (directory / item["path"]).write_text((secrets / item["key"]).read_text())
    return directory


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Secret: a file for each of its keys, as docs/containers.md has them made."""
    made = tmp_path_factory.mktemp("secrets")
    make_secrets(made)
    directory = tmp_path_factory.mktemp("secret")
    for name in ("database_url", "redis_url", "amqp_url", "jwt_secret"):
        (directory / name).write_text((made / "scoreboard" / name).read_text())
    (directory / "amqp_url_stream").write_text((made / "stream" / "amqp_url").read_text())
    return directory


@pytest.mark.parametrize("name", [*ROLES, "migrate"])
def test_pods_start_with_what_they_are_given(name: str, secrets: Path) -> None:
    settings = settings_of(name, secrets)
    require_servers(settings)
    if name in ROLES:
        assert (settings.role, settings.instance) == (name, "a-pod")


def test_pods_that_hold_streams_see_no_user_of_rabbitmq_that_may_publish(secrets: Path) -> None:
    users = {name: urlsplit(settings_of(name, secrets).amqp_url).username for name in ROLES}
    assert users == {"api": "scoreboard", "stream": "scoreboard-stream"}
    seen = "".join(path.read_text() for path in mount("stream", secrets).iterdir())
    assert "scoreboard-stream" in seen
    assert (secrets / "amqp_url").read_text() not in seen


@pytest.mark.parametrize("name", [*ROLES, "migrate"])
def test_pods_are_as_tightly_bound_as_the_namespace_asks(name: str) -> None:
    spec = pods()[name]["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
    for container in containers(name):
        assert container["image"] == "scoreboard"
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"]
        assert {"name": "secrets", "mountPath": SECRETS, "readOnly": True} in container[
            "volumeMounts"
        ]
    assert spec["volumes"][0]["secret"]["secretName"] == "scoreboard"  # the name, not a value
    # Read by the image's account and by nobody else in the pod.
    assert spec["volumes"][0]["secret"]["defaultMode"] == 0o440
    user = re.search(r"^USER (\d+):(\d+)$", dockerfile(), re.MULTILINE)
    assert user
    ids = ("runAsUser", "runAsGroup", "fsGroup")
    assert [str(spec["securityContext"][name]) for name in ids] == [user[1], user[2], user[2]]
    assert of_kind("Secret") == {}


@by_role
def test_a_pod_has_the_time_that_it_takes_to_end(role: str, secrets: Path) -> None:
    settings = settings_of(role, secrets)
    spec = pods()[role]["spec"]
    ends = settings.drain_seconds + settings.shutdown_seconds
    assert spec["terminationGracePeriodSeconds"] >= ends + 10
    # Its readiness has to be seen in time, or the drain is for nothing.
    probe = containers(role)[0]["readinessProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] < settings.drain_seconds


@by_role
def test_probes_ask_the_right_questions(role: str) -> None:
    [container] = containers(role)
    assert container["startupProbe"]["httpGet"]["path"] == "/healthz"
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    start = container["startupProbe"]
    assert start["periodSeconds"] * start["failureThreshold"] > 30  # `serve --wait`


@by_role
def test_whoever_selects_pods_finds_them(role: str) -> None:
    labels = pods()[role]["metadata"]["labels"]
    deployment = of_kind("Deployment")[role]["spec"]
    assert deployment["selector"]["matchLabels"] == labels
    assert of_kind("Service")[role]["spec"]["selector"] == labels
    assert of_kind("PodDisruptionBudget")[role]["spec"]["selector"]["matchLabels"] == labels
    everybody = of_kind("NetworkPolicy")["scoreboard"]["spec"]["podSelector"]["matchLabels"]
    assert everybody.items() <= labels.items()
    assert everybody.items() <= pods()["migrate"]["metadata"]["labels"].items()
    scaled = of_kind("HorizontalPodAutoscaler")[role]["spec"]
    assert scaled["scaleTargetRef"]["name"] == role
    assert "replicas" not in deployment  # or each apply would undo what the autoscaler did


def test_streams_are_scaled_by_a_metric_that_exists() -> None:
    from scoreboard.operations.metrics import Metrics

    [metric] = of_kind("HorizontalPodAutoscaler")["stream"]["spec"]["metrics"]
    name = metric["pods"]["metric"]["name"]
    assert Metrics().registry.get_sample_value(name) is not None
    target = int(metric["pods"]["target"]["averageValue"])
    assert target < load({}).subscribers_max


def policy(name: str) -> dict[str, Any]:
    spec: dict[str, Any] = of_kind("NetworkPolicy")[name]["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]  # both, or one side would be open
    return spec


def ports(rules: list[dict[str, Any]]) -> list[int]:
    return sorted({port["port"] for rule in rules for port in rule["ports"]})


def test_what_is_not_said_may_not_speak_to_anybody() -> None:
    nobody = policy("nobody")
    assert nobody["podSelector"] == {}
    assert "ingress" not in nobody
    assert "egress" not in nobody


def test_the_job_reaches_postgresql_alone_and_is_reached_by_nobody() -> None:
    everybody = policy("scoreboard")
    assert "ingress" not in everybody
    assert ports(everybody["egress"]) == [53, 5432]
    instances = policy("instances")["podSelector"]
    [only] = instances["matchExpressions"]
    assert (only["key"], only["operator"]) == ("app.kubernetes.io/component", "In")
    assert only["values"] == list(ROLES)
    assert instances["matchLabels"] == everybody["podSelector"]["matchLabels"]


def test_instances_are_reached_by_the_controller_and_prometheus_and_reach_their_servers() -> None:
    instances = policy("instances")
    [ingress] = instances["ingress"]
    assert ports([ingress]) == [8080]
    assert ports(instances["egress"]) == [4318, 5672, 6379]
    for rule in (*instances["ingress"], *instances["egress"], *policy("scoreboard")["egress"]):
        assert rule.get("from") or rule.get("to")  # without, it is everybody
    for peer in ingress["from"]:
        assert peer["podSelector"]["matchLabels"]
        assert peer["namespaceSelector"]["matchLabels"]
    blocks = [peer["ipBlock"]["cidr"] for rule in instances["egress"] for peer in rule["to"][1:]]
    assert all(ip_network(block).is_private for block in blocks)


@pytest.mark.parametrize("name", ROLES)
def test_nobody_is_believed_until_the_operator_says_whom(name: str, secrets: Path) -> None:
    assert settings_of(name, secrets).trusted_proxies == ()


# Of ingress-nginx, controller 1.15: docs/user-guide/nginx-configuration.
ANNOTATIONS = {
    "limit-connections",
    "proxy-body-size",
    "proxy-buffering",
    "proxy-connect-timeout",
    "proxy-max-temp-file-size",
    "proxy-next-upstream",
    "proxy-next-upstream-timeout",
    "proxy-next-upstream-tries",
    "proxy-read-timeout",
    "proxy-send-timeout",
    "ssl-redirect",
}
CONTROLLER = {
    "allow-snippet-annotations",
    "client-body-timeout",
    "client-header-buffer-size",
    "client-header-timeout",
    "compute-full-forwarded-for",
    "hsts",
    "hsts-include-subdomains",
    "http2-max-concurrent-streams",
    "keep-alive",
    "large-client-header-buffers",
    "limit-conn-status-code",
    "proxy-set-headers",
    "retry-non-idempotent",
    "server-tokens",
    "use-forwarded-headers",
}


@by_role
def test_strangers_are_bounded_at_the_ingress_and_nothing_is_made_twice(role: str) -> None:
    prefix = "nginx.ingress.kubernetes.io/"
    given = of_kind("Ingress")[role]["metadata"]["annotations"]
    told = {name.removeprefix(prefix): value for name, value in given.items()}
    assert told.keys() <= ANNOTATIONS
    assert all(isinstance(value, str) for value in told.values())
    assert told["proxy-next-upstream"] == "error timeout"
    assert told["limit-connections"] == "100"
    assert told["proxy-body-size"] == ("64k" if role == "stream" else "320k")
    assert (told.get("proxy-buffering") == "off") == (role == "stream")
    heartbeats = float(told["proxy-read-timeout"]) / load({}).heartbeat_seconds
    assert (heartbeats > 4) == (role == "stream")


def test_the_controller_is_told_what_an_ingress_cannot_say() -> None:
    folder = DIRECTORY / "ingress-nginx"
    headers = yaml.safe_load((folder / "headers.yaml").read_text("utf-8"))
    kubernetes_validate.validate(headers, "1.37", strict=True)
    assert {"traceparent", "tracestate", "baggage"} <= headers["data"].keys()
    assert set(headers["data"].values()) == {""}  # which takes a field out

    patch = yaml.safe_load((folder / "patch.yaml").read_text("utf-8"))
    assert patch.keys() == {"data"}
    told = patch["data"]
    assert told.keys() <= CONTROLLER
    assert all(isinstance(value, str) for value in told.values())
    named = f"{headers['metadata']['namespace']}/{headers['metadata']['name']}"
    assert told["proxy-set-headers"] == named
    nginx = (DOCKER / "nginx" / "nginx.conf").read_text("utf-8")
    assert f"large_client_header_buffers {told['large-client-header-buffers']};" in nginx
    for name in ("client-header-timeout", "client-body-timeout"):
        assert f"{name.replace('-', '_')} {told[name]}s;" in nginx
    removed = re.findall(r'proxy_set_header (\S+) "";', nginx)
    ours = {"Connection", "Proxy", "X-Real-IP"}  # the controller writes these itself
    ours |= {f"X-Forwarded-{name}" for name in ("Host", "Port", "Server")}
    assert set(removed) - ours <= headers["data"].keys()


def paths_of(name: str) -> dict[str, tuple[str, str]]:
    """The service and the way of comparing, by path."""
    [rule] = of_kind("Ingress")[name]["spec"]["rules"]
    return {
        path["path"]: (path["backend"]["service"]["name"], path["pathType"])
        for path in rule["http"]["paths"]
    }


def test_the_ingress_leads_streams_to_stream_pods_and_hides_what_operators_ask() -> None:
    assert paths_of("stream") == {
        "/api/leaderboard/stream": ("stream", "Exact"),
        "/api/scoreboard/stream": ("stream", "Exact"),
        "/api/me/stream": ("stream", "Exact"),
        "/api/boards": ("stream", "Prefix"),
    }
    api = paths_of("api")
    assert {service for service, _ in api.values()} == {"api"}
    assert api.pop("/") == ("api", "Exact")
    assert not any(path.startswith(tuple(api)) for path in ("/metrics", "/healthz", "/readyz"))


def test_every_public_path_is_in_the_ingress() -> None:
    from scoreboard.app import create_app

    app = create_app(load({}, database_url="postgresql://localhost", redis_url="redis://localhost"))
    public = {route.resource.canonical for route in app.router.routes() if route.resource}
    public -= {"/metrics", "/healthz", "/readyz"}
    paths = {path: how for path, (_, how) in paths_of("api").items()}
    prefixes = tuple(path for path, how in paths.items() if how == "Prefix")
    exact = {path for path, how in paths.items() if how == "Exact"}
    assert [path for path in public - exact if not path.startswith(prefixes)] == []
