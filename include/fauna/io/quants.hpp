// Tensors in blocks of small whole numbers with scales, as ggml has them: every format that is read, by name.
#pragma once
#include <fauna/io/quants/blocks_of_32.hpp>
#include <fauna/io/quants/k_blocks.hpp>
#include <fauna/io/quants/k_writers.hpp>
#include <fauna/io/quants/tables.hpp>
#include <fauna/io/scaled.hpp>

namespace fauna::inline v0 {

inline constexpr BlockFormat block_formats[] = {
    quants_detail::Of32<4, false>::format("Q4_0", 2),
    quants_detail::Of32<4, true>::format("Q4_1", 3),
    quants_detail::Of32<5, false>::format("Q5_0", 6),
    quants_detail::Of32<5, true>::format("Q5_1", 7),
    quants_detail::Of32<8, false>::format("Q8_0", 8),
    quants_detail::in_codes<quants_detail::codes_q2_k, BlockCode{2, 0, true, false, true}, 256>(
        "Q2_K", 10, 84, quants_detail::write_q2_k),
    quants_detail::in_codes<quants_detail::codes_q3_k, BlockCode{3, 4, false, false, true}, 256>(
        "Q3_K", 11, 110, quants_detail::write_q3_k),
    quants_detail::in_codes<quants_detail::codes_q4_k<false>, BlockCode{4, 0, true, true}, 256>(
        "Q4_K", 12, 144, quants_detail::write_q4_k<false>),
    quants_detail::in_codes<quants_detail::codes_q4_k<true>, BlockCode{5, 0, true, true}, 256>(
        "Q5_K", 13, 176, quants_detail::write_q4_k<true>),
    quants_detail::in_codes<quants_detail::codes_q6_k, BlockCode{6, 32, false, false, true}, 256>(
        "Q6_K", 14, 210, quants_detail::write_q6_k),
    quants_detail::in_codes<quants_detail::codes_iq4_nl, BlockCode{4, 0, false, false, false, code_table::nonlinear},
                            32>("IQ4_NL", 20, 18, quants_detail::write_iq4_nl),
    quants_detail::in_codes<quants_detail::codes_iq4_xs, BlockCode{4, 0, false, true, false, code_table::nonlinear},
                            256>("IQ4_XS", 23, 136),
    quants_detail::in_codes<quants_detail::codes_mxfp4, BlockCode{4, 0, false, true, false, code_table::e2m1}, 32>(
        "MXFP4", 39, 17, quants_detail::write_mxfp4),
};
inline constexpr std::size_t most_block_elements = 256;

/// Null for a type that is not in blocks.
constexpr const BlockFormat* block_format(std::string_view dtype) {
  for (BlockFormat const& f : block_formats)
    if (f.name == dtype) return &f;
  return nullptr;
}

/// Is it a type whose numbers are read: in blocks, with scales of their own, or one by one?
constexpr bool has_floats(std::string_view dtype) {
  return dtype == "F64" || dtype == "F32" || dtype == "F16" || dtype == "BF16" || block_format(dtype) != nullptr ||
         is_scaled(dtype);
}

/// n numbers of a tensor in blocks, from element `from` on.
template <class T>
void read_blocks(BlockFormat const& format, const std::byte* data, std::size_t from, std::size_t n, T* to) {
  float x[most_block_elements];
  while (n > 0) {
    format.read(data + from / format.elements * format.bytes, x);
    const std::size_t first = from % format.elements, left = format.elements - first, count = n < left ? n : left;
    for (std::size_t j = 0; j < count; ++j) *to++ = static_cast<T>(x[first + j]);
    from += count;
    n -= count;
  }
}

}  // namespace fauna::inline v0
