"""A stand-in for the Hugging Face Hub: resolve with ETag and commit, LFS behind a redirect to another host, tree, ranges, 304."""
import hashlib
import json
import urllib.parse

from support.origin import Reply, json_reply

COMMIT = "30d1fa17356c2e155f95ae344f503281f7f9cb5a"


class Hub:
    """One repository; `files` by name, those that end in `.safetensors` are LFS."""

    def __init__(self):
        self.commit, self.port = COMMIT, None
        self.files = {"config.json": b'{"model_type": "tiny"}', "README.md": b"# tiny\n", "model.safetensors": bytes(range(256)) * 2000}

    def is_lfs(self, name):
        return name.endswith(".safetensors")

    def oid(self, name):
        data = self.files[name]
        return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()

    def sha256(self, name):
        return hashlib.sha256(self.files[name]).hexdigest()

    def answer(self, call):
        url = urllib.parse.urlparse(call.target)
        parts = url.path.strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            return self.api(parts[2:])
        if parts[0] == "cdn":
            return self.blob(call, next(f for f in self.files if self.sha256(f) == parts[1]), [])
        if len(parts) > 4 and parts[2] == "resolve":
            return self.resolve(call, "/".join(parts[4:]))
        return json_reply('{"error":"not found"}', 404)

    def api(self, parts):
        if not parts:
            return json_reply(json.dumps([self.info("acme/tiny")]))
        if "tree" in parts:
            return json_reply(json.dumps([self.entry(f) for f in sorted(self.files)]))
        if parts[:2] != ["acme", "tiny"]:
            return json_reply('{"error":"Repository not found"}', 404, X_Error_Code="RepoNotFound")
        return json_reply(json.dumps(self.info("/".join(parts[:2]))))

    def info(self, name):
        siblings = [{"rfilename": f} for f in sorted(self.files)]
        return {"_id": "1", "id": name, "modelId": name, "sha": self.commit, "private": False, "gated": False, "disabled": False,
                "downloads": 0, "likes": 0, "tags": [], "siblings": siblings}

    def entry(self, name):
        found = {"type": "file", "oid": self.oid(name), "size": len(self.files[name]), "path": name}
        if self.is_lfs(name):
            found["lfs"] = {"oid": self.sha256(name), "size": len(self.files[name]), "pointerSize": 134}
        return found

    def resolve(self, call, name):
        commit = ("X-Repo-Commit", self.commit)
        if name not in self.files:
            return Reply(404, [("X-Error-Code", "EntryNotFound"), commit], b"Entry not found")
        if not self.is_lfs(name):
            return self.blob(call, name, [commit, ("ETag", f'"{self.oid(name)}"')])
        digest = self.sha256(name)
        headers = [("Location", f"http://localhost:{self.port}/cdn/{digest}?Expires=1&Signature=canary-signature"), commit,
                   ("X-Linked-Size", str(len(self.files[name]))), ("X-Linked-Etag", f'"{digest}"'), ("ETag", f'"{digest[:32]}"')]
        return Reply(302, headers, b"Found")

    def blob(self, call, name, headers):
        data = self.files[name]
        etag = dict(headers).get("ETag")
        if etag and etag in (call.header("if-none-match") or ""):
            return Reply(304, headers, b"")
        if wanted := call.header("range"):
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            first, last = int(first), int(last) if last else len(data) - 1
            return Reply(206, [*headers, ("Content-Range", f"bytes {first}-{last}/{len(data)}")], data[first:last + 1])
        return Reply(200, [*headers, ("Accept-Ranges", "bytes")], data)
