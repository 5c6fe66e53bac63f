#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Bodies and replies in pieces: uploads of any framing and coding, ranges, event streams."""
import gzip
import os
import random
import zlib

from harness import Daemon, is_problem, main, wait_for

HOST = "Host: localhost\r\n"
CONTENT = bytes(i % 251 for i in range(100000))


def chunked(data, random_state):
    out, at = b"", 0
    while at < len(data):
        size = random_state.randint(1, 9000)
        piece = data[at:at + size]
        out += f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
        at += size
    return out + b"0\r\n\r\n"


def zstd(data, window_log=17):
    """A zstd frame of raw blocks."""
    out = b"\x28\xb5\x2f\xfd\x00" + bytes([(window_log - 10) << 3])
    for at in range(0, max(len(data), 1), 100000):
        block = data[at:at + 100000]
        last = at + 100000 >= len(data)
        out += (last | len(block) << 3).to_bytes(3, "little") + block
    return out


def digest(data):
    total = 0
    for byte in data:
        total = (total * 31 + byte) & (2 ** 64 - 1)
    return {"bytes": len(data), "sum": "odd" if total % 2 else "even"}


def test_uploads_of_any_framing():
    state = random.Random(1)
    with Daemon() as daemon:
        connection = daemon.connect()
        for size in (0, 1, 8191, 8192, 65536, 65537, 300000):
            data = state.randbytes(size)
            reply = daemon.ask("PUT", "/upload/x", body=data, connection=connection)
            assert reply.status == 201 and reply.json() == digest(data), (size, reply)
            connection.send(f"PUT /upload/x HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked"
                            "\r\n\r\n".encode() + chunked(data, state))
            reply = connection.reply()
            assert reply.status == 201 and reply.json() == digest(data), (size, reply)


def test_a_slow_handler_holds_the_sender_back():
    with Daemon() as daemon:
        before = daemon.rss()
        data = b"x" * 4000000
        reply = daemon.ask("PUT", "/upload/x?delay=1", body=data)
        assert reply.json() == digest(data)
        assert daemon.rss() < before + (4 << 20), "the body was kept in memory"


def test_compressed_uploads():
    state = random.Random(2)
    text = b"".join(b"line %d of it\n" % state.randint(0, 99) for _ in range(20000))
    with Daemon() as daemon:
        for coding, data in (("gzip", gzip.compress(text)),
                             ("gzip", gzip.compress(text[:5000]) + gzip.compress(text[5000:])),
                             ("zstd", zstd(text)), ("zstd", zstd(text[:9]) + zstd(text[9:])),
                             ("identity", text)):
            reply = daemon.ask("PUT", "/upload/x", body=data,
                               headers=[f"Content-Encoding: {coding}"])
            assert reply.status == 201 and reply.json() == digest(text), (coding, reply)
        reply = daemon.ask("PUT", "/upload/x", body=b"x", headers=["Content-Encoding: br"])
        is_problem(reply, 415, "unsupported_encoding")


def test_damaged_compressed_uploads():
    text = os.urandom(50000)
    packed = gzip.compress(text)
    with Daemon() as daemon:
        for coding, data in (("gzip", packed[:-20]), ("gzip", b"no gzip at all"),
                             ("gzip", packed[:1000] + b"\0" * 50 + packed[1050:]),
                             ("gzip", packed + b"trailing"), ("gzip", b""),
                             ("zstd", zstd(text)[:-5]), ("zstd", b"no zstd"),
                             ("zstd", zstd(text, 27)),
                             ("gzip", zlib.compress(text))):
            reply = daemon.ask("PUT", "/upload/x", body=data,
                               headers=[f"Content-Encoding: {coding}"])
            is_problem(reply, 400, "malformed_request")


def test_a_bomb_costs_no_memory():
    bomb = gzip.compress(b"\0" * (64 << 20))
    with Daemon() as daemon:
        before = daemon.rss()
        reply = daemon.ask("PUT", "/upload/x", body=bomb,
                           headers=["Content-Encoding: gzip"])
        assert reply.json()["bytes"] == 64 << 20
        assert daemon.rss() < before + (4 << 20)
        over = daemon.ask("PUT", "/upload/x?most=1000000", body=bomb,
                          headers=["Content-Encoding: gzip"])
        is_problem(over, 413)


