#!/usr/bin/env python3
"""A tiny random Samba with what a naive model makes of some tokens: the equations of the paper (Ren et al. 2024, section
2) a position after another, in the names of its authors' code. Run it with torch and safetensors at hand:

    python tools/oracles/samba.py tests/golden/models/samba

The folder is like those of families.py.
"""
import json
import math
import pathlib
import sys

import torch
from safetensors.torch import save_file
from torch.nn import functional as F

CONFIG = {"model_type": "samba", "n_layer": 4, "n_head": 4, "n_query_groups": 2, "n_embd": 24, "intermediate_size": 32, "block_size": 32,
          "vocab_size": 29, "padded_vocab_size": 29, "norm_eps": 1e-5, "rotary_percentage": 1.0, "local_window": 3, "mb_per_layer": 2,
          "mamba_init": True, "bias": False, "parallel_residual": False, "_norm_class": "FusedRMSNorm", "_mlp_class": "LLaMAMLP"}
LENGTH, STATES, TAPS = 11, 16, 4


def shapes():
    """Names and shapes of the tensors; the head is the table."""
    d, hidden, groups = CONFIG["n_embd"], CONFIG["intermediate_size"], CONFIG["n_query_groups"]
    inner, rank, head = 2 * d, -(-d // 16), d // CONFIG["n_head"]
    yield "transformer.wte.weight", (CONFIG["padded_vocab_size"], d)
    for layer in range(CONFIG["n_layer"]):
        at = f"transformer.h.{layer}."
        yield at + "norm_1.weight", (d,)
        if layer % CONFIG["mb_per_layer"] == 0:
            yield at + "attn.in_proj.weight", (2 * inner, d)
            yield at + "attn.conv1d.weight", (inner, 1, TAPS)
            yield at + "attn.conv1d.bias", (inner,)
            yield at + "attn.x_proj.weight", (rank + 2 * STATES, inner)
            yield at + "attn.dt_proj.weight", (inner, rank)
            yield at + "attn.dt_proj.bias", (inner,)
            yield at + "attn.A_log", (inner, STATES)
            yield at + "attn.D", (inner,)
            yield at + "attn.out_proj.weight", (d, inner)
        else:
            yield at + "attn.attn.weight", ((CONFIG["n_head"] + 2 * groups) * head, d)
            yield at + "attn.proj.weight", (d, d)
        yield at + "norm_2.weight", (d,)
        for name, shape in (("w1", (hidden, d)), ("w2", (hidden, d)), ("w3", (d, hidden))):
            yield f"{at}mlp.swiglu.{name}.weight", shape
    yield "transformer.ln_f.weight", (d,)


def norm(x, weight):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + CONFIG["norm_eps"]) * weight


def mamba(w, x):
    """x [T, d], one sequence."""
    u, z = (x @ w["in_proj.weight"].T).chunk(2, -1)
    rows = torch.cat([torch.zeros(TAPS - 1, u.shape[1]), u])
    u = F.silu(torch.stack([(rows[t:t + TAPS].T * w["conv1d.weight"][:, 0]).sum(-1) for t in range(len(x))]) + w["conv1d.bias"])
    rank = w["dt_proj.weight"].shape[1]
    dt, b, c = (u @ w["x_proj.weight"].T).split([rank, STATES, STATES], -1)
    dt = F.softplus(dt @ w["dt_proj.weight"].T + w["dt_proj.bias"])
    a, h, out = -w["A_log"].exp(), torch.zeros_like(w["A_log"]), []
    for t in range(len(x)):
        h = torch.exp(dt[t, :, None] * a) * h + (dt[t] * u[t])[:, None] * b[t]
        out.append(h @ c[t] + w["D"] * u[t])
    return (torch.stack(out) * F.silu(z)) @ w["out_proj.weight"].T


def turned(x):
    """x [T, columns]: halves of a head are the pairs that its position turns."""
    half = x.shape[1] // 2
    angle = torch.arange(len(x))[:, None] / 10000 ** (torch.arange(half) / half)
    a, b = x[:, :half], x[:, half:]
    return torch.cat([a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()], -1)


def attention(w, x):
    """x [T, d]: each row sees local_window rows, itself among them."""
    heads, groups = CONFIG["n_head"], CONFIG["n_query_groups"]
    size = x.shape[1] // heads
    qkv = (x @ w["attn.weight"].T).view(len(x), groups, heads // groups + 2, size)
    back = torch.arange(len(x))[:, None] - torch.arange(len(x))
    hidden = (back < 0) | (back >= CONFIG["local_window"])
    out = []
    for head in range(heads):
        group = qkv[:, head // (heads // groups)]
        q, k, v = turned(group[:, head % (heads // groups)]), turned(group[:, -2]), group[:, -1]
        out.append((q @ k.T / math.sqrt(size)).masked_fill(hidden, -math.inf).softmax(-1) @ v)
    return torch.cat(out, -1) @ w["proj.weight"].T


def logits(w, tokens):
    x = w["transformer.wte.weight"][tokens]
    for layer in range(CONFIG["n_layer"]):
        own = {key.split(f".h.{layer}.")[1]: v for key, v in w.items() if f".h.{layer}." in key}
        mixer = {key[5:]: v for key, v in own.items() if key.startswith("attn.")}
        x = x + (mamba if layer % CONFIG["mb_per_layer"] == 0 else attention)(mixer, norm(x, own["norm_1.weight"]))
        y = norm(x, own["norm_2.weight"])
        gate, up, down = (own[f"mlp.swiglu.w{i}.weight"] for i in (1, 2, 3))
        x = x + (F.silu(y @ gate.T) * (y @ up.T)) @ down.T
    return norm(x, w["transformer.ln_f.weight"]) @ w["transformer.wte.weight"].T


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    w = {}
    for name, shape in shapes():
        is_norm = "norm" in name or "ln_f" in name
        w[name] = (torch.randn(shape) * (0.1 if is_norm else 0.3) + is_norm).requires_grad_()
    vocab = CONFIG["padded_vocab_size"]
    tokens, targets = torch.randint(0, vocab, (2, LENGTH)), torch.randint(0, vocab, (2, LENGTH))
    targets[0, 3] = targets[1, -1] = -1
    all_logits = torch.stack([logits(w, row) for row in tokens])
    loss = F.cross_entropy(all_logits.reshape(-1, vocab), targets.reshape(-1), ignore_index=-1)
    loss.backward()
    (folder / "config.json").write_text(json.dumps(CONFIG, indent=2) + "\n")
    save_file({name: v.detach() for name, v in w.items()}, folder / "model.safetensors", {"format": "pt"})
    golden = {"tokens": tokens.int(), "targets": targets.int(), "logits": all_logits.detach(), "loss": loss.detach()}
    save_file(golden | {"grad." + name: v.grad for name, v in w.items()}, folder / "golden.safetensors")
    print(float(loss.detach()))


if __name__ == "__main__":
    main()
