#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Kills the daemon or a trainer with SIGKILL at random moments under load, starts it again,
and holds the store against what clients were told.

The clients write down what was acknowledged: a corpus with its SHA-256, a deletion, a job's
id. A request whose answer never came has happened or has not, but nothing in between. After
every kill: what was acknowledged is there, what was deleted is not, and nothing else is; at
the end every text is read back whole, every job ends well, and every model answers.

usage: test_kill9.py [--kills N] [--seed N]    (N = 10; 200 with FIRTH_FAULTS=full)
"""
import argparse
import hashlib
import http.client
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "http"))
from harness import children  # noqa: E402

FIRTHD = os.environ.get("FIRTHD") or os.path.abspath("firthd")
CLIENTS = 4
ANSWER_WAIT = 30
QUEUED_MOST = 4
OPTIONS = ["--listen", "127.0.0.1:0", "--jobs-at-once", "2", "--job-attempts", "100",
           "--job-queue", "1000", "--log-level", "warning"]


class Gone(Exception):
    """The daemon did not answer; whether it acted is unknown."""


class Daemon:
    def __init__(self, folder):
        self.store = os.path.join(folder, "firth.db")
        self.log = open(os.path.join(folder, "log"), "ab")
        self.process = None
        self.port = 0

    def start(self, wait=True):
        self.process = subprocess.Popen(
            [FIRTHD, "serve", "--store", self.store, *OPTIONS], stdout=subprocess.PIPE,
            stderr=self.log)
        if not wait:
            return True
        line = self.process.stdout.readline().decode()
        found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
        self.port = int(found.group(1)) if found else 0
        return bool(found)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()
        self.port = 0

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return "no end"

    def trainers(self):
        return children(self.process.pid)

    def ask(self, method, path, body=None, headers=None):
        port = self.port
        if not port:
            raise Gone
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_WAIT)
        try:
            if isinstance(body, dict):
                body = json.dumps(body)
                headers = {"Content-Type": "application/json", **(headers or {})}
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise Gone from error
        finally:
            connection.close()

    def ask_json(self, method, path, body=None, headers=None):
        status, answer = self.ask(method, path, body, headers)
        return status, json.loads(answer) if answer else None


def alive(pid):
    """Whether a process still runs (a zombie does not)."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


class Texts:
    """Slices of one long pseudo-text: cheap, and different from each other."""

    def __init__(self, source):
        words = [f"w{i}" for i in range(5000)]
        weights = [1 / (i + 1) for i in range(len(words))]
        drawn = source.choices(words, weights, k=400_000)
        lines = [" ".join(drawn[i:i + 20]) for i in range(0, len(drawn), 20)]
        self.text = ("\n".join(lines) + "\n").encode()

    def draw(self, source):
        size = source.choice([100, 5_000, 200_000, 1_500_000])
        begin = source.randrange(len(self.text) - size)
        return self.text[begin:begin + size].strip() + b"\n"


class Client(threading.Thread):
    """One client with names of its own. `corpora` maps a name to the set of digests it may
    have, None for absent; more than one while an answer is missing."""

    def __init__(self, daemon, number, seed, texts):
        super().__init__(daemon=True)
        self.server = daemon
        self.number = number
        self.source = random.Random(seed)
        self.texts = texts
        self.stopping = False
        self.lock = threading.Lock()
        self.corpora = {}
        self.jobs = {}      # id -> model
        self.models = {}    # model -> "deleted", or "unsure" when no answer said so
        self.pending = {}   # idempotency key -> request whose answer is missing
        self.mismatches = []
        self.refused = 0
        self.made = 0

    def run(self):
        actions = ([self.upload] * 4 + [self.train] * 3 + [self.delete] * 2 +
                   [self.delete_model] * 2)
        while not self.stopping:
            try:
                with self.lock:
                    self.settle_pending()
                    self.source.choice(actions)()
            except Gone:
                pass
            time.sleep(self.source.uniform(0, 0.04))

    def known(self):
        return [name for name, kinds in self.corpora.items()
                if len(kinds) == 1 and None not in kinds]

    def upload(self):
        name = f"c{self.number}-{self.source.randrange(6)}"
        text = self.texts.draw(self.source)
        digest = hashlib.sha256(text).hexdigest()
        before = self.corpora.get(name, {None})
        self.corpora[name] = before | {digest}
        status, answer = self.server.ask_json("PUT", f"/corpora/{name}", text)
        if status in (200, 201):
            self.corpora[name] = {digest}
            if answer["sha256"] != digest:
                self.mismatches.append(f"{name}: acknowledged another digest")
        else:
            self.corpora[name] = before
            self.refused += 1

    def delete(self):
        if not self.corpora:
            return
        name = self.source.choice(sorted(self.corpora))
        before = self.corpora[name]
        self.corpora[name] = before | {None}
        status, _ = self.server.ask("DELETE", f"/corpora/{name}")
        if status in (204, 404):
            if status == 404 and None not in before:
                self.mismatches.append(f"{name}: acknowledged and not found")
            self.corpora[name] = {None}
        else:
            self.corpora[name] = before

    def train(self):
        _, waiting = self.server.ask_json("GET", f"/jobs?state=queued&limit={QUEUED_MOST}")
        if not self.known() or len(waiting["data"]) == QUEUED_MOST:
            return
        self.made += 1
        model = f"m{self.number}-{self.made}"
        request = {"kind": "ngram", "model": model,
                   "corpus": self.source.choice(self.known()),
                   "params": {"order": self.source.choice([2, 3, 4])}}
        self.submit(f"key-{model}", request)

    def delete_model(self):
        there = [model for model in self.jobs.values() if model not in self.models]
        if len(there) < 3:
            return
        model = self.source.choice(there)
        status, _ = self.server.ask("GET", f"/models/{model}")
        if status != 200:
            return
        self.models[model] = "unsure"
        status, _ = self.server.ask("DELETE", f"/models/{model}")
        if status == 204:
            self.models[model] = "deleted"

    def submit(self, key, request):
        self.pending[key] = request
        status, answer = self.server.ask_json("POST", "/train", request,
                                              {"Idempotency-Key": key})
        del self.pending[key]
        if status == 202:
            self.jobs[answer["id"]] = request["model"]
        elif status == 409:
            self.mismatches.append(f"{request['model']}: taken without a job: {answer}")
        else:
            self.refused += 1

    def settle_pending(self):
        """An answer is missing: the same key finds the job or makes it, never a second."""
        for key, request in list(self.pending.items()):
            self.submit(key, request)


