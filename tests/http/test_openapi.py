#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""openapi.yaml held against the running daemon: every operation answers as described,
every route is described, every example works, every answer fits its schema."""
import json
import os
import re

import harness
import schema
from firth import SOURCE, Firth

METHODS = {"get", "put", "post", "patch", "delete"}


def document(firth):
    return firth.ok("GET", "/openapi.json")


def operations(description):
    for path, item in description["paths"].items():
        for method, operation in item.items():
            if method in METHODS:
                yield method.upper(), path, operation


def example(operation, kind):
    return operation["requestBody"]["content"][kind]["example"]


def by_id(description, name):
    return next(o for _, _, o in operations(description) if o["operationId"] == name)


def check(description, operation, reply, what):
    """The reply's status is described, and its body fits."""
    responses = operation["responses"]
    response = responses.get(str(reply.status))
    if not response:
        assert reply.status >= 400, f"{what}: {reply.status} is not described"
        response = responses["default"]
    response = schema.resolve(description, response)
    if not reply.body:
        assert "content" not in response or reply.status == 304, f"{what}: no body"
        return
    kind = reply.headers["content-type"].split(";")[0]
    assert kind in response["content"], f"{what}: {kind} is not described"
    if kind.endswith("json"):
        found = schema.errors(description, response["content"][kind].get("schema", {}),
                              reply.json())
        assert not found, f"{what}: " + "; ".join(found[:5])


def test_the_document_is_served_as_it_is():
    with Firth() as firth:
        reply = firth.get("/openapi.yaml")
        with open(os.path.join(SOURCE, "openapi.yaml"), "rb") as file:
            assert reply.body == file.read(), "the daemon was built from another one"
        assert reply.headers["content-type"] == "application/yaml"
        tag = firth.get("/openapi.json").headers["etag"]
        assert firth.get("/openapi.json", [f"If-None-Match: {tag}"]).status == 304
        try:
            import yaml
        except ImportError:
            return  # nothing to compare the conversion with
        assert yaml.safe_load(reply.body) == document(firth)


def test_every_reference_leads_somewhere():
    with Firth() as firth:
        description = document(firth)
        assert description["openapi"].startswith("3.1")

        def walk(node):
            if isinstance(node, dict):
                if "$ref" in node:
                    schema.resolve(description, node)
                for value in node.values():
                    walk(value)
            elif isinstance(node, list):
                for value in node:
                    walk(value)
        walk(description)
        ids = [o["operationId"] for _, _, o in operations(description)]
        assert len(ids) == len(set(ids))


def test_every_schema_says_what_else_may_stand_there():
    with Firth() as firth:
        description = document(firth)

        def walk(node, place):
            if isinstance(node, dict):
                types = node.get("type")
                if types is not None and not isinstance(types, dict):
                    assert set(node) <= schema.KNOWN, f"{place}: {set(node) - schema.KNOWN}"
                if types == "object" or isinstance(types, list) and "object" in types:
                    assert "additionalProperties" in node, place
                for name, value in node.items():
                    walk(value, f"{place}/{name}")
            elif isinstance(node, list):
                for i, value in enumerate(node):
                    walk(value, f"{place}/{i}")
        walk(description["components"]["schemas"], "")


def test_parameters_are_whole():
    with Firth() as firth:
        description = document(firth)
        for method, path, operation in operations(description):
            item = description["paths"][path]
            given = item.get("parameters", []) + operation.get("parameters", [])
            given = [schema.resolve(description, parameter) for parameter in given]
            for parameter in given:
                assert set(parameter) <= {"name", "in", "required", "description", "schema"}, \
                    f"{method} {path}: {parameter}"
            in_path = {p["name"] for p in given if p["in"] == "path"}
            assert in_path == set(re.findall(r"{(\w+)}", path)), f"{method} {path}"
            assert "default" in operation["responses"], f"{method} {path}"


def test_routes_and_operations_are_the_same():
    with Firth() as firth:
        routes = set(firth.ok("GET", "/info")["routes"])
        described = {f"{method} {path}" for method, path, _ in operations(document(firth))}
        assert routes == described, routes ^ described


def prepare(firth, description):
    """Runs the examples that others stand on; the job's id."""
    text = example(by_id(description, "putCorpus"), "text/plain")
    reply = firth.put_corpus(text=text)
    check(description, by_id(description, "putCorpus"), reply, "putCorpus")
    reply = firth.post("/train", example(by_id(description, "train"), "application/json"))
    check(description, by_id(description, "train"), reply, "train")
    job = firth.wait(reply.json()["id"])
    assert job["state"] == "succeeded", job
    vectors = firth.train("vectors", kind="svd", params={"dim": 2},
                          tokenizer={"unit": "whitespace", "min_count": 1})
    assert vectors["state"] == "succeeded", vectors
    return job["id"]


