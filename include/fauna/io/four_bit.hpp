// Numbers in four bits as PyPI's bitsandbytes saves them, NF4 and FP4 alike (Dettmers et al. 2023, "QLoRA", section 3):
//   NAME                    the codes, two in a byte, the first in the high half; the bytes may be those of any dtype
//   NAME.absmax             F32 [blocks]: of each block of numbers, which passes over the ends of rows
//   NAME.quant_map          F32 [16]: the number of a code
//   NAME.quant_state.bitsandbytes__nf4, or __fp4      U8: JSON with shape, dtype, blocksize, and
// where the absmax are in eight bits themselves ("double quantisation"), absmax U8 and
//   NAME.nested_absmax F32, NAME.nested_quant_map F32 [256], nested_blocksize and nested_offset in the JSON:
//   absmax = nested_quant_map[byte] nested_absmax + nested_offset
// A number is quant_map[code] absmax, rounded to f32 and then to dtype, which is what bitsandbytes makes of it, but for
// the sign of a zero in FP4, of which its kernels have two opinions. They become one tensor, NAME, whose numbers
// `read_floats` reads.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <fauna/core/dtype.hpp>
#include <fauna/core/error.hpp>
#include <fauna/io/json.hpp>
#include <fauna/io/safetensors_header.hpp>

namespace fauna::inline v0 {

/// What such tensors are called in place of a dtype: by the dtype that the numbers are rounded to.
inline constexpr std::string_view four_bit_f32 = "4 bits with absmax", four_bit_f16 = "4 bits with absmax, of F16",
                                  four_bit_bf16 = "4 bits with absmax, of BF16";
constexpr bool is_four_bit(std::string_view dtype) {
  return dtype == four_bit_f32 || dtype == four_bit_f16 || dtype == four_bit_bf16;
}

namespace four_bit_detail {

/// What the JSON says.
struct State {
  std::string dtype{};
  std::vector<std::size_t> shape{};
  std::size_t block = 0, nested_block = 0;
  float offset = 0;

  static State of(SafeTensor const& t) {
    State s;
    const std::string_view text(reinterpret_cast<const char*>(t.data), t.bytes);
    JsonReader in(text, t.name);
    const auto size = [&in] {
      const long long n = in.integer();
      return n > 0 && n < (1LL << 40) ? static_cast<std::size_t>(n) : 0;
    };
    in.enter_object();
    for (std::string key; in.next_key(key);) {
      if (key == "dtype") s.dtype = in.string();
      else if (key == "blocksize") s.block = size();
      else if (key == "nested_blocksize") s.nested_block = size();
      else if (key == "nested_offset") s.offset = static_cast<float>(in.number());
      else if (key == "shape")
        for (in.enter_array(); in.next_item();) s.shape.push_back(size());
      else in.skip();
    }
    in.end();
    return s;
  }
};

inline float number(SafeTensor const& t, std::size_t i) {
  float x;
  std::memcpy(&x, t.data + i * sizeof x, sizeof x);
  return x;
}

/// The parts of a tensor are quant_state, quant_map, absmax, and of nested ones nested_quant_map and nested_absmax.
template <class T> void read(SafeTensor const& t, std::size_t from, std::size_t n, T* to) {
  const State s = State::of(t.parts[0]);
  SafeTensor const &map = t.parts[1], &absmax = t.parts[2];
  const auto absmax_of = [&](std::size_t block) {
    if (t.parts.size() == 3) return number(absmax, block);
    // Rounded once for the product and once for the sum, whatever a compiler would contract.
    const double product = static_cast<double>(number(t.parts[3], static_cast<std::size_t>(absmax.data[block]))) *
                           static_cast<double>(number(t.parts[4], block / s.nested_block));
    return static_cast<float>(product) + s.offset;
  };
  std::size_t block = from / s.block;
  float most = n > 0 ? absmax_of(block) : 0;
  for (std::size_t i = from; i < from + n; ++i) {
    if (i / s.block != block) most = absmax_of(block = i / s.block);
    const auto code = static_cast<unsigned>(t.data[i / 2]) >> (i % 2 == 0 ? 4 : 0) & 15U;
    const float x = number(map, code) * most;
    *to++ = static_cast<T>(t.dtype == four_bit_bf16  ? static_cast<float>(bf16(x))
                           : t.dtype == four_bit_f16 ? static_cast<float>(f16(x))
                                                     : x);
  }
}

/// Makes t one tensor with those that belong to it, and adds them to `taken`; find(name) is a tensor or null. Throws
/// where they are of another shape or type than it wants.
template <class Find>
void join(std::string const& path, SafeTensor& t, Find&& find, std::vector<const SafeTensor*>& taken) {
  const SafeTensor* state = nullptr;
  for (const char* type : {"nf4", "fp4"})
    if (state == nullptr) state = find(t.name + ".quant_state.bitsandbytes__" + type);
  if (state == nullptr) return;
  const auto add = [&](SafeTensor const* part, const char* end, std::string const& expected) {
    if (part == nullptr || (!expected.empty() && part->text() != expected))
      fail("tensors", path + " has " + (part == nullptr ? "no " + t.name + end : part->name + ' ' + part->text()),
           expected, "what belongs to " + t.name + ' ' + t.text());
    taken.push_back(part);
    t.parts.push_back(*part);
  };
  const State s = State::of(*state);
  const auto wrong = [&](std::string const& found, std::string const& expected) {
    fail("tensors", path + " has " + state->name + " with " + found, expected);
  };
  std::size_t count = s.shape.empty() ? 0 : 1;
  for (const std::size_t d : s.shape) count = d != 0 && count < (std::size_t{1} << 48) / d ? count * d : 0;
  if (count == 0 || (count + 1) / 2 != t.bytes)
    wrong(std::to_string(s.shape.size()) + " dimensions of " + std::to_string(count) + " numbers for " +
              std::to_string(t.bytes) + " bytes",
          "as many numbers as there are codes");
  if (s.block == 0) wrong("blocksize 0", "1 or more");
  if (s.dtype != "float32" && s.dtype != "float16" && s.dtype != "bfloat16")
    wrong("dtype " + s.dtype, "float32, float16 or bfloat16");
  const auto f32 = [](std::size_t n) { return "F32 [" + std::to_string(n) + ']'; };
  const std::size_t blocks = (count + s.block - 1) / s.block;
  const SafeTensor* absmax = find(t.name + ".absmax");
  const bool nested = absmax != nullptr && absmax->dtype == "U8";
  add(state, "", "");
  add(find(t.name + ".quant_map"), ".quant_map", f32(16));
  add(absmax, ".absmax", nested ? "U8 [" + std::to_string(blocks) + ']' : f32(blocks));
  if (nested) {
    if (s.nested_block == 0) wrong("nested_blocksize 0", "1 or more");
    add(find(t.name + ".nested_quant_map"), ".nested_quant_map", f32(256));
    add(find(t.name + ".nested_absmax"), ".nested_absmax", f32((blocks + s.nested_block - 1) / s.nested_block));
  }
  t.dtype = s.dtype == "bfloat16" ? four_bit_bf16 : s.dtype == "float16" ? four_bit_f16 : four_bit_f32;
  t.shape = s.shape;
}

}  // namespace four_bit_detail

}  // namespace fauna::inline v0
