#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a page in a real browser may do with a daemon of another origin.

    make browser [CHROMIUM=program]

The other tests send what a browser is known to send and look at the headers; here Chromium
itself asks first (the preflight), compares origins and decides what the page's script gets
to see. A page of a second loopback port runs a script and writes down what it saw. The
document's load ends when the script has, by an inner frame that is never answered and that
the script takes out; so Chromium prints the finished page, and no clock decides."""
import contextlib
import html
import http.server
import json
import math
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "http"))
import harness  # noqa: E402
from firth import Firth, near, run  # noqa: E402

CHROMIUM = os.environ.get("CHROMIUM", "chromium")
OPTIONS = """--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --disable-quic
--no-first-run --disable-background-networking --disable-component-update --disable-sync
--disable-default-apps --disable-extensions --dump-dom""".split()
PATIENCE = 120  # seconds until a browser that hangs is a failure

# man is to woman as king is to queen, and two words that are elsewhere.
WORD2VEC = """6 3
man 1 0 0
woman 1 1 0
king 1 0 1
queen 1 1 1
apple -1 0 0
pear -1 -1 0
"""
ANALOGY = {"model": "plane", "a": "man", "b": "king", "c": "woman"}

PAGE = """<!DOCTYPE html>
<meta charset="utf-8"><title>A page</title><link rel="icon" href="data:,">
<pre id="seen"></pre>
<iframe id="wait" src="/wait"></iframe>
<script>
const firth = %(firth)s, given = %(given)s;

// A reply as far as this page may see it.
async function look(path, options) {
    let reply;
    try {
        reply = await fetch(firth + path, options);
    } catch (error) {
        return {failed: error.name};
    }
    const text = await reply.text();
    const json = /[/+]json/.test(reply.headers.get("content-type"));
    return {status: reply.status, type: reply.type,
            headers: Object.fromEntries(reply.headers), body: json ? JSON.parse(text) : text};
}

function post(path, body, headers) {
    return look(path, {method: "POST", body: JSON.stringify(body),
                       headers: {"Content-Type": "application/json", ...headers}});
}

async function script() {
%(script)s
}

script().catch(error => ({error: String(error)})).then(seen => {
    document.getElementById("seen").textContent = JSON.stringify(seen);
    document.getElementById("wait").remove();
});
</script>
"""


class Pages:
    """A web server with one page, which is an origin of its own."""

    def __enter__(self):
        self.page, self.over = b"", threading.Event()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.port = self.server.server_port
        self.origin = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.server.shutdown()
        self.server.server_close()

    def handler(pages):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                if self.path == "/wait":
                    pages.over.wait()
                    self.close_connection = True
                    return
                body = pages.page if self.path == "/" else b""
                self.send_response(200 if body else 404)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with contextlib.suppress(ConnectionError):  # a browser that has ended
                    self.wfile.write(body)

            def log_message(self, *_):
                pass
        return Handler

    def see(self, firth, script, given=None, host="127.0.0.1"):
        """Opens the page with this script in a new browser; what the script returned."""
        self.page = (PAGE % {"firth": json.dumps(f"http://127.0.0.1:{firth.port}"),
                             "given": json.dumps(given), "script": script}).encode()
        seen = re.search(r'<pre id="seen">(.*?)</pre>', opened(f"http://{host}:{self.port}/"),
                         re.S)
        assert seen and seen[1], f"the page saw nothing: {self.page.decode()}"
        seen = json.loads(html.unescape(seen[1]))
        assert "error" not in seen, seen
        return seen


def opened(address):
    """The document of this address as Chromium shows it once it is loaded."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = subprocess.Popen(
            [CHROMIUM, *OPTIONS, f"--user-data-dir={profile}", address], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        try:
            document, complaints = browser.communicate(timeout=PATIENCE)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(browser.pid, signal.SIGKILL)
            browser.wait()
    assert browser.returncode == 0 and document, complaints
    return document


@contextlib.contextmanager
def daemon_and_page(**settings):
    """A page, and a daemon with vectors that allows the page's origin."""
    with Pages() as page, Firth(allowed_origins=page.origin, **settings) as firth:
        put_vectors(firth)
        yield firth, page


def put_vectors(firth, headers=()):
    reply = firth.ask("PUT", "/models/plane?format=word2vec", WORD2VEC.encode(),
                      ["Content-Type: application/octet-stream", *headers])
    assert reply.status == 201, reply


def requests(firth):
    """(method, path, status) of each request that the daemon answered."""
    return [(line["method"], line["path"], line["status"])
            for line in firth.log_lines() if line["event"] == "request"]


def is_readable_problem(seen, status, code):
    """A problem that the page could read to its end."""
    assert seen.get("status") == status and seen["type"] == "cors", seen
    assert seen["headers"]["content-type"] == "application/problem+json", seen
    assert seen["body"]["code"] == code and seen["body"]["status"] == status, seen
    assert seen["body"]["request_id"] == seen["headers"]["x-request-id"], seen


