// Numbers as text and back.
#include <doctest/doctest.h>

#include <cstdint>
#include <fauna/core/number_text.hpp>
#include <limits>

namespace test_number_text {

using namespace fauna;

namespace {

template <class N> void there_and_back(N n, std::string const& text) {
  CHECK(number_text::of(n) == text);
  N back{};
  CHECK(number_text::parse(text, back));
  CHECK(back == n);
}
template <class N> bool is_number(std::string const& text) {
  N n{};
  return number_text::parse(text, n);
}

}  // namespace

TEST_CASE("numbers have the fewest digits that read back as the same number") {
  there_and_back(0.1F, "0.1");
  there_and_back(static_cast<double>(0.1F), "0.10000000149011612");
  there_and_back(1e-5F, "1e-05");
  there_and_back(500000.0, "5e+05");
  there_and_back(-0.0, "-0");
  there_and_back(std::numeric_limits<double>::denorm_min(), "5e-324");
  there_and_back(std::numeric_limits<std::uint64_t>::max(), "18446744073709551615");
  there_and_back(std::numeric_limits<long>::min(), "-9223372036854775808");
}

TEST_CASE("a text is a number as a whole or not at all") {
  for (const char* text : {"", " ", " 1", "1 ", "+1", "1x", "x", "0x10", "--1"}) {
    CAPTURE(text);
    CHECK_FALSE(is_number<long>(text));
    CHECK_FALSE(is_number<double>(text));
  }
  CHECK_FALSE(is_number<double>("1e400"));
  CHECK_FALSE(is_number<long>("9223372036854775808"));
  CHECK_FALSE(is_number<std::uint64_t>("-1"));
  CHECK_FALSE(is_number<long>("1.5"));
}

}  // namespace test_number_text
