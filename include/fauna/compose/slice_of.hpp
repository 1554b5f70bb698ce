// SliceOf<S, B>: B, whose tensors are in files some rows of wider ones: a projection among those that were fused,
// queries beside their gates. Only readers and writers of such checkpoints look at it.
#pragma once
#include <string>
#include <vector>

#include <fauna/compose/stored_as.hpp>

namespace fauna::inline v0 {

/// Of each of `groups` groups of `of` rows in the file, `rows` rows from `from` on.
struct RowSlice {
  label name = "";  ///< of the wider tensor's block, in place of the label around B
  int groups = 1, of = 1, from = 0, rows = 1;
  constexpr bool operator==(RowSlice const&) const = default;
};

template <RowSlice S> struct SlicedRows {
  static std::vector<Piece> pieces(Tensor const& t) {
    const int cols = t.is_vector() ? 1 : t.cols;
    Piece p;
    p.name = t.name();
    const std::size_t field = p.name.rfind('.'), own = p.name.rfind('.', field - 1) + 1;
    p.name.replace(own, field - own, S.name.c);
    p.shape = t.file.rank > 0 ? t.file : t.is_vector() ? FileShape(0) : FileShape(0, cols);
    p.shape.of[0] = S.groups * S.of;
    p.rows = S.groups * S.rows;
    p.offset = static_cast<std::ptrdiff_t>(S.from) * cols;
    p.digits[1] = {S.groups, static_cast<std::ptrdiff_t>(S.of) * cols};
    p.digits[2] = {S.rows, cols};
    return {p};
  }
};
template <RowSlice S, class B> using SliceOf = InPieces<SlicedRows<S>, B>;

/// B itself, where the slice has no name. (No alias: GCC 12 dies of a dependent label in one.)
template <RowSlice S, class B> struct SliceIf { using type = SliceOf<S, B>; };
template <RowSlice S, class B>
requires(S.name.c[0] == '\0') struct SliceIf<S, B> {
  using type = B;
};

}  // namespace fauna::inline v0
