// Random inputs for the tests of ops, the same on every run, in matrices that show whatever is written outside them.
#pragma once
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <fauna/core/dual.hpp>
#include <fauna/core/rng.hpp>
#include <fauna/core/view.hpp>

namespace test {

class Random {
 public:
  explicit Random(std::uint64_t stream) : key_{2024, stream} {}
  /// In [-1, 1), exact in a float.
  float uniform() { return key_.uniform(at_++) * 2.0F - 1.0F; }
  /// lo to hi, both possible.
  int integer(int lo, int hi) {
    return lo + static_cast<int>(key_.word(at_++) % static_cast<std::uint32_t>(hi - lo + 1));
  }
  std::vector<int> integers(int n, int lo, int hi) {
    std::vector<int> v;
    for (int i = 0; i < n; ++i) v.push_back(integer(lo, hi));
    return v;
  }

 private:
  fauna::Key key_;
  std::uint64_t at_ = 0;
};

/// A matrix of its own, all NaN at first; its rows are `gap` elements apart, which must stay NaN.
template <class T> class Rows {
 public:
  Rows(int rows, int cols, int gap = 0)
      : rows_(rows),
        cols_(cols),
        stride_(cols + gap),
        all_(static_cast<std::size_t>(rows) * static_cast<std::size_t>(stride_),
             T(std::numeric_limits<float>::quiet_NaN())) {}
  /// Random elements in [-scale, scale) + offset.
  Rows(Random& random, int rows, int cols, int gap = 0, float scale = 1, float offset = 0) : Rows(rows, cols, gap) {
    for (int r = 0; r < rows; ++r)
      for (int c = 0; c < cols; ++c) view()(r, c) = T(random.uniform() * scale + offset);
  }
  fauna::Matrix<T> view() { return fauna::Matrix<T>(all_.data(), rows_, cols_, stride_); }
  fauna::Matrix<const T> view() const { return fauna::Matrix<const T>(all_.data(), rows_, cols_, stride_); }
  operator fauna::Matrix<T>() { return view(); }
  operator fauna::Matrix<const T>() const { return view(); }
  T* data() { return all_.data(); }
  const T* data() const { return all_.data(); }
  int rows() const { return rows_; }
  int cols() const { return cols_; }

  /// The same elements in another type.
  template <class U> Rows<U> as() const {
    Rows<U> u(rows_, cols_, stride_ - cols_);
    for (int r = 0; r < rows_; ++r)
      for (int c = 0; c < cols_; ++c) u.view()(r, c) = U(view()(r, c));
    return u;
  }
  bool gaps_untouched() const {
    for (int r = 0; r < rows_; ++r)
      for (int c = cols_; c < stride_; ++c)
        if (!std::isnan(static_cast<float>(all_[static_cast<std::size_t>(r * stride_ + c)]))) return false;
    return true;
  }

 private:
  int rows_, cols_, stride_;
  std::vector<T> all_;
};

/// v + d ε, element by element.
inline Rows<fauna::Dual> dual(Rows<double> const& v, Rows<double> const& d) {
  Rows<fauna::Dual> r(v.rows(), v.cols());
  for (int i = 0; i < v.rows(); ++i)
    for (int c = 0; c < v.cols(); ++c) r.view()(i, c) = {v.view()(i, c), d.view()(i, c)};
  return r;
}

}  // namespace test
