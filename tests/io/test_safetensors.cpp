// safetensors: what is written is read bit by bit, by the reference library's rules and against its files; anything
// that breaks a rule of the format is refused, with the tensor and the numbers that disagree.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fauna/io/safetensors.hpp>

#include "../support/source_dir.hpp"
#include "../support/temporary.hpp"

namespace test_safetensors {

using namespace fauna;
using doctest::Contains;

namespace {

/// A file of the format from the text of its header and its data, true or not.
std::string file_of(std::string const& header, std::string const& data = {}, long long length = -1) {
  const std::uint64_t n = length < 0 ? header.size() : static_cast<std::uint64_t>(length);
  return std::string(reinterpret_cast<const char*>(&n), 8) + header + data;
}
std::string entry(std::string const& name, std::string const& dtype, std::string const& shape,
                  std::string const& offsets) {
  return '"' + name + R"(":{"dtype":")" + dtype + R"(","shape":[)" + shape + R"(],"data_offsets":[)" + offsets + "]}";
}
SafeTensor tensor(std::string name, std::string dtype, std::vector<std::size_t> shape, std::string const& data) {
  return {std::move(name), std::move(dtype), std::move(shape), reinterpret_cast<const std::byte*>(data.data()),
          data.size()};
}
std::string bytes_of(SafeTensor const& t) { return {reinterpret_cast<const char*>(t.data), t.bytes}; }
std::vector<float> floats_of(SafeTensor const* t) {
  REQUIRE(t != nullptr);
  std::vector<float> v(t->elements());
  read_floats(*t, 0, v.size(), v.data());
  return v;
}
std::string noise(std::size_t n) {
  std::string s;
  for (std::size_t i = 0; i < n; ++i) s += static_cast<char>(i * 151 + 7);
  return s;
}

}  // namespace

TEST_CASE("what is written is read back bit by bit: every dtype, scalars, empty tensors, any name") {
  const TemporaryFolder folder;
  const std::string path = folder / "t.safetensors";
  const std::string one = noise(1), three = noise(3), four = noise(4), many = noise(48), none;
  const std::vector<SafeTensor> tensors = {tensor("bytes", "U8", {3}, three),
                                           tensor("packed", "F4", {2, 3}, three),
                                           tensor("six", "F6_E2M3", {4}, three),
                                           tensor("six'", "F6_E3M2", {2, 2}, three),
                                           tensor("scalar", "F32", {}, four),
                                           tensor("empty", "F64", {3, 0, 5}, none),
                                           tensor("a\"b\\\n\x01\u00e9", "I8", {1}, one),
                                           tensor("d", "F64", {2, 3}, many),
                                           tensor("c", "C64", {6}, many),
                                           tensor("h", "F16", {24}, many),
                                           tensor("b", "BF16", {4, 6}, many),
                                           tensor("", "BOOL", {3, 1}, three),
                                           tensor("e8", "F8_E8M0", {1}, one)};
  const SafeTensors::Metadata metadata = {{"format", "pt"}, {"", "\"\t\u4e2d"}};
  write_safetensors(path, tensors, metadata);
  CHECK(folder.names().size() == 1);

  const SafeTensors read(path);
  CHECK(read.metadata() == metadata);
  CHECK(read.tensors().size() == tensors.size());
  for (auto const& t : tensors) {
    CAPTURE(t.name);
    const SafeTensor* r = read.find(t.name);
    REQUIRE(r != nullptr);
    CHECK(r->dtype == t.dtype);
    CHECK(r->shape == t.shape);
    CHECK(bytes_of(*r) == bytes_of(t));
  }
  CHECK(read.find("nobody") == nullptr);
  CHECK(read.find("d")->text() == "F64 [2, 3]");
}

