"""A stand-in for api.github.com as far as `gh` asks it in these tests: the queries' names tell what is meant."""
import json
import re

from support.origin import json_reply

REPOSITORY = {
    "id": "R_1", "name": "hello", "nameWithOwner": "acme/hello", "owner": {"id": "O_1", "login": "acme"}, "description": "a small repository",
    "url": "https://github.com/acme/hello", "isPrivate": False, "isFork": False, "isArchived": False, "visibility": "PUBLIC",
    "pushedAt": "2026-11-01T10:00:00Z", "createdAt": "2026-01-01T10:00:00Z", "updatedAt": "2026-11-01T10:00:00Z", "stargazerCount": 7,
    "defaultBranchRef": {"name": "main"}, "hasIssuesEnabled": True, "hasWikiEnabled": False, "viewerPermission": "READ",
    "mergeCommitAllowed": True, "rebaseMergeAllowed": True, "squashMergeAllowed": True, "parent": None,
}
PULL = {
    "id": "PR_1", "number": 11, "title": "Keep the second answer", "state": "OPEN", "url": "https://github.com/acme/hello/pull/11",
    "headRefName": "second", "headRepositoryOwner": {"id": "O_1", "login": "acme"}, "isCrossRepository": False, "isDraft": False,
    "createdAt": "2026-11-02T10:00:00Z", "updatedAt": "2026-11-02T10:00:00Z",
}
ISSUE = {
    "id": "I_1", "number": 5, "title": "Asked twice, paid twice", "state": "OPEN", "url": "https://github.com/acme/hello/issues/5",
    "updatedAt": "2026-11-02T10:00:00Z", "labels": {"nodes": [], "totalCount": 0},
}
RUN = {
    "id": 77, "workflow_id": 3, "name": "ci", "display_title": "ci on main", "head_branch": "main", "head_sha": "a" * 40, "event": "push", "status": "completed",
    "conclusion": "success", "run_number": 1, "run_attempt": 1, "created_at": "2026-11-02T10:00:00Z", "updated_at": "2026-11-02T10:01:00Z",
    "run_started_at": "2026-11-02T10:00:00Z", "html_url": "https://github.com/acme/hello/actions/runs/77", "url": "https://api.github.com/repos/acme/hello/actions/runs/77",
    "jobs_url": "https://api.github.com/repos/acme/hello/actions/runs/77/jobs", "head_commit": {"message": "first"},
    "head_repository": {"name": "hello", "owner": {"login": "acme"}}, "repository": {"name": "hello", "owner": {"login": "acme"}},
}
WORKFLOW = {"id": 3, "name": "ci", "path": ".github/workflows/ci.yml", "state": "active"}


def page(**more):
    return {"totalCount": 1, "pageInfo": {"hasNextPage": False, "endCursor": ""}, **more}


def graphql(call):
    asked = json.loads(call.body)
    text = asked["query"]
    if "mutation" in text.split("{")[0]:
        return {"createIssue": {"issue": {"id": "I_2", "url": "https://github.com/acme/hello/issues/6"}}}
    if "RepositoryList" in text:
        return {"repositoryOwner": {"login": "acme", "repositories": page(nodes=[REPOSITORY])}}
    if "PullRequestList" in text:
        return {"repository": {**REPOSITORY, "pullRequests": page(nodes=[PULL])}}
    if "IssueList" in text:
        return {"repository": {**REPOSITORY, "issues": page(nodes=[ISSUE])}}
    if "IssueByNumber" in text or "PullRequestByNumber" in text:
        return {"repository": {**REPOSITORY, "hasIssuesEnabled": True, "issue": {**ISSUE, "__typename": "Issue"}, "pullRequest": PULL, "issueOrPullRequest": {**ISSUE, "__typename": "Issue"}}}
    if "__type" in text or "_fields" in text:
        return {}
    return {"repository": REPOSITORY, "viewer": {"login": "alice"}}


REST = {
    r"/repos/acme/hello/actions/runs(\?.*)?": {"total_count": 1, "workflow_runs": [RUN]},
    r"/repos/acme/hello/actions/runs/77(\?.*)?": RUN,
    r"/repos/acme/hello/actions/runs/77/jobs(\?.*)?": {"total_count": 0, "jobs": []},
    r"/repos/acme/hello/actions/runs/77/artifacts(\?.*)?": {"total_count": 0, "artifacts": []},
    r"/repos/acme/hello/actions/workflows/3(\?.*)?": WORKFLOW,
    r"/repos/acme/hello/actions/workflows(\?.*)?": {"total_count": 1, "workflows": [WORKFLOW]},
    r"/repos/acme/hello(\?.*)?": {**REPOSITORY, "full_name": "acme/hello"},
    r"/user": {"login": "alice"},
}


def answer(call):
    """What GitHub would say; a token that begins with `bad` is refused."""
    if "bad" in (call.header("authorization") or ""):
        return json_reply('{"message":"Bad credentials"}', 401)
    if call.target.endswith("/graphql"):
        return json_reply(json.dumps({"data": graphql(call)}))
    path = re.sub(r"^/api/v3", "", call.target)
    found = next((body for pattern, body in REST.items() if re.fullmatch(pattern, path)), None)
    if found is None:
        return json_reply('{"message":"Not Found"}', 404)
    return json_reply(json.dumps(found), etag='"e1"')
