// The weight [out, in] of a linear layer in integers, or bytes of E4M3, times the scale of their group, in several
// tensors. Codes of b bits lie one after another in words of 32 bits, the least significant first, across words too.
//   GPTQ     .qweight I32 [in b/32, out], .qzeros I32 [groups, out b/32], .scales [groups, out], .g_idx I32 [in]:
//            W = scale (q - zero), where the files have zero - 1, or, "v2", zero (Frantar et al. 2022, section 3; the
//            layout is AutoGPTQ's); 2, 3, 4 or 8 bits. A file whose zeros are all 2^(b-1) is taken for v2, any other
//            for v1, where a zero of 0 is all ones
//   AWQ      .qweight I32 [in, out/8], .qzeros I32 [groups, out/8], .scales [groups, out]: 4 bits, of eight columns in
//            the order 0 2 4 6 1 3 5 7 (Lin et al. 2023; the layout is AutoAWQ's "gemm")
//   packed   .weight_packed I32 [out, in b/32], .weight_scale [out, groups], .weight_shape I64 [2], .weight_zero_point
//            I32 [out b/32, groups] or none, .weight_g_idx I32 [in] or none: W = scale (q - zero), both codes less
//            2^(b-1) (compressed-tensors' "pack-quantized")
//   bytes    .weight I8 or F8_E4M3 [out, in], .weight_scale of one number, of each row, or [out, groups],
//            .weight_zero_point I8 or none (its "int-quantized", "float-quantized"); .weight I8, .SCB F32 [out]:
//            W = q scale / 127 (Dettmers et al. 2022, "LLM.int8()", section 2.1; the layout is bitsandbytes')
// They become one tensor, NAME.weight, whose numbers `read_floats` reads.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <fauna/core/dtype.hpp>
#include <fauna/core/error.hpp>
#include <fauna/core/float8.hpp>
#include <fauna/io/safetensors_header.hpp>

namespace fauna::inline v0 {

/// What such tensors are called in place of a dtype.
inline constexpr std::string_view grouped_gptq = "GPTQ with scales", grouped_gptq2 = "GPTQ v2 with scales",
                                  grouped_awq = "AWQ with scales", grouped_packed = "packed integers with scales",
                                  grouped_int8 = "I8 with scales of rows", grouped_fp8 = "F8_E4M3 with scales of rows",
                                  grouped_scb = "I8 with largest values of rows";
constexpr bool is_grouped(std::string_view dtype) {
  return dtype == grouped_gptq || dtype == grouped_gptq2 || dtype == grouped_awq || dtype == grouped_packed ||
         dtype == grouped_int8 || dtype == grouped_fp8 || dtype == grouped_scb;
}

namespace grouped_detail {

template <class T> T at(const std::byte* data, std::size_t i) {
  T x;
  std::memcpy(&x, data + i * sizeof x, sizeof x);
  return x;
}
/// Byte i as I8 has it.
inline int signed_byte(const std::byte* data, std::size_t i) {
  const int v = at<std::uint8_t>(data, i);
  return v < 128 ? v : v - 256;
}
/// Number i of a tensor of F32, F16 or BF16.
inline float number(SafeTensor const& t, std::size_t i) {
  if (t.dtype == "F16") return static_cast<float>(at<f16>(t.data, i));
  if (t.dtype == "BF16") return static_cast<float>(at<bf16>(t.data, i));
  return at<float>(t.data, i);
}

/// Code i of a stream of them whose words lie `stride` words apart.
inline int code(const std::byte* words, std::size_t stride, std::size_t i, unsigned bits) {
  const std::size_t first = i * bits / 32;
  const auto shift = static_cast<unsigned>(i * bits % 32);
  std::uint64_t w = at<std::uint32_t>(words, first * stride);
  if (shift + bits > 32) w |= std::uint64_t{at<std::uint32_t>(words, (first + 1) * stride)} << 32;
  return static_cast<int>(w >> shift & ((1U << bits) - 1));
}
/// The place in a word of column c of eight, in AWQ's order.
constexpr std::size_t awq_place(std::size_t c) { return c / 8 * 8 + (c % 2 == 0 ? c % 8 / 2 : 4 + c % 8 / 2); }

/// Bits of a code, where `count` of them take `words` words; 0 where there are none.
constexpr unsigned bits_of(std::size_t count, std::size_t words) {
  if (count > 0 && words * 32 % count == 0 && words * 32 / count <= 8) return static_cast<unsigned>(words * 32 / count);
  for (unsigned bits = 1; bits <= 8; ++bits)
    if (count >= 32 && (count * bits + 31) / 32 == words) return bits;
  return 0;
}

inline bool is_float(SafeTensor const& t) { return t.dtype == "F32" || t.dtype == "F16" || t.dtype == "BF16"; }

/// What the parts of a tensor are: scales, zeros or null, groups of columns or null.
struct Parts {
  SafeTensor const& scales;
  const SafeTensor* zeros = nullptr;
  const SafeTensor* order = nullptr;