TEST_CASE("the layout of a written file: largest elements first, then by name, data at a multiple of 8") {
  const TemporaryFolder folder;
  const std::string path = folder / "t.safetensors", two = noise(2), eight = noise(8);
  write_safetensors(path,
                    {tensor("b", "F16", {1}, two), tensor("z", "F64", {1}, eight), tensor("a", "BF16", {1}, two)});
  const std::string header = "{" + entry("z", "F64", "1", "0,8") + "," + entry("a", "BF16", "1", "8,10") + "," +
                             entry("b", "F16", "1", "10,12") + "}";
  const std::string padded = header + std::string((8 - header.size() % 8) % 8, ' ');
  CHECK(read_file(path) == file_of(padded, eight + two + two));
  write_safetensors(path, {});
  CHECK(read_file(path) == file_of("{}      "));
  CHECK(SafeTensors(path).tensors().empty());
}

TEST_CASE("a file of the reference library") {
  const SafeTensors read(test::source_path("tests/golden/python.safetensors"));
  CHECK(read.tensors().size() == 9);
  CHECK(read.metadata() == SafeTensors::Metadata{{"format", "pt"}, {"quote", "\"\u00e9\n"}});
  CHECK(floats_of(read.find("f64")) == std::vector<float>{1.5F, -2.25F, 0.0F});
  CHECK(floats_of(read.find("f32")) == std::vector<float>{0.0F, 0.25F, 0.5F, 0.75F, 1.0F, 1.25F});
  CHECK(read.find("f32")->shape == std::vector<std::size_t>{2, 3});
  CHECK(floats_of(read.find("f16")) == std::vector<float>{0.5F, -65504.0F, 0x1p-24F});
  CHECK(floats_of(read.find("bf16")) == std::vector<float>{1.0F, -3.0F, static_cast<float>(bf16(3e38F))});
  CHECK(floats_of(read.find("scalar")) == std::vector<float>{7.0F});
  CHECK(read.find("scalar")->shape.empty());
  CHECK(floats_of(read.find("empty")).empty());
  CHECK(bytes_of(*read.find("i64")) == std::string(8, '\xff') + std::string("\2\0\0\0\0\0\0\0", 8));
  CHECK(bytes_of(*read.find("flag")) == std::string("\1\0\1", 3));
  CHECK(bytes_of(*read.find("caf\u00e9 \"\\\n\u4e2d\U0001f98a")) == "\3");
  float x = 0;
  CHECK_THROWS_WITH_AS(read_floats(*read.find("i64"), 0, 1, &x), Contains("i64 is of dtype I64"), error);
}

TEST_CASE("numbers at odd addresses, and runs from the middle") {
  const TemporaryFolder folder;
  const std::string path = folder / "t.safetensors";
  const float f[] = {1.0F, -0.0F, 1e-40F, 3.5F};
  const double d[] = {0.1, -2.0};
  const std::string data = "x" + std::string(reinterpret_cast<const char*>(f), sizeof f) +
                           std::string(reinterpret_cast<const char*>(d), sizeof d) + std::string("\0\x3c\x80\x3f", 4);
  write_file(path, file_of("{" + entry("x", "U8", "1", "0,1") + "," + entry("f", "F32", "4", "1,17") + "," +
                               entry("d", "F64", "2", "17,33") + "," + entry("h", "F16", "1", "33,35") + "," +
                               entry("b", "BF16", "1", "35,37") + "}",
                           data));
  const SafeTensors read(path);
  CHECK(floats_of(read.find("f")) == std::vector<float>(f, f + 4));
  CHECK(std::signbit(floats_of(read.find("f"))[1]));
  CHECK(floats_of(read.find("d")) == std::vector<float>{0.1F, -2.0F});
  CHECK(floats_of(read.find("h")) == std::vector<float>{1.0F});
  CHECK(floats_of(read.find("b")) == std::vector<float>{1.0F});
  std::vector<float> run(2);
  read_floats(*read.find("f"), 2, 2, run.data());
  CHECK(run == std::vector<float>{1e-40F, 3.5F});
  read_floats(*read.find("d"), 1, 1, run.data());
  CHECK(run[0] == -2.0F);
}

