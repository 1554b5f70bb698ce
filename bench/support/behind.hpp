// A model that decodes behind a long context.
#pragma once
#include <vector>

#include <fauna/decode/loaded.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/train/trained.hpp>

#include "peak.hpp"

namespace bench {

inline constexpr int steps = 8;  ///< that are measured together

/// A model behind `context` rows that nobody has read: what a cache holds does not change how long a step takes.
template <class M> class Behind {
  using B = fauna::Cpu<>;

 public:
  explicit Behind(int context)
      : model_([] {
          fauna::Trained<M, B> random(fauna::seed{1});
          return fauna::Loaded<M, B>(random.weights());
        }()),
        cache_(1, fauna::context_of<M> == fauna::unbounded ? fauna::unbounded : context + steps),
        logits_(M::vocab) {
    model_.prepare_inference({.sequences = 1, .length = 1, .context = context + steps});
    std::uint64_t at = 0;
    M::visit_state(
        [&at](fauna::StatePiece, auto& v) {
          for (int r = 0; r < v.rows(); ++r)
            for (int c = 0; c < v.cols(); ++c) v(r, c) = 0.1F * fauna::Key{1, 1}.uniform(at++);
        },
        cache_.state());
    cache_.advance(fauna::Batch::uniform(1, context));
    start_ = cache_.mark();
  }
  double step() {
    cache_.rewind(start_);
    const double start = now();
    for (int i = 0; i < steps; ++i) {
      const int token = 1 + i * 41 % (M::vocab - 1);
      model_.logits(cache_, fauna::Batch::uniform(1, 1, &token), fauna::logit_rows::last,
                    fauna::Matrix<float>(logits_.data(), 1, M::vocab));
    }
    return (now() - start) / steps;
  }

 private:
  fauna::Loaded<M, B> model_;
  fauna::Cache<M, B> cache_;
  typename fauna::Cache<M, B>::Mark start_;
  std::vector<float> logits_;
};

}  // namespace bench
