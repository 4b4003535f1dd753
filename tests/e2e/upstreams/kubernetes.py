"""A stand-in for the Kubernetes API as far as these tests ask it: the same headers, no ETags, a watch that streams."""
import json
import time

from support.origin import Reply

NAMESPACES = "/api/v1/namespaces"


class Cluster:
    """Pods and deployments by name; every write moves the resource version."""

    def __init__(self, name="one"):
        self.name, self.version, self.pods = name, 100, {}
        self.put("web-1")

    def put(self, name):
        self.version += 1
        self.pods[name] = {
            "kind": "Pod", "apiVersion": "v1",
            "metadata": {"name": name, "namespace": "default", "uid": f"u-{self.name}-{name}", "resourceVersion": str(self.version)},
            "spec": {"containers": [{"name": "c", "image": "i"}]},
            "status": {"phase": "Running", "podIP": "10.0.0.1"},
        }
        return self.pods[name]

    def listing(self, kind, items):
        return {"kind": kind, "apiVersion": "v1", "metadata": {"resourceVersion": str(self.version)}, "items": items}

    def say(self, document, status=200):
        headers = [("cache-control", "no-cache, private"), ("content-type", "application/json")]
        return Reply(status, headers, json.dumps(document).encode())

    def not_found(self):
        return self.say({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "message": "not found", "code": 404}, 404)

    def watch(self):
        for pod in list(self.pods.values()):
            yield json.dumps({"type": "ADDED", "object": pod}).encode() + b"\n"
            time.sleep(0.02)

    def answer(self, call):
        path, _, query = call.target.partition("?")
        if "watch=true" in query.lower():
            return Reply(200, [("cache-control", "no-cache, private"), ("content-type", "application/json")], self.watch())
        if path == f"{NAMESPACES}/default/pods":
            if call.method == "POST":
                return self.say(self.put(json.loads(call.body)["metadata"]["name"]), 201)
            return self.say(self.listing("PodList", list(self.pods.values())))
        if path.startswith(f"{NAMESPACES}/default/pods/"):
            return self.pod(call, path.split("/")[6:])
        kinds = {"services": "ServiceList", "configmaps": "ConfigMapList", "secrets": "SecretList"}
        if path.startswith(f"{NAMESPACES}/default/") and path.rsplit("/", 1)[1] in kinds:
            return self.say(self.listing(kinds[path.rsplit("/", 1)[1]], []))
        tops = {NAMESPACES: "NamespaceList", "/api/v1/nodes": "NodeList", "/apis/apps/v1/namespaces/default/deployments": "DeploymentList"}
        return self.say(self.listing(tops[path], [])) if path in tops else self.not_found()

    def pod(self, call, rest):
        name = rest[0]
        if name not in self.pods:
            return self.not_found()
        if rest[1:] == ["log"]:
            return Reply(200, [("content-type", "text/plain"), ("cache-control", "no-cache, private")], b"a line\n")
        if call.method == "DELETE":
            return self.say(self.pods.pop(name))
        return self.say(self.put(name) if call.method in ("PUT", "PATCH") else self.pods[name])
