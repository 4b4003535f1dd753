"""`--upstream NAME=URL` for a name without an adapter: a plain caching reverse proxy."""
import time

import pytest

from support.origin import Reply


def page(body=b"page", status=200, **headers):
    return Reply(status, [(n.replace("_", "-"), v) for n, v in headers.items()], body)


@pytest.fixture
def proxy(home, origins):
    """A gateway before an origin that answers by this function; (gateway, origin)."""
    def make(answer):
        origin = origins(answer)
        return home.serve(site=origin.url + "/base"), origin
    return make


@pytest.mark.parametrize("control,calls", [("max-age=60", 1), ("public, max-age=60", 1), ("private, max-age=60", 2), ("no-store", 2), ("no-store, max-age=60", 2),
                                           ("max-age=0", 2), (None, 2), ("garbage", 2)])
def test_cache_control(control, calls, proxy):
    gateway, origin = proxy(lambda call: page(**({"cache_control": control} if control else {})))
    first, second = (gateway.get("/site/a?b=1") for _ in range(2))
    assert first.same_as(second) or calls == 2
    assert first.body == second.body == b"page"
    assert len(origin.calls) == calls
    assert origin.calls[0].target == "/base/a?b=1"


def test_private_is_kept_for_its_credential_alone(proxy):
    gateway, origin = proxy(lambda call: page(call.header("authorization").encode(), cache_control="private, max-age=60"))
    for _ in range(2):
        for token in (b"one", b"two"):
            assert gateway.get("/site/a", headers={"authorization": token.decode()}).body == token
    assert len(origin.calls) == 2


CALLERS = ["Passphrase", "X-Bearer", "Authorization-2", "X-Api-Token-V2", "X-Tokens", "X-Api-Keys", "X-Sign", "X-Session", "X-Metabase-Session", "Mcp-Session-Id", "X-SessionKey",
           "X-Creds", "X-Passkey", "DPoP", "X-JFrog-Art-Api", "X-Impersonate", "X-SSL-Client-S-DN", "X-Remote-Group", "X-Hasura-Role", "X-TenantId", "X-ARR-ClientCert", "From"]


@pytest.mark.parametrize("name", CALLERS)
def test_callers_who_are_told_apart_by_a_header_have_their_own_answers(name, proxy):
    gateway, origin = proxy(lambda call: page(call.header(name.lower()).encode(), cache_control="max-age=60"))
    for _ in range(2):
        for who in ("alice", "bob"):
            assert gateway.get("/site/a", headers={name: who}).body == who.encode()
    assert len(origin.calls) == 2, "and they are kept for them"


@pytest.mark.parametrize("query", ["project_key=x", "code=US", "page=1"])
def test_a_doubtful_name_lifts_no_private(query, proxy):
    gateway, origin = proxy(lambda call: page(call.header("x-nobody-knows").encode(), cache_control="private, max-age=60"))
    for who in ("alice", "bob", "alice"):
        assert gateway.get(f"/site/a?{query}", headers={"x-nobody-knows": who, "client-id": "app"}).body == who.encode()


@pytest.mark.parametrize("one, other", [("url=https://h/?token=x&url", "url&url=https://h/?token=x"), ("a;url=//u:p@h/&a;url", "a;url&a;url=//u:p@h/"), ("token=a;b=1", "token=a;b=2")])
def test_what_is_cut_out_of_the_target_keeps_its_place(one, other, proxy):
    gateway, _origin = proxy(lambda call: page(call.target.encode(), cache_control="max-age=60"))
    assert gateway.get(f"/site/a?{one}").body != gateway.get(f"/site/a?{other}").body


def test_query_and_path_are_the_key_as_they_are(proxy):
    gateway, origin = proxy(lambda call: page(call.target.encode(), cache_control="max-age=60"))
    targets = ["/a", "/a?", "/a?x=1", "/a?x=2", "/a?x=1&x=2", "/a?x=2&x=1", "/A", "/a/", "/a%2fb", "/a/b", "/a%20b", "/a+b"]
    got = [gateway.get("/site" + t).body.decode().removeprefix("/base") for t in [*targets, *targets]]
    assert got[:len(targets)] == got[len(targets):]
    assert len({t for t in got}) >= len(targets) - 1


def test_vary(proxy):
    gateway, origin = proxy(lambda call: page((call.header("accept-language") or "none").encode(), cache_control="max-age=60", vary="Accept-Language"))
    said = [gateway.get("/site/a", headers={"accept-language": language}).body for language in ("de", "en", "de", "en")]
    assert said == [b"de", b"en", b"de", b"en"] and len(origin.calls) == 2
    assert gateway.get("/site/a").body == b"none" and len(origin.calls) == 3


