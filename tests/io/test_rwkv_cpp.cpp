// Files of rwkv.cpp: tensors in f32 and f16, with the dimensions turned; everything else is refused by name.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <fauna/io/open_tensors.hpp>

#include "../support/source_dir.hpp"
#include "../support/temporary.hpp"

namespace test_rwkv_cpp {

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

TEST_CASE("rwkv.cpp: blocks of quantised numbers, as PyPI's gguf has made them") {
  const TensorFile made = Gguf(test::source_path("tests/golden/blocks.gguf"));
  const std::pair<const char*, std::int32_t> types[] = {
      {"Q4_0", 2}, {"Q4_1", 3}, {"Q5_0", 7}, {"Q5_1", 8}, {"Q8_0", 9}};
  std::string file = header;
  int found = 0;
  for (auto const& t : made.tensors())
    for (auto const& [name, type] : types)
      if (t.dtype == name) {
        ++found;
        std::vector<std::int32_t> sizes(t.shape.rbegin(), t.shape.rend());
        file += record(t.name, type, sizes, std::string(reinterpret_cast<const char*>(t.data), t.bytes));
      }
  CHECK(found >= 5);
  const TensorFile read_back = read(file);
  REQUIRE(read_back.tensors().size() == static_cast<std::size_t>(found));
  for (auto const& t : read_back.tensors()) {
    CAPTURE(t.name);
    SafeTensor const& want = *made.find(t.name);
    CHECK(t.text() == want.text());
    std::vector<float> a(t.elements()), b(t.elements());
    read_floats(t, 0, a.size(), a.data());
    read_floats(want, 0, b.size(), b.data());
    CHECK(a == b);
  }
}

TEST_CASE("rwkv.cpp: what its converter computes is taken back") {
  const auto floats = [](std::vector<float> const& all) {
    return std::string(reinterpret_cast<const char*>(all.data()), all.size() * sizeof(float));
  };
  const auto check = [&](std::string const& others, std::string const& name, std::vector<std::int32_t> const& sizes,
                         std::vector<float> const& has, const char* text, std::vector<float> const& want) {
    const TensorFile file = read(header + others + record("blocks.0." + name, 0, sizes, floats(has)));
    SafeTensor const* t = file.find("blocks.0." + name);
    CHECK(t->text() == text);
    std::vector<float> got(t->elements());
    read_floats(*t, 0, got.size(), got.data());
    for (std::size_t i = 0; i < want.size(); ++i) CHECK(got[i] == doctest::Approx(want[i]));
  };
  const std::string norm = record("blocks.0.att.ln_x.weight", 0, {1}, floats({1})),
                    data = norm + record("blocks.0.att.time_maa_x", 0, {1}, floats({1}));
  const float e = std::exp(1.0F);
  check("", "att.time_decay", {2}, {-1, -e}, "F32 [2]", {0, 1});
  check("", "att.time_first", {2}, {3, 4}, "F32 [2]", {3, 4});
  check("", "ffn.time_mix_k", {2}, {3, 4}, "F32 [1, 1, 2]", {3, 4});
  check(norm, "att.time_decay", {1, 2, 1}, {std::exp(-1.0F), std::exp(-e)}, "F32 [1, 2]", {0, 1});
  check(norm, "att.time_faaaa", {1, 2, 1}, {3, 4}, "F32 [1, 2]", {3, 4});
  check(data, "att.time_decay", {2}, {3, 4}, "F32 [1, 1, 2]", {3, 4});
  check(data, "att.time_decay_w1", {2, 3}, {1, 2, 3, 4, 5, 6}, "F32 [2, 3]", {1, 3, 5, 2, 4, 6});
  check(data, "att.time_maa_w2", {1, 3, 2}, {1, 2, 3, 4, 5, 6}, "F32 [2, 1, 3]", {1, 2, 3, 4, 5, 6});
  check(data, "att.time_maa_w2", {2, 1, 3}, {1, 2, 3, 4, 5, 6}, "F32 [3, 2, 1]", {1, 2, 3, 4, 5, 6});
  check("", "att.time_maa_w1", {2}, {1, 2}, "F32 [2]", {1, 2});  // a vector, in no model
}

TEST_CASE("rwkv.cpp: what is refused") {
  for (std::size_t n = 0; n < good.size(); ++n)
    if (n != header.size() && n != header.size() + record("a.weight", 0, {2, 1}, eight).size())
      CHECK_THROWS_AS(read(good.substr(0, n)), error);
  CHECK_REFUSED("PK\3\4" + good.substr(4), "another first word");
  CHECK_REFUSED(words({0x67676d66, 99, 2, 3, 1, 0}), "of version 99");
  CHECK_REFUSED(header + record("q", 2, {2}, eight), "q has rows of 2");
  CHECK_REFUSED(header + record("q", 4, {32}, eight), "q is of type 4");
  CHECK_REFUSED(header + record("q", 10, {32}, eight), "q is of type 10");
  CHECK_REFUSED(header + record("q", 2, {32}, std::string(17, '1')), "ends inside q");
  CHECK_REFUSED(words({0x67676d66, 100, 2, 3, 1, 0}) + record("q", 9, {32}, std::string(34, '1')),
                "q is of type 9 in a file of version 100");
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

#undef CHECK_REFUSED

}  // namespace test_rwkv_cpp
