#!/usr/bin/env python3
"""The tour of scripts/run.sh: a demo site behind a protected nginx, and the product's main job on real traffic.

Every step runs a real command, prints it with its numbers, and checks what came out. Standard library only.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

LOAD_RATE = 500  # requests a second: far from what the node can do, and light enough for a laptop
LOAD_CONNECTIONS = 16
BOLD, DIM, GREEN, RED, PLAIN = (
    ("\033[1m", "\033[2m", "\033[32m", "\033[31m", "\033[0m")
    if sys.stdout.isatty() and "NO_COLOR" not in os.environ
    else ("", "", "", "", "")
)


class TourError(Exception):
    """Something that a person has to read; ends the tour."""


def port_owner(port):
    """Who listens on a TCP port of this machine, for a message; "" when it is free."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == "0A" and int(fields[1].rsplit(":", 1)[1], 16) == port:
                inodes.add(f"socket:[{fields[9]}]")
    if not inodes:
        return ""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            for descriptor in (process / "fd").iterdir():
                if os.readlink(descriptor) in inodes:
                    command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                    return f"process {process.name} ({command[:80]})"
        except OSError:
            continue
    return "a process of another user"


def wait_for(what, condition, seconds, process=None, log=None):
    """Waits until condition() is true; a TourError that says what did not come, with the log's end."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        if process and process.poll() is not None:
            break
        time.sleep(0.05)
    tail = Path(log).read_text(errors="replace")[-2000:] if log and Path(log).exists() else ""
    raise TourError(f"{what} did not come up in {seconds} s\n{tail}")


def http_status(url, headers=None):
    """The status that a GET answers with, and its body; 0 where nobody answers."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {}), timeout=5) as answer:
            return answer.status, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")
    except (urllib.error.URLError, OSError):
        return 0, ""


