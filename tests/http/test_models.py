#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""/models: description, aliases, memory, files in and out, evaluation."""
import hashlib
import math

import harness
from firth import TEXT, Firth, near

ARPA = """\\data\\
ngram 1=4
ngram 2=2

\\1-grams:
-1.0\t<unk>
-99\t<s>\t-0.30103
-0.30103\t</s>
-0.39794\thello\t-0.30103

\\2-grams:
-0.1\t<s> hello
-0.2\thello </s>

\\end\\
"""


def put_arpa(firth, name="hello", text=ARPA, query=""):
    return firth.ask("PUT", f"/models/{name}?format=arpa{query}",
                     text if isinstance(text, bytes) else text.encode(),
                     ["Content-Type: text/plain"])


def test_a_model_is_described():
    with Firth() as firth:
        firth.learned(order=2)
        model = firth.ok("GET", "/models/bigram")
        assert model["kind"] == "ngram" and model["vocab_size"] == 13, model
        assert model["state"] == "unloaded" and model["aliases"] == []
        assert {"score", "next", "generate", "evaluate"} <= set(model["can"])
        assert model["parameters"] > 0 and model["bytes"] > 0 and len(model["digest"]) == 64
        assert firth.ok("GET", "/models")["data"] == [model]
        tag = firth.get("/models/bigram").headers["etag"]
        assert firth.get("/models/bigram", [f"If-None-Match: {tag}"]).status == 304
        firth.post("/models/bigram/load")
        assert firth.get("/models/bigram", [f"If-None-Match: {tag}"]).status == 200
        harness.is_problem(firth.get("/models/other"), 404, "model_not_found")


def test_loading_and_unloading():
    with Firth() as firth:
        firth.learned()
        assert firth.ok("POST", "/models/bigram/load")["state"] == "ready"
        assert firth.ok("GET", "/models/bigram")["state"] == "ready"
        assert firth.ok("POST", "/models/bigram/unload")["state"] == "unloaded"
        firth.ok("POST", "/score", {"model": "bigram", "inputs": "the cat"})
        assert firth.ok("GET", "/models/bigram")["state"] == "ready"
        harness.is_problem(firth.post("/models/other/load"), 404, "model_not_found")


def test_an_alias_moves():
    with Firth() as firth:
        firth.learned(model="one", order=1)
        firth.learned(model="two", order=2)
        firth.ok("PATCH", "/models/one", {"aliases": ["live"], "metadata": {"n": 1}})
        score = {"model": "live", "inputs": "the cat sat"}
        first = firth.ok("POST", "/score", score)
        assert first["model"] == "one"
        firth.ok("PATCH", "/models/two", {"aliases": ["live", "also"]})
        second = firth.ok("POST", "/score", score)
        assert second["model"] == "two" and second["model_digest"] != first["model_digest"]
        one = firth.ok("GET", "/models/one")
        assert one["aliases"] == [] and one["metadata"] == {"n": 1}
        assert firth.ok("GET", "/models/also")["name"] == "two"
        reply = firth.ask("PATCH", "/models/two", {"aliases": ["one"]})
        harness.is_problem(reply, 409, "already_exists")
        for bad in ({}, {"aliases": ["Bad"]}, {"aliases": "x"}, {"metadata": 1},
                    {"aliases": ["a", "a"]}, {"else": 1}):
            harness.is_problem(firth.ask("PATCH", "/models/two", bad), 422)


def test_deletion():
    with Firth() as firth:
        firth.learned()
        firth.ok("POST", "/score", {"model": "bigram", "inputs": "the cat"})
        assert firth.ask("DELETE", "/models/bigram").status == 204
        harness.is_problem(firth.get("/models/bigram"), 404, "model_not_found")
        harness.is_problem(firth.post("/score", {"model": "bigram", "inputs": "x"}), 404)
        harness.is_problem(firth.ask("DELETE", "/models/bigram"), 404)


def test_a_checkpoint_travels():
    with Firth() as firth:
        firth.learned()
        model = firth.ok("GET", "/models/bigram")
        whole = firth.get("/models/bigram/export?format=checkpoint")
        assert hashlib.sha256(whole.body).hexdigest() == model["digest"]
        part = firth.get("/models/bigram/export?format=checkpoint", ["Range: bytes=10-19"])
        assert part.status == 206 and part.body == whole.body[10:20]
        tag = whole.headers["etag"]
        reply = firth.get("/models/bigram/export?format=checkpoint",
                          [f"If-None-Match: {tag}"])
        assert reply.status == 304
        reply = firth.ask("PUT", "/models/copy?format=checkpoint", whole.body,
                          ["Content-Type: application/octet-stream"])
        assert reply.status == 201 and reply.headers["location"] == "/models/copy", reply
        copy = reply.json()
        assert copy["digest"] == model["digest"] and copy["name"] == "copy"
        assert copy["params"] == model["params"] and copy["job"] is None
        ask = {"inputs": "the cat sat", "tokens": True}
        one = firth.ok("POST", "/score", {**ask, "model": "bigram"})
        two = firth.ok("POST", "/score", {**ask, "model": "copy"})
        assert one["results"] == two["results"]