class Oracle:
    def __init__(self, daemon, clients):
        self.daemon = daemon
        self.clients = clients
        self.complaints = {}

    def complain(self, about, text):
        self.complaints.setdefault(about, []).append(text)

    def list_all(self, path):
        after, found = "", []
        while True:
            status, page = self.daemon.ask_json("GET", f"{path}?limit=100{after}")
            if status != 200:
                self.complain("whole", f"GET {path}: {status}")
                return found
            found += page["data"]
            if not page["has_more"]:
                return found
            after = "&after=" + page["last_id"]

    def check_corpora(self, read_all):
        there = {row["name"]: row for row in self.list_all("/corpora")}
        expected = {name: kinds for client in self.clients
                    for name, kinds in client.corpora.items()}
        for name in there.keys() - expected.keys():
            self.complain("nothing else", f"corpus {name} that nobody put")
        for name, kinds in expected.items():
            digest = there[name]["sha256"] if name in there else None
            if digest not in kinds:
                self.complain("acknowledged", f"corpus {name} is {digest}, may be {kinds}")
            if digest and (read_all or random.random() < 0.2):
                status, text = self.daemon.ask("GET", f"/corpora/{name}/text")
                if status != 200 or hashlib.sha256(text).hexdigest() != digest:
                    self.complain("whole", f"text of {name}: {status}, {len(text)} bytes")

    def check_jobs(self):
        earlier = {row["name"] for row in self.list_all("/models")}
        there = {row["id"]: row for row in self.list_all("/jobs")}
        models = {row["name"] for row in self.list_all("/models")}  # jobs go on meanwhile
        for client in self.clients:
            for job in client.jobs:
                if job not in there:
                    self.complain("acknowledged", f"job {job} is gone")
        fates = {model: fate for client in self.clients
                 for model, fate in client.models.items()}
        for row in there.values():
            missing = row["state"] == "succeeded" and row["model"] not in models
            if missing and row["model"] not in fates:
                self.complain("acknowledged", f"{row['id']} succeeded without a model")
            if not missing and fates.get(row["model"]) == "deleted":
                self.complain("acknowledged", f"{row['model']} was deleted and is there")
            if row["state"] not in ("queued", "running", "succeeded"):
                self.complain("ends well", f"{row['id']} {row['state']}: {row['error']}")
        done = {row["model"] for row in there.values() if row["state"] == "succeeded"}
        for name in earlier - done:
            self.complain("nothing else", f"model {name} without a finished job")
        if len({row["model"] for row in there.values()}) != len(there):
            self.complain("nothing else", "two jobs for one request")
        return there

    def check(self, read_all=False):
        for client in self.clients:
            client.lock.acquire()
        try:
            self.check_corpora(read_all)
            return self.check_jobs()
        except Gone:
            self.complain("whole", "the daemon does not answer")
            return {}
        finally:
            for client in self.clients:
                client.lock.release()

    def wait_for_jobs(self):
        deadline = time.monotonic() + 600
        while time.monotonic() < deadline:
            rows = self.list_all("/jobs")
            if all(row["state"] not in ("queued", "running") for row in rows):
                return
            time.sleep(0.3)
        self.complain("ends well", "jobs do not end")

    def check_answers(self):
        for row in self.list_all("/models"):
            status, answer = self.daemon.ask("POST", "/next",
                                             {"model": row["name"], "context": "w0 w1"})
            if status != 200:
                self.complain("answers", f"{row['name']}: {status} {answer[:200]}")


