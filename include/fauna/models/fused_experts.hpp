// Files in which all experts of a layer are two tensors, as transformers 5 has them in memory, or under other names:
//   mlp.experts.gate_up_proj [experts, 2 hidden, width], an expert's gate before its up      mlp.experts.down_proj
//   [experts, width, hidden]
#pragma once
#include <cstdlib>
#include <string>
#include <vector>

#include <fauna/compose/children.hpp>
#include <fauna/core/block.hpp>
#include <fauna/core/fault.hpp>
#include <fauna/core/pieces.hpp>

namespace fauna::inline v0 {

/// What a mixture of gated experts is called where each is a tensor of its own, MOEexperts.3.UP.weight, and its sizes.
struct ExpertFiles {
  const char *moe, *up, *down;
  int experts, width, hidden;
  /// What it is called in such files, and the layer's two tensors.
  const char *to = "mlp.", *to_gate_up = "experts.gate_up_proj", *to_down = "experts.down_proj";
};

/// Where a tensor is in such files: an expert's matrices in the layer's two, the router beside them, all others under
/// their own names.
inline std::vector<Piece> fused_experts(Tensor const& t, ExpertFiles const& files) {
  auto pieces = pieces_of(t);
  for (Piece& p : pieces) {
    const std::size_t moe = p.name.find(files.moe);
    if (moe == std::string::npos) continue;
    const std::string layer = p.name.substr(0, moe) + files.to,
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
    p.name = layer + (down ? files.to_down : files.to_gate_up);
    p.shape = down ? FileShape(files.experts, files.width, files.hidden)
                   : FileShape(files.experts, 2 * files.hidden, files.width);
    p.offset = down ? expert * matrix : (2 * expert + (which == files.up)) * matrix;
  }
  return pieces;
}

/// The mixture B of Experts gated experts with Hidden columns inside, which files never have apart: those of a layer
/// are GateUp and Down, beside the router.
template <label GateUp, label Down, int Experts, int Hidden, class B> struct StackedExperts : B {
  using composition = StackedExperts;
  using children = Children<B>;
  template <class... New> using with = StackedExperts<GateUp, Down, Experts, Hidden, New...>;
  static std::string child_name(std::size_t) { return {}; }
  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    B::visit(w, at, [&f](Tensor t, auto& v) {
      t.pieces = pieces;
      f(t, v);
    });
  }

 private:
  static std::vector<Piece> pieces(Tensor const& stacked) {
    Tensor t = stacked;
    t.pieces = nullptr;  // as the mixture has it
    const std::string name = t.name(), moe = name.substr(0, name.rfind("experts."));
    if (moe == name) return pieces_of(t);
    return fused_experts(t,
                         {moe.c_str(), "up_proj", "down_proj", Experts, B::in, Hidden, moe.c_str(), GateUp.c, Down.c});
  }
};
template <label GateUp, label Down, int Experts, int Hidden, class B>
struct bare_<StackedExperts<GateUp, Down, Experts, Hidden, B>> : bare_<B> {};

}  // namespace fauna::inline v0
