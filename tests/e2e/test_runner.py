"""`larder run` around small commands: what a second run sees, and what must make it another run."""
import concurrent.futures
import os
import signal
import subprocess
import time

import pytest

from support.tool import Tool


@pytest.fixture
def tool(home):
    return lambda script, name="tool": Tool(home.folder, script, name)


def run(home, tool, *args, ttl="1h", before=(), **more):
    return home.larder("run", "--ttl", ttl, *before, "--", tool.path, *args, ok=False, **more)


def test_second_run_is_the_first_again(home, tool):
    t = tool("echo out; echo err >&2; date +%N")
    first, second = run(home, t), run(home, t)
    assert (first.returncode, first.stdout, first.stderr) == (second.returncode, second.stdout, second.stderr)
    assert first.stdout.startswith("out\n") and first.stderr == "err\n"
    assert t.runs == 1


def test_any_bytes_and_many_of_them(home, tool):
    t = tool("head -c 3000000 /dev/urandom; head -c 70000 /dev/urandom >&2")
    first, second = run(home, t, text=False), run(home, t, text=False)
    assert first.stdout == second.stdout and first.stderr == second.stderr
    assert (len(first.stdout), len(first.stderr)) == (3000000, 70000)
    assert t.runs == 1


def test_words_are_a_list(home, tool):
    t = tool('for word in "$@"; do printf "[%s]" "$word"; done')
    assert run(home, t, "a b").stdout == "[a b]"
    assert run(home, t, "a", "b").stdout == "[a][b]"
    assert run(home, t, "a", "b", "").stdout == "[a][b][]"
    assert t.runs == 3


def test_dashes_after_the_command_belong_to_it(home, tool):
    t = tool('echo "$@"')
    assert run(home, t, "--ttl", "5", "--help", "--", "-x").stdout == "--ttl 5 --help -- -x\n"


def test_standard_input_is_in_the_key(home, tool):
    t = tool("tr a-z A-Z")
    assert [run(home, t, input=text).stdout for text in ("one", "two", "one")] == ["ONE", "TWO", "ONE"]
    assert t.runs == 2
    assert run(home, t, input="").stdout == "" and run(home, t).stdout == ""


def test_working_directory_is_in_the_key(home, tool):
    t = tool("pwd")
    (home.folder / "else").mkdir()
    for _ in range(2):
        assert run(home, t).stdout == f"{home.work}\n"
        assert run(home, t, cwd=home.folder / "else").stdout == f"{home.folder}/else\n"
    assert t.runs == 2


def test_named_variables_are_in_the_key_others_are_not(home, tool):
    t = tool('printf "%s" "$LEVEL"')
    said = [run(home, t, before=("--env", "LEVEL"), env={"LEVEL": v, "OTHER": v}).stdout for v in ("1", "2", "1")]
    assert said == ["1", "2", "1"] and t.runs == 2
    assert run(home, t, before=("--env", "LEVEL")).stdout == "" and t.runs == 3, "unset is not empty"
    run(home, t, before=("--env", "LEVEL"), env={"OTHER": "3"})
    assert t.runs == 3


def test_another_program_under_the_same_name_is_another_question(home, tool):
    t = tool("echo one")
    run(home, t)
    t.touch()
    run(home, t)
    assert t.runs == 2


def test_failures_are_passed_on_and_not_kept(home, tool):
    t = tool("echo out; echo err >&2; exit 3")
    for _ in range(2):
        done = run(home, t)
        assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")
    assert t.runs == 2


def test_missing_command(home):
    done = home.larder("run", "--ttl", "1h", "--", "no-such-command-anywhere", ok=False)
    assert done.returncode == 127 and "no-such-command-anywhere" in done.stderr


def test_command_that_may_not_be_executed(home):
    path = home.folder / "plain"
    path.write_text("text")
    done = home.larder("run", "--ttl", "1h", "--", path, ok=False)
    assert done.returncode == 126


@pytest.mark.parametrize("name", ["TERM", "KILL", "INT"])
def test_killed_by_a_signal(name, home, tool):
    t = tool(f"echo half; kill -{name} $$; sleep 5")
    for _ in range(2):
        done = run(home, t)
        assert done.returncode == -getattr(signal, f"SIG{name}") and done.stdout == "half\n"
    assert t.runs == 2


