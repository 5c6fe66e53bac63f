# SPDX-License-Identifier: MIT
"""A live firthd for the HTTP tests: the whole daemon on a free port, with a store in a
temporary folder, and short words for what most tests do with it."""
import json
import os
import signal
import subprocess
import tempfile
import time

import harness

FIRTHD = os.environ.get("FIRTHD", os.path.join(harness.BUILD, "firthd"))
SOURCE = os.environ.get("srcdir", os.path.join(os.path.dirname(__file__), "..", ".."))

# Small enough to count by hand.
TEXT = """the cat sat on the mat
the dog sat on the log
a cat saw the dog
the dog saw a cat on the mat
a dog and a cat sat on the log
"""


class Firth(harness.Daemon):
    """firthd serve; ends when the with block does. `folder` may be given to keep it."""

    def __init__(self, folder=None, environment=None, **settings):
        super().__init__(environment, **settings)
        self.given = folder

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        place = self.given or self.folder.name
        self.store = os.path.join(place, "test.db")
        self.log = open(os.path.join(place, "log"), "w+")
        options = [f"--{name}={value}" for name, value in self.settings.items()]
        self.process = subprocess.Popen(
            [FIRTHD, "serve", "--store", self.store, "--listen", "127.0.0.1:0", *options],
            stdout=subprocess.PIPE, stderr=self.log, text=True,
            env={**os.environ, **self.environment})
        line = self.process.stdout.readline()
        assert "http://" in line, f"firthd said {line!r}: {open(self.log.name).read()}"
        self.port = int(line.strip().rsplit(":", 1)[1].rstrip("/"))
        return self

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def __exit__(self, *error):
        if self.process.poll() is not None and self.process.returncode == -signal.SIGKILL:
            self.process.stdout.close()
            self.log.close()
            self.folder.cleanup()
            return
        super().__exit__(*error)

    # --- what most tests do ---

    def get(self, target, headers=()):
        return self.ask("GET", target, headers=headers)

    def post(self, target, body=None, headers=()):
        return self.ask("POST", target, body, headers)

    def ok(self, method, target, body=None, headers=(), status=200):
        """Asks, wants this status, gives the JSON."""
        reply = self.ask(method, target, body, headers)
        assert reply.status == status, f"{method} {target}: {reply}"
        return reply.json() if reply.body else None

    def put_corpus(self, name="book", text=TEXT, query=""):
        body = text.encode() if isinstance(text, str) else text
        return self.ask("PUT", f"/corpora/{name}{query}", body,
                        ["Content-Type: text/plain"])

    def train(self, model="book3", corpus="book", **more):
        """Queues a training and waits for its end; the job."""
        request = {"kind": "ngram", "model": model, "corpus": corpus, "valid": 0,
                   "tokenizer": {"unit": "whitespace"}, **more}
        job = self.ok("POST", "/train", request, status=202)
        return self.wait(job["id"])

    def wait(self, job, seconds=30):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            row = self.ok("GET", f"/jobs/{job}")
            if row["state"] not in ("queued", "running"):
                return row
            time.sleep(0.02)
        raise AssertionError(f"{job} does not end: {row}")

    def learned(self, order=2, smoothing="mle", model="bigram", **more):
        """The corpus and a model of it."""
        self.put_corpus()
        job = self.train(model, params={"order": order, "smoothing": smoothing}, **more)
        assert job["state"] == "succeeded", job
        return job

    def events(self, target, headers=()):
        """A whole event stream as (id, type, data) triples."""
        reply = self.get(target, headers)
        assert reply.status == 200, reply
        assert reply.headers["content-type"].startswith("text/event-stream"), reply
        return parse_events(reply.body)


def parse_events(body):
    events = []
    for block in body.decode().split("\n\n"):
        fields = {}
        for line in block.split("\n"):
            if line and not line.startswith(":"):
                name, value = line.split(": ", 1)
                fields[name] = value
        if fields:
            events.append((fields.get("id"), fields.get("event"), fields.get("data")))
    return events


def run(*arguments, text="", status=0):
    """Runs firthd with the arguments; its standard output and error as text."""
    done = subprocess.run([FIRTHD, *arguments], input=text, capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == status, \
        f"{arguments}: ended with {done.returncode}, wanted {status}: {done.stderr}"
    return done.stdout, done.stderr


def near(got, wanted, within=1e-6):
    assert got is not None and abs(got - wanted) <= within, f"{got} is not {wanted}"


def pretty(value):
    return json.dumps(value, indent=1)
