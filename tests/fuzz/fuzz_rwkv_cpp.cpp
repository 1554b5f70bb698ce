// Anything may stand in a file: the reader of rwkv.cpp's answers with tensors that lie in the file, or with an error.
// Most inputs are built: a valid file, with up to three faults.
#include <fauna/io/rwkv_cpp.hpp>
#include <utility>

#include "inputs.hpp"

using namespace fauna;
using fuzz::below, fuzz::pick, fuzz::Random;

namespace {

std::string word(std::int32_t n) { return {reinterpret_cast<const char*>(&n), sizeof n}; }

std::string input_of(Random& random) {
  constexpr std::int32_t numbers[] = {-2147483647, -1, 0, 1, 2, 3, 5, 99, 257, 65536, 2147483647};
  std::size_t faults = below(random, 4);
  const auto number = [&](std::int32_t n) {
    if (faults > 0 && below(random, 12) == 0) {
      --faults;
      n = pick(random, numbers);
    }
    return word(n);
  };
  std::string file = number(0x67676d66) + number(100 + static_cast<std::int32_t>(below(random, 2))) + number(2) +
                     number(3) + number(1) + number(0);
  for (std::size_t t = below(random, 4); t > 0; --t) {
    constexpr std::pair<std::int32_t, std::size_t> types[] = {{0, 4},  {0, 4},  {1, 2},  {2, 18},
                                                              {3, 20}, {7, 22}, {8, 24}, {9, 34}};
    auto const& [type, each] = pick(random, types);
    const std::size_t dimensions = 1 + below(random, 4);
    std::size_t bytes = each;
    std::string sizes;
    for (std::size_t d = 0; d < dimensions; ++d) {
      const std::size_t size = 1 + below(random, 3);
      bytes *= size;
      sizes += number(static_cast<std::int32_t>(d == 0 && type > 1 ? 32 * size : size));
    }
    constexpr const char* names[] = {"time_decay",  "time_faaaa",    "time_first",  "time_mix_k",
                                     "ln_x.weight", "time_decay_w1", "time_maa_w2", "time_maa_x"};
    const std::string name = below(random, 9) == 0   ? "t"
                             : below(random, 2) == 0 ? std::string("blocks.0.att.") + pick(random, names)
                                                     : "t" + std::to_string(t);
    file += number(static_cast<std::int32_t>(dimensions)) + number(static_cast<std::int32_t>(name.size())) +
            number(type) + sizes + name + std::string(bytes, static_cast<char>(t));
  }
  if (faults > 0) file.resize(file.size() - below(random, file.size()));
  return file;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const TemporaryFolder folder = fuzz::folder();
  static const std::string path = folder / "file";
  fuzz::put(path, data, size);
  try {
    const RwkvCpp read(path);
    std::size_t bytes = 24;
    bool as_is = true;  // what a converter computed is taken back, in another shape and type
    for (auto const& t : read.tensors()) {
      if (read.find(t.name) != &t) std::abort();
      std::vector<float> numbers(t.elements());  // a file of so many bytes has so many numbers
      read_floats(t, 0, numbers.size(), numbers.data());
      bytes += 12 + 4 * t.shape.size() + t.name.size() + t.bytes;
      as_is = as_is && t.name.find(".time_") == std::string::npos;
    }
    if (as_is && bytes != size) std::abort();  // no byte is left over
  } catch (error const&) {}
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
  return fuzz::mutate(data, size, most, seed, input_of);
}
