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

/// The files of a part, in the order of their names.
inline std::vector<std::string> token_files(std::string const& folder, std::string const& part) {
  std::vector<std::string> files;
  for (auto const& f : std::filesystem::directory_iterator(folder)) {
    const std::string name = f.path().filename().string();
    if (name.ends_with(".bin") && name.find(part) != std::string::npos) files.push_back(folder + '/' + name);
  }
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

/// The tokens of a folder. The width of files without a header is in its dataset.json, where it has one; else 2 bytes.
class Prepared {
 public:
  Prepared(std::string const& folder, int vocab) {
    auto width = fauna::id_width::two;
    if (const std::string about = folder + "/dataset.json"; fauna::exists(about)) {
      const auto json = nlohmann::json::parse(fauna::read_file(about), nullptr, false);
      if (json.is_discarded() || !json.is_object() || !json.contains("bytes_per_token"))
        fauna::fail("fauna", about + " says no bytes_per_token", "2 or 4");
      if (json["bytes_per_token"] == 4) width = fauna::id_width::four;
    }
    const auto train = token_files(folder, "train"), val = token_files(folder, "val");
    if (train.empty())
      fauna::fail("fauna", folder + " has no train*.bin", "files of tokens", "tools/fauna prepare writes them");
    train_.emplace(train, vocab, width, "train");
    if (!val.empty()) val_.emplace(val, vocab, width, "val");
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
