// Tensors in one file, or in several beside an index that says which has which: "model.safetensors.index.json",
// "pytorch_model.bin.index.json".
#pragma once
#include <fauna/io/file.hpp>
#include <fauna/io/json.hpp>
#include <fauna/io/scaled.hpp>
#include <fauna/io/tensor_file.hpp>

namespace fauna::inline v0 {

/// Is it the name of an index of shards, and not of a file of tensors?
inline bool is_shard_index(std::string const& path) {
  constexpr std::string_view json = ".index.json";
  return path.size() > json.size() && path.substr(path.size() - json.size()) == json;
}

/// What the readers of such formats derive from.
class Sharded : public TensorFile {
 protected:
  Sharded() = default;
  /// `format` names the reader in errors.
  Sharded(const char* format, std::string const& path) : TensorFile(path), format_(format) {}

  /// Reads the path: a file, an index, or a directory that has `name` or else the index of that name.
  /// `open_file(path)` adds the tensors of one file.
  template <class OpenFile> void open(const char* name, OpenFile&& open_file) {
    const bool directory = is_directory(path_);
    const std::string base = directory ? path_ + '/' + name : path_, index = base + ".index.json";
    const bool names_index = !directory && is_shard_index(path_);
    if (names_index || (directory && !exists(base) && exists(index)))
      open_index(names_index ? path_ : index, open_file);
    else if (directory && !exists(base))
      fail(format_, path_ + " has no weights", std::string(name) + " or " + name + ".index.json");
    else open_file(base);
    index_names(format_);
    check_index();
    join_scales(path_, tensors_, [this](std::string const& name) { return find(name); });
    index_names(format_);
  }

 private:
  /// {"metadata": {...}, "weight_map": {tensor: file}}: every file stands beside the index.
  template <class OpenFile> void open_index(std::string const& path, OpenFile&& open_file) {
    const std::size_t slash = path.rfind('/');
    const std::string folder = slash == std::string::npos ? "" : path.substr(0, slash + 1);
    const std::string text = read_file(path);
    JsonReader in(text, path);
    std::vector<std::string> shards;
    bool map = false;
    in.enter_object();
    for (std::string key; in.next_key(key);) {
      if (key != "weight_map") {
        in.skip();
        continue;
      }
      if (map) fail(format_, path + " has weight_map twice", "it once");
      map = true;
      in.enter_object();
      for (std::string name; in.next_key(name);) {
        const std::string shard = in.string();
        if (shard.empty() || shard.find('/') != std::string::npos || shard.find('\\') != std::string::npos ||
            shard.find('\0') != std::string::npos || shard == "." || shard == "..")
          fail(format_, path + " puts " + name + " into '" + shard + '\'', "the name of a file beside it");
        std::size_t i = 0;
        while (i < shards.size() && shards[i] != shard) ++i;
        if (i == shards.size()) shards.push_back(shard);
        mapped_.emplace_back(name, i);
      }
    }
    in.end();
    if (!map) fail(format_, path + " has no weight_map", "one that says which file has which tensor");
    for (auto const& shard : shards) {
      if (!exists(folder + shard))
        fail(format_, "the shard " + folder + shard + " is missing", "every file that " + path + " names");
      first_.push_back(tensors_.size());
      open_file(folder + shard);
    }
    first_.push_back(tensors_.size());
  }
  /// The index and its shards agree: each tensor that is there is where the index says, and in the index once.
  void check_index() {
    if (first_.empty()) return;  // a file without an index
    std::vector<bool> named(tensors_.size());
    for (auto const& m : mapped_) {
      const SafeTensor* t = find(m.first);
      if (t == nullptr) {
        stale_.push_back(m.first);
        continue;
      }
      const auto at = static_cast<std::size_t>(t - tensors_.data());
      if (at < first_[m.second] || at >= first_[m.second + 1])
        fail(format_, path_ + ": the tensor " + m.first + " is not in the shard that the index names", "it there");
      if (named[at]) fail(format_, path_ + ": the index names the tensor " + m.first + " twice", "it once");
      named[at] = true;
    }
    for (std::size_t i = 0; i < tensors_.size(); ++i)
      if (!named[i])
        fail(format_, path_ + ": a shard has the tensor " + tensors_[i].name + ", which the index does not name",
             "an index of all tensors");
  }

  std::vector<std::size_t> first_;
  std::vector<std::pair<std::string, std::size_t>> mapped_;
  const char* format_ = "";
};

}  // namespace fauna::inline v0
