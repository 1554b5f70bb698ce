// Byte-level byte-pair encoding as GPT-2, GPT-NeoX (Pythia), Llama 3, Qwen2 and SmolLM2 use it; equal to the reference
// tokenizer (the `tokenizers` package) token by token, but for the versions of Unicode that text/nfc.hpp speaks of. The
// same over characters with byte fallback, as in Llama 2. And SentencePiece's two models of pieces with scores, BPE
// (text/score_merges.hpp: Llama 2, Gemma) and unigram (text/unigram.hpp: T5).
//   Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", section 2.2
// From text to ids: added tokens are matched and cut out, the pieces between them are normalized (text/nfc.hpp) and the
// added tokens that are looked for only then cut out, the rest is cut into words (text/pretokenize.hpp), each word
// becomes tokens (text/merges.hpp), and what stands before and after every text is put around them.
#pragma once
#include <array>

#include <fauna/text/added_tokens.hpp>
#include <fauna/text/bpe_bytes.hpp>
#include <fauna/text/merges.hpp>
#include <fauna/text/nfc.hpp>
#include <fauna/text/score_merges.hpp>
#include <fauna/text/sentencepiece.hpp>
#include <fauna/text/tokenizer_json.hpp>
#include <fauna/text/unigram.hpp>

namespace fauna::inline v0 {

/// The defaults are the reference's: `encode(text)` gives what its `encode(text)` gives.
struct EncodeOptions {
  /// Does text that spells a special token, such as <|im_end|>, become that token? Say false for text that somebody
  /// else wrote: it could end its turn and begin another. (The reference's encode_special_tokens, negated.)
  bool match_special = true;
  /// Put what the tokenizer puts around every text, such as Llama 3's <|begin_of_text|>.
  bool add_special = true;
  /// Leave out bytes that the vocabulary has no token for, or throw. (SmolLM2 lacks 21: some control characters, and
  /// those that UTF-8 needs for the planes 4 to 11.)
  bool drop_unknown = true;
  /// Where it is not empty: a byte for each of the text, the lowest bit of which says that somebody else wrote it. No
  /// special token is read there, whatever match_special says (text/template/text.hpp has such marks).
  std::string_view foreign{};
};

/// A tokenizer. Its functions are const and may be called by several threads at once.
class Bpe {
 public:
  /// A tokenizer.json. Throws on what it says and this library does not do.
  static Bpe from_file(std::string const& path) { return Bpe(read_tokenizer_json(read_file(path), path)); }
  static Bpe from_json(std::string_view text, std::string const& source) {
    return Bpe(read_tokenizer_json(text, source));
  }
  /// A tokenizer.model of SentencePiece.
  static Bpe from_sentencepiece(std::string const& path) { return Bpe(read_sentencepiece(read_file(path), path)); }
  /// GPT-2's vocab.json and merges.txt.
  static Bpe from_gpt2_files(std::string const& vocab_json, std::string const& merges_txt) {
    return Bpe(read_gpt2_files(vocab_json, merges_txt));
  }

