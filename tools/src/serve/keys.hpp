// The keys that a server lets in.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <fauna/core/error.hpp>
#include <fauna/io/file.hpp>
#include <tools/src/sha256.hpp>

namespace tool::serve {

class Keys {
 public:
  /// A key a line, in a file; without a file, whoever comes is let in.
  static Keys read(std::string const& file) {
    Keys keys;
    if (file.empty()) return keys;
    const std::string text = fauna::read_file(file);
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      std::string_view key = std::string_view(text).substr(at, end - at);
      while (!key.empty() && (key.back() == '\r' || key.back() == ' ')) key.remove_suffix(1);
      if (!key.empty()) keys.hashes_.push_back(sha256(key));
      at = end + 1;
    }
    if (keys.hashes_.empty()) fauna::fail("serve", file + " has no key", "one a line");
    return keys;
  }

  bool needed() const { return !hashes_.empty(); }
  /// In a time that tells nothing about the keys: hashes are compared, all of each and each of them.
  bool allow(std::string_view key) const {
    const std::string given = sha256(key);
    bool any = false;
    for (std::string const& hash : hashes_) {
      unsigned different = 0;
      for (std::size_t i = 0; i < hash.size(); ++i)
        different |= static_cast<unsigned>(static_cast<unsigned char>(hash[i]) ^ static_cast<unsigned char>(given[i]));
      any |= different == 0;
    }
    return any;
  }

 private:
  std::vector<std::string> hashes_;
};

}  // namespace tool::serve
