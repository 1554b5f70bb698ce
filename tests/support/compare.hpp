// How tests of ops compare results.
#pragma once
#include <cmath>
#include <cstring>

#include <fauna/core/dual.hpp>
#include <fauna/core/view.hpp>

#include "worst.hpp"

namespace test {

/// The largest |got - want|; infinite where either is NaN.
template <class T> double distance(fauna::Matrix<const T> got, fauna::Matrix<const double> want) {
  double worst = 0;
  for (int r = 0; r < got.rows(); ++r)
    for (int c = 0; c < got.cols(); ++c) see(worst, std::fabs(static_cast<double>(got(r, c)) - want(r, c)));
  return worst;
}

template <class T> bool same_bits(fauna::Matrix<const T> a, fauna::Matrix<const T> b) {
  for (int r = 0; r < a.rows(); ++r)
    if (std::memcmp(a.row(r), b.row(r), static_cast<std::size_t>(a.cols()) * sizeof(T)) != 0) return false;
  return true;
}

/// The derivative of Σ probe · y.
inline double derivative(fauna::Matrix<const double> probe, fauna::Matrix<const fauna::Dual> y) {
  double sum = 0;
  for (int r = 0; r < y.rows(); ++r)
    for (int c = 0; c < y.cols(); ++c) sum += probe(r, c) * y(r, c).d;
  return sum;
}

/// Σ gradient · direction, to compare with the derivative along that direction that dual numbers give.
struct Dot {
  double sum = 0, terms = 0;
  void add(fauna::Matrix<const double> gradient, fauna::Matrix<const double> direction) {
    for (int r = 0; r < gradient.rows(); ++r)
      for (int c = 0; c < gradient.cols(); ++c) {
        sum += gradient(r, c) * direction(r, c);
        terms += std::fabs(gradient(r, c) * direction(r, c));
      }
  }
  /// Relative to the sum of the absolute terms: rounding alone leaves about 1e-15.
  double error(double derivative) const { return std::fabs(derivative - sum) / (terms > 0 ? terms : 1); }
};

}  // namespace test
