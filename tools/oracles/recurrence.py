#!/usr/bin/env python3
"""Golden numbers of the recurrences and of the mixers made of them, from implementations that are not ours. Run it with
torch, transformers, fla-core, einops and xlstm at hand, and commit what it writes:

    python tools/oracles/recurrence.py tests/golden

recurrence.bin  the naive loops of flash-linear-attention (fla-core) and of xlstm: rows in, rows out, and the gradients of
                Σ o ∘ do.
kin.bin         the same of the later ones, of which some take more than one recurrence. They are loaded by path, since the package itself needs triton, and computed in float64.
mixers.bin      layers of transformers: weights under our names, x, y, and the gradients of Σ y ∘ dy.

The format is gpt.py's. Rows are those of one sequence, [T, heads columns].
"""

import importlib.metadata
import importlib.util
import pathlib
import re
import sys
import types

import torch
from gpt import write

T, SEED = 19, 7


def random(*shape, by=1.0, about=0.0):
    return (by * torch.randn(*shape, generator=random.generator) + about).double()


def load(package, path):
    """A module of an installed package, by its file alone, with float64 wherever it asks for float32."""
    folder = pathlib.Path(importlib.util.find_spec(package).origin).parent
    source = (folder / path).read_text(encoding="utf-8")
    source = re.sub(r"\.float\(\)", ".double()", re.sub(r"torch\.float(32)?\b", "torch.float64", source))
    module = types.ModuleType(path)
    exec(compile(source, path, "exec"), module.__dict__)
    return module


def run(name, function, inputs):
    """What a function of rows [T, heads, columns] or [T, heads] gives, and all gradients."""
    leaves = {key: value.clone().requires_grad_() for key, value in inputs.items()}
    o = function(**leaves)
    do = random(*o.shape).float().double()
    (o * do).sum().backward()
    tensors = [(key, t.detach()) for key, t in leaves.items()] + [("o", o), ("do", do)]
    tensors += [("d" + key, t.grad) for key, t in leaves.items()]
    return [(f"{name}.{key}", t.reshape(T, -1)) for key, t in tensors]


def recurrences():
    H, K, N = 2, 5, 3
    f32 = lambda t: t.float().double()  # what a golden file can hold
    rows = lambda heads, columns: f32(random(T, heads, columns))
    unit = lambda heads: f32(torch.nn.functional.normalize(random(T, heads, K), dim=-1))
    between = lambda *shape: f32(torch.sigmoid(random(*shape, about=1)))
    batched = lambda t: t[None]  # [1, T, heads, ...]
    by_head = lambda t: t[None].transpose(1, 2)  # [1, heads, T, ...]

    retention = load("fla", "ops/retention/naive.py").naive_retention
    gla = load("fla", "ops/gla/naive.py").naive_recurrent_gla
    delta = load("fla", "ops/delta_rule/naive.py").delta_rule_recurrence
    gated_delta = load("fla", "ops/gated_delta_rule/naive.py").naive_recurrent_gated_delta_rule
    kda = load("fla", "ops/kda/naive.py").naive_recurrent_kda
    mlstm = load("xlstm", "blocks/mlstm/backends.py").parallel_stabilized_simple

    yield from run("retention", lambda q, k, v: retention(by_head(q), by_head(k), by_head(v))[0].transpose(0, 1),
                   {"q": rows(H, K), "k": rows(H, K), "v": rows(H, N)})
    yield from run("gla", lambda q, k, v, fade: gla(batched(q), batched(k), batched(v), batched(fade.log()))[0][0],
                   {"q": rows(H, K), "k": rows(H, K), "v": rows(H, N), "fade": between(T, H, K)})
    yield from run("delta", lambda q, k, v, beta: delta(by_head(q), by_head(k), by_head(v), by_head(beta))[0][0].transpose(0, 1),
                   {"q": rows(H, K), "k": unit(H), "v": rows(H, N), "beta": between(T, H)})
    yield from run("gated_delta",
                   lambda q, k, v, fade, beta: gated_delta(*map(batched, (q, k, v, beta, fade.log())))[0][0],
                   {"q": rows(H, K), "k": unit(H), "v": rows(H, N), "fade": between(T, H), "beta": between(T, H)})
    yield from run("kda", lambda q, k, v, fade, beta: kda(*map(batched, (q, k, v, fade.log(), beta)))[0][0],
                   {"q": rows(H, K), "k": unit(H), "v": rows(2 * H, N), "fade": between(T, 2 * H, K), "beta": between(T, 2 * H)})
    yield from run("mlstm", lambda q, k, v, i, f: mlstm(by_head(q), by_head(k), by_head(v), by_head(i)[..., None],
                                                        by_head(f)[..., None], eps=0.0)[0].transpose(0, 1),
                   {"q": rows(H, K), "k": rows(H, K), "v": rows(H, N), "i": f32(random(T, H, by=2)), "f": f32(random(T, H, by=2))})