TEST_CASE("every breach of the format is refused, and the error says which") {
  const std::string four = noise(4), a = entry("a", "F32", "1", "0,4"), huge = "9223372036854775807";
  struct Case {
    std::string bytes;
    const char* error;
  };
  const Case cases[] = {
      {"", "has 0 bytes, expected at least 8"},
      {"1234567", "has 7 bytes, expected at least 8"},
      {file_of("{}", "", 100'000'001), "header has 100000001 bytes, expected at most 100000000"},
      {std::string(8, '\xff'), "header has 18446744073709551615 bytes, expected at most"},
      {file_of("{}", "", 3), "header has 3 bytes and has 10 in all, expected a whole header"},
      {file_of("", "", 0), "does not start with '{'"},
      {file_of(" {}"), "does not start with '{'"},
      {file_of("[]"), "does not start with '{'"},
      {file_of("{} x"), "'x' at byte 3, expected the end of the text"},
      {file_of("{}\0", "", 3), "expected a whole header"},
      {file_of(std::string("{}\0", 3)), "0x00 at byte 2, expected the end of the text"},
      {file_of("{"), "the text ends at byte 1"},
      {file_of("{\"\xff\":1}"), "0xff at byte 2, expected well-formed UTF-8"},
      {file_of("{" + a + "," + a + "}", four), "expected byte 4, where the one before it ends"},
      {file_of("{" + entry("a", "F32", "0", "0,0") + "," + entry("a", "F32", "0", "0,0") + "}"),
       "has the tensor a twice"},
      {file_of(R"({"a":1})"), "'1' at byte 5, expected an object"},
      {file_of(R"({"a":{}})"), "a has no dtype"},
      {file_of(R"({"a":{"dtype":"F32"}})"), "a has no shape"},
      {file_of(R"({"a":{"dtype":"F32","shape":[1]}})"), "a has no data_offsets"},
      {file_of(R"({"a":{"dtype":"F32","dtype":"F32"}})"), "a has dtype twice"},
      {file_of(R"({"a":{"strides":[1]}})"), "a has a field strides"},
      {file_of("{" + entry("a", "F33", "1", "0,4") + "}", four), "a is of dtype F33"},
      {file_of("{" + entry("a", "f32", "1", "0,4") + "}", four), "a is of dtype f32"},
      {file_of("{" + entry("a", "F32", "-1", "0,4") + "}", four), "a has shape of -1, expected 0 or more"},
      {file_of("{" + entry("a", "F32", "1.0", "0,4") + "}", four), "expected a whole number"},
      {file_of("{" + entry("a", "F32", "\"1\"", "0,4") + "}", four), "expected a number"},
      {file_of("{" + entry("a", "F32", "18446744073709551616", "0,4") + "}", four), "expected a whole number"},
      {file_of("{" + entry("a", "F32", "1", "0") + "}", four), "a has 1 data_offsets, expected 2"},
      {file_of("{" + entry("a", "F32", "1", "0,4,4") + "}", four), "a has 3 data_offsets, expected 2"},
      {file_of("{" + entry("a", "F32", "1", "-4,0") + "}", four), "a has data_offsets of -4"},
      {file_of("{" + entry("a", "F32", "1", "4,0") + "}", four), "a lies at [4, 0)"},
      {file_of("{" + entry("a", "F32", "2", "0,4") + "}", four), "a of F32 [2] has 4 bytes, expected 8"},
      {file_of("{" + entry("a", "F32", "1", "0,3") + "}", noise(3)), "a of F32 [1] has 3 bytes, expected 4"},
      {file_of("{" + entry("a", "F32", "1", "0,8") + "}", noise(8)), "a of F32 [1] has 8 bytes, expected 4"},
      {file_of("{" + entry("a", "F32", "", "0,0") + "}"), "a of F32 [] has 0 bytes, expected 4"},
      {file_of("{" + entry("a", "U8", huge + "," + huge, "0,4") + "}", four), "more elements than can be counted"},
      {file_of("{" + entry("a", "U8", huge, "0,4") + "}", four), "more elements than can be counted"},
      {file_of("{" + entry("a", "F4", "3", "0,2") + "}", noise(2)), "a takes 12 bits, expected whole bytes"},
      {file_of("{" + entry("a", "F6_E2M3", "3", "0,2") + "}", noise(2)), "a takes 18 bits, expected whole bytes"},
      {file_of("{" + a + "}", noise(3)), "has 3 bytes of data, and a ends at 4"},
      {file_of("{" + a + "}", noise(5)), "has 5 bytes of data, 4 of them in tensors"},
      {file_of("{}", noise(1)), "has 1 bytes of data, 0 of them in tensors"},
      {file_of("{" + entry("a", "F32", "1", "1,5") + "}", noise(5)), "a starts at byte 1 of the data, expected byte 0"},
      {file_of("{" + a + "," + entry("b", "F32", "1", "5,9") + "}", noise(9)), "b starts at byte 5 of the data"},
      {file_of("{" + a + "," + entry("b", "F32", "1", "2,6") + "}", noise(6)), "b starts at byte 2 of the data"},
      {file_of("{" + entry("a", "F32", "2", "0,8") + "," + entry("b", "U8", "1", "3,4") + "}", noise(8)),
       "b starts at byte 3 of the data"},
      {file_of("{" + entry("a", "F32", "0", "8,8") + "}"), "a starts at byte 8 of the data"},
      {file_of(R"({"__metadata__":[]})"), "expected an object"},
      {file_of(R"({"__metadata__":{"a":1}})"), "expected a string"},
      {file_of(R"({"__metadata__":{"a":{}}})"), "expected a string"},
      {file_of(R"({"__metadata__":{"a":null}})"), "expected a string"},
      {file_of(R"({"__metadata__":{"a":"","a":""}})"), "has the metadata a twice"},
      {file_of(R"({"__metadata__":{},"__metadata__":{}})"), "has __metadata__ twice"},
  };
  const TemporaryFolder folder;
  const std::string path = folder / "bad.safetensors";
  for (auto const& c : cases) {
    CAPTURE(c.error);
    write_file(path, c.bytes);
    CHECK_THROWS_WITH_AS(SafeTensors{path}, Contains(c.error), error);
    CHECK_THROWS_WITH_AS(SafeTensors{path}, Contains("bad.safetensors"), error);
  }
  CHECK_THROWS_WITH_AS(SafeTensors{folder / "nowhere.safetensors"}, Contains("nowhere.safetensors"), error);
}

