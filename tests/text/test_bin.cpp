// nanoGPT's .bin files.
#include <doctest/doctest.h>

#include <fauna/text/bin.hpp>
#include <vector>

#include "../support/temporary.hpp"

using namespace fauna;
using doctest::Contains;

namespace {

template <class Id> void write_ids(std::string const& path, std::vector<Id> const& ids) {
  write_file(path, {reinterpret_cast<const char*>(ids.data()), ids.size() * sizeof(Id)});
}

}  // namespace

TEST_CASE("both widths of id file") {
  const TemporaryFolder folder;
  write_ids<std::uint16_t>(folder / "two.bin", {0, 50256, 7});
  write_ids<std::uint32_t>(folder / "four.bin", {0, 128255, 7});
  const BinText two(folder / "two.bin", 50257), four(folder / "four.bin", 128256, id_width::four, "val");
  CHECK(two.tokens().size() == 3);
  CHECK(two.tokens()[1] == 50256);
  CHECK(two.tokens().vocab() == 50257);
  CHECK(four.tokens().size() == 3);
  CHECK(four.tokens()[1] == 128255);
  CHECK(std::string(four.tokens().name()) == "val");
}

TEST_CASE("files that cannot be what they are said to be") {
  const TemporaryFolder folder;
  const std::string path = folder / "train.bin";
  write_file(path, "abc");
  CHECK_THROWS_WITH_AS(BinText(path, 65536), Contains("has 3 bytes, expected a multiple of 2"), error);
  write_file(path, "abcdef");
  CHECK_THROWS_WITH_AS(BinText(path, 65536, id_width::four), Contains("has 6 bytes, expected a multiple of 4"), error);
  write_file(path, "");
  CHECK_THROWS_WITH_AS(BinText(path, 65536), Contains("has length 0, expected at least 2"), error);
  write_ids<std::uint16_t>(path, {7});
  CHECK_THROWS_WITH_AS(BinText(path, 65536), Contains("has length 1, expected at least 2"), error);
  write_ids<std::uint16_t>(path, {1, 2, 65, 3});
  CHECK_THROWS_WITH_AS(BinText(path, 65),
                       Contains((path + " has the id 65 at token 2, expected ids below the vocabulary of 65").c_str()),
                       error);
  write_ids<std::uint32_t>(path, {1, 0xffffffffU});
  CHECK_THROWS_WITH_AS(BinText(path, 65, id_width::four), Contains("has the id 4294967295 at token 1"), error);
}