class Tour:
    def __init__(self, options):
        self.options = options
        self.build = Path(options.build).resolve()
        self.secbeat = str(self.build / "bin" / "secbeat")
        self.site = f"http://127.0.0.1:{options.site_port}"
        self.api = f"http://127.0.0.1:{options.api_port}"
        self.processes = []
        self.failures = []
        self.number = 0
        # Workers of a node that root starts are www-data's: the folder must be reachable for them.
        self.folder = Path(tempfile.mkdtemp(prefix="secbeat-demo-", dir="/tmp"))
        self.folder.chmod(0o755)
        shared = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else self.folder
        self.state = Path(tempfile.mkdtemp(prefix="secbeat-demo-", dir=shared))
        self.state.chmod(0o755)

    # -- telling ---------------------------------------------------------------------------------------------

    def step(self, title):
        self.number += 1
        print(f"\n{BOLD}{self.number}. {title}{PLAIN}", flush=True)

    def shown(self, command):
        print(f"   {DIM}$ {command}{PLAIN}", flush=True)

    def told(self, text, good=None):
        mark = "" if good is None else f"{GREEN}✓{PLAIN} " if good else f"{RED}✗{PLAIN} "
        for line in text.rstrip().splitlines():
            print(f"   {mark}{line}", flush=True)
            mark = "  " if mark else ""

    def check(self, holds, text):
        self.told(text, bool(holds))
        if not holds:
            self.failures.append(f"step {self.number}: {text}")

    # -- doing -----------------------------------------------------------------------------------------------

    def run(self, *arguments):
        """Runs a secbeat command against the node and shows both."""
        words = [a if " " not in a else f"'{a}'" for a in arguments]
        short = " ".join(os.path.relpath(w, Path.cwd()) if w.startswith(str(self.build)) else w for w in words)
        self.shown(f"secbeat {short}")
        done = subprocess.run(
            [self.secbeat, *arguments], env={**os.environ, "SECBEAT_API": self.api, "NO_COLOR": "1"},
            capture_output=True, text=True, timeout=60, check=False)
        self.told(done.stdout + done.stderr)
        return done

    def request(self, path, agent, expected):
        self.shown(f"curl -A '{agent}' {self.site}{path}")
        status, body = http_status(self.site + path, {"User-Agent": agent})
        first = body.strip().splitlines()[0] if body.strip() else ""
        self.check(status == expected, f"{status} {first[:70]}")

    def api_json(self, path):
        return json.loads(http_status(self.api + path)[1])

    def start_process(self, name, command, log):
        with open(log, "ab") as output:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
        self.processes.append((name, process))
        return process

    def start_demo_site(self):
        root = self.folder / "site"
        root.mkdir()
        (root / "index.html").write_text("<h1>Hello from the demo site</h1>\n")
        log = self.folder / "site.log"
        config = self.folder / "site.conf"
        user = "user www-data;\n" if os.geteuid() == 0 else ""
        temporary = "".join(f"  {kind}_temp_path {self.folder}/site-{kind};\n"
                            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        config.write_text(
            f"{user}daemon off; worker_processes 1; pid {self.folder}/site.pid; error_log {log};\n"
            f"events {{ worker_connections 1024; }}\nhttp {{\n{temporary}  access_log off; keepalive_requests 1000000;\n"
            f"  server {{ listen 127.0.0.1:{self.options.demo_port};\n"
            f"    location = / {{ root {root}; index index.html; }}\n"
            f"    location / {{ return 200 \"the demo site answers $request_method $uri\\n\"; }} }}\n}}\n")
        binary = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
        process = self.start_process("the demo site", [binary, "-e", str(log), "-c", str(config)], log)
        wait_for("The demo site", lambda: http_status(f"http://127.0.0.1:{self.options.demo_port}/")[0] == 200, 10, process, log)

    def start_node(self):
        guests = self.build / "guests"
        shutil.copy(guests / "bad-bot-blocker.wasm", self.folder / "bad-bot-blocker.wasm")
        config = self.folder / "secbeat.toml"
        config.write_text(
            "[waf.wasm]\n"
            'module = "bad-bot-blocker.wasm"\n'
            "[waf.wasm.reload]\n"
            "max_reload_frequency_seconds = 0   # so that you can try things in quick succession\n"
            "[api]\n"
            f'listen = "127.0.0.1:{self.options.api_port}"\n'
            "[proxy]\n"
            f'listen = "127.0.0.1:{self.options.site_port}"\n'
            f'upstream = "127.0.0.1:{self.options.demo_port}"\n'
            "workers = 2\n"
            "receipt = true\n"
            "[node]\n"
            'name = "demo"\n'
            f'data_dir = "{self.folder}/data"\n'
            f'state_dir = "{self.state}"\n')
        log = self.folder / "node.log"
        self.shown(f"secbeat node --config {config}")
        process = self.start_process("the node", [self.secbeat, "node", "--config", str(config)], log)
        wait_for("The node", lambda: http_status(self.api + "/readyz")[0] == 200, 30, process, log)
        wait_for("The protected site", lambda: http_status(self.site + "/")[0] == 200, 10, process, log)

    def start_load(self):
        self.records = self.folder / "load.json"
        with open(self.records, "wb") as output:
            process = subprocess.Popen(
                [str(self.build / "bench" / "secbeat-load"), "--port", str(self.options.site_port), "--rate", str(LOAD_RATE),
                 "--connections", str(LOAD_CONNECTIONS), "--seconds", "600"], stdin=subprocess.DEVNULL, stdout=output)
        self.processes.append(("the load", process))
        return process

    def stop_all(self):
        for name, process in reversed(self.processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    print(f"   {name} (process {process.pid}) did not end in 20 s; killing it")
                    process.kill()
                    process.wait()
        self.processes.clear()
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self.state, ignore_errors=True)

    # -- the tour --------------------------------------------------------------------------------------------

    def walk(self):
        guests = self.build / "guests"
        self.step("A demo site, and a node that protects it")
        self.start_demo_site()
        self.start_node()
        self.told(f"demo site  http://127.0.0.1:{self.options.demo_port}  (unprotected)\n"
                  f"site       {self.site}  (nginx with the module, two workers)\n"
                  f"API        {self.api}")

        self.step("A browser passes; a bad bot and a path under /admin do not")
        self.request("/", "Mozilla/5.0", 200)
        self.request("/", "BadBot/1.0", 403)
        self.request("/admin/users", "Mozilla/5.0", 403)

        self.step(f"A new version under load: {LOAD_RATE} requests a second over {LOAD_CONNECTIONS} kept connections")
        load = self.start_load()
        time.sleep(1)  # so that the load is running steadily when the rule changes; nothing depends on it
        done = self.run("reload", str(guests / "bad-bot-blocker-1.1.0.wasm"), "--reason", "also block Masscan")
        self.check(done.returncode == 0, "the new version serves in both workers")
        self.request("/", "masscan/1.3", 403)

        self.step("A broken upload is refused, and the version in force keeps serving")
        broken = self.folder / "broken.wasm"
        broken.write_bytes((guests / "bad-bot-blocker.wasm").read_bytes()[:1000])
        self.check(self.run("reload", str(broken)).returncode == 1, "refused: a truncated module")
        self.check(self.run("reload", str(guests / "missing_inspect.wasm")).returncode == 1, "refused: a module without inspect_request")
        self.check(self.run("reload", str(guests / "loops_forever.wasm")).returncode == 1, "refused: a module that never ends")
        self.request("/", "masscan/1.3", 403)

        self.step("Rollback: a pointer swap, no compiler")
        self.check(self.run("rollback", "--reason", "Masscan is our own scanner").returncode == 0, "the version before serves again")
        self.request("/", "masscan/1.3", 200)

        self.step("What the load saw meanwhile")
        time.sleep(1)
        load.terminate()
        load.wait(20)
        seen = json.loads(self.records.read_text())
        self.check(seen["failed"] == 0 and seen["closed_by_server"] == 0 and seen["answers"] > LOAD_RATE,
                   f"{seen['answers']:,} answers in {seen['seconds']:.1f} s: {seen['failed']} failed, "
                   f"{seen['closed_by_server']} connections closed, p99 {seen['latency_us']['p99'] / 1000:.1f} ms")
        for receipt, count in sorted(seen["receipts"].items(), key=lambda item: -item[1]):
            self.told(f"{count:>8,} decided by {receipt or '(no receipt)'}")

        self.step("History and metrics")
        self.run("history")
        self.shown(f"curl {self.api}/metrics")
        _, metrics = http_status(self.api + "/metrics")
        wanted = ("wasm_reload_total{", "wasm_reload_failures_total{", "wasm_reload_duration_seconds{", "secbeat_requests_total{")
        lines = [line for line in metrics.splitlines() if line.startswith(wanted)]
        self.told("\n".join(lines))
        self.check(any(line.startswith("wasm_reload_total{") for line in lines), "metrics are there for Prometheus")

    def invite(self):
        guests = os.path.relpath(self.build / "guests")
        secbeat = os.path.relpath(self.secbeat)
        api = "" if self.options.api_port == 9090 else f" --api {self.api}"
        print(f"""
{BOLD}The site keeps running until Ctrl-C. Try, in another terminal:{PLAIN}
  curl -i {self.site}/                              # passes, with the receipt of who decided
  curl -i -A Nikto {self.site}/                     # blocked
  {secbeat} status{api}
  {secbeat} reload {guests}/bad-bot-blocker-1.1.0.wasm{api}
  {secbeat} rollback{api}
  curl -X POST -F file=@{guests}/block_all.wasm -F name=bad-bot-blocker {self.api}/api/v1/wasm/reload
  curl -X POST {self.api}/api/v1/wasm/rollback
  {secbeat} history{api}
  curl {self.api}/api/v1/requests
Logs: {self.folder}/node.log
""", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--once", action="store_true")
    parser.add_argument("--site-port", type=int, default=8000)
    parser.add_argument("--api-port", type=int, default=9090)
    parser.add_argument("--demo-port", type=int, default=8001)
    options = parser.parse_args()
    for port, option in ((options.site_port, "--site-port"), (options.api_port, "--api-port"), (options.demo_port, "--demo-port")):
        if owner := port_owner(port):
            print(f"run.sh: port {port} is in use by {owner}; end it, or choose another with {option} N", file=sys.stderr)
            return 1

    def interrupted(*_):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupted)
    tour = Tour(options)
    try:
        tour.walk()
        if tour.failures:
            print(f"\n{RED}The tour did not go as it should:{PLAIN}")
            for failure in tour.failures:
                print(f"  {failure}")
            print(f"  the node's log ends:\n{(tour.folder / 'node.log').read_text(errors='replace')[-3000:]}")
        else:
            print(f"\n{GREEN}Every step did what it should.{PLAIN}")
        if not options.once:
            tour.invite()
            signal.pause()
    except KeyboardInterrupt:
        print("\nstopping", flush=True)
    except TourError as error:
        print(f"run.sh: {error}", file=sys.stderr)
        tour.failures.append(str(error))
    finally:
        tour.stop_all()
    return 1 if tour.failures else 0


if __name__ == "__main__":
    sys.exit(main())