def test_damaged_checkpoints_are_refused():
    with Firth() as firth:
        firth.learned()
        good = firth.get("/models/bigram/export?format=checkpoint").body
        for bad in (b"", b"x", good[:-1], good[: len(good) // 2], good[:100] + b"\xff" + good[101:],
                    good + b"x"):
            reply = firth.ask("PUT", "/models/bad?format=checkpoint", bad,
                              ["Content-Type: application/octet-stream"])
            harness.is_problem(reply, 422)
            assert firth.get("/models/bad").status == 404
        assert len(firth.ok("GET", "/models")["data"]) == 1


def test_arpa_comes_in():
    with Firth() as firth:
        reply = put_arpa(firth)
        assert reply.status == 201, reply
        assert reply.json()["corpus"] is None and reply.json()["vocab_size"] == 4
        score = firth.ok("POST", "/score", {"model": "hello", "inputs": ["hello", "hello hello"],
                                            "log_base": 10, "tokens": True})
        near(score["results"][0]["logprob"], -0.1 - 0.2, 1e-6)
        # hello after hello backs off: its own back-off weight and its unigram.
        near(score["results"][1]["logprob"], -0.1 - 0.30103 - 0.39794 - 0.2, 1e-5)
        assert [t["order"] for t in score["results"][1]["tokens"]] == [2, 1, 2]
        harness.is_problem(put_arpa(firth), 409, "already_exists")
        assert put_arpa(firth, query="&replace=true").status == 200


def test_bad_arpa_names_the_line():
    with Firth() as firth:
        for old, new, line in (("-0.39794\thello", "x\thello", 9),
                               ("-0.1\t<s> hello", "-0.1\t<s>", 12),
                               ("\\2-grams:", "\\3-grams:", 11)):
            body = harness.is_problem(put_arpa(firth, text=ARPA.replace(old, new)), 422)
            assert body["line"] == line, (old, body)
            assert body["offset"] <= len(ARPA), body
        harness.is_problem(put_arpa(firth, text=b""), 422)
        harness.is_problem(put_arpa(firth, text=ARPA[:100]), 422)
        assert firth.ok("GET", "/models")["data"] == []
        harness.is_problem(firth.ask("PUT", "/models/x", b"x"), 422)
        harness.is_problem(firth.ask("PUT", "/models/x?format=zip", b"x"), 422)


def test_arpa_goes_out_and_back():
    with Firth() as firth:
        firth.learned(order=3, smoothing="kneser-ney", model="kn")
        reply = firth.get("/models/kn/export?format=arpa")
        assert reply.status == 200 and reply.body.startswith(b"\\data\\"), reply
        assert reply.headers["content-type"].startswith("text/plain")
        half = firth.get("/models/kn/export?format=arpa", ["Range: bytes=5-"])
        assert half.status == 206 and half.body == reply.body[5:]
        assert put_arpa(firth, "back", reply.body).status == 201
        texts = ["the cat sat on the log", "a dog saw the moon", "mat the on"]
        one = firth.ok("POST", "/score", {"model": "kn", "inputs": texts})
        two = firth.ok("POST", "/score", {"model": "back", "inputs": texts})
        for a, b in zip(one["results"], two["results"]):
            near(a["logprob"], b["logprob"], 1e-5)
        harness.is_problem(firth.get("/models/kn/export"), 422)
        harness.is_problem(firth.get("/models/none/export?format=arpa"), 404)


def test_evaluation_is_scoring():
    with Firth() as firth:
        firth.learned(order=3, smoothing="kneser-ney", model="kn")
        result = firth.ok("POST", "/models/kn/evaluate", {"perplexity": {"corpus": "book"}})
        total = firth.ok("POST", "/score",
                         {"model": "kn", "inputs": TEXT.splitlines()})["total"]
        near(result["perplexity"]["logprob"], total["logprob"], 1e-4)
        assert result["perplexity"]["tokens_scored"] == total["tokens_scored"] == 39
        near(result["perplexity"]["perplexity"],
             math.exp(-total["logprob"] / total["tokens_scored"]), 1e-4)
        assert result["perplexity"]["segments"] == 5
        for body, status in (({}, 422), ({"perplexity": {}}, 422),
                             ({"perplexity": {"corpus": "none"}}, 404)):
            harness.is_problem(firth.post("/models/kn/evaluate", body), status)


def test_models_outlive_the_daemon():
    import tempfile
    with tempfile.TemporaryDirectory() as folder:
        ask = {"model": "bigram", "inputs": "the cat sat on the log"}
        with Firth(folder) as firth:
            firth.learned()
            first = firth.ok("POST", "/score", ask)["results"]
        with Firth(folder) as firth:
            assert firth.ok("POST", "/score", ask)["results"] == first
            firth.kill()
        with Firth(folder) as firth:
            assert firth.ok("POST", "/score", ask)["results"] == first


if __name__ == "__main__":
    harness.main()
