#!/usr/bin/env python3
"""openai_client.py FAUNA [DIR|URL]: the official `openai` package (PyPI) against tools/fauna serve: models, completions, chats,
streams and their helpers, log-probabilities and its classes of errors. Without the URL of a server, one is
started for the model directory DIR, or for that of tools/smollm2. Left out, with exit 77, where there is no package openai, or
no model.
"""
import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time

try:
    import openai
except ImportError:
    print("left out: there is no Python package openai here (pip install openai)")
    sys.exit(77)

fauna, where = sys.argv[1], (sys.argv[2] if len(sys.argv) > 2 else os.environ.get("FAUNA_SOURCE_DIR", ".") + "/data/smollm2/bf16")
if not (where.startswith("http") or os.path.isdir(where)):
    print(f"left out: there is no model directory {where} (tools/smollm2 makes one)")
    sys.exit(77)


@contextlib.contextmanager
def server():
    if where.startswith("http"):
        yield where
        return
    process = subprocess.Popen([fauna, "serve", where, "--port", "0", "--dtype", "bf16"], stdout=subprocess.PIPE)
    try:
        line = process.stdout.readline().decode()
        assert line.startswith("listening on "), line
        yield line.split()[-1] + "/v1"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        process.kill()


def raises(kind, call, **expected):
    try:
        call()
    except openai.APIStatusError as e:
        assert type(e) is kind, e
        for name, value in expected.items():
            assert getattr(e, name) == value, (name, getattr(e, name), value)
        return
    raise AssertionError(f"no {kind.__name__}")


def chats(client, model):
    question = {"model": model, "messages": [{"role": "user", "content": "What is the capital of France?"}], "temperature": 0,
                "max_completion_tokens": 24}
    whole = client.chat.completions.create(**question)
    answer = whole.choices[0]
    print(f"answer: {answer.message.content!r} ({answer.finish_reason}), {whole.usage.prompt_tokens} + {whole.usage.completion_tokens} tokens")
    assert answer.message.role == "assistant" and answer.message.content and answer.finish_reason in ("stop", "length")
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens
    start, first = time.monotonic(), None
    text, usage = "", None
    for chunk in client.chat.completions.create(**question, stream=True, stream_options={"include_usage": True}):
        if chunk.choices and chunk.choices[0].delta.content:
            first = first or time.monotonic() - start
            text += chunk.choices[0].delta.content
        usage = chunk.usage or usage
    print(f"streamed: first piece after {first:.3f} s, all after {time.monotonic() - start:.3f} s")
    assert (text, usage) == (answer.message.content, whole.usage)
    # The client's own gatherer of streams, which knows what each event is.
    with client.chat.completions.stream(**question) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_completion()
    assert {"chunk", "content.delta", "content.done"} <= set(kinds), kinds
    assert final.choices[0].message.content == text and final.choices[0].finish_reason == answer.finish_reason
    # The same seed, the same texts; another, others.
    drawn = question | {"temperature": 1, "n": 3}
    texts = [[c.message.content for c in client.chat.completions.create(**drawn, seed=s).choices] for s in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2] and len(set(texts[0])) > 1, texts
    logs = client.chat.completions.create(**question, logprobs=True, top_logprobs=2).choices[0].logprobs.content
    assert "".join(t.token for t in logs) == answer.message.content and all(t.logprob <= 0 and len(t.top_logprobs) == 2 for t in logs)
    stopped = client.chat.completions.create(**question, stop=[text[5:8]]).choices[0]
    assert stopped.message.content == text[: text.index(text[5:8])] and stopped.finish_reason == "stop"
    assert client.chat.completions.create(**question, extra_body={"top_k": 5}).choices[0].message.content == text


def completions(client, model):
    greedy = {"model": model, "prompt": "The sea is", "temperature": 0, "max_tokens": 8}
    text = client.completions.create(**greedy).choices[0].text
    print(f"completion: {text!r}")
    assert "".join(c.choices[0].text for c in client.completions.create(**greedy, stream=True)) == text
    assert client.completions.create(**greedy, echo=True).choices[0].text == "The sea is" + text
    logs = client.completions.create(**greedy, logprobs=2).choices[0].logprobs
    assert "".join(logs.tokens) == text and logs.text_offset[0] == 0 and all(len(t) == 2 for t in logs.top_logprobs)


def embeddings(client, model):
    near, same, far = (d.embedding for d in client.embeddings.create(
        model=model, input=["A cat sat on the mat.", "A cat sits on a mat.", "Interest rates rose in June."]).data)  # in base64
    assert client.embeddings.create(model=model, input="A cat sat on the mat.", encoding_format="float").data[0].embedding == near
    likeness = [sum(a * b for a, b in zip(near, other)) for other in (same, far)]
    print(f"embeddings: alike {likeness[0]:.3f}, unlike {likeness[1]:.3f}")
    assert 1 >= likeness[0] > likeness[1]


def errors(client, base, model):
    hello = {"model": model, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}
    raises(openai.BadRequestError, lambda: client.chat.completions.create(**hello | {"temperature": 3}), param="temperature",
           type="invalid_request_error", status_code=400)
    raises(openai.BadRequestError, lambda: client.chat.completions.create(**hello, response_format={"type": "xml"}), param="response_format")
    raises(openai.NotFoundError, lambda: client.chat.completions.create(**hello | {"model": "gpt-4"}), code="model_not_found")
    raises(openai.NotFoundError, lambda: openai.OpenAI(base_url=base, api_key="x").images.generate(model=model, prompt="a"),
           code="unknown_url")


async def together(base, model):
    """Several at once are served in turn, each with the text that it has alone."""
    async with openai.AsyncOpenAI(base_url=base, api_key="none") as client:
        async def one(prompt):
            return (await client.completions.create(model=model, prompt=prompt, max_tokens=8, temperature=1, seed=5)).choices[0].text

        prompts = ["One", "Two", "Three", "Four"]
        alone = [await one(p) for p in prompts]
        assert await asyncio.gather(*(one(p) for p in prompts)) == alone


with server() as base_url, openai.OpenAI(base_url=base_url, api_key="none") as c:
    name = c.models.list().data[0].id
    assert c.models.retrieve(name).object == "model"
    print(f"openai {openai.__version__}, model {name} at {base_url}")
    chats(c, name)
    completions(c, name)
    embeddings(c, name)
    errors(c, base_url, name)
    asyncio.run(together(base_url, name))
    print("all as the client expects")