def test_a_page_on_an_allowed_origin_asks_an_analogy():
    with daemon_and_page() as (firth, page):
        seen = page.see(firth, """
            return {analogy: await post("/analogy", given),
                    neighbors: await post("/neighbors", {model: "plane", word: "apple", k: 1})};
        """, ANALOGY)
        analogy = seen["analogy"]
        assert analogy["status"] == 200 and analogy["type"] == "cors", analogy
        best = analogy["body"]["results"][0]["answers"][0]
        assert best["word"] == "queen" and best["rank"] == 1, analogy
        # b/|b| - a/|a| + c/|c| is (√2-1, 1/√2, 1/√2): its cosine with (1, 1, 1).
        root = math.sqrt(2)
        near(best["similarity"], (2 * root - 1) / math.sqrt(3 * (4 - 2 * root)), 1e-5)
        own = firth.ok("POST", "/analogy", ANALOGY)
        assert analogy["body"]["results"] == own["results"]
        assert analogy["body"]["model_digest"] == own["model_digest"]
        nearest = seen["neighbors"]["body"]["results"][0]["neighbors"][0]
        assert nearest["word"] == "pear", seen["neighbors"]
        near(nearest["similarity"], 1 / root, 1e-5)
        # The browser asked before it sent.
        asked = [line for line in requests(firth) if line[1] == "/analogy"]
        assert asked[:2] == [("OPTIONS", "/analogy", 204), ("POST", "/analogy", 200)], asked


def test_the_page_reads_what_is_wrong():
    with daemon_and_page() as (firth, page):
        seen = page.see(firth, """
            return {unknown: await post("/analogy", {...given, a: "mann"}),
                    unable: await post("/next", {model: "plane", context: "the"}),
                    missing: await look("/models/none"),
                    broken: await look("/analogy", {method: "POST", body: "{",
                        headers: {"Content-Type": "application/json"}})};
        """, ANALOGY)
        is_readable_problem(seen["unknown"], 422, "unknown_words")
        assert "man" in json.dumps(seen["unknown"]["body"]["errors"]), seen["unknown"]
        is_readable_problem(seen["unable"], 422, "not_able")
        is_readable_problem(seen["missing"], 404, "model_not_found")
        is_readable_problem(seen["broken"], 400, "malformed_request")


def test_the_page_reads_why_its_upload_was_cut():
    """The daemon answers in the midst of a body too long to be swallowed."""
    with daemon_and_page() as (firth, page):
        seen = page.see(firth, """
            const text = new Uint8Array(4 << 20).fill(97);
            text[0] = 255;
            return await look("/corpora/book", {method: "PUT", body: text,
                                                headers: {"Content-Type": "text/plain"}});
        """)
        is_readable_problem(seen, 422, "invalid_utf8")
        assert ("PUT", "/corpora/book", 422) in requests(firth)
        assert firth.get("/corpora/book").status == 404


def test_the_page_reads_the_headers_it_needs():
    with daemon_and_page() as (firth, page):
        seen = page.see(firth, """
            const model = await look("/models/plane");
            const tag = {headers: {"If-None-Match": model.headers.etag}, cache: "no-store"};
            return {model, same: await look("/models/plane", tag),
                    part: await look("/models/plane/export?format=word2vec",
                                     {headers: {Range: "bytes=4-8"}}),
                    job: await post("/maps", {model: "plane", method: "pca", top: 4}),
                    own: await look("/livez", {headers: {"X-Request-Id": "page-1"}})};
        """)
        assert seen["model"]["headers"]["etag"].startswith('"'), seen["model"]
        assert seen["same"]["status"] == 304, seen["same"]
        assert seen["part"]["status"] == 206 and seen["part"]["body"] == "man 1", seen["part"]
        assert seen["part"]["headers"]["content-range"].startswith("bytes 4-8/"), seen["part"]
        job = seen["job"]
        assert job["status"] == 202, job
        assert job["headers"]["location"] == f"/jobs/{job['body']['id']}", job
        assert seen["own"]["headers"]["x-request-id"] == "page-1", seen["own"]
        assert firth.wait(job["body"]["id"])["state"] == "succeeded"


def test_a_page_on_another_origin_gets_nothing():
    """Nor may it change anything, not even by requests that need no preflight."""
    with daemon_and_page() as (firth, page), Pages() as other:
        firth.ok("POST", "/models/plane/load", {})
        for stranger, host in ((other, "127.0.0.1"), (page, "localhost")):
            seen = stranger.see(firth, """
                const blind = {method: "POST", mode: "no-cors"};
                return {analogy: await post("/analogy", given),
                        read: await look("/models/plane"),
                        remove: await look("/models/plane", {method: "DELETE"}),
                        simple: await look("/models/plane/unload", {method: "POST"}),
                        blind: await look("/models/plane/unload", blind),
                        peek: await look("/models/plane", {mode: "no-cors"})};
            """, ANALOGY, host)
            for name in ("analogy", "read", "remove", "simple"):
                assert seen[name] == {"failed": "TypeError"}, (host, name, seen[name])
            for name in ("blind", "peek"):
                assert seen[name] == {"status": 0, "type": "opaque", "headers": {},
                                      "body": ""}, (host, name, seen[name])
        lines = requests(firth)
        assert ("OPTIONS", "/analogy", 204) in lines, lines
        assert ("POST", "/analogy", 200) not in lines, lines
        assert lines.count(("POST", "/models/plane/unload", 403)) == 4, lines
        assert not [line for line in lines if line[0] == "DELETE"], lines
        assert firth.ok("GET", "/models/plane")["state"] == "ready"


