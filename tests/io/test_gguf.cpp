// GGUF: keys and values of every type, tensors with their dimensions in the usual order, blocks as the reference reads
// them, bit for bit; everything else is refused by name.
#include <doctest/doctest.h>

#include <fauna/io/open_tensors.hpp>

#include "../support/gguf.hpp"
#include "../support/source_dir.hpp"
#include "../support/temporary.hpp"

namespace test_gguf {

using namespace fauna;
using doctest::Contains;

namespace {

const TemporaryFolder folder;
Gguf read(std::string const& bytes) {
  write_file(folder / "t.gguf", bytes);
  return Gguf(folder / "t.gguf");
}
#define CHECK_REFUSED(bytes, word) CHECK_THROWS_WITH_AS(read(bytes), Contains(std::string(word).c_str()), error)

std::vector<float> floats(SafeTensor const& t, std::size_t from = 0) {
  std::vector<float> v(t.elements() - from);
  read_floats(t, from, v.size(), v.data());
  return v;
}
std::string with_key(std::string const& key) { return gguf::header(0, 1) + key; }
/// One tensor of 32 bytes of data.
std::string with_tensor(std::string const& tensor) {
  return gguf::padded(gguf::header(1, 0) + tensor) + std::string(32, '\1');
}
constexpr std::uint32_t F32 = 0, Q4_0 = 2;

}  // namespace

TEST_CASE("gguf: the reference's file, every number as it reads it") {
  const Gguf file(test::source_path("tests/golden/blocks.gguf"));
  CHECK(file.text("general.architecture") == "none");
  CHECK(file.integer("test.u8") == 200);
  CHECK(file.integer("test.i8") == -3);
  CHECK(file.integer("test.u16") == 60000);
  CHECK(file.integer("test.i16") == -300);
  CHECK(file.integer("test.u32") == 4000000000);
  CHECK(file.integer("test.i32") == -70000);
  CHECK(file.integer("test.u64") == 1LL << 40);
  CHECK(file.integer("test.i64") == -(1LL << 40));
  CHECK(file.number("test.f32") == 1.5);
  CHECK(file.number("test.f64") == 1e300);
  CHECK(file.number("test.i8") == -3);
  CHECK(file.flag("test.bool"));
  CHECK(file.text("test.string") == "caf\xc3\xa9");
  CHECK(file.texts("test.strings") == std::vector<std::string_view>{"a", "", "bcd"});
  CHECK(file.integers("test.integers") == std::vector<long long>{3, -1, 4});
  CHECK(file.find("Q4_1")->text() == "Q4_1 [6, 64]");
  int compared = 0;
  for (auto const& t : file.tensors()) {
    const SafeTensor* want = file.find(t.name + ".f32");
    if (want == nullptr) continue;
    CAPTURE(t.name);
    ++compared;
    const auto found = floats(t), expected = floats(*want);
    REQUIRE(found.size() == expected.size());
    CHECK(std::memcmp(found.data(), expected.data(), 4 * found.size()) == 0);
    CHECK(floats(t, 37) == std::vector<float>(found.begin() + 37, found.end()));  // from inside a block
  }
  CHECK(compared == 21);
  CHECK_THROWS_WITH_AS(file.integer("test.f32"), Contains("test.f32 of type f32, expected a whole number"), error);
  CHECK_THROWS_WITH_AS(file.integer("test.integers"), Contains("array of i32"), error);
  CHECK_THROWS_WITH_AS(file.integers("test.strings"), Contains("array of string"), error);
  CHECK_THROWS_WITH_AS(file.integers("test.u8"), Contains("an array of whole numbers"), error);
  CHECK_THROWS_WITH_AS(file.number("test.strings"), Contains("array of string"), error);
  CHECK_THROWS_WITH_AS(file.text("test.strings"), Contains("expected a string"), error);
  CHECK_THROWS_WITH_AS(file.texts("test.string"), Contains("an array of strings"), error);
  CHECK_THROWS_WITH_AS(file.flag("test.u8"), Contains("expected a bool"), error);
  CHECK_THROWS_WITH_AS(file.flag("nobody"), Contains("has no key nobody"), error);
}

TEST_CASE("gguf: blocks as the reference quantises, bit for bit") {
  const Gguf file(test::source_path("tests/golden/blocks.gguf"));
  const std::vector<float> numbers = floats(*file.find("numbers"));
  int compared = 0;
  for (BlockFormat const& f : block_formats) {
    if (f.write == nullptr || f.elements != 32 || f.name == "IQ4_NL") continue;  // these are in test_quants.cpp
    CAPTURE(std::string(f.name));
    const SafeTensor* want = file.find(f.name);
    REQUIRE(want != nullptr);
    std::vector<std::byte> bytes(want->bytes);
    for (std::size_t i = 0; i < numbers.size() / f.elements; ++i)
      f.write(numbers.data() + i * f.elements, bytes.data() + i * f.bytes);
    CHECK(std::memcmp(bytes.data(), want->data, want->bytes) == 0);
    ++compared;
  }
  CHECK(compared == 6);
}

TEST_CASE("gguf: tensors of any opener, in version 2 too, and no byte missing") {
  const std::string good = gguf::padded(gguf::header(2, 1, 2) + gguf::key("k", gguf::u8, "\7") +
                                        gguf::tensor("a", F32, {2, 1}, 0) + gguf::tensor("b", 1, {3, 1, 2}, 32)) +
                           gguf::padded("12345678") + "abcdefghijkl";
  CHECK(read(good).integer("k") == 7);
  const TensorFile file = open_tensors(folder / "t.gguf");
  REQUIRE(file.tensors().size() == 2);
  CHECK(file.find("a")->text() == "F32 [1, 2]");
  CHECK(file.find("b")->text() == "F16 [2, 1, 3]");
  CHECK(std::memcmp(file.find("a")->data, "12345678", 8) == 0);
  CHECK(std::memcmp(file.find("b")->data, "abcdefghijkl", 12) == 0);
  for (std::size_t n = 0; n < good.size(); ++n) CHECK_THROWS_AS(read(good.substr(0, n)), error);
  CHECK(read(gguf::header(0, 0)).tensors().empty());
}

TEST_CASE("gguf: headers and keys that are refused") {
  using namespace gguf;
  CHECK_REFUSED("GGML" + header(0, 0).substr(4), "another first word");
  for (const std::uint32_t version : {0U, 1U, 4U})
    CHECK_REFUSED(header(0, 0, version), "of version " + std::to_string(version));
  CHECK_REFUSED(header(0, 0, 3U << 24), "little-endian");
  CHECK_REFUSED(header(0, ~std::uint64_t{0}), "ends inside key 0 of 18446744073709551615");
  CHECK_REFUSED(header(~std::uint64_t{0}, 0), "ends inside tensor 0 of 18446744073709551615");
  CHECK_REFUSED(with_key(raw(~std::uint64_t{0}) + "k"), "ends inside key 0");
  CHECK_REFUSED(with_key(key("k", type{13}, "")), "the key k of type 13");
  CHECK_REFUSED(with_key(key("k", string, raw(~std::uint64_t{7}))), "ends inside the key k");
  CHECK_REFUSED(with_key(list("k", u64, (std::uint64_t{1} << 61) + 1, raw(1LL))), "ends inside the key k");
  CHECK_REFUSED(with_key(list("k", string, ~std::uint64_t{0}, text("a"))), "ends inside the key k");
  CHECK_REFUSED(with_key(list("k", array, 1, raw(u8) + raw(0LL))), "an array of type 9");
  CHECK_REFUSED(header(0, 2) + key("k", u8, "\1") + key("k", i8, "\1"), "has the key k twice");
  CHECK_REFUSED(with_key(key("general.alignment", u64, raw(32LL))), "general.alignment of type u64");
  for (const std::uint32_t alignment : {0U, 4U, 48U})
    CHECK_REFUSED(with_key(key("general.alignment", u32, raw(alignment))),
                  "general.alignment of " + std::to_string(alignment));
  CHECK_REFUSED(with_key(key("split.count", u16, raw(std::uint16_t{3}))), "has no key split.no");
  const Gguf most = read(with_key(key("k", u64, raw(~std::uint64_t{0}))));
  CHECK_THROWS_WITH_AS(most.integer("k"), Contains("a number below 2^63"), error);
  const Gguf empty = read(with_key(list("k", f32, 0, "")));
  CHECK_THROWS_WITH_AS(empty.number("k"), Contains("array of f32"), error);
  CHECK_THROWS_WITH_AS(empty.integers("k"), Contains("array of f32"), error);
}

TEST_CASE("gguf: a model in parts, from any of them") {
  using namespace gguf;
  const auto name = [](int part, int parts = 3) {
    return folder / ("m-0000" + std::to_string(part) + "-of-0000" + std::to_string(parts) + ".gguf");
  };
  const auto part = [](int no, std::string const& of, int all = 2, std::string const& keys = {}, int more = 0) {
    const std::string tensors = of.empty() ? "" : tensor(of, F32, {8}, 0);
    return padded(header(of.empty() ? 0 : 1, 3 + static_cast<std::uint64_t>(more)) +
                  key("split.no", u16, raw(static_cast<std::uint16_t>(no))) +
                  key("split.count", u16, raw(std::uint16_t{3})) +
                  key("split.tensors.count", i32, raw(std::int32_t{all})) + keys + tensors) +
           (of.empty() ? "" : std::string(32, static_cast<char>('0' + no)));
  };
  write_file(name(1), part(0, "", 2, key("general.architecture", string, text("a")), 1));  // the first may have none
  write_file(name(2), part(1, "x"));
  write_file(name(3), part(2, "y"));
  for (int i = 1; i <= 3; ++i) {
    const Gguf file(name(i));
    CHECK(file.text("general.architecture") == "a");
    REQUIRE(file.tensors().size() == 2);
    CHECK(static_cast<char>(*file.find("x")->data) == '1');
    CHECK(static_cast<char>(*file.find("y")->data) == '2');
  }
  const auto refused = [&](int which, std::string const& bytes, const char* what) {
    const std::string good = read_file(name(which));
    if (bytes.empty()) std::remove(name(which).c_str());
    else write_file(name(which), bytes);
    CHECK_THROWS_WITH_AS(Gguf(name(1)), Contains(what), error);
    write_file(name(which), good);
  };
  refused(2, "", "m-00002-of-00003.gguf is missing");
  refused(2, part(2, "x"), "m-00002-of-00003.gguf is not part 2 of 3");
  refused(2, part(1, "x", 5), "m-00002-of-00003.gguf is of a model of 5 tensors, expected 2");
  refused(2, part(1, "y"), "the tensor y twice");
  refused(3, part(2, ""), "has 1 tensors in all its parts, expected 2");
  refused(3, part(2, "y", 2, key("general.architecture", string, text("b")), 1), "is of another general.architecture");
  refused(3, part(2, "y").substr(0, 150), "m-00003-of-00003.gguf ends inside");
  write_file(folder / "last.gguf", padded(header(0, 3) + key("split.no", u64, raw(std::uint64_t{0x7fffffffffffffff})) +
                                          key("split.count", u16, raw(std::uint16_t{3})) +
                                          key("split.tensors.count", i32, raw(std::int32_t{0}))));
  CHECK_THROWS_WITH_AS(Gguf(folder / "last.gguf"), Contains("a split.no of 9223372036854775807"), error);
  write_file(folder / "other.gguf", part(1, "x"));
  CHECK_THROWS_WITH_AS(Gguf(folder / "other.gguf"), Contains("a name that ends with -00002-of-00003.gguf"), error);
}

TEST_CASE("gguf: tensors that are refused") {
  using namespace gguf;
  CHECK(read(with_tensor(tensor("n", F32, {8}, 0))).find("n")->bytes == 32);
  CHECK_REFUSED(with_tensor(tensor("n", F32, {}, 0)), "n of 0 dimensions");
  CHECK_REFUSED(with_tensor(tensor("n", F32, {1, 1, 1, 1, 1}, 0)), "n of 5 dimensions");
  CHECK_REFUSED(with_tensor(tensor("n", F32, {4, 0}, 0)), "n with a size of 0");
  CHECK_REFUSED(with_tensor(tensor("n", 16, {256}, 0)), "n of type 16 (IQ2_XXS), expected one of F32, F16");
  CHECK_REFUSED(with_tensor(tensor("n", 14, {64, 4}, 0)), "Q6_K [4, 64], expected rows of whole blocks of 256");
  CHECK_REFUSED(with_tensor(tensor("n", 4, {8}, 0)), "n of type 4, expected");
  CHECK_REFUSED(with_tensor(tensor("n", 1000000, {8}, 0)), "n of type 1000000");
  CHECK_REFUSED(with_tensor(tensor("n", Q4_0, {16, 2}, 0)), "Q4_0 [2, 16], expected rows of whole blocks");
  CHECK_REFUSED(with_tensor(tensor("n", Q4_0, {64}, 0)), "ends inside n, which has 36 bytes");
  CHECK_REFUSED(with_tensor(tensor("n", F32, {9}, 0)), "ends inside n");
  CHECK_REFUSED(with_tensor(tensor("n", F32, {1}, 8)), "n at byte 8 of the data, expected 0");
  const std::uint64_t big = std::uint64_t{1} << 32;
  CHECK_REFUSED(with_tensor(tensor("n", F32, {big, big}, 0)), "can be counted");
  CHECK_REFUSED(with_tensor(tensor("n", F32, {big, big / 4}, 0)), "can be counted");
  CHECK_REFUSED(with_tensor(tensor("n", F32, {4, (1 << 30) - 1, (1 << 30) + 1}, 0)), "n");  // padding would wrap
  const std::string two = header(2, 0) + tensor("n", F32, {8}, 0);
  CHECK_REFUSED(padded(two + tensor("n", F32, {1}, 32)) + std::string(64, '\1'), "the tensor n twice");
  CHECK_REFUSED(padded(two + tensor("m", F32, {1}, 0)) + std::string(64, '\1'), "m at byte 0 of the data, expected 32");
  CHECK_REFUSED(padded(two + tensor("m", F32, {1}, 64)) + std::string(99, '\1'), "m at byte 64");
}

#undef CHECK_REFUSED

}  // namespace test_gguf
