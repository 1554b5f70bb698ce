// GGUF out: the reference's file to the byte from the same keys and tensors, and all else refused by name.
#include <doctest/doctest.h>

#include <limits>

#include <fauna/io/gguf_writer.hpp>

#include "../support/source_dir.hpp"
#include "../support/temporary.hpp"

namespace test_gguf_writer {

using namespace fauna;
using doctest::Contains;

namespace {

const TemporaryFolder folder;
const std::string path = folder / "w.gguf";

SafeTensor tensor(std::string name, std::string dtype, std::vector<std::size_t> shape, std::size_t bytes) {
  static const std::byte data[256] = {std::byte{1}, std::byte{2}};
  SafeTensor t;
  t.name = std::move(name);
  t.dtype = std::move(dtype);
  t.shape = std::move(shape);
  t.data = data;
  t.bytes = bytes;
  return t;
}
void refused(std::vector<SafeTensor> const& tensors, const char* what) {
  write_file(path, "old");
  CHECK_THROWS_WITH_AS(write_gguf(path, {}, tensors), Contains(what), error);
  CHECK(read_file(path) == "old");
}

}  // namespace

TEST_CASE("gguf out: the file of the reference, to the byte") {
  const std::string golden = test::source_path("tests/golden/blocks.gguf");
  const Gguf file(golden);
  GgufMetadata keys;
  keys.put("general.architecture", "none");
  keys.put("test.u8", std::uint8_t{200});
  keys.put("test.i8", std::int8_t{-3});
  keys.put("test.u16", std::uint16_t{60000});
  keys.put("test.i16", std::int16_t{-300});
  keys.put("test.u32", std::uint32_t{4000000000});
  keys.put("test.i32", std::int32_t{-70000});
  keys.put("test.f32", 1.5F);
  keys.put("test.u64", std::uint64_t{1} << 40);
  keys.put("test.i64", -(std::int64_t{1} << 40));
  keys.put("test.f64", 1e300);
  keys.put("test.bool", true);
  keys.put("test.string", std::string("caf\xc3\xa9"));
  keys.put("test.strings", std::vector<std::string>{"a", "", "bcd"});
  keys.put("test.integers", std::vector<std::int32_t>{3, -1, 4});
  keys.put("general.alignment", std::uint32_t{64});
  std::size_t turns = 0;
  write_gguf(path, keys, file.tensors(), [&](SafeTensor const& t) {
    CHECK(&t == &file.tensors()[turns]);
    ++turns;
    return t.data;
  });
  CHECK(turns == file.tensors().size());
  CHECK(read_file(path) == read_file(golden));
}

TEST_CASE("gguf out: what is written is what is read") {
  GgufMetadata keys;
  keys.put("flags", std::vector<bool>{true, false, true});
  keys.put("none", std::vector<std::string_view>{});
  keys.put("most", std::numeric_limits<std::uint32_t>::max());
  write_gguf(path, keys, {tensor("a", "F16", {3}, 6), tensor("b", "BF16", {1, 2, 3, 4}, 48)});
  const Gguf file(path);
  CHECK(file.keys() == std::vector<std::string_view>{"flags", "most", "none"});
  CHECK(file.texts("none").empty());
  CHECK(file.integer("most") == 4294967295);
  CHECK(file.find("a")->text() == "F16 [3]");
  CHECK(file.find("b")->text() == "BF16 [1, 2, 3, 4]");
  CHECK(std::memcmp(file.find("b")->data, file.find("a")->data, 6) == 0);
  CHECK(read_file(path).size() % 32 == 0);  // the last tensor is filled up as well
  CHECK(folder.names() == std::vector<std::string>{"w.gguf"});
  write_gguf(path, {}, {});
  CHECK(Gguf(path).tensors().empty());
}

TEST_CASE("gguf out: what is refused, leaving the file that was there") {
  refused({tensor("n", "F32", {2}, 8), tensor("n", "F32", {2}, 8)}, "the tensor n twice");
  refused({tensor("", "F32", {2}, 8)}, "a name of 1 to 63 bytes");
  refused({tensor(std::string(64, 'n'), "F32", {2}, 8)}, "a name of 1 to 63 bytes");
  refused({tensor("n", "F32", {}, 4)}, "n F32 [], expected 1 to 4 dimensions");
  refused({tensor("n", "F32", {1, 1, 1, 1, 1}, 4)}, "1 to 4 dimensions");
  refused({tensor("n", "F32", {2, 0}, 0)}, "n F32 [2, 0], expected no size of 0");
  refused({tensor("n", "F8_E4M3", {2}, 2)}, "n is of dtype F8_E4M3, expected a type that GGUF has");
  refused({tensor("n", "F32", {2}, 4)}, "n F32 [2] with 4 bytes, expected 8");
  refused({tensor("n", "Q4_0", {2, 16}, 18)}, "n Q4_0 [2, 16], expected rows of whole blocks of 32");
  refused({tensor("n", "Q4_0", {2, 32}, 18)}, "with 18 bytes, expected 36");
  const std::size_t big = std::size_t{1} << 62;
  refused({tensor("n", "F32", {big, 4}, 0)}, "can be counted");

  GgufMetadata keys;
  keys.put("k", 1.0F);
  CHECK_THROWS_WITH_AS(keys.put("k", 2.0F), Contains("the key k twice"), error);
  for (const char* name : {"", "a b", "caf\xc3\xa9"})
    CHECK_THROWS_WITH_AS(keys.put(name, 1.0F), Contains("ASCII without spaces"), error);
  for (const std::uint32_t alignment : {0U, 4U, 48U}) {
    GgufMetadata wrong;
    CHECK_THROWS_WITH_AS(wrong.put("general.alignment", alignment), Contains("a power of two"), error);
  }
  CHECK_THROWS_WITH_AS(keys.put("general.alignment", std::uint64_t{32}), Contains("as u32"), error);
  CHECK_THROWS_WITH_AS(keys.put("general.alignment", std::vector<std::uint32_t>{32}), Contains("u32"), error);
}

}  // namespace test_gguf_writer
