#!/usr/bin/env python3
"""tool_server.py FAUNA WORK MODELS: tools/fauna serve, spoken to over HTTP: texts are those of tools/fauna generate, also
where they are written at once; streams have the same text as whole answers, errors have the API's shape; a full queue,
clients that leave, requests that take too long, signals, keys, and bodies that are too large or no JSON. The models are
tiny and random: a llama with a context of 32 tokens, and a mamba, which has none, for texts that take long. Both are compiled.
"""
import array
import base64
import contextlib
import functools
import hashlib
import json
import math
import pathlib
import re
import signal
import socket
import sys
import time

import serving
from fauna_tool import Tool, read_tensors
from server_adapters import adapters
from server_drafts import counted, own_drafts
from server_forms import calling, calls, function, signs, structured
from serving import Server, counts, directory, e_acute, end, pieces, streamed

fauna, work, models = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
tool = Tool(fauna, work)
generated = functools.cache(functools.partial(serving.generated, tool))


def prompt_logprobs(server, model):
    """With echo, log-probabilities are those of the prompt's tokens, too: what tools/fauna logits says of them."""
    path, prompts = "/v1/completions", ["minutes as a", "u", "hell is"]
    alone = {"temperature": 0, "max_tokens": 3, "logprobs": 2}
    asked = [server.open(path, alone | {"prompt": prompts, "echo": True, "max_tokens": most}) for most in (3, 0)]  # at once
    continued, read = ([c for c in json.loads(a.getresponse().read())["choices"]] for a in asked)
    for prompt, both, only in zip(prompts, continued, read, strict=True):
        ids = server.ask("/tokenize", {"content": prompt})["tokens"]
        tool.succeeds("logits", model, "--tokens", ",".join(map(str, ids)), "--out", "logits.npy")
        values = array.array("f", (work / "logits.npy").read_bytes()[-4 * len(pieces) * len(ids):])
        rows = [values[i * len(pieces):(i + 1) * len(pieces)] for i in range(len(ids))]
        told = only["logprobs"]
        assert only["text"] == prompt == "".join(told["tokens"]) and len(ids) == len(told["tokens"])
        assert told["token_logprobs"][0] is told["top_logprobs"][0] is None
        assert told["text_offset"] == [len("".join(told["tokens"][:i])) for i in range(len(ids))]
        for i, row in enumerate(rows[:-1]):
            total = math.log(sum(math.exp(x) for x in row))
            assert abs(told["token_logprobs"][i + 1] - (row[ids[i + 1]] - total)) < 1e-4, (i, told)
            assert abs(max(told["top_logprobs"][i + 1].values()) - (max(row) - total)) < 1e-4
        # What follows is what follows without; so are its log-probabilities.
        rest = server.ask(path, alone | {"prompt": prompt})["choices"][0]
        assert both["text"] == prompt + rest["text"] and both["finish_reason"] == rest["finish_reason"]
        for name in told:
            got, expected = both["logprobs"][name], rest["logprobs"][name]
            assert got[:len(ids)] == told[name]
            assert got[len(ids):] == ([len(prompt) + at for at in expected] if name == "text_offset" else expected), (name, got, expected)
    # A stream says the same, and a stop text cuts as it does.
    chunks = server.stream(path, alone | {"prompt": prompts[0], "echo": True})
    tokens = [t for c in chunks for t in (c["choices"][0]["logprobs"] or {"tokens": []})["tokens"]]
    assert streamed(chunks)[0] == continued[0]["text"] and tokens == continued[0]["logprobs"]["tokens"]
    prompt, stop = next((p, c["text"][len(p)]) for p, c in zip(prompts, continued) if c["text"][len(p):][:1].isalpha())
    cut = server.ask(path, alone | {"prompt": prompt, "echo": True, "stop": stop})["choices"][0]
    assert cut["text"] == prompt == "".join(cut["logprobs"]["tokens"])


