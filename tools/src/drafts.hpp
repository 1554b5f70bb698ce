// Drafts of generate and sample: who makes them, and what came of them.
#pragma once
#include <algorithm>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fauna/decode/speculate/speculate.hpp>
#include <tools/src/engine.hpp>
#include <tools/src/settings.hpp>

namespace tool {

/// A Reader of whichever model as a value, for what takes a fauna::TextReader.
class AnyReader {
 public:
  AnyReader(Engine& e, int context, int chunk) : reader_(e.reader(context, chunk)) {}
  int vocab() const { return reader_->vocab(); }
  int context() const { return reader_->context(); }
  const float* logits(const int* ids, int n, int wanted, int stays) { return reader_->logits(ids, n, wanted, stays); }

 private:
  std::unique_ptr<Reader> reader_;
};

/// A drafter of any kind: fauna::Drafter.
class AnyDrafter {
 public:
  /// From the text itself; or by a model, of texts of up to `context` tokens.
  explicit AnyDrafter(Engine* model, int context, int chunk) {
    if (model == nullptr) take(fauna::NgramDrafter());
    else take(fauna::DraftModel(AnyReader(*model, std::min(context, model->context()), chunk)));
  }
  template <class F> void propose(std::vector<int>& text, int most, F&& draw) { propose_(text, most, draw); }

 private:
  using Draw = std::function<int(const float*)>;
  template <class D> void take(D drafter) {
    propose_ = [d = std::make_shared<D>(std::move(drafter))](std::vector<int>& text, int most, Draw const& draw) {
      d->propose(text, most, draw);
    };
  }
  std::function<void(std::vector<int>&, int, Draw const&)> propose_;
};

/// What came of the drafts of some texts, beside plain decoding. Times are of texts alone, without their prompts.
class DraftStats {
 public:
  void add(fauna::DraftCounts const& c, double seconds, double plain_seconds, bool same) {
    steps_ += c.steps, tokens_ += c.tokens, drafted_ += c.drafted;
    seen_.resize(c.seen.size()), accepted_.resize(c.seen.size());
    for (std::size_t i = 0; i < c.seen.size(); ++i) seen_[i] += c.seen[i], accepted_[i] += c.accepted[i];
    seconds_ += seconds, plain_ += plain_seconds;
    same_ = same_ && same;
  }
  void print() const {
    const auto share = [](long a, long b) { return b > 0 ? static_cast<double>(a) / static_cast<double>(b) : 0; };
    std::fprintf(stderr, "fauna: %ld tokens in %ld steps: %.2f a step; %ld tokens were drafted\n", tokens_, steps_,
                 share(tokens_, steps_), drafted_);
    std::fprintf(stderr, "fauna: accepted where all before were, by place in the draft:");
    for (std::size_t i = 0; i < seen_.size(); ++i)
      std::fprintf(stderr, " %.0f %% of %ld%s", 100 * share(accepted_[i], seen_[i]), seen_[i],
                   i + 1 < seen_.size() ? "," : "\n");
    std::fprintf(stderr, "fauna: %.3f ms a token, %.2f times as fast as plain decoding (%.3f ms), %s\n",
                 1e3 * seconds_ / static_cast<double>(tokens_), plain_ / seconds_,
                 1e3 * plain_ / static_cast<double>(tokens_), same_ ? "the same text" : "BUT ANOTHER TEXT");
  }

 private:
  long steps_ = 0, tokens_ = 0, drafted_ = 0;
  std::vector<long> seen_{}, accepted_{};
  double seconds_ = 0, plain_ = 0;
  bool same_ = true;
};

}  // namespace tool
