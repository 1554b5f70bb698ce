#!/usr/bin/env python3
"""Golden numbers of Mamba-3's mixer, single-input single-output, from a loop over rows in float64 that has the equations of the
paper (arXiv 2603.15569): the state h of the trapezoidal rule as it stands there, each step writing for its own row and for the
one before. Run it with torch at hand, and commit what it writes:

    python tools/oracles/mamba3.py tests/golden

mamba3.bin  two mixers: weights under mamba_ssm's names, x, y, and the gradients of Σ y ∘ dy. The format is gpt.py's.
"""

import pathlib
import sys

import torch
from gpt import write
from recurrence import SEED, layer, random, same
from torch.nn import Parameter
from torch.nn import functional as F


class Mixer(torch.nn.Module):
    def __init__(self, width, heads, size, states, groups, angles, norm):
        super().__init__()
        self.heads, self.size, self.states, self.groups, self.angles = heads, size, states, groups, angles
        inner = heads * size
        self.split = [inner, inner, groups * states, groups * states, heads, heads, heads, angles]
        self.in_proj = torch.nn.Linear(width, sum(self.split), bias=False)
        self.out_proj = torch.nn.Linear(inner, width, bias=False)
        self.dt_bias, self.D = Parameter(torch.zeros(heads)), Parameter(torch.zeros(heads))
        self.B_bias, self.C_bias = (Parameter(torch.zeros(heads, 1, states)) for _ in range(2))
        self.B_norm, self.C_norm = (torch.nn.RMSNorm(states, eps=1e-5) for _ in range(2))
        self.norm = torch.nn.RMSNorm(inner, eps=1e-5) if norm else None  # its weight alone: each head has its own root

    def forward(self, u):
        z, x, b, c, dt, a, trap, angle = self.in_proj(u[0]).split(self.split, dim=-1)
        rows, heads = len(z), self.heads
        x = x.view(rows, heads, self.size)
        shared = lambda v, norm: norm(v.view(rows, self.groups, self.states)).repeat_interleave(heads // self.groups, dim=1)
        b = shared(b, self.B_norm) + self.B_bias[:, 0]
        c = shared(c, self.C_norm) + self.C_bias[:, 0]
        delta = F.softplus(dt + self.dt_bias)
        rate = torch.where(a < 0, 1 / (1 - a), 1 + a).clamp(min=1e-4)
        alpha, share = torch.exp(-delta * rate), torch.sigmoid(trap)
        theta = torch.cumsum(torch.pi * torch.tanh(angle)[:, None] * delta[..., None], dim=0)  # [rows, heads, angles]

        def turned(v):
            pairs = torch.view_as_complex(v[..., : 2 * self.angles].reshape(rows, heads, self.angles, 2).contiguous())
            pairs = torch.view_as_real(pairs * torch.exp(1j * theta)).flatten(-2)
            return torch.cat([pairs, v[..., 2 * self.angles :]], dim=-1)

        k, q = turned(b), turned(c)
        h = torch.zeros(heads, self.states, self.size, dtype=z.dtype)
        out = []
        for t in range(rows):
            number = lambda v: v[t][:, None, None]
            h = number(alpha) * h
            if t > 0:
                h = h + number((1 - share) * delta * alpha) * k[t - 1][..., None] * x[t - 1][:, None]
            h = h + number(share * delta) * k[t][..., None] * x[t][:, None]
            out.append(torch.einsum("hnp,hn->hp", h, q[t]) + self.D[:, None] * x[t])
        y = torch.stack(out)
        if self.norm:
            y = y * torch.rsqrt(y.square().mean(-1, keepdim=True) + 1e-5)
            y = y * self.norm.weight.view(heads, self.size)
        return self.out_proj(y.reshape(rows, -1) * F.silu(z))[None]


def main(folder):
    torch.set_num_threads(1)
    random.generator = torch.Generator().manual_seed(SEED + 2)
    tensors = layer("plain", Mixer(12, heads=3, size=4, states=8, groups=1, angles=2, norm=False), lambda m, x: m(x), same)
    tensors += layer("grouped", Mixer(12, heads=4, size=3, states=6, groups=2, angles=3, norm=True), lambda m, x: m(x), same)
    write(folder / "mamba3.bin", {"torch": torch.__version__, "seed": SEED + 2}, tensors)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]))