TEST_CASE("what the writer is given must be what a reader takes, and a refusal leaves the old file") {
  const TemporaryFolder folder;
  const std::string path = folder / "t.safetensors", four = noise(4);
  write_file(path, "old");
  const auto refuses = [&](std::vector<SafeTensor> const& tensors, SafeTensors::Metadata const& metadata,
                           const char* why) {
    CHECK_THROWS_WITH_AS(write_safetensors(path, tensors, metadata), Contains(why), error);
    CHECK(read_file(path) == "old");
    CHECK(folder.names().size() == 1);
  };
  refuses({tensor("a", "F32", {2}, four)}, {}, "a of F32 [2] with 4 bytes");
  refuses({tensor("a", "F31", {1}, four)}, {}, "a of F31 [1] with 4 bytes");
  refuses({tensor("a", "F32", {1}, four), tensor("a", "I8", {4}, four)}, {}, "the tensor a twice");
  refuses({tensor("__metadata__", "F32", {1}, four)}, {}, "the tensor __metadata__ twice");
  refuses({tensor("\xff", "F32", {1}, four)}, {}, "expected well-formed UTF-8");
  refuses({}, {{"k", "v"}, {"k", "w"}}, "the metadata k twice");
  refuses({}, {{"k", "\x80"}}, "expected well-formed UTF-8");
}

