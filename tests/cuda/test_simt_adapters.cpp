// What stands beside the layers of a model that is fine-tuned, on the GPU's kernels: against the reference in double.
#include <doctest/doctest.h>

#include <fauna/ops/add/kernel.cuh>
#include <fauna/ops/add/ref.hpp>
#include <fauna/ops/affine/kernel.cuh>
#include <fauna/ops/affine/ref.hpp>
#include <fauna/ops/magnitude/kernel.cuh>
#include <fauna/ops/magnitude/ref.hpp>
#include <fauna/ops/prefix_attention/kernel.cuh>
#include <fauna/ops/prefix_attention/ref.hpp>

#include "support/simt_compare.hpp"

namespace test_simt_adapters {

using namespace fauna;
using test::compare, test::Kernels, test::Many, test::R64, test::Rows;

TEST_CASE("simt: a factor and a shift for each column, and magnitudes") {
  test::Random random(1);
  const int shapes[][2] = {{1, 1}, {3, 7}, {33, 31}, {300, 65}, {2, 300}};
  for (auto const& s : shapes) {
    const int R = s[0], C = s[1];
    const Rows<float> z(random, R, C, 2, 3), dy(random, R, C, 1), factor(random, 1, C), shift(random, 1, C);
    const auto z64 = z.as<double>(), dy64 = dy.as<double>(), factor64 = factor.as<double>(),
               shift64 = shift.as<double>();
    const auto run = [&](auto const& bk, auto& m, auto const& z_, auto const& dy_, auto const& f, auto const& b) {
      using B = std::remove_cvref_t<decltype(bk)>;
      affine<B>::forward(bk, z_, f.data(), b.data(), m[0]);
      affine<B>::backward(bk, z_, f.data(), b.data(), dy_, m[1], m[2].data(), m[3].data());
      magnitude<B>::lengths(bk, z_, m[4].data());
      add<B>::clear(bk, m[9]);
      magnitude<B>::lengths(bk, m[9], m[5].data());  // of rows of zeros
      magnitude<B>::forward(bk, z_, f.data(), b.data(), nullptr, m[6]);
      magnitude<B>::backward(bk, z_, f.data(), b.data(), dy_, m[7], m[8].data());
    };
    std::vector<Rows<float>> out(10, Rows<float>(R, C, 1));
    for (const int sums : {2, 3, 8}) out[static_cast<std::size_t>(sums)] = Rows<float>(random, 1, C);
    for (const int rows : {4, 5}) out[static_cast<std::size_t>(rows)] = Rows<float>(1, R);
    compare(
        96, out, [&](Kernels const& k, Many<float>& m) { run(k, m, z, dy, factor, shift); },
        [&](Many<double>& m) { run(R64{}, m, z64, dy64, factor64, shift64); });
  }
}

TEST_CASE("simt: attention to a prefix") {
  constexpr int K = 10;
  test::Random random(2);
  const int shapes[][4] = {{1, 1, 1, 1}, {5, 6, 2, 8}, {37, 4, 4, 19}, {9, 3, 3, 64}};  // rows, heads, key heads, D
  for (auto const& s : shapes) {
    const int width = s[1] * s[3], kv = s[2] * s[3];
    const PrefixShape shape{.heads = s[1], .kv_heads = s[2], .scale = 0.7};
    const Rows<float> q(random, s[0], width, 1), k(random, K, kv, 2), v(random, K, kv), gate(random, 1, s[1]),
        base(random, s[0], width), dy(random, s[0], width, 3);
    const auto q64 = q.as<double>(), k64 = k.as<double>(), v64 = v.as<double>(), gate64 = gate.as<double>(),
               base64 = base.as<double>(), dy64 = dy.as<double>();
    const auto run = [&](auto const& bk, auto& m, auto const& q_, auto const& k_, auto const& v_, auto const& g,
                         auto const& base_, auto const& dy_) {
      using Op = prefix_attention<std::remove_cvref_t<decltype(bk)>>;
      Op::template forward<K>(bk, shape, q_, k_, v_, g.data(), base_, m[0]);
      Op::template backward<K>(bk, shape, q_, k_, v_, g.data(), dy_, m[1], m[2], m[3], m[4].data());
    };
    compare(
        256,
        {Rows<float>(s[0], width, 2), Rows<float>(random, s[0], width, 2), Rows<float>(K, kv, 1), Rows<float>(K, kv, 2),
         Rows<float>(random, 1, s[1])},
        [&](Kernels const& bk, Many<float>& m) { run(bk, m, q, k, v, gate, base, dy); },
        [&](Many<double>& m) { run(R64{}, m, q64, k64, v64, gate64, base64, dy64); });
  }
}

}  // namespace test_simt_adapters
