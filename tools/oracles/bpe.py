#!/usr/bin/env python3
"""Small tokenizers and what the `tokenizers` package makes of ten thousand strings with each of them, for tests/text/test_bpe.cpp:

    python tools/oracles/bpe.py tests/golden

writes bpe_gpt2.json, bpe_neox.json, bpe_smollm2.json, bpe_llama3.json, bpe_qwen2.json and bpe_llama2.json, tokenizers of a few
hundred merges in the manner of those models, trained on generated text, and bpe_expected.json: the fragments that the test builds its strings
of, the ids of the first strings in full, and a hash of every hundred. With FAUNA_SHARED_DIR set it adds GPT-2's own
vocabulary, which is read from there by the test too.
"""

import json
import os
import pathlib
import sys

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

COUNT, GROUP, FULL, RANDOM_IDS = 10_000, 100, 40, 12
MASK = (1 << 64) - 1

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace("{1,3}", "")

# What trips tokenizers: white space of every kind, contractions and what looks like one, digits of several scripts,
# combining marks, joiners, control characters, the last characters of planes, special tokens and pieces of them; what
# normalization form C composes, reorders, takes apart or lets be, "<" and ">" among it.
FRAGMENTS = (
    [" ", " ", "  ", "   ", "\n", "\n\n", "\r\n", "\r", "\t", "\v", "\f", "\x85", "\u00a0", "\u1680", "\u2003", "\u2028", "\u3000"]
    + ["'", "'s", "'S", "'\u017f", "'t", "'re", "'Re", "'ve", "'m", "'LL", "'ll", "'l", "'d", "'sad", "\u2019s", "''"]
    + ["0", "1", "42", "007", "1234567", "\u0663", "\u06f5\u06f6", "\u2167", "\u00bd", "\u00b2", "\u3007", "\U0001d7d8", "\U00011de0"]
    + ["the", "and", "of", "to", "that", "Thou", "KING", "lord", "speak", "What", "hath", "not", "with", "word", "a", "I", "xyz"]
    + ["\u00e9t\u00e9", "e\u0301", "stra\u00dfe", "\u0130", "\u212a", "\u0416\u0443\u043a", "\u05e9\u05dc\u05d5\u05dd", "\u0645\u0631\u062d\u0628\u0627", "\u0939\u093f\u0928\u094d\u0926\u0940"]
    + ["\u6f22\u5b57", "\u65e5\u672c", "\ud55c\uad6d\uc5b4", "\U0001f600", "\U0001f468\u200d\U0001f469", "\U0001f1e9\U0001f1ea", "\U00020000", "\U000e0041"]
    + [".", ",", "!", "?", "...", "--", ";", ":", "(", ")", "#", "_", "$", "+=", "</", "{\n", "\u20ac", "\u00ab", "\u2581", "\u2581\u2581"]
    + ["\x00", "\x01", "\x1b", "\x7f", "\u200b", "\ufeff", "\ufffd", "\ufffe", "\uffff", "\U0010ffff", "\U0003fffe", "\ue000"]
    + ["<|end|>", "<|start|>", "<|end", "|>", "<|", "<both>", "<left>", "<right>", "<right> ", "<0x41>", "<s>", "</s>", "\u0120", "\u0100"]
    + ["cafe\u0301", "caf\u00e9", "e", "o", "o\u0302", "\u00f4", "\u0338", "\u0301", "\u0302\u0323", "\u0323\u0302", "\u0344", "\u0958", "\u212b", "\u2126"]
    + ["\u1112\u1161\u11ab", "\u1161", "\u11ab", "\ud558", "\uf900"]
)


class Draw:
    """A linear congruential generator (Knuth's MMIX), the same in the test."""

    def __init__(self, seed):
        self.x = seed

    def __call__(self, n):
        self.x = (self.x * 6364136223846793005 + 1442695040888963407) & MASK
        return (self.x >> 33) % n


def scalar(draw, below):
    c = draw(below)
    return chr(c if not 0xD800 <= c < 0xE000 else c - 0x800)


