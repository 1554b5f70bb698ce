// Rows of a table, picked by id:
//   y_r = base_r + table[ids_r]      backward: dtable[ids_r] += dy_r, in ascending r
#pragma once
#include <string>

#include <fauna/core/backend.hpp>
#include <fauna/core/dtype.hpp>
#include <fauna/core/error.hpp>
#include <fauna/core/view.hpp>

namespace fauna::inline v0 {

/// embedding<B>::forward(b, ids, table, base, y)
///   ids [R]; table [V,C] of the backend's scalar or of bf16; base [R,C] or a view of null, may be y; y [R,C]
/// embedding<B>::backward(b, ids, dy, dtable)
///   dtable [V,C] is added to; the same bits for any number of threads.
/// Both throw for an id outside [0, V). Neither takes scratch.
template <class B> struct embedding {
  static_assert(always_false<B>,
                "fauna: no embedding for this backend: include <fauna/ops/embedding/cpu.hpp> or ref.hpp");
};

/// Throws unless every id lies in [0, vocab).
inline void check_ids(const char* op, const int* ids, int rows, int vocab) {
  for (int r = 0; r < rows; ++r)
    if (ids[r] < 0 || ids[r] >= vocab)
      fail(op, "id " + std::to_string(ids[r]) + " in row " + std::to_string(r), "0 to " + std::to_string(vocab - 1),
           "was the text encoded with another vocabulary?");
}

}  // namespace fauna::inline v0
