// Where rules that go by laws take their chances from.
#pragma once
#include <fauna/decode/speculate/acceptance.hpp>

namespace fauna::inline v0 {

/// One uniform number u a key, of 53 bits: a thing of probability p happens where u < p, and a token is the first whose
/// cumulative weight is over u. Nothing but the key decides, so a text follows from its seed. Tests put an enumeration
/// of all u in its place.
struct Noise {
  static double uniform(Key key) {
    const Philox r = key.words(0);
    return static_cast<double>(((std::uint64_t{r[0]} << 32) | r[1]) >> 11) * 0x1p-53;
  }
  bool happens(double p, Key key) const { return uniform(key) < p; }
  /// A token with probability w[i] / Σ w.
  int choose(Law const& w, Key key) const { return choose(w, uniform(key)); }
  static int choose(Law const& w, double u) {
    double total = 0, sum = 0;
    for (const double x : w) total += x;
    int last = 0;
    for (std::size_t i = 0; i < w.size(); ++i) {
      if (!(w[i] > 0)) continue;
      last = static_cast<int>(i);
      if ((sum += w[i]) > u * total) return last;
    }
    return last;
  }
};

namespace speculate_detail {

inline double& of(Law& p, int token) { return p[static_cast<std::size_t>(token)]; }

/// p becomes (p - q)₊ / Σ (p - q)₊. Where nothing is left but rounding, p stays.
inline void take_away(Law& p, Law const& q) {
  double total = 0;
  for (std::size_t i = 0; i < p.size(); ++i) total += p[i] > q[i] ? p[i] - q[i] : 0;
  if (!(total > 0)) return;
  for (std::size_t i = 0; i < p.size(); ++i) p[i] = p[i] > q[i] ? (p[i] - q[i]) / total : 0;
}
/// p becomes the law where a token is known not to be drawn. Where no other can be, p stays.
inline void forbid(Law& p, int token) {
  double total = 0;
  for (std::size_t i = 0; i < p.size(); ++i) total += static_cast<int>(i) == token ? 0 : p[i];
  if (!(total > 0)) return;
  of(p, token) = 0;
  for (double& x : p) x /= total;
}

}  // namespace speculate_detail

}  // namespace fauna::inline v0
