// TensorBoard's events, byte by byte.
#include <doctest/doctest.h>

#include <cstring>
#include <string>
#include <vector>

#include <fauna/io/event_file.hpp>

#include "../support/temporary.hpp"

namespace test_event_file {

using namespace fauna;

namespace {

std::uint64_t number(std::string const& s, std::size_t at, int bytes) {
  std::uint64_t x = 0;
  for (int i = 0; i < bytes; ++i)
    x |= std::uint64_t{static_cast<unsigned char>(s.at(at + static_cast<std::size_t>(i)))} << (8 * i);
  return x;
}
/// The events of a file, each with right checksums.
std::vector<std::string> events(std::string const& file) {
  std::vector<std::string> all;
  const auto holds = [&](std::string const& what, std::size_t at) {
    const auto rotated = static_cast<std::uint32_t>(number(file, at, 4)) - 0xa282ead8U;
    CHECK(((rotated >> 17) | (rotated << 15)) == crc32c(what));
  };
  for (std::size_t at = 0; at < file.size();) {
    const std::size_t length = number(file, at, 8);
    holds(file.substr(at, 8), at + 8);
    all.push_back(file.substr(at + 12, length));
    holds(all.back(), at + 12 + length);
    at += 16 + length;
  }
  return all;
}

}  // namespace

TEST_CASE("the checksum of the standard's example") {
  CHECK(crc32c("123456789") == 0xe3069283U);  // RFC 3720, appendix B.4, has more
  CHECK(crc32c(std::string(32, '\0')) == 0x8a9136aaU);
  CHECK(crc32c(std::string(32, '\xff')) == 0x62a8ab43U);
}

TEST_CASE("events say their step, their curve and their value") {
  TemporaryFolder folder;
  std::string path;
  {
    EventFile file(folder / "run", 0);
    file.scalar("loss/train", 300, 1.5);
    path = file.path();
  }
  const auto all = events(read_file(path));
  REQUIRE(all.size() == 2);
  CHECK(all[0].find("brain.Event:2") == 11);
  // wall time, then step 300 in two bytes, then a summary of one value
  const std::string want =
      std::string("\x10\xac\x02\x2a\x13\x0a\x11\x0a\x0a", 9) + "loss/train" + std::string("\x15\x00\x00\xc0\x3f", 5);
  CHECK(all[1].substr(9) == want);
}

TEST_CASE("a session that goes on says from where") {
  TemporaryFolder folder;
  std::string path;
  {
    const EventFile file(folder.path(), 7);
    path = file.path();
  }
  const auto all = events(read_file(path));
  REQUIRE(all.size() == 2);
  CHECK(all[1].substr(9) == std::string("\x10\x07\x3a\x02\x08\x01"));
}

}  // namespace test_event_file
