// nanoGPT's .bin files.
#include <doctest/doctest.h>

#include <fauna/text/bin.hpp>
#include <vector>

#include "../support/temporary.hpp"

namespace test_bin {

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

TEST_CASE("shards are one text, whose windows go over their ends") {
  const TemporaryFolder folder;
  write_ids<std::uint16_t>(folder / "a.bin", {0, 1, 2});
  write_ids<std::uint16_t>(folder / "b.bin", {3, 4});
  write_ids<std::uint16_t>(folder / "c.bin", {5, 6, 7, 8});
  const ShardedText text({folder / "a.bin", folder / "b.bin", folder / "c.bin"}, 9, id_width::two, "train");
  const Tokens t = text.tokens();
  REQUIRE(t.size() == 9);
  for (int i = 0; i < 9; ++i) CHECK(t[static_cast<std::size_t>(i)] == i);
  const Tokens rest = t.part(2, 6, "val").part(1, 4, "val");
  CHECK(rest.size() == 4);
  CHECK(rest[0] == 3);
  CHECK(rest[3] == 6);
  int tokens[6], targets[6];
  window(t, 1, 6, tokens, targets);
  CHECK(tokens[0] == 1);
  CHECK(targets[5] == 7);
  CHECK_THROWS_WITH_AS(ShardedText({}, 9), Contains("has no files"), error);
}

TEST_CASE("llm.c's headers say the width and the number of tokens") {
  const TemporaryFolder folder;
  const auto file = [&](int magic, int version, int count, std::string const& ids) {
    std::vector<std::int32_t> header(256);
    header[0] = magic, header[1] = version, header[2] = count;
    write_file(folder / "x.bin", std::string(reinterpret_cast<const char*>(header.data()), 1024) + ids);
    return folder / "x.bin";
  };
  const BinText two(file(20240520, 1, 3, std::string("\1\0\2\0\3\0", 6)), 4);
  CHECK(two.size() == 3);
  CHECK(two.tokens()[2] == 3);
  const BinText four(file(20240801, 7, 2, std::string("\1\0\1\0\2\0\0\0", 8)), 70000);
  CHECK(four.tokens()[0] == 65537);
  CHECK_THROWS_WITH_AS(BinText(file(20240520, 2, 3, "abcdef"), 65536), Contains("a header of version 2, expected 1"),
                       error);
  CHECK_THROWS_WITH_AS(BinText(file(20240520, 1, 9, "abcdef"), 65536), Contains("3 tokens, expected 9"), error);
  write_ids<std::uint16_t>(folder / "two.bin", {1, 2});
  file(20240801, 7, 2, std::string("\1\0\0\0\2\0\0\0", 8));
  CHECK_THROWS_WITH_AS(ShardedText({folder / "two.bin", folder / "x.bin"}, 4), Contains("ids of another width"), error);
}

TEST_CASE("a shard may have one token, a text not") {
  const TemporaryFolder folder;
  write_ids<std::uint16_t>(folder / "a.bin", {1, 2});
  write_ids<std::uint16_t>(folder / "b.bin", {3});
  CHECK(ShardedText({folder / "a.bin", folder / "b.bin"}, 4).tokens()[2] == 3);
  CHECK_THROWS_WITH_AS(ShardedText({folder / "b.bin"}, 4), Contains("has length 1, expected at least 2"), error);
}

}  // namespace test_bin
