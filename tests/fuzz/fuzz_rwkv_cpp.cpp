// Anything may stand in a file: the reader of rwkv.cpp's answers with tensors that lie in the file, or with an error.
// Most inputs are built: a valid file, with up to three faults.
#include <fauna/io/rwkv_cpp.hpp>

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
    std::size_t bytes = 2;
    const std::size_t type = below(random, 2), dimensions = 1 + below(random, 4);
    if (type == 0) bytes = 4;
    std::string sizes;
    for (std::size_t d = 0; d < dimensions; ++d) {
      const std::size_t size = 1 + below(random, 3);
      bytes *= size;
      sizes += number(static_cast<std::int32_t>(size));
    }
    const std::string name = below(random, 9) == 0 ? "t" : "t" + std::to_string(t);
    file += number(static_cast<std::int32_t>(dimensions)) + number(static_cast<std::int32_t>(name.size())) +
            number(static_cast<std::int32_t>(type)) + sizes + name + std::string(bytes, static_cast<char>(t));
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
    fuzz::check_tensors(read);
    std::size_t bytes = 24;
    for (auto const& t : read.tensors()) bytes += 12 + 4 * t.shape.size() + t.name.size() + t.bytes;
    if (bytes != size) std::abort();  // no byte is left over
  } catch (error const&) {}
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
  return fuzz::mutate(data, size, most, seed, input_of);
}
