// Flags on their way from the launcher to the program that it starts.
#include <doctest/doctest.h>

#include <tools/src/settings.hpp>

namespace test_settings {

using doctest::Contains;

namespace {

template <class S> S sent(S const& s) {
  std::vector<std::string> words = settings::arguments(s);
  std::vector<char*> pointers;
  for (auto& w : words) pointers.push_back(w.data());
  S got;
  settings::read(got, static_cast<int>(pointers.size()), pointers.data());
  return got;
}

}  // namespace

TEST_CASE("any text arrives as it is, and a list in its order") {
  settings::Generate s;
  CHECK(sent(s).stop.empty());
  s.prompt = "a=b\n=\"c\"";
  s.stop = {"stop=1\n\nUser:", "", "[x, y]", "=", "'\\"};
  s.chat = true;
  s.seed = 18446744073709551615U;
  const auto got = sent(s);
  CHECK(got.prompt == s.prompt);
  CHECK(got.stop == s.stop);
  CHECK(got.chat);
  CHECK(got.seed == s.seed);
}

TEST_CASE("an argument that is no flag, or of another type") {
  char unknown[] = "stops=a", bare[] = "stop", word[] = "seed=a";
  for (char* argument : {unknown, bare}) {
    settings::Generate s;
    CHECK_THROWS_WITH_AS(settings::read(s, 1, &argument), Contains(argument), fauna::error);
  }
  settings::Generate s;
  char* argument = word;
  CHECK_THROWS_WITH_AS(settings::read(s, 1, &argument), Contains("a whole number"), fauna::error);
}

TEST_CASE("what the launcher says of a pair of models arrives beside the flags") {
  settings::Told<settings::Sample> s;
  CHECK(sent(s).draft.empty());
  CHECK(sent(s).engine.empty());
  s.draft = "a folder";
  s.draft_max = 7;
  s.draft_stats = true;
  s.acceptance = "typical";
  s.adaptive = false;
  s.engine = "one";
  s.draft_engine = "two";
  s.draft_weights = "a folder/best.safetensors";
  const auto got = sent(s);
  CHECK(got.draft == s.draft);
  CHECK(got.draft_max == 7);
  CHECK(got.draft_stats);
  CHECK(got.acceptance == "typical");
  CHECK(!got.adaptive);
  CHECK(got.engine == "one");
  CHECK(got.draft_engine == "two");
  CHECK(got.draft_weights == s.draft_weights);
  CHECK(got.top_k == 200);
}

}  // namespace test_settings
