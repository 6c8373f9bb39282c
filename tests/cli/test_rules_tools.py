"""secbeat rules lint and diff: files of rules, looked at without a node."""

import json

RULE = {"id": "a", "field": "URI", "pattern": "*x*", "action": "Block"}


def document(path, *rules, **more):
    path.write_text(json.dumps({"rules": list(rules), **more}, indent=1))
    return path


def test_lint_names_rule_key_and_place_of_each_fault(run, folder):
    file = document(folder / "rules.json", RULE, {"id": "old", "field": "URI", "patern": "/old/*", "action": "Log"})
    done = run("rules", "lint", file)
    assert done.returncode == 1
    assert 'error: rule "old", key "patern", line 12 column 4: no such key' in done.stdout, done.stdout
    told = json.loads(run("rules", "lint", "--json", file).stdout)
    assert (told["accepted"], told["errors"]) == (False, len(told["notes"]))
    fault = next(note for note in told["notes"] if note["key"] == "patern")
    assert (fault["severity"], fault["rule"], fault["line"], fault["column"]) == ("error", "old", 12, 4)


def test_lint_warns_of_rules_that_do_nothing_and_strict_makes_errors_of_it(run, folder):
    file = document(folder / "rules.json", RULE, {**RULE, "id": "b", "pattern": "*xy*"},
                    {**RULE, "id": "c", "pattern": "z", "expires_at": "2020-01-01T00:00:00Z"})
    done = run("rules", "lint", file)
    assert done.returncode == 0, done
    assert 'warning: rule "b": never decides: rule "a" (Block)' in done.stdout
    assert 'warning: rule "c", key "expires_at": has ended' in done.stdout
    assert run("rules", "lint", "--strict", file).returncode == 1
    fine = run("rules", "lint", "--strict", "-", input=json.dumps({"rules": [RULE]}))
    assert fine.returncode == 0 and "nothing in them is doubtful" in fine.stdout, fine


def test_lint_withstands_hostile_documents(run, folder):
    for text in ("", "{", "[]", "null", '{"rules":' + "[" * 100_000, '{"rules":[{"id":"\x1b[2J"}]}', '{"rules":[{"id":1e999}]}',
                 '{"rules":[],"rules":[]}', '{"rules":[' + ",".join(["{}"] * 1000) + "]}", "\0" * 1000):
        (folder / "hostile.json").write_text(text)
        done = run("rules", "lint", folder / "hostile.json")
        assert done.returncode == (0 if text == "" else 1), (text[:40], done)
        assert "\x1b" not in done.stdout
    assert run("rules", "lint", folder / "missing.json").returncode == 2


def test_diff_of_two_files_names_what_the_second_changes(run, folder):
    before = document(folder / "before.json", RULE, {**RULE, "id": "gone"})
    after = document(folder / "after.json", {**RULE, "pattern": "*y*"}, {**RULE, "id": "new"})
    done = run("rules", "diff", before, after)
    assert (done.returncode, done.stdout) == (0, "- gone\n+ new\n~ a: pattern\n")
    assert run("rules", "diff", "--exit-code", before, after).returncode == 1
    assert run("rules", "diff", "--exit-code", before, before).returncode == 0
    told = json.loads(run("rules", "diff", "--json", before, after).stdout)
    assert (told["added"], told["removed"], told["changed"]) == (["new"], ["gone"], [{"id": "a", "keys": ["pattern"]}])
    assert run("rules", "diff", before, folder / "missing.json").returncode == 2
    (folder / "broken.json").write_text("{")
    assert run("rules", "diff", before, folder / "broken.json").returncode == 2
    assert run("rules", "diff", before, "--api", "http://127.0.0.1:1").returncode == 3


def test_tests_of_rules_are_decided_without_a_node(run, folder):
    rules = document(folder / "rules.json", RULE, {**RULE, "id": "b", "field": "Header:User-Agent", "action": "RateLimit"})
    tests = folder / "tests.json"
    right = [{"name": "in the URI", "request": {"uri": "/x"}, "verdict": "Block", "rule": "a"},
             {"name": "the agent", "request": {"headers": {"User-Agent": "Xerxes"}}, "verdict": "RateLimit", "rule": "b"},
             {"name": "nothing", "request": {"uri": "/y", "body": "x"}, "verdict": "Allow", "rule": None}]
    tests.write_text(json.dumps({"tests": right}))
    done = run("rules", "test", "--rules", rules, tests)
    assert (done.returncode, done.stdout) == (0, "3 tests, 0 failed\n"), done
    tests.write_text(json.dumps({"tests": [*right, {"name": "wrong rule", "request": {"uri": "/x"}, "verdict": "Block", "rule": "b"},
                                           {"name": "none may", "request": {"uri": "/x"}, "verdict": "Allow"}]}))
    done = run("rules", "test", "--rules", rules, tests)
    assert done.returncode == 1 and "wrong rule\n  expected  Block b\n  got       Block a\n" in done.stdout, done
    told = json.loads(run("rules", "test", "--json", "--rules", rules, tests, tests).stdout)
    assert (told["success"], told["run"], told["not_run"], told["failed"]) == (False, 10, 0, 4)
    assert told["failures"][1] == {"file": str(tests), "name": "none may", "expected": "Allow", "got": "Block a"}


def test_tests_of_rules_that_are_none_are_wrong_use(run, folder):
    tests, rules = folder / "tests.json", document(folder / "rules.json", RULE)
    for text, said in (("{", "malformed JSON at byte 1"), ('{"tests":[{"verdict":"block"}]}', 'test number 1, key "verdict"'),
                       ('{"tests":' + "[" * 100_000, "nests deeper"), ('{"tests":[{"verdict":"Log","request":{"url":"/"}}]}', "no such key")):
        tests.write_text(text)
        done = run("rules", "test", "--rules", rules, tests)
        assert done.returncode == 2 and said in done.stderr, done
    tests.write_text('{"tests":[]}')
    assert run("rules", "test", "--rules", folder / "none.json", tests).returncode == 2
    assert run("rules", "test", folder / "none.json").returncode == 2
    document(rules, {**RULE, "patern": "x"})
    refused = run("rules", "test", "--rules", rules, tests)
    assert refused.returncode == 1 and 'key "patern"' in refused.stderr, refused
