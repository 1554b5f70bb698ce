// The trainer of one model, on ranks of some kind: "model.hpp" in the model's folder names the types Model and Backend.
#pragma once
#include "model.hpp"

#include <algorithm>
#include <utility>

#include <fauna/ops/cpu.hpp>
#include <fauna/train/train.hpp>
#include <tools/src/recomputed.hpp>
#include <tools/src/trainer.hpp>

namespace tool {

template <class Ranks, class Trains = fauna::Trained<Recomputed<Model>, Backend>>
class TrainerOf final : public Trainer {
 public:
  /// `all` ranks, `here` of which are on this machine. `first`: what Trains wants before seed and threads.
  template <class... First>
  TrainerOf(TrainerSettings const& s, Ranks ranks, int all = 1, int here = 1, First&... first)
      : ranks_(std::move(ranks)),
        all_(all),
        model_(first..., fauna::seed{s.seed},
               s.threads > 0 ? static_cast<int>(s.threads) : std::max(1, fauna::default_threads() / here)) {
    if constexpr (requires { ranks_.draw(model_); }) ranks_.draw(model_);
  }

  std::size_t parameters() const override { return fauna::parameters<Model>; }
  int threads() const override { return model_.threads(); }
  fauna::MemoryPlan planned() const override { return model_.planned(); }
  int ranks() const override { return all_; }
  bool writes() const override { return ranks_.writes(); }
  void require_same(std::string const& what, std::uint64_t hash) override {
    if constexpr (requires { ranks_.require_same(what, hash); }) ranks_.require_same(what, hash);
  }
  void load_weights(std::string const& from) override {
    if constexpr (requires { ranks_.load(from, model_, fauna::load::weights); })
      ranks_.load(from, model_, fauna::load::weights);
    else fauna::load_checkpoint(from, model_, fauna::load::weights);
  }
  fauna::TrainReport train(fauna::Split const& text, fauna::TrainOptions const& o,
                           std::string const& alphabet) override {
    return fauna::train<Trains, Ranks&>(model_, text, o, alphabet, ranks_);
  }
  double evaluate(fauna::Tokens const& text, int context, int sequences) override {
    return ranks_.once(model_, [&] { return fauna::evaluate(model_, text, context, sequences); });
  }

 private:
  Ranks ranks_;
  int all_;
  Trains model_;
};

}  // namespace tool
