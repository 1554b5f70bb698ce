// Token files, mapped rather than read: nothing but ids, little-endian uint16 (or uint32 for larger vocabularies), as
// nanoGPT's prepare scripts write them, or the same behind llm.c's header of 256 int32: a magic number, a version,
// how many tokens there are.
#pragma once
#include <cstring>
#include <string>
#include <vector>

#include <fauna/io/mapped.hpp>
#include <fauna/text/tokens.hpp>

namespace fauna::inline v0 {

enum class id_width : int { two = 2, four = 4 };

/// One token file. Opening it reads it through once: every id must be below `vocab`. `width` is that of a file without
/// a header, which says its own.
class BinText {
 public:
  /// `least`: tokens that it must have.
  BinText(std::string const& path, int vocab, id_width width = id_width::two, const char* name = "text",
          std::size_t least = 2)
      : file_(path), vocab_(vocab), width_(width), name_(name) {
    const std::size_t counted = read_header(path);
    const auto bytes = static_cast<std::size_t>(width_);
    const std::string digits = std::to_string(static_cast<int>(width_));
    const std::size_t rest = file_.size() - header_;
    if (rest % bytes != 0)
      fail("text", path + " has " + std::to_string(file_.size()) + " bytes", "a multiple of " + digits,
           "is it cut short, or are its ids of another width?");
    if (header_ > 0 && rest / bytes != counted)
      fail("text", path + " has " + std::to_string(rest / bytes) + " tokens",
           std::to_string(counted) + ", as its header says", "is it cut short?");
    if (size() < least)
      fail("text", path + " has length " + std::to_string(size()),
           least > 1 ? "at least 2 tokens, one to read and one to predict" : "at least a token");
    if (width_ == id_width::two) check<std::uint16_t>(path);
    else check<std::uint32_t>(path);
  }

  std::size_t size() const { return (file_.size() - header_) / static_cast<std::size_t>(width_); }
  id_width width() const { return width_; }
  const void* data() const { return file_.data() + header_; }
  Tokens tokens() const {
    if (width_ == id_width::two) return {ids<std::uint16_t>(), size(), vocab_, name_};
    return {ids<std::uint32_t>(), size(), vocab_, name_};
  }

 private:
  template <class Id> const Id* ids() const { return static_cast<const Id*>(data()); }
  /// The number of tokens that a header tells; 0 without one.
  std::size_t read_header(std::string const& path) {
    constexpr std::int32_t gpt2 = 20240520, llama3 = 20240801;
    std::int32_t words[3] = {};
    if (file_.size() < 1024) return 0;
    std::memcpy(words, file_.data(), sizeof words);
    if (words[0] != gpt2 && words[0] != llama3) return 0;
    if (words[1] != (words[0] == gpt2 ? 1 : 7))
      fail("text", path + " has a header of version " + std::to_string(words[1]),
           words[0] == gpt2 ? "1, of uint16 ids" : "7, of uint32 ids");
    header_ = 1024;
    width_ = words[0] == gpt2 ? id_width::two : id_width::four;
    return static_cast<std::size_t>(words[2] < 0 ? 0 : words[2]);
  }
  template <class Id> void check(std::string const& path) const {
    const Id* id = ids<Id>();
    const std::size_t n = size();
    for (std::size_t i = 0; i < n; ++i)
      if (id[i] >= static_cast<std::uint32_t>(vocab_))
        fail("text", path + " has the id " + std::to_string(id[i]) + " at token " + std::to_string(i),
             "ids below the vocabulary of " + std::to_string(vocab_),
             "was it made with another tokenizer, or with ids of another width?");
  }

  Mapped file_;
  int vocab_;
  id_width width_;
  const char* name_;
  std::size_t header_ = 0;  ///< bytes
};

/// Token files as one text, in the order of their names here. All have one width.
class ShardedText {
 public:
  ShardedText(std::vector<std::string> const& paths, int vocab, id_width width = id_width::two,
              const char* name = "text")
      : vocab_(vocab), name_(name) {
    if (paths.empty()) fail("text", std::string("the ") + name + " part has no files", "one or more");
    std::size_t all = 0;
    for (std::string const& path : paths) {
      BinText& f = files_.emplace_back(path, vocab, width, name, std::size_t{1});
      if (f.width() != files_.front().width())
        fail("text", path + " has ids of another width than " + paths.front(), "one width in all of them");
      shards_.push_back({f.data(), all});
      all += f.size();
    }
    shards_.push_back({nullptr, all});
    if (all < 2) fail("text", paths.front() + " has length 1", "at least 2 tokens, one to read and one to predict");
  }
  ShardedText(ShardedText&&) = default;

  Tokens tokens() const {
    return files_.front().width() == id_width::two ? Tokens::of<std::uint16_t>(shards_, vocab_, name_)
                                                   : Tokens::of<std::uint32_t>(shards_, vocab_, name_);
  }

 private:
  std::vector<BinText> files_{};
  std::vector<TokenShard> shards_{};
  int vocab_;
  const char* name_;
};

}  // namespace fauna::inline v0
