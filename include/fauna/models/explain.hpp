// explain<Model>(): the model as a tree with names, shapes and counts. explain<Model, Backend>(shape) adds the bytes
// that each block keeps for backward and takes from scratch. It walks what combinators publish of their parts.
#pragma once
#include <fauna/compose/at.hpp>
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

/// Walks the tree: f.operator()<Block>(name, depth, is a leaf). Labels join the name of what they label.
template <class B, class F> void walk(std::string const& name, int depth, F&& f);

/// The parts of B, one after another.
template <class B, class... Parts, class F> void walk_parts(Children<Parts...>, int depth, F&& f) {
  std::size_t at = 0;
  const auto name = [](std::size_t i) {
    if constexpr (requires { B::child_name(i); }) return B::child_name(i);
    else return std::string();
  };
  (walk<Parts>(name(at++), depth, f), ...);
}

template <class B, class F> void walk(std::string const& name, int depth, F&& f) {
  if constexpr (is_label<B>) {
    const std::string inner = (name.empty() ? "" : name + '.') + std::string(B::tag.view());
    [&]<class Inner>(Children<Inner>) { walk<Inner>(inner, depth, f); }(typename B::children{});
  } else {
    constexpr bool leaf = requires { B::kind_name; };
    const bool shown = leaf || !name.empty();
    if (shown) f.template operator()<B>(name, depth, leaf);
    if constexpr (!leaf && Composite<B>) walk_parts<B>(typename B::children{}, depth + (shown ? 1 : 0), f);
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

/// What sequences keep from call to call, and what windows spare of it.
template <class M, class S = float> std::string cache_text(Shape const& shape) {
  const std::size_t bytes = state_bytes<M, S>(shape), spared = bytes_saved_by_windows<M, S>(shape);
  std::string out = "memory of a cache of " + std::to_string(shape.sequences) + " x " + std::to_string(shape.context) +
                    " tokens\nstates " + grouped(bytes) + " bytes\n";
  if (spared > 0) out += "spared by windows " + grouped(spared) + " bytes\n";
  return out;
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