  explicit Parts(SafeTensor const& t) : scales(t.parts[0]) {
    for (std::size_t i = 1; i < t.parts.size(); ++i)
      (t.parts[i].shape.size() == 1 && t.parts[i].dtype == "I32" ? order : zeros) = &t.parts[i];
  }
};

template <class T> void read(SafeTensor const& t, std::size_t from, std::size_t n, T* to) {
  const Parts p(t);
  const std::size_t out = t.shape[0], in = t.shape[1];
  const bool awq = t.dtype == grouped_awq, packed = t.dtype == grouped_packed, fp8 = t.dtype == grouped_fp8;
  const bool by_columns = awq || t.dtype == grouped_gptq || t.dtype == grouped_gptq2;
  const std::size_t groups = by_columns ? p.scales.shape[0] : p.scales.shape.size() == 2 ? p.scales.shape[1] : 1;
  const bool one = p.scales.elements() == 1;
  const std::size_t size = (in + groups - 1) / groups;  // of a group
  const unsigned bits = awq          ? 4
                        : by_columns ? bits_of(out, p.zeros->shape[1])
                        : packed     ? bits_of(in, t.bytes / 4 / out)
                                     : 8;
  const int middle = 1 << (bits - 1);
  std::size_t row = out, group = groups;  // of the scale and the zero at hand
  float scale = 0;
  int zero = 0;
  for (std::size_t i = from; i < from + n; ++i) {
    const std::size_t o = i / in, c = i % in;
    const std::size_t g = p.order != nullptr ? at<std::uint32_t>(p.order->data, c) : c / size;
    if (o != row || g != group) {
      row = o;
      group = g;
      scale = number(p.scales, by_columns ? g * out + o : one ? 0 : o * groups + g);
      if (t.dtype == grouped_scb) scale /= 127;
      if (awq) zero = code(p.zeros->data + g * out / 2, 1, awq_place(o), 4);
      else if (by_columns)
        zero = (code(p.zeros->data + g * p.zeros->shape[1] * 4, 1, o, bits) + (t.dtype == grouped_gptq ? 1 : 0)) &
               (2 * middle - 1);
      else if (p.zeros == nullptr) zero = 0;
      else if (packed) zero = code(p.zeros->data + g * 4, groups, o, bits) - middle;
      else zero = signed_byte(p.zeros->data, one ? 0 : o * groups + g);
    }
    if (fp8) {
      *to++ = static_cast<T>(static_cast<float>(e4m3::of(static_cast<std::uint8_t>(t.data[i]))) * scale);
      continue;
    }
    const int q = awq          ? code(t.data + c * out / 2, 1, awq_place(o), 4)
                  : by_columns ? code(t.data + o * 4, out, c, bits)
                  : packed     ? code(t.data + o * (t.bytes / out), 1, c, bits) - middle
                               : signed_byte(t.data, i);
    *to++ = static_cast<T>(static_cast<float>(q - zero) * scale);
  }
}

/// Makes t one tensor with those that belong to it, and adds them to `taken`; find(name) is a tensor or null.
/// Throws where they are of another shape or type than it wants.
template <class Find>
void join(std::string const& path, SafeTensor& t, Find&& find, std::vector<const SafeTensor*>& taken) {
  const auto wrong = [&](std::string const& found, std::string const& expected) {
    fail("tensors", path + " has " + found, expected, "what belongs to " + t.name + ' ' + t.text());
  };
  if (t.shape.size() != 2 || t.elements() == 0) return;
  // How a server rounds activations is nothing here.
  const auto drop_activations = [&](std::string const& name) {
    for (const char* part : {"input_scale", "input_zero_point"})
      if (const SafeTensor* s = find(name + part)) taken.push_back(s);
  };
  const auto base = [&](std::string_view end) { return t.name.substr(0, t.name.size() - end.size()); };
  const auto add = [&](SafeTensor const& part, bool fits, std::string const& expected) {
    if (!fits) wrong(part.name + ' ' + part.text(), expected);
    t.parts.push_back(part);
    taken.push_back(&part);
  };
  const auto add_order = [&](std::string const& name, std::size_t in, std::size_t groups) {
    const SafeTensor* order = find(name);
    if (order == nullptr) return;
    add(*order, order->dtype == "I32" && order->shape.size() == 1 && order->shape[0] == in,
        "I32 [" + std::to_string(in) + "]");
    for (std::size_t c = 0; c < in; ++c)
      if (at<std::uint32_t>(order->data, c) >= groups)
        wrong(name + " with the group " + std::to_string(at<std::int32_t>(order->data, c)),
              "groups below " + std::to_string(groups));
  };
  const auto becomes = [&](std::string const& name, std::string_view dtype, std::size_t out, std::size_t in) {
    t.name = name;
    t.dtype = dtype;
    t.shape = {out, in};
  };

  if (t.dtype == "I32" && t.name.ends_with(".qweight")) {
    const std::string name = base("qweight");
    const SafeTensor *scales = find(name + "scales"), *zeros = find(name + "qzeros");
    if (scales == nullptr || zeros == nullptr) return;
    add(*scales, is_float(*scales) && scales->shape.size() == 2 && scales->elements() > 0, "numbers [groups, out]");
    const std::size_t groups = scales->shape[0], out = scales->shape[1];
    const bool awq = t.shape[1] != out;
    const unsigned bits = awq ? 4 : zeros->shape.size() == 2 ? bits_of(out, zeros->shape[1]) : 0;
    const bool known = bits == 2 || bits == 3 || bits == 4 || bits == 8;
    const std::size_t words = out * bits / 32;
    add(*zeros,
        known && out * bits % 32 == 0 && zeros->dtype == "I32" && zeros->shape.size() == 2 &&
            zeros->shape[0] == groups && zeros->shape[1] == words,
        "I32 [" + std::to_string(groups) + ", words of " + std::to_string(out) + " codes of 2, 3, 4 or 8 bits]");
    const std::size_t in = awq ? t.shape[0] : t.shape[0] * 32 / bits;
    if (awq ? t.shape[1] != words : t.shape[0] * 32 % bits != 0)
      wrong(t.name + ' ' + t.text(), "one of GPTQ's or AWQ's shapes");
    if (!awq) add_order(name + "g_idx", in, groups);
    if (in % groups != 0 && t.parts.size() < 3)
      wrong(scales->name + ' ' + scales->text(), "groups of the same size of " + std::to_string(in) + " columns");
    bool middle = true;  // some writers call v1 what has zeros and not zeros - 1: symmetric codes show it
    for (std::size_t i = 0; !awq && i < groups * out; ++i)
      middle = middle && code(zeros->data, 1, i, bits) == 1 << (bits - 1);
    becomes(name + "weight", awq ? grouped_awq : middle ? grouped_gptq2 : grouped_gptq, out, in);
  } else if (t.dtype == "I32" && t.name.ends_with(".weight_packed")) {
    const std::string name = base("_packed");
    const SafeTensor *scales = find(name + "_scale"), *shape = find(name + "_shape");
    if (scales == nullptr || shape == nullptr) return;
    if (shape->dtype != "I64" || shape->elements() != 2) wrong(shape->name + ' ' + shape->text(), "I64 [2]");
    const auto out = at<std::uint64_t>(shape->data, 0), in = at<std::uint64_t>(shape->data, 1);
    const unsigned bits = in < std::uint64_t{1} << 48 ? bits_of(in, t.shape[1]) : 0;
    if (out != t.shape[0] || bits == 0)
      wrong(shape->name + " of " + std::to_string(out) + " x " + std::to_string(in), "what so many words are of");
    add(*scales,
        is_float(*scales) && scales->shape.size() == 2 && scales->shape[0] == out && scales->shape[1] > 0 &&
            (in % scales->shape[1] == 0 || find(name + "_g_idx") != nullptr),
        "numbers [" + std::to_string(out) + ", groups of the same size]");
    const std::size_t groups = scales->shape[1], words = (out * bits + 31) / 32;
    if (const SafeTensor* zeros = find(name + "_zero_point"))
      add(*zeros,
          zeros->dtype == "I32" && zeros->shape.size() == 2 && zeros->shape[0] == words && zeros->shape[1] == groups,
          "I32 [" + std::to_string(words) + ", " + std::to_string(groups) + "]");
    add_order(name + "_g_idx", in, groups);
    taken.push_back(shape);
    drop_activations(base("weight_packed"));
    becomes(name, grouped_packed, out, in);
  } else if ((t.dtype == "I8" || t.dtype == "F8_E4M3") && t.name.ends_with(".weight")) {
    const std::size_t out = t.shape[0], in = t.shape[1];
    if (const SafeTensor* largest = t.dtype == "I8" ? find(base("weight") + "SCB") : nullptr) {
      add(*largest, largest->dtype == "F32" && largest->shape.size() == 1 && largest->shape[0] == out,
          "F32 [" + std::to_string(out) + "]");
      if (const SafeTensor* format = find(t.name + "_format")) {
        if (format->dtype != "U8" || format->elements() != 1 || format->data[0] != std::byte{0})
          wrong(format->name + ' ' + format->text(), "a 0, for rows");
        taken.push_back(format);
      }
      return becomes(t.name, grouped_scb, out, in);
    }
    const SafeTensor* scales = find(t.name + "_scale");
    if (scales == nullptr) return;
    const bool one = scales->elements() == 1;
    add(*scales,
        is_float(*scales) && (one || (scales->shape.size() <= 2 && !scales->shape.empty() && scales->shape[0] == out &&
                                      scales->elements() > 0 && in % (scales->elements() / out) == 0)),
        "numbers [1], [" + std::to_string(out) + "] or [" + std::to_string(out) + ", groups]");
    if (const SafeTensor* zeros = find(t.name + "_zero_point"))
      add(*zeros, t.dtype == "I8" && zeros->dtype == "I8" && zeros->elements() == scales->elements(),
          "I8 in the shape of " + scales->name);
    drop_activations(base("weight"));
    becomes(t.name, t.dtype == "I8" ? grouped_int8 : grouped_fp8, out, in);
  }
}

}  // namespace grouped_detail

}  // namespace fauna::inline v0
