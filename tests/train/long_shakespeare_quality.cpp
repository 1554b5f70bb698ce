// The whole of nanoGPT's CPU configuration on Tiny Shakespeare, one seed. Full runs of the published program end at
// 1.8982, 1.8909 and 1.9081 on the whole validation part (seeds 1337, 1, 2); a single seed is given 0.035 either way.
#include <doctest/doctest.h>

#include <cstdlib>
#include <fauna/fauna.hpp>

#include "../support/source_dir.hpp"

namespace long_shakespeare_quality {

namespace {

/// The kept copy of the text, or the shared one; empty without either.
std::string shakespeare() {
  const char* shared = std::getenv("FAUNA_SHARED_DIR");
  for (std::string const& path :
       {test::source_path("data/tinyshakespeare.txt"),
        std::string(shared != nullptr ? shared : "/nowhere") + "/data/tinyshakespeare/input.txt"})
    if (::access(path.c_str(), R_OK) == 0 && fauna::read_file(path).size() == 1115394) return path;
  return {};
}

}  // namespace

TEST_CASE("nanoGPT's loss on Tiny Shakespeare") {
  const std::string path = shakespeare();
  if (path.empty()) {
    std::printf("skipped: no Tiny Shakespeare in data/ or $FAUNA_SHARED_DIR; tools/shakespeare fetches it\n");
    std::exit(77);
  }
  const auto text = fauna::CharText::from_file(path);
  fauna::Trained<fauna::NanoGptCpu, fauna::Cpu<>> model(fauna::seed{1337}, fauna::default_threads());
  const auto report = fauna::train(model, text, {.log_interval = 250});
  CHECK(report.iterations == 2001);
  const double val = fauna::evaluate(model, text.val(), 64);
  MESSAGE("loss on the whole validation part: " << val);
  CHECK(val > 1.865);
  CHECK(val < 1.935);
}

}  // namespace long_shakespeare_quality
