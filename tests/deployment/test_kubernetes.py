"""docker/kubernetes/: every object is valid, and they fit together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from scoreboard import __version__
from scoreboard.configuration import load, require_servers
from scoreboard.settings import Settings
from tests.deployment.files import DOCKER, make_secrets, manifests, of_kind

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
    here = {key: text.replace(SECRETS, str(secrets)) for key, text in environment.items()}
    return load(here)


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("secrets")
    make_secrets(directory)
    return directory / "scoreboard"


@pytest.mark.parametrize("name", [*ROLES, "migrate"])
def test_pods_start_with_what_they_are_given(name: str, secrets: Path) -> None:
    settings = settings_of(name, secrets)
    require_servers(settings)
    if name in ROLES:
        assert (settings.role, settings.instance) == (name, "a-pod")


@pytest.mark.parametrize("name", [*ROLES, "migrate"])
def test_pods_are_as_tightly_bound_as_the_namespace_asks(name: str) -> None:
    spec = pods()[name]["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
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
    prefixes = tuple(path for path, (_, how) in paths_of("api").items() if how == "Prefix")
    assert [path for path in public if path != "/" and not path.startswith(prefixes)] == []
