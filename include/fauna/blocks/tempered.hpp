// Tempered: queries that grow with their position, so that the softmax stays as sharp over long texts (Nakanishi 2025,
// "Scalable-softmax is superior for attention", as in Meta AI 2025, "Llama 4").
//   q_p (1 + scale log(1 + floor((p + 1) / every)))
#pragma once
#include <cmath>
#include <type_traits>

#include <fauna/core/block.hpp>
#include <fauna/ops/add/op.hpp>
#include <fauna/ops/scale/op.hpp>

namespace fauna::inline v0 {

/// As a template argument; scale 0: none.
struct Temperature {
  double scale = 0;
  int every = 8192;  ///< rows after which queries grow once more
  constexpr bool operator==(Temperature const&) const = default;
};

/// Rows of NHeads heads of q, KvHeads of k and KvHeads of v to the same. No weights; it works in place.
template <int NHeads, int KvHeads, int HeadSize, Temperature T>
struct Tempered : SameWidth<(NHeads + 2 * KvHeads) * HeadSize> {
  static constexpr const char* kind_name = "Tempered";
  static constexpr bool in_place = true;
  static constexpr int width = (NHeads + 2 * KvHeads) * HeadSize;

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const&, St&, In<C, width> x, Out<C, width> y, Sv&) {
    run(c, x, y);
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const&, G&, In<C, width>, Sv&, In<C, width> dy, Out<C, width> dx, St&) {
    run(c, dy, dx);
  }

 private:
  /// Rows of one factor are scaled at once: most texts are shorter than `every`.
  template <class C> static void run(C const& c, In<C, width> x, Out<C, width> y) {
    using B = typename C::backend_type;
    if (x.data() != y.data()) add<B>::run(c.backend, x, {}, y);
    const auto queries = y.template columns<0, NHeads * HeadSize>();
    Batch const& b = *c.batch;
    for (int s = 0; s < b.sequences; ++s)
      for (int r = b.first(s), n = 1; r < b.last(s); r += n, n = 1) {
        const int times = grown(b, s, r);
        while (r + n < b.last(s) && grown(b, s, r + n) == times) ++n;
        if (times > 0) scale<B>::run(c.backend, 1 + T.scale * std::log1p(times), queries.middle_rows(r, n));
      }
  }
  static int grown(Batch const& b, int sequence, int row) { return (b.position(sequence, row) + 1) / T.every; }
};

/// Nothing without a scale.
template <int NHeads, int KvHeads, int HeadSize, Temperature T>
using tempered_if = std::conditional_t<T.scale == 0, void, Tempered<NHeads, KvHeads, HeadSize, T>>;

}  // namespace fauna::inline v0
