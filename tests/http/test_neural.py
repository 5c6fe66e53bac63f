#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Neural models over HTTP: train, pause, go on, cancel, resume; then ask them."""
import math
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


def test_divergence_is_told():
    with Firth() as firth:
        firth.put_corpus(text=TEXT * 40)
        job = firth.train("m", kind="gru", params={**SMALL, "learning_rate": 1e9})
        assert job["state"] == "diverged" and job["error"]["code"] == "diverged", job
        assert "learning_rate" in job["error"]["message"], job
        assert firth.get("/models/m").status == 404


def test_the_training_curve():
    with Firth() as firth:
        firth.put_corpus(text=TEXT * 40)
        job = firth.train("m", kind="gru", params=SMALL, valid=0.1, budget={"epochs": 4})
        points = firth.ok("GET", f"/jobs/{job['id']}/metrics?series=train_loss")
        text = str(points)
        assert text.count("'step'") >= 4, points
        assert all(math.isfinite(value) for value in
                   (job["latest"]["train_loss"], job["best"]["loss"])), job


if __name__ == "__main__":
    harness.main()