def ask(firth, description, method, path, operation, job):
    """One request as the document says; PUTs go to fresh names, actions to their own."""
    target = path.replace("{id}", job)
    target = target.replace("{name}", "book" if path.startswith("/corpora") else "book3")
    if operation["operationId"] == "importModel":
        target = "/models/hello"
    query = []
    for parameter in operation.get("parameters", []):
        parameter = schema.resolve(description, parameter)
        if parameter["in"] == "query" and parameter.get("required"):
            query.append(f"{parameter['name']}={parameter['schema']['enum'][0]}")
    target += "?" + "&".join(query) if query else ""
    body, headers = None, []
    content = operation.get("requestBody", {}).get("content", {})
    for kind, media in content.items():
        if "example" in media:
            body, headers = media["example"], [f"Content-Type: {kind}"]
            break
    if kind_is_json(headers):
        found = schema.errors(description, content["application/json"]["schema"], body)
        assert not found, f"the example of {method} {path}: " + "; ".join(found)
    return firth.ask(method, target, body, headers)


def kind_is_json(headers):
    return headers == ["Content-Type: application/json"]


def test_every_example_works_and_fits_its_schema():
    with Firth() as firth:
        description = document(firth)
        job = prepare(firth, description)
        last = []
        for method, path, operation in operations(description):
            if method == "DELETE":
                last.append((method, path, operation))
                continue
            if operation["operationId"] == "train":
                continue  # it ran; its model is there
            reply = ask(firth, description, method, path, operation, job)
            finished = path in ("/jobs/{id}/cancel", "/jobs/{id}/pause", "/jobs/{id}/resume")
            wanted = {409} if finished else {200, 201, 202}
            assert reply.status in wanted, f"{method} {path}: {reply}"
            check(description, operation, reply, f"{method} {path}")
        for method, path, operation in last:
            reply = ask(firth, description, method, path, operation, job)
            assert reply.status == 204, f"{method} {path}: {reply}"


def test_missing_things_are_404_as_described():
    with Firth() as firth:
        description = document(firth)
        for method, path, operation in operations(description):
            if "{" not in path or method == "PUT" or path == "/models/{name}/export":
                continue
            target = path.replace("{id}", "job-none").replace("{name}", "none")
            body = operation.get("requestBody", {}).get("content", {}).get(
                "application/json", {}).get("example")
            reply = firth.ask(method, target, body)
            harness.is_problem(reply, 404)
            check(description, operation, reply, f"{method} {path}")


def test_other_methods_are_405():
    with Firth() as firth:
        for path, item in document(firth)["paths"].items():
            target = path.replace("{id}", "job-none").replace("{name}", "none")
            for method in METHODS - set(item):
                reply = firth.ask(method.upper(), target)
                harness.is_problem(reply, 405)
                allowed = set(reply.headers["allow"].split(", "))
                assert allowed >= {name.upper() for name in item if name in METHODS}, allowed


def test_answers_with_every_extra_fit():
    with Firth() as firth:
        description = document(firth)
        prepare(firth, description)
        members = [{"model": "book3", "weight": 2}, {"model": "book3"}]
        for path, bodies in {
            "/score": [{"ensemble": members, "inputs": "zzz the cat", "tokens": True},
                       {"model": "book3", "inputs": [{"id": "a", "text": ""}], "eos": False}],
            "/next": [{"ensemble": members}, {"model": "book3", "words": ["zzz"]}],
            "/rescore": [{"ensemble": members, "candidates": [
                {"text": "", "channel_logprob": 0}]}],
            "/generate": [{"ensemble": members, "n": 3, "stop": ["cat"]}],
            "/neighbors": [{"model": "vectors", "queries": ["cat", [1, 0.5]], "k": 99,
                            "metric": "euclidean", "exclude": ["dog"]}],
            "/analogy": [{"model": "vectors", "method": "3cosmul", "queries": [
                {"positive": ["cat"], "negative": ["the"]}, {"a": "a", "b": "cat", "c": "the"}]}],
            "/models/vectors/evaluate": [
                {"analogies": {"text": "cat dog mat log\n", "method": "3cosmul"}},
                {"word_pairs": {"text": "cat dog 1\n"}}],
            "/embed": [{"model": "vectors", "inputs": "the cat flew",
                        "encoding_format": "base64"}],
            "/v1/completions": [{"model": "book3", "echo": True, "logprobs": 5, "n": 2,
                                 "prompt": ["the", "a"]}],
            "/train?dry_run=true": [{"kind": "mixture", "model": "mix", "corpus": "book",
                                     "params": {"models": ["book3", "book3"]}},
                                    {"kind": "ngram", "model": "x", "corpus": "book",
                                     "valid": "book", "budget": {"seconds": 5}}],
        }.items():
            described = path.split("?")[0].replace("/models/vectors/", "/models/{name}/")
            operation = description["paths"][described]["post"]
            for body in bodies:
                reply = firth.post(path, body)
                assert reply.status == 200, f"{path} {json.dumps(body)}: {reply}"
                check(description, operation, reply, path)


def test_a_perplexity_without_end_fits():
    """Its boolean, too, in the job, the curves and the model."""
    with Firth() as firth:
        description = document(firth)
        firth.put_corpus(text="".join(f"one word{i} more\n" for i in range(40)))
        job = firth.train("m", valid=0.5, params={"order": 2, "smoothing": "mle"})
        assert job["state"] == "succeeded" and job["latest"]["valid_perplexity"] is None, job
        for name, path in (("getJob", f"/jobs/{job['id']}"), ("getModel", "/models/m"),
                           ("getJobMetrics", f"/jobs/{job['id']}/metrics")):
            check(description, by_id(description, name), firth.get(path), name)


if __name__ == "__main__":
    harness.main()
