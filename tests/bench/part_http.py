# SPDX-License-Identifier: MIT
"""HTTP beside a bare libmicrohttpd handler that answers a constant: /livez, one sentence to
/score, a batch to /score against the same scoring in process."""
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import time
import urllib.request

from measure import ratio, run, show, table

CONNECTIONS = 32
BARE_PORT = "18181"
SECONDS = 2
TURNS = 5
WORDS = "the first part of the text is about the city of its own people and they were not".split()


def start(command):
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    line = process.stdout.readline().decode()
    return process, re.search(r"http://\S+", line)[0]


def stop(process):
    process.send_signal(signal.SIGTERM)
    process.wait(30)


def wrk(url, script=None):
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s"]
    command += ["-s", script] if script else []
    output = run([*command, url]).output
    if "Non-2xx" in output:
        raise RuntimeError(output)
    return float(re.search(r"Requests/sec:\s+([0-9.]+)", output)[1])


def post(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(),
                                     {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def lua(work, name, body):
    path = os.path.join(work, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write('wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\n'
                   f"wrk.body = [==[{json.dumps(body)}]==]\n")
    return path


def corpus():
    data = os.environ.get("DATA")
    if data:
        with open(os.path.join(data, "wiki-2m", "train.txt"), encoding="utf-8") as file:
            return file.read()
    return "\n".join(" ".join(WORDS[i:] + WORDS[:i]) for i in range(len(WORDS))) * 200


def train(url):
    request = urllib.request.Request(url + "/corpora/bench", corpus().encode(), method="PUT")
    urllib.request.urlopen(request).read()
    job = post(url + "/train", {"kind": "ngram", "model": "bench", "corpus": "bench",
                                "valid": 0, "params": {"order": 5},
                                "tokenizer": {"unit": "whitespace"}})
    while job["state"] in ("queued", "running"):
        time.sleep(0.2)
        with urllib.request.urlopen(f"{url}/jobs/{job['id']}") as answer:
            job = json.load(answer)
    if job["state"] != "succeeded":
        raise RuntimeError(job)


def batch(url):
    """Sentences a second through one large request, and the tokens a second it reports."""
    sentences = corpus().split("\n")[:5000]
    best = None
    for _ in range(5):
        started = time.monotonic()
        answer = post(url + "/score", {"model": "bench", "inputs": sentences})
        seconds = time.monotonic() - started
        tokens = answer["total"]["tokens_scored"]
        compute = answer["timing"]["compute_s"]
        figure = (tokens / seconds, tokens / compute)
        best = max(best, figure) if best else figure
    return best


def measure(work):
    firthd = os.environ["FIRTHD"]
    bare = os.path.join(os.environ.get("builddir", "."), "tests/bench/bench_bare_http")
    bare = [bare, BARE_PORT] if os.access(bare, os.X_OK) else None
    if not shutil.which("wrk"):
        print("http: wrk is not installed; nothing measured")
        return
    show(f"wrk -t1 -c{CONNECTIONS} -d{SECONDS}s URL")
    server, url = start([firthd, "serve", "--store", os.path.join(work, "http.db"),
                         "--listen", "127.0.0.1:0", "--log-level", "error"])
    reference = None
    try:
        train(url)
        one = lua(work, "score.lua", {"model": "bench", "inputs": " ".join(WORDS[:10])})
        following = lua(work, "next.lua", {"model": "bench", "context": " ".join(WORDS[:4])})
        if bare:
            reference, bare_url = start(bare)
        rows = []
        for name, path, script in (("/livez", "/livez", None), ("/score, ten words", "/score", one),
                                   ("/next, k = 10", "/next", following)):
            pairs = [(wrk(bare_url, script) if bare else 0, wrk(url + path, script))
                     for _ in range(TURNS)]
            limit, ours = (statistics.median(column) for column in zip(*pairs))
            rows.append([name, f"{ours:.0f}", f"{limit:.0f}" if bare else "–",
                         f"{100 * ours / limit:.0f} %" if bare else "–"])
        table(f"HTTP, requests a second at {CONNECTIONS} connections",
              ["call", "Firth", "bare handler", "share"], rows)
        whole, inside = batch(url)
        table("Batch /score of 5,000 sentences", ["tokens/s by HTTP", "computing alone", "share"],
              [[f"{whole:.0f}", f"{inside:.0f}", ratio(whole, inside)]])
    finally:
        stop(server)
        if reference:
            stop(reference)
