#!/usr/bin/env python3
"""Where the time of a reload goes, for modules from 10 KB to 4 MB, on an idle node and under load.

    bench/reload_stages/run.py [--build build/release] [--uploads 20] [--large 3]

Each upload has other bytes than any before it, so each is validated, compiled, rehearsed, staged in two workers and
swapped. Then as many uploads of bytes whose artifact is kept, and as many rollbacks, which compile nothing. Under load:
open loop, 2,000 requests a second. Writes its part of docs/benchmarks.md.
"""

import contextlib
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parents[2] / "tests")]

from measure import repeated, upstream  # noqa: E402
from report import benchmark_folder, machine, options_of, percentile, write_part  # noqa: E402
from support.node import Load, Node  # noqa: E402
from support.processes import free_port  # noqa: E402
from support.wasm_sections import distinct  # noqa: E402

SIZES = {"allow_all": 1, "bad-bot-blocker": 1, "sized_10k": 1, "universal-waf": 1, "sized_90k": 1, "sized_500k": 1, "sized_500k, 8 times over": 8}
CONFIGS = {"universal-waf": '{"rules":[{"id":"r1","field":"URI","pattern":"/nowhere/*","action":"Block"}]}'}
STAGES = ["receive_ms", "validate_ms", "compile_ms", "rehearse_ms", "stage_ms", "swap_ms", "total_ms"]


def timed(call, expected):
    began = time.monotonic()
    answer = call()
    client_ms = (time.monotonic() - began) * 1000
    if answer.status != 200 or answer.json.get("message", expected) != expected:
        raise RuntimeError(f"expected {expected}: {answer}")
    return {"client_ms": client_ms, **answer.json.get("stages", {})}


class Measured:
    """Of one module: `count` uploads of new bytes, of bytes that were just served, and rollbacks."""

    def __init__(self, node, module, count, numbers, **fields):
        self.size, self.uploads, self.again, self.rollbacks = len(module), [], [], []
        last = []
        for _ in range(count):
            last = [*last[-1:], distinct(module, next(numbers))]
            self.uploads.append(self.upload(node, last[-1], fields))
        for number in range(count):
            self.again.append(self.upload(node, last[number % 2], fields))
        if any(took["compile_ms"] for took in self.again):
            raise RuntimeError("an artifact that is kept was compiled again")
        current = node.version("bench")
        pair = [current["previous_version"], current["version"]]
        for number in range(count):
            self.rollbacks.append(timed(lambda: node.rollback(name="bench", to_version=pair[number % 2]), None))
            time.sleep(0.05)

    @staticmethod
    def upload(node, module, fields):
        took = timed(lambda: node.upload(module, name="bench", **fields), "Module reloaded")
        time.sleep(0.05)
        return took


def ends(measured):
    """What the client sees of each kind: median, p95."""
    for times in (measured.uploads, measured.again, measured.rollbacks):
        client = [took["client_ms"] for took in times]
        yield f"{percentile(client, 50):.1f}, {percentile(client, 95):.1f}"


def rows(results):
    lines = [f"| module | uploads | {' | '.join(stage.removesuffix('_ms') for stage in STAGES)} | upload to answer, client: median, p95 "
             "| the same artifact, client: median, p95 | rollback, client: median, p95 |",
             "|---" * (len(STAGES) + 5) + "|"]
    for guest, measured in results.items():
        cells = [f"{statistics.median(upload[stage] for upload in measured.uploads):.1f}" for stage in STAGES]
        lines.append(f"| {guest}, {measured.size:,} bytes | {len(measured.uploads)} | {' | '.join([*cells, *ends(measured)])} |")
    return "\n".join(lines)


def main():
    options = options_of(__doc__, uploads=20, large=3)
    subprocess.run(["cmake", "--build", str(options.build), "--target", "secbeat_sized_guests"], check=True, stdout=sys.stderr)
    idle, loaded, numbers = {}, {}, iter(range(1 << 30))
    with contextlib.ExitStack() as stack:
        folder, upstream_port = stack.enter_context(benchmark_folder()), free_port()
        stack.callback(upstream(folder, upstream_port).stop)
        for number, (guest, times) in enumerate(SIZES.items()):
            home = folder / str(number)
            home.mkdir(mode=0o755)
            count = options.large if times > 1 else options.uploads
            node = Node(options.build, home, upstream_port, module=options.build / "guests" / "allow_all.wasm",
                        tables={"waf.wasm": {"deadline_ms": 1000}}).start()
            stack.callback(node.clean_up)
            module = repeated(node.guest(guest.split(",")[0]).read_bytes(), times)
            fields = {"config": CONFIGS[guest]} if guest in CONFIGS else {}
            print(f"{guest}: idle", flush=True)
            idle[guest] = Measured(node, module, count, numbers, **fields)
            print(f"{guest}: 2,000 requests a second", flush=True)
            with Load(node, rate=2000, connections=32, seconds=600) as load:
                loaded[guest] = Measured(node, module, count, numbers, **fields)
            if load.result["failed"] or load.result["closed_by_server"]:
                raise RuntimeError(f"the load lost requests: {load.result['failures']}")
            if node.stop() != 0:
                raise RuntimeError("the node did not stop cleanly")
    text = f"""## A reload by stage

Milliseconds, medians; two workers. `universal-waf` is a real module of 90 KB; the sized ones are thousands of small
functions, all code, which is the most that their bytes can ask of a compiler; each upload has other bytes than any before it. "The same artifact" is an
upload of bytes that a version kept for rollback has: checked and rehearsed, not compiled, and what it costs is known. {machine()}.

On an idle node:

{rows(idle)}

Under 2,000 requests a second, open loop, a quarter of them POST, none lost:

{rows(loaded)}

Repeat it: `bench/reload_stages/run.py`.
"""
    write_part("reload_stages", text)
    print(text)


if __name__ == "__main__":
    main()
