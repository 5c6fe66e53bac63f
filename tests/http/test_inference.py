#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Questions to models, answered with numbers that were counted by hand.

The model is the maximum-likelihood bigram of firth.TEXT, whose probabilities are shares of
counts: of 8 `the` 3 go on with `dog`, of 4 `dog` one with `saw`, and so on."""
import json
import math
import random
import threading

import harness
from firth import TEXT, Firth, near, parse_events

LOG = math.log
# "the dog saw the dog": 3 of 5 lines begin with `the`; 3 of 8 `the` are before `dog`, 1 of 4
# `dog` before `saw`, 1 of 2 `saw` before `the`, 1 of 4 `dog` at the end.
KNOWN = LOG(3 / 5) + LOG(3 / 8) + LOG(1 / 4) + LOG(1 / 2) + LOG(3 / 8) + LOG(1 / 4)


def test_scores_are_counts():
    with Firth() as firth:
        firth.learned()
        reply = firth.ok("POST", "/score", {"model": "bigram", "tokens": True,
                                            "inputs": "the dog saw the dog"})
        result = reply["results"][0]
        near(result["logprob"], KNOWN, 1e-5)
        assert result["tokens_scored"] == 6 and result["oov_count"] == 0
        near(result["perplexity"], math.exp(-KNOWN / 6), 1e-5)
        near(result["bits_per_token"], -KNOWN / 6 / LOG(2), 1e-5)
        assert [t["token"] for t in result["tokens"]] == "the dog saw the dog </s>".split()
        near(result["tokens"][0]["logprob"], LOG(3 / 5), 1e-6)
        assert result["id"] == 0 and reply["log_base"] == "e"
        assert reply["model"] == "bigram" and len(reply["model_digest"]) == 64
        assert reply["timing"]["compute_s"] >= 0
        near(reply["total"]["logprob"], result["logprob"])


def test_what_scoring_may_be_asked():
    with Firth() as firth:
        firth.learned()

        def score(**more):
            return firth.ok("POST", "/score", {"model": "bigram", "inputs": "the dog", **more})
        near(score(eos=False)["total"]["logprob"], LOG(3 / 5) + LOG(3 / 8), 1e-6)
        near(score()["total"]["logprob"], LOG(3 / 5) + LOG(3 / 8) + LOG(1 / 4), 1e-6)
        # Without <s> the first word has its share of the 39 tokens.
        near(score(bos=False, eos=False)["total"]["logprob"], LOG(8 / 39) + LOG(3 / 8), 1e-5)
        two = score(log_base=2)
        assert two["log_base"] == 2
        near(two["total"]["logprob"], score()["total"]["logprob"] / LOG(2), 1e-5)
        near(score(log_base=10)["total"]["logprob"], score()["total"]["logprob"] / LOG(10), 1e-5)
        near(two["total"]["perplexity"], score()["total"]["perplexity"], 1e-9)
        named = score(inputs=[{"id": "x", "text": "the dog"}, {"text": "a cat"}])
        assert [r["id"] for r in named["results"]] == ["x", 1]
        empty = score(inputs="", eos=False)["total"]
        assert empty["tokens_scored"] == 0 and empty["perplexity"] is None
        assert empty["perplexity_undefined"] is True


def test_the_impossible_is_null_and_says_why():
    with Firth() as firth:
        firth.learned()
        total = firth.ok("POST", "/score", {"model": "bigram", "inputs": "mat mat"})["total"]
        assert total["logprob"] is None and total["logprob_infinite"] is True, total
        assert total["perplexity"] is None and total["perplexity_infinite"] is True, total


def test_unknown_words():
    with Firth() as firth:
        firth.learned(order=3, smoothing="kneser-ney", model="kn")

        def score(text="the moon sat", **more):
            return firth.post("/score", {"model": "kn", "inputs": text, "tokens": True, **more})
        result = score().json()["results"][0]
        assert result["oov_count"] == 1 and result["tokens_scored"] == 4
        assert [t["oov"] for t in result["tokens"]] == [False, True, False, False]
        known = sum(t["logprob"] for t in result["tokens"] if not t["oov"])
        near(result["logprob_no_oov"], known, 1e-5)
        skipped = score(oov="skip").json()["results"][0]
        assert skipped["tokens_scored"] == 3
        near(skipped["logprob"], known, 1e-5)
        harness.is_problem(score(oov="error"), 422, "unknown_words")
        literal = score("the <unk> sat").json()["results"][0]
        assert literal["oov_count"] == 0, "a literal <unk> is a word like any other"
        near(literal["logprob"], result["logprob"], 1e-6)


def test_next_words_are_shares():
    with Firth() as firth:
        firth.learned()
        reply = firth.ok("POST", "/next", {"model": "bigram", "context": "a cat saw the",
                                           "k": 3, "words": ["cat", "moon", "and"]})
        tokens = [(p["token"], p["prob"]) for p in reply["predictions"]]
        near(tokens[0][1], 3 / 8, 1e-6)
        assert tokens[0][0] == "dog" and {t for t, _ in tokens[1:]} == {"mat", "log"}
        near(tokens[1][1], 2 / 8, 1e-6)
        near(reply["other_mass"], 1 / 8, 1e-6)
        near(reply["words"][0]["prob"], 1 / 8, 1e-6)
        assert reply["words"][1]["oov"] and not reply["words"][2]["oov"]
        assert reply["words"][2]["prob"] == 0 and reply["words"][2]["logprob"] is None
        assert reply["words"][2]["logprob_infinite"] is True
        entropy = -(3 / 8 * LOG(3 / 8) + 2 * 2 / 8 * LOG(2 / 8) + 1 / 8 * LOG(1 / 8)) / LOG(2)
        near(reply["entropy_bits"], entropy, 1e-5)
        assert reply["context_used"] == 1 and reply["oov"] == []
        reply = firth.ok("POST", "/next", {"model": "bigram", "context": "the moon", "k": 0})
        assert reply["oov"] == ["moon"] and reply["predictions"] == []
        near(reply["other_mass"], 1, 1e-6)


def test_next_sums_to_one_for_every_smoothing():
    with Firth() as firth:
        chance = random.Random(4)
        words = TEXT.split() + ["moon"]
        for smoothing in ("mle", "additive", "jelinek-mercer", "witten-bell", "katz",
                          "kneser-ney"):
            name = f"m-{smoothing}"
            firth.put_corpus(text=TEXT * 3)
            job = firth.train(name, params={"order": 3, "smoothing": smoothing}, valid=0.2)
            assert job["state"] == "succeeded", job
            for _ in range(15):
                context = " ".join(chance.choices(words, k=chance.randrange(4)))
                reply = firth.ok("POST", "/next", {"model": name, "context": context,
                                                   "k": chance.randrange(14)})
                probs = [p["prob"] for p in reply["predictions"]]
                near(sum(probs) + reply["other_mass"], 1, 1e-6)
                assert probs == sorted(probs, reverse=True), probs


def test_temperature():
    with Firth() as firth:
        firth.learned()

        def next_(temperature):
            reply = firth.ok("POST", "/next", {"model": "bigram", "context": "the", "k": 4,
                                               "temperature": temperature})
            return {p["token"]: p["prob"] for p in reply["predictions"]}
        cold = next_(0.5)  # squares: 9, 4, 4, 1
        near(cold["dog"], 9 / 18, 1e-5)
        near(cold["cat"], 1 / 18, 1e-5)
        near(next_(0)["dog"], 1, 1e-9)
        harness.is_problem(firth.post("/next", {"model": "bigram", "temperature": -1}), 422)


def test_bayes_rule():
    with Firth() as firth:
        firth.learned(order=3, smoothing="kneser-ney", model="kn")
        candidates = [{"text": "the cat sat", "channel_logprob": -4.1},
                      {"text": "the cats at", "channel_logprob": -3.9},
                      {"text": "a cat sat", "channel_logprob": -9}]
        reply = firth.ok("POST", "/rescore", {"model": "kn", "candidates": candidates,
                                              "lm_weight": 0.5, "word_bonus": 0.25})
        scores = []
        for given, got in zip(candidates, reply["candidates"]):
            lm = firth.ok("POST", "/score", {"model": "kn", "inputs": given["text"]})
            near(got["lm_logprob"], lm["total"]["logprob"], 1e-6)
            score = 0.5 * got["lm_logprob"] + given["channel_logprob"] + 0.25 * 3
            near(got["score"], score, 1e-6)
            scores.append(score)
        evidence = LOG(sum(map(math.exp, scores)))
        near(reply["log_evidence"], evidence, 1e-6)
        for got, score in zip(reply["candidates"], scores):
            near(got["posterior"], math.exp(score - evidence), 1e-9)
        near(sum(c["posterior"] for c in reply["candidates"]), 1, 1e-9)
        assert reply["candidates"][reply["best"]]["rank"] == 1
        assert scores[reply["best"]] == max(scores)
        tens = [{**c, "channel_logprob": c["channel_logprob"] / LOG(10)} for c in candidates]
        ten = firth.ok("POST", "/rescore", {"model": "kn", "candidates": tens, "log_base": 10,
                                            "lm_weight": 0.5, "word_bonus": 0.25 / LOG(10)})
        for a, b in zip(reply["candidates"], ten["candidates"]):
            near(a["posterior"], b["posterior"], 1e-9)
        harness.is_problem(firth.post("/rescore", {"model": "kn", "candidates": []}), 422)


def test_generation_repeats_with_its_seed():
    with Firth() as firth:
        firth.learned()
        ask = {"model": "bigram", "prompt": "the dog", "max_tokens": 20, "n": 4, "seed": 7,
               "logprobs": True}
        one, two = firth.ok("POST", "/generate", ask), firth.ok("POST", "/generate", ask)
        assert one["outputs"] == two["outputs"] and one["seed"] == 7
        assert len(one["outputs"]) == 4
        free = firth.ok("POST", "/generate", {**ask, "seed": None})
        again = firth.ok("POST", "/generate", {**ask, "seed": free["seed"]})
        assert free["outputs"] == again["outputs"], "the seed that was drawn is told"
        words = set(TEXT.split())
        for output in one["outputs"]:
            assert set(output["text"].split()) <= words
            assert output["finish_reason"] in ("eos", "length")
            near(sum(t["logprob"] for t in output["tokens"]), output["logprob"],
                 10 if output["finish_reason"] == "eos" else 1e-4)
        assert one["usage"]["prompt_tokens"] == 2
        assert one["usage"]["completion_tokens"] == sum(
            len(o["tokens"]) for o in one["outputs"])


def test_generation_obeys():
    with Firth() as firth:
        firth.learned()

        def generate(**more):
            ask = {"model": "bigram", "prompt": "a cat saw", "seed": 1, **more}
            return firth.ok("POST", "/generate", ask)["outputs"][0]
        assert generate(max_tokens=0)["text"] == ""
        assert generate(max_tokens=0)["finish_reason"] == "length"
        best = generate(temperature=0, max_tokens=1)
        assert best["tokens"][0]["token"] in ("the", "a")
        stopped = generate(stop=["on the", "cat", "dog", "</s>"], max_tokens=50)
        assert not any(word in stopped["text"] for word in ("on the", "cat", "dog"))
        assert stopped["finish_reason"] in ("stop", "eos")
        for bad in ({"max_tokens": -1}, {"top_p": 0}, {"top_p": 1.5}, {"n": 0}, {"n": 129},
                    {"top_k": -1}, {"temperature": -0.1}, {"stop": ["x"] * 17}, {"seed": -1},
                    {"stop": [1]}, {"stream": "yes"}):
            harness.is_problem(firth.post("/generate", {"model": "bigram", **bad}), 422)
        harness.is_problem(firth.post("/generate", {"model": "bigram", "max_tokens": 10 ** 6}),
                           413, "limit_exceeded")
        harness.is_problem(firth.post("/generate", {"model": "bigram", "max_tokens": 4096,
                                                    "n": 100}), 413, "limit_exceeded")


def test_a_stream_says_the_same():
    with Firth() as firth:
        firth.learned()
        ask = {"model": "bigram", "prompt": "the", "max_tokens": 30, "n": 3, "seed": 11}
        whole = firth.ok("POST", "/generate", ask)
        reply = firth.post("/generate", {**ask, "stream": True})
        assert reply.headers["content-type"].startswith("text/event-stream")
        assert reply.headers["cache-control"] == "no-store"
        events = [(kind, json.loads(data)) for _, kind, data in parse_events(reply.body)]
        assert events[-1][0] == "done" and events[-1][1]["outputs"] == whole["outputs"]
        texts = [""] * 3
        for kind, data in events[:-1]:
            assert kind == "token", kind
            texts[data["index"]] += data["text"]
        assert texts == [output["text"] for output in whole["outputs"]]


def train_without_end(firth):
    """The model "loop", whose texts hardly ever end and consist of long words: an answer of
    16 × 2,000 tokens has some 10 MB, more than sockets hold for a reader that does not read or
    has left. With less than that the server could not know of either."""
    a, b, c = (letter * 120 for letter in "abc")
    firth.put_corpus(text=f"{a} {b} {c} " * 4000 + "\n")
    firth.train("loop", params={"order": 2, "smoothing": "additive", "delta": 1})


def test_a_stream_outruns_no_slow_reader():
    # More than the 64 KiB a stream may hold back: the model waits for the client.
    with Firth() as firth:
        train_without_end(firth)
        ask = {"model": "loop", "max_tokens": 2000, "n": 16, "stream": True, "seed": 3}
        connection = firth.connect(timeout=30)
        body = json.dumps(ask)
        connection.send(f"POST /generate HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: "
                        f"application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}")
        import time
        time.sleep(0.5)
        events = parse_events(connection.reply().body)
        assert events[-1][1] == "done", events[-1]


def test_slow_readers_hold_no_thread():
    with Firth(inference_threads=1) as firth:
        train_without_end(firth)
        body = json.dumps({"model": "loop", "max_tokens": 2000, "n": 16, "stream": True})
        idle = []
        for _ in range(4):
            idle.append(firth.connect())
            idle[-1].send(f"POST /generate HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: "
                          f"application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}")
            idle[-1].until(b"event: token")  # and reads no more
        ask = {"model": "loop", "candidates": [{"text": "a", "channel_logprob": 0}]}
        firth.ok("POST", "/rescore", ask)  # answered by the one thread there is
        for connection in idle:
            connection.close()


def test_leaving_stops_the_work_and_nobody_elses():
    with Firth() as firth:
        train_without_end(firth)
        ask = {"model": "loop", "max_tokens": 2000, "n": 16, "stream": True, "seed": 3}
        neighbour = {}
        alone = parse_events(firth.post("/generate", ask).body)

        def stay():
            neighbour["events"] = parse_events(firth.post("/generate", ask).body)
        thread = threading.Thread(target=stay)
        thread.start()
        body = json.dumps({**ask, "seed": 4})
        for _ in range(5):
            connection = firth.connect()
            connection.send(f"POST /generate HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: "
                            f"application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}")
            connection.until(b"event: token")
            connection.close()
        thread.join()
        timeless = [[e for e in events if e[1] == "token"]
                    for events in (alone, neighbour["events"])]
        assert timeless[0] == timeless[1]
        assert harness.wait_for(
            lambda: firth.ok("GET", "/info")["queues"]["inference_waiting"] == 0)
        assert harness.wait_for(lambda: b"firth_client_aborts_total 0\n"
                                not in firth.get("/metrics").body)


def test_tokens_there_and_back():
    with Firth() as firth:
        firth.learned()
        text = "the  cat flew"
        tokens = firth.ok("POST", "/tokenize", {"model": "bigram", "text": text})["tokens"]
        assert [(t["token"], t["offset"], t["oov"]) for t in tokens] == [
            ("the", 0, False), ("cat", 5, False), ("flew", 9, True)]
        back = firth.ok("POST", "/detokenize", {"model": "bigram",
                                                "ids": [t["id"] for t in tokens[:2]]})
        assert back["text"] == "the cat"
        firth.put_corpus("letters", "Grüße, 世界!\nabc\n")
        firth.train("chars", "letters", tokenizer={"unit": "char"})
        tokens = firth.ok("POST", "/tokenize", {"model": "chars", "text": "世界 ü"})["tokens"]
        assert [t["offset"] for t in tokens] == [0, 3, 6, 7], tokens
        back = firth.ok("POST", "/detokenize", {"model": "chars",
                                                "ids": [t["id"] for t in tokens]})
        assert back["text"] == "世界 ü"
        for ids in ([-1], [99999], ["x"], [1.5]):
            harness.is_problem(firth.post("/detokenize", {"model": "chars", "ids": ids}), 422)


def test_an_ensemble_mixes_probabilities():
    with Firth() as firth:
        firth.learned(order=1, model="one")
        firth.learned(order=2, model="two")
        ask = {"inputs": "the dog", "tokens": True}
        single = [firth.ok("POST", "/score", {**ask, "model": name})["results"][0]["tokens"]
                  for name in ("one", "two")]
        members = [{"model": "one", "weight": 1}, {"model": "two", "weight": 3}]
        reply = firth.ok("POST", "/score", {**ask, "ensemble": members})
        for a, b, mixed in zip(*single, reply["results"][0]["tokens"]):
            wanted = LOG(0.25 * math.exp(a["logprob"]) + 0.75 * math.exp(b["logprob"]))
            near(mixed["logprob"], wanted, 1e-5)
        assert [m["weight"] for m in reply["ensemble"]] == [0.25, 0.75]
        next_ = firth.ok("POST", "/next", {"ensemble": members, "context": "the", "k": 12})
        near(sum(p["prob"] for p in next_["predictions"]) + next_["other_mass"], 1, 1e-6)
        firth.put_corpus("else", "other words here\n")
        firth.train("third", "else")
        members[0]["model"] = "third"
        harness.is_problem(firth.post("/score", {**ask, "ensemble": members}), 422,
                           "vocabulary_mismatch")
        for bad in ([], [{"model": "one", "weight": 0}], [{"weight": 1}], [{"model": "one",
                    "x": 1}]):
            harness.is_problem(firth.post("/score", {**ask, "ensemble": bad}), 422)
        harness.is_problem(firth.post("/score", {**ask, "ensemble": members, "model": "one"}),
                           422)


def test_wrong_questions():
    with Firth(max_inputs=3) as firth:
        firth.learned()
        harness.is_problem(firth.post("/score", {"model": "none", "inputs": "x"}), 404,
                           "model_not_found")
        reply = firth.post("/score", {"inputs": [1, {"txt": ""}], "oov": "maybe", "extra": 1})
        body = harness.is_problem(reply, 422)
        assert {e["pointer"] for e in body["errors"]} >= {
            "/inputs/0", "/inputs/1/txt", "/oov", "/extra"}, body
        assert "max_inputs" in harness.is_problem(
            firth.post("/score", {"model": "bigram", "inputs": ["x"] * 4}), 413)["detail"]
        for bad in ({"inputs": []}, {"inputs": 1}, {"inputs": {}}, {}):
            harness.is_problem(firth.post("/score", {"model": "bigram", **bad}), 422)
        for base in (3, "10", 2.0, True):
            reply = firth.post("/score", {"model": "bigram", "inputs": "x", "log_base": base})
            assert harness.is_problem(reply, 422)["errors"][0]["pointer"] == "/log_base"
        for k in (-1, 10001, 1.5, "3"):
            harness.is_problem(firth.post("/next", {"model": "bigram", "k": k}), 422)
        harness.is_problem(firth.ask("GET", "/score"), 405)
        for body in (b'{"inputs": "\xff"}', b'{"inputs": "\\ud800"}', b"[" * 100000):
            harness.is_problem(firth.post("/score", body), 400)


if __name__ == "__main__":
    harness.main()
