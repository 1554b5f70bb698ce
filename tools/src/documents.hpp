// Texts larger than memory, piece by piece.
#pragma once
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include <fauna/io/file.hpp>

namespace tool {

/// Where a text may be cut so that no rule joins what stands on both sides into one word: behind the end of a line that
/// is followed by a letter or a digit, and does not end with white space. The last such place of `text`; where there is
/// none, before a space between two of them; or 0, as in scripts without ASCII letters.
inline std::size_t safe_cut(std::string_view text) {
  const auto space = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  const auto plain = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); };
  for (std::size_t at = text.size(); at-- > 2;)
    if (plain(text[at]) && text[at - 1] == '\n' && static_cast<unsigned char>(text[at - 2]) < 0x80 &&
        !space(text[at - 2]))
      return at;
  for (std::size_t at = text.size(); at-- > 2;)  // or a space between letters, which goes with the second
    if (text[at - 1] == ' ' && plain(text[at - 2]) && plain(text[at])) return at - 1;
  return 0;
}

/// A piece of a file, whether its document ends with it, and whether it stands in the last part of its file.
struct DocumentPiece {
  std::string text{};
  bool ends = false, last_part = false;
};

/// The documents of a file, in pieces: of FILE.jsonl the text under `field` of each line, whole; of others two, the
/// last of which is the share `last` of the file, cut into pieces where words end, or with `whole` not at all.
class Documents {
 public:
  Documents(std::string const& path, std::string field, bool whole, double last)
      : path_(path),
        field_(std::move(field)),
        whole_(whole),
        lines_(path.ends_with(".jsonl")),
        in_(path, std::ios::binary) {
    if (!in_ || fauna::is_directory(path)) fauna::io_fail("read", path, in_ ? EISDIR : errno);
    in_.seekg(0, std::ios::end);
    size_ = static_cast<std::size_t>(in_.tellg());
    in_.seekg(0);
    if (!in_) fauna::fail("fauna", path + " has no end that can be looked for", "a file, not a pipe");
    last_ = size_ - static_cast<std::size_t>(last * static_cast<double>(size_));
  }

  bool lines() const { return lines_; }
  /// False at the end.
  bool next(DocumentPiece& piece) { return lines_ ? next_line(piece) : next_part(piece); }
  /// Bytes of the file that have been read.
  std::size_t taken() const { return taken_; }

 private:
  bool next_line(DocumentPiece& piece) {
    for (std::string line; std::getline(in_, line);) {
      ++number_;
      taken_ += line.size() + 1;
      if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
      const std::string where = path_ + ':' + std::to_string(number_);
      const auto json = nlohmann::json::parse(line, nullptr, false);
      if (json.is_discarded()) fauna::fail("fauna", where + " is no JSON", "an object a line");
      if (!json.is_object() || !json.contains(field_) || !json[field_].is_string())
        fauna::fail("fauna", where + " has no text under \"" + field_ + '"', "one", "--field says another name");
      piece = {json[field_].get<std::string>(), true, false};
      return true;
    }
    if (in_.bad()) fauna::io_fail("read", path_, EIO);
    return false;
  }
  bool next_part(DocumentPiece& piece) {
    constexpr std::size_t most = std::size_t{4} << 20;
    const bool first = taken_ < last_;
    const std::size_t end = first ? last_ : size_, part = end - taken_;
    while (in_ && rest_.size() < part && (whole_ || rest_.size() < most)) {
      const std::size_t had = rest_.size();
      rest_.resize(had + most);
      in_.read(rest_.data() + had, static_cast<std::streamsize>(most));
      rest_.resize(had + static_cast<std::size_t>(in_.gcount()));
    }
    std::size_t size = rest_.size() < part ? rest_.size() : part;
    if (size == 0 && (in_.bad() || taken_ < size_)) fauna::io_fail("read", path_, EIO);
    if (size == 0) return false;
    const bool ends = size == part;
    if (!ends || end < size_) {  // a place to cut
      const std::size_t cut = safe_cut(std::string_view(rest_).substr(0, size));
      size = cut > 0 ? cut : character_before(size);
    }
    if (ends) (first ? last_ : size_) = taken_ + size;
    if (size == 0) return next_part(piece);  // a first part that is less than a character
    piece = {rest_.substr(0, size), ends, !first};
    taken_ += size;
    rest_.erase(0, size);
    return true;
  }
  /// A place shortly before `at` where a character of the text begins.
  std::size_t character_before(std::size_t at) const {
    std::size_t begin = at > 4 ? at - 4 : 0;
    while (begin > 0 && (static_cast<unsigned char>(rest_[begin]) & 0xc0U) == 0x80U) --begin;
    return begin;
  }

  std::string path_, field_;
  bool whole_, lines_;
  std::ifstream in_;
  std::string rest_{};
  long number_ = 0;
  std::size_t taken_ = 0, size_ = 0, last_ = 0;  ///< bytes: read, in all, where the last part begins
};

}  // namespace tool
