// A run whose checkpoint is looked at.
#pragma once
#include <string>

#include "../support/runs.hpp"
#include "../support/temporary.hpp"

namespace test {
using namespace fauna;

/// A small model after three updates, saved.
struct Saved {
  TemporaryFolder folder;
  CharText text = CharText::from_string(test::letters(600));
  Small model{seed{5}};
  std::string path = folder / "a.safetensors";
  Saved() {
    Trainer<Small> run(model, fauna::Split{text.train(), text.val()}, test::short_run(), text.alphabet());
    for (int i = 0; i < 3; ++i) run.step();
    run.record(SplitLosses{3, 3.5});
    run.save(path);
  }
};

}  // namespace test
