// Files as torch.save writes them, true or not, made from their parts.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace test {

template <class N> std::string bytes_of_number(N n) { return {reinterpret_cast<const char*>(&n), sizeof n}; }

/// A pickle from its opcodes.
struct PickleText {
  std::string text = "\x80\x02";

  PickleText& raw(std::string const& s) {
    text += s;
    return *this;
  }
  PickleText& word(std::string const& s) {
    return raw('X' + bytes_of_number(static_cast<std::uint32_t>(s.size())) + s);
  }
  PickleText& integer(std::int32_t n) { return raw('J' + bytes_of_number(n)); }
  PickleText& integers(std::vector<std::int32_t> const& all) {
    raw("(");
    for (const std::int32_t n : all) integer(n);
    return raw("t");
  }
  /// torch._utils._rebuild_tensor_v2(storage, offset, sizes, strides, False, OrderedDict())
  PickleText& tensor(std::string const& type, std::string const& key, std::int32_t elements, std::int32_t offset,
                     std::vector<std::int32_t> const& sizes, std::vector<std::int32_t> const& strides) {
    raw("ctorch._utils\n_rebuild_tensor_v2\n((").word("storage").raw("ctorch\n" + type + '\n').word(key).word("cpu");
    integer(elements).raw("tQ").integer(offset).integers(sizes).integers(strides);
    return raw(
        "\x89"
        "ccollections\nOrderedDict\n)RtR");
  }
};
/// {name: tensor} and the end.
inline std::string one_tensor(std::string const& type, std::int32_t elements, std::int32_t offset,
                              std::vector<std::int32_t> const& sizes, std::vector<std::int32_t> const& strides) {
  return PickleText().raw("}").word("t").tensor(type, "0", elements, offset, sizes, strides).raw("s.").text;
}

using ZipParts = std::vector<std::pair<std::string, std::string>>;
/// An archive whose entries are stored; `method` of all of them, 64-bit sizes where `longer`.
inline std::string zip_of(ZipParts const& entries, std::uint16_t method = 0, bool longer = false) {
  const auto two = [](std::size_t n) { return bytes_of_number(static_cast<std::uint16_t>(n)); };
  const auto four = [](std::size_t n) { return bytes_of_number(static_cast<std::uint32_t>(n)); };
  const auto eight = [](std::size_t n) { return bytes_of_number(static_cast<std::uint64_t>(n)); };
  constexpr std::size_t elsewhere = 0xffffffff;
  std::string file, directory;
  for (auto const& [name, bytes] : entries) {
    const std::size_t at = file.size(), size = longer ? elsewhere : bytes.size();
    file += four(0x04034b50) + two(0) + two(0) + two(method) + four(0) + four(0) + four(bytes.size()) +
            four(bytes.size()) + two(name.size()) + two(4) + name + "FB\0\0" + std::string(2, '\0') + bytes;
    const std::string extra = longer ? two(1) + two(24) + eight(bytes.size()) + eight(bytes.size()) + eight(at) : "";
    directory += four(0x02014b50) + two(0) + two(0) + two(0) + two(method) + four(0) + four(0) + four(size) +
                 four(size) + two(name.size()) + two(extra.size()) + two(0) + two(0) + two(0) + four(0) +
                 four(longer ? elsewhere : at) + name + extra;
  }
  const std::size_t start = file.size(), n = entries.size();
  file += directory;
  if (longer) {
    const std::size_t end = file.size();
    file += four(0x06064b50) + eight(44) + two(0) + two(0) + four(0) + four(0) + eight(n) + eight(n) +
            eight(directory.size()) + eight(start);
    file += four(0x07064b50) + four(0) + eight(end) + four(1);
  }
  return file + four(0x06054b50) + two(0) + two(0) + two(longer ? 0xffff : n) + two(longer ? 0xffff : n) +
         four(longer ? elsewhere : directory.size()) + four(longer ? elsewhere : start) + two(0);
}
/// With a storage "0".
inline std::string pth_of(std::string const& pickle, std::string const& storage) {
  return zip_of({{"x/data.pkl", pickle}, {"x/byteorder", "little"}, {"x/data/0", storage}, {"x/version", "3\n"}});
}

}  // namespace test
