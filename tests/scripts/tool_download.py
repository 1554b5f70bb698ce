#!/usr/bin/env python3
"""tool_download.py FAUNA WORK MODELS: what `fauna download` makes of a hub on this machine: a model, whole, gone on with after a
cut, not fetched twice; bytes, lists, paths, tokens and answers that are wrong; and a hub's cache as a model directory. Nothing is
compiled.
"""
import fcntl
import hashlib
import http.server
import json
import os
import pathlib
import shutil
import sys
import threading
import urllib.parse

from fauna_tool import Tool

work, models = pathlib.Path(sys.argv[2]).resolve(), pathlib.Path(sys.argv[3])
tool = Tool(sys.argv[1], work)
token, commit = "hf_secretOfThisTest", "c0ffee" * 6 + "c0de"
golden = models / "llama_sharded"
shard = "model-00002-of-00003.safetensors"
needed = {p.name: p.read_bytes() for p in golden.iterdir() if p.name == "config.json" or p.name.startswith("model")}
needed |= {"tokenizer.json": b"{}", "generation_config.json": b'{"eos_token_id": 2}', "chat_template.jinja": b"",
           "rwkv_vocab_v20230424.txt": b"1 'a' 1"}
others = {"README.md": b"read", "pytorch_model.bin": b"pickled", "onnx/model.safetensors": b"deeper", "flax model.gguf": b"a" * 70000,
          "sub/of a folder/small.gguf": b"b" * 700}


