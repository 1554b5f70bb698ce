// ByGroup<..., B>: a fused projection whose rows the reference checkpoint has key head by key head, as GPT-NeoX, BLOOM
// and Falcon do. Only readers and writers of such checkpoints look at it.
#pragma once
#include <vector>

#include <fauna/compose/children.hpp>
#include <fauna/core/block.hpp>
#include <fauna/core/fault.hpp>

namespace fauna::inline v0 {

/// B, a projection to rows of [q | k | v] whose rows in files are [key head][its queries, k, v][column].
template <int NHeads, int KvHeads, int HeadSize, class B> struct ByGroup : B {
  using composition = ByGroup;
  using children = Children<B>;
  template <class... New> using with = ByGroup<NHeads, KvHeads, HeadSize, New...>;
  static std::string child_name(std::size_t) { return {}; }
  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    B::visit(w, at, [&f](Tensor t, auto& v) {
      t.pieces = pieces;
      f(t, v);
    });
  }

 private:
  static std::vector<Piece> pieces(Tensor const& t) {
    constexpr int group = NHeads / KvHeads, rows = (NHeads + 2 * KvHeads) * HeadSize;
    const int cols = t.is_vector() ? 1 : t.cols;
    const auto part = [&](int first, int heads, int offset) {
      Piece p;
      p.name = t.name();
      p.shape = t.is_vector() ? FileShape(rows) : FileShape(rows, cols);
      p.first = first * HeadSize;
      p.rows = KvHeads * heads * HeadSize;
      p.offset = static_cast<std::ptrdiff_t>(offset * HeadSize) * cols;
      p.digits[1] = {KvHeads, static_cast<std::ptrdiff_t>((group + 2) * HeadSize) * cols};
      p.digits[2] = {heads * HeadSize, cols};
      return p;
    };
    return {part(0, group, 0), part(NHeads, 1, group), part(NHeads + KvHeads, 1, group + 1)};
  }
};
template <int NHeads, int KvHeads, int HeadSize, class B>
struct bare_<ByGroup<NHeads, KvHeads, HeadSize, B>> : bare_<B> {};

}  // namespace fauna::inline v0
