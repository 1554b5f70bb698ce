"""Checks of a server (tool_server.py) with LoRA adapters, of which each request names one, or none."""
import array
import json
import math
import random

from fauna_tool import write_tensors
from serving import Server, generated, streamed


path, drawn = "/v1/completions", {"max_tokens": 12, "seed": 3, "temperature": 1}
# Layers, with their outputs and inputs.
queries_and_values = {f"model.layers.{layer}.self_attn.{which}_proj": shape for layer in range(2) for which, shape in (("q", (24, 24)), ("v", (12, 24)))}
around_mixers = {f"backbone.layers.{layer}.mixer.{which}_proj": shape for layer in range(2) for which, shape in (("in", (96, 24)), ("out", (24, 48)))}
head = {"lm_head": (29, 24)}


def adapter(folder, seed, layers):
    """A LoRA adapter of rank 2 to these layers, as peft writes it."""
    draw, tensors = random.Random(seed), {}
    folder.mkdir()
    for layer, (out, inputs) in layers.items():
        for part, shape in (("A", [2, inputs]), ("B", [out, 2])):
            values = array.array("f", (draw.gauss(0, 1) for _ in range(math.prod(shape))))
            tensors[f"base_model.model.{layer}.lora_{part}.weight"] = ("F32", shape, values.tobytes())
    write_tensors(folder / "adapter_model.safetensors", tensors)
    (folder / "adapter_config.json").write_text(json.dumps({
        "peft_type": "LORA", "r": 2, "lora_alpha": 2, "target_modules": sorted({layer.rsplit(".", 1)[-1] for layer in layers})}))
    return folder


def written(tool, folders, prompts, model):
    """What tools/fauna generate writes with each of these adapters, added to the weights, after each prompt."""
    texts = {(name, p): generated(tool, model, "--prompt", p, "--seed", 3, "--temperature", 1,
                                  *(("--adapter", folder) if folder else ())).removeprefix(p)
             for name, folder in folders.items() for p in prompts}
    assert len(set(texts.values())) == len(texts), texts
    return texts


def at_once(server, wanted, times=1):
    """Those are the texts of requests that come together."""
    asked = {(key, i): server.open(path, drawn | {"prompt": key[1], "model": key[0]}) for i in range(times) for key in wanted}
    for (key, _), connection in asked.items():
        assert json.loads(connection.getresponse().read())["choices"][0]["text"] == wanted[key], key
        connection.close()


def adapters(tool, model, mamba):
    """A request that names an adapter has its texts, alone and beside the others'; the model's own stay what they are."""
    folders = {model.name: None, "one": adapter(tool.work / "one", 1, queries_and_values), "x/two": adapter(tool.work / "two", 2, queries_and_values)}
    flags = [word for name, folder in folders.items() if folder for word in ("--lora", f"{name}={folder}")]
    prompts = ("ab", "hello", "busier as it")
    wanted = written(tool, folders, prompts, model)
    with Server(tool, model, "--parallel", 2, "--chunk", 4, *flags) as server:
        listed = server.ask("/v1/models")["data"]
        assert [(m["id"], m["parent"]) for m in listed] == [(model.name, None), ("one", model.name), ("x/two", model.name)], listed
        assert server.ask("/v1/models/x/two") == listed[2]
        for prompt in prompts:  # one after another: what one has read is nothing to the next
            for name in folders:
                got = server.ask(path, drawn | {"prompt": prompt, "model": name})
                assert (got["choices"][0]["text"], got["model"]) == (wanted[name, prompt], name), (got, wanted)
                assert got["usage"]["prompt_tokens_details"]["cached_tokens"] == 0, got
        again = server.ask(path, drawn | {"prompt": prompts[-1], "model": "one"})["usage"]
        assert again["prompt_tokens_details"]["cached_tokens"] == again["prompt_tokens"] - 1, again
        at_once(server, wanted, 3)
        assert server.ask(path, drawn | {"prompt": "ab"})["choices"][0]["text"] == wanted[model.name, "ab"]
        chunks = server.stream(path, drawn | {"prompt": "ab", "model": "one"})
        assert streamed(chunks)[0] == wanted["one", "ab"] and {c["model"] for c in chunks} == {"one"}
        say = {"messages": [{"role": "user", "content": "a"}], "max_tokens": 12, "temperature": 0}
        assert server.ask("/v1/chat/completions", say | {"model": "one"})["choices"][0]["message"]["content"] == \
            generated(tool, model, "--chat", "--prompt", "a", "--adapter", folders["one"])
        vectors = [server.ask("/v1/embeddings", {"input": "us", "model": name})["data"][0]["embedding"] for name in folders]
        assert vectors[0] != vectors[1] != vectors[2] != vectors[0]
        error = server.refused(path, {"prompt": "a", "model": "two"}, 404, "model", "model_not_found")
        assert f"'{model.name}', 'one', 'x/two'" in error["message"], error
    with Server(tool, model, "--draft", "ngram", *flags) as server:
        for name, prompt in wanted:
            assert server.ask(path, drawn | {"prompt": prompt, "model": name})["choices"][0]["text"] == wanted[name, prompt]
    tool.refused("two models 'one'", "serve", model, *flags, "--lora", f"one={folders['one']}")
    tool.refused(f"two models '{model.name}'", "serve", model, "--lora", f"{model.name}={folders['one']}")
    for wrong in ("one", "=one", "one="):
        tool.refused(f"--lora {wrong}, expected NAME=FOLDER", "serve", model, "--lora", wrong)
    tool.refused("does not fit", "serve", mamba, "--lora", f"one={folders['one']}")

    # What is no linear layer of a text's rows is added to weights of its own.
    folders["three"] = adapter(tool.work / "three", 3, queries_and_values | head)
    wanted = written(tool, folders, prompts[:2], model)
    with Server(tool, model, *flags, "--lora", f"three={folders['three']}") as server:
        assert "three has what can only be merged" in (tool.work / "stderr").read_text()
        at_once(server, wanted)
    # A recurrent state is an adapter's, too: what is kept of a prompt, and before a draft.
    folders = {mamba.name: None, "one": adapter(tool.work / "mixers", 1, around_mixers)}
    wanted = written(tool, folders, prompts, mamba)
    for drafts in ((), ("--draft", "ngram")):
        with Server(tool, mamba, "--parallel", 3, "--chunk", 4, "--lora", f"one={folders['one']}", *drafts) as server:
            for _ in range(2):
                at_once(server, wanted)
