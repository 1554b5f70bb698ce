// What a GGUF file says of its model: the keys that begin with its architecture. As in a config.json, one that nobody
// reads is an error.
#pragma once
#include <set>
#include <string>
#include <vector>

#include <fauna/io/open_tensors.hpp>
#include <tools/src/shortest.hpp>

namespace tool {

inline bool is_gguf(std::string const& path) {
  return !fauna::is_directory(path) && fauna::exists(path) &&
         fauna::tensor_format_of(path) == fauna::tensor_format::gguf;
}

class GgufKeys {
 public:
  explicit GgufKeys(fauna::Gguf const& file)
      : file_(file), prefix_(std::string(file.text("general.architecture")) + '.') {}

  fauna::Gguf const& file() const { return file_; }
  bool has(std::string const& key) { return file_.has(used(key)); }
  /// With the architecture before it.
  std::string const& full(std::string const& key) { return used(key); }
  /// Is there a number that is not 0?
  bool says(std::string const& key) { return has(key) && file_.integer(used(key)) != 0; }
  /// 1 or more.
  int whole(std::string const& key) {
    const long long n = file_.integer(used(key));
    if (n < 1 || n > 0x7fffffff) wrong(key, std::to_string(n), "1 or more, of at most 31 bits");
    return static_cast<int>(n);
  }
  int whole(std::string const& key, int otherwise) { return has(key) ? whole(key) : otherwise; }
  /// All layers but the last of each so many: that number, or a list with true for each of these layers.
  int period(std::string const& key, int layers) {
    if (!has(key) || !file_.is_list(full(key))) return whole(key);
    const std::vector<bool> all = file_.flags(full(key));
    int n = 1;
    while (n <= layers && static_cast<std::size_t>(n) <= all.size() && all[static_cast<std::size_t>(n - 1)]) ++n;
    bool fits = all.size() == static_cast<std::size_t>(layers);
    for (std::size_t i = 0; fits && i < all.size(); ++i) fits = all[i] == ((static_cast<int>(i) + 1) % n != 0);
    if (!fits)
      wrong(key, "a list of " + std::to_string(all.size()),
            "true for all but the last of each so many of the " + std::to_string(layers) + " layers");
    return n;
  }
  /// An f32 of the file is what its shortest text says, as a config.json has it.
  double positive(std::string const& key, double otherwise) {
    if (!has(key)) return otherwise;
    double x = file_.number(used(key));
    if (const auto single = static_cast<float>(x); static_cast<double>(single) == x) x = shortest(single);
    if (!(x > 0 && x < 1e30)) wrong(key, std::to_string(x), "a positive number");
    return x;
  }
  std::string text(std::string const& key, std::string const& otherwise) {
    return has(key) ? std::string(file_.text(used(key))) : otherwise;
  }
  /// Throws where there is a key of another value than the only one that is implemented.
  void only(std::string const& key, long long value) {
    if (!has(key)) return;
    if (const long long n = file_.integer(used(key)); n != value)
      wrong(key, std::to_string(n), std::to_string(value) + ", the only one that is implemented");
  }
  void all_used() const {
    for (const std::string_view key : file_.keys())
      if (key.starts_with(prefix_) && !used_.contains(std::string(key)))
        fauna::fail("config", file_.path() + " has the key " + std::string(key), "none: it is not known here");
  }
  [[noreturn]] void wrong(std::string const& key, std::string const& found, std::string const& expected) const {
    fauna::fail("config", file_.path() + ": " + prefix_ + key + " is " + found, expected);
  }

 private:
  std::string const& used(std::string const& key) { return *used_.insert(prefix_ + key).first; }

  fauna::Gguf const& file_;
  std::string prefix_;
  std::set<std::string> used_{};
};

}  // namespace tool
