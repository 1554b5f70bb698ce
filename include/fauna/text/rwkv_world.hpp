// The World tokenizer of RWKV: the longest token that fits, over bytes, from left to right. Its vocabulary is a file of
// lines  ID 'text' LENGTH  or  ID b'bytes' LENGTH,  the text a literal as Python writes it and the length in bytes.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <fauna/core/number_text.hpp>
#include <fauna/io/file.hpp>
#include <fauna/text/utf8.hpp>

namespace fauna::inline v0 {

class RwkvWorld {
 public:
  static constexpr int end_of_text = 0;  ///< in no line; published models end documents with it

  /// Throws, naming the line, for what is no such file, and where a byte alone is no token.
  static RwkvWorld from_file(std::string const& path) { return RwkvWorld(read_file(path), path); }

  /// One more than the largest id.
  int vocab() const { return static_cast<int>(tokens_.size()); }

  std::vector<int> encode(std::string_view text) const {
    std::vector<int> ids;
    while (!text.empty()) {
      std::size_t length = 0;
      int id = 0;
      std::uint32_t node = 0;
      for (std::size_t i = 0; i < text.size() && (node = child(node, text[i])) != 0; ++i)
        if (nodes_[node].id > 0) {
          id = nodes_[node].id;
          length = i + 1;
        }
      ids.push_back(id);
      text.remove_prefix(length);
    }
    return ids;
  }
  /// The end of a text is no text.
  std::string decode(const int* ids, std::size_t count) const {
    std::string text;
    for (std::size_t i = 0; i < count; ++i) {
      if (ids[i] < 0 || ids[i] >= vocab())
        fail("text", "token " + std::to_string(i) + " is " + std::to_string(ids[i]),
             "0 to " + std::to_string(vocab() - 1));
      text += tokens_[static_cast<std::size_t>(ids[i])];
    }
    return text;
  }

 private:
  /// A node of the trie; siblings are a list. Node 0 is the root, which is nobody's child.
  struct Node {
    std::uint32_t child = 0, sibling = 0;
    int id = 0;  ///< of the token that ends here; 0: none
    char byte = 0;
  };

  RwkvWorld(std::string const& file, std::string const& path) : nodes_(1), tokens_(1) {
    constexpr int most = 1 << 24;
    std::size_t line = 0;
    for (std::size_t at = 0; at < file.size();) {
      ++line;
      const auto expect = [&](bool ok, const char* what) {
        if (!ok)
          fail("text", path + " line " + std::to_string(line) + " has no " + what, "ID 'text' LENGTH",
               "rwkv_vocab_v20230424.txt is such a file");
      };
      std::size_t end = file.find('\n', at);
      if (end == std::string::npos) end = file.size();
      std::string_view text(file.data() + at, end - at);
      at = end + 1;
      if (!text.empty() && text.back() == '\r') text.remove_suffix(1);
      const std::size_t first = text.find(' '), last = text.rfind(' ');
      int id = 0, length = 0;
      expect(first != std::string_view::npos && first < last, "three parts");
      expect(number_text::parse(std::string(text.substr(0, first)), id) && id > 0 && id < most, "id");
      expect(number_text::parse(std::string(text.substr(last + 1)), length), "length");
      std::string token;
      expect(literal(text.substr(first + 1, last - first - 1), token), "literal as Python writes it");
      expect(!token.empty() && token.size() == static_cast<std::size_t>(length), "text of the length that it says");
      if (static_cast<std::size_t>(id) >= tokens_.size()) tokens_.resize(static_cast<std::size_t>(id) + 1);
      expect(tokens_[static_cast<std::size_t>(id)].empty(), "id of its own");
      expect(insert(token, id), "text of its own");
      tokens_[static_cast<std::size_t>(id)] = static_cast<std::string&&>(token);
    }
    for (int byte = 0; byte < 256; ++byte)
      if (nodes_[child(0, static_cast<char>(byte))].id == 0)
        fail("text", path + " has no token for the byte " + std::to_string(byte), "one for each");
  }

  std::uint32_t child(std::uint32_t node, char byte) const {
    std::uint32_t c = nodes_[node].child;
    while (c != 0 && nodes_[c].byte != byte) c = nodes_[c].sibling;
    return c;
  }
  bool insert(std::string_view token, int id) {
    std::uint32_t node = 0;
    for (const char byte : token) {
      std::uint32_t next = child(node, byte);
      if (next == 0) {
        next = static_cast<std::uint32_t>(nodes_.size());
        nodes_.push_back({0, nodes_[node].child, 0, byte});
        nodes_[node].child = next;
      }
      node = next;
    }
    if (nodes_[node].id != 0) return false;
    nodes_[node].id = id;
    return true;
  }
  /// 'text', "text", b'bytes': \xNN is a code point in a text, and a byte in bytes.
  static bool literal(std::string_view from, std::string& to) {
    const bool bytes = !from.empty() && from[0] == 'b';
    if (bytes) from.remove_prefix(1);
    if (from.size() < 2 || (from[0] != '\'' && from[0] != '"') || from.back() != from[0]) return false;
    const char quote = from[0];
    from = from.substr(1, from.size() - 2);
    while (!from.empty()) {
      const char c = from[0];
      from.remove_prefix(1);
      if (c == quote) return false;
      if (c != '\\') {
        to += c;
        continue;
      }
      if (from.empty()) return false;
      const char e = from[0];
      from.remove_prefix(1);
      constexpr std::string_view names = "ntr\\'\"", means = "\n\t\r\\'\"";
      if (const std::size_t i = names.find(e); i != std::string_view::npos) {
        to += means[i];
        continue;
      }
      const std::size_t digits = e == 'x' ? 2 : bytes ? 0 : e == 'u' ? 4 : e == 'U' ? 8 : 0;
      if (digits == 0 || from.size() < digits) return false;
      std::uint32_t code = 0;
      for (std::size_t i = 0; i < digits; ++i) {
        constexpr std::string_view hex = "0123456789abcdef";
        const std::size_t value = hex.find(from[i]);
        if (value == std::string_view::npos) return false;
        code = code * 16 + static_cast<std::uint32_t>(value);
      }
      from.remove_prefix(digits);
      if (bytes) to += static_cast<char>(code);
      else if (code > 0x10ffff) return false;
      else append_code_point(to, static_cast<char32_t>(code));
    }
    return true;
  }

  std::vector<Node> nodes_;
  std::vector<std::string> tokens_;
};

}  // namespace fauna::inline v0
