#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""/v1: what the stock OpenAI clients send and read."""
import json
import math

import harness
from firth import TEXT, Firth, near, parse_events

LOG = math.log
ASK = {"model": "bigram", "prompt": "the dog", "max_tokens": 6, "seed": 5}


def complete(firth, **more):
    return firth.ok("POST", "/v1/completions", {**ASK, **more})


def test_a_completion():
    with Firth() as firth:
        firth.learned()
        reply = complete(firth)
        assert reply["object"] == "text_completion" and reply["id"].startswith("cmpl-")
        assert reply["model"] == "bigram" and isinstance(reply["created"], int)
        choice = reply["choices"][0]
        assert choice["index"] == 0 and choice["logprobs"] is None
        assert choice["finish_reason"] in ("stop", "length")
        assert set(choice["text"].split()) <= set(TEXT.split())
        usage = reply["usage"]
        assert usage["prompt_tokens"] == 2
        assert usage["total_tokens"] == 2 + usage["completion_tokens"]
        assert complete(firth)["choices"] == reply["choices"], "same seed, same text"


def test_unknown_members_and_nulls_are_taken():
    with Firth() as firth:
        firth.learned()
        reply = complete(firth, user="me", best_of=1, suffix=None, logit_bias={}, n=None,
                         temperature=None, top_p=None, stream=None, stop=None, logprobs=None,
                         echo=None, stream_options=None)
        assert len(reply["choices"]) == 1


def test_every_form_of_prompt():
    with Firth() as firth:
        firth.learned()
        ids = [t["id"] for t in firth.ok("POST", "/tokenize", {
            "model": "bigram", "text": "the dog"})["tokens"]]

        def texts(prompt, **more):
            reply = complete(firth, prompt=prompt, echo=True, max_tokens=0, **more)
            assert [c["index"] for c in reply["choices"]] == list(range(len(reply["choices"])))
            return [c["text"] for c in reply["choices"]]
        assert texts("the dog") == ["the dog"]
        assert texts(["a", "the cat"]) == ["a", "the cat"]
        assert texts(ids) == ["the dog"]
        assert texts([ids, ids[:1]]) == ["the dog", "the"]
        assert texts(["a", "b"], n=2) == ["a", "a", "b", "b"]
        for bad in ([], 7, [[1], "x", None], [-1], [99999], [[99999]], {"a": 1}):
            harness.is_problem(firth.post("/v1/completions", {**ASK, "prompt": bad}), 422)


def test_echo_scores_the_prompt():
    with Firth() as firth:
        firth.learned()
        choice = complete(firth, prompt="the dog saw", echo=True, logprobs=2,
                          max_tokens=0)["choices"][0]
        logprobs = choice["logprobs"]
        assert choice["text"] == "the dog saw" and choice["finish_reason"] == "length"
        assert "".join(logprobs["tokens"]) == choice["text"]
        assert logprobs["tokens"] == ["the", " dog", " saw"]
        assert logprobs["text_offset"] == [0, 3, 7]
        assert logprobs["token_logprobs"][0] is None and logprobs["top_logprobs"][0] is None
        near(logprobs["token_logprobs"][1], LOG(3 / 8), 1e-6)
        near(logprobs["token_logprobs"][2], LOG(1 / 4), 1e-6)
        top = logprobs["top_logprobs"][1]
        assert "dog" in top and len(top) == 2
        near(top["dog"], LOG(3 / 8), 1e-6)
        longer = complete(firth, prompt="the dog", echo=True, logprobs=1)["choices"][0]
        assert "".join(longer["logprobs"]["tokens"]) == longer["text"]
        assert longer["text"].startswith("the dog")


def test_logprobs_of_what_was_drawn():
    with Firth() as firth:
        firth.learned()
        choice = complete(firth, prompt="a cat saw", logprobs=5, temperature=0)["choices"][0]
        logprobs = choice["logprobs"]
        assert "".join(logprobs["tokens"]) == choice["text"]
        near(logprobs["token_logprobs"][0], LOG(1 / 2), 1e-6)
        first = logprobs["top_logprobs"][0]
        assert {"the", "a"} <= set(first)
        for drawn in (complete(firth, logprobs=1, max_tokens=30)["choices"][0]["logprobs"],
                      complete(firth, prompt="the dog saw a cat on", echo=True, logprobs=1,
                               max_tokens=0)["choices"][0]["logprobs"]):
            for token, logprob, tops in list(zip(*list(drawn.values())[:3]))[1:]:
                near(tops[token.strip()], logprob)
                assert len(tops) <= 2 and max(tops.values()) >= logprob, tops
        none = complete(firth, logprobs=0)["choices"][0]["logprobs"]
        assert none["top_logprobs"] is None and none["token_logprobs"]
        for bad in (6, -1, 1.5):
            harness.is_problem(firth.post("/v1/completions", {**ASK, "logprobs": bad}), 422)


