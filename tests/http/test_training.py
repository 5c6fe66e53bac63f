#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""POST /train and /jobs: what is checked, what is queued, what can be watched."""
import csv
import io

import harness
from firth import TEXT, Firth

REQUEST = {"kind": "ngram", "model": "m", "corpus": "book", "valid": 0}


def pointers(reply, status=422):
    return {error["pointer"] for error in harness.is_problem(reply, status)["errors"]}


def test_a_job_ends_with_a_model():
    with Firth() as firth:
        firth.put_corpus()
        reply = firth.post("/train", {**REQUEST, "seed": 7, "metadata": {"why": ["test"]},
                                      "tokenizer": {"unit": "whitespace"},
                                      "params": {"order": 2}})
        assert reply.status == 202, reply
        job = reply.json()
        assert reply.headers["location"] == f"/jobs/{job['id']}"
        assert job["state"] == "queued" and job["kind"] == "ngram" and job["model"] == "m"
        assert job["params"]["order"] == 2 and job["seed"] == 7
        assert job["tokenizer"]["unit"] == "whitespace"
        job = firth.wait(job["id"])
        assert job["state"] == "succeeded" and job["progress"]["fraction"] == 1, job
        assert job["error"] is None and job["result"]["vocab_size"] == 13, job
        assert job["started_at"] >= job["created_at"] and job["finished_at"], job
        assert job["metadata"] == {"why": ["test"]}
        model = firth.ok("GET", "/models/m")
        assert model["job"] == job["id"] and model["corpus"] == "book", model
        assert model["params"]["order"] == 2 and model["metadata"] == {"why": ["test"]}


def test_validation_is_measured():
    with Firth() as firth:
        firth.put_corpus(text=TEXT * 40)
        firth.put_corpus("other", TEXT)
        for valid in (0.2, "other"):
            job = firth.train(f"m{valid}".replace(".", "-"), valid=valid)
            assert job["result"]["valid_perplexity"] > 1, job
            assert job["latest"]["valid_perplexity"] == job["result"]["valid_perplexity"]
        harness.is_problem(firth.post("/train", {**REQUEST, "valid": "none"}), 404,
                           "corpus_not_found")


def test_every_bad_field_is_named():
    with Firth() as firth:
        firth.put_corpus()
        reply = firth.post("/train", {
            "kind": "ngram", "model": "Bad Name", "corpus": "book", "valid": 0.9,
            "params": {"order": 9, "nonsense": 1, "compact": "maybe"},
            "tokenizer": {"unit": "syllable", "min_count": 0}, "seed": -1,
            "budget": {"epochs": 0}, "surprise": True, "metadata": []})
        assert pointers(reply) == {
            "/model", "/valid", "/params/order", "/params/nonsense", "/params/compact",
            "/tokenizer/unit", "/tokenizer/min_count", "/seed", "/budget/epochs",
            "/surprise", "/metadata"}, reply.json()
        assert firth.ok("GET", "/jobs")["data"] == []


def test_order_nine_is_told_its_range():
    with Firth() as firth:
        firth.put_corpus()
        body = firth.post("/train", {**REQUEST, "params": {"order": 9}}).json()
        assert body["code"] == "invalid_value"
        assert "1 to 8" in body["errors"][0]["detail"], body
        assert "3" in body["errors"][0]["detail"], "the default is missing"


def test_numbers_at_their_ends():
    with Firth() as firth:
        firth.put_corpus()
        good = {"order": 1, "delta": 0.5}
        for name, value in (("order", 0), ("order", 9), ("order", -1), ("order", 2 ** 63 - 1),
                            ("order", 2.5), ("delta", -1), ("delta", 1e300)):
            reply = firth.post("/train?dry_run=true",
                               {**REQUEST, "params": {**good, name: value}})
            assert pointers(reply) == {f"/params/{name}"}, (name, value, reply)
        for body in ('{"seed": 1e3}', '{"seed": 3.0}'):
            assert "/seed" in pointers(firth.post("/train", body)), body
        for body in ('{"a":1,"a":2}', '{"a":', '{} x', '\ufeff{}', '{"a":1e999}'):
            harness.is_problem(firth.post("/train", body), 400)


def test_what_is_missing():
    with Firth() as firth:
        assert pointers(firth.post("/train", {})) == {"/kind", "/model", "/corpus"}
        assert "/kind" in pointers(firth.post("/train", {**REQUEST, "kind": "oracle"}))
        harness.is_problem(firth.post("/train", REQUEST), 404, "corpus_not_found")
        reply = firth.ask("POST", "/train", "{}", ["Content-Type: text/plain"])
        harness.is_problem(reply, 415)


