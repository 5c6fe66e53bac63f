#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Questions to word vectors, with numbers worked out by hand.

Four trained kinds answer about a tiny text; what is exact is checked against vectors that
`/embed` gives, by the formulas written out here."""
import base64
import json
import math
import os
import random
import struct
import tempfile
import threading
import time

import harness
from firth import Firth, near, run

TEXT = """the king rules the land and the queen rules the land
paris is the capital of france and rome is the capital of italy
""" * 8
KINDS = ("svd", "glove", "skipgram", "cbow")


def dot(a, b):
    return sum(x * y for x, y in zip(a, b))


def length(a):
    return math.sqrt(dot(a, a))


def cosine(a, b):
    return dot(a, b) / length(a) / length(b)


def distance(a, b):
    return math.sqrt(sum((x - y) ** 2 for x, y in zip(a, b)))


def unit(a):
    return [x / length(a) for x in a]


def trained(firth, *kinds, **more):
    firth.put_corpus(text=TEXT)
    for kind in kinds:
        job = firth.train(kind, kind=kind, params={"dim": 6, **more},
                          tokenizer={"unit": "word", "lowercase": True, "min_count": 1})
        assert job["state"] == "succeeded", job


def vectors_of(firth, model, words):
    reply = firth.ok("POST", "/embed", {"model": model, "inputs": list(words)})
    return {word: row["vector"] for word, row in zip(words, reply["vectors"])}


WORDS = "the king rules land and queen paris is capital of france rome italy".split()


def test_a_budget_in_tokens_ends_every_trainer():
    with Firth() as firth:
        firth.put_corpus(text=TEXT)
        tokens = len(TEXT.split()) + TEXT.count("\n")
        for kind in ("glove", "skipgram", "cbow"):
            request = {"kind": kind, "params": {"dim": 4}, "threads": 1,
                       "tokenizer": {"unit": "word", "min_count": 1},
                       "budget": {"epochs": 9, "tokens": 2 * tokens}}
            progress = firth.train(kind, **request)["progress"]
            assert progress["epoch"] == 2 and progress["tokens"] == 2 * tokens, progress
            few, all_of_it = (firth.ok("POST", "/train?dry_run=true",
                                       {"model": "x", "corpus": "book", **request, "budget": budget})
                              for budget in (request["budget"], {"epochs": 9}))
            assert few["estimated_seconds"] < all_of_it["estimated_seconds"], few


def test_every_trainer_takes_all_its_steps():
    with Firth() as firth:
        firth.put_corpus(text=TEXT)
        for kind in KINDS:
            progress = firth.train(kind, kind=kind, params={"dim": 4})["progress"]
            assert progress["step"] == progress["steps_total"] > 0, progress


def test_neighbours_of_every_kind_are_the_nearest():
    with Firth() as firth:
        trained(firth, *KINDS)
        for kind in KINDS:
            vectors = vectors_of(firth, kind, WORDS)
            for metric, score, sign in (("cosine", cosine, -1), ("dot", dot, -1),
                                        ("euclidean", distance, 1)):
                reply = firth.ok("POST", "/neighbors", {
                    "model": kind, "word": "king", "k": 5, "metric": metric})
                assert reply["metric"] == metric and reply["model"] == kind
                result = reply["results"][0]
                assert result["query"] == "king" and result["index"] == 0
                wanted = sorted((w for w in WORDS if w != "king"),
                                key=lambda w: sign * score(vectors["king"], vectors[w]))
                key = "distance" if metric == "euclidean" else "similarity"
                for rank, row in enumerate(result["neighbors"], 1):
                    assert row["rank"] == rank
                    near(row[key], score(vectors["king"], vectors[row["word"]]), 1e-4)
                    near(row[key], score(vectors["king"], vectors[wanted[rank - 1]]), 1e-4)
                counts = {row["word"]: row["count"] for row in result["neighbors"]}
                assert all(counts[w] == TEXT.split().count(w) for w in counts), counts


def test_what_neighbours_may_be_asked():
    with Firth() as firth:
        trained(firth, "svd")

        def ask(**more):
            return firth.ok("POST", "/neighbors", {"model": "svd", **more})["results"]
        every = ask(word="king", k=1000000)[0]["neighbors"]
        assert len(every) == len(WORDS) - 1, "k beyond the vocabulary gives all there is"
        assert "king" not in {row["word"] for row in every}
        some = ask(word="king", exclude=["queen", "land"], k=100)[0]["neighbors"]
        assert [r["word"] for r in some] == [r["word"] for r in every
                                             if r["word"] not in ("queen", "land")]
        frequent = ask(word="king", restrict_vocab=3, k=100)[0]["neighbors"]
        assert len(frequent) in (2, 3) and "the" in {r["word"] for r in frequent}
        king = vectors_of(firth, "svd", ["king"])["king"]
        by_vector = ask(vector=king, k=2)[0]
        assert by_vector["query"] is None and by_vector["neighbors"][0]["word"] == "king"
        both = ask(queries=["king", king, "queen"], k=3)
        assert [r["query"] for r in both] == ["king", None, "queen"]
        assert both[0]["neighbors"] == ask(word="king", k=3)[0]["neighbors"]
        assert ask(word="KING")[0]["query"] == "king", "a lower-cased model finds KING"
        assert ask(word="king", exact=False) == ask(word="king", exact=True)
        reply = firth.ok("POST", "/neighbors", {"model": "svd", "word": "king", "k": 2,
                                                "exact": False})
        assert reply["exact"] is True and reply["index"] == {"state": "small"}, reply
        reply = firth.ok("POST", "/neighbors", {"model": "svd", "word": "king"})
        assert reply["exact"] is True and "index" not in reply, reply


def test_wrong_questions_name_their_fields():
    with Firth() as firth:
        trained(firth, "svd")

        def refused(path, body, *pointers, code=None):
            reply = firth.post(path, {"model": "svd", **body})
            harness.is_problem(reply, 422, code)
            given = [row["pointer"] for row in reply.json()["errors"]]
            assert given == list(pointers), f"{path} {json.dumps(body)}: {reply.json()}"
        refused("/neighbors", {}, "/word")
        refused("/neighbors", {"word": "king", "vector": [0] * 6}, "/word")
        refused("/neighbors", {"queries": []}, "/queries")
        refused("/neighbors", {"word": 7}, "/word")
        refused("/neighbors", {"queries": "king"}, "/queries")
        refused("/neighbors", {"vector": [1, 2]}, "/vector")
        refused("/neighbors", {"vector": [1, 2, 3, 4, 5, "x"]}, "/vector")
        refused("/neighbors", {"vector": [1e300] * 6}, "/vector")
        refused("/neighbors", {"vector": [0] * 6}, "/vector")
        refused("/neighbors", {"queries": ["king", [0] * 6]}, "/queries/1")
        refused("/neighbors", {"word": "king", "k": 0}, "/k")
        refused("/neighbors", {"word": "king", "k": 1000001}, "/k")
        refused("/neighbors", {"word": "king", "metric": "l1"}, "/metric")
        refused("/neighbors", {"word": "king", "else": 1}, "/else")
        refused("/analogy", {}, "/positive")
        refused("/analogy", {"a": "king", "b": "queen"}, "/c")
        refused("/analogy", {"a": "king", "positive": ["king"]}, "/positive")
        refused("/analogy", {"queries": []}, "/queries")
        refused("/analogy", {"queries": [{"a": 1, "b": "king", "c": "king"}]}, "/queries/0/a")
        refused("/analogy", {"positive": ["king"] * 33}, "/positive")
        refused("/analogy", {"queries": ["king"]}, "/queries/0")
        refused("/similarity", {"pairs": []}, "/pairs")
        refused("/similarity", {"pairs": [["king"]]}, "/pairs/0")
        refused("/odd-one-out", {"words": ["king", "queen"]}, "/words")
        refused("/embed", {"inputs": []}, "/inputs")
        refused("/embed", {"inputs": 1}, "/inputs")
        refused("/embed", {"inputs": ["king", 1]}, "/inputs/1")
        assert firth.post("/neighbors", {"model": "svd", "vector": [0] * 6,
                                         "metric": "dot"}).status == 200


def test_unknown_words_are_named_with_near_spellings():
    with Firth() as firth:
        trained(firth, "svd")

        def refused(path, body, *pointers):
            reply = firth.post(path, {"model": "svd", **body})
            harness.is_problem(reply, 422, "unknown_words")
            assert [row["pointer"] for row in reply.json()["errors"]] == list(pointers), reply
            return reply.json()
        problem = refused("/neighbors", {"word": "kingg"}, "/word")
        assert '"kingg"' in problem["detail"] and '"king"' in problem["detail"], problem
        refused("/neighbors", {"queries": ["king", "zebra", "quen"], "exclude": ["x"]},
                "/exclude/0", "/queries/1", "/queries/2")
        problem = refused("/analogy", {"a": "frnace", "b": "paris", "c": "itly"}, "/c", "/a")
        assert '"france"' in problem["errors"][1]["detail"], problem
        refused("/analogy", {"queries": [{"positive": ["king", "q"], "negative": ["z"]}]},
                "/queries/0/positive/1", "/queries/0/negative/0")
        refused("/similarity", {"pairs": [["king", "x"], ["y", "king"]]},
                "/pairs/0/1", "/pairs/1/0")
        refused("/odd-one-out", {"words": ["king", "x", ""]}, "/words/1", "/words/2")
        refused("/embed", {"inputs": ["king", "no such words"]}, "/inputs/1")
        refused("/embed", {"inputs": "<unk>"}, "/inputs")
        reply = firth.post("/v1/embeddings", {"model": "svd", "input": "zzz"})
        assert reply.status == 422 and reply.json()["error"]["code"] == "unknown_words"


def test_unseen_words_have_vectors_from_their_n_grams():
    with Firth() as firth:
        trained(firth, "skipgram", min_subword=5, max_subword=6, subword_buckets=100)

        def ask(path, **body):
            return firth.post(path, {"model": "skipgram", **body})
        # the model's text was lower-cased
        capital, lower = (ask("/embed", inputs=[word]).json()["vectors"][0]["vector"]
                          for word in ("Romania", "romania"))
        assert capital == lower
        pair = ask("/similarity", pairs=[["Romania", "romania"]]).json()["pairs"][0]
        near(pair["cosine"], 1)
        near(pair["euclidean"], 0)
        assert ask("/neighbors", word="Romania").json()["results"][0]["neighbors"] == \
            ask("/neighbors", word="romania").json()["results"][0]["neighbors"]
        # too short for n-grams of five characters, with the two that mark its ends
        for path, body, pointer in (
                ("/neighbors", {"word": "x"}, "/word"),
                ("/neighbors", {"word": "king", "exclude": ["x"]}, "/exclude/0"),
                ("/analogy", {"a": "king", "b": "x", "c": "land"}, "/b"),
                ("/similarity", {"pairs": [["king", "land"], ["x", "king"]]}, "/pairs/1/0"),
                ("/odd-one-out", {"words": ["king", "land", "x"]}, "/words/2"),
                ("/maps", {"words": ["king", "land", "x", "romania"]}, "/words/2"),
                ("/embed", {"inputs": ["x"]}, "/inputs/0")):
            reply = ask(path, **body)
            harness.is_problem(reply, 422, "unknown_words")
            assert [row["pointer"] for row in reply.json()["errors"]] == [pointer], reply


def test_what_has_no_direction_has_no_cosine():
    with Firth() as firth:
        assert put(firth, word2vec()).status == 201

        def ask(path, **body):
            return firth.post(path, {"model": "plane", **body})
        for path, body, pointer in (
                ("/analogy", {"positive": ["east", "west"]}, "/positive"),
                ("/analogy", {"positive": ["east"], "negative": ["east"]}, "/positive"),
                ("/analogy", {"queries": [{"positive": ["east"]},
                                          {"positive": ["east", "west"]}]}, "/queries/1"),
                ("/odd-one-out", {"words": ["east", "west", "east", "west"]}, "/words"),
                ("/neighbors", {"vector": [0, 0]}, "/vector")):
            reply = ask(path, **body)
            harness.is_problem(reply, 422, "invalid_value")
            assert [row["pointer"] for row in reply.json()["errors"]] == [pointer], reply
        # the product of 3CosMul needs no direction
        answers = ask("/analogy", positive=["east", "west"], method="3cosmul").json()
        assert answers["results"][0]["answers"][0]["word"] == "north", answers
        # however short a vector is, it has one
        for length in (1, 1e-14, 1e-30, 1e-42, 1e-300):
            found = ask("/neighbors", vector=[length, 0], k=2).json()["results"][0]
            assert [n["word"] for n in found["neighbors"]] == ["east", "northeast"], found
            near(found["neighbors"][0]["similarity"], 1)


def test_analogies_are_sums_and_products():
    with Firth() as firth:
        trained(firth, "svd", "glove")
        for kind in ("svd", "glove"):
            vectors = {w: unit(v) for w, v in vectors_of(firth, kind, WORDS).items()}
            target = [b - a + c for a, b, c in zip(
                vectors["king"], vectors["queen"], vectors["france"])]
            others = [w for w in WORDS if w not in ("king", "queen", "france")]
            question = {"model": kind, "a": "king", "b": "queen", "c": "france", "k": 4}
            rows = firth.ok("POST", "/analogy", question)["results"][0]["answers"]
            wanted = sorted((-cosine(target, vectors[w]), w) for w in others)
            for row, (score, _) in zip(rows, wanted):
                near(row["similarity"], -score, 1e-4)
                assert row["word"] in others

            def product(word):
                half = {w: (1 + dot(vectors[w], vectors[word])) / 2
                        for w in ("king", "queen", "france")}
                return half["queen"] * half["france"] / (half["king"] + 0.001)
            rows = firth.ok("POST", "/analogy", {**question, "method": "3cosmul"})
            for row, score in zip(rows["results"][0]["answers"],
                                  sorted(map(product, others), reverse=True)):
                near(row["similarity"], score, 1e-4)
            general = firth.ok("POST", "/analogy", {
                "model": kind, "k": 4, "queries": [
                    {"positive": ["queen", "france"], "negative": ["king"]}, {
                        "a": "king", "b": "queen", "c": "france"}]})["results"]
            assert general[0]["answers"] == general[1]["answers"]
            inputs = firth.ok("POST", "/analogy", {
                "model": kind, "positive": ["king"], "k": 1, "exclude_inputs": False})
            assert inputs["results"][0]["answers"][0]["word"] == "king"


def test_similarities_and_the_odd_one_out():
    with Firth() as firth:
        trained(firth, "svd")
        vectors = vectors_of(firth, "svd", WORDS)
        pairs = [["king", "queen"], ["rome", "rome"], ["Paris", "the"]]
        rows = firth.ok("POST", "/similarity", {"model": "svd", "pairs": pairs})["pairs"]
        for (a, b), row in zip(pairs, rows):
            a, b = vectors[a.lower()], vectors[b.lower()]
            near(row["cosine"], cosine(a, b), 1e-5)
            near(row["dot"], dot(a, b), 1e-4)
            near(row["euclidean"], distance(a, b), 1e-4)
        words = ["king", "queen", "rome", "land"]
        reply = firth.ok("POST", "/odd-one-out", {"model": "svd", "words": words})
        mean = [sum(c) for c in zip(*(unit(vectors[w]) for w in words))]
        wanted = [cosine(mean, vectors[w]) for w in words]
        for row, score in zip(reply["words"], wanted):
            near(row["similarity"], score, 1e-5)
        assert reply["index"] == wanted.index(min(wanted))
        assert reply["odd_one_out"] == words[reply["index"]]


def test_a_page_on_an_allowed_origin_may_ask():
    """What a browser does for fetch("…/analogy", {method: "POST", …}): it asks first, then
    sends the question, then looks whether the page may see the answer."""
    page, other = "https://page.example", "https://evil.example"
    question = {"model": "svd", "a": "paris", "b": "france", "c": "rome"}
    with Firth(allowed_origins=page) as firth:
        trained(firth, "svd")
        asking = ["Access-Control-Request-Method: POST",
                  "Access-Control-Request-Headers: content-type"]
        before = firth.ask("OPTIONS", "/analogy", headers=[f"Origin: {page}", *asking])
        assert before.status == 204 and not before.body
        assert before.headers["access-control-allow-origin"] == page
        assert "POST" in before.headers["access-control-allow-methods"].split(", ")
        assert before.headers["access-control-allow-headers"] == "content-type"
        assert before.headers["vary"] == "Origin"
        reply = firth.post("/analogy", question, [f"Origin: {page}"])
        assert reply.status == 200 and len(reply.json()["results"][0]["answers"]) == 10
        assert reply.headers["access-control-allow-origin"] == page
        assert reply.headers["vary"] == "Origin"
        # So may it see what is wrong, and where a job is.
        wrong = firth.post("/analogy", {**question, "a": "londn"}, [f"Origin: {page}"])
        harness.is_problem(wrong, 422, "unknown_words")
        assert wrong.headers["access-control-allow-origin"] == page
        job = firth.post("/maps", {"model": "svd", "top": 5}, [f"Origin: {page}"])
        assert job.status == 202 and job.headers["access-control-allow-origin"] == page
        exposed = job.headers["access-control-expose-headers"].lower()
        assert "location" in exposed.replace(" ", "").split(",")

        before = firth.ask("OPTIONS", "/analogy", headers=[f"Origin: {other}", *asking])
        refused = firth.post("/analogy", question, [f"Origin: {other}"])
        assert refused.status == 403 and b"answers" not in refused.body
        for reply in (before, refused):
            assert not [name for name in reply.headers
                        if name.startswith("access-control-")], reply
        # Without an origin no browser is behind it.
        assert firth.post("/analogy", question).status == 200


def test_embeddings():
    with Firth() as firth:
        trained(firth, "svd")
        vectors = vectors_of(firth, "svd", WORDS)
        reply = firth.ok("POST", "/embed", {"model": "svd", "inputs": "the king zzz"})
        row = reply["vectors"][0]
        assert reply["dim"] == 6 and row["known"] == 2 and row["unknown"] == 1
        for got, a, b in zip(row["vector"], vectors["the"], vectors["king"]):
            near(got, (a + b) / 2, 1e-5)
        coded = firth.ok("POST", "/embed", {"model": "svd", "inputs": ["king", "rome"],
                                            "encoding_format": "base64"})["vectors"]
        for word, row in zip(("king", "rome"), coded):
            numbers = struct.unpack("<6f", base64.b64decode(row["vector"], validate=True))
            for got, wanted in zip(numbers, vectors[word]):
                near(got, wanted, 1e-6)
        reply = firth.ok("POST", "/v1/embeddings", {"model": "svd", "input": "king rome",
                                                    "user": "somebody", "dimensions": 6})
        assert reply["object"] == "list" and reply["data"][0]["object"] == "embedding"
        assert reply["usage"] == {"prompt_tokens": 2, "total_tokens": 2}
        assert len(reply["data"][0]["embedding"]) == 6


def test_models_that_cannot():
    with Firth() as firth:
        firth.learned()
        for path, body in (("/neighbors", {"word": "cat"}), ("/embed", {"inputs": "cat"}),
                           ("/similarity", {"pairs": [["cat", "dog"]]}),
                           ("/odd-one-out", {"words": ["cat", "dog", "mat"]}),
                           ("/analogy", {"a": "cat", "b": "dog", "c": "mat"})):
            reply = firth.post(path, {"model": "bigram", **body})
            harness.is_problem(reply, 422, "not_able")
            harness.is_problem(firth.post(path, {"model": "none", **body}), 404,
                               "model_not_found")


# Four vectors in the plane, and one of zeros.
PLANE = {"east": (1, 0), "north": (0, 2), "northeast": (3, 3), "west": (-1, 0), "nowhere": (0, 0)}


def word2vec(rows=PLANE, header=None):
    lines = [f"{len(rows)} 2" if header is None else header]
    return "\n".join(lines + [f"{w} {x} {y}" for w, (x, y) in rows.items()] + [""])


def put(firth, body, form="word2vec", name="plane", more=""):
    return firth.ask("PUT", f"/models/{name}?format={form}{more}",
                     body if isinstance(body, bytes) else body.encode(),
                     ["Content-Type: application/octet-stream"])


def test_four_vectors_by_hand():
    with Firth() as firth:
        reply = put(firth, word2vec())
        assert reply.status == 201 and reply.headers["location"] == "/models/plane", reply
        model = reply.json()
        assert model["kind"] == "vectors" and model["parameters"] == 10, model
        assert {"neighbors", "analogy", "similarity", "embed", "evaluate"} <= set(model["can"])

        def ask(**more):
            rows = firth.ok("POST", "/neighbors", {"model": "plane", **more})["results"]
            return [(r["word"], r.get("similarity", r.get("distance")))
                    for r in rows[0]["neighbors"]]

        def same(got, *wanted):
            assert [word for word, _ in got] == [word for word, _ in wanted], got
            for (_, a), (_, b) in zip(got, wanted):
                near(a, b, 1e-6)
        half = math.sqrt(0.5)
        same(ask(word="east"), ("northeast", half), ("north", 0), ("nowhere", 0), ("west", -1))
        same(ask(word="east", metric="dot"), ("northeast", 3), ("north", 0), ("nowhere", 0),
             ("west", -1))
        same(ask(word="east", metric="euclidean"), ("nowhere", 1), ("west", 2),
             ("north", math.sqrt(5)), ("northeast", math.sqrt(13)))
        same(ask(vector=[0, 1], k=2), ("north", 1), ("northeast", half))
        same(ask(word="nowhere", metric="euclidean", k=1), ("east", 1))
        for path, body, at in (
                ("/neighbors", {"word": "nowhere"}, "/word"),
                ("/analogy", {"a": "east", "b": "nowhere", "c": "west"}, "/b"),
                ("/analogy", {"queries": [{"positive": ["nowhere"]}]}, "/queries/0/positive/0"),
                ("/odd-one-out", {"words": ["east", "west", "nowhere"]}, "/words/2")):
            reply = firth.post(path, {"model": "plane", **body})
            problem = harness.is_problem(reply, 422, "invalid_value")
            assert [row["pointer"] for row in problem["errors"]] == [at], problem
            assert "no direction" in problem["errors"][0]["detail"], problem
            assert problem["detail"] == "A field is not usable; see errors", problem
        pair = firth.ok("POST", "/similarity", {"model": "plane", "pairs": [
            ["east", "northeast"], ["east", "nowhere"], ["west", "east"]]})["pairs"]
        near(pair[0]["cosine"], half)
        near(pair[0]["dot"], 3)
        near(pair[0]["euclidean"], math.sqrt(13))
        assert pair[1]["cosine"] is None and pair[1]["cosine_undefined"] is True
        near(pair[2]["cosine"], -1)
        # east is to northeast as west is to: (1,1)/sqrt 2 - (1,0) + (-1,0), most like north.
        reply = firth.ok("POST", "/analogy", {"model": "plane", "a": "east", "b": "northeast",
                                              "c": "west", "k": 1})
        assert reply["results"][0]["answers"][0]["word"] == "north"
        odd = firth.ok("POST", "/odd-one-out", {"model": "plane",
                                                "words": ["east", "west", "northeast"]})
        assert odd["odd_one_out"] == "west"
        rows = firth.ok("POST", "/embed", {"model": "plane", "inputs": ["north", "east west"]})
        assert [r["vector"] for r in rows["vectors"]] == [[0, 2], [0, 0]]


def test_a_damaged_upload_says_how():
    with Firth() as firth:
        reply = firth.ask("PUT", "/models/plane?format=word2vec", b"no gzip at all",
                          ["Content-Type: text/plain", "Content-Encoding: gzip"])
        assert "gzip body is damaged" in harness.is_problem(reply, 400)["detail"], reply


def test_words_are_found_as_the_pieces_that_begin_them():
    with Firth() as firth:
        firth.put_corpus(text=TEXT)
        job = firth.train("pieces", kind="lstm", params={"embedding_size": 8, "hidden_size": 8},
                          tokenizer={"unit": "bpe", "lowercase": True}, budget={"epochs": 1})
        assert job["state"] == "succeeded", job
        reply = firth.ok("POST", "/neighbors", {"model": "pieces", "queries": ["King", " king"]})
        first, second = reply["results"]
        assert first["query"] == " king" and first["neighbors"], reply
        assert first["neighbors"] == second["neighbors"], reply
        harness.is_problem(firth.post("/neighbors", {"model": "pieces", "word": "kingly"}), 422,
                           "unknown_words")


def test_a_page_asks_the_words_of_a_neural_model():
    page, other = "Origin: https://page.example", "Origin: https://other.example"
    body = {"model": "neural", "a": "king", "b": "queen", "c": "Land", "k": 2}
    with Firth(allowed_origins="https://page.example") as firth:
        firth.put_corpus(text=TEXT)
        job = firth.train("neural", kind="lstm", params={"embedding_size": 8, "hidden_size": 8},
                          tokenizer={"unit": "word", "lowercase": True, "min_count": 1},
                          budget={"epochs": 1})
        assert job["state"] == "succeeded", job
        asking = ["Access-Control-Request-Method: POST",
                  "Access-Control-Request-Headers: content-type"]
        reply = firth.ask("OPTIONS", "/analogy", headers=[page, *asking])
        assert reply.status == 204 and "POST" in reply.headers["access-control-allow-methods"]
        assert reply.headers["access-control-allow-headers"] == "content-type", reply
        assert reply.headers["access-control-allow-origin"] == "https://page.example", reply
        reply = firth.post("/analogy", body, [page])
        assert reply.status == 200 and reply.headers["vary"] == "Origin", reply
        assert reply.headers["access-control-allow-origin"] == "https://page.example", reply
        assert len(reply.json()["results"][0]["answers"]) == 2, reply
        refused = firth.ask("OPTIONS", "/analogy", headers=[other, *asking])
        assert "access-control-allow-origin" not in refused.headers, refused
        refused = firth.post("/analogy", body, [other])
        harness.is_problem(refused, 403, "origin_not_allowed")
        assert "access-control-allow-origin" not in refused.headers, refused
        own = vectors_of(firth, "neural", ["king", "queen"])
        pair = firth.ok("POST", "/similarity", {"model": "neural", "pairs": [["king", "queen"]]})
        near(pair["pairs"][0]["cosine"], cosine(own["king"], own["queen"]), 1e-5)
        first = firth.ok("POST", "/neighbors", {"model": "neural", "word": "king", "k": 99})
        found = {row["word"]: row["similarity"] for row in first["results"][0]["neighbors"]}
        near(found["queen"], cosine(own["king"], own["queen"]), 1e-5)
        assert set(found) | {"king"} == set(WORDS), found
        drawn = firth.ok("POST", "/maps", {"model": "neural", "top": 5}, status=202)
        assert len(firth.wait(drawn["id"])["result"]["points"]) == 5
        unknown = firth.post("/similarity", {"model": "neural", "pairs": [["xx", "yy"]]})
        detail = harness.is_problem(unknown, 422, "unknown_words")["detail"]
        assert '"xx"' in detail and "1 more: see errors" in detail, detail


def test_formats_go_in_and_out():
    with Firth() as firth:
        assert put(firth, word2vec()).status == 201
        text = firth.get("/models/plane/export?format=word2vec")
        assert text.status == 200 and text.body.decode().splitlines() == \
            word2vec().splitlines(), text.body
        glove = firth.get("/models/plane/export?format=glove").body
        assert glove.decode().splitlines() == word2vec().splitlines()[1:]
        binary = firth.get("/models/plane/export?format=word2vec-bin")
        assert binary.headers["content-type"] == "application/octet-stream"
        assert binary.body.startswith(b"5 2\neast " + struct.pack("<2f", 1, 0)), binary.body
        part = firth.get("/models/plane/export?format=word2vec-bin", ["Range: bytes=4-7"])
        assert part.status == 206 and part.body == b"east"
        for form, body in (("glove", glove), ("word2vec-bin", binary.body)):
            assert put(firth, body, form, "again", "&replace=true").status in (200, 201)
            for other in ("word2vec", "glove", "word2vec-bin"):
                one, two = (firth.get(f"/models/{name}/export?format={other}").body
                            for name in ("plane", "again"))
                assert one == two, f"{form} → {other}"
        harness.is_problem(put(firth, glove, "glove"), 409, "already_exists")
        trained(firth, "svd")
        vectors = vectors_of(firth, "svd", WORDS)
        body = firth.get("/models/svd/export?format=word2vec").body
        assert put(firth, body, name="svd2").status == 201
        assert vectors_of(firth, "svd2", WORDS) == vectors
        harness.is_problem(firth.get("/models/svd/export?format=arpa"), 422, "not_able")
        firth.learned()
        harness.is_problem(firth.get("/models/bigram/export?format=glove"), 422, "not_able")


def test_pieces_and_characters_go_out_and_in():
    """Some are line feeds, or bytes that are no characters; a space has a name of its own."""
    with Firth() as firth:
        firth.put_corpus()
        for unit in ("bpe", "char"):
            job = firth.train(unit, kind="svd", params={"dim": 3},
                              tokenizer={"unit": unit, "max_vocab": 270 if unit == "bpe" else 0,
                                         "segment": "document", "min_count": 1})
            assert job["state"] == "succeeded", job
            for form in ("word2vec", "word2vec-bin", "glove"):
                body = firth.get(f"/models/{unit}/export?format={form}").body
                reply = put(firth, body, form, "again", "&replace=true")
                assert reply.status in (200, 201), f"{unit} {form}: {reply}"
                if form != "glove":
                    rows = int(body.split()[0])
                    assert reply.json()["parameters"] == 3 * rows, reply.json()
            space = vectors_of(firth, "again", [" "])[" "]
            assert space == vectors_of(firth, unit, [" "])[" "]


def test_bad_vector_files_keep_nothing():
    with Firth() as firth:
        cut = b"2 2\nab " + struct.pack("<2f", 1, 2) + b"cd " + struct.pack("<f", 1)
        nan = b"1 2\nab " + struct.pack("<2f", 1, math.nan)
        rows = {"a": (1, 2), "b": (3, 4)}
        for form, body in (
                ("word2vec", ""), ("word2vec", word2vec(rows, "0 2")),
                ("word2vec", word2vec(rows, "-1 2")), ("word2vec", word2vec(rows, "3 2")),
                ("word2vec", word2vec(rows, "1 2")), ("word2vec", word2vec(rows, "2 0")),
                ("word2vec", word2vec(rows, "2147483648 2")),
                ("word2vec", word2vec(rows, "9223372036854775808 9223372036854775807")),
                ("word2vec", "2 2\na 1 2\na 3 4\n"), ("word2vec", "2 2\na 1 2\nb 3 nan\n"),
                ("word2vec", "2 2\na 1 2\nb 3 inf\n"), ("word2vec", "1 2\n" + "x" * 2000 + " 1 2\n"),
                ("word2vec-bin", cut), ("word2vec-bin", nan),
                ("word2vec", b"\x1f\x8b\x08\0\0\0\0\0"), ("glove", "a 1 2\nb 3\n"),
                ("glove", "a 1 2\nb 1,5 2\n"), ("glove", "")):
            reply = put(firth, body, form)
            harness.is_problem(reply, 422, "bad_model_file")
            problem = reply.json()
            assert problem["line"] >= 1 and problem["offset"] >= 0, problem
        assert firth.ok("GET", "/models")["data"] == []
        harness.is_problem(put(firth, word2vec(), "word3vec"), 422)


def cloud(count=3000, dim=8, seed=1):
    """A word2vec file of random vectors in clusters, words w0, w1 …"""
    chance = random.Random(seed)
    centres = [[chance.gauss(0, 1) for _ in range(dim)] for _ in range(50)]
    lines = [f"{count} {dim}"]
    for i in range(count):
        centre = centres[i % 50]
        lines.append(f"w{i} " + " ".join(f"{c + chance.gauss(0, 0.5):.5f}" for c in centre))
    return "\n".join(lines) + "\n"


def ask_index(firth, queries=("w1", "w2"), **more):
    return firth.ok("POST", "/neighbors", {"model": "plane", "queries": list(queries), "k": 10,
                                           "exact": False, **more})


def with_index(firth, **more):
    """Asks until the index answers; the answer."""
    until = time.monotonic() + 120
    while True:
        reply = ask_index(firth, **more)
        if not reply["exact"]:
            assert reply["index"] == {"state": "used"}, reply
            return reply
        assert reply["index"]["state"] == "building", reply
        time.sleep(0.05)
        assert time.monotonic() < until, "the index is never ready"


def log_events(firth, event):
    with open(firth.log.name, encoding="utf-8") as file:
        return [row for row in map(json.loads, file) if row["event"] == event]


INDEXED = {"index-rows": 1000, "index-wait-seconds": 2, "inference-threads": 4}


def test_an_index_is_made_on_demand_and_kept():
    with tempfile.TemporaryDirectory() as folder:
        with Firth(folder, **INDEXED) as firth:
            put(firth, cloud())
            ask_index(firth, exact=True)
            before = firth.get("/models/plane")
            queries = [f"w{i}" for i in range(0, 3000, 60)]
            near_ones = with_index(firth, queries=queries)
            assert near_ones["exact"] is False and near_ones["index"] == {"state": "used"}
            exact = ask_index(firth, queries, exact=True)
            assert exact["exact"] is True and "index" not in exact
            hits = 0
            for a, b in zip(near_ones["results"], exact["results"]):
                assert len(a["neighbors"]) == 10 and a["query"] == b["query"]
                assert a["query"] not in {row["word"] for row in a["neighbors"]}
                hits += len({row["word"] for row in a["neighbors"]} &
                            {row["word"] for row in b["neighbors"]})
            assert hits >= 0.95 * 10 * len(queries), hits
            after = firth.get("/models/plane")
            assert after.headers["etag"] == before.headers["etag"]
            assert after.json()["digest"] == before.json()["digest"] == exact["model_digest"]
            assert len(log_events(firth, "index_built")) == 1
        with Firth(folder, **INDEXED) as firth:
            again = ask_index(firth, queries)
            assert again["exact"] is False and again["results"] == near_ones["results"]
            assert not log_events(firth, "index_built"), "it was stored"
            firth.ok("POST", "/models/plane/unload", status=200)
            assert ask_index(firth, queries)["results"] == near_ones["results"]
            assert put(firth, cloud(2000, seed=2), more="&replace=true").status == 200
            other = with_index(firth)
            assert other["model_digest"] != again["model_digest"]
            assert len(log_events(firth, "index_built")) == 1, "a new version has a new index"
        with Firth(folder, **{**INDEXED, "index-rows": 100000}) as firth:
            reply = ask_index(firth)
            assert reply["exact"] is False and reply["results"] == other["results"]
        out, _ = run("check", "--store", os.path.join(folder, "test.db"))


def test_analogies_through_the_index():
    with Firth(**INDEXED) as firth:
        put(firth, cloud())
        with_index(firth)
        question = {"model": "plane", "positive": ["w1", "w2"], "negative": ["w3"], "k": 5}
        exact = firth.ok("POST", "/analogy", question)
        assert exact["exact"] is True and "index" not in exact
        close = firth.ok("POST", "/analogy", {**question, "exact": False})
        assert close["exact"] is False and close["index"] == {"state": "used"}
        assert close["results"][0]["answers"][0] == exact["results"][0]["answers"][0]
        words = {row["word"] for row in close["results"][0]["answers"]}
        assert len(words) == 5 and not words & {"w1", "w2", "w3"}
        product = firth.ok("POST", "/analogy", {**question, "exact": False, "method": "3cosmul"})
        assert product["exact"] is True and product["index"] == {"state": "unsuited"}


def test_where_an_index_is_of_no_use():
    with Firth(**INDEXED) as firth:
        put(firth, cloud())
        for more in ({"metric": "dot"}, {"metric": "euclidean"}, {"restrict_vocab": 100},
                     {"k": 1000}):
            reply = ask_index(firth, **more)
            assert reply["exact"] is True and reply["index"] == {"state": "unsuited"}, more
        assert not log_events(firth, "index_built")
        harness.is_problem(firth.post("/neighbors", {"model": "plane", "word": "w1",
                                                     "exact": "no"}), 422)


def test_many_who_ask_at_once_share_one_build():
    with Firth(**INDEXED) as firth:
        put(firth, cloud(6000))
        replies = []

        def one():
            replies.append(with_index(firth, queries=("w5",)))
        threads = [threading.Thread(target=one) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(replies) == 12 and all(r["results"] == replies[0]["results"] for r in replies)
        assert len(log_events(firth, "index_built")) == 1


def test_nobody_waits_longer_than_told():
    with Firth(**{**INDEXED, "index-wait-seconds": 0}) as firth:
        put(firth, cloud(20000))
        reply = ask_index(firth)
        assert reply["exact"] is True and reply["index"]["state"] == "building", reply
        assert reply["results"] == ask_index(firth, exact=True)["results"]
        assert firth.get("/livez").status == 200
    # The build was given up with the daemon, whose end did not wait for it.


def test_an_index_that_would_not_fit_is_refused():
    with Firth(**{**INDEXED, "model-cache-bytes": 1 << 20}) as firth:
        put(firth, cloud(6000, 4))
        until = time.monotonic() + 60
        while ask_index(firth)["index"]["state"] == "building" and time.monotonic() < until:
            time.sleep(0.05)
        reply = ask_index(firth)
        assert reply["exact"] is True and reply["index"] == {"state": "failed"}, reply
        assert ask_index(firth)["index"] == {"state": "failed"}
        assert len(log_events(firth, "index_not_built")) == 1


def test_a_damaged_index_is_made_again():
    import sqlite3
    with tempfile.TemporaryDirectory() as folder:
        with Firth(folder, **INDEXED) as firth:
            put(firth, cloud())
            first = with_index(firth)
        store = sqlite3.connect(os.path.join(folder, "test.db"))
        store.execute("UPDATE chunk SET data = zeroblob(length(data)) WHERE object IN"
                      " (SELECT object FROM model_index)")
        store.commit()
        store.close()
        with Firth(folder, **INDEXED) as firth:
            assert with_index(firth)["exact"] is first["exact"] is False
            assert len(log_events(firth, "index_not_loaded")) == 1
            assert len(log_events(firth, "index_built")) == 1
        with Firth(folder, **INDEXED) as firth:
            with_index(firth)
            assert not log_events(firth, "index_built")


ANALOGIES = ": capital\nfrance paris italy rome\nfrance paris italy oz\n: gram1-x\n" \
    "king queen the land\n"


def test_evaluation():
    with Firth() as firth:
        trained(firth, "svd")
        reply = firth.ok("POST", "/models/svd/evaluate", {"analogies": {"text": ANALOGIES}})
        measured = reply["analogies"]
        assert [s["name"] for s in measured["sections"]] == ["capital", "gram1-x"]
        assert measured["semantic"]["asked"] == 1 and measured["semantic"]["skipped"] == 1
        assert measured["syntactic"]["asked"] == 1 and measured["total"]["asked"] == 2
        right = 0
        for a, b, c, d in (("france", "paris", "italy", "rome"),
                           ("king", "queen", "the", "land")):
            answers = firth.ok("POST", "/analogy", {"model": "svd", "a": a, "b": b, "c": c})
            right += answers["results"][0]["answers"][0]["word"] == d
        assert measured["total"]["right"] == right
        near(measured["total"]["accuracy"], right / 2)
        put(firth, word2vec())
        pairs = "east northeast 7\neast west 1\neast,north,4\neast oz 5\n"
        reply = firth.ok("POST", "/models/plane/evaluate", {"word_pairs": {"text": pairs}})
        measured = reply["word_pairs"]
        assert measured["pairs"] == 3 and measured["skipped"] == 1
        near(measured["spearman"], 1)
        for bad in ({}, {"analogies": {"text": "a"}, "word_pairs": {"text": "a"}},
                    {"analogies": {}}, {"analogies": {"text": 7}},
                    {"analogies": {"text": "one two\n"}}, {"word_pairs": {"text": "one\n"}}):
            harness.is_problem(firth.post("/models/svd/evaluate", bad), 422)


def test_the_command_line_says_the_same():
    with tempfile.TemporaryDirectory() as folder:
        store, file, questions = (os.path.join(folder, n) for n in ("s.db", "v.txt", "q.txt"))
        with open(file, "w") as out:
            out.write(word2vec())
        with open(questions, "w") as out:
            out.write("east northeast west north\n")
        model = ["--store", store, "--model", "plane"]
        run("import", *model, "--format", "word2vec", file)
        out, error = run("neighbors", *model, "--k", "2", text="east\noz\nnorth\n")
        lines = out.split("\n")
        assert lines[0].split("\t")[::2] == ["northeast", "north"] and lines[1] == "", out
        near(float(lines[0].split("\t")[1]), math.sqrt(0.5), 1e-5)
        assert "line 2" in error and '"oz"' in error
        out, _ = run("neighbors", *model, "--metric", "euclidean", "--json", text="east\n")
        answer = json.loads(out)
        assert answer["query"] == "east" and answer["neighbors"][0]["word"] == "nowhere"
        out, _ = run("analogy", *model, "--k", "1", text="east northeast west\n")
        assert out.startswith("north\t"), out
        out, _ = run("analogy", *model, "--json", "--method", "3cosmul",
                     text="east northeast west\n")
        assert json.loads(out)["answers"][0]["rank"] == 1
        out, _ = run("evaluate", *model, "--analogies", questions)
        assert "total\t1\t1\t0" in out, out
        with open(questions, encoding="utf-8") as file:
            shouted = file.read().upper()
        with open(questions, "w", encoding="utf-8") as file:
            file.write(shouted)
        out, _ = run("evaluate", *model, "--analogies", questions)
        assert "total\t0\t0\t1" in out, out
        out, _ = run("evaluate", *model, "--lowercase", "--analogies", questions)
        assert "total\t1\t1\t0" in out, out
        out, error = run("evaluate", *model, "--lowercase", text="east\n", status=1)
        assert "--analogies" in error, error
        out, _ = run("export", *model, "--format", "glove")
        assert out.splitlines() == word2vec().splitlines()[1:]
        run("neighbors", *model, "--metric", "l1", text="", status=2)
        _, error = run("analogy", *model, text="east north west\nonly two\n", status=1)
        assert error.strip().endswith("Line 2 is not three words a, b and c."), error
        _, error = run("evaluate", *model, "--analogies", questions, "--word-pairs", questions,
                       status=2)
        assert "not both" in error, error


if __name__ == "__main__":
    harness.main()
