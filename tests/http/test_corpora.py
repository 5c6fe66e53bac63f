#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""/corpora: uploads and their errors, lists, conditional and partial reads, deletion."""
import gzip
import hashlib

import harness
from firth import TEXT, Firth


def test_an_upload_is_described_and_read_back():
    with Firth() as firth:
        reply = firth.put_corpus()
        assert reply.status == 201 and reply.headers["location"] == "/corpora/book"
        row = reply.json()
        assert row["name"] == "book" and row["kind"] == "text"
        assert row["bytes"] == len(TEXT) and row["lines"] == 5
        assert row["sha256"] == hashlib.sha256(TEXT.encode()).hexdigest()
        assert firth.ok("GET", "/corpora/book") == row
        assert firth.get("/corpora/book/text").body.decode() == TEXT


def test_a_second_upload_replaces():
    with Firth() as firth:
        firth.put_corpus()
        reply = firth.put_corpus(text="something else\n")
        assert reply.status == 200, reply
        assert firth.get("/corpora/book/text").body == b"something else\n"
        assert len(firth.ok("GET", "/corpora")["data"]) == 1


def test_lines_count_a_last_one_without_its_end():
    with Firth() as firth:
        assert firth.put_corpus(text="one\ntwo").json()["lines"] == 2
        assert firth.put_corpus(text="one\n\n").json()["lines"] == 2