  explicit Bpe(BpeSettings const& s)
      : source_(s.source),
        merges_(s.merges.size()),
        added_(s.added),
        edits_(s.edits),
        steps_(s.steps),
        prefix_(s.prefix),
        suffix_(s.suffix),
        decode_edit_(s.decode_edit),
        unk_text_(s.unk_text),
        strip_(s.strip),
        rule_(s.rule),
        start_(s.start),
        lone_bytes_(s.lone_bytes),
        byte_level_(s.byte_level),
        ignore_merges_(s.ignore_merges),
        byte_fallback_(s.byte_fallback),
        fuse_unk_(s.fuse_unk) {
    std::string left, right;
    for (BpeSettings::Piece const& p : s.vocab) {
      const bool found = p.type != piece_type::unknown && p.type != piece_type::control && p.type != piece_type::byte;
      add_piece(p.id, s.text(p), found);
      if (p.type == piece_type::unknown) unk_ = p.id;
      if (p.type == piece_type::byte)
        if (const int b = bpe::fallback_byte(s.text(p)); b >= 0) bytes_[static_cast<std::size_t>(b)] = p.id;
      if (p.type == piece_type::user_defined && rule_ == word_rule::scores)
        normalized_.add({std::string(s.text(p)), p.id, false, false, true, false});
    }
    for (AddedToken const& t : s.added) add_token(t);
    notes_ = Notes(static_cast<std::size_t>(vocab()));
    special_.resize(static_cast<std::size_t>(vocab()));
    for (AddedToken const& t : s.added) special_[static_cast<std::size_t>(t.id)] = t.special;
    for (BpeSettings::Merge const& m : s.merges) {
      const std::string_view texts[] = {s.text(m.left, m.right), s.text(m.right, m.end)};
      // A merge of what spells no bytes can never happen.
      if (!spelt(texts[0], left) || !spelt(texts[1], right)) continue;
      const int a = pieces_.find(left), b = pieces_.find(right), both = pieces_.find(left + right);
      if (a < 0 || b < 0 || both < 0)
        fail("text", source_ + ": the merge of '" + std::string(texts[0]) + "' and '" + std::string(texts[1]) + '\'',
             "both and what they make to be in the vocabulary");
      merges_.add(a, b, both);
    }
    if (!s.unk.empty() && (unk_ = id(s.unk)) < 0)
      fail("text", source_ + ": unk_token '" + s.unk + "' is not in the vocabulary");
    for (std::size_t b = 0; b < 256; ++b) bytes_[b] = byte_id(b);
    if (rule_ != word_rule::merges) use_scores(s);
    for (std::vector<int> const* around : {&prefix_, &suffix_})
      for (const int i : *around)
        if (!pieces_.has(i))
          fail("text", source_ + ": the post_processor adds the id " + std::to_string(i), "a token's");
  }

  /// Ids are below this; it is also the number of tokens where none is left out.
  int vocab() const { return pieces_.size(); }
  bool has(int id) const { return pieces_.has(id); }
  /// The id of an added token, or of a piece of the vocabulary as its bytes; -1 where there is none.
  int id(std::string_view token) const {
    for (AddedToken const& t : added_)
      if (t.content == token) return t.id;
    return pieces_.find(token);
  }
  /// Are texts cut into words, by the rules of GPT-2's kind, so that tokens of different lines do not know each other?
  bool cuts_lines() const {
    for (SplitStep const& s : steps_)
      if (s.rule == split_rule::gpt2 || s.rule == split_rule::llama3 || s.rule == split_rule::qwen2) return true;
    return false;
  }
  /// Is this the id of a special token?
  bool special(int id) const { return pieces_.has(id) && special_[static_cast<std::size_t>(id)]; }
  /// The bytes of a token: for a byte-level tokenizer, what it stands for in a text.
  std::string_view bytes(int id) const {
    if (!pieces_.has(id)) fail("text", "token " + std::to_string(id), "one of the vocabulary of " + source_);
    return pieces_[id];
  }

  /// Throws on invalid UTF-8, naming the byte.
  std::vector<int> encode(std::string_view text, EncodeOptions options = {}) const {
    std::vector<int> ids;
    ids.reserve(text.size() / 3 + 8);
    require_utf8(text);
    if (options.add_special) ids = prefix_;
    const auto token = [&](int id) { ids.push_back(id); };
    const auto words = [&](std::string_view piece, bool first) {
      const auto word = [&](std::string_view w) { encode_word(w, ids, options.drop_unknown); };
      split_words(
          piece, steps_.data(), steps_.data() + steps_.size(),
          [&](std::string_view w) {
            if (rule_ == word_rule::scores) score_merges_.words(w, word);
            else word(w);
          },
          first);
    };
    raw_.cut(
        text, options.match_special, options.foreign,
        [&](std::string_view piece) {
          std::string room;
          const std::string_view normal_piece = normal(piece, room);
          const bool first = piece.data() == text.data();
          if (normalized_.empty()) return words(normal_piece, first);
          std::string_view marks = options.foreign;
          if (!marks.empty()) marks = marks.substr(static_cast<std::size_t>(piece.data() - text.data()), piece.size());
          std::string all;  // the normalizer has moved the text: all of it is foreign, or nothing
          if (normal_piece != piece && !marks.empty())
            marks = all = std::string(normal_piece.size(), marks.find_first_of("\1\3") != marks.npos ? '\1' : '\0');
          normalized_.cut(
              normal_piece, options.match_special, marks,
              [&](std::string_view part) { words(part, first && part.data() == normal_piece.data()); }, token);
        },
        token);
    if (options.add_special) ids.insert(ids.end(), suffix_.begin(), suffix_.end());
    return ids;
  }

