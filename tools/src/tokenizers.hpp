// Texts to train on, in characters or in a tokenizer's pieces, and where a run's tokenizer lies.
#pragma once
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include <fauna/text/bpe.hpp>
#include <fauna/text/bytes.hpp>
#include <fauna/text/chars.hpp>
#include <fauna/text/gguf_vocab.hpp>
#include <fauna/text/rwkv_world.hpp>
#include <fauna/train/checkpoint.hpp>
#include <tools/src/gguf_keys.hpp>
#include <tools/src/prepared.hpp>
#include <tools/src/sha256.hpp>

namespace tool {

/// The tokenizer.json that is meant by a file or by a folder; where a folder has none, SentencePiece's tokenizer.model.
inline std::string tokenizer_file(std::string const& from) {
  std::string path = fauna::is_directory(from) ? from + "/tokenizer.json" : from;
  if (path != from && !fauna::exists(path) && fauna::exists(from + "/tokenizer.model"))
    path = from + "/tokenizer.model";
  if (!fauna::exists(path))
    fauna::fail("fauna", "there is no " + path, "a tokenizer.json, or a folder with one", "--tokenizer says which");
  return path;
}

/// The same for callers that keep a copy of it, as training and prepared data do: a tokenizer.json.
inline std::string tokenizer_json_file(std::string const& from) {
  const std::string path = tokenizer_file(from);
  if (path.ends_with(".model"))
    fauna::fail("fauna", path, "a tokenizer.json: training and prepare keep a copy of one",
                "transformers' save_pretrained writes it");
  return path;
}

/// Is it the vocabulary of RWKV World, whose lines begin with a number, and no JSON?
inline bool is_world(std::string const& path) {
  const fauna::Mapped file(path);
  return file.size() > 0 && file.text()[0] >= '0' && file.text()[0] <= '9';
}

/// A tokenizer.model, with what tokenizer_config.json beside it says of the ends of a text.
inline fauna::BpeSettings sentencepiece_settings(std::string const& path) {
  fauna::BpeSettings s = fauna::read_sentencepiece(fauna::read_file(path), path);
  const std::string beside = path.substr(0, path.rfind('/') + 1) + "tokenizer_config.json";
  if (!fauna::exists(beside)) return s;
  const auto config = nlohmann::json::parse(fauna::read_file(beside), nullptr, false);
  if (!config.is_object()) fauna::fail("fauna", beside + " is no object of JSON", "one");
  const auto around = [&](std::string const& end, std::vector<int>& to) {
    const auto add = config.find("add_" + end + "_token"), token = config.find(end + "_token");
    if (add == config.end() || *add != true || token == config.end() || token->is_null()) return;
    auto const& content = token->is_object() && token->contains("content") ? (*token)["content"] : *token;
    if (!content.is_string())
      fauna::fail("fauna", beside + ": " + end + "_token", "a text, or an object with its content");
    const auto text = content.get<std::string>();
    for (auto const& p : s.vocab)
      if (s.text(p) == text) return to.push_back(p.id);
    fauna::fail("fauna", beside + " has the " + end + "_token '" + text + '\'', "a piece of " + path);
  };
  around("bos", s.prefix);
  around("eos", s.suffix);
  return s;
}

/// The tokenizer of a GGUF file, of a tokenizer.json or a tokenizer.model, or of a folder with one.
inline fauna::Bpe bpe_of(std::string const& from) {
  if (is_gguf(from)) return fauna::Bpe(fauna::read_gguf_vocab(fauna::Gguf(from)));
  const std::string path = tokenizer_file(from);
  return path.ends_with(".model") ? fauna::Bpe(sentencepiece_settings(path)) : fauna::Bpe::from_file(path);
}

/// The contents of the same: of GGUF the keys that have them.
inline std::string tokenizer_text(std::string const& from) {
  if (!is_gguf(from)) return fauna::read_file(tokenizer_file(from));
  const fauna::Gguf file(from);
  std::string all;
  for (const std::string_view key : file.keys())
    if (key.starts_with("tokenizer.ggml.")) (all += key) += file.encoded(key);
  return all;
}

/// Throws where a file is not the tokenizer that a checkpoint was trained with.
inline void require_tokenizer(std::string const& path, fauna::CheckpointHead const& head,
                              std::string const& checkpoint) {
  if (const std::string hash = sha256(fauna::Mapped(path).text()); hash != head.tokenizer)
    fauna::fail("fauna", path + " has the hash " + hash, head.tokenizer,
                "that is the tokenizer which " + checkpoint + " was trained with");
}
/// The tokenizer of a checkpoint, which lies in the same folder.
inline std::string tokenizer_beside(std::string const& checkpoint, fauna::CheckpointHead const& head) {
  const std::string path = tokenizer_file(checkpoint.substr(0, checkpoint.rfind('/') + 1) + "tokenizer.json");
  require_tokenizer(path, head, checkpoint);
  return path;
}

/// A tokenizer.json of characters, each of an alphabet a token: byte-pair encoding without merges.
inline std::string character_tokenizer(std::string const& alphabet) {
  using Json = nlohmann::ordered_json;
  Json vocab = Json::object();
  const fauna::CharTokenizer characters(alphabet);
  for (int id = 0; id < characters.vocab(); ++id) vocab[characters.decode(&id, 1)] = id;
  return Json{{"version", "1.0"},
              {"added_tokens", Json::array()},
              {"normalizer", nullptr},
              {"pre_tokenizer", nullptr},
              {"post_processor", nullptr},
              {"decoder", {{"type", "Fuse"}}},
              {"model", {{"type", "BPE"}, {"vocab", std::move(vocab)}, {"merges", Json::array()}}}}
             .dump(2) +
         '\n';
}

/// A text as tokens, whole; or a folder of tokens.
class Corpus {
 public:
  /// In the pieces of a tokenizer.json, if there is one: nothing is put around the text, and what spells a special
  /// token in it is text. Else in the characters of an alphabet, or without one in those that are found.
  static Corpus read(std::string const& path, std::string const& tokenizer, std::string const& alphabet) {
    Corpus c;
    if (tokenizer.empty()) {
      c.characters_ = alphabet.empty() ? fauna::CharText::from_file(path)
                                       : fauna::CharText::from_file(path, fauna::CharTokenizer(alphabet));
      return c;
    }
    const std::string text = fauna::read_file(tokenizer);
    return in_pieces(path, fauna::Bpe::from_json(text, tokenizer), text);
  }
  /// The same with a tokenizer that has been read. `text`: what its file contains.
  static Corpus in_pieces(std::string const& path, fauna::Bpe const& bpe, std::string const& text) {
    Corpus c;
    c.tokenizer_ = text;
    c.vocab_ = bpe.vocab();
    if (fauna::is_directory(path)) {
      c.prepared_ = std::make_shared<const Prepared>(path, c.vocab_, sha256(c.tokenizer_));
      return c;
    }
    c.pieces_ = bpe.encode(fauna::read_file(path), {.match_special = false, .add_special = false});
    return c;
  }

