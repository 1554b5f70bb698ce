// Files of rwkv.cpp: tensors in f32 and f16, with the dimensions turned; everything else is refused by name.
#include <doctest/doctest.h>

#include <cstdlib>
#include <fauna/io/open_tensors.hpp>

#include "../support/temporary.hpp"

using namespace fauna;
using doctest::Contains;

namespace {

std::string words(std::vector<std::int32_t> const& all) {
  return {reinterpret_cast<const char*>(all.data()), all.size() * sizeof(std::int32_t)};
}
const std::string header = words({0x67676d66, 101, 2, 3, 1, 0});
/// `sizes` as the file has them: the last dimension first.
std::string record(std::string const& name, std::int32_t type, std::vector<std::int32_t> const& sizes,
                   std::string const& data) {
  return words({static_cast<std::int32_t>(sizes.size()), static_cast<std::int32_t>(name.size()), type}) + words(sizes) +
         name + data;
}
const std::string eight = "\1\2\3\4\5\6\7\10",
                  good = header + record("a.weight", 0, {2, 1}, eight) + record("b", 1, {2, 1, 2}, eight);

const TemporaryFolder folder;
TensorFile read(std::string const& bytes) {
  write_file(folder / "t.bin", bytes);
  return RwkvCpp(folder / "t.bin");
}
#define CHECK_REFUSED(bytes, word) CHECK_THROWS_WITH_AS(read(bytes), Contains(word), error)

}  // namespace

TEST_CASE("rwkv.cpp: tensors with their dimensions in the usual order") {
  (void)read(good);
  const TensorFile file = open_tensors(folder / "t.bin");  // knows the format
  REQUIRE(file.tensors().size() == 2);
  CHECK(file.find("a.weight")->text() == "F32 [1, 2]");
  CHECK(file.find("b")->text() == "F16 [2, 1, 2]");
  CHECK(std::memcmp(file.find("b")->data, eight.data(), 8) == 0);
  CHECK(read(header).tensors().empty());
}

TEST_CASE("rwkv.cpp: what is refused") {
  for (std::size_t n = 0; n < good.size(); ++n)
    if (n != header.size() && n != header.size() + record("a.weight", 0, {2, 1}, eight).size())
      CHECK_THROWS_AS(read(good.substr(0, n)), error);
  CHECK_REFUSED("PK\3\4" + good.substr(4), "another first word");
  CHECK_REFUSED(words({0x67676d66, 99, 2, 3, 1, 0}), "of version 99");
  CHECK_REFUSED(header + record("q", 2, {2}, eight), "q is of type 2, quantised");
  CHECK_REFUSED(header + record("q", -1, {2}, eight), "q is of type -1");
  CHECK_REFUSED(header + record("", 0, {2}, eight), "a name of 0 bytes");
  CHECK_REFUSED(header + record(std::string(300, 'n'), 0, {2}, eight), "a name of 300 bytes");
  CHECK_REFUSED(header + record("n", 0, {}, eight), "0 dimensions");
  CHECK_REFUSED(header + record("n", 0, {1, 1, 1, 1, 2}, eight), "5 dimensions");
  CHECK_REFUSED(header + record("n", 0, {0}, ""), "a size of 0");
  CHECK_REFUSED(header + record("n", 0, {-2}, eight), "a size of -2");
  CHECK_REFUSED(header + record("n", 0, {3}, eight), "ends inside n");
  CHECK_REFUSED(header + record("n", 0, {2147483647, 2147483647, 2147483647}, eight), "can be counted");
  CHECK_REFUSED(header + record("n", 0, {2}, eight) + record("n", 0, {2}, eight), "the tensor n twice");
}
