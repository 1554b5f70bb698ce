// Spans of blocks, in passes of one's own and in a run.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include <fauna/backend/cpu.hpp>
#include <fauna/io/json.hpp>
#include <fauna/models/gpt.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/train/profile.hpp>

#include "../support/runs.hpp"
#include "../support/temporary.hpp"

namespace test_profile {

using namespace fauna;
using test::short_run, test::Small, test::text;

namespace {

using Tiny = Gpt<GptConfig{.layers = 2, .heads = 2, .width = 8, .context = 8, .vocab = 11}>;

}  // namespace

TEST_CASE("a profile has a span of every labelled block, within those around it") {
  Trained<Tiny, Cpu<>> model(seed{1});
  model.prepare_training({.sequences = 1, .length = 4});
  const std::vector<int> tokens{1, 2, 3, 4}, targets{2, 3, 4, 5};
  Batch batch = Batch::uniform(1, 4, tokens.data());
  batch.targets = targets.data();
  const double plain = model.accumulate(batch);
  Profile<float> profile;
  profile.begin("pass", "own");
  CHECK(model.accumulate(batch, 1, {}, profile.tap()) == plain);
  profile.end();

  const auto named = [&](std::string const& name, std::string const& kind) {
    const auto s = std::find_if(profile.spans().begin(), profile.spans().end(),
                                [&](auto const& x) { return x.name == name && x.kind == kind; });
    REQUIRE(s != profile.spans().end());
    return *s;
  };
  for (const char* kind : {"forward", "backward"}) {
    const auto attention = named("transformer.h.1.attn", kind), inner = named("transformer.h.1.attn.c_proj", kind);
    CHECK(inner.start >= attention.start);
    CHECK(inner.start + inner.seconds <= attention.start + attention.seconds + 1e-9);  // sums are rounded
    CHECK(attention.own <= attention.seconds);
  }
  double own = 0;
  for (auto const& s : profile.spans()) {
    CHECK(s.own >= -1e-9);
    own += s.own;
  }
  CHECK(own == doctest::Approx(named("pass", "own").seconds));

  std::size_t events = 0;
  const std::string trace = profile.trace();
  JsonReader in(trace, "the trace");
  in.enter_object();
  for (std::string key; in.next_key(key);) {
    if (key != "traceEvents") in.skip();
    else
      for (in.enter_array(); in.next_item(); ++events) in.skip();
  }
  in.end();
  CHECK(events == profile.spans().size());
  CHECK(profile.table().find("forward  transformer.h.*.attn.c_proj") != std::string::npos);
  const std::string two = profile.table(2);
  CHECK(std::count(two.begin(), two.end(), '\n') == 2);
}

TEST_CASE("a run profiles the updates after its first, and computes what it would have") {
  const auto run = [](TrainOptions const& o) {
    Small model(seed{3});
    return train(model, text(), o).loss;
  };
  TemporaryFolder folder;
  const double plain = run(short_run());
  TrainOptions o = short_run(folder / "out");
  o.tensorboard = folder / "events", o.profile = 2;
  CHECK(run(o) == plain);
  const std::string trace = read_file(folder / "out" + "/trace.json");
  std::size_t updates = 0;
  for (std::size_t at = 0; (at = trace.find("\"update\"", at)) != std::string::npos; ++at) ++updates;
  CHECK(updates == 2);
  CHECK(trace.find("transformer.h.0.mlp.c_fc") != std::string::npos);
}

}  // namespace test_profile
