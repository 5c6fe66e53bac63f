#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The daemon's beginning and end, and trainers that die, freeze or run out of memory under
a daemon that carries on (rows H19, R4 and S9 of the fault table)."""
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "http"))
import harness  # noqa: E402
from firth import FIRTHD, Firth, parse_events  # noqa: E402
from harness import wait_for  # noqa: E402


def long_text():
    """Keeps an order-8 training busy for a few seconds."""
    source = random.Random(1)
    words = [f"w{i}" for i in range(30000)]
    drawn = source.choices(words, [1 / (i + 1) for i in range(len(words))], k=1_200_000)
    return "\n".join(" ".join(drawn[i:i + 25]) for i in range(0, len(drawn), 25)) + "\n"


LONG = long_text()


def trainers(firth):
    found = []
    pid = firth.process.pid
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
            found += [int(child) for child in file.read().split()]
    return found


def proc(pid, name):
    with open(f"/proc/{pid}/{name}", encoding="utf-8", errors="replace") as file:
        return file.read()


def is_gone(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()[0] in "ZX"
    except OSError:
        return True


def working_trainer(firth):
    """The trainer of a job just queued, once it has two threads and begins to work."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        for pid in trainers(firth):
            if proc(pid, "comm") == "firth-trainer\n" and \
                    "Threads:\t1\n" not in proc(pid, "status"):
                return pid
    raise AssertionError("no trainer came")


def begin_long_job(firth, model="long"):
    """A running job and its trainer."""
    assert firth.put_corpus("long", LONG).status == 201
    job = firth.ok("POST", "/train", {"kind": "ngram", "model": model, "corpus": "long",
                                      "params": {"order": 8}}, status=202)["id"]
    return job, working_trainer(firth)


def leave(firth):
    """Ends the with block of a daemon that has ended by itself."""
    firth.process.stdout.close()
    firth.log.close()
    firth.folder.cleanup()


def test_it_says_one_line_and_tells_the_service_manager():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "notify")
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        manager.settimeout(10)
        manager.bind(path)
        firth = Firth(environment={"NOTIFY_SOCKET": path}).__enter__()
        assert manager.recv(1000) == b"READY=1"
        firth.process.send_signal(signal.SIGTERM)
        assert manager.recv(1000) == b"STOPPING=1"
        assert firth.process.wait(20) == 0
        assert firth.process.stdout.read() == ""
        leave(firth)
        manager.close()


def started_with(action, numbers):
    """A daemon whose starter meets these signals so (this process may itself ignore them)."""
    before = [signal.signal(number, action) for number in numbers]
    firth = Firth().__enter__()
    for number, handler in zip(numbers, before):
        signal.signal(number, handler)
    return firth


def test_it_heeds_what_its_starter_ignores():
    numbers = [signal.SIGINT, signal.SIGHUP]
    firth = started_with(signal.SIG_IGN, numbers)
    for number in numbers:
        firth.process.send_signal(number)
    assert firth.get("/livez").status == 200
    time.sleep(0.2)
    assert firth.get("/livez").status == 200
    firth.__exit__()
    for number in numbers:
        firth = started_with(signal.SIG_DFL, numbers)
        firth.process.send_signal(number)
        assert firth.process.wait(20) == 0
        firth.__exit__()


def refused(*options, status):
    done = subprocess.run([FIRTHD, "serve", *options], capture_output=True, text=True,
                          timeout=20, check=False)
    assert done.returncode == status, (options, done)
    assert done.stdout == "" and done.stderr.count("\n") == 1, (options, done)
    return done.stderr


def test_what_it_cannot_do_is_one_clear_line():
    with Firth() as firth:
        assert "--port" in refused("--port", status=2)
        assert "no setting" in refused("--port=1", status=2)
        assert "from 1 to 10000" in refused("--job-queue", "0", status=2)
        assert "needs a value" in refused("--store", status=2)
        assert "no-such" in refused("--config", "/no-such/file", status=2)
        other = os.path.join(firth.folder.name, "other.db")
        refused("--store", other, "--listen", f"127.0.0.1:{firth.port}", status=1)
        refused("--store", other, "--listen", "nonsense", status=1)
        refused("--store", other, "--listen", "0.0.0.0:0", status=1)
        assert "/no-such" in refused("--store", "/no-such/x.db", status=1)


def test_settings_come_from_file_environment_and_options():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "firth.conf")
        with open(path, "w", encoding="ascii") as file:
            file.write("# a comment\njob_queue = 3\nmax_tokens = 5\nstreams = 7\n")
        with Firth(environment={"FIRTH_MAX_TOKENS": "6", "FIRTH_STREAMS": "8"},
                   config=path, streams=9) as firth:
            limits = firth.ok("GET", "/info")["limits"]
            assert (limits["job_queue"], limits["max_tokens"], limits["streams"]) == \
                (3, 6, 9), limits


def test_s9_two_daemons_do_not_share_a_store():
    with Firth() as firth:
        line = refused("--store", firth.store, "--listen", "127.0.0.1:0", status=1)
        assert firth.store in line or "process" in line, line
        assert firth.get("/livez").status == 200


