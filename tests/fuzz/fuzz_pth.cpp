// Anything may stand in a file: the reader of .pth answers with tensors that lie in the file or are copies out of it,
// or with an error, and takes no more memory than the file gives reason to. Most inputs are built: an archive with a
// pickle of a few tensors, with up to three faults in either.
#include <fauna/io/pth.hpp>

#include "../support/pth.hpp"
#include "inputs.hpp"

using namespace fauna;
using fuzz::below, fuzz::pick, fuzz::Random;

namespace {

/// A pickle out of parts that torch.save writes, some of them wrong.
class Pickles {
 public:
  explicit Pickles(Random& random) : random_(random) {}

  std::string root() {
    if (below(random_, 4) == 0) p_.raw("ccollections\nOrderedDict\n)R");
    else p_.raw("}");
    fill(0);
    if (below(random_, 6) == 0) p_.raw("}").word("_metadata").raw("}sb");
    fault();
    return p_.raw(".").text;
  }

 private:
  /// Key and value pairs into the dictionary on top.
  void fill(int depth) {
    const bool many = below(random_, 2) == 0;
    if (many) p_.raw("(");
    for (std::size_t i = 1 + below(random_, 3); i > 0; --i) {
      if (below(random_, 5) == 0) p_.integer(static_cast<std::int32_t>(below(random_, 3)));
      else p_.word("k" + std::to_string(below(random_, 9)));
      value(depth);
      if (!many) {
        p_.raw("s");
        if (i > 1) continue;
      }
    }
    if (many) p_.raw("u");
  }
  void value(int depth) {
    switch (below(random_, depth > 3 ? 8 : 11)) {
      case 0: p_.raw("N"); break;
      case 1: p_.raw(below(random_, 2) == 0 ? "\x88" : "\x89"); break;
      case 2: p_.raw(std::string("G") + "12345678"); break;
      case 3: p_.raw("\x8a").raw(pick(random_, long_numbers)); break;
      case 4: p_.raw("M\1\2r").raw(std::string("\5\0\0\0", 4)); break;
      case 5:
      case 6:
      case 7: tensor(); break;
      case 8:
        p_.raw("}q\1");
        fill(depth + 1);
        break;
      case 9:
        p_.raw("](");
        for (std::size_t i = below(random_, 3); i > 0; --i) value(depth + 1);
        p_.raw("e");
        if (below(random_, 2) == 0) {
          value(depth + 1);
          p_.raw("a");
        }
        break;
      default: p_.raw(pick(random_, recalls)); break;
    }
    if (below(random_, 8) == 0) fault();
  }
  void tensor() {
    constexpr const char* types[] = {"FloatStorage", "HalfStorage", "BFloat16Storage", "DoubleStorage",
                                     "LongStorage",  "BoolStorage", "QInt8Storage"};
    constexpr std::size_t sizes[] = {4, 2, 2, 8, 8, 1, 1};
    const std::size_t type = below(random_, 40) == 0 ? 6 : below(random_, 6);
    const auto elements = static_cast<std::int32_t>(48 / sizes[type]);
    std::vector<std::int32_t> shape, strides;
    std::int32_t next = 1;
    for (std::size_t d = below(random_, 4); d > 0; --d) {
      shape.push_back(static_cast<std::int32_t>(below(random_, 3)));
      strides.insert(strides.begin(), next);
      next *= 2;
    }
    if (below(random_, 4) == 0 && strides.size() > 1) std::swap(strides[0], strides[1]);
    if (below(random_, 20) == 0 && !strides.empty()) strides[0] = pick(random_, numbers);
    if (below(random_, 20) == 0 && !shape.empty()) shape[0] = pick(random_, numbers);
    if (below(random_, 40) == 0) shape.push_back(1);
    const bool parameter = below(random_, 6) == 0;
    if (parameter) p_.raw("ctorch._utils\n_rebuild_parameter\n(");
    p_.tensor(types[type], below(random_, 30) == 0 ? "1" : "0",
              below(random_, 30) == 0 ? pick(random_, numbers) : elements,
              below(random_, 10) == 0 ? pick(random_, numbers) : 0, shape, strides);
    if (parameter) p_.raw("\x89}tR");
  }
  void fault() {
    if (faults_ > 2 || below(random_, 3) != 0) return;
    ++faults_;
    static const std::string wrong[] = {"cos\nsystem\n",
                                        "(",
                                        ")",
                                        "t",
                                        "R",
                                        "Q",
                                        "b",
                                        ".",
                                        "s",
                                        "u",
                                        "e",
                                        "a",
                                        "0",
                                        "h\x7f",
                                        "X\xff\xff\xff\xff",
                                        "\x81",
                                        "\x85",
                                        "\x86",
                                        "\x87",
                                        "c",
                                        "ctorch\nXStorage\n",
                                        "N",
                                        "j\1\2\3\4",
                                        "\x80\4",
                                        "ccollections\nOrderedDict\n(NtR",
                                        "NNR",
                                        "ctorch._utils\n_rebuild_parameter\n)R",
                                        "ctorch._utils\n_rebuild_tensor_v2\n)R",
                                        "ctorch\nFloatStorage\n)R",
                                        "(NNNNNtQ",
                                        "X\1"};
    p_.raw(pick(random_, wrong));
  }

  static constexpr std::int32_t numbers[] = {-2147483647, -1, 0, 1, 2, 3, 12, 13, 48, 65536, 2147483647};
  inline static const std::string long_numbers[] = {std::string(1, '\0'),
                                                    "\1\5",
                                                    "\1\xff",
                                                    "\2\1\2",
                                                    "\10"
                                                    "12345678",
                                                    "\11"
                                                    "123456789"};
  inline static const std::string recalls[] = {"h\1", "h\2", std::string("j\5\0\0\0", 5)};
  Random& random_;
  test::PickleText p_{};
  int faults_ = 0;
};

std::string input_of(Random& random) {
  const std::string top = below(random, 8) == 0 ? "a/b" : "x";
  std::string pickle = Pickles(random).root(), storage(48, '\7');
  if (below(random, 30) == 0) storage.resize(below(random, 60));
  test::ZipParts parts{{top + "/data.pkl", pickle},
                       {top + "/byteorder", below(random, 40) == 0 ? "big" : "little"},
                       {top + "/data/0", storage}};
  if (below(random, 30) == 0) parts.push_back(parts[below(random, 3)]);
  if (below(random, 30) == 0) parts.push_back({"y/data.pkl", pickle});
  if (below(random, 30) == 0) parts.erase(parts.begin());
  std::string file = test::zip_of(parts, below(random, 40) == 0 ? 8 : 0, below(random, 3) == 0);
  if (below(random, 12) == 0) file = file.substr(0, file.size() - below(random, file.size()));
  if (below(random, 30) == 0) file = "\x80" + file;
  // Faults in the archive: bytes of its directory and ends.
  if (below(random, 3) == 0)
    for (std::size_t i = 1 + below(random, 2); i > 0 && file.size() > 8; --i) {
      const std::size_t from = below(random, 2) == 0 ? file.size() / 2 : 0;
      file[from + below(random, file.size() - from)] = "\0\1\x7f\x80\xff"[below(random, 5)];
    }
  return file;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const TemporaryFolder folder = fuzz::folder();
  static const std::string path = folder / "file";
  fuzz::put(path, data, size);
  try {
    const Pth read(path);
    fuzz::check_tensors(read);
    for (auto const& t : read.tensors())
      if (t.bytes > size) std::abort();
  } catch (error const&) {}
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
  return fuzz::mutate(data, size, most, seed, input_of);
}
