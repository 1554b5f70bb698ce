// Bytes as tokens: 256 of them, no text is unseen. The dataset is the mapped file itself.
#pragma once
#include <string_view>
#include <vector>

#include <fauna/io/mapped.hpp>
#include <fauna/text/tokens.hpp>

namespace fauna::inline v0 {

struct ByteTokenizer {
  static constexpr int vocab() { return 256; }

  static std::vector<int> encode(std::string_view text) {
    std::vector<int> ids;
    ids.reserve(text.size());
    for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
    return ids;
  }
  static std::string decode(const int* ids, std::size_t count) {
    std::string text;
    for (std::size_t i = 0; i < count; ++i) {
      if (ids[i] < 0 || ids[i] > 255)
        fail("text", "token " + std::to_string(i) + " is " + std::to_string(ids[i]), "0 to 255, a byte");
      text += static_cast<char>(ids[i]);
    }
    return text;
  }
};

/// A file as a row of bytes to train on.
class ByteText : public ByteTokenizer {
 public:
  static ByteText from_file(std::string const& path) { return ByteText(path); }

  Tokens tokens() const { return {file_.data(), file_.size(), vocab()}; }
  Tokens train() const { return split(tokens()).train; }
  Tokens val() const { return split(tokens()).val; }

 private:
  explicit ByteText(std::string const& path) : file_(path) {
    if (file_.size() < 2)
      fail("text", path + " has length " + std::to_string(file_.size()),
           "at least 2 bytes, one to read and one to predict");
  }
  Mapped file_;
};

}  // namespace fauna::inline v0
