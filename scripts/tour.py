#!/usr/bin/env python3
"""The tour of scripts/run.sh and secbeat demo: a demo site behind a protected nginx, and the product's main job on real traffic.

Every step runs a real command, prints it with its numbers, and checks what came out. Standard library only.
"""

import sys
import time
from pathlib import Path

from tour_base import BOLD, PLAIN, Tour, conduct, http_status, options_of_all

LOAD_RATE = 500  # requests a second: far from what the node can do, and light enough for a laptop
LOAD_CONNECTIONS = 16


class NodeTour(Tour):
    def __init__(self, options):
        super().__init__(options)
        self.site = f"http://127.0.0.1:{options.site_port}"
        self.api = f"http://127.0.0.1:{options.api_port}"
        self.environment["SECBEAT_API"] = self.api

    def walk(self):
        self.step("A demo site, and a node that protects it")
        self.start_demo_site()
        self.start_node("demo", self.options.site_port, self.options.api_port, workers=2)()
        self.told(f"demo site  http://127.0.0.1:{self.options.demo_port}  (unprotected)\n"
                  f"site       {self.site}  (nginx with the module, two workers)\n"
                  f"API        {self.api}")

        self.step("A browser passes; a bad bot and a path under /admin do not")
        self.request(self.site, "/", "Mozilla/5.0", 200)
        self.request(self.site, "/", "BadBot/1.0", 403)
        self.request(self.site, "/admin/users", "Mozilla/5.0", 403)

        self.step(f"A new version under load: {LOAD_RATE} requests a second over {LOAD_CONNECTIONS} kept connections")
        end_load = self.start_load(self.options.site_port, LOAD_RATE, LOAD_CONNECTIONS)
        time.sleep(1)  # so that the load is running steadily when the rule changes; nothing depends on it
        done = self.run("reload", self.guest("bad-bot-blocker-1.1.0"), "--reason", "also block Masscan")
        self.check(done.returncode == 0, "the new version serves in both workers")
        self.request(self.site, "/", "masscan/1.3", 403)

        self.step("A broken upload is refused, and the version in force keeps serving")
        broken = self.folder / "broken.wasm"
        broken.write_bytes(Path(self.guest("bad-bot-blocker")).read_bytes()[:1000])
        self.check(self.run("reload", str(broken)).returncode == 1, "refused: a truncated module")
        self.check(self.run("reload", self.guest("missing_inspect")).returncode == 1, "refused: a module without inspect_request")
        self.check(self.run("reload", self.guest("loops_forever")).returncode == 1, "refused: a module that never ends")
        self.request(self.site, "/", "masscan/1.3", 403)

        self.step("Rollback: a pointer swap, no compiler")
        self.check(self.run("rollback", "--reason", "Masscan is our own scanner").returncode == 0, "the version before serves again")
        self.request(self.site, "/", "masscan/1.3", 200)

        self.step("What the load saw meanwhile")
        time.sleep(1)
        self.check_load(end_load(), LOAD_RATE)

        self.step("History and metrics")
        self.run("history")
        self.shown(f"curl {self.api}/metrics")
        _, metrics = http_status(self.api + "/metrics")
        wanted = ("wasm_reload_total{", "wasm_reload_failures_total{", "wasm_reload_duration_seconds{", "secbeat_requests_total{")
        lines = [line for line in metrics.splitlines() if line.startswith(wanted)]
        self.told("\n".join(lines))
        self.check(any(line.startswith("wasm_reload_total{") for line in lines), "metrics are there for Prometheus")

    def invite(self):
        newer, all_blocked = self.short(self.guest("bad-bot-blocker-1.1.0")), self.short(self.guest("block_all"))
        secbeat = self.short(self.secbeat)
        api = "" if self.options.api_port == 9090 else f" --api {self.api}"
        print(f"""
{BOLD}The site keeps running until Ctrl-C. Try, in another terminal:{PLAIN}
  curl -i {self.site}/                              # passes, with the receipt of who decided
  curl -i -A Nikto {self.site}/                     # blocked
  {secbeat} status{api}
  {secbeat} reload {newer}{api}
  {secbeat} rollback{api}
  curl -X POST -F file=@{all_blocked} -F name=bad-bot-blocker {self.api}/api/v1/wasm/reload
  curl -X POST {self.api}/api/v1/wasm/rollback
  {secbeat} history{api}
  curl {self.api}/api/v1/requests
Log: {self.folder}/demo/node.log
""", flush=True)


def main():
    parser = options_of_all(__doc__)
    parser.add_argument("--site-port", type=int, default=8000)
    parser.add_argument("--api-port", type=int, default=9090)
    parser.add_argument("--demo-port", type=int, default=8001)
    options = parser.parse_args()
    return conduct(NodeTour, options, ((options.site_port, "--site-port"), (options.api_port, "--api-port"),
                                       (options.demo_port, "--demo-port")))


if __name__ == "__main__":
    sys.exit(main())
