// Rope: rotary position embedding (Su et al. 2021, "RoFormer", section 3.2.2) between the projections and attention.
//   rows of [q | k | v]: every head of q and k is turned by its row's position, v stays
#pragma once
#include <fauna/core/block.hpp>
#include <fauna/core/fault.hpp>
#include <fauna/ops/add/op.hpp>
#include <fauna/ops/rope/op.hpp>

namespace fauna::inline v0 {

/// Rows of NHeads heads of q, KvHeads of k and KvHeads of v, HeadSize columns each, to the same (Su et al. 2021,
/// equation 34). A row's position is that in its sequence, cached rows before it included; How says which columns of a
/// head are turned, in which pairs and how fast. It has no weights, and works in place.
template <int NHeads, int KvHeads, int HeadSize, RopeShape How = RopeShape{}>
struct Rope : SameWidth<(NHeads + 2 * KvHeads) * HeadSize> {
  static constexpr const char* kind_name = "Rope";
  static constexpr bool in_place = true;
  static constexpr int width = (NHeads + 2 * KvHeads) * HeadSize, turned = (NHeads + KvHeads) * HeadSize,
                       rotary = How.rotary > 0 ? How.rotary : HeadSize;
  static_assert(How.scaling.kind != rope_scaling::longrope || rotary <= 128, "RopeScaling has factors for 64 pairs");
  using fault =
      first_fault<std::conditional_t<rotary % 2 == 0, void, rotary_width_is_odd<Rope, rotary>>,
                  std::conditional_t<(rotary <= HeadSize), void, rotary_width_exceeds_head<Rope, rotary, HeadSize>>>;

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const&, St&, In<C, width> x, Out<C, width> y, Sv&) {
    rope<typename C::backend_type>::forward(c.backend, *c.batch, rotation(), heads(x), heads(y));
    keep_values(c, x, y);
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const&, G&, In<C, width>, Sv&, In<C, width> dy, Out<C, width> dx, St&) {
    rope<typename C::backend_type>::backward(c.backend, *c.batch, rotation(), heads(dy), heads(dx));
    keep_values(c, dy, dx);
  }

 private:
  static constexpr auto frequencies = rope_frequencies<rotary / 2>(How);
  static constexpr Rotation rotation() {
    return {.heads = NHeads + KvHeads,
            .head_size = HeadSize,
            .rotary = rotary,
            .pairs = How.pairs,
            .frequencies = frequencies.of,
            .magnitude = static_cast<float>(rope_magnitude(How.scaling))};
  }
  template <class V> static constexpr auto heads(V v) { return v.template columns<0, turned>(); }
  template <class C> static void keep_values(C const& c, In<C, width> x, Out<C, width> y) {
    if (x.data() == y.data()) return;
    add<typename C::backend_type>::run(c.backend, x.template columns<turned, width - turned>(), {},
                                       y.template columns<turned, width - turned>());
  }
};

}  // namespace fauna::inline v0
