// Whatever a model's own layers for further tokens draft, the text is plain decoding's.
#include <doctest/doctest.h>

#include "mtp_model.hpp"

namespace test_mtp_text {

using namespace fauna;
using namespace test::mtp;

TEST_CASE_TEMPLATE("mtp: the ids are plain decoding's", M, Model<1>, Model<2>) {
  Loaded<M, B> target(test::lively<M, B>(1).weights(), 1);
  HiddenReader<M> reader(target, 64, 5);
  MtpHeads drafter(reader);
  test::Wild wild{.vocab = M::vocab};
  for (auto o : test::ways(27)) {
    CAPTURE(o.temperature);
    CAPTURE(o.repetition_penalty);
    o.context = 64;
    for (const int length : test::sizes({1, 7, 30}, {30})) {
      CAPTURE(length);
      const auto prompt = test::some_tokens<M>(length, static_cast<std::uint64_t>(length));
      const auto want = test::plain(target, prompt, o);
      auto stops = o;
      stops.stop_ids = {want[want.size() - 9]};
      const auto stopped = test::plain(target, prompt, stops);
      for (int gamma = 0; gamma <= 8; ++gamma) {
        CAPTURE(gamma);
        CHECK(speculate(reader, drafter, prompt, {.text = o, .draft = gamma}).ids == want);
        CHECK(speculate(reader, drafter, prompt, {.text = stops, .draft = gamma}).ids == stopped);
        CHECK(speculate(reader, wild, prompt, {.text = o, .draft = gamma}).ids == want);
      }
    }
    auto ends = o;
    ends.tokens = 70;
    ends.at_end = context_end::slide;
    const auto prompt = test::some_tokens<M>(7, 1);
    CHECK(speculate(reader, drafter, prompt, {.text = ends, .draft = 3}).ids == test::plain(target, prompt, ends));
  }
}

}  // namespace test_mtp_text
