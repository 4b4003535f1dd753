"""The real `gh` under the runner, and through the gateway, against a stand-in for GitHub on a unix socket."""
import os
import shutil
import subprocess

import pytest

from upstreams import github

CASES = {
    "repo list": ["repo", "list", "acme"],
    "repo view": ["repo", "view", "acme/hello"],
    "repo view --json": ["repo", "view", "acme/hello", "--json", "name,url"],
    "pr list": ["pr", "list", "-R", "acme/hello"],
    "pr list --json": ["pr", "list", "-R", "acme/hello", "--json", "number,title"],
    "issue list": ["issue", "list", "--repo", "acme/hello", "--state", "open"],
    "issue view": ["issue", "view", "5", "--repo=acme/hello", "--json", "title"],
    "run list": ["run", "list", "-R", "acme/hello", "-L", "5"],
    "run view": ["run", "view", "77", "-R", "acme/hello"],
    "workflow list": ["workflow", "list", "-R", "acme/hello"],
}


class Gh:
    """`gh` of one user, with its requests going to `socket`."""

    def __init__(self, home, socket):
        self.home, self.env = home, {"GH_TOKEN": "ghp_FAKE", "GH_CONFIG_DIR": str(home.folder / "gh"), "GH_NO_UPDATE_NOTIFIER": "1"}
        self.program = shutil.which("gh")
        assert self.program, "gh is not on PATH"
        self.direct("config", "set", "http_unix_socket", str(socket))

    def direct(self, *words, **env):
        return self.go([self.program, *words], env)

    def cached(self, *words, before=(), **env):
        return self.go([self.home.binary, "run", *before, "--", "gh", *words], env)

    def go(self, command, env):
        return subprocess.run(command, env={**self.home.env, **self.env, **env}, cwd=self.home.work, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)


@pytest.fixture
def hub(home, origins):
    return origins(github.answer, path=str(home.folder / "gh.sock"))


@pytest.fixture
def gh(home, hub):
    return Gh(home, hub.path)


@pytest.mark.parametrize("name", CASES)
def test_second_call_asks_nobody(name, gh, hub):
    plain = gh.direct(*CASES[name])
    assert plain.returncode == 0, plain.stderr
    asked = len(hub.calls)
    first, second = gh.cached(*CASES[name]), gh.cached(*CASES[name])
    assert len(hub.calls) == 2 * asked
    for run in (first, second):
        assert (run.returncode, run.stdout, run.stderr) == (plain.returncode, plain.stdout, plain.stderr)


@pytest.mark.parametrize("words", [["api", "user", "-X", "GET"], ["auth", "token"], ["repo", "list", "acme", "--no-such-flag"], ["no-such-command"], ["--version"],
                                   ["issue", "create", "-R", "acme/hello", "-t", "x", "-b", "y"]], ids=" ".join)
def test_what_no_rule_knows_runs_every_time(words, gh, hub):
    plain = gh.direct(*words)
    asked = len(hub.calls)
    for n in (2, 3):
        run = gh.cached(*words)
        assert (run.returncode, run.stdout, run.stderr) == (plain.returncode, plain.stdout, plain.stderr)
        assert len(hub.calls) == n * asked


def test_nothing_of_a_token_is_kept(gh, home):
    assert gh.cached("auth", "token").stdout == "ghp_FAKE\n"
    assert not any(b"ghp_FAKE" in p.read_bytes() for p in home.store.rglob("*") if p.is_file())


def test_two_tokens_are_two_questions(gh, hub):
    for token in ("ghp_one", "ghp_two", "ghp_one", "ghp_two"):
        gh.cached("repo", "list", "acme", GH_TOKEN=token)
    assert [c.header("authorization") for c in hub.calls] == ["token ghp_one", "token ghp_two"]


def test_a_token_in_the_config_file_counts_too(gh, home, hub):
    hosts = home.folder / "gh" / "hosts.yml"
    del gh.env["GH_TOKEN"]
    for token in ("one", "two", "one"):
        hosts.write_text(f"github.com:\n    oauth_token: {token}\n    user: alice\n    git_protocol: https\n")
        os.chmod(hosts, 0o600)
        gh.cached("repo", "list", "acme")
    assert [c.header("authorization") for c in hub.calls] in (["token one", "token two"], ["token one", "token two", "token one"])


def test_a_refused_token_is_not_remembered(gh, hub):
    for _ in range(2):
        run = gh.cached("repo", "list", "acme", GH_TOKEN="bad")
        assert run.returncode != 0 and "401" in run.stderr + run.stdout
    assert len(hub.calls) >= 2


def test_a_write_makes_lists_stale(gh, hub):
    lists = lambda: len([c for c in hub.calls if b"query IssueList" in c.body])  # noqa: E731
    for _ in range(2):
        gh.cached("issue", "list", "-R", "acme/hello")
    assert lists() == 1
    assert gh.cached("issue", "create", "-R", "acme/hello", "-t", "x", "-b", "y").returncode == 0
    gh.cached("issue", "list", "-R", "acme/hello")
    assert lists() == 2


def test_flags_and_arguments_are_in_the_key(gh, hub):
    for words in (["acme"], ["acme", "-L", "3"], ["acme", "--json", "name"], ["acme", "--json", "url"], ["acme"]):
        gh.cached("repo", "list", *words)
    assert len(hub.calls) == 4


def test_the_repository_of_the_working_directory_matters(gh, home, hub):
    for name in ("hello", "hello2"):
        folder = home.folder / name
        subprocess.run(["git", "init", "-q", folder], check=True, env=home.env)
        subprocess.run(["git", "-C", folder, "remote", "add", "origin", f"https://github.com/acme/{name}.git"], check=True, env=home.env)
        home.work = folder
        gh.cached("pr", "list")
    asked = [c.body for c in hub.calls if b"PullRequestList" in c.body]
    assert len(asked) == 2 and b'"hello2"' in asked[1]


def test_counted_under_its_operation(gh, home):
    for _ in range(2):
        gh.cached("repo", "list", "acme")
    operations = home.json("stats")["services"]["gh"]["operations"]
    assert (operations["repo_list"]["hits"], operations["repo_list"]["misses"]) == (1, 1)


def test_through_the_gateways_socket(homes, origins):
    origin, home = origins(github.answer), homes("through")
    path = home.folder / "gw.sock"
    home.serve(listen=[f"unix:{path}=github"], github=origin.url)
    gh = Gh(home, path)
    for n in (1, 2):
        run = gh.direct("repo", "list", "acme")
        assert run.returncode == 0 and run.stdout.startswith("acme/hello"), run.stderr
        assert len(origin.calls) == n, "POST /graphql passes through"