def later_kin():
    """What fla-core has beside the first ones. Fades are given as they multiply, not as logarithms."""
    H, K, N, M, twice = 2, 5, 3, 4, 2
    f32 = lambda t: t.float().double()
    rows = lambda heads, columns: f32(random(T, heads, columns))
    unit = lambda *shape: f32(torch.nn.functional.normalize(random(*shape), dim=-1))
    between = lambda *shape: f32(torch.sigmoid(random(*shape, about=1)))
    batched = lambda *ts: [t[None] for t in ts]
    by_head = lambda *ts: [t[None].transpose(1, 2) for t in ts]

    simple_gla = load("fla", "ops/simple_gla/naive.py").naive_recurrent_simple_gla
    linear = load("fla", "ops/linear_attn/naive.py").naive_recurrent_linear_attn
    gla = load("fla", "ops/gla/naive.py").naive_recurrent_gla
    hgrn = load("fla", "ops/hgrn/naive.py").naive_recurrent_hgrn
    comba = load("fla", "ops/comba/naive.py").naive_recurrent_comba
    gdn2 = load("fla", "ops/gdn2/naive.py").naive_recurrent_gdn2
    dplr = load("fla", "ops/generalized_delta_rule/dplr/naive.py").dplr_recurrence
    product = load("fla", "ops/gated_delta_product/naive.py").naive_recurrent_gated_delta_product
    gsa = load("fla", "ops/gsa/naive.py").naive_recurrent_gsa
    qkv = lambda: {"q": rows(H, K), "k": rows(H, K), "v": rows(H, N)}

    yield from run("simple_gla", lambda q, k, v, fade: simple_gla(*batched(q, k, v, fade.log()))[0][0], qkv() | {"fade": between(T, H)})
    positive = {key: f32(t.exp()) if key != "v" else t for key, t in qkv().items()}
    yield from run("linear", lambda q, k, v: linear(*batched(q, k, v), normalize=True)[0][0], positive)
    # HGRN2 is GLA whose keys are what the state does not keep.
    yield from run("hgrn2", lambda q, v, fade: gla(*batched(q, 1 - fade, v, fade.log()))[0][0],
                   {"q": rows(H, K), "v": rows(H, N), "fade": between(T, H, K)})
    yield from run("hgrn", lambda v, fade: hgrn(*batched(v, fade.log()))[0][0], {"v": f32(random(T, 7)), "fade": between(T, 7)})
    yield from run("comba", lambda q, k, v, a, fade, beta: comba(*batched(q, k, v, a, beta, fade.log()))[0][0],
                   {"q": rows(H, K), "k": unit(T, H, K), "v": rows(H, N), "a": unit(T, H, K), "fade": between(T, H), "beta": between(T, H)})
    yield from run("gdn2", lambda q, k, v, fade, erase, write: gdn2(*batched(q, k, v, fade.log(), erase, write))[0][0],
                   {"q": rows(H, K), "k": unit(T, H, K), "v": rows(H, N), "fade": between(T, H, K), "erase": between(T, H, K),
                    "write": between(T, H, N)})
    yield from run("dplr", lambda q, k, v, a, b, fade: dplr(*by_head(q, k, v, a, b, fade.log()))[0][0].transpose(0, 1),
                   {"q": rows(H, K), "k": rows(H, K), "v": rows(H, N), "a": unit(T, H, K), "b": f32(-0.5 * unit(T, H, K)),
                    "fade": between(T, H, K)})
    # As many keys and values a row as there are products; they stand side by side here.
    yield from run("product", lambda q, k, v, fade, beta: product(
        *batched(q, k.reshape(twice * T, H, K), v.reshape(twice * T, H, N), fade.log(), beta.reshape(twice * T, H)),
        scale=K**-0.5, num_householder=twice)[0][0],
                   {"q": rows(H, K), "k": unit(T, twice, H, K), "v": rows(twice * H, N), "fade": between(T, H), "beta": between(T, twice * H)})
    yield from run("gsa", lambda q, k, v, s, fade: gsa(*batched(q, k, v, s, fade.log()))[0][0],
                   qkv() | {"s": between(T, H, M), "fade": between(T, H, M)})


def layer(name, module, run_it, split):
    """A layer of Width columns; split maps its parameters, or their gradients, to ours."""
    module = module.double()
    with torch.no_grad():
        for parameter, values in module.named_parameters():
            by = 0.5 / values.shape[-1] ** 0.5 if values.dim() > 1 else 0.3
            about = 1.0 if "norm" in parameter else 0.0
            values.copy_(random(*values.shape, by=2 * by, about=about).float())
    x = random(1, T, 12).float().double().requires_grad_()
    y = run_it(module, x)
    y = y[0] if isinstance(y, tuple) else y
    dy = random(*y.shape).float().double()
    (y * dy).sum().backward()
    tensors = [("x", x.detach()), ("y", y), ("dy", dy), ("dx", x.grad)]
    tensors = [(key, t.reshape(T, -1)) for key, t in tensors]
    tensors += [("weight." + key, t) for key, t in split({k: p.detach() for k, p in module.named_parameters()}).items()]
    tensors += [("grad." + key, t) for key, t in split({k: p.grad for k, p in module.named_parameters()}).items()]
    return [(f"{name}.{key}", t) for key, t in tensors]