def git_hash(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def is_large(path):
    return path.endswith((".safetensors", ".gguf", ".bin"))


class Hub:
    """What it has and how it misbehaves; `asked` and `asked_store` are the requests to it and to its store of large files."""

    def __init__(self):
        self.files = dict(needed | others)
        self.listed = {}        # path: the entry of the list that stands for the file's own
        self.sent = {}          # path: bytes instead of the file's
        self.cuts = {}          # path: after how many bytes each of the next connections is cut
        self.missing = set()
        self.ranges = True
        self.status = None      # of whatever is asked
        self.token = token
        self.body = None        # of the list
        self.asked, self.asked_store = [], []

    def entry(self, path):
        data = self.files[path]
        entry = {"rfilename": path, "size": len(data), "blobId": git_hash(data)}
        if is_large(path):
            entry["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
        return entry

    def list(self):
        entries = [self.entry(p) for p in self.files if p not in self.listed] + list(self.listed.values())
        return json.dumps({"id": "org/tiny", "sha": commit, "siblings": entries}).encode()


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", len(body))
        self.end_headers()
        self.wfile.write(body)

    def send_file(self, path):
        data = hub.sent.get(path, hub.files[path])
        start = int(self.headers.get("Range", "bytes=0-")[6:-1]) if hub.ranges else 0
        self.send_response(206 if start > 0 else 200)
        if start > 0:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", len(data) - start)
        self.end_headers()
        self.wfile.write(data[start : start + hub.cuts[path].pop(0)] if hub.cuts.get(path) else data[start:])


class Front(Handler):
    def do_GET(self):
        hub.asked.append((self.path, self.headers.get("Range"), self.headers.get("Authorization")))
        path = urllib.parse.unquote(self.path)
        resolve = f"/org/tiny/resolve/{commit}/"
        if hub.token and self.headers.get("Authorization") != f"Bearer {hub.token}":
            self.answer(401)
        elif hub.status:
            self.answer(hub.status)
        elif self.path in ("/api/models/org/tiny/revision/main?blobs=true", "/api/models/org/tiny/revision/refs%2Fpr%2F1?blobs=true"):
            self.answer(200, hub.list() if hub.body is None else hub.body)
        elif path.startswith(resolve) and path[len(resolve) :] in hub.files and path[len(resolve) :] not in hub.missing:
            if is_large(path):
                self.answer(302, Location=f"http://127.0.0.2:{store.server_port}/{self.path[len(resolve) :]}")
            else:
                self.send_file(path[len(resolve) :])
        else:
            self.answer(404)


class Store(Handler):
    def do_GET(self):
        hub.asked_store.append((self.path, self.headers.get("Range"), self.headers.get("Authorization")))
        self.send_file(urllib.parse.unquote(self.path)[1:])


def serve(address, handler):
    server = http.server.ThreadingHTTPServer((address, 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


front, store = serve("127.0.0.1", Front), serve("127.0.0.2", Store)
out = work / "model"

# curl as it is, but for a note of its command line; and a user whose curl tells all.
(work / ".curlrc").write_text("verbose\n")
(work / "bin").mkdir()
(work / "bin/curl").write_text(f'#!/bin/sh\necho "$@" >> {work}/commands\nexec {shutil.which("curl")} "$@"\n')
(work / "bin/curl").chmod(0o755)
os.environ |= {"HF_ENDPOINT": f"http://127.0.0.1:{front.server_port}/", "HF_TOKEN": token, "HOME": str(work),
               "PATH": f"{work}/bin:{os.environ['PATH']}", "no_proxy": "*"}


def fresh():
    """A hub that behaves, and nothing fetched."""
    global hub
    hub = Hub()
    shutil.rmtree(out, ignore_errors=True)


def download(*words, model="org/tiny"):
    said, errors = tool.succeeds("download", model, *(words or ("--out", out)))
    assert said == b"" and token not in errors, (said, errors)
    return errors


def refused(*words, arguments=("download", "org/tiny", "--out", out)):
    status, said = tool.all_said(*arguments)
    assert status == 1 and all(w in said for w in words) and token not in said, f"{arguments}: {status}, {said}, not {words}"


def there(folder=out):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def ranges(path):
    return [asked[1] for asked in hub.asked_store if asked[0] == "/" + path]


# All that a model needs, and nothing else; by the commit that the list is of; the token where it belongs.
fresh()
said = download()
assert there() == needed, there().keys()
assert f"{shard}, 19.6 KB (" in said and f" of {len(needed)})" in said and f"at {commit}: {len(needed)} files" in said, said
assert all(a[0].startswith(f"/org/tiny/resolve/{commit}/") for a in hub.asked[1:]) and {a[2] for a in hub.asked} == {f"Bearer {token}"}
assert len(hub.asked_store) == 3 and {a[2] for a in hub.asked_store} == {None}
commands = (work / "commands").read_text()
assert commands.count("\n") == len(needed) and token not in commands, commands  # the list, and all files but the empty one

# Once more: the list alone. A file of the same size with another byte: that one.
for path in (None, "config.json", shard):
    if path:
        (out / path).write_bytes(b"?" + needed[path][1:])
    hub.asked.clear()
    said = download("--out", out, "--revision", "refs/pr/1")
    assert there() == needed and len(hub.asked) == (2 if path else 1) and said.count("it is replaced") == (path is not None), said

# Cut, and gone on with: in one run for as long as there is progress, and in the next one.
fresh()
hub.cuts = {shard: [5000, 0x100]}
assert "cut after 5.0 KB of 19.6 KB" in download()
assert there() == needed and ranges(shard) == [None, "bytes=5000-", "bytes=5256-"], ranges(shard)
fresh()
hub.cuts = {shard: [6000, 0]}
refused("curl's error 18", shard, "goes on where this one stopped")
(part,) = (n for n in there() if n.endswith(".part"))
assert part.startswith(shard + ".") and there()[part] == needed[shard][:6000] and shard not in there()
assert "going on after 6.0 KB" in download()
assert there() == needed and ranges(shard)[2:] == ["bytes=6000-"], ranges(shard)
# By a server that knows no ranges, from the start; and what is too long, too.
for left, knows in ((6000, False), (30000, True)):
    fresh()
    out.mkdir()
    (out / part).write_bytes(needed[shard][:left] + bytes(max(0, left - len(needed[shard]))))
    hub.ranges = knows
    download()
    assert there() == needed

# Bytes that are not what the list says: nothing of that file is kept, and all else is.
for path, kind in ((shard, "SHA-256"), ("config.json", "git's")):
    fresh()
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    (out / path).write_text("before")
    hub.sent = {path: needed[path][:-1] + b"?"}
    name = hashlib.sha256 if path == shard else lambda data: hashlib.new("sha1", b"blob %d\0" % len(data) + data)
    refused(f"{path} came as {kind} {name(hub.sent[path]).hexdigest()}, expected {name(needed[path]).hexdigest()}")
    assert there()["mine.txt"] == b"mine" and there()[path] == b"before" and not any(".part" in n for n in there()), there().keys()
    hub.sent = {}
    download()
    assert there() == needed | {"mine.txt": b"mine"}
for sent, size in ((needed[shard][:-1], 19559), (needed[shard] + b"?", 19561)):
    fresh()
    hub.sent = {shard: sent}
    refused(f"{shard} came as {size} bytes, expected 19560")
    assert shard not in there() and not any(".part" in n for n in there())

# What is not there, and who is not let in.
fresh()
hub.missing = {"tokenizer.json"}
refused("/tokenizer.json: 404", "expected a model, a revision and a file")
assert there() == {n: needed[n] for n in list(needed)[: list(needed).index("tokenizer.json")]}, there().keys()
fresh()
refused("/revision/none?blobs=true: 404", arguments=("download", "org/tiny", "--revision", "none", "--out", out))
refused("/org/other/revision/main", "404", arguments=("download", "org/other", "--out", out))
del os.environ["HF_TOKEN"]
refused("401", "expected a token in HF_TOKEN: or there is no org/tiny")
os.environ["HF_TOKEN"] = "hf_another"
refused("401", "expected a token that the hub knows")
os.environ["HF_TOKEN"] = token
for status, words in ((403, "ask for access on "), (429, "429"), (503, "503")):
    hub.status = status
    refused(str(status), words)
for name, value, words in (("HF_TOKEN", f'{token}"\nurl = "x', "HF_TOKEN has a character"), ("HF_ENDPOINT", "ftp://x", "is no address"),
                           ("HF_ENDPOINT", f"http://me:{token}@127.0.0.1", "is no address"), ("HF_ENDPOINT", "http://127.0.0.1:1", "curl's error 7"),
                           ("PATH", "/nowhere", "curl does not run")):
    kept, os.environ[name] = os.environ[name], value
    refused(words)
    os.environ[name] = kept
for name in ("tiny", "../tiny", "org/..", "org/tiny/x", "org/", "org/ti ny", "/org/tiny"):
    refused(f"the model '{name}', expected ORG/NAME", arguments=("download", name))
assert not out.exists()

# Lists that are none, or that name what nobody may write.
fresh()
for path in ("../model.safetensors", "/tmp/model.safetensors", "sub/../../model-1-of-2.safetensors", "model/../a-of-b.safetensors",
             "./config.json", "sub/.", "sub/", "..", "", "config.json\n", "a\0b"):
    hub.listed = {path: hub.entry("config.json") | {"rfilename": path}}
    refused("the hub lists the file '", "expected a path inside the folder: nothing is fetched")
for change in ({"blobId": "../../x"}, {"lfs": {"sha256": "../" * 21 + "x", "size": 3}}, {"lfs": {"sha256": "A" * 64, "size": 3}}):
    hub.listed = {"config.json": hub.entry("config.json") | change}
    refused("the hub lists the hash '")
for change in ({"size": None}, {"blobId": 7}, {"rfilename": None}, {"lfs": 3}):
    hub.listed = {"config.json": hub.entry("config.json") | change}
    refused("does not answer with a list of files")
hub.listed = {}
for body in (b"", b"<html>", b"[]", b"{}", b'{"siblings": 3}', b'{"siblings": [3]}', b'{"sha": null, "siblings": []}'):
    hub.body = body
    refused("does not answer with a list of files")
assert not out.exists() and len(hub.asked_store) == 0

# What a pattern asks for; and the place without --out.
fresh()
download("--include", "*.gguf", "--include", "READ*")
assert there(work / "models/org/tiny") == {n: others[n] for n in ("flax model.gguf", "sub/of a folder/small.gguf", "README.md")}
refused("org/tiny has no *.pth, expected one of its files: ", "flax model.gguf",
        arguments=("download", "org/tiny", "--include", "*.gguf", "--include", "*.pth"))
for names, what in ((["config.json"], "config.json"), ([".safetensors", ".bin"], "model.safetensors")):
    fresh()
    hub.files = {n: d for n, d in hub.files.items() if not any(name in n for name in names)}
    refused(f"org/tiny has no {what}, expected a model directory: --include PATTERN")
# PyTorch's own weights, where there are no others.
fresh()
hub.files = {n: d for n, d in hub.files.items() if ".safetensors" not in n}
download()
assert there() == {n: hub.files[n] for n in (needed.keys() | {"pytorch_model.bin"}) & hub.files.keys()}
# Two at a time would write the same files.
fresh()
out.mkdir()
held = os.open(out, os.O_RDONLY)
fcntl.flock(held, fcntl.LOCK_EX)
refused("another download writes to")
os.close(held)
download()
assert there() == needed

# What came is a model, and so is a folder of a hub's own cache: links to files named by their hashes.
expected = (golden / "type.txt").read_text()
assert tool.says("type", out) == expected
cache = work / "hub/models--org--tiny"
snapshot = cache / "snapshots" / commit
snapshot.mkdir(parents=True)
(cache / "blobs").mkdir()
for path, data in needed.items():
    blob = hashlib.sha256(data).hexdigest()
    (cache / "blobs" / blob).write_bytes(data)
    (snapshot / path).symlink_to(f"../../blobs/{blob}")
assert tool.says("type", snapshot) == expected
for path in ("config.json", "model.safetensors.index.json", shard, "tokenizer.json"):
    blob = (snapshot / path).resolve()
    blob.rename(work / "away")
    for verb in (("type",), ("generate", "--prompt", "x")):
        refused(f"{snapshot}/{path} is a link to ../../blobs/{blob.name}, expected a file there", arguments=(verb[0], snapshot, *verb[1:]))
    (work / "away").rename(blob)
