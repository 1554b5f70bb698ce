// A block with all its memory, run forward, or forward and backward, on rows that do not matter.
#pragma once
#include <algorithm>

#include <fauna/core/call.hpp>
#include <fauna/core/ledger.hpp>
#include <fauna/core/tensor.hpp>
#include <fauna/ops/cpu.hpp>

#include "scratch.hpp"

namespace bench {

template <class Block> class Mixer {
  using B = fauna::Cpu<>;

 public:
  Mixer(int length, int threads)
      : batch_(fauna::Batch::uniform(1, length)),
        shape_{.sequences = 1, .length = length, .threads = threads},
        x_(length, Block::in, 1),
        y_(length, Block::out, 2),
        dx_(x_),
        weights_(1, count(), 3, -0.02F, 0.04F),
        gradients_(1, count(), 4, 0, 0),
        saved_memory_(bytes([&](fauna::Arena& a) { Block::plan(saved_, shape_, a); })),
        scratch_(std::max(planned(true), planned(false))) {
    bind(w_, weights_.data());
    bind(dw_, gradients_.data());
    call_.backend = scratch_.on(threads);
    call_.batch = &batch_;
    evaluate();
    train();
  }
  void evaluate() {
    typename Block::template Saved<float> nothing{};
    call_.mode = fauna::mode::eval;
    Block::forward(call_, w_, no_state_, in(), out(y_), nothing);
  }
  void train() {
    call_.mode = fauna::mode::train;
    fauna::Arena a = saved_memory_.arena();
    Block::plan(saved_, shape_, a);
    Block::forward(call_, w_, no_state_, in(), out(y_), saved_);
    Block::backward(call_, w_, dw_, in(), saved_, fauna::View<const float, fauna::dyn, Block::out>(y_.data(), y_.rows),
                    fauna::View<float, fauna::dyn, Block::in>(dx_.data(), dx_.rows), no_state_);
  }

 private:
  static int count() {
    int n = 0;
    typename Block::template Weights<fauna::All<float>> w;
    Block::visit(w, fauna::Place{}, [&n](fauna::Tensor const& t, auto&) { n += static_cast<int>(t.size()); });
    return n;
  }
  template <class Ws> static void bind(Ws& w, float* data) {
    Block::visit(w, fauna::Place{}, [&data](fauna::Tensor const& t, auto& v) {
      v = fauna::Matrix<float>(data, t.rows, t.cols);
      data += t.size();
    });
  }
  template <class F> static std::size_t bytes(F&& plans) {
    fauna::Arena a;
    plans(a);
    return a.high_water();
  }
  std::size_t planned(bool backward) const {
    fauna::Shape s = shape_;
    s.backward = backward;
    return bytes([&](fauna::Arena& a) { Block::template plan_scratch<B>(s, a); });
  }
  using X = fauna::View<const float, fauna::dyn, Block::in>;
  using Y = fauna::View<float, fauna::dyn, Block::out>;
  X in() const { return X(x_.data(), x_.rows); }
  static Y out(Numbers& y) { return Y(y.data(), y.rows); }

  fauna::Batch batch_;
  fauna::Shape shape_;
  Numbers x_, y_, dx_, weights_, gradients_;
  typename Block::template Weights<fauna::All<float>> w_, dw_;
  typename Block::template Saved<float> saved_{};
  typename Block::template State<float> no_state_{};
  Scratch saved_memory_, scratch_;
  fauna::Call<B> call_;
};

}  // namespace bench
