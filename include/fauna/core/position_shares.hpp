// Which positions of a sequence a rank has in context parallel. The sequence is cut into chunks, as equal as they come:
//   contiguous   a chunk a rank                        rank i has chunk i
//   zigzag       two chunks a rank, n ranks            rank i has chunks i and 2n - 1 - i
// Under a causal mask late chunks see more than early ones: zigzag has an early and a late one on every rank, so that
// all have the same work (Zhu 2024, "ring-flash-attention"; Llama Team 2024, "The Llama 3 herd of models", section
// 3.3.2).
#pragma once
#include <cstdint>
#include <string>

#include <fauna/core/error.hpp>

namespace fauna::inline v0 {

enum class position_split : int { contiguous, zigzag };

/// Positions [first, first + rows).
struct PositionRange {
  int first = 0, rows = 0;
};

struct PositionShares {
  position_split how = position_split::contiguous;
  int ranks = 1;
  int length = 0;  ///< positions of the whole sequence

  constexpr int pieces() const { return how == position_split::zigzag ? 2 : 1; }  ///< of a rank
  /// A rank's rows are those of its pieces, in order.
  constexpr PositionRange piece(int rank, int i) const {
    const int chunk = i == 0 ? rank : 2 * ranks - 1 - rank;
    return {cut(chunk), cut(chunk + 1) - cut(chunk)};
  }
  constexpr int rows(int rank) const {
    int n = 0;
    for (int i = 0; i < pieces(); ++i) n += piece(rank, i).rows;
    return n;
  }
  /// Throws where a piece would be empty.
  constexpr void require_rows() const {
    const int chunks = ranks * pieces();
    if (length < chunks)
      fail("context parallel",
           "sequences of " + std::to_string(length) + " tokens on " + std::to_string(ranks) + " ranks",
           "at least " + std::to_string(chunks), "each rank has " + std::to_string(pieces()) + " of the pieces");
  }

 private:
  constexpr int cut(int chunk) const {
    return static_cast<int>(static_cast<std::int64_t>(length) * chunk / (ranks * pieces()));
  }
};

}  // namespace fauna::inline v0