def completions(server, model):
    path, greedy = "/v1/completions", {"prompt": "ab", "max_tokens": 12, "temperature": 0}
    want = generated(model, "--prompt", "ab").removeprefix("ab")
    got = server.ask(path, greedy)
    assert got["object"] == "text_completion" and got["model"] == model.name and got["id"].startswith("cmpl-")
    (choice,) = got["choices"]
    assert choice == {"index": 0, "text": want, "logprobs": None, "finish_reason": "length"}, (choice, want)
    assert got["usage"] | {"prompt_tokens_details": 0} == {"prompt_tokens": 2, "completion_tokens": 12, "total_tokens": 14,
                                                           "prompt_tokens_details": 0}
    chunks = server.stream(path, greedy | {"stream_options": {"include_usage": True}})
    assert chunks[-1]["choices"] == [] and counts(chunks[-1]) == counts(got)
    assert all(c["usage"] is None for c in chunks[:-1]) and len(chunks) > 10
    assert streamed(chunks) == (want, "length")
    assert all("usage" not in c for c in server.stream(path, greedy))

    # Several texts of several prompts: those that generate draws from the same seed; a prompt as its ids is the same.
    drawn = {"prompt": ["ab", "us"], "n": 2, "max_tokens": 12, "temperature": 1, "seed": 7}
    texts = [t.removeprefix(p) for p in ("ab", "us") for t in
             generated(model, "--prompt", p, "--temperature", 1, "--seed", 7, "--num-samples", 2).split("\n---------------\n")]
    assert len(set(texts)) > 2, texts
    got = server.ask(path, drawn)
    assert [c["text"] for c in got["choices"]] == texts, (got, texts)
    chunks = server.stream(path, drawn)
    assert [streamed(chunks, i)[0] for i in range(4)] == texts
    assert [c["text"] for c in server.ask(path, drawn | {"prompt": [[7, 8], [24]]})["choices"]] == texts
    assert server.ask(path, drawn | {"prompt": [7, 8], "n": 1})["choices"][0]["text"] == texts[0]
    spelt = json.dumps(drawn | {"prompt": [7.0, 8], "n": 1.0, "max_tokens": 12.0, "seed": 7e0})  # whole numbers, too
    assert server.ask(path, spelt.encode())["choices"][0]["text"] == texts[0]
    whole = drawn | {"max_tokens": 3, "logit_bias": {str(end): -100}}
    usage = server.ask(path, whole)["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (3, 12, 15), usage
    assert server.stream(path, whole | {"stream_options": {"include_usage": True}})[-1]["usage"] | {"prompt_tokens_details": 0} == usage | {"prompt_tokens_details": 0}
    unseeded = [server.ask(path, greedy | {"temperature": 1, "max_tokens": 20})["choices"][0]["text"] for _ in range(4)]
    assert len(set(unseeded)) > 1, unseeded

    # Ends: a stop text, the first of several, is not part of the text; the end token has none; the context.
    for stop in (want[5], [want[3:6], want[8]], [want[8], want[3:6]], [want[11] + "Q", want[3:6]]):
        first = min(at for s in ([stop] if isinstance(stop, str) else stop) if (at := want.find(s)) >= 0)
        got = server.ask(path, greedy | {"stop": stop})
        assert (got["choices"][0]["text"], got["choices"][0]["finish_reason"]) == (want[:first], "stop"), (stop, got, want)
        assert streamed(server.stream(path, greedy | {"stop": stop})) == (want[:first], "stop")
    got = server.ask(path, greedy | {"logit_bias": {str(end): 100}})
    assert got["choices"][0]["finish_reason"] == "stop" and got["choices"][0]["text"] == ""
    assert got["usage"]["completion_tokens"] == 1
    never = {"logit_bias": {str(end): -100}}
    got = server.ask(path, greedy | never | {"max_tokens": 1000, "prompt": "abcabcabc"})  # the last is never read
    assert got["usage"] | {"prompt_tokens_details": 0} == {"prompt_tokens": 9, "completion_tokens": 24, "total_tokens": 33,
                                                           "prompt_tokens_details": 0}
    assert got["choices"][0]["finish_reason"] == "length"
    got = server.ask(path, greedy | {"max_tokens": 0, "echo": True, "prompt": ["ab", [7, 7]]})
    assert [c["text"] for c in got["choices"]] == ["ab", "aa"] and got["usage"]["completion_tokens"] == 0
    assert streamed(server.stream(path, greedy | {"echo": True})) == ("ab" + want, "length")

    # Characters of two tokens come whole, and what never becomes one is replaced.
    wide = greedy | {"logit_bias": {str(e_acute[0]): 99, str(e_acute[1]): 99}, "frequency_penalty": 2, "max_tokens": 13}
    text = server.ask(path, wide)["choices"][0]["text"]
    assert "é" in text and set(text) <= {"é", "\ufffd"}, text
    assert streamed(server.stream(path, wide)) == (text, "length")
    assert "é" in [c["choices"][0]["text"] for c in server.stream(path, wide)]

    # Penalties and biases change what is drawn; the distribution that is told is the model's own.
    ids = ",".join(str(i) for i in server.ask("/tokenize", {"content": "ab"})["tokens"])
    tool.succeeds("logits", model, "--tokens", ids, "--out", "logits.npy")
    data = (work / "logits.npy").read_bytes()
    row = array.array("f", data[-4 * len(pieces):])
    total = math.log(sum(math.exp(x) for x in row))
    best = sorted(range(len(row)), key=lambda i: -row[i])[:3]
    told = server.ask(path, greedy | {"logprobs": 3, "max_tokens": 4, "presence_penalty": 2, "logit_bias": {"7": 100}})["choices"][0]
    assert told["text"] == "aaaa" and told["logprobs"]["tokens"] == ["a"] * 4 and told["logprobs"]["text_offset"] == [0, 1, 2, 3]
    assert abs(told["logprobs"]["token_logprobs"][0] - (row[7] - total)) < 1e-4
    for (spelt, logprob), i in zip(told["logprobs"]["top_logprobs"][0].items(), best, strict=True):
        assert abs(logprob - (row[i] - total)) < 1e-4 and spelt == server.ask("/detokenize", {"tokens": [i]})["content"]
    prompt_logprobs(server, model)
    cut = server.ask(path, greedy | {"logprobs": 0, "stop": want[3:6]})["choices"][0]
    assert "".join(cut["logprobs"]["tokens"]) == cut["text"] == want[:3]
    pieces_told = [c["choices"][0] for c in server.stream(path, greedy | {"logprobs": 1})]
    assert [t for c in pieces_told for t in c["logprobs"]["tokens"]] == \
        server.ask(path, greedy | {"logprobs": 1})["choices"][0]["logprobs"]["tokens"]
    fresh = server.ask(path, greedy | {"presence_penalty": 2, "frequency_penalty": 2, "repetition_penalty": 3})["choices"][0]["text"]
    assert fresh != want and len(set(fresh)) > len(set(want)), (fresh, want)
    for narrow in ({"top_p": 0}, {"top_p": 1e-6}, {"top_k": 1}, {"min_p": 1}):
        assert server.ask(path, greedy | narrow | {"temperature": 1})["choices"][0]["text"] == want, narrow


def embeddings(server, model):
    """The mean of what the head reads, of length 1: the head makes of it what the sum of the logits is, but for a factor."""
    path, text = "/v1/embeddings", "minutes us"
    ids = server.ask("/tokenize", {"content": text})["tokens"]
    got = server.ask(path, {"input": [text, "u", text], "model": model.name})
    first, single, again = (d["embedding"] for d in got["data"])
    assert [d["index"] for d in got["data"]] == [0, 1, 2] and got["object"] == "list" and first == again != single
    assert got["usage"] == {"prompt_tokens": 2 * len(ids) + 1, "total_tokens": 2 * len(ids) + 1}, got["usage"]
    assert all(abs(sum(x * x for x in v) - 1) < 1e-5 for v in (first, single))
    for same in (text, ids, [ids]):
        assert server.ask(path, {"input": same, "dimensions": len(first), "encoding_format": "float"})["data"][0]["embedding"] == first
    (packed,) = server.ask(path, {"input": text, "encoding_format": "base64"})["data"]
    assert list(array.array("f", base64.b64decode(packed["embedding"]))) == list(array.array("f", first))
    shape, data = read_tensors(model / "model.safetensors")[1]["lm_head.weight"][1:]
    head, width = array.array("f", data), shape[1]
    tool.succeeds("logits", model, "--tokens", ",".join(map(str, ids)), "--out", "logits.npy")
    rows = array.array("f", (work / "logits.npy").read_bytes()[-4 * len(pieces) * len(ids):])
    logits = [sum(rows[r * len(pieces) + v] for r in range(len(ids))) for v in range(len(pieces))]
    made = [sum(head[v * width + c] * first[c] for c in range(width)) for v in range(len(pieces))]
    factor = sum(a * b for a, b in zip(made, logits)) / sum(b * b for b in made)
    assert width == len(first) and factor > 0 and max(abs(factor * m - l) for m, l in zip(made, logits)) < 1e-4 * max(map(abs, logits)), (made, logits)
    # What spells a special token is text; at once they are what they are alone, also beside a text that is written.
    assert server.ask(path, {"input": "<|im_end|>"})["usage"]["prompt_tokens"] == 4
    asked = [server.open(path, {"input": t}) for t in ("us", text, "a")] + [server.open("/v1/completions", {"prompt": "ab", "max_tokens": 12})]
    assert json.loads([a.getresponse().read() for a in asked][1])["data"][0]["embedding"] == first
    for wrong, param in ((None, "input"), ("", "input"), ([], "input"), (["a", ""], "input"), ([29], "input"), (["a"] * 2049, "input"), (3, "input")):
        server.refused(path, {"input": wrong}, 400, param)
    server.refused(path, {"input": "a" * 33}, 400, "input", "context_length_exceeded")
    server.refused(path, {"input": "a", "encoding_format": "hex"}, 400, "encoding_format")
    server.refused(path, {"input": "a", "dimensions": 3}, 400, "dimensions", "unsupported_parameter")
    server.refused(path, {"input": "a", "model": "gpt-4"}, 404, "model", "model_not_found")


def fill_in(server):
    """What stands before and behind becomes a prompt by the tokenizer's own tokens."""
    path, greedy = "/v1/completions", {"max_tokens": 6, "temperature": 0}
    want = server.ask(path, greedy | {"prompt": [0, 7, 8, 1, 9, 2]})
    for prompt in ("ab", [7, 8]):
        got = server.ask(path, greedy | {"prompt": prompt, "suffix": "c"})
        assert got["choices"] == want["choices"] and counts(got) == counts(want), (got, want)
    empty = server.ask(path, greedy | {"prompt": ["", "a"], "suffix": "c"})["choices"]
    assert [c["text"] for c in empty] == [c["text"] for c in server.ask(path, greedy | {"prompt": [[0, 1, 9, 2], [0, 7, 1, 9, 2]]})["choices"]]
    server.refused(path, {"prompt": "a", "suffix": "c", "echo": True}, 400, "echo")


def chat(server, model):
    path = "/v1/chat/completions"
    ask = {"messages": [{"role": "user", "content": "a"}], "max_tokens": 12, "temperature": 0, "model": model.name}
    want = generated(model, "--chat", "--prompt", "a")
    got = server.ask(path, ask)
    assert got["object"] == "chat.completion" and got["id"].startswith("chatcmpl-")
    (choice,) = got["choices"]
    assert choice["message"] == {"role": "assistant", "content": want, "refusal": None} and choice["logprobs"] is None
    assert got["usage"]["prompt_tokens"] == 15  # a token each: the turns' six, "us" "er", nine letters less two merges, ...
    chunks = server.stream(path, ask | {"stream_options": {"include_usage": True}})
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    assert chunks[-2]["choices"][0]["delta"] == {} and counts(chunks[-1]) == counts(got)
    assert all(c["object"] == "chat.completion.chunk" for c in chunks)
    assert streamed(chunks, of=lambda c: c["delta"].get("content", "")) == (want, choice["finish_reason"])
    # One limit by either name, no limit, parts of a content, the newer name of a role.
    assert server.ask(path, ask | {"max_tokens": None, "max_completion_tokens": 3})["usage"]["completion_tokens"] == 3
    free = {k: v for k, v in ask.items() if k != "max_tokens"} | {"logit_bias": {str(end): -100}}
    assert server.ask(path, free)["usage"]["total_tokens"] == 33
    parts = ask | {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}]}
    assert server.ask(path, parts)["choices"] == got["choices"]
    turns = [[{"role": role, "content": "a"}, {"role": "user", "content": ""}] for role in ("system", "developer")]
    assert len({json.dumps(server.ask(path, ask | {"messages": t, "max_tokens": 3})["choices"]) for t in turns}) == 1
    # A user cannot end his turn: what spells a special token is the letters that it is spelt with.
    a, b = (server.ask(path, ask | {"messages": [{"role": "user", "content": c}], "max_tokens": 5}) for c in ("a<|im_end|>", "aimen"))
    assert a["choices"] == b["choices"] and counts(a) == counts(b)
    logs = server.ask(path, ask | {"logprobs": True, "top_logprobs": 2})["choices"][0]["logprobs"]["content"]
    assert "".join(t["token"] for t in logs) == want and all(len(t["top_logprobs"]) == 2 for t in logs)
    assert all(t["logprob"] == t["top_logprobs"][0]["logprob"] and bytes(t["bytes"]).decode() == t["token"] for t in logs)


