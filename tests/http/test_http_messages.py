#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Messages that are malformed, ambiguous or hostile (rows H1 to H10, J1 to J8 of the fault
table): each gets its status, and what must not run does not."""
import json
import socket
import ssl

from harness import Daemon, is_problem, main

HOST = "Host: localhost\r\n"
JSON = "Content-Type: application/json\r\n"


def each(daemon, rows):
    for what, data, status in rows:
        reply = daemon.raw(data)
        assert reply.status == status, f"{what}: wanted {status}, got {reply}"


def refused_and_closed(daemon, data, status):
    """The reply, and nothing of what was pipelined behind it."""
    before = daemon.seen()["entered"]
    connection = daemon.connect()
    connection.send(data)
    reply = connection.reply()
    assert reply.status == status, reply
    assert connection.closed(), f"still open: {connection.pending!r}"
    assert daemon.seen()["entered"] == before, "a handler was entered"


def test_h1_length_and_transfer_encoding():
    smuggled = f"POST /echo HTTP/1.1\r\n{HOST}{JSON}Content-Length: 2\r\n\r\n{{}}"
    with Daemon() as daemon:
        for method in ("POST /echo", "GET /names/x", "PUT /upload/x", "DELETE /names/x"):
            refused_and_closed(daemon, f"{method} HTTP/1.1\r\n{HOST}{JSON}Content-Length: 5"
                               "\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled,
                               400)
            refused_and_closed(daemon, f"{method} HTTP/1.1\r\n{HOST}Transfer-Encoding: "
                               "chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n" + smuggled,
                               400)


def test_h2_two_lengths():
    smuggled = f"POST /echo HTTP/1.1\r\n{HOST}{JSON}Content-Length: 2\r\n\r\n{{}}"
    with Daemon() as daemon:
        for first, second in ((0, 2), (2, 0), (2, 2), (0, 40)):
            refused_and_closed(daemon, f"POST /echo HTTP/1.1\r\n{HOST}{JSON}Content-Length: "
                               f"{first}\r\ncontent-length: {second}\r\n\r\n{{}}" + smuggled,
                               400)


def test_h3_other_transfer_encodings():
    with Daemon() as daemon:
        for coding in ("gzip", "gzip, chunked", "identity", "chunked, gzip", "xchunked"):
            refused_and_closed(daemon, f"POST /echo HTTP/1.1\r\n{HOST}{JSON}Transfer-"
                               f"Encoding: {coding}\r\n\r\n0\r\n\r\n", 501)


def test_h4_lengths_that_are_no_numbers():
    with Daemon() as daemon:
        for length in ("-1", "+3", "18446744073709551616", "0x10", "1 1", "3,3"):
            before = daemon.seen()["entered"]
            connection = daemon.connect()
            connection.send(f"POST /echo HTTP/1.1\r\n{HOST}{JSON}Content-Length: {length}"
                            "\r\n\r\n{}")
            data = b""
            while connection.more():
                data = connection.pending
            assert data[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 413"), (length, data)
            assert daemon.seen()["entered"] == before


def test_h5_paths():
    with Daemon() as daemon:
        each(daemon, [(path, f"GET /names/{path} HTTP/1.1\r\n{HOST}\r\n", 400) for path in (
            "a%00b", "a%2fb", "%2e%2e", "..", ".", "%2E", "a%5cb", "a%", "a%4", "a%zz",
            "%ff", "%c0%af", "%ed%a0%80", "a%0ab", "a%7f", "%f4%90%80%80")])
        each(daemon, [(path, f"GET {path} HTTP/1.1\r\n{HOST}\r\n", 400) for path in (
            "/../livez", "/names/../livez", "names/x", "ftp://localhost/livez")])
        each(daemon, [(path, f"GET {path} HTTP/1.1\r\n{HOST}\r\n", 404) for path in (
            "//livez", "/livez/", "/names/", "/names//", "/LIVEZ", "/names/a/b")])
        assert daemon.ask("GET", "/names/a%20%C3%A9?q=%2F%2e+x").json() == {
            "name": "a é", "q": "/. x", "limit": 20}
        absolute = daemon.raw("GET http://localhost/livez HTTP/1.1\r\nHost: other\r\n\r\n")
        assert absolute.status == 200, absolute


def test_h6_hosts():
    with Daemon(allowed_hosts="firth.example, other.example") as daemon:
        each(daemon, [("none", "GET /livez HTTP/1.1\r\n\r\n", 400),
                      ("empty", "GET /livez HTTP/1.1\r\nHost:\r\n\r\n", 400),
                      ("two", f"GET /livez HTTP/1.1\r\n{HOST}{HOST}\r\n", 400)])
        for host, status in (("localhost:99", 200), ("[::1]:80", 200), ("LocalHost", 200),
                             ("firth.example", 200), ("OTHER.example:1", 200),
                             ("evil.example", 421), ("localhost.evil.example", 421),
                             ("127.0.0.1.evil", 421), ("localhost@evil", 421),
                             ("localhost:80x", 421), ("10.0.0.1", 421), ("[::1", 421)):
            reply = daemon.raw(f"GET /livez HTTP/1.1\r\nHost: {host}\r\n\r\n")
            assert reply.status == status, (host, reply)


def test_h7_large_heads():
    with Daemon() as daemon:
        before = daemon.rss()
        big = "x" * 65536
        each(daemon, [("header", f"GET /livez HTTP/1.1\r\n{HOST}X: {big}\r\n\r\n", 431),
                      ("target", f"GET /{big} HTTP/1.1\r\n{HOST}\r\n", 414),
                      ("many", f"GET /livez HTTP/1.1\r\n{HOST}" + "X: y\r\n" * 2000
                       + "\r\n", 431),
                      ("101", f"GET /livez HTTP/1.1\r\n{HOST}" + "X: y\r\n" * 101 + "\r\n",
                       431)])
        assert daemon.rss() < before + (4 << 20)
        assert daemon.ask("GET", "/livez").status == 200


def test_h8_odd_headers():
    with Daemon() as daemon:
        each(daemon, [
            ("space before colon", f"GET /livez HTTP/1.1\r\n{HOST}X : y\r\n\r\n", 400),
            ("control byte", f"GET /livez HTTP/1.1\r\n{HOST}X: a\x01b\r\n\r\n", 400),
            ("bare cr", f"GET /livez HTTP/1.1\r\n{HOST}X: a\rb\r\n\r\n", 400),
            ("delete", f"GET /livez HTTP/1.1\r\n{HOST}Origin: a\x7fb\r\n\r\n", 400),
            ("folded", f"GET /livez HTTP/1.1\r\n{HOST}X: a\r\n b\r\n\r\n", 400),
            ("folded key", f"GET /livez HTTP/1.1\r\n{HOST}Authorization: Bearer a\r\n\tb"
             "\r\nX: y\r\n\r\n", 400),
            ("bare lf", f"GET /livez HTTP/1.1\r\n{HOST}X: a\nY: b\r\n\r\n", 400),
            ("nul", f"GET /livez HTTP/1.1\r\n{HOST}Authorization: a\0b\r\n\r\n", 400),
            ("nul at the end", f"GET /livez HTTP/1.1\r\n{HOST}X: a\0\r\n\r\n", 200),
            ("blanks", f"GET /livez HTTP/1.1\r\n{HOST}X: \t a \r\nY:b\r\nZ:\r\n\r\n", 200),
            ("two keys", f"GET /livez HTTP/1.1\r\n{HOST}Authorization: Bearer a\r\n"
             "Authorization: Bearer b\r\n\r\n", 400),
            ("two types", f"POST /echo HTTP/1.1\r\n{HOST}{JSON}{JSON}Content-Length: 2"
             "\r\n\r\n{}", 400),
            ("two origins", f"GET /livez HTTP/1.1\r\n{HOST}Origin: a\r\norigin: b\r\n\r\n",
             400),
            ("two idempotency keys", f"GET /livez HTTP/1.1\r\n{HOST}Idempotency-Key: a\r\n"
             "Idempotency-Key: b\r\n\r\n", 400)])


def test_h9_other_protocols():
    with Daemon(header_seconds=1) as daemon:
        for data in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 200,
                     b"\x00\xff" * 400 + b"\r\n\r\n", b"\r\n" * 4000,
                     b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET\r\n\r\n", b"GET /livez\r\n\r\n",
                     b"GET /livez HTTP/9.9\r\nHost: localhost\r\n\r\n"):
            connection = daemon.connect(timeout=4)
            connection.send(data)
            connection.socket.shutdown(socket.SHUT_WR)
            while connection.more():
                pass
            assert b" 200 " not in connection.pending[:40], (data[:20], connection.pending)
        assert daemon.ask("GET", "/livez").status == 200
        assert len(daemon.log_lines()) < 20


def test_h10_methods_and_pipelining():
    with Daemon() as daemon:
        connection = daemon.connect()
        connection.send("".join(f"GET /names/{i} HTTP/1.1\r\n{HOST}\r\n" for i in range(5)))
        assert [connection.reply().json()["name"] for _ in range(5)] == list("01234")
        connection.send("".join(
            f"POST /echo HTTP/1.1\r\n{HOST}{JSON}Content-Length: 3\r\n\r\n[{i}]"
            for i in range(5)))
        assert [connection.reply().json() for _ in range(5)] == [[i] for i in range(5)]
        head = daemon.ask("HEAD", "/names/x", connection=connection)
        assert head.status == 200 and int(head.headers["content-length"]) > 0
        options = daemon.ask("OPTIONS", "/names/x", connection=connection)
        assert options.status == 204 and "content-length" not in options.headers
        assert options.headers["allow"] == "GET, HEAD, DELETE, OPTIONS"
        assert daemon.ask("OPTIONS", "*", connection=connection).status == 204
        for method in ("TRACE", "POST", "BREW", "get"):
            reply = daemon.ask(method, "/names/x", connection=connection)
            is_problem(reply, 405, "method_not_allowed")
            assert reply.headers["allow"] == "GET, HEAD, DELETE, OPTIONS"
        is_problem(daemon.ask("BREW", "/nowhere"), 404, "route_not_found")
        is_problem(daemon.ask("POST", "/v1/chat/completions", body={}), 404,
                   "chat_not_supported")
        old = daemon.connect()
        old.send(f"GET /livez HTTP/1.0\r\n{HOST}\r\n")
        assert old.reply().status == 200 and old.closed()


def test_request_ids():
    with Daemon() as daemon:
        for given, kept in (("abc-1.2_3:4", True), ("x" * 64, True), ("x" * 65, False),
                            ("a b", False), ("a\"b", False), ("a\xe9", False)):
            got = daemon.ask("GET", "/livez",
                             headers=[f"X-Request-Id: {given}"]).headers["x-request-id"]
            assert (got == given) == kept, (given, got)
        ids = {daemon.ask("GET", "/livez").headers["x-request-id"] for _ in range(50)}
        assert len(ids) == 50


def test_h4_h18_expect():
    with Daemon() as daemon:
        connection = daemon.connect()
        connection.send(f"POST /echo HTTP/1.1\r\n{HOST}{JSON}Content-Length: 2\r\n"
                        "Expect: 100-continue\r\n\r\n")
        assert connection.until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
        connection.send("{}")
        assert connection.reply().status == 200
        reply = daemon.raw(f"POST /echo HTTP/1.1\r\n{HOST}{JSON}Content-Length: 2\r\n"
                           "Expect: 200-ok\r\n\r\n{}")
        is_problem(reply, 417)


def test_j1_malformed_json():
    with Daemon() as daemon:
        for body in (b"{", b"[1,]", b"{}x", b"[1] 2", b"\xef\xbb\xbf{}", b'"\xff"',
                     b'"\xc0\xaf"', b'"\\ud800"', b'"\\u0000"', b"1e999",
                     b"9223372036854775808", b"nul", b"'a'", b"{a:1}", b'["\x01"]', b" "):
            reply = daemon.ask("POST", "/echo", body=body)
            problem = is_problem(reply, 400, "malformed_request")
            assert "line" in problem["detail"] and "offset" in problem, (body, problem)
        empty = daemon.ask("POST", "/echo", body=b"")
        is_problem(empty, 400, "malformed_request")
        place = is_problem(daemon.ask("POST", "/echo", body=b'{"a":\n 1,\n  x}'), 400)
        assert place["line"] == 3, place


def test_j2_duplicate_keys():
    with Daemon() as daemon:
        is_problem(daemon.ask("POST", "/echo", body=b'{"a":1,"a":2}'), 400)
        is_problem(daemon.ask("POST", "/echo", body=b'[{"b":{"a":1,"\\u0061":2}}]'), 400)


def test_j3_nesting():
    with Daemon() as daemon:
        assert daemon.ask("POST", "/echo", body=b"[" * 64 + b"]" * 64).status == 200
        for depth in (65, 2048, 400000):
            body = b"[" * depth + b"]" * depth
            problem = is_problem(daemon.ask("POST", "/echo", body=body), 400)
            assert problem["offset"] == 64, problem
        assert daemon.ask("POST", "/echo", body=b'"' + b"[" * 100 + b'"').status == 200


def test_j4_amplification():
    with Daemon(json_tokens=1000, json_bytes=100000) as daemon:
        daemon.ask("POST", "/echo", body=b"[]")
        before = daemon.rss()
        for body in (b"[" + b"0," * 1000 + b"0]", b"[" + b"{}," * 500 + b"0]",
                     b"[" + b"{}," * 30000 + b"0]"):
            problem = is_problem(daemon.ask("POST", "/echo", body=body), 413,
                                 "limit_exceeded")
            assert "json_tokens" in problem["detail"]
        for size in (100001, 900000):
            reply = daemon.ask("POST", "/echo", body=b'"' + b"x" * (size - 2) + b'"')
            assert "json_bytes" in is_problem(reply, 413, "limit_exceeded")["detail"]
        assert daemon.ask("POST", "/echo", body=b'"' + b"x" * 99998 + b'"').status == 200
        assert daemon.rss() < before + (8 << 20)


def test_j5_j7_fields():
    with Daemon() as daemon:
        for body, pointers in (
                ({}, ["/count"]), ({"count": 0}, ["/count"]), ({"count": 11}, ["/count"]),
                ({"count": -1, "weight": 2, "zz": 1, "a/b~": 2},
                 ["/count", "/weight", "/zz", "/a~1b~0"]),
                ({"count": "1"}, ["/count"]), ({"count": True}, ["/count"]),
                ({"count": 1, "weight": 0}, ["/weight"]),
                ({"count": 1, "name": "Up", "flag": 1}, ["/flag", "/name"]),
                ({"count": 1, "name": "../x"}, ["/name"]),
                ({"count": 1, "name": "x" * 65}, ["/name"]),
                ({"count": 1, "choice": "middle"}, ["/choice"]),
                ({"count": 1, "list": [1, 2, 3, 4]}, ["/list"]),
                ([], [""]), (7, [""])):
            problem = is_problem(daemon.ask("POST", "/fields", body=json.dumps(body)), 422,
                                 "invalid_value")
            assert [e["pointer"] for e in problem["errors"]] == pointers, problem
        for number in ("3.0", "1e3", "1e0", "-9223372036854775808", "9223372036854775807"):
            is_problem(daemon.ask("POST", "/fields", body='{"count":%s}' % number), 422)
        good = {"count": 3, "weight": 0.1, "name": "a.b-c_1", "choice": "high",
                "list": [1], "flag": None, "text": "x"}
        assert daemon.ask("POST", "/fields", body=good).json() == {"count": 3}
        many = daemon.ask("POST", "/fields",
                          body={f"unknown{i}": 1 for i in range(1000)})
        assert len(is_problem(many, 422)["errors"]) == 32


def test_openai_errors():
    with Daemon() as daemon:
        assert daemon.ask("POST", "/v1/fields", body={"count": 2, "zz": 1}).status == 200
        error = is_problem(daemon.ask("POST", "/v1/fields", body={"count": 99}),
                           422)["error"]
        assert error["param"] == "count" and error["type"] == "invalid_request_error"
        assert error["code"] == "invalid_value" and error["message"]
        assert "error" in is_problem(daemon.ask("GET", "/v1/nowhere"), 404)


def test_j8_types_and_unwanted_bodies():
    with Daemon() as daemon:
        for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonp",
                     "multipart/form-data; boundary=x"):
            reply = daemon.ask("POST", "/echo", body="{}", headers=[f"Content-Type: {kind}"])
            is_problem(reply, 415)
        for kind in ("application/json; charset=utf-8", "APPLICATION/JSON",
                     "application/vnd.api+json"):
            reply = daemon.ask("POST", "/echo", body="{}", headers=[f"Content-Type: {kind}"])
            assert reply.status == 200, reply
        is_problem(daemon.raw(f"POST /echo HTTP/1.1\r\n{HOST}Content-Length: 2\r\n\r\n{{}}"),
                   415)
        is_problem(daemon.ask("GET", "/names/x", body="{}"), 400, "unexpected_body")
        is_problem(daemon.ask("GET", "/livez", body="{}"), 400, "unexpected_body")
        is_problem(daemon.ask("POST", "/echo", body="{}",
                              headers=["Content-Encoding: gzip"]), 415)


def test_queries():
    with Daemon() as daemon:
        problem = is_problem(daemon.ask("GET", "/names/x?other=1&limit=3"), 422)
        assert [e["pointer"] for e in problem["errors"]] == ["?other"], problem
        for query in ("limit=0", "limit=101", "limit=x", "limit=", "limit=1.0", "limit=+1",
                      "limit=1&limit=2", "limit=99999999999999999999"):
            is_problem(daemon.ask("GET", f"/names/x?{query}"), 422)
        for query in ("q=%", "q=%00", "q=%ff", "&".join(f"q{i}=1" for i in range(40))):
            is_problem(daemon.ask("GET", f"/names/x?{query}"), 400)


def test_refusals_keep_the_connection():
    with Daemon() as daemon:
        connection = daemon.connect()
        for _ in range(3):
            reply = daemon.ask("POST", "/nowhere", body="x" * 50000, connection=connection)
            is_problem(reply, 404)
        reply = daemon.ask("POST", "/conflict", connection=connection)
        is_problem(reply, 409, "conflict")
        assert reply.headers["x-should-retry"] == "false"
        assert daemon.ask("GET", "/livez", connection=connection).status == 200


def test_tls_client_fails_at_once():
    with Daemon() as daemon:
        context = ssl.create_default_context()
        try:
            context.wrap_socket(socket.create_connection(("127.0.0.1", daemon.port), 3),
                                server_hostname="localhost")
            raise AssertionError("TLS where there is none")
        except (ssl.SSLError, ConnectionError, socket.timeout) as error:
            assert not isinstance(error, socket.timeout), "it hung"


if __name__ == "__main__":
    main()
