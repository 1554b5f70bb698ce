// A layer of a golden file against a block of ours: what comes out, and the gradients of the input and of every weight.
#pragma once
#include <doctest/doctest.h>

#include <cmath>
#include <fauna/core/pieces.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/ops/ref.hpp>
#include <map>
#include <string>
#include <vector>

#include "golden.hpp"
#include "memory.hpp"
#include "worst.hpp"

namespace test {

using namespace fauna;

/// The file of the layer that is checked.
inline const Golden* file = nullptr;
inline Golden const& golden() { return *file; }

/// Whatever they are given, the layers compute norms, decays and all of mLSTM's cell in float32, and the gradients of
/// gates are sums in which much cancels.
template <class S> constexpr double bound = sizeof(S) == 8 ? 5e-6 : 2e-5;

template <class S, class V> void check(std::string const& name, V const& got, std::size_t n) {
  const std::vector<float> want = golden().floats(name);
  REQUIRE(want.size() == n);
  double most = 0, scale = 0;
  for (std::size_t i = 0; i < n; ++i) {
    test::see(most, std::fabs(static_cast<double>(got[i]) - static_cast<double>(want[i])));
    scale = std::fmax(scale, std::fabs(static_cast<double>(want[i])));
  }
  CAPTURE(name);
  CHECK(scale > 0);
  CHECK(most <= bound<S> * scale);
}

/// f(element of a tensor, the file's tensor, element there).
template <class F> void each_element(Tensor const& t, F&& f) {
  for (Piece const& p : pieces_of(t))
    for (int r = 0; r < p.rows; ++r)
      for (int c = 0; c < columns_of(t); ++c)
        f(static_cast<std::size_t>((p.first + r) * columns_of(t) + c), p.name,
          static_cast<std::size_t>(p.row(r) + c * p.col_stride));
}

template <class Block, class B> void check_layer(std::string const& name) {
  static_assert(legal<typename Block::fault>());
  using S = typename B::scalar;
  constexpr int in = Block::in, out = Block::out;
  const auto numbers = [&](std::string const& of) {
    const std::vector<float> v = golden().floats(name + "." + of);
    return std::vector<S>(v.begin(), v.end());
  };
  const std::vector<S> x = numbers("x"), dy = numbers("dy");
  const int T = static_cast<int>(x.size()) / in;
  const Shape shape{.sequences = 1, .length = T, .threads = 2};
  const Batch batch = Batch::uniform(1, T);

  std::vector<S> values, gradients, y(static_cast<std::size_t>(T * out)), dx(x.size());
  typename Block::template Weights<All<S>> w, dw;
  Block::visit(w, Place{}, [&](Tensor const& t, auto&) {
    const std::size_t from = values.size();
    values.resize(from + t.size());
    each_element(t, [&](std::size_t to, std::string const& file, std::size_t at) {
      values[from + to] = static_cast<S>(golden().floats(name + ".weight." + file)[at]);
    });
  });
  gradients.resize(values.size());
  std::size_t from = 0;
  const auto bind = [&from](std::vector<S>& all) {
    return [&all, &from](Tensor const& t, auto& v) {
      v = Matrix<S>(all.data() + from, t.rows, t.cols);
      from += t.size();
    };
  };
  Block::visit(w, Place{}, bind(values));
  from = 0;
  Block::visit(dw, Place{}, bind(gradients));

  typename Block::template Saved<S> saved;
  typename Block::template State<S> none{};
  Arena measured, needed;
  Block::plan(saved, shape, measured);
  Block::template plan_scratch<B>(shape, needed);
  test::Poisoned saved_memory(measured.high_water()), scratch_memory(needed.high_water());
  Arena a = saved_memory.arena(), scratch = scratch_memory.arena();
  Block::plan(saved, shape, a);
  Call<B> call;
  call.backend.threads = 2;
  call.backend.scratch = &scratch;
  call.batch = &batch;
  call.mode = mode::train;
  const View<const S, dyn, in> rows(x.data(), T);
  Block::forward(call, w, none, rows, View<S, dyn, out>(y.data(), T), saved);
  Block::backward(call, w, dw, rows, saved, View<const S, dyn, out>(dy.data(), T), View<S, dyn, in>(dx.data(), T),
                  none);

  check<S>(name + ".y", y, y.size());
  check<S>(name + ".dx", dx, dx.size());
  from = 0;
  Block::visit(w, Place{}, [&](Tensor const& t, auto&) {
    std::map<std::string, std::vector<S>> files;
    each_element(t, [&](std::size_t i, std::string const& file, std::size_t at) {
      files[file].resize(golden().tensor(name + ".grad." + file).size);
      files[file][at] = gradients[from + i];
    });
    for (auto const& [file, got] : files) check<S>(name + ".grad." + file, got, got.size());
    from += t.size();
  });
}

}  // namespace test