def test_offsets_count_characters():
    with Firth() as firth:
        firth.put_corpus("letters", "Grüße an die Welt\n" * 3)
        firth.train("chars", "letters", tokenizer={"unit": "char"}, params={"order": 3})
        choice = complete(firth, model="chars", prompt="Grüße", echo=True, logprobs=0,
                          max_tokens=0)["choices"][0]
        assert choice["logprobs"]["tokens"] == list("Grüße")
        assert choice["logprobs"]["text_offset"] == [0, 1, 2, 3, 4]


def chunks(reply):
    assert reply.headers["content-type"].startswith("text/event-stream"), reply
    data = [data for _, _, data in parse_events(reply.body)]
    assert data[-1] == "[DONE]", data[-1]
    return [json.loads(text) for text in data[:-1]]


def test_a_stream_joins_to_the_same_text():
    with Firth() as firth:
        firth.learned()
        whole = complete(firth, n=2, echo=True)
        parts = chunks(firth.post("/v1/completions", {
            **ASK, "n": 2, "echo": True, "stream": True,
            "stream_options": {"include_usage": True}}))
        texts, finish = ["", ""], [None, None]
        for part in parts[:-1]:
            choice = part["choices"][0]
            assert part["usage"] is None and part["id"] == parts[0]["id"]
            texts[choice["index"]] += choice["text"]
            finish[choice["index"]] = choice["finish_reason"] or finish[choice["index"]]
        assert texts == [choice["text"] for choice in whole["choices"]]
        assert finish == [choice["finish_reason"] for choice in whole["choices"]]
        assert parts[-1]["choices"] == [] and parts[-1]["usage"] == whole["usage"]
        plain = chunks(firth.post("/v1/completions", {**ASK, "stream": True}))
        assert all(part["choices"] and "usage" not in part for part in plain)


def test_streamed_logprobs_are_those_of_the_whole():
    """The alternatives, too, not only the token that was drawn."""
    with Firth() as firth:
        firth.learned()
        for count in (0, 3):
            whole = complete(firth, logprobs=count)["choices"][0]["logprobs"]
            reply = firth.post("/v1/completions", {**ASK, "logprobs": count, "stream": True})
            parts = [part["choices"][0]["logprobs"] for part in chunks(reply)]
            for name in ("token_logprobs", "top_logprobs"):
                joined = [one for part in parts for one in part[name] or []]
                assert joined == (whole[name] or []), (name, joined, whole)


def test_stops():
    with Firth() as firth:
        firth.learned()
        for stop in (" on", [" on", " and"]):
            choice = complete(firth, prompt="the cat sat", stop=stop, max_tokens=20)["choices"][0]
            assert " on" not in choice["text"] and choice["finish_reason"] == "stop"
        harness.is_problem(firth.post("/v1/completions", {**ASK, "stop": 3}), 422)


def test_errors_have_both_shapes():
    with Firth() as firth:
        firth.learned()
        for body, status, code in (({**ASK, "model": "none"}, 404, "model_not_found"),
                                   ({**ASK, "max_tokens": -1}, 422, "invalid_value"),
                                   ({"prompt": "x"}, 422, "invalid_value"),
                                   ({**ASK, "max_tokens": 10 ** 7}, 413, "limit_exceeded")):
            reply = harness.is_problem(firth.post("/v1/completions", body), status, code)
            assert reply["error"]["code"] == code and reply["error"]["message"]
            assert {"type", "param"} <= set(reply["error"]), reply
        # All that the stock clients show.
        message = firth.post("/v1/completions", {**ASK, "max_tokens": -1}).json()["error"]["message"]
        assert "max_tokens" in message and "integer" in message, message
        chat = firth.post("/v1/chat/completions", {"model": "bigram", "messages": []})
        assert harness.is_problem(chat, 404)["error"]["code"]


def test_models_are_listed_by_every_name():
    with Firth() as firth:
        firth.learned()
        firth.ok("PATCH", "/models/bigram", {"aliases": ["gpt-like"]})
        vectors = firth.ask("PUT", "/models/embedder?format=glove", b"cat 1 2\ndog 2 1\n",
                            ["Content-Type: text/plain"])
        assert vectors.status == 201, vectors
        listed = firth.ok("GET", "/v1/models")
        assert listed["object"] == "list"
        assert [model["id"] for model in listed["data"]] == ["embedder", "bigram", "gpt-like"]
        one = firth.ok("GET", "/v1/models/gpt-like")
        assert one["id"] == "gpt-like" and one["object"] == "model" and one["created"] > 0
        assert complete(firth, model="gpt-like")["choices"]
        reply = firth.get("/v1/models/none")
        assert harness.is_problem(reply, 404)["error"]["code"] == "model_not_found"


if __name__ == "__main__":
    harness.main()
