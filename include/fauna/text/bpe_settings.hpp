// What a tokenizer's file says, in plain data, whichever file that is: text/tokenizer_json.hpp, text/gguf_vocab.hpp and
// text/sentencepiece.hpp read it, text/bpe.hpp does it.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fauna/text/added_tokens.hpp>
#include <fauna/text/pretokenize.hpp>
#include <fauna/text/sentence_rules.hpp>

namespace fauna::inline v0 {

/// A change of the text before it is cut: its normalization form C, or `to` in front of it where `from` is empty, else
/// `to` for each `from`, or for each run of more than one; or SentencePiece's.
struct TextEdit {
  std::string from{}, to{};
  bool nfc = false, runs = false;
  std::optional<SentenceRules> rules{};
};

/// How a word becomes tokens: by merges in their order, by the merge whose result has the best score, or as the row of
/// pieces with the best sum of scores.
enum class word_rule { merges, scores, unigram };

/// SentencePiece's types of pieces, with its numbers, which GGUF has too.
enum class piece_type { normal = 1, unknown, control, user_defined, unused, byte };

/// What a text loses at its start as tokens become text: `strip` spaces at most; the space of the first piece; that of
/// every piece as long as there is no text; all the spaces of the first token.
enum class text_start { strip, once, each, first };

/// What the files say. Strings of the vocabulary and merges stand behind each other in `strings`.
struct BpeSettings {
  struct Piece {
    std::size_t at, end;
    int id;
    double score = 0;
    piece_type type = piece_type::normal;
  };
  struct Merge {
    std::size_t left, right, end;
  };

  std::string source;
  std::string strings;
  std::vector<Piece> vocab;
  std::vector<Merge> merges;
  std::vector<AddedToken> added;
  std::vector<TextEdit> edits;
  std::vector<SplitStep> steps;
  word_rule rule = word_rule::merges;
  bool f32_sums = false;    // scores add up in f32, as in SentencePiece, else in f64
  bool byte_level = false;  // the vocabulary is spelt in GPT-2's alphabet of bytes, else in characters
  bool ignore_merges = false, byte_fallback = false, fuse_unk = false;
  std::string unk;                  // empty: none, or the piece of that type
  std::vector<int> prefix, suffix;  // ids before and after every text
  // How tokens become text, where they are not spelt in bytes:
  TextEdit decode_edit;  // in every token
  text_start start = text_start::strip;
  int strip = 0;                   // spaces taken from the start of the text, at most
  std::string unk_text;            // the text of the unknown token; empty: its piece
  bool lone_bytes = false;         // a byte that is no text is U+FFFD alone, else all of its row are
  bool decode_byte_level = false;  // or they are

  std::string_view text(std::size_t at, std::size_t end) const {
    return std::string_view(strings).substr(at, end - at);
  }
  std::string_view text(Piece const& p) const { return text(p.at, p.end); }
  void add_piece(std::string_view piece, long long id, double score = 0, piece_type type = piece_type::normal) {
    vocab.push_back({strings.size(), strings.size() + piece.size(), static_cast<int>(id), score, type});
    strings += piece;
  }
};

}  // namespace fauna::inline v0
