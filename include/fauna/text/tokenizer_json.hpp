// Reads the tokenizer files of the Hugging Face hub: what a tokenizer.json says about a BPE tokenizer, in plain data.
// All that this library does not do is an error that names the field, what it holds, and what is known.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <fauna/io/base64.hpp>
#include <fauna/io/file.hpp>
#include <fauna/io/json.hpp>
#include <fauna/text/bpe_settings.hpp>

namespace fauna::inline v0 {

namespace tokenizer_json {

/// The small settings of a file, flat: "pre_tokenizer/pretokenizers/0/type" and its value. Whoever reads one marks it;
/// one that nobody has read is refused at the end.
class Settings {
 public:
  explicit Settings(std::string source) : source_(std::move(source)) {}

  void read(JsonReader& in, std::string const& path) {
    std::string value;
    const json kind = in.peek();
    int count = 0;
    switch (kind) {
      case json::object:
        in.enter_object();
        for (std::string key; in.next_key(key);) read(in, path + '/' + key);
        break;
      case json::array:
        in.enter_array();
        while (in.next_item()) read(in, path + '/' + std::to_string(count++));
        break;
      case json::string: value = in.string(); break;
      case json::boolean: value = in.boolean() ? "true" : "false"; break;
      case json::null: in.null(); break;
      case json::number: {
        const double n = in.number();
        const bool exact = n > -0x1p53 && n < 0x1p53 && n == static_cast<double>(static_cast<long long>(n));
        value = exact ? std::to_string(static_cast<long long>(n)) : std::to_string(n);
        break;
      }
    }
    values_.push_back({path, std::move(value), kind, false});
  }

  /// Is there a value, and is it not null?
  bool has(std::string const& path) { return find(path) != nullptr; }
  std::string string(std::string const& path) { return get(path, json::string); }
  std::string string(std::string const& path, std::string const& otherwise) {
    return has(path) ? string(path) : otherwise;
  }
  bool boolean(std::string const& path, bool otherwise) {
    return has(path) ? get(path, json::boolean) == "true" : otherwise;
  }
  int integer(std::string const& path) {
    const std::string digits = get(path, json::number);
    const long long n = std::strtoll(digits.c_str(), nullptr, 10);
    if (std::to_string(n) != digits || n < 0 || n > 0x7fffffff)
      wrong(path, digits, "a whole number of at most 31 bits");
    return static_cast<int>(n);
  }
  /// Nothing below `path` matters here.
  void ignore(std::string const& path) {
    for (Value& v : values_)
      if (v.path.compare(0, path.size(), path) == 0) v.used = true;
  }
  /// Refuses what has not been read, unless it is null, or holds others.
  void finish() const {
    for (Value const& v : values_)
      if (!v.used && v.kind != json::null && v.kind != json::object && v.kind != json::array)
        wrong(v.path, v.text, "none", "fauna does not know this setting");
  }
  [[noreturn]] void wrong(std::string const& path, std::string const& value, std::string const& expected,
                          std::string const& hint = {}) const {
    fail("text", source_ + ": " + path + " is '" + value + "'", expected, hint);
  }

 private:
  struct Value {
    std::string path, text;
    json kind;
    bool used;
  };
  Value* find(std::string const& path) {
    // From where the last one was: what is asked for next usually stands behind it.
    for (std::size_t i = 0; i < values_.size(); ++i, ++last_) {
      if (last_ >= values_.size()) last_ = 0;
      Value& v = values_[last_];
      if (v.path != path || v.kind == json::null) continue;
      v.used = true;
      return &v;
    }
    return nullptr;
  }
  std::string get(std::string const& path, json kind) {
    const Value* v = find(path);
    if (v == nullptr) fail("text", source_ + ": there is no " + path, name_of(kind));
    if (v->kind != kind) fail("text", source_ + ": " + path + " is " + name_of(v->kind), name_of(kind));
    return v->text;
  }

