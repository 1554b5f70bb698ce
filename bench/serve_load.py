#!/usr/bin/env python3
"""What a server of SmolLM2 does under load, from this process, on loopback. For tools/bench; alone:

    bench/serve_load.py DIR [--llama-server PROGRAM --gguf FILE]     a line of JSON for each figure

Prompts are ids drawn by a seed, no two with the same beginning but where that is measured; end tokens are forbidden, so that answers
have the length that is asked for. llama-server answers the same requests in turn, with as many slots and threads.
"""
import argparse
import contextlib
import http.client
import json
import os
import pathlib
import random
import signal
import statistics
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
ENDS = {"0": -100, "2": -100}  # <|endoftext|>, <|im_end|>
SCHEMA = {"type": "object", "properties": {"words": {"type": "array", "minItems": 60, "items": {"type": "string", "minLength": 3, "maxLength": 9}}},
          "required": ["words"], "additionalProperties": False}


class Server:
    """A server that has been started, until the block ends."""

    def __init__(self, command, ready, port=None):
        self.process = subprocess.Popen(list(map(str, command)), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        if port is None:
            line = self.process.stdout.readline().decode()
            assert line.startswith(ready), line
            port = int(line.rsplit(":", 1)[1])
        self.port = port
        while not self.healthy():
            assert self.process.poll() is None, f"{command[0]} has ended"
            time.sleep(0.2)

    def healthy(self):
        try:
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)) as connection:
                connection.request("GET", "/health")
                return connection.getresponse().status == 200
        except OSError:
            return False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)

    def ask(self, prompt, tokens, chat=None):
        """Seconds to the first token, to the last, and how many there were. chat: a message and what its request says beside."""
        body = {"max_tokens": tokens, "temperature": 0, "stream": True, "stream_options": {"include_usage": True}, "logit_bias": ENDS}
        body |= {"messages": [{"role": "user", "content": chat[0]}]} | chat[1] if chat else {"prompt": prompt}
        begin = time.monotonic()
        first = last = None
        written = 0
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)) as connection:
            connection.request("POST", "/v1/chat/completions" if chat else "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            for line in answer:
                if not line.startswith(b"data: {"):
                    continue
                event = json.loads(line[6:])
                if event.get("usage"):
                    written = event["usage"]["completion_tokens"]
                if event.get("choices"):
                    last = time.monotonic()
                    first = first or last
        return first - begin, last - begin, written

    def at_once(self, prompts, tokens):
        """Tokens a second of all of these."""
        written = [0] * len(prompts)

        def one(i):
            written[i] = self.ask(prompts[i], tokens)[2]

        threads = [threading.Thread(target=one, args=(i,)) for i in range(len(prompts))]
        begin = time.monotonic()
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        return sum(written) / (time.monotonic() - begin)


def ours(model, parallel):
    return Server([ROOT / "tools/fauna", "serve", model, "--dtype", "bf16", "--port", 0, "--parallel", parallel, "--context", 4096],
                  "listening on http://")


def measure(model, wanted, llama=None):
    """figure -> record, of those that are wanted. llama: a llama-server and a GGUF file of the same weights."""
    draw = random.Random(1)
    prompt = lambda n: [draw.randrange(100, 40000) for _ in range(n)]
    result = {}
    with ours(model, 10) as server, contextlib.ExitStack() as stack:
        peer = None
        if llama:
            port = 8000 + os.getpid() % 1000
            peer = stack.enter_context(Server([llama[0], "-m", llama[1], "-np", 8, "-c", 8 * 512, "-t", os.cpu_count(), "--port", port,
                                               "--no-webui"], "", port))
        server.at_once([prompt(16)], 4)
        if {"serve_throughput", "serve_batch_gain"} & set(wanted):
            eight, one, theirs = [], [], []
            for _ in range(3):
                eight.append(server.at_once([prompt(128) for _ in range(8)], 128))
                one.append(server.at_once([prompt(128)], 128))
                if peer:
                    theirs.append(peer.at_once([prompt(128) for _ in range(8)], 128))
            result["serve_throughput"] = {"value": statistics.median(eight), "peer": "llama-server -np 8" if peer else None,
                                          "peer_value": statistics.median(theirs) if peer else None,
                                          "ratio": statistics.median(a / b for a, b in zip(eight, theirs)) if peer else None}
            result["serve_batch_gain"] = {"value": statistics.median(a / b for a, b in zip(eight, one)),
                                          "counters": {"of eight": statistics.median(eight), "of one": statistics.median(one)}}
        if "serve_latency" in wanted:
            idle = statistics.median(server.ask(prompt(128), 1)[0] for _ in range(5))
            ends = threading.Event()

            def stream():
                while not ends.is_set():
                    server.ask(prompt(64), 256)

            streams = [threading.Thread(target=stream) for _ in range(7)]
            for s in streams:
                s.start()
            waits = []
            for _ in range(20):
                long = threading.Thread(target=server.ask, args=(prompt(2048), 1))
                long.start()
                time.sleep(0.05)
                waits.append(server.ask(prompt(128), 1)[0])
                long.join()
            ends.set()
            for s in streams:
                s.join()
            slow = sorted(waits)[-1 - len(waits) // 20]
            result["serve_latency"] = {"value": slow / idle, "counters": {"idle ms": 1e3 * idle, "p95 ms": 1e3 * slow}}
        if "prefix_cache" in wanted:
            shares = []
            for _ in range(5):
                begins = prompt(1024)
                first, second = (server.ask(begins + prompt(16), 1)[0] for _ in range(2))
                shares.append(second / first)
            result["prefix_cache"] = {"value": statistics.median(shares)}
        if "schema_cost" in wanted:
            asked, form = "Write a list of words.", {"response_format": {"type": "json_schema", "json_schema": {"name": "words", "schema": SCHEMA}}}

            def speed(more):
                first, last, written = server.ask(None, 192, chat=(asked, more))
                return (written - 1) / (last - first)

            speed(form)  # masks are made once
            result["schema_cost"] = {"value": statistics.median(speed(form) / speed({}) for _ in range(5))}
    return {figure: record for figure, record in result.items() if figure in wanted}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--llama-server")
    parser.add_argument("--gguf")
    o = parser.parse_args()
    figures = ("serve_throughput", "serve_batch_gain", "serve_latency", "prefix_cache", "schema_cost")
    for name, told in measure(o.model, figures, (o.llama_server, o.gguf) if o.llama_server else None).items():
        print(json.dumps({"figure": name} | told), flush=True)