def string(i):
    """String i: fragments, code points of the first planes' start and of all planes, repetitions; every fiftieth is one long word."""
    draw = Draw(i)
    if i % 50 == 49:
        return "".join(chr(ord("a") + draw(26) % (3 + i % 23)) for _ in range(40 + draw(400)))
    parts = []
    for _ in range(draw(14)):
        kind = draw(8)
        if kind < 5:
            parts.append(FRAGMENTS[draw(len(FRAGMENTS))])
        elif kind == 5:
            parts.append(scalar(draw, 0x110000))
        elif kind == 6:
            parts.append(scalar(draw, 0x3000))
        else:
            parts.append(FRAGMENTS[draw(len(FRAGMENTS))] * (1 + draw(6)))
    return "".join(parts)


def training_text():
    """Words of a made-up language, so that the vocabulary belongs to nobody; and the strings' own fragments."""
    draw = Draw(2024)
    pick = lambda choices: choices[draw(len(choices))]
    starts, middles = "b d f g h k l m n p r s t v w th sh st tr".split(), "a e i o u ea ou ee".split()
    ends = "n r s t l nd st ng th ly d".split()
    words = ["".join(pick(starts) + pick(middles) + pick(ends) for _ in range(1 + draw(2))) for _ in range(120)]
    for _ in range(3000):
        common = [words[draw(1 + draw(120))] for _ in range(12)]
        yield " ".join(common) + "." + "".join(pick(FRAGMENTS) for _ in range(8))


def byte_level(pre, merges=350, prefix=False, special=("<|end|>", "<|start|>"), added=()):
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre
    t.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=256 + merges + len(special), special_tokens=list(special), show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    t.train_from_iterator(training_text(), trainer)
    t.add_tokens(list(added))
    return t


def gpt2():
    t = byte_level(pre_tokenizers.ByteLevel(add_prefix_space=True))
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    return t


def neox():
    """Pythia's has rows of spaces, and here words with accents, as tokens that are looked for in normalized text."""
    words = ["cafe\u0301", AddedToken("<left>", lstrip=True, normalized=True), AddedToken("o\u0302", normalized=False), "\u2126"]
    t = byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False), added=[" " * n for n in range(24, 1, -1)] + words)
    t.normalizer = normalizers.NFC()
    t.add_special_tokens([AddedToken("<both>", normalized=True)])
    t.post_processor = processors.ByteLevel(trim_offsets=True)
    return t


def smollm2():
    steps = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    added = [AddedToken("<both>", lstrip=True, rstrip=True), AddedToken("<left>", lstrip=True), AddedToken("<right>", rstrip=True, normalized=False)]
    t = byte_level(pre_tokenizers.Sequence(steps), added=added)
    settings = json.loads(t.to_str())
    # The real one lacks some bytes too, here those spelt so: 0x04, 0xF1 and 0xF2. The reference leaves them out of texts.
    lacks = lambda pieces: any(c in piece for piece in pieces for c in "\u0104\u00f1\u00f2")
    vocab = [piece for piece in settings["model"]["vocab"] if not lacks([piece])]
    settings["model"]["vocab"] = {piece: i for i, piece in enumerate(vocab)}
    settings["model"]["merges"] = [merge for merge in settings["model"]["merges"] if not lacks(merge)]
    for i, token in enumerate(settings["added_tokens"][-len(added) :]):
        token["id"] = len(vocab) + i
    return Tokenizer.from_str(json.dumps(settings))


