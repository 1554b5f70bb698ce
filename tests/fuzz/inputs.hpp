// What the fuzz targets share: choices, and places where inputs lie as files.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <fauna/io/tensor_file.hpp>
#include <random>

#include "../support/temporary.hpp"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);

namespace fuzz {

using Random = std::minstd_rand;
inline std::size_t below(Random& random, std::size_t n) { return random() / 7U % n; }
template <class T, std::size_t N> T pick(Random& random, const T (&from)[N]) { return from[below(random, N)]; }

/// A folder in memory, where there is such a place.
inline TemporaryFolder folder() {
  if (::access("/dev/shm", W_OK) == 0) ::setenv("TMPDIR", "/dev/shm", 1);
  return TemporaryFolder();
}

/// Not `write_file`: that flushes to a disk. The file keeps its place and gets a new length.
inline void put(std::string const& path, const std::uint8_t* data, std::size_t size) {
  const fauna::Descriptor out(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (out.get() < 0 || ::write(out.get(), data, size) != static_cast<ssize_t>(size)) std::abort();
}

/// Most inputs are built, as libFuzzer's mutations would nearly all break the format at once; the rest are its own.
inline std::size_t mutate(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed,
                          std::string (*built_of)(Random&)) {
  Random random(seed + 1U);
  if (size > 4 && below(random, 4) == 0) return LLVMFuzzerMutate(data, size, most);
  const std::string built = built_of(random);
  if (built.size() > most) return LLVMFuzzerMutate(data, size, most);
  std::memcpy(data, built.data(), built.size());
  return built.size();
}

/// What whoever loads may rely on for every tensor of a file that was not refused: it is found, and all of it can be
/// read. (A map ends with a page, so that reading past the file's end may show up nowhere: the targets compare places
/// with the file's size.)
inline void check_tensors(fauna::TensorFile const& read) {
  for (auto const& t : read.tensors()) {
    if (read.find(t.name) != &t) std::abort();
    if (fauna::safetensors_detail::bits_of(t.dtype) * t.elements() != 8 * t.bytes) std::abort();
    if (t.text().empty()) std::abort();
    unsigned sum = 0;
    for (std::size_t i = 0; i < t.bytes; ++i) sum += static_cast<unsigned>(t.data[i]);
    volatile unsigned seen = sum;
    (void)seen;
  }
  if (read.find("\x01 nobody") != nullptr) std::abort();
}

}  // namespace fuzz
