// Linear layers in integers of groups, against what the libraries that write them make of them
// (tools/oracles/grouped_files.py).
#include <doctest/doctest.h>

#include <cstring>
#include <fauna/io/safetensors.hpp>

#include <vector>

#include "../support/source_dir.hpp"
#include "../support/temporary.hpp"

namespace test_grouped {

using namespace fauna;
using doctest::Contains;

namespace {

std::string golden() { return test::source_path("tests/golden/scaled/grouped.safetensors"); }

}  // namespace

TEST_CASE("grouped: every layout is what its library makes of it, bit for bit, from any number on") {
  const SafeTensors file(golden());
  int layers = 0;
  for (auto const& [name, dtype] : {std::pair{"gptq4", "GPTQ with scales [40, 64]"},
                                    {"gptq4_order", "GPTQ with scales [40, 64]"},
                                    {"gptq3", "GPTQ with scales [64, 64]"},
                                    {"gptq8", "GPTQ with scales [40, 64]"},
                                    {"gptq2_v2", "GPTQ v2 with scales [48, 64]"},
                                    {"awq", "AWQ with scales [40, 64]"},
                                    {"packed4", "packed integers with scales [40, 64]"},
                                    {"packed4_zeros", "packed integers with scales [40, 64]"},
                                    {"packed3", "packed integers with scales [40, 64]"},
                                    {"bytes", "I8 with scales of rows [40, 64]"},
                                    {"fp8", "F8_E4M3 with scales of rows [40, 64]"},
                                    {"scb", "I8 with largest values of rows [40, 64]"}}) {
    const std::string layer = name;
    CAPTURE(layer);
    const SafeTensor *t = file.find(layer + ".weight"), *wanted = file.find(layer + ".wanted");
    REQUIRE(t != nullptr);
    REQUIRE(wanted != nullptr);
    CHECK(t->text() == dtype);
    CHECK(has_floats(t->dtype));
    std::vector<float> found(t->elements()), want(t->elements());
    read_floats(*t, 0, found.size(), found.data());
    read_floats(*wanted, 0, want.size(), want.data());
    CHECK(std::memcmp(found.data(), want.data(), want.size() * sizeof(float)) == 0);
    std::vector<double> some(100);
    read_floats(*t, 77, some.size(), some.data());
    for (std::size_t i = 0; i < some.size(); ++i) CHECK(some[i] == static_cast<double>(want[77 + i]));
    layers += 2;
  }
  CHECK(file.tensors().size() == static_cast<std::size_t>(layers));  // the parts are no tensors of their own any more
}

TEST_CASE("four bits: NF4 and FP4, with double quantisation and without, are bitsandbytes' numbers") {
  const SafeTensors file(test::source_path("tests/golden/scaled/four_bit.safetensors"));
  for (auto const& [name, text] : {std::pair{"nf4", "4 bits with absmax [24, 40]"},
                                   {"stored", "4 bits with absmax [24, 40]"},  // in bytes of BF16
                                   {"nf4_nested", "4 bits with absmax, of BF16 [40, 500]"},
                                   {"nf4_f16", "4 bits with absmax, of F16 [16, 33]"},
                                   {"fp4", "4 bits with absmax, of F16 [7, 13]"},
                                   {"fp4_nested", "4 bits with absmax [9, 70]"}}) {
    const std::string layer = name;
    CAPTURE(layer);
    const SafeTensor *t = file.find(layer + ".weight"), *wanted = file.find(layer + ".wanted");
    REQUIRE(t != nullptr);
    REQUIRE(wanted != nullptr);
    CHECK(t->text() == text);
    std::vector<float> found(t->elements()), want(wanted->elements());
    REQUIRE(found.size() == want.size());
    read_floats(*t, 0, found.size(), found.data());
    read_floats(*wanted, 0, want.size(), want.data());
    CHECK(found == want);  // bit for bit, but that -0 is 0
    std::vector<double> some(70);
    read_floats(*t, 21, some.size(), some.data());
    for (std::size_t i = 0; i < some.size(); ++i) CHECK(some[i] == static_cast<double>(want[21 + i]));
  }
  CHECK(file.tensors().size() == 12);  // the parts are no tensors of their own any more
}

TEST_CASE("four bits: parts that are missing or of another shape are refused by name") {
  const TemporaryFolder place;
  const std::string path = place / "w.safetensors";
  const std::vector<std::byte> zeros(1024);
  const auto tensor = [&](const char* name, const char* dtype, std::vector<std::size_t> shape) {
    SafeTensor t;
    t.name = name;
    t.dtype = dtype;
    t.shape = shape;
    t.data = zeros.data();
    t.bytes = t.elements() * safetensors_detail::bits_of(dtype) / 8;
    return t;
  };
  const auto refused = [&](std::string const& state, std::vector<SafeTensor> tensors, const char* text) {
    CAPTURE(state);
    SafeTensor t = tensor("m.weight.quant_state.bitsandbytes__nf4", "U8", {state.size()});
    t.data = reinterpret_cast<const std::byte*>(state.data());
    tensors.push_back(t);
    write_safetensors(path, tensors);
    CHECK_THROWS_WITH_AS(SafeTensors{path}, Contains(text), error);
  };
  const std::string state = R"({"quant_type": "nf4", "blocksize": 64, "dtype": "float32", "shape": [4, 32]})";
  const auto w = tensor("m.weight", "U8", {64, 1}), map = tensor("m.weight.quant_map", "F32", {16}),
             absmax = tensor("m.weight.absmax", "F32", {2});
  refused(state, {w, absmax}, "no m.weight.quant_map, expected F32 [16]");
  refused(state, {w, map, tensor("m.weight.absmax", "F32", {3})}, "m.weight.absmax F32 [3], expected F32 [2]");
  refused(state, {w, map, tensor("m.weight.absmax", "U8", {2})}, "nested_blocksize 0, expected 1 or more");
  refused(state, {tensor("m.weight", "U8", {63, 1}), map, absmax}, "128 numbers for 63 bytes");
  refused(R"({"blocksize": 0, "dtype": "float32", "shape": [4, 32]})", {w, map, absmax}, "blocksize 0");
  refused(R"({"blocksize": 64, "dtype": "int8", "shape": [4, 32]})", {w, map, absmax}, "dtype int8, expected float32");
  refused("{", {w, map, absmax}, "m.weight.quant_state.bitsandbytes__nf4");
}

TEST_CASE("grouped: parts of another shape, type or group are refused by name; parts alone stay what they are") {
  const TemporaryFolder place;
  const std::string path = place / "w.safetensors";
  const std::vector<std::byte> zeros(4096);
  std::vector<std::int32_t> order(32, 1);
  const auto tensor = [&](const char* name, const char* dtype, std::vector<std::size_t> shape) {
    SafeTensor t;
    t.name = name;
    t.dtype = dtype;
    t.shape = shape;
    t.data = zeros.data();
    t.bytes = t.elements() * safetensors_detail::bits_of(dtype) / 8;
    return t;
  };
  const auto refused = [&](std::vector<SafeTensor> tensors, const char* text) {
    write_safetensors(path, tensors);
    CHECK_THROWS_WITH_AS(SafeTensors{path}, Contains(text), error);
  };
  const auto q = tensor("m.qweight", "I32", {4, 32}), z = tensor("m.qzeros", "I32", {2, 4}),
             s = tensor("m.scales", "F16", {2, 32});
  write_safetensors(path, {q, z, s});
  CHECK(SafeTensors(path).find("m.weight")->text() == "GPTQ with scales [32, 32]");
  write_safetensors(path, {q, s});
  CHECK(SafeTensors(path).tensors().size() == 2);
  refused({q, tensor("m.qzeros", "I32", {3, 4}), s},
          "m.qzeros I32 [3, 4], expected I32 [2, words of 32 codes of 2, 3, 4 or 8");
  refused({q, tensor("m.qzeros", "F32", {2, 4}), s}, "m.qzeros F32 [2, 4], expected I32 [2,");
  refused({q, z, tensor("m.scales", "F64", {2, 32})}, "m.scales F64 [2, 32], expected numbers [groups, out]");
  refused({tensor("m.qweight", "I32", {4, 31}), z, s}, "m.qweight I32 [4, 31], expected one of GPTQ's or AWQ's");
  refused({q, tensor("m.qzeros", "I32", {3, 4}), tensor("m.scales", "F16", {3, 32})}, "expected groups of the same");
  SafeTensor g = tensor("m.g_idx", "I32", {32});
  g.data = reinterpret_cast<const std::byte*>(order.data());
  write_safetensors(path, {q, z, s, g});
  CHECK(SafeTensors(path).find("m.weight")->parts.size() == 3);
  order[7] = 2;
  refused({q, z, s, g}, "m.g_idx with the group 2, expected groups below 2");
  order[7] = -1;
  refused({q, z, s, g}, "m.g_idx with the group -1, expected groups below 2");
  refused({q, z, s, tensor("m.g_idx", "I32", {31})}, "m.g_idx I32 [31], expected I32 [32]");

  refused({tensor("m.weight_packed", "I32", {3, 4}), tensor("m.weight_scale", "F16", {3, 2}),
           tensor("m.weight_shape", "I64", {2})},
          "m.weight_shape of 0 x 0, expected what so many words are of");
  refused({tensor("m.weight", "I8", {3, 4}), tensor("m.weight_scale", "F32", {4})},
          "m.weight_scale F32 [4], expected numbers [1], [3] or [3, groups]");
  refused({tensor("m.weight", "I8", {3, 4}), tensor("m.SCB", "F32", {4})}, "m.SCB F32 [4], expected F32 [3]");
}

}  // namespace test_grouped
