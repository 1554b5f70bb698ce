#!/usr/bin/env python3
"""Small SentencePiece models and what the `sentencepiece` package makes of ten thousand strings with each of them, for
tests/text/test_sentencepiece.cpp:

    python tools/oracles/pieces.py tests/golden/pieces

writes NAME.model, of a few hundred pieces each, in the manner of Llama 2 (BPE, byte fallback, nothing normalized), Gemma (the same
without a space in front, with pieces of the user's) and T5 (unigram, nmt_nfkc), and two with what those lack: unused pieces, rules of
their own. Then tokenizers of the `tokenizers` package with the same pieces, json_NAME.json, and expected.json as bpe.py has it.
"""

import io
import json
import pathlib
import sys
import tempfile

import sentencepiece as spm
from sentencepiece import sentencepiece_model_pb2 as pb
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from bpe import COUNT, FRAGMENTS, FULL, GROUP, RANDOM_IDS, Draw, Hash, expected, string, training_text, write

USERS = ["\n\n", "\u2581\u2581", "\u2581\u2581\u2581", "<left>", "<right>", "the", "+="]
# Letters, a space, and one that leads nowhere else; rules that are the beginning of others.
RULES = {"\U0001d7d8": "0", "\U00020000": "  two ", "\U0001f600": ":)"}
MORE_RULES = {"\u2167": "VIII", "\u00bd": "1/2", "\u00a0": " ", "\u2028": "", "KI": "ki", "KING": "  queen ", "\u20ac": "EUR "}


def trained(**settings):
    out = io.BytesIO()
    spm.SentencePieceTrainer.train(
        sentence_iterator=training_text(), model_writer=out, minloglevel=2, num_threads=1, max_sentence_length=100_000, **settings
    )
    return out.getvalue()


def changed(model, change):
    m = pb.ModelProto.FromString(model)
    change(m)
    return m.SerializeToString()


def llama2():
    return trained(
        model_type="bpe", vocab_size=700, byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False,
        character_coverage=0.99, split_digits=True, allow_whitespace_only_pieces=True,
    )  # fmt: skip


def gemma():
    return trained(
        model_type="bpe", vocab_size=720, byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False,
        character_coverage=0.99, add_dummy_prefix=False, user_defined_symbols=USERS, control_symbols=["<start>", "<end>"], pad_id=0, eos_id=1,
        bos_id=2, unk_id=3, split_by_whitespace=False,
    )  # fmt: skip


def t5():
    return trained(model_type="unigram", vocab_size=500, normalization_rule_name="nmt_nfkc", character_coverage=0.99, bos_id=-1, pad_id=0, eos_id=1, unk_id=2)


def rules(table=RULES | MORE_RULES):
    """Unigram with byte fallback, pieces of the user's, rules of its own."""
    with tempfile.NamedTemporaryFile("w", suffix=".tsv", encoding="utf-8") as tsv:
        for source, target in table.items():
            tsv.write("\t".join(" ".join(f"{ord(c):X}" for c in side) for side in (source, target)) + "\n")
        tsv.flush()
        return trained(
            model_type="unigram", vocab_size=760, normalization_rule_tsv=tsv.name, character_coverage=0.99, byte_fallback=True, user_defined_symbols=USERS[3:]
        )


def unused(model):
    """Every third longer piece is there, and may not be used."""

    def change(m):
        longer = [p for p in m.pieces if p.type == p.NORMAL and len(p.piece) > 2]
        for p in longer[::3]:
            p.type = p.UNUSED

    return changed(model, change)


def bpe_unused():
    return unused(trained(model_type="bpe", vocab_size=600, normalization_rule_name="identity", character_coverage=0.99, remove_extra_whitespaces=True))


def reference(model):
    """As bpe.expected: ids, their text, ids again (there is no other way to encode), the text of random ids."""
    sp = spm.SentencePieceProcessor(model_proto=model)
    hashes, full = [], []
    for group in range(0, COUNT, GROUP):
        h = Hash()
        for i in range(group, group + GROUP):
            ids = sp.encode(string(i))
            h.ids(ids)
            h.text(sp.decode(ids).encode())
            draw = Draw(i)
            h.text(sp.decode([draw(len(sp)) for _ in range(RANDOM_IDS)]).encode())
            if i < FULL:
                full.append(ids)
        hashes.append(f"{h.h:016x}")
    return {"ids": len(sp), "full": full, "hashes": hashes}


def merges(pieces):
    """As transformers' converters make them of scores."""
    at = {p.piece: i for i, p in enumerate(pieces)}
    normal = [p for p in pieces if p.type == p.NORMAL]
    known = {p.piece for p in normal}
    pairs = []
    for p in normal:
        local = [(p.piece[:i], p.piece[i:]) for i in range(1, len(p.piece)) if p.piece[:i] in known and p.piece[i:] in known]
        pairs += [(-p.score, at[p.piece], pair) for pair in sorted(local, key=lambda pair: (at[pair[0]], at[pair[1]]))]
    return [pair for _, _, pair in sorted(pairs, key=lambda p: p[:2])]


def bpe_json(model):
    pieces = pb.ModelProto.FromString(model).pieces
    unk = next(p.piece for p in pieces if p.type == p.UNKNOWN)
    t = Tokenizer(models.BPE(vocab={p.piece: i for i, p in enumerate(pieces)}, merges=merges(pieces), unk_token=unk, fuse_unk=True, byte_fallback=True))
    t.add_special_tokens([p.piece for p in pieces if p.type in (p.CONTROL, p.UNKNOWN)])
    t.add_tokens([AddedToken(p.piece, normalized=False) for p in pieces if p.type == p.USER_DEFINED])
    return t


def json_llama2():
    t = bpe_json(llama2())
    t.pre_tokenizer = pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="first", split=False)
    t.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    t.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)])
    return t


def json_gemma():
    t = bpe_json(gemma())
    t.normalizer = normalizers.Replace(" ", "\u2581")
    t.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    t.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()])
    return t


def json_t5():
    """T5's, with rules of its own. (The package applies rules to graphemes of less than six bytes first, which no mark makes of these.)"""
    m = pb.ModelProto.FromString(rules(RULES))
    vocab = [(p.piece, p.score) for p in m.pieces if p.type in (p.NORMAL, p.UNKNOWN, p.CONTROL)]
    t = Tokenizer(models.Unigram(vocab, unk_id=0, byte_fallback=False))
    t.normalizer = normalizers.Precompiled(m.normalizer_spec.precompiled_charsmap)
    t.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="always", split=True)]
    )
    t.decoder = decoders.Metaspace(replacement="\u2581", prepend_scheme="always", split=True)
    t.add_special_tokens(["<s>", "</s>", "<unk>"])
    t.post_processor = processors.TemplateProcessing(single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 2)])
    return t


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    result = {"count": COUNT, "group": GROUP, "random_ids": RANDOM_IDS, "fragments": FRAGMENTS}
    for make in (llama2, gemma, t5, rules, bpe_unused):
        model = make()
        (folder / f"{make.__name__}.model").write_bytes(model)
        print(make.__name__, len(model))
        result[make.__name__] = reference(model)
    for make in (json_llama2, json_gemma, json_t5):
        t = make()
        (folder / f"{make.__name__}.json").write_text(json.dumps(json.loads(t.to_str()), ensure_ascii=False, separators=(",", ":")))
        result[make.__name__] = expected(t)
    write(folder / "expected.json", result)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main()