  std::string source_;
  std::vector<Value> values_;
  std::size_t last_ = 0;
};

/// Reads the parts of `path` with `read`: the members of a Sequence, each in turn, or the one part that stands there.
template <class F> void each_part(Settings& s, std::string const& path, const char* members, F&& read) {
  if (!s.has(path)) return;
  const std::string type = s.string(path + "/type");
  if (type != "Sequence") return read(path, type);
  for (int i = 0;; ++i) {
    const std::string part = path + '/' + members + '/' + std::to_string(i);
    if (!s.has(part)) return;
    each_part(s, part, members, read);
  }
}

inline void read_normalizer(Settings& s, BpeSettings& out) {
  each_part(s, "normalizer", "normalizers", [&](std::string const& at, std::string const& type) {
    if (type == "Prepend") out.edits.push_back({"", s.string(at + "/prepend")});
    else if (type == "Replace" && s.has(at + "/pattern/Regex")) {
      if (const std::string p = s.string(at + "/pattern/Regex"); p != " {2,}")
        s.wrong(at + "/pattern/Regex", p, " {2,}");
      out.edits.push_back({" ", s.string(at + "/content"), false, true});
    } else if (type == "Replace") out.edits.push_back({s.string(at + "/pattern/String"), s.string(at + "/content")});
    else if (type == "NFC") out.edits.push_back({"", "", true});
    else if (type == "Precompiled") {
      const std::string field = at + "/precompiled_charsmap";
      out.edits.emplace_back();
      out.edits.back().rules.emplace();
      out.edits.back().rules->map = Charsmap(from_base64(s.string(field), out.source + ": " + field), out.source);
    } else s.wrong(at + "/type", type, "one of NFC, Precompiled, Prepend, Replace, Sequence");
    if (type == "Replace" && out.edits.back().from.empty()) s.wrong(at + "/pattern/String", "", "text to replace");
  });
}

inline split_rule rule_of(Settings& s, std::string const& at) {
  const std::string pattern = s.string(at + "/pattern/Regex");
  std::string known;
  for (SplitPattern const& p : split_patterns) {
    if (pattern == p.pattern) return p.rule;
    known += (known.empty() ? "" : ", ") + std::string(p.name);
  }
  s.wrong(at + "/pattern/Regex", pattern, "the regular expression of one of " + known);
}

/// Of a Metaspace, for texts and back: when it puts U+2581 in front.
inline std::string metaspace_scheme(Settings& s, std::string const& at) {
  if (const std::string mark = s.string(at + "/replacement"); mark != space_mark)
    s.wrong(at + "/replacement", mark, std::string(space_mark));
  const bool prefix = s.boolean(at + "/add_prefix_space", true);  // files before version 0.19 of the reference
  std::string scheme = s.string(at + "/prepend_scheme", prefix ? "always" : "never");
  if (scheme != "first" && scheme != "always" && scheme != "never")
    s.wrong(at + "/prepend_scheme", scheme, "first, always or never");
  return scheme;
}

inline void read_pre_tokenizer(Settings& s, BpeSettings& out) {
  each_part(s, "pre_tokenizer", "pretokenizers", [&](std::string const& at, std::string const& type) {
    if (out.byte_level) s.wrong(at + "/type", type, "ByteLevel to be the last step");
    if (type == "ByteLevel") {
      out.byte_level = true;
      s.ignore(at + "/trim_offsets");  // offsets into the text are not reported here
      const bool prefix = s.boolean(at + "/add_prefix_space", true), cut = s.boolean(at + "/use_regex", true);
      if (cut || prefix) out.steps.push_back({cut ? split_rule::gpt2 : split_rule::whole, prefix});
    } else if (type == "Digits") {
      out.steps.push_back({s.boolean(at + "/individual_digits", false) ? split_rule::digit : split_rule::digits});
    } else if (type == "WhitespaceSplit") {
      out.steps.push_back({split_rule::white_space});
    } else if (type == "Metaspace") {
      const std::string scheme = metaspace_scheme(s, at);
      out.steps.push_back({s.boolean(at + "/split", true) ? split_rule::space_mark : split_rule::space_mark_whole,
                           scheme != "never", scheme == "first"});
    } else if (type == "Split" && s.has(at + "/pattern/String")) {
      const std::string pattern = s.string(at + "/pattern/String"), behavior = s.string(at + "/behavior");
      if (pattern != " ") s.wrong(at + "/pattern/String", pattern, "a space");
      if (behavior != "MergedWithPrevious") s.wrong(at + "/behavior", behavior, "MergedWithPrevious");
      if (s.boolean(at + "/invert", false)) s.wrong(at + "/invert", "true", "false");
      out.steps.push_back({split_rule::after_space});
    } else if (type == "Split") {
      out.steps.push_back({rule_of(s, at)});
      // The patterns leave nothing between their matches, so that these two mean the same.
      const std::string behavior = s.string(at + "/behavior");
      const bool inverted = s.boolean(at + "/invert", false);
      if (!(behavior == "Isolated" && !inverted) && !(behavior == "Removed" && inverted))
        s.wrong(at + "/behavior", behavior + (inverted ? "' with invert '" : ""), "Isolated");
    } else {
      s.wrong(at + "/type", type, "one of ByteLevel, Digits, Metaspace, Split, WhitespaceSplit, Sequence");
    }
  });
}

inline void read_post_processor(Settings& s, BpeSettings& out) {
  each_part(s, "post_processor", "processors", [&](std::string const& at, std::string const& type) {
    if (type == "ByteLevel") return s.ignore(at + '/');  // it changes offsets only
    if (type != "TemplateProcessing") s.wrong(at + "/type", type, "one of ByteLevel, TemplateProcessing, Sequence");
    bool text = false;
    for (int i = 0;; ++i) {
      const std::string part = at + "/single/" + std::to_string(i);
      if (!s.has(part)) break;
      if (s.has(part + "/Sequence")) {
        if (text) s.wrong(part, "Sequence", "the text once");
        text = true;
        continue;
      }
      const std::string ids = at + "/special_tokens/" + s.string(part + "/SpecialToken/id") + "/ids/";
      for (int k = 0; s.has(ids + std::to_string(k)); ++k)
        (text ? out.suffix : out.prefix).push_back(s.integer(ids + std::to_string(k)));
    }
    if (!text) s.wrong(at + "/single", "without a Sequence", "the text to be in it");
    s.ignore(at + '/');  // pairs of texts, type ids, the tokens' names
  });
}

inline void read_decoder(Settings& s, BpeSettings& out) {
  if (!s.has("decoder")) fail("text", out.source + ": there is no decoder", "ByteLevel, or a Sequence");
  each_part(s, "decoder", "decoders", [&](std::string const& at, std::string const& type) {
    if (type == "ByteLevel") {
      out.decode_byte_level = true;
      s.ignore(at + '/');
    } else if (type == "Replace" && out.decode_edit.from.empty()) {
      out.decode_edit = {s.string(at + "/pattern/String"), s.string(at + "/content")};
    } else if (type == "Metaspace" && out.decode_edit.from.empty()) {
      s.ignore(at + "/split");
      out.decode_edit = {std::string(space_mark), " "};
      out.start = metaspace_scheme(s, at) == "never" ? text_start::strip : text_start::first;
    } else if (type == "Strip" && out.strip == 0) {
      out.strip = s.integer(at + "/start");
      if (const std::string c = s.string(at + "/content"); c != " ") s.wrong(at + "/content", c, "a space");
      if (const int stop = s.integer(at + "/stop"); stop != 0) s.wrong(at + "/stop", std::to_string(stop), "0");
    } else if (type != "ByteFallback" && type != "Fuse") {
      s.wrong(at + "/type", type, "one of ByteLevel, Metaspace, Replace, ByteFallback, Fuse, Strip, Sequence");
    }
  });
  if (out.decode_byte_level != out.byte_level)
    s.wrong("decoder/type", out.decode_byte_level ? "ByteLevel" : "not ByteLevel", "what the pre_tokenizer is");
}

inline void read_added(Settings& s, BpeSettings& out) {
  for (int i = 0;; ++i) {
    const std::string at = "added_tokens/" + std::to_string(i);
    if (!s.has(at)) return;
    AddedToken t;
    t.content = s.string(at + "/content");
    t.id = s.integer(at + "/id");
    t.lstrip = s.boolean(at + "/lstrip", false);
    t.rstrip = s.boolean(at + "/rstrip", false);
    t.special = s.boolean(at + "/special", false);
    t.normalized = s.boolean(at + "/normalized", !t.special);
    if (s.boolean(at + "/single_word", false)) s.wrong(at + "/single_word", "true", "false");
    if (t.content.empty()) s.wrong(at + "/content", "", "some text");
    out.added.push_back(std::move(t));
  }
}

/// An object of pieces and ids, or a unigram model's list of pieces and scores.
inline void read_vocab(JsonReader& in, BpeSettings& out) {
  if (in.peek() == json::array) {
    out.rule = word_rule::unigram;
    in.enter_array();
    while (in.next_item()) {
      in.enter_array();
      if (!in.next_item()) in.wrong("a piece and its score");
      const std::string piece = in.string();
      if (!in.next_item()) in.wrong("a piece and its score");
      out.add_piece(piece, static_cast<long long>(out.vocab.size()), in.number());
      if (in.next_item()) in.wrong("a piece and its score");
    }
    return;
  }
  in.enter_object();
  for (std::string piece; in.next_key(piece);) {
    const long long id = in.integer();
    if (id < 0 || id > 0x7fffffff) in.wrong("an id, 0 or more, of at most 31 bits, before this");
    out.add_piece(piece, id);
  }
}

inline void add_merge(BpeSettings& out, std::string_view left, std::string_view right) {
  const std::size_t at = out.strings.size();
  out.merges.push_back({at, at + left.size(), at + left.size() + right.size()});
  out.strings.append(left).append(right);
}

/// "a b", or nothing for the line that gives the version. False where it is neither.
inline bool add_merge_line(BpeSettings& out, std::string_view line) {
  if (line.substr(0, 8) == "#version") return true;
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos) return false;
  add_merge(out, line.substr(0, space), line.substr(space + 1));
  return true;
}

/// Merges are "a b", or since version 0.20 of the reference ["a", "b"].
inline void read_merges(JsonReader& in, BpeSettings& out) {
  in.enter_array();
  while (in.next_item()) {
    if (in.peek() == json::string) {
      if (!add_merge_line(out, in.string())) in.wrong("a merge as \"left right\" before this");
      continue;
    }
    in.enter_array();
    std::string pair[2];
    for (std::string& part : pair) {
      if (!in.next_item()) in.wrong("two strings in a merge");
      part = in.string();
    }
    if (in.next_item()) in.wrong("two strings in a merge");
    add_merge(out, pair[0], pair[1]);
  }
}

inline void read_model(Settings& s, BpeSettings& out) {
  const bool unigram = out.rule == word_rule::unigram;
  if (const std::string type = s.string("model/type", "BPE"); type != (unigram ? "Unigram" : "BPE"))
    s.wrong("model/type", type, unigram ? "Unigram, as the vocab has scores" : "BPE, or Unigram with scores");
  if (unigram) {
    out.byte_fallback = s.boolean("model/byte_fallback", false);
    out.fuse_unk = true;
    const auto unk = static_cast<std::size_t>(s.integer("model/unk_id"));
    if (unk >= out.vocab.size()) s.wrong("model/unk_id", std::to_string(unk), "that of a piece");
    out.unk = out.text(out.vocab[unk]);
    return;
  }
  if (s.has("model/dropout") && s.integer("model/dropout") != 0) s.wrong("model/dropout", "not 0", "null or 0");
  for (const char* affix : {"model/continuing_subword_prefix", "model/end_of_word_suffix"})
    if (const std::string value = s.string(affix, ""); !value.empty()) s.wrong(affix, value, "null or \"\"");
  out.ignore_merges = s.boolean("model/ignore_merges", false);
  out.byte_fallback = s.boolean("model/byte_fallback", false);
  out.fuse_unk = s.boolean("model/fuse_unk", false);
  out.unk = s.string("model/unk_token", "");
}

}  // namespace tokenizer_json

