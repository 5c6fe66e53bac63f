#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Neural trainings that cannot be as asked: too large, too small, wild; and words that a
model has never seen."""
import time

import harness
from firth import TEXT, Firth, near

KINDS = ("nplm", "lstm")
SMALL = {"embedding_size": 8, "hidden_size": 8}


def request(kind="lstm", **more):
    return {"kind": kind, "model": "m", "corpus": "book", "valid": 0, "params": SMALL,
            "tokenizer": {"unit": "whitespace"}, "budget": {"epochs": 2}, "threads": 1,
            **more}


def test_wrong_parameters_are_refused_by_name():
    with Firth() as firth:
        firth.put_corpus()
        for kind in KINDS:
            for name, value in (("hidden_size", 0), ("hidden_size", 2 ** 31),
                                ("hidden_size", 2 ** 63 - 1), ("embedding_size", -1),
                                ("hidden_size", 1.5), ("hidden_size", "many"),
                                ("learning_rate", -1), ("learning_rate", "fast"),
                                ("batch_size", 0), ("batch_size", 10 ** 9),
                                ("dropout", 1), ("dropout", -0.1), ("clip_norm", -1),
                                ("weight_decay", -1), ("softmax", "none"), ("colour", 1)):
                reply = firth.post("/train", request(kind, params={**SMALL, name: value}))
                problem = harness.is_problem(reply, 422)
                assert problem["errors"][0]["pointer"] == f"/params/{name}", problem
            assert "samples" in problem["errors"][0]["detail"], "the last of its parameters"
        # What is no number in JSON does not even arrive.
        for text in ("NaN", "Infinity", "1e999"):
            body = '{"kind":"lstm","model":"m","corpus":"book","params":{"learning_rate":%s}}'
            reply = firth.ask("POST", "/train", (body % text).encode(),
                              ["Content-Type: application/json"])
            assert reply.status == 400, f"{text}: {reply}"
        assert firth.ok("GET", "/jobs")["data"] == []


def test_what_needs_validation_is_refused_without():
    """At once, and not by a job that fails."""
    wanting = (({"params": {**SMALL, "averaging": "triggered"}}, "/params/averaging"),
               ({"params": {**SMALL, "schedule": "plateau"}}, "/params/schedule"),
               ({"early_stopping": {"patience": 2}}, "/early_stopping/patience"))
    with Firth() as firth:
        firth.put_corpus(text=TEXT * 20)
        firth.put_corpus("line", "one line has nothing to spare\n")
        for kind in KINDS:
            for more, pointer in wanting:
                for path in ("/train", "/train?dry_run=true"):
                    problem = harness.is_problem(firth.post(path, request(kind, **more)), 422)
                    assert problem["errors"][0]["pointer"] == pointer, problem
                job = firth.train(**request(kind, **more, valid=0.2, replace=True))
                assert job["state"] == "succeeded", job
                job = firth.train(**request(kind, corpus="line", **more, valid=0.2,
                                            replace=True))
                assert "segment" in job["error"]["message"], job


def test_models_larger_than_memory():
    """Each size may be; all of them together may not."""
    huge = {"embedding_size": 16384, "hidden_size": 16384, "layers": 4}
    with Firth() as firth:
        firth.put_corpus()
        job = firth.train("m", kind="lstm", params=huge)
        assert job["state"] == "failed", job
        assert job["error"]["code"] == "limit_exceeded", job["error"]
        assert "memory" in job["error"]["message"], job["error"]
        job = firth.train("m", kind="lstm", params=SMALL, budget={"epochs": 1}, threads=1)
        assert job["state"] == "succeeded", job


def test_texts_shorter_than_a_batch():
    texts = {"one": "word\n", "two": "one two\n", "short": TEXT}
    with Firth() as firth:
        for corpus, text in texts.items():
            firth.put_corpus(corpus, text)
            for kind in KINDS:
                params = {**SMALL, "batch_size": 4096}
                job = firth.train(f"{corpus}.{kind}", kind=kind, corpus=corpus,
                                  params=params, budget={"epochs": 2})
                assert job["state"] == "succeeded", f"{corpus} {kind}: {job}"
                reply = firth.ok("POST", "/next", {"model": f"{corpus}.{kind}"})
                near(sum(one["prob"] for one in reply["predictions"]) +
                     reply["other_mass"], 1, 1e-5)
        problem = harness.is_problem(firth.put_corpus("empty", "\n\n"), 422)
        assert problem["code"] == "empty_corpus", problem


def test_a_vocabulary_of_one():
    with Firth() as firth:
        firth.put_corpus("a", "a a a\na a\n" * 20)
        firth.put_corpus()
        for kind in KINDS:
            for corpus, tokenizer in (("a", {"unit": "whitespace"}),
                                      ("book", {"unit": "whitespace", "max_vocab": 1}),
                                      ("book", {"unit": "whitespace", "min_count": 1000})):
                job = firth.train("m", kind=kind, corpus=corpus, tokenizer=tokenizer,
                                  params=SMALL, budget={"epochs": 3}, replace=True)
                assert job["state"] == "succeeded", f"{kind} {tokenizer}: {job}"
                score = firth.ok("POST", "/score", {"model": "m", "inputs": "a a"})
                assert score["total"]["perplexity"] is not None, score
                assert score["total"]["logprob"] < 0, score
            refused = firth.post("/neighbors", {"model": "m", "word": "a"})
            assert "min_count" in harness.is_problem(refused, 422)["detail"], refused


def test_what_grows_without_bounds_has_diverged():
    wild = ({"learning_rate": 1e9}, {"learning_rate": 1e9, "clip_norm": 0},
            {"optimizer": "momentum", "learning_rate": 1e8, "clip_norm": 0},
            {"optimizer": "sgd", "learning_rate": 1e6, "clip_norm": 0})
    with Firth() as firth:
        firth.put_corpus(text=TEXT * 40)
        for kind in KINDS:
            for params in wild:
                job = firth.train("m", kind=kind, params={**SMALL, **params},
                                  budget={"epochs": 100})
                assert job["state"] == "diverged", f"{kind} {params}: {job}"
                assert job["error"]["code"] == "diverged", job
                assert firth.get("/models/m").status == 404
        points = firth.get(f"/jobs/{job['id']}/metrics").body.decode()
        assert "NaN" not in points and "Infinity" not in points, points


def test_the_last_finite_checkpoint_is_kept():
    with Firth() as firth:
        firth.put_corpus(text=TEXT * 40)
        body = request(budget={"epochs": 10 ** 6}, checkpoint_every_s=1)
        job = firth.ok("POST", "/train", body, status=202)["id"]
        until = time.monotonic() + 60
        while firth.ok("GET", f"/jobs/{job}")["progress"]["step"] == 0:
            assert time.monotonic() < until
            time.sleep(0.02)
        firth.post(f"/jobs/{job}/cancel")
        row = firth.wait(job)
        assert row["state"] == "cancelled", row
        wild = firth.ok("POST", "/train", {**body, "resume_from": job, "params":
                        {**SMALL, "learning_rate": 1e9, "clip_norm": 0}}, status=202)["id"]
        assert firth.wait(wild)["state"] == "diverged"
        # The checkpoint is as it was: with a gentler rate the training goes on from it.
        mild = firth.wait(firth.ok(
            "POST", "/train", {**body, "resume_from": job, "budget": {"epochs": 1},
                               "params": {**SMALL, "learning_rate": 1e-4}},
            status=202)["id"])
        assert mild["state"] == "succeeded", mild
        assert mild["result"]["steps"] >= row["progress"]["step"], mild


UNITS = {"whitespace": {"unit": "whitespace"}, "word": {"unit": "word"},
         "bpe": {"unit": "bpe", "max_vocab": 270}, "char": {"unit": "char"}}


def trained_by_unit(firth, kind):
    firth.put_corpus(text=TEXT * 20)
    for unit, tokenizer in UNITS.items():
        job = firth.train(unit, kind=kind, tokenizer=tokenizer, params=SMALL,
                          budget={"epochs": 2})
        assert job["state"] == "succeeded", job


def test_words_never_seen():
    """Through <unk> in models of words, in pieces in the others; flagged when unknown."""
    with Firth() as firth:
        for kind in KINDS:
            trained_by_unit(firth, kind)
            for unit in UNITS:
                check_unseen(firth, unit)
                firth.ok("DELETE", f"/models/{unit}", status=204)


def check_unseen(firth, unit):
    of_words = unit in ("whitespace", "word")
    text = "the tamago sat" if of_words else "the tom sat"  # letters that were seen
    score = firth.ok("POST", "/score", {"model": unit, "inputs": [text], "tokens": True})
    result = score["results"][0]
    assert result["logprob"] < 0 and result["perplexity"] > 1, result
    flagged = [one["token"] for one in result["tokens"] if one["oov"]]
    assert flagged == (["tamago"] if of_words else []), f"{unit}: {result}"
    assert result["oov_count"] == len(flagged), result
    if not of_words:
        assert len(result["tokens"]) > 4, result
        strange = firth.ok("POST", "/score", {"model": unit, "inputs": ["the \u732b"],
                                              "tokens": True})["results"][0]
        # A character is spelled in bytes by bpe; to a model of characters it is unknown.
        assert strange["oov_count"] == (unit == "char"), strange
        assert strange["logprob"] < 0, strange
    following = firth.ok("POST", "/next", {"model": unit, "context": text,
                                           "words": ["cat", "tamago" if of_words else "tom"]})
    assert following["oov"] == flagged, f"{unit}: {following}"
    assert [one["oov"] for one in following["words"]] == [False, of_words], following
    assert all(0 < one["prob"] < 1 for one in following["words"]), following
    rescored = firth.ok("POST", "/rescore", {"model": unit, "candidates": [
        {"text": text, "channel_logprob": -1}, {"text": "the cat sat", "channel_logprob": -1}]})
    near(sum(one["posterior"] for one in rescored["candidates"]), 1, 1e-9)
    skipped = firth.ok("POST", "/score", {"model": unit, "inputs": [text], "oov": "skip"})
    assert skipped["total"]["tokens_scored"] == result["tokens_scored"] - len(flagged)
    refused = firth.post("/score", {"model": unit, "inputs": [text], "oov": "error"})
    if of_words:
        assert "tamago" in str(harness.is_problem(refused, 422)), refused
    else:
        assert refused.status == 200, refused


if __name__ == "__main__":
    harness.main()
