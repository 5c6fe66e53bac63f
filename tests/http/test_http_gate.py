#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Who may do what: keys and scopes, browsers, logs and metrics (rows A1 to A9)."""
import contextlib
import hashlib
import random
import string
import subprocess

from harness import PROGRAM, Daemon, is_problem, main

KEYS = {"reader": ("k-read.s3cret-of-reader", 1), "trainer": ("k-train.other-secret", 3),
        "admin": ("k-admin.third-secret", 4)}
ENVIRONMENT = {"FIRTH_TEST_KEYS": ";".join(
    f"{key.split('.')[0]} {hashlib.sha256(key.encode()).hexdigest()} {scopes}"
    for key, scopes in KEYS.values())}


def bearer(name):
    return f"Authorization: Bearer {KEYS[name][0]}"


def test_a1_keys():
    with Daemon(ENVIRONMENT) as daemon:
        bodies = set()
        for header in ([], ["Authorization: Bearer k-read.wrong"],
                       ["Authorization: Bearer nobody.s3cret-of-reader"],
                       ["Authorization: Bearer k-read"], ["Authorization: Bearer "],
                       ["Authorization: Basic azpi"], ["Authorization: Bearer " + "x" * 5000]):
            reply = daemon.ask("GET", "/names/x", headers=header + ["X-Request-Id: same"])
            is_problem(reply, 401, "unauthorized")
            assert reply.headers["www-authenticate"].startswith("Bearer")
            bodies.add(reply.body)
        assert len(bodies) == 1, "the bodies tell one failure from another"
        for name, method, status in (
                ("reader", "GET", 200), ("reader", "DELETE", 403), ("trainer", "GET", 200),
                ("trainer", "DELETE", 200), ("admin", "DELETE", 200)):
            reply = daemon.ask(method, "/names/x", headers=[bearer(name)])
            assert reply.status == status, (name, method, reply)
        assert daemon.ask("GET", "/livez").status == 200


def test_a2_nothing_without_a_key():
    targets = ["/names/x", "/metrics", "/seen", "/nowhere", "//livez", "/livez/", "/",
               "/names/%78", "/%6eames/x", "/v1/nowhere", "/echo", "/upload/x"]
    with Daemon(ENVIRONMENT) as daemon:
        for target in targets:
            for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "X"):
                reply = daemon.ask(method, target)
                assert reply.status == 401, (method, target, reply)
        for method, target in (("PUT", "/upload/x"), ("POST", "/echo")):
            reply = daemon.ask(method, target, body=b"[1]" + b" " * 100000)
            assert reply.status == 401, reply
        seen = daemon.ask("GET", "/seen", headers=[bearer("reader")]).json()
        assert seen["entered"] == 0 and seen["upload_bytes"] == 0, seen
        long = daemon.connect()
        long.send("PUT /upload/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999"
                  "\r\nExpect: 100-continue\r\n\r\n")
        assert long.head()[0] == 401


def test_a4_keys_in_the_wrong_place():
    with Daemon(ENVIRONMENT) as daemon:
        key = KEYS["reader"][0]
        for name in ("key", "api_key", "access_token", "token"):
            reply = daemon.ask("GET", f"/names/x?{name}={key}", headers=[bearer("reader")])
            is_problem(reply, 400, "key_in_query")
        reply = daemon.ask("GET", "/names/x", headers=[bearer("reader"), bearer("reader")])
        assert reply.status == 400
        daemon.ask("GET", "/names/x", headers=[bearer("reader")])
        lines = daemon.log_lines()
        assert any(line.get("key") == "k-read" for line in lines), lines
        daemon.log.flush()
        with open(daemon.log.name) as log:
            assert "s3cret" not in log.read()


def test_without_keys_everything_is_allowed_here():
    with Daemon() as daemon:
        assert daemon.ask("DELETE", "/names/x").status == 200
        assert daemon.ask("GET", "/names/x", headers=["Authorization: Bearer x"]).status == 200


def test_only_loopback_without_keys():
    done = subprocess.run([PROGRAM, "listen=0.0.0.0:0"], capture_output=True, text=True,
                          timeout=10)
    assert done.returncode == 1 and "key" in done.stderr, done
    for listen in ("nonsense", "127.0.0.1", "127.0.0.1:99999", ":::", "[::1:80"):
        done = subprocess.run([PROGRAM, f"listen={listen}"], capture_output=True, text=True,
                              timeout=10)
        assert done.returncode == 1 and done.stderr, (listen, done)