  /// The text of tokens, U+FFFD for what is not UTF-8, without the special ones unless asked for. Throws on unknown
  /// ids.
  std::string decode(const int* ids, std::size_t count, bool skip_special = true) const;
  std::string decode(std::vector<int> const& ids, bool skip_special = true) const {
    return decode(ids.data(), ids.size(), skip_special);
  }

  /// decode, a token at a time. What it gives out is whole characters: it holds back the start of one until the rest
  /// has come. All it gave, with what `finish` gives, is what decode gives. The tokenizer must outlive it.
  class Stream {
   public:
    explicit Stream(Bpe const& bpe, bool skip_special = true)
        : bpe_(&bpe), skip_special_(skip_special), strip_(bpe.strip_) {}
    std::string push(int id) {
      const std::string_view token = bpe_->bytes(id);
      std::string text;
      if (skip_special_ && bpe_->special(id)) {
        if (bpe_->lone_bytes_) release(text);  // bytes before and behind it are no character
        given_ = given_ || !text.empty();
        return text;
      }
      if (bpe_->byte_level_) {
        held_ += token;
        bpe::take_valid(held_, text, false);
        return text;
      }
      if (const int byte = bpe::fallback_byte(token); byte >= 0) {
        held_ += static_cast<char>(byte);
        return text;
      }
      release(text);
      if (id == bpe_->unk_ && !bpe_->unk_text_.empty()) text += bpe_->unk_text_;
      else replace(begun(token, !text.empty()), bpe_->decode_edit_, text);
      given_ = given_ || !text.empty();
      return stripped(std::move(text));
    }
    /// What was held back: U+FFFD for a character that never became whole.
    std::string finish() {
      std::string text;
      if (bpe_->byte_level_) bpe::take_valid(held_, text, true);
      else release(text);
      return stripped(std::move(text));
    }

   private:
    /// A token, without what the start of a text loses of it.
    std::string_view begun(std::string_view token, bool given) {
      std::string const& space = bpe_->decode_edit_.from;
      if (bpe_->start_ == text_start::strip || given_ || given) return token;
      const bool all = bpe_->start_ == text_start::first;
      if (all && token.find(space) != token.npos) {
        rest_.clear();
        replace(token, {space, {}}, rest_);
        token = rest_;
      } else if (!all && token.substr(0, space.size()) == space) {
        token.remove_prefix(space.size());
        given_ = bpe_->start_ == text_start::once;
      }
      given_ = given_ || all;
      return token;
    }
    /// A row of fallback bytes is a text, or wrong in every byte; or each byte is wrong alone.
    void release(std::string& text) {
      if (bpe_->lone_bytes_) return bpe::take_valid(held_, text, true, true);
      std::string rest = held_, read;
      bpe::take_valid(rest, read, true);
      if (read == held_) text += held_;
      else
        for (std::size_t i = 0; i < held_.size(); ++i) text += bpe::replacement;
      held_.clear();
    }
    std::string stripped(std::string text) {
      std::size_t n = 0;
      while (n < text.size() && strip_ > 0 && text[n] == ' ') ++n, --strip_;
      if (n < text.size()) strip_ = 0;
      return text.substr(n);
    }

    Bpe const* bpe_;
    bool skip_special_;
    int strip_;
    bool given_ = false;
    std::string held_, rest_;
  };