def test_a_dry_run_queues_nothing():
    with Firth() as firth:
        firth.put_corpus()
        estimate = firth.ok("POST", "/train?dry_run=true", {**REQUEST, "params": {"order": 4}})
        assert estimate["dry_run"] is True and estimate["params"]["order"] == 4
        assert estimate["params"]["smoothing"] == "kneser-ney"
        assert estimate["parameters"] > 0 and estimate["bytes"] > 0
        assert estimate["estimated_seconds"] >= 0 and estimate["steps"] >= 0
        assert firth.ok("GET", "/jobs")["data"] == []
        harness.is_problem(firth.post("/train?dry_run=maybe", REQUEST), 422)


def test_parameters_that_do_not_go_together_are_refused_at_once():
    with Firth() as firth:
        firth.put_corpus()
        assert firth.ask("PUT", "/models/plane?format=glove", b"cat 1 2\ndog 2 1\n",
                         ["Content-Type: text/plain"]).status == 201
        firth.learned()
        for query in ("", "?dry_run=true"):
            for kind, params, status, at in (
                    ("skipgram", {"min_subword": 4, "max_subword": 3}, 422, "/params/min_subword"),
                    ("mixture", {}, 422, "/params/models"),
                    ("mixture", {"models": ["bigram"]}, 422, "/params/models"),
                    ("mixture", {"models": ["bigram", "plane"]}, 422, "/params/models/1"),
                    ("mixture", {"models": ["bigram", "none"]}, 404, "/params/models/1")):
                reply = firth.post("/train" + query, {**REQUEST, "kind": kind, "params": params})
                rows = harness.is_problem(reply, status)["errors"]
                assert [row["pointer"] for row in rows] == [at], reply
        for size in (255, (1 << 20) + 1):
            for kind in ("ngram", "svd"):
                reply = firth.post("/train", {**REQUEST, "kind": kind, "params": {},
                                              "tokenizer": {"unit": "bpe", "max_vocab": size}})
                rows = harness.is_problem(reply, 422)["errors"]
                assert [row["pointer"] for row in rows] == ["/tokenizer/max_vocab"], reply
        mixed = firth.ok("POST", "/train?dry_run=true",
                         {**REQUEST, "kind": "mixture", "params": {"models": ["bigram"] * 2}})
        one = firth.ok("GET", "/models/bigram")
        assert mixed["parameters"] == 2 * one["parameters"], mixed
        assert mixed["bytes"] == 2 * one["bytes"], mixed
        assert mixed["estimated_seconds"] is None and mixed["estimated_seconds_undefined"] is True
        reply = firth.post("/train", {**REQUEST, "resume_from": "job-none"})
        harness.is_problem(reply, 404, "job_not_found")
        harness.is_problem(firth.get("/jobs?type=nap"), 422)
        assert len(firth.ok("GET", "/jobs?type=train")["data"]) == 1


def test_a_mixture_reads_texts_as_its_parts_do():
    how = {"unit": "whitespace", "lowercase": True}
    with Firth() as firth:
        for name, order in (("one", 1), ("two", 2)):
            firth.learned(order=order, model=name, tokenizer=how)
        job = firth.train("mixed", kind="mixture", params={"models": ["one", "two"]},
                          tokenizer={})
        shown = firth.ok("GET", "/models/mixed")["tokenizer"]
        assert shown == firth.ok("GET", "/models/one")["tokenizer"] and shown["lowercase"], job
        scores = [firth.ok("POST", "/score", {"model": "mixed", "inputs": text})["total"]["logprob"]
                  for text in ("THE Cat", "the cat")]
        assert scores[0] == scores[1], scores


def test_defaults_that_hang_on_other_parameters_are_told():
    with Firth() as firth:
        firth.put_corpus()
        for kind, given, rate in (("lstm", {}, 0.002), ("rnn", {}, 0.001),
                                  ("gru", {"optimizer": "sgd"}, 1),
                                  ("nplm", {"learning_rate": 0.5}, 0.5)):
            body = {**REQUEST, "kind": kind, "params": {**given, "dropout": 0.3}}
            params = firth.ok("POST", "/train?dry_run=true", body)["params"]
            assert abs(params["learning_rate"] - rate) < 1e-12, params
            assert params["input_dropout"] == (0.2 if kind == "nplm" else 0.3), params
        assert firth.train("m", kind="rnn", params={"embedding_size": 8, "hidden_size": 8},
                           budget={"epochs": 1})["state"] == "succeeded"
        assert firth.ok("GET", "/models/m")["params"]["learning_rate"] == 0.001