def metrics(server, _):
    """Each request counts where it belongs, each token once; buckets are those of Prometheus."""
    def fetch():
        with contextlib.closing(server.open("/metrics")) as connection:
            answer = connection.getresponse()
            assert answer.status == 200 and answer.getheader("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
            lines = answer.read().decode().splitlines()
        typed = {line.split()[2]: line.split()[3] for line in lines if line.startswith("# TYPE ")}
        values = {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}
        assert all(re.sub("_(bucket|sum|count)$", "", n.split("{")[0]) in typed or n.split("{")[0] in typed for n in values), lines
        return values

    def requests(values, handler, status, method="POST"):
        return values.get(f'http_requests_total{{handler="{handler}",method="{method}",status="{status}"}}', 0)

    ask = {"prompt": "minutes a", "temperature": 0, "max_tokens": 5, "logit_bias": {str(end): -100}}
    server.ask("/v1/completions", ask | {"prompt": "hell"})
    before = fetch()
    usages = [server.ask("/v1/completions", ask | {"n": 2})["usage"], server.stream("/v1/completions", ask | {"stream_options": {"include_usage": True}})[-1]["usage"]]
    server.refused("/v1/completions", {"prompt": 3}, 400, "prompt")
    server.refused("/v1/nowhere" + "x" * 50, None, 404, code="unknown_url")
    server.ask("/v1/models/llama")
    deadline = time.monotonic() + 10
    while requests(after := fetch(), "/v1/completions", 200) != requests(before, "/v1/completions", 200) + 2:  # counted when all is sent
        assert time.monotonic() < deadline, after
    grown = {name: value - before.get(name, 0) for name, value in after.items()}
    assert requests(grown, "/v1/completions", 400) == 1 and requests(grown, "other", 404, "GET") == 1, grown
    assert requests(grown, "/v1/models/{model}", 200, "GET") == 1
    tokens, texts = sum(u["completion_tokens"] for u in usages), 3
    assert tokens == 15 == grown["fauna_generation_tokens_total"], grown
    assert grown["fauna_prompt_tokens_total"] == texts * usages[1]["prompt_tokens"]
    assert grown["fauna_prefix_cache_hits_total"] == sum(u["prompt_tokens_details"]["cached_tokens"] for u in usages) > 0
    for name, count in (("fauna_time_to_first_token_seconds", texts), ("fauna_time_per_output_token_seconds", tokens - texts)):
        buckets = [v for n, v in after.items() if n.startswith(name + "_bucket")]
        assert buckets == sorted(buckets) and buckets[-1] == after[name + "_count"] and len(buckets) > 10
        assert grown[name + "_count"] == count and after[f'{name}_bucket{{le="0.1"}}'] > 0 and 0 < grown[name + "_sum"] < 60
    assert after["fauna_num_requests_running"] == after["fauna_num_requests_waiting"] == 0


def refusals(server, model):
    text, talk = "/v1/completions", "/v1/chat/completions"
    say = {"messages": [{"role": "user", "content": "a"}]}
    wrong = [("temperature", "hot"), ("temperature", 2.1), ("temperature", True), ("top_p", -0.1), ("n", 0), ("n", 1.5), ("n", 2**40),
             ("n", 2**64 + 1), ("n", -(2**70)), ("max_tokens", -1), ("stop", ["a"] * 5), ("stop", ""), ("stop", [1]), ("seed", "x"), ("seed", 1.5), ("seed", 1e30), ("n", 1e30),
             ("stream", 1), ("presence_penalty", 3), ("frequency_penalty", -3), ("logit_bias", [1]), ("logit_bias", {"29": 1}),
             ("logit_bias", {"a": 1}), ("logit_bias", {"1.0": 1}), ("logit_bias", {"1": 101}), ("logit_bias", {"1": None}), ("model", 3), ("top_k", -2)]
    for name, value in wrong:
        server.refused(text, {"prompt": "a", name: value}, 400, name)
        server.refused(talk, say | {name: value}, 400, name)
    for prompt in (None, 3, [], [[]], [3, "a"], ["a", 3], [-1], [29], [1.5], [2**31], {"a": 1}, "", [""]):
        server.refused(text, {"prompt": prompt}, 400, "prompt")
    server.refused(text, {"prompt": ["a"] * 65, "n": 2}, 400, "prompt")
    server.refused(text, {"prompt": "a" * 33}, 400, "prompt", "context_length_exceeded")
    server.refused(talk, {"messages": [{"role": "user", "content": "a" * 33}]}, 400, "messages", "context_length_exceeded")
    server.refused(text, {"prompt": "a", "logprobs": 21}, 400, "logprobs")
    server.refused(text, {"prompt": "a", "stream_options": {}}, 400, "stream_options")
    server.refused(text, {"prompt": "a", "model": "gpt-4"}, 404, "model", "model_not_found")
    for name, value in (("suffix", "b"), ("best_of", 2)):  # the tokenizer has no tokens for the first
        server.refused(text, {"prompt": "a", name: value, "logprobs": 1}, 400, name, "unsupported_parameter")
    for name, value in (("tools", [function("a")]), ("functions", [{}]), ("modalities", ["audio"]), ("web_search_options", {})):
        server.refused(talk, say | {name: value}, 400, name, "unsupported_parameter")  # its template knows no tools
    server.refused(talk, say | {"tools": [{}]}, 400, "tools[0].type")
    server.refused(talk, say | {"tool_choice": "required"}, 400, "tool_choice")
    server.refused(talk, say | {"top_logprobs": 1}, 400, "top_logprobs")
    for messages, param in ((None, "messages"), ([], "messages"), ("a", "messages"), (["a"], "messages[0]"),
                            ([{"role": "tool", "content": "a"}], "messages[0].tool_call_id"), ([{"role": "function", "content": "a"}], "messages[0].role"), ([{"content": "a"}], "messages[0].role"),
                            ([{"role": "user"}], "messages[0].content"), ([{"role": "user", "content": 3}], "messages[0].content"),
                            ([{"role": "user", "content": [{"type": "image_url"}]}], "messages[0].content")):
        server.refused(talk, {"messages": messages}, 400, param)
    for body in (b"", b"{", b"[]", b"3", b'{"prompt": "\xff"}', b'{"prompt": "\\ud800"}', b"[" * 1000000, b'{"a":' * 100000, b"\0",
                 b'{"n": 1e999}'):
        server.refused(text, body, 400)
    # A JSON string without a type, and a form, which is none.
    server.ask(text, b'{"prompt": "a", "max_tokens": 1}', {"Content-Type": "application/x-www-form-urlencoded"})
    form = b'--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na\r\n--x--\r\n'
    server.refused(text, form, 400, headers={"Content-Type": "multipart/form-data; boundary=x"})
    # What is not there, and bodies that are too large: however they are sent, and wherever to.
    server.refused("/v1/nowhere", None, 404, code="unknown_url")
    server.refused("/v1/models/other", None, 404, "model", "model_not_found")
    server.refused("/v1/models/" + "a" * 8000, None, 404, "model", "model_not_found")
    server.refused("/" + "a" * 8000, {}, 404, code="unknown_url")
    large = b" " * (17 << 20)
    for path in (text, talk, "/tokenize", "/v1/nowhere"):
        server.refused(path, large, 413)
    connection = server.open(text, None)
    connection.getresponse().read()
    connection.request("POST", text, (large[:1 << 20] for _ in range(17)), encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
    assert connection.getresponse().read().startswith(b'{"error"')
    connection.request("POST", text, b'{"prompt": "a", "max_tokens": 1}')  # on the same connection
    assert json.loads(connection.getresponse().read())["usage"]["completion_tokens"] == 1
    connection.close()
    for garbage in (b"\0" * 100, b"GET\r\n\r\n", b"POST /v1/completions HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"A" * 100000):
        with socket.create_connection(("127.0.0.1", server.port)) as raw, contextlib.suppress(OSError):  # it may have closed
            raw.sendall(garbage)
            raw.shutdown(socket.SHUT_WR)
            raw.recv(1000)
    # Behind a body that is broken, or that nobody reads, nothing is a request, also where it came with it.
    inner = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    sized = b" HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(inner)
    for first, status in ((b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX\r\n", b"4"),
                          (b"GET /v1/models" + sized, b"200"), (b"TRACE /tokenize" + sized, b"405"), (b"OPTIONS /tokenize" + sized, b"405"),
                          (b"QUERY /tokenize" + sized, b"405"), (b"DELETE /v1/models" + sized, b"405")):
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as raw:
            raw.sendall(first + inner)
            answers = b""
            with contextlib.suppress(OSError):
                while more := raw.recv(65536):
                    answers += more
        assert answers.count(b"HTTP/1.1 ") == 1 and answers.startswith(b"HTTP/1.1 " + status), (first, answers)
    # What the model does not know and nobody need know is passed over.
    server.ask(text, {"prompt": "a", "max_tokens": 1, "user": "me", "store": True, "nonsense": {}, "suffix": None, "n": None})


def page(server, _):
    """Its own style and script may run in a browser, and nothing else."""
    with contextlib.closing(server.open("/")) as connection:
        answer = connection.getresponse()
        text = answer.read().decode()
    assert answer.status == 200 and answer.getheader("Content-Type") == "text/html; charset=utf-8"
    assert answer.getheader("X-Content-Type-Options") == "nosniff" and answer.getheader("Referrer-Policy") == "no-referrer"
    assert text.startswith("<!doctype html>") and text.endswith("</html>\n")
    policy = dict(rule.split(" ", 1) for rule in answer.getheader("Content-Security-Policy").split("; "))
    for tag in ("style", "script"):
        (inside,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert policy[f"{tag}-src"] == f"'sha256-{base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()}'", policy
    assert [policy[name] for name in ("default-src", "connect-src", "frame-ancestors", "form-action")] == ["'none'", "'self'"] + ["'none'"] * 2
    assert not re.search(r"(src|href)=\"(?!data:)", text) and "style=" not in text and " on" not in "".join(re.findall("<[a-z][^>]*>", text))


def description(server, _):
    """Every endpoint that /openapi.json has is there, with these methods and no others. (One that it has not, no server starts with.)"""
    told = server.ask("/openapi.json")
    assert told["openapi"].startswith("3.") and len(told["paths"]) == 11, list(told["paths"])
    for endpoint, operations in told["paths"].items():
        path = endpoint.replace("{model}", "llama")
        for method in ("get", "post", "put", "patch", "delete", "options", "trace", "query"):
            with contextlib.closing(server.open(path, {} if method == "post" else None, method=method.upper())) as connection:
                answer = connection.getresponse()
                text = answer.read().decode()
            if method in operations:
                assert answer.status == (400 if method == "post" else 200), (endpoint, method, text)
                assert answer.getheader("Content-Type") in operations[method]["responses"][str(answer.status)].get("content", "application/json")
            else:
                assert answer.status == 405 and json.loads(text)["error"]["code"] == "method_not_allowed", (endpoint, method, text)
                assert answer.getheader("Allow") == ("GET, HEAD" if "get" in operations else "POST"), answer.headers


def small_things(server, model):
    assert server.ask("/health") == {"status": "ok"}
    (entry,) = server.ask("/v1/models")["data"]
    assert entry["id"] == model.name and entry["object"] == "model" and entry["max_model_len"] == 32
    assert server.ask(f"/v1/models/{model.name}") == entry
    assert server.ask("/tokenize", {"content": "us<|im_end|>é"})["tokens"] == [24, 2, 5, 6]
    assert server.ask("/tokenize", {"content": "<|im_end|>", "parse_special": False})["tokens"] == [11, 12, 10, 13]  # "imen": all it has
    assert server.ask("/detokenize", {"tokens": [24, 2, 5, 6]}) == {"content": "us<|im_end|>é"}
    server.refused("/tokenize", {}, 400, "content")
    server.refused("/detokenize", {"tokens": [29]}, 400, "tokens")
    tool.refused(f"cannot listen on 127.0.0.1 port {server.port}", "serve", model, "--port", server.port, early=False)
    tool.refused("--context 33, expected at most the model's 32", "serve", model, "--port", 0, "--context", 33, early=False)
    with open("/dev/full", "wb") as full:
        status, _, errors = tool.run("serve", model, "--port", 0, stdout=full)
    assert status == 1 and "No space left on device" in errors, (status, errors)


def keys(model):
    (work / "keys").write_text("first-key\r\n\nsecond-key\n")
    with Server(tool, model, "--api-key-file", "keys", "--name", "other/name") as server:
        assert server.ask("/health") == {"status": "ok"}
        for headers in ({}, {"X-Api-Key": ""}, *({"Authorization": a} for a in ("Bearer first-ke", "first-key", "Bearer ", "Bearer first-key2"))):
            for path, body in (("/v1/models", None), ("/metrics", None), ("/v1/completions", {"prompt": "a"}), ("/tokenize", {"content": "a"})):
                server.refused(path, body, 401, code="invalid_api_key", headers=headers)
        for headers in ({"Authorization": "Bearer first-key"}, {"X-Api-Key": "second-key"}):
            assert server.ask("/v1/models/other/name", headers=headers)["id"] == "other/name"
    (work / "keys").write_text("\n")
    tool.refused("keys has no key", "serve", model, "--api-key-file", "keys", early=False)
    tool.refused("there is no file nowhere", "serve", model, "--api-key-file", "nowhere")


def busy(model):
    """With one place, one waits, the third is refused; whoever leaves makes room, whether he was served or waited."""
    path, long = "/v1/completions", {"prompt": "ab", "max_tokens": 100000000, "logit_bias": {str(end): -100}}
    short = {"prompt": "ab", "max_tokens": 3}

    def first_bytes(connection):
        answer = connection.getresponse()
        assert answer.status == 200 and answer.read(6) == b"data: "
        return answer

    with Server(tool, model, "--context", 100000001, "--parallel", 1, "--queue", 1) as server:
        def full():
            error = server.refused(path, short, 429, code="rate_limit_exceeded")
            assert error["type"] == "rate_limit_error" and int(server.headers["Retry-After"]) > 0

        runs = server.open(path, long | {"stream": True})
        first_bytes(runs)
        waits = server.open(path, long)
        time.sleep(0.5)
        full()
        assert server.ask("/health") == {"status": "ok"}
        waits.close()  # who waits
        time.sleep(0.5)
        with contextlib.closing(server.open("/metrics")) as connection:
            told = connection.getresponse().read().decode()
        assert "fauna_num_requests_running 1\n" in told and "fauna_num_requests_waiting 0\n" in told, told
        follows = server.open(path, long | {"stream": True})
        time.sleep(0.5)
        full()
        runs.close()  # a stream
        first_bytes(follows)
        follows.close()
        whole = server.open(path, long)
        time.sleep(0.5)
        whole.close()  # one that is not a stream
        assert server.ask(path, short)["usage"]["completion_tokens"] <= 3

        # A signal: what runs is finished, what waits is refused, nothing new is taken.
        some = long | {"max_tokens": 60000}
        runs = server.open(path, some | {"stream": True})
        stream = first_bytes(runs)
        waits = server.open(path, short)
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        answer = waits.getresponse()
        assert answer.status == 503 and json.loads(answer.read())["error"]["type"] == "unavailable_error"
        rest = stream.read()
        assert rest.endswith(b"data: [DONE]\n\n") and rest.count(b"\n\n") > 1000, rest[-500:]
        assert server.process.wait(20) == 0
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", server.port))
            raise AssertionError("a server that is gone was reached")

    # Twice: it ends at once.
    with Server(tool, model, "--context", 100000001) as server:
        runs = server.open(path, long | {"stream": True})
        first_bytes(runs)
        server.process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert server.process.poll() is None
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(5) == -signal.SIGINT


def together(server, model):
    """Texts that are written at once are those that are written alone; what has been read is not read again."""
    path = "/v1/completions"
    prompts = ["ab", "hello", "ca", "ab", "er us is", "tin", "hell", "a", "mama", "ab us"]
    wanted = [generated(model, "--prompt", p, "--seed", i, "--temperature", 0 if i % 2 else 1).removeprefix(p) for i, p in enumerate(prompts)]
    asked = [server.open(path, {"prompt": p, "max_tokens": 12, "seed": i, "temperature": 0 if i % 2 else 1}) for i, p in enumerate(prompts)]
    for connection, want in zip(asked, wanted):
        got = json.loads(connection.getresponse().read())["choices"][0]
        assert got["text"] == want, (got, want)
        connection.close()
    usage = [server.ask(path, {"prompt": "busier as it", "max_tokens": 1, "n": n})["usage"] for n in (1, 3)]
    assert usage[0]["prompt_tokens_details"]["cached_tokens"] == 0, usage
    return usage[1]["prompt_tokens_details"]["cached_tokens"], usage[1]["prompt_tokens"]


def late(model):
    with Server(tool, model, "--context", 100000001, "--time-out", 1, "--parallel", 2) as server:
        body = {"prompt": "ab", "max_tokens": 100000000, "logit_bias": {str(end): -100}}
        assert server.ask("/v1/completions", body, status=504)["error"]["type"] == "timeout_error"
        with contextlib.closing(server.open("/v1/completions", body | {"stream": True})) as connection:
            *_, last = connection.getresponse().read().strip().split(b"\n\n")
        assert json.loads(last.removeprefix(b"data: "))["error"]["type"] == "timeout_error", last
        assert server.ask("/v1/completions", body | {"max_tokens": 3})["usage"]["completion_tokens"] == 3


def watched(model):
    """Steps are timed block by block, those that did anything and not the first; what is counted is drawn as curves."""
    with Server(tool, model, "--parallel", 2, "--profile", 3, "--trace", "steps.json", "--tensorboard", "curves") as server:
        text = server.ask("/v1/completions", {"prompt": "ab", "max_tokens": 12, "temperature": 0})["choices"][0]["text"]
        assert text == generated(model, "--prompt", "ab").removeprefix("ab")
    spans = json.loads((work / "steps.json").read_text())["traceEvents"]
    steps = [s for s in spans if s["name"] == "step"]
    assert len(steps) == 3 and {s["cat"] for s in spans} == {"serve", "forward"}, spans
    of_blocks = [s for s in spans if s["cat"] == "forward"]
    assert len({s["name"] for s in of_blocks}) > 3 and len(of_blocks) % 3 == 0
    assert all(any(s["ts"] <= b["ts"] and b["ts"] + b["dur"] <= s["ts"] + s["dur"] + 0.01 for s in steps) for b in of_blocks)
    assert "where the time of 3 steps went" in (work / "stderr").read_text()
    (events,) = (work / "curves").iterdir()
    told = events.read_bytes()
    for name in (b"requests_per_second", b"tokens_per_second/written", b"seconds/first_token", b"seconds/further_token"):
        assert told.count(name) == 1, (name, told)
    assert b"drafts" not in told
    tool.refused("--trace without --profile", "serve", model, "--trace", "steps.json")


def one_file(model):
    """A GGUF file has all that there is in a directory."""
    tool.succeeds("convert", model, "one.gguf", "--type", "F32")
    with Server(tool, "one.gguf") as server:
        (told,) = server.ask("/v1/models")["data"]
        assert told["id"] == "one", told
        text = server.ask("/v1/completions", {"prompt": "ab", "max_tokens": 12, "temperature": 0})["choices"][0]["text"]
        assert text == generated(model, "--prompt", "ab").removeprefix("ab")
        body = {"messages": [{"role": "user", "content": "a"}], "max_tokens": 3, "temperature": 0}
        assert server.ask("/v1/chat/completions", body)["usage"]["prompt_tokens"] > 3
    tool.refused("--draft ngram", "serve", "one.gguf", "--draft", model)
    tool.refused("no adapter_config.json", "serve", "one.gguf", "--lora", f"x={model}")
    tool.refused("--quantize Q9_9, expected one of", "serve", model, "--quantize", "Q9_9")


def no_template(model):
    with Server(tool, model) as server:
        server.refused("/v1/chat/completions", {"messages": [{"role": "user", "content": "a"}]}, 400, code="no_chat_template")
        assert "no /v1/chat/completions" in (work / "stderr").read_text()


llama, mamba = directory(models / "llama_untied", work / "llama"), directory(models / "mamba", work / "mamba", chat=False)
with Server(tool, llama) as served:
    for check in (page, description, metrics, small_things, completions, embeddings, chat, refusals):
        check(served, llama)
with Server(tool, llama, "--parallel", 4, "--chunk", 4) as served:
    # Keys and values go back to any token: of a prompt all but the last is there.
    held, length = together(served, llama)
    prompt_logprobs(served, llama)
    assert held == 3 * (length - 1), (held, length)
# Drafts change no text, whoever makes them.
for how in ("ngram", mamba, f"ngram+{mamba}"):
    with Server(tool, llama, "--parallel", 4, "--chunk", 4, "--draft", how, "--draft-max", 3) as served:
        for check in (completions, chat, together, prompt_logprobs):
            check(served, llama)
        counted(served)
further = directory(models.parent / "deepseek_v3_further", work / "further")
own_drafts(tool, llama, mamba, further, (completions, chat, together))
for drafts in ((), ("--draft", "ngram", "--draft-max", 3), ("--draft", llama, "--draft-max", 3)):
    with Server(tool, mamba, "--parallel", 4, "--chunk", 4, *drafts) as served:
        # A state does not: it is kept after whole chunks of 4.
        held, length = together(served, mamba)
        prompt_logprobs(served, mamba)
        assert held == 3 * ((length - 1) // 4 * 4), (held, length)
        if drafts:
            counted(served)
with Server(tool, directory(models / "mamba", work / "signs", pieces=signs, merges=('" :',)), "--parallel", 4) as served:
    structured(served)
for style, begins, more in (("tagged", "<tool_call>", "<>/_"), ("bare", "", "p;")):
    caller = directory(models / "mamba", work / style, pieces=[*calling, *more], merges=())
    (caller / "chat_template.jinja").write_text(
        "{% for t in tools or [] %}" + begins + "{{ t.function.name }}{% endfor %}{% for m in messages %}{{ m.content }}"
        "{% for c in m.tool_calls or [] %}{{ c.function.name }}{{ c.function.arguments.a }}{% endfor %}{% endfor %}")
    with Server(tool, caller, "--parallel", 4) as served:
        calls(served, style)
around = [f"<|fim_{where}|>" for where in ("prefix", "suffix", "middle")]
with Server(tool, directory(models / "mamba", work / "fim", pieces=[*around, *pieces[3:]], chat=False)) as served:
    fill_in(served)
adapters(tool, llama, mamba)
late(mamba)
keys(llama)
watched(mamba)
one_file(llama)
no_template(mamba)
busy(mamba)
