"""A real Prometheus scrapes the node and is asked what it has seen."""

import contextlib
import hashlib
import http.client
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
from urllib.parse import quote

import pytest

from support.authority import Authority
from support.node import Load, http_request
from support.processes import free_port, wait_for

# Counters that outlive workers, nginx and the agent: workers count in the scoreboard, reloads and rules are in the ledger.
LASTING = {"secbeat_requests_total", "secbeat_wasm_errors_total", "secbeat_inspection_seconds", "secbeat_events_dropped_total",
           "secbeat_verdict_details_dropped_total", "secbeat_requests_bypassed_total", "secbeat_rule_verdicts_total",
           "secbeat_rule_verdicts_uncounted_total", "wasm_reload_total", "wasm_reload_failures_total"}
# What the agent itself did since its start; rate() and increase() of Prometheus know that it began anew.
OF_THE_AGENT = {"process_cpu_seconds_total", "secbeat_api_refused_total", "secbeat_nginx_restarts_total", "secbeat_auto_rollbacks_total",
                "secbeat_archive_stored_total", "secbeat_archive_failures_total"}
KEY = "sbk_" + "0123456789abcdef" * 4
RULE = json.dumps({"id": "seen", "field": "Path", "pattern": "/*", "action": "Log"})


class Prometheus:
    """A server of its own on a free port, which scrapes one node five times a second."""

    def __init__(self, node, folder):
        self.port, self.folder = free_port(), folder
        self.folder.mkdir()
        self.log = self.folder / "prometheus.log"
        (self.folder / "prometheus.yml").write_text(json.dumps({
            "global": {"scrape_interval": "200ms", "scrape_timeout": "200ms"},
            "scrape_configs": [{"job_name": "secbeat", "static_configs": [{"targets": [f"127.0.0.1:{node.api_port}"]}]}]}))
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [shutil.which("prometheus"), f"--config.file={self.folder}/prometheus.yml", f"--storage.tsdb.path={self.folder}/data",
                 f"--web.listen-address=127.0.0.1:{self.port}"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder)
        wait_for("Prometheus to have scraped", lambda: self.value("up") == 1, log=self.log)

    def query(self, expression):
        """The samples of an instant query, as {labels: value}."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            answer = http_request(self.port, "GET", f"/api/v1/query?query={quote(expression)}")
            if answer.status != 503:  # it is starting
                assert answer.json["status"] == "success", answer
                return {tuple(sorted(row["metric"].items())): float(row["value"][1]) for row in answer.json["data"]["result"]}
        return {}

    def value(self, expression):
        values = list(self.query(expression).values())
        assert len(values) < 2, f"{expression} has several values: {values}"
        return values[0] if values else None

    def stop(self):
        self.process.terminate()
        self.process.wait(60)


@pytest.fixture
def prometheus(folder):
    assert shutil.which("prometheus"), "the Debian package prometheus is missing: scripts/bootstrap.sh test installs it"
    started = []

    def start(node):
        started.append(Prometheus(node, folder / "prometheus"))
        return started[-1]

    yield start
    for server in started:
        server.stop()


def test_prometheus_answers_what_the_node_has_done(make_node, prometheus):
    node = make_node()
    server = prometheus(node)
    assert node.upload("bad-bot-blocker-1.1.0").status == 200
    assert node.upload("missing_inspect").status == 422
    for _ in range(3):
        assert node.site("/", headers={"User-Agent": "masscan"}).status == 403
    by_module = '{module="bad-bot-blocker"}'
    wait_for("the blocks to be scraped", log=server.log, condition=lambda: server.value(
        'secbeat_requests_total{module="bad-bot-blocker",version="1.1.0",verdict="block"}') == 3)
    assert server.value(f"wasm_reload_total{by_module}") == 2
    assert server.value(f"wasm_reload_failures_total{by_module}") == 1
    assert 0 < server.value(f"wasm_reload_duration_seconds{by_module}") < 60
    assert server.value("count(secbeat_reload_stage_seconds)") == 7
    assert server.value('secbeat_workers{state="serving"}') == 2
    assert server.value("secbeat_versions_loaded") == 2
    assert server.value('secbeat_inspection_seconds_count{version="1.1.0"}') == 3
    assert 0 < server.value('histogram_quantile(0.5, secbeat_inspection_seconds_bucket{version="1.1.0"})') < 1
    info = server.query("secbeat_module_info")
    assert [dict(labels)["version"] for labels in info] == ["1.1.0"]
    assert server.value("process_resident_memory_bytes") > 0
    targets = http_request(server.port, "GET", "/api/v1/targets/metadata?limit=1000").json["data"]
    described = {row["metric"]: (row["type"], row["help"]) for row in targets}
    assert {"secbeat_requests_total", "wasm_reload_total", "secbeat_inspection_seconds"} <= set(described)
    assert all(kind != "unknown" and text for kind, text in described.values()), described


def families_of(metrics):
    """Name and type of each family."""
    return dict(re.findall(r"^# TYPE (\S+) (\S+)$", metrics, re.MULTILINE))


def series_of(family, kind):
    return [f"{family}{part}" for part in ("_count", "_sum", "_bucket")] if kind == "histogram" else [family]


def add_rule(node):
    assert node.post("/api/v1/rules", RULE, {"Content-Type": "application/json"}).status == 200


def test_promtool_finds_nothing_in_what_a_busy_node_tells(make_node, folder):
    """With keys, TLS and an archive, after rules, refusals, a rollback, an error and a call without a key."""
    assert shutil.which("promtool"), "promtool of the Debian package prometheus is missing: scripts/bootstrap.sh test installs it"
    authority = Authority(folder)
    authority.issue("node")
    node = make_node(start=False, tables={
        "api": {"tls_certificate": str(folder / "api.crt"), "tls_key": str(folder / "api.key")}, "archive": {"url": str(folder / "archive")},
        "api.keys": [{"name": "ci", "role": "admin", "sha256": hashlib.sha256(KEY.encode()).hexdigest()}]})
    node.key, node.tls = KEY, ssl.create_default_context(cafile=authority.ca)
    node.start()
    add_rule(node)
    assert node.upload("traps_on_request", name="odd").status == 200
    assert node.upload("bad-bot-blocker-1.1.0").status == 200
    assert node.upload("missing_inspect").status == 422
    assert node.rollback(name="bad-bot-blocker").status == 200
    assert [node.site("/", headers=headers).status for headers in ({}, {"User-Agent": "BadBot"}, {"X-Trap": "1"})] == [200, 403, 200]
    assert http_request(node.api_port, "GET", "/api/v1/wasm/version", tls=node.tls).status == 401

    metrics = node.get("/metrics").body
    families = families_of(metrics.decode())
    for family in (*LASTING, *OF_THE_AGENT, "secbeat_api_certificate_expiry_timestamp_seconds", "secbeat_archive_pending",
                   "secbeat_watch_running", "secbeat_frozen", "secbeat_module_info"):
        assert re.search(rf"^{family}\w*(\{{.*\}})? \S+$", metrics.decode(), re.MULTILINE), family
    assert {family for family, kind in families.items() if kind != "gauge"} == LASTING | OF_THE_AGENT, "a new counter belongs to one of them"
    done = subprocess.run(["promtool", "check", "metrics"], input=metrics, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_sums_never_go_backwards_through_deaths_and_reloads_of_processes(make_node, prometheus):
    node = make_node()
    server = prometheus(node)
    add_rule(node)
    with Load(node, rate=200) as load:
        def goes_on(what):
            """Waits for a scrape that has counted more requests than the one before."""
            before = server.value("sum(secbeat_requests_total)") or 0
            wait_for(f"requests to be counted after {what}", log=server.log,
                     condition=lambda: (server.value("sum(secbeat_requests_total)") or 0) > before)

        goes_on("the start")
        victim = node.worker_pids()[0]
        os.kill(victim, signal.SIGKILL)
        wait_for("another worker", lambda: len(node.worker_pids()) == 2 and victim not in node.worker_pids(), log=node.log)
        goes_on("the death of a worker")
        old = set(node.worker_pids())
        os.kill(node.master_pid(), signal.SIGHUP)
        wait_for("workers of another generation", lambda: len(set(node.worker_pids()) - old) == 2, log=node.log)
        goes_on("a reload of nginx")
        node.kill_agent()
        node.start()
        goes_on("a restart of the agent")
        assert node.upload("bad-bot-blocker-1.1.0").status == 200
        assert node.rollback(name="bad-bot-blocker").status == 200
        goes_on("a change of versions")
    answered = load.result["answers"]
    wait_for("the last requests to be scraped", log=server.log,
             condition=lambda: server.value("sum(secbeat_requests_total)") >= answered)
    families = families_of(node.get("/metrics").body.decode())
    for name in [name for family in LASTING for name in series_of(family, families[family])]:
        resets = server.query(f"resets({name}[1h])")
        assert not {labels: count for labels, count in resets.items() if count > 0}, name
    assert server.value("sum(secbeat_requests_total)") == server.value("sum(secbeat_inspection_seconds_count)")
    assert server.value("sum(secbeat_rule_verdicts_total)") > 0