/// What a tokenizer.json (version 1.0) says. `source` names it in errors.
inline BpeSettings read_tokenizer_json(std::string_view text, std::string const& source) {
  using namespace tokenizer_json;
  BpeSettings out;
  out.source = source;
  Settings s(source);
  JsonReader in(text, source);
  in.enter_object();
  for (std::string key; in.next_key(key);) {
    if (key != "model") {
      s.read(in, key);
      continue;
    }
    in.enter_object();
    for (std::string name; in.next_key(name);) {
      if (name == "vocab") read_vocab(in, out);
      else if (name == "merges") read_merges(in, out);
      else s.read(in, "model/" + name);
    }
  }
  in.end();
  if (const std::string version = s.string("version", "1.0"); version != "1.0") s.wrong("version", version, "1.0");
  for (const char* batches : {"truncation", "padding"}) s.ignore(batches);  // left by training; a text is encoded whole
  read_normalizer(s, out);
  read_pre_tokenizer(s, out);
  read_post_processor(s, out);
  read_decoder(s, out);
  read_added(s, out);
  read_model(s, out);
  s.finish();
  return out;
}

/// GPT-2 as it was first published: vocab.json (encoder.json) and merges.txt (vocab.bpe).
inline BpeSettings read_gpt2_files(std::string const& vocab_json, std::string const& merges_txt) {
  using namespace tokenizer_json;
  BpeSettings out;
  out.source = vocab_json;
  out.byte_level = out.decode_byte_level = true;
  out.steps = {{split_rule::gpt2}};
  const std::string vocab = read_file(vocab_json), merges = read_file(merges_txt);
  JsonReader in(vocab, vocab_json);
  read_vocab(in, out);
  in.end();
  for (BpeSettings::Piece const& p : out.vocab)
    if (out.text(p.at, p.end) == "<|endoftext|>")
      out.added.push_back({"<|endoftext|>", p.id, false, false, true, true});
  for (std::size_t at = 0, line = 1; at < merges.size(); ++line) {
    std::size_t end = merges.find('\n', at);
    if (end == std::string::npos) end = merges.size();
    if (end > at && !add_merge_line(out, std::string_view(merges).substr(at, end - at)))
      fail("text", merges_txt + ": line " + std::to_string(line), "two strings with a space between them");
    at = end + 1;
  }
  return out;
}

}  // namespace fauna::inline v0
