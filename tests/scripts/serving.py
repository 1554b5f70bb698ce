"""Tiny models to be served, and a server of one as tests talk to it."""
import contextlib
import http.client
import json
import shutil
import signal
import subprocess

# 29 pieces: three special tokens, a character in two bytes, and the letters of ChatML's roles.
pieces = ["<|end|>", "<|im_start|>", "<|im_end|>", "Ċ", "Ġ", "Ã", "©", *"abceimnrstuyhl.?Q", "us", "er", "as", "si", "st"]
end, e_acute = 0, (5, 6)
template = ("{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
            "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")


def directory(source, out, chat=True, pieces=pieces, merges=("u s", "e r", "a s", "s i", "s t")):
    """A copy of a golden model, with that tokenizer and template."""
    shutil.copytree(source, out)
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    special = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    (out / "tokenizer.json").write_text(json.dumps({
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": i, "content": pieces[i], **special} for i in range(3)],
        "normalizer": None, "pre_tokenizer": byte_level, "post_processor": None, "decoder": byte_level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "vocab": {p: i for i, p in enumerate(pieces)},
                  "merges": list(merges)}}))
    if chat:
        (out / "chat_template.jinja").write_text(template)
    config = json.loads((out / "config.json").read_text())
    (out / "config.json").write_text(json.dumps(config | {"eos_token_id": end}))
    return out


def generated(tool, model, *words):
    """What tools/fauna generate writes."""
    return tool.says("generate", model, "--max-new-tokens", 12, *words).removesuffix("\n")


def counts(reply):
    """Its usage, but for what was read before."""
    return reply["usage"] | {"prompt_tokens_details": None}


def streamed(chunks, index=0, of=lambda c: c["text"]):
    choices = [c for chunk in chunks for c in chunk["choices"] if c["index"] == index]
    reasons = [c["finish_reason"] for c in choices]
    assert reasons[-1] is not None and set(reasons[:-1]) <= {None}, reasons
    return "".join(of(c) for c in choices), reasons[-1]


class Server:
    """A server of a model; left by Ctrl-C, which must end it well."""

    def __init__(self, tool, model, *flags):
        self.work = tool.work
        self.process = subprocess.Popen([tool.program, "serve", str(model), "--port", "0", *map(str, flags)], cwd=self.work,
                                        stdout=subprocess.PIPE, stderr=(self.work / "stderr").open("w"))
        line = self.process.stdout.readline().decode()
        assert line.startswith("listening on http://127.0.0.1:"), (line, (self.work / "stderr").read_text())
        self.port = int(line.rsplit(":", 1)[1])

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            self.process.kill()
        elif self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            assert self.process.wait(20) == 0

    def open(self, path, body=None, headers=None, method=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        connection.request(method or ("GET" if body is None else "POST"), path, data, headers or {})
        return connection

    def ask(self, path, body=None, headers=None, status=200, method=None):
        """The JSON of an answer."""
        with contextlib.closing(self.open(path, body, headers, method)) as connection:
            answer = connection.getresponse()
            text = answer.read().decode()
            assert answer.status == status, (path, body, answer.status, text)
            assert answer.getheader("Content-Type") == "application/json"
            assert str(self.work) not in text and "/golden/" not in text, text
            self.headers = answer.headers
            return json.loads(text)

    def stream(self, path, body):
        """The chunks of a stream, each of which is whole UTF-8 by itself; the last is [DONE]."""
        with contextlib.closing(self.open(path, body | {"stream": True})) as connection:
            answer = connection.getresponse()
            assert answer.status == 200 and answer.getheader("Content-Type") == "text/event-stream"
            events = answer.read().split(b"\n\n")
        assert events.pop() == b"" and events.pop() == b"data: [DONE]", events
        assert all(e.startswith(b"data: ") for e in events), events
        chunks = [json.loads(e[6:].decode()) for e in events]
        assert len({c["id"] for c in chunks}) == 1 and len({c["created"] for c in chunks}) == 1
        return chunks

    def refused(self, path, body, status, param=None, code=None, headers=None):
        error = self.ask(path, body, headers, status)["error"]
        assert set(error) == {"message", "type", "param", "code"} and error["message"], error
        assert (error["param"], error["code"]) == (param, code), error
        return error