def same(parameters):
    return parameters


def qwen3_next():
    from transformers.models.qwen3_next.modeling_qwen3_next import Qwen3NextConfig, Qwen3NextGatedDeltaNet

    G, H, K, N = 2, 4, 5, 3
    config = Qwen3NextConfig(hidden_size=12, linear_num_key_heads=G, linear_num_value_heads=H, linear_key_head_dim=K,
                             linear_value_head_dim=N, linear_conv_kernel_dim=4, rms_norm_eps=1e-6, num_hidden_layers=1,
                             layer_types=["linear_attention"])

    def split(p):
        per = H // G
        q, k, v, z = p["in_proj_qkvz.weight"].view(G, -1, 12).split([K, K, per * N, per * N], dim=1)
        b, a = p["in_proj_ba.weight"].view(G, -1, 12).split([per, per], dim=1)
        conv = p["conv1d.weight"].split([G * K, G * K, H * N])
        ours = {"q_proj.weight": q, "k_proj.weight": k, "v_proj.weight": v, "g_proj.weight": z, "b_proj.weight": b, "a_proj.weight": a}
        ours = {key: t.reshape(-1, 12) for key, t in ours.items()}
        ours |= {f"{letter}_conv1d.weight": t for letter, t in zip("qkv", conv)}
        return ours | {"A_log": p["A_log"], "dt_bias": p["dt_bias"], "o_norm.weight": p["norm.weight"], "o_proj.weight": p["out_proj.weight"]}

    return layer("gated_delta_net", Qwen3NextGatedDeltaNet(config, 0), lambda m, x: m(x), split)


def kimi_linear():
    from transformers.models.kimi_linear.modeling_kimi_linear import KimiLinearConfig, KimiLinearDeltaAttention

    H, N = 3, 4
    config = KimiLinearConfig(hidden_size=12, linear_num_heads=H, linear_head_dim=N, linear_conv_kernel_dim=4, rms_norm_eps=1e-5,
                              num_hidden_layers=1, layer_types=["linear_attention"])

    def split(p):
        ours = {f"{letter}_conv1d.weight": t for letter, t in zip("qkv", p["conv1d.weight"].split(H * N))}
        names = {"forget_gate.f_a_proj": "f_proj.0", "forget_gate.f_b_proj": "f_proj.1", "forget_gate.": "", "g_a_proj": "g_proj.0",
                 "g_b_proj": "g_proj.1"}
        for key, t in p.items():
            if key == "conv1d.weight":
                continue
            for theirs, mine in names.items():
                key = key.replace(theirs, mine)
            ours[key] = t
        return ours

    return layer("kda", KimiLinearDeltaAttention(config, 0), lambda m, x: m(x), split)


def recurrent_gemma():
    from transformers.models.recurrent_gemma.modeling_recurrent_gemma import RecurrentGemmaConfig, RecurrentGemmaRecurrentBlock

    config = RecurrentGemmaConfig(hidden_size=12, lru_width=8, num_attention_heads=2, conv1d_width=4)
    positions = torch.arange(T)[None]
    return layer("griffin", RecurrentGemmaRecurrentBlock(config, 0), lambda m, x: m(x, positions, None, use_cache=False), same)


def lfm2():
    from transformers.models.lfm2.modeling_lfm2 import Lfm2Config, Lfm2ShortConv

    config = Lfm2Config(hidden_size=12, conv_L_cache=3, conv_bias=False, num_hidden_layers=1, layer_types=["conv"])
    return layer("short_conv", Lfm2ShortConv(config, 0), lambda m, x: m(x), same)


def xlstm():
    from transformers.models.xlstm.modeling_xlstm import xLSTMConfig, xLSTMLayer

    config = xLSTMConfig(hidden_size=12, num_heads=2, qk_dim_factor=0.5, v_dim_factor=1.0, chunk_size=T, mode="train",
                         autocast_kernel_dtype="float32", eps=0.0, return_last_states=True)
    return layer("mlstm", xLSTMLayer(config).train(), lambda m, x: m(x), same)


def main(folder):
    torch.set_num_threads(1)
    packages = ["torch", "transformers", "fla-core", "xlstm"]
    meta = {name: importlib.metadata.version(name) for name in packages} | {"seed": SEED}
    random.generator = torch.Generator().manual_seed(SEED)
    write(folder / "recurrence.bin", meta, list(recurrences()))
    random.generator = torch.Generator().manual_seed(SEED + 3)
    write(folder / "kin.bin", meta, list(later_kin()))
    sys.modules["fla"] = sys.modules["xlstm"] = None  # transformers would take their kernels
    random.generator = torch.Generator().manual_seed(SEED + 1)
    write(folder / "mixers.bin", meta, [t for make in (qwen3_next, kimi_linear, recurrent_gemma, lfm2, xlstm) for t in make()])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]))