def test_a_page_with_a_key():
    with tempfile.TemporaryDirectory() as folder:
        store = os.path.join(folder, "test.db")
        key = run("keys", "--store", store, "add", "--scope", "read,train")[0].strip()
        with Pages() as page, Pages() as other, \
                Firth(folder, allowed_origins=page.origin) as firth:
            put_vectors(firth, [f"Authorization: Bearer {key}"])
            ask = """
                const bearer = {Authorization: "Bearer " + given.key};
                return {key: await post("/analogy", given.ask, bearer),
                        none: await post("/analogy", given.ask)};
            """
            given = {"key": key, "ask": ANALOGY}
            seen = page.see(firth, ask, given)
            assert seen["key"]["status"] == 200, seen["key"]
            answers = seen["key"]["body"]["results"][0]["answers"]
            assert answers[0]["word"] == "queen", answers
            is_readable_problem(seen["none"], 401, "unauthorized")
            assert other.see(firth, ask, given) == {"key": {"failed": "TypeError"},
                                                    "none": {"failed": "TypeError"}}


def test_a_page_reads_a_stream():
    """More than a browser holds back of a reply: the page reads it in pieces."""
    with Pages() as page, Firth(allowed_origins=page.origin) as firth:
        firth.put_corpus(text="a b " * 4000)  # one line: hardly an output ends early
        firth.train("loop", params={"order": 2, "smoothing": "mle"})
        ask = {"model": "loop", "max_tokens": 4000, "n": 16, "seed": 3}
        seen = page.see(firth, """
            const reply = await fetch(firth + "/generate", {
                method: "POST", headers: {"Content-Type": "application/json"},
                body: JSON.stringify({...given, stream: true})});
            const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
            const texts = Array(given.n).fill("");
            const ends = Array(given.n).fill(null);
            let pieces = 0, early = 0, rest = "", done = null;
            for (let got; !(got = await reader.read()).done; pieces++) {
                const events = (rest + got.value).split("\\n\\n");
                rest = events.pop();
                for (const event of events) {
                    const [, kind, data] = event.match(/^event: (\\w+)\\ndata: (.*)$/);
                    const value = JSON.parse(data);
                    if (kind === "token") {
                        early += pieces === 0;
                        texts[value.index] += value.text;
                        ends[value.index] = value.finish_reason || null;
                    } else {
                        done = {kind, outputs: value.outputs, pieces};
                    }
                }
            }
            return {status: reply.status, type: reply.headers.get("content-type"), pieces,
                    early, rest, done, texts, ends};
        """, ask)
        whole = firth.ok("POST", "/generate", ask)["outputs"]
        assert seen["status"] == 200 and seen["type"].startswith("text/event-stream"), seen
        assert seen["early"] > 0, "no token in the first piece"
        assert seen["done"]["kind"] == "done" and seen["done"]["pieces"] > 0, "one piece only"
        assert seen["rest"] == "" and seen["done"]["outputs"] == whole
        assert seen["texts"] == [output["text"] for output in whole]
        assert seen["ends"] == [output["finish_reason"] for output in whole]


def test_a_page_follows_a_job():
    """An EventSource. The job would go on for days: what the page saw of it came before it
    was over, since only then did the page cancel it."""
    with Pages() as page, Firth(allowed_origins=page.origin, streams=1) as firth:
        firth.put_corpus()
        job = firth.ok("POST", "/train", {
            "kind": "lstm", "model": "long", "corpus": "book", "valid": 0,
            "params": {"embedding_size": 8, "hidden_size": 8},
            "budget": {"epochs": 100000000}}, status=202)["id"]
        seen = page.see(firth, """
            const feed = new EventSource(firth + "/jobs/" + given + "/events");
            const states = [];
            const seen = {states};
            return await new Promise(resolve => {
                feed.onerror = () => resolve({states, failed: feed.readyState});
                feed.addEventListener("state", async event => {
                    const state = JSON.parse(event.data).state;
                    states.push(state);
                    if (state === "running") {
                        seen.second = await look("/jobs/" + given + "/events");
                        seen.cancel = await look("/jobs/" + given + "/cancel",
                                                 {method: "POST"});
                    } else if (state === "cancelled") {
                        feed.close();
                        seen.pause = await look("/jobs/" + given + "/pause", {method: "POST"});
                        resolve(seen);
                    }
                });
            });
        """, job)
        assert seen["states"] == ["queued", "running", "cancelled"], seen
        is_readable_problem(seen["second"], 429, "queue_full")
        assert int(seen["second"]["headers"]["retry-after"]) > 0, seen["second"]
        assert seen["cancel"]["status"] == 202, seen["cancel"]
        is_readable_problem(seen["pause"], 409, "conflict")
        assert seen["pause"]["headers"]["x-should-retry"] == "false", seen["pause"]


if __name__ == "__main__":
    harness.main()
