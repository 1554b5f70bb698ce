// A text in pieces ends before the first of its stop texts, and shows nothing of what may become one.
#include <doctest/doctest.h>

#include <fauna/decode/stop_texts.hpp>

namespace test_stop_texts {

namespace {

using namespace fauna;

/// All that was shown, with a bar after each push.
std::string shown(std::vector<std::string> const& stops, std::vector<std::string> const& pieces,
                  bool* found = nullptr) {
  StopTexts s(stops);
  std::string all;
  for (std::string const& piece : pieces)
    if (!s.found()) all += s.push(piece) + '|';
  all += s.finish();
  CHECK(s.finish().empty());
  if (found != nullptr) *found = s.found();
  return all;
}

}  // namespace

TEST_CASE("what may begin a stop text is held back until it is known") {
  CHECK(shown({}, {"a", "b"}) == "a|b|");
  CHECK(shown({"END"}, {"aE", "N", "b"}) == "a||ENb|");
  CHECK(shown({"END"}, {"aE", "N"}) == "a||EN");
  bool found = false;
  CHECK(shown({"END"}, {"aE", "N", "Db", "c"}, &found) == "a|||");
  CHECK(found);
  CHECK(shown({"aab"}, {"a", "a", "a", "b"}, &found) == "||a||");
  CHECK(found);
  CHECK(shown({"ab", "bc"}, {"xa", "c", "b", "d"}, &found) == "x|ac||bd|");
  CHECK_FALSE(found);
}

TEST_CASE("the first stop text in the text ends it, whichever is listed first") {
  for (std::vector<std::string> const& stops : {std::vector<std::string>{"a", "b"}, {"b", "a"}}) {
    CHECK(shown(stops, {"xab"}) == "x|");
    CHECK(shown(stops, {"xba"}) == "x|");
  }
  CHECK(shown({"", "bc", "abc"}, {"xa", "bc"}) == "x||");
  CHECK(shown({"", ""}, {"xa"}) == "xa|");
}

}  // namespace test_stop_texts