def test_compressed_and_chunked_uploads():
    with Firth() as firth:
        reply = firth.ask("PUT", "/corpora/zip", gzip.compress(TEXT.encode()),
                          ["Content-Type: text/plain", "Content-Encoding: gzip"])
        assert reply.status == 201 and reply.json()["bytes"] == len(TEXT), reply
        chunks = "".join(f"{len(line):x}\r\n{line}\r\n" for line in TEXT.splitlines(True))
        reply = firth.raw(f"PUT /corpora/parts HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                          f"Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n")
        assert reply.status == 201 and reply.json()["lines"] == 5, reply


def nothing_is_left(firth):
    assert firth.ok("GET", "/corpora")["data"] == []
    assert firth.ok("GET", "/info")["store"]["corpora"] == 0


def test_invalid_utf8_names_the_byte():
    with Firth() as firth:
        for text, offset in ((b"good\nb\xffd\n", 6), (b"x" * 300000 + b"\xc3", 300000),
                             (b"\xed\xa0\x80", 0), (b"a\xc0\xaf", 1)):
            body = harness.is_problem(firth.put_corpus(text=text), 422, "invalid_utf8")
            assert body["offset"] == offset, body
        assert harness.is_problem(firth.put_corpus(text=b"a\nb\n\xff"), 422)["line"] == 3
        nothing_is_left(firth)


def test_an_empty_corpus_is_refused():
    with Firth() as firth:
        harness.is_problem(firth.put_corpus(text=b""), 422, "empty_corpus")
        harness.is_problem(firth.put_corpus(text=b" \n\t\n"), 422, "empty_corpus")
        nothing_is_left(firth)


def test_a_cut_off_body_leaves_nothing():
    with Firth() as firth:
        connection = firth.connect()
        connection.send("PUT /corpora/book HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                        "Content-Length: 1000000\r\n\r\nonly the beginning\n")
        connection.close()
        assert harness.wait_for(lambda: firth.get("/corpora/book").status == 404)
        nothing_is_left(firth)


def test_parallel_corpora_need_one_tab_a_line():
    with Firth() as firth:
        good = firth.put_corpus("pairs", "a cat\tun chat\na dog\tun chien\n", "?kind=parallel")
        assert good.status == 201 and good.json()["kind"] == "parallel", good
        for text, line in (("a\tb\nnone here\n", 2), ("a\tb\tc\n", 1), ("a\tb\n\nc\td\n", 2),
                           ("a\tb\nlast without", 2)):
            reply = firth.put_corpus("bad", text, "?kind=parallel")
            body = harness.is_problem(reply, 422, "invalid_value")
            assert body["line"] == line, body
        assert firth.get("/corpora/bad").status == 404
        harness.is_problem(firth.put_corpus(query="?kind=other"), 422)


def test_bad_names():
    with Firth() as firth:
        for name in ("UPPER", "a b".replace(" ", "%20"), "-dash", "x" * 65, ".hidden"):
            harness.is_problem(firth.put_corpus(name), 422)
        for name in ("..%2fx", "%2e%2e%2fetc"):
            harness.is_problem(firth.put_corpus(name), 400)
        reply = firth.put_corpus("../x")
        assert reply.status in (400, 404, 405), reply
        nothing_is_left(firth)


def test_too_large():
    with Firth(corpus_bytes=2000) as firth:
        harness.is_problem(firth.put_corpus(text="word " * 1000), 413, "limit_exceeded")
        squeezed = gzip.compress(b"word " * 1000)
        assert len(squeezed) < 2000
        reply = firth.ask("PUT", "/corpora/book", squeezed, ["Content-Encoding: gzip"])
        harness.is_problem(reply, 413, "limit_exceeded")
        nothing_is_left(firth)


def test_lists_go_page_by_page_newest_first():
    with Firth() as firth:
        for i in range(5):
            firth.put_corpus(f"book{i}")
        page = firth.ok("GET", "/corpora?limit=2")
        assert [row["name"] for row in page["data"]] == ["book4", "book3"], page
        assert page["has_more"] and page["first_id"] == "book4"
        page = firth.ok("GET", f"/corpora?limit=2&after={page['last_id']}")
        assert [row["name"] for row in page["data"]] == ["book2", "book1"], page
        page = firth.ok("GET", f"/corpora?limit=2&after={page['last_id']}")
        assert [row["name"] for row in page["data"]] == ["book0"] and not page["has_more"]
        for limit in ("0", "101", "x", "-1"):
            harness.is_problem(firth.get(f"/corpora?limit={limit}"), 422)
        harness.is_problem(firth.get("/corpora?unknown=1"), 422)


def test_entity_tags():
    with Firth() as firth:
        firth.put_corpus()
        for target in ("/corpora", "/corpora/book", "/corpora/book/text",
                       "/corpora/book/vocab"):
            tag = firth.get(target).headers["etag"]
            assert tag.startswith('"'), tag
            reply = firth.get(target, [f"If-None-Match: {tag}"])
            assert reply.status == 304 and reply.body == b"", reply
            assert firth.get(target, ['If-None-Match: "other"']).status == 200
        tag = firth.get("/corpora/book").headers["etag"]
        firth.put_corpus(text="new text\n")
        assert firth.get("/corpora/book", [f"If-None-Match: {tag}"]).status == 200


def test_ranges():
    with Firth() as firth:
        text = "".join(f"line {i} of a longer text\n" for i in range(20000))
        firth.put_corpus(text=text)
        whole = firth.get("/corpora/book/text")
        assert whole.body.decode() == text and whole.headers["accept-ranges"] == "bytes"
        size = len(text)
        for asked, first, last in (("0-9", 0, 10), ("100000-", 100000, size),
                                   ("-7", size - 7, size),
                                   (f"{size - 3}-{size + 100}", size - 3, size)):
            reply = firth.get("/corpora/book/text", [f"Range: bytes={asked}"])
            assert reply.status == 206 and reply.body.decode() == text[first:last], asked
            assert reply.headers["content-range"] == f"bytes {first}-{last - 1}/{size}"
        harness.is_problem(firth.get("/corpora/book/text", [f"Range: bytes={size}-"]), 416)


def test_the_vocabulary_is_counted():
    with Firth() as firth:
        firth.put_corpus()
        vocab = firth.ok("GET", "/corpora/book/vocab?unit=whitespace&limit=3")
        assert vocab["size"] == 13 and vocab["has_more"] and vocab["unk_count"] == 0
        words = [(word["token"], word["count"]) for word in vocab["words"]]
        assert words[0] == ("the", 8) and set(words[1:]) <= {("a", 4), ("cat", 4), ("dog", 4)}
        rare = firth.ok("GET", "/corpora/book/vocab?unit=whitespace&min_count=2")
        assert rare["unk_count"] == 1, rare  # "and"
        harness.is_problem(firth.get("/corpora/book/vocab?unit=syllable"), 422)
        harness.is_problem(firth.get("/corpora/none/vocab"), 404, "corpus_not_found")


def test_deletion():
    with Firth() as firth:
        firth.put_corpus()
        reply = firth.ask("DELETE", "/corpora/book")
        assert reply.status == 204 and reply.body == b"", reply
        harness.is_problem(firth.get("/corpora/book"), 404, "corpus_not_found")
        harness.is_problem(firth.ask("DELETE", "/corpora/book"), 404, "corpus_not_found")


def test_a_corpus_in_use_stays():
    # Nothing runs while the queue's jobs_at_once are paused, so the job stays unfinished.
    with Firth() as firth:
        firth.put_corpus(text=TEXT * 20000)
        job = firth.ok("POST", "/train", {"kind": "ngram", "model": "m", "corpus": "book",
                                          "params": {"order": 6}}, status=202)
        reply = firth.ask("DELETE", "/corpora/book")
        state = firth.ok("GET", f"/jobs/{job['id']}")["state"]
        if state in ("queued", "running"):  # it was not faster than the request
            body = harness.is_problem(reply, 409, "in_use")
            assert reply.headers["x-should-retry"] == "false", body
        firth.post(f"/jobs/{job['id']}/cancel")
        firth.wait(job["id"])
        assert firth.ask("DELETE", "/corpora/book").status in (204, 404)


if __name__ == "__main__":
    harness.main()
