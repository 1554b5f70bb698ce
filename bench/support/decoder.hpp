// A model that decodes, and the seconds that it takes; and the peer's name.
#pragma once
#include <string>
#include <vector>

#include <fauna/decode/loaded.hpp>
#include <fauna/io/clock.hpp>

#include "peer.hpp"

namespace bench {

/// Seconds of one-row steps from a context of `context` rows on.
template <class L> class Decoder {
  using M = typename L::model;
  using Cache = fauna::Cache<M, typename L::backend>;

 public:
  Decoder(L& model, int context, int room) : model_(model), cache_(1, context + room), logits_(M::vocab) {
    model_.prepare_inference({.sequences = 1, .length = 512, .context = context + room});
    std::vector<int> prompt;
    for (int i = 0; i < context; ++i) prompt.push_back(1 + i * 37 % (M::vocab - 1));
    model_.logits(cache_, fauna::Batch::uniform(1, context, prompt.data()), fauna::logit_rows::none,
                  fauna::Matrix<float>(logits_.data(), 0, M::vocab));
    start_ = cache_.mark();
  }
  double step(int count) {
    cache_.rewind(start_);
    const double start = fauna::seconds_now();
    for (int i = 0; i < count; ++i) {
      const int token = 1 + i * 41 % (M::vocab - 1);
      model_.logits(cache_, fauna::Batch::uniform(1, 1, &token), fauna::logit_rows::last,
                    fauna::Matrix<float>(logits_.data(), 1, M::vocab));
    }
    return (fauna::seconds_now() - start) / count;
  }
  double prefill(int rows) {
    std::vector<int> prompt;
    for (int i = 0; i < rows; ++i) prompt.push_back(1 + i * 37 % (M::vocab - 1));
    cache_.clear();
    const double start = fauna::seconds_now();
    model_.logits(cache_, fauna::Batch::uniform(1, rows, prompt.data()), fauna::logit_rows::last,
                  fauna::Matrix<float>(logits_.data(), 1, M::vocab));
    return fauna::seconds_now() - start;
  }

 private:
  L& model_;
  Cache cache_;
  typename Cache::Mark start_;
  std::vector<float> logits_;
};

/// llama.cpp with the widest vectors that it says it was compiled for.
inline std::string llama_label(Peer const& peer, int threads) {
  const std::string how = " --threads " + std::to_string(threads);
  for (const std::string vectors : {"AVX512_BF16", "AVX512", "AVX2"})
    if (peer.ready().find(vectors + " = 1") != std::string::npos) return "llama.cpp " + vectors + how;
  return "llama.cpp" + how;
}

}  // namespace bench
