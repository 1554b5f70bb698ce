#include <doctest/doctest.h>

#include <vector>

#include <fauna/interop/eigen.hpp>

namespace test_eigen {

using namespace fauna;
using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

TEST_SUITE("eigen") {
  TEST_CASE("a view as a map: same memory, strides kept") {
    std::vector<float> data(6 * 8);
    for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<float>(i);
    const View<float, dyn, 8> all(data.data(), 6);
    const auto cut = all.columns<2, 3>();
    auto m = as_eigen(cut);
    CHECK(m.rows() == 6);
    CHECK(m.cols() == 3);
    CHECK(m(4, 1) == cut(4, 1));
    m(5, 2) = -1;
    CHECK(all(5, 4) == -1);
    CHECK(as_eigen(as_const(cut)).sum() == m.sum());
  }
  TEST_CASE("one column, one row") {
    float data[] = {1, 2, 3, 4, 5, 6};
    const View<float, 3, 1> column(data, 3, 1, 2);
    CHECK(as_eigen(column)(2) == 5);
    CHECK(as_eigen(View<float, 1, 6>(data)).sum() == 21);
    CHECK(as_eigen(View<float, 1, 1>(data))(0, 0) == 1);
  }
  TEST_CASE("a product through Eigen") {
    float x[] = {1, 2, 3, 4}, w[] = {1, 0, 1, 1, 2, 0}, y[6];
    as_eigen(View<float, 2, 3>(y)).noalias() =
        as_eigen(View<const float, 2, 2>(x)) * as_eigen(View<const float, 3, 2>(w)).transpose();
    CHECK(y[0] == 1);
    CHECK(y[1] == 3);
    CHECK(y[5] == 6);
  }
  TEST_CASE("an Eigen matrix as a view") {
    RowMajor m(2, 4);
    m << 1, 2, 3, 4, 5, 6, 7, 8;
    auto v = as_view(m);
    CHECK(v(1, 2) == 7);
    v(1, 2) = 70;
    CHECK(m(1, 2) == 70);
    CHECK(as_view<4>(static_cast<RowMajor const&>(m))(0, 3) == 4);
    CHECK_THROWS_WITH_AS(as_view<5>(m), doctest::Contains("[as_view] an Eigen matrix of 4 columns, expected 5"), error);
  }
}

}  // namespace test_eigen