def test_a_name_that_is_taken():
    with Firth() as firth:
        firth.put_corpus()
        assert firth.train("m")["state"] == "succeeded"
        reply = firth.post("/train", REQUEST)
        harness.is_problem(reply, 409, "already_exists")
        assert reply.headers["x-should-retry"] == "false"
        first = firth.ok("GET", "/models/m")["digest"]
        assert firth.train("m", replace=True, params={"order": 1})["state"] == "succeeded"
        assert firth.ok("GET", "/models/m")["digest"] != first


def test_small_corpora():
    with Firth() as firth:
        firth.put_corpus("line", "just one line\n")
        job = firth.train("one", "line")
        assert job["state"] == "succeeded", job
        firth.put_corpus("word", "word")
        job = firth.train("w", "word", params={"order": 8})
        assert job["state"] in ("succeeded", "failed"), job
        assert job["state"] == "succeeded" or job["error"]["message"], job


def test_idempotency():
    with Firth() as firth:
        firth.put_corpus()
        key = ["Idempotency-Key: abc-123"]
        first = firth.ok("POST", "/train", REQUEST, key, 202)
        again = firth.ok("POST", "/train", REQUEST, key, 202)
        assert again["id"] == first["id"]
        reply = firth.post("/train", {**REQUEST, "seed": 2}, key)
        harness.is_problem(reply, 422, "idempotency_mismatch")
        firth.wait(first["id"])
        assert firth.ok("POST", "/train", REQUEST, key, 202)["state"] == "succeeded"
        assert len(firth.ok("GET", "/jobs")["data"]) == 1
        harness.is_problem(firth.post("/train", REQUEST, ["Idempotency-Key: " + "x" * 300]),
                           422)


def test_events_tell_the_story_and_resume():
    with Firth() as firth:
        firth.learned()
        job = firth.ok("GET", "/jobs")["data"][0]["id"]
        events = firth.events(f"/jobs/{job}/events")
        ids = [int(event[0]) for event in events]
        assert ids == list(range(1, len(ids) + 1)), ids
        states = [event for event in events if event[1] == "state"]
        assert '"queued"' in states[0][2] and '"succeeded"' in states[-1][2], states
        rest = firth.events(f"/jobs/{job}/events", ["Last-Event-ID: 2"])
        assert rest == events[2:], rest
        assert firth.events(f"/jobs/{job}/events?last_event_id=2") == events[2:]
        harness.is_problem(firth.get(f"/jobs/{job}/events", ["Last-Event-ID: x"]), 422)
        harness.is_problem(firth.get("/jobs/job-none/events"), 404, "job_not_found")


