#!/usr/bin/env python3
"""eagle.py: tests/golden/eagle: a tiny random Llama, and for it an EAGLE-1 layer, an EAGLE-3 layer and Medusa's heads in files
as they are published, with the logits of their drafts. The Llama is the reference library's; the drafters are written here
from the papers (Li et al. 2024 and 2025; Cai et al. 2024) and the layouts of the published files, whole texts at once, without
a cache.
"""
import json
import pathlib
import sys

sys.path.remove(str(pathlib.Path(__file__).resolve().parent))  # where a file has the name of a library

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

out = pathlib.Path(__file__).parents[2] / "tests/golden/eagle"
width, vocab, layers, drafts = 16, 32, 8, 20
generator = torch.Generator().manual_seed(17)


def uniform(*shape, scale=1.0):
    return scale * (2 * torch.rand(*shape, generator=generator) - 1)


def rms(x, weight, eps):
    return weight * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps)


def rotate(x, base):
    """x [heads, rows, columns], row r at position r; columns turn in halves."""
    half = x.shape[-1] // 2
    angles = torch.arange(x.shape[1])[:, None] * base ** (-torch.arange(half) / half)
    cos, sin = angles.cos(), angles.sin()
    a, b = x[..., :half], x[..., half:]
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


def attention(w, name, x, c):
    n = x.shape[0]
    q, k, v = (F.linear(x, w[f"{name}.self_attn.{p}_proj.weight"]).view(n, -1, c["head_dim"]).transpose(0, 1) for p in "qkv")
    q, k = rotate(q, c["rope_theta"]), rotate(k, c["rope_theta"])
    group = c["num_attention_heads"] // c["num_key_value_heads"]
    k, v = k.repeat_interleave(group, 0), v.repeat_interleave(group, 0)
    scores = q @ k.transpose(1, 2) / c["head_dim"] ** 0.5
    scores = scores.masked_fill(torch.ones(n, n).triu(1).bool(), float("-inf"))
    y = (scores.softmax(-1) @ v).transpose(0, 1).reshape(n, -1)
    return F.linear(y, w[f"{name}.self_attn.o_proj.weight"])


def mlp(w, name, x):
    gate, up = (F.linear(x, w[f"{name}.mlp.{p}_proj.weight"]) for p in ("gate", "up"))
    return F.linear(F.silu(gate) * up, w[f"{name}.mlp.down_proj.weight"])


def layer_weights(name, c, reads, norms):
    h, kv, d, hidden = c["num_attention_heads"], c["num_key_value_heads"], c["head_dim"], c["intermediate_size"]
    shapes = {"self_attn.q_proj": (h * d, reads), "self_attn.k_proj": (kv * d, reads), "self_attn.v_proj": (kv * d, reads),
              "self_attn.o_proj": (width, h * d), "mlp.gate_proj": (hidden, width), "mlp.up_proj": (hidden, width),
              "mlp.down_proj": (width, hidden)}
    w = {f"{name}.{part}.weight": uniform(*shape, scale=0.5) for part, shape in shapes.items()}
    return w | {f"{name}.{norm}.weight": 1 + uniform(width, scale=0.5) for norm in norms}


def config(heads, kv_heads, head, hidden, eps, base, **more):
    return {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "hidden_size": width,
            "intermediate_size": hidden, "max_position_embeddings": 64, "num_attention_heads": heads, "num_key_value_heads": kv_heads,
            "head_dim": head, "num_hidden_layers": 1, "rms_norm_eps": eps, "rope_theta": base, "vocab_size": vocab,
            "tie_word_embeddings": False, "torch_dtype": "float32"} | more


def save(name, c, w):
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(c, indent=1) + "\n")
    save_file({k: v.contiguous() for k, v in w.items()}, folder / "model.safetensors", {"format": "pt"})


def drafted(step, embed, ids, tokens):
    """The logits behind the text, and behind each of the drafted tokens in turn: a drafted row's feature is the drafter's own."""
    g, all_logits = step.features, []
    for i in range(len(tokens) + 1):
        e = embed[torch.tensor((ids + tokens[:i])[1:])]
        y, logits = step(e, g)
        all_logits.append(logits[-1])
        g = torch.cat((g, y[-1:]))
    return torch.stack(all_logits)


