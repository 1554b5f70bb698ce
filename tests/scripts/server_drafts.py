"""Checks of a server (tool_server.py) whose texts have drafts from a model's own rows and layers, or from other texts."""
import array
import contextlib
import json
import math
import random

from fauna_tool import write_tensors
from serving import Server, directory, pieces

llama_layer = {"self_attn.q_proj": (24, 24), "self_attn.k_proj": (12, 24), "self_attn.v_proj": (12, 24), "self_attn.o_proj": (24, 24),
               "mlp.gate_proj": (40, 24), "mlp.up_proj": (40, 24), "mlp.down_proj": (24, 40), "post_attention_layernorm": (24,)}
heads = {f"{k}.0.linear.{part}": shape for k in range(3) for part, shape in (("weight", (24, 24)), ("bias", (24,)))}


def drawn(path, shapes):
    """Tensors of random numbers, each of which drafts something."""
    draw = random.Random(1)
    write_tensors(path, {name: ("F32", list(shape), array.array("f", (draw.gauss(0, 0.3) for _ in range(math.prod(shape)))).tobytes())
                         for name, shape in shapes.items()})
    return path


def eagle(folder, model):
    """A layer of EAGLE-1 for a llama."""
    folder.mkdir()
    config = json.loads((model / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 1, "bias": False}))
    drawn(folder / "model.safetensors", {"fc.weight": (24, 48)} | {f"layers.0.{name}.weight": shape for name, shape in llama_layer.items()})
    return folder


def counted(server):
    """How many drafts there were, of how many tokens, and how many of these stayed."""
    with contextlib.closing(server.open("/metrics")) as connection:
        told = dict(line.rsplit(" ", 1) for line in connection.getresponse().read().decode().splitlines() if line[0] != "#")
    drafts, proposed, stayed = (int(told[f"fauna_spec_decode_num_{what}_total"]) for what in ("drafts", "draft_tokens", "accepted_tokens"))
    assert 0 < drafts <= proposed >= stayed, told
    return drafts, proposed, stayed


def own_drafts(tool, llama, mamba, further, checks):
    """The checks hold whoever drafts; so do those of a model of one state, and of one with layers for further tokens."""
    work = tool.work
    pool = ("pool:served.pool",)
    drafters = [("ngram-tree",), ("lookahead:3,2,2",), ("exit:1",), pool, pool, (f"medusa:{drawn(work / 'heads.safetensors', heads)}",),
                ("medusa:heads.safetensors", "--draft-max", 2, "--draft-nodes", 4, "--chunk", 4), (f"eagle:{eagle(work / 'layer', llama)}",)]
    for model, some in ((llama, drafters), (mamba, [("ngram-tree",), ("lookahead:3,2,2", "--chunk", 4)]), (further, [("mtp",)])):
        stayed = []
        for draft in some:
            with Server(tool, model, "--parallel", 2, "--draft", *draft) as server:
                for check in checks if model is llama else checks[-1:]:
                    check(server, model)
                drafts, proposed, kept = counted(server)
                assert draft is pool or model is further or proposed > drafts, (draft, drafts, proposed)
                stayed.append(kept)
        assert sum(stayed) > 0, stayed
        if model is llama:  # what the first of the two has said, the second drafts
            first, second = (kept for draft, kept in zip(some, stayed) if draft is pool)
            assert second > first, stayed
    tool.refused("an exit after 2 layers, expected 1 to 1", "serve", llama, "--draft", "exit:2")
    tool.refused("no layers that predict further tokens", "serve", llama, "--draft", "mtp")
    tool.refused("there is no x", "serve", llama, "--draft", "eagle:x")
    tool.refused("cannot open x", "serve", llama, "--draft", "medusa:x")
    tool.refused("--draft auto, expected ngram", "serve", llama, "--draft", "auto")
    tool.refused("served.pool is of another vocabulary", "serve", directory(llama, work / "swapped", pieces=[*pieces[:7], *reversed(pieces[7:])]), "--draft", *pool)
    tool.refused("--draft-nodes 16", "serve", llama, "--draft", "ngram-tree", "--draft-nodes", 16)
    for flag in ("--draft-max", "--draft-nodes"):
        tool.refused(f"{flag} without --draft", "serve", llama, flag, 3)