def test_a_feed_is_live():
    with Firth() as firth:
        firth.put_corpus(text=TEXT * 20000)
        job = firth.ok("POST", "/train", {**REQUEST, "params": {"order": 4}}, status=202)
        connection = firth.connect(timeout=30)
        connection.send(f"GET /jobs/{job['id']}/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        reply = connection.reply()
        assert reply.headers["cache-control"] == "no-store"
        assert reply.headers["x-accel-buffering"] == "no"
        assert b'"succeeded"' in reply.body, reply.body[-300:]
        assert firth.ok("GET", f"/jobs/{job['id']}")["state"] == "succeeded"


def test_curves_as_json_and_csv():
    with Firth() as firth:
        firth.put_corpus(text=TEXT * 40)
        job = firth.train("m", valid=0.2)["id"]
        curves = firth.ok("GET", f"/jobs/{job}/metrics")
        named = {series["name"]: series["points"] for series in curves["series"]}
        assert curves["job"] == job and named["valid_perplexity"], curves
        point = named["valid_perplexity"][-1]
        one = firth.ok("GET", f"/jobs/{job}/metrics?series=valid_perplexity&max_points=5")
        assert one["series"][0]["points"][-1] == point
        later = firth.ok("GET", f"/jobs/{job}/metrics?since_step={point['step']}"
                                "&series=valid_perplexity")
        assert later["series"] == [], later
        reply = firth.get(f"/jobs/{job}/metrics", ["Accept: text/csv"])
        assert reply.headers["content-type"].startswith("text/csv")
        rows = list(csv.DictReader(io.StringIO(reply.body.decode())))
        last = [row for row in rows if row["series"] == "valid_perplexity"][-1]
        assert float(last["value"]) == point["value"] and last["at"] == point["at"]
        harness.is_problem(firth.get(f"/jobs/{job}/metrics?max_points=1"), 422)


def test_cancelling():
    with Firth() as firth:
        firth.put_corpus(text=TEXT * 40000)
        body = {**REQUEST, "params": {"order": 8}}
        first = firth.ok("POST", "/train", body, status=202)["id"]
        second = firth.ok("POST", "/train", {**body, "model": "n"}, status=202)["id"]
        waiting = firth.ok("GET", f"/jobs/{second}")
        assert waiting["state"] == "queued" and waiting["queue_position"] >= 1, waiting
        for job in (second, first):
            assert firth.post(f"/jobs/{job}/cancel").status == 202
            reply = firth.post(f"/jobs/{job}/cancel")
            assert reply.status in (202, 409), reply  # harmless; 409 once it is over
        assert firth.wait(second)["state"] == "cancelled"
        state = firth.wait(first)["state"]
        assert state in ("cancelled", "succeeded"), state
        reply = firth.post(f"/jobs/{second}/pause")
        harness.is_problem(reply, 409, "conflict")
        harness.is_problem(firth.post(f"/jobs/{second}/resume"), 409)
        assert firth.get("/models/n").status == 404


def test_pause_and_resume():
    with Firth() as firth:
        firth.put_corpus(text=TEXT * 20000)
        blocker = firth.ok("POST", "/train", {**REQUEST, "params": {"order": 8}}, status=202)
        job = firth.ok("POST", "/train", {**REQUEST, "model": "n"}, status=202)["id"]
        assert firth.post(f"/jobs/{job}/pause").status == 202
        assert firth.wait(job)["state"] == "paused"
        assert firth.post(f"/jobs/{job}/pause").status == 202
        firth.wait(blocker["id"])
        assert firth.ok("GET", f"/jobs/{job}")["state"] == "paused"
        assert firth.post(f"/jobs/{job}/resume").status == 202
        assert firth.wait(job)["state"] == "succeeded"


def test_lists_and_deletion():
    with Firth() as firth:
        firth.put_corpus()
        ids = [firth.train(f"m{i}")["id"] for i in range(3)]
        page = firth.ok("GET", "/jobs?limit=2")
        assert [row["id"] for row in page["data"]] == ids[:0:-1] and page["has_more"]
        rest = firth.ok("GET", f"/jobs?limit=2&after={page['last_id']}")
        assert [row["id"] for row in rest["data"]] == ids[:1] and not rest["has_more"]
        assert len(firth.ok("GET", "/jobs?state=succeeded&kind=ngram")["data"]) == 3
        assert firth.ok("GET", "/jobs?state=failed")["data"] == []
        harness.is_problem(firth.get("/jobs?state=sleeping"), 422)
        assert firth.ask("DELETE", f"/jobs/{ids[0]}").status == 204
        harness.is_problem(firth.get(f"/jobs/{ids[0]}"), 404, "job_not_found")
        assert firth.get("/models/m0").status == 200, "the model outlives its job"


def test_a_full_queue():
    with Firth(job_queue=1) as firth:
        firth.put_corpus(text=TEXT * 20000)
        replies = [firth.post("/train", {**REQUEST, "model": f"m{i}",
                                         "params": {"order": 8}}) for i in range(4)]
        assert replies[0].status == 202
        refused = [reply for reply in replies if reply.status != 202]
        assert refused, "nothing was refused"
        for reply in refused:
            harness.is_problem(reply, 429, "queue_full")
            assert int(reply.headers["retry-after"]) >= 1
        for row in firth.ok("GET", "/jobs")["data"]:
            firth.post(f"/jobs/{row['id']}/cancel")


def test_kinds_are_the_table():
    with Firth() as firth:
        kinds = {kind["kind"]: kind for kind in firth.ok("GET", "/kinds")["data"]}
        params = {param["name"]: param for param in kinds["ngram"]["params"]}
        assert params["order"]["default"] == 3 and params["order"]["maximum"] == 8
        assert params["smoothing"]["default"] == "kneser-ney"
        assert set(params["smoothing"]["choices"]) == {
            "kneser-ney", "mle", "additive", "jelinek-mercer", "witten-bell", "katz"}
        assert "score" in kinds["ngram"]["can"] and "mixture" in kinds


if __name__ == "__main__":
    harness.main()
