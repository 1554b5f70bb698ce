// explain<Model>(): the model as a tree with names, shapes and counts. explain<Model, Backend>(shape) adds the bytes
// that each block keeps for backward and takes from scratch. Combinators are the only things it has to know.
#pragma once
#include <fauna/compose/checkpoint.hpp>
#include <fauna/compose/concat.hpp>
#include <fauna/compose/parallel.hpp>
#include <fauna/compose/residual.hpp>
#include <fauna/compose/share.hpp>
#include <fauna/compose/stack.hpp>
#include <fauna/core/ledger.hpp>
#include <fauna/models/lm.hpp>

namespace fauna::inline v0 {

/// "1,234,567"
inline std::string grouped(std::size_t n) {
  std::string s = std::to_string(n);
  for (std::size_t i = s.size(); i > 3;) s.insert(i -= 3, ",");
  return s;
}
/// "1.2 MB", decimal
inline std::string bytes_text(std::size_t n) {
  const char* unit[] = {" B", " KB", " MB", " GB", " TB"};
  int u = 0;
  std::size_t tenths = n * 10;
  for (; tenths >= 10000 && u < 4; ++u) tenths = (tenths + 500) / 1000;
  return std::to_string(tenths / 10) + (u > 0 ? "." + std::to_string(tenths % 10) : "") + unit[u];
}

/// How a block's parts are listed. A leaf has none; a named block is looked into through its `composition`.
template <class B> struct Parts {
  template <class F> static void each(F&&) {}
};
template <class B>
concept Named = requires {
  typename B::composition;
}
&&!std::is_same_v<typename B::composition, B>;
template <class B>
requires Named<B>
struct Parts<B> : Parts<typename B::composition> {
};
template <label N, class B> struct Parts<At<N, B>> {
  static constexpr bool is_label = true;
  template <class F> static void each(F&& f) { f.template operator()<B>(std::string(N.view())); }
};
template <class... Bs> struct Parts<Seq<Bs...>> {
  template <class F> static void each(F&& f) { (f.template operator()<Bs>(std::string()), ...); }
};
template <class... Bs> struct Parts<Concat<Bs...>> {
  template <class F> static void each(F&& f) { (f.template operator()<Bs>(std::string()), ...); }
};
template <class... Bs> struct Parts<Parallel<Bs...>> {
  template <class F> static void each(F&& f) { (f.template operator()<Bs>("+"), ...); }
};
template <class B> struct Parts<Residual<B>> {
  template <class F> static void each(F&& f) { f.template operator()<B>("+"); }
};
template <class B> struct Parts<Checkpoint<B>> {
  template <class F> static void each(F&& f) { f.template operator()<B>("recomputed"); }
};
template <int First, int Rounds, class... Ls> struct Parts<Stack<First, Rounds, Ls...>> {
  template <class F> static void each(F&& f) {
    int i = First;
    auto one = [&]<class L>() {
      f.template operator()<L>(
          std::to_string(i) +
          (Rounds > 1 ? " .. " + std::to_string(i + (Rounds - 1) * static_cast<int>(sizeof...(Ls))) : ""));
      ++i;
    };
    (one.template operator()<Ls>(), ...);
  }
};
template <label N, class B, class Body> struct Parts<Share<N, B, Body>> {
  template <class F> static void each(F&& f) {
    f.template operator()<B>(std::string(N.view()));
    f.template operator()<Body>(std::string());
  }
};
template <label N, int W, class Body> struct Parts<Carry<N, W, Body>> {
  template <class F> static void each(F&& f) { f.template operator()<Body>(std::string()); }
};
template <class E, class T, class H, class... M> struct Parts<Lm<E, T, H, M...>> {
  template <class F> static void each(F&& f) {
    f.template operator()<E>(std::string());
    f.template operator()<T>(std::string());
    f.template operator()<H>("head");
    (f.template operator()<M>("mtp"), ...);
  }
};

/// Walks the tree: f.operator()<Block>(name, depth, is a leaf). Labels join the name of what they label.
template <class B, class F> void walk(std::string const& name, int depth, F&& f) {
  if constexpr (requires { Parts<B>::is_label; }) {
    Parts<B>::each(
        [&]<class Inner>(std::string const& n) { walk<Inner>(name.empty() ? n : name + "." + n, depth, f); });
  } else {
    constexpr bool leaf = requires { B::kind_name; };
    const bool shown = leaf || !name.empty();
    if (shown) f.template operator()<B>(name, depth, leaf);
    if constexpr (!leaf)
      Parts<B>::each([&]<class Inner>(std::string const& n) { walk<Inner>(n, depth + (shown ? 1 : 0), f); });
  }
}

namespace explained {
inline std::string padded(std::string s, std::size_t width, bool right = false) {
  if (s.size() < width) s.insert(right ? 0 : s.size(), width - s.size(), ' ');
  return s;
}
template <class B> std::string shape() {
  std::string s = B::kind_name;
  s += B::in == B::out ? " " + std::to_string(B::in) : " " + std::to_string(B::in) + " -> " + std::to_string(B::out);
  return s;
}
}  // namespace explained

/// The tree with parameter counts; with a backend and a shape also bytes.
template <class M, class B = void> std::string explain(Shape const& shape = {}) {
  using explained::padded;
  constexpr bool bytes = !std::is_void_v<B>;
  std::string out = padded("block", 34) + padded("", 26) + padded("parameters", 16, true);
  if (bytes) out += padded("saved", 12, true) + padded("scratch", 12, true);
  out += '\n';
  walk<M>("", 0, [&]<class Block>(std::string const& name, int depth, bool leaf) {
    std::string line = padded(std::string(static_cast<std::size_t>(2 * depth), ' ') + name + ' ', 34);
    std::string what;
    if constexpr (requires { Block::kind_name; }) what = explained::shape<Block>();
    line += padded(what, 26);
    line += padded(count_parameters<Block>() > 0 || leaf ? grouped(count_parameters<Block>()) : "", 16, true);
    if constexpr (bytes)
      line += padded(bytes_text(saved_bytes<Block>(shape)), 12, true) +
              padded(bytes_text(scratch_bytes<Block, B>(shape)), 12, true);
    out += line + '\n';
  });
  out += padded("all", 60) + padded(grouped(count_parameters<M>()), 16, true);
  if constexpr (bytes)
    out +=
        padded(bytes_text(saved_bytes<M>(shape)), 12, true) + padded(bytes_text(scratch_bytes<M, B>(shape)), 12, true);
  return out + '\n';
}

/// The memory of a training step, role by role.
inline std::string to_text(MemoryPlan const& p) {
  using explained::padded;
  const struct {
    const char* name;
    std::size_t bytes;
  } rows[] = {{"weights", p.weights}, {"gradients", p.gradients}, {"moments", p.moments}, {"saved", p.saved},
              {"scratch", p.scratch}, {"batch", p.batch},         {"total", p.total()}};
  std::string out;
  for (auto const& r : rows)
    out += padded(r.name, 12) + padded(bytes_text(r.bytes), 12, true) + padded(grouped(r.bytes), 20, true) + '\n';
  return out;
}

}  // namespace fauna::inline v0
