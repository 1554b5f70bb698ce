#!/usr/bin/env python3
"""Golden numbers of a small GPT from PyTorch, for the parity tests: weights, logits, loss, every gradient, and ten AdamW
steps. Run it with a PyTorch at hand, and commit what it writes:

    python tools/oracles/gpt.py tests/golden

The model follows nanoGPT's rules: pre-norm layers, learned positions, one fused qkv projection, GELU with erf, a head tied
to the token embedding, LayerNorm with eps 1e-5, biases everywhere or nowhere. Its steps too: AdamW with betas 0.9 and 0.99,
decay 0.1 for tensors of two and more dimensions, gradients clipped to a global norm of 1.

The file is text, then bytes. Text: a line `fauna-golden 1`; lines `meta KEY VALUE`; lines `tensor NAME DTYPE DIMS OFFSET`
(f32 or i32; DIMS like 11,16, or `-` for a scalar; OFFSET in bytes from the start of the data); a line `data`. The data
follows at once: little-endian, row-major, in the order of the lines.
"""

import pathlib
import sys

import torch
from torch.nn import functional as F

LAYERS, HEADS, WIDTH, CONTEXT, VOCAB, BATCH, SEED = 2, 2, 16, 8, 11, 3, 1337
STEPS, LR, BETAS, EPS, DECAY, CLIP = 10, 1e-3, (0.9, 0.99), 1e-8, 0.1, 1.0


def shapes(bias):
    """Name and shape of every parameter, in the model's order."""
    yield "transformer.wte.weight", (VOCAB, WIDTH)
    yield "transformer.wpe.weight", (CONTEXT, WIDTH)
    for layer in range(LAYERS):
        for name, shape in [
            ("ln_1", (WIDTH,)),
            ("attn.c_attn", (3 * WIDTH, WIDTH)),
            ("attn.c_proj", (WIDTH, WIDTH)),
            ("ln_2", (WIDTH,)),
            ("mlp.c_fc", (4 * WIDTH, WIDTH)),
            ("mlp.c_proj", (WIDTH, 4 * WIDTH)),
        ]:
            yield f"transformer.h.{layer}.{name}.weight", shape
            if bias:
                yield f"transformer.h.{layer}.{name}.bias", shape[:1]
    yield "transformer.ln_f.weight", (WIDTH,)
    if bias:
        yield "transformer.ln_f.bias", (WIDTH,)


def initial(bias):
    """Weights far from nanoGPT's initial ones, so that no term of a gradient is too small to be seen."""
    generator = torch.Generator().manual_seed(SEED)
    weights = {}
    for name, shape in shapes(bias):
        noise = torch.randn(shape, generator=generator)
        if ".ln_" in name:
            w = 0.2 * noise + (1.0 if name.endswith("weight") else 0.0)
        elif name.endswith("bias"):
            w = 0.1 * noise
        else:
            w = 0.3 * noise
        weights[name] = w.requires_grad_()
    return weights


def logits_of(w, tokens_BT):
    def norm(x, name):
        return F.layer_norm(x, (WIDTH,), w[name + ".weight"], w.get(name + ".bias"), 1e-5)

    def linear(x, name):
        return F.linear(x, w[name + ".weight"], w.get(name + ".bias"))

    batch, length = tokens_BT.shape
    x_BTC = w["transformer.wte.weight"][tokens_BT] + w["transformer.wpe.weight"][:length]
    for layer in range(LAYERS):
        at = f"transformer.h.{layer}."
        qkv = linear(norm(x_BTC, at + "ln_1"), at + "attn.c_attn").split(WIDTH, dim=2)
        q, k, v = (part.view(batch, length, HEADS, -1).transpose(1, 2) for part in qkv)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x_BTC = x_BTC + linear(mixed.transpose(1, 2).reshape(batch, length, WIDTH), at + "attn.c_proj")
        x_BTC = x_BTC + linear(F.gelu(linear(norm(x_BTC, at + "ln_2"), at + "mlp.c_fc")), at + "mlp.c_proj")
    return F.linear(norm(x_BTC, "transformer.ln_f"), w["transformer.wte.weight"])


def loss_of(logits_BTV, targets_BT):
    return F.cross_entropy(logits_BTV.flatten(0, 1), targets_BT.flatten(), ignore_index=-1)


def write(path, meta, tensors):
    lines, data, offset = ["fauna-golden 1"], [], 0
    lines += [f"meta {key} {value}" for key, value in meta.items()]
    for name, t in tensors:
        t = t.detach().contiguous()
        dtype = "f32" if t.is_floating_point() else "i32"
        raw = t.to(torch.float32 if dtype == "f32" else torch.int32).numpy().astype("<f4" if dtype == "f32" else "<i4")
        dims = ",".join(str(d) for d in t.shape) or "-"
        lines.append(f"tensor {name} {dtype} {dims} {offset}")
        data.append(raw.tobytes())
        offset += len(data[-1])
    path.write_bytes("\n".join(lines + ["data"]).encode() + b"\n" + b"".join(data))
    print(f"{path}: {len(tensors)} tensors, {path.stat().st_size} bytes")


def golden(path, bias):
    generator = torch.Generator().manual_seed(SEED + 1)
    ids = torch.randint(VOCAB, (BATCH, CONTEXT + 1), generator=generator)
    tokens, targets = ids[:, :-1].contiguous(), ids[:, 1:].clone()
    targets[1, 2] = targets[2, CONTEXT - 1] = -1  # rows without a target count in no mean

    w = initial(bias)
    tensors = [("tokens", tokens), ("targets", targets)] + [("weight." + name, t.detach().clone()) for name, t in w.items()]
    logits = logits_of(w, tokens)
    loss = loss_of(logits, targets)
    loss.backward()
    tensors += [("logits", logits), ("loss", loss)] + [("grad." + name, t.grad.clone()) for name, t in w.items()]

    groups = [
        {"params": [t for t in w.values() if t.dim() >= 2], "weight_decay": DECAY},
        {"params": [t for t in w.values() if t.dim() < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=LR, betas=BETAS, eps=EPS)
    losses, norms = [], []
    for _ in range(STEPS):
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(logits_of(w, tokens), targets)
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(list(w.values()), CLIP))
        optimizer.step()
        losses.append(loss.detach())
    losses.append(loss_of(logits_of(w, tokens), targets).detach())  # after the last step
    tensors += [("step_losses", torch.stack(losses)), ("step_grad_norms", torch.stack(norms))]
    tensors += [("trained." + name, t) for name, t in w.items()]

    meta = {"torch": torch.__version__, "seed": SEED, "layers": LAYERS, "heads": HEADS, "width": WIDTH, "context": CONTEXT}
    meta |= {"vocab": VOCAB, "bias": int(bias), "batch": BATCH, "steps": STEPS, "lr": LR, "beta1": BETAS[0]}
    meta |= {"beta2": BETAS[1], "eps": EPS, "weight_decay": DECAY, "clip": CLIP}
    write(path, meta, tensors)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    torch.set_num_threads(1)
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    golden(folder / "gpt_tiny.bin", bias=True)
    golden(folder / "gpt_tiny_nobias.bin", bias=False)
