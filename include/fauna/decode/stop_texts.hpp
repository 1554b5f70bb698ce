// Where a text that comes in pieces ends: before the first of some stop texts.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fauna::inline v0 {

/// What may be the start of a stop text is held back until it is known. An empty stop text is none.
class StopTexts {
 public:
  explicit StopTexts(std::vector<std::string> stops = {}) : stops_(std::move(stops)) {}

  /// What is certain now that `piece` has come, after all that push gave before.
  std::string push(std::string_view piece) {
    text_ += piece;
    std::size_t end = std::string::npos, keep = text_.size();
    for (auto const& stop : stops_) {
      if (stop.empty()) continue;
      const std::size_t from =
          text_.size() > stop.size() + piece.size() ? text_.size() - stop.size() - piece.size() : 0;
      if (const std::size_t at = text_.find(stop, from); at < end) end = at;
      for (std::size_t n = stop.size() - 1; n > 0; --n)
        if (text_.size() >= n && text_.compare(text_.size() - n, n, stop, 0, n) == 0) {
          keep = keep < text_.size() - n ? keep : text_.size() - n;
          break;
        }
    }
    if (end == std::string::npos) return show(keep);
    found_ = true;
    text_.resize(end);
    return show(end);
  }
  /// What was held back, where the text ends without a stop text.
  std::string finish() { return show(text_.size()); }

  bool found() const { return found_; }
  /// All of the text so far, up to the stop text.
  std::string const& text() const { return text_; }

 private:
  std::string show(std::size_t to) {
    if (to <= shown_) return {};
    const std::size_t from = std::exchange(shown_, to);
    return text_.substr(from, to - from);
  }

  std::vector<std::string> stops_;
  std::string text_;
  std::size_t shown_ = 0;
  bool found_ = false;
};

}  // namespace fauna::inline v0
