// What decoding promises, for experts that serve a capacity of rows: which rows found no place is a state beside the
// cache, and so the same however a text is read.
#include <doctest/doctest.h>

#include <fauna/models/config_text.hpp>
#include <fauna/models/switch_lm.hpp>

#include "../support/decode_check.hpp"

namespace test_steps_switch {

using namespace fauna;

namespace {

using Model = SwitchLm<SwitchLmConfig{.layers = 2,
                                      .heads = 2,
                                      .head_size = 8,
                                      .width = 16,
                                      .hidden = 20,
                                      .experts = 4,
                                      .context = 640,
                                      .vocab = 13,
                                      .capacity = 0.2F}>;

}  // namespace

TEST_CASE("switch: chunks, rewinding and neighbours change no bit") {
  test::check_chunks<Model, f32_products>();
  test::check_rewind<Model, f32_products>();
  test::check_batches<Model, f32_products>();
}

TEST_CASE("switch: rows without a place change what a model says") {
  using Ample = SwitchLm<[] {
    SwitchLmConfig c = Model::config;
    c.capacity = 4;
    return c;
  }()>;
  auto tight = test::lively<Model, Cpu<>>(1);
  auto ample = test::lively<Ample, Cpu<>>(1);
  const auto ids = test::some_tokens<Model>(200, 3);
  CHECK(test::at_once(tight, ids) != test::at_once(ample, ids));
}

TEST_CASE("switch: a config as a line") {
  CHECK(
      to_text(SwitchShakespeare::config) ==
      "switch_lm layers=4 heads=4 head_size=32 width=128 hidden=512 experts=8 context=64 vocab=65 base=10000 tied=true "
      "epsilon=1e-05 balance=0.01 capacity=1.25");
  CHECK(config_from<SwitchLmConfig>(to_text(Model::config)) == Model::config);
  static_assert(SwitchShakespeare::active_parameters ==
                65 * 128 + 4 * (4 * 128 * 128 + 2 * 128 * 512 + 8 * 128 + 2 * 128) + 128);
}

}  // namespace test_steps_switch
