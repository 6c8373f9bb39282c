"""What benchmarks measure with: CPU time of processes, load, and the servers that they compare."""

import contextlib
import json
import subprocess
from pathlib import Path

from support.processes import Nginx
from support.wasm_sections import CODE, FUNCTION, joined, leb128, read_leb128, sections

KEEPALIVE = "access_log off; keepalive_requests 10000000; keepalive_timeout 600s;"


def tree(pid):
    """A process and its children, as nginx' master and workers are."""
    pids = [pid]
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(stat.read_text().rsplit(")", 1)[1].split()[1]) == pid:
                pids.append(int(stat.parent.name))
    return pids


def cpu_ns(pids):
    """CPU time of all threads of processes so far."""
    total = 0
    for pid in pids:
        for schedstat in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            with contextlib.suppress(OSError):
                total += int(schedstat.read_text().split()[0])
    return total


def upstream(folder, port):
    """The site behind: stock nginx that answers 1,024 bytes."""
    return Nginx(folder, "upstream", f"""
  {KEEPALIVE}
  server {{ listen 127.0.0.1:{port}; location / {{ return 200 "{'u' * 1024}"; }} }}""").start(port)


def proxy(folder, name, port, upstream_port, workers=1, main="", http="", server=""):
    """An nginx in front of the upstream; the same configuration for everything that is compared."""
    return Nginx(folder, name, f"""
  {KEEPALIVE}
  client_body_buffer_size 128k;
  {http}
  upstream site {{ server 127.0.0.1:{upstream_port}; keepalive 64; keepalive_requests 10000000; }}
  server {{
    listen 127.0.0.1:{port};
    {server}
    location / {{ proxy_pass http://site; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}""", main=f"{main}\nworker_processes {workers}; worker_shutdown_timeout 10s;").start(port)


def load(build, port, seconds, **options):
    """Runs secbeat-load to its end; its summary."""
    command = [str(build / "bench" / "secbeat-load"), "--port", str(port), "--seconds", str(seconds)]
    for name, value in options.items():
        command += [f"--{name.replace('_', '-')}", str(value)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def repeated(module, times):
    """The module with every function `times` times over: as much more for the compiler to do, in one file.

    Only the function and the code section grow; what calls what stays.
    """
    parts = list(sections(module))
    for index, (kind, content) in enumerate(parts):
        if kind in (FUNCTION, CODE):
            count, first = read_leb128(content, 0)
            parts[index] = (kind, leb128(count * times) + content[first:] * times)
    return joined(parts)
