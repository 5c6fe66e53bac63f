#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Neural models over HTTP: train, pause, go on, cancel, resume; then ask them."""
import json
import math
import os
import signal
import threading
import time

import harness
from firth import TEXT, Firth, near

SMALL = {"embedding_size": 16, "hidden_size": 16}
REQUEST = {"kind": "lstm", "model": "m", "corpus": "book", "valid": 0, "params": SMALL,
           "tokenizer": {"unit": "whitespace", "min_count": 1}, "threads": 1}
ENDLESS = {"epochs": 1000000}


def steps_after(firth, job, least):
    """Waits until the job has done more than `least` steps; how many."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        row = firth.ok("GET", f"/jobs/{job}")
        if row["state"] != "queued" and row["progress"]["step"] > least:
            return row["progress"]["step"]
        time.sleep(0.02)
    raise AssertionError(f"no step after {least}: {row}")


def test_every_kind_answers():
    with Firth() as firth:
        firth.put_corpus(text=TEXT * 20)
        for kind in ("nplm", "rnn", "gru", "lstm", "mlstm"):
            job = firth.train(kind, kind=kind, params=SMALL, valid=0.1, budget={"epochs": 5})
            assert job["state"] == "succeeded", job
            assert job["result"]["valid_perplexity"] < 13, job
            assert job["progress"]["fraction"] == 1 and job["progress"]["epoch"] == 5, job
            reply = firth.ok("POST", "/next", {"model": kind, "context": "the", "k": 100})
            total = sum(one["prob"] for one in reply["predictions"]) + reply["other_mass"]
            near(total, 1, 1e-5)
            score = firth.ok("POST", "/score", {"model": kind, "inputs": ["the cat", "the"],
                                                "eos": False})["results"]
            following = firth.ok("POST", "/next", {"model": kind, "context": "the",
                                                   "words": ["cat"]})["words"][0]
            near(score[0]["logprob"] - score[1]["logprob"], following["logprob"], 1e-4)


def asked_at_once(firth, requests):
    """The answers to requests (path, body) sent at the same time from a thread each."""
    answers = [None] * len(requests)

    def ask(i, path, body):
        answers[i] = firth.ok("POST", path, body)

    threads = [threading.Thread(target=ask, args=(i, *request))
               for i, request in enumerate(requests)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def alike(one, other, place="answer"):
    """Equal but for rounding, and for the time it took."""
    if isinstance(one, dict):
        assert one.keys() == other.keys(), f"{place}: {one} became {other}"
        for name in one.keys() - {"timing"}:
            alike(one[name], other[name], f"{place}.{name}")
    elif isinstance(one, list):
        assert len(one) == len(other), f"{place}: {one} became {other}"
        for i, (left, right) in enumerate(zip(one, other)):
            alike(left, right, f"{place}[{i}]")
    elif isinstance(one, float):
        assert abs(one - other) <= 1e-4 * max(1, abs(one)), f"{place}: {one} became {other}"
    else:
        assert one == other, f"{place}: {one} became {other}"


def test_requests_at_once_get_the_answers_of_requests_alone():
    with Firth() as firth:
        firth.put_corpus(text=TEXT * 20)
        for kind in ("lstm", "nplm"):
            firth.train(kind, kind=kind, params=SMALL, budget={"epochs": 2})
        words = ["the", "a", "cat", "dog", "sat on", "on the mat", "", "a dog and"]
        requests = [("/next", {"model": "lstm", "context": context}) for context in words]
        requests += [("/next", {"model": "nplm", "context": context}) for context in words]
        requests += [("/generate", {"model": "lstm", "prompt": context, "seed": 7, "n": 3,
                                    "max_tokens": 30, "logprobs": True})
                     for context in words]
        requests += [("/next", {"ensemble": [{"model": "lstm"}, {"model": "nplm"}],
                                "context": context}) for context in words]
        requests += [("/score", {"model": "lstm", "inputs": [context, "the cat"]})
                     for context in words]
        alone = [firth.ok("POST", *request) for request in requests]
        for _ in range(3):
            for request, one, other in zip(requests, alone, asked_at_once(firth, requests)):
                alike(one, other, str(request))
        text = firth.get("/metrics").body.decode()
        rows = float(text.split("\nfirth_batch_rows_sum ")[1].split("\n")[0])
        calls = float(text.split("\nfirth_batch_rows_count ")[1].split("\n")[0])
        assert rows >= calls > 1000, f"{rows} rows in {calls} calls"


def test_texts_in_order():
    """Inputs as one text: carry, cache, and the same over a corpus."""
    with Firth() as firth:
        firth.put_corpus(text=TEXT * 20)
        firth.put_corpus("order", text=TEXT)
        assert firth.train("gru", kind="gru", params=SMALL,
                           budget={"epochs": 3})["state"] == "succeeded"
        lines = TEXT.splitlines()
        alone = firth.ok("POST", "/score", {"model": "gru", "inputs": lines})
        carried = firth.ok("POST", "/score", {"model": "gru", "inputs": lines, "carry": True})
        near(carried["results"][0]["logprob"], alone["results"][0]["logprob"], 1e-4)
        assert abs(carried["total"]["logprob"] - alone["total"]["logprob"]) > 1e-3
        for memory in ({"carry": True}, {"cache": True},
                       {"cache": {"size": 9, "theta": 0.5, "weight": 0.4}, "carry": False},
                       {"dynamic": True}, {"dynamic": {"steps": 5}, "cache": True}):
            score = firth.ok("POST", "/score", {"model": "gru", "inputs": lines, **memory})
            whole = firth.ok("POST", "/models/gru/evaluate",
                             {"perplexity": {"corpus": "order", **memory}})["perplexity"]
            near(score["total"]["logprob"], whole["logprob"], 1e-3)
            early = firth.ok("POST", "/score",
                             {"model": "gru", "inputs": lines[:2], **memory})
            near(early["results"][1]["logprob"], score["results"][1]["logprob"], 1e-4)
        off = {"cache": False, "dynamic": None}
        near(firth.ok("POST", "/score", {"model": "gru", "inputs": lines, **off})["total"]
             ["logprob"], alone["total"]["logprob"], 1e-6)
        for memory, pointer in (({"carry": 1}, "/carry"), ({"cache": 5}, "/cache"),
                                ({"cache": {"size": 0}}, "/cache/size"),
                                ({"cache": {"size": 16385}}, "/cache/size"),
                                ({"cache": {"weight": 1}}, "/cache/weight"),
                                ({"cache": {"shape": 1}}, "/cache/shape"),
                                ({"dynamic": {"learning_rate": 0}}, "/dynamic/learning_rate"),
                                ({"dynamic": {"steps": 999}}, "/dynamic/steps")):
            for path, body, before in (
                    ("/score", {"model": "gru", "inputs": lines, **memory}, ""),
                    ("/models/gru/evaluate",
                     {"perplexity": {"corpus": "order", **memory}}, "/perplexity")):
                problem = harness.is_problem(firth.post(path, body), 422)
                assert before + pointer in str(problem), (problem, pointer)


def test_dynamic_evaluation_needs_a_neural_model():
    with Firth() as firth:
        firth.learned(order=2, model="kn")
        body = {"model": "kn", "inputs": ["the cat"], "dynamic": True}
        problem = harness.is_problem(firth.post("/score", body), 422)
        assert "/dynamic" in str(problem), problem
        body = {"perplexity": {"corpus": "book", "dynamic": True}}
        problem = harness.is_problem(firth.post("/models/kn/evaluate", body), 422)
        assert "/perplexity/dynamic" in str(problem), problem
        plain = firth.ok("POST", "/score", {"model": "kn", "inputs": TEXT.splitlines() * 9})
        cached = firth.ok("POST", "/score", {"model": "kn", "inputs": TEXT.splitlines() * 9,
                                             "cache": {"size": 60, "weight": 0.2}})
        assert cached["total"]["perplexity"] != plain["total"]["perplexity"]


def test_pause_go_on_cancel_resume():
    with Firth() as firth:
        firth.put_corpus(text=TEXT * 40)
        job = firth.ok("POST", "/train", {**REQUEST, "budget": ENDLESS}, status=202)["id"]
        steps = steps_after(firth, job, 0)
        assert firth.post(f"/jobs/{job}/pause").status == 202
        row = firth.wait(job)
        assert row["state"] == "paused" and row["progress"]["step"] >= steps, row
        assert firth.post(f"/jobs/{job}/resume").status == 202
        steps = steps_after(firth, job, row["progress"]["step"])
        assert firth.post(f"/jobs/{job}/cancel").status == 202
        assert firth.wait(job)["state"] == "cancelled"
        assert firth.get("/models/m").status == 404
        again = {**REQUEST, "resume_from": job, "budget": {"epochs": 1}}
        row = firth.wait(firth.ok("POST", "/train", again, status=202)["id"])
        assert row["state"] == "succeeded" and row["result"]["steps"] >= steps, row


def test_what_a_resumed_job_does_is_not_what_its_checkpoint_did():
    """Its speed and the time it has left are of this run; no token is counted twice."""
    with Firth() as firth:
        firth.put_corpus(text=TEXT * 40)
        job = firth.ok("POST", "/train", {**REQUEST, "budget": ENDLESS}, status=202)["id"]
        steps_after(firth, job, 1000)
        firth.post(f"/jobs/{job}/cancel")
        first = firth.wait(job)["progress"]
        again = {**REQUEST, "resume_from": job, "budget": {"epochs": 3 * first["epoch"]}}
        again = firth.ok("POST", "/train", again, status=202)["id"]
        told = [row["progress"] for row in rows_until_the_end(firth, again)]
        told += [json.loads(data) for _, kind, data in firth.events(f"/jobs/{again}/events")
                 if kind == "progress"]
        check_pace(told)
        total = told[-1]["tokens"]
        counted = firth.get("/metrics").body.decode()
        counted = float(counted.split("\nfirth_train_tokens_total ")[1].split("\n")[0])
        assert first["tokens"] < total and counted <= total, (first, total, counted)


def rows_until_the_end(firth, job):
    row = firth.ok("GET", f"/jobs/{job}")
    while row["state"] in ("queued", "running"):
        yield row
        time.sleep(0.05)
        row = firth.ok("GET", f"/jobs/{job}")
    assert row["state"] == "succeeded", row


def check_pace(told):
    """Tokens left at the speed of the moment are the time that is left."""
    checked = 0
    for one in told:
        if one["eta_s"] is not None and one["tokens_per_second"] > 0 and \
                0 < one["step"] < one["steps_total"]:
            left = (one["steps_total"] - one["step"]) * one["tokens"] / one["step"]
            assert abs(one["eta_s"] * one["tokens_per_second"] / left - 1) < 0.01, one
            checked += 1
    assert checked > 0, told


def test_a_cancel_does_not_wait_for_a_long_step():
    """A trainer that does not answer (this one is stopped) is killed; what it handed over soon
    after its start is there to go on from, long before the first checkpoint_every_s is over."""
    with Firth() as firth:
        firth.put_corpus(text=TEXT * 40)
        job = firth.ok("POST", "/train", {**REQUEST, "budget": ENDLESS}, status=202)["id"]
        feed = firth.connect(timeout=30)
        feed.send(f"GET /jobs/{job}/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        feed.until(b"event: checkpoint")
        trainer, = harness.children(firth.process.pid)
        os.kill(trainer, signal.SIGSTOP)
        assert firth.post(f"/jobs/{job}/cancel").status == 202
        assert firth.wait(job)["state"] == "cancelled"
        again = {**REQUEST, "resume_from": job, "budget": {"epochs": 1}}
        row = firth.wait(firth.ok("POST", "/train", again, status=202)["id"])
        assert row["state"] == "succeeded" and row["result"]["epochs"] > 1, row


def test_divergence_is_told():
    with Firth() as firth:
        firth.put_corpus(text=TEXT * 40)
        job = firth.train("m", kind="gru", params={**SMALL, "learning_rate": 1e9})
        assert job["state"] == "diverged" and job["error"]["code"] == "diverged", job
        assert "learning_rate" in job["error"]["message"], job
        assert firth.get("/models/m").status == 404


def test_a_dry_run_counts_what_is_trained_on():
    """Not what is kept aside, and with the vocabulary of the rest."""
    with Firth() as firth:
        firth.put_corpus(text="".join(f"the cat number{i // 2} sat\n" for i in range(200)))
        request = {**REQUEST, "valid": 0.4, "budget": {"epochs": 3}}
        estimate = firth.ok("POST", "/train?dry_run=true", request)
        job = firth.wait(firth.ok("POST", "/train", request, status=202)["id"])
        assert job["state"] == "succeeded", job
        assert estimate["parameters"] == job["result"]["parameters"], (estimate, job)
        assert estimate["steps"] == job["result"]["steps"], (estimate, job)


def test_the_training_curve():
    with Firth() as firth:
        firth.put_corpus(text=TEXT * 40)
        job = firth.train("m", kind="gru", params=SMALL, valid=0.1, budget={"epochs": 4})
        curves = {one["name"]: [point["step"] for point in one["points"]] for one in
                  firth.ok("GET", f"/jobs/{job['id']}/metrics")["series"]}
        assert curves["valid_perplexity"] == curves["train_loss"], curves
        points = firth.ok("GET", f"/jobs/{job['id']}/metrics?series=train_loss")
        text = str(points)
        assert text.count("'step'") >= 4, points
        assert all(math.isfinite(value) for value in
                   (job["latest"]["train_loss"], job["best"]["loss"])), job


if __name__ == "__main__":
    harness.main()
