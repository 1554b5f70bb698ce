// Files in which all experts of a layer are two tensors, as transformers 5 has them in memory:
//   mlp.experts.gate_up_proj [experts, 2 hidden, width], an expert's gate before its up      mlp.experts.down_proj
//   [experts, width, hidden]
#pragma once
#include <cstdlib>
#include <string>
#include <vector>

#include <fauna/core/pieces.hpp>

namespace fauna::inline v0 {

/// What a mixture of gated experts is called where each is a tensor of its own, MOEexperts.3.UP.weight, and its sizes.
struct ExpertFiles {
  const char *moe, *up, *down;
  int experts, width, hidden;
};

/// Where a tensor is in such files: an expert's matrices in the layer's two, the router under mlp.gate, all others
/// under their own names.
inline std::vector<Piece> fused_experts(Tensor const& t, ExpertFiles const& files) {
  auto pieces = pieces_of(t);
  for (Piece& p : pieces) {
    const std::size_t moe = p.name.find(files.moe);
    if (moe == std::string::npos) continue;
    const std::string layer = p.name.substr(0, moe) + "mlp.",
                      inside = p.name.substr(moe + std::string(files.moe).size());
    const std::string experts = "experts.";
    if (inside.rfind(experts, 0) != 0) {
      p.name = layer + inside;  // the router
      continue;
    }
    const std::string rest = inside.substr(experts.size());  // "3.w1.weight"
    const int expert = std::atoi(rest.c_str());
    const std::size_t dot = rest.find('.') + 1;
    const std::string which = rest.substr(dot, rest.find('.', dot) - dot);
    const std::ptrdiff_t matrix = static_cast<std::ptrdiff_t>(files.width) * files.hidden;
    const bool down = which == files.down;
    p.name = layer + (down ? "experts.down_proj" : "experts.gate_up_proj");
    p.shape = down ? FileShape(files.experts, files.width, files.hidden)
                   : FileShape(files.experts, 2 * files.hidden, files.width);
    p.offset = down ? expert * matrix : (2 * expert + (which == files.up)) * matrix;
  }
  return pieces;
}

}  // namespace fauna::inline v0
