#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Maps of words and evaluations as jobs: what may be asked, what comes of it, and what
happens when they are stopped.

The vectors are imported, so that the map of the principal components can be worked out
here; everything random is compared with itself."""
import csv
import io
import math
import random
import time

import harness
from firth import Firth, near

WORDS = [f"w{i:03d}" for i in range(60)]


def cloud(dim=5, count=60):
    """Rows whose first axis is the widest, the second the next."""
    chance = random.Random(7)
    scales = [5, 2, 1, 0.5, 0.1][:dim]
    return [[chance.gauss(0, scale) for scale in scales] for _ in range(count)]


ROWS = cloud()


def put(firth, name="cloud", rows=ROWS, words=WORDS):
    body = "".join(" ".join([word, *(f"{x:.6f}" for x in row)]) + "\n"
                   for word, row in zip(words, rows))
    reply = firth.ask("PUT", f"/models/{name}?format=glove", body.encode(),
                      ["Content-Type: application/octet-stream"])
    assert reply.status == 201, reply


def ask(firth, **request):
    """Queues a map; the job."""
    reply = firth.post("/maps", {"model": "cloud", **request})
    assert reply.status == 202, reply
    job = reply.json()
    assert reply.headers["location"] == f"/jobs/{job['id']}"
    assert job["type"] == "maps" and job["state"] in ("queued", "running")
    return job


def drawn(firth, **request):
    job = firth.wait(ask(firth, **request)["id"])
    assert job["state"] == "succeeded", job
    return job


def covariance(rows):
    count, dim = len(rows), len(rows[0])
    mean = [sum(row[d] for row in rows) / count for d in range(dim)]
    return mean, [[sum((row[a] - mean[a]) * (row[b] - mean[b]) for row in rows) / count
                   for b in range(dim)] for a in range(dim)]


def principal(matrix):
    """The direction of the largest eigenvalue, by power iteration."""
    vector = [1.0] * len(matrix)
    for _ in range(2000):
        vector = [sum(m * v for m, v in zip(row, vector)) for row in matrix]
        size = math.sqrt(sum(v * v for v in vector))
        vector = [v / size for v in vector]
    return vector, size


def test_principal_components_by_hand():
    with Firth() as firth:
        put(firth)
        job = drawn(firth, words=WORDS, method="pca", dims=2)
        result = job["result"]
        assert job["kind"] == firth.ok("GET", "/models/cloud")["kind"]
        assert [p["word"] for p in result["points"]] == WORDS
        mean, matrix = covariance(ROWS)
        axis, spread = principal(matrix)
        share = spread / sum(matrix[d][d] for d in range(len(matrix)))
        near(result["explained_variance"][0], share, 1e-4)
        assert len(result["explained_variance"]) == 2
        sign = 1 if axis[max(range(5), key=lambda d: abs(axis[d]))] > 0 else -1
        for point, row in zip(result["points"], ROWS):
            wanted = sign * sum(a * (x - m) for a, x, m in zip(axis, row, mean))
            assert abs(point["x"] - wanted) < 1e-3, (point, wanted)
            assert set(point) == {"word", "x", "y"}
        model = firth.ok("GET", "/models/cloud")
        assert result["model"] == "cloud" and result["model_digest"] == model["digest"]
        assert result["method"] == "pca" and "perplexity" not in result
        assert result["timing"]["compute_s"] >= 0 and "kl_by_iteration" not in result
        assert "maps" in model["can"]


def test_t_sne_tells_how_it_goes():
    with Firth() as firth:
        put(firth)
        request = {"words": WORDS, "method": "tsne", "perplexity": 5, "iterations": 120,
                   "dims": 3}
        progress = drawn(firth, **{**request, "iterations": 125})["progress"]
        assert progress["step"] == progress["steps_total"] == 125, progress
        job = drawn(firth, **request, seed=3)
        result = job["result"]
        assert len(result["kl_by_iteration"]) == 120 and result["seed"] == 3
        assert all(set(p) == {"word", "x", "y", "z"} for p in result["points"])
        assert job["progress"]["fraction"] == 1 and job["progress"]["steps_total"] == 120
        near(job["latest"]["kl"], result["kl_by_iteration"][-1], 1e-9)
        curves = firth.ok("GET", f"/jobs/{job['id']}/metrics?series=kl")["series"]
        assert curves[0]["name"] == "kl" and len(curves[0]["points"]) >= 2
        for point in curves[0]["points"]:
            near(point["value"], result["kl_by_iteration"][point["step"] - 1], 1e-9)
        again = drawn(firth, **request, seed=3)
        assert again["result"]["points"] == result["points"]
        other = drawn(firth, **request, seed=4)
        assert other["result"]["points"] != result["points"]
        listed = firth.ok("GET", "/jobs?type=maps")["data"]
        assert len(listed) == 4 and all(row["result"] is None for row in listed)
        assert listed[0]["params"] == {"method": "tsne", "dims": 3, "perplexity": 5,
                                       "iterations": 120}
        assert listed[0]["seed"] == 4
        assert firth.ok("GET", "/jobs?type=train")["data"] == []


def test_points_as_csv():
    with Firth() as firth:
        words = ["plain", 'quo"te', "com,ma", "straße", *WORDS[:4]]
        put(firth, rows=ROWS[:8], words=words)
        job = drawn(firth, top=8)
        reply = firth.get(f"/jobs/{job['id']}", ["Accept: text/csv"])
        assert reply.status == 200
        assert reply.headers["content-type"] == "text/csv; charset=utf-8"
        rows = list(csv.reader(io.StringIO(reply.body.decode(), newline="")))
        assert rows[0] == ["word", "x", "y"]
        points = job["result"]["points"]
        assert [row[0] for row in rows[1:]] == words == [p["word"] for p in points]
        for row, point in zip(rows[1:], points):
            assert float(row[1]) == point["x"] and float(row[2]) == point["y"]
        rather_json = firth.get(f"/jobs/{job['id']}",
                                ["Accept: text/csv;q=0.5, application/json"])
        assert rather_json.headers["content-type"] == "application/json"
        both = firth.get(f"/jobs/{job['id']}", ["Accept: application/json, text/csv"])
        assert both.json()["result"]["points"] == points


def test_every_kind_with_vectors_can_be_drawn():
    with Firth() as firth:
        firth.put_corpus()
        tokens = {"unit": "whitespace", "min_count": 1}
        for kind, params in (("svd", {"dim": 4}), ("glove", {"dim": 4}),
                             ("skipgram", {"dim": 4, "min_subword": 2, "max_subword": 3}),
                             ("cbow", {"dim": 4}),
                             ("lstm", {"embedding_size": 8, "hidden_size": 8})):
            made = firth.train(kind, kind=kind, params=params, tokenizer=tokens,
                               budget={"epochs": 1})
            assert made["state"] == "succeeded", made
            for method in ("pca", "tsne"):
                job = drawn(firth, model=kind, words=["cat", "dog", "mat", "log", "sat"],
                            method=method, perplexity=2, iterations=50)
                points = job["result"]["points"]
                assert job["kind"] == kind and len(points) == 5
                assert all(math.isfinite(p["x"]) and math.isfinite(p["y"]) for p in points)
        # A word that was never seen has a vector of its n-grams.
        job = drawn(firth, model="skipgram", words=["cat", "dog", "mat", "cats"])
        assert job["result"]["points"][3]["word"] == "cats"
        firth.train("ngram3")
        harness.is_problem(firth.post("/maps", {"model": "ngram3", "top": 5}), 422,
                           "not_able")


def test_wrong_requests_name_their_fields():
    with Firth() as firth:
        put(firth)
        four = WORDS[:4]
        for pointer, request in (
                ("/words", {}), ("/words", {"words": four, "top": 5}),
                ("/words", {"words": four[:3]}), ("/words", {"words": []}),
                ("/words", {"words": "w000"}), ("/words/1", {"words": ["w000", 3, *four]}),
                ("/top", {"top": 3}), ("/top", {"top": 20001}), ("/top", {"top": 61}),
                ("/method", {"top": 9, "method": "umap"}),
                ("/dims", {"top": 9, "dims": 1}), ("/dims", {"top": 9, "dims": 4}),
                ("/perplexity", {"top": 9, "method": "tsne"}),
                ("/perplexity", {"top": 9, "method": "tsne", "perplexity": 9}),
                ("/perplexity", {"top": 9, "method": "tsne", "perplexity": 0.5}),
                ("/iterations", {"top": 9, "method": "tsne", "iterations": 0}),
                ("/seed", {"top": 9, "seed": -1}), ("/more", {"top": 9, "more": 1})):
            problem = harness.is_problem(
                firth.post("/maps", {"model": "cloud", **request}), 422)
            assert problem["errors"][0]["pointer"] == pointer, (request, problem)
        problem = harness.is_problem(
            firth.post("/maps", {"model": "cloud", "words": [*four, "w0000", "zzz"]}), 422,
            "unknown_words")
        assert [row["pointer"] for row in problem["errors"]] == ["/words/4", "/words/5"]
        assert '"w000"' in problem["errors"][0]["detail"]
        harness.is_problem(firth.post("/maps", {"model": "none", "top": 9}), 404,
                           "model_not_found")
        put(firth, "flat", [[x] for x in range(9)], WORDS[:9])
        problem = harness.is_problem(firth.post("/maps", {"model": "flat", "top": 9}), 422)
        assert problem["errors"][0]["pointer"] == "/dims"
        assert firth.ok("GET", "/jobs")["data"] == []


LONG = {"model": "crowd", "top": 2000, "method": "tsne", "perplexity": 5,
        "iterations": 100000}


def put_both(firth):
    """The small cloud, and a crowd whose LONG map takes minutes on any machine."""
    put(firth)
    put(firth, "crowd", cloud(count=2000), [f"c{i}" for i in range(2000)])


def running(firth, job):
    """Waits until the descent is under way."""
    assert harness.wait_for(
        lambda: firth.ok("GET", f"/jobs/{job['id']}")["progress"]["step"] > 0, 10)


def test_a_map_is_cancelled_soon():
    with Firth() as firth:
        put_both(firth)
        job = ask(firth, **LONG)
        running(firth, job)
        harness.is_problem(firth.get(f"/jobs/{job['id']}", ["Accept: text/csv"]), 409)
        began = time.monotonic()
        firth.ok("POST", f"/jobs/{job['id']}/cancel", status=202)
        ended = firth.wait(job["id"])
        assert ended["state"] == "cancelled" and ended["result"] is None
        assert time.monotonic() - began < 10  # the promise is 2; a busy machine may lag
        firth.ok("DELETE", f"/jobs/{job['id']}", status=204)


def test_a_map_is_drawn_beside_a_training():
    with Firth() as firth:
        put(firth)
        firth.put_corpus()
        training = firth.ok("POST", "/train", {
            "kind": "lstm", "model": "slow", "corpus": "book", "valid": 0,
            "tokenizer": {"unit": "whitespace"}, "budget": {"epochs": 1000000},
            "params": {"embedding_size": 8, "hidden_size": 8}}, status=202)
        assert harness.wait_for(lambda: firth.ok(
            "GET", f"/jobs/{training['id']}")["state"] == "running", 10)
        drawn(firth, words=WORDS[:6])
        assert firth.ok("GET", f"/jobs/{training['id']}")["state"] == "running"
        firth.ok("POST", f"/jobs/{training['id']}/cancel", status=202)


def test_a_killed_daemon_draws_anew():
    with Firth() as firth:
        put_both(firth)
        job = ask(firth, **LONG)
        running(firth, job)
        waiting = ask(firth, words=WORDS)
        firth.kill()
        with Firth(folder=firth.folder.name) as again:
            assert harness.wait_for(
                lambda: again.ok("GET", f"/jobs/{job['id']}")["attempts"] == 2, 10)
            again.ok("POST", f"/jobs/{job['id']}/cancel", status=202)
            ended = again.wait(waiting["id"])
            assert ended["state"] == "succeeded" and ended["attempts"] == 1, ended
            assert [p["word"] for p in ended["result"]["points"]] == WORDS


def test_a_model_that_is_gone_fails_its_map():
    with Firth() as firth:
        put_both(firth)
        first = ask(firth, **LONG)
        running(firth, first)
        waiting = ask(firth, words=WORDS)
        assert waiting["queue_position"] == 1
        firth.ok("DELETE", "/models/cloud", status=204)
        firth.ok("POST", f"/jobs/{first['id']}/cancel", status=202)
        ended = firth.wait(waiting["id"])
        assert ended["state"] == "failed" and ended["error"]["code"] == "model_not_found"


# --- evaluations ---

PREFER = ["Prefer: respond-async"]


def both_ways(firth, model, request):
    """The evaluation answered at once and as a job, without their times."""
    target = f"/models/{model}/evaluate"
    now = firth.ok("POST", target, request)
    reply = firth.post(target, request, PREFER)
    assert reply.status == 202, reply
    job = reply.json()
    assert reply.headers["location"] == f"/jobs/{job['id']}" and job["type"] == "evaluate"
    ended = firth.wait(job["id"])
    assert ended["state"] == "succeeded", ended
    later = ended["result"]
    for result in (now, later):
        assert set(result.pop("timing")) == {"queue_s", "compute_s"}
    return now, later


def test_an_evaluation_is_the_same_at_once_and_as_a_job():
    with Firth() as firth:
        firth.put_corpus()
        firth.learned()
        for base in ("e", 2, 10):
            now, later = both_ways(firth, "bigram", {"perplexity": {"corpus": "book"},
                                                     "log_base": base})
            assert now["log_base"] == later["log_base"] == base
            for result in (now, later):
                result["perplexity"]["logprob"] = round(result["perplexity"]["logprob"], 9)
                result["perplexity"]["logprob_no_oov"] = round(
                    result["perplexity"]["logprob_no_oov"], 9)
                for name in ("perplexity", "perplexity_no_oov", "bits_per_token"):
                    result["perplexity"][name] = round(result["perplexity"][name], 9)
            assert now == later, (now, later)
        put(firth)
        questions = ": animals\nw000 w001 w002 w003\nw004 w005 w006 nothing\n: gram1\n" + \
            "".join(f"w{i:03d} w{i + 1:03d} w{i + 2:03d} w{i + 3:03d}\n" for i in range(50))
        for method in ("3cosadd", "3cosmul"):
            now, later = both_ways(firth, "cloud", {"analogies": {
                "text": questions, "method": method, "restrict_vocab": 50}})
            assert now == later and now["analogies"]["total"]["asked"] > 0
        pairs = "".join(f"w{i:03d} w{i + 9:03d} {i % 7}\n" for i in range(50))
        now, later = both_ways(firth, "cloud", {"word_pairs": {"text": pairs}})
        assert now == later and now["word_pairs"]["pairs"] == 50


def test_a_text_in_order_is_measured_in_order_by_a_job_too():
    with Firth() as firth:
        firth.put_corpus()
        made = firth.train("gru", kind="gru", budget={"epochs": 1},
                           params={"embedding_size": 8, "hidden_size": 8})
        assert made["state"] == "succeeded", made
        plain, _ = both_ways(firth, "gru", {"perplexity": {"corpus": "book"}})
        cached, job = both_ways(firth, "gru", {"perplexity": {
            "corpus": "book", "cache": {"size": 9, "theta": 0.5, "weight": 0.4}}})
        near(cached["perplexity"]["logprob"], job["perplexity"]["logprob"], 1e-6)
        assert abs(cached["perplexity"]["logprob"] - plain["perplexity"]["logprob"]) > 1e-3


def test_a_long_evaluation_is_a_job_by_itself():
    with Firth() as firth:
        firth.put_corpus()
        firth.learned()
        # 30 MB at a fifth of a token each and a microsecond a token: over five seconds.
        firth.put_corpus("long", "the cat sat on the mat\n" * 1300000)
        reply = firth.post("/models/bigram/evaluate", {"perplexity": {"corpus": "long"}})
        assert reply.status == 202, reply
        job = reply.json()
        assert job["corpus"] == "long"
        assert job["params"] == {"measure": "perplexity"}
        firth.ok("POST", f"/jobs/{job['id']}/cancel", status=202)
        assert firth.wait(job["id"])["state"] in ("cancelled", "succeeded")


def test_what_cannot_be_evaluated_is_refused_however_asked():
    with Firth() as firth:
        firth.put_corpus()
        firth.learned()
        put(firth)
        book = {"perplexity": {"corpus": "book"}}
        for model, request, status, code in (
                ("none", book, 404, "model_not_found"),
                ("bigram", {"perplexity": {"corpus": "none"}}, 404, "corpus_not_found"),
                ("cloud", book, 422, "not_able"),
                ("bigram", {"word_pairs": {"text": "a b 1\n"}}, 422, "not_able")):
            harness.is_problem(firth.post(f"/models/{model}/evaluate", request, PREFER),
                               status, code)
        reply = firth.post("/models/cloud/evaluate", {"word_pairs": {"text": "w000\n"}},
                           PREFER)
        ended = firth.wait(reply.json()["id"])
        assert ended["state"] == "failed" and ended["error"]["code"] == "invalid_value"


if __name__ == "__main__":
    harness.main()
