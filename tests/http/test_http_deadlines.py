#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Slow, idle, leaving and too many clients (rows H11 to H19 of the fault table, as far as
the HTTP layer goes). The long deadlines are shortened through settings."""
import os
import signal
import socket
import time

from harness import Daemon, is_problem, main, wait_for

HOST = "Host: localhost\r\n"
JSON = "Content-Type: application/json\r\n"


def test_h11_head_drip():
    with Daemon(header_seconds=1) as daemon:
        first, second = daemon.connect(), daemon.connect()
        assert daemon.ask("GET", "/livez", connection=second).status == 200
        time.sleep(0.6)
        head = f"GET /livez HTTP/1.1\r\n{HOST}X: " + "y" * 200
        began = time.monotonic()
        for letter in head:
            try:
                for connection in (first, second):
                    connection.send(letter)
            except (BrokenPipeError, ConnectionResetError):
                break
            time.sleep(0.05)
        assert time.monotonic() - began < 6, "a drip kept the connection"
        for connection in (first, second):
            while connection.more():
                pass
            assert connection.pending[:12] in (b"HTTP/1.1 408", b""), connection.pending
        assert daemon.ask("GET", "/livez").status == 200


def test_idle_connections_end():
    with Daemon(idle_seconds=1, header_seconds=1) as daemon:
        fresh, used = daemon.connect(), daemon.connect()
        assert daemon.ask("GET", "/livez", connection=used).status == 200
        assert used.closed(5) and fresh.closed(5)


def test_h12_slow_body():
    with Daemon(idle_seconds=1, body_rate=1000) as daemon:
        upload, small = daemon.connect(), daemon.connect()
        upload.send(f"PUT /upload/x HTTP/1.1\r\n{HOST}Content-Length: 1000000\r\n\r\nabc")
        small.send(f"POST /echo HTTP/1.1\r\n{HOST}{JSON}Content-Length: 100\r\n\r\n[")
        for connection in (upload, small):
            while connection.more():
                pass
            assert connection.pending[:12] in (b"HTTP/1.1 408", b""), connection.pending
        assert wait_for(lambda: daemon.seen()["cancelled"] == 1), "the upload goes on"


def test_a_held_back_body_is_not_slow():
    with Daemon(idle_seconds=1, body_rate=100000) as daemon:
        reply = daemon.ask("PUT", "/upload/x?delay=20", body=b"x" * 1000000,
                           headers=["Content-Type: text/plain"])
        assert reply.status == 201 and reply.json()["bytes"] == 1000000


def test_h12_reader_that_does_not_read():
    with Daemon(idle_seconds=1) as daemon:
        before = daemon.rss()
        stream, download = daemon.connect(), daemon.connect()
        for connection in (stream, download):
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stream.send(f"GET /stream?count=100000&ms=0&size=1000 HTTP/1.1\r\n{HOST}\r\n")
        download.send(f"GET /download?size=1000000000 HTTP/1.1\r\n{HOST}\r\n")
        assert wait_for(lambda: daemon.seen()["cancelled"] == 1), "generation goes on"
        assert wait_for(lambda: daemon.seen()["ended"] == 1, 8), "the download stays"
        assert daemon.rss() < before + (8 << 20)


def test_h13_idle_connections_are_cheap():
    count = 2000
    with Daemon() as daemon:
        before = daemon.rss()
        idle = [daemon.connect() for _ in range(count)]
        for connection in idle:
            connection.send(f"GET /names/x HTTP/1.1\r\n{HOST}\r\n")
        for connection in idle:
            assert connection.reply().status == 200
        each = (daemon.rss() - before) / count
        assert each <= 40 * 1024, f"{each} bytes a connection"
        assert daemon.ask("GET", "/livez").status == 200


def test_h13_soft_cap():
    with Daemon(connections=20) as daemon:
        within = [daemon.connect() for _ in range(20)]
        assert daemon.ask("GET", "/names/x", connection=within[0]).status == 200
        assert wait_for(lambda: b"firth_http_connections 20" in
                        daemon.ask("GET", "/metrics", connection=within[1]).body)
        for _ in range(3):
            over = daemon.connect()
            reply = daemon.ask("GET", "/names/x", connection=over)
            is_problem(reply, 503, "too_many_connections")
            assert int(reply.headers["retry-after"]) > 0 and over.closed()
        assert daemon.ask("GET", "/livez").status == 200
        metrics = daemon.ask("GET", "/metrics").body.decode()
        assert "firth_http_connections_refused_total 3" not in metrics[:0]
        for connection in within:
            connection.close()
        assert wait_for(lambda: daemon.ask("GET", "/names/x").status == 200)


def test_h14_bursts():
    for count in (127, 128, 129, 255, 256, 257):
        with Daemon(http_loops=1) as daemon:
            connections = [daemon.connect() for _ in range(count)]
            for connection in connections:
                assert daemon.ask("GET", "/livez", connection=connection).status == 200
            os.kill(daemon.process.pid, signal.SIGSTOP)
            for connection in connections:
                connection.send(f"GET /livez HTTP/1.1\r\n{HOST}\r\n")
            os.kill(daemon.process.pid, signal.SIGCONT)
            began = time.monotonic()
            for connection in connections:
                assert connection.reply().status == 200
            # Not a benchmark: the stall this looks for lasts for seconds.
            assert time.monotonic() - began < 2, f"{count} sockets stalled"


def test_h15_leaving_stops_the_work_and_only_it():
    with Daemon() as daemon:
        neighbour, leaver = daemon.connect(), daemon.connect()
        request = "GET /stream?count={}&ms=10 HTTP/1.1\r\n" + HOST + "\r\n"
        neighbour.send(request.format(100))
        leaver.send(request.format(100000))
        leaver.head()
        next(leaver.chunks())
        leaver.close()
        assert wait_for(lambda: daemon.seen()["cancelled"] == 1, 3), "it went on"
        body = neighbour.reply().body
        expected = "".join(f"id: {i}\nevent: token\ndata: x\n\n" for i in range(1, 101))
        assert body.decode() == expected, body
        assert wait_for(lambda: b"firth_client_aborts_total 1" in
                        daemon.ask("GET", "/metrics").body)


def test_h16_leaving_the_queue():
    with Daemon(inference_threads=1) as daemon:
        busy = daemon.connect()
        busy.send(f"GET /slow?ms=3000 HTTP/1.1\r\n{HOST}\r\n")
        assert wait_for(lambda: daemon.seen()["entered"] == 1)
        queued = [daemon.connect() for _ in range(5)]
        for connection in queued:
            connection.send(f"GET /slow?ms=0 HTTP/1.1\r\n{HOST}\r\n")
        assert wait_for(lambda: b"firth_inference_waiting 5" in
                        daemon.ask("GET", "/metrics").body), "they are not queued"
        for connection in queued[:4]:
            connection.close()
        assert wait_for(lambda: b"firth_inference_waiting 1" in
                        daemon.ask("GET", "/metrics").body), "they stay in the queue"
        assert busy.reply().status == 200 and queued[4].reply().status == 200
        assert daemon.seen()["entered"] == 2


def test_queue_full():
    with Daemon(inference_threads=1, inference_queue=2) as daemon:
        waiting = []
        for expected in (1, 1, 1):
            waiting.append(daemon.connect())
            waiting[-1].send(f"GET /slow?ms=1500 HTTP/1.1\r\n{HOST}\r\n")
            assert wait_for(lambda: daemon.seen()["entered"] == expected)
        time.sleep(0.2)
        reply = daemon.ask("GET", "/slow?ms=0")
        is_problem(reply, 429, "queue_full")
        assert int(reply.headers["retry-after"]) > 0
        assert daemon.ask("GET", "/livez").status == 200
        assert daemon.ask("GET", "/metrics").status == 200
        assert daemon.ask("PUT", "/upload/x", body=b"a").status == 201, "the desk is apart"
        assert [c.reply().status for c in waiting] == [200] * 3


def test_h17_leaving_an_upload():
    with Daemon() as daemon:
        for ending in ("close", "reset"):
            seen = daemon.seen()
            before, bytes_before = seen["cancelled"], seen["upload_bytes"]
            upload = daemon.connect()
            upload.send(f"PUT /upload/x HTTP/1.1\r\n{HOST}Content-Length: 1000000\r\n\r\n"
                        + "x" * 100000)
            assert wait_for(lambda: daemon.seen()["upload_bytes"] > bytes_before)
            if ending == "reset":
                upload.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                         b"\1\0\0\0\0\0\0\0")
            upload.close()
            assert wait_for(lambda: daemon.seen()["cancelled"] == before + 1), ending


def test_h18_too_large():
    with Daemon(json_bytes=10000) as daemon:
        head = f"POST /echo HTTP/1.1\r\n{HOST}{JSON}"
        expecting = daemon.connect()
        expecting.send(f"{head}Content-Length: 20000\r\nExpect: 100-continue\r\n\r\n")
        status, _ = expecting.head()
        assert status == 413, status
        huge = daemon.connect()
        huge.send(f"{head}Content-Length: 100000000\r\n\r\n")
        try:
            for _ in range(100):
                huge.send(b"x" * 65536)
        except (BrokenPipeError, ConnectionResetError):
            pass
        while huge.more():
            pass
        assert huge.pending[:12] in (b"HTTP/1.1 413", b""), huge.pending
        chunked = daemon.connect()
        chunked.send(f"{head}Transfer-Encoding: chunked\r\n\r\n")
        chunked.send(b"4000\r\n" + b"x" * 0x4000 + b"\r\n0\r\n\r\n")
        is_problem(chunked.reply(), 413, "limit_exceeded")
        assert daemon.ask("GET", "/livez", connection=chunked).status == 200
        endless = daemon.connect()
        endless.send(f"{head}Transfer-Encoding: chunked\r\n\r\n")
        try:
            for _ in range(400):
                endless.send(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass
        while endless.more():
            pass
        assert endless.pending[:12] in (b"HTTP/1.1 413", b""), endless.pending


def test_h18_handler_refuses_in_mid_upload():
    with Daemon() as daemon:
        small = daemon.ask("PUT", "/upload/x?most=1000", body=b"x" * 300000)
        is_problem(small, 413, "limit_exceeded")
        large = daemon.connect()
        large.send(f"PUT /upload/x?most=1000 HTTP/1.1\r\n{HOST}Content-Length: 100000000"
                   "\r\n\r\n")
        try:
            for _ in range(1500):
                large.send(b"x" * 65536)
            raise AssertionError("it swallowed everything")
        except (BrokenPipeError, ConnectionResetError):
            pass
        while large.more():
            pass
        assert large.pending[:12] in (b"HTTP/1.1 413", b""), large.pending


def test_h19_drain():
    with Daemon(drain_seconds=5) as daemon:
        feed, work, stream, idle = (daemon.connect() for _ in range(4))
        idle.send(f"GET /livez HTTP/1.1\r\n{HOST}\r\n")
        assert idle.reply().status == 200
        feed.send(f"GET /feed HTTP/1.1\r\n{HOST}\r\n")
        feed.head()
        next(feed.chunks())
        work.send(f"GET /slow?ms=1200 HTTP/1.1\r\n{HOST}\r\n")
        stream.send(f"GET /stream?count=60&ms=20 HTTP/1.1\r\n{HOST}\r\n")
        assert wait_for(lambda: daemon.seen()["entered"] == 1)
        daemon.process.send_signal(signal.SIGTERM)
        assert idle.closed(3), "an idle connection stays"
        late = daemon.connect()
        reply = daemon.ask("GET", "/names/x", connection=late)
        is_problem(reply, 503, "draining")
        assert int(reply.headers["retry-after"]) > 0 and late.closed()
        assert daemon.ask("GET", "/livez").status == 200
        last = b"".join(feed.chunks())
        assert b"event: error" in last and b"unavailable" in last, last
        assert work.reply().status == 200
        assert stream.reply().body.count(b"event: token") == 60
        assert daemon.process.wait(5) == 0


def test_h19_drain_cuts_what_does_not_end():
    with Daemon(drain_seconds=1) as daemon:
        work, stream = daemon.connect(), daemon.connect()
        work.send(f"GET /slow?ms=60000 HTTP/1.1\r\n{HOST}\r\n")
        stream.send(f"GET /stream?count=100000&ms=10 HTTP/1.1\r\n{HOST}\r\n")
        assert wait_for(lambda: daemon.seen()["entered"] == 1)
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.process.wait(8) == 0


if __name__ == "__main__":
    main()