 private:
  /// The bytes of a piece of the vocabulary, as `pieces_` keeps them. False where it can stand for no text: a
  /// byte-level tokenizer may have such, which are kept as they are spelt.
  bool spelt(std::string_view piece, std::string& bytes) const {
    if (byte_level_ && bpe::spelt_bytes(piece, bytes)) return true;
    bytes = piece;
    return !byte_level_;
  }
  void add_piece(int id, std::string_view piece, bool found) {
    if (id >= Pieces::most) fail("text", source_ + ": the id " + std::to_string(id), "less than 2^24");
    std::string bytes;
    const bool text = spelt(piece, bytes) && found;
    if (pieces_.has(id) || (text && pieces_.find(bytes) >= 0))
      fail("text", source_ + ": '" + std::string(piece) + "' with the id " + std::to_string(id),
           "each token and each id once");
    pieces_.add(id, bytes, text);
  }
  void add_token(AddedToken t) {
    std::string bytes, room;
    const bool text = spelt(t.content, bytes);
    const int known = text ? pieces_.find(bytes) : -1;
    if (pieces_.has(t.id) ? pieces_[t.id] != bytes : known >= 0)
      fail("text", source_ + ": the added token '" + t.content + "' has the id " + std::to_string(t.id),
           "the one it has in the vocabulary");
    if (t.normalized) {
      const std::string_view normal_content = normal(t.content, room);
      if (normal_content.empty() || (pieces_.has(t.id) && normal_content != t.content))
        fail("text",
             source_ + ": the normalizer makes '" + std::string(normal_content) + "' of the added token '" + t.content +
                 '\'',
             normal_content.empty() ? "some text" : "what the vocabulary has");
      t.content = std::string(normal_content);  // decode gives it so, too, as the reference's does
    }
    if (!pieces_.has(t.id)) {
      if (t.id >= Pieces::most) fail("text", source_ + ": the id " + std::to_string(t.id), "less than 2^24");
      spelt(t.content, bytes);
      pieces_.add(t.id, bytes, false);  // its words are matched in the text, never made by merges
    }
    (t.normalized ? normalized_ : raw_).add(std::move(t));
  }
  /// The token that a byte alone becomes; -1 where there is none, which byte_fallback does not allow.
  int byte_id(std::size_t b) const {
    constexpr char hex[] = "0123456789ABCDEF";
    const std::string digits = {'0', 'x', hex[b >> 4], hex[b & 15]};
    const int id = bytes_[b] >= 0   ? bytes_[b]
                   : byte_level_    ? pieces_.find(std::string(1, static_cast<char>(b)))
                   : byte_fallback_ ? pieces_.find('<' + digits + '>')
                                    : -1;
    if (id < 0 && byte_fallback_) fail("text", source_ + " has byte_fallback and no token for the byte " + digits);
    return id;
  }
  /// What words need whose pieces have scores.
  void use_scores(BpeSettings const& s) {
    std::vector<BpeSettings::Piece> by_id(static_cast<std::size_t>(vocab()));
    // As SentencePiece has them: the score of a piece of the user's is so many times the greatest, and no less than a
    // text would have without it; the greatest starts from the least positive number.
    double least = 0x1p126, greatest = 0x1p-126;
    for (BpeSettings::Piece const& p : s.vocab) {
      by_id[static_cast<std::size_t>(p.id)] = p;
      if (p.type != piece_type::normal) continue;
      least = p.score < least ? p.score : least;
      greatest = p.score > greatest ? p.score : greatest;
    }
    const auto piece = [&](int id) -> BpeSettings::Piece const& { return by_id[static_cast<std::size_t>(id)]; };
    if (rule_ == word_rule::scores) {
      const auto score = [&](int id) { return piece(id).score; };
      score_merges_ = ScoreMerges(pieces_, score, [&](int id) { return piece(id).type == piece_type::unused; });
      return;
    }
    const auto score = [&](int id, std::size_t bytes) {
      if (piece(id).type != piece_type::user_defined) return piece(id).score;
      return static_cast<double>(static_cast<float>(bytes) * static_cast<float>(greatest)) - 0.1;
    };
    const auto used = [&](int id) { return piece(id).type != piece_type::unused; };
    unigram_ = Unigram(pieces_, score, used, least, s.f32_sums);
  }

  static constexpr std::array<int, 256> no_bytes() {
    std::array<int, 256> none{};
    for (int& b : none) b = -1;
    return none;
  }
  static void replace(std::string_view text, TextEdit const& edit, std::string& out) {
    std::size_t at = 0;
    if (!edit.from.empty())
      for (std::size_t next; (next = text.find(edit.from, at)) != std::string_view::npos;) {
        out.append(text.substr(at, next - at));
        at = next + edit.from.size();
        while (edit.runs && text.substr(at, edit.from.size()) == edit.from) at += edit.from.size();
        out.append(edit.runs && at == next + edit.from.size() ? edit.from : edit.to);
      }
    out.append(text.substr(at));
  }
  /// A piece of text after the normalizer: itself, or what `room` then holds.
  std::string_view normal(std::string_view piece, std::string& room) const {
    for (TextEdit const& e : edits_) {
      if (e.nfc && nfc_prefix(piece) == piece.size()) continue;
      std::string edited;
      if (e.nfc) edited = nfc(piece);
      else if (e.rules) edited = (*e.rules)(piece);
      else if (e.from.empty()) edited.append(e.to).append(piece);
      else replace(piece, e, edited);
      piece = room = std::move(edited);
    }
    return piece;
  }