def llama3():
    steps = [pre_tokenizers.Split(Regex(LLAMA3), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    t = byte_level(pre_tokenizers.Sequence(steps))
    start = t.token_to_id("<|start|>")
    t.post_processor = processors.Sequence(
        [processors.ByteLevel(trim_offsets=False), processors.TemplateProcessing(single="<|start|> $A", pair="<|start|> $A <|start|> $B", special_tokens=[("<|start|>", start)])]
    )
    settings = json.loads(t.to_str())
    # With ignore_merges a word of the vocabulary is found without merges: some words that no merge reaches show it.
    settings["model"]["ignore_merges"] = True
    for n, word in enumerate(["speak", "KING", "\u0120that"]):
        settings["model"]["vocab"].setdefault(word, 5000 + n)
    settings["model"]["merges"] = [" ".join(m) for m in settings["model"]["merges"]]  # as older files have them
    return Tokenizer.from_str(json.dumps(settings)), settings


def qwen2():
    steps = [pre_tokenizers.Split(Regex(QWEN2), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    t = byte_level(pre_tokenizers.Sequence(steps))
    t.normalizer = normalizers.NFC()
    return t


def llama2():
    """Characters with byte fallback: a word is the whole text."""
    t = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    t.pre_tokenizer = pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="always", split=True)  # to train with
    special = ["<unk>", "<s>", "</s>", *(f"<0x{b:02X}>" for b in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=700, special_tokens=special, show_progress=False)
    t.train_from_iterator(training_text(), trainer)
    settings = json.loads(t.to_str())
    settings["added_tokens"] = settings["added_tokens"][:3]
    settings["pre_tokenizer"] = None
    t = Tokenizer.from_str(json.dumps(settings))
    t.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    t.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    t.add_tokens([AddedToken("<left><left>")])  # looked for as "\u2581<left><left>"
    t.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)])
    return t


def shared_gpt2(folder):
    """GPT-2's vocabulary, without the last merge: what it makes is missing there."""
    vocab = json.loads((folder / "gpt2-vocab.json").read_text())
    lines = (folder / "gpt2-merges.txt").read_text().splitlines()[1:-1]
    t = Tokenizer(models.BPE(vocab=vocab, merges=[tuple(line.split(" ")) for line in lines]))
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    t.add_special_tokens([AddedToken("<|endoftext|>", normalized=True, special=True)])
    return t


class Hash:
    """FNV-1a over bytes; a number is four of them, lowest first."""

    def __init__(self):
        self.h = 0xCBF29CE484222325

    def text(self, data):
        for byte in data:
            self.h = ((self.h ^ byte) * 0x100000001B3) & MASK

    def ids(self, ids):
        self.text(len(ids).to_bytes(4, "little"))
        for i in ids:
            self.text(i.to_bytes(4, "little"))


def expected(t):
    vocab = t.get_vocab(with_added_tokens=True)
    known = sorted(vocab.values())
    hashes, full = [], []
    for group in range(0, COUNT, GROUP):
        h = Hash()
        for i in range(group, group + GROUP):
            text = string(i)
            t.encode_special_tokens = False
            ids = t.encode(text).ids
            h.ids(ids)
            h.text(t.decode(ids, skip_special_tokens=True).encode())
            t.encode_special_tokens = True
            h.ids(t.encode(text, add_special_tokens=False).ids)
            draw = Draw(i)
            h.text(t.decode([known[draw(len(known))] for _ in range(RANDOM_IDS)], skip_special_tokens=False).encode())
            if i < FULL:
                full.append(ids)
        hashes.append(f"{h.h:016x}")
    return {"ids": len(known), "full": full, "hashes": hashes}


def write(path, value):
    path.write_text(json.dumps(value, separators=(",", ":")) + "\n")
    print(f"{path}: {path.stat().st_size} bytes")


def main():
    folder = pathlib.Path(sys.argv[1])
    made = {"gpt2": gpt2(), "neox": neox(), "smollm2": smollm2(), "qwen2": qwen2(), "llama2": llama2()}
    files = {name: json.loads(t.to_str()) for name, t in made.items()}
    made["llama3"], files["llama3"] = llama3()
    result = {"count": COUNT, "group": GROUP, "random_ids": RANDOM_IDS, "fragments": FRAGMENTS}
    for name, t in made.items():
        write(folder / f"bpe_{name}.json", files[name])
        result[name] = expected(t)
    if "FAUNA_SHARED_DIR" in os.environ:
        result["shared_gpt2"] = expected(shared_gpt2(pathlib.Path(os.environ["FAUNA_SHARED_DIR"]) / "data/tokenizers"))
    write(folder / "bpe_expected.json", result)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main()