  /// Another text validates, in the same characters or pieces; the whole of this one trains.
  void validate_on(std::string const& path, std::string const& tokenizer) {
    if (fauna::is_directory(path))
      fauna::fail("text", "--val-data " + path + ", a folder", "a text",
                  "fauna prepare --val puts one beside its tokens");
    val_ = std::make_shared<const Corpus>(read(path, tokenizer, alphabet()));
  }

  int vocab() const { return characters_ ? characters_->vocab() : vocab_; }
  /// The last part validates: this share of all. Without one, both parts are all of it. A text that validates alone
  /// leaves all of this one to train on.
  fauna::Split split(double validation = 0.1) const {
    if (val_) return {all(), val_->all().part(0, val_->all().size(), "val")};
    if (prepared_ && prepared_->val()) return {prepared_->train(), *prepared_->val()};
    if (validation == 0) return {all(), all()};
    return fauna::split(all(), 1 - validation);
  }
  std::string alphabet() const { return characters_ ? characters_->alphabet() : ""; }
  std::string const& tokenizer() const { return tokenizer_; }  ///< contents of its file; empty for characters
  std::string tokenizer_hash() const { return characters_ ? "" : sha256(tokenizer_); }

 private:
  fauna::Tokens all() const {
    if (prepared_) return prepared_->train();
    return characters_ ? characters_->tokens() : fauna::Tokens(pieces_.data(), pieces_.size(), vocab_);
  }

  std::optional<fauna::CharText> characters_{};
  std::shared_ptr<const Prepared> prepared_{};
  std::shared_ptr<const Corpus> val_{};
  std::vector<int> pieces_{};
  int vocab_ = 0;
  std::string tokenizer_{};
};

}  // namespace tool
