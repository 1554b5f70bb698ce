// SentencePiece's tokenizer.model: a message of protocol buffers (sentencepiece, src/sentencepiece_model.proto) with
// the pieces, their scores and types, and how text is normalized. Llama 2, Mistral and Gemma have BPE there, T5 and
// ALBERT a unigram model.
#pragma once
#include <cmath>
#include <string>
#include <string_view>

#include <fauna/io/file.hpp>
#include <fauna/io/protobuf.hpp>
#include <fauna/text/bpe_settings.hpp>

namespace fauna::inline v0 {

namespace sentencepiece {

inline constexpr const char* unknown_text = " \xe2\x81\x87 ";  ///< U+2047 between spaces

/// How SentencePiece cuts and joins, with whichever pieces: rules on the whole text, `rules.verbatim` filled with the
/// pieces of users; how tokens become text.
inline void set_rules(BpeSettings& out, SentenceRules rules) {
  out.f32_sums = out.fuse_unk = out.lone_bytes = true;
  for (BpeSettings::Piece const& p : out.vocab) {
    const std::string text(out.text(p));
    if (p.type == piece_type::user_defined) rules.verbatim.add({text, p.id, false, false, true, false});
    if (p.type == piece_type::control) out.added.push_back({text, p.id, false, false, false, true});
  }
  out.decode_edit.from = space_mark;
  out.decode_edit.to = " ";
  out.start = rules.remove_extra ? text_start::each : rules.dummy_prefix ? text_start::once : text_start::strip;
  if (rules.dummy_prefix || rules.remove_extra || rules.escape || !rules.map.empty()) {
    out.edits.emplace_back();
    out.edits.back().rules = std::move(rules);
  }
}

/// Throws unless there is one unknown piece, and with byte fallback a piece for each byte.
inline void check_pieces(BpeSettings const& s) {
  int unknown = 0;
  for (BpeSettings::Piece const& p : s.vocab) {
    const std::string which = s.source + ": piece " + std::to_string(p.id);
    if (p.at == p.end) fail("text", which + " has no text", "some");
    if (!std::isfinite(p.score)) fail("text", which + " has a score that is no number", "a number");
    unknown += p.type == piece_type::unknown;
  }
  if (unknown != 1) fail("text", s.source + " has " + std::to_string(unknown) + " unknown pieces", "one");
}

}  // namespace sentencepiece

/// What a tokenizer.model says; `source` names it in errors. Nothing is put around a text: which tokens a model wants
/// there the file does not know.
inline BpeSettings read_sentencepiece(std::string_view message, std::string const& source) {
  BpeSettings out;
  out.source = source;
  SentenceRules rules;
  rules.dummy_prefix = rules.remove_extra = rules.escape = true;
  out.rule = word_rule::unigram;
  out.unk_text = sentencepiece::unknown_text;
  Protobuf model(message, source);
  while (model.next()) {
    if (model.field() == 1) {
      Protobuf piece(model.bytes(), source + ", piece " + std::to_string(out.vocab.size()));
      std::string_view text;
      float score = 0;
      std::uint64_t type = 1;
      while (piece.next()) {
        if (piece.field() == 1) text = piece.bytes();
        else if (piece.field() == 2) score = piece.f32();
        else if (piece.field() == 3) type = piece.number();
      }
      if (type < 1 || type > 6) piece.wrong("type " + std::to_string(type), "1 to 6");
      out.add_piece(text, static_cast<long long>(out.vocab.size()), static_cast<double>(score),
                    static_cast<piece_type>(type));
    } else if (model.field() == 2) {
      Protobuf trainer(model.bytes(), source + ", trainer_spec");
      while (trainer.next()) {
        if (trainer.field() == 3) {
          if (trainer.number() < 1 || trainer.number() > 2)
            trainer.wrong("model_type " + std::to_string(trainer.number()), "1 (unigram) or 2 (bpe)");
          out.rule = trainer.number() == 1 ? word_rule::unigram : word_rule::scores;
        } else if (trainer.field() == 24 && trainer.flag()) {
          trainer.wrong("treat_whitespace_as_suffix", "false");
        } else if (trainer.field() == 35) {
          out.byte_fallback = trainer.flag();
        } else if (trainer.field() == 44) {
          out.unk_text = trainer.bytes();
        }
      }
    } else if (model.field() == 3) {
      Protobuf normalizer(model.bytes(), source + ", normalizer_spec");
      while (normalizer.next()) {
        if (normalizer.field() == 2) {
          if (!normalizer.bytes().empty()) rules.map = Charsmap(normalizer.bytes(), source);
        } else if (normalizer.field() == 3) {
          rules.dummy_prefix = normalizer.flag();
        } else if (normalizer.field() == 4) {
          rules.remove_extra = normalizer.flag();
        } else if (normalizer.field() == 5) {
          rules.escape = normalizer.flag();
        }
      }
    } else if (model.field() == 5) {
      Protobuf denormalizer(model.bytes(), source + ", denormalizer_spec");
      while (denormalizer.next())
        if (denormalizer.field() == 2 && !denormalizer.bytes().empty())
          denormalizer.wrong("a precompiled_charsmap", "none");
    }
  }
  sentencepiece::check_pieces(out);
  sentencepiece::set_rules(out, std::move(rules));
  return out;
}

}  // namespace fauna::inline v0
