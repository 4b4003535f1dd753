"""The official Kubernetes client through the gateway, against a stand-in for the API server."""
import kubernetes
import pytest
from kubernetes.client.rest import ApiException

from upstreams.kubernetes import Cluster


def api(url, token="token-one", kind=kubernetes.client.CoreV1Api):
    configuration = kubernetes.client.Configuration(host=url)
    configuration.api_key = {"authorization": f"Bearer {token}"}
    configuration.retries = False
    return kind(kubernetes.client.ApiClient(configuration))


@pytest.fixture
def cluster():
    return Cluster()


@pytest.fixture
def origin(origins, cluster):
    return origins(cluster.answer)


@pytest.fixture
def url(home, origin):
    return home.serve(kubernetes=origin.url).url + "/kubernetes"


READS = {
    "pod": lambda a: a.read_namespaced_pod("web-1", "default"),
    "pods": lambda a: a.list_namespaced_pod("default"),
    "log": lambda a: a.read_namespaced_pod_log("web-1", "default"),
    "services": lambda a: a.list_namespaced_service("default"),
    "nodes": lambda a: a.list_node(),
    "namespaces": lambda a: a.list_namespace(),
}


@pytest.mark.parametrize("name", READS)
def test_second_read_is_answered_from_the_store(name, url, origin):
    core = api(url)
    first, second = (READS[name](core) for _ in range(2))
    assert first == second and len(origin.calls) == 1


def test_deployments(url, origin):
    apps = api(url, kind=kubernetes.client.AppsV1Api)
    for _ in range(2):
        apps.list_namespaced_deployment("default")
    assert len(origin.calls) == 1


def test_selectors_and_limits_are_in_the_key(url, origin):
    core = api(url)
    for more in ({}, {"label_selector": "app=web"}, {"limit": 1}, {}):
        core.list_namespaced_pod("default", **more)
    assert len(origin.calls) == 3


def test_watch_passes_through(url, origin):
    core = api(url)
    core.list_namespaced_pod("default")
    for _ in range(2):
        events = list(kubernetes.watch.Watch().stream(core.list_namespaced_pod, "default", timeout_seconds=1, _request_timeout=5))
        assert events[0]["object"].metadata.name == "web-1"
    assert len(origin.targets("watch=")) >= 2


def test_following_a_log_passes_through(url, origin):
    core = api(url)
    for _ in range(2):
        core.read_namespaced_pod_log("web-1", "default", follow=True)
    assert len(origin.calls) == 2


def test_a_write_makes_reads_stale(url, origin):
    core = api(url)
    assert len(core.list_namespaced_pod("default").items) == 1
    pod = core.read_namespaced_pod("web-1", "default")
    body = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "web-2"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    core.create_namespaced_pod("default", body)
    assert len(core.list_namespaced_pod("default").items) == 2
    core.patch_namespaced_pod("web-1", "default", {"metadata": {"labels": {"a": "b"}}})
    assert core.read_namespaced_pod("web-1", "default").metadata.resource_version != pod.metadata.resource_version
    core.delete_namespaced_pod("web-1", "default")
    with pytest.raises(ApiException) as error:
        core.read_namespaced_pod("web-1", "default")
    assert error.value.status == 404
    assert [p.metadata.name for p in core.list_namespaced_pod("default").items] == ["web-2"]


def test_not_found_is_not_kept(url, origin, cluster):
    core = api(url)
    with pytest.raises(ApiException):
        core.read_namespaced_pod("late", "default")
    cluster.put("late")
    assert core.read_namespaced_pod("late", "default").metadata.name == "late"


def test_two_tokens_and_two_clusters_share_nothing(home, origins):
    one, two = origins(Cluster("one").answer), origins(Cluster("two").answer)
    for origin, token, uid in ((one, "a", "u-one-web-1"), (two, "a", "u-two-web-1"), (one, "b", "u-one-web-1"), (one, "a", "u-one-web-1"), (two, "a", "u-two-web-1")):
        gateway = home.serve(kubernetes=origin.url)
        assert api(f"{gateway.url}/kubernetes", token).read_namespaced_pod("web-1", "default").metadata.uid == uid
        gateway.stop()
    assert (len(one.calls), len(two.calls)) == (2, 1)


def test_accept_chooses_the_form(url, origin):
    from support.raw import request
    for accept in ("application/json", "application/json;as=Table;v=v1;g=meta.k8s.io", "application/json"):
        request(f"{url}/api/v1/namespaces/default/pods", headers={"accept": accept, "authorization": "Bearer t"})
    assert len(origin.calls) == 2


def test_what_was_read_is_listed(home, url):
    api(url).read_namespaced_pod("web-1", "default")
    home.settle()
    keys = [e for e in home.json("ls", "--service", "kubernetes")["entries"] if e["operation"] == "pod_status"]
    assert len(keys) == 1