def test_ranges():
    with Daemon() as daemon:
        def get(*headers):
            return daemon.ask("GET", "/download", headers=headers)
        whole = get()
        assert whole.status == 200 and whole.body == CONTENT
        assert whole.headers["accept-ranges"] == "bytes" and whole.headers["etag"] == '"d1"'
        for given, first, last in (("0-0", 0, 0), ("10-19", 10, 19), ("99990-", 99990, 99999),
                                   ("99990-200000", 99990, 99999), ("-10", 99990, 99999),
                                   ("-200000", 0, 99999)):
            reply = get(f"Range: bytes={given}")
            assert reply.status == 206 and reply.body == CONTENT[first:last + 1], given
            assert reply.headers["content-range"] == f"bytes {first}-{last}/100000"
        for given in ("100000-", "200000-300000", "-0"):
            reply = get(f"Range: bytes={given}")
            is_problem(reply, 416)
            assert reply.headers["content-range"] == "bytes */100000"
        for given in ("lines=1-2", "bytes=5-1", "bytes=x", "bytes=1-2,5-6", "bytes=-",
                      "bytes=99999999999999999999-"):
            assert get(f"Range: {given}").body == CONTENT, given
        assert get("Range: bytes=0-0", 'If-Range: "d1"').status == 206
        assert get("Range: bytes=0-0", 'If-Range: "d0"').status == 200
        for tag in ('"d1"', '*', '"x", "d1"', 'W/"d1"'):
            reply = get(f"If-None-Match: {tag}")
            assert reply.status == 304 and reply.headers["etag"] == '"d1"', tag
        for tag in ('"d2"', 'd1', '"d1', ''):
            assert get(f"If-None-Match: {tag}").status == 200, tag
        head = daemon.ask("HEAD", "/download")
        assert head.headers["content-length"] == "100000"
        assert daemon.ask("GET", "/download?size=0").body == b""


def test_download_does_not_hold_a_thread():
    with Daemon() as daemon:
        slow = [daemon.connect() for _ in range(40)]
        for connection in slow:
            connection.send(f"GET /download?size=100000000 HTTP/1.1\r\n{HOST}\r\n")
            assert connection.head()[0] == 200
        assert daemon.ask("GET", "/download").body == CONTENT
        for connection in slow:
            connection.close()
        assert wait_for(lambda: daemon.seen()["ended"] == 41), daemon.seen()


def test_event_streams():
    with Daemon(streams=3) as daemon:
        reply = daemon.ask("GET", "/stream?count=3&ms=0")
        assert reply.headers["content-type"] == "text/event-stream"
        assert reply.headers["cache-control"] == "no-store"
        assert reply.headers["x-accel-buffering"] == "no"
        assert reply.body.decode() == "".join(
            f"id: {i}\nevent: token\ndata: x\n\n" for i in (1, 2, 3))
        failed = daemon.ask("GET", "/stream?count=1&ms=0&fail").body.decode()
        assert failed.count("event: error\ndata: {") == 1 and "diverged" in failed, failed
        failed = daemon.ask("GET", "/v1/stream?count=1&ms=0&fail").body.decode()
        assert "event: error" not in failed and '"error":{"message"' in failed, failed
        head = daemon.ask("HEAD", "/stream?count=0")
        assert head.status == 200 and head.body == b""
        feeds = []

        def open_feed():
            """Refused while one of the streams above is still being put away."""
            feed = daemon.connect()
            feed.send(f"GET /feed HTTP/1.1\r\n{HOST}\r\n")
            if feed.head()[0] == 200:
                feeds.append(feed)
                return True
            feed.close()
            return False
        for _ in range(3):
            assert wait_for(open_feed), feeds
        is_problem(daemon.ask("GET", "/feed"), 429, "queue_full")
        for feed in feeds:
            feed.close()
        assert wait_for(lambda: daemon.ask("GET", "/stream?count=0").status == 200)


def test_events_come_one_by_one():
    with Daemon() as daemon:
        connection = daemon.connect()
        connection.send(f"GET /stream?count=20&ms=20 HTTP/1.1\r\n{HOST}\r\n")
        connection.head()
        pieces = list(connection.chunks())
        assert len(pieces) >= 15, f"{len(pieces)} pieces for 20 events"


if __name__ == "__main__":
    main()
