#!/usr/bin/env python3
"""tool_soak.py FAUNA WORK MODELS REQUESTS: a server under many requests of every kind, of which clients give up some at random, and
under those that mean it ill: readers that read nothing, half a request, bodies of 100 MB, headers without an end, what is no
JSON. Afterwards no place is taken, no memory has gone, every text is what it was, and no answer named a file.
"""
import contextlib
import http.client
import json
import pathlib
import random
import socket
import sys
import threading
import time

from fauna_tool import Tool
from serving import Server, directory, end, pieces

fauna, work, models, requests = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]), int(sys.argv[4])
tool = Tool(fauna, work)
words = "aa eh mus is ca ter lub? Q.".split()
never = {"logit_bias": {str(end): -100}}
bad = [b"", b"{", b"\xff\xfe", b'{"prompt": "\xc3"}', b'{"prompt": "\\ud800"}', b"[" * 100000, b'{"prompt": 1e999}', b"null", b'{"prompt": "a", "n": 1e30}']


def resident(server):
    """MB."""
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def metric(server, name):
    with contextlib.closing(server.open("/metrics")) as connection:
        return float(next(line for line in connection.getresponse().read().decode().splitlines() if line.startswith(name + " ")).split()[1])


def idle(server):
    """Waits until nobody is served any more."""
    deadline = time.monotonic() + 60
    while metric(server, "fauna_num_requests_running") + metric(server, "fauna_num_requests_waiting") > 0:
        assert time.monotonic() < deadline, "a request that nobody waits for has not ended"
        time.sleep(0.05)


def one(server, draw):
    """A request of some kind, to its end or not. No answer names a file."""
    body = {"prompt": " ".join(draw.choices(words, k=draw.randint(1, 9))), "max_tokens": draw.randint(1, 40), "seed": draw.randint(0, 5),
            "n": draw.choice((1, 1, 1, 3)), "temperature": draw.choice((0, 1)), "stream": draw.random() < 0.5}
    kind, path = draw.random(), "/v1/completions"
    if kind < 0.1:
        path, body = "/v1/embeddings", {"input": [body["prompt"]] * body["n"]}
    elif kind < 0.2:
        path, body = "/tokenize", {"content": body["prompt"]}
    elif kind < 0.3:
        body = draw.choice(bad)
    elif kind < 0.4:
        body |= {"regex": "[a-u ]{3,20}"}
    elif kind < 0.5:
        path, body = "/v1/chat/completions", {k: v for k, v in body.items() if k != "prompt"} | {"messages": [{"role": "user", "content": body["prompt"]}]}
    leaves = draw.random() < 0.3
    if leaves and isinstance(body, dict) and "max_tokens" in body:
        body |= never | {"max_tokens": 1000000}
    with contextlib.closing(server.open(path, body)) as connection:
        if leaves:
            time.sleep(draw.random() / 50)
            if draw.random() < 0.5:
                return
            connection.sock.settimeout(0.05)
        with contextlib.suppress(TimeoutError):
            answer = connection.getresponse()
            text = answer.read(200) if leaves else answer.read()
            assert answer.status in (200, 400, 429), (answer.status, text)
            assert (answer.status == 400) == (isinstance(body, bytes)) or answer.status == 429, (body, text)
            assert str(work).encode() not in text and b"/golden/" not in text, text


def many(server, count, seed):
    failed = []

    def client(number):
        draw = random.Random(seed * 1000 + number)
        try:
            for _ in range(count // 8):
                one(server, draw)
        except BaseException as e:  # told by the waiting thread
            failed.append(e)

    threads = [threading.Thread(target=client, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failed:
        raise failed[0]
    idle(server)


def first_bytes(connection):
    answer = connection.getresponse()
    assert answer.status == 200 and answer.read(6) == b"data: "


def flood(server, start, more, limit):
    """Sends until the server has enough; how many bytes that were, and what it says."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as raw:
        sent, said = 0, b""
        with contextlib.suppress(OSError):
            raw.sendall(start)
            while sent < limit:
                raw.sendall(more)
                sent += len(more)
        with contextlib.suppress(OSError):
            raw.shutdown(socket.SHUT_WR)
            said = raw.recv(1000)
    return sent, said


def ill(server, parallel):
    """None of these keeps others from being served, or costs memory."""
    text = {"prompt": "hell", "max_tokens": 5, "temperature": 0}
    want, before = server.ask("/v1/completions", text)["choices"], resident(server)
    # Readers that do not read, on all places but one; and connections on which nothing more comes.
    slow = [server.open("/v1/completions", text | never | {"max_tokens": 1000000, "stream": True}) for _ in range(parallel - 1)]
    half = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(60)]
    for i, connection in enumerate(half):
        connection.sendall((b"", b"POST /v1/comp", b"POST /v1/completions HTTP/1.1\r\nContent-Length: 100\r\n\r\n{")[i % 3])
    for _ in range(3):
        assert server.ask("/v1/completions", text)["choices"] == want
    for connection in [*slow, *half]:
        connection.close()
    idle(server)
    # Lines without an end, headers without number, chunks whose lengths never end: given up after little.
    head = b"POST /v1/completions HTTP/1.1\r\nHost: x\r\n"
    for start, more in ((b"GET /", b"a" * 65536), (head, b"X-A: " + b"a" * 65536), (head, b"X-A: a\r\n" * 8192),
                        (head + b"Transfer-Encoding: chunked\r\n\r\n", b"0" * 65536)):
        sent, said = flood(server, start, more, 100 << 20)
        assert sent < 50 << 20 and (said == b"" or said.startswith(b"HTTP/1.1 4")), (start, sent, said)
    # A body of 100 MB, said beforehand or not.
    for chunked in (False, True):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        data = (b" " * (1 << 20) for _ in range(100))
        connection.request("POST", "/v1/completions", data, {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(100 << 20)},
                           encode_chunked=chunked)
        answer = connection.getresponse()
        assert answer.status == 413 and json.loads(answer.read())["error"]["type"] == "invalid_request_error"
        connection.close()
    assert server.ask("/v1/completions", text)["choices"] == want
    assert resident(server) < before + 60, (before, resident(server))


model, parallel = directory(models / "mamba", work / "mamba"), 3
assert len(pieces) == 29
with Server(tool, model, "--parallel", parallel, "--queue", 20, "--context", 1000001) as served:
    ask = {"prompt": "hello us", "max_tokens": 30, "seed": 3, "n": 2}
    first = served.ask("/v1/completions", ask)["choices"]
    many(served, max(600, requests // 2), 1)  # each of some hundred threads has a stack
    warm = resident(served)
    many(served, requests, 2)
    now = resident(served)
    print(f"{requests} requests: {warm:.1f} MB resident, then {now:.1f}")
    assert now < 1.02 * warm + 6, (warm, now)
    ill(served, parallel)
    # Every place can still be had, all at once, and writes what it wrote.
    streams = [served.open("/v1/completions", ask | never | {"n": 1, "max_tokens": 1000000, "stream": True}) for _ in range(parallel)]
    for stream in streams:
        first_bytes(stream)
    for stream in streams:
        stream.close()
    idle(served)
    assert served.ask("/v1/completions", ask)["choices"] == first