def test_signal_to_the_runner_reaches_the_tool(home, tool):
    t = tool("trap 'echo caught; exit 7' TERM; echo ready; while :; do sleep 0.05; done")
    process = home.start("run", "--ttl", "1h", "--", t.path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.stdout.read() == b"caught\n" and process.wait(5) == 7
    assert t.runs == 1


def test_output_comes_while_the_tool_still_runs(home, tool):
    t = tool("echo first; sleep 2; echo second")
    process = home.start("run", "--ttl", "1h", "--", t.path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    start = time.time()
    assert process.stdout.readline() == b"first\n" and time.time() - start < 1.9
    assert process.stdout.read() == b"second\n" and process.wait(5) == 0


def test_equal_runs_at_once_execute_once(home, tool):
    t = tool("sleep 0.5; date +%N; echo e >&2")
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        done = list(pool.map(lambda _: run(home, t), range(10)))
    assert t.runs == 1
    assert len({(d.returncode, d.stdout, d.stderr) for d in done}) == 1


def test_a_follower_takes_over_from_a_killed_leader(home, tool):
    t = tool("echo start; sleep 0.6; echo end")
    leader = home.start("run", "--ttl", "1h", "--", t.path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert leader.stdout.readline() == b"start\n"
    follower = home.start("run", "--ttl", "1h", "--", t.path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    time.sleep(0.2)
    leader.kill()
    leader.wait()
    assert follower.communicate(timeout=10)[0] == b"start\nend\n" and follower.returncode == 0
    assert run(home, t).stdout == "start\nend\n"


def merged(home, t):
    with open(home.folder / "both", "wb") as both:
        home.start("run", "--ttl", "1h", "--", t.path, stdin=subprocess.DEVNULL, stdout=both, stderr=both).wait(20)
    return (home.folder / "both").read_bytes()


def test_exact_order_where_both_are_one_file(home, tool):
    t = tool("for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do echo out $n; echo err $n >&2; done")
    expected = b"".join(b"out %d\nerr %d\n" % (n, n) for n in range(1, 21))
    assert merged(home, t) == expected
    assert merged(home, t) == expected
    assert t.runs == 1
    apart = run(home, t)
    assert apart.stdout.count("out") == 20 and "err" not in apart.stdout, "a variant of its own"


def test_without_an_adapter_it_caches_only_when_told(home, tool):
    t = tool("echo out; exit 0")
    for _ in range(2):
        assert home.larder("run", "--", t.path).stdout == "out\n"
    assert t.runs == 2


def test_ttl_ends(home, tool):
    t = tool("date +%N")
    first = run(home, t, ttl="2s").stdout
    assert run(home, t, ttl="2s").stdout == first
    time.sleep(2.1)
    assert run(home, t, ttl="2s").stdout != first and t.runs == 2


TOKENS = ["ghp_" + "a1B2" * 9, "github_pat_" + "a1B2" * 20, "hf_" + "aB" * 17, "AKIA" + "ABCDEFGH12345678", "gsk_" + "a1B2" * 13, "sk-" + "a1B2" * 12,
          "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U", "-----BEGIN PRIVATE KEY-----"]


@pytest.mark.parametrize("token", TOKENS, ids=lambda t: t[:8])
def test_output_with_a_token_in_it_is_not_kept(token, home, tool):
    t = tool(f"echo 'your key: {token}'")
    for _ in range(2):
        assert token in run(home, t).stdout
    assert t.runs == 2


def test_two_users_stores_do_not_meet(homes):
    alice, bob = homes("alice"), homes("bob")
    t = Tool(alice.folder, "date +%N")
    assert run(alice, t, cwd=alice.work).stdout != run(bob, t, cwd=alice.work).stdout and t.runs == 2


def test_a_reader_that_leaves_early_hangs_nobody(home, tool):
    t = tool("while :; do echo line; done")
    process = home.start("run", "--ttl", "1h", "--", t.path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(10) != 0


def test_an_unusable_store_never_stops_the_tool(home, tool):
    blocked = home.folder / "file"
    blocked.write_text("not a folder")
    t = tool("echo out; echo err >&2; exit 4")
    done = home.larder("run", "--ttl", "1h", "--store", blocked, "--", t.path, ok=False)
    assert (done.returncode, done.stdout, done.stderr) == (4, "out\n", "err\n")


def test_the_store_belongs_to_its_user_alone(home, tool):
    run(home, tool("echo out"))
    wide = [p for p in [home.store, *home.store.rglob("*")] if p.stat().st_mode & 0o077]
    assert not wide
    assert (home.store / "v2").is_dir()
    assert os.stat(home.store).st_mode & 0o777 == 0o700


def test_runs_are_counted(home, tool):
    t = tool("echo out")
    for _ in range(3):
        run(home, t)
    total = home.json("stats")["total"]
    assert (total["hits"], total["misses"], total["api_calls_made"], total["api_calls_saved"]) == (2, 1, 1, 2)
    assert total["cache_size"] == 1 and abs(total["hit_rate"] - 2 / 3) < 0.01
