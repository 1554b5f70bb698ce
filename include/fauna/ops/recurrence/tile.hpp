// A row of the recurrence, forward and back, on a tile of a state: all keys, and as many columns as registers hold.
#pragma once
#include <fauna/backend/simd.hpp>
#include <fauna/ops/recurrence/op.hpp>

namespace fauna::inline v0::recurrence_detail {

/// S is float: a parameter, so that nothing here is instantiated before it is used.
template <Recurrence R, int W, class S> class Tile {
 public:
  static constexpr int columns = 32, T = columns / W;  ///< T vectors
  using vec = simd::vfloat<W>;
  struct Lanes {
    vec v[T];
    FAUNA_INLINE void load(const float* p) {
      FAUNA_UNROLL
      for (int x = 0; x < T; ++x) simd::load<W>(v[x], p + x * W);
    }
    FAUNA_INLINE void store(float* p) const {
      FAUNA_UNROLL
      for (int x = 0; x < T; ++x) simd::store<W>(p + x * W, v[x]);
    }
    FAUNA_INLINE void clear() {
      FAUNA_UNROLL
      for (int x = 0; x < T; ++x) v[x] = vec{};
    }
    /// += a times a number.
    FAUNA_INLINE void add(Lanes const& a, float by) {
      FAUNA_UNROLL
      for (int x = 0; x < T; ++x) v[x] += a.v[x] * by;
    }
    FAUNA_INLINE void scale(float by) {
      FAUNA_UNROLL
      for (int x = 0; x < T; ++x) v[x] *= by;
    }
    FAUNA_INLINE void multiply(Lanes const& a) {
      FAUNA_UNROLL
      for (int x = 0; x < T; ++x) v[x] *= a.v[x];
    }
    FAUNA_INLINE void add_product(Lanes const& a, Lanes const& b) {
      FAUNA_UNROLL
      for (int x = 0; x < T; ++x) v[x] += a.v[x] * b.v[x];
    }
    FAUNA_INLINE float dot(Lanes const& a) const {
      vec s = v[0] * a.v[0];
      FAUNA_UNROLL
      for (int x = 1; x < T; ++x) s += v[x] * a.v[x];
      return simd::sum<W>(s);
    }
  };

  /// Row t of head h.
  Tile(RecurrenceShape const& n, RecurrenceRows<const S> const& in, int t, int h)
      : n_(n), t_(t), h_(h), key_(h / (n.heads / n.key_heads) * n.keys), v_(in.v.row(t) + h * n.values) {
    q_ = in.q.row(t) + key_;
    k_ = in.k.row(t) + key_;
    if constexpr (R.fade == fades::by_key) fade_ = in.fade.row(t) + h * n.keys;
    if constexpr (R.fade == fades::by_value) fade_ = in.fade.row(t) + h * n.values;
    if constexpr (R.fade == fades::by_head) fade_ = in.fade.row(t) + h;
    if constexpr (R.fade == fades::fixed) fade_ = n.fixed + h;
    if constexpr (R.strength) beta_ = in.beta(t, h);
    if constexpr (R.normalised) least_ = in.least(t, h);
    if constexpr (R.erase == erases::delta) a_ = k_;
    if constexpr (R.erase == erases::apart || R.erase == erases::decoupled) a_ = in.a.row(t) + h * n.keys;
    if constexpr (R.erase == erases::decoupled) b_ = in.b.row(t) + h * n.keys;
  }

  /// The state after the row, of that before it, which may be in the same place; o = s Sᵀ q where it is wanted.
  void step(int tile, const float* before, float* after, Lanes* o) const {
    Lanes u, r, s;
    get(u, tile);
    removed(before, u, r);
    u.scale(beta_);
    Lanes sum, by_column;
    if constexpr (R.fade == fades::by_value) get_rows(by_column, tile, fade_);
    sum.clear();
    for (int i = 0; i < n_.keys; ++i) {
      s.load(before + i * columns);
      faded(s, by_column, i);
      s.add(u, k_[i]);
      if constexpr (R.erase == erases::decoupled) s.add(r, b_[i]);
      s.store(after + i * columns);
      sum.add(s, n_.scale * q_[i]);
    }
    if (o != nullptr) *o = sum;
  }
  /// What y is divided by, out of the last tile's sums.
  float divisor(Lanes const& o) const {
    const float sum = last(o);
    return bounded(sum) ? least_ : sum < 0 ? -sum : sum;
  }
  /// The part of a row of values that a tile has.
  void put(int tile, Lanes const& o, float* y) const {
    FAUNA_UNROLL
    for (int x = 0; x < T; ++x) {
      const int c = tile * columns + x * W, left = n_.values - c;
      if (left > 0) simd::put<W>(y + c, o.v[x], left);
    }
  }

  /// dy / divisor, and the gradient of the normaliser's sum.
  struct Division {
    float by = 1, of_sum = 0;
  };
  Division division(int tiles, const float* after, const float* dy, RecurrenceRows<S> const& d) const {
    if constexpr (!R.normalised) {
      return {};
    } else {
      float along = 0, sum = 0;
      for (int tile = 0; tile < tiles; ++tile, after += n_.keys * columns) {
        Lanes o, s, g;
        o.clear();
        for (int i = 0; i < n_.keys; ++i) {
          s.load(after + i * columns);
          o.add(s, n_.scale * q_[i]);
        }
        get_rows(g, tile, dy);
        along += g.dot(o);
        if (tile == tiles - 1) sum = last(o);
      }
      const bool held = bounded(sum);
      const float by = held ? least_ : sum < 0 ? -sum : sum, of_divisor = -along / (by * by);
      if (held) d.least(t_, h_) += of_divisor;
      return {1 / by, held ? 0 : sum < 0 ? -of_divisor : of_divisor};
    }
  }

  /// g: the gradient of `after` but for what its own y adds. That of `before` is put into g_before, which may be g, or
  /// with `adds` added to it.
  void step_back(int tile, const float* before, const float* after, const float* dy, Division const& division,
                 RecurrenceRows<S> const& d, float* g, float* g_before, bool adds) const {
    Lanes dout, e, r, du, dr, s, x;
    get_rows(dout, tile, dy);
    if constexpr (R.normalised) {
      dout.scale(division.by);
      if (is_last(tile)) dout.v[sum_lane() / W][sum_lane() % W] = division.of_sum;
    }
    get(e, tile);
    removed(before, e, r);
    du.clear();
    dr.clear();
    float *const dq = d.q.row(t_) + key_, *const dk = d.k.row(t_) + key_;
    for (int i = 0; i < n_.keys; ++i) {
      x.load(g + i * columns);
      x.add(dout, n_.scale * q_[i]);
      x.store(g + i * columns);
      du.add(x, k_[i]);
      if constexpr (R.erase == erases::decoupled) dr.add(x, b_[i]);
      s.load(after + i * columns);
      dq[i] += n_.scale * s.dot(dout);
    }
    if constexpr (R.strength) d.beta(t_, h_) += e.dot(du);
    Lanes u = e, dv = du;
    u.scale(beta_);
    dv.scale(beta_);
    add_values(d.v.row(t_) + h_ * n_.values, tile, dv);
    float of_fade = 0;
    Lanes by_column, of_column;
    if constexpr (R.fade == fades::by_value) {
      get_rows(by_column, tile, fade_);
      of_column.clear();
    }
    for (int i = 0; i < n_.keys; ++i) {
      x.load(g + i * columns);
      s.load(before + i * columns);
      float of_k = x.dot(u);
      if constexpr (takes) {
        const float of_taken = (R.fade == fades::nothing ? 1 : fade(i)) * s.dot(dv);
        if constexpr (R.erase == erases::delta) of_k -= of_taken;
        else d.a(t_, h_ * n_.keys + i) -= of_taken;
        x.add(dv, -a_[i]);
      }
      dk[i] += of_k;
      if constexpr (R.erase == erases::decoupled) {
        Lanes before_fading;
        before_fading.load(g + i * columns);
        d.b(t_, h_ * n_.keys + i) += before_fading.dot(r);
        d.a(t_, h_ * n_.keys + i) += s.dot(dr);
      }
      if constexpr (R.fade == fades::by_head) of_fade += x.dot(s);
      if constexpr (R.fade == fades::by_key) d.fade(t_, h_ * n_.keys + i) += x.dot(s);
      if constexpr (R.fade == fades::by_value) of_column.add_product(x, s);
      faded(x, by_column, i);
      if constexpr (R.erase == erases::decoupled) x.add(dr, a_[i]);
      if (adds) {
        s.load(g_before + i * columns);
        x.add(s, 1);
      }
      x.store(g_before + i * columns);
    }
    if constexpr (R.fade == fades::by_head) d.fade(t_, h_) += of_fade;
    if constexpr (R.fade == fades::by_value) add_values(d.fade.row(t_) + h_ * n_.values, tile, of_column);
  }

 private:
  static_assert(R.fade != fades::by_value || (R.erase == erases::nothing && !R.normalised),
                "fauna: a state that fades by the column of values is neither erased nor normalised");
  /// Is something taken out of what has faded?
  static constexpr bool takes = R.erase == erases::delta || R.erase == erases::apart;

  FAUNA_INLINE void faded(Lanes& s, Lanes const& by_column, int i) const {
    if constexpr (R.fade == fades::by_value) s.multiply(by_column);
    else if constexpr (R.fade != fades::nothing) s.scale(fade(i));
  }
  FAUNA_INLINE float fade(int i) const { return fade_[R.fade == fades::by_key ? i : 0]; }
  bool is_last(int tile) const { return tile == n_.values / columns; }
  int sum_lane() const { return n_.values % columns; }
  float last(Lanes const& o) const { return o.v[sum_lane() / W][sum_lane() % W]; }
  bool bounded(float sum) const { return (sum < 0 ? -sum : sum) < least_; }

  /// A tile of a row of values, zeros past its end.
  FAUNA_INLINE void get_rows(Lanes& to, int tile, const float* row) const {
    FAUNA_UNROLL
    for (int x = 0; x < T; ++x) {
      const int c = tile * columns + x * W, left = n_.values - c;
      if (left > 0) simd::get<W>(to.v[x], row + c, left);
      else to.v[x] = vec{};
    }
  }
  /// The same of v, with its column of ones.
  FAUNA_INLINE void get(Lanes& to, int tile) const {
    get_rows(to, tile, v_);
    if constexpr (R.normalised)
      if (is_last(tile)) to.v[sum_lane() / W][sum_lane() % W] = 1;
  }
  FAUNA_INLINE void add_values(float* row, int tile, Lanes const& by) const {
    FAUNA_UNROLL
    for (int x = 0; x < T; ++x) {
      const int c = tile * columns + x * W, left = n_.values - c;
      if (left <= 0) continue;
      vec v;
      simd::get<W>(v, row + c, left);
      simd::put<W>(row + c, v + by.v[x], left);
    }
  }
  /// delta and apart: e -= Fᵀ k or Fᵀ a. decoupled: r = S_pᵀ a.
  FAUNA_INLINE void removed(const float* before, Lanes& e, Lanes& r) const {
    if constexpr (R.erase == erases::nothing) return;
    Lanes s, sum;
    sum.clear();
    for (int i = 0; i < n_.keys; ++i) {
      s.load(before + i * columns);
      if constexpr (R.erase == erases::decoupled) sum.add(s, a_[i]);
      else sum.add(s, R.fade == fades::nothing ? a_[i] : fade(i) * a_[i]);
    }
    if constexpr (takes) e.add(sum, -1);
    else r = sum;
  }

  RecurrenceShape const& n_;
  int t_, h_, key_;
  const float *v_, *q_, *k_, *fade_ = nullptr, *a_ = nullptr, *b_ = nullptr;
  float beta_ = 1, least_ = 1;
};

}  // namespace fauna::inline v0::recurrence_detail