  void encode_word(std::string_view word, std::vector<int>& ids, bool drop) const {
    if (rule_ == word_rule::unigram) return encode_scored(word, ids);
    // Most words of a text are in the vocabulary. Whether merging ends at that token is found out once.
    const int known = pieces_.find(word);
    const auto note = known < 0 ? Notes::parts : ignore_merges_ ? Notes::whole : notes_[known];
    if (note == Notes::whole) {
      ids.push_back(known);
      return;
    }
    const std::size_t before = ids.size();
    if (rule_ == word_rule::scores) {
      encode_scored(word, ids);
    } else if (word.size() <= short_word) {
      int symbols[short_word];
      merge_word(merges_, symbols, split_symbols(word, symbols, drop), ids);
    } else {
      std::vector<int> symbols(word.size());
      merge_word(merges_, symbols.data(), split_symbols(word, symbols.data(), drop), ids);
    }
    if (note == Notes::unknown)
      notes_.set(known, ids.size() == before + 1 && ids[before] == known ? Notes::whole : Notes::parts);
  }
  /// By scores; what has no token becomes its bytes, or one unknown token for all of a row, across words too.
  void encode_scored(std::string_view word, std::vector<int>& ids) const {
    const auto unknown = [&](std::string_view text) {
      if (byte_fallback_)
        for (const char c : text) ids.push_back(bytes_[static_cast<unsigned char>(c)]);
      else if (!fuse_unk_ || ids.empty() || ids.back() != unk_) ids.push_back(unk_);
    };
    const auto token = [&](int id) { ids.push_back(id); };
    if (rule_ == word_rule::unigram) unigram_.encode(word, token, unknown);
    else score_merges_.encode(pieces_, word, token, unknown);
  }
  /// The symbols that merging starts from: room for one a byte. Returns how many there are.
  std::size_t split_symbols(std::string_view word, int* symbols, bool drop) const {
    std::size_t n = 0;
    bool after_unk = false;
    for (std::size_t at = 0; at < word.size();) {
      std::size_t begin = at;
      int id = -1;
      if (byte_level_) {
        id = bytes_[static_cast<unsigned char>(word[at++])];
      } else {
        next_code_point(word, at);
        id = pieces_.find(word.substr(begin, at - begin));
        if (id < 0 && byte_fallback_) {
          for (std::size_t i = begin; i < at; ++i) symbols[n++] = bytes_[static_cast<unsigned char>(word[i])];
          continue;
        }
      }
      const bool is_unk = id < 0;
      if (is_unk && unk_ < 0) {
        if (drop) continue;
        constexpr char hex[] = "0123456789ABCDEF";
        std::string bytes;
        for (; begin < at; ++begin)
          bytes.append(" 0x") += {hex[static_cast<unsigned char>(word[begin]) >> 4], hex[word[begin] & 15]};
        fail("text", source_ + " has no token for" + bytes, "one for every byte", "or let encode leave it out");
      }
      if (!(is_unk && after_unk && fuse_unk_)) symbols[n++] = is_unk ? unk_ : id;
      after_unk = is_unk;
    }
    return n;
  }

  std::string source_;
  Pieces pieces_;
  MergeTable merges_;
  ScoreMerges score_merges_;
  Unigram unigram_;
  mutable Notes notes_;
  std::vector<AddedToken> added_;
  std::vector<bool> special_;
  bpe::AddedTokens raw_, normalized_;
  std::vector<TextEdit> edits_;
  std::vector<SplitStep> steps_;
  std::vector<int> prefix_, suffix_;
  TextEdit decode_edit_;
  std::string unk_text_;
  int strip_ = 0, unk_ = -1;
  word_rule rule_;
  text_start start_;
  bool lone_bytes_, byte_level_, ignore_merges_, byte_fallback_, fuse_unk_;
  std::array<int, 256> bytes_ = no_bytes();  // the tokens of single bytes
};

inline std::string Bpe::decode(const int* ids, std::size_t count, bool skip_special) const {
  Stream stream(*this, skip_special);
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += stream.push(ids[i]);
  return text += stream.finish();
}

}  // namespace fauna::inline v0
