"""What the tours of scripts/run.sh and secbeat demo share: telling, a demo site, nodes, traffic, and an end that leaves no process behind.

Standard library only.
"""

import argparse
import contextlib
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


def program(name):
    """Where it is; None where it is not there."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin")


class Tour:
    """A tour is a walk(), in steps that check what came out, and an invite() to try more."""

    needs = ("nginx",)

    def __init__(self, options):
        self.options = options
        self.build = Path(options.build).resolve()
        self.load = self.own("bench/secbeat-load", "libexec/secbeat/secbeat-load")
        self.secbeat = str(self.build / "bin" / "secbeat")
        self.environment = {"NO_COLOR": "1"}  # of the commands that are run, beside this process' own
        self.processes, self.logs, self.failures = [], [], []
        self.number = 0
        # Workers of a node that root starts are www-data's: the folder must be reachable for them.
        self.folder = Path(tempfile.mkdtemp(prefix="secbeat-demo-", dir="/tmp"))
        self.folder.chmod(0o755)
        shared = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else self.folder
        self.state = Path(tempfile.mkdtemp(prefix="secbeat-demo-", dir=shared))
        self.state.chmod(0o755)

    def own(self, *places):
        """A file of the build, or of the installation, which has it in another place."""
        found = [self.build / place for place in places if (self.build / place).exists()]
        return str((found or [self.build / places[0]])[0])

    def guest(self, name):
        return self.own(*(f"{folder}/{name}.wasm" for folder in ("guests", "share/secbeat/demo", "lib/secbeat/guests")))

    @staticmethod
    def short(path):
        return min(os.path.relpath(path), path, key=len)

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

    def tell_end(self):
        if not self.failures:
            print(f"\n{GREEN}Every step did what it should.{PLAIN}")
            return
        print(f"\n{RED}The tour did not go as it should:{PLAIN}")
        for failure in self.failures:
            print(f"  {failure}")
        for log in self.logs:
            print(f"  {log.name} ends:\n{log.read_text(errors='replace')[-3000:]}")

    # -- doing -----------------------------------------------------------------------------------------------

    def run(self, *arguments):
        """Runs a secbeat command and shows both."""
        return self.run_program(self.secbeat, *arguments)

    def run_program(self, program, *arguments):
        words = [self.short(a) if a.startswith(str(self.build)) else a for a in arguments]
        self.shown(" ".join([Path(program).name, *(a if " " not in a else f"'{a}'" for a in words)]))
        done = subprocess.run([program, *arguments], env={**os.environ, **self.environment}, capture_output=True, text=True,
                              timeout=120, check=False)
        self.told(done.stdout + done.stderr)
        return done

    def run_quietly(self, *arguments):
        """What a secbeat command prints."""
        return subprocess.run([self.secbeat, *arguments], env={**os.environ, **self.environment}, capture_output=True, text=True,
                              timeout=120, check=False).stdout

    def request(self, site, path, agent, expected):
        self.shown(f"curl -A '{agent}' {site}{path}")
        status, body = http_status(site + path, {"User-Agent": agent})
        first = body.strip().splitlines()[0] if body.strip() else ""
        self.check(status == expected, f"{status} {first[:70]}")

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
        process = self.start_process("the demo site", [program("nginx"), "-e", str(log), "-c", str(config)], log)
        wait_for("The demo site", lambda: http_status(f"http://127.0.0.1:{self.options.demo_port}/")[0] == 200, 10, process, log)

    def start_node(self, name, site_port, api_port, workers, more=""):
        """A node that protects the demo site; the function that waits for it. `more`: further tables of its configuration."""
        home = self.folder / name
        home.mkdir()
        home.chmod(0o755)
        shutil.copy(self.guest("bad-bot-blocker"), home / "bad-bot-blocker.wasm")
        config, log = home / "secbeat.toml", home / "node.log"
        config.write_text(
            "[waf.wasm]\n"
            'module = "bad-bot-blocker.wasm"\n'
            "[waf.wasm.reload]\n"
            "max_reload_frequency_seconds = 0   # so that you can try things in quick succession\n"
            "[api]\n"
            f'listen = "127.0.0.1:{api_port}"\n'
            "[proxy]\n"
            f'listen = "127.0.0.1:{site_port}"\n'
            f'upstream = "127.0.0.1:{self.options.demo_port}"\n'
            f"workers = {workers}\n"
            "receipt = true\n"
            "[node]\n"
            f'name = "{name}"\n'
            f'data_dir = "{home}/data"\n'
            f'state_dir = "{self.state}/{name}"\n'
            f"{more}")
        self.logs.append(log)
        self.shown(f"secbeat node --config {config}")
        process = self.start_process(f"the node {name}", [self.secbeat, "node", "--config", str(config)], log)

        def wait():
            wait_for(f"The node {name}", lambda: http_status(f"http://127.0.0.1:{api_port}/readyz")[0] == 200, 30, process, log)
            wait_for("The protected site", lambda: http_status(f"http://127.0.0.1:{site_port}/")[0] == 200, 10, process, log)

        return wait

    def start_load(self, port, rate, connections):
        """Traffic on a site, and the function that ends it and returns what it saw."""
        records = self.folder / f"load-{port}.json"
        with open(records, "wb") as output:
            process = subprocess.Popen(
                [self.load, "--port", str(port), "--rate", str(rate),
                 "--connections", str(connections), "--seconds", "600"], stdin=subprocess.DEVNULL, stdout=output, start_new_session=True)
        self.processes.append(("the load", process))

        def end():
            process.terminate()
            process.wait(20)
            return json.loads(records.read_text())

        return end

    def check_load(self, seen, at_least, where=""):
        self.check(seen["failed"] == 0 and seen["closed_by_server"] == 0 and seen["answers"] > at_least,
                   f"{where}{seen['answers']:,} answers in {seen['seconds']:.1f} s: {seen['failed']} failed, "
                   f"{seen['closed_by_server']} connections closed, p99 {seen['latency_us']['p99'] / 1000:.1f} ms")
        for receipt, count in sorted(seen["receipts"].items(), key=lambda item: -item[1]):
            self.told(f"{count:>8,} decided by {receipt or '(no receipt)'}")

    def stop_all(self):
        for _, process in reversed(self.processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for name, process in reversed(self.processes):
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                print(f"   {name} (process {process.pid}) did not end in 20 s; killing it")
                process.kill()
                process.wait()
        self.kill_left_nginx()
        self.processes.clear()
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self.state, ignore_errors=True)

    def kill_left_nginx(self):
        """The nginx of a node outlives an agent that was killed, but not the tour."""
        deadline = time.monotonic() + 10
        number = signal.SIGTERM
        while left := self.nginx_masters():
            for pid in left:
                with contextlib.suppress(OSError):
                    os.kill(pid, number)
            time.sleep(0.1)
            number = signal.SIGTERM if time.monotonic() < deadline else signal.SIGKILL

    def nginx_masters(self):
        """Those whose command line names a folder of this tour."""
        folders, masters = (str(self.folder), str(self.state)), []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                command = (process / "cmdline").read_bytes().decode(errors="replace")
                if command.startswith("nginx: master") and any(folder in command for folder in folders):
                    masters.append(int(process.name))
        return masters


def options_of_all(about):
    """What every tour is told."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--build", default="build/release", help="a build, or where one is installed")
    parser.add_argument("--once", action="store_true")
    parser.add_argument("--called", default="run.sh", help=argparse.SUPPRESS)
    return parser


def conduct(tour_class, options, ports):
    """Walks the tour to its end, and serves until Ctrl-C unless it is to end at once; the exit status. `ports`: those that it
    takes, each with the option that chooses it."""
    if missing := [name for name in tour_class.needs if not program(name)]:
        print(f"{options.called}: {' and '.join(missing)} must be there; on Debian: apt install {' '.join(missing)}", file=sys.stderr)
        return 1
    for port, option in ports:
        if owner := port_owner(port):
            print(f"{options.called}: port {port} is in use by {owner}; end it, or choose another with {option} N", file=sys.stderr)
            return 1

    def interrupted(*_):
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # SIGINT is ignored in what a script starts with &
        signal.signal(number, interrupted)
    tour = tour_class(options)
    try:
        tour.walk()
        tour.tell_end()
        if not options.once:
            tour.invite()
            signal.pause()
    except KeyboardInterrupt:
        print("\nstopping", flush=True)
    except TourError as error:
        print(f"{options.called}: {error}", file=sys.stderr)
        tour.failures.append(str(error))
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # a second Ctrl-C would leave processes behind
            signal.signal(number, signal.SIG_IGN)
        tour.stop_all()
    return 1 if tour.failures else 0