TEST_CASE("an index and its shards read as one file, by its own path or by the folder's") {
  const TemporaryFolder folder;
  const std::string index = folder / "model.safetensors.index.json", four = noise(4), eight = noise(8);
  write_safetensors(folder / "one", {tensor("a", "F32", {1}, four), tensor("b", "F32", {2}, eight)});
  write_safetensors(folder / "two", {tensor("c", "F32", {1}, four)});
  const auto write_index = [&](std::string const& map) {
    write_file(index, R"({"metadata":{"total_size":16},"weight_map":{)" + map + "}}");
  };
  write_index(R"("c":"two","a":"one","b":"one")");
  for (std::string const& path : {index, folder.path()}) {
    const SafeTensors read(path);
    CHECK(read.tensors().size() == 3);
    CHECK(bytes_of(*read.find("b")) == eight);
    CHECK(bytes_of(*read.find("c")) == four);
  }
  struct Case {
    const char *map, *error;
  };
  const Case cases[] = {
      {R"("a":"one","b":"one","c":"one","d":"two")", "the tensor c is not in the shard that the index names"},
      {R"("a":"one","c":"two")", "a shard has the tensor b, which the index does not name"},
      {R"("a":"one","a":"one","c":"two")", "the index names the tensor a twice"},
      {R"("a":"one","b":"one","c":"three")", "three is missing"},
      {R"("a":"../one")", "puts a into '../one'"},
      {R"("a":"/etc/passwd")", "puts a into '/etc/passwd'"},
      {R"("a":"x\\one")", "puts a into 'x\\one'"},
      {R"("a":"..")", "puts a into '..'"},
      {R"("a":".")", "puts a into '.'"},
      {R"("a":"")", "puts a into ''"},
      {R"("a":"one\u0000")", "puts a into 'one"},
      {R"("a":1)", "expected a string"},
  };
  for (auto const& c : cases) {
    CAPTURE(c.map);
    write_index(c.map);
    CHECK_THROWS_WITH_AS(SafeTensors{index}, Contains(c.error), error);
  }
  // Names of what is gone are told, and are no error: a model that needs them will miss them.
  write_index(R"("d":"two","a":"one","b":"one","c":"two","e":"one")");
  const SafeTensors gone(index);
  CHECK(gone.tensors().size() == 3);
  CHECK(gone.find("d") == nullptr);
  CHECK(gone.stale() == std::vector<std::string>{"d", "e"});
  write_file(index, "{}");
  CHECK_THROWS_WITH_AS(SafeTensors{index}, Contains("has no weight_map"), error);
  write_file(index, R"({"weight_map":{},"weight_map":{}})");
  CHECK_THROWS_WITH_AS(SafeTensors{index}, Contains("has weight_map twice"), error);
  write_safetensors(folder / "two", {tensor("a", "F32", {1}, four)});
  write_index(R"("a":"one","b":"one","c":"two")");
  CHECK_THROWS_WITH_AS(SafeTensors{index}, Contains("has the tensor a twice"), error);

  const TemporaryFolder empty;
  CHECK_THROWS_WITH_AS(SafeTensors{empty.path()}, Contains("has no weights"), error);
}

TEST_CASE("files from elsewhere: one is sound, one claims a range that its shape does not fill") {
  const char* shared = std::getenv("FAUNA_SHARED_DIR");
  if (shared == nullptr) {
    std::printf("skipped: $FAUNA_SHARED_DIR, which has files from elsewhere, is not set\n");
    return;
  }
  const std::string folder = std::string(shared) + "/data/safetensors/";
  const SafeTensors sound(folder + "model.safetensors");
  CHECK(sound.find("weight1")->shape == std::vector<std::size_t>{8, 8});
  CHECK(sound.find("weight2")->bytes == 2048);
  for (const float x : floats_of(sound.find("weight1"))) CHECK(std::isfinite(x));
  CHECK_THROWS_WITH_AS(SafeTensors{folder + "abuse_attempt_1.safetensors"}, Contains("abuse_attempt_1"), error);
}

}  // namespace test_safetensors
