// A folder of token files: train*.bin and val*.bin, as fauna prepare, nanoGPT's and llm.c's scripts write them.
#pragma once
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include <fauna/text/bin.hpp>
#include <tools/src/sha256.hpp>

namespace tool {

/// What a folder of fauna prepare says of itself; nothing where it is of others.
inline std::optional<nlohmann::json> dataset_of(std::string const& folder) {
  const std::string path = folder + "/dataset.json";
  if (!fauna::exists(path)) return std::nullopt;
  auto json = nlohmann::json::parse(fauna::read_file(path), nullptr, false);
  bool good = json.is_object() && json.contains("tokenizer_sha256") && json["tokenizer_sha256"].is_string() &&
              json.contains("bytes_per_token") && (json["bytes_per_token"] == 2 || json["bytes_per_token"] == 4);
  for (const char* part : {"train", "val"}) {
    good = good && json.contains(part) && json[part].is_object() && json[part].contains("files") &&
           json[part]["files"].is_array();
    for (std::size_t i = 0; good && i < json[part]["files"].size(); ++i) {
      auto const& f = json[part]["files"][i];
      good = f.is_object() && f.contains("name") && f["name"].is_string() && f.contains("tokens") &&
             f["tokens"].is_number_unsigned();
    }
  }
  if (!good)
    fauna::fail("fauna", path, "what fauna prepare writes: bytes_per_token of 2 or 4, files with name and tokens");
  return json;
}

/// The files of a part, in the order of their names: those whose names begin with it, else those that have it.
inline std::vector<std::string> token_files(std::string const& folder, std::string const& part) {
  std::vector<std::string> begin, have;
  for (auto const& f : std::filesystem::directory_iterator(folder)) {
    const std::string name = f.path().filename().string();
    if (!name.ends_with(".bin")) continue;
    if (name.starts_with(part)) begin.push_back(folder + '/' + name);
    else if (name.find("_" + part) != std::string::npos) have.push_back(folder + '/' + name);
  }
  auto& files = begin.empty() ? have : begin;
  std::sort(files.begin(), files.end());
  return files;
}

/// A hash of a text, or of all files of a folder.
inline std::string data_hash(std::string const& path) {
  if (!fauna::is_directory(path)) return sha256(fauna::Mapped(path).text());
  if (const std::string about = path + "/dataset.json"; fauna::exists(about)) return sha256(fauna::read_file(about));
  std::string all;
  for (const char* part : {"train", "val"})
    for (std::string const& f : token_files(path, part)) all += part + (' ' + sha256(fauna::Mapped(f).text())) + '\n';
  return sha256(all);
}

/// The same of what trains and a text that validates, if there is one.
inline std::string data_hash(std::string const& path, std::string const& val) {
  return val.empty() ? data_hash(path) : sha256(data_hash(path) + data_hash(val));
}

/// The tokens of a folder: of the files that its dataset.json names, where it has one; else of those whose names say
/// train and val, with ids of 2 bytes where no header says otherwise.
class Prepared {
 public:
  /// `tokenizer`: a hash of the one that ids are read by. Throws where it is not the data's own, and where files are
  /// not as long as they were.
  Prepared(std::string const& folder, int vocab, std::string const& tokenizer) {
    const auto about = dataset_of(folder);
    if (about && (*about)["tokenizer_sha256"] != tokenizer)
      fauna::fail(
          "fauna",
          folder + " has tokens of a tokenizer with the hash " + (*about)["tokenizer_sha256"].get<std::string>(),
          tokenizer, "a copy of it lies in the folder");
    const auto width = about && (*about)["bytes_per_token"] == 4 ? fauna::id_width::four : fauna::id_width::two;
    for (const char* part : {"train", "val"}) {
      std::vector<std::string> files;
      if (!about) files = token_files(folder, part);
      std::size_t tokens = 0;
      if (about)
        for (auto const& f : (*about)[part]["files"]) {
          files.push_back(folder + '/' + f["name"].get<std::string>());
          tokens += f["tokens"].get<std::size_t>();
        }
      if (files.empty()) continue;
      auto& text = part == std::string("train") ? train_ : val_;
      text.emplace(files, vocab, width, part);
      if (about && text->tokens().size() != tokens)
        fauna::fail("fauna", folder + " has " + std::to_string(text->tokens().size()) + " tokens to " + part,
                    std::to_string(tokens) + ", as its dataset.json says", "is a file cut short?");
    }
    if (!train_)
      fauna::fail("fauna", folder + " has no train*.bin", "files of tokens", "tools/fauna prepare writes them");
  }
  fauna::Tokens train() const { return train_->tokens(); }
  /// None, where no files validate.
  std::optional<fauna::Tokens> val() const {
    return val_ ? std::optional<fauna::Tokens>(val_->tokens()) : std::nullopt;
  }

 private:
  std::optional<fauna::ShardedText> train_{}, val_{};
};

/// Writes the files of one part, each whole or not at all.
class TokenWriter {
 public:
  TokenWriter(std::string folder, std::string part, int bytes, long most)
      : folder_(std::move(folder)), part_(std::move(part)), bytes_(bytes), most_(static_cast<std::size_t>(most)) {}

  void add(int id) {
    for (int i = 0; i < bytes_; ++i) room_ += static_cast<char>(static_cast<unsigned>(id) >> (8 * i) & 255U);
    ++tokens_;
    if (++held_ == most_) finish();
    else if (room_.size() >= (std::size_t{1} << 20)) flush();
  }
  void finish() {
    if (held_ == 0) return;
    flush();
    file_->commit();
    file_.reset();
    files_.push_back(
        {{"name", name_}, {"tokens", held_}, {"sha256", sha256(fauna::Mapped(folder_ + '/' + name_).text())}});
    held_ = 0;
  }
  long tokens() const { return tokens_; }
  nlohmann::ordered_json about() const { return {{"tokens", tokens_}, {"files", files_}}; }

 private:
  void flush() {
    if (!file_) {
      const std::string number = std::to_string(files_.size() + 1);
      name_ = part_ + '_' + std::string(6 - std::min<std::size_t>(6, number.size()), '0') + number + ".bin";
      file_.emplace(folder_ + '/' + name_);
    }
    file_->write(room_.data(), room_.size());
    room_.clear();
  }

  std::string folder_, part_, name_{}, room_{};
  int bytes_;
  std::size_t most_, held_ = 0;
  long tokens_ = 0;
  std::optional<fauna::NewFile> file_{};
  nlohmann::ordered_json files_ = nlohmann::ordered_json::array();
};

}  // namespace tool