class Eagle1:
    def __init__(self, features, head):
        self.c = config(2, 1, 8, 20, 1e-6, 500.0, bias=True)
        self.w = {"fc.weight": uniform(width, 2 * width, scale=0.5), "fc.bias": uniform(width)}
        self.w |= layer_weights("layers.0", self.c, width, ["post_attention_layernorm"])
        self.features, self.head = features[:-1], head

    def __call__(self, e, g):
        x = F.linear(torch.cat((e, g), -1), self.w["fc.weight"], self.w["fc.bias"])
        x = x + attention(self.w, "layers.0", x, self.c)
        x = x + mlp(self.w, "layers.0", rms(x, self.w["layers.0.post_attention_layernorm.weight"], self.c["rms_norm_eps"]))
        return x, x @ self.head.T


class Eagle3:
    def __init__(self, entering):
        self.c = config(4, 2, 6, 28, 1e-5, 10000.0, draft_vocab_size=drafts)
        self.w = {"fc.weight": uniform(width, 3 * width, scale=0.5), "norm.weight": 1 + uniform(width, scale=0.5),
                  "lm_head.weight": uniform(drafts, width)}
        self.w |= layer_weights("midlayer", self.c, 2 * width, ["input_layernorm", "hidden_norm", "post_attention_layernorm"])
        known = torch.randperm(vocab, generator=generator)[:drafts].sort().values
        self.w["d2t"] = known - torch.arange(drafts)
        self.w["t2d"] = torch.zeros(vocab, dtype=torch.bool).index_fill(0, known, True)
        low, middle, high = (entering[i][:-1] for i in (2, layers // 2, layers - 3))
        self.features = F.linear(torch.cat((low, middle, high), -1), self.w["fc.weight"])

    def __call__(self, e, g):
        norm = lambda name, x: rms(x, self.w[f"{name}.weight"], self.c["rms_norm_eps"])
        x = torch.cat((norm("midlayer.input_layernorm", e), norm("midlayer.hidden_norm", g)), -1)
        y = g + attention(self.w, "midlayer", x, self.c)
        y = y + mlp(self.w, "midlayer", norm("midlayer.post_attention_layernorm", y))
        return y, norm("norm", y) @ self.w["lm_head.weight"].T


@torch.no_grad()
def main():
    c = LlamaConfig(hidden_size=width, intermediate_size=24, num_hidden_layers=layers, num_attention_heads=4, num_key_value_heads=2,
                    head_dim=4, vocab_size=vocab, max_position_embeddings=64, rms_norm_eps=1e-5, tie_word_embeddings=False)
    target = LlamaForCausalLM(c).eval()
    for name, p in target.named_parameters():
        p.copy_(1 + uniform(*p.shape, scale=0.5) if p.dim() == 1 else uniform(*p.shape, scale=0.5))
    w = {k: v.clone() for k, v in target.state_dict().items()}
    ids = torch.randint(0, vocab, (12,), generator=generator).tolist()
    tokens = torch.randint(0, vocab, (4,), generator=generator).tolist()
    seen = target.model(torch.tensor([ids]), output_hidden_states=True)
    features, entering = seen.last_hidden_state[0], [h[0] for h in seen.hidden_states]
    embed = w["model.embed_tokens.weight"]
    first, third = Eagle1(features, w["lm_head.weight"]), Eagle3(entering)
    save("target", json.loads(c.to_json_string()) | {"architectures": ["LlamaForCausalLM"]}, w)
    # EAGLE-1's published files have the target's table too.
    save("eagle1", first.c, first.w | {"embed_tokens.weight": embed})
    save("eagle3", third.c, third.w)
    heads, said = {}, []
    for i in range(3):
        heads |= {f"{i}.0.linear.weight": uniform(width, width, scale=0.5), f"{i}.0.linear.bias": uniform(width), f"{i}.1.weight": uniform(vocab, width)}
        h = features[-2]  # of the row before the text's last token, which the target has not read
        z = h + F.silu(F.linear(h, heads[f"{i}.0.linear.weight"], heads[f"{i}.0.linear.bias"]))
        said.append(heads[f"{i}.1.weight"] @ z)
    save_file(heads, out / "medusa.safetensors", {"format": "pt"})
    save_file({"ids": torch.tensor(ids), "tokens": torch.tensor(tokens), "eagle1": drafted(first, embed, ids, tokens),
               "eagle3": drafted(third, embed, ids, tokens), "medusa": torch.stack(said)}, out / "expected.safetensors")


main()