def test_h19_a_drained_job_goes_on_at_the_next_start():
    with tempfile.TemporaryDirectory() as folder:
        firth = Firth(folder).__enter__()
        job, trainer = begin_long_job(firth)
        stream = firth.connect()
        stream.send(f"GET /jobs/{job}/events HTTP/1.1\r\nHost: 127.0.0.1:{firth.port}"
                    "\r\n\r\n".encode())
        stream.until(b"\r\n\r\n")
        began = time.monotonic()
        firth.process.send_signal(signal.SIGTERM)
        assert firth.process.wait(30) == 0
        assert time.monotonic() - began < 25
        assert is_gone(trainer)
        events = parse_events(b"".join(stream.chunks()))
        assert events[-1][1] == "error", events[-3:]
        stream.close()
        leave(firth)
        with Firth(folder) as again:
            row = again.wait(job, 60)
            assert row["state"] == "succeeded" and row["attempts"] == 1, row


def test_h19_a_stuck_trainer_does_not_hold_the_end_up():
    with tempfile.TemporaryDirectory() as folder:
        firth = Firth(folder, drain_seconds=3).__enter__()
        job, trainer = begin_long_job(firth)
        os.kill(trainer, signal.SIGSTOP)
        firth.process.send_signal(signal.SIGTERM)
        assert firth.process.wait(20) == 0
        assert is_gone(trainer)
        leave(firth)
        with Firth(folder) as again:
            assert again.wait(job, 60)["state"] == "succeeded"


def test_h19_a_second_signal_ends_at_once():
    firth = Firth(drain_seconds=600).__enter__()
    _, trainer = begin_long_job(firth)
    os.kill(trainer, signal.SIGSTOP)
    firth.process.send_signal(signal.SIGTERM)
    assert wait_for(lambda: firth.process.poll() is not None, 1) is False
    firth.process.send_signal(signal.SIGTERM)
    assert firth.process.wait(20) == -signal.SIGTERM
    assert wait_for(lambda: is_gone(trainer), 1)
    leave(firth)


def killed_by(number, code, message, **settings):
    with Firth(job_attempts=1, **settings) as firth:
        job, trainer = begin_long_job(firth)
        os.kill(trainer, number)
        row = firth.wait(job, 30)
        assert row["state"] == "failed" and row["error"]["code"] == code, row
        assert message in row["error"]["message"], row
        assert is_gone(trainer)
        firth.learned()
        assert firth.get("/models/long").status == 404


def test_r4_a_crash_names_its_signal():
    # a sanitizer catches the one to explain it
    number = signal.SIGABRT if harness.SANITIZED else signal.SIGSEGV
    killed_by(number, "crash", number.name)


def test_r4_a_frozen_trainer_is_killed():
    killed_by(signal.SIGSTOP, "timeout", "heartbeat_seconds", heartbeat_seconds=2)


def test_r4_memory_that_is_not_there():
    if harness.SANITIZED:  # which ends a process that has no memory
        return
    with Firth(job_attempts=1) as firth:
        assert firth.put_corpus("long", LONG).status == 201
        for attempt in range(5):  # until the limit comes before the trainer has what it needs
            job = firth.ok("POST", "/train", {"kind": "ngram", "model": f"long{attempt}",
                                              "corpus": "long", "params": {"order": 8}},
                           status=202)["id"]
            resource.prlimit(working_trainer(firth), resource.RLIMIT_AS, (1 << 20, 1 << 20))
            row = firth.wait(job, 60)
            if row["state"] == "failed":
                break
        assert row["error"]["code"] == "out_of_memory", row
        firth.learned()


def test_r4_a_killed_trainer_is_started_again():
    with Firth() as firth:
        job, trainer = begin_long_job(firth)
        os.kill(trainer, signal.SIGKILL)
        row = firth.wait(job, 60)
        assert row["state"] == "succeeded" and row["attempts"] == 2, row
        events = firth.events(f"/jobs/{job}/events")
        assert any(kind == "log" and "SIGKILL" in data for _, kind, data in events)


def test_r5_cancelling_takes_two_seconds_at_most():
    with Firth() as firth:
        job, trainer = begin_long_job(firth)
        os.kill(trainer, signal.SIGSTOP)  # it cannot obey
        assert firth.post(f"/jobs/{job}/cancel").status == 202
        assert wait_for(lambda: firth.ok("GET", f"/jobs/{job}")["state"] == "cancelled", 10)
        assert wait_for(lambda: is_gone(trainer), 2)


def test_a_trainer_is_shut_in():
    with Firth() as firth:
        job, trainer = begin_long_job(firth)
        status = dict(line.split(":\t", 1) for line in proc(trainer, "status").splitlines())
        assert status["NoNewPrivs"] == "1", status
        assert harness.SANITIZED or status["Seccomp"] == "2", status
        assert proc(trainer, "oom_score_adj").strip() == "800"
        assert proc(trainer, "stat").rsplit(")", 1)[1].split()[16] == "10", "nice"
        assert os.sched_getscheduler(trainer) == os.SCHED_BATCH
        assert "Max core file size        0" in proc(trainer, "limits")
        names = [os.readlink(f"/proc/{trainer}/fd/{fd}")
                 for fd in os.listdir(f"/proc/{trainer}/fd")]
        assert not any(firth.store in name for name in names), names
        assert firth.post(f"/jobs/{job}/cancel").status == 202


if __name__ == "__main__":
    harness.main()