class Harness:
    def __init__(self, folder, kills, seed):
        self.source = random.Random(seed)
        self.kills = kills
        self.daemon = Daemon(folder)
        texts = Texts(self.source)
        self.clients = [Client(self.daemon, number, self.source.random(), texts)
                        for number in range(CLIENTS)]
        self.oracle = Oracle(self.daemon, self.clients)
        self.killed = {"daemon": 0, "daemon while starting": 0, "trainer": 0}
        self.not_started = 0
        self.orphans = []

    def start(self):
        if not self.daemon.start():
            self.not_started += 1
            raise SystemExit("the daemon does not start: see its log")

    def kill_daemon(self):
        trainers = self.daemon.trainers()
        self.daemon.kill()
        self.killed["daemon"] += 1
        deadline = time.monotonic() + 1
        while any(alive(pid) for pid in trainers) and time.monotonic() < deadline:
            time.sleep(0.005)
        self.orphans += [pid for pid in trainers if alive(pid)]
        if self.source.random() < 0.2:
            self.daemon.start(wait=False)
            time.sleep(self.source.uniform(0, 0.06))
            self.daemon.kill()
            self.killed["daemon while starting"] += 1
        self.start()

    def kill_trainer(self):
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            trainers = self.daemon.trainers()
            if trainers:
                time.sleep(self.source.uniform(0, 0.05))
                try:
                    os.kill(self.source.choice(trainers), signal.SIGKILL)
                    self.killed["trainer"] += 1
                    return
                except ProcessLookupError:
                    pass
            time.sleep(0.001)

    def run(self):
        self.start()
        for client in self.clients:
            client.start()
        for _ in range(self.kills):
            time.sleep(self.source.uniform(0.05, 0.9))
            if self.source.random() < 0.65:
                self.kill_daemon()
            else:
                self.kill_trainer()
            self.oracle.check()
        for client in self.clients:
            client.stopping = True
        for client in self.clients:
            client.join(timeout=60)
        for client in self.clients:
            client.settle_pending()
        self.oracle.wait_for_jobs()
        self.oracle.check(read_all=True)
        self.oracle.check_answers()

    def finish(self):
        status = self.daemon.stop()
        checked = subprocess.run([FIRTHD, "check", "--store", self.daemon.store],
                                 capture_output=True, text=True, timeout=300, check=False)
        return status, checked

    def report(self, status, checked):
        complaints = self.oracle.complaints
        mismatches = [text for client in self.clients for text in client.mismatches]
        jobs = sum(len(client.jobs) for client in self.clients)
        corpora = sum(len(client.corpora) for client in self.clients)
        print(f"# killed {self.killed}; {jobs} jobs and {corpora} corpus names acknowledged,"
              f" {sum(client.refused for client in self.clients)} requests refused")
        yield "the daemon starts after every kill", not self.not_started, []
        yield ("there was something to lose", jobs > 0 and corpora > 0, [])
        yield ("what was acknowledged is there, what was deleted is not",
               not complaints.get("acknowledged") and not mismatches,
               complaints.get("acknowledged", []) + mismatches)
        yield ("texts are whole", "whole" not in complaints, complaints.get("whole", []))
        yield ("nothing else is there, not even by half", "nothing else" not in complaints,
               complaints.get("nothing else", []))
        yield "trainers die with their daemon within a second", not self.orphans, []
        yield ("every job ends well in spite of the kills", "ends well" not in complaints,
               complaints.get("ends well", []))
        yield ("every finished job's model answers", "answers" not in complaints,
               complaints.get("answers", []))
        yield "the daemon ends with status 0 when asked to", status == 0, [str(status)]
        yield ("the store checks clean", checked.returncode == 0,
               (checked.stdout + checked.stderr).splitlines()[:20])


def main():
    full = os.environ.get("FIRTH_FAULTS") == "full"
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=200 if full else 10)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    parser.add_argument("--keep", action="store_true", help="keep the folder")
    options = parser.parse_args()
    print(f"# seed {options.seed}, {options.kills} kills")
    folder = tempfile.mkdtemp(prefix="firth-kill9-")
    random.seed(options.seed)
    harness = Harness(folder, options.kills, options.seed)
    failed = 0
    try:
        harness.run()
        outcome = harness.finish()
    finally:
        if harness.daemon.process and harness.daemon.process.poll() is None:
            harness.daemon.process.kill()
    for number, (name, fine, details) in enumerate(harness.report(*outcome), 1):
        for line in details[:10] if not fine else []:
            print("# " + line)
        print(f"{'ok' if fine else 'not ok'} {number} - kill -9: {name}")
        failed += not fine
    print("1..10")
    if options.keep or failed:
        print("# kept " + folder)
    else:
        shutil.rmtree(folder)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
