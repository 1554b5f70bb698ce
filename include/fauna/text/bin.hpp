// Token files as nanoGPT's prepare scripts write them: nothing but ids, little-endian uint16 (or uint32 for larger
// vocabularies), mapped rather than read.
#pragma once
#include <fauna/io/mapped.hpp>
#include <fauna/text/tokens.hpp>

namespace fauna::inline v0 {

enum class id_width : int { two = 2, four = 4 };

/// One token file. Opening it reads it through once: every id must be below `vocab`.
class BinText {
 public:
  BinText(std::string const& path, int vocab, id_width width = id_width::two, const char* name = "text")
      : file_(path), vocab_(vocab), width_(width), name_(name) {
    const auto bytes = static_cast<std::size_t>(width);
    const std::string digits = std::to_string(static_cast<int>(width));
    if (file_.size() % bytes != 0)
      fail("text", path + " has " + std::to_string(file_.size()) + " bytes", "a multiple of " + digits,
           "is it cut short, or are its ids of another width?");
    if (file_.size() < 2 * bytes)
      fail("text", path + " has length " + std::to_string(file_.size() / bytes),
           "at least 2 tokens, one to read and one to predict");
    if (width == id_width::two) check<std::uint16_t>(path);
    else check<std::uint32_t>(path);
  }

  Tokens tokens() const {
    if (width_ == id_width::two) return {ids<std::uint16_t>(), file_.size() / 2, vocab_, name_};
    return {ids<std::uint32_t>(), file_.size() / 4, vocab_, name_};
  }

 private:
  template <class Id> const Id* ids() const { return reinterpret_cast<const Id*>(file_.data()); }
  template <class Id> void check(std::string const& path) const {
    const Id* id = ids<Id>();
    const std::size_t n = file_.size() / sizeof(Id);
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
};

}  // namespace fauna::inline v0
