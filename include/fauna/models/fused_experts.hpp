// Files in which all experts of a layer are two tensors, as transformers 5 has them in memory:
//   mlp.experts.gate_up_proj [experts, 2 hidden, width]      mlp.experts.down_proj [experts, width, hidden]
// an expert's gate before its up, or row by row between it; in some families each of them transposed.
#pragma once
#include <cstdlib>
#include <string>
#include <vector>

#include <fauna/compose/stored_as.hpp>
#include <fauna/core/pieces.hpp>

namespace fauna::inline v0 {

/// What a mixture of gated experts is called where each is a tensor of its own, MOEexperts.3.UP.weight, its sizes, and
/// how a layer's two tensors have it.
struct ExpertFiles {
  const char *moe, *up, *down;
  int experts, width, hidden;
  const char* into = "mlp.";                                                            ///< in place of MOE
  const char* router = "gate";                                                          ///< in place of gate
  const char *gate_up_proj = "experts.gate_up_proj", *down_proj = "experts.down_proj";  ///< what the two are called
  const char* ending = "";                                                              ///< behind their names
  bool interleaved = false;  ///< row r of gate and of up are rows 2r and 2r + 1
  bool transposed = false;   ///< [experts, width, 2 hidden] and [experts, hidden, width]
};

/// Where a tensor is in such files: an expert's matrices in the layer's two, their biases in gate_up_proj_bias
/// [experts, 2 hidden] and down_proj_bias [experts, width], the router under its name, all others where they are
/// anyway.
inline std::vector<Piece> fused_experts(Tensor const& t, ExpertFiles const& files) {
  const std::string name = t.name(), experts = "experts.", router = "gate.";
  const std::size_t moe = name.find(files.moe);
  if (moe == std::string::npos) return pieces_of(t);
  const std::string layer = name.substr(0, moe) + files.into, inside = name.substr(moe + std::string(files.moe).size());
  if (inside.rfind(experts, 0) != 0) {
    const bool gate = inside.rfind(router, 0) == 0;
    auto pieces = gate ? std::vector<Piece>{whole_piece(t)} : pieces_of(t);
    for (Piece& p : pieces) p.name = layer + (gate ? files.router + inside.substr(router.size() - 1) : inside);
    return pieces;
  }
  const std::string rest = inside.substr(experts.size());  // "3.w1.weight"
  const int expert = std::atoi(rest.c_str());
  const std::size_t dot = rest.find('.') + 1;
  const std::string which = rest.substr(dot, rest.find('.', dot) - dot);
  const bool down = which == files.down, bias = t.is_vector();
  const int rows = down ? files.width : 2 * files.hidden, cols = down ? files.hidden : files.width;
  const std::ptrdiff_t across = files.transposed ? 1 : cols,  // from one row of the expert's two to the next
      columns = bias ? 1 : cols, row = bias ? 1 : across;
  const int up = !down && which == files.up ? 1 : 0;
  Piece p;
  p.name = layer + (down ? files.down_proj : files.gate_up_proj) + (bias ? "_bias" : files.ending);
  p.shape = bias               ? FileShape(files.experts, rows)
            : files.transposed ? FileShape(files.experts, cols, rows)
                               : FileShape(files.experts, rows, cols);
  p.rows = down ? rows : files.hidden;
  p.offset = expert * rows * columns + up * (files.interleaved ? 1 : files.hidden) * row;
  p.digits[2] = {p.rows, (files.interleaved && !down ? 2 : 1) * row};
  p.col_stride = files.transposed && !bias ? rows : 1;
  return {p};
}

/// A mixture of experts that a family's files have so; Files::of holds how.
template <class Files> struct StackedRows {
  static std::vector<Piece> pieces(Tensor const& t) {
    Tensor apart = t;
    apart.pieces = nullptr;  // as the mixture has it
    return fused_experts(apart, Files::of);
  }
};
template <class Files, class B> using FusedExperts = InPieces<StackedRows<Files>, B>;

}  // namespace fauna::inline v0
