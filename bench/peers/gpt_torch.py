"""What the GPT peers share: a GPT in eager PyTorch with nanoGPT's arithmetic, its optimizer groups, and the loop in which
a driver alternates them with the program they are compared with.

The loop writes one JSON line when it is ready, {"ready": true, "torch": ..., "threads": ..., "dtype": ...}. Then, for
every line `segment N` it reads, it runs N more iterations of one and the same training and answers
{"seconds": ..., "iterations": N, "loss": ...}. It ends with its input, or at a line `quit`.
"""

import argparse
import contextlib
import json
import math
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F


class Layer(nn.Module):
    def __init__(self, width, heads, bias):
        super().__init__()
        self.heads = heads
        self.ln_1 = nn.LayerNorm(width, bias=bias)
        self.c_attn = nn.Linear(width, 3 * width, bias=bias)
        self.attn_proj = nn.Linear(width, width, bias=bias)
        self.ln_2 = nn.LayerNorm(width, bias=bias)
        self.c_fc = nn.Linear(width, 4 * width, bias=bias)
        self.mlp_proj = nn.Linear(4 * width, width, bias=bias)

    def forward(self, x_BTC):
        batch, length, width = x_BTC.shape
        q, k, v = (
            part.view(batch, length, self.heads, -1).transpose(1, 2)
            for part in self.c_attn(self.ln_1(x_BTC)).split(width, dim=2)
        )
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x_BTC = x_BTC + self.attn_proj(mixed.transpose(1, 2).reshape(batch, length, width))
        return x_BTC + self.mlp_proj(F.gelu(self.c_fc(self.ln_2(x_BTC))))


class Gpt(nn.Module):
    def __init__(self, layers, heads, width, context, vocab, bias):
        super().__init__()
        self.wte = nn.Embedding(vocab, width)
        self.wpe = nn.Embedding(context, width)
        self.h = nn.ModuleList(Layer(width, heads, bias) for _ in range(layers))
        self.ln_f = nn.LayerNorm(width, bias=bias)
        for name, p in self.named_parameters():
            if p.dim() >= 2:
                nn.init.normal_(p, std=0.02 / math.sqrt(2 * layers) if "_proj" in name else 0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(p)

    def forward(self, tokens_BT, targets_BT):
        x_BTC = self.wte(tokens_BT) + self.wpe.weight[: tokens_BT.shape[1]]
        for layer in self.h:
            x_BTC = layer(x_BTC)
        logits_BTV = F.linear(self.ln_f(x_BTC), self.wte.weight)
        return F.cross_entropy(logits_BTV.flatten(0, 1), targets_BT.flatten(), ignore_index=-1)


def adamw(model, lr, betas, weight_decay, fused):
    """AdamW that decays tensors of two and more dimensions and nothing else."""
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=lr, betas=betas, eps=1e-8, fused=fused)


def precision(dtype):
    """The context that forward passes run in."""
    return torch.autocast("cpu", torch.bfloat16) if dtype == "bf16" else contextlib.nullcontext()


def arguments(description, threads=2):
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=threads)
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="f32", help="bf16: torch.autocast")
    parser.add_argument("--seed", type=int, default=1337)
    return parser


def prepare(options):
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)


def say(**fields):
    print(json.dumps(fields), flush=True)


def timed(iterate, count):
    """Runs `iterate` count times; what it took and the last loss."""
    loss = math.nan
    start = time.perf_counter()
    for _ in range(count):
        loss = iterate()
    return {"seconds": time.perf_counter() - start, "iterations": count, "loss": loss}


def serve(iterate, options):
    say(ready=True, torch=torch.__version__, threads=options.threads, dtype=options.dtype)
    for line in sys.stdin:
        words = line.split()
        if words == ["quit"]:
            return
        if len(words) != 2 or words[0] != "segment" or not words[1].isdigit():
            sys.exit(f"expected `segment N` or `quit`, found {line.strip()!r}")
        say(**timed(iterate, int(words[1])))
