// Numbers in a few bits whose scales lie in a tensor of their own, as safetensors of quantised models have them:
//   MXFP4  NAME_blocks U8 [..., n, 16], NAME_scales U8 [..., n]: blocks of 32 numbers of E2M1, two in a byte, the first
//          in the low half, times 2^(scale - 127) (OCP Microscaling Formats 1.0, section 5.3); gpt-oss's experts
//   FP8    NAME F8_E4M3 [R, C], NAME_scale_inv F32 [⌈R/128⌉, ⌈C/128⌉]: numbers of E4M3 times the scale of their square
//          (DeepSeek-AI 2024, "DeepSeek-V3 technical report", section 3.3.2)
// and numbers in four bits (io/four_bit.hpp), and a linear layer's weight in integers of groups (io/grouped.hpp). They
// become one tensor, whose numbers `read_floats` reads.
#pragma once
#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <fauna/core/error.hpp>
#include <fauna/core/float8.hpp>
#include <fauna/io/four_bit.hpp>
#include <fauna/io/grouped.hpp>
#include <fauna/io/safetensors_header.hpp>

namespace fauna::inline v0 {

/// What such tensors are called in place of a dtype.
inline constexpr std::string_view scaled_mxfp4 = "MXFP4 with scales", scaled_fp8 = "F8_E4M3 with scales";
constexpr bool is_scaled(std::string_view dtype) {
  return dtype == scaled_mxfp4 || dtype == scaled_fp8 || is_grouped(dtype) || is_four_bit(dtype);
}

namespace scaled_detail {

inline constexpr std::size_t block = 32, square = 128;

/// The value of a code of E2M1.
inline float e2m1_value(unsigned code) {
  constexpr float values[16] = {0, 0.5F, 1, 1.5F, 2, 3, 4, 6, -0.0F, -0.5F, -1, -1.5F, -2, -3, -4, -6};
  return values[code & 15U];
}

/// 2^(e - 127); subnormal for 0.
inline float power(unsigned e) { return std::bit_cast<float>(e == 0 ? 0x00400000U : e << 23); }

template <class T> void read(SafeTensor const& t, std::size_t from, std::size_t n, T* to) {
  if (is_grouped(t.dtype)) return grouped_detail::read(t, from, n, to);
  if (is_four_bit(t.dtype)) return four_bit_detail::read(t, from, n, to);
  const std::byte* const scales = t.parts[0].data;
  const auto byte = [](const std::byte* p, std::size_t i) { return static_cast<unsigned>(p[i]); };
  if (t.dtype == scaled_mxfp4) {
    for (std::size_t i = from; i < from + n; ++i) {
      const float x = e2m1_value(byte(t.data, i / 2) >> (i % 2 == 0 ? 0 : 4));
      *to++ = static_cast<T>(x * power(byte(scales, i / block)));
    }
    return;
  }
  const std::size_t cols = t.shape[1], squares = (cols + square - 1) / square;
  for (std::size_t i = from; i < from + n; ++i) {
    float scale;
    std::memcpy(&scale, scales + (i / cols / square * squares + i % cols / square) * sizeof scale, sizeof scale);
    *to++ = static_cast<T>(static_cast<float>(e4m3::of(static_cast<std::uint8_t>(t.data[i]))) * scale);
  }
}

}  // namespace scaled_detail

/// Joins numbers and their scales, of all tensors of a file and its shards; find(name) is one of `tensors` or null.
/// Throws where scales are of another shape or type than their numbers want.
template <class Find> void join_scales(std::string const& path, std::vector<SafeTensor>& tensors, Find&& find) {
  namespace d = scaled_detail;
  constexpr std::string_view blocks = "_blocks";
  std::vector<SafeTensor> all;
  std::vector<const SafeTensor*> taken;
  // t, of another dtype and shape where there are scales of that name, which have to be as `want`.
  const auto with = [&](SafeTensor t, std::string const& name, SafeTensor const& want) {
    const SafeTensor* s = find(name);
    if (s == nullptr) return t;
    if (s->text() != want.text())
      fail("tensors", path + " has " + name + ' ' + s->text(), want.text(), "the scales of " + t.name + ' ' + t.text());
    taken.push_back(s);
    t.parts.push_back(*s);
    if (t.dtype == "U8") t.shape = want.shape, t.shape.back() *= d::block;
    t.dtype = t.dtype == "U8" ? scaled_mxfp4 : scaled_fp8;
    return t;
  };
  for (SafeTensor const& t : tensors) {
    SafeTensor want;
    if (t.dtype == "U8" && t.name.ends_with(blocks) && t.shape.size() >= 2 && t.shape.back() == d::block / 2) {
      want.dtype = "U8";
      want.shape.assign(t.shape.begin(), t.shape.end() - 1);
      all.push_back(with(t, t.name.substr(0, t.name.size() - blocks.size()) + "_scales", want));
    } else if (t.dtype == "F8_E4M3" && t.shape.size() == 2) {
      want.dtype = "F32";
      for (const std::size_t n : t.shape) want.shape.push_back((n + d::square - 1) / d::square);
      all.push_back(with(t, t.name + "_scale_inv", want));
    } else {
      all.push_back(t);
    }
    if (all.back().parts.empty()) four_bit_detail::join(path, all.back(), find, taken);
    if (all.back().parts.empty()) grouped_detail::join(path, all.back(), find, taken);
  }
  std::vector<bool> joined(tensors.size(), false);
  for (const SafeTensor* part : taken) joined[static_cast<std::size_t>(part - tensors.data())] = true;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (!joined[i]) {
      if (kept != i) all[kept] = static_cast<SafeTensor&&>(all[i]);
      ++kept;
    }
  all.resize(kept);
  tensors = static_cast<std::vector<SafeTensor>&&>(all);
}

}  // namespace fauna::inline v0
