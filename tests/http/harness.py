# SPDX-License-Identifier: MIT
"""What the HTTP tests stand on: a daemon on a free port in a temporary folder, raw sockets
to talk to it, and TAP. Standard library only.

The daemon is tests/http/echo_daemon (api/ with routes of its own); builddir says where it
was built. A test file defines functions named test_… and ends with harness.main()."""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

BUILD = os.environ.get("builddir", os.getcwd())
PROGRAM = os.path.join(BUILD, "tests", "http", "echo_daemon")
with open(PROGRAM, "rb") as file:
    SANITIZED = re.search(b"__[at]san_init", file.read()) is not None


def children(pid):
    """The processes that the process `pid` has started; none when it is gone."""
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
                found += [int(child) for child in file.read().split()]
    except OSError:
        pass
    return found


class Reply:
    """One HTTP reply: status, headers (lower-case names), body bytes."""

    def __init__(self, status, headers, body, closed=False):
        self.status, self.headers, self.body, self.closed = status, headers, body, closed

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"Reply({self.status}, {self.headers}, {self.body[:200]!r})"


class Connection:
    """A socket with a reader for replies."""

    def __init__(self, port, timeout=8):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pending = b""

    def send(self, data):
        self.socket.sendall(data.encode("latin-1") if isinstance(data, str) else data)

    def more(self):
        """Reads what comes; False at the end."""
        try:
            data = self.socket.recv(65536)
        except (ConnectionResetError, BrokenPipeError):
            return False
        self.pending += data
        return bool(data)

    def until(self, mark):
        while mark not in self.pending:
            if not self.more():
                raise EOFError(f"closed before {mark!r}; had {self.pending[:200]!r}")
        at = self.pending.index(mark) + len(mark)
        taken, self.pending = self.pending[:at], self.pending[at:]
        return taken

    def exactly(self, size):
        while len(self.pending) < size:
            if not self.more():
                raise EOFError(f"closed after {len(self.pending)} of {size} bytes")
        taken, self.pending = self.pending[:size], self.pending[size:]
        return taken

    def chunks(self):
        """The chunks of a chunked body, as they come."""
        while True:
            size = int(self.until(b"\r\n").split(b";")[0], 16)
            data = self.exactly(size)
            self.until(b"\r\n")
            if size == 0:
                return
            yield data

    def head(self):
        lines = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        match = re.match(r"HTTP/1\.1 (\d\d\d) ", lines[0] + " ")
        assert match, lines[0]
        headers = {}
        for line in lines[1:]:
            if line:
                name, value = line.split(":", 1)
                headers[name.lower()] = value.strip()
        return int(match[1]), headers

    def reply(self, head_only=False):
        status, headers = self.head()
        while status == 100:
            status, headers = self.head()
        if head_only or status in (204, 304):
            body = b""
        elif headers.get("transfer-encoding") == "chunked":
            body = b"".join(self.chunks())
        else:
            body = self.exactly(int(headers.get("content-length", 0)))
        return Reply(status, headers, body)

    def closed(self, seconds=2):
        """True when the other end closes without sending more."""
        self.socket.settimeout(seconds)
        try:
            return not self.pending and self.socket.recv(1) == b""
        except (ConnectionResetError, BrokenPipeError):
            return True
        except socket.timeout:
            return False

    def close(self):
        self.socket.close()


class Daemon:
    """echo_daemon with the given settings; ends when the with block does."""

    def __init__(self, environment=None, **settings):
        self.settings, self.environment = settings, environment or {}

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.log = open(os.path.join(self.folder.name, "log"), "w+")
        words = [f"{name}={value}" for name, value in self.settings.items()]
        self.process = subprocess.Popen(
            [PROGRAM, "listen=127.0.0.1:0", *words], stdout=subprocess.PIPE,
            stderr=self.log, text=True, env={**os.environ, **self.environment})
        line = self.process.stdout.readline()
        assert line.startswith("http://"), f"the daemon said {line!r}"
        self.port = int(line.rsplit(":", 1)[1])
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            status = "killed: it did not end"
        self.process.stdout.close()
        self.log.close()
        self.folder.cleanup()
        assert status == 0, f"the daemon ended with {status}"

    def connect(self, timeout=8):
        return Connection(self.port, timeout)

    def raw(self, data, head_only=False):
        """Sends bytes on a connection of their own; the first reply."""
        connection = self.connect()
        connection.send(data)
        reply = connection.reply(head_only)
        connection.close()
        return reply

    def ask(self, method, target, body=None, headers=(), connection=None):
        """A well-formed request."""
        lines = [f"{method} {target} HTTP/1.1", f"Host: 127.0.0.1:{self.port}"]
        headers = list(headers)
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
            if not any(h.lower().startswith("content-type") for h in headers):
                lines.append("Content-Type: application/json")
        data = "\r\n".join(lines + headers).encode("latin-1") + b"\r\n\r\n" + (body or b"")
        own = connection or self.connect()
        own.send(data)
        reply = own.reply(method == "HEAD")
        if not connection:
            own.close()
        return reply

    def seen(self):
        return self.ask("GET", "/seen").json()

    def rss(self):
        """Resident bytes; 0 under a sanitizer, whose memory says nothing."""
        if SANITIZED:
            return 0
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1]) * 1024

    def log_lines(self):
        """The log so far, each line parsed."""
        time.sleep(0.4)
        with open(self.log.name, "rb") as log:
            return [json.loads(line) for line in log.read().splitlines()]


def wait_for(condition, seconds=5):
    """Polls until the condition holds; its last value."""
    until = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < until:
        time.sleep(0.02)
    return value


def is_problem(reply, status, code=None):
    """Asserts the shape every error has."""
    assert reply.status == status, reply
    assert reply.headers["content-type"] == "application/problem+json", reply
    body = reply.json()
    for member in ("type", "title", "status", "detail", "instance", "code", "request_id",
                   "errors"):
        assert member in body, f"{member} is missing in {body}"
    assert body["status"] == status and body["request_id"] == reply.headers["x-request-id"]
    assert code is None or body["code"] == code, body
    return body


def main():
    """Runs every test_… of the calling file and prints TAP."""
    module = sys.modules["__main__"]
    tests = [(n, f) for n, f in vars(module).items() if n.startswith("test_")]
    failed = 0
    print(f"1..{len(tests)}")
    for number, (name, function) in enumerate(tests, 1):
        try:
            began = time.monotonic()
            function()
            print(f"ok {number} - {name} # {time.monotonic() - began:.1f} s", flush=True)
        except Exception:
            failed += 1
            print(f"not ok {number} - {name}")
            for line in traceback.format_exc().splitlines():
                print(f"# {line}", flush=True)
    sys.exit(1 if failed else 0)