@pytest.mark.parametrize("vary", ["*", "Accept, *"])
def test_vary_star_is_never_kept(vary, proxy):
    gateway, origin = proxy(lambda call: page(cache_control="max-age=60", vary=vary))
    for _ in range(2):
        gateway.get("/site/a")
    assert len(origin.calls) == 2


def test_authorization_separates(proxy):
    gateway, origin = proxy(lambda call: page((call.header("authorization") or "nobody").encode(), cache_control="max-age=60"))
    headers = [{"authorization": "Bearer one"}, {"authorization": "Bearer two"}, {}]
    for _ in range(2):
        assert [gateway.get("/site/a", headers=h).body for h in headers] == [b"Bearer one", b"Bearer two", b"nobody"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_other_methods_pass_through(method, proxy):
    from support.raw import request
    gateway, origin = proxy(lambda call: page(call.body, cache_control="max-age=60"))
    for _ in range(2):
        got = request(f"{gateway.url}/site/a", method, b"some bytes", {"content-type": "text/plain"})
        assert got.status == 200 and got.body == b"some bytes"
    assert len(origin.calls) == 2


def test_head(proxy):
    from support.raw import request
    gateway, origin = proxy(lambda call: page(b"x" * 10, cache_control="max-age=60"))
    for _ in range(2):
        got = request(f"{gateway.url}/site/a", "HEAD")
        assert got.status == 200 and got.body == b"" and got.header("content-length") == "10"
    assert gateway.get("/site/a").body == b"x" * 10, "a HEAD's emptiness is not a page"


def test_stale_is_revalidated(proxy):
    def answer(call):
        if call.header("if-none-match") == '"v1"':
            return page(b"", 304, etag='"v1"', cache_control="max-age=1")
        return page(b"page", etag='"v1"', cache_control="max-age=1")
    gateway, origin = proxy(answer)
    first = gateway.get("/site/a")
    time.sleep(1.3)
    second = gateway.get("/site/a")
    assert (second.status, second.body) == (200, first.body)
    assert [c.status for c in origin.calls] == [200, 304]


@pytest.mark.parametrize("more,served", [("stale-if-error=60", True), ("must-revalidate", False), ("stale-if-error=60, must-revalidate", False)])
def test_stale_while_the_origin_is_down(more, served, proxy):
    gateway, origin = proxy(lambda call: page(cache_control=f"max-age=1, {more}"))
    gateway.get("/site/a")
    time.sleep(2.2)
    origin.stop()
    got = gateway.get("/site/a")
    assert (got.status, got.body) == (200, b"page") if served else got.status in (502, 504)


def test_a_clients_own_condition(proxy):
    def answer(call):
        return page(b"", 304, etag='"v1"') if call.header("if-none-match") == '"v1"' else page(b"page", etag='"v1"', cache_control="max-age=60")
    gateway, _ = proxy(answer)
    for _ in range(2):
        got = gateway.get("/site/a", headers={"if-none-match": '"v1"'})
        assert (got.status, got.body) == (304, b"")
        assert gateway.get("/site/a").body == b"page"


@pytest.mark.parametrize("status", [201, 204, 206, 301, 302, 400, 403, 404, 500, 503])
def test_statuses_are_passed_on(status, proxy):
    gateway, origin = proxy(lambda call: page(b"" if status == 204 else b"text", status, cache_control="max-age=60", location="/else"))
    for _ in range(2):
        got = gateway.get("/site/a")
        assert got.status == status and got.header("location") == "/else"
    if status in (206, 500, 503):
        assert len(origin.calls) >= 2


def test_connections_own_headers_stay_on_it(proxy):
    gateway, origin = proxy(lambda call: page(cache_control="max-age=60", connection="x-hop", x_hop="1", keep_alive="timeout=5"))
    got = gateway.get("/site/a", headers={"connection": "x-mine", "x-mine": "1", "te": "trailers", "proxy-connection": "keep-alive"})
    assert got.header("x-hop") is None
    assert origin.calls[0].header("x-mine") is None and origin.calls[0].header("proxy-connection") is None


def test_two_sites_share_nothing(home, origins):
    one, two = (origins(lambda call, n=n: page(n, cache_control="max-age=60")) for n in (b"one", b"two"))
    gateway = home.serve(a=one.url, b=two.url)
    for _ in range(2):
        assert (gateway.get("/a/x").body, gateway.get("/b/x").body) == (b"one", b"two")
    assert len(one.calls) == len(two.calls) == 1
