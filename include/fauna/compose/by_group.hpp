// ByGroup<..., B>: a fused projection whose rows the reference checkpoint has key head by key head, as GPT-NeoX, BLOOM
// and Falcon do. Only readers and writers of such checkpoints look at it.
#pragma once
#include <vector>

#include <fauna/compose/stored_as.hpp>

namespace fauna::inline v0 {

/// Rows of [q | k | v] that files have as [key head][its queries, k, v][column].
template <int NHeads, int KvHeads, int HeadSize> struct GroupedRows {
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
/// B, a projection to such rows.
template <int NHeads, int KvHeads, int HeadSize, class B>
using ByGroup = InPieces<GroupedRows<NHeads, KvHeads, HeadSize>, B>;

}  // namespace fauna::inline v0