def test_a5_origins():
    page = "https://page.example"
    with Daemon(allowed_origins=f"{page}, http://localhost:3000") as daemon:
        for origin, allowed in ((page, True), ("http://localhost:3000", True),
                                ("https://evil.example", False), ("null", False),
                                (page + ".evil", False), ("https://page.exampl", False)):
            reply = daemon.ask("GET", "/names/x", headers=[f"Origin: {origin}"])
            assert reply.status == 200 and reply.headers["vary"] == "Origin"
            assert reply.headers.get("access-control-allow-origin") == (
                origin if allowed else None), reply
            reply = daemon.ask("DELETE", "/names/x", headers=[f"Origin: {origin}"])
            assert reply.status == (200 if allowed else 403), reply
            preflight = daemon.ask("OPTIONS", "/echo", headers=[
                f"Origin: {origin}", "Access-Control-Request-Method: POST",
                "Access-Control-Request-Headers: content-type,x-odd"])
            assert preflight.status == 204
            assert preflight.headers.get("access-control-allow-headers") == (
                "content-type,x-odd" if allowed else None), preflight
            assert preflight.headers.get("access-control-allow-origin") == (
                origin if allowed else None)
        error = daemon.ask("GET", "/nowhere", headers=[f"Origin: {page}"])
        assert error.headers["access-control-allow-origin"] == page
        conflict = daemon.ask("POST", "/conflict", {}, [f"Origin: {page}"])
        exposed = conflict.headers["access-control-expose-headers"].lower().split(", ")
        assert conflict.status == 409 and "x-should-retry" in conflict.headers, conflict
        assert {"etag", "location", "retry-after", "x-request-id", "content-range",
                "x-should-retry"} <= set(exposed), exposed
        own = f"http://127.0.0.1:{daemon.port}"
        assert daemon.ask("DELETE", "/names/x", headers=[f"Origin: {own}"]).status == 200
        assert daemon.ask("GET", "/names/x").headers["vary"] == "Origin"
    with Daemon() as daemon:
        reply = daemon.ask("GET", "/names/x", headers=["Origin: https://page.example"])
        assert "access-control-allow-origin" not in reply.headers


def test_a_page_reads_why_its_upload_was_cut():
    """What is answered in the midst of a body goes past the library."""
    page = "https://page.example"
    with Daemon(allowed_origins=page) as daemon:
        for origin, allowed in ((page, page), (f"http://127.0.0.1:{daemon.port}", None)):
            cut = daemon.connect()
            cut.send(f"PUT /upload/x?most=1000 HTTP/1.1\r\nHost: 127.0.0.1:{daemon.port}\r\n"
                     f"Origin: {origin}\r\nContent-Length: 100000000\r\n\r\n")
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                for _ in range(1500):
                    cut.send(b"x" * 65536)
            reply = cut.reply()
            cut.close()
            is_problem(reply, 413, "limit_exceeded")
            assert reply.headers["connection"] == "close", reply
            assert reply.headers["vary"] == "Origin", reply
            assert reply.headers.get("access-control-allow-origin") == allowed, reply
            assert ("access-control-expose-headers" in reply.headers) == bool(allowed), reply


def test_preflight_needs_no_key():
    with Daemon(ENVIRONMENT, allowed_origins="https://page.example") as daemon:
        asking = ["Access-Control-Request-Method: POST"]
        assert daemon.ask("OPTIONS", "/echo", headers=[
            "Origin: https://page.example", *asking]).status == 204
        assert daemon.ask("OPTIONS", "/echo", headers=[
            "Origin: https://evil.example", *asking]).status == 401


def test_a8_log_lines_always_parse():
    odd = ["/names/%0d%0aevil", "/names/%1b%5b31m", "/names/%22%5c", "/" + "a" * 5000,
           "/names/%F0%9F%98%80" * 60]
    with Daemon() as daemon:
        for target in odd:
            daemon.ask("GET", target, headers=["traceparent: 00-abc\x80\xff-\"x\"-01"])
        daemon.ask("GET", "/names/x", headers=["traceparent: 00-0af7-b7ad-01"])
        daemon.ask('GE"T', "/names/x")
        lines = daemon.log_lines()
        requests = [line for line in lines if line["event"] == "request"]
        assert len(requests) >= len(odd)
        assert any(line.get("traceparent") == "00-0af7-b7ad-01" for line in requests)
        for line in requests:
            assert all(len(str(v).encode()) <= 3 * 256 for v in line.values()), line


def test_a9_series_do_not_grow():
    state = random.Random(3)

    def word():
        return "".join(state.choices(string.ascii_lowercase + string.digits, k=12))

    def series():
        """What /metrics lists. One loop serves a connection and counts each request before
        it reads the next one there, so the second answer knows all before it."""
        for _ in range(2):
            text = daemon.ask("GET", "/metrics", connection=connection).body.decode()
        return {line.rsplit(" ", 1)[0] for line in text.splitlines() if line[:1] != "#"}

    with Daemon(log_level="silent") as daemon:
        connection = daemon.connect()
        methods = ["GET", "POST", "PUT", "BREW", "DELETE", "PATCH", "HEAD", "OPTIONS"]
        for method in methods:
            daemon.ask(method, "/nowhere", connection=connection)
            daemon.ask(method, "/names/x", connection=connection)
        before = series()
        for _ in range(1000):
            daemon.ask("GET", f"/{word()}", connection=connection)
            daemon.ask("GET", f"/names/{word()}", connection=connection)
            daemon.ask(word().upper(), "/nowhere", connection=connection)
        assert series() == before


if __name__ == "__main__":
    main()
