// Drafts by the layers with which a model predicts further tokens (DeepSeek-AI 2024, "DeepSeek-V3 technical report",
// section 2.2 and 5.4.3): depth k reads, beside what came of a row one depth before, the token k places on.
//   h⁰_r  what the trunk gave for row r      hᵏ_r = Mtpₖ([hᵏ⁻¹_r ; Embed(t_{r+k})])      Head(hᵏ_r) says t_{r+k+1}
// With r = n - 2, the row that drew the text's last token, depth k drafts t_{n-1+k} behind its own earlier drafts.
// Beyond the last depth K, that goes on by itself: hᴷ of a row stands for hᴷ⁻¹ of the next one.
#pragma once
#include <cstddef>
#include <vector>

#include <fauna/core/error.hpp>
#include <fauna/decode/speculate/drafter.hpp>

namespace fauna::inline v0 {

/// Drafts with the own layers of the model that a Reader with hidden rows has, whose cache has room for their keys and
/// values too. R has vocab(), width(), depths(), remember_all(), known(ids, n), hidden(row), further(...) and
/// head(rows, n). Where the Reader has not read the text by itself yet, there is no draft.
template <class R> class MtpHeads {
 public:
  /// The reader remembers all rows from now on. Throws where the model has no such layers.
  explicit MtpHeads(R& target) : target_(&target) {
    if (target.depths() < 1)
      fail("mtp", "a model without layers that predict further tokens", "one with some, such as DeepSeek-V3",
           "num_nextn_predict_layers in its config.json says how many");
    target.remember_all();
    out_.resize(static_cast<std::size_t>(target.depths()));
    filled_.resize(out_.size());
  }

  int vocab() const { return target_->vocab(); }
  template <class F> void propose(std::vector<int>& text, int most, F&& draw) {
    const int n = static_cast<int>(text.size()), depths = target_->depths();
    if (n < 2 || target_->known(text.data(), n - 1) < n - 1) return;
    follow(text);
    const int row = n - 2;
    for (int i = 1; i <= most; ++i) {
      const bool own = i <= depths;
      const int k = own ? i : depths, at = row + i - k;
      if (own) fill(k, at, text);
      else take(target_->further(k - 1, at, last_.data(), text.data() + at + k, 1));
      text.push_back(draw(target_->head(last_.data(), 1)));
    }
  }

 private:
  static constexpr int chunk = 256;  ///< rows at once

  /// Rows of a depth stay where they have read what the text has.
  void follow(std::vector<int> const& text) {
    int same = 0;
    const int n = static_cast<int>(text.size()), had = static_cast<int>(known_.size());
    const auto id = [](std::vector<int> const& of, int i) { return of[static_cast<std::size_t>(i)]; };
    while (same < n && same < had && id(text, same) == id(known_, same)) ++same;
    for (int k = 1; k <= target_->depths(); ++k) {
      int& filled = filled_[static_cast<std::size_t>(k - 1)];
      const int right = same > k ? same - k : 0;
      if (filled > right) filled = right;
    }
    known_ = text;
  }
  /// Depth k reads the rows up to `at` that it has not read with the text's own tokens.
  void fill(int k, int at, std::vector<int> const& text) {
    const auto width = static_cast<std::size_t>(target_->width());
    auto& out = out_[static_cast<std::size_t>(k - 1)];
    int& filled = filled_[static_cast<std::size_t>(k - 1)];
    out.resize(static_cast<std::size_t>(at + 1) * width);
    for (int first = filled; first <= at; first += chunk) {
      const int rows = at + 1 - first < chunk ? at + 1 - first : chunk;
      const float* const h =
          k == 1 ? target_->hidden(first)
                 : out_[static_cast<std::size_t>(k - 2)].data() + static_cast<std::size_t>(first) * width;
      const float* const y = target_->further(k - 1, first, h, text.data() + first + k, rows);
      for (std::size_t i = 0; i < static_cast<std::size_t>(rows) * width; ++i)
        out[static_cast<std::size_t>(first) * width + i] = y[i];
    }
    take(out.data() + static_cast<std::size_t>(at) * width);
    filled = at + 2 - k;  // of the later rows the tokens are drafts
  }
  void take(const float* row) { last_.assign(row, row + target_->width()); }

  R* target_;
  std::vector<std::vector<float>> out_{};  ///< [depths] of rows: what a depth gave
  std::vector<int> filled_{};              ///< [depths] rows that have read the text's own tokens
  std::vector<int> known_{};               ///< which is this
  std::vector<float> last_{};              ///< what the last draft was drawn from
};

}  // namespace fauna::inline v0
