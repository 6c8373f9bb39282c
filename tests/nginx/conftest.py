"""A site: nginx with the module and a state made by hand, without the agent."""

from pathlib import Path

import pytest
from support.processes import Nginx, free_port, wait_for
from support.state import ScriptedAgent, State
from support.wire import EchoUpstream, PatientUpstream


@pytest.fixture(scope="session")
def build(request):
    folder = Path(request.config.getoption("--build")).resolve()
    for part in ("nginx/ngx_http_secbeat_module.so", "tools/secbeat_state_tool", "guests/describes_request.wasm"):
        assert (folder / part).exists(), f"{folder} has no {part}: build it first"
    return folder


class Site:
    """`server` is the content of the one server block; rules are slots of the document in force."""

    def __init__(self, build, folder, server, http="", main="", document=None, slots=(), listen="", **options):
        self.port = free_port()
        self.folder = Path(folder)
        self.state = State(build, self.folder / "state")
        self.agent = ScriptedAgent(self.state)
        if document is None and slots:
            document = self.state.document(*[slot(self.state) for slot in slots], **options)
        if document is not None:
            self.state.put_in_force(document)
        root = self.folder / "root"
        root.mkdir()
        (root / "index.html").write_text("the index\n")
        (root / "file.txt").write_text("the file\n")
        self.expected = []
        self.access_log = self.folder / "access.log"
        module = build / "nginx" / "ngx_http_secbeat_module.so"
        self.nginx = Nginx(self.folder, "site", f"""
  log_format told '$request_uri $status "$secbeat_verdict" "$secbeat_module" "$secbeat_version" $request_id';
  access_log {self.access_log} told;
  secbeat_state {self.state.path}; secbeat on;
  root {root}; keepalive_timeout 600s;
{http}
  server {{
    listen 127.0.0.1:{self.port} {listen};
{server.replace("$PORT", str(self.port))}
  }}""", main=f"load_module {module};\nworker_processes 1;\n{main}")

    def start(self):
        self.nginx.start(self.port)
        return self

    def inspections_of(self, action):
        """How many requests were inspected while `action` ran, and what it returned."""
        before = self.state.inspected()
        result = action()
        return self.state.inspected() - before, result

    def told(self):
        """The message of the next event of describes_request."""
        event = wait_for("an event", lambda: self.agent.events and self.agent.events.pop(0), log=self.nginx.error_log)
        return event["message"]

    def expect_complaint(self, text):
        """Takes one complaint that the test provoked; the others still fail it."""
        found = [line for line in self.nginx.complaints() if text in line]
        assert len(found) == 1, found
        self.expected.append(text)

    def log_lines(self, count):
        """The access log once it has this many lines; nginx writes one after the response."""
        def lines():
            return self.access_log.read_text().splitlines() if self.access_log.exists() else []
        return wait_for(f"{count} lines of the access log", lambda: len(lines()) >= count and lines())


@pytest.fixture
def make_site(build, folder):
    """make_site(server, …): a Site that runs. Its error log is read when the test ends."""
    sites = []

    def make(server="", start=True, **options):
        home = folder / f"site{len(sites)}"
        home.mkdir()
        site = Site(build, home, server, **options)
        sites.append(site)
        return site.start() if start else site

    yield make
    complaints = []
    for site in sites:
        site.nginx.stop()
        site.agent.close()
        complaints += [line for line in site.nginx.complaints() if not any(text in line for text in site.expected)]
    assert not complaints


@pytest.fixture
def echo():
    upstream = EchoUpstream()
    yield upstream
    upstream.close()


@pytest.fixture
def patient():
    upstream = PatientUpstream()
    yield upstream
    upstream.close()
